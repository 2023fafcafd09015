"""Coupons of a customer: issued at a step, shown by messages, and what becomes of them.

A document holds the coupons that are still good; how each ended stands in the store and in
history. Whoever gets a code, shows it, or takes it back does so here, one input after the other,
so that a code is redeemed once whatever asks for it at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from harken.clock import iso
from harken.effects import CouponChange, Decision, Effects
from harken.gates.who import control_group
from harken.inputs import Feedback, Redeem, WakeUp
from harken.journeys.compile import LiveJourney, Node, done_as
from harken.journeys.kinds import IssueCoupon
from harken.journeys.steps import End, Go, Result, Take
from harken.messages.pools import last_moment, over_at, values_of
from harken.people.place import zone_of
from harken.people.profile import Coupon, Profile, Run, Trigger
from harken.segments.rules import lookup

if TYPE_CHECKING:
    from harken.deciding.reactions import Handling

MOST_COUPONS = 1_000
"""Coupons that a customer may have at once; more are not issued."""


def issue(
    handling: Handling, run: Run, journey: LiveJourney, node: Node, step: IssueCoupon
) -> Result:
    """Give the customer a coupon, which the run's templates and steps know from now on."""
    group = None
    if journey.source.purpose == "marketing":
        group = control_group(
            handling.profile.id,
            journey.name,
            handling.definitions.policy.holdout_percent,
            journey.source.control_percent,
            run.control,
        )
    if group is not None:
        # They get no message that shows it, and must not get the coupon either.
        facts = {"pool": step.coupon, **group.facts}
        handling.decide(run, "control", group.reason, step=node.id, facts=facts, gate="holdout")
        return Go(at=handling.now)
    pool = handling.definitions.coupons.get(step.coupon)
    ours = handling.definitions.zone
    ends = last_moment(pool, handling.now, zone_of(handling.profile, ours), ours) if pool else 0
    if pool is None:
        return _none(handling, node, f"there is no pool {step.coupon} any more")
    if ends and over_at(ends) <= handling.now:
        return _none(handling, node, f"the coupons of {step.coupon} have expired")
    if len(handling.profile.coupons) >= MOST_COUPONS:
        return _none(handling, node, f"they have {MOST_COUPONS} coupons already")
    code = handling.supply.draw(step.coupon)
    if code is None:
        return _none(handling, node, f"the pool {step.coupon} has no codes left")
    coupon = Coupon(
        code=code,
        pool=step.coupon,
        at=handling.now,
        expires_at=ends,
        journey=run.journey,
        step=node.id,
        run=run.id,
        imported=pool.imported,
    )
    handling.profile.coupons[code] = coupon
    handling.effects.wake += expiring(handling.profile, [code])
    run.event.answers[node.id] = values_of(pool, code, ends)
    run.event.coupon = node.id
    _change(handling, coupon, "issued", handling.now)
    facts = {"way": "issued", "pool": step.coupon, "code": code, "expires_at": ends}
    handling.decide(run, "took", "coupon", step=node.id, facts=facts)
    told = {"expires_at": iso(ends)} if ends else {}
    _tell(handling, coupon, "issued", handling.now, **told)
    return Go(at=handling.now)


def _none(handling: Handling, node: Node, why: str) -> Result:
    if not node.ways:
        return End("no_coupon", why)
    return Take(node.ways[0], handling.now, why=why)


def shown(handling: Handling, run: Run, journey: LiveJourney, step: str, message: str) -> None:
    """A message that says the run's coupons is on its way."""
    if step in journey.showing:
        for coupon in _of_run(handling, run):
            coupon.shown.append(message)


def let_go(handling: Handling, run: Run, journey: LiveJourney) -> None:
    """The run is over: a coupon that its messages were to show, and none did, is free again."""
    if journey.showing:
        for coupon in _of_run(handling, run):
            if not coupon.shown:
                release(handling, coupon, handling.now, "no message showed it")


def came_to_nothing(handling: Handling, feedback: Feedback) -> None:
    """A message did not reach the customer: coupons that no other message shows are released."""
    for coupon in list(handling.profile.coupons.values()):
        if feedback.message in coupon.shown:
            coupon.shown.remove(feedback.message)
            if not coupon.shown:
                why = f"the message {feedback.what}"
                release(handling, coupon, feedback.at, why, feedback.message)


def release(handling: Handling, coupon: Coupon, at: int, why: str, message: str = "") -> None:
    """Take a coupon back: an imported code is free again, a minted one is void."""
    _end(handling, coupon, "released", at)
    run = handling.profile.runs.get(coupon.run)
    if run is not None:
        forget_code(run, coupon)
    handling.effects.decisions.append(
        Decision(
            at=at,
            profile_id=handling.profile.id,
            journey=coupon.journey,
            revision=run.revision if run is not None else 0,
            run=coupon.run,
            outcome="took",
            reason="coupon",
            step=coupon.step,
            message=message,
            facts={"way": "released", "pool": coupon.pool, "code": coupon.code, "said": why},
        )
    )
    _tell(handling, coupon, "released", at, why=why)


