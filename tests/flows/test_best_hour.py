"""A wait for the hour at which the customer best opens and clicks."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from driver import Shop, instant
from plain import journey, say, wait

from harken.clock import HOUR, from_local, to_datetime
from harken.deciding.timing import Habit, choose
from harken.inputs import Findings
from harken.people.hours import HOURS

Open = Callable[..., Shop]
BEST = journey(steps=wait("{best_hour: 24h}") + say())


def customer(shop: Shop, user: str = "mina", **attributes: object) -> str:
    shop.identify(user, email=f"{user}@shop.example", **attributes)
    return user


def opens(shop: Shop, *hours: int, user: str = "mina", day: int = 2, **fields: object) -> None:
    """The customer opens a mail at each of these hours of 2 March, UTC."""
    for hour in hours:
        at = instant(f"2026-03-{day:02} {hour:02}:20")
        assert at >= shop.now
        shop.clock.set(at)
        shop.feedback(shop.id(user), f"m{hour}", "opened", **fields)


def everybody(shop: Shop, *hours: int) -> None:
    """What was found out about all customers: so many opens at each of these hours."""
    counts = [0] * HOURS
    for hour in hours:
        counts[hour] += 20
    shop.harken.services.collector.append_findings(Findings(shop.now, counts)).result()
    shop.work()


def sent(shop: Shop) -> list[int]:
    return [mail.at for mail in shop.mails()]


def test_their_own_hour_is_waited_for(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 00:00", cart=BEST)
    customer(shop)
    opens(shop, 8, 8, 9)
    shop.at("2026-03-02 14:30")
    shop.track("mina", "Go")
    shop.advance("2d")
    assert sent(shop) == [instant("2026-03-03 08:00")]
    told = "their best hour is 08:00, by when they opened and clicked (3 opens and clicks)"
    assert f"At wait-1 they wait until 08:00 on 3 March 2026: {told}" in shop.story("mina")


def test_why_says_that_they_wait(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 14:30", cart=BEST)
    customer(shop)
    shop.track("mina", "Go")
    answer = shop.why("mina").answer
    assert answer.startswith("No message was sent yet. On 2 March 2026 at 14:30 (UTC) at wait-1")
    assert "10:00 on 3 March 2026" in answer
    assert "as the workspace has it, because too little is known of when anybody opens" in answer


def test_it_is_the_hour_where_they_live(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 00:00", cart=BEST)
    customer(shop, timezone="Asia/Seoul")
    opens(shop, 11, 11, 11)  # 20:20 in Seoul
    customer(shop, timezone="America/New_York")
    shop.track("mina", "Go")
    shop.advance("2d")
    assert sent(shop) == [instant("2026-03-02 20:00", "America/New_York")]


def test_in_their_hour_nothing_is_waited_for(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 00:00", cart=BEST)
    customer(shop)
    opens(shop, 8, 8, 8)
    shop.at("2026-03-03 08:40")
    shop.track("mina", "Go")
    assert sent(shop) == [shop.now]
    assert "At wait-1 they went on at once: their best hour is 08:00" in shop.story("mina")


def test_two_opens_are_no_habit_and_machines_have_none(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 00:00", cart=BEST)
    customer(shop)
    opens(shop, 8, 8)
    opens(shop, 8, 8, 8, machine=True)
    assert sum(shop.profile("mina").hours) == 2
    shop.track("mina", "Go")
    shop.advance("2d")
    assert sent(shop) == [instant("2026-03-02 10:00")]  # the workspace's setting


def test_all_customers_speak_for_the_unknown(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 00:00", cart=BEST)
    everybody(shop, 19, 19, 7)
    shop.reopen()
    shop.track(customer(shop), "Go")
    shop.advance("2d")
    assert sent(shop) == [instant("2026-03-02 19:00")]
    assert "as it is for all customers, because too little is known of them" in shop.story("mina")
    assert "(60 opens and clicks)" in shop.story("mina")


def test_too_few_of_all_say_nothing(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 00:00", cart=BEST, workspace='best_hour: "15:00"\n')
    everybody(shop, 19, 19)
    shop.track(customer(shop), "Go")
    shop.advance("2d")
    assert sent(shop) == [instant("2026-03-02 15:00")]


def test_what_was_found_out_outlives_new_definitions(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 00:00", cart=BEST)
    everybody(shop, 19, 19, 19)
    shop.apply(cart=journey(steps=wait("{best_hour: 24h}") + say("other")))
    shop.track(customer(shop), "Go")
    shop.advance("2d")
    assert sent(shop) == [instant("2026-03-02 19:00")]


def test_what_was_found_out_holds_from_its_place_in_the_log(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 00:00", cart=BEST)
    for user in ("mina", "joon"):
        customer(shop, user)
    collector = shop.harken.services.collector
    shop.request([shop.item("track", userId="mina", event="Go")], settle=False)
    collector.append_findings(Findings(shop.now, [0] * 19 + [60] + [0] * 4)).result()
    shop.request([shop.item("track", userId="joon", event="Go")], settle=False)
    shop.work()
    shop.advance("2d")
    found = {mail.to: mail.at for mail in shop.mails()}
    assert found == {
        "mina@shop.example": instant("2026-03-02 10:00"),
        "joon@shop.example": instant("2026-03-02 19:00"),
    }


@pytest.mark.parametrize(
    ("within", "at", "sent_at"),
    [
        ("24h", "2026-03-03 14:30", "2026-03-04 08:00"),
        ("12h", "2026-03-03 14:30", "2026-03-03 20:00"),  # the second best
        ("3h", "2026-03-03 14:30", "2026-03-03 14:30"),  # none is liked: 14 is nearest to 8
        ("3h", "2026-03-04 04:30", "2026-03-04 07:00"),  # beside the best
    ],
)
def test_the_best_of_the_hours_in_reach(
    open_shop: Open, within: str, at: str, sent_at: str
) -> None:
    shop = open_shop(
        "2026-03-02 00:00", cart=journey(steps=wait(f"{{best_hour: {within}}}") + say())
    )
    customer(shop)
    opens(shop, 8, 8, 8, 20, 20)
    shop.at(at)
    shop.track("mina", "Go")
    shop.advance("2d")
    assert sent(shop) == [instant(sent_at)]


@pytest.mark.parametrize(
    ("hours", "sent_at"),
    [
        ('quiet_hours: {from: "21:00", to: "08:30"}', "2026-03-04 08:30"),
        ('sending_hours: {from: "12:00", to: "22:00"}', "2026-03-03 20:00"),
        ('sending_hours: {from: "09:00", to: "18:00", on: [thu]}', "2026-03-05 09:00"),
    ],
)
def test_never_when_the_workspace_is_quiet(open_shop: Open, hours: str, sent_at: str) -> None:
    """It is Tuesday, 14:30. Where nothing in reach is open, the gates hold the message."""
    shop = open_shop("2026-03-02 00:00", cart=BEST, workspace=hours + "\n")
    customer(shop)
    opens(shop, 8, 8, 8, 20, 20)
    shop.at("2026-03-03 14:30")
    shop.track("mina", "Go")
    shop.advance("4d")
    assert sent(shop) == [instant(sent_at)]


def test_a_server_that_was_down_shifts_nothing(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 14:00", cart=BEST)
    customer(shop)
    shop.track("mina", "Go")
    shop.reopen()
    shop.clock.set(instant("2026-03-03 13:00"))
    shop.work()
    assert sent(shop) == [instant("2026-03-03 13:00")]
    assert shop.said("mina").count("took best_hour") == 1


def test_a_merge_joins_the_hours_and_parting_parts_them(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 00:00", cart=BEST)
    for user, hours in (("mina", (8, 9)), ("joon", (10, 20, 20))):
        customer(shop, user)
        opens(shop, *hours, user=user)
    joon = shop.id("joon")
    shop.merge("mina", "joon")
    assert sum(shop.profile("mina").hours) == 5
    shop.unmerge("mina", joon)
    assert [sum(shop.profile(user).hours) for user in ("mina", "joon")] == [2, 3]


@pytest.mark.parametrize(
    ("zone", "since", "best", "found"),
    [
        ("Europe/Berlin", "2026-03-28 20:00", 2, "2026-03-29 03:00"),  # 02:00 does not exist
        ("Europe/Berlin", "2026-10-24 20:00", 2, "2026-10-25 02:00"),
        ("Asia/Kolkata", "2026-03-02 09:10", 9, "2026-03-02 09:10"),
        ("Asia/Kolkata", "2026-03-02 10:10", 9, "2026-03-03 09:00"),
        ("Australia/Lord_Howe", "2026-10-03 20:00", 3, "2026-10-04 03:00"),
        ("America/Santiago", "2026-09-05 12:00", 0, "2026-09-06 01:00"),
    ],
)
def test_hours_on_odd_clocks(zone: str, since: str, best: int, found: str) -> None:
    where = ZoneInfo(zone)
    start = from_local(datetime.fromisoformat(since), where)
    habit = Habit("setting", best, [0] * HOURS, 0)
    at = choose(habit, start, start + 24 * HOUR, where, [])
    assert f"{to_datetime(at, where):%Y-%m-%d %H:%M}" == found
