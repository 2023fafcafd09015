"""What is well formed and does nothing: templates' words where none are filled in, calls as events.

Rules and steps name an attribute or a property by itself, templates by its whole path; so authors
write either in the other's place, and nothing would ever match.
"""

from collections.abc import Iterator
from typing import Any

from harken.errors import Fault
from harken.files.plain import plain_steps
from harken.files.words import did_you_mean
from harken.inputs import Definitions

LIQUID = ("default", "variants", "payload", "description")
"""Keys of what is filled in, or of what is only read by people."""
OPEN = ("update", "with", "where")
"""Keys of mappings whose keys are the author's own."""
ATTRIBUTES = ("profile.attributes.", "profile.", "attributes.", "traits.")
PROPERTIES = ("event.properties.", "properties.", "event.", "entry.")
EVENTS = ("event", "did", "of", "first", "last")
"""Keys of names of events."""
CALLS = {
    "identify": "journeys see it as `$identify` while they wait",
    "group": "journeys see it as `$group` while they wait",
    "alias": "journeys see it as `$alias` while they wait",
    "track": "write the name that is tracked",
    "page": "a page view is the event `Page Viewed`",
    "screen": "a screen is the event `Screen Viewed`",
}


def slips(written: Definitions) -> Iterator[tuple[str, str, Fault]]:
    """Each slip: (kind of file, its name, the fault); a warning where data could make it right."""
    for fault in _workspace(written):
        yield "workspace", "", fault
    for kind, named in (("segment", written.segments), ("survey", written.surveys)):
        for name, source in named.items():
            for fault in _in(source, "$", ""):
                yield kind, name, fault
    for name, journey in written.journeys.items():
        for fault in () if journey.archived else _in(journey.source, "$", ""):
            yield "journey", name, fault


def _workspace(written: Definitions) -> Iterator[Fault]:
    """Warn of what the workspace declares under names that nothing has."""
    workspace = written.workspace
    for name in _mapping(workspace.get("attributes")):
        yield from _whole(str(name), f"$.attributes.{name}", ATTRIBUTES)
    tags = _tags(written)
    for index, cap in enumerate(_list(workspace.get("caps"))):
        tag = _mapping(cap).get("tag")
        if isinstance(tag, str) and tag not in tags:
            problem = f"no message has the tag `{tag[:60]}`{did_you_mean(tag, tags)}"
            yield Fault(f"$.caps[{index}].tag", problem, warning=True)
    for index, approval in enumerate(_list(workspace.get("approvals"))):
        name = _mapping(approval).get("journey")
        if isinstance(name, str) and name not in written.journeys:
            problem = f"there is no journey `{name[:60]}`{did_you_mean(name, written.journeys)}"
            yield Fault(f"$.approvals[{index}].journey", problem, warning=True)


def _tags(written: Definitions) -> list[str]:
    """Of all messages, those of their journeys among them."""
    found: list[Any] = []
    for journey in written.journeys.values():
        for _, part in (("", journey.source), *plain_steps(journey.source.get("steps"))):
            found += _list(part.get("tags"))
    return sorted({tag for tag in found if isinstance(tag, str)})


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _in(value: Any, path: str, key: str) -> Iterator[Fault]:
    if isinstance(value, dict):
        if value.get("at_least") == 0 and {"did", "messages"} & value.keys():
            problem = "everybody did that at least 0 times: write `at_least: 1`, or leave it out"
            yield Fault(f"{path}.at_least", problem, warning=True)
        for name, inner in value.items():
            place = f"{path}.{name}"
            if key == "where":
                yield from _whole(str(name), place, PROPERTIES)
            if name == "variants" and isinstance(inner, list):
                # Their words are filled in, the rules that choose them are not.
                for index, one in enumerate(inner):
                    if isinstance(one, dict):
                        yield from _in(one.get("when"), f"{place}[{index}].when", "when")
            elif key in OPEN or name not in LIQUID:
                yield from _in(inner, place, key if key in OPEN else str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _in(inner, f"{path}[{index}]", key)
    elif isinstance(value, str):
        yield from _text(value, path, path.rpartition(".")[2])


def _text(text: str, path: str, key: str) -> Iterator[Fault]:
    if "{{" in text and key != "regex":
        problem = f"`{text[:60]}` stays as it stands: nothing is filled in here"
        if ".steps[" in path:
            problem += "; steps take values by `{event_property: x}` or `{answer: step.x}`"
        yield Fault(path, problem)
    elif key == "attribute" or path == "$.entry.date":
        yield from _whole(text, path, ATTRIBUTES)
    elif key == "event_property" or path == "$.entry.key":
        yield from _whole(text, path, PROPERTIES)
    elif key in EVENTS:
        yield from _event(text, path)


def _whole(name: str, path: str, roots: tuple[str, ...]) -> Iterator[Fault]:
    """Warn of a path as templates have it."""
    for root in roots:
        if name.startswith(root) and name != root:
            what = "an attribute" if roots is ATTRIBUTES else "a property"
            own = name.removeprefix(root)
            problem = f"`{name[:60]}` is looked for inside {what} `{root.partition('.')[0]}`"
            yield Fault(path, f"{problem}; write `{own[:60]}`", warning=True)
            return


def _event(name: str, path: str) -> Iterator[Fault]:
    hint = CALLS.get(name.strip().lower())
    if hint:
        problem = f"`{name.strip()}` is a call, and no event unless one is tracked by this name"
        yield Fault(path, f"{problem}; {hint}", warning=True)
    elif name != name.strip() and name.strip():
        problem = f"{name[:60]!r} has a blank at an end, and so must the event that is tracked"
        yield Fault(path, problem, warning=True)