def forget_code(run: Run, coupon: Coupon) -> None:
    """What the run says from now on must not name a code that somebody else may get."""
    if (run.event.answers.get(coupon.step) or {}).get("code") == coupon.code:
        del run.event.answers[coupon.step]
        run.event.coupon = "" if run.event.coupon == coupon.step else run.event.coupon
        given = done_as(IssueCoupon.key, coupon.step)
        run.done = [one for one in run.done if one != given]


def hand_over(effects: Effects, restored: Profile, at: int) -> None:
    """An undone merge gives coupons back: one may have been issued while both were one."""
    changes = (_changed(restored.id, one, "handed_over", at) for one in restored.coupons.values())
    effects.coupons += changes


def expiring(profile: Profile, codes: Iterable[str]) -> Iterator[WakeUp]:
    """The wake-ups of these coupons of the customer's, where their time ends."""
    for code in codes:
        ends = profile.coupons[code].expires_at
        if ends:
            yield WakeUp(over_at(ends), profile.id, f"coupon:{code}")


def expire(handling: Handling, code: str, due: int) -> None:
    """The wake-up `coupon:CODE`: its time is over."""
    coupon = handling.profile.coupons.get(code)
    if coupon is not None and over_at(coupon.expires_at) == due:
        _end(handling, coupon, "expired", due)
        _tell(handling, coupon, "expired", due)


def redeem(handling: Handling, command: Redeem) -> None:
    """The coupon is used, if it still is good; of several who ask at once, the first is heard."""
    coupon = handling.profile.coupons.get(command.code)
    at = handling.received_at
    if coupon is None or (coupon.expires_at and at >= over_at(coupon.expires_at)):
        return
    _end(handling, coupon, "redeemed", at, reference=command.reference, amount=command.amount)
    told: dict[str, Any] = {"reference": command.reference}
    if command.amount is not None:
        told["amount"] = command.amount
    _tell(handling, coupon, "redeemed", at, **told)


def redeem_by_event(handling: Handling, event: Trigger) -> None:
    """An event that names a coupon of the customer's (an order with its code) redeems it."""
    wanted = handling.definitions.workspace.coupons
    if event.name != wanted.event or not handling.profile.coupons:
        return
    code = lookup(event.properties, wanted.code)
    if isinstance(code, bool) or not isinstance(code, str | int):
        return
    # Codes of digits alone are numbers to some shops.
    found = str(code).strip()
    found = found if found in handling.profile.coupons else found.upper()
    reference = lookup(event.properties, wanted.reference)
    amount = lookup(event.properties, wanted.amount)
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    command = Redeem(
        code=found,
        reference=str(reference) if isinstance(reference, str | int) else event.message_id,
        amount=float(amount) if is_number else None,
    )
    redeem(handling, command)


def _of_run(handling: Handling, run: Run) -> list[Coupon]:
    return [one for one in handling.profile.coupons.values() if one.run == run.id]


def _end(handling: Handling, coupon: Coupon, what: str, at: int, **columns: Any) -> None:
    if what != "expired":
        for wakeup in expiring(handling.profile, [coupon.code]):
            handling.cancel(wakeup)
    del handling.profile.coupons[coupon.code]
    _change(handling, coupon, what, at, **columns)


def _change(handling: Handling, coupon: Coupon, what: str, at: int, **columns: Any) -> None:
    handling.effects.coupons.append(_changed(handling.profile.id, coupon, what, at, **columns))


def _changed(whose: int, coupon: Coupon, what: str, at: int, **columns: Any) -> CouponChange:
    return CouponChange(
        code=coupon.code,
        pool=coupon.pool,
        what=what,  # type: ignore[arg-type]  # one of its words
        at=at,
        profile_id=whose,
        journey=coupon.journey,
        step=coupon.step,
        run=coupon.run,
        issued_at=coupon.at,
        expires_at=coupon.expires_at,
        imported=coupon.imported,
        **columns,
    )


def _tell(handling: Handling, coupon: Coupon, what: str, at: int, **properties: Any) -> None:
    own = {
        "pool": coupon.pool,
        "code": coupon.code,
        "journey": coupon.journey,
        "step": coupon.step,
    }
    handling.emit(
        f"$coupon_{what}",
        {**own, **properties},
        at=at,
        journey=coupon.journey,
        step=coupon.step,
    )
