"""What may befall a customer, at each kind of step at which a run can stand.

Each scene brings a run to a step and leaves it there. Then something happens to it, and what the
customer hears in the end is compared with what they hear when nothing does.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from driver import Shop
from msgspec import Struct
from plain import journey, say
from receivers import receiving

from harken.clock import HOUR
from harken.inputs import Forget

Open = Callable[..., Shop]
Heard = tuple[str, int, str]
"""A subject, when (ms), and who."""
Undisturbed = Callable[[str], list[Heard]]
OFFER = '{subject: "offer", html: "<p>{{ coupon.code }}</p>"}'
CAPS = "caps: [{at_most: 1, per: 6h}]\n"
HOOK = "webhooks: {{crm: {{url: '{url}', private: true, timeout: 5s}}}}\n"


class Scene(Struct, frozen=True, kw_only=True):
    """A run on its way, and where it stands when something happens."""

    steps: str
    workspace: str = ""
    later: str = ""
    """An event of the customer's an hour after it happened."""
    stopped: bool = False
    """The sender stands still until it has happened."""
    others: dict[str, str] = {}
    """Other journeys; an event of each one's name comes before."""


LAST = say("last")
SCENES = {
    "wait": Scene(steps="\n  - wait: 3h\n    id: rest\n" + LAST),
    "time": Scene(steps='\n  - wait: {time: "18:00"}\n    id: rest\n' + LAST),
    "date": Scene(steps="\n  - wait: {event_property: when}\n    id: rest\n" + LAST),
    "best hour": Scene(steps="\n  - wait: {best_hour: 24h}\n    id: rest\n" + LAST),
    "event": Scene(
        steps="\n  - wait_for: [{event: Met, then: [{update: {met: true}, id: met}]}]\n"
        "    at_most: 2d\n    id: rest\n" + LAST,
        later="Met",
    ),
    "event in time": Scene(
        steps="\n  - wait_for: [{event: Met, then: [{exit: true, id: out}]}]\n"
        "    at_most: 2d\n    id: rest\n" + LAST
    ),
    "outcome": Scene(
        steps=say("first") + "\n  - wait_for: [{outcome: opened, message: first}]\n"
        "    at_most: 1d\n    id: rest\n" + LAST
    ),
    "held by hours": Scene(steps=say("first", sending_hours='{from: "18:00", to: "19:00"}') + LAST),
    "held by a cap": Scene(
        workspace=CAPS,
        steps=say("first", when_capped="hold") + "\n  - wait: 7h\n    id: rest\n" + LAST,
        others={"Other": journey("Other", name="other")},
    ),
    "arbitration": Scene(
        workspace="arbitration: 1h\n" + CAPS,
        steps=say("first") + "\n  - wait: 7h\n    id: rest\n" + LAST,
    ),
    "beaten in arbitration": Scene(
        workspace="arbitration: 1h\n" + CAPS,
        steps=say("first") + "\n  - wait: 7h\n    id: rest\n" + LAST,
        others={"Other": journey("Other", name="other", steps=say("won", priority="99"))},
    ),
    "webhook": Scene(
        workspace=HOOK,
        steps="\n  - webhook: crm\n    id: asked\n    at_most: 5m\n"
        "    otherwise: [{exit: true, id: out}]\n" + LAST,
        stopped=True,
    ),
    "loop": Scene(
        steps=say("first")
        + "\n  - wait: 2h\n    id: rest\n"
        + "  - update: {turns: {add: 1}}\n    id: turn\n"
        + "  - branch: [{when: {attribute: turns, gte: 3}, then: [{exit: true, id: out}]}]\n"
        + "    id: enough\n  - go_to: first\n    id: again\n"
    ),
    "coupon": Scene(
        steps="\n  - coupon: gift\n    id: gift\n  - wait: 3h\n    id: rest\n"
        f"\n  - message: offer\n    channel: email\n    default: {OFFER}\n"
    ),
    "queued": Scene(steps=say("first") + "\n  - wait: 3h\n    id: rest\n" + LAST, stopped=True),
    "paced": Scene(steps=say("first", pace="{at_most: 1, per: 3h}") + LAST),
    "split": Scene(
        steps="\n  - split: words\n    arms:\n      - name: a\n        weight: 100\n        then:\n"
        "          - wait: 3h\n            id: rest\n" + LAST
    ),
}
every_scene = pytest.mark.parametrize("name", list(SCENES))


