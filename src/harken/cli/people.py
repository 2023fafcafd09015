"""Customers: what is known of them, why, and what an operator may change."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from harken.cli import show
from harken.cli.client import Client, Connection, property_of, quoted
from harken.errors import BadInput
from harken.ids import named

LATEST = 10
BAR = 30
"""Characters of the longest bar."""
WHOSE = {
    "own": "their own habit",
    "all": "the habit of all customers",
    "setting": "the workspace's setting",
}

Customer = Annotated[
    str, Parameter(help="A user id (or `user:ID`), `anonymous:ID` or `profile:NUMBER`.")
]
"""How commands name a customer."""


def profile(customer: Customer, /, *, connection: Connection = Connection()) -> None:
    """Show everything known of a customer, with the latest of their time line."""
    path = f"/people/{quoted(customer)}"
    with connection.open() as client:
        person = client.get(path)
        recent = client.get(f"{path}/timeline", limit=LATEST)["timeline"]
    if connection.json:
        show.as_json({**person, "timeline": recent})
        return
    _show_person(person)
    show.heading("Time line")
    _show_timeline(recent)


def _show_person(person: dict[str, Any]) -> None:
    show.facts(
        {
            "user id": person["user_id"],
            "former user ids": ", ".join(person["former_user_ids"]),
            "anonymous ids": ", ".join(person["anonymous_ids"]),
            "profile": person["profile_id"],
            "time zone": person["timezone"],
            "created": person["created_at"],
            "last seen": person["seen_at"],
        }
    )
    show.heading("Attributes")
    stated = [(name, value, "") for name, value in person["attributes"].items()]
    learned = [(name, value, "learned") for name, value in person["learned"].items()]
    show.table(("name", "value", ""), stated + learned, "none")
    show.heading("Events")
    events = [(name, e["count"], e["first"], e["last"]) for name, e in person["events"].items()]
    show.table(("event", "count", "first", "last"), events, "none")
    _show_consent(person["consent"])
    _show_where(person)
    show.heading("Messages")
    columns = ("queued_at", "journey", "step", "variant", "state", "reason", "id")
    rows = [[message[name] for name in columns] for message in person["messages"][:LATEST]]
    show.table(("queued", *columns[1:]), rows, "none")


def _show_consent(consent: list[dict[str, Any]]) -> None:
    show.heading("Consent")
    columns = ("channel", "purpose", "state", "at", "by", "how", "text_version")
    rows = [[line[name] for name in columns] for line in consent]
    show.table(columns, rows, "no choice was stated")


def _show_where(person: dict[str, Any]) -> None:
    """What only some customers have."""
    parts = (
        ("Devices", "devices", ("type", "model", "id", "last_seen")),
        ("Journeys in flight", "runs", ("journey", "revision", "step", "due", "key", "entered_at")),
    )
    for title, name, columns in parts:
        if person[name]:
            show.heading(title)
            show.table(columns, [_cells(row, columns) for row in person[name]], "none")
    if person["unreachable"]:
        show.heading("Dead addresses")
        rows = [(channel, *found.values()) for channel, found in person["unreachable"].items()]
        show.table(("channel", "address", "why", "since", "detail"), rows, "none")
    _show_hours(person["best_hour"])
    if person["absorbed"]:
        show.heading("Profiles joined into this one")
        show.table(("profile", "when"), person["absorbed"].items(), "none")


def _cells(row: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    """A row's values; a run that was moved shows both revisions: `2 -> 3`."""
    cells = [row[key] for key in columns]
    if row.get("goes_on_on"):
        cells[columns.index("revision")] = f"{row['revision']} -> {row['goes_on_on']}"
    return cells


