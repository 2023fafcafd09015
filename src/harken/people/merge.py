"""Two documents become one, and can be told apart again for 30 days."""

from collections.abc import Callable, Container
from typing import Any

from harken.clock import DAY
from harken.people import profile as documents
from harken.people.apply import (
    ANONYMOUS_IDS,
    DEVICES,
    GROUPS,
    let_go_of_names,
    merge_seen,
    with_room,
)
from harken.people.attributes import same
from harken.people.consent import KEPT, stricter_choices
from harken.people.hours import joined, parted
from harken.people.place import zone_facts
from harken.people.profile import (
    AwaitedDate,
    EventStat,
    Profile,
    Run,
    Session,
    Tombstone,
)
from harken.people.sessions import MOST_PRODUCTS
from harken.people.traits import merge_states

ALIAS = "alias"
"""`Merge.how` of those that an `alias` leads to."""
USER_IDS = 100
"""User ids remembered of those who were joined into one customer, the latest."""
UNDO = 30 * DAY
"""How long a merge can be undone."""
ABSORBED = 1_000
"""Profiles remembered as joined into one, the latest; tombstones keep the way for all."""


def merge(
    survivor: Profile,
    absorbed: Profile,
    now: int,
    how: str,
    both: Callable[[Run], bool] = lambda run: False,
    asked: Container[str] = (),
) -> tuple[Profile, list[Run]]:
    """Join `absorbed` into `survivor`; the tombstone to stand in its place, and runs that end.

    The identified side wins a conflict of attributes, the stricter side one of consent. Where
    both are in the same journey under the same key, the run that began first goes on, unless
    `both` says that the run's journey may be entered at any time. `asked` are the events that
    rules ask for, of which no count is let go.
    """
    grave = Tombstone(
        into=survivor.id,
        at=now,
        how=how,
        survivor_before=documents.encode(survivor),
        absorbed_before=documents.encode(absorbed),
    )
    where = zone_facts(survivor)
    wins, loses = survivor, absorbed
    # Whom an alias names is a user, though nothing was heard of them yet but the alias itself.
    if survivor.user_id is None and absorbed.user_id is not None and how != ALIAS:
        wins, loses = absorbed, survivor
    survivor.attributes = with_room(wins.attributes, {**loses.attributes, **wins.attributes})
    survivor.learned = {**loses.learned, **wins.learned}
    survivor.moved = max(survivor.moved, absorbed.moved) if zone_facts(survivor) == where else now
    survivor.user_id = wins.user_id
    former = [*absorbed.former_user_ids, *survivor.former_user_ids]
    if absorbed.user_id is not None and absorbed.user_id != survivor.user_id:
        former.append(absorbed.user_id)
    survivor.former_user_ids = list(dict.fromkeys(former))[-USER_IDS:]
    anonymous_ids = list(dict.fromkeys([*absorbed.anonymous_ids, *survivor.anonymous_ids]))
    survivor.anonymous_ids = anonymous_ids[-ANONYMOUS_IDS:]
    survivor.created_at = min(survivor.created_at or now, absorbed.created_at or now)
    survivor.seen_at = max(survivor.seen_at, absorbed.seen_at)
    devices = [*absorbed.devices.values(), *survivor.devices.values()]
    latest = {one.id: one for one in sorted(devices, key=lambda one: one.last_seen)}
    survivor.devices = dict([*latest.items()][-DEVICES:])
    groups = sorted(_latest(survivor.groups, absorbed.groups).items(), key=lambda one: one[1])
    survivor.groups = dict(groups[-GROUPS:])
    _merge_consent(survivor, absorbed)
    survivor.unreachable = {**loses.unreachable, **wins.unreachable}
    _merge_behaviour(survivor, absorbed)
    let_go_of_names(survivor.events, asked)
    joined = {**absorbed.absorbed, **survivor.absorbed, absorbed.id: now}
    survivor.absorbed = dict(sorted(joined.items(), key=lambda one: one[1])[-ABSORBED:])
    ended = _merge_runs(survivor, absorbed, both)
    grave.ended = [run.id for run in ended]
    tombstone = Profile(
        id=absorbed.id,
        created_at=absorbed.created_at,
        seen_at=absorbed.seen_at,
        tombstone=grave,
    )
    return tombstone, ended


def for_good(absorbed: int, survivor: int, at: int) -> Profile:
    """What is left of a profile whose merge cannot be undone any more."""
    return Profile(id=absorbed, tombstone=Tombstone(into=survivor, at=at, how="for good"))


