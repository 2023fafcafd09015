"""Experiments from end to end: who comes into which arm and stays there, and what is counted."""

from collections import Counter
from collections.abc import Callable

import pytest
from driver import Shop
from experiment_kit import arms, buy, by_hand, come, reports, with_experiment
from plain import journey, say, wait

from harken.effects import Decision
from harken.ids import bucket
from harken.inputs import allocations_in
from harken.people import profile as documents

Open = Callable[..., Shop]
THOMPSON = "{allocation: thompson, at_least: 20, winner: {evidence: 0.95}}"
SPLIT = """
  - split: greeting
    control: 20
    arms:
      - name: short
        weight: 50
        then:
          - message: hello
            channel: email
            default: {subject: "Hello", html: "<p>Hi</p>"}
      - name: long
        weight: 50
        then:
          - message: letter
            channel: email
            default: {subject: "Letter", html: "<p>Hi</p>"}
"""
GOAL = "{event: Bought, within: 2d}"


def test_numbers_are_those_that_plain_python_counts(open_shop: Open) -> None:
    workspace = "caps: [{at_most: 1, per: 1d}]\nholdout_percent: 10\n"
    shop = open_shop(cart=with_experiment(head="control_percent: 20"), workspace=workspace)
    users = come(shop, 0, 120)
    for user in users[:20]:
        shop.consent(user, "opted_out")
    shop.advance("1h")
    for user in users[::2]:
        shop.track(user, "Go")
    shop.advance("1d")
    for user in users[:40]:
        shop.track(user, "Go")
    shop.advance("1h")
    buy(shop, users[5:90:3])
    shop.advance("4d")
    buy(shop, users[80:])

    told = {user: shop.decisions(user) for user in users}
    every = [one for user in users for one in told[user]]
    found = reports(shop)
    # By the journey's control group: everything that was considered, once.
    for group in ("control group", "treated"):
        mine = [d for d in every if d.gate and d.facts["holdout"]["arm"] == group]
        arm = next(one for one in found["control"].arms if one.name == group)
        words = by_hand(mine)
        assert (arm.sent, arm.held, arm.control) == (words["passed"], 0, words["control"])
        assert {f"dropped {reason}": count for reason, count in arm.dropped.items()} == {
            word: count for word, count in words.items() if word.startswith("dropped")
        }
        assert arm.sent + arm.held + arm.control + sum(arm.dropped.values()) == arm.considered
        assert arm.considered == sum(words.values()) == len({one.message for one in mine})
        assert arm.converted == converted_by_hand(shop, told, group)
        assert arm.converted > 0
    assert sum(arm.considered for arm in found["control"].arms) == 120 + 60 + 40
    # By the wording: the same messages, in their arms.
    nudge = {arm.name: arm for arm in found["nudge"].arms}
    assert sum(arm.considered for arm in nudge.values()) == 220
    drawn = arms(shop, users)
    held_out = {user for user in users for d in told[user] if d.facts.get("held_out")}
    assert nudge["a"].assigned == sum(drawn[u] == "a" for u in drawn.keys() - held_out)
    assert nudge["b"].assigned == sum(drawn[u] == "b" for u in drawn.keys() - held_out)
    assert nudge["control group"].control == found["control"].arms[0].control
    assert nudge["a"].sent + nudge["b"].sent == len(shop.mails())


def converted_by_hand(shop: Shop, told: dict[str, list[Decision]], group: str) -> int:
    """Runs to which a goal event is credited: the last message before it, within two days."""
    runs = set()
    for user, decisions in told.items():
        reached = [
            one
            for one in decisions
            if one.outcome == ("control" if group == "control group" else "passed")
            and one.facts["holdout"]["arm"] == group
        ]
        for at in times(shop, user, "Bought"):
            before = [one for one in reached if one.at < at]
            if before and at - before[-1].at <= 2 * 86_400_000:
                runs.add(before[-1].run)
    return len(runs)


def times(shop: Shop, user: str, name: str) -> list[int]:
    entries = shop.history.timeline([shop.id(user)], limit=1000)
    return sorted(one["at"] for one in entries if one.get("name") == name)


