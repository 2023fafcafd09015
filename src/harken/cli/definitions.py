"""Definitions as files: begin, check, plan, apply."""

import sys
from collections.abc import Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
from cyclopts import Parameter
from msgspec.structs import replace

from harken.cli import show
from harken.cli.client import Connection
from harken.errors import BadDefinition, Fault

if TYPE_CHECKING:
    from harken.files.kinds import Kind
    from harken.files.project import Project

ACTIONS = {"new": "green", "changed": "yellow", "archived": "red", "unchanged": "dim"}


def init(directory: Path, /) -> None:
    """Begin a folder of definitions: a commented workspace, one journey, schemas for editors."""
    from harken.files import template

    for path in template.init(directory):
        show.line(f"wrote {path}")
    show.line(f"\nNext: change {directory / 'workspace.yaml'}, then `harken check {directory}`.")


def schemas(directory: Path, /) -> None:
    """Write the JSON Schemas of the files into the folder, for editors."""
    from harken.files import template

    for path in template.write_schemas(directory):
        show.line(f"wrote {path}")


def check(
    directory: Path,
    /,
    *,
    with_server: Annotated[bool, Parameter(negative="")] = False,
    connection: Connection = Connection(),
) -> int:
    """Tell everything that is wrong with a folder of definitions. Needs no server.

    Parameters
    ----------
    directory
        The folder that holds workspace.yaml, journeys/ and segments/.
    with_server
        Also ask the server for what only it can know: how many customers would get the default
        version of a message, and countries whose policy pack is off.
    """
    from harken.files.project import load

    project = load(directory)
    faults = _faults(project, guarded=project.has_workspace and not with_server)
    answer: dict[str, Any] = {}
    if with_server:
        with connection.open() as client:
            answer = client.post("/definitions/check", _body(project))
        faults = _merged(faults, [_placed(project, one) for one in answer["faults"]])
    wrong = sum(not fault.warning for fault in faults)
    if connection.json:
        warnings = answer.get("warnings", {})
        show.as_json({"ok": not wrong, "faults": faults, "warnings": warnings})
        return 1 if wrong else 0
    _show_faults(faults)
    _show_warnings(answer.get("warnings", {}))
    show.line(_summary(project, faults), "red" if wrong else "green")
    return 1 if wrong else 0


def plan(directory: Path, /, *, connection: Connection = Connection()) -> int:
    """Show what applying a folder of definitions would change. Changes nothing."""
    project = _sound(directory)
    with connection.open() as client:
        answer = client.post("/definitions/plan", _body(project))
    faults = [_placed(project, one) for one in answer["faults"]]
    wrong = any(not fault.warning for fault in faults)
    if connection.json:
        show.as_json({**answer, "faults": faults})
        return 1 if wrong else 0
    _show_changes(answer["changes"], answer["revision"])
    _show_faults(faults)
    _show_warnings(answer["warnings"])
    return 1 if wrong else 0


def apply(
    directory: Path,
    /,
    *,
    yes: Annotated[bool, Parameter(negative="")] = False,
    move: Annotated[list[str] | None, Parameter(negative="")] = None,
    connection: Connection = Connection(),
) -> int:
    """Put a folder of definitions in force, whole or not at all.

    Parameters
    ----------
    directory
        The folder that holds workspace.yaml, journeys/ and segments/.
    yes
        Do not ask first. Without a terminal nobody is asked.
    move
        A journey whose runs in flight go on on its new revision, step to step by id. Without it
        they finish on the revision that they began on. May be given several times.
    """
    project = _sound(directory)
    body = {**_body(project), "move": move or []}
    with connection.open() as client:
        if not yes and not connection.json and sys.stdin.isatty() and sys.stdout.isatty():
            planned = client.post("/definitions/plan", body)
            _show_changes(planned["changes"], planned["revision"])
            _show_warnings(planned["warnings"])
            if all(one["action"] == "unchanged" for one in planned["changes"]):
                return 0
            if input("Apply? [y/N] ").strip().lower() not in ("y", "yes"):
                show.line("Nothing was changed.")
                return 1
        try:
            answer = client.post("/definitions/apply", body)
        except BadDefinition as refused:
            raise BadDefinition([_found_here(project, fault) for fault in refused.faults]) from None
    faults = [_placed(project, one) for one in answer["faults"]]
    if connection.json:
        show.as_json({**answer, "faults": faults})
        return 0
    _show_changes(answer["changes"], answer["revision"])
    _show_faults(faults)
    _show_warnings(answer["warnings"])
    state = "in force" if answer["in_force"] else "logged; in force when the engine has caught up"
    show.line(f"Revision {answer['revision']} is {state}.", "green")
    return 0


def _sound(directory: Path) -> "Project":
    """The folder, well formed. Raises BadDefinition with every fault."""
    from harken.files.project import load

    project = load(directory)
    # The server knows what was approved by the API.
    faults = _faults(project, guarded=False)
    if any(not fault.warning for fault in faults):
        raise BadDefinition(faults)
    return project


