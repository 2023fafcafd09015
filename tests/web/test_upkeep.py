"""What retention no longer wants is let go; when customers open is found out."""

import copy
from typing import Any

import pytest
from web_kit import PROJECT, Shop

from harken.clock import DAY, HOUR
from harken.inputs import Feedback
from harken.running.serve import find_out, tidy


def opened(shop: Shop, user: str, times: int, **fields: Any) -> None:
    profile = int(shop.get(f"/people/{user}")["profile_id"])
    commands = [
        (profile, Feedback(f"m{number}", "opened", shop.clock.now(), **fields))
        for number in range(times)
    ]
    shop.services.collector.append_commands(commands).result()
    shop.harken.settle()


def found_hours(shop: Shop) -> dict[int, int]:
    hours = shop.harken.engine.definitions.findings.hours
    return {hour: count for hour, count in enumerate(hours) if count}


def names(shop: Shop) -> list[str]:
    return [line["name"] for line in shop.get("/people/u1/timeline")["timeline"]]


@pytest.mark.parametrize(("retention", "kept"), [({}, True), ({"history": "40d"}, False)])
def test_history_is_kept_as_long_as_the_workspace_says(
    shop: Shop, retention: dict[str, Any], *, kept: bool
) -> None:
    project = copy.deepcopy(PROJECT)
    project["workspace"]["retention"] = retention
    shop.apply(project)
    shop.customer()
    shop.send("track", userId="u1", event="Old")
    shop.pass_time(40 * DAY)
    shop.send("track", userId="u1", event="New")
    tidy(shop.services)
    assert ("Old" in names(shop)) is True, "it happened on the fortieth day back"
    shop.pass_time(20 * HOUR)
    tidy(shop.services)
    shop.pass_time(4 * HOUR)
    tidy(shop.services)
    assert ("Old" in names(shop)) == kept
    assert "New" in names(shop)
    assert shop.get("/people/u1")["events"]["Old"]["count"] == 1


def test_the_best_hour_of_a_customer_and_whose_it_is(shop: Shop) -> None:
    """It is 03:00 in UTC, and noon in Seoul, where the workspace is."""
    shop.apply()
    shop.customer("u1")
    shop.customer("u2")
    none = {"hour": "10:00", "whose": "setting", "opens": 0, "counts": []}
    assert shop.get("/people/u1")["best_hour"] == none
    opened(shop, "u1", 60)
    own = shop.get("/people/u1")["best_hour"]
    assert (own["hour"], own["whose"], own["opens"]) == ("12:00", "own", 60)
    assert own["counts"] == [0] * 12 + [60] + [0] * 11
    find_out(shop.services)
    shop.harken.settle()
    of_all = {"hour": "12:00", "whose": "all", "opens": 60, "counts": []}
    assert shop.get("/people/u2")["best_hour"] == of_all


def test_when_customers_open_is_found_out_once_a_day(shop: Shop) -> None:
    """It is 03:00 in UTC, and noon in Seoul, where the workspace is."""
    shop.apply()
    find_out(shop.services)
    assert found_hours(shop) == {}, "nobody has opened anything"
    for user, traits in (
        ("u1", {"timezone": "America/New_York"}),
        ("u2", {"country": "KR"}),
        ("u3", {"timezone": "Asia/Kathmandu"}),
        ("u4", {}),
    ):
        shop.customer(user, **traits)
    for user, times in (("u1", 4), ("u2", 3), ("u3", 2), ("u4", 1)):
        opened(shop, user, times)
    opened(shop, "u1", 9, machine=True)
    find_out(shop.services)
    shop.harken.settle()
    assert found_hours(shop) == {22: 4, 12: 4, 8: 2}
    opened(shop, "u4", 5)
    find_out(shop.services)
    shop.harken.settle()
    assert found_hours(shop) == {22: 4, 12: 4, 8: 2}, "once a day is enough"
    shop.pass_time(DAY)
    find_out(shop.services)
    shop.harken.settle()
    assert found_hours(shop) == {22: 4, 12: 9, 8: 2}
    shop.pass_time(30 * DAY)
    find_out(shop.services)
    shop.harken.settle()
    assert found_hours(shop) == {}, "it was too long ago"
