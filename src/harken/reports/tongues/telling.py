"""Sentences of a language filled in with what a decision or a message knows.

The tables are shorter than English: they leave out what only an operator wants to know (the rules
as written, a server's words). What no table has is told in English.
"""

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time

from harken.clock import to_datetime
from harken.effects import Decision
from harken.reports.doings import named
from harken.reports.nothing import Nothing
from harken.reports.reasons import conditions
from harken.reports.refusals import refused_by
from harken.reports.tongues import indonesian, korean
from harken.reports.words import apart, value
from harken.store.base import LedgerRow
from harken.values import UNITS, Duration

TONGUES: dict[str, ModuleType] = {"ko": korean, "id": indonesian}
LANGUAGES = ("en", *TONGUES)
TIMES = ("entered_at", "again_at", "starts_at", "ends_at", "expires_at", "since")
PLAIN = ("key", "in_flight", "depth", "allowed", "local", "split", "address", "way", "pool", "code",
         "from", "to", "best", "percent")  # fmt: skip
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")


class Tongue:
    """One language and zone."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self.language, self.zone = language, zone
        self._table = TONGUES[language]

    def when(self, at: int) -> str:
        """A day and a time in words."""
        date = format_date(to_datetime(at, self.zone), "long", locale=self.language)
        return str(self._table.DATE.format(date=date, clock=self._clock(at)))

    def moment(self, at: int, beside: int) -> str:
        """A time, and its day when that is another than that of `beside`."""
        day = to_datetime(at, self.zone).date() == to_datetime(beside, self.zone).date()
        return self._clock(at) if day else self.when(at)

    def _clock(self, at: int) -> str:
        time = to_datetime(at, self.zone).time()
        return str(format_time(time, self._table.CLOCK, locale=self.language))

    def say(self, key: str, values: Mapping[str, Any]) -> str:
        """The sentence of a key. Raises KeyError when there is none, or a value is missing."""
        return _filled(self._table.SENTENCES[key], values)

    def decision(self, decision: Decision) -> str:
        """A decision in a sentence. Raises KeyError for one that the tables do not know."""
        known = {**self._values(decision), "step": decision.step}
        outcome, reason = decision.outcome, decision.reason
        match outcome:
            case "ended":
                return self.say(f"end.{reason}", known)
            case "took":
                return self.say(_way_key(decision), known)
            case "entered" | "passed":
                return self.say(outcome, known)
        return self.say(outcome, {**known, "why": self.say(f"why.{reason}", known)})

    def message(self, row: LedgerRow, what: str) -> str:
        """What became of a message. Raises KeyError likewise."""
        known = {"step": row.step, "address": row.address, "attempts": row.attempts}
        if row.variant and row.variant != "default":
            known["variant"] = row.variant
        if row.reason:
            known["reason"] = row.reason
        if row.not_before:
            known["not_before"] = self.moment(row.not_before, row.queued_at)
        if what == "failed" and (by := refused_by(row)):
            return self.say("refused", {**known, "by": by})
        return self.say(what, known)

    def nothing(self, found: Nothing) -> str:
        """That nothing was decided, and what is known of it. Raises KeyError likewise."""
        times = {name: self.when(at) for name, at in found.times.items()}
        return self.say(f"nothing.{found.key}", {**found.names, **times, "count": found.count})

    def _values(self, decision: Decision) -> dict[str, Any]:
        facts, now = decision.facts, decision.at
        known = {name: value(facts[name]) for name in PLAIN if facts.get(name) is not None}
        known |= {
            name: self.moment(facts[name], now)
            for name in TIMES
            # Nothing ends at 0: a coupon without an end says so.
            if isinstance(facts.get(name), int) and facts[name]
        }
        if isinstance(facts.get("expires_at"), str):
            known["expires_at"] = facts["expires_at"]
        if isinstance(facts.get("since"), int):
            known["since_day"] = self.when(facts["since"])
        if isinstance(facts.get("at"), int):
            known["happened"] = self.moment(facts["at"], now)
        if decision.until:
            known["until"] = self.moment(decision.until, now)
        if event := facts.get("event"):
            known["doing"] = self._doing(str(event), facts.get("properties") or {})
        said = named(str(facts.get("event")))
        held = [(_name(one["rule"]), one.get("value")) for one in conditions(facts)]
        if texts := [f"{name} {apart(seen)}" for name, seen in held if name not in said]:
            known["seen" if decision.outcome == "entered" else "unmet"] = ", ".join(texts)
        return known | self._cap(facts, now)

    def _doing(self, event: str, properties: Mapping[str, Any]) -> str:
        table: dict[str, str] = self._table.DOINGS
        told = {name: value(one) for name, one in properties.items()}
        return _filled(table.get(event, table[""]), {**told, "event": event})

    def _cap(self, facts: Mapping[str, Any], now: int) -> dict[str, Any]:
        cap = facts.get("cap")
        if not isinstance(cap, dict):
            return {}
        known = {"at_most": cap["at_most"], "per": self._per(cap["per"])}
        if cap.get("tag"):
            known["tag"] = cap["tag"]
        for name in ("won", "rivals"):
            if steps := [f"{one['step']} ({one['journey']})" for one in facts.get(name) or []]:
                known[name] = ", ".join(steps)
        if sent := [one[1] for one in facts.get("sent") or [] if isinstance(one, list | tuple)]:
            known["sent"] = ", ".join(self.moment(at, now) for at in sent)
        return known

    def _per(self, per: Any) -> str:
        units: dict[str, str] = self._table.UNITS
        if per in units:
            return units[per]
        length = Duration.parse(per) if isinstance(per, str) else int(per)
        unit = next((one for one in ("w", "d", "h", "m") if length % UNITS[one] == 0), "s")
        n = length // UNITS[unit]
        return units.get(f"{n}{unit}", units[unit]).format(n=n)


ALONE = ("split", "moved", "done_already", "best_hour")
"""What a run took that has a sentence of its own."""


def _way_key(decision: Decision) -> str:
    facts, reason = decision.facts, decision.reason
    if reason == "wait_for":
        return "took.wait_for" if facts.get("event") or facts.get("said") else "took.timeout"
    if reason == "coupon":
        return {"issued": "took.coupon", "released": "took.released"}.get(facts["way"], "took")
    return f"took.{reason}" if reason in ALONE else "took"


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """A template with its values, and without the brackets that lack one."""

    def part(found: re.Match[str]) -> str:
        names = re.findall(r"\{(\w+)\}", found[1])
        return found[1] if all(name in values for name in names) else ""

    return _OPTIONAL.sub(part, template).format_map(values)


def _name(rule: str) -> str:
    """What a condition is about: `cart_value is at least 100` asks of `cart_value`."""
    return rule.partition(" is ")[0]
