"""Onboarding asks for favourite teams; who did not answer gets the default later on."""

from collections import Counter
from collections.abc import Callable

from driver import Shop

Opener = Callable[..., Shop]
TEAMS = [["Dragons"]] * 10 + [["Dragons", "Waves"]] * 5 + [["Foxes"]] * 3


def test_thirty_newcomers(scenario: Opener) -> None:
    shop = scenario("onboarding-teams", "season-opens")
    users = [f"fan-{number:02}" for number in range(30)]
    for user in users:
        shop.identify(user, email=f"{user}@shop.example")
        shop.track(user, "Onboarding Started")
    assert len(shop.mails()) == 30
    shop.advance("2d")
    for user, teams in zip(users, TEAMS, strict=False):
        [asked] = shop.ledger(user)
        shop.answer(user, "favourite-teams", asked.id, teams=teams)
    assert shop.profile("fan-12").attributes["favourite_teams"] == ["Dragons", "Waves"]
    shop.advance("10d")
    for user in users:
        shop.track(user, "Season Opened")
    subjects = Counter(shop.subjects(f"{user}@shop.example")[-1] for user in users)
    assert subjects == {
        "The season opens with the Dragons": 10,
        "The season opens with the Dragons and the Waves": 5,
        "The season opens with the Foxes": 3,
        "The season opens": 12,
    }
    variants = Counter(row.variant for user in users for row in shop.ledger(user)[:1])
    assert variants == {"my-teams": 18, "default": 12}


def test_who_answers_after_the_season_has_opened_is_known_from_then_on(scenario: Opener) -> None:
    shop = scenario("onboarding-teams", "season-opens")
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Onboarding Started")
    [asked] = shop.ledger("mina")
    shop.advance("2d")
    shop.track("mina", "Season Opened")
    shop.answer("mina", "favourite-teams", asked.id, teams=["Waves"])
    shop.advance("1d")
    shop.track("mina", "Season Opened")
    assert shop.subjects("mina@shop.example") == [
        "Welcome! Whom do you cheer for?",
        "The season opens",
        "The season opens with the Waves",
    ]
