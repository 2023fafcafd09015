"""Coupons: issued and redeemed once, expired by the clock, released when nobody saw them."""

from collections.abc import Callable

import pytest
from driver import Shop, instant
from plain import journey, say, wait

from harken.inputs import Forget

DATED = "{{ coupon.code }}, {{ coupon.expires_at | date: 'long' }}"
CODE = f'{{subject: "Your code", html: "<p>{DATED}</p>"}}'
MINTED = "mint: {prefix: TRIAL-}\nvalid_for: 3d\npercent: 20"
IMPORTED = "imported: true"
PLAIN = '{subject: "Your code", html: "<p>{{ coupon.code }}</p>"}'


def issue(pool: str = "trial", otherwise: str = "") -> str:
    more = f"    otherwise: {otherwise}\n" if otherwise else ""
    return f"\n  - coupon: {pool}\n{more}"


def tell(name: str = "nudge", default: str = PLAIN, **fields: str) -> str:
    more = "".join(f"    {key}: {value}\n" for key, value in fields.items())
    return f"\n  - message: {name}\n    channel: email\n    default: {default}\n{more}"


@pytest.fixture
def shop(open_shop: Callable[..., Shop]) -> Shop:
    return open_shop()


@pytest.fixture
def minted(shop: Shop) -> Shop:
    shop.apply(
        coupons={"trial": MINTED},
        cart=journey(steps=issue() + tell(default=CODE) + wait("30d")),
    )
    shop.identify("mina", email="mina@shop.example", timezone="Asia/Seoul")
    return shop


@pytest.fixture
def imported(shop: Shop) -> Shop:
    shop.apply(
        coupons={"gift": IMPORTED},
        cart=journey(
            entry_reentry="always", steps=issue("gift", "[{exit: true}]") + tell() + wait("30d")
        ),
    )
    shop.identify("mina", email="mina@shop.example")
    shop.identify("joon", email="joon@shop.example")
    return shop


def codes(shop: Shop, user: str) -> list[str]:
    return list(shop.profile(user).coupons)


def state(shop: Shop, code: str) -> str:
    row = shop.harken.store.coupons.one(code)
    assert row is not None
    return row.state


def test_a_minted_coupon_is_told_and_good_to_the_end_of_the_third_day(minted: Shop) -> None:
    minted.track("mina", "Go")
    [code] = codes(minted, "mina")
    assert code.startswith("TRIAL-")
    assert len(code) == len("TRIAL-") + 8
    # 10:00 in London is 19:00 in Seoul, so the third day is the 5th of March there.
    [mail] = minted.mails()
    assert mail.body.strip().startswith(f"{code}, March 5, 2026")
    [issued] = minted.properties("mina", "$coupon_issued")
    assert issued == {
        "pool": "trial", "code": code, "journey": "cart", "step": "coupon-1",
        "expires_at": "2026-03-05T14:59:59.000Z",
    }  # fmt: skip
    minted.at("2026-03-05 23:59", "Asia/Seoul")
    assert state(minted, code) == "issued"
    minted.at("2026-03-06 00:00", "Asia/Seoul")
    assert state(minted, code) == "expired"
    [expired] = minted.properties("mina", "$coupon_expired")
    assert expired == {"pool": "trial", "code": code, "journey": "cart", "step": "coupon-1"}
    assert codes(minted, "mina") == []


def test_a_variant_whose_rule_names_a_time_may_tell_the_code(shop: Shop) -> None:
    when = "{did: Bought, within: 30d}"
    variants = f"[{{name: loyal, when: {when}, subject: '{{{{ coupon.code }}}}'}}]"
    shop.apply(
        coupons={"trial": MINTED},
        cart=journey(
            steps=issue() + tell(default='{subject: "Hi", html: "Hi"}', variants=variants)
        ),
    )
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Bought")
    shop.track("mina", "Go")
    [mail] = shop.mails()
    assert [mail.subject] == codes(shop, "mina")


