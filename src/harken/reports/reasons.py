"""A decision as a clause in plain words: one small function a reason code.

A code that is not in the table (a policy pack's, or one of a later version) is still said, from
its gate, its name and its facts.
"""

from typing import Any

from msgspec.structs import replace

from harken.channels.table import called
from harken.effects import Decision
from harken.reports import refusals
from harken.reports.doings import doing, named
from harken.reports.refusals import Clause
from harken.reports.ways import (
    cause,
    chain_too_long,
    machine,
    no_coupon,
    not_by_hand,
    not_selected,
    occasion,
    time_passed,
    took,
    unknown_journey,
)
from harken.reports.words import Words, condition, joined, length, met, value


def clause(decision: Decision, words: Words) -> str:
    """What was decided, without its time: `they entered, because of ...`."""
    try:
        return OUTCOMES[decision.outcome](decision, words)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        # Facts of another shape than is known here must not keep the rest from being told.
        return _unknown(decision)


def entered(decision: Decision, words: Words) -> str:
    facts = decision.facts
    text, event = "they entered", facts.get("event")
    if because := cause(facts):
        said = named(str(event))
        held = [one for one in conditions(facts) if one["rule"].partition(" is ")[0] not in said]
        text += f", {because}" + (f" with {joined([met(part) for part in held])}" if held else "")
    elif event:
        text += f", because of the event {event}"
        if held := conditions(facts):
            text += f" with {joined([met(part) for part in held])}"
        elif shown := facts.get("properties"):
            text += f" with {value(shown)}"
    if facts.get("control"):
        text += ", as a member of the control group"
    return text


def not_entered(decision: Decision, words: Words) -> str:
    lead = f"they did not enter {occasion(decision.facts)}".rstrip()
    return f"{lead}, because {_reason(NOT_ENTERED, decision, words)}"


def ended(decision: Decision, words: Words) -> str:
    return _reason(ENDED, decision, words)


def passed(decision: Decision, words: Words) -> str:
    return f"{message(decision)} passed every gate and was queued{_chain(decision, words)}"


def _chain(decision: Decision, words: Words) -> str:
    """By which of several channels, and why not by those before it."""
    facts = decision.facts
    if "passed_over" not in facts:
        return ""
    over = [
        f"not by {called(one['channel'])}, because {_passed_over(decision, one, words)}"
        for one in facts["passed_over"]
    ]
    return "; ".join([f", by {called(facts['channel'])}", *over])


def _passed_over(decision: Decision, one: dict[str, Any], words: Words) -> str:
    said = replace(decision, gate="", reason=one["reason"], facts=one.get("facts") or {})
    return _reason(BLOCKED, said, words)


def held(decision: Decision, words: Words) -> str:
    until = f" until {words.moment(decision.until, decision.at)}" if decision.until else ""
    link = ", because" if decision.reason in BLOCKED.keys() - HOLDERS else " by"
    why = _reason(BLOCKED, decision, words)
    return f"{message(decision)} was held{link} {why}{until}{_chain(decision, words)}"


def dropped(decision: Decision, words: Words) -> str:
    why = f"{_reason(BLOCKED, decision, words)}{_chain(decision, words)}"
    fell = "it fell into " if decision.reason in HOURS else ""
    return f"{message(decision)} was not sent: {fell}{why}"


def control(decision: Decision, words: Words) -> str:
    why = _reason(BLOCKED, decision, words)
    if pool := decision.facts.get("pool"):
        return f"a coupon of {pool} would have been given to them at {decision.step}, but {why}"
    return f"{message(decision)} would have been sent{_chain(decision, words)}, but {why}"


def message(decision: Decision) -> str:
    """`the message nudge`."""
    return f"the message {decision.step}" if decision.step else "the message"


def conditions(facts: dict[str, Any]) -> list[Any]:
    """The `{"rule", "value"}` pairs among the facts, under whatever name they stand."""
    for found in facts.values():
        if isinstance(found, list) and found and all(_is_condition(part) for part in found):
            return found
    return []


