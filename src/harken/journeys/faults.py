"""What is wrong with a journey whose parts are all well formed."""

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from harken.channels.table import SENDING
from harken.clock import DAY
from harken.errors import Fault
from harken.journeys import own_events
from harken.journeys.compile import Node, lay_out, rules_of
from harken.journeys.entries import (
    DateEntry,
    Entry,
    EventEntry,
    OutcomeEntry,
    Recurring,
    ScheduleEntry,
)
from harken.journeys.experiments import weights_of
from harken.journeys.kinds import (
    AwaitedEvent,
    AwaitedOutcome,
    BestHour,
    Branch,
    CallWebhook,
    EnterJourney,
    Exit,
    Experiment,
    FromAnswer,
    GoTo,
    IssueCoupon,
    Message,
    Split,
    Step,
    UntilDate,
    Update,
    Wait,
    WaitFor,
    limbs,
    own_id,
    step_id,
    walk,
)
from harken.journeys.model import Journey
from harken.journeys.occurrences import rule_problem
from harken.people.attributes import misnamed
from harken.segments.check import event_faults, parts
from harken.segments.live import Traits
from harken.segments.rules import AnswerIs

LEARNING = (WaitFor, Message, IssueCoupon, CallWebhook)
"""Steps of which a run remembers what came of them."""
LONGEST_GOAL = 30 * DAY
LONGEST_HOPE = 7 * DAY
LONGEST_IGNORED = 90 * DAY
A_YEAR = 365 * DAY
LONGEST_CALL = DAY
MOST_STEPS = 500
YEARS = ("2000", "2999")
FASTEST = 100_000
FEWEST = 10
"""Runs of each arm before an experiment may move."""
FULL = 100.000_001
"""Percent, with room for what adding decimal fractions leaves over."""


def journey_faults(source: Journey, *, whole: bool = True) -> list[Fault]:
    """Every fault of the journey by itself, without its rules and words.

    Not `whole`, it lacks steps that its file has: whether one leads to another is not looked at.
    """
    faults = []
    window = source.window
    if window.starts_at and window.ends_at:
        utc = ZoneInfo("UTC")
        if window.ends_at.instant(utc) <= window.starts_at.instant(utc):
            faults.append(Fault("$.window.ends_at", "the window ends before it begins"))
    if not 0 <= source.control_percent <= 100:
        faults.append(Fault("$.control_percent", "must be a percentage from 0 to 100"))
    if source.goal:
        faults += _event_faults(source.goal.event, "$.goal.event")
    if source.goal and not 0 < source.goal.within <= LONGEST_GOAL:
        faults.append(Fault("$.goal.within", "must be more than nothing and at most 30d"))
    if not source.steps:
        faults.append(Fault("$.steps", "a journey needs at least one step"))
    faults += _entry_faults(source.entry)
    for index, exception in enumerate(source.exceptions):
        faults += _event_faults(exception.event, f"$.exceptions[{index}].event")
        if exception.same_key and source.entry.key_property is None:
            problem = "the entry has no `key`; say there which property tells the runs apart"
            faults.append(Fault(f"$.exceptions[{index}].same_key", problem))
    return [
        *faults,
        *_steps_faults(source.steps, whole=whole),
        *(answers_faults(source) if whole else ()),
        *_experiments_faults(source),
    ]


def _entry_faults(entry: Entry) -> Iterator[Fault]:
    if entry.key_property is not None and not entry.key_property.strip():
        yield Fault("$.entry.key", "name the property that tells the runs apart: `key: cart_id`")
    match entry:
        case EventEntry(event=event):
            yield from _event_faults(event, "$.entry.event", own_events.HAPPEN)
        case DateEntry():
            yield from _date_faults(entry)
        case OutcomeEntry():
            yield from _outcome_faults(entry)
        case ScheduleEntry():
            yield from _schedule_faults(entry)


def _outcome_faults(entry: OutcomeEntry) -> Iterator[Fault]:
    within, ignored = entry.within, entry.outcome == "ignored"
    if ignored and within is None:
        yield Fault("$.entry", "say within how long it was to be opened: `within: 24h`")
    elif ignored and within is not None and not 0 < within <= LONGEST_IGNORED:
        yield Fault("$.entry.within", "must be more than nothing and at most 90d")
    elif not ignored and within is not None:
        problem = f"only `ignored` takes a time, `{entry.outcome}` does not"
        yield Fault("$.entry.within", problem)


