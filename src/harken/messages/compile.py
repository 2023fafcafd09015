"""From a message step to what is rendered: every template parsed once a revision."""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

from harken.errors import Fault
from harken.journeys.experiments import CONTROL, DEFAULT
from harken.journeys.kinds import CallWebhook, Message
from harken.messages.analysis import Surroundings
from harken.messages.choose import Check, Chooser, compile_choice, total_weight
from harken.messages.content import Content, Variant
from harken.messages.filters import known_locale
from harken.messages.liquid import Template
from harken.messages.payload import Payload
from harken.messages.wording import Parts, Wordings
from harken.segments.rules import Rule


class CompiledMessage(Struct, frozen=True, kw_only=True):
    """A message ready to choose from and to render."""

    name: str
    journey: str
    channels: tuple[str, ...]
    """By which it may go; one is chosen for each customer."""
    purpose: Literal["marketing", "transactional"]
    language: str
    """The workspace's."""
    contents: dict[str, dict[str, Parts]]
    """By variant, then by language tag in lower case; the base is under the empty tag."""
    chooser: Chooser
    track_opens: bool
    track_clicks: bool

    def templates(self) -> Iterator[Template]:
        """Every template of it."""
        for versions in self.contents.values():
            for parts in versions.values():
                yield from parts.templates()

    def parts(self, variant: str, wanted: str) -> Parts:
        """The version of a variant for a language: its own, its base, the workspace's, the base."""
        versions = self.contents[variant]
        if len(versions) > 1:
            for tag in (wanted, self.language):
                folded = tag.replace("_", "-").lower()
                while folded:
                    if folded in versions:
                        return versions[folded]
                    folded = folded.rpartition("-")[0]
        return versions[""]


class CompiledCall(Struct, frozen=True, kw_only=True):
    """What a webhook step posts, ready to render."""

    name: str
    journey: str
    language: str
    """The workspace's."""
    payload: Payload


class Words(NamedTuple):
    """What the messages and calls of a journey say, by step, and what is wrong with it."""

    messages: dict[str, CompiledMessage]
    calls: dict[str, CompiledCall]
    faults: list[Fault]


def compile_call(
    step: CallWebhook,
    files: Mapping[str, str],
    *,
    name: str,
    path: str,
    journey: str,
    workspace_language: str,
    around: Surroundings = Surroundings(),
) -> tuple[CompiledCall | None, list[Fault]]:
    """A webhook step with its templates parsed (None when they are broken), and their faults.

    There is no other version to fall back to, so each value that it uses needs a default.
    """
    wordings = Wordings(files, (), around)
    payload = wordings.payload(step.payload, f"{path}.payload", workspace_language, is_default=True)
    if payload is None:
        return None, wordings.faults
    call = CompiledCall(name=name, journey=journey, language=workspace_language, payload=payload)
    return call, wordings.faults


def compile_message(
    step: Message,
    files: Mapping[str, str],
    *,
    path: str,
    workspace_language: str,
    journey: str = "",
    journey_purpose: Literal["marketing", "transactional"] = "marketing",
    compile_rule: Callable[[Rule], Check],
    around: Surroundings = Surroundings(),
) -> tuple[CompiledMessage, list[Fault]]:
    """A message step with its templates parsed, and everything wrong with it.

    `files` are the content files by the names the step uses; `path` is where the step stands in
    its document, for the faults; `around` is what the journey and the workspace give it. A message
    with faults (warnings aside) must not be used: what could not be compiled is missing from it.
    """
    wordings = Wordings(files, step.by, around)
    chooser = compile_choice(step, journey, compile_rule)
    names = chooser.names
    contents: dict[str, dict[str, Parts]] = {}
    base = (step.default, f"{path}.default")
    contents[DEFAULT] = _versions(wordings, [base], workspace_language, is_default=True)
    for place, (name, variant) in enumerate(zip(names, step.variants, strict=True)):
        where = f"{path}.variants[{place}]"
        wordings.faults.extend(_variant_faults(variant, name, names[:place], where))
        contents[name] = _versions(
            wordings, [(variant, where), base], workspace_language, is_default=False
        )
    taken = total_weight(step)
    if taken > 100.000_001:
        wordings.faults.append(
            Fault(f"{path}.variants", f"the weights add up to {taken:g} percent; 100 at most")
        )
    compiled = CompiledMessage(
        name=step.message,
        journey=journey,
        channels=tuple(step.by),
        purpose=step.purpose or journey_purpose,
        language=workspace_language,
        contents=contents,
        chooser=chooser,
        track_opens=step.track_opens,
        track_clicks=step.track_clicks,
    )
    return compiled, wordings.faults


def _versions(
    wordings: Wordings, layers: list[tuple[Content, str]], language: str, *, is_default: bool
) -> dict[str, Parts]:
    """The base and each locale of a content; `layers` begins with its own, then what it builds on.

    A locale is completed by its base, then by the same locale of the default, then by the default.
    """
    content, path = layers[0]
    wordings.check(content, path)
    found: dict[str, Parts] = {}
    parts = wordings.parts(layers, language, is_default=is_default)
    if parts:
        found[""] = parts
    for tag, version in content.locales.items():
        where = f"{path}.locales.{tag}"
        if not known_locale(tag):
            problem = f"`{tag[:40]}` is no language tag; write one such as ko or pt-BR"
            wordings.faults.append(Fault(where, problem))
            continue
        if version.locales:
            wordings.faults.append(Fault(f"{where}.locales", "a version has no versions itself"))
        wordings.check(version, where)
        special = [(version, where), layers[0]]
        for under, under_path in layers[1:]:
            same = under.locales.get(tag)
            if same is not None:
                special.append((same, f"{under_path}.locales.{tag}"))
            special.append((under, under_path))
        parts = wordings.parts(special, tag, is_default=is_default)
        if parts:
            found[tag.replace("_", "-").lower()] = parts
    return found


def _variant_faults(variant: Variant, name: str, before: list[str], path: str) -> list[Fault]:
    faults = []
    if name in (DEFAULT, CONTROL) or not name.strip() or len(name) > 64 or not name.isprintable():
        faults.append(Fault(f"{path}.name", f"{name[:64]!r} cannot be a variant's name"))
    elif name in before:
        faults.append(Fault(f"{path}.name", f"another variant is called `{name}`"))
    if variant.when is None and variant.weight is None:
        faults.append(Fault(path, "a variant needs `when` (a rule) or `weight` (percent)"))
    elif variant.when is not None and variant.weight is not None:
        faults.append(Fault(path, "give `when` or `weight`, not both"))
    if variant.weight is not None and not 0 < variant.weight <= 100:
        faults.append(Fault(f"{path}.weight", "a weight is more than 0 and at most 100 percent"))
    return faults