def _faults(project: "Project", *, guarded: bool) -> list[Fault]:
    """All that can be known of the files alone, each with its file and line."""
    from harken.checking import NAMED_BY_JOURNEYS
    from harken.checking import check as check_whole
    from harken.files.plan import bundle
    from harken.inputs import Definitions

    # The files' own faults must not keep the rest from being looked at.
    written = bundle(Definitions(0, 0, ""), replace(project, faults=[]), 0, "")
    found = [
        project.place(cast("Kind", kind), name, fault)
        for kind, name, fault in check_whole(written, guarded=guarded)
    ]
    # Without a workspace file the one in force counts, and only the server knows what it names.
    if not project.has_workspace:
        elsewhere = tuple(NAMED_BY_JOURNEYS.values())
        found = [fault for fault in found if not fault.path.endswith(elsewhere)]
    return _merged(project.faults, found)


def _body(project: "Project") -> dict[str, Any]:
    from harken.files.kinds import plain_of

    journeys = {
        name: {"source": one.source, "files": one.files} for name, one in project.journeys.items()
    }
    plain = {one.folder: found for one, found in plain_of(project)}
    body: dict[str, Any] = {"journeys": journeys, **plain}
    return body | ({"workspace": project.workspace} if project.has_workspace else {})


def _placed(project: "Project", found: Mapping[str, Any]) -> Fault:
    """A fault that the server told, with the file and line where it stands here."""
    fault = Fault(found["path"], found["problem"], found["file"], found["line"], found["warning"])
    return project.place(found["kind"], found["name"], fault)


def _found_here(project: "Project", fault: Fault) -> Fault:
    """A fault by which the server refused, `journey cart $.steps`, with its file and line."""
    named, _, path = fault.path.partition("$")
    kind, _, name = named.strip().partition(" ")
    placed = project.place(cast("Kind", kind), name, replace(fault, path=f"${path}"))
    return placed if placed.file else fault


def _merged(left: Sequence[Fault], right: Sequence[Fault]) -> list[Fault]:
    """Each once: the first to tell what is wrong at a place, and all else."""
    told = {(fault.file, fault.path) for fault in left if not fault.warning}
    new = [fault for fault in right if (fault.file, fault.path) not in told]
    merged = dict.fromkeys([*left, *new])
    return sorted(merged, key=lambda fault: (fault.file, fault.line))


def _show_faults(faults: Sequence[Fault]) -> None:
    for fault in faults:
        show.line(str(fault), "yellow" if fault.warning else "red")


def _show_warnings(warnings: Mapping[str, Any]) -> None:
    for pack in warnings.get("packs_off", []):
        show.line(
            f"warning: customers live in {pack}, whose policy pack the workspace does not list",
            "yellow",
        )
    for cover in warnings.get("coverage", []):
        _show_cover(cover)


def _show_cover(cover: Mapping[str, Any]) -> None:
    of = f"of {cover['customers']} customers who triggered it lately"
    name = f"{cover['journey']}, {cover['step']}"
    if cover["to_default"]:
        why = "; ".join(f"{reason} ({count})" for reason, count in cover["reasons"].items())
        share = f"{cover['share_to_default']:.0%}"
        show.line(f"warning: {name}: {share} {of} would get the default for want of data: {why}",
                  "yellow")  # fmt: skip
    for reason, count in cover["aborted"].items():
        show.line(f"warning: {name}: {count} {of} would get nothing: {reason}", "yellow")


def _show_changes(changes: Sequence[Mapping[str, Any]], revision: int) -> None:
    """The changes, and how many definitions stay as they are."""
    shown = [one for one in changes if one["action"] != "unchanged"]
    for one in shown:
        # Only of a journey is anything kept: its runs and reports stay explained.
        gone = one["action"] == "archived" and one["kind"] != "journey"
        action = "removed" if gone else one["action"]
        show.line(f"{action:>9}  {one['kind']} {one['name']}", ACTIONS[one["action"]])
        for detail in one.get("detail", []):
            show.line(f"             {detail}")
    same = len(changes) - len(shown)
    if not shown:
        show.line(f"Nothing to change: revision {revision} is the same.")
    elif same:
        show.line(f"{same:>9}  unchanged", "dim")


def _summary(project: "Project", faults: Sequence[Fault]) -> str:
    wrong = sum(not fault.warning for fault in faults)
    warnings = len(faults) - wrong
    also = f", {warnings} warning{'s' * (warnings != 1)}" if warnings else ""
    if wrong:
        return f"{wrong} fault{'s' * (wrong != 1)}{also}."
    parts = ["the workspace"] if project.has_workspace else []
    parts += [
        f"{len(found)} {kind}{'s' * (len(found) != 1)}" for kind, found in _kinds(project) if found
    ]
    told = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"No faults in {told}{also}."


def _kinds(project: "Project") -> Iterator[tuple[str, Sized]]:
    from harken.files.kinds import plain_of

    yield "journey", project.journeys
    for one, found in plain_of(project):
        yield one.kind, found


def project_body(directory: Path) -> dict[str, Any]:
    """A folder of definitions as the API takes it. Raises BadDefinition."""
    return msgspec.to_builtins(_body(_sound(directory)))  # type: ignore[no-any-return]
