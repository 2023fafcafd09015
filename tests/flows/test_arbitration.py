"""Several messages for one slot of a cap, within a short time: who gets it, and what is said."""

from collections.abc import Callable

import pytest
from driver import Shop, instant
from plain import journey, say

Open = Callable[..., Shop]
WORKSPACE = "arbitration: 5m\ncaps: [{at_most: 1, per: calendar day}]\n"
START = "2026-03-02 10:00"


def one(name: str, *, tags: str = "[]", **fields: str) -> str:
    """A journey on the event of its own name, with one message of that name."""
    parts = {key: fields.pop(key) for key in ("window", "exceptions", "purpose") if key in fields}
    return journey(
        name, name=name, entry_reentry="always", tags=tags, steps=say(name, **fields), **parts
    )


def opened(open_shop: Open, workspace: str = WORKSPACE, **journeys: str) -> Shop:
    shop = open_shop(START, workspace=workspace, **journeys)
    shop.identify("mina", email="mina@shop.example")
    return shop


def sent(shop: Shop) -> list[tuple[str, str]]:
    """(message, minutes and seconds after 10:00), in order."""
    start = instant(START)
    return [
        (mail.subject, f"{(mail.at - start) // 60_000}:{(mail.at - start) // 1000 % 60:02d}")
        for mail in shop.mails()
    ]


def last(shop: Shop, name: str, outcome: str) -> dict[str, object]:
    """The facts of the last decision with that outcome about the message."""
    return [d for d in shop.decisions("mina", name) if d.outcome == outcome][-1].facts


@pytest.mark.parametrize(
    ("priorities", "at_most", "winners"),
    [
        ({"a": "low", "b": "normal"}, 1, "b"),
        ({"a": "normal", "b": "low"}, 1, "a"),
        ({"a": "normal", "b": "normal"}, 1, "a"),
        ({"a": "50", "b": "normal"}, 1, "a"),
        ({"a": "normal", "b": "51"}, 1, "b"),
        ({"a": "24", "b": "low"}, 1, "b"),
        ({"a": "low", "b": "99", "c": "normal"}, 1, "b"),
        ({"a": "low", "b": "99", "c": "normal"}, 2, "bc"),
        ({"a": "low", "b": "low", "c": "low"}, 2, "ab"),
        ({"a": "low", "b": "low", "c": "low"}, 3, "abc"),
    ],
)
def test_the_most_important_take_the_slots(
    open_shop: Open, priorities: dict[str, str], at_most: int, winners: str
) -> None:
    workspace = f"arbitration: 5m\ncaps: [{{at_most: {at_most}, per: 1d}}]\n"
    journeys = {name: one(name, priority=rank) for name, rank in priorities.items()}
    shop = opened(open_shop, workspace, **journeys)
    for name in priorities:
        shop.track("mina", name)
        shop.advance("1m")
    assert shop.mails() == []
    shop.advance("10m")
    assert sorted(sent(shop)) == [(name, "5:00") for name in winners]
    for loser in priorities.keys() - set(winners):
        facts = last(shop, loser, "dropped")
        assert [found["step"] for found in facts["won"]] == list(winners)  # type: ignore[attr-defined]
    assert not [key for _, _, key in shop.wakeups() if key.startswith("run")]


def test_who_loses_is_told_who_won(open_shop: Open) -> None:
    shop = opened(open_shop, sale=one("sale", priority="low"), stock=one("stock"))
    shop.track("mina", "sale")
    shop.advance("2m")
    shop.track("mina", "stock")
    held = shop.decisions("mina", "sale")[-1]
    assert (held.outcome, held.reason, held.gate) == ("held", "arbitration", "frequency_cap")
    assert held.until == instant("2026-03-02 10:05")
    assert last(shop, "stock", "held")["rivals"] == [{"journey": "sale", "step": "sale"}]
    shop.advance("3m")
    assert sent(shop) == [("stock", "5:00")]
    assert "the slot went to the message stock of stock" in shop.story("mina", "sale")
    assert "a more important one may want its slot under the cap of 1 message in" in shop.story(
        "mina", "stock"
    )


