"""Broadcasts over the API: started, listed, shown, steered; refused with what would be right."""

from typing import Any

import pytest
from web_kit import NOW, PROJECT, Shop

from harken.clock import HOUR, iso

NEWS = {
    "journey": "news",
    "entry": {"api": True},
    "steps": [
        {
            "message": "news",
            "channel": "email",
            "default": {"subject": "{{ entry.title | default: '?' }}", "html": "<p>Hi</p>"},
        }
    ],
}
WEEKLY = {
    "journey": "weekly",
    "entry": {
        "schedule": {"rrule": "FREQ=WEEKLY;BYDAY=MO", "starts_at": "2026-03-09T09:00"},
        "zone": "recipient",
        "audience": {"in_segment": "koreans"},
        "reentry": "always",
    },
    "steps": NEWS["steps"],
}
KOREANS = {"segment": "koreans", "rule": {"attribute": "country", "equals": "KR"}}


@pytest.fixture
def station(shop: Shop) -> Shop:
    journeys = {
        "news": {"source": NEWS}, "weekly": {"source": WEEKLY}, **PROJECT["journeys"],
    }  # fmt: skip
    shop.apply({**PROJECT, "journeys": journeys, "segments": {"koreans": KOREANS}})
    for number in range(4):
        shop.customer(f"u{number}", country="KR" if number else "ID")
    return shop


def start(shop: Shop, **body: Any) -> Any:
    return shop.post("/journeys/news/broadcasts", {"segment": "koreans", **body})["broadcast"]


def test_from_start_to_done(station: Shop) -> None:
    made = start(station, properties={"title": "Hello"}, id="spring")
    assert made["state"] in ("planned", "selecting", "running")
    station.harken.settle()
    station.harken.settle()
    whole = station.get(f"/broadcasts/{made['id']}")
    one = whole["broadcast"]
    assert (one["state"], one["selected"], one["considered"], one["entered"]) == ("done", 3, 3, 3)
    assert (one["segment"], one["by"], one["seconds_left"]) == ("koreans", "key environment", 0)
    assert whole["messages"] == {"passed": 3, "sent": 3, "held": 0, "dropped": 0, "control": 0}
    assert start(station, id="spring")["id"] == made["id"]
    assert station.get("/broadcasts/spring") == whole
    assert len(station.get("/broadcasts?journey=news")["broadcasts"]) == 1
    why = station.get("/people/u1/why/news")
    assert f"because the broadcast {made['id']} put them in" in str(why)


def test_a_rule_and_names_that_no_data_has(station: Shop) -> None:
    body = {"rule": {"attribute": "cuntry", "equals": "KR"}}
    made = station.post("/journeys/news/broadcasts", body)
    assert "cuntry" in str(made["warnings"])


def test_steered(station: Shop) -> None:
    at = iso(NOW + HOUR)
    made = start(station, at=at, per_second=1)
    place = f"/broadcasts/{made['id']}"
    assert (made["state"], made["due"], made["next"]) == ("planned", at, at)
    assert made["estimate"] == f"it begins at {at[:10]} {at[11:16]} UTC"

    def why(user: str = "u2") -> str:
        return str(station.get(f"/people/{user}/why/news")["answer"]).replace(made["id"], "b")

    assert why().startswith("Not yet: the broadcast b begins on 2 March 2026 at ")
    paused = station.post(f"{place}/pause", None)
    assert (paused["state"], paused["why"]) == ("paused", "paused by key environment")
    assert why() == "Not yet: the broadcast b is paused."
    station.pass_time(2 * HOUR)
    assert station.get(place)["broadcast"]["considered"] == 0
    assert station.post(f"{place}/resume", None)["state"] != "paused"
    station.harken.settle()
    running = station.get(place)["broadcast"]
    assert (running["state"], running["considered"], running["seconds_left"]) == ("running", 1, 2)
    told = sorted(why(f"u{number}") for number in (1, 2, 3))
    assert told[1:] == ["Not yet: the broadcast b is under way, and their turn is to come."] * 2
    assert running["estimate"] == "about 2 s at 1 customers a second"
    stopped = station.post(f"{place}/stop", {"cancel_messages": True})
    assert (stopped["state"], stopped["entered"]) == ("stopped", 1)
    refused = station.ask("POST", f"/api/v1{place}/resume")
    assert refused.status_code == 409
    assert "is stopped" in refused.text