@contextlib.contextmanager
def scene_of(open_shop: Open, name: str, **parts: str) -> Iterator[Shop]:
    """A shop in which Mina's run stands where the scene has it. `parts` are the journey's."""
    scene = SCENES[name]
    with receiving(200) as receiver:
        shop = open_shop()
        shop.apply(
            coupons={"gift": "imported: true"},
            workspace=scene.workspace.format(url=receiver.url) if "{url}" in scene.workspace
            else scene.workspace or "timezone: UTC\n",
            cart=cart(name, **parts),
            **scene.others,
        )  # fmt: skip
        shop.harken.store.coupons.add("gift", ["G-1", "G-2"])
        shop.identify("mina", email="mina@shop.example")
        for other in scene.others:
            shop.track("mina", other)
        if scene.stopped:
            shop.harken.sender.turn = lambda: 0  # type: ignore[method-assign]
        shop.track("mina", "Go", when="2026-03-02T15:00:00Z")
        yield shop


def cart(name: str, subject: str = "", **parts: str) -> str:
    text = journey(steps=SCENES[name].steps, exceptions="[{event: Stop}]", **parts)
    return text.replace('{subject: "', f'{{subject: "{subject}')


def go_on(shop: Shop, name: str, user: str = "mina") -> None:
    """Whatever was to come, comes."""
    scene = SCENES[name]
    shop.harken.sender.__dict__.pop("turn", None)
    shop.work()
    shop.advance("1h")
    if scene.later:
        shop.track(user, scene.later)
    shop.advance("9d")
    assert shop.failures() == []
    assert [run for one in shop.profiles() for run in one.runs] == []
    assert [key for _, _, key in shop.wakeups() if key.startswith("run:")] == []
    mails = shop.mails()
    assert len({mail.id for mail in mails}) == len(mails)