def test_a_split_and_its_control_group(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=SPLIT, goal=GOAL))
    users = come(shop, 0, 400)
    shop.advance("1h")
    places = {user: bucket(shop.id(user), "cart/greeting") for user in users}
    control = [user for user in users if places[user] < 2_000]
    short = [user for user in users if 2_000 <= places[user] < 6_000]
    long = [user for user in users if places[user] >= 6_000]
    buy(shop, control[:3] + short[:30] + long[:20])
    [greeting] = reports(shop).values()
    assert [(a.name, a.assigned, a.sent, a.control, a.converted) for a in greeting.arms] == [
        ("control group", len(control), 0, len(control), 3),
        ("short", len(short), len(short), 0, 30),
        ("long", len(long), len(long), 0, 20),
    ]
    assert greeting.compared_with == "control group"
    assert greeting.mismatch is not None
    assert not greeting.mismatch.found
    assert greeting.mismatch.expected == {"control group": 80, "short": 160, "long": 160}
    assert "would have been sent" in shop.story(control[0])
    assert "put them into short (40 % of customers)" in shop.story(short[0])


def test_a_control_customers_run_goes_on_like_one_who_does_nothing(open_shop: Open) -> None:
    steps = (
        say("first")
        + "\n  - wait_for:\n      - {outcome: opened, message: first, then: []}\n"
        + "      - {outcome: not_sent, message: first, then: [{update: {unsent: true}}]}\n"
        + "    at_most: 1d\n    otherwise: [{update: {ignored: true}}]\n"
        + say("second")
    )
    shop = open_shop(cart=journey(steps=steps, control_percent="50", goal=GOAL))
    users = come(shop, 0, 60)
    shop.advance("2d")
    held_out = {u for u in users if bucket(shop.id(u), "control:cart") < 5_000}
    assert 15 < len(held_out) < 45
    for user in users:
        assert shop.profile(user).attributes["ignored"] is True
        assert "unsent" not in shop.profile(user).attributes
        ways = [d.facts["way"] for d in shop.decisions(user) if d.outcome == "took"]
        assert ways == ["otherwise"]
        word = "control" if user in held_out else "passed"
        messages = [(d.step, d.message != "") for d in shop.decisions(user) if d.outcome == word]
        assert messages == [("first", True), ("second", True)]
    [control, treated] = reports(shop)["control"].arms
    assert (control.control, treated.sent) == (2 * len(held_out), 2 * (60 - len(held_out)))
    assert (control.runs, treated.runs) == (len(held_out), 60 - len(held_out))


@pytest.mark.parametrize("salt", ["cart/greeting", "control:cart"])
def test_who_is_put_into_another_journey_stays_in_the_control_group(
    open_shop: Open, salt: str
) -> None:
    split = salt == "cart/greeting"
    steps = SPLIT.replace("control: 20", f"control: {50 * split}") + "\n  - enter: other\n"
    other = "journey: other\nentry: {api: true}\nsteps:" + say("more")
    percent = "0" if split else "50"
    shop = open_shop(cart=journey(steps=steps, control_percent=percent), other=other)
    users = come(shop, 0, 20)
    for user in users:
        held_out = bucket(shop.id(user), salt) < 5_000
        assert len(shop.mails(f"{user}@shop.example")) == (0 if held_out else 2)
        assert ("control split_control" in shop.said(user, "other")) == held_out


@pytest.mark.parametrize("measure", ["opened", "clicked"])
def test_what_became_of_the_message_can_be_measured(open_shop: Open, measure: str) -> None:
    shop = open_shop(cart=with_experiment(f"{{measure: {measure}}}"))
    users = come(shop, 0, 120)
    drawn = arms(shop, users)
    for place, mail in enumerate(shop.mails()):
        user = mail.to.partition("@")[0]
        shop.advance("1s")
        if drawn[user] == "a" and place % 2:
            shop.feedback(shop.id(user), mail.id, measure)
            shop.feedback(shop.id(user), mail.id, measure)
        else:
            # What a scanner did is nobody's doing.
            shop.feedback(shop.id(user), mail.id, measure, machine=True)
    odd = sum(drawn[m.to.partition("@")[0]] == "a" for m in shop.mails()[1::2])
    found = {arm.name: arm.converted for arm in reports(shop)["nudge"].arms}
    assert found == {"a": odd, "b": 0}


