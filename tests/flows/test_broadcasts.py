"""Groups put into a journey by hand: once each, at their pace, and stopped at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driver import Shop, instant
from plain import say, wait

from harken.engine import INVITED
from harken.errors import Unavailable
from harken.history.remote import RemoteHistory
from harken.inputs import (
    Forget,
    PauseBroadcast,
    ResumeBroadcast,
    StartBroadcast,
    StopBroadcast,
    WakeUp,
)
from harken.journeys.broadcasts import Broadcast
from harken.loops.broadcasts import NOBODY
from harken.store.base import Batch

OpenShop = Callable[..., Shop]
SEGMENTS = {"koreans": "{attribute: country, equals: KR}"}


def news(steps: str = "", **parts: str) -> str:
    entry = "".join(f"  {k[6:]}: {v}\n" for k, v in parts.items() if k.startswith("entry_"))
    rest = "".join(f"{k}: {v}\n" for k, v in parts.items() if not k.startswith("entry_"))
    return f"journey: news\nentry:\n  api: true\n{entry}{rest}steps:{steps or say()}"


class Station:
    """A shop that broadcasts."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def open(self, customers: int, **files: str) -> None:
        self.shop.apply(segments=SEGMENTS, **(files or {"news": news()}))
        items = [
            self.shop.item("identify", userId=f"u{n}",
                           traits={"email": f"u{n}@x.kr", "country": "KR"})
            for n in range(customers)
        ]  # fmt: skip
        self.shop.request(items)

    def start(self, id: str = "b", *, settle: bool = True, **fields: Any) -> None:
        fields.setdefault("segment", "koreans")
        self.say(StartBroadcast(id=id, journey="news", by="a test", **fields), settle=settle)

    def say(self, wish: Any, *, settle: bool = True) -> None:
        self.shop.harken.services.collector.append_broadcast(wish).result()
        if settle:
            self.shop.work()

    def select(self) -> None:
        """Handle all that is there until history has selected, but take nobody yet."""
        while self.shop.harken.engine.turn():
            pass
        assert self.shop.harken._prepare()

    def find(self, id: str = "b") -> Broadcast:
        found = self.shop.harken.engine.broadcasts.known.find(id)
        assert found is not None
        return found

    def mailed(self) -> int:
        return len(self.shop.mails())


@pytest.fixture
def station(open_shop: OpenShop) -> Station:
    return Station(open_shop("2026-03-02 10:00"))


def test_a_segment_enters_with_properties(station: Station) -> None:
    station.open(1_100, news=news(say().replace('subject: "nudge"',
                                  'subject: "{{ entry.title | default: \'?\' }}"')))  # fmt: skip
    station.shop.identify("other", email="other@x.kr", country="ID")
    station.start(properties={"title": "Hello"})
    assert set(station.shop.subjects()) == {"Hello"}
    over = station.find()
    assert (over.state, over.selected, over.considered, over.entered) == ("done",) + (1_100,) * 3
    assert station.mailed() == 1_100
    station.start()
    assert station.mailed() == 1_100
    station.start("again")
    assert station.find("again").refused == {"reentry": 1_100}
    assert "They did not enter with the broadcast again" in station.shop.story("u5", "news")


@pytest.mark.parametrize(
    ("rule", "entered", "refused"),
    [
        # Nobody counts what it asks: history alone answers.
        ({"did": "Bought", "at_least": 2}, 1, {}),
        # What the document can answer is asked again when the turn comes.
        ({"attribute": "city", "equals": "Seoul"}, 1, {"not_selected": 1}),
    ],
)
def test_a_rule_of_its_own(
    station: Station, rule: dict[str, Any], entered: int, refused: dict[str, int]
) -> None:
    station.open(3)
    shop = station.shop
    for _ in range(2):
        shop.track("u1", "Bought")
    shop.identify("u0", city="Seoul")
    shop.identify("u1", city="Seoul")
    station.start(segment="", rule=rule, settle=False)
    station.select()
    shop.request([shop.item("identify", userId="u0", traits={"city": "Busan"})], settle=False)
    shop.work()
    over = station.find()
    assert (over.entered, over.refused) == (entered, refused)
    assert [mail.to for mail in shop.mails()] == ["u1@x.kr"]