def _is_condition(found: Any) -> bool:
    return isinstance(found, dict) and "rule" in found


def _reason(table: dict[str, Clause], decision: Decision, words: Words) -> str:
    tell = table.get(decision.reason)
    return tell(decision, words) if tell else _by_name(decision)


def _by_name(decision: Decision) -> str:
    """`the gate pace (some reason; a 1, b 2)`, of a reason that no table knows."""
    reason = decision.reason.replace("_", " ")
    lead = f"the gate {decision.gate} ({reason or 'no reason given'}" if decision.gate else reason
    facts = value(decision.facts) if decision.facts else ""
    if decision.gate:
        return f"{lead}; {facts})" if facts else f"{lead})"
    return f"{lead or 'of no reason given'} ({facts})" if facts else lead or "of no reason given"


def _unknown(decision: Decision) -> str:
    outcome = decision.outcome.replace("_", " ")
    what = message(decision) if decision.step else "the journey"
    return f"{what}: {outcome}, by {_by_name(decision)}"


# Who enters, and who does not.


def _where(decision: Decision, words: Words) -> str:
    found = conditions(decision.facts)
    return joined([condition(part) for part in found]) if found else "its properties did not match"


def _audience(decision: Decision, words: Words) -> str:
    found = conditions(decision.facts)
    text = "they were not in the audience"
    return f"{text}: {joined([condition(part) for part in found])}" if found else text


def _reentry(decision: Decision, words: Words) -> str:
    facts = decision.facts
    text = "they had entered before"
    if key := facts.get("key"):
        text += f" for {value(key)}"
    if last := facts.get("entered_at"):
        text += f", at {words.moment(last, decision.at)}"
    if again := facts.get("again_at"):
        return f"{text}, and may enter again from {words.moment(again, decision.at)}"
    return f"{text}, and may enter only once"


def _late(decision: Decision, words: Words) -> str:
    facts = decision.facts
    text = "the event came too late to start a journey"
    if happened := facts.get("at"):
        text += f": it had happened at {words.moment(happened, decision.at)}"
    if limit := facts.get("late_after"):
        text += f" (at most {length(limit)} is allowed)"
    return text


def _imported(decision: Decision, words: Words) -> str:
    return "the event was imported, and imported events start no journey"


def _not_started(decision: Decision, words: Words) -> str:
    return "the journey had not started" + _dated(decision, words, "starts_at", "it starts")


def _over(decision: Decision, words: Words) -> str:
    return "the journey had ended" + _dated(decision, words, "ends_at", "it ended")


def _paused(decision: Decision, words: Words) -> str:
    return "the journey was paused"


def _already_in(decision: Decision, words: Words) -> str:
    key = decision.facts.get("key")
    return f"they were in it already (for {value(key)})" if key else "they were in it already"


def _too_many_runs(decision: Decision, words: Words) -> str:
    in_flight = decision.facts.get("in_flight")
    return f"they were in it {in_flight} times at once, and more are not begun"


def _warming(decision: Decision, words: Words) -> str:
    return "what its rules ask about the time before was still being worked out"


def _archived(decision: Decision, words: Words) -> str:
    return "the journey is no longer among the files"


def _no_key(decision: Decision, words: Words) -> str:
    return f"the event had no {decision.facts.get('key') or 'key'}, which tells runs apart"


def _dated(decision: Decision, words: Words, name: str, lead: str) -> str:
    at = decision.facts.get(name)
    return f" ({lead} at {words.moment(at, decision.at)})" if at else ""


# What ends a run.


def _exception(decision: Decision, words: Words) -> str:
    event, happened = decision.facts.get("event", "an exception event"), decision.facts.get("at")
    did = doing(event, {})
    text = f"they left the journey because {f'they {did}' if did else f'of {event}'}"
    return f"{text} at {words.moment(happened, decision.at)}" if happened else text