def test_what_a_schedule_plans_is_there_too(station: Shop) -> None:
    (one,) = station.get("/broadcasts?journey=weekly")["broadcasts"]
    assert (one["state"], one["occurrence"], one["local_time"]) == (
        "planned", "2026-03-09T09:00", True,
    )  # fmt: skip
    assert (one["due"], one["last"]) == ("2026-03-08T19:00:00.000Z", "2026-03-09T21:00:00.000Z")
    assert station.get("/broadcasts?state=done")["broadcasts"] == []
    station.pass_time(6 * 24 * HOUR + 17 * HOUR)
    one = station.get(f"/broadcasts/{one['id']}")["broadcast"]
    assert (one["state"], one["seconds_left"]) == ("running", None)
    assert one["estimate"].startswith("the next zones are due at 2026-03-08 2")


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/journeys/nows/broadcasts", {"segment": "koreans"}, 404, "did you mean `news`"),
        ("/journeys/weekly/broadcasts", {"segment": "koreans"}, 409, "entered by its schedule"),
        ("/journeys/news/broadcasts", {}, 400, "give `segment` or `rule`"),
        ("/journeys/news/broadcasts", {"segment": "k", "rule": {}}, 400, "one of the two"),
        ("/journeys/news/broadcasts", {"segment": "k"}, 404, "no segment 'k'"),
        ("/journeys/news/broadcasts", {"rule": {"did": 1}}, 422, "$.rule.did"),
        ("/journeys/news/broadcasts", {"segment": "koreans", "per_second": 0}, 400, ">= 1"),
        ("/journeys/news/broadcasts", {"segment": "koreans", "at": "soon"}, 400, "is no time"),
        ("/journeys/news/broadcasts", {"segment": "koreans", "at": "2020-01-01"}, 400, "is past"),
        ("/journeys/news/broadcasts", {"segment": "koreans", "att": 1}, 400, "att"),
        (
            "/journeys/news/broadcasts",
            {"segment": "koreans", "properties": {"x": "y" * 40_000}},
            400,
            "more than 32768 bytes",
        ),
        ("/broadcasts/none/stop", {}, 404, "no broadcast 'none'"),
    ],
)
def test_refused(station: Shop, path: str, body: Any, status: int, said: str) -> None:
    answer = station.ask("POST", f"/api/v1{path}", json=body)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"schedule": "tomorrow"}, "$.entry.schedule: 'tomorrow' is no date"),
        ({"schedule": "1914-01-01T10:00"}, "must lie in the years 2000 to 2999"),
        ({"schedule": {"rrule": "FREQ=WEEKLY"}}, "starts_at"),
        ({"schedule": {"rrule": "EVERY=DAY", "starts_at": "2026-01-01T09:00"}}, "RFC 5545"),
        (
            {"schedule": {"rrule": "FREQ=MINUTELY", "starts_at": "2026-01-01T09:00"}},
            "once an hour at most",
        ),
        (
            {"schedule": {"rrule": "FREQ=HOURLY;BYMINUTE=0,30", "starts_at": "2026-01-01T09:00"}},
            "once an hour at most",
        ),
        (
            {"schedule": {"rrule": "FREQ=DAILY;BYSECOND=30", "starts_at": "2026-01-01T09:00"}},
            "leave out BYSECOND",
        ),
        (
            {"schedule": {"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
                          "starts_at": "2026-01-01T09:00"}},
            "it never comes round",
        ),
        (
            {"schedule": {"rrule": "FREQ=DAILY;UNTIL=20260301T000000Z",
                          "starts_at": "2026-01-01T09:00"}},
            "UNTIL is a local time here, as `starts_at` is: leave out its Z",
        ),
        ({"schedule": "2026-12-01T10:00", "audience": None}, "say whom it goes to"),
        ({"schedule": "2026-12-01T10:00", "per_second": 0}, "must be 1 to"),
        ({"schedule": "2026-12-01T10:00", "zone": "moon"}, "`workspace` or `recipient`"),
        ({"schedule": "2026-12-01T10:00", "key": "cart"}, "only `occurrence` tells runs apart"),
        (
            {"schedule": "2026-12-01T10:00", "audience": {"event_property": "x", "equals": 1}},
            "a schedule has no triggering event",
        ),
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be(station: Shop, entry: dict[str, Any], fault: str) -> None:
    entry = {"audience": {"reachable": "email"}, **entry}
    entry = {name: value for name, value in entry.items() if value is not None}
    journey = {**NEWS, "entry": entry}
    body = {"workspace": {}, "journeys": {"news": {"source": journey}}, "segments": {}}
    answer = station.post("/definitions/check", body)
    faults = [f"{one['path']}: {one['problem']}" for one in answer["faults"]]
    assert not answer["ok"]
    assert any(fault in one for one in faults), faults


def test_a_recurring_one_that_reaches_everybody_once_is_warned_of(station: Shop) -> None:
    source = {**WEEKLY, "entry": {**WEEKLY["entry"], "reentry": "never"}}  # type: ignore[dict-item]
    body = {
        "workspace": {},
        "journeys": {"weekly": {"source": source}},
        "segments": {"koreans": KOREANS},
    }
    answer = station.post("/definitions/check", body)
    assert answer["ok"]
    assert "say `reentry: always`" in str(answer["faults"])


LEFT_OUT = "it is past 2026-03-02T10:00 in some zones already, so it begins with 2026-03-03T10:00"


@pytest.mark.parametrize(
    ("zone", "starts_at", "told"),
    [
        ("recipient", "2026-03-02T10:00", LEFT_OUT),
        ("recipient", "2026-03-03T18:00", ""),
        ("workspace", "2026-03-02T10:00", ""),
    ],
)  # fmt: skip
def test_a_day_that_has_begun_somewhere_is_warned_of(
    station: Shop, zone: str, starts_at: str, told: str
) -> None:
    """Whoever lives where the time is past would be left out: all begin with the next one."""
    entry = {
        "schedule": {"rrule": "FREQ=DAILY", "starts_at": starts_at},
        "zone": zone,
        "audience": {"reachable": "email"},
        "reentry": "always",
    }
    body = {**PROJECT, "journeys": {"daily": {"source": {**NEWS, "journey": "daily",
                                                         "entry": entry}}}}  # fmt: skip
    faults = station.post("/definitions/check", body)["faults"]
    assert [f["problem"] for f in faults if f["path"] == "$.entry.schedule"] == (
        [told] * bool(told)
    )


def test_one_that_is_stopped_says_that_zones_were_left_out(station: Shop) -> None:
    [weekly] = station.get("/broadcasts?journey=weekly")["broadcasts"]
    stopped = station.post(f"/broadcasts/{weekly['id']}/stop", {})
    assert (stopped["state"], stopped["seconds_left"]) == ("stopped", 0)
    until = weekly["last"][:16].replace("T", " ")
    said = f"zones due after it was stopped, until {until} UTC, get nothing"
    assert stopped["estimate"] == said
    assert station.get(f"/broadcasts/{weekly['id']}")["broadcast"]["estimate"] == said
