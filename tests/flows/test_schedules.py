"""Journeys by the calendar: who enters, at which moment, and that everybody does once."""

from collections.abc import Callable

import pytest
from driver import Shop, instant
from plain import journey, say, wait

from harken.inputs import Merge

OpenShop = Callable[..., Shop]
SEOUL, PARIS, NEW_YORK = "Asia/Seoul", "Europe/Paris", "America/New_York"


def news(
    schedule: str, *, steps: str = "", audience: str = "{in_segment: all}", **parts: str
) -> str:
    """A journey `news` on a schedule."""
    entry = "".join(f"  {k[6:]}: {v}\n" for k, v in parts.items() if k.startswith("entry_"))
    rest = "".join(f"{k}: {v}\n" for k, v in parts.items() if not k.startswith("entry_"))
    head = f"journey: news\nentry:\n  schedule: {schedule}\n  audience: {audience}\n"
    return f"{head}{entry}{rest}steps:{steps or say()}"


def weekly(rule: str, starts_at: str) -> str:
    return f"{{rrule: '{rule}', starts_at: {starts_at}}}"


EVERYBODY = {"all": "{attribute: email, exists: true}"}


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    shop = open_shop("2026-03-02 10:00")
    shop.apply(segments=EVERYBODY)
    return shop


def mails(shop: Shop) -> list[tuple[str, int]]:
    return [(mail.to, mail.at) for mail in shop.mails()]


def test_once(shop: Shop) -> None:
    for user in ("mina", "juno"):
        shop.identify(user, email=f"{user}@x.kr")
    shop.identify("nobody")
    shop.apply(segments=EVERYBODY, news=news("2026-03-03T09:00"))
    shop.at("2026-03-03 08:59")
    shop.identify("late", email="late@x.kr")
    assert mails(shop) == []
    shop.at("2026-03-03 09:01")
    due = instant("2026-03-03 09:00")
    assert sorted(mails(shop)) == [(f"{user}@x.kr", due) for user in ("juno", "late", "mina")]
    shop.identify("too-late", email="too-late@x.kr")
    shop.advance("40d")
    assert len(mails(shop)) == 3
    assert shop.wakeups() == [] or all(key == "segments" for _, _, key in shop.wakeups())


@pytest.mark.parametrize(
    ("workspace", "start", "times"),
    [
        # Clocks go forward on 29 March: 02:30 does not exist, 03:00 is the next that does.
        (PARIS, "2026-03-28T02:30", ["2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"]),
        # Clocks go back on 1 November: 01:30 occurs twice, and is taken at the first.
        (
            NEW_YORK,
            "2026-10-31T01:30",
            ["2026-10-31 05:30", "2026-11-01 05:30", "2026-11-02 06:30"],
        ),
        (SEOUL, "2026-03-28T02:30", ["2026-03-27 17:30", "2026-03-28 17:30", "2026-03-29 17:30"]),
    ],
)  # fmt: skip
def test_recurring_by_the_clock_on_the_wall(
    open_shop: OpenShop, workspace: str, start: str, times: list[str]
) -> None:
    due = [instant(time) for time in times]
    shop = open_shop(times[0][:10] + " 00:00" if due[0] > instant(times[0][:10]) else times[0])
    files = {
        "workspace": f"workspace: shop\ntimezone: {workspace}\n",
        "news": news(weekly("FREQ=DAILY;COUNT=3", start), entry_reentry="always"),
    }
    shop.apply(segments=EVERYBODY, **files)
    shop.identify("mina", email="mina@x.kr")
    shop.advance("10d")
    assert [at for _, at in mails(shop)] == due


def test_every_week_and_measured_from_the_occurrence(shop: Shop) -> None:
    """`after: 7d` holds though the first send slipped by hours: no week is left out."""
    shop.identify("mina", email="mina@x.kr")
    rule = weekly("FREQ=WEEKLY;BYDAY=MO", "2026-03-09T09:00")
    shop.apply(segments=EVERYBODY, news=news(rule, entry_reentry="{after: 7d}"))
    # Nothing runs until three hours after the first.
    shop.clock.set(instant("2026-03-09 12:00"))
    shop.work()
    shop.at("2026-03-31 00:00")
    assert [at for _, at in mails(shop)] == [
        instant(time) for time in ("2026-03-09 12:00", "2026-03-16 09:00", "2026-03-23 09:00",
                                   "2026-03-30 09:00")
    ]  # fmt: skip


def test_a_rule_may_name_the_minute(shop: Shop) -> None:
    """Calendars write `BYHOUR` and `BYMINUTE` out, whatever `starts_at` says."""
    shop.identify("mina", email="mina@x.kr")
    rule = weekly("FREQ=DAILY;BYHOUR=9;BYMINUTE=30;BYSECOND=0", "2026-03-03T08:00")
    shop.apply(segments=EVERYBODY, news=news(rule, entry_reentry="always"))
    shop.at("2026-03-04 12:00")
    due = [instant("2026-03-03 09:30"), instant("2026-03-04 09:30")]
    assert [at for _, at in mails(shop)] == due


