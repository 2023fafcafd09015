"""Messages: the ledger, what an operator decides, and seeing one before it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from harken.cli import show
from harken.cli.client import Connection, property_of, quoted
from harken.cli.people import Customer
from harken.errors import BadInput, ServerFault

State = Literal["queued", "handed", "sent", "delivered", "bounced", "failed", "aborted", "unsure"]
JourneyName = Annotated[str, Parameter(help="The journey's name.")]
StepName = Annotated[str, Parameter(help="The message's name in the journey.")]
COLUMNS = ("queued_at", "journey", "step", "variant", "address", "state", "reason", "id")


def ledger(
    *,
    state: State | None = None,
    user: str | None = None,
    journey: str | None = None,
    limit: int = 100,
    before: str | None = None,
    connection: Connection = Connection(),
) -> None:
    """List messages and what became of them, newest first.

    Parameters
    ----------
    state
        Only those in this state. `unsure` ones wait for `harken resend` or `harken close`.
    user
        Only those to this customer: a user id (or `user:ID`), `anonymous:ID` or `profile:NUMBER`.
    journey
        Only those of this journey.
    limit
        How many, at most 500.
    before
        The id of the last one seen, for the next page.
    """
    questions = {"state": state, "user_id": user, "journey": journey, "before": before}
    with connection.open() as client:
        page = client.get("/messages", limit=limit, **questions)
    if connection.json:
        show.as_json(page)
        return
    rows = [[message[name] for name in COLUMNS] for message in page["messages"]]
    show.table(("queued", *COLUMNS[1:]), rows, "no messages")
    if page["next"]:
        show.line(f"more: --before {page['next']}", "dim")


def resend(message: str, /, *, connection: Connection = Connection()) -> None:
    """Send an unsure message again. The customer may get it twice.

    Parameters
    ----------
    message
        The message's id, as `harken ledger` shows it.
    """
    _resolve(message, "resend", "is sent again", connection)


def close(message: str, /, *, connection: Connection = Connection()) -> None:
    """Leave an unsure message as it is. The customer may not have got it.

    Parameters
    ----------
    message
        The message's id, as `harken ledger` shows it.
    """
    _resolve(message, "close", "is closed", connection)


def _resolve(message: str, verb: str, done: str, connection: Connection) -> None:
    with connection.open() as client:
        row = client.post(f"/messages/{quoted(message)}/{verb}")
    if connection.json:
        show.as_json(row)
    else:
        show.line(f"{message} {done}.", "green")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which version of a message is wanted, and where it is taken from."""

    event: Annotated[Sequence[str], Parameter(negative="")] = ()
    """A property of the triggering event, `cart_value=250`; may be given often. Without any,
    those of the customer's latest such event are taken."""
    variant: str | None = None
    """This variant, instead of the one that they would get."""
    language: str | None = None
    """In this language."""
    dir: Path | None = None
    """Take the message from this folder of definitions, instead of what is in force."""

    def body(self, journey: str, step: str, customer: str) -> dict[str, Any]:
        """What the API is asked. Raises BadInput, and BadDefinition for what is in the folder."""
        wish: dict[str, Any] = {"journey": journey, "step": step, "user_id": customer}
        if self.event:
            wish["event"] = dict(property_of(text, "--event") for text in self.event)
        if self.dir is not None:
            from harken.cli.definitions import project_body

            wish["project"] = project_body(self.dir)
        chosen = {"variant": self.variant, "language": self.language}
        return wish | {name: value for name, value in chosen.items() if value is not None}


def preview(
    journey: JourneyName,
    step: StepName,
    customer: Customer,
    /,
    *,
    wish: Wish = Wish(),
    html: Path | None = None,
    connection: Connection = Connection(),
) -> None:
    """Show a message as a customer would get it.

    Parameters
    ----------
    html
        Write the HTML part to this file.
    """
    body = wish.body(journey, step, customer)
    with connection.open() as client:
        shown = client.post("/preview", body)
    if html is not None:
        _write(html, shown["html"])
    if connection.json:
        show.as_json(shown)
        return
    _show_choice(shown)
    show.line()
    show.line(shown["text"] if shown["payload"] is None else _json(shown["payload"]))
    if html is not None:
        show.line(f"\nThe HTML part is in {html}.", "dim")


def send_test(
    journey: JourneyName,
    step: StepName,
    customer: Customer,
    /,
    *,
    to: str,
    wish: Wish = Wish(),
    connection: Connection = Connection(),
) -> None:
    """Send a message to an address of yours as a customer would get it.

    Parameters
    ----------
    to
        Where to send it.
    """
    body = wish.body(journey, step, customer)
    with connection.open() as client:
        sent = client.post("/test-send", {**body, "to": to})
    if connection.json:
        show.as_json(sent)
    else:
        _show_choice(sent)
        show.facts({"state": sent["state"], "by": sent["transport"], "says": sent["reason"]})
    if sent["state"] != "sent":
        raise ServerFault(f"it was not sent: {sent['reason'] or sent['state']}")


def _show_choice(shown: dict[str, Any]) -> None:
    show.facts(
        {
            "channel": shown["channel"],
            "subject": shown["subject"],
            "variant": shown["variant"],
            "because": "; ".join(filter(None, [shown["why_variant"], *shown["notes"]])),
            "language": shown["language"],
        }
    )


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value)).decode()


def webhooks(*, connection: Connection = Connection()) -> None:
    """List the workspace's webhooks: the keys they are signed with, and where they call back."""
    with connection.open() as client:
        found = client.get("/webhooks")
    if connection.json:
        show.as_json(found)
        return
    rows = [
        [
            one["name"],
            one["trouble"] or ("sandbox" if one["sandbox"] else one["url"] or "(environment)"),
            one["signing_secret"] or "(environment)",
            one["receipts"],
        ]
        for one in found["webhooks"]
    ]
    show.table(("name", "posts to", "signed with", "tells at"), rows, "no webhooks")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None


def sandbox(
    mail: str | None = None,
    /,
    *,
    to: str | None = None,
    limit: int = 50,
    html: Path | None = None,
    connection: Connection = Connection(),
) -> None:
    """List the messages that were kept instead of being sent, or show one.

    Parameters
    ----------
    mail
        The id of a mail, to see it whole.
    to
        Only mail to this address.
    limit
        How many, at most 500.
    html
        Write the mail's HTML part to this file.
    """
    if mail is None:
        with connection.open() as client:
            page = client.get("/sandbox", to=to, limit=limit)
        if connection.json:
            show.as_json(page)
            return
        columns = ("at", "channel", "to", "subject", "id")
        rows = [[one[name] for name in columns] for one in page["mails"]]
        show.table(columns, rows, "the sandbox is empty")
        return
    with connection.open() as client:
        whole = client.get(f"/sandbox/{quoted(mail)}")
    if html is not None:
        _write(html, whole["html"])
    if connection.json:
        show.as_json(whole)
        return
    show.facts({name: whole[name] for name in ("from", "to", "subject", "at")})
    show.line()
    show.line(whole["text"].replace("\r\n", "\n"))
