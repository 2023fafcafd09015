"""The scenarios in the shop: the demo's folder is sound, and each button sends what it says."""

from pathlib import Path

import httpx
import pytest
from examples.shop.catalogue import LANGUAGES, read_yaml
from examples.shop.project import OWN, SCENARIOS, build, in_demo_time
from examples.shop.scenes import filled, scenes, weather
from shop_kit import Recorder

from harken.checking import check
from harken.files.plan import bundle
from harken.files.project import load
from harken.inputs import Definitions

PLACE = {"en": "Jeju", "ko": "제주", "id": "Jeju"}
MINA = {"first_name": "Mina", "email": "mina@shop.example", "language": "en", "country": "US"}


@pytest.mark.parametrize(
    ("written", "demo"),
    [
        ("  - wait: 7d\n", "  - wait: 70s\n"),
        ("  - wait: 30m\n    id: a\n", "  - wait: 5s\n    id: a\n"),
        ("    at_most: 24h\n", "    at_most: 10s\n"),
        ("  reentry: {after: 7d}\n", "  reentry: {after: 7d}\n"),
        ('  - wait: {time: "09:00"}\n', '  - wait: {time: "09:00"}\n'),
    ],
)
def test_waits_come_in_demo_time(written: str, demo: str) -> None:
    assert in_demo_time(written) == demo


def test_the_demos_folder_is_sound_and_holds_every_scenario(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    build(folder)
    build(folder)
    project = load(folder)
    assert project.errors == []
    made = bundle(Definitions(0, 0, ""), project, 0, "a test")
    assert [one for one in check(made) if not one[2].warning] == []
    shown = {journey for scene in scenes() for journey in scene.journeys}
    assert shown <= set(project.journeys)
    # Every scenario's journey can be seen, or the shop has mails of its own for it.
    written = {path.stem for path in (SCENARIOS / "journeys").glob("*.yaml")}
    assert written - shown == OWN


def test_every_scene_is_told_in_all_languages() -> None:
    for scene in scenes():
        for text in (scene.title, scene.text, *(play.label for play in scene.plays)):
            assert sorted(text) == sorted(LANGUAGES)
            assert all(text.values())


def test_a_button_sends_its_events_as_the_visitor(
    visitor: httpx.Client, recorder: Recorder
) -> None:
    assert "Sign up first" in visitor.get("/scenes").text
    assert visitor.post("/scenes/0/0").url.path == "/sign-up"
    assert recorder.named("Cart Abandoned") == []
    visitor.post("/sign-up", data=MINA)
    for _ in range(2):
        assert "Watch what follows" in visitor.post("/scenes/0/0").text
    first, second = recorder.wait_for("Cart Abandoned", 2)
    assert first["properties"]["cart_value"] == 250
    assert first["properties"]["cart_id"] != second["properties"]["cart_id"]
    assert first["userId"] == second["userId"]
    assert visitor.post("/scenes/0/99").status_code == 404
    assert visitor.post("/scenes/99/0").status_code == 404


def test_what_was_decided_is_told_below_each_scene(
    visitor: httpx.Client, recorder: Recorder
) -> None:
    told = visitor.get("/scenes/data").json()["scenes"]
    assert told == [[] for _ in scenes()]
    visitor.post("/sign-up", data=MINA)
    at = "2026-03-02T10:00:00.000Z"
    story = [{"at": at, "text": f"{number}", "outcome": "entered"} for number in range(20)]
    answer = {"answer": "No message was sent yet.", "story": story}
    user = visitor.get("/mailbox/data").json()["you"]["user_id"]
    recorder.answers[f"/api/v1/people/user:{user}/why/store-nearby"] = answer
    told = visitor.get("/scenes/data").json()["scenes"][1]
    assert [(one["journey"], one["answer"]) for one in told] == [
        ("store-nearby", "No message was sent yet.")
    ]
    # A journey that begins anew at each page has a long story: its end is what matters.
    assert [line["text"] for line in told[0]["story"]] == [f"{n}" for n in range(12, 20)]


def test_the_shop_tells_the_weather_of_the_demo(tmp_path: Path) -> None:
    build(tmp_path / "project", "http://127.0.0.1:9001")
    written = (tmp_path / "project" / "journeys" / "weather.yaml").read_text()
    assert written.count("http://127.0.0.1:9001/weather/") == 6
    assert "8629" not in written
    assert weather.fn("Jeju").content["sky"] in ("sun", "clouds", "rain")
    assert weather.fn("제주", language="ko").content["sky"] in ("맑음", "흐림", "비")
    assert weather.fn("Atlantis").status_code == 503


def test_the_demos_mails_lead_to_the_shop_and_its_slots_are_soon_decided(tmp_path: Path) -> None:
    build(tmp_path, "http://127.0.0.1:9001")
    every = [path.read_text("utf-8") for path in tmp_path.glob("*/*")]
    assert not any("https://kelana.example" in text for text in every)
    assert any('href="http://127.0.0.1:9001/sign-up"' in text for text in every)
    assert read_yaml(tmp_path / "workspace.yaml")["arbitration"] == "5s"


def test_a_button_speaks_the_visitors_language() -> None:
    call = {"event": "Trip Booked", "properties": {"id": "{new}", "city": PLACE}}
    for language, city in PLACE.items():
        made = {"event": "Trip Booked", "properties": {"id": "x", "city": city}}
        assert filled(call, "x", language) == made
