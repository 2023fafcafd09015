"""What applying a folder of definitions would change, and the definitions that it makes."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from harken.errors import BadDefinition, Fault
from harken.files.kinds import Kind, Plain, plain_of
from harken.files.project import JourneyFiles, Project
from harken.files.reader import try_read
from harken.files.words import did_you_mean
from harken.inputs import Definitions, JourneySource
from harken.journeys import moving
from harken.journeys.model import Journey

Action = Literal["new", "changed", "unchanged", "archived"]

_SHOWN = 60


class Change(Struct, frozen=True):
    """What becomes of one definition. One that is archived is gone; only a journey is kept."""

    kind: Kind
    name: str
    action: Action
    detail: list[str] = field(default_factory=list)
    """Each difference: `steps[1].subject: 'a' -> 'b'`."""


def plan(current: Definitions, project: Project) -> list[Change]:
    """Every definition of either side, in order: workspace, journeys, other kinds, by name."""
    changes = [*_plan_workspace(current, project), *_plan_journeys(current, project)]
    for one, found in plain_of(project):
        changes += _plan_plain(one, getattr(current, one.folder), found)
    return changes


def bundle(current: Definitions, project: Project, now: int, by: str) -> Definitions:
    """The definitions that follow `current` when the project is applied at `now` (ms) by `by`.

    A journey's revision goes up only when its source or a content file changed. Journeys that
    the project no longer has are archived. Raises BadDefinition when the project has faults.
    """
    if project.errors:
        raise BadDefinition(project.errors)
    journeys = {
        name: msgspec.structs.replace(was, archived=True) for name, was in current.journeys.items()
    }
    for name, found in project.journeys.items():
        journeys[name] = _next(current.journeys.get(name), found, move=name in project.move)
    return Definitions(
        revision=current.revision + 1,
        applied_at=now,
        applied_by=by,
        workspace=project.workspace if project.has_workspace else current.workspace,
        journeys=dict(sorted(journeys.items())),
        approvals=current.approvals,
        **{one.folder: dict(sorted(found.items())) for one, found in plain_of(project)},
    )


def _next(was: JourneySource | None, now: JourneyFiles, *, move: bool) -> JourneySource:
    if was is None:
        return JourneySource(1, now.source, now.files)
    if _same(was, now):
        return msgspec.structs.replace(was, archived=False, moves=was.moves or move)
    return JourneySource(was.revision + 1, now.source, now.files, moves=move)


def move_faults(current: Definitions, project: Project) -> Iterator[tuple[str, Fault]]:
    """What keeps runs from being moved, by journey; of journeys that are well formed."""
    for name in project.move:
        was, now = current.journeys.get(name), project.journeys.get(name)
        if now is None:
            near = did_you_mean(name, project.journeys)
            yield name, Fault("$", f"there is no journey `{name}` to move runs onto{near}")
        elif was is not None:
            old, new = try_read(was.source, Journey)[0], try_read(now.source, Journey)[0]
            if old is not None and new is not None:
                yield from ((name, fault) for fault in moving.move_faults(old, new))


def _plan_workspace(current: Definitions, project: Project) -> Iterator[Change]:
    if not project.has_workspace:
        return
    name = str(project.workspace.get("workspace", "default"))
    if not current.workspace and current.revision == 0:
        yield Change("workspace", name, "new")
        return
    detail = differences(current.workspace, project.workspace)
    yield Change("workspace", name, "changed" if detail else "unchanged", detail)


def _plan_journeys(current: Definitions, project: Project) -> Iterator[Change]:
    for name in sorted({*current.journeys, *project.journeys}):
        was, now = current.journeys.get(name), project.journeys.get(name)
        if was is None:
            yield Change("journey", name, "new")
        elif now is None:
            yield Change("journey", name, "unchanged" if was.archived else "archived")
        else:
            back = ["no longer archived"] if was.archived else []
            detail = back + differences(was.source, now.source) + _files(was.files, now.files)
            if name in project.move and not (was.moves and not detail):
                detail.append("runs in flight move onto it")
            yield Change("journey", name, "changed" if detail else "unchanged", detail)


def _plan_plain(
    one: Plain, current: dict[str, dict[str, Any]], project: dict[str, dict[str, Any]]
) -> Iterator[Change]:
    for name in sorted({*current, *project}):
        was, now = current.get(name), project.get(name)
        if was is None:
            yield Change(one.kind, name, "new")
        elif now is None:
            yield Change(one.kind, name, "archived")
        else:
            detail = differences(was, now)
            yield Change(one.kind, name, "changed" if detail else "unchanged", detail)


def differences(was: Any, now: Any) -> list[str]:
    """How two plain values differ, a line for each place. Key order and `1` for `1.0` do not."""
    return list(_differ(was, now, ""))


def _differ(was: Any, now: Any, path: str) -> Iterator[str]:
    if _canonical(was) == _canonical(now):
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for key in [*was, *(key for key in now if key not in was)]:
            place = f"{path}.{key}" if path else str(key)
            if key not in now:
                yield f"{place}: {_short(was[key])} removed"
            elif key not in was:
                yield f"{place}: {_short(now[key])} added"
            else:
                yield from _differ(was[key], now[key], place)
    elif isinstance(was, list) and isinstance(now, list):
        yield from _differ_lists(was, now, path)
    else:
        yield f"{path or 'all'}: {_short(was)} -> {_short(now)}"


def _differ_lists(was: list[Any], now: list[Any], path: str) -> Iterator[str]:
    """An item put in the middle is one difference, not one for each that it moved.

    Items that have a name are compared with those of the same name, wherever these stand now.
    """
    left, right = _labels(was), _labels(now)
    matched = SequenceMatcher(None, left, right, autojunk=False)
    for code, low, high, new_low, new_high in matched.get_opcodes():
        both = min(high - low, new_high - new_low)
        pairs = [
            (index, new)
            for index, new in zip(
                range(low, low + both), range(new_low, new_low + both), strict=True
            )
            if code == "equal" or _alike(was[index], now[new])
        ]
        for index, new in pairs:
            yield from _differ(was[index], now[new], f"{path}[{new}]")
        for index in sorted({*range(low, high)} - {index for index, _ in pairs}):
            yield f"{path}[{index}]: {_short(was[index])} removed"
        for index in sorted({*range(new_low, new_high)} - {new for _, new in pairs}):
            yield f"{path}[{index}]: {_short(now[index])} added"


_NAMES = ("id", "message", "split", "name")
"""What an item of a list is known by: steps by their ids, arms and transports by their names."""


def _labels(items: list[Any]) -> list[bytes]:
    """What tells each item from the others: its name, else all of it."""
    named = [_named(item) for item in items]
    return [
        name if name and named.count(name) == 1 else _canonical(item)
        for name, item in zip(named, items, strict=True)
    ]


def _named(item: Any) -> bytes:
    given = (item.get(key) for key in _NAMES) if isinstance(item, dict) else ()
    return next((b"named " + name.encode() for name in given if isinstance(name, str)), b"")


def _alike(was: Any, now: Any) -> bool:
    """Whether one item may have become the other: a wait does not become a message."""
    if isinstance(was, dict) and isinstance(now, dict) and was and now:
        return bool((was.keys() & now.keys()) - {"id"})
    return True


def _files(was: dict[str, str], now: dict[str, str]) -> list[str]:
    found = []
    for name in sorted({*was, *now}):
        if name not in now:
            found.append(f"{name}: content file no longer used")
        elif name not in was:
            found.append(f"{name}: content file added")
        elif was[name] != now[name]:
            found.append(f"{name}: content changed ({_lines_changed(was[name], now[name])})")
    return found


def _lines_changed(was: str, now: str) -> str:
    left, right = was.splitlines(), now.splitlines()
    codes = SequenceMatcher(None, left, right, autojunk=True).get_opcodes()
    added = sum(code[4] - code[3] for code in codes if code[0] != "equal")
    removed = sum(code[2] - code[1] for code in codes if code[0] != "equal")
    return f"+{added} -{removed} lines"


def _same(was: JourneySource, now: JourneyFiles) -> bool:
    return _canonical(was.source) == _canonical(now.source) and was.files == now.files


def _canonical(value: Any) -> bytes:
    """JSON with sorted keys and whole floats as integers: equal for what reads the same."""
    return msgspec.json.encode(_plain(value), order="sorted")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