def unmerge(
    survivor: Profile, tombstone: Profile, since: dict[str, list[int]], now: int
) -> Profile:
    """Take an absorbed profile out again; the restored document.

    What the absorbed side brought is taken away where it was not changed since. `since` gives,
    per event name, [count, first, last] of the survivor's own events after the merge: counts can
    be subtracted, but a first or last time cannot.
    """
    grave = tombstone.tombstone
    assert grave is not None
    before = documents.decode(grave.survivor_before)
    restored = documents.decode(grave.absorbed_before)
    survivor.attributes = _without(survivor.attributes, before.attributes, restored.attributes)
    survivor.learned = _without(survivor.learned, before.learned, restored.learned)
    survivor.groups = _without(survivor.groups, before.groups, restored.groups)
    survivor.unreachable = _without(survivor.unreachable, before.unreachable, restored.unreachable)
    if survivor.created_at == restored.created_at:
        # Of whom nobody had heard before an alias named them, the merge is the first.
        survivor.created_at = before.created_at or grave.at
    if survivor.user_id == restored.user_id and before.user_id != restored.user_id:
        survivor.user_id = before.user_id
    theirs = set(restored.anonymous_ids) - set(before.anonymous_ids)
    survivor.anonymous_ids = [id for id in survivor.anonymous_ids if id not in theirs]
    users = {restored.user_id, *restored.former_user_ids}.difference(before.former_user_ids)
    survivor.former_user_ids = [id for id in survivor.former_user_ids if id not in users]
    for id in restored.devices.keys() - before.devices.keys():
        restored.devices[id] = survivor.devices.pop(id, restored.devices[id])
    _unmerge_consent(survivor, before, restored)
    for name, stat in restored.events.items():
        _subtract(survivor, name, stat, before.events.get(name), since.get(name))
    # A first or last time cannot be subtracted: history counts for both again.
    survivor.traits, restored.traits = {}, {}
    for name in restored.lists.keys() - before.lists.keys():
        survivor.lists.pop(name, None)
    # What was redeemed or has expired since the merge stays so; what a run gave since goes with it.
    their_runs = restored.runs.keys() - before.runs.keys()
    restored.coupons = {
        code: survivor.coupons.pop(code)
        for code, coupon in list(survivor.coupons.items())
        if code in restored.coupons or coupon.run in their_runs
    }
    for survey in restored.surveys:
        survivor.surveys.pop(survey, None)
    for key, arm in restored.assigned.items():
        if survivor.assigned.get(key) == arm != before.assigned.get(key):
            survivor.assigned.pop(key)
    survivor.assigned = {**before.assigned, **survivor.assigned}
    sent = {send.id for send in restored.sends}
    survivor.sends = [send for send in survivor.sends if send.id not in sent]
    _unmerge_runs(survivor, before, restored, grave.ended, now)
    survivor.hours = parted(survivor.hours, restored.hours)
    # Those that were opened meanwhile are in neither.
    restored.unheeded = {
        id: survivor.unheeded.pop(id) for id in restored.unheeded if id in survivor.unheeded
    }
    # A date that came while both were one let both in.
    for journey, awaited in survivor.dates.items():
        own = restored.dates.get(journey, AwaitedDate())
        restored.dates[journey] = AwaitedDate(reached=max(own.reached, awaited.reached))
    for gone in (restored.id, *restored.absorbed):
        survivor.absorbed.pop(gone, None)
    restored.seen_at = max(restored.seen_at, now)
    # What either sent while both were one may be sent again by whichever it was.
    restored.seen = survivor.seen
    return restored


