"""Why a customer did or did not get a message, in plain sentences with times and values."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Struct

from harken.channels.table import CALL, called
from harken.effects import Decision, Happening
from harken.journeys.broadcasts import Broadcast
from harken.journeys.entries import Entry
from harken.journeys.experiments import DEFAULT
from harken.people.place import zone_of
from harken.people.profile import Profile, Run
from harken.reports import reasons
from harken.reports.doings import by_machine
from harken.reports.nothing import nothing
from harken.reports.refusals import refused_by
from harken.reports.tongues.telling import TONGUES, Tongue
from harken.reports.words import Words, capital, counted
from harken.segments.rules import lookup
from harken.segments.words import describe_test
from harken.store.base import LedgerRow

SENT = frozenset({"sent", "delivered", "bounced"})
TOLD_BACK = SENT | {"failed", "unsure"}
"""What became of a message that has left, or that a provider refused."""
BACK = "bounced"
FRAME = frozenset({"entered", "ended", "opened", "clicked"})
"""What says nothing of whether a message was sent."""
ALREADY = frozenset({"already_in", "reentry"})
"""Why one did not enter whom an earlier entry answers for."""


class Sentence(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One thing that happened. `at` in ms; the rest tells programs what the text tells people."""

    at: int
    when: str
    """The time in words, in the zone of the answer: `3 March 2026 at 14:05`."""
    text: str
    outcome: str
    """The decision's outcome, or the state that the message came to."""
    reason: str = ""
    gate: str = ""
    step: str = ""
    message: str = ""


class Why(Struct, frozen=True, kw_only=True):
    """The answer in one or two sentences, and the story behind it, oldest first."""

    journey: str
    zone: str
    """The time zone that the times are in: the customer's, else the workspace's."""
    answer: str
    story: list[Sentence]


def why(
    journey: str,
    decisions: Sequence[Decision],
    messages: Sequence[LedgerRow],
    profile: Profile | None,
    *,
    workspace_zone: ZoneInfo,
    entry_event: str = "",
    entries: Mapping[int, Entry] | None = None,
    applied_at: int = 0,
    state: Literal["live", "paused", "archived"] = "live",
    broadcasts: Sequence[Broadcast] = (),
    by_machines: Sequence[Happening] = (),
    language: str = "en",
) -> Why:
    """What became of a customer in a journey.

    `decisions`, `messages` and `broadcasts` (that are not over) may be of other journeys too; those
    are left out. `entries` is who enters, by revision: what an entry was asked to pass.
    `entry_event`, `applied_at` (ms, when the journey was first applied), `state` and `broadcasts`
    explain a customer about whom nothing was decided. Of `by_machines`, opens and clicks of the
    customer's messages, those that machines did are told: the ledger keeps only people's.
    `language` is one of `telling.LANGUAGES`; what its table does not have is said in English.
    """
    zone = zone_of(profile, workspace_zone) if profile is not None else workspace_zone
    words = Words(zone)
    tongue = Tongue(language, zone) if language in TONGUES else None
    decided = [_with_where(one, entries or {}) for one in decisions if one.journey == journey]
    rows = [row for row in messages if row.journey == journey and row.channel != CALL]
    story = [_told(one, words, tongue) for one in decided]
    for row in rows:
        story += _told_of(row, words, tongue)
    story += _by_machines([one for one in by_machines if one.journey == journey], words, tongue)
    story.sort(key=lambda sentence: sentence.at)
    verdict = _verdict(story, rows, _runs(profile, journey))
    if not story and not verdict.sent:
        latest = (entries or {}).get(max(entries or (0,)))
        found = nothing(
            journey,
            latest,
            profile,
            broadcasts,
            event=entry_event,
            applied_at=applied_at,
            state=state,
        )
        answer = tongue.nothing(found) if tongue else found.in_english(words)
    else:
        answer = _answer_in(tongue, verdict) if tongue else _answer(verdict, words)
    if tongue is None:
        story = [msgspec.structs.replace(one, text=capital(one.text)) for one in story]
    return Why(journey=journey, zone=zone.key, answer=answer, story=story)


