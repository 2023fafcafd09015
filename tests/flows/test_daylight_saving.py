"""Two months of virtual time over both nights on which clocks change, in many zones.

Every local day each customer does something; a journey answers at a fixed local time. Nobody gets
two messages for one local day, and nobody gets none.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from driver import Shop, instant
from plain import journey, say, wait

from harken.clock import to_datetime
from harken.values import zone

Open = Callable[..., Shop]
ZONES = (
    "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe",
    "Africa/Cairo", "Asia/Seoul", "America/Santiago", "Africa/Casablanca",
)  # fmt: skip
SPRING, AUTUMN = "2026-03-01", "2026-10-01"


@pytest.mark.parametrize("begins", [SPRING, AUTUMN])
def test_one_message_for_each_local_day(open_shop: Open, begins: str) -> None:
    """Entered at 18:00 UTC every day, answered at 02:30 local: the hour that comes and goes."""
    steps = wait('{time: "02:30"}') + say()
    shop = open_shop(f"{begins} 00:00", cart=journey(entry_reentry="always", steps=steps))
    for name in ZONES:
        shop.identify(name, email=f"{name.replace('/', '.')}@shop.example", timezone=name)
    days = 61
    first = datetime.fromisoformat(begins)
    for day in range(days):
        shop.at(f"{first + timedelta(days=day):%Y-%m-%d} 18:00")
        shop.request([shop.item("track", userId=name, event="Go") for name in ZONES])
    shop.advance("2d")
    for name in ZONES:
        mails = shop.mails(f"{name.replace('/', '.')}@shop.example")
        local = [to_datetime(mail.at, zone(name)) for mail in mails]
        per_day = Counter(at.date() for at in local)
        assert len(mails) == days, name
        assert set(per_day.values()) == {1}, name
        # On the night on which 02:30 does not exist, the next instant that does is taken.
        odd = [f"{at:%m-%d %H:%M}" for at in local if f"{at:%H:%M}" != "02:30"]
        assert len(odd) <= 1, (name, odd)
        assert all(at.hour <= 3 for at in local), (name, odd)


@pytest.mark.parametrize(
    ("zone_name", "night", "sent"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-29 03:00"),
        ("Europe/Berlin", "2026-10-25", "2026-10-25 02:30"),
        ("America/New_York", "2026-03-08", "2026-03-08 03:00"),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-04 02:30"),
        ("Asia/Seoul", "2026-03-29", "2026-03-29 02:30"),
    ],
)
def test_the_night_itself(open_shop: Open, zone_name: str, night: str, sent: str) -> None:
    before = datetime.fromisoformat(night) - timedelta(hours=4)
    steps = wait('{time: "02:30"}') + say()
    shop = open_shop(f"{before - timedelta(days=2):%Y-%m-%d %H:%M}", cart=journey(steps=steps))
    shop.identify("mina", email="mina@shop.example", timezone=zone_name)
    shop.at(f"{before:%Y-%m-%d %H:%M}", zone_name)
    shop.track("mina", "Go")
    shop.advance("3d")
    assert [mail.at for mail in shop.mails()] == [instant(sent, zone_name)]


@pytest.mark.parametrize("begins", [SPRING, AUTUMN])
def test_held_over_every_night_once(open_shop: Open, begins: str) -> None:
    """Quiet hours end in the hour that changes; a calendar day gives one message."""
    workspace = (
        'quiet_hours: {from: "22:00", to: "02:30"}\ncaps: [{at_most: 1, per: calendar day}]\n'
    )
    cart = journey(entry_reentry="always")
    shop = open_shop(f"{begins} 00:00", cart=cart, workspace=workspace)
    zones = ZONES[:6]
    for name in zones:
        shop.identify(name, email=f"{name.replace('/', '.')}@shop.example", timezone=name)
    first = datetime.fromisoformat(begins)
    events: list[tuple[int, str]] = []
    days = 61
    for day in range(days):
        for name in zones:
            events.append(
                (instant(f"{first + timedelta(days=day + 1):%Y-%m-%d} 23:00", name), name)
            )
    for at, name in sorted(events):
        shop.advance(f"{(at - shop.now) / 1000:.3f}s")
        shop.track(name, "Go")
    shop.advance("1d")
    for name in zones:
        mails = shop.mails(f"{name.replace('/', '.')}@shop.example")
        per_day = Counter(to_datetime(mail.at, zone(name)).date() for mail in mails)
        assert len(per_day) == len(mails) == days, name


@pytest.mark.parametrize(
    ("rule", "after", "at", "whose", "times"),
    [
        ("DAILY", "1d", "02:30", "workspace", 17),
        ("DAILY", "1d", "09:00", "workspace", 17),
        ("WEEKLY;BYDAY=SU", "7d", "02:30", "workspace", 3),
        ("WEEKLY;BYDAY=SU", "7d", "09:00", "recipient", 3),
    ],
)
def test_who_may_enter_again_after_days_misses_no_occurrence(
    open_shop: Open, rule: str, after: str, at: str, whose: str, times: int
) -> None:
    """Clocks that go forward make a day of 23 hours, and one at 02:30 comes at 03:00."""
    shop = open_shop("2026-03-20 00:00", workspace="timezone: Europe/Berlin\n")
    shop.identify("mina", email="mina@shop.example", timezone="Europe/Berlin")
    shop.apply(
        workspace="timezone: Europe/Berlin\n",
        cart=(
            "journey: cart\nentry:\n"
            f"  schedule: {{rrule: FREQ={rule}, starts_at: 2026-03-20T{at}}}\n"
            f"  zone: {whose}\n  reentry: {{after: {after}}}\n  audience: {{reachable: email}}\n"
            f"steps:{say()}"
        ),
    )
    shop.advance("17d")
    assert len(shop.mails()) == times


def test_a_yearly_date_in_a_year_whose_clocks_have_changed_by_then(open_shop: Open) -> None:
    shop = open_shop(
        f"{SPRING} 00:00",
        workspace="timezone: Europe/Berlin\n",
        cart=(
            "journey: cart\nentry: {date: day, yearly: true, reentry: {after: 365d}}\n"
            f"steps:{say()}"
        ),
    )
    shop.identify("mina", email="mina@shop.example", day="1990-03-28")
    shop.at("2027-03-29 00:00")
    zone_name = "Europe/Berlin"
    days = ["2026-03-28 09:00", "2027-03-28 09:00"]
    assert [mail.at for mail in shop.mails()] == [instant(day, zone_name) for day in days]