def heard(shop: Shop) -> list[Heard]:
    return [(mail.subject, mail.at, mail.to) for mail in shop.mails()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What Mina hears when nothing happens to her."""

    @cache
    def played(name: str) -> list[Heard]:
        shops: list[Shop] = []

        def open_() -> Shop:
            shops.append(Shop(tmp_path_factory.mktemp("undisturbed")))
            return shops[-1]

        with scene_of(open_, name) as shop:
            go_on(shop, name)
            assert shop.said("mina")[-1].startswith("ended ")
            found = heard(shop)
        shop.close()
        return found

    return played


def parked(shop: Shop) -> int:
    return len([key for _, _, key in shop.wakeups() if key.startswith("run:")])


def carts(shop: Shop, user: str = "mina") -> int:
    return len([run for run in shop.profile(user).runs.values() if run.journey == "cart"])


def said_by_cart(shop: Shop) -> set[str]:
    rows = shop.ledger("mina")
    return {row.id for row in rows if row.journey == "cart" and row.channel != "call"}


@every_scene
def test_a_restart_changes_nothing(open_shop: Open, undisturbed: Undisturbed, name: str) -> None:
    expected = undisturbed(name)
    with scene_of(open_shop, name) as shop:
        shop.reopen()
        go_on(shop, name)
        assert heard(shop) == expected


@every_scene
def test_who_is_erased_hears_nothing_and_leaves_nothing(open_shop: Open, name: str) -> None:
    with scene_of(open_shop, name) as shop:
        before = len(shop.mails())
        shop.command("mina", Forget("an operator"))
        assert parked(shop) == 0
        assert [key for _, _, key in shop.wakeups()] == []
        go_on(shop, name)
        assert [mail.to for mail in shop.mails()[before:]] == []
        if not SCENES[name].later:
            assert shop.profiles() == []
        row = shop.harken.store.coupons.one("G-1")
        assert row is not None
        assert (row.state, row.profile_id) == ("void" if name == "coupon" else "free", 0)


@every_scene
def test_an_exception_ends_the_run_and_frees_the_customer(open_shop: Open, name: str) -> None:
    with scene_of(open_shop, name) as shop:
        here = carts(shop)
        before = said_by_cart(shop)
        shop.track("mina", "Stop")
        assert carts(shop) == 0
        assert parked(shop) == len(shop.profile("mina").runs)
        if here:
            assert shop.said("mina")[-1] == "ended exception"
        go_on(shop, name)
        assert said_by_cart(shop) == before
        row = shop.harken.store.coupons.one("G-1")
        assert row is not None
        assert row.state == "free"
        shop.track("mina", "Go", when="2026-03-20T15:00:00Z")
        entered = shop.said("mina").count("entered event")
        assert entered == (2 if here else 1)


@every_scene
@pytest.mark.parametrize("way", ["absorbed", "survivor", "parted", "parted later"])
def test_a_merge_changes_nothing_of_what_is_heard(
    open_shop: Open, undisturbed: Undisturbed, name: str, way: str
) -> None:
    expected = [(subject, at) for subject, at, _ in undisturbed(name)]
    with scene_of(open_shop, name) as shop:
        shop.identify("joon", email="joon@shop.example")
        mina = shop.id("mina")
        if way == "survivor":
            shop.merge("mina", "joon")
        else:
            shop.merge("joon", "mina")
        if way == "parted later":
            shop.advance("1m")
        if way.startswith("parted"):
            shop.unmerge("joon", mina)
        assert parked(shop) == sum(len(one.runs) for one in shop.profiles())
        go_on(shop, name)
        got = [(mail.subject, mail.at) for mail in shop.mails()]
        if way == "parted later" and (SCENES[name].stopped or SCENES[name].later):
            # What is to come comes a minute later, too.
            got, expected = ([(s, at // HOUR) for s, at in one] for one in (got, expected))
        assert got == expected


@every_scene
@pytest.mark.parametrize("parted", [False, True])
def test_of_two_in_the_same_journey_one_goes_on(
    open_shop: Open, undisturbed: Undisturbed, name: str, parted: bool
) -> None:
    with scene_of(open_shop, name) as shop:
        shop.identify("joon", email="joon@shop.example")
        shop.track("joon", "Go", when="2026-03-02T15:00:00Z")
        there = [carts(shop, user) for user in ("mina", "joon")]
        joon = shop.id("joon")
        shop.merge("mina", "joon")
        assert carts(shop) == min(1, sum(there))
        assert parked(shop) == len(shop.profile("mina").runs)
        if parted:
            shop.unmerge("mina", joon)
            assert [carts(shop, user) for user in ("mina", "joon")] == there
        go_on(shop, name)
        assert len(set(heard(shop))) == len(heard(shop))
        if not parted and "caps" not in SCENES[name].workspace:
            # Mina's began first.
            assert [one for one in heard(shop) if one[2].startswith("mina")] == undisturbed(name)


@every_scene
def test_a_run_that_is_moved_says_everything_once(
    open_shop: Open, undisturbed: Undisturbed, name: str
) -> None:
    expected = undisturbed(name)
    with scene_of(open_shop, name) as shop:
        said = len(shop.mails())
        written = {"email": ["other"], "queued": ["first"], "paced": ["first", "last"]}
        shop.apply(
            coupons={"gift": "imported: true"},
            workspace=workspace(shop),
            cart=cart(name, subject="new "),
            move=["cart"],
            **SCENES[name].others,
        )
        shop.reopen()
        go_on(shop, name)
        got = heard(shop)
        # Of two at the same time, either may be the first.
        assert sorted((s.removeprefix("new "), at, to) for s, at, to in got) == sorted(expected)
        assert not any(s.startswith("new ") for s, _, _ in got[:said])
        old = {"nudge", "won", *written.get(name, [])}
        assert all(s.startswith("new ") or s in old for s, _, _ in got[said:]), got


@every_scene
def test_a_control_group_goes_the_same_way_and_hears_nothing(
    open_shop: Open, undisturbed: Undisturbed, name: str
) -> None:
    expected = undisturbed(name)
    others = sum(subject in ("nudge", "won") for subject, _, _ in expected)
    with scene_of(open_shop, name, control_percent="100") as shop:
        go_on(shop, name)
        assert len(shop.mails()) >= others
        assert all(mail.subject in ("nudge", "won") for mail in shop.mails())
        said = shop.said("mina")
        assert said[-1].startswith("ended ")
        assert shop.ledger("mina") == [] or all(
            row.channel == "call" or row.journey == "other" for row in shop.ledger("mina")
        )
        assert said.count("control journey_control") >= 1


@every_scene
@pytest.mark.parametrize("end", ["paused", "archived"])
def test_a_journey_that_is_over_lets_nothing_more_pass(
    open_shop: Open, name: str, end: str
) -> None:
    with scene_of(open_shop, name) as shop:
        before = said_by_cart(shop)
        carts = {} if end == "archived" else {"cart": cart(name, state="paused")}
        shop.apply(
            coupons={"gift": "imported: true"},
            workspace=workspace(shop),
            **carts,
            **SCENES[name].others,
        )
        go_on(shop, name)
        assert said_by_cart(shop) == before
        row = shop.harken.store.coupons.one("G-1")
        assert row is not None
        assert row.state == "free"


def workspace(shop: Shop) -> str:
    return (shop.folder / "project" / "workspace.yaml").read_text()