def _date_faults(entry: DateEntry) -> Iterator[Fault]:
    if not entry.date.strip():
        yield Fault("$.entry.date", "name the attribute that holds the date")
    elif problem := misnamed(entry.date):
        yield Fault("$.entry.date", problem)
    if entry.before is not None and entry.after is not None:
        yield Fault("$.entry", "give `before` or `after`, not both")
    for name, length in (("before", entry.before), ("after", entry.after)):
        if length is None:
            continue
        if length % DAY or not length:
            problem = f"must be whole days, as 3d, not {length}; `at` says the time of day"
            yield Fault(f"$.entry.{name}", problem)
        elif entry.yearly and length > A_YEAR:
            yield Fault(f"$.entry.{name}", "must be at most 365d for a date that comes every year")


def _schedule_faults(entry: ScheduleEntry) -> Iterator[Fault]:
    recurring = entry.schedule if isinstance(entry.schedule, Recurring) else None
    path = "$.entry.schedule.starts_at" if recurring else "$.entry.schedule"
    written = recurring.starts_at if recurring else entry.schedule
    if not YEARS[0] <= str(written)[:4] <= YEARS[1]:
        yield Fault(path, f"must lie in the years {YEARS[0]} to {YEARS[1]}")
    elif recurring and (problem := rule_problem(recurring)):
        yield Fault("$.entry.schedule.rrule", problem)
    if entry.audience is None:
        problem = "say whom it goes to: `audience: {in_segment: NAME}`; or `{reachable: email}`"
        yield Fault("$.entry.audience", problem)
    else:
        yield from event_faults(entry.audience, "$.entry.audience", "a schedule")
    if entry.key_property not in (None, "occurrence"):
        yield Fault("$.entry.key", "of a schedule only `occurrence` tells runs apart")
    if entry.per_second is not None and not 0 < entry.per_second <= FASTEST:
        yield Fault("$.entry.per_second", f"must be 1 to {FASTEST}")
    if recurring and entry.reentry == "never":
        problem = "each customer enters only the first time; say `reentry: always` for every time"
        yield Fault("$.entry.reentry", problem, warning=True)


def _event_faults(
    event: str, path: str, known: Collection[str] = own_events.SHOWN
) -> Iterator[Fault]:
    if not event.strip():
        yield Fault(path, "an event needs a name")
    elif problem := own_events.unheard_of(event, known):
        yield Fault(path, problem)


def _steps_faults(steps: list[Step], *, whole: bool) -> Iterator[Fault]:
    placed = list(walk(steps))
    if len(placed) > MOST_STEPS:
        yield Fault("$.steps", f"has {len(placed)} steps; at most {MOST_STEPS}")
        return
    seen: dict[str, str] = {}
    for index, (path, step) in enumerate(placed):
        name = step_id(step, index)
        if name in seen:
            other = seen[name].removeprefix("$.")
            yield Fault(path, f"another step is called `{name}` too ({other})")
        seen.setdefault(name, path)
    for path, step in placed:
        yield from _step_faults(step, path)
    if not whole:
        return
    messages = [step.message for _, step in placed if isinstance(step, Message)]
    for path, step in placed:
        yield from _leading_nowhere(step, path, list(seen), messages)
    yield from _never_run(steps, "$.steps")
    nodes = lay_out(steps, Traits())
    yield from _loops(nodes)
    yield from _too_early(nodes)


def _step_faults(step: Step, path: str) -> Iterator[Fault]:
    match step:
        case Wait(wait=UntilDate(before=before, after=after)) if before and after:
            yield Fault(f"{path}.wait", "give `before` or `after`, not both")
        case Wait(wait=BestHour(best_hour=within)) if not 0 < within <= LONGEST_HOPE:
            yield Fault(f"{path}.wait.best_hour", "must be more than nothing and at most 7d")
        case Message():
            yield from _message_faults(step, path)
        case Branch(branch=arms) if not arms:
            yield Fault(f"{path}.branch", "a branch needs at least one arm with `when` and `then`")
        case Update(update=values) if not values:
            yield Fault(f"{path}.update", "name at least one attribute")
        case WaitFor():
            yield from _wait_for_faults(step, path)
        case Split():
            yield from _split_faults(step, path)
        case CallWebhook(at_most=at_most) if not 0 < at_most <= LONGEST_CALL:
            yield Fault(f"{path}.at_most", "must be more than nothing and at most 1d")


