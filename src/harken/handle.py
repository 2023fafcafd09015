"""The one function: a customer's document and an input in, effects out. No I/O, no clock.

    handle(profile, input, now, definitions) -> Effects

An event changes the person, then whatever reacts to it reacts, in this order: runs in flight
that it ends, journeys that it starts, and events of our own (`$journey_entered` ...) that follow
from it, which are handled the same way. The document given is changed in place and returned.
"""

from typing import Any, NamedTuple

import msgspec

from harken.channels.table import CALL
from harken.deciding.calling import answered
from harken.deciding.entering import put_in
from harken.deciding.inviting import invite
from harken.deciding.issuing import came_to_nothing, expire, redeem, redeem_by_event
from harken.deciding.joining import join, part
from harken.deciding.noticing import (
    await_dates,
    date_reached,
    dates_touched,
    follow_message,
    message_ignored,
    note_hour,
    standing,
)
from harken.deciding.reactions import Handling
from harken.deciding.supply import Supply
from harken.definitions import InForce
from harken.effects import Effects, Happening
from harken.ids import fingerprint
from harken.ingest.protocol import decode_event
from harken.inputs import (
    Allow,
    Answer,
    Consent,
    Enter,
    Feedback,
    Fill,
    Forget,
    Happened,
    Input,
    Invite,
    Kind,
    Listed,
    Merge,
    Past,
    Record,
    Redeem,
    Unmerge,
    WakeUp,
    decode_command,
)
from harken.people import merge as merging
from harken.people.address import found_dead
from harken.people.apply import apply_event, marked_before, only_counts, seen_before
from harken.people.attributes import changed
from harken.people.consent import apply_consent
from harken.people.profile import ConsentChange, Profile, Reach

KEPT_SURVEYS = 500
"""Answered surveys remembered, so that none counts twice; the oldest are forgotten."""
PEOPLE_DO = ("opened", "clicked", "complained", "unsubscribed")

_feedback = msgspec.msgpack.Decoder(Feedback).decode


def handle(
    profile: Profile,
    input: Input,
    now: int,
    definitions: InForce,
    other: Profile | None = None,
    supply: Supply | None = None,
) -> Effects:
    """What comes of one input. `other` is the second document of a merge or un-merge; `supply`
    is where coupons' codes come from.

    Raises nothing on a well-formed input; `msgspec.DecodeError` on a body that is none.
    """
    handling = Handling(profile, now, definitions, supply)
    for run in profile.runs.values():
        # Revisions are compiled when needed: here, before what their rules count goes by uncounted.
        definitions.journey(run.journey, run.revision)
    if not profile.tidied:
        # Someone new, or from before there were definitions: a segment may want just anyone.
        handling.ask(definitions.segments.of_anyone)
    renewed = definitions.tidy(profile)
    if isinstance(input, Record):
        handling.upto = min(now, input.received_at)
        if input.kind == Kind.EVENT:
            _event(handling, input)
        else:
            _command(handling, input, other)
    elif isinstance(input, Past):
        for record in input.records:
            handling.upto = min(now, record.received_at)
            _event(handling, record)
            if handling.asked or handling.touched or renewed:
                _settle(handling, renewed=renewed)
                renewed = False
                handling.touched.clear()
        return handling.effects
    elif isinstance(input, WakeUp):
        handling.upto = min(now, input.due)
        _wake(handling, input)
    elif isinstance(input, Fill):
        _fill(handling, input)
        return handling.effects
    elif not _invite(handling, input):
        return handling.effects
    _settle(handling, renewed=renewed)
    return handling.effects


def _settle(handling: Handling, *, renewed: bool) -> None:
    """What the input has changed moves the customer between segments, and the dates they await."""
    handling.move()
    effects, definitions = handling.effects, handling.definitions
    if (renewed or dates_touched(definitions, handling.touched)) and not effects.forgotten:
        await_dates(effects, handling.profile, definitions, handling.upto, handling.touched)


def _event(handling: Handling, record: Record) -> None:
    profile, definitions = handling.profile, handling.definitions
    event, received_at = decode_event(record.body), record.received_at
    message_id = event.message_id or ""
    if message_id and marked_before(profile, fingerprint(message_id), received_at):
        return
    stated = None if only_counts(profile, event) else _facts(profile)
    trigger = apply_event(profile, event, record, definitions.traits)
    if stated is not None:
        _state_changes(handling, stated)
    if asked := definitions.segments.by_event(trigger, profile, handling.upto):
        handling.ask(asked)
    handling.received_at = received_at
    handling.effects.happenings.append(
        Happening(
            at=trigger.at,
            received_at=received_at,
            profile_id=profile.id,
            name=trigger.name,
            message_id=message_id,
            properties=trigger.properties,
            anonymous_id=event.anonymous_id or "",
            imported=record.imported,
        )
    )
    late_after = definitions.workspace.late_after
    late = received_at - trigger.at > late_after
    if record.imported:
        handling.past = ("imported", {})
        return
    if late:
        handling.past = ("late", {"at": trigger.at, "late_after": int(late_after)})
    if trigger.name[0] == "$":
        # An `identify` starts nothing, but what it states may make `exit_when` true.
        handling.show(trigger)
        return
    if not late:
        handling.follow_session(trigger)
    redeem_by_event(handling, trigger)
    handling.react(trigger)