def test_why_tells_of_a_coupon(minted: Shop) -> None:
    minted.track("mina", "Go")
    [code] = codes(minted, "mina")
    assert f"At coupon-1 they were given the coupon {code} of trial, good until" in minted.story(
        "mina"
    )


def test_a_coupon_is_redeemed_once(minted: Shop) -> None:
    minted.track("mina", "Go")
    [code] = codes(minted, "mina")
    minted.redeem(code, "order-1", 99.5)
    minted.redeem(code, "order-2", 50.0)
    minted.redeem(code, "order-1", 99.5)
    row = minted.harken.store.coupons.one(code)
    assert row is not None
    assert (row.state, row.reference, row.amount) == ("redeemed", "order-1", 99.5)
    minted.advance("10d")
    assert minted.properties("mina", "$coupon_redeemed") == [
        {
            "pool": "trial", "code": code, "journey": "cart", "step": "coupon-1",
            "reference": "order-1", "amount": 99.5,
        }
    ]  # fmt: skip
    assert minted.properties("mina", "$coupon_expired") == []


def test_an_order_redeems_the_coupon_that_it_names(minted: Shop) -> None:
    minted.track("mina", "Go")
    [code] = codes(minted, "mina")
    minted.track("joon", "Order Completed", coupon=code, order_id="o-0", total=5)
    assert state(minted, code) == "issued"
    minted.track("mina", "Order Completed", coupon=code.lower(), order_id="o-1", total=80)
    row = minted.harken.store.coupons.one(code)
    assert row is not None
    assert (row.state, row.reference, row.amount) == ("redeemed", "o-1", 80.0)


def test_an_order_may_name_a_code_of_digits_as_a_number(imported: Shop) -> None:
    imported.harken.store.coupons.add("gift", ["20261", "1"])
    for user in ("mina", "joon"):
        imported.track(user, "Go")
    imported.track("mina", "Order Completed", coupon=20261)
    imported.track("joon", "Order Completed", coupon=True)
    assert [state(imported, code) for code in ("20261", "1")] == ["redeemed", "issued"]


def test_what_came_before_the_end_counts_and_what_comes_after_does_not(minted: Shop) -> None:
    minted.track("mina", "Go")
    [code] = codes(minted, "mina")
    minted.clock.set(instant("2026-03-06 00:00", "Asia/Seoul"))
    minted.redeem(code)
    assert state(minted, code) == "expired"


def test_imported_codes_go_out_in_their_order_until_none_is_left(imported: Shop) -> None:
    assert imported.harken.store.coupons.add("gift", ["G-1", "G-2", "G-1"]) == 2
    for _ in range(2):
        imported.track("mina", "Go")
    imported.track("joon", "Go")
    assert codes(imported, "mina") == ["G-1", "G-2"]
    assert codes(imported, "joon") == []
    assert [mail.body.strip()[:3] for mail in imported.mails()] == ["G-1", "G-2"]
    story = imported.story("joon")
    assert "they went the way otherwise, because the pool gift has no codes left" in story
    imported.harken.store.coupons.add("gift", ["G-3"])
    imported.track("joon", "Go")
    assert codes(imported, "joon") == ["G-3"]


@pytest.mark.parametrize(
    ("outcome", "hard", "released"),
    [
        ("failed", False, True),
        ("aborted", False, True),
        ("bounced", True, True),
        ("bounced", False, False),
        ("delivered", False, False),
        ("unsure", False, False),
    ],
)
def test_a_code_comes_back_when_its_message_failed(
    imported: Shop, outcome: str, hard: bool, released: bool
) -> None:
    imported.harken.store.coupons.add("gift", ["G-1"])
    imported.track("mina", "Go")
    [mail] = imported.ledger("mina")
    imported.feedback(imported.id("mina"), mail.id, outcome, hard=hard)
    assert state(imported, "G-1") == ("free" if released else "issued")
    assert len(imported.properties("mina", "$coupon_released")) == released
    told = [one.text for one in imported.why("mina").story if "taken back" in one.text]
    said = f"The coupon G-1 of gift was taken back from them, because the message {outcome}."
    assert told == ([said] if released else [])
    for language, word in (("ko", "회수했습니다"), ("id", "ditarik kembali")):
        story = imported.why("mina", language=language).story
        assert sum(word in one.text for one in story) == released
    imported.track("joon", "Go")
    assert codes(imported, "joon") == (["G-1"] if released else [])
    assert imported.harken.store.coupons.counts()["gift"].released == released


