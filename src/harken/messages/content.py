"""What a message says, as written in a journey file."""

from typing import Any

from msgspec import Struct, field

from harken.segments.rules import Rule


class Content(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One wording. `mjml`, `html` and `text` hold Liquid, or name a content file beside them."""

    subject: str | None = None
    preheader: str | None = None
    """What mail programs show after the subject; goes hidden at the top of the HTML."""
    html: str | None = None
    mjml: str | None = None
    text: str | None = None
    """The plain part of an e-mail; made from the HTML when not given."""
    payload: dict[str, Any] | None = None
    """What a webhook message says: JSON whose strings hold Liquid. A string that is one `{{ }}`
    and nothing else keeps the kind of its value (a number, a list ...)."""
    locales: dict[str, "Content"] = field(default_factory=dict)
    """Versions by language tag (`ko`, `pt-BR`); what one leaves out is taken from the base."""


class Variant(Content, frozen=True, omit_defaults=True, kw_only=True):
    """A wording for some: those for whom `when` holds, or a `weight` share of the rest.

    What it leaves out is taken from the default content.
    """

    name: str | None = None
    """How reports call it; `variant-1`, `variant-2` ... when not given."""
    when: Rule | None = None
    weight: float | None = None
    """Percent of the customers whom no `when` chose; what weights leave over gets the default."""
