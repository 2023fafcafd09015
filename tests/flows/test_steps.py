"""Steps within steps: branches, waits for events, splits, updates, other journeys, loops."""

from collections import Counter
from collections.abc import Callable

import pytest
from driver import Shop, instant
from plain import journey, say

from harken.inputs import Enter

Open = Callable[..., Shop]


def mail(name: str, indent: int, subject: str = "") -> str:
    """A message step that stands so far to the right."""
    subject = subject or name
    lines = [f"- message: {name}", "  channel: email"]
    lines.append(f'  default: {{subject: "{subject}", html: "<p>Hi</p>"}}')
    return "\n" + "\n".join(" " * indent + line for line in lines)


def customer(shop: Shop, user: str = "mina", **attributes: object) -> str:
    shop.identify(user, email=f"{user}@shop.example", **attributes)
    return user


BRANCH = (
    """
  - branch:
      - name: dear
        when: {event_property: worth, gte: 200}
        then:"""
    + mail("dear", 10)
    + """
      - when: {attribute: vip, equals: true}
        then:
          - branch:
              - when: {event_property: worth, gte: 50}
                then:"""
    + mail("vip-some", 18)
    + """
            otherwise:"""
    + mail("vip-little", 14)
    + """
    otherwise:"""
    + mail("others", 6)
    + mail("all", 2)
)


@pytest.mark.parametrize(
    ("worth", "vip", "subjects"),
    [
        (250, True, ["dear", "all"]),
        (100, True, ["vip-some", "all"]),
        (10, True, ["vip-little", "all"]),
        (10, False, ["others", "all"]),
    ],
)
def test_a_branch_takes_the_first_arm_that_holds(
    open_shop: Open, worth: int, vip: bool, subjects: list[str]
) -> None:
    shop = open_shop(cart=journey(steps=BRANCH))
    customer(shop, vip=vip)
    shop.track("mina", "Go", worth=worth)
    assert sorted(shop.subjects()) == sorted(subjects)


def test_why_says_which_way_and_because_of_what(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=BRANCH))
    customer(shop)
    shop.track("mina", "Go", worth=10)
    told = shop.story("mina")
    assert "At branch-1 they went the way otherwise, because no other was theirs" in told
    customer(shop, "tom")
    shop.track("tom", "Go", worth=300)
    told = shop.story("tom")
    assert "they went the way dear, because the event's worth is at least 200" in told


WAIT_FOR = (
    """
  - wait_for:
      - event: Order Completed
        where: {total: {gte: 10}}
        then:"""
    + mail("bought", 10, "Thanks for {{ answers.order.total | default: '?' }}")
    + """
      - event: Cart Emptied
        name: emptied
    id: order
    at_most: 24h
    otherwise:"""
    + mail("ignored", 6)
    + """
  - branch:
      - when: {answer: order.total, gte: 100}
        then:"""
    + mail("large", 10)
)


def test_the_first_of_several_events_leads_on(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=WAIT_FOR))
    for user in ("buyer", "emptier", "small", "silent", "large"):
        customer(shop, user)
        shop.track(user, "Go")
    shop.advance("1h")
    shop.track("buyer", "Order Completed", total=20)
    shop.track("buyer", "Cart Emptied")
    shop.track("emptier", "Cart Emptied")
    shop.track("small", "Order Completed", total=5)
    shop.track("large", "Order Completed", total=500)
    shop.advance("22h")
    assert shop.subjects("buyer@shop.example") == ["Thanks for 20"]
    assert sorted(shop.subjects("large@shop.example")) == ["Thanks for 500", "large"]
    assert len(shop.mails()) == 3
    shop.advance("1h")
    assert shop.subjects("silent@shop.example") == ["ignored"]
    assert shop.subjects("small@shop.example") == ["ignored"]
    assert shop.subjects("emptier@shop.example") == []
    assert "because nothing that it waits for came in time" in shop.story("silent")
    assert "because of the event Order Completed" in shop.story("buyer")


IGNORED = (
    mail("hello", 2)
    + """
  - wait_for:
      - outcome: opened
        message: hello
        name: opened
      - outcome: not_sent
        message: hello
        name: never
    at_most: 24h
    otherwise:"""
    + mail("again", 6)
)


