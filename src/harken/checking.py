"""Everything that is wrong with definitions, found at once: one fault hides no other.

`definition_faults.check` looks only at what is well formed. So a workspace or journey that is not
well formed is first stripped of its faults here; then the rest of it is looked at, too.
"""

from collections.abc import Container, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from harken import definition_faults
from harken.channels.addresses import parse_mailbox
from harken.channels.hooks import webhook_faults
from harken.channels.transports import faults_of, transport_faults
from harken.errors import BadDefinition, Fault
from harken.files.kinds import plain_of
from harken.files.plain import plain_steps
from harken.files.reader import try_read
from harken.files.references import unmet
from harken.files.remnants import beside, readable
from harken.files.slips import slips
from harken.gates import CompiledWorkspace, compile_workspace, step_faults
from harken.inputs import Definitions, JourneySource
from harken.journeys.kinds import Message, walk
from harken.journeys.model import Journey
from harken.people.merge import UNDO
from harken.people.profile import Profile, Trigger
from harken.workspace import Workspace

NAMED_BY_JOURNEYS = {"$.senders": ".sender", "$.places": ".entry.place"}
"""What the workspace names, and where journeys refer to it."""
_WORDS = ("channel", "channels", "default", "variants")

Placed = tuple[str, str, Fault]
"""(The kind of file, its name, the fault)."""


def check(written: Definitions, *, guarded: bool = True) -> list[Placed]:
    """Every fault of a bundle; `guarded` as in `definition_faults.check`."""
    workspace = readable(written.workspace, Workspace)
    rest = replace(written, workspace=workspace.plain if workspace.typed else {})
    found = [("workspace", "", fault) for fault in workspace.faults]
    found += [
        one
        for one in definition_faults.check(rest, guarded=guarded)
        if _stands(one, workspace.removed)
    ]
    if workspace.typed:
        sending = beside(_workspace_faults(workspace.typed), workspace.removed)
        found += [("workspace", "", fault) for fault in sending]
    gates = _gates(workspace.typed or Workspace())
    for name, journey in written.journeys.items():
        faults = [*_misnamed(journey.source, "journey", name), *_words_faults(journey)]
        if not journey.archived:
            faults += _gates_faults(journey, gates)
        found += [("journey", name, fault) for fault in faults]
    found += [*unmet(written), *slips(written)]
    for one, named in plain_of(written):
        for name, source in named.items():
            found += [(one.kind, name, fault) for fault in _misnamed(source, one.kind, name)]
    return found


def _stands(one: Placed, removed: Sequence[str]) -> bool:
    """Whether a fault is one also beside what was taken out of the workspace."""
    kind, _, fault = one
    if kind == "workspace":
        return bool(beside([fault], removed))
    return not any(
        path.startswith(root) and fault.path.endswith(end)
        for path in removed
        for root, end in NAMED_BY_JOURNEYS.items()
    )


def _workspace_faults(workspace: Workspace) -> Iterator[Fault]:
    # Not at the top: what knows languages takes longer to load than Harken may take to start.
    from harken.messages.filters import known_locale

    if not known_locale(workspace.language):
        problem = f"{workspace.language[:40]!r} is no language tag; write one such as ko or pt-BR"
        yield Fault("$.language", problem)
    kept = workspace.retention.history
    if kept is not None and kept <= UNDO:
        problem = "must be more than 30d: to undo a merge takes the history since"
        yield Fault("$.retention.history", problem)
    for name, sender in workspace.senders.items():
        yield from faults_of(parse_mailbox, sender.from_, f"$.senders.{name}.from")
        if sender.reply_to is not None:
            yield from faults_of(parse_mailbox, sender.reply_to, f"$.senders.{name}.reply_to")
    for index, transport in enumerate(workspace.transports):
        yield from transport_faults(transport, f"$.transports[{index}]")
    for name, hook in workspace.webhooks.items():
        yield from webhook_faults(hook, f"$.webhooks.{name}")


def _gates(workspace: Workspace) -> CompiledWorkspace:
    """What the gates know of the workspace; nothing, while it tells them what cannot be."""
    try:
        return compile_workspace(workspace)
    except BadDefinition:
        return compile_workspace(Workspace())


def _gates_faults(journey: JourneySource, gates: CompiledWorkspace) -> Iterator[Fault]:
    """What is wrong with what the messages of a journey tell the gates."""
    rest = readable(journey.source, Journey)
    for path, step in walk(rest.typed.steps) if rest.typed else ():
        if isinstance(step, Message):
            found = step_faults(step, step.purpose or rest.typed.purpose, gates, path)
            yield from beside(found, rest.removed)


def _misnamed(source: dict[str, Any], kind: str, name: str) -> Iterator[Fault]:
    said = source.get(kind)
    if isinstance(said, str) and said != name:
        yield Fault(f"$.{kind}", f"it is called `{said}` in itself, but `{name}` here")


def _words_faults(journey: JourneySource) -> list[Fault]:
    """What is wrong with the wordings of a journey that is not well formed."""
    steps = journey.source.get("steps")
    if not isinstance(steps, list) or not try_read(journey.source, Journey)[1]:
        return []
    # Not at the top: templates take longer to load than Harken may take to start.
    from harken.messages.analysis import Surroundings
    from harken.messages.compile import compile_message

    faults: list[Fault] = []
    for path, step in plain_steps(steps, "$.steps"):
        if "message" not in step or not {"channel", "channels"} & step.keys():
            continue
        words = {name: step[name] for name in _WORDS if name in step}
        rest = readable({"message": "step", **words}, Message, path=path)
        if rest.typed is not None and rest.typed.by:
            _, found = compile_message(
                rest.typed,
                journey.files,
                path=path,
                workspace_language="en",
                compile_rule=lambda rule: _nobody,
                around=Surroundings(certain=Coupons()),
            )
            faults += beside(found, rest.removed)
    return faults


class Coupons(Container[str]):
    """Every value of a coupon: which ones a run has is not known of a broken journey."""

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and path.startswith(("coupon.", "answers."))


def _nobody(profile: Profile, event: Trigger | None, now: int) -> bool:
    return False
