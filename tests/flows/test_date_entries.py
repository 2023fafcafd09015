"""Customers enter on the day of a date attribute, at their own local time."""

from collections.abc import Callable
from itertools import permutations

import pytest
from driver import Shop, instant
from plain import say, wait

from harken.inputs import Forget

Open = Callable[..., Shop]


def on_date(entry: str, *, steps: str = "", name: str = "cart") -> str:
    return f"journey: {name}\nentry: {{{entry}}}\nsteps:{steps or say()}"


BIRTHDAY = on_date('date: birthday, yearly: true, at: "09:00"')
TRIAL = on_date("date: trial.ends_at, before: 3d")


def customer(shop: Shop, user: str = "mina", **attributes: object) -> str:
    shop.identify(user, email=f"{user}@shop.example", **attributes)
    return user


def dates(shop: Shop) -> list[tuple[int, str]]:
    """The dates that are parked."""
    return [(due, key) for due, _, key in shop.wakeups() if key.startswith("date:")]


def times(shop: Shop) -> list[int]:
    return [mail.at for mail in shop.mails()]


@pytest.mark.parametrize(
    ("entry", "value", "zone", "sent"),
    [
        ("date: day", "2026-03-10", "UTC", "2026-03-10 09:00"),
        ("date: day", "2026-03-10", "Asia/Seoul", "2026-03-10 09:00"),
        ("date: day", "2026-03-02", "UTC", None),
        ('date: day, at: "10:01"', "2026-03-02", "UTC", "2026-03-02 10:01"),
        ('date: day, at: "10:00"', "2026-03-02", "UTC", None),
        ("date: day, before: 3d", "2026-03-10", "America/New_York", "2026-03-07 09:00"),
        ("date: day, before: 3d", "2026-03-04", "UTC", None),
        ("date: day, after: 1w", "2026-02-27", "UTC", "2026-03-06 09:00"),
        ("date: day", "2026-03-10T20:00:00Z", "Asia/Seoul", "2026-03-11 09:00"),
        ("date: day", "2026-03-10T20:00:00Z", "America/New_York", "2026-03-10 09:00"),
        ('date: day, at: "02:30"', "2026-03-29", "Europe/Berlin", "2026-03-29 03:00"),
        ('date: day, at: "24:00"', "2026-03-10", "UTC", "2026-03-11 00:00"),
        ("date: day, yearly: true", "1990-03-10", "UTC", "2026-03-10 09:00"),
        ("date: day, yearly: true", "2026-03-20", "UTC", "2026-03-20 09:00"),
        ("date: day, yearly: true, before: 300d", "1990-02-01", "UTC", "2026-04-07 09:00"),
        ("date: day, yearly: true, after: 30d", "1990-02-20", "UTC", "2026-03-22 09:00"),
        ("date: day", "soon", "UTC", None),
        ("date: day", 20260310, "UTC", None),
        ("date: day", "0000-03-10", "UTC", None),
        ("date: day, yearly: true", "0001-03-10", "UTC", None),
        ("date: day", "9999-12-31", "UTC", None),
    ],
)
def test_when_one_enters(
    open_shop: Open, entry: str, value: object, zone: str, sent: str | None
) -> None:
    """It is Monday, 2 March 2026, 10:00 in UTC."""
    shop = open_shop(cart=on_date(entry))
    customer(shop, day=value, timezone=zone)
    shop.advance("60d")
    assert times(shop) == ([instant(sent, zone)] if sent else [])
    assert shop.failures() == []


