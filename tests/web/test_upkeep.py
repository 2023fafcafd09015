"""What retention no longer wants is let go."""

import copy
from typing import Any

import pytest
from web_kit import PROJECT, Shop

from harken.clock import DAY, HOUR
from harken.serve import tidy


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