def test_a_goal_counts_numbers_though_others_sent_something_else(open_shop: Open) -> None:
    goal = "goal: {event: Bought, within: 2d}"
    journey = with_experiment()
    assert goal in journey
    where = "goal: {event: Bought, within: 2d, where: {total: {gte: 5}}}"
    shop = open_shop(cart=journey.replace(goal, where))
    users = come(shop, 0, 20)
    shop.advance("1h")
    for number, user in enumerate(users):
        shop.track(user, "Bought", total=number if number % 2 else [f"{number}"])
    shop.harken.settle()
    assert sum(arm.converted for arm in reports(shop)["nudge"].arms) == 8


def share_out(shop: Shop) -> bool:
    shop.harken.feeder.flush()
    changed = shop.harken.services.share_out()
    shop.work()
    return changed


def tried(shop: Shop, count: int = 400) -> tuple[list[str], dict[str, str]]:
    """Customers of whom those in `b` buy far more often, their time to convert over."""
    users = come(shop, 0, count)
    shop.advance("1h")
    drawn = arms(shop, users)
    buy(shop, [u for n, u in enumerate(users) if n % (2 if drawn[u] == "b" else 20) == 0])
    assert not share_out(shop) or shares(shop) == {"a": 50, "b": 50}
    shop.advance("2d")
    return users, drawn


def shares(shop: Shop) -> dict[str, float]:
    return shop.harken.engine.definitions.allocations["cart/nudge"].shares


def test_thompson_gives_the_better_arm_more_and_moves_nobody(open_shop: Open) -> None:
    shop = open_shop(cart=with_experiment("{allocation: thompson, at_least: 20}"))
    users, drawn = tried(shop)
    assert 150 < Counter(drawn.values())["a"] < 250
    assert share_out(shop)
    assert shares(shop) == {"a": 5.0, "b": 95.0}
    assert not share_out(shop), "nothing was measured since"
    newer = come(shop, 1_000, 400)
    assert 5 <= Counter(arms(shop, newer).values())["a"] <= 40
    # Who came earlier stays where they were, though most of them would now come into b.
    shop.advance("1d")
    for user in users:
        shop.track(user, "Go")
    assert arms(shop, users) == drawn
    assert "by what was measured" in shop.story(newer[0])
    early = next(user for user in users if drawn[user] == "a")
    assert "where they have been since they first came" in shop.story(early)
    # The unequal arms are as unequal as they should be.
    mismatch = reports(shop)["nudge"].mismatch
    assert mismatch is not None
    assert not mismatch.found
    assert mismatch.expected["a"] == pytest.approx(200 + 20)


def test_a_winner_gets_all_who_come_new(open_shop: Open) -> None:
    shop = open_shop(cart=with_experiment(THOMPSON))
    users, drawn = tried(shop)
    assert share_out(shop)
    won = shop.harken.engine.definitions.allocations["cart/nudge"]
    assert (won.winner, won.because, won.shares) == ("b", "evidence", {"a": 0.0, "b": 100.0})
    assert won.at == shop.now
    newer = come(shop, 1_000, 100)
    assert set(arms(shop, newer).values()) == {"b"}
    for user in users[:50]:
        shop.track(user, "Go")
    assert arms(shop, users[:50]) == {user: drawn[user] for user in users[:50]}
    assert "the winner, which all new customers get" in shop.story(newer[0])
    found = reports(shop)["nudge"]
    assert found.allocation is not None
    assert found.allocation.winner == "b"
    assert found.decided
    assert found.verdict.startswith("Enough to decide for b")


def test_a_winner_of_few_runs_is_not_called_too_few(open_shop: Open) -> None:
    shop = open_shop(cart=with_experiment(THOMPSON))
    tried(shop, 120)
    assert share_out(shop)
    found = reports(shop)["nudge"]
    assert found.decided
    assert found.verdict.startswith("Enough to decide for b, by the evidence that was asked for")


