"""First message ignored for 24 hours: the second through another channel, against mail alone."""

from collections import Counter
from collections.abc import Callable

from driver import Shop

Opener = Callable[..., Shop]

CUSTOMERS = 200
JOURNEY = "second-channel"


def step(shop: Shop, user: str, name: str) -> str:
    """The id of what the customer was sent at a step; empty for nothing."""
    return next((row.id for row in shop.ledger(user) if row.step == name), "")


def arm(shop: Shop, user: str) -> str:
    [taken] = [one for one in shop.decisions(user, JOURNEY) if one.reason == "split"]
    return str(taken.facts["way"])


def test_two_hundred_memberships(scenario: Opener) -> None:
    shop = scenario(JOURNEY)
    users = [f"member-{number}" for number in range(CUSTOMERS)]
    for user in users:
        shop.identify(user, email=f"{user}@shop.example")
        shop.track(user, "Membership Expiring")
    # Every tenth does not want to hear from the app.
    for user in users[::10]:
        shop.consent(user, "opted_out", channel="webhook")
    assert len(shop.mails()) == CUSTOMERS
    shop.advance("1h")
    # One in four opens the mail; of these every other one renews.
    for number, user in enumerate(users):
        if number % 4 == 0:
            shop.feedback(shop.id(user), step(shop, user, "first"), "opened")
        if number % 8 == 0:
            shop.track(user, "Membership Renewed")
    shop.advance("22h")
    assert len(shop.mails()) == CUSTOMERS
    shop.advance("1h")

    arms = {user: arm(shop, user) for user in users}
    assert Counter(arms.values()) == {"second-channel": 95, "mail-alone": 105}
    reminders = [row for user in users for row in shop.ledger(user) if row.step != "first"]
    # 150 ignored it; the five of the first arm who do not want the app get a mail instead.
    assert Counter((row.step, row.channel) for row in reminders) == {
        ("by-app", "webhook"): 66,
        ("by-app", "email"): 5,
        ("by-mail", "email"): 79,
    }
    kept = shop.harken.services.sandbox.list(limit=1_000)
    assert Counter(one.channel for one in kept) == {"email": 200 + 84, "webhook": 66}

    # Where the app speaks one in three renews, where a mail comes again one in nine.
    for number, user in enumerate(users):
        by = {row.channel for row in shop.ledger(user) if row.step != "first"}
        if (by == {"webhook"} and number % 3 == 0) or (by == {"email"} and number % 9 == 0):
            shop.track(user, "Membership Renewed")
    shop.advance("3d")
    reminded = {row.profile_id for row in reminders}
    renewed = Counter(
        (arms[user], shop.id(user) in reminded)
        for user in users
        if shop.happened(user)["Membership Renewed"]
    )
    assert renewed == {
        ("second-channel", False): 12,
        ("mail-alone", False): 13,
        # 23 of 71 who were reminded, against 10 of 79.
        ("second-channel", True): 23,
        ("mail-alone", True): 10,
    }


def test_it_is_told_who_was_reminded_where_and_why(scenario: Opener) -> None:
    shop = scenario(JOURNEY)
    for user in ("member-1", "member-10"):
        shop.identify(user, email=f"{user}@shop.example")
        shop.track(user, "Membership Expiring")
    shop.advance("1d")
    told = shop.story("member-1", JOURNEY)
    assert "because nothing that it waits for came in time" in told
    shop.track("member-1", "Membership Renewed")
    assert shop.wakeups() == [one for one in shop.wakeups() if not one[2].startswith("run:")]