def _latest(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {key: max(left.get(key, 0), right.get(key, 0)) for key in {**left, **right}}


def _merge_consent(survivor: Profile, absorbed: Profile) -> None:
    survivor.consent = stricter_choices(survivor, absorbed)
    survivor.consent_log = sorted(
        [*survivor.consent_log, *absorbed.consent_log], key=lambda change: change.at
    )[-KEPT:]


def _merge_behaviour(survivor: Profile, absorbed: Profile) -> None:
    for name, theirs in absorbed.events.items():
        mine = survivor.events.get(name)
        survivor.events[name] = (
            EventStat(theirs.count, theirs.first, theirs.last)
            if mine is None
            else EventStat(
                mine.count + theirs.count,
                min(mine.first, theirs.first),
                max(mine.last, theirs.last),
            )
        )
    for id, state in absorbed.traits.items():
        survivor.traits[id] = merge_states(id, survivor.traits.get(id), state)
    survivor.segments = {**survivor.segments, **absorbed.segments}
    survivor.lists = {**absorbed.lists, **survivor.lists}
    survivor.coupons = {**absorbed.coupons, **survivor.coupons}
    survivor.surveys = {**absorbed.surveys, **survivor.surveys}
    known = {send.id for send in survivor.sends}
    survivor.sends = sorted(
        [*survivor.sends, *(send for send in absorbed.sends if send.id not in known)],
        key=lambda send: send.at,
    )
    survivor.seen = merge_seen(survivor.seen, absorbed.seen)
    for journey, keys in absorbed.entries.items():
        survivor.entries[journey] = _latest(survivor.entries.get(journey, {}), keys)
    for key, theirs_too in absorbed.assigned.items():
        mine_too = survivor.assigned.get(key)
        # Where they came first is where they stay.
        if mine_too is None or theirs_too.at < mine_too.at:
            survivor.assigned[key] = theirs_too
    survivor.session = _merge_sessions(survivor.session, absorbed.session)
    survivor.unheeded = {**absorbed.unheeded, **survivor.unheeded}
    survivor.hours = joined(survivor.hours, absorbed.hours)
    survivor.places = {**absorbed.places, **survivor.places}
    for journey, awaited in absorbed.dates.items():
        date = survivor.dates.setdefault(journey, AwaitedDate())
        date.reached = max(date.reached, awaited.reached)


def _merge_sessions(mine: Session | None, theirs: Session | None) -> Session | None:
    if mine is None or theirs is None:
        return mine or theirs
    mine.started = min(mine.started, theirs.started)
    mine.last = max(mine.last, theirs.last)
    for name, count in theirs.events.items():
        mine.events[name] = mine.events.get(name, 0) + count
    mine.products = [*theirs.products, *mine.products][-MOST_PRODUCTS:]
    return mine


def _merge_runs(survivor: Profile, absorbed: Profile, both: Callable[[Run], bool]) -> list[Run]:
    """Take the absorbed runs over; the ones that end because their twin began first."""
    ended, mine = [], dict(survivor.runs)
    for run in absorbed.runs.values():
        # Only those of the other side: `after` lets one customer have several at a time.
        twin = None if both(run) else _twin(run, mine)
        if twin is None:
            survivor.runs[run.id] = run
        elif run.entered_at < twin.entered_at:
            del survivor.runs[twin.id], mine[twin.id]
            survivor.runs[run.id] = run
            ended.append(twin)
        else:
            ended.append(run)
    return ended


def _twin(run: Run, runs: dict[str, Run]) -> Run | None:
    same = (one for one in runs.values() if (one.journey, one.key) == (run.journey, run.key))
    return next(same, None)


def _without(now: dict[str, Any], before: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """`now` less what came from the other side; a value that it had replaced comes back."""
    left = dict(now)
    for key, value in theirs.items():
        if key not in left or not same(left[key], value):
            continue
        if key in before:
            left[key] = before[key]
        else:
            del left[key]
    return left


def _unmerge_consent(survivor: Profile, before: Profile, restored: Profile) -> None:
    """Choices made since the merge stay; the other side's go."""
    together = stricter_choices(before, restored)
    survivor.consent = _without(survivor.consent, before.consent, together)
    survivor.consent_log = [c for c in survivor.consent_log if c not in restored.consent_log]


def _subtract(
    survivor: Profile,
    name: str,
    theirs: EventStat,
    before: EventStat | None,
    since: list[int] | None,
) -> None:
    stat = survivor.events.get(name)
    if stat is None:
        return
    count = stat.count - theirs.count
    times = ([before.first, before.last] if before else []) + (since[1:] if since else [])
    if count > (before.count if before else 0) + (since[0] if since else 0):
        # Yet another profile joined since: its times cannot be told from the ones to take away.
        times += [stat.first, stat.last]
    if count <= 0 or not times:
        del survivor.events[name]
    else:
        survivor.events[name] = EventStat(count, min(times), max(times))


def _unmerge_runs(
    survivor: Profile, before: Profile, restored: Profile, ended: list[str], now: int
) -> None:
    """Each side's runs as they stand now. One that the merge ended goes on, if its time is yet to
    come: until then the other side's run spoke for both."""
    for id, run in list(restored.runs.items()):
        if id in survivor.runs and id not in before.runs:
            restored.runs[id] = survivor.runs.pop(id)
        elif id not in ended or run.due <= now:
            del restored.runs[id]
    for id, run in before.runs.items():
        if id in ended and run.due > now:
            survivor.runs[id] = run
    for journey, keys in restored.entries.items():
        mine = survivor.entries.get(journey, {})
        for key, at in keys.items():
            own = before.entries.get(journey, {}).get(key)
            if mine.get(key) != at or own == at:
                continue
            if own is None:
                del mine[key]
            else:
                mine[key] = own
