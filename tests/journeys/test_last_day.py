"""Until when a schedule comes round."""

from zoneinfo import ZoneInfo

import pytest

from harken.files.reader import read
from harken.journeys.entries import ScheduleEntry
from harken.journeys.occurrences import following, rule_problem


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20260103", "2026-01-03T09:00"),
        ("2026-01-03", "2026-01-03T09:00"),
        ("20260103T090000", "2026-01-03T09:00"),
        ("20260103T085959", "2026-01-02T09:00"),
    ],
)
def test_the_day_that_a_rule_ends_on_is_the_last_of_it(until: str, last: str) -> None:
    schedule = {"rrule": f"FREQ=DAILY;UNTIL={until}", "starts_at": "2026-01-01T09:00"}
    entry, seoul = read({"schedule": schedule}, ScheduleEntry), ZoneInfo("Asia/Seoul")
    assert rule_problem(entry.schedule) == ""  # type: ignore[arg-type]
    found = [""]
    while (next_one := following(entry, seoul, since=0, after=found[-1])) is not None:
        found.append(next_one[0])
    assert found[-1] == last
