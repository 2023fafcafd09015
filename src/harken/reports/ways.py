"""What let customers in, and the ways that they went, in words."""

from typing import Any

from harken.effects import Decision
from harken.journeys.entries import DATE_REACHED, ENTERED, IGNORED, SCHEDULED
from harken.reports.doings import by_machine, doing
from harken.reports.words import Words, length, value


def cause(facts: dict[str, Any]) -> str:
    """`because of the date in their birthday (2026-03-10)`; empty of a customer's own event."""
    seen, event = facts.get("properties") or {}, facts.get("event")
    if event == DATE_REACHED and "attribute" in seen:
        return f"because of the date in their {seen['attribute']} ({seen['date']})"
    if event == IGNORED and "within" in seen:
        message = f"the message {seen['step']} of {seen['journey']}"
        return f"because {message} was neither opened nor clicked within {length(seen['within'])}"
    if event == SCHEDULED and "occurrence" in seen:
        return f"because the schedule came to {seen['occurrence']}"
    if id := facts.get("broadcast"):
        given = f" with {value(seen)}" if seen else ""
        return f"because the broadcast {id} put them in{given}"
    if event == ENTERED:
        return "because they were put in" + (f" with {value(seen)}" if seen else "")
    did = doing(str(event), seen)
    return f"because they {did}" if did else ""


def occasion(facts: dict[str, Any]) -> str:
    """When they might have entered: `on the event Cart Abandoned`, or by which broadcast."""
    event, id = facts.get("event"), facts.get("broadcast")
    if event == SCHEDULED:
        return "when the schedule came round"
    if id:
        return f"with the broadcast {id}"
    if event == ENTERED:
        return "when they were put in"
    seen = facts.get("properties") or {}
    if did := by_machine(str(event), seen):
        return f"when {did}"
    if did := doing(str(event), seen):
        return f"when they {did}"
    return f"on the event {event}" if event else ""


def machine(decision: Decision, words: Words) -> str:
    """A scanner or proxy opened or clicked, which starts nothing."""
    return "it was not the customer who did"


def not_by_hand(decision: Decision, words: Words) -> str:
    """They were put into a journey that is entered otherwise."""
    return "nobody is put into it: its entry is no `api: true`"


def unknown_journey(decision: Decision, words: Words) -> str:
    """They were put into a journey that never was applied."""
    return "there is no such journey"


def chain_too_long(decision: Decision, words: Words) -> str:
    """Journeys that put customers into one another were cut."""
    by, depth = decision.facts["by"], decision.facts["depth"]
    return (
        f"{by} put them in when {depth} had followed from one another without a wait, and chains "
        "are cut there"
    )


def time_passed(decision: Decision, words: Words) -> str:
    """Of a schedule by everybody's own clock: they came into its audience too late."""
    facts = decision.facts
    when = words.moment(facts["at"], decision.at)
    return f"at their local time, {when} ({facts['zone']}), they were not in the audience yet"


def not_selected(decision: Decision, words: Words) -> str:
    """What chose them for a broadcast does not hold any more."""
    return "they were not among those chosen for it any more"


def best_hour(decision: Decision, words: Words) -> str:
    """`at wait-1 they wait until 09:00: ...`, the hour that a wait chose and what it rests on."""
    facts = decision.facts
    text = f"their best hour is {facts['best']}, {RESTS[facts['whose']]}"
    if facts["opens"]:
        text += f" ({facts['opens']:,} opens and clicks)"
    if facts["hour"] != facts["best"]:
        text += f", and {facts['hour']} the best in reach"
    if not facts["waits"]:
        return f"at {decision.step} they went on at once: {text}"
    return f"at {decision.step} they wait until {words.moment(decision.until, decision.at)}: {text}"


RESTS = {
    "own": "by when they opened and clicked",
    "all": "as it is for all customers, because too little is known of them",
    "setting": "as the workspace has it, because too little is known of when anybody opens",
}
"""Whose hours they are."""


DONE = {
    "message": "was sent",
    "coupon": "gave its coupon",
    "webhook": "called its webhook",
    "update": "set its attributes",
    "enter": "put them into its journey",
}
"""What a step does that a run does not do twice, though it was moved."""


def took(decision: Decision, words: Words) -> str:
    """`at branch-2 they went the way premium, because ...`."""
    facts, key = decision.facts, decision.reason
    if key == "moved":
        where = f" at {decision.step}" if decision.step else ""
        return f"the run was moved from revision {facts['from']} to {facts['to']}{where}"
    if key == "done_already":
        return f"{decision.step} was passed over: it {DONE[facts['kind']]} before the run was moved"
    if key == "best_hour":
        return best_hour(decision, words)
    way, said = facts["way"], facts.get("said", "")
    if key == "split":
        if facts.get("control"):
            return f"they are in the control group of the experiment {decision.step}"
        return f"the experiment {decision.step} put them into {way} ({said})"
    if key == "coupon" and way == "issued":
        text = f"at {decision.step} they were given the coupon {facts['code']} of {facts['pool']}"
        ends = facts.get("expires_at")
        return f"{text}, good until {words.moment(ends, decision.at)}" if ends else text
    if key == "coupon" and way == "released":
        coupon = f"the coupon {facts['code']} of {facts['pool']}"
        return f"{coupon} was taken back from them, because {said}"
    if key == "wait_for":
        because = f"because {said}" if said else "because nothing that it waits for came in time"
        if event := facts.get("event"):
            did = doing(event, facts.get("properties") or {})
            because = f"because they {did}" if did else f"because of the event {event}"
    elif key == "webhook":
        if way == "answered":
            return f"the webhook answered at {decision.step}"
        because = f"because the webhook gave no answer: {said}"
    else:
        because = f"because {said}" if said else "because no other was theirs"
    return f"at {decision.step} they went the way {way}, {because}"


def no_coupon(decision: Decision, words: Words) -> str:
    """There was none to give, and the journey does not say what else to do."""
    return f"they left the journey, because {decision.facts['why']}"