def test_an_occurrence_that_nobody_could_begin_in_time_is_missed(shop: Shop) -> None:
    shop.identify("mina", email="mina@x.kr")
    rule = weekly("FREQ=DAILY", "2026-03-03T09:00")
    shop.apply(segments=EVERYBODY, news=news(rule, entry_reentry="always"))
    shop.clock.set(instant("2026-03-06 12:00"))
    shop.work()
    shop.at("2026-03-07 12:00")
    due = [instant("2026-03-06 12:00"), instant("2026-03-07 09:00")]
    assert [at for _, at in mails(shop)] == due
    states = [(one.occurrence, one.state) for one in shop.harken.engine.broadcasts.known.past.over]
    assert states == [
        ("2026-03-03T09:00", "missed"),
        ("2026-03-06T09:00", "done"),
        ("2026-03-07T09:00", "done"),
    ]


def test_each_at_their_own_local_time(shop: Shop) -> None:
    zones = {"mina": SEOUL, "remy": PARIS, "alex": NEW_YORK, "una": None}
    for user, zone in zones.items():
        shop.identify(user, email=f"{user}@x.kr", **({"timezone": zone} if zone else {}))
    shop.identify("putri", email="putri@x.kr", country="South Korea")
    schedule = news("2026-03-29T02:30", entry_zone="recipient")
    shop.apply(segments=EVERYBODY, news=schedule)
    # Who comes in an hour before it is their time is there, who comes an hour after it is not.
    shop.at("2026-03-29 01:30", SEOUL)
    shop.identify("early", email="early@x.kr", timezone=SEOUL)
    shop.at("2026-03-29 03:30", SEOUL)
    shop.identify("late", email="late@x.kr", timezone=SEOUL)
    shop.advance("3d")
    local = "2026-03-29 02:30"
    assert dict(mails(shop)) == {
        "mina@x.kr": instant(local, SEOUL),
        "putri@x.kr": instant(local, SEOUL),
        "early@x.kr": instant(local, SEOUL),
        "remy@x.kr": instant("2026-03-29 01:00"),
        "una@x.kr": instant(local),
        "alex@x.kr": instant(local, NEW_YORK),
    }
    assert len(mails(shop)) == 6
    assert shop.said("late", "news") == ["not_entered time_passed"]
    assert "they were not in the audience yet" in shop.story("late", "news")
    (over,) = shop.harken.engine.broadcasts.known.past.over
    # The last part looks only at those who were not considered before.
    assert (over.selected, over.entered, over.refused) == (7, 6, {"time_passed": 1})


def test_who_changes_zone_gets_it_once(shop: Shop) -> None:
    shop.identify("east", email="east@x.kr", timezone=SEOUL)
    shop.identify("west", email="west@x.kr", timezone=NEW_YORK)
    shop.apply(segments=EVERYBODY, news=news("2026-03-10T10:00", entry_zone="recipient"))
    shop.at("2026-03-10 12:00", SEOUL)
    # One has it and goes where it is still to come; the other goes where it has been.
    shop.identify("east", timezone=NEW_YORK)
    shop.identify("west", timezone=SEOUL)
    shop.advance("3d")
    last = instant("2026-03-10 10:00", "Etc/GMT+12")
    assert dict(mails(shop)) == {
        "east@x.kr": instant("2026-03-10 10:00", SEOUL),
        "west@x.kr": last,
    }
    assert len(mails(shop)) == 2


def test_a_zone_that_history_cannot_tell(shop: Shop) -> None:
    """What was stated is no zone, and a client told one: the document knows better."""
    context = {"timezone": NEW_YORK}
    shop.identify("kay", email="kay@x.kr", timezone="EST5?")
    shop.call("track", userId="kay", event="Seen", context=context)
    shop.apply(segments=EVERYBODY, news=news("2026-03-10T10:00", entry_zone="recipient"))
    shop.at("2026-03-13 00:00")
    assert mails(shop) == [("kay@x.kr", instant("2026-03-10 10:00", "Etc/GMT+12"))]


def test_merged_while_both_are_selected(shop: Shop) -> None:
    shop.identify("a", email="a@x.kr")
    shop.identify("b", email="b@x.kr")
    shop.apply(segments=EVERYBODY, news=news("2026-03-03T09:00", entry_reentry="always"))
    shop.clock.set(instant("2026-03-03 09:00"))
    engine = shop.harken.engine
    while engine.turn():
        pass
    assert shop.harken._prepare()
    collector = shop.harken.services.collector
    collector.append_commands([(shop.id("a"), Merge(shop.id("b"), "operator"))]).result()
    shop.work()
    assert len(mails(shop)) == 1
    (over,) = engine.broadcasts.known.past.over
    assert (over.selected, over.entered, over.refused) == (2, 1, {"twice": 1})


