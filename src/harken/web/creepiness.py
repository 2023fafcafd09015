"""The creepiness report: what a journey tells people of themselves, and webhooks of them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from harken.clock import iso
from harken.definitions import InForce
from harken.inputs import Approved
from harken.journeys.compile import LiveJourney
from harken.journeys.kinds import CallWebhook, Message
from harken.messages.approvals import approval_of, approvals
from harken.messages.context import context_of
from harken.messages.facts import Fact, call_facts, has
from harken.messages.privacy import Says, standings, uses_of
from harken.people.privacy import Register, folded
from harken.people.profile import Profile, Trigger
from harken.web.api import Api
from harken.web.creepiness_model import Answered, Creepiness, Shown
from harken.web.problems import not_there
from harken.web.projects import MOST_FEEDS, audience_of
from harken.web.samples import ENTERED, json_object, trigger_of_run

MOST_RECIPIENTS = 5_000
"""Customers who were sent a message lately that are looked at."""
MOST_STATEMENTS = 50_000

SENT = """
SELECT step, variant, profile_id FROM events
WHERE name IN ('$message_sent', '$webhook_called') AND journey = $1
GROUP BY step, variant, profile_id ORDER BY max(ts) DESC LIMIT $2
"""
STATED = """
SELECT profile_id, imported, props::JSON::VARCHAR FROM events
WHERE name = '$identify' AND profile_id IN (SELECT unnest($1::BIGINT[]))
ORDER BY ts DESC LIMIT $2
"""

Recipient = tuple[Profile, str, dict[str, Any]]
"""The document, the variant, and the values that templates may use."""


def creepiness(api: Api, name: str) -> Creepiness:
    """The report of a journey's revision in force. Raises NotFound."""
    in_force = api.services.in_force
    journey = in_force.journeys.get(name)
    if journey is None:
        raise not_there("journey", name, in_force.journeys)
    sent = _sent(api, journey, in_force)
    audience = list(audience_of(api, journey))
    would = _would_get(api, journey, in_force, audience)
    people = [one[0] for group in (*sent.values(), *would.values()) for one in group]
    origins = _origins(api, people)
    told = _Told(in_force, journey, origins)
    shown = [
        one
        for says in _says(in_force, journey)
        for one in told.by(says, sent[says.step], would[says.step])
    ]
    gravity = ("sensitive", "personal", "ordinary", "of the event")
    shown.sort(key=lambda one: gravity.index(one.is_))
    return Creepiness(
        journey=name,
        revision=journey.revision,
        recipients=len({one[0].id for group in sent.values() for one in group}),
        audience=len(audience),
        shown=shown,
    )


def _sent(api: Api, journey: LiveJourney, in_force: InForce) -> dict[str, list[Recipient]]:
    """By step: those who were sent it lately, and the variant that they were sent; or who a
    webhook was told of."""
    history = api.services.history
    rows = history.query(SENT, [journey.name, MOST_RECIPIENTS], limit=MOST_RECIPIENTS)
    profiles = api.services.store.profiles(sorted({id for _, _, id in rows}))
    entered = history.query(ENTERED, [journey.name, MOST_RECIPIENTS], limit=MOST_RECIPIENTS)
    triggers = {id: trigger_of_run(json_object(facts)) for id, facts in entered}
    found: dict[str, list[Recipient]] = defaultdict(list)
    for step, variant, id in rows:
        profile = profiles.get(id)
        if profile is not None and profile.tombstone is None:
            values = _values(profile, triggers.get(id), in_force, api.now)
            found[step].append((profile, variant, values))
    return found


def _would_get(
    api: Api,
    journey: LiveJourney,
    in_force: InForce,
    audience: Sequence[tuple[Profile, Trigger | None]],
) -> dict[str, list[Recipient]]:
    """By step: those who would be sent it now, and the variant that they would get."""
    # Not at the top: templates take longer to load than Harken may take to start.
    from harken.messages.coupons import with_examples
    from harken.messages.coverage import would_say

    found: dict[str, list[Recipient]] = defaultdict(list)
    valued = [(one, event, _values(one, event, in_force, api.now)) for one, event in audience]
    for step in journey.messages():
        words = in_force.message(journey.name, journey.revision, step.message)
        if words is None:
            continue
        outside = api.services.fetching.of(in_force.workspace, MOST_FEEDS)
        for profile, trigger, values in valued:
            tried = with_examples(
                trigger, journey, step.message, in_force.coupons, api.now, in_force.zone
            )
            said = would_say(words, profile, tried, in_force.workspace, api.now, outside)
            if said is not None:
                found[step.message].append((profile, said, values))
    for node in journey.nodes:
        if isinstance(node.step, CallWebhook):
            found[node.id] = [(profile, "", values) for profile, _, values in valued]
    return found