def _with_where(decision: Decision, entries: Mapping[int, Entry]) -> Decision:
    """An entry with the conditions that its event passed and its key's value, among the facts."""
    entry = entries.get(decision.revision)
    if entry is None or decision.outcome != "entered" or "where" in decision.facts:
        return decision
    properties = decision.facts.get("properties") or {}
    passed = [
        {"rule": f"{path} {describe_test(test)}", "value": _at(properties, path)}
        for path, test in entry.where.items()
    ]
    key = entry.key_property
    if passed and key is not None and key not in entry.where:
        passed.append({"rule": f"{key} is known", "value": _at(properties, key)})
    return msgspec.structs.replace(decision, facts={**decision.facts, "where": passed})


def _at(properties: dict[str, Any], path: str) -> Any:
    found = lookup(properties, path)
    return None if found is UNSET else found


def _told(decision: Decision, words: Words, tongue: Tongue | None) -> Sentence:
    text = f"{reasons.clause(decision, words)}."
    if tongue is not None:
        try:
            text = tongue.decision(decision)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            # Its table has not this one, or not these facts: told in English it is told.
            text = capital(text)
    return Sentence(
        at=decision.at,
        when=(tongue or words).when(decision.at),
        text=text,
        outcome=decision.outcome,
        reason=decision.reason,
        gate=decision.gate,
        step=decision.step,
        message=decision.message,
    )


def _told_of(row: LedgerRow, words: Words, tongue: Tongue | None) -> list[Sentence]:
    """What the ledger knows of a message, one sentence a time."""
    found = [
        (row.sent_at, "sent", _sent(row)),
        (row.delivered_at, "delivered", "was delivered"),
        (row.opened_at, "opened", "was opened"),
        (row.clicked_at, "clicked", "was clicked"),
        (row.bounced_at, "bounced", f"bounced: {_far_side(row)} refused it{_because(row)}"),
    ]
    if row.state in ENDINGS:
        by = refused_by(row)
        ended = f"was refused by {by}" if by else ENDINGS[row.state]
        found.append((_ended_at(row), row.state, ended + _because(row)))
    elif row.state == "queued" and (row.attempts or row.reason):
        found.append((row.queued_at, "queued", _again(row, words)))
    return [
        Sentence(
            at=at,
            when=(tongue or words).when(at),
            text=tongue.message(row, outcome) if tongue else f"the message {row.step} {what}.",
            outcome=outcome,
            step=row.step,
            message=row.id,
        )
        for at, outcome, what in found
        if at
    ]


def _by_machines(
    events: Sequence[Happening], words: Words, tongue: Tongue | None
) -> list[Sentence]:
    """Of each message the first open and the first click by a machine."""
    first: dict[tuple[str, str], Happening] = {}
    for event in sorted(events, key=lambda event: event.at):
        if event.properties.get("machine"):
            first.setdefault((event.message, event.name), event)
    return [
        Sentence(
            at=event.at,
            when=(tongue or words).when(event.at),
            text=(
                tongue.say(f"{outcome}.machine", {"step": event.step})
                if tongue
                else f"{by_machine(event.name, event.properties)}; it was not the customer."
            ),
            outcome=outcome,
            reason="machine",
            step=event.step,
            message=event.message,
        )
        for event in first.values()
        for outcome in [event.name.removeprefix("$message_")]
    ]


ENDINGS = {
    "failed": "could not be sent",
    "aborted": "was given up",
    "unsure": "was handed over, and it is not known whether it left",
}


def _far_side(row: LedgerRow) -> str:
    """Who said that it came back."""
    if row.channel == "email":
        return f"the mail server of {row.address}" if row.address else "the customer's mail server"
    return row.transport or f"the {called(row.channel)}"


