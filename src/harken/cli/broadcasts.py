"""Broadcasts: start one, see how far they are, pause, resume and stop them."""

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from harken.cli import show
from harken.cli.client import Client, Connection, property_of, quoted
from harken.cli.segments import written_rule

LOOK_EVERY = 1.0
BAR = 20
REASONS = {
    "reentry": "had entered before",
    "already_in": "are in it already",
    "audience": "not in the audience",
    "not_selected": "no longer in the group",
    "time_passed": "whose time had passed",
    "control": "in a control group",
}
"""What counts of a broadcast are of, where the API's word needs another."""
OVER = ("done", "stopped", "missed")

broadcasts_app = App(
    name="broadcasts",
    help="Put a group of customers into a journey; see how far that is, pause, resume, stop.",
)


@broadcasts_app.command(name="list")
def list_broadcasts(
    *,
    journey: str | None = None,
    state: Literal["planned", "selecting", "running", "paused", "done", "stopped", "missed"]
    | None = None,
    connection: Connection = Connection(),
) -> None:
    """List those under way and to come, then those that are over, the latest first.

    Parameters
    ----------
    journey
        Those of this journey alone.
    state
        Those in this state alone.
    """
    with connection.open() as client:
        found = client.get("/broadcasts", journey=journey, state=state)
    if connection.json:
        show.as_json(found)
        return
    columns = ("id", "journey", "state", "due", "selected", "entered", "estimate")
    rows = [[one[name] for name in columns] for one in found["broadcasts"]]
    show.table(columns, rows, "no broadcasts")


@broadcasts_app.command(name="start")
def start_broadcast(
    journey: str,
    group: str,
    /,
    *,
    property: Annotated[Sequence[str], Parameter(negative="")] = (),
    per_second: int | None = None,
    at: str | None = None,
    id: str | None = None,
    connection: Connection = Connection(),
) -> None:
    """Put a group into a journey that has `entry: {api: true}`.

    Parameters
    ----------
    journey
        The journey's name.
    group
        A segment's name, a rule, or a file with one.
    property
        A property of the entry, `title=Hello`; may be given often.
    per_second
        At most so many customers a second.
    at
        When, as 2026-12-01T10:00 in the workspace's zone; at once when not given.
    id
        Tells this broadcast from another: the same is started once.
    """
    rule = written_rule(group)
    wish: dict[str, Any] = {"segment": group} if rule is None else {"rule": rule}
    wish["properties"] = dict(property_of(text, "--property") for text in property)
    wish |= {
        name: value
        for name, value in (("per_second", per_second), ("at", at), ("id", id))
        if value is not None
    }
    with connection.open() as client:
        made = client.post(f"/journeys/{quoted(journey)}/broadcasts", wish)
    if connection.json:
        show.as_json(made)
        return
    for warning in made["warnings"]:
        show.line(f"warning: {warning['path']}: {warning['problem']}", "yellow")
    show.line(f"{made['broadcast']['id']} is {made['broadcast']['state']}.", "green")
    show.line(f"How far it is: harken broadcasts show {made['broadcast']['id']}", "dim")


@broadcasts_app.command(name="show")
def show_broadcast(
    id: str, /, *, follow: bool = False, connection: Connection = Connection()
) -> None:
    """Show how far a broadcast is, how long it will take yet, and what became of its messages.

    Parameters
    ----------
    id
        The broadcast's id.
    follow
        Look again each second until it is over.
    """
    with connection.open() as client:
        found = client.get(f"/broadcasts/{quoted(id)}")
        if follow:
            found = _followed(client, found, connection)
    if connection.json:
        show.as_json(found)
        return
    one = found["broadcast"]
    show.facts(
        {
            "journey": one["journey"],
            "group": one["segment"] or one["rule"],
            "occurrence": one["occurrence"],
            "due": one["due"],
            "next": one["next"],
            "began": one["began"],
            "ended": one["ended"],
            "by": one["by"],
            "why": one["why"],
            "per second": one["per_second"],
            "did not enter": _counts(one["refused"]),
            "messages": _counts(found["messages"]) if one["began"] else None,
        }
    )
    show.line(progress(one))


@broadcasts_app.command(name="pause")
def pause_broadcast(id: str, /, *, connection: Connection = Connection()) -> None:
    """Let nobody else in until it is resumed; those who are in go on.

    Parameters
    ----------
    id
        The broadcast's id.
    """
    _steer(connection, id, "pause", None)


@broadcasts_app.command(name="resume")
def resume_broadcast(id: str, /, *, connection: Connection = Connection()) -> None:
    """Go on where it was paused.

    Parameters
    ----------
    id
        The broadcast's id.
    """
    _steer(connection, id, "resume", None)


@broadcasts_app.command(name="stop")
def stop_broadcast(
    id: str, /, *, cancel_messages: bool = False, connection: Connection = Connection()
) -> None:
    """Let nobody else in, for good.

    Parameters
    ----------
    id
        The broadcast's id.
    cancel_messages
        Also keep back what it led to and has not left yet.
    """
    _steer(connection, id, "stop", {"cancel_messages": cancel_messages})


def _counts(counts: Mapping[str, int]) -> str:
    """`2,311 passed, 12 held`, without those that are none."""
    return ", ".join(
        f"{count:,} {REASONS.get(name, name)}" for name, count in counts.items() if count
    )


def _steer(connection: Connection, id: str, how: str, body: dict[str, Any] | None) -> None:
    with connection.open() as client:
        one = client.post(f"/broadcasts/{quoted(id)}/{how}", body)
    if connection.json:
        show.as_json(one)
    else:
        show.line(f"{one['id']} is {one['state']}.", "green")
        show.line(progress(one))


def _followed(client: Client, found: Any, connection: Connection) -> Any:
    while found["broadcast"]["state"] not in OVER:
        if not connection.json:
            show.line(progress(found["broadcast"]))
        time.sleep(LOOK_EVERY)
        found = client.get(f"/broadcasts/{quoted(found['broadcast']['id'])}")
    return found


def progress(one: Mapping[str, Any]) -> str:
    """`running [#####...............] 25 %: 250,000 of 1,000,000, 248,000 entered; about 31 s`."""
    selected, considered = one["selected"], one["considered"]
    share = considered / selected if selected else float(one["state"] == "done")
    bar = "#" * int(share * BAR)
    text = f"{one['state']} [{bar:.<{BAR}}] {share:.0%}: {considered:,} of {selected:,}"
    text += f", {one['entered']:,} entered"
    return f"{text}; {one['estimate']}" if one["estimate"] else text
