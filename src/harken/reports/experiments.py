"""The experiments of a journey: who was in which arm, what was sent, and who converted.

One statement over history a question, in the set form. A message is what was asked of the gates
under one id; the last word on it counts, so that sent, held, dropped and control add up to what was
considered. A run has converted when the goal event came within its time after a message that was
sent (of a control group: would have been sent); each goal event counts for the last of the
customer's messages before it, so none counts twice.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from harken.history.base import History
from harken.journeys.experiments import CONTROL, TREATED, Trial, Weights
from harken.journeys.kinds import Message
from harken.journeys.model import Goal, Journey
from harken.segments.dialects.base import Place
from harken.segments.questions import Query
from harken.segments.sql_behaviour import happened
from harken.segments.sql_writing import Asked, Statement, Writing, careful
from harken.values import Duration

Measure = Literal["goal", "opened", "clicked"]
Kind = Literal["journey", "split", "message"]
WITHIN = Duration.parse("3d")
"""For how long a message may be opened or clicked, in a journey without a goal."""
MOST_ROWS = 100_000
NAME = "control"
"""What the experiment is called that a journey's control group makes of the whole of it."""

# The last word on a message counts. Goal events go to the last message before them: an ASOF join
# finds it for each without pairing all with all.
COUNTS = """
WITH said AS (
    SELECT d.message AS message, max(d.ts) AS said_at, {last_profile} AS profile_id,
        {last_run} AS run, {last_outcome} AS outcome, {last_reason} AS reason, {last_arm} AS arm
    FROM decisions AS d
    WHERE d.journey = {journey} AND d.gate <> '' AND d.message <> ''
        AND {arm} IS NOT NULL{messages}
    GROUP BY d.message
), reached AS (
    SELECT arm, profile_id, run, message, said_at FROM said
    WHERE outcome = CASE WHEN arm = {control} THEN 'control' ELSE 'passed' END
), hits AS (
    {hits}
), runs AS (
    SELECT r.arm AS arm, r.run AS run, min(r.profile_id) AS profile_id,
        CASE WHEN max(r.said_at) + {within} < {now} THEN 'true' ELSE 'false' END AS measured,
        CASE WHEN r.run IN (SELECT run FROM hits) THEN 'true' ELSE 'false' END AS converted
    FROM reached AS r GROUP BY r.arm, r.run
), came AS (
    SELECT {first_assigned} AS arm, {first_shares} AS shares, min(d.ts) AS came_at
    FROM decisions AS d
    WHERE d.journey = {journey} AND {drawn} AND {assigned} IS NOT NULL GROUP BY d.profile_id
)
SELECT 'asked', arm, outcome, reason, CAST(count(*) AS BIGINT), CAST(0 AS BIGINT)
    FROM said GROUP BY arm, outcome, reason
UNION ALL SELECT 'runs', arm, measured, converted, CAST(count(*) AS BIGINT), CAST(0 AS BIGINT)
    FROM runs GROUP BY arm, measured, converted
UNION ALL SELECT 'customers', arm, '', '', CAST(count(DISTINCT profile_id) AS BIGINT),
    CAST(0 AS BIGINT) FROM runs GROUP BY arm
UNION ALL SELECT 'assigned', arm, coalesce(shares, '{{}}'), '', CAST(count(*) AS BIGINT),
    CAST(min(came_at) AS BIGINT) FROM came GROUP BY arm, shares
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


def questions_of(history: History) -> Query:
    """How history is asked: of all that an experiment has."""
    return partial(history.query, limit=MOST_ROWS)


def count_trial(query: Query, journey: Journey, trial: Trial, asked: Asked) -> Counted:
    """Count an experiment of the journey as of `asked.now`."""
    step = trial.step
    measure: Measure = step.experiment.measure if step.experiment else _usual(journey)
    kind: Kind = "message" if isinstance(step, Message) else "split"
    rows = query(*_of_trial(journey, trial, measure, careful(asked)))
    return _counted(rows, trial.name, kind, journey, measure, [CONTROL, *trial.weights])


def _of_trial(journey: Journey, trial: Trial, measure: Measure, asked: Asked) -> Statement:
    writing = Writing(asked)
    control, name = writing.text(CONTROL), writing.text(trial.name)
    own = _fact(writing, "experiment", "arm")
    if isinstance(trial.step, Message):
        held_out = f"{_fact(writing, 'held_out')} = 'true'"
        arm = f"CASE WHEN {held_out} THEN {control} ELSE {own} END"
        arm = f"CASE WHEN {own} IS NOT NULL THEN {arm} END"
        messages = f" AND d.step = {name}"
        assigned, drawn = f"CASE WHEN {arm} <> {control} THEN {own} END", f"d.gate <> ''{messages}"
    else:
        arm, messages = _fact(writing, "arms", trial.name), ""
        assigned, drawn = own, f"d.reason = 'split' AND d.step = {name}"
    shares = _fact(writing, "experiment", "shares")
    made = _Arms(arm=arm, messages=messages, assigned=assigned, drawn=drawn, shares=shares)
    return _statement(journey, measure, made, writing)


def count_holdout(query: Query, journey: Journey, asked: Asked) -> Counted:
    """Count what the control groups of the journey and of the workspace make of it."""
    measure = _usual(journey)
    rows = query(*_of_holdout(journey, measure, careful(asked)))
    return _counted(rows, NAME, "journey", journey, measure, [CONTROL, TREATED])


def _of_holdout(journey: Journey, measure: Measure, asked: Asked) -> Statement:
    writing = Writing(asked)
    arm, shares = _fact(writing, "holdout", "arm"), _fact(writing, "holdout", "shares")
    made = _Arms(arm=arm, messages="", assigned=arm, drawn="d.gate <> ''", shares=shares)
    return _statement(journey, measure, made, writing)


def _usual(journey: Journey) -> Measure:
    return "goal" if journey.goal else "clicked"


def _fact(writing: Writing, *keys: str) -> str:
    return writing.dialect.fact(Place("d.facts", keys))


class _Arms(Struct, kw_only=True):
    """SQL over `decisions AS d`."""

    arm: str
    """Which arm a decision on a message is of."""
    messages: str
    """A condition to be added: which messages."""
    assigned: str
    """Which arm a customer came into."""
    drawn: str
    """Where that is decided."""
    shares: str
    """The arms' shares then, as JSON."""