def _values(
    profile: Profile, trigger: Trigger | None, in_force: InForce, now: int
) -> dict[str, Any]:
    values = context_of(profile, trigger, in_force.workspace, now)
    return {"entry": values["event"]["properties"], **values}


def _says(in_force: InForce, journey: LiveJourney) -> Iterator[Says]:
    """What each message says, and each webhook is told."""
    rules = {name: one.rule for name, one in in_force.segments.sources.items()}
    for node in journey.nodes:
        match node.step:
            case Message() as step:
                words = in_force.message(journey.name, journey.revision, node.id)
                if words is not None:
                    yield Says(journey.name, node.id, uses_of(step, words, rules))
            case CallWebhook(webhook=name):
                call = in_force.call(journey.name, journey.revision, node.id)
                if call is not None:
                    yield Says(journey.name, node.id, call_facts(call), name)


class _Told:
    """The rows of the report."""

    def __init__(self, in_force: InForce, journey: LiveJourney, origins: "_Origins") -> None:
        self._register = Register(in_force.workspace.attributes)
        self._approved = approvals(in_force.workspace, in_force.written.approvals)
        self._journey, self._origins = journey.name, origins

    def by(
        self, says: Says, sent: Sequence[Recipient], would: Sequence[Recipient]
    ) -> Iterator[Shown]:
        by_fact: dict[Fact, list[str]] = defaultdict(list)
        for variant, facts in says.uses.items():
            for fact in facts:
                by_fact[fact].append(variant)
        for fact, variants in sorted(by_fact.items()):
            yield self._row(says, fact, variants, sent, would)

    def _row(
        self,
        says: Says,
        fact: Fact,
        variants: list[str],
        sent: Sequence[Recipient],
        would: Sequence[Recipient],
    ) -> Shown:
        got, would_get = (_having(group, fact, variants) for group in (sent, would))
        standing = next(iter(standings(fact, self._register)), None)
        answered = (
            approval_of(self._approved, self._journey, says.step, standing.name)
            if standing
            else None
        )
        shown: Literal["told", "shown"] = "told" if says.webhook else "shown"
        return Shown(
            message=says.step,
            webhook=says.webhook,
            fact=fact.path,
            use=shown if fact.shown else "chooses the words",
            variants=variants,
            is_=standing.is_ if standing else "of the event",
            purpose=standing.purpose if standing else "",
            benefit=standing.benefit if standing else "",
            approved=_answered(answered),
            came_from=self._origins.of(fact, {**got, **would_get}.values()),
            got=len(got),
            would_get=len(would_get),
        )


def _having(group: Sequence[Recipient], fact: Fact, variants: list[str]) -> dict[int, Profile]:
    """Those who have the fact and get a version that says it."""
    return {
        profile.id: profile
        for profile, variant, values in group
        if (variant or "default") in variants and has(fact, values)
    }


def _answered(found: Approved | None) -> Answered | None:
    if found is None:
        return None
    return Answered(by=found.by, at=iso(found.at) if found.at else None, reason=found.reason)


class _Origins:
    """Where attributes of customers came from."""

    def __init__(self, stated: dict[tuple[int, str], str]) -> None:
        self._stated = stated

    def of(self, fact: Fact, profiles: Iterable[Profile]) -> dict[str, int]:
        """How many of the customers have the fact from where, the most frequent first."""
        if not fact.attribute:
            return {"event": count} if (count := sum(1 for _ in profiles)) else {}
        name = folded(fact.attribute)
        found = Counter(self._one(profile, name) for profile in profiles)
        return dict(found.most_common())

    def _one(self, profile: Profile, name: str) -> str:
        if all(folded(one) != name for one in profile.attributes):
            return "learned"
        return self._stated.get((profile.id, name), "set")


def _origins(api: Api, people: Sequence[Profile]) -> _Origins:
    ids = sorted({one.id for one in people})
    rows = api.services.history.query(STATED, [ids, MOST_STATEMENTS], limit=MOST_STATEMENTS)
    stated: dict[tuple[int, str], str] = {}
    for id, imported, properties in rows:
        for key in json_object(properties):
            stated.setdefault((id, folded(key)), "imported" if imported else "stated")
    return _Origins(stated)
