"""Short ways to compile and render a message."""

from typing import Any

from harken.errors import Fault
from harken.journeys.kinds import Message
from harken.messages.compile import CompiledMessage, compile_message
from harken.messages.content import Content, Variant
from harken.messages.context import context_of
from harken.messages.render import Rendered, render
from harken.people.profile import Profile, Trigger
from harken.segments.live import Traits, compile_rule
from harken.segments.rules import Rule
from harken.workspace import Sender, Workspace

NOW = 1_750_000_000_000  # 2025-06-15T15:06:40Z
SECRET = b"0123456789abcdef0123456789abcdef"
SHOP = Workspace(
    senders={
        "default": Sender(
            from_="Shop <hello@shop.example>", postal_address="Street 1, Town", phone="02-123"
        )
    }
)


def compiled(
    default: Content, *variants: Variant, files: dict[str, str] | None = None, **step: Any
) -> tuple[CompiledMessage, list[Fault]]:
    message = Message(
        message="nudge", channel="email", default=default, variants=list(variants), **step
    )

    def rule_of(rule: Rule) -> Any:
        return compile_rule(rule, Traits())

    return compile_message(
        message,
        files or {},
        path="$.steps[0]",
        workspace_language="en",
        journey="cart",
        compile_rule=rule_of,
    )


def good(
    default: Content, *variants: Variant, files: dict[str, str] | None = None, **step: Any
) -> CompiledMessage:
    message, faults = compiled(default, *variants, files=files, **step)
    assert [str(fault) for fault in faults if not fault.warning] == []
    return message


def problems(default: Content, *variants: Variant, **more: Any) -> list[str]:
    return [str(fault) for fault in compiled(default, *variants, **more)[1]]


def context(
    attributes: dict[str, Any] | None = None, properties: dict[str, Any] | None = None
) -> dict[str, Any]:
    profile = Profile(id=7, attributes=attributes or {})
    event = Trigger(name="Cart Abandoned", at=NOW, properties=properties or {})
    return context_of(profile, event, SHOP, NOW)


def shown(message: CompiledMessage, variant: str = "default", **values: Any) -> Rendered:
    return render(message, variant, context(**values), None)
