"""A decision as a clause in plain words: one small function a reason code.

A code that is not in the table (a policy pack's, or one of a later version) is still said, from
its gate, its name and its facts.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from harken.channels.table import called
from harken.effects import Decision
from harken.reports.ways import (
    cause,
    chain_too_long,
    no_coupon,
    not_by_hand,
    not_selected,
    occasion,
    time_passed,
    took,
    unknown_journey,
)
from harken.reports.words import Words, condition, counted, joined, length, met, value

Clause = Callable[[Decision, Words], str]

PACK_NAMES = {"KR": "Korea"}


def clause(decision: Decision, words: Words) -> str:
    """What was decided, without its time: `they entered, because of ...`."""
    try:
        return OUTCOMES[decision.outcome](decision, words)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        # Facts of another shape than is known here must not keep the rest from being told.
        return _unknown(decision)


def entered(decision: Decision, words: Words) -> str:
    facts = decision.facts
    text = "they entered"
    if because := cause(facts):
        text += f", {because}"
    elif event := facts.get("event"):
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
    text = f"they left the journey because of {decision.facts.get('event', 'an exception event')}"
    happened = decision.facts.get("at")
    return f"{text} at {words.moment(happened, decision.at)}" if happened else text


def _left(why: str) -> Clause:
    def tell(decision: Decision, words: Words) -> str:
        found = conditions(decision.facts)
        rule = decision.facts.get("rule")
        if event := decision.facts.get("event"):
            return f"{why}, on the event {event}"
        if found:
            return f"{why}: {joined([met(part) for part in found])}"
        return f"{why}: {rule}" if rule else why

    return tell


# What the gates say of a message.


def _quiet(decision: Decision, words: Words) -> str:
    opens, _, closes = str(decision.facts.get("allowed", "")).partition("-")
    # The facts name the hours that are open; quiet are the others.
    return _hours("quiet hours", f"{closes}-{opens}" if closes else "", decision)


def _sending(decision: Decision, words: Words) -> str:
    name = "hours outside its sending hours" if decision.outcome == "dropped" else "sending hours"
    return _hours(name, str(decision.facts.get("allowed", "")), decision)


def _ad_hours(decision: Decision, words: Words) -> str:
    return _hours(f"{_law(decision)} on hours for ads", str(decision.facts["allowed"]), decision)


def _hours(name: str, hours: str, decision: Decision) -> str:
    parts = [hours] if hours else []
    if zone := decision.facts.get("zone"):
        parts.append(f"in their zone {zone}")
    text = " ".join(parts)
    if local := decision.facts.get("local"):
        text = f"{text}; it was {local}" if text else f"it was {local}"
    return f"{name} ({text})" if text else name


def _cap(decision: Decision, words: Words) -> str:
    facts = decision.facts
    cap = facts.get("cap")
    text = _rule(cap if isinstance(cap, dict) else facts)
    times = [words.moment(_time(sent), decision.at) for sent in facts.get("sent") or []]
    # Of a control group's members some or all of them only would have been.
    verb = "would have been sent" if facts.get("control") else "sent"
    sent = f" ({verb} at {joined(times)})" if times else ""
    if won := [f"{one['step']} of {one['journey']}" for one in facts.get("won") or []]:
        sent += f"; the slot went to the message {joined(won)}"
    return f"{text}{sent}" if decision.outcome == "held" else f"{text} was reached{sent}"


def _arbitration(decision: Decision, words: Words) -> str:
    facts = decision.facts
    rivals = [f"{one['step']} of {one['journey']}" for one in facts.get("rivals") or []]
    others = f" beside the message {joined(rivals)}" if rivals else ""
    return f"a more important one may want its slot under {_rule(facts['cap'])}{others}"


def _rule(cap: dict[str, Any]) -> str:
    """`the cap of 2 e-mails tagged news in 1 day`."""
    thing = called(cap.get("channel") or "message")
    tag = f" tagged {cap['tag']}" if cap.get("tag") else ""
    return f"the cap of {counted(cap['at_most'], thing)}{tag} in {length(cap['per'])}"


def _time(sent: Any) -> int:
    """The time of a counted message: `[id, at]`, `{"at": ...}`, or the time itself."""
    if isinstance(sent, dict):
        return int(sent["at"])
    return int(sent[1] if isinstance(sent, list | tuple) else sent)


def _control(decision: Decision, words: Words) -> str:
    facts = decision.facts
    group = facts.get("group") or ("global" if "global" in decision.reason else "journey")
    text = f"they are in the {'global control group' if group == 'global' else 'control group'}"
    if group != "global":
        text += " of this journey"
    percent = facts.get("percent")
    return f"{text} ({percent:g} % of customers)" if percent else text


def _split_control(decision: Decision, words: Words) -> str:
    return f"they are in the control group of the experiment {decision.facts.get('split', '')}"


def _no_address(decision: Decision, words: Words) -> str:
    channel = decision.facts.get("channel", "email")
    return f"no {called(channel)} address of theirs is known"


def _bad_address(decision: Decision, words: Words) -> str:
    facts = decision.facts
    text = (
        f"their address {facts['address']} can be none"
        if "address" in facts
        else ("their address can be none")
    )
    return f"{text} ({str(facts['problem']).rstrip('.')})" if facts.get("problem") else text


def _unreachable(decision: Decision, words: Words) -> str:
    facts = decision.facts
    why = facts.get("why") or decision.reason
    since = f" since {words.moment(facts['since'], decision.at)}" if facts.get("since") else ""
    detail = f"; {facts['detail']}" if facts.get("detail") else ""
    return f"their address must not be written to any more{since} ({why}{detail})"


def _opted_out(decision: Decision, words: Words) -> str:
    facts = decision.facts
    text = f"they opted out of {_consented(facts)}"
    if facts.get("since"):
        text += f" at {words.moment(facts['since'], decision.at)}"
    how = [f"by {facts['by']}"] if facts.get("by") else []
    how += [str(facts["how"])] if facts.get("how") else []
    return f"{text} ({', '.join(how)})" if how else text


def _no_consent(decision: Decision, words: Words) -> str:
    return f"they have not opted in to {_consented(decision.facts)}, and the workspace asks for it"


def _consented(facts: dict[str, Any]) -> str:
    channel = facts.get("channel", "")
    purpose = facts.get("purpose", "messages")
    if not channel or channel == "all":
        return f"all {purpose}" if channel else str(purpose)
    return f"{purpose} by {called(channel)}"


def _law(decision: Decision) -> str:
    pack = decision.facts.get("pack", "")
    return f"the law of {PACK_NAMES.get(pack, pack or 'their country')}"


def _no_express_consent(decision: Decision, words: Words) -> str:
    facts = decision.facts
    text = f"{_law(decision)} asks for their express consent to ads"
    if state := facts.get("state"):
        text += f" (it is {str(state).replace('_', ' ')})"
    if facts.get("purchase_until"):
        until = words.moment(facts["purchase_until"], decision.at)
        text += f"; what they bought allowed ads until {until}"
    return text


def _not_reconfirmed(decision: Decision, words: Words) -> str:
    given = decision.facts.get("since")
    text = f"{_law(decision)} asks to have consent confirmed every two years"
    return f"{text}; theirs is of {words.date(given)}" if given else text


def _alimtalk(why: str) -> Clause:
    return lambda decision, words: f"an AlimTalk {why}"


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
    "forgotten": _left("the run ended, because the customer was forgotten"),
    "ended": _left("the run ended, because the journey had ended"),
}
HOURS = frozenset({"quiet_hours", "sending_hours", "step_sending_hours"})
HOLDERS = HOURS | {"ad_hours", "frequency_cap"}
"""Reasons that are said as a thing: a message is held *by* them."""
BLOCKED: dict[str, Clause] = {
    "not_live": _not_live,
    "journey_not_live": _not_live,
    "not_started": _not_started,
    "journey_not_started": _not_started,
    "journey_ended": _ended_before,
    "expired": _too_late,
    "audience": _audience,
    "global_control": _control,
    "global_holdout": _control,
    "journey_control": _control,
    "split_control": _split_control,
    "no_address": _no_address,
    "bad_address": _bad_address,
    "unreachable": _unreachable,
    "bounced": _unreachable,
    "complained": _unreachable,
    "suppressed": _unreachable,
    "opted_out": _opted_out,
    "no_consent": _no_consent,
    "not_opted_in": _no_consent,
    "no_express_consent": _no_express_consent,
    "consent_not_reconfirmed": _not_reconfirmed,
    "alimtalk_promotion": _alimtalk("may not carry an ad"),
    "alimtalk_template": _alimtalk("needs an approved template"),
    "ad_hours": _ad_hours,
    "quiet_hours": _quiet,
    "sending_hours": _sending,
    "step_sending_hours": _sending,
    "frequency_cap": _cap,
    "arbitration": _arbitration,
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
