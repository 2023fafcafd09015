"""The rule tree: one language for audiences, conditions, variants, exceptions and segments.

    {attribute: country, equals: KR}
    {event_property: cart_value, gte: 200}
    {did: Product Viewed, where: {category: shoes}, at_least: 3, within: 30d}
    {all: [...]}   {any: [...]}   {not: {...}}

A condition is one struct; the field named by `key` tells it apart from the others. To add one,
write its struct here, add it to `Rule`, and give it an arm in `live.compile_rule` and
`explain.explain`.
"""

from typing import Any, ClassVar

from msgspec import UNSET, Struct, UnsetType, field

from harken.values import Duration

Scalar = str | int | float | bool | None


class Test(Struct, frozen=True, omit_defaults=True):
    """Comparisons of one value; all that are given must hold.

    A missing value matches only `exists: false`. `before` and `after` take an ISO date or time.
    """

    equals: Scalar | UnsetType = UNSET
    not_equals: Scalar | UnsetType = UNSET
    in_: list[Scalar] | UnsetType = field(name="in", default=UNSET)
    not_in: list[Scalar] | UnsetType = UNSET
    contains: Scalar | UnsetType = UNSET
    gt: float | UnsetType = UNSET
    gte: float | UnsetType = UNSET
    lt: float | UnsetType = UNSET
    lte: float | UnsetType = UNSET
    between: list[float] | UnsetType = UNSET
    regex: str | UnsetType = UNSET
    before: str | UnsetType = UNSET
    after: str | UnsetType = UNSET
    exists: bool | UnsetType = UNSET


Where = dict[str, Test]
"""Conditions on event properties by dotted path. A bare value `{category: shoes}` is `equals`."""


class Attribute(Test, frozen=True, omit_defaults=True, kw_only=True):
    """The customer's attribute (dotted path for nested ones) passes the comparisons."""

    key: ClassVar[str] = "attribute"
    attribute: str


class EventProperty(Test, frozen=True, omit_defaults=True, kw_only=True):
    """The triggering event's property (dotted path) passes the comparisons."""

    key: ClassVar[str] = "event_property"
    event_property: str


class Did(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The customer did the event so many times (default: at least once), ever or `within`."""

    key: ClassVar[str] = "did"
    did: str
    where: Where = field(default_factory=dict)
    at_least: int | None = None
    at_most: int | None = None
    exactly: int | None = None
    within: Duration | None = None


class All(Struct, frozen=True):
    """Every rule holds."""

    key: ClassVar[str] = "all"
    all: list["Rule"]


class Any_(Struct, frozen=True):
    """At least one rule holds."""

    key: ClassVar[str] = "any"
    any: list["Rule"]


class Not(Struct, frozen=True):
    """The rule does not hold."""

    key: ClassVar[str] = "not"
    not_: "Rule" = field(name="not")


Rule = Attribute | EventProperty | Did | All | Any_ | Not


def lookup(values: dict[str, Any], path: str) -> Any:
    """The value at a dotted path of nested objects, or UNSET. A whole key wins over its parts."""
    if path in values:
        found = values[path]
        return UNSET if found is None else found
    found = values
    for part in path.split("."):
        if not isinstance(found, dict) or part not in found:
            return UNSET
        found = found[part]
    return UNSET if found is None else found