def test_a_birthday_comes_every_year_also_on_the_29th_of_february(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    customer(shop, birthday="2000-02-29", timezone="Asia/Seoul")
    shop.at("2029-01-01 00:00")
    local = ["2027-02-28 09:00", "2028-02-29 09:00"]
    assert times(shop) == [instant(text, "Asia/Seoul") for text in local]
    assert shop.properties("mina", "$date_reached")[1] == {
        "attribute": "birthday",
        "date": "2028-02-29",
        "journey": "cart",
    }


def test_the_run_knows_the_date(open_shop: Open) -> None:
    words = '{subject: "{{ event.properties.date | default: 0 }}", html: "<p>Hi</p>"}'
    steps = f"\n  - message: nudge\n    channel: email\n    default: {words}\n"
    shop = open_shop(cart=on_date("date: trial.ends_at, before: 3d", steps=steps))
    customer(shop, trial={"ends_at": "2026-03-20T15:00:00Z"})
    shop.advance("30d")
    assert shop.subjects() == ["2026-03-20"]
    assert times(shop) == [instant("2026-03-17 09:00")]


def test_the_date_moves_with_the_attribute(open_shop: Open) -> None:
    shop = open_shop(cart=TRIAL)
    customer(shop, trial={"ends_at": "2026-03-20"})
    customer(shop, trial={"ends_at": "2026-03-25"})
    assert dates(shop) == [(instant("2026-03-22 09:00"), "date:cart")]
    customer(shop, trial=None)
    assert dates(shop) == []
    customer(shop, trial={"ends_at": "2026-03-25"})
    shop.advance("60d")
    assert times(shop) == [instant("2026-03-22 09:00")]


def test_a_date_that_is_set_anew_lets_in_again(open_shop: Open) -> None:
    """A subscription that is renewed ends again, a month later."""
    shop = open_shop(cart=TRIAL)
    for month in ("03", "04", "05"):
        customer(shop, trial={"ends_at": f"2026-{month}-20"})
        shop.at(f"2026-{month}-21 00:00")
    assert times(shop) == [instant(f"2026-{month}-17 09:00") for month in ("03", "04", "05")]


def test_reentry_can_be_never(open_shop: Open) -> None:
    shop = open_shop(cart=on_date("date: birthday, yearly: true, reentry: never"))
    customer(shop, birthday="1990-05-01")
    shop.at("2028-01-01 00:00")
    assert times(shop) == [instant("2026-05-01 09:00")]
    assert "not_entered reentry" in shop.said("mina")


def test_the_date_moves_with_the_zone(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    customer(shop, birthday="1990-03-10", timezone="Asia/Seoul")
    customer(shop, timezone="America/New_York")
    assert dates(shop) == [(instant("2026-03-10 09:00", "America/New_York"), "date:cart")]
    customer(shop, timezone=None, country="JP")
    assert dates(shop) == [(instant("2026-03-10 09:00", "Asia/Tokyo"), "date:cart")]


def test_who_flies_west_on_the_day_enters_once(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    customer(shop, birthday="1990-03-10", timezone="Asia/Seoul")
    shop.at("2026-03-10 10:00", "Asia/Seoul")
    customer(shop, timezone="America/New_York")
    shop.advance("3d")
    assert times(shop) == [instant("2026-03-10 09:00", "Asia/Seoul")]
    assert dates(shop) == [(instant("2027-03-10 09:00", "America/New_York"), "date:cart")]


NEW_YORK, SEOUL = "America/New_York", "Asia/Seoul"


@pytest.mark.parametrize(
    ("birthday", "zone", "now", "to", "sent", "date"),
    [
        # East over the hour: where they come to it is past.
        ("1990-03-10", NEW_YORK, "03-10 07:00", SEOUL, "03-10 07:00", "2026-03-10"),
        # A day with a time is another local day there, but the same day all the same.
        ("1990-03-10T20:00:00Z", SEOUL, "03-11 02:00", NEW_YORK, "03-11 02:00", "2026-03-10"),
        ("1990-03-10T20:00:00Z", NEW_YORK, "03-10 10:00", SEOUL, "03-10 09:00", "2026-03-10"),
        ("1990-03-10T20:00:00Z", SEOUL, "03-11 09:30", NEW_YORK, "03-11 09:00", "2026-03-11"),
        # Over the whole day, which begins again in the west and is over in the east.
        ("1990-03-10", "Pacific/Kiritimati", "03-10 09:30", "Pacific/Pago_Pago",
         "03-10 09:00", "2026-03-10"),
        ("1990-03-10", "Pacific/Pago_Pago", "03-10 08:30", "Pacific/Kiritimati",
         "03-10 08:30", "2026-03-10"),
        # Before the day nothing is missed.
        ("1990-03-10", NEW_YORK, "03-09 18:00", SEOUL, None, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("learned", [False, True])
def test_who_flies_on_the_day_enters_once_whichever_way(
    open_shop: Open,
    birthday: str,
    zone: str,
    now: str,
    to: str,
    sent: str | None,
    date: str | None,
    learned: bool,
) -> None:
    shop = open_shop(cart=BIRTHDAY)
    told = {} if learned else {"timezone": zone}
    shop.call(
        "identify",
        userId="mina",
        traits={"email": "mina@shop.example", "birthday": birthday, **told},
        context={"timezone": zone},
    )
    shop.at(f"2026-{now}", zone)
    if learned:
        shop.track("mina", "Landed", context={"timezone": to})
    else:
        customer(shop, timezone=to)
    # And back, and there again: it is the same day.
    for where in (zone, to):
        shop.advance("1h")
        customer(shop, timezone=where)
    shop.advance("3d")
    first = instant("2026-03-10 09:00", to) if sent is None else instant(f"2026-{sent}", zone)
    assert times(shop) == [first]
    [reached] = shop.properties("mina", "$date_reached")
    assert reached["date"] == (date or "2026-03-10")
    shop.at("2027-03-20 00:00")
    assert len(times(shop)) == 2


def test_who_flies_and_changes_their_date_at_once_waits_for_the_new_one(open_shop: Open) -> None:
    shop = open_shop(cart=on_date("date: ends"))
    customer(shop, ends="2026-03-10", timezone=NEW_YORK)
    shop.at("2026-03-10 07:00", NEW_YORK)
    shop.request(
        [
            shop.item("identify", userId="mina", traits={"timezone": SEOUL}),
            shop.item("identify", userId="mina", traits={"ends": "2026-03-12"}),
        ]
    )
    assert times(shop) == []
    shop.advance("5d")
    assert times(shop) == [instant("2026-03-12 09:00", SEOUL)]


def test_who_flies_twice_within_a_request_enters_once(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    customer(shop, birthday="1990-03-10", timezone=NEW_YORK)
    shop.at("2026-03-10 07:00", NEW_YORK)
    zones = (SEOUL, "Asia/Tokyo", NEW_YORK, "Europe/Berlin")
    shop.request([shop.item("identify", userId="mina", traits={"timezone": z}) for z in zones])
    shop.advance("5d")
    assert times(shop) == [instant("2026-03-10 07:00", NEW_YORK)]


def test_customers_from_before_get_their_dates_when_the_journey_is_applied(
    open_shop: Open,
) -> None:
    shop = open_shop(other=on_date("date: other", name="other"))
    for number in range(30):
        customer(shop, f"u{number}", birthday=f"1990-03-{number + 1:02}")
    assert dates(shop) == []
    shop.apply(cart=BIRTHDAY)
    assert len(dates(shop)) == 30
    shop.reopen()
    shop.at("2026-04-01 00:00")
    assert len(shop.mails()) == 28  # those of 1 and 2 March were past
    assert len(dates(shop)) == 30


def test_an_edit_moves_everybodys_date_and_a_removal_drops_it(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    customer(shop, birthday="1990-03-10")
    shop.apply(cart=on_date('date: birthday, yearly: true, before: 2d, at: "12:00"'))
    assert dates(shop) == [(instant("2026-03-08 12:00"), "date:cart")]
    shop.apply(cart=on_date('date: birthday, yearly: true, before: 2d, at: "12:00"'))
    assert dates(shop) == [(instant("2026-03-08 12:00"), "date:cart")]
    shop.apply(other=on_date("date: other", name="other"))
    assert dates(shop) == []
    assert shop.profile("mina").dates == {}


def test_an_edit_on_the_day_lets_nobody_in_twice(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    customer(shop, birthday="1990-03-10")
    shop.at("2026-03-10 10:00")
    shop.apply(cart=on_date('date: birthday, yearly: true, at: "11:00"'))
    shop.advance("2d")
    assert times(shop) == [instant("2026-03-10 09:00")]
    assert dates(shop) == [(instant("2027-03-10 11:00"), "date:cart")]


def test_the_workspaces_zone_moves_those_who_have_none(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY, workspace="timezone: Asia/Seoul\n")
    customer(shop, birthday="1990-03-10")
    assert dates(shop) == [(instant("2026-03-10 09:00", "Asia/Seoul"), "date:cart")]
    shop.apply(cart=BIRTHDAY, workspace="timezone: Europe/Berlin\n")
    assert dates(shop) == [(instant("2026-03-10 09:00", "Europe/Berlin"), "date:cart")]


def test_a_paused_journey_says_why_and_waits_for_the_next_year(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY + "state: paused\n")
    customer(shop, birthday="1990-03-10")
    shop.advance("10d")
    assert shop.said("mina") == ["not_entered paused"]
    assert dates(shop) == [(instant("2027-03-10 09:00"), "date:cart")]


def test_a_server_that_was_down_on_the_day_lets_in_late(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    customer(shop, birthday="1990-03-10")
    shop.clock.set(instant("2026-03-11 12:00"))
    customer(shop, plan="gold")  # an event that comes before the wake-up is handled
    assert times(shop) == [instant("2026-03-11 12:00")]
    assert dates(shop) == [(instant("2027-03-10 09:00"), "date:cart")]


def test_a_server_that_was_down_on_the_day_shifts_neither_waits_nor_the_next_year(
    open_shop: Open,
) -> None:
    cart = on_date("date: birthday, yearly: true, reentry: {after: 365d}", steps=wait("1h") + say())
    shop = open_shop(cart=cart)
    customer(shop, birthday="1990-03-05")
    shop.clock.set(instant("2026-03-05 09:30"))
    shop.work()
    shop.at("2027-03-06 00:00")
    assert times(shop) == [instant("2026-03-05 10:00"), instant("2027-03-05 10:00")]


def test_a_merge_keeps_one_date_and_parting_gives_each_its_own(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    customer(shop, "mina", birthday="1990-03-10")
    customer(shop, "joon", birthday="1990-03-20")
    joon = shop.id("joon")
    shop.merge("mina", "joon")
    assert dates(shop) == [(instant("2026-03-10 09:00"), "date:cart")]
    shop.unmerge("mina", joon)
    assert sorted(due for due, _ in dates(shop)) == [
        instant("2026-03-10 09:00"),
        instant("2026-03-20 09:00"),
    ]
    shop.at("2026-04-01 00:00")
    assert len(shop.mails()) == 2


def test_an_anonymous_visitors_date_becomes_the_users(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    shop.call("identify", anonymousId="?a", traits={"birthday": "1990-03-10"})
    customer(shop, "mina")
    shop.identify("mina", anonymous="?a")
    assert dates(shop) == [(instant("2026-03-10 09:00"), "date:cart")]
    assert [id for _, id, key in shop.wakeups() if key == "date:cart"] == [shop.id("mina")]


def test_parted_on_the_day_neither_enters_twice(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    for user in ("mina", "joon"):
        customer(shop, user, birthday="1990-03-10")
    joon = shop.id("joon")
    shop.merge("mina", "joon")
    shop.at("2026-03-10 09:30")
    shop.unmerge("mina", joon)
    customer(shop, "joon", timezone="America/New_York")
    shop.advance("5d")
    assert len(shop.mails()) == 1
    assert {due for due, _ in dates(shop)} == {
        instant("2027-03-10 09:00"),
        instant("2027-03-10 09:00", "America/New_York"),
    }


ZONES = (SEOUL, NEW_YORK, "Pacific/Kiritimati")


@pytest.mark.parametrize("whose", ["mina", "visitor", "both"])
@pytest.mark.parametrize(("here", "there"), list(permutations(ZONES, 2)))
@pytest.mark.parametrize("value", ["1990-03-10", "1990-03-10T20:00:00Z"])
def test_a_merge_that_moves_them_on_the_day_lets_them_in_once(
    open_shop: Open, whose: str, here: str, there: str, value: str
) -> None:
    """Whoever has the date, and wherever the other was: once for both, or once each before."""
    shop = open_shop(cart=BIRTHDAY)
    pairs, met = {}, dict[str, int]()
    for hour in range(-14, 40, 5):
        user, visitor = f"u{hour}", f"?v{hour}"
        date = {"birthday": value}
        told = {"timezone": here} | (date if whose != "visitor" else {})
        shop.identify(user, email=f"{user}@shop.example", **told)
        theirs = {"timezone": there} | (date if whose != "mina" else {})
        shop.call("identify", anonymousId=visitor, traits={"email": "v@shop.example", **theirs})
        pairs[hour] = (user, visitor)
    for hour, (user, visitor) in pairs.items():
        shop.at(f"2026-03-{10 + hour // 24:02} {hour % 24:02}:30")
        met[user] = sum(shop.happened(one)["$date_reached"] for one in (user, visitor))
        both = (user, visitor) if hour % 2 else (visitor, user)
        shop.merge(*both)
    shop.advance("5d")
    for user, before in met.items():
        assert shop.happened(user)["$date_reached"] == max(before, 1), (user, before)
    assert shop.failures() == []


@pytest.mark.parametrize("met", [False, True])
def test_parted_into_another_zone_on_the_day_they_enter_once(open_shop: Open, met: bool) -> None:
    """In Seoul it is evening already when New York's morning comes."""
    shop = open_shop(cart=BIRTHDAY)
    customer(shop, timezone=NEW_YORK)
    shop.call("identify", anonymousId="?v", traits={"birthday": "1990-03-10", "timezone": SEOUL})
    visitor = shop.id("?v")
    shop.merge("mina", "?v")
    parted = f"2026-03-10 {'10' if met else '07'}:00"
    shop.at(parted, NEW_YORK)
    shop.unmerge("mina", visitor)
    shop.advance("5d")
    [reached] = [*shop.properties("mina", "$date_reached"), *shop.properties("?v", "$date_reached")]
    assert reached["date"] == "2026-03-10"
    assert shop.happened("mina")["$date_reached"] == met


def test_who_is_forgotten_leaves_no_date_behind(open_shop: Open) -> None:
    shop = open_shop(cart=BIRTHDAY)
    customer(shop, birthday="1990-03-10")
    shop.command("mina", Forget("a test"))
    assert dates(shop) == []


def test_an_update_step_may_set_the_date(open_shop: Open) -> None:
    steps = "\n  - update: {check_up: 2026-03-20}\n"
    start = f"journey: start\nentry: {{event: Go}}\nsteps:{steps}"
    shop = open_shop(
        cart=on_date("date: check_up"), start=start.replace("2026-03-20", '"2026-03-20"')
    )
    customer(shop)
    shop.track("mina", "Go")
    assert dates(shop) == [(instant("2026-03-20 09:00"), "date:cart")]


def test_the_date_is_an_event_that_others_may_start_on(open_shop: Open) -> None:
    other = "journey: other\nentry: {event: $date_reached, where: {attribute: birthday}}\n"
    shop = open_shop(cart=BIRTHDAY, other=other + f"steps:{say('two')}")
    customer(shop, birthday="1990-03-10")
    shop.advance("10d")
    assert sorted(shop.subjects()) == ["nudge", "two"]


def test_why_says_when_the_date_comes_and_that_it_came(open_shop: Open) -> None:
    shop = open_shop(cart=on_date("date: birthday, yearly: true", steps=wait("1h") + say()))
    customer(shop, birthday="1990-03-10", timezone="Asia/Seoul")
    coming = "the date that lets them in comes on 10 March 2026 at 09:00 (Asia/Seoul)."
    assert shop.why("mina").answer == f"Not yet: {coming}"
    shop.advance("30d")
    assert "They entered, because of the date in their birthday (2026-03-10)" in shop.story("mina")
    customer(shop, "joon")
    assert shop.why("joon").answer == "No date that lies ahead is known of their birthday."


def test_a_date_that_moves_twice_at_once_is_parked_once(open_shop: Open) -> None:
    """A merge brings one date, and what follows from the merge another."""
    there = "{attribute: trial.ends_at, equals: '2026-04-01'}"
    steps = "\n  - update: {trial: {ends_at: '2026-05-01'}}\n"
    entry = "journey: longer\nentry: {segment: both}\n"
    shop = open_shop()
    shop.apply(
        segments={"both": f"{{all: [{there}, {{attribute: gold, exists: true}}]}}"},
        cart=on_date("date: day, before: 3d"),
        longer=f"{entry}steps:{steps.replace('trial: {ends_at: ', 'day: ').replace('}}', '}')}",
    )
    customer(shop, "mina", gold=True)
    customer(shop, "sora", day="2026-04-01", trial={"ends_at": "2026-04-01"})
    shop.merge("mina", "sora")
    assert shop.profile("mina").attributes["day"] == "2026-05-01"
    assert dates(shop) == [(instant("2026-04-28 09:00"), "date:cart")]
