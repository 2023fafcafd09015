"""Whatever happens in whatever order, these hold.

Random histories of events, merges, choices and time, handled by the whole of Harken.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from driver import Shop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain import journey, say, wait
from receivers import Answer, Posted, Receiver, receiving

from harken.channels.sandbox import Sandbox
from harken.channels.table import CALL as CALLED
from harken.clock import DAY, SettableClock
from harken.config import Settings
from harken.engine import Engine
from harken.history.duck import DuckHistory
from harken.history.worker import Feeder
from harken.inputs import Forget, Record
from harken.loops.sending import Sender
from harken.store.log import Log, LogReader
from harken.store.sqlite import SqliteStore

LONG = """
  - wait_for:
      - event: Bought
        name: bought
        then:
          - branch:
              - when: {answer: order.cart, equals: x}
                then:
                  - enter: put-in
                    with: {cart: {answer: order.cart}}
            otherwise:
              - update: {bought: {add: 1}}
      - event: Left
    id: order
    at_most: 2h
    otherwise:
      - split: words
        control: 30
        arms:
          - name: a
            weight: 50
            then:
              - message: waited
                channel: email
                default: {subject: "waited", html: "<p>Hi</p>"}
          - {name: b, weight: 50}
  - wait: 30m
"""
CALL = """
  - webhook: crm
    id: asked
    payload: {cart: "{{ event.properties.cart | default: '-' }}"}
    at_most: 10m
    otherwise:
      - update: {failed: {answer: asked.error}}
      - exit: true
  - coupon: gift
    id: gift
  - wait: 90m
  - message: tell
    channels: [webhook, email]
    purpose: transactional
    priority: high
    counts: false
    default:
      {subject: "{{ coupon.code | default: 'none' }}", text: "{{ answers.asked.tier | default: 1}}",
       payload: {code: "{{ coupon.code | default: 'none' }}"}}
  - wait: 3h