def _left(why: str) -> Clause:
    def tell(decision: Decision, words: Words) -> str:
        found = conditions(decision.facts)
        rule = decision.facts.get("rule")
        if event := decision.facts.get("event"):
            did = doing(event, {})
            return f"{why}, when they {did}" if did else f"{why}, on the event {event}"
        if found:
            return f"{why}: {joined([met(part) for part in found])}"
        return f"{why}: {rule}" if rule else why

    return tell


def _not_live(decision: Decision, words: Words) -> str:
    return "the journey was not live any more"


def _too_late(decision: Decision, words: Words) -> str:
    text = "it could not leave in time"
    if at := decision.facts.get("expires_at"):
        text += f": it was to be given up at {words.moment(at, decision.at)}"
    return text + _held_by(decision, words)


def _ended_before(decision: Decision, words: Words) -> str:
    ends_at = decision.facts.get("ends_at")
    if not decision.facts.get("held_by") or not ends_at:
        return _over(decision, words)
    end = words.moment(ends_at, decision.at)
    return f"the journey ends at {end}{_held_by(decision, words)}"


def _held_by(decision: Decision, words: Words) -> str:
    by, until = decision.facts.get("held_by"), decision.facts.get("until")
    if not by or not until:
        return ""
    return f", and {str(by).replace('_', ' ')} held it until {words.moment(until, decision.at)}"


NOT_ENTERED: dict[str, Clause] = {
    "where": _where,
    "audience": _audience,
    "reentry": _reentry,
    "late": _late,
    "imported": _imported,
    "machine": machine,
    "not_started": _not_started,
    "ended": _over,
    "paused": _paused,
    "already_in": _already_in,
    "too_many_runs": _too_many_runs,
    "no_key": _no_key,
    "warming": _warming,
    "archived": _archived,
    "not_by_hand": not_by_hand,
    "unknown_journey": unknown_journey,
    "chain_too_long": chain_too_long,
    "time_passed": time_passed,
    "not_selected": not_selected,
}
ENDED: dict[str, Clause] = {
    "exception": _exception,
    "exit": _left("they left the journey at an exit step"),
    "exit_when": _left("they left the journey because its exit rule held"),
    "no_coupon": no_coupon,
    "completed": _left("they came to the end of the journey"),
    "merged": _left("the run ended, because they were already in the journey as another profile"),
    "archived": _left("the run ended, because the journey was archived"),
    "broadcast_stopped": _left("the run ended, because its broadcast was stopped"),
    "ended": _left("the run ended, because the journey had ended"),
}
HOURS = frozenset({"quiet_hours", "sending_hours", "step_sending_hours"})
HOLDERS = HOURS | {"ad_hours", "frequency_cap"}
"""Reasons that are said as a thing: a message is held *by* them."""
BLOCKED: dict[str, Clause] = {
    "journey_not_live": _not_live,
    "journey_not_started": _not_started,
    "journey_ended": _ended_before,
    "expired": _too_late,
    "audience": _audience,
    "global_control": refusals.control,
    "journey_control": refusals.control,
    "split_control": refusals.split_control,
    "no_address": refusals.no_address,
    "bad_address": refusals.bad_address,
    "unreachable": refusals.unreachable,
    "bounced": refusals.unreachable,
    "complained": refusals.unreachable,
    "suppressed": refusals.unreachable,
    "opted_out": refusals.opted_out,
    "no_consent": refusals.no_consent,
    "no_express_consent": refusals.no_express_consent,
    "consent_not_reconfirmed": refusals.not_reconfirmed,
    "alimtalk_promotion": refusals.alimtalk("may not carry an ad"),
    "alimtalk_template": refusals.alimtalk("needs an approved template"),
    "ad_hours": refusals.ad_hours,
    "quiet_hours": refusals.quiet,
    "sending_hours": refusals.sending,
    "step_sending_hours": refusals.sending,
    "frequency_cap": refusals.cap,
    "arbitration": refusals.arbitration,
}
OUTCOMES: dict[str, Clause] = {
    "entered": entered,
    "not_entered": not_entered,
    "took": took,
    "ended": ended,
    "passed": passed,
    "held": held,
    "dropped": dropped,
    "control": control,
}