def test_an_edit_plans_anew_and_repeats_nothing(shop: Shop) -> None:
    shop.identify("mina", email="mina@x.kr")
    shop.apply(segments=EVERYBODY, news=news("2026-03-03T09:00"))
    shop.apply(segments=EVERYBODY, news=news("2026-03-04T09:00"))
    shop.at("2026-03-03 12:00")
    assert mails(shop) == []
    shop.at("2026-03-04 12:00")
    shop.apply(segments=EVERYBODY, news=news("2026-03-04T09:00", steps=say("other")))
    shop.advance("3d")
    assert [at for _, at in mails(shop)] == [instant("2026-03-04 09:00")]


def test_a_paused_journey_sends_nothing_and_goes_on(shop: Shop) -> None:
    shop.identify("mina", email="mina@x.kr")
    shop.apply(segments=EVERYBODY, news=news("2026-03-03T09:00", state="paused"))
    shop.at("2026-03-03 12:00")
    shop.apply(segments=EVERYBODY, news=news("2026-03-03T09:00"))
    assert [at for _, at in mails(shop)] == [instant("2026-03-03 12:00")]
    shop.apply(segments=EVERYBODY, news=news("2026-03-05T09:00", state="paused"))
    shop.at("2026-03-07 09:00")
    shop.apply(segments=EVERYBODY, news=news("2026-03-05T09:00"))
    assert len(mails(shop)) == 1
    assert shop.harken.engine.broadcasts.known.past.over[-1].state == "missed"


def test_why_says_that_the_calendar_did_it(shop: Shop) -> None:
    shop.identify("mina", email="mina@x.kr")
    shop.apply(segments=EVERYBODY, news=news("2026-03-03T09:00"))
    shop.at("2026-03-03 12:00")
    story = shop.story("mina", "news")
    assert "They entered, because the schedule came to 2026-03-03T09:00" in story
    assert "$scheduled" not in story


def test_events_go_on_between_slices_and_may_end_it(shop: Shop) -> None:
    """Somebody who left the segment between selection and their turn is not let in."""
    segments = {"waiting": "{not: {did: Bought}}"}
    shop.apply(segments=segments, news=news("2026-03-03T09:00", audience="{in_segment: waiting}"))
    for number in range(12):
        shop.identify(f"u{number}", email=f"u{number}@x.kr")
    shop.clock.set(instant("2026-03-03 09:00"))
    engine = shop.harken.engine
    while engine.turn():
        pass
    assert shop.harken._prepare()
    item = shop.item("track", userId="u3", event="Bought")
    shop.request([item], settle=False)
    shop.work()
    assert len(mails(shop)) == 11
    assert shop.said("u3", "news") == ["not_entered audience"]
    (over,) = engine.broadcasts.known.past.over
    assert (over.entered, over.refused) == (11, {"audience": 1})
    assert over.considered == over.selected == 12


def test_parked_runs_and_exits(shop: Shop) -> None:
    shop.identify("mina", email="mina@x.kr")
    shop.identify("juno", email="juno@x.kr")
    steps = wait("2h") + say()
    exceptions = "[{event: Bought}]"
    shop.apply(
        segments=EVERYBODY, news=news("2026-03-03T09:00", steps=steps, exceptions=exceptions)
    )
    shop.at("2026-03-03 10:00")
    shop.track("juno", "Bought")
    shop.at("2026-03-03 12:00")
    assert mails(shop) == [("mina@x.kr", instant("2026-03-03 11:00"))]


def test_an_event_journey_beside_it_is_not_touched(shop: Shop) -> None:
    shop.apply(segments=EVERYBODY, cart=journey("Go"), news=news("2026-03-03T09:00"))
    shop.identify("mina", email="mina@x.kr")
    shop.track("mina", "Go")
    shop.at("2026-03-03 12:00")
    assert len(mails(shop)) == 2


def test_a_date_that_a_scheduled_journey_sets_is_awaited(shop: Shop) -> None:
    steps = "\n  - update: {renewal: '2026-03-10'}\n"
    renewal = f"journey: renewal\nentry: {{date: renewal}}\nsteps:{say()}"
    shop.identify("mina", email="mina@x.kr")
    shop.apply(segments=EVERYBODY, news=news("2026-03-03T09:00", steps=steps), renewal=renewal)
    shop.at("2026-03-11 00:00")
    assert mails(shop) == [("mina@x.kr", instant("2026-03-10 09:00"))]


def test_why_of_somebody_whom_no_schedule_has_reached(shop: Shop) -> None:
    shop.identify("mina", email="mina@x.kr")
    shop.apply(segments=EVERYBODY, news=news("2026-03-03T09:00"))
    waiting = "No time of its schedule so far let them in; the next is 3 March 2026 at 09:00 (UTC)."
    assert shop.why("mina", "news").answer == waiting