def test_who_may_wait_for_a_slot_waits_for_the_next(open_shop: Open) -> None:
    shop = opened(open_shop, a=one("a", priority="low", when_capped="hold"), b=one("b"))
    shop.track("mina", "a")
    shop.track("mina", "b")
    shop.advance("2d")
    assert [name for name, _ in sent(shop)] == ["b", "a"]
    assert shop.mails()[1].at == instant("2026-03-03 00:05")


def test_those_held_until_the_same_time_are_taken_in_order_too(open_shop: Open) -> None:
    shop = opened(
        open_shop,
        a=one("a", priority="low", when_capped="hold"),
        b=one("b", when_capped="hold"),
        c=one("c", priority="high"),
    )
    for name in "cab":
        shop.track("mina", name)
    shop.at("2026-03-05 00:00")
    assert [name for name, _ in sent(shop)] == ["c", "b", "a"]


@pytest.mark.parametrize(
    "free",
    [
        one("b", priority="high"),
        one("b", purpose="transactional"),
        one("b", counts="false"),
    ],
)
def test_what_does_not_wait(open_shop: Open, free: str) -> None:
    shop = opened(open_shop, a=one("a", priority="99"), b=free)
    shop.track("mina", "a")
    shop.advance("1m")
    shop.track("mina", "b")
    assert sent(shop) == [("b", "1:00")]
    shop.advance("1h")
    # What took no slot left it to the other.
    assert len(sent(shop)) == (2 if "counts" in free else 1)
    if "counts" not in free:
        assert last(shop, "a", "dropped")["won"][0]["step"] == "b"  # type: ignore[index]


def test_without_arbitration_nothing_waits(open_shop: Open) -> None:
    shop = opened(open_shop, "caps: [{at_most: 1, per: 1d}]\n", a=one("a", priority="low"))
    shop.track("mina", "a")
    assert sent(shop) == [("a", "0:00")]


def test_what_falls_under_no_cap_does_not_wait(open_shop: Open) -> None:
    workspace = "arbitration: 5m\ncaps: [{tag: news, at_most: 1, per: 1d}]\n"
    shop = opened(open_shop, workspace, a=one("a"))
    shop.track("mina", "a")
    assert sent(shop) == [("a", "0:00")]


def test_only_those_under_a_common_cap_wait_for_one_another(open_shop: Open) -> None:
    workspace = (
        "arbitration: 5m\n"
        "caps: [{tag: news, at_most: 1, per: 1d}, {tag: sale, at_most: 1, per: 1d}]\n"
    )
    shop = opened(
        open_shop,
        workspace,
        a=one("a", tags="[news]"),
        b=one("b", tags="[sale]"),
        c=one("c", tags="[news, sale]", priority="low"),
    )
    shop.track("mina", "a")
    shop.advance("2m")
    shop.track("mina", "b")
    shop.advance("1h")
    assert sent(shop) == [("a", "5:00"), ("b", "7:00")]
    shop.advance("1d")
    shop.track("mina", "a")
    shop.advance("2m")
    shop.track("mina", "b")
    shop.track("mina", "c")
    shop.advance("1h")
    # One that both compete with ties them together: all are decided at the first's time.
    assert sorted(name for name, _ in sent(shop)[2:]) == ["a", "b"]
    assert shop.mails()[2].at == shop.mails()[3].at


@pytest.mark.parametrize(
    "hurried",
    [
        one("b", priority="low", expires_after="5m"),
        one("b", priority="low", window="{ends_at: 2026-03-02T10:05}"),
        one("b", priority="low", sending_hours='{from: "08:00", to: "10:04"}'),
        one("b", priority="low", sending_hours='{from: "08:00", to: "10:04", outside: drop}'),
    ],
)
def test_what_would_miss_its_time_goes_at_once(open_shop: Open, hurried: str) -> None:
    shop = opened(open_shop, a=one("a"), b=hurried)
    shop.track("mina", "b")
    assert sent(shop) == [("b", "0:00")]
    shop.at("2026-03-03 10:00")
    shop.track("mina", "a")
    shop.advance("1m")
    shop.track("mina", "b")
    shop.advance("1h")
    # But not in the place of a better one that waits already.
    assert [name for name, _ in sent(shop)] == ["b", "a"]