def test_a_minted_code_that_comes_back_is_void(minted: Shop) -> None:
    minted.track("mina", "Go")
    [code], [mail] = codes(minted, "mina"), minted.ledger("mina")
    minted.feedback(minted.id("mina"), mail.id, "failed")
    assert state(minted, code) == "void"
    assert [key for _, _, key in minted.wakeups() if key.startswith("coupon:")] == []


def test_a_code_that_another_message_told_stays(shop: Shop) -> None:
    shop.apply(
        coupons={"trial": MINTED},
        cart=journey(steps=issue() + tell("one") + tell("two") + say("three") + wait("30d")),
    )
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    [code] = codes(shop, "mina")
    sent = {row.step: row.id for row in shop.ledger("mina")}
    assert len(shop.profile("mina").coupons[code].shown) == 2
    shop.feedback(shop.id("mina"), sent["one"], "failed")
    shop.feedback(shop.id("mina"), sent["three"], "failed")
    assert state(shop, code) == "issued"
    shop.feedback(shop.id("mina"), sent["two"], "failed")
    assert state(shop, code) == "void"


def test_a_code_that_no_message_told_comes_back_with_the_end_of_the_run(shop: Shop) -> None:
    shop.apply(coupons={"gift": IMPORTED}, cart=journey(steps=issue("gift") + tell()))
    shop.harken.store.coupons.add("gift", ["G-1"])
    shop.identify("nobody", firstName="No address")
    shop.track("nobody", "Go")
    assert state(shop, "G-1") == "free"
    assert shop.properties("nobody", "$coupon_released")[0]["why"] == "no message showed it"
    told = shop.why("nobody")
    assert told.answer.endswith("no e-mail address of theirs is known.")
    assert any(one.text.endswith("from them, because no message showed it.") for one in told.story)


def test_a_coupon_that_no_message_is_to_tell_is_kept(shop: Shop) -> None:
    shop.apply(coupons={"gift": IMPORTED}, cart=journey(steps=issue("gift") + say()))
    shop.harken.store.coupons.add("gift", ["G-1"])
    shop.track("app", "Go")
    assert codes(shop, "app") == ["G-1"]


def test_control_groups_get_no_coupon(shop: Shop) -> None:
    shop.apply(
        coupons={"trial": MINTED}, cart=journey(control_percent="100", steps=issue() + tell())
    )
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    assert codes(shop, "mina") == []
    assert "A coupon of trial would have been given to them at coupon-1" in shop.story("mina")


def test_a_message_after_the_code_came_back_does_not_tell_it(shop: Shop) -> None:
    shop.apply(
        coupons={"gift": IMPORTED},
        cart=journey(steps=issue("gift") + tell("one") + wait("1h") + tell("two")),
    )
    shop.harken.store.coupons.add("gift", ["G-1"])
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    [mail] = shop.ledger("mina")
    shop.feedback(shop.id("mina"), mail.id, "failed")
    shop.advance("2h")
    states = {row.step: (row.state, row.reason) for row in shop.ledger("mina")}
    assert states["two"][0] == "aborted"
    assert "coupon.code" in states["two"][1]


def test_a_journey_begins_when_a_coupon_expires(shop: Shop) -> None:
    shop.apply(
        coupons={"trial": MINTED},
        cart=journey(steps=issue() + tell()),
        late=journey(
            "$coupon_expired", name="late", entry_where="{pool: trial}", steps=say("late")
        ),
    )
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    shop.advance("4d")
    assert [row.step for row in shop.ledger("mina")] == ["late", "nudge"]


