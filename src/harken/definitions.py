"""The definitions in force, compiled: what `handle` and the sender look things up in."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from harken.errors import BadDefinition, Fault
from harken.files.reader import read
from harken.gates import CompiledWorkspace, compile_workspace, workspace_faults
from harken.inputs import Definitions, JourneySource
from harken.journeys.compile import LiveJourney, compile_journey, journey_faults
from harken.journeys.model import Journey, Message
from harken.messages.choose import Chooser, compile_choice
from harken.people.traits import Trait
from harken.segments.live import Traits, compile_rule
from harken.segments.model import Segment
from harken.workspace import Sender, Workspace

if TYPE_CHECKING:
    # The engine chooses among variants but renders none: it never loads the templates' libraries.
    from harken.messages.compile import CompiledMessage

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
        self._traits = Traits()
        self._past: OrderedDict[tuple[str, int], LiveJourney | None] = OrderedDict()
        self._messages: dict[tuple[str, int, str], CompiledMessage] = {}
        self._choosers: dict[tuple[str, int, str], Chooser] = {}
        self.journeys = {name: self._compile(one) for name, one in written.journeys.items()}
        self.entries: dict[str, list[LiveJourney]] = {}
        """Journeys by the event that starts them."""
        for journey in self.journeys.values():
            if not journey.archived:
                self.entries.setdefault(journey.source.entry.event, []).append(journey)

    @property
    def traits(self) -> dict[str, list[Trait]]:
        """What to count, by event name."""
        return self._traits.by_event

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

    def message(self, journey: str, revision: int, step: str) -> "CompiledMessage | None":
        """The words of a message step."""
        key = (journey, revision, step)
        if key not in self._messages:
            source = self.written.journeys.get(journey)
            if source is None or source.revision != revision:
                source = self._find(journey, revision)
            if source is None:
                return None
            if len(self._messages) > PAST_REVISIONS * 5:
                self._messages.clear()
            for name, message in compile_messages(source, self.workspace, self._traits)[0].items():
                self._messages[journey, revision, name] = message
        return self._messages.get(key)

    def message_step(self, journey: str, revision: int, step: str) -> Message | None:
        """A message step as written."""
        found = self.journey(journey, revision)
        for one in found.steps if found else ():
            if isinstance(one, Message) and one.message == step:
                return one
        return None

    def _compile(self, source: JourneySource) -> LiveJourney:
        journey = read(source.source, Journey)
        return compile_journey(journey, source.revision, source.archived, self.zone, self._traits)


def with_sender(workspace: Workspace, sender: str) -> Workspace:
    """The workspace with `sender` as its default sender where it names none."""
    if not sender or "default" in workspace.senders:
        return workspace
    return replace(workspace, senders={**workspace.senders, "default": Sender(from_=sender)})


def compile_messages(
    source: JourneySource, workspace: Workspace, traits: Traits
) -> "tuple[dict[str, CompiledMessage], list[Fault]]":
    """The messages of a journey by step, and what is wrong with their words."""
    from harken.messages.compile import compile_message

    journey = read(source.source, Journey)
    compiled: dict[str, CompiledMessage] = {}
    faults: list[Fault] = []
    for index, step in enumerate(journey.steps):
        if isinstance(step, Message):
            compiled[step.message], found = compile_message(
                step,
                source.files,
                journey=journey.journey,
                path=f"$.steps[{index}]",
                journey_purpose=journey.purpose,
                workspace_language=workspace.language,
                compile_rule=lambda rule: compile_rule(rule, traits),
            )
            faults += found
    return compiled, faults


def check(written: Definitions) -> list[tuple[str, str, Fault]]:
    """Every fault of a bundle: (`workspace`, `journey` or `segment`, its name, the fault).

    Whole: what is well formed is also compiled, so that nothing broken ever goes live.
    """
    faults: list[tuple[str, str, Fault]] = []
    workspace = Workspace()
    try:
        workspace = read(written.workspace, Workspace)
    except BadDefinition as bad:
        faults += [("workspace", "", fault) for fault in bad.faults]
    else:
        faults += [("workspace", "", fault) for fault in workspace_faults(workspace)]
    for name, source in written.journeys.items():
        faults += [("journey", name, fault) for fault in _check_journey(source, workspace)]
    for name, segment in written.segments.items():
        try:
            read(segment, Segment)
        except BadDefinition as bad:
            faults += [("segment", name, fault) for fault in bad.faults]
    return faults


def _check_journey(source: JourneySource, workspace: Workspace) -> list[Fault]:
    try:
        journey = read(source.source, Journey)
    except BadDefinition as bad:
        return list(bad.faults)
    faults = journey_faults(journey)
    for index, step in enumerate(journey.steps):
        if isinstance(step, Message) and step.sender and step.sender not in workspace.senders:
            known = ", ".join(workspace.senders) or "none"
            problem = f"the workspace has no sender `{step.sender}` (it has: {known})"
            faults.append(Fault(f"$.steps[{index}].sender", problem))
    return faults + compile_messages(source, workspace, Traits())[1]