class Facts(NamedTuple):
    """What an event may change of a customer beside what it counts."""

    created_at: int
    user_id: str | None
    attributes: dict[str, Any]
    learned: dict[str, Any]
    tokens: set[str]


def _facts(profile: Profile) -> Facts:
    tokens = {device.token for device in profile.devices.values()}
    attributes, learned = profile.attributes.copy(), profile.learned.copy()
    return Facts(profile.created_at, profile.user_id, attributes, learned, tokens)


def _state_changes(handling: Handling, before: Facts) -> None:
    """Say what an event changed of the customer beside what it counts."""
    profile, (created_at, user_id, attributes, learned, tokens) = handling.profile, before
    if not created_at:
        handling.state("new", *profile.attributes, *profile.learned)
        for fact in ("location", "user_id", "devices"):
            handling.ask(handling.definitions.segments.by_fact.get(fact, {}))
        return
    if profile.user_id != user_id:
        handling.state("user_id")
    if {device.token for device in profile.devices.values()} != tokens:
        handling.state("devices")
    names = changed(attributes, profile.attributes) | changed(learned, profile.learned)
    if names:
        handling.state("location" if "location" in names else "attributes", *names)


def _fill(handling: Handling, fill: Fill) -> None:
    """Add what was counted before the traits of new rules began to count."""
    if _unknown(handling):
        handling.effects.forgotten.clear()
        handling.effects.changed = False
        return
    profile, known = handling.profile, handling.definitions.trait
    handling.effects.changed = bool(fill.states)
    for id, state in fill.states.items():
        trait = known(id)
        if trait is not None:
            profile.traits[id] = trait.merge(state, profile.traits.get(id))
    handling.fill(fill.segments)
    if await_dates(handling.effects, profile, handling.definitions, handling.upto):
        handling.effects.changed = True


def _invite(handling: Handling, input: Invite) -> bool:
    """Whether the document has changed."""
    if _unknown(handling):
        handling.effects.forgotten.clear()
        handling.effects.answer, handling.effects.changed = "unknown", False
    else:
        invite(handling, input.call)
    return handling.effects.changed


def _wake(handling: Handling, wakeup: WakeUp) -> None:
    if _unknown(handling):
        return
    kind, _, rest = wakeup.key.partition(":")
    if kind == "run":
        handling.resume(rest)
    elif kind == "session":
        handling.end_session_if_over()
    elif kind == "segments":
        handling.move_if_due(wakeup.due)
    elif kind == "ignored":
        message_ignored(handling, rest, wakeup.due)
    elif kind == "date":
        date_reached(handling, rest, wakeup.due)
    elif kind == "coupon":
        expire(handling, rest, wakeup.due)
    elif kind == "merged":
        absorbed, at = int(rest), wakeup.due - merging.UNDO - 1
        if handling.profile.absorbed.get(absorbed) == at:
            handling.effects.others.append(merging.for_good(absorbed, wakeup.profile_id, at))
    elif kind == "feedback":
        _told(handling, _feedback(wakeup.body))


def _unknown(handling: Handling) -> bool:
    """Whether the customer was forgotten since: what was left behind must not bring them back."""
    profile = handling.profile
    # Nearly everyone has this; to compare whole documents takes longer.
    if profile.created_at or profile != Profile(id=profile.id, tidied=profile.tidied):
        return False
    handling.effects.forgotten.append(profile.id)
    return True


def _command(handling: Handling, record: Record, other: Profile | None) -> None:
    handling.received_at = record.received_at
    match decode_command(record.body):
        case Consent(changes=changes):
            if not _unknown(handling):
                for change in changes:
                    _consent(handling, change)
        case Feedback() as feedback:
            if _unknown(handling) or _told_before(handling, feedback):
                return
            handling.effects.feedback.append(feedback)
            _told(handling, feedback)
        case Merge(how=how) if other is not None:
            join(handling, other, how, record.received_at)
        case Unmerge() as command if other is not None and other.tombstone is not None:
            part(handling, other, command, record.received_at)
        case Forget(joined=joined):
            _forget(handling, joined)
        case Listed(name=name, on=on):
            _listed(handling, name, on=on)
        case Allow() as command:
            _allow(handling, command)
        case Enter(journey=name, id=id, properties=properties):
            mark = f"$enter {name} {id}"
            known = not _unknown(handling)
            if known and not seen_before(handling.profile, mark, record.received_at):
                put_in(handling, name, properties, id)
        case Happened(name=name, id=id, properties=properties):
            known = not _unknown(handling)
            if known and not seen_before(handling.profile, id, record.received_at):
                handling.emit(name, properties, at=record.received_at, message_id=id)
        case Redeem() as command:
            if not _unknown(handling):
                redeem(handling, command)
        case Answer() as answer:
            if not _unknown(handling):
                _answered(handling, answer)