def test_a_loop_issues_a_coupon_each_time(shop: Shop) -> None:
    steps = "\n  - coupon: trial\n    id: give" + wait("1d") + "\n  - go_to: give\n"
    shop.apply(coupons={"trial": "mint: {}"}, cart=journey(steps=steps))
    shop.track("mina", "Go")
    shop.advance("2d")
    assert len(codes(shop, "mina")) == 3
    assert len(set(codes(shop, "mina"))) == 3


def test_two_profiles_become_one_with_both_their_coupons(minted: Shop) -> None:
    minted.identify("joon", email="joon@shop.example")
    minted.track("mina", "Go")
    minted.track("joon", "Go")
    mine, theirs = codes(minted, "mina")[0], codes(minted, "joon")[0]
    absorbed = minted.id("joon")
    minted.merge("mina", "joon")
    assert sorted(codes(minted, "mina")) == sorted([mine, theirs])
    minted.redeem(theirs)
    assert state(minted, theirs) == "redeemed"
    minted.unmerge("mina", absorbed)
    assert codes(minted, "mina") == [mine]
    assert minted.harken.store.profiles([absorbed])[absorbed].coupons == {}
    minted.advance("4d")
    assert state(minted, mine) == "expired"


def test_an_unmerged_profile_has_its_coupon_again_and_it_expires(minted: Shop) -> None:
    minted.track("joon", "Go")
    [code], absorbed = codes(minted, "joon"), minted.id("joon")
    minted.merge("mina", "joon")
    minted.unmerge("mina", absorbed)
    assert list(minted.harken.store.profiles([absorbed])[absorbed].coupons) == [code]
    assert codes(minted, "mina") == []
    minted.advance("4d")
    assert state(minted, code) == "expired"


def test_whose_coupon_it_was_is_forgotten_with_the_customer(minted: Shop) -> None:
    minted.track("mina", "Go")
    [code] = codes(minted, "mina")
    minted.command("mina", Forget("operator"))
    row = minted.harken.store.coupons.one(code)
    assert row is not None
    assert (row.state, row.profile_id, row.run) == ("void", 0, "")
    assert [key for _, _, key in minted.wakeups() if key.startswith("coupon:")] == []


def test_a_pool_that_is_gone_or_over_leads_otherwise(shop: Shop) -> None:
    steps = wait("1d") + issue(
        "trial",
        "[{message: none, channel: email, default: "
        + PLAIN.replace("{{ coupon.code }}", "No code")
        + "}]",
    )
    cart = journey(steps=steps)
    shop.apply(coupons={"trial": "mint: {}\nexpires_at: 2026-03-02"}, cart=cart)
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    shop.advance("1d")
    assert "because the coupons of trial have expired" in shop.story("mina")
    shop.identify("joon", email="joon@shop.example")
    shop.apply(coupons={"trial": "mint: {}"}, cart=cart)
    shop.track("joon", "Go")
    shop.apply(other=journey(name="other"))
    shop.advance("1d")
    assert "because there is no pool trial any more" in shop.story("joon")


def test_a_coupon_has_one_wake_up_whoever_has_it(minted: Shop) -> None:
    """Through a merge and its undoing, and none once it is used or its owner erased."""

    def waking(shop: Shop) -> list[tuple[int, str]]:
        found = [(whose, key) for _, whose, key in shop.wakeups()]
        return [one for one in found if one[1].startswith("coupon:")]

    shop = minted
    for user in ("joon", "sora"):
        shop.identify(user, email=f"{user}@shop.example")
        shop.track(user, "Go")
    [joons], [soras] = codes(shop, "joon"), codes(shop, "sora")
    joon, sora = shop.id("joon"), shop.id("sora")
    shop.merge("joon", "sora")
    expected = sorted([(joon, f"coupon:{joons}"), (joon, f"coupon:{soras}")])
    assert sorted(waking(shop)) == expected
    shop.unmerge("joon", sora)
    expected = sorted([(joon, f"coupon:{joons}"), (sora, f"coupon:{soras}")])
    assert sorted(waking(shop)) == expected
    shop.merge("joon", "sora")
    shop.redeem(soras)
    assert waking(shop) == [(joon, f"coupon:{joons}")]
    shop.command(joon, Forget("an operator"))
    assert waking(shop) == []