@pytest.mark.parametrize(
    "at", ["4d", "2026-03-06T10:00"], ids=["after the first customer", "at a date"]
)
def test_a_winner_at_a_set_time(open_shop: Open, at: str) -> None:
    shop = open_shop(cart=with_experiment(f'{{at_least: 20, winner: {{at: "{at}"}}}}'))
    tried(shop, 200)
    share_out(shop)
    assert shares(shop) == {"a": 50.0, "b": 50.0}
    shop.advance("2d")
    assert share_out(shop)
    assert shop.harken.engine.definitions.allocations["cart/nudge"].because == "time"
    assert set(arms(shop, come(shop, 1_000, 30)).values()) == {"b"}


def test_too_few_runs_move_nothing(open_shop: Open) -> None:
    shop = open_shop(cart=with_experiment("{allocation: thompson, winner: {at: 1d}}"))
    tried(shop, 150)
    share_out(shop)
    assert shares(shop) == {"a": 50.0, "b": 50.0}


def test_shares_hold_from_their_place_in_the_log_and_over_restarts(open_shop: Open) -> None:
    shop = open_shop(cart=with_experiment(THOMPSON))
    tried(shop)
    item = shop.item("identify", userId="before", traits={"email": "b@shop.example"})
    go = shop.item("track", userId="before", event="Go", properties={})
    shop.request([item, go], settle=False)
    shop.harken.feeder.flush()
    assert shop.harken.services.share_out()
    item = shop.item("identify", userId="after", traits={"email": "a@shop.example"})
    go = shop.item("track", userId="after", event="Go", properties={})
    shop.request([item, go], settle=False)
    shop.work()
    how = {
        user: [d.facts["experiment"]["how"] for d in shop.decisions(user) if d.message]
        for user in ("before", "after")
    }
    assert how == {"before": ["weights"], "after": ["winner"]}
    shop.reopen()
    assert shop.harken.engine.definitions.allocations["cart/nudge"].winner == "b"
    assert allocations_in(shop.harken.store.note("experiments"))["cart/nudge"].winner == "b"
    # New definitions leave the shares as they are, until the arms are others.
    shop.apply(cart=with_experiment(THOMPSON, head="tags: [new]"))
    assert set(arms(shop, come(shop, 2_000, 30)).values()) == {"b"}
    third = with_experiment(THOMPSON).replace("name: b", "name: c")
    shop.apply(cart=third)
    assert set(arms(shop, come(shop, 3_000, 60)).values()) == {"a", "c"}


def test_a_merge_keeps_the_arm_that_was_first(open_shop: Open) -> None:
    shop = open_shop(cart=with_experiment(THOMPSON))
    drawn = arms(shop, come(shop, 0, 40))
    first = next(user for user, arm in drawn.items() if arm == "a")
    shop.advance("1h")
    later = next(user for user, arm in arms(shop, come(shop, 100, 40)).items() if arm == "b")
    other = shop.id(first)
    before = documents.encode(shop.profile(later))
    shop.merge(later, first)
    assert shop.profile(later).assigned["cart/nudge"].arm == "a"
    shop.track(later, "Go")
    assert shop.decisions(later)[-2].facts["experiment"]["arm"] == "a"
    shop.unmerge(later, other)
    assert shop.profile(later).assigned == documents.decode(before).assigned
    assert shop.harken.store.profiles([other])[other].assigned["cart/nudge"].arm == "a"


def test_an_experiment_that_is_gone_is_forgotten(open_shop: Open) -> None:
    shop = open_shop(cart=with_experiment(THOMPSON))
    come(shop, 0, 1)
    assert shop.profile("u0").assigned
    shop.apply(cart=journey(steps=wait("1h") + say()))
    shop.track("u0", "Go")
    assert not shop.profile("u0").assigned


def test_shares_that_were_not_kept_are_told(open_shop: Open) -> None:
    """Half of those who would have come into b never came."""
    shop = open_shop(cart=with_experiment())
    users = [f"x{number}" for number in range(300)]
    kept = [
        user
        for number, user in enumerate(users)
        if bucket(shop.id(user), "cart/nudge") < 5_000 or number % 2
    ]
    shop.request([shop.item("track", userId=u, event="Go", properties={}) for u in kept])
    found = reports(shop)["nudge"]
    assert found.mismatch is not None
    assert found.mismatch.found
    assert "must not be compared" in found.verdict
