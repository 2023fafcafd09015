"""The definitions in force, compiled: what `handle` and the sender look things up in."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from harken.deciding.saying import Named, compile_words
from harken.effects import Outgoing
from harken.files.reader import read
from harken.gates import CompiledWorkspace, compile_workspace
from harken.inputs import Allocation, Definitions, Findings, JourneySource
from harken.journeys.compile import LiveJourney, compile_journey
from harken.journeys.entries import (
    DateEntry,
    OutcomeEntry,
)
from harken.journeys.experiments import trials
from harken.journeys.kinds import CallWebhook, Message, walk
from harken.journeys.model import Journey
from harken.journeys.places import Places
from harken.journeys.wordings import showing
from harken.messages.choose import Chooser, compile_choice
from harken.messages.pools import CouponPool
from harken.messages.surveys import Survey
from harken.people.profile import Profile
from harken.people.traits import Trait
from harken.segments.explain import Unmet, compile_unmet
from harken.segments.filling import Filling
from harken.segments.live import Check, Traits, compile_rule
from harken.segments.members import LiveSegments, refers_to
from harken.segments.model import Segment
from harken.segments.nothing import fails_for_nothing
from harken.segments.rules import ANYBODY, Rule
from harken.workspace import Sender, Workspace

if TYPE_CHECKING:
    # The engine chooses among variants but renders none: it never loads the templates' libraries.
    from harken.messages.compile import CompiledCall, CompiledMessage

NOTHING: frozenset[str] = frozenset()
PAST_REVISIONS = 200
"""Compiled past revisions kept; runs in flight on others compile them again."""

FindRevision = Callable[[str, int], JourneySource | None]


class InForce:
    """One state of all definitions, ready to run.

    Revisions that only runs in flight still need are compiled when one of those runs goes on.
    """

    def __init__(self, written: Definitions, find: FindRevision, sender: str = "") -> None:
        """`sender` is the default sender of a workspace that names none."""
        self.written = written
        self.workspace = with_sender(read(written.workspace, Workspace), sender)
        self.policy: CompiledWorkspace = compile_workspace(self.workspace)
        self.zone = ZoneInfo(self.workspace.timezone)
        self._find = find
        segments = {name: read(one, Segment) for name, one in written.segments.items()}
        rules = {name: segment.rule for name, segment in segments.items()}
        self._traits = Traits(segments=rules, zone=self.zone)
        for catalog in self.workspace.catalogs.values():
            if catalog.recommend is not None:
                # What a customer has bought is not recommended by `not_yet_bought`.
                events = catalog.events
                self._traits.need("items", (events.bought,), path=events.bought_ids)
        self._past: OrderedDict[tuple[str, int], LiveJourney | None] = OrderedDict()
        self._messages: dict[tuple[str, int, str], CompiledMessage] = {}
        self._moved: dict[tuple[str, int], int] = {}
        self._calls: dict[tuple[str, int, str], CompiledCall | None] = {}
        self._choosers: dict[tuple[str, int, str], Chooser] = {}
        self._unmet: dict[tuple[str, int], Unmet] = {}
        self.journeys = {name: self._compile(one) for name, one in written.journeys.items()}
        self.entries: dict[str, list[LiveJourney]] = {}
        """Journeys by the event that starts them."""
        self.dates: dict[str, DateEntry] = {}
        """By journey: the date attribute that lets customers in. No event of another does."""
        self.ignored: list[OutcomeEntry] = []
        """Entries of those who ignore a message."""
        self.places = Places(self.workspace.places)
        for journey in self.journeys.values():
            if journey.archived:
                continue
            entry = journey.source.entry
            if isinstance(entry, DateEntry):
                self.dates[journey.name] = entry
            else:
                self.entries.setdefault(entry.event, []).append(journey)
            if isinstance(entry, OutcomeEntry) and entry.outcome == "ignored":
                self.ignored.append(entry)
        self.segments = LiveSegments(segments, self._traits)
        self.coupons = {name: read(one, CouponPool) for name, one in written.coupons.items()}
        self.surveys = {name: read(one, Survey) for name, one in written.surveys.items()}
        self.filling = Filling()
        self.findings = Findings()
        """What all customers together do; the engine renews it."""
        self.called_off: Mapping[str, str] = {}
        """Broadcasts whose messages must not leave any more."""
        self.trials = {
            trial.key: trial
            for journey in self.journeys.values()
            for trial in trials(journey.name, journey.source.steps)
        }
        """Experiments by journey and step, those of archived journeys among them."""
        self.allocations: dict[str, Allocation] = {}
        """How they share out new customers at present, where that was worked out."""

    @property
    def traits(self) -> dict[str, list[Trait]]:
        """What to count, by event name."""
        return self._traits.by_event

    @property
    def known(self) -> Traits:
        """What rules refer to: traits, segments, the workspace's zone."""
        return self._traits

    def trait(self, id: str) -> Trait | None:
        """What is counted under that id."""
        return self._traits.by_id.get(id)

    def counted(self) -> dict[str, Trait]:
        """Every trait that the definitions in force need, by id."""
        return dict(self._traits.by_id)

    def changed_segments(self, before: "InForce") -> set[str]:
        """Segments that are new or ask something else than before, also by what they refer to."""
        if self.workspace.timezone != before.workspace.timezone:
            return set(self.segments.by_name)
        old = before.segments.sources
        changed = {
            name
            for name, one in self.segments.sources.items()
            # As they are written, for to Python `equals: true` equals `equals: 1`.
            if name not in old or repr(old[name].rule) != repr(one.rule)
        }
        while True:
            more = {
                name
                for name, one in self.segments.sources.items()
                if name not in changed and refers_to(one.rule) & changed
            }
            if not more:
                return changed
            changed |= more

    def ignored_after(self, journey: str, step: str) -> list[int]:
        """After how long (ms) somebody wants to know that a message is ignored, in order."""
        asked = {
            int(entry.within)
            for entry in self.ignored
            if entry.within and entry.journey == journey and entry.message in (None, step)
        }
        return sorted(asked)

    def fail_for_nothing(self, segments: Iterable[str], traits: Collection[str]) -> bool:
        """Whether nobody is in one of the segments of whom these traits have counted nothing."""
        rules = self._traits.segments
        return all(fails_for_nothing(rules[name], traits, self._traits) for name in segments)

    def dates_differ(self, before: "InForce") -> bool:
        """Whether the dates at which customers enter journeys may be others than before."""
        if self.dates and self.workspace.timezone != before.workspace.timezone:
            return True
        return self.dates != before.dates

    def journeys_reading(self, traits: Iterable[str]) -> set[str]:
        """Journeys whose rules read one of the traits."""
        wanted = set(traits)
        found = set()
        for name, source in self.written.journeys.items():
            if wanted and not source.archived:
                mine = Traits(self._traits.segments, self.zone)
                self._compile(source, mine)
                if mine.by_id.keys() & wanted:
                    found.add(name)
        return found

    def unfilled(self, profile_id: int) -> frozenset[str]:
        """Segments and journeys whose rules do not yet know this customer's past."""
        passes = self.filling.passes
        if not passes:
            return NOTHING
        waiting = [one for one in passes if one.awaits(profile_id)]
        return frozenset(name for one in waiting for name in (*one.segments, *one.journeys))

    def tidy(self, profile: Profile) -> bool:
        """Let go of what the document holds for rules that are no more; whether any may be."""
        then, now = profile.tidied, self.written.revision
        if then == now:
            return False
        profile.tidied = now
        introduced = self.filling.introduced
        for id in list(profile.traits):
            # One that was needed before, then not, and now again, is filled anew: what was left
            # from the first time would count twice.
            if id not in self._traits.by_id or introduced.get(id, 0) > then:
                del profile.traits[id]
        for name in list(profile.segments):
            if name not in self.segments.by_name:
                del profile.segments[name]
        for name in profile.places.keys() - self.places.names:
            del profile.places[name]
        for key in list(profile.assigned):
            if key not in self.trials:
                del profile.assigned[key]
        return True

    def journey(self, name: str, revision: int) -> LiveJourney | None:
        """A revision of a journey; None when it was never applied."""
        latest = self.journeys.get(name)
        if latest is not None and latest.revision == revision:
            return latest
        key = (name, revision)
        if key not in self._past:
            source = self._find(name, revision)
            self._past[key] = self._compile(source) if source else None
            if len(self._past) > PAST_REVISIONS:
                self._past.popitem(last=False)
        return self._past[key]

    def revision_for(self, name: str, revision: int) -> int:
        """The revision on which a run of `revision` goes on: its own, or the one moved to."""
        latest = self.written.journeys.get(name)
        if latest is None or latest.revision <= revision:
            return revision
        key = (name, revision)
        if key not in self._moved:
            later = (
                one
                for one in range(latest.revision, revision, -1)
                if (source := self._source(name, one)) and source.moves
            )
            self._moved[key] = next(later, revision)
        return self._moved[key]

    def _source(self, name: str, revision: int) -> JourneySource | None:
        latest = self.written.journeys.get(name)
        known = latest is not None and latest.revision == revision
        return latest if known else self._find(name, revision)

    def asked_live(self, rule: Rule) -> Check | None:
        """A rule of nobody's definitions, for documents; None when it asks what was not counted."""
        mine = Traits(self._traits.segments, self.zone)
        check = compile_rule(rule, mine)
        return check if mine.by_id.keys() <= self._traits.by_id.keys() else None

    def live(self, name: str) -> bool:
        """Whether messages of the journey (of whatever revision) may leave."""
        latest = self.journeys.get(name)
        return latest is not None and not latest.archived and latest.source.state == "live"

    def chooser(self, journey: str, revision: int, step: Message) -> Chooser:
        """Who gets which variant of a message step."""
        key = (journey, revision, step.message)
        found = self._choosers.get(key)
        if found is None:
            found = compile_choice(step, journey, lambda rule: compile_rule(rule, self._traits))
            self._choosers[key] = found
        return found

    def unmet_audience(self, journey: LiveJourney) -> Unmet:
        """Because of what somebody is not in the journey's audience."""
        key = (journey.name, journey.revision)
        found = self._unmet.get(key)
        if found is None:
            audience = journey.source.entry.audience or ANYBODY
            found = self._unmet[key] = compile_unmet(audience, self._traits)
        return found

    def message(self, journey: str, revision: int, step: str) -> "CompiledMessage | None":
        """The words of a message step."""
        key = (journey, revision, step)
        if key not in self._messages:
            source = self._source(journey, revision)
            if source is None:
                return None
            if len(self._messages) > PAST_REVISIONS * 5:
                self._messages.clear()
            words = compile_words(source, self.workspace, self._traits, self.named())
            for name, message in words.messages.items():
                self._messages[journey, revision, name] = message
        return self._messages.get(key)

    def call(self, journey: str, revision: int, step: str) -> "CompiledCall | None":
        """What a webhook step posts."""
        from harken.messages.compile import compile_call

        key = (journey, revision, step)
        found = self.journey(journey, revision)
        source = self._source(journey, revision)
        nodes = found.nodes if found else ()
        node = next((one for one in nodes if one.id == step), None)
        if node is None or source is None or not isinstance(node.step, CallWebhook):
            return None
        if key not in self._calls:
            if len(self._calls) > PAST_REVISIONS:
                self._calls.clear()
            self._calls[key], _ = compile_call(
                node.step,
                source.files,
                name=node.id,
                path=node.path,
                journey=journey,
                workspace_language=self.workspace.language,
            )
        return self._calls[key]

    def call_step(self, journey: str, revision: int, step: str) -> CallWebhook | None:
        """A webhook step as written."""
        found = self.journey(journey, revision)
        steps = (node.step for node in found.nodes if node.id == step) if found else ()
        return next((one for one in steps if isinstance(one, CallWebhook)), None)

    def pace(self, message: Outgoing) -> tuple[str, int, int] | None:
        """What the pace gate must hand a slot for: (whose slots, how many, per ms), or None."""
        step = self.message_step(message.journey, message.revision, message.step)
        if step is None or step.pace is None:
            return None
        return f"{message.journey}/{message.step}", step.pace.at_most, step.pace.per

    def message_step(self, journey: str, revision: int, step: str) -> Message | None:
        """A message step as written."""
        found = self.journey(journey, revision)
        messages = found.messages() if found else ()
        return next((one for one in messages if one.message == step), None)

    def named(self) -> "Named":
        """What words may name."""
        return Named(pools=self.coupons, surveys=self.surveys)

    def _compile(self, source: JourneySource, traits: Traits | None = None) -> LiveJourney:
        journey = read(source.source, Journey)
        used = traits or self._traits
        for _, step in walk(journey.steps):
            if isinstance(step, Message):
                # What its variants ask is counted from now on too, not from the first choice on.
                compile_choice(step, journey.journey, lambda rule: compile_rule(rule, used))
        live = compile_journey(journey, source.revision, source.archived, self.zone, used)
        return replace(live, showing=showing(live.nodes, source.files))


def with_sender(workspace: Workspace, sender: str) -> Workspace:
    """The workspace with `sender` as its default sender where it names none."""
    if not sender or "default" in workspace.senders:
        return workspace
    return replace(workspace, senders={**workspace.senders, "default": Sender(from_=sender)})