def _sent(row: LedgerRow) -> str:
    text = f"was sent to {row.address}"
    if row.variant == DEFAULT and row.why_variant:
        text += " in its default wording"
    elif row.variant and row.variant != DEFAULT:
        text += f" in the variant {row.variant}"
    if row.why_variant:
        text += f" ({row.why_variant})"
    kept = row.transport == "sandbox"
    return f"{text}; the sandbox kept it, so it did not leave" if kept else text


def _again(row: LedgerRow, words: Words) -> str:
    if not row.attempts:
        return f"was queued, and could not leave yet{_because(row)}"
    tries = counted(row.attempts, "try").replace("trys", "tries")
    next_try = words.moment(row.not_before, row.queued_at)
    return f"was queued; after {tries} the next is not before {next_try}{_because(row)}"


def _because(row: LedgerRow) -> str:
    return f" ({row.reason})" if row.reason else ""


def _ended_at(row: LedgerRow) -> int:
    return row.bounced_at or row.handed_at or row.queued_at


def _runs(profile: Profile | None, journey: str) -> list[Run]:
    runs = profile.runs.values() if profile is not None else ()
    return [run for run in runs if run.journey == journey]


class _Verdict(NamedTuple):
    """What the answer says: how many were sent, and the sentence that it rests on."""

    sent: int
    rests_on: Sentence | None
    """None when nothing was decided, or nothing is told of what was sent."""
    yet: bool = False
    """None was sent, but one may be."""
    due: int = 0
    """When a run that waits goes on, where that is what there is to say."""


def _verdict(story: list[Sentence], rows: list[LedgerRow], runs: list[Run]) -> _Verdict:
    sent = sum(bool(row.sent_at) or row.state in SENT for row in rows)
    waits = [run for run in runs if run.due]
    due = min((run.due for run in waits), default=0)
    if sent:
        told = [sentence for sentence in story if sentence.outcome in TOLD_BACK]
        last = told[-1] if told else None
        # A provider's clock may be behind ours: what came back is still the last word.
        back = [one for one in told if last and (one.message, one.outcome) == (last.message, BACK)]
        return _Verdict(sent, back[-1] if back else last, due=due)
    if not story:
        return _Verdict(0, None)
    last = _deciding(story)
    if waits and last.outcome == "entered":
        return _Verdict(0, last, True, due)
    yet = last.outcome in ("held", "passed", "queued") or bool(waits and last.outcome == "took")
    return _Verdict(0, last, yet)


def _answer(verdict: _Verdict, words: Words) -> str:
    sent, last = verdict.sent, verdict.rests_on
    told = f" {words.on(last.at)} {last.text}" if last else ""
    due = f" The next step is due {words.on(verdict.due)[3:]}." if verdict.due else ""
    if sent:
        return f"{counted(sent, 'message')} {'was' if sent == 1 else 'were'} sent.{told}{due}"
    return f"No message was sent{' yet' if verdict.yet else ''}.{told}{due}"


def _answer_in(tongue: Tongue, verdict: _Verdict) -> str:
    last, known = verdict.rests_on, {"count": str(verdict.sent)}
    if last is not None:
        known |= {"on": last.when, "told": last.text}
    if verdict.due:
        known["due"] = tongue.when(verdict.due)
    kind = "sent" if verdict.sent else "yet" if verdict.yet else "none"
    return tongue.say(f"answer.{kind}", known)


def _deciding(story: list[Sentence]) -> Sentence:
    """The sentence that answers best: of the latest run, what was last said of its message."""
    if story[-1].outcome == "not_entered" and story[-1].reason not in ALREADY:
        return story[-1]
    run = [sentence for sentence in story if sentence.outcome != "not_entered"] or story
    entered = [place for place, sentence in enumerate(run) if sentence.outcome == "entered"]
    latest = run[entered[-1] :] if entered else run
    said = [place for place, s in enumerate(latest) if s.outcome not in FRAME]
    # Which way the run took after it does not say why the message did not come.
    said = [place for place in said if latest[place].outcome != "took"] or said
    # A hold that is followed by the end of the run was not what kept the message back.
    if said and latest[said[-1]].outcome != "held":
        return latest[said[-1]]
    return latest[-1]
