"""The experiments of a journey: who was in which arm, what was sent, and who converted.

One statement over history a question, in the set form. A message is what was asked of the gates
under one id; the last word on it counts, so that sent, held, dropped and control add up to what was
considered. A run has converted when the goal event came within its time after a message that was
sent (of a control group: would have been sent); each goal event counts for the last of the
customer's messages before it, so none counts twice.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct, field

from harken.history.base import History
from harken.journeys.experiments import CONTROL, TREATED, Trial, Weights
from harken.journeys.kinds import Message
from harken.journeys.model import Goal, Journey
from harken.segments.sql_behaviour import happened
from harken.segments.sql_writing import Asked, Statement, Writing
from harken.values import Duration

Measure = Literal["goal", "opened", "clicked"]
Kind = Literal["journey", "split", "message"]
WITHIN = Duration.parse("3d")
"""For how long a message may be opened or clicked, in a journey without a goal."""
MOST_ROWS = 100_000
NAME = "control"
"""What the experiment is called that a journey's control group makes of the whole of it."""

# `arg_max(..., ts)`: the last word on a message. Goal events go to the last message before them:
# an ASOF join finds it for each without pairing all with all.
COUNTS = """
WITH said AS (
    SELECT message, max(ts) AS said_at, arg_max(profile_id, ts) AS profile_id,
        arg_max(run, ts) AS run, arg_max(outcome, ts) AS outcome,
        arg_max(reason, ts) AS reason, arg_max({arm}, ts) AS arm
    FROM decisions AS d
    WHERE journey = {journey} AND gate <> '' AND message <> '' AND {arm} IS NOT NULL{messages}
    GROUP BY message
), reached AS (
    SELECT arm, profile_id, run, message, said_at FROM said
    WHERE outcome = CASE WHEN arm = {control} THEN 'control' ELSE 'passed' END
), hits AS (
    {hits}
), runs AS (
    SELECT arm, run, any_value(profile_id) AS profile_id,
        max(said_at) + {within} < {now} AS measured, run IN (SELECT run FROM hits) AS converted
    FROM reached GROUP BY arm, run
), came AS (
    SELECT arg_min({assigned}, ts) AS arm, arg_min({shares}, ts) AS shares, min(ts) AS came_at
    FROM decisions AS d
    WHERE journey = {journey} AND {drawn} AND {assigned} IS NOT NULL GROUP BY profile_id
)
SELECT 'asked', arm, outcome, reason, count(*), count(DISTINCT run) FROM said GROUP BY ALL
UNION ALL
SELECT 'runs', arm, measured::VARCHAR, converted::VARCHAR, count(*), 0 FROM runs GROUP BY ALL
UNION ALL SELECT 'customers', arm, '', '', count(DISTINCT profile_id), 0 FROM runs GROUP BY ALL
UNION ALL SELECT 'assigned', arm, shares, '', count(*), min(came_at) FROM came GROUP BY ALL
"""
GOAL_HITS = """
SELECT DISTINCT r.arm, r.run FROM (SELECT e.profile_id, e.ts FROM {events}) AS g
    ASOF JOIN reached AS r ON g.profile_id = r.profile_id AND g.ts > r.said_at
    WHERE g.ts <= r.said_at + {within}
"""
TOLD_HITS = """
SELECT DISTINCT r.arm, r.run FROM (SELECT e.message, e.ts FROM {events}) AS g
    JOIN reached AS r ON g.message = r.message WHERE g.ts <= r.said_at + {within}
"""


class Counts(Struct, kw_only=True):
    """What history holds of one arm."""

    arm: str
    assigned: int = 0
    """Customers who came into it first; of a message, those for whom it was considered."""
    sent: int = 0
    held: int = 0
    control: int = 0
    """Would have been sent, to members of a control group."""
    dropped: dict[str, int] = field(default_factory=dict)
    """By reason."""
    runs: int = 0
    """Runs with at least one message that was sent (in a control group: would have been)."""
    customers: int = 0
    """Customers whose runs they are."""
    converted: int = 0
    measured: int = 0
    """Runs whose time to convert is over ..."""
    measured_converted: int = 0
    """... and how many of those had."""

    @property
    def considered(self) -> int:
        """Every message that was asked for."""
        return self.sent + self.held + self.control + sum(self.dropped.values())


class Counted(Struct, kw_only=True):
    """What history holds of one experiment."""

    name: str
    kind: Kind
    measure: Measure
    within: int
    """ms"""
    arms: list[Counts]
    """As written, the control group first."""
    expected: dict[str, float]
    """By arm: how many of those assigned the shares would have put there."""
    started_at: int
    """When the first customer came in; 0 when none has."""


