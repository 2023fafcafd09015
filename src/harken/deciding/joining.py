"""Two customers become one, and are told apart again: runs, coupons and wake-ups follow.

What becomes of the two documents themselves is `people.merge`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harken.deciding.entering import at_any_time
from harken.deciding.issuing import expiring, forget_code, hand_over, let_go
from harken.deciding.noticing import await_dates, expected, look_around, standing, waking
from harken.inputs import Unmerge, WakeUp
from harken.people import merge as merging
from harken.people import profile as documents
from harken.people.profile import Profile, Run

if TYPE_CHECKING:
    from harken.deciding.reactions import Handling


def join(handling: Handling, absorbed: Profile, how: str, at: int) -> None:
    """Join `absorbed` into the customer at hand."""
    effects, survivor = handling.effects, handling.profile
    for run in absorbed.runs.values():
        effects.cancel.append(WakeUp(run.due, absorbed.id, f"run:{run.id}"))
    for session in (absorbed.session, survivor.session):
        if session is not None:
            owner = absorbed if session is absorbed.session else survivor
            effects.cancel.append(WakeUp(session.due, owner.id, "session"))
    for profile in (absorbed, survivor):
        handling.definitions.tidy(profile)
        if profile.segments_due:
            effects.cancel.append(WakeUp(profile.segments_due, profile.id, "segments"))
    survivor.segments_due = 0
    effects.cancel += standing(absorbed)
    before = [expected(one, handling.definitions) for one in (survivor, absorbed)]
    mine = {run.id: run.due for run in survivor.runs.values()}
    known = survivor.absorbed.keys() | absorbed.absorbed.keys()
    both, asked = partial(at_any_time, handling), handling.definitions.traits
    tombstone, ended = merging.merge(survivor, absorbed, at, how, both, asked)
    for run in ended:
        if run.id in mine:
            effects.cancel.append(WakeUp(run.due, survivor.id, f"run:{run.id}"))
        handling.decide(run, "ended", "merged")
    for run in survivor.runs.values():
        if run.id not in mine:
            effects.wake.append(WakeUp(run.due, survivor.id, f"run:{run.id}"))
    effects.wake += waking(survivor, absorbed.unheeded.keys() & survivor.unheeded.keys())
    effects.wake += expiring(survivor, absorbed.coupons)
    handling.rewake_session()
    await_dates(effects, survivor, handling.definitions, handling.upto, before=before)
    look_around(handling, silent=True)
    effects.wake.append(_grave_closes(tombstone, survivor, at))
    effects.others.append(tombstone)
    for id in known - survivor.absorbed.keys():
        # Too many to be remembered cannot be undone: nothing of them stays but the way here.
        effects.others.append(merging.for_good(id, survivor.id, at))
    handling.record("$merged", {"absorbed": str(absorbed.id), "how": how}, at=at)
    handling.state("merged")
    handling.ask(handling.definitions.segments.by_name)
    # Last: that a coupon is released is an event, to which the joined customer reacts.
    _let_go_of_coupons(handling, ended)


def _let_go_of_coupons(handling: Handling, ended: list[Run]) -> None:
    for run in ended:
        journey = handling.definitions.journey(run.journey, run.revision)
        if journey is not None:
            let_go(handling, run, journey)


def part(handling: Handling, tombstone: Profile, command: Unmerge, at: int) -> None:
    """Take an absorbed customer out again, if that can still be done."""
    effects, survivor = handling.effects, handling.profile
    grave = tombstone.tombstone
    if grave is None or grave.into != survivor.id or at - grave.at > merging.UNDO:
        return
    if not grave.absorbed_before:
        return
    effects.cancel.append(_grave_closes(tombstone, survivor, grave.at))
    before, watched = dict(survivor.runs), {*standing(survivor)}
    dates = [expected(survivor, handling.definitions)]
    restored = merging.unmerge(survivor, tombstone, command.events_since, at)
    for id, run in before.items():
        if id not in survivor.runs:
            effects.cancel.append(WakeUp(run.due, survivor.id, f"run:{id}"))
    for id, run in survivor.runs.items():
        if id not in before:
            effects.wake.append(WakeUp(run.due, survivor.id, f"run:{id}"))
    for run in restored.runs.values():
        effects.wake.append(WakeUp(run.due, restored.id, f"run:{run.id}"))
    effects.cancel += watched - {*standing(survivor)}
    effects.wake += waking(restored, restored.unheeded)
    effects.wake += expiring(restored, restored.coupons)
    hand_over(effects, restored, at)
    for profile, then in ((survivor, grave.survivor_before), (restored, grave.absorbed_before)):
        _forget_codes(profile, documents.decode(then), grave.ended)
    look_around(handling, silent=True)
    for profile in (survivor, restored):
        await_dates(effects, profile, handling.definitions, handling.upto, before=dates)
    restored.session = None
    restored.segments_due = 0
    effects.recount = (survivor.id, restored.id)
    handling.state("merged")
    effects.others.append(restored)
    handling.record("$unmerged", {"absorbed": str(restored.id), "by": command.by}, at=at)


def _forget_codes(profile: Profile, then: Profile, ended: list[str]) -> None:
    """A run that goes on again stands as it was before the merge, and knows nothing of what became
    of its coupons meanwhile: it must not tell a code that is not the customer's any more."""
    for coupon in then.coupons.values():
        run = profile.runs.get(coupon.run) if coupon.run in ended else None
        if run is not None and coupon.code not in profile.coupons:
            forget_code(run, coupon)


def _grave_closes(tombstone: Profile, survivor: Profile, merged_at: int) -> WakeUp:
    """When the merge cannot be undone any more, both documents as they were are let go."""
    return WakeUp(merged_at + merging.UNDO + 1, survivor.id, f"merged:{tombstone.id}")
