"""Small values that definitions are written in: durations, times of day, local times.

Each has `parse(text)`, which raises ValueError with what would be right, and `schema`, its JSON
Schema for editors. `files.reader` knows them by that. Names stay plain `str`: they travel on into
documents and rows, and MessagePack takes no subclasses.
"""

import re
from datetime import datetime
from difflib import get_close_matches
from typing import Any, ClassVar, Self, cast
from zoneinfo import ZoneInfo, available_timezones

from harken import clock

UNITS = {"s": clock.SECOND, "m": clock.MINUTE, "h": clock.HOUR, "d": clock.DAY, "w": 7 * clock.DAY}
LONGEST = 3660 * clock.DAY


class Duration(int):
    """A length of time in milliseconds, written `30m`, `1d12h`, `2w`."""

    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^([0-9]+(\.[0-9]+)?[smhdw])+$",
        "examples": ["30s", "30m", "1h30m", "3d", "2w"],
    }

    @classmethod
    def parse(cls, text: object) -> Self:
        wanted = "write a duration as a number and a unit (s, m, h, d, w): 30m, 1d12h"
        if not isinstance(text, str) or not re.fullmatch(r"(\d+(\.\d+)?[smhdw])+", text):
            raise ValueError(f"{text!r} is no duration; {wanted}")
        total = sum(
            float(number) * UNITS[unit]
            for number, unit in re.findall(r"(\d+(?:\.\d+)?)([smhdw])", text)
        )
        if total > LONGEST:
            raise ValueError(f"{text!r} is longer than ten years")
        return cls(int(total))

    def __str__(self) -> str:
        rest, parts = int(self), []
        for unit in ("d", "h", "m", "s"):
            count, rest = divmod(rest, UNITS[unit])
            if count:
                parts.append(f"{count}{unit}")
        if rest:
            parts.append(f"{rest / 1000:g}s")
        return "".join(parts) or "0s"


class TimeOfDay(int):
    """A local time of day in minutes after midnight, written `"09:00"`; `24:00` is its end."""

    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^([01]?[0-9]|2[0-4]):[0-5][0-9]$",
        "examples": ["09:00", "21:30"],
    }

    @classmethod
    def parse(cls, text: object) -> Self:
        found = re.fullmatch(r"(\d{1,2}):(\d\d)", text) if isinstance(text, str) else None
        minutes = int(found[1]) * 60 + int(found[2]) if found else -1
        if not found or minutes > 24 * 60 or int(found[2]) > 59:
            raise ValueError(f'{text!r} is no time of day; write it quoted, "09:00" to "24:00"')
        return cls(minutes)

    def __str__(self) -> str:
        return f"{self // 60:02d}:{self % 60:02d}"


class LocalDateTime(str):
    """A wall-clock date and time in the workspace's zone, written `2026-01-01T00:00`."""

    __slots__ = ()
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "examples": ["2026-01-01T00:00", "2026-01-01"],
    }

    @classmethod
    def parse(cls, text: object) -> Self:
        wanted = "write a local date and time without a zone: 2026-01-01T00:00"
        if not isinstance(text, str):
            raise ValueError(f"{text!r} is no date; {wanted}")
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is no date; {wanted}") from None
        if at.tzinfo is not None:
            raise ValueError(f"{text!r} has a zone; {wanted}")
        return cls(text)

    def instant(self, zone: ZoneInfo) -> int:
        """The moment at which a clock in `zone` shows this time, in milliseconds."""
        return clock.from_local(datetime.fromisoformat(self), zone)


class ZoneName(str):
    """An IANA time zone name, such as `Asia/Seoul`."""

    __slots__ = ()
    schema: ClassVar[dict[str, Any]] = {"type": "string", "examples": ["Asia/Seoul", "UTC"]}

    @classmethod
    def parse(cls, text: object) -> Self:
        if not isinstance(text, str) or zone(text) is None:
            near = _nearest_zone(text)
            wanted = f"did you mean `{near}`?" if near else "write one such as Asia/Seoul"
            raise ValueError(f"{text!r} is no IANA time zone; {wanted}")
        return cast(Self, text)


class Name(str):
    """A short name for a definition: letters, digits, `-`, `_`, `.`; at most 64."""

    __slots__ = ()
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
    }

    @classmethod
    def parse(cls, text: object) -> Self:
        if not isinstance(text, str) or not re.fullmatch(cls.schema["pattern"], text):
            raise ValueError(
                f"{text!r} is no name; use letters, digits, '-', '_' and '.', 64 at most"
            )
        return cast(Self, text)


_ZONES: dict[str, ZoneInfo | None] = {}
_KNOWN_ZONES: set[str] = set()


def zone(name: object) -> ZoneInfo | None:
    """The IANA zone of that name, or None. Never reads a path that the name might spell."""
    if not isinstance(name, str):
        return None
    if name not in _ZONES:
        if not _KNOWN_ZONES:
            _KNOWN_ZONES.update(available_timezones())
        if name not in _KNOWN_ZONES:
            return None
        _ZONES[name] = ZoneInfo(name)
    return _ZONES[name]


def _nearest_zone(text: object) -> str:
    """The zone that a wrong name may have meant, by its whole name or its city, or empty."""
    if not isinstance(text, str):
        return ""
    known: dict[str, str] = {}
    for name in sorted(name for name in available_timezones() if "/" in name):
        known.setdefault(name.lower(), name)
        known.setdefault(name.rpartition("/")[2].lower(), name)
    found = get_close_matches(text[:100].lower().replace(" ", "_"), known, n=1, cutoff=0.75)
    return known[found[0]] if found else ""