def test_the_end_of_quiet_hours_is_no_window(open_shop: Open) -> None:
    quiet = WORKSPACE + 'quiet_hours: {from: "10:03", to: "11:00"}\n'
    shop = opened(open_shop, quiet, a=one("a"))
    shop.track("mina", "a")
    assert sent(shop) == [("a", "0:00")]


def test_one_that_leaves_meanwhile_leaves_the_slot(open_shop: Open) -> None:
    best = one("a", priority="99", exceptions="[{event: Bought}]")
    shop = opened(open_shop, a=best, b=one("b", priority="low"))
    shop.track("mina", "a")
    shop.track("mina", "b")
    shop.track("mina", "Bought")
    shop.advance("1h")
    assert sent(shop) == [("b", "5:00")]


def test_one_that_may_not_leave_any_more_leaves_the_slot(open_shop: Open) -> None:
    journeys = {"a": one("a", priority="99"), "b": one("b", priority="low")}
    shop = opened(open_shop, **journeys)
    shop.track("mina", "a")
    shop.track("mina", "b")
    shop.apply(workspace=WORKSPACE, a=journeys["a"] + "\nstate: paused\n", b=journeys["b"])
    shop.advance("1h")
    assert sent(shop) == [("b", "5:00")]
    assert shop.said("mina", "a")[-2] == "dropped journey_not_live"


@pytest.mark.parametrize(
    ("workspace", "expected"),
    [
        ("caps: [{at_most: 1, per: calendar day}]\n", [("a", "5:00")]),
        ("arbitration: 5m\n", [("a", "5:00"), ("b", "5:00")]),
        ("arbitration: 1m\ncaps: [{at_most: 1, per: 1d}]\n", [("a", "5:00")]),
    ],
)
def test_rules_that_change_meanwhile(
    open_shop: Open, workspace: str, expected: list[tuple[str, str]]
) -> None:
    journeys = {"a": one("a", priority="99"), "b": one("b", priority="low")}
    shop = opened(open_shop, **journeys)
    shop.track("mina", "b")
    shop.track("mina", "a")
    shop.apply(workspace=workspace, **journeys)
    shop.advance("1h")
    assert sorted(sent(shop)) == expected


@pytest.mark.parametrize("first", ["a", "b"])
def test_two_profiles_that_become_one_compete(open_shop: Open, first: str) -> None:
    shop = opened(open_shop, a=one("a", priority="99"), b=one("b", priority="low"))
    shop.identify("joon", email="mina@shop.example")
    second = "b" if first == "a" else "a"
    shop.track("mina", first)
    shop.advance("2m")
    shop.track("joon", second)
    shop.advance("1m")
    shop.merge("mina", "joon")
    shop.advance("1h")
    # Both are decided when the first of them is.
    assert sent(shop) == [("a", "5:00")]
    assert "dropped frequency_cap" in shop.said("mina", "b")


def test_an_engine_that_was_down_takes_them_in_order_all_the_same(open_shop: Open) -> None:
    shop = opened(open_shop, a=one("a", priority="99"), b=one("b", priority="low"))
    shop.track("mina", "b")
    shop.track("mina", "a")
    shop.reopen()
    shop.clock.advance(3 * 3_600_000)
    shop.work()
    assert sent(shop) == [("a", "180:00")]


def test_a_control_group_competes_among_itself(open_shop: Open) -> None:
    held_out = journey("c", name="c", control_percent="100", steps=say("c", priority="99"))
    shop = opened(open_shop, a=one("a", priority="low"), c=held_out)
    shop.track("mina", "c")
    shop.track("mina", "a")
    shop.advance("1h")
    assert sent(shop) == [("a", "5:00")]
    assert "control journey_control" in shop.said("mina", "c")