def _leading_nowhere(
    step: Step, path: str, ids: Sequence[str], messages: Sequence[str]
) -> Iterator[Fault]:
    """Other steps that a step names and that are not there."""
    match step:
        case GoTo(go_to=target) if target not in ids:
            yield Fault(f"{path}.go_to", f"there is no step `{target}`{_near(target, ids)}")
        case WaitFor(wait_for=awaited):
            for place, one in enumerate(awaited):
                if isinstance(one, AwaitedOutcome) and one.message not in messages:
                    problem = f"the journey has no message `{one.message}`"
                    near = _near(one.message, messages)
                    yield Fault(f"{path}.wait_for[{place}].message", problem + near)


def _message_faults(step: Message, path: str) -> Iterator[Fault]:
    if isinstance(step.priority, int) and not 1 <= step.priority <= 99:
        problem = "must be `low`, `normal`, `high` or a number from 1 to 99"
        yield Fault(f"{path}.priority", problem)
    if step.channel and step.channels:
        yield Fault(f"{path}.channels", "give `channel` or `channels`, not both")
    elif not step.by:
        known = " or ".join(f"`{name}`" for name in SENDING)
        yield Fault(path, f"missing key `channel`: {known} (or `channels`, a list of them)")
    for place, name in enumerate(step.channels):
        if name in step.channels[:place]:
            yield Fault(f"{path}.channels[{place}]", f"`{name}` stands in the list already")
    if step.hook and step.by and "webhook" not in step.by:
        yield Fault(f"{path}.hook", "only a message by `webhook` goes to a hook")


def _wait_for_faults(step: WaitFor, path: str) -> Iterator[Fault]:
    if not step.wait_for:
        yield Fault(f"{path}.wait_for", "name at least one event to wait for")
    if step.at_most <= 0:
        yield Fault(f"{path}.at_most", "must be more than nothing")
    for place, one in enumerate(step.wait_for):
        if isinstance(one, AwaitedEvent):
            yield from _event_faults(one.event, f"{path}.wait_for[{place}].event")


def _split_faults(step: Split, path: str) -> Iterator[Fault]:
    if not step.arms:
        yield Fault(f"{path}.arms", "a split needs at least one arm")
    if not 0 <= step.control < 100:
        yield Fault(f"{path}.control", "must be a percentage from 0 to less than 100")
    names = [arm.name for arm in step.arms]
    for place, arm in enumerate(step.arms):
        if not 0 < arm.weight <= 100:
            yield Fault(f"{path}.arms[{place}].weight", "must be more than 0 and at most 100")
        if arm.name in names[:place]:
            yield Fault(f"{path}.arms[{place}].name", f"another arm is called `{arm.name}`")
    total = sum(arm.weight for arm in step.arms)
    if step.arms and abs(total - 100) > FULL - 100:
        problem = f"the weights add up to {total:g} percent; they must come to 100"
        yield Fault(f"{path}.arms", problem)


def _experiments_faults(source: Journey) -> Iterator[Fault]:
    for path, step in walk(source.steps):
        if isinstance(step, Message | Split) and step.experiment is not None:
            place = f"{path}.experiment"
            if len(weights_of(step)) < 2:
                wanted = "variants with a `weight`" if isinstance(step, Message) else "arms"
                yield Fault(place, f"an experiment needs at least two {wanted}")
            yield from _experiment_faults(step, step.experiment, source, place)