def _forget(handling: Handling, joined: list[int]) -> None:
    """Erase the customer, and what merges kept of them so that they could be undone."""
    profile = handling.profile
    for run in profile.runs.values():
        handling.cancel_wake(run)
    if profile.session is not None:
        handling.cancel(WakeUp(profile.session.due, profile.id, "session"))
    if profile.segments_due:
        handling.cancel(WakeUp(profile.segments_due, profile.id, "segments"))
    for wakeup in standing(profile):
        handling.cancel(wakeup)
    # No tombstones stay: an identifier that led there may name someone new from now on.
    handling.effects.forgotten += [profile.id, *{*profile.absorbed, *joined}]


def _listed(handling: Handling, name: str, *, on: bool) -> None:
    """A list makes no customers: one who was forgotten since it was uploaded stays so."""
    if _unknown(handling):
        return
    if on:
        handling.profile.lists.setdefault(name, handling.received_at)
    else:
        handling.profile.lists.pop(name, None)
    handling.state("lists")


def _answered(handling: Handling, answer: Answer) -> None:
    """A survey was answered: once for a message, and the first time counts."""
    known, mark = handling.profile.surveys, f"{answer.message} {answer.survey}"
    if mark in known:
        return
    known[mark] = handling.received_at
    while len(known) > KEPT_SURVEYS:
        del known[next(iter(known))]
    own = {
        name: getattr(answer, name)
        for name in ("survey", "message", "journey", "step", "variant", "channel")
    }
    columns = {name: own[name] for name in own if name != "survey"}
    properties = {**own, **answer.answers}
    handling.emit("$survey_answered", properties, at=handling.received_at, **columns)


def _allow(handling: Handling, command: Allow) -> None:
    profile = handling.profile
    for channel in list(profile.unreachable):
        if found_dead(profile, channel, command.address):
            del profile.unreachable[channel]
            handling.state("reach")
            facts = {"channel": channel, "by": command.by}
            handling.emit("$address_allowed", facts, at=handling.received_at, channel=channel)


def _consent(handling: Handling, change: ConsentChange) -> None:
    apply_consent(handling.profile, change)
    handling.state("consent")
    facts = msgspec.structs.asdict(change)
    name = "$unsubscribed" if change.state == "opted_out" else "$consent_given"
    handling.emit(name, facts, at=change.at, channel=change.channel)


def _told_before(handling: Handling, feedback: Feedback) -> bool:
    """Providers tell of a message until they are answered, so sometimes twice."""
    mark = feedback.mark
    return bool(mark) and seen_before(handling.profile, mark, handling.received_at)


def _told(handling: Handling, feedback: Feedback) -> None:
    """Something became of a message: by the sender's loop, the provider or the recipient."""
    profile, what = handling.profile, feedback.what
    if feedback.channel == CALL:
        answered(handling, feedback)
        return
    follow_message(handling, feedback)
    note_hour(handling, feedback)
    if what not in PEOPLE_DO:
        # A journey on `$message_sent` would otherwise send for ever.
        sends = (send for send in profile.sends if send.id == feedback.message)
        handling.depth = max((send.depth for send in sends), default=0)
    if what in ("failed", "aborted"):
        # It never left, so its slot under the caps is free again.
        profile.sends = [send for send in profile.sends if send.id != feedback.message]
    if what in ("failed", "aborted") or (what == "bounced" and feedback.hard):
        came_to_nothing(handling, feedback)
    if (what in ("bounced", "failed") and feedback.hard) or what == "complained":
        why = "complaint" if what == "complained" else "hard bounce"
        profile.unreachable[feedback.channel] = Reach(
            address=feedback.address, why=why, at=feedback.at, detail=feedback.detail
        )
        handling.state("reach")
    if what == "complained":
        opt_out = ConsentChange(
            channel=feedback.channel,
            purpose="marketing",
            state="opted_out",
            at=feedback.at,
            by="customer",
            how="complaint to their mail provider",
        )
        _consent(handling, opt_out)
    properties: dict[str, Any] = {
        "message": feedback.message,
        "journey": feedback.journey,
        "step": feedback.step,
        "variant": feedback.variant,
        "channel": feedback.channel,
    }
    for name in ("detail", "hard", "machine"):
        if getattr(feedback, name):
            properties[name] = getattr(feedback, name)
    handling.emit(
        f"$message_{what}",
        properties,
        at=feedback.at,
        journey=feedback.journey,
        step=feedback.step,
        variant=feedback.variant,
        channel=feedback.channel,
        message=feedback.message,
        # What a scanner opened says nothing about the customer: kept, but nothing reacts to it.
        silent=feedback.machine,
    )
