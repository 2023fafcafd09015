"""When a customer is best spoken to: which of the hours that lie ahead of them is best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple
from zoneinfo import ZoneInfo

from harken.clock import HOUR, from_local, to_datetime
from harken.definitions import InForce
from harken.gates.hours import Hours, all_open
from harken.journeys.compile import LiveJourney, Node
from harken.journeys.kinds import BestHour
from harken.journeys.steps import Go, Park, Result
from harken.people.hours import ENOUGH, ENOUGH_OF_ALL, HOURS, apart, best_hour, liking
from harken.people.place import zone_of
from harken.people.profile import Profile, Run

if TYPE_CHECKING:
    from harken.deciding.reactions import Handling


class Habit(NamedTuple):
    """Which hours are good, and who says so."""

    whose: Literal["own", "all", "setting"]
    best: int
    liked: list[int]
    """How much each hour is liked, 0 to 23; all alike of a setting."""
    opens: int
    """How many opens and clicks it rests on."""


def habit_of(profile: Profile, definitions: InForce) -> Habit:
    """The customer's own hours, else those of all customers, else the workspace's setting."""
    everybody = definitions.findings.hours
    if sum(profile.hours) >= ENOUGH:
        return _from_counts("own", profile.hours)
    if sum(everybody) >= ENOUGH_OF_ALL:
        return _from_counts("all", everybody)
    return Habit("setting", definitions.workspace.best_hour // 60, [0] * HOURS, 0)


def _from_counts(whose: Literal["own", "all"], counts: Sequence[int]) -> Habit:
    return Habit(whose, best_hour(counts), liking(counts), sum(counts))


def take_best_hour(
    handling: Handling, run: Run, journey: LiveJourney, node: Node, wait: BestHour
) -> Result:
    """Wait for the best hour in reach, measured from when the step was reached; say which."""
    at = run.due or _best_time(handling, run, journey, node, wait)
    return Go(at=max(at, run.since)) if at <= handling.upto else Park(until=at)


def _best_time(
    handling: Handling, run: Run, journey: LiveJourney, node: Node, wait: BestHour
) -> int:
    definitions, policy = handling.definitions, handling.definitions.policy
    quiet = policy.quiet if journey.source.purpose == "marketing" else None
    rules = [hours for hours in (quiet, policy.sending) if hours is not None]
    zone = zone_of(handling.profile, definitions.zone)
    habit = habit_of(handling.profile, definitions)
    at = choose(habit, run.since, run.since + wait.best_hour, zone, rules)
    facts = {
        "hour": f"{to_datetime(at, zone).hour:02}:00",
        "best": f"{habit.best:02}:00",
        "whose": habit.whose,
        "opens": habit.opens,
        "waits": at > run.since,
    }
    handling.decide(run, "took", "best_hour", step=node.id, facts=facts, until=at)
    return at


def choose(habit: Habit, since: int, until: int, zone: ZoneInfo, rules: Sequence[Hours]) -> int:
    """The time at which the best hour in reach begins, or opens; `since` when none is open.

    Of hours that are liked alike, the one nearest to the best of all, then the first.
    """
    found = [
        (habit.liked[hour], -apart(hour, habit.best), -at)
        for at, hour in _hours_ahead(since, until, zone, rules)
    ]
    return -max(found)[2] if found else since


def _hours_ahead(
    since: int, until: int, zone: ZoneInfo, rules: Sequence[Hours]
) -> Iterator[tuple[int, int]]:
    """From when on each local hour is open, and which it is, without those that stay closed."""
    for start, end, hour in _hours(since, until, zone):
        at = all_open(rules, zone, start)
        if at is not None and at < end and at <= until:
            yield at, hour


def _hours(since: int, until: int, zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """(beginning, end, which hour) of the local hour that it is, and of each after it.

    One that the clocks leave out begins with the one after it.
    """
    local = to_datetime(since, zone)
    full = local.replace(minute=0, second=0, microsecond=0, tzinfo=None) + timedelta(hours=1)
    start = from_local(full, zone)
    yield since, start, local.hour
    while start <= until:
        yield start, start + HOUR, full.hour
        full += timedelta(hours=1)
        start = from_local(full, zone)
