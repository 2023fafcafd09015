"""What a merge ends, and what its undoing gives back: coupons and runs go the same way."""

from collections.abc import Callable

import pytest
from driver import Shop
from plain import journey, wait

Open = Callable[..., Shop]

PLAIN = '{subject: "Your code", html: "<p>{{ coupon.code }}</p>"}'
TELL = (
    f"\n  - message: tell\n    channel: email\n    purpose: transactional\n    default: {PLAIN}\n"
)
GIVE = "\n  - coupon: gift\n"
GIVEN_THEN_TOLD = journey(steps=GIVE + wait("2d") + TELL + wait("9d"))


def shop_of(open_shop: Open, cart: str) -> Shop:
    shop = open_shop()
    shop.apply(coupons={"gift": "imported: true\nvalid_for: 20d"}, cart=cart)
    shop.harken.store.coupons.add("gift", [f"G-{number}" for number in range(1, 10)])
    for user in ("mina", "joon"):
        shop.identify(user, email=f"{user}@shop.example")
    return shop


def states(shop: Shop) -> dict[str, str]:
    rows = [shop.harken.store.coupons.one(f"G-{number}") for number in range(1, 4)]
    return {row.code: row.state for row in rows if row is not None}


def codes(shop: Shop, user: str) -> list[str]:
    return sorted(shop.profile(user).coupons)


@pytest.mark.parametrize("survivor", ["mina", "joon"])
def test_the_coupon_of_a_run_that_a_merge_ends_is_free_again(
    open_shop: Open, survivor: str
) -> None:
    shop = shop_of(open_shop, GIVEN_THEN_TOLD)
    shop.track("mina", "Go")
    shop.advance("1h")
    shop.track("joon", "Go")
    shop.merge(survivor, "joon" if survivor == "mina" else "mina")
    # Joon's run began later: the merge ends it, and no message has told its code.
    assert states(shop) == {"G-1": "issued", "G-2": "free", "G-3": "free"}
    assert codes(shop, survivor) == ["G-1"]
    assert len([key for _, _, key in shop.wakeups() if key.startswith("coupon:")]) == 1
    [released] = shop.properties(survivor, "$coupon_released")
    assert (released["code"], released["why"]) == ("G-2", "no message showed it")
    shop.advance("3d")
    assert [mail.body.strip() for mail in shop.mails()] == ["G-1"]
    assert shop.failures() == []


def test_a_coupon_that_was_told_before_the_merge_stays_good(open_shop: Open) -> None:
    shop = shop_of(open_shop, journey(steps=GIVE + TELL + wait("9d")))
    shop.track("mina", "Go")
    shop.track("joon", "Go")
    shop.merge("mina", "joon")
    assert codes(shop, "mina") == ["G-1", "G-2"]


def test_a_run_that_goes_on_after_parting_tells_no_code_that_is_free_again(
    open_shop: Open,
) -> None:
    shop = shop_of(open_shop, GIVEN_THEN_TOLD)
    shop.track("mina", "Go")
    shop.track("joon", "Go")
    absorbed = shop.id("joon")
    shop.merge("mina", "joon")
    shop.identify("sora", email="sora@shop.example")
    shop.unmerge("mina", absorbed)
    assert len(shop.profile("joon").runs) == 1
    assert (codes(shop, "mina"), codes(shop, "joon")) == (["G-1"], [])
    shop.advance("3d")
    assert [(mail.to, mail.body.strip()) for mail in shop.mails()] == [("mina@shop.example", "G-1")]
    [row] = shop.ledger("joon")
    assert row.state == "aborted"
    assert "coupon.code" in row.reason
    assert states(shop)["G-2"] == "free"


def test_a_coupon_goes_with_the_run_that_gave_it(open_shop: Open) -> None:
    """Also one given while both were one: it is told, used and erased with its run's customer."""
    steps = wait("1d") + GIVE + wait("1d") + TELL + wait("9d")
    shop = shop_of(open_shop, journey(steps=steps))
    shop.track("joon", "Go")
    absorbed = shop.id("joon")
    shop.merge("mina", "joon")
    shop.advance("1d")
    assert codes(shop, "mina") == ["G-1"]
    shop.unmerge("mina", absorbed)
    assert (codes(shop, "mina"), codes(shop, "joon")) == ([], ["G-1"])
    row = shop.harken.store.coupons.one("G-1")
    assert row is not None
    assert row.profile_id == absorbed
    assert [(whose, key) for _, whose, key in shop.wakeups() if key.startswith("coupon:")] == [
        (absorbed, "coupon:G-1")
    ]
    shop.advance("1d")
    assert [(mail.to, mail.body.strip()) for mail in shop.mails()] == [("joon@shop.example", "G-1")]
    shop.redeem("G-1")
    assert states(shop)["G-1"] == "redeemed"
    assert codes(shop, "joon") == []


def test_a_coupon_given_after_the_merge_stays_with_the_survivors_run(open_shop: Open) -> None:
    shop = shop_of(open_shop, journey(steps=wait("1d") + GIVE + TELL + wait("9d")))
    absorbed = shop.id("joon")
    shop.track("mina", "Go")
    shop.merge("mina", "joon")
    shop.advance("1d")
    shop.unmerge("mina", absorbed)
    assert (codes(shop, "mina"), codes(shop, "joon")) == (["G-1"], [])