def count_trial(history: History, journey: Journey, trial: Trial, asked: Asked) -> Counted:
    """Count an experiment of the journey as of `asked.now`."""
    step, writing = trial.step, Writing(asked)
    measure: Measure = step.experiment.measure if step.experiment else _usual(journey)
    control = writing.text(CONTROL)
    if isinstance(step, Message):
        own = "(d.facts->>'$.experiment.arm')"
        arm = f"CASE WHEN (d.facts->>'$.held_out') = 'true' THEN {control} ELSE {own} END"
        arm = f"CASE WHEN {own} IS NOT NULL THEN {arm} END"
        place, drawn = f" AND d.step = {writing.text(trial.name)}", "d.gate <> ''"
        assigned, messages = f"CASE WHEN {arm} <> {control} THEN {own} END", place
    else:
        arm, messages = f"d.facts->>{writing.text(_path('arms', trial.name))}", ""
        drawn = f"d.reason = 'split' AND d.step = {writing.text(trial.name)}"
        assigned, place = "d.facts->>'$.experiment.arm'", ""
    sql = COUNTS.format(
        arm=f"({arm})",
        assigned=f"({assigned})",
        shares="CAST(d.facts->'$.experiment.shares' AS VARCHAR)",
        drawn=f"{drawn}{place}",
        messages=messages,
        **_common(journey, measure, control, writing),
    )
    kind: Kind = "message" if isinstance(step, Message) else "split"
    names = [CONTROL, *trial.weights]
    return _counted(history, writing.statement(sql), trial.name, kind, journey, measure, names)


def count_holdout(history: History, journey: Journey, asked: Asked) -> Counted:
    """Count what the control groups of the journey and of the workspace make of it."""
    writing = Writing(asked)
    arm = "(d.facts->>'$.holdout.arm')"
    sql = COUNTS.format(
        arm=arm,
        assigned=arm,
        shares="CAST(d.facts->'$.holdout.shares' AS VARCHAR)",
        drawn="d.gate <> ''",
        messages="",
        **_common(journey, _usual(journey), writing.text(CONTROL), writing),
    )
    statement = writing.statement(sql)
    measure = _usual(journey)
    return _counted(history, statement, NAME, "journey", journey, measure, [CONTROL, TREATED])


def _usual(journey: Journey) -> Measure:
    return "goal" if journey.goal else "clicked"


def _path(*keys: str) -> str:
    return "$" + "".join(f'."{key}"' for key in keys)


def _common(
    journey: Journey, measure: Measure, control: str, writing: Writing
) -> dict[str, str | int]:
    goal, within = journey.goal or Goal(event=""), _within(journey)
    if measure == "goal":
        events = happened(goal.event, goal.where, writing)
        hits = GOAL_HITS.format(events=events, within=within)
    else:
        events = happened(f"$message_{measure}", {}, writing)
        hits = TOLD_HITS.format(events=events, within=within)
    return {
        "journey": writing.text(journey.journey),
        "control": control,
        "hits": hits,
        "within": within,
        "now": writing.asked.now,
    }


def _within(journey: Journey) -> int:
    return int(journey.goal.within if journey.goal else WITHIN)


def _counted(
    history: History,
    statement: Statement,
    name: str,
    kind: Kind,
    journey: Journey,
    measure: Measure,
    names: list[str],
) -> Counted:
    arms: dict[str, Counts] = {arm: Counts(arm=arm) for arm in names}
    expected: Counter[str] = Counter()
    started_at = 0
    rows = history.query(statement.sql, statement.params, limit=MOST_ROWS)
    for what, arm, first, second, number, other in rows:
        # One that was taken out of the file since still counts.
        counts = arms.setdefault(arm, Counts(arm=arm))
        if what == "asked":
            _ask(counts, first, second, number)
        elif what == "runs":
            _run(counts, first == "true", second == "true", number)
        elif what == "customers":
            counts.customers = number
        else:
            counts.assigned += number
            started_at = min(started_at or other, other)
            shares: Weights = msgspec.json.decode(first or "{}")
            for one, share in shares.items():
                expected[one] += number * share / 100
    if not (arms[CONTROL].considered or arms[CONTROL].assigned):
        del arms[CONTROL]
    return Counted(
        name=name,
        kind=kind,
        measure=measure,
        within=_within(journey),
        arms=list(arms.values()),
        expected=dict(expected),
        started_at=started_at,
    )


def _ask(counts: Counts, outcome: str, reason: str, number: int) -> None:
    match outcome:
        case "passed":
            counts.sent += number
        case "held":
            counts.held += number
        case "control":
            counts.control += number
        case _:
            counts.dropped[reason] = counts.dropped.get(reason, 0) + number


def _run(counts: Counts, measured: bool, converted: bool, number: int) -> None:
    counts.runs += number
    counts.converted += number if converted else 0
    counts.measured += number if measured else 0
    counts.measured_converted += number if measured and converted else 0


def count_all(
    history: History, journey: Journey, trials: Mapping[str, Trial], asked: Asked
) -> list[Counted]:
    """Every experiment of the journey that there is anything of: its control group's, then its
    steps' in their order."""
    found = [count_holdout(history, journey, asked)]
    found = [one for one in found if any(arm.considered for arm in one.arms)]
    mine = [trial for trial in trials.values() if trial.journey == journey.journey]
    return [*found, *(count_trial(history, journey, trial, asked) for trial in mine)]
