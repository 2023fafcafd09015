"""Whatever happens to customers who have coupons, a code is one customer's or nobody's."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from driver import Shop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain import journey

from harken.inputs import Forget
from harken.people.profile import Profile

USERS = ("u1", "u2", "u3")
CODES = [f"G-{number}" for number in range(12)]
TOLD = """
  - coupon: gift
    id: gift
  - wait: 2h
  - message: tell
    channel: email
    purpose: transactional
    default: {subject: "{{ coupon.code | default: 'none' }}", html: "<p>Hi</p>"}
  - wait: 1d
"""
STEPS = (
    ("go",), ("go",), ("go",), ("stop",), ("advance", "1h"), ("advance", "3h"), ("advance", "2d"),
    ("merge", "u1"), ("merge", "u2"), ("merge", "u3"), ("unmerge",), ("redeem",), ("failed",),
    ("forget",), ("restart",),
)  # fmt: skip
step = st.tuples(st.sampled_from(USERS), st.sampled_from(STEPS))


def play(shop: Shop, user: str, what: str, *rest: str) -> None:
    match what:
        case "go":
            shop.identify(user, email=f"{user}@shop.example")
            shop.track(user, "Go")
        case "stop":
            shop.track(user, "Stop")
        case "advance":
            shop.advance(rest[0])
        case "merge":
            known = {one.id for one in shop.profiles()}
            ids = {shop.id(one) for one in (user, rest[0])}
            if len(ids) == 2 and ids <= known:
                shop.merge(user, rest[0])
        case "unmerge":
            for absorbed in list(shop.profile(user).absorbed)[-1:]:
                shop.unmerge(user, absorbed)
        case "redeem":
            for code in list(shop.profile(user).coupons)[:1]:
                shop.redeem(code)
        case "failed":
            for row in shop.ledger(user)[:1]:
                shop.feedback(row.profile_id, row.id, "failed")
        case "forget":
            if shop.id(user) in {one.id for one in shop.profiles()}:
                shop.command(user, Forget("an operator"))
        case "restart":
            shop.reopen()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(st.lists(step, max_size=25))
def test_a_code_is_one_customers_or_nobodys(history: list[tuple[str, tuple[Any, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        shop.apply(
            coupons={"gift": "imported: true\nvalid_for: 30h"},
            cart=journey(
                steps=TOLD, exceptions="[{event: Stop}]", entry_reentry="{after: 5h}"
            ),
        )  # fmt: skip
        shop.harken.store.coupons.add("gift", CODES)
        for user, what in [(user, ("go",)) for user in USERS] + history:
            play(shop, user, *what)
            owned(shop)
        shop.advance("5d")
        owned(shop)
        assert shop.failures() == []
        assert all(one.coupons == {} for one in shop.profiles())
        shop.close()


def owned(shop: Shop) -> None:
    """Documents and rows agree, each coupon has one wake-up, and runs tell only codes they have."""
    people: list[Profile] = [one for one in shop.profiles() if one.tombstone is None]
    held = [(code, one) for one in people for code in one.coupons]
    assert all(count == 1 for count in Counter(code for code, _ in held).values())
    rows = [shop.harken.store.coupons.one(code) for code in CODES]
    issued = {row.code: row.profile_id for row in rows if row and row.state == "issued"}
    assert issued.keys() == {code for code, _ in held}
    into = {one.id: one.tombstone.into for one in shop.profiles() if one.tombstone is not None}
    for code, one in held:
        owner = issued[code]
        while owner in into:
            owner = into[owner]
        assert owner == one.id
    waking = [(id, key) for _, id, key in shop.wakeups() if key.startswith("coupon:")]
    assert sorted(waking) == sorted((one.id, f"coupon:{code}") for code, one in held)
    free = {row.code for row in rows if row and row.state == "free"}
    for one in people:
        # What no message has told is the run's that is to tell it.
        assert all(c.shown or c.run in one.runs for c in one.coupons.values())
        for run in one.runs.values():
            told = run.event.answers.get("gift") or {}
            assert told.get("code") not in free
            assert told.get("code") not in issued or told["code"] in one.coupons
