"""What messages say of people: the report, and approvals."""

from typing import Annotated, Any

from cyclopts import Parameter

from harken.cli import show
from harken.cli.client import Connection, quoted
from harken.errors import BadInput

JourneyName = Annotated[str, Parameter(help="The journey's name.")]
MessageName = Annotated[str, Parameter(help="The message's name in the journey.")]
AttributeName = Annotated[str, Parameter(help="The attribute's name.")]
STYLES = {"sensitive": "red", "personal": "yellow"}


def approve(
    journey: JourneyName,
    message: MessageName,
    attribute: AttributeName,
    /,
    *,
    reason: str | None = None,
    withdraw: Annotated[bool, Parameter(negative="")] = False,
    connection: Connection = Connection(),
) -> None:
    """Let a message show an attribute that it would be refused for; your key's name is kept.

    Parameters
    ----------
    reason
        Why it is right to say it.
    withdraw
        Take the approval back instead. What is in force stays so until the next `harken apply`.
    """
    what = {"journey": journey, "message": message, "attribute": attribute}
    if not withdraw and not (reason or "").strip():
        raise BadInput("say why it is right to say it: --reason TEXT")
    with connection.open() as client:
        if withdraw:
            answer = client.post("/approvals/withdraw", what)
        else:
            answer = client.post("/approvals", {**what, "reason": reason})
    if connection.json:
        show.as_json(answer)
        return
    done = "is approved no longer" if withdraw else f"is approved by {answer['by']}"
    show.line(f"{answer['attribute']} in {journey}/{message} {done}.", "green")
    for note in answer.get("notes", ()):
        show.line(f"Note: {note}", "yellow")


def approvals(*, connection: Connection = Connection()) -> None:
    """List who answers for which attribute in which message, when and why."""
    with connection.open() as client:
        found = client.get("/approvals")
    if connection.json:
        show.as_json(found)
        return
    columns = ("journey", "message", "attribute", "by", "at", "reason")
    rows = [[one[name] or "in workspace.yaml" for name in columns] for one in found["approvals"]]
    show.table(columns, rows, "nothing is approved")


def creepiness(journey: JourneyName, /, *, connection: Connection = Connection()) -> None:
    """Tell what a journey's messages say of people, whence, what for, and to how many."""
    with connection.open() as client:
        report = client.get(f"/journeys/{quoted(journey)}/creepiness")
    if connection.json:
        show.as_json(report)
        return
    show.line(
        f"{journey}, revision {report['revision']}: of {report['recipients']} recipients and"
        f" {report['audience']} customers who would be sent its messages now"
    )
    if not report["shown"]:
        show.line("It says nothing of people.", "green")
    for one in report["shown"]:
        to = f" to the webhook {one['webhook']}" if one["webhook"] else ""
        show.heading(f"{one['fact']} in {one['message']}")
        show.line(f"{one['use']}{to}, {one['is_']}", STYLES.get(one["is_"], ""))
        show.facts(_facts(one))


def _facts(one: dict[str, Any]) -> dict[str, Any]:
    approved = one["approved"]
    return {
        "versions": ", ".join(one["variants"]),
        "purpose": one["purpose"],
        "benefit": one["benefit"] or "none is declared",
        "approved": approved and f"by {approved['by']}: {approved['reason']}",
        "came from": ", ".join(f"{count} {whence}" for whence, count in one["came_from"].items()),
        "got it": str(one["got"]),
        "would get it": str(one["would_get"]),
    }
