"""What the experiments of a journey have shown."""

from collections.abc import Mapping
from typing import Any

from harken.cli import show
from harken.cli.client import Connection, quoted

COLUMNS = (
    "arm", "gets", "assigned", "considered", "sent", "held", "dropped", "control", "runs",
    "converted", "rate", "difference", "best",
)  # fmt: skip


def experiments(journey: str, /, *, connection: Connection = Connection()) -> None:
    """Show the arms of a journey's experiments, who converted, and whether it is enough to decide.

    Parameters
    ----------
    journey
        The journey's name.
    """
    with connection.open() as client:
        found = client.get(f"/journeys/{quoted(journey)}/experiments")
    if connection.json:
        show.as_json(found)
        return
    if not found["experiments"]:
        show.line(f"{journey} has no experiment and no control group.")
    for one in found["experiments"]:
        show.heading(f"{one['name']} ({_measured(one, found['goal'])})")
        show.table(COLUMNS, [_row(arm) for arm in one["arms"]], "nobody has come in yet")
        allocation = one["allocation"]
        if allocation and allocation["winner"]:
            show.line(
                f"{allocation['winner']} is the winner since {show.moment(allocation['at'])}, by"
                f" {allocation['because']}: it was the best with {allocation['chance']:.1%}.",
                "green",
            )
        show.sentence(one["verdict"], "bold" if one["decided"] else "")


def _measured(one: Mapping[str, Any], goal: str | None) -> str:
    what = goal if one["measure"] == "goal" else one["measure"]
    return f"{what} within {one['within']}"


def _row(arm: Mapping[str, Any]) -> list[Any]:
    share, best, gap = arm["share"], arm["best"], arm["difference"]
    return [
        arm["name"],
        "" if share is None else f"{share:.3g} %",
        arm["assigned"],
        arm["considered"],
        arm["sent"],
        arm["held"],
        ", ".join(f"{count} {reason}" for reason, count in arm["dropped"].items()) or 0,
        arm["control"],
        arm["runs"],
        arm["converted"],
        _spread(arm["rate"], ".1%"),
        _spread(gap, "+.1%"),
        "" if best is None else f"{best:.1%}",
    ]


def _spread(found: Mapping[str, float] | None, form: str) -> str:
    if found is None:
        return ""
    return f"{found['value']:{form}} ({found['low']:{form}} to {found['high']:{form}})"
