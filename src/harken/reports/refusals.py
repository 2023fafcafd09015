"""Who refused a message: the gates, one clause a reason code, or the provider it was given to."""

from collections.abc import Callable
from typing import Any

from harken.channels.table import called
from harken.effects import Decision
from harken.reports.words import Words, counted, joined, length
from harken.store.base import LedgerRow

Clause = Callable[[Decision, Words], str]

WE_ENDED_IT = ("given up after ", "expired", "closed by ")
"""How a reason begins when a provider had said nothing for good and we stopped trying."""
PACK_NAMES = {"KR": "Korea"}


def refused_by(row: LedgerRow) -> str:
    """The transport or webhook that said no to a message for good; empty when none did."""
    ours = row.state != "failed" or row.reason.startswith(WE_ENDED_IT)
    return "" if ours else row.transport


def quiet(decision: Decision, words: Words) -> str:
    """The hours in which nothing is sent."""
    opens, _, closes = str(decision.facts.get("allowed", "")).partition("-")
    # The facts name the hours that are open; quiet are the others.
    return _hours("quiet hours", f"{closes}-{opens}" if closes else "", decision)


def sending(decision: Decision, words: Words) -> str:
    """The hours in which the message may be sent."""
    name = "hours outside its sending hours" if decision.outcome == "dropped" else "sending hours"
    return _hours(name, str(decision.facts.get("allowed", "")), decision)


def ad_hours(decision: Decision, words: Words) -> str:
    """The hours that a country's law leaves to ads."""
    return _hours(f"{_law(decision)} on hours for ads", str(decision.facts["allowed"]), decision)


def _hours(name: str, hours: str, decision: Decision) -> str:
    parts = [hours] if hours else []
    if zone := decision.facts.get("zone"):
        parts.append(f"in their zone {zone}")
    text = " ".join(parts)
    if local := decision.facts.get("local"):
        text = f"{text}; it was {local}" if text else f"it was {local}"
    return f"{name} ({text})" if text else name


def cap(decision: Decision, words: Words) -> str:
    """A cap, and what had used it up."""
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


def arbitration(decision: Decision, words: Words) -> str:
    """It waits for others that may want the slot of its cap."""
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


def control(decision: Decision, words: Words) -> str:
    """They are in the control group of the workspace or of the journey."""
    facts = decision.facts
    group = facts.get("group") or ("global" if "global" in decision.reason else "journey")
    text = f"they are in the {'global control group' if group == 'global' else 'control group'}"
    if group != "global":
        text += " of this journey"
    percent = facts.get("percent")
    return f"{text} ({percent:g} % of customers)" if percent else text


def split_control(decision: Decision, words: Words) -> str:
    """They are in the control group of a split."""
    return f"they are in the control group of the experiment {decision.facts.get('split', '')}"


def no_address(decision: Decision, words: Words) -> str:
    """Nothing is known to write to."""
    channel = decision.facts.get("channel", "email")
    return f"no {called(channel)} address of theirs is known"


def bad_address(decision: Decision, words: Words) -> str:
    """What is known as their address can be none."""
    facts = decision.facts
    text = (
        f"their address {facts['address']} can be none"
        if "address" in facts
        else ("their address can be none")
    )
    return f"{text} ({str(facts['problem']).rstrip('.')})" if facts.get("problem") else text


def unreachable(decision: Decision, words: Words) -> str:
    """Their address bounced, complained or was suppressed."""
    facts = decision.facts
    why = facts.get("why") or decision.reason
    since = f" since {words.moment(facts['since'], decision.at)}" if facts.get("since") else ""
    detail = f"; {facts['detail']}" if facts.get("detail") else ""
    return f"their address must not be written to any more{since} ({why}{detail})"


def opted_out(decision: Decision, words: Words) -> str:
    """They said no, with when and how."""
    facts = decision.facts
    text = f"they opted out of {_consented(facts)}"
    if facts.get("since"):
        text += f" at {words.moment(facts['since'], decision.at)}"
    how = [f"by {facts['by']}"] if facts.get("by") else []
    how += [str(facts["how"])] if facts.get("how") else []
    return f"{text} ({', '.join(how)})" if how else text


def no_consent(decision: Decision, words: Words) -> str:
    """They said nothing, and the workspace wants a yes."""
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


def no_express_consent(decision: Decision, words: Words) -> str:
    """A country's law wants a yes to ads."""
    facts = decision.facts
    text = f"{_law(decision)} asks for their express consent to ads"
    if state := facts.get("state"):
        text += f" (it is {str(state).replace('_', ' ')})"
    if facts.get("purchase_until"):
        until = words.moment(facts["purchase_until"], decision.at)
        text += f"; what they bought allowed ads until {until}"
    return text


def not_reconfirmed(decision: Decision, words: Words) -> str:
    """A country's law wants the yes repeated."""
    given = decision.facts.get("since")
    text = f"{_law(decision)} asks to have consent confirmed every two years"
    return f"{text}; theirs is of {words.date(given)}" if given else text


def alimtalk(why: str) -> Clause:
    """What Korea forbids of an AlimTalk."""
    return lambda decision, words: f"an AlimTalk {why}"