def test_later(station: Station) -> None:
    station.open(2)
    station.start(at=instant("2026-03-02 12:00"))
    station.shop.at("2026-03-02 11:00")
    assert (station.find().state, station.mailed()) == ("planned", 0)
    station.shop.at("2026-03-02 12:00")
    assert [mail.at for mail in station.shop.mails()] == [instant("2026-03-02 12:00")] * 2


def test_so_many_a_second(station: Station) -> None:
    station.open(1_050)
    station.start(per_second=100)
    began, shop = station.shop.now, station.shop
    assert station.mailed() == 1
    for second in range(1, 10):
        shop.advance("1s")
        assert 100 * second - 10 <= station.mailed() <= 100 * second + 10
    shop.advance("30s")
    assert station.mailed() == 1_050
    times = sorted(mail.at - began for mail in shop.mails())
    assert 10_000 <= times[-1] <= 10_600
    over = station.find()
    assert (over.state, over.entered) == ("done", 1_050)
    assert 95 <= over.rate <= 105


def test_paused_and_resumed(station: Station) -> None:
    station.open(500)
    station.start(per_second=100)
    station.shop.advance("2s")
    station.say(PauseBroadcast("b", "mina"))
    before = station.mailed()
    station.shop.advance("1d")
    assert (station.mailed(), station.find().paused) == (before, "mina")
    station.shop.reopen()
    station.say(ResumeBroadcast("b", "mina"))
    station.shop.advance("1s")
    # What was not sent while it stood still is not made up for.
    assert before + 80 <= station.mailed() <= before + 111
    station.shop.advance("10s")
    assert (station.mailed(), station.find().state) == (500, "done")


def test_stopped_before_it_began(station: Station) -> None:
    station.open(5)
    station.start(at=instant("2026-03-02 12:00"))
    station.say(StopBroadcast("b", "mina"))
    station.shop.advance("1d")
    assert station.mailed() == 0
    assert (station.find().state, station.find().why) == ("stopped", "stopped by mina")
    assert not [key for _, _, key in station.shop.wakeups() if key.startswith("broadcast")]


def test_stopped_while_it_selects_and_while_it_runs(station: Station) -> None:
    station.open(300)
    station.start("one", settle=False)
    while station.shop.harken.engine.turn():
        pass
    station.say(StopBroadcast("one", "mina"))
    assert (station.mailed(), station.find("one").state) == (0, "stopped")
    station.start("two", per_second=100)
    station.shop.advance("1s")
    station.say(StopBroadcast("two", "mina"))
    before = station.mailed()
    station.shop.advance("1d")
    assert 90 <= before == station.mailed() <= 111
    tables = "SELECT count(*) FROM duckdb_tables() WHERE starts_with(table_name, 'filling_b')"
    assert station.shop.history.query(tables) == [(0,)]


def test_what_it_led_to_is_called_off(station: Station) -> None:
    """Messages that wait for their slot, and runs on their way, say nothing any more."""
    pace = say(pace="{at_most: 10, per: 1h}")
    station.open(30, news=news(pace + wait("2d") + say("later")))
    station.start()
    assert station.mailed() == 10
    station.say(StopBroadcast("b", "mina", cancel_messages=True))
    station.shop.advance("10d")
    assert station.mailed() == 10
    states = [row.state for n in range(30) for row in station.shop.ledger(f"u{n}")]
    assert sorted(states) == ["aborted"] * 20 + ["sent"] * 10
    assert station.shop.said("u1", "news")[-1] == "ended broadcast_stopped"
    assert "because its broadcast was stopped" in station.shop.story("u1", "news")


def test_stopping_another_calls_off_nothing_else(station: Station) -> None:
    station.open(5, news=news(wait("1h") + say(), entry_reentry="always"))
    station.start("one")
    station.start("two")
    station.say(StopBroadcast("two", "mina", cancel_messages=True))
    station.shop.advance("1d")
    assert station.mailed() == 5


