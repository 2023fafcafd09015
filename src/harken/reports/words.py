"""Times, lengths of time, values and conditions in words."""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from harken.clock import to_datetime
from harken.values import UNITS, Duration

UNIT_NAMES = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}
LONGEST_VALUE = 80


class Words:
    """Says things in one time zone, which it names."""

    def __init__(self, zone: ZoneInfo, *, seconds: bool = False) -> None:
        self.zone = zone
        self._clock = "%H:%M:%S" if seconds else "%H:%M"

    def on(self, at: int) -> str:
        """`On 3 March 2026 at 14:05 (Asia/Seoul)`."""
        return f"On {self.when(at)} ({self.zone.key})"

    def when(self, at: int) -> str:
        """`3 March 2026 at 14:05`."""
        return f"{self.date(at)} at {self.clock(at)}"

    def moment(self, at: int, beside: int) -> str:
        """`14:05`, and the date too when it is another day than that of `beside`."""
        if self.date(at) == self.date(beside):
            return self.clock(at)
        return f"{self.clock(at)} on {self.date(at)}"

    def date(self, at: int) -> str:
        local = to_datetime(at, self.zone)
        return f"{local.day} {local:%B} {local.year}"

    def clock(self, at: int) -> str:
        return to_datetime(at, self.zone).strftime(self._clock)


def length(per: object) -> str:
    """`1 day`, `90 minutes`; of milliseconds or a duration as written. Else as it stands."""
    if isinstance(per, str):
        try:
            per = Duration.parse(per)
        except ValueError:
            return f"a {per}"
    if not isinstance(per, int) or isinstance(per, bool) or per <= 0:
        return str(per)
    for unit in ("w", "d", "h", "m"):
        if per % UNITS[unit] == 0:
            return counted(per // UNITS[unit], UNIT_NAMES[unit])
    return counted(f"{per / 1000:g}", "second")


def counted(count: int | str, thing: str) -> str:
    """`1 day`, `2 days`."""
    return f"{count} {thing}" if str(count) == "1" else f"{count} {thing}s"


def value(found: Any) -> str:
    """A value as a reader would write it."""
    if found is None:
        return "not known"
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float) and found.is_integer() and abs(found) < 2**53:
        return str(int(found))
    if isinstance(found, list | tuple):
        return shortened(", ".join(value(part) for part in found) or "nothing")
    if isinstance(found, dict):
        said = [f"{name} {value(part)}" for name, part in found.items() if part != ""]
        return shortened(", ".join(said) or "nothing")
    return shortened(str(found))


def apart(found: Any) -> str:
    """A value, in quotes when it is a text that would be taken for a number, true, false or none
    at all."""
    said = value(found)
    if isinstance(found, str):
        if not found:
            return '""'
        try:
            taken = msgspec.json.decode(found)
        except msgspec.DecodeError:
            return said
        return f'"{said}"' if isinstance(taken, bool | int | float) else said
    return said


def capital(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def condition(failed: Any) -> str:
    """A condition that did not hold and the value it saw: `cart_value was 50 (at least 100 was
    asked)`. Takes `{"rule": words, "value": seen}` of `segments.explain`.
    """
    if not isinstance(failed, dict) or "rule" not in failed:
        return value(failed)
    rule, seen = str(failed["rule"]), value(failed.get("value"))
    name, _, asked = rule.partition(" is ")
    if (quoted := apart(failed.get("value"))) != seen:
        return _said(rule, f"the text {quoted}")
    # What was seen is what was asked for: so one is a text, and the other is not.
    return f"{name} was {seen}, which is no text" if asked == seen else _said(rule, seen)


def met(held: Any) -> str:
    """A condition that did hold: `cart_value 250 (at least 100 was asked)`."""
    said = _said(str(held["rule"]), value(held.get("value")))
    return said.replace(" was ", " ", 1)


def _said(rule: str, seen: str) -> str:
    name, found, asked = rule.partition(" is ")
    if asked == "known":
        return f"{name} was {seen}"
    if found and not rule.startswith(("did ", "not ")):
        if asked == seen:
            return f"{name} was {seen}"
        return f"{name} was {seen} ({asked.replace(' and is ', ' and ')} was asked)"
    return f'"{rule}" was asked (it was {seen})'


def joined(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
