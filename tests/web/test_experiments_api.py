"""What the experiments of a journey have shown, over the API and on the command line."""

from typing import Any

import pytest
from web_kit import PROJECT, Shop

from harken.app import Embedded
from harken.cli.commands import run
from harken.clock import DAY, HOUR
from harken.ids import bucket

HELLO = {
    "journey": "hello",
    "entry": {"event": "Go"},
    "goal": {"event": "Bought", "within": "2d"},
    "control_percent": 50,
    "steps": [
        {
            "message": "nudge",
            "channel": "email",
            "variants": [
                {"name": "a", "weight": 50, "subject": "A", "html": "<p>A</p>"},
                {"name": "b", "weight": 50, "subject": "B", "html": "<p>B</p>"},
            ],
            "experiment": {"at_least": 10, "winner": {"at": "2d"}},
            "default": {"subject": "D", "html": "<p>D</p>"},
        }
    ],
}
USERS = [f"u{number}" for number in range(60)]


@pytest.fixture
def tried(shop: Shop) -> Shop:
    """Sixty customers; all who were sent the wording b have bought, and had the time to."""
    journeys = {**PROJECT["journeys"], "hello": {"source": HELLO}}
    shop.apply({**PROJECT, "journeys": journeys})
    batch: list[dict[str, Any]] = []
    for user in USERS:
        traits = {"email": f"{user}@mail.example"}
        batch.append({"type": "identify", "userId": user, "traits": traits})
        batch.append({"type": "track", "userId": user, "event": "Go", "properties": {}})
    shop.send("batch", batch=batch)
    shop.pass_time(HOUR)
    ids = {user: shop.services.lookup.resolve(user_id=user) for user in USERS}
    sent = [user for user, id in ids.items() if bucket(id, "control:hello") >= 5_000]
    buyers = [user for user in sent if bucket(ids[user], "hello/nudge") >= 5_000]
    bought = {"type": "track", "event": "Bought", "properties": {}}
    shop.send("batch", batch=[{**bought, "userId": user} for user in buyers])
    shop.pass_time(2 * DAY)
    assert shop.services.share_out()
    shop.harken.settle()
    return shop


def test_what_an_experiment_has_shown(tried: Shop) -> None:
    found = tried.get("/journeys/hello/experiments")
    assert (found["journey"], found["goal"]) == ("hello", "Bought")
    control, nudge = found["experiments"]
    assert [control["kind"], nudge["kind"]] == ["journey", "message"]
    held_out, treated = control["arms"]
    assert held_out["control"] + treated["sent"] == len(USERS)
    assert (held_out["sent"], treated["control"]) == (0, 0)
    a, b = nudge["arms"][1:]
    assert (b["converted"], a["converted"]) == (b["sent"], 0)
    assert b["rate"]["value"] == 1
    assert b["difference"]["low"] > 0.5
    assert b["best"] > 0.99
    assert [a["share"], b["share"]] == [0, 100]
    assert nudge["allocation"]["winner"] == "b"
    assert nudge["allocation"]["because"] == "time"
    assert nudge["verdict"].startswith("Too few yet")


def test_a_journey_without_experiments_has_none(tried: Shop) -> None:
    assert tried.get("/journeys/abandoned-cart/experiments")["experiments"] == []
    answer = tried.ask("GET", "/api/v1/journeys/nobody/experiments")
    assert answer.status_code == 404
    assert "no journey" in answer.json()["detail"]


def test_a_preview_shows_what_new_customers_get(tried: Shop) -> None:
    tried.customer("fresh")
    wish = {"journey": "hello", "step": "nudge", "user_id": "fresh", "event": {}}
    assert tried.post("/preview", wish)["subject"] == "B"


def test_the_command_line_tells_it(tried: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    data = tried.harken.settings.data
    tried.close()
    assert run(["experiments", "hello", "--data", str(data)]) == 0
    told = capsys.readouterr().out
    for part in ("nudge (Bought within 2d)", "b is the winner since", "Too few yet"):
        assert part in told, told
    assert run(["experiments", "abandoned-cart", "--data", str(data)]) == 0
    assert "no experiment and no control group" in capsys.readouterr().out
    assert run(["experiments", "nobody", "--data", str(data)]) == 1
    tried.harken = Embedded(tried.harken.settings, tried.clock)