def test_two_take_turns(station: Station) -> None:
    station.open(1_500, news=news(entry_reentry="always"))
    station.start("one", settle=False)
    station.start("two", settle=False)
    engine = station.shop.harken.engine
    while engine.turn() or station.shop.harken._prepare():
        known = engine.broadcasts.known.now.active
        if len(known) == 2 and all(one.state == "running" for one in known):
            assert abs(known[0].considered - known[1].considered) <= INVITED
    assert [station.find(id).entered for id in ("one", "two")] == [1_500, 1_500]


def test_while_history_is_away_it_waits_and_events_do_not(station: Station, tmp_path: Path) -> None:
    station.open(INVITED + 20)
    shop, broadcasts = station.shop, station.shop.harken.engine.broadcasts
    station.start(settle=False)
    station.select()
    there, broadcasts._history = broadcasts._history, RemoteHistory(tmp_path / "nobody")
    shop.request([shop.item("track", userId="u1", event="Bought")], settle=False)
    while shop.harken.engine.turn():
        pass
    assert shop.profile("u1").events["Bought"].count == 1
    assert (station.find().state, station.find().considered) == ("running", 0)
    with pytest.raises(Unavailable):
        broadcasts.prepare()
    broadcasts._history = there
    shop.work()
    assert (station.mailed(), station.find().state) == (INVITED + 20, "done")


def test_who_is_forgotten_meanwhile_stays_so(station: Station) -> None:
    station.open(3)
    station.start(settle=False)
    station.select()
    shop = station.shop
    gone = shop.id("u1")
    shop.harken.services.collector.append_commands([(gone, Forget("mina"))]).result()
    shop.work()
    assert len(shop.harken.store.profiles([gone])) == 0
    assert station.mailed() == 2


def test_a_restart_goes_on(station: Station) -> None:
    station.open(500)
    station.start(per_second=100)
    for _ in range(3):
        station.shop.advance("1s")
        station.shop.reopen()
        station.shop.work()
    station.shop.advance("10s")
    assert (station.mailed(), station.find().state) == (500, "done")


def test_a_journey_that_is_none_by_hand_stops_it(station: Station) -> None:
    station.open(3)
    station.start(at=instant("2026-03-02 12:00"))
    event = "journey: news\nentry:\n  event: Go\nsteps:" + say()
    station.shop.apply(segments=SEGMENTS, news=event)
    assert station.find().state == "stopped"
    station.shop.advance("1d")
    assert station.mailed() == 0


def test_new_rules_are_filled_first(station: Station) -> None:
    """Who is not told of their past yet would be refused what they have a right to."""
    station.open(700)
    for n in (1, 2):
        station.shop.track(f"u{n}", "Bought", price=5)
    segments = {**SEGMENTS, "buyers": "{did: Bought, where: {price: 5}}"}
    station.shop.apply(segments=segments, settle=False, news=news())
    station.start(segment="buyers")
    assert (station.find().entered, station.find().refused) == (2, {})


@pytest.mark.parametrize("busy", [False, True])
def test_a_wake_up_of_a_broadcast_that_is_not_due_or_gone_comes_once(
    station: Station, busy: bool
) -> None:
    """An engine with nothing to do sleeps, whatever stands among its wake-ups."""
    station.open(3)
    shop = station.shop
    station.start("later", at=shop.now + 3_600_000)
    engine = shop.harken.engine
    stale = [WakeUp(shop.now - 1_000, NOBODY, f"broadcast:{id}") for id in ("gone", "later")]
    shop.harken.store.commit(Batch(engine.offset, [], [], [], stale, [], [], [], b"", {}))
    if busy:
        shop.request([shop.item("track", userId="u1", event="Go")], settle=False)
    assert engine.turn() > 0
    assert engine.turn() == 0
    left = [one for one in shop.wakeups() if one[1] == NOBODY]
    assert left == [(shop.now + 3_600_000, NOBODY, "broadcast:later")]
    shop.advance("1h")
    assert station.find("later").entered == 3
    assert engine.turn() == 0
