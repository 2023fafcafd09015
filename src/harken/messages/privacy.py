"""The privacy guard: what may be said of a customer only when somebody answers for it.

Refused on save, unless approved with a reason: a message that shows a sensitive attribute, chooses
its words or its variant by one, or shows a personal one whose benefit nobody has declared. So is a
webhook step that tells others such a thing.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from harken.errors import Fault
from harken.inputs import Approved
from harken.journeys.experiments import DEFAULT
from harken.journeys.kinds import CallWebhook, Message, step_id, walk
from harken.journeys.model import Journey
from harken.messages.accounts import account_faults
from harken.messages.approvals import approval_of
from harken.messages.compile import CompiledMessage, Words
from harken.messages.facts import Fact, call_facts, facts_of
from harken.people.attributes import STANDARD
from harken.people.privacy import EVERYTHING, Register, Standing, folded
from harken.segments.reads import reads
from harken.segments.rules import Rule
from harken.workspace import Workspace


def guarded(
    journey: Journey,
    words: Words,
    workspace: Workspace,
    approved: Collection[Approved],
    segments: Mapping[str, Rule],
) -> Iterator[Fault]:
    """What a journey's messages and calls say, or fetch, that they may not."""
    found = [
        (path, step, step_id(step, place)) for place, (path, step) in enumerate(walk(journey.steps))
    ]
    names = Counter(name for _, _, name in found)
    for path, step, name in found:
        # Of a name that is given twice, which is a fault, one cannot tell whose words these are.
        if names[name] > 1:
            continue
        if isinstance(step, Message):
            message = words.messages[name]
            says = Says(journey.journey, name, uses_of(step, message, segments))
            yield from account_faults(message.templates(), workspace.connected, path)
            yield from guard(says, workspace, approved, partial(_content, path, message))
        elif isinstance(step, CallWebhook) and (call := words.calls.get(name)):
            says = Says(journey.journey, name, call_facts(call), step.webhook)
            yield from account_faults(call.payload.templates(), workspace.connected, path)
            yield from guard(says, workspace, approved, partial(_payload, path))


class Says(NamedTuple):
    """What a step tells whom of a customer, by variant."""

    journey: str
    step: str
    uses: Mapping[str, Collection[Fact]]
    webhook: str = ""
    """Who is told; empty of a message, which tells the customers themselves."""


def uses_of(
    step: Message, message: CompiledMessage, segments: Mapping[str, Rule]
) -> dict[str, set[Fact]]:
    """For each variant, what it says of its recipient, and by what it was chosen."""
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
    says: Says,
    workspace: Workspace,
    approved: Collection[Approved],
    place: Callable[[str], str],
) -> list[Fault]:
    """What a step says that it may not say; `place` is where a variant stands."""
    register = Register(workspace.attributes)
    faults: dict[str, Fault] = {}
    for variant, facts in says.uses.items():
        for fact in sorted(facts):
            for standing in standings(fact, register):
                key = folded(standing.name)
                objection = _objection(standing, fact, register)
                allowed = approval_of(approved, says.journey, says.step, standing.name)
                if objection and allowed is None and key not in faults:
                    refusal = _refusal(standing, fact, objection, says)
                    faults[key] = Fault(place(variant), refusal)
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


def _content(path: str, message: CompiledMessage, variant: str) -> str:
    if variant == DEFAULT:
        return f"{path}.default"
    return f"{path}.variants[{message.chooser.names.index(variant)}]"


def _payload(path: str, variant: str) -> str:
    return f"{path}.payload"


def _refusal(standing: Standing, fact: Fact, objection: str, says: Says) -> str:
    tells = f"tells the webhook {says.webhook}" if says.webhook else "shows"
    does = tells if fact.shown else "chooses what it says by"
    declare = ""
    if standing.is_ == "personal":
        declare = f"declare its `benefit` under `attributes.{standing.name}` in workspace.yaml, "
    return (
        f"it {does} `{standing.name}` (`{fact.path}`), and {objection}: leave it out, {declare}"
        f"or let an admin approve it, by `harken approve {says.journey or 'JOURNEY'} "
        f"{says.step} {standing.name} --reason ...` or under `approvals` in workspace.yaml"
    )