def test_a_message_that_is_ignored_is_followed_by_another(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=IGNORED))
    for user in ("opens", "ignores"):
        customer(shop, user)
        shop.track(user, "Go")
    shop.identify("nowhere", first_name="No address")
    shop.track("nowhere", "Go")
    shop.advance("1h")
    hello = shop.ledger("opens")[0]
    shop.feedback(hello.profile_id, hello.id, "opened")
    shop.advance("23h")
    assert shop.subjects("opens@shop.example") == ["hello"]
    assert shop.subjects("ignores@shop.example") == ["hello", "again"]
    assert shop.said("nowhere")[-2:] == ["took wait_for", "ended completed"]
    assert "the message hello was not sent" in shop.story("nowhere")


def test_an_open_before_the_wait_is_known_to_it(open_shop: Open) -> None:
    steps = IGNORED.replace("\n  - wait_for:", "\n  - wait: 2h\n  - wait_for:", 1)
    shop = open_shop(cart=journey(steps=steps))
    customer(shop)
    shop.track("mina", "Go")
    hello = shop.ledger("mina")[0]
    shop.feedback(hello.profile_id, hello.id, "opened")
    shop.advance("30h")
    assert shop.subjects() == ["hello"]


OUTCOMES = """
  - message: hello
    channel: email
    purpose: transactional
    expires_after: 10m
    default: {subject: hello, html: "{% if event.properties.gone %}{% abort 'gone' %}{% endif %}"}
  - wait_for:
      - {outcome: failed, message: hello, name: failed, then: [{update: {became: failed}}]}
      - {outcome: not_sent, message: hello, name: unsent, then: [{update: {became: not_sent}}]}
    at_most: 24h
    otherwise: [{update: {became: left}}]
"""


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    ("happens", "became"),
    [("aborted", "not_sent"), ("failed", "failed"), ("expired", "failed"), ("sent", "left")],
)
def test_a_message_that_was_given_up_was_not_sent_and_one_that_was_tried_failed(
    open_shop: Open, happens: str, became: str, early: bool
) -> None:
    """Whether it is known before the run waits for it or while it waits."""
    late = OUTCOMES.replace("  - wait_for:", "  - wait: 1h\n  - wait_for:")
    shop = open_shop(cart=journey(steps=late if early else OUTCOMES))
    customer(shop)
    if happens == "expired":
        shop.harken.sender.turn = lambda: 0  # type: ignore[method-assign]
    shop.track("mina", "Go", gone=happens == "aborted")
    if happens == "expired":
        shop.clock.set(shop.now + 11 * 60_000)
        del shop.harken.sender.turn
        shop.work()
    [row] = shop.ledger("mina")
    if happens == "failed":
        shop.feedback(row.profile_id, row.id, "failed")
    shop.advance("1h")
    waits = happens == "sent"
    assert shop.profile("mina").attributes.get("became") == (None if waits else became)
    shop.advance("24h")
    assert shop.profile("mina").attributes["became"] == became


def test_an_exception_ends_a_wait_for_events(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=WAIT_FOR, exceptions="[{event: Order Completed}]"))
    customer(shop)
    shop.track("mina", "Go")
    shop.track("mina", "Order Completed", total=20)
    shop.advance("2d")
    assert shop.mails() == []
    assert shop.said("mina") == ["entered event", "ended exception"]
    assert not any(key.startswith("run:") for _, _, key in shop.wakeups())


SPLIT = (
    """
  - split: greeting
    control: 20
    arms:
      - name: warm
        weight: 50
        then:"""
    + mail("warm", 10)
    + """
      - name: cool
        weight: 50
        then:"""
    + mail("cool", 10)
    + mail("after", 2)
)


def test_a_split_is_sticky_and_its_control_group_hears_nothing(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=SPLIT, entry_reentry="always"))
    users = [customer(shop, f"user-{number}") for number in range(200)]
    for _ in range(2):
        for user in users:
            shop.track(user, "Go")
        shop.advance("1d")
    arms: Counter[str] = Counter()
    for user in users:
        subjects = Counter(shop.subjects(f"{user}@shop.example"))
        assert subjects in ({"warm": 2, "after": 2}, {"cool": 2, "after": 2}, {})
        arms[min(subjects.keys() - {"after"}, default="control")] += 1
        if not subjects:
            assert shop.said(user).count("control split_control") == 4
            assert "control group of the experiment greeting" in shop.story(user)
    assert 20 <= arms["control"] <= 60
    assert 55 <= arms["warm"] <= 105