def _statement(journey: Journey, measure: Measure, made: _Arms, writing: Writing) -> Statement:
    last, first = writing.dialect.last, writing.dialect.first
    goal, within = journey.goal or Goal(event=""), _within(journey)
    if measure == "goal":
        events = happened(goal.event, goal.where, writing)
        hits = GOAL_HITS.format(events=events, within=within)
    else:
        events = happened(f"$message_{measure}", {}, writing)
        hits = TOLD_HITS.format(events=events, within=within)
    return writing.statement(
        COUNTS.format(
            arm=f"({made.arm})",
            assigned=f"({made.assigned})",
            drawn=made.drawn,
            messages=made.messages,
            last_arm=last(made.arm, "d.ts"),
            last_profile=last("d.profile_id", "d.ts"),
            last_run=last("d.run", "d.ts"),
            last_outcome=last("d.outcome", "d.ts"),
            last_reason=last("d.reason", "d.ts"),
            first_assigned=first(made.assigned, "d.ts"),
            first_shares=first(made.shares, "d.ts"),
            journey=writing.text(journey.journey),
            control=writing.text(CONTROL),
            hits=hits,
            within=within,
            now=writing.asked.now,
        )
    )


def _within(journey: Journey) -> int:
    return int(journey.goal.within if journey.goal else WITHIN)


def _counted(
    rows: list[Any],
    name: str,
    kind: Kind,
    journey: Journey,
    measure: Measure,
    names: list[str],
) -> Counted:
    arms: dict[str, Counts] = {arm: Counts(arm=arm) for arm in names}
    expected: Counter[str] = Counter()
    started_at = 0
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
            shares: Weights = msgspec.json.decode(first)
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
    query: Query, journey: Journey, trials: Mapping[str, Trial], asked: Asked
) -> list[Counted]:
    """Every experiment of the journey that there is anything of: its control group's, then its
    steps' in their order."""
    found = [count_holdout(query, journey, asked)]
    found = [one for one in found if any(arm.considered for arm in one.arms)]
    mine = [trial for trial in trials.values() if trial.journey == journey.journey]
    return [*found, *(count_trial(query, journey, trial, asked) for trial in mine)]