"""
JOURNEYS = {
    "workspace": (
        "caps: [{at_most: 3, per: 1d}, {tag: promo, at_most: 1, per: 6h}]\n"
        'quiet_hours: {from: "22:00", to: "07:00"}\nholdout_percent: 20\n'
        "places: {store: {latitude: 37.5, longitude: 127.0, radius: 500}}\n"
    ),
    "cart": journey(
        "Left",
        entry_key="cart",
        entry_reentry="{after: 3h}",
        exceptions="[{event: Bought}]",
        tags="[promo]",
        steps=wait("30m") + say("nudge", when_capped="hold", expires_after="12h"),
    ),
    "visit": journey(
        "Seen",
        name="visit",
        entry_reentry="always",
        exceptions="[{event: Seen}]",
        exit_when="{did: Bought, at_least: 2, within: 1d}",
        steps=wait("1h") + say("look") + wait('{time: "09:00"}') + say("again"),
    ),
    "left": journey(
        "$session_ended", name="left", entry_where="{ordered: false}", entry_reentry="always"
    ),
    "long": journey("Seen", name="long", entry_reentry="{after: 1h}", entry_key="cart", steps=LONG),
    "put_in": "journey: put-in\nentry: {api: true, reentry: always}\nsteps:\n" + say("hello"),
    "again": (
        "journey: again\nentry: {outcome: ignored, journey: left, within: 20h, reentry: always}\n"
        f"steps:{wait('{best_hour: 12h}') + say('anew')}"
    ),
    "day": "journey: day\nentry: {date: day, yearly: true, before: 1d}\nsteps:" + say("day"),
    "store": "journey: store\nentry: {place: store, reentry: {after: 1d}}\nsteps:" + say("store"),
    "call": journey(
        "Left",
        name="call",
        entry_key="cart",
        entry_reentry="{after: 2h}",
        exceptions="[{event: Bought, where: {cart: y}}]",
        steps=CALL,
    ),
    "thanks": journey("$message_sent", name="thanks", entry_reentry="always", steps=say("thanks")),
}
# Codes are drawn, so they are others when the log is played again: that they are redeemed is for
# `test_coupon_histories`, and at the end all have expired.
COUPONS = {"gift": "mint: {}\nvalid_for: 30h"}
MOVED = ("cart", "visit", "long", "again", "call")
"""Journeys whose runs are taken along by an edit."""
CHANNELS = ("email", "webhook")
USERS = ("u1", "u2", "u3")
DEVICES = ("?a", "?b")

users, devices = st.sampled_from(USERS), st.sampled_from(DEVICES)
events = st.sampled_from(("Left", "Seen", "Bought"))
ids = st.sampled_from(("", "", "", "same"))
stated = st.fixed_dictionaries(
    {},
    optional={
        "day": st.sampled_from(("2026-03-04", "1990-03-05", "2026-02-27", "soon", None)),
        "timezone": st.sampled_from(("Asia/Seoul", "America/New_York", None)),
        "location": st.sampled_from(
            ({"latitude": 37.5, "longitude": 127.0}, {"latitude": 0, "longitude": 0}, None)
        ),
    },
)
step = st.one_of(
    st.tuples(st.just("track"), st.one_of(users, devices), events, st.sampled_from("xy"), ids),
    st.tuples(st.just("track"), st.one_of(users, devices), events, st.sampled_from("xy"), ids),
    st.tuples(st.just("track"), users, st.just("Left"), st.sampled_from("xy"), st.just("")),
    st.tuples(st.just("identify"), users, st.one_of(st.none(), devices)),
    st.tuples(st.just("state"), st.one_of(users, devices), stated),
    st.tuples(st.just("opened"), users, st.booleans()),
    st.tuples(st.just("alias"), users, users),
    st.tuples(st.just("consent"), users, st.sampled_from(("opted_in", "opted_out"))),
    st.tuples(st.just("advance"), st.sampled_from(("1m", "29m", "31m", "3h", "26h"))),
    st.tuples(st.just("unmerge"), users),
    st.tuples(st.just("forget"), st.one_of(users, devices)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("edit"), st.sampled_from((*MOVED, "workspace"))),
)
BOUNDED = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)


def play(shop: Shop, history: list[tuple[Any, ...]], files: dict[str, str]) -> None:
    for user in USERS:
        shop.identify(user, email=f"{user}@shop.example")
    for what, *rest in history:
        match what:
            case "track":
                who, event, cart, id = rest
                user, anonymous = (None, who) if who in DEVICES else (who, None)
                own = {"id": id} if id else {}
                shop.track(user, event, anonymous=anonymous, cart=cart, **own)
            case "identify":
                shop.identify(rest[0], rest[1])
            case "state":
                named = "anonymousId" if rest[0] in DEVICES else "userId"
                shop.call("identify", traits=rest[1], **{named: rest[0]})
            case "opened":
                for row in shop.ledger(rest[0])[:1]:
                    about = {"journey": row.journey, "step": row.step, "machine": rest[1]}
                    shop.feedback(shop.id(rest[0]), row.id, "opened", **about)
            case "alias" if rest[0] != rest[1]:
                shop.alias(*rest)
            case "consent":
                shop.consent(*rest)
            case "advance":
                shop.advance(rest[0])
            case "forget":
                if (id := shop.id(rest[0])) in {one.id for one in shop.profiles()}:
                    shop.command(id, Forget("an operator"))
            case "restart":
                shop.reopen()
            case "edit":
                edit(shop, rest[0], files)
            case "unmerge":
                for absorbed in list(shop.profile(rest[0]).absorbed)[-1:]:
                    shop.unmerge(rest[0], absorbed)


def edit(shop: Shop, what: str, files: dict[str, str]) -> None:
    """Edit a journey and move its runs, or the workspace: other than it was before."""
    files = dict(files)
    done = shop.harken.store.definitions().revision
    if what in MOVED:
        files[what] = files[what].replace('{subject: "', f'{{subject: "{done} ')
        shop.apply(coupons=COUPONS, **files, move=[what])
    else:
        files["workspace"] += f"arbitration: {done % 3 * 10 + 5}m\n"
        shop.apply(coupons=COUPONS, **files)


@BOUNDED
@given(st.lists(step, max_size=40))
def test_invariants(history: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder, receiving(of_carts) as receiver:
        hooks = f"webhooks: {{crm: {{url: '{receiver.url}', private: true}}}}\n"
        files = {**JOURNEYS, "workspace": JOURNEYS["workspace"] + hooks}
        shop = Shop(Path(folder))
        shop.apply(coupons=COUPONS, **files)
        play(shop, history, files)
        waits(shop)
        shop.advance("4d")
        waits(shop)
        considered(shop, receiver)
        capped(shop)
        assert not [run for profile in shop.profiles() for run in profile.runs]
        assert not shop.failures()
        shop.close()
        replayed(shop)


def waits(shop: Shop) -> None:
    """Every run waits for exactly one wake-up, and no wake-up is for nothing."""
    parked = Counter(key for _, _, key in shop.wakeups() if key.startswith("run:"))
    runs = [profile_run for one in shop.profiles() for profile_run in one.runs.values()]
    assert parked == Counter(f"run:{run.id}" for run in runs)
    due = {key: at for at, _, key in shop.wakeups()}
    assert all(due[f"run:{run.id}"] == run.due > shop.now for run in runs)
    dates = [
        (date.due, one.id, f"date:{name}")
        for one in shop.profiles()
        for name, date in one.dates.items()
        if date.due
    ]
    unheeded = [
        (message.due, one.id, f"ignored:{id}")
        for one in shop.profiles()
        for id, message in one.unheeded.items()
    ]
    noticed = [one for one in shop.wakeups() if one[2].startswith(("date:", "ignored:"))]
    assert sorted(noticed) == sorted([*dates, *unheeded])
    coupons = [(one.id, f"coupon:{code}") for one in shop.profiles() for code in one.coupons]
    parked_coupons = [(id, key) for _, id, key in shop.wakeups() if key.startswith("coupon:")]
    assert sorted(parked_coupons) == sorted(coupons)
    sessions = [one.id for one in shop.profiles() if one.session is not None]
    assert sorted(id for _, id, key in shop.wakeups() if key == "session") == sorted(sessions)


def of_carts(posted: Posted) -> Answer:
    """What the webhook answers: nothing for the cart y, and the same when it is asked again."""
    if posted.json()["data"].get("payload") == {"cart": "y"}:
        return 404
    return 200, {"Content-Type": "application/json"}, b'{"tier": "gold"}'


def considered(shop: Shop, receiver: Receiver) -> None:
    """Sent + held + dropped + control is what was considered; nobody gets a message twice."""
    rows = shop.history.query(
        "SELECT outcome, run, step, message FROM decisions WHERE gate <> '' OR step <> ''",
        limit=100_000,
    )
    said = [row for row in rows if row[0] in ("passed", "held", "dropped", "control")]
    last = {(run, step): outcome for outcome, run, step, _ in said}
    final = Counter((run, step) for outcome, run, step, _ in said if outcome != "held")
    assert all(count == 1 for count in final.values()), final
    # Of those who were erased, the ledger keeps that something was sent, and history nothing.
    rows_kept = [row for row in shop.harken.store.messages(limit=10_000) if row.address]
    messages = [row for row in rows_kept if row.channel != CALLED]
    passed = [message for outcome, _, _, message in said if outcome == "passed"]
    assert Counter(passed) == Counter(row.id for row in messages)
    assert len({(row.run, row.step) for row in messages}) == len(messages)
    assert all(row.state == "sent" for row in messages), [row.state for row in messages]
    assert len(last) >= len(final)
    by = {name: {row.id for row in rows_kept if row.channel == name} for name in CHANNELS}
    assert {mail.id for mail in shop.mails()} >= by["email"]
    # What was posted came once, whatever was restarted or moved meanwhile.
    assert receiver.once.keys() >= by["webhook"]
    assert set(receiver.once.values()) <= {1}
    assert {row.state for row in rows_kept if row.channel == CALLED} <= {"sent", "failed"}


def capped(shop: Shop) -> None:
    """No profile has had more than the caps allow, its own sends taken together."""
    for profile in shop.profiles():
        if profile.absorbed:
            # What both sides had been sent before they became one may be more than one may have.
            continue
        times = sorted(send.at for send in profile.sends if send.counts)
        assert all(sum(at - DAY < t <= at for t in times) <= 3 for at in times), times
        promo = sorted(send.at for send in profile.sends if "promo" in send.tags)
        assert all(sum(at - DAY // 4 < t <= at for t in promo) <= 1 for at in promo), promo


def replayed(shop: Shop) -> None:
    """A fresh store and the same log, at the same times: the same documents and messages."""
    data = shop.folder / "data"
    original = SqliteStore(data / "state.db")
    again = Settings(data=shop.folder / "again")
    again.data.mkdir()
    clock = SettableClock(0)
    with Log(again.log) as log, LogReader(data / "log") as reader:
        store = SqliteStore(again.state)
        history = DuckHistory(again.history)
        feeder = Feeder(store, history)
        engine = Engine(store, LogReader(again.log), clock, history=history)
        sender = Sender(again, clock, "embedded")

        def work() -> None:
            while engine.turn() or sender.turn() or _prepared(engine, feeder):
                pass

        offset, records = 0, []
        while True:
            some, offset = reader.read(offset)
            records += some
            if not some:
                break
        for record in records:
            until(store, work, clock, record.received_at)
            log.append([_unplaced(record)])
            work()
        until(store, work, clock, shop.now)
        assert documents(store) == documents(original)
        assert messages(store) == messages(original)
        sender.close()
        store.close()
        history.close()
    original.close()
    Sandbox(again.sandbox).close()


def until(store: SqliteStore, work: Callable[[], None], clock: SettableClock, end: int) -> None:
    while (due := store.next_due()) is not None and clock.now() < due <= end:
        clock.set(due)
        work()
    clock.set(end)
    work()


def _prepared(engine: Engine, feeder: Feeder) -> bool:
    """Whether history has worked out a past: an undone merge is counted anew from it."""
    if not engine.definitions.filling.passes:
        return False
    feeder.flush()
    return engine.backfill.prepare()


def _unplaced(record: Record) -> Record:
    return msgspec.structs.replace(record, offset=-1)


def documents(store: SqliteStore) -> dict[int, bytes]:
    rows = store.database.connection.execute("SELECT id, document FROM profiles")
    return {id: bytes(document) for id, document in rows}


def messages(store: SqliteStore) -> list[tuple[str, str, int]]:
    return [(row.id, row.state, row.sent_at) for row in store.messages(limit=10_000)]