UPDATE = """
  - update:
      vip: true
      orders: {add: 1}
      last_brand: {event_property: brand}
      seen_at: {now: true}
      nickname: {remove: true}
      nothing: {event_property: not.there}
""" + say("thanks")


def test_attributes_are_updated_and_move_segments(open_shop: Open) -> None:
    shop = open_shop()
    welcome = journey("$segment_entered", name="welcome", entry_where="{segment: vips}")
    shop.apply(
        segments={"vips": "{attribute: vip, equals: true}"},
        cart=journey(steps=UPDATE, entry_reentry="always"),
        welcome=welcome,
    )
    customer(shop, nickname="Mi", orders=2)
    shop.track("mina", "Go", brand="Acme")
    shop.track("mina", "Go", brand="Acme")
    attributes = shop.profile("mina").attributes
    assert attributes == {
        "email": "mina@shop.example",
        "vip": True,
        "orders": 4,
        "last_brand": "Acme",
        "seen_at": "2026-03-02T10:00:00.000Z",
    }
    assert shop.segments("mina") == ["vips"]
    assert sorted(shop.subjects()) == ["nudge", "thanks", "thanks"]
    assert shop.properties("mina", "$updated")[0]["orders"] == 3


OTHER = """
journey: other
entry:
  api: true
  reentry: always
  key: brand
steps:
  - wait: 1h
  - message: other
    channel: email
    default:
      subject: "{{ entry.brand | default: '-' }} {{ event.name }}"
      html: "<p>Hi</p>"
"""


@pytest.mark.parametrize(
    ("given", "subjects"),
    [
        ("  - enter: other\n", ["Acme $entered"]),
        ("  - enter: other\n    with: {brand: Zen}\n", ["Zen $entered"]),
        (
            "  - enter: other\n    with: {brand: {event_property: product.brand}}\n",
            ["Old $entered"],
        ),
        ("  - enter: other\n    with: {x: 1}\n", []),
    ],
)
def test_one_journey_enters_another(open_shop: Open, given: str, subjects: list[str]) -> None:
    shop = open_shop(cart=journey(steps="\n" + given + say("first")), other=OTHER)
    customer(shop)
    shop.track("mina", "Go", brand="Acme", product={"brand": "Old"})
    assert shop.subjects() == ["first"]
    shop.advance("1h")
    assert shop.subjects()[1:] == subjects
    told = shop.story("mina", "other")
    if subjects:
        assert "They entered, because they were put in" in told
    else:
        assert "They did not enter when they were put in" in told
        assert "the event had no brand" in told


def test_why_of_somebody_whom_nobody_put_in(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=say()), other=OTHER)
    customer(shop)
    nobody = "Nobody put them into the journey: neither the API nor another journey."
    assert shop.why("mina", "other").answer == nobody


def test_journeys_that_enter_one_another_come_to_an_end(open_shop: Open) -> None:
    ping, pong = (
        f"journey: {name}\nentry: {{api: true, reentry: always}}\nsteps:\n  - enter: {other}\n"
        for name, other in (("ping", "pong"), ("pong", "ping"))
    )
    shop = open_shop(cart=journey(steps="\n  - enter: ping\n"), ping=ping, pong=pong)
    customer(shop)
    shop.track("mina", "Go")
    assert shop.profile("mina").runs == {}
    assert Counter(shop.said("mina", "ping")) == {"entered event": 3, "ended completed": 3}
    pongs = {"entered event": 2, "ended completed": 2, "not_entered chain_too_long": 1}
    assert Counter(shop.said("mina", "pong")) == pongs
    assert (
        "They did not enter when they were put in, because ping put them in when 5 had followed "
        "from one another without a wait, and chains are cut there"
    ) in shop.story("mina", "pong")