def _experiment_faults(
    step: Message | Split, experiment: Experiment, source: Journey, path: str
) -> Iterator[Fault]:
    measure, winner = experiment.measure, experiment.winner
    if measure == "goal" and source.goal is None:
        problem = "the journey has no `goal`; give one, or measure `opened` or `clicked`"
        yield Fault(f"{path}.measure", problem)
    tracked = {"opened": "track_opens", "clicked": "track_clicks"}.get(measure, "")
    if tracked and not getattr(step, tracked, True):
        yield Fault(f"{path}.measure", f"the message is not tracked (`{tracked}: false`)")
    if experiment.at_least < FEWEST:
        problem = f"must be at least {FEWEST}: fewer runs show nothing"
        yield Fault(f"{path}.at_least", problem)
    if winner is not None and winner.at is None and winner.evidence is None:
        yield Fault(f"{path}.winner", "give `at`, `evidence`, or both")
    if winner is not None and winner.evidence is not None and not 0.5 < winner.evidence < 1:
        yield Fault(f"{path}.winner.evidence", "must be more than 0.5 and less than 1, as in 0.95")


def learning(source: Journey) -> list[str]:
    """The ids of the steps of which a run remembers what came of them."""
    return [
        step_id(step, place)
        for place, (_, step) in enumerate(walk(source.steps))
        if isinstance(step, LEARNING)
    ]


def answers_faults(source: Journey) -> Iterator[Fault]:
    """Answers of steps that are none: `step-id.path` begins with one that learns something."""
    ids = learning(source)
    asked = [
        (f"{place}.answer", inner.answer)
        for path, rule in rules_of(source)
        for place, inner in parts(rule, path)
        if isinstance(inner, AnswerIs)
    ]
    for path, step in walk(source.steps):
        match step:
            case Update(update=values):
                key = "update"
            case EnterJourney(properties=values):
                key = "with"
            case _:
                continue
        asked += [
            (f"{path}.{key}.{name}.answer", value.answer)
            for name, value in values.items()
            if isinstance(value, FromAnswer)
        ]
    for path, answer in asked:
        name = answer.partition(".")[0]
        if name not in ids:
            yield Fault(path, f"no step `{name}` learns anything{_near(name, ids)}")


def _near(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def _never_run(steps: list[Step], path: str) -> Iterator[Fault]:
    """Steps behind one that never goes on to them, unless something leads there."""
    targets = {step.go_to for _, step in walk(steps) if isinstance(step, GoTo)}
    for index, step in enumerate(steps):
        ends = (isinstance(step, Exit) and step.exit is True) or isinstance(step, GoTo)
        following = steps[index + 1 : index + 2]
        if ends and following and own_id(following[0]) not in targets:
            what = "exit" if isinstance(step, Exit) else "go_to"
            yield Fault(f"{path}[{index}]", f"the steps after this {what} can never run")
        for limb in limbs(step):
            yield from _never_run(limb.steps, f"{path}[{index}].{limb.key}")


def _too_early(nodes: list[Node]) -> Iterator[Fault]:
    """Waits for what becomes of a message that no run has come to by then."""
    sent = {node.id: _reached(nodes, place) for place, node in enumerate(nodes)}
    for place, node in enumerate(nodes):
        for index, one in enumerate(getattr(node.step, "wait_for", ())):
            if isinstance(one, AwaitedOutcome) and place not in sent.get(one.message, {place}):
                problem = (
                    f"no way leads from `{one.message}` to this step: put the message before it"
                )
                yield Fault(f"{node.path}.wait_for[{index}].message", problem)


def _reached(nodes: list[Node], start: int, *, waits: bool = True) -> set[int]:
    """The places that a run can come to from this one, which counts only when it comes back.

    Without `waits`, those that it comes to at once.
    """
    ways, seen = [start], set[int]()
    while ways:
        node = nodes[ways.pop()]
        ends = isinstance(node.step, Exit) and node.step.exit is True
        if ends or (not waits and isinstance(node.step, Wait | WaitFor)):
            continue
        for place in (node.after, *(way.to for way in node.ways)):
            if place < len(nodes) and place not in seen:
                seen.add(place)
                ways.append(place)
    return seen


def _loops(nodes: list[Node]) -> Iterator[Fault]:
    """Ways back without a wait: the run would go round for ever at once."""
    for place, node in enumerate(nodes):
        if isinstance(node.step, GoTo) and place in _reached(nodes, place, waits=False):
            yield Fault(f"{node.path}.go_to", "this loop needs a `wait` or `wait_for` in it")
