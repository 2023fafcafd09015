"""Which facts about a customer a message or call tells, found in its templates alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from liquid.ast import ConditionalBlockNode, Node
from liquid.builtin.expressions import Path
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from msgspec import Struct

from harken.journeys.experiments import DEFAULT
from harken.messages.analysis import ALWAYS
from harken.messages.compile import CompiledCall, CompiledMessage
from harken.messages.evaluate import path_text
from harken.messages.liquid import Template
from harken.messages.syntax import every
from harken.people.attributes import STANDARD
from harken.people.privacy import EVERYTHING

PERSONAL_ROOTS = frozenset(("profile", "event", "entry", "answers", "session"))
_CONDITIONS = (IfNode, UnlessNode, CaseNode, ConditionalBlockNode, MultiExpressionBlockNode)


class Fact(Struct, frozen=True, order=True):
    """Something that a template knows of the recipient."""

    path: str
    """As templates have it: `profile.attributes.team`, `event.properties.cart_value`."""
    attribute: str
    """The attribute that it is; `*` for any, empty for what is no attribute."""
    shown: bool
    """Else it only decides which words are said."""
    keys: tuple[str | int, ...] = ()
    """The path, to where it is the same for everybody."""


def facts_of(message: CompiledMessage) -> dict[str, set[Fact]]:
    """For each variant, what its versions in all languages say, or choose their words by."""
    return {
        variant: {
            fact
            for parts in versions.values()
            for template in parts.templates()
            for fact in template_facts(template)
        }
        for variant, versions in message.contents.items()
    }


def call_facts(call: CompiledCall) -> dict[str, set[Fact]]:
    """Likewise of a webhook step, which has one version."""
    return {
        DEFAULT: {
            fact for template in call.payload.templates() for fact in template_facts(template)
        }
    }


def has(fact: Fact, values: Mapping[str, Any]) -> bool:
    """Whether a recipient's values (`context_of`) have it: what is blank they do not have."""
    value: Any = values
    for key in fact.keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, Sequence) and isinstance(key, int) and -len(value) <= key:
            value = value[key] if key < len(value) else None
        elif key not in ("first", "last", "size"):
            return False
    return value is not None and value is not False and str(value).strip() != ""


def template_facts(template: Template) -> set[Fact]:
    """What one template says of the recipient, or chooses its words by."""
    found = set(_facts(template.bound.nodes))
    shown = {fact.path for fact in found if fact.shown}
    return {fact for fact in found if fact.shown or fact.path not in shown}


def _facts(nodes: Iterable[Node]) -> Iterator[Fact]:
    for node in nodes:
        shown = not isinstance(node, _CONDITIONS)
        for expression in node.expressions():
            for part in every(expression):
                if isinstance(part, Path) and part.path[0] in PERSONAL_ROOTS:
                    yield from _fact(list(part.path), shown)
        yield from _facts(node.children(None))  # type: ignore[arg-type]


def _fact(keys: list[object], shown: bool) -> Iterator[Fact]:
    fixed: tuple[str | int, ...] = ()
    for key in keys:
        if not isinstance(key, str | int):
            break
        fixed = (*fixed, key)
    text = path_text([key if not isinstance(key, Path) else "?" for key in keys])
    if text in ALWAYS:
        return
    if keys[0] != "profile":
        yield Fact(text, "", shown, fixed)
    elif len(keys) == 1:
        yield Fact(text, EVERYTHING, shown, fixed)
    elif keys[1] == "attributes":
        name = keys[2] if len(keys) > 2 else None
        yield Fact(text, name if isinstance(name, str) else EVERYTHING, shown, fixed)
    elif isinstance(keys[1], str):
        if keys[1] in STANDARD:
            yield Fact(text, keys[1], shown, fixed)
    else:
        yield Fact(text, EVERYTHING, shown, fixed)