@pytest.mark.parametrize(
    ("then", "reason", "told"),
    [
        (journey("Go", name="other"), "not_by_hand", "nobody is put into it: its entry is no `api"),
        (None, "archived", "the journey is no longer among the files"),
        ("paused", "paused", "the journey was paused"),
    ],
)
@pytest.mark.parametrize("by", ["api", "journey"])
def test_who_is_put_into_a_journey_that_has_changed_is_refused_with_the_reason(
    open_shop: Open, by: str, then: str | None, reason: str, told: str
) -> None:
    """A run goes on by its own revision, and the API's word may have waited in the log."""
    cart = journey(steps="\n  - wait: 1h\n  - enter: other\n")
    shop = open_shop(cart=cart, other=OTHER)
    customer(shop)
    shop.track("mina", "Go")
    then = OTHER + "state: paused\n" if then == "paused" else then
    shop.apply(cart=journey(), **({"other": then} if then else {}))
    if by == "api":
        shop.command("mina", Enter("other", "once", {"brand": "Acme"}))
    else:
        shop.advance("1h")
    assert shop.said("mina", "other") == [f"not_entered {reason}"]
    assert told in shop.story("mina", "other")


def test_nobody_is_put_into_a_journey_that_never_was(open_shop: Open) -> None:
    shop = open_shop(cart=journey())
    customer(shop)
    shop.command("mina", Enter("other", "once", {}))
    assert shop.said("mina", "other") == ["not_entered unknown_journey"]


LOOP = (
    mail("tip", 2, "Tip {{ now | date: '%d' }}")
    + """
  - wait: 1d
  - branch:
      - when: {did: Order Completed}
        then:
          - exit: true
  - go_to: tip
"""
)


def test_a_loop_says_it_again_each_turn(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=LOOP))
    customer(shop)
    shop.track("mina", "Go")
    shop.advance("2d12h")
    assert shop.subjects() == ["Tip 02", "Tip 03", "Tip 04"]
    assert len({row.id for row in shop.ledger("mina")}) == 3
    shop.track("mina", "Order Completed")
    shop.advance("5d")
    assert len(shop.mails()) == 3
    assert shop.profile("mina").runs == {}


def test_a_loop_waits_for_what_becomes_of_this_turn_s_message(open_shop: Open) -> None:
    steps = (
        mail("tip", 2)
        + """
  - wait_for:
      - outcome: opened
        message: tip
        name: read
      - outcome: not_sent
        message: tip
        name: unsent
    at_most: 1d
  - wait: 1d
  - go_to: tip
"""
    )
    limits = "caps: [{channel: email, at_most: 1, per: 40h}]"
    shop = open_shop(cart=journey(steps=steps), workspace=limits)
    shop.track(customer(shop), "Go")

    def ways() -> list[str]:
        return [str(one.facts["way"]) for one in shop.decisions("mina") if one.reason == "wait_for"]

    first = shop.ledger("mina")[0]
    shop.feedback(shop.id("mina"), first.id, "opened", journey="cart", step="tip", revision=1)
    assert ways() == ["read"]
    # The cap is full after a day: nothing is sent in the second turn.
    shop.advance("1d")
    assert ways() == ["read", "unsent"]
    shop.advance("1d")
    assert ways() == ["read", "unsent"]
    shop.advance("1d")
    assert ways() == ["read", "unsent", "otherwise"]


def test_a_loop_whose_wait_is_over_at_once_does_not_spin(open_shop: Open) -> None:
    steps = """
  - wait: {event_property: date}
    id: again
  - update: {turns: {add: 1}}
  - go_to: again
"""
    shop = open_shop(cart=journey(steps=steps))
    customer(shop)
    shop.track("mina", "Go", date="2020-01-01")
    shop.advance("1m")
    assert shop.profile("mina").attributes["turns"] == 8


def test_what_a_run_learns_is_its_own(open_shop: Open) -> None:
    """Two journeys begin with one event: what one of them waited for the other does not know."""
    first = journey(name="first", steps=WAIT_FOR)
    steps = "\n  - wait: 2h\n  - branch:\n      - when: {answer: order.total, exists: true}\n"
    steps += "        then:" + mail("leaked", 10)
    steps += "\n  - wait_for: [{event: Never}]\n    id: order\n    at_most: 1h\n"
    shop = open_shop(first=first, second=journey(name="second", steps=steps))
    customer(shop)
    shop.track("mina", "Go")
    shop.track("mina", "Order Completed", total=20)
    shop.advance("1d")
    assert shop.subjects() == ["Thanks for 20"]


def test_a_run_waits_over_a_restart(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=WAIT_FOR))
    customer(shop)
    shop.track("mina", "Go")
    shop.reopen()
    shop.track("mina", "Order Completed", total=120)
    assert sorted(shop.subjects()) == ["Thanks for 120", "large"]
    assert shop.now == instant("2026-03-02 10:00")