def _show_hours(best: dict[str, Any]) -> None:
    counts = best["counts"]
    if not any(counts):
        return
    show.heading(f"Opens and clicks by the hour of their day (best: {best['hour']}, by "
                 f"{WHOSE[best['whose']]})")  # fmt: skip
    longest = max(counts)
    rows = [
        (f"{hour:02}:00", count, "#" * -(-count * BAR // longest))
        for hour, count in enumerate(counts)
        if count
    ]
    show.table(("hour", "count", ""), rows, "none")


def timeline(
    customer: Customer,
    /,
    *,
    limit: int = 100,
    before: str | None = None,
    connection: Connection = Connection(),
) -> None:
    """Show what happened to a customer and what was decided about them, newest first.

    Parameters
    ----------
    limit
        How many lines, at most 500.
    before
        Only what is older than this time.
    """
    with connection.open() as client:
        page = client.get(f"/people/{quoted(customer)}/timeline", limit=limit, before=before)
    if connection.json:
        show.as_json(page)
        return
    _show_timeline(page["timeline"])
    if page["next"]:
        show.line(f"more: --before {page['next']}", "dim")


def _show_timeline(lines: list[dict[str, Any]]) -> None:
    for one in lines:
        show.sentence(one["text"], "" if one["kind"] == "event" else "cyan")
    if not lines:
        show.line("nothing yet", "dim")


def why(
    customer: Customer,
    journey: str,
    /,
    *,
    language: Literal["en", "ko", "id"] = "en",
    connection: Connection = Connection(),
) -> None:
    """Say why a customer did or did not get a message of a journey.

    Parameters
    ----------
    journey
        The journey's name.
    language
        The language to say it in; English tells most.
    """
    with connection.open() as client:
        path = f"/people/{quoted(customer)}/why/{quoted(journey)}"
        answer = client.get(path, language=language)
    if connection.json:
        show.as_json(answer)
        return
    show.sentence(answer["answer"], "bold")
    for one in answer["story"]:
        show.line(f"  {one['when']}  {show.one_line(one['text'])}")


def enter(
    journey: str,
    customer: Customer,
    /,
    *,
    property: Annotated[Sequence[str], Parameter(negative="")] = (),
    id: str | None = None,
    connection: Connection = Connection(),
) -> None:
    """Put a customer into a journey that has `entry: {api: true}`.

    Parameters
    ----------
    journey
        The journey's name.
    property
        A property of the entry, `cart_value=250`; may be given often.
    id
        Tells this entry from another: the same enters the customer once within 48 hours.
    """
    properties = dict(property_of(text, "--property") for text in property)
    wish: dict[str, Any] = {"properties": properties, **({} if id is None else {"id": id})}
    with connection.open() as client:
        wish |= _named(client, customer)
        entered = client.post(f"/journeys/{quoted(journey)}/entries", wish)
    _changed(entered, connection, f"{customer} is put into {journey}.")
    if not connection.json:
        why = shlex.join(["harken", "why", customer, journey])
        show.line(f"What came of it: {why}", "dim")


def _named(client: Client, customer: str) -> dict[str, str]:
    """The customer by the id that the API takes in a body."""
    kind, which = named(customer)
    if kind != "profile":
        return {f"{kind}_id": which}
    person = client.get(f"/people/{quoted(customer)}")
    if person["user_id"]:
        return {"user_id": person["user_id"]}
    return {"anonymous_id": person["anonymous_ids"][0]}


def consent(
    customer: Customer,
    channel: str,
    purpose: str,
    state: Literal["opted_in", "implied", "opted_out"],
    /,
    *,
    how: str,
    text_version: str = "",
    connection: Connection = Connection(),
) -> None:
    """Record consent that a customer gave or took back elsewhere.

    Parameters
    ----------
    channel
        A channel (`email`), or `all`.
    purpose
        `marketing`, `transactional` or `night`.
    state
        What they chose.
    how
        Where and how they chose: `"by phone, 3 May"`. It is kept with the choice.
    text_version
        The version of the text that they agreed to.
    """
    change = {"channel": channel, "purpose": purpose, "state": state, "how": how,
              "text_version": text_version}  # fmt: skip
    with connection.open() as client:
        person = client.put(f"/people/{quoted(customer)}/consent", {"changes": [change]})
    _changed(person, connection, f"{customer}: {channel} {purpose} is {state}.")


def merge(
    customer: Customer, absorbed: Customer, /, *, connection: Connection = Connection()
) -> None:
    """Join ABSORBED into CUSTOMER, who stays; `unmerge` undoes it for 30 days."""
    with connection.open() as client:
        number = client.get(f"/people/{quoted(absorbed)}")["profile_id"]
        person = client.post(f"/people/{quoted(customer)}/merge", {"absorb": absorbed})
    _changed(person, connection, f"{absorbed} (profile {number}) is joined into {customer}.")
    if not connection.json:
        show.line(f"To undo it: harken unmerge {shlex.quote(customer)} {number}", "dim")


def unmerge(customer: Customer, number: str, /, *, connection: Connection = Connection()) -> None:
    """Part a profile again that was joined into a customer.

    Parameters
    ----------
    number
        The profile that was joined into them; `harken profile` lists these.
    """
    with connection.open() as client:
        person = client.post(f"/people/{quoted(customer)}/unmerge", {"profile": number})
    _changed(person, connection, f"profile {number} is parted from {customer}.")


def forget(
    customer: Customer,
    /,
    *,
    yes: Annotated[bool, Parameter(negative="")] = False,
    connection: Connection = Connection(),
) -> None:
    """Erase all that is known of a customer. This cannot be undone.

    Parameters
    ----------
    yes
        Really do it.
    """
    if not yes:
        raise BadInput(f"this erases {customer} for good; say --yes to do it")
    with connection.open() as client:
        done = client.delete(f"/people/{quoted(customer)}")
    _changed(done, connection, f"{customer} is forgotten.")


def _changed(answer: Any, connection: Connection, text: str) -> None:
    if connection.json:
        show.as_json(answer)
    else:
        show.line(text, "green")
