"""Makes the customers, messages and workspaces that the gates' tests speak of."""

from typing import Any

from harken.clock import from_local, parse_time, to_datetime
from harken.gates import Candidate, CompiledWorkspace, Verdict, check, compile_workspace, decision
from harken.journeys.kinds import Message, SendingHours
from harken.messages.content import Content
from harken.people.profile import ConsentChange, EventStat, Profile, Run, Send, Trigger
from harken.values import Duration, Name, TimeOfDay, ZoneName, zone
from harken.workspace import Cap, QuietHours, Workspace

RUN = Run(id="run", journey="cart", revision=1, entered_at=0, event=Trigger(name="Cart", at=0))


def at(text: str, zone_name: str = "UTC") -> int:
    """The instant at which clocks in the zone show `2026-03-01 22:14`."""
    found = zone(zone_name)
    assert found is not None
    ms = parse_time(text)
    assert ms is not None
    return from_local(to_datetime(ms).replace(tzinfo=None), found)


def message(**fields: Any) -> Message:
    return Message(
        message=Name("nudge"), channel="email", default=Content(subject="Hi", html="Hi"), **fields
    )


def candidate(**fields: Any) -> Candidate:
    step = {
        name: fields.pop(name)
        for name in list(fields)
        if name in Message.__struct_fields__ and name not in Candidate.__struct_fields__
    }
    defaults: dict[str, Any] = {
        "message_id": "m1",
        "journey": "cart",
        "revision": 1,
        "run": RUN,
        "step": message(**step),
        "purpose": "marketing",
        "address": "mina@shop.example",
    }
    return Candidate(**(defaults | fields))


def profile(id: int = 1, **fields: Any) -> Profile:
    return Profile(id=id, **fields)


def workspace(**fields: Any) -> CompiledWorkspace:
    if "timezone" in fields:
        fields["timezone"] = ZoneName(fields["timezone"])
    return compile_workspace(Workspace(**fields))


def quiet(start: str, end: str, outside: Any = "hold") -> QuietHours:
    return QuietHours(from_=TimeOfDay.parse(start), to=TimeOfDay.parse(end), outside=outside)


def sending(start: str, end: str, outside: Any = "hold", on: Any = ()) -> SendingHours:
    return SendingHours(
        from_=TimeOfDay.parse(start), to=TimeOfDay.parse(end), outside=outside, on=list(on)
    )


def cap(at_most: int, per: str, **fields: Any) -> Cap:
    window: Any = per if per.startswith("calendar") else Duration.parse(per)
    return Cap(at_most=at_most, per=window, **fields)


def send(id: str, when: int, **fields: Any) -> Send:
    return Send(
        **({"id": id, "at": when, "channel": "email", "journey": "j", "step": "s"} | fields)
    )


def choice(channel: str, purpose: str, state: Any, when: int, how: str = "") -> ConsentChange:
    return ConsentChange(
        channel=channel, purpose=purpose, state=state, at=when, by="customer", how=how
    )


def choices(*changes: ConsentChange) -> dict[str, ConsentChange]:
    return {f"{change.channel}:{change.purpose}": change for change in changes}


def bought(when: int) -> dict[str, EventStat]:
    return {"Order Completed": EventStat(1, when, when)}


def decide(
    what: Candidate, who: Profile, now: int, where: CompiledWorkspace | None = None
) -> Verdict:
    return decision(check(what, who, now, where or workspace()))


def said(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.outcome, verdict.gate, verdict.reason
