"""The privacy guard: what a message may say of its recipient only when somebody answers for it.

Refused on save, unless approved with a reason: a message that shows a sensitive attribute, chooses
its words or its variant by one, or shows a personal one whose benefit nobody has declared.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from harken.errors import Fault
from harken.inputs import Approved
from harken.journeys.experiments import DEFAULT
from harken.journeys.kinds import Message, walk
from harken.journeys.model import Journey
from harken.messages.accounts import account_faults
from harken.messages.approvals import approval_of
from harken.messages.compile import CompiledMessage
from harken.messages.facts import Fact, facts_of
from harken.people.attributes import STANDARD
from harken.people.privacy import EVERYTHING, Register, Standing, folded
from harken.segments.reads import reads
from harken.segments.rules import Rule
from harken.workspace import Workspace


def guarded(
    journey: Journey,
    words: Mapping[str, CompiledMessage],
    workspace: Workspace,
    approved: Collection[Approved],
    segments: Mapping[str, Rule],
) -> Iterator[Fault]:
    """What a journey's messages (`words`, by step) say, or fetch, that they may not."""
    found = [(path, step) for path, step in walk(journey.steps) if isinstance(step, Message)]
    names = Counter(step.message for _, step in found)
    for path, step in found:
        # Of a name that is given twice, which is a fault, one cannot tell whose words these are.
        if names[step.message] == 1:
            message = words[step.message]
            yield from account_faults(message.templates(), workspace.connected, path)
            yield from guard(step, message, workspace, approved, segments, path)


def uses_of(
    step: Message, message: CompiledMessage, segments: Mapping[str, Rule]
) -> dict[str, set[Fact]]:
    """By variant: what it says of its recipient, or was chosen by."""
    found = facts_of(message)
    for name, variant in zip(message.chooser.names, step.variants, strict=True):
        if variant.when is not None:
            asked = {one.partition(".")[0] for one in reads(variant.when, segments).attributes}
            found[name] |= {asked_attribute(one) for one in asked}
    return found


def asked_attribute(name: str) -> Fact:
    """An attribute that a variant's rule asks for, as a template would know it."""
    keys = ("profile", name) if name in STANDARD else ("profile", "attributes", name)
    return Fact(".".join(keys), name, False, keys)


def guard(
    step: Message,
    message: CompiledMessage,
    workspace: Workspace,
    approved: Collection[Approved],
    segments: Mapping[str, Rule],
    path: str,
) -> list[Fault]:
    """What a message says that it may not say; `path` is where its step stands."""
    register = Register(workspace.attributes)
    faults: dict[str, Fault] = {}
    for variant, facts in uses_of(step, message, segments).items():
        for fact in sorted(facts):
            for standing in standings(fact, register):
                key = folded(standing.name)
                objection = _objection(standing, fact, register)
                allowed = approval_of(approved, message.journey, message.name, standing.name)
                if objection and allowed is None and key not in faults:
                    place = _place(path, variant, message)
                    faults[key] = Fault(place, _refusal(standing, fact, objection, message))
    return list(faults.values())


def standings(fact: Fact, register: Register) -> list[Standing]:
    """The attributes that a fact is, and how they stand; none for what is no attribute."""
    if not fact.attribute:
        return []
    names = register.every() if fact.attribute == EVERYTHING else [fact.attribute]
    return [register.standing(name) for name in names]


def _objection(standing: Standing, fact: Fact, register: Register) -> str:
    if not fact.shown and standing.is_ != "sensitive":
        return ""
    return standing.objection(register.declares)


def _place(path: str, variant: str, message: CompiledMessage) -> str:
    if variant == DEFAULT:
        return f"{path}.default"
    return f"{path}.variants[{message.chooser.names.index(variant)}]"


def _refusal(standing: Standing, fact: Fact, objection: str, message: CompiledMessage) -> str:
    does = "shows" if fact.shown else "chooses what it says by"
    declare = ""
    if standing.is_ == "personal":
        declare = f"declare its `benefit` under `attributes.{standing.name}` in workspace.yaml, "
    return (
        f"it {does} `{standing.name}` (`{fact.path}`), and {objection}: leave it out, {declare}"
        f"or let an admin approve it, by `harken approve {message.journey or 'JOURNEY'} "
        f"{message.name} {standing.name} --reason ...` or under `approvals` in workspace.yaml"
    )
