"""The rule tree: one language for audiences, conditions, variants, exceptions and segments.

    {attribute: country, equals: KR}          {attribute: birthday, anniversary: {in_next: 7}}
    {event_property: cart_value, gte: 200}      {answer: stock.left, gt: 0}
    {did: Product Viewed, where: {category: shoes}, at_least: 3, within: 30d}
    {did: Product Added, then_not: {did: Order Completed, in: 1d}}
    {sum: revenue, of: Order Completed, within: 90d, gte: 200}
    {last: $session_started, longer_ago: 14d}
    {messages: opened, of_last: 5, channel: email, at_most: 0}
    {in_segment: loyal}   {in_list: guests}   {reachable: email}
    {consent: email, is: opted_in}   {near: {latitude: 37.5, longitude: 127.0}, radius: 500}
    {bucket: test-1, from: 0, to: 4999}
    {all: [...]}   {any: [...]}   {not: {...}}

A condition is one struct; the field named by `key` tells it apart from the others. To add one,
write its struct here, add it to `Rule`, and give it an arm in `live` (one document), `sql` (the
whole base), `reads` (what it looks at) and `explain` (in words). The conformance test then holds
the two forms together.
"""

from typing import Any, ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType, field

from harken.values import Duration, Name, ZoneName

Scalar = str | int | float | bool


class Test(Struct, frozen=True, omit_defaults=True):
    """Comparisons of one value; all that are given must hold.

    A missing value matches only `exists: false` and `equals: null`. `before` and `after` take an
    ISO date or time.
    """

    equals: Scalar | UnsetType | None = UNSET
    not_equals: Scalar | UnsetType | None = UNSET
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
    some: dict[str, "Test"] | UnsetType = UNSET
    """An array of objects of which at least one passes all of these, by dotted path."""


Where = dict[str, Test]
"""Conditions on event properties by dotted path. A bare value `{category: shoes}` is `equals`."""


class Anniversary(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The date comes round again today or within the next days (29 February on the 28th)."""

    in_next: int
    """Days, today included: 1 is today alone."""
    timezone: ZoneName | None = None
    """Whose calendar; the workspace's when not given."""


class CalendarDays(Struct, frozen=True, kw_only=True):
    """Today and the days before it, `days` in all, by the calendar of a zone."""

    key: ClassVar[str] = "days"
    days: int
    timezone: ZoneName


class Attribute(Test, frozen=True, omit_defaults=True, kw_only=True):
    """The customer's attribute (dotted path for nested ones) passes the comparisons."""

    key: ClassVar[str] = "attribute"
    attribute: str
    within: Duration | None = None
    """A date that lies in the last so long."""
    in_next: Duration | None = None
    """A date that lies in the next so long."""
    longer_ago: Duration | None = None
    """A date that lies further back than this."""
    anniversary: Anniversary | None = None


class EventProperty(Test, frozen=True, omit_defaults=True, kw_only=True):
    """The triggering event's property (dotted path) passes the comparisons."""

    key: ClassVar[str] = "event_property"
    event_property: str


class AnswerIs(Test, frozen=True, omit_defaults=True, kw_only=True):
    """What an earlier step of the same run learned passes the comparisons.

    `step-id.path`: a property of the event that a `wait_for` met, a field of a webhook's answer.
    """

    key: ClassVar[str] = "answer"
    answer: str


class Follow(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What came (or did not come) after an event, later than it and at most `in` after it."""

    did: str
    where: Where = field(default_factory=dict)
    in_: Duration | None = field(name="in", default=None)
    """Any time later when not given; `then_not` needs it."""


class Span(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which of a customer's events count: of one name, passing `where`, in a span of time."""

    where: Where = field(default_factory=dict)
    within: Duration | CalendarDays | None = None
    """Rolling to the second, or calendar days; all time when not given."""
    between: list[str] | None = None
    """From a date or time (included) to another (not included)."""


class Did(Span, frozen=True, omit_defaults=True, kw_only=True):
    """The customer did the event so many times (default: at least once)."""

    key: ClassVar[str] = "did"
    did: str
    at_least: int | None = None
    at_most: int | None = None
    exactly: int | None = None
    then: Follow | None = None
    """Count only those that this followed."""
    then_not: Follow | None = None
    """Count only those that this did not follow in time, once that time has passed."""


class Measure(Span, frozen=True, omit_defaults=True, kw_only=True):
    """A number made of a property (dotted path) over events `of` a name, compared.

    Only numbers between -9e12 and 9e12 count for sum, average, min and max, in millionths.
    """

    of: str
    equals: float | UnsetType = UNSET
    gt: float | UnsetType = UNSET
    gte: float | UnsetType = UNSET
    lt: float | UnsetType = UNSET
    lte: float | UnsetType = UNSET

    @property
    def path(self) -> str:
        """The property measured."""
        found: str = getattr(self, self.key)  # type: ignore[attr-defined]
        return found

    @property
    def only_least(self) -> bool:
        """Whether any number larger than one that passes does so, too."""
        return self.equals is self.lt is self.lte is UNSET


class Sum(Measure, frozen=True, omit_defaults=True, kw_only=True):
    """The sum of a property; of no events it is 0."""

    key: ClassVar[str] = "sum"
    sum: str


class Average(Measure, frozen=True, omit_defaults=True, kw_only=True):
    """The average of a property. Of no events there is none, and no comparison holds; the same for
    `min` and `max`.
    """

    key: ClassVar[str] = "average"
    average: str


class Min(Measure, frozen=True, omit_defaults=True, kw_only=True):
    """The smallest value of a property."""

    key: ClassVar[str] = "min"
    min: str


class Max(Measure, frozen=True, omit_defaults=True, kw_only=True):
    """The largest value of a property."""

    key: ClassVar[str] = "max"
    max: str


class Distinct(Measure, frozen=True, omit_defaults=True, kw_only=True):
    """How many different values (texts, numbers, flags) a property had; of no events it is 0."""

    key: ClassVar[str] = "distinct"
    distinct: str


class Occasion(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """When the first or last event (of those that pass `where`) was, and what it was like.

    Without any condition on it: there was one.
    """

    where: Where = field(default_factory=dict)
    within: Duration | None = None
    longer_ago: Duration | None = None
    before: str | None = None
    after: str | None = None
    is_: Where = field(name="is", default_factory=dict)
    """What that event's properties must be; of several in its millisecond, those of any."""


class First(Occasion, frozen=True, omit_defaults=True, kw_only=True):
    """The first time that the customer did it."""

    key: ClassVar[str] = "first"
    first: str


class Last(Occasion, frozen=True, omit_defaults=True, kw_only=True):
    """The last time that the customer did it."""

    key: ClassVar[str] = "last"
    last: str


class Messages(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of the last messages sent to the customer: how many were opened, say.

    Holds for nobody who was sent fewer than `of_last`. Opens by machines do not count.
    """

    key: ClassVar[str] = "messages"
    messages: Literal["opened", "clicked", "delivered", "bounced"]
    of_last: int
    channel: str | None = None
    journey: str | None = None
    at_least: int | None = None
    at_most: int | None = None
    exactly: int | None = None


class InSegment(Struct, frozen=True):
    """The customer is in another segment."""

    key: ClassVar[str] = "in_segment"
    in_segment: Name


class InList(Struct, frozen=True):
    """The customer stands on a list that was uploaded."""

    key: ClassVar[str] = "in_list"
    in_list: Name


class Reachable(Struct, frozen=True):
    """There is an address for the channel, and nothing says that it is dead."""

    key: ClassVar[str] = "reachable"
    reachable: str


class ConsentIs(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The choice in force for a channel and purpose; `implied` is no choice made."""

    key: ClassVar[str] = "consent"
    consent: str
    purpose: Literal["marketing", "transactional", "night"] = "marketing"
    is_: Literal["opted_in", "implied", "opted_out"] = field(name="is")


class Point(Struct, frozen=True, kw_only=True):
    """A place on Earth, in degrees (WGS 84)."""

    latitude: float
    longitude: float


class Near(Struct, frozen=True, kw_only=True):
    """The customer's `location` (stated, else what their client last told) is within a radius."""

    key: ClassVar[str] = "near"
    near: Point
    radius: float
    """Metres, as the crow flies (haversine on a sphere of 6,371 km)."""


class Bucket(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A random but steady part of all customers: their bucket under this name lies in a range."""

    key: ClassVar[str] = "bucket"
    bucket: str
    from_: int = field(name="from", default=0)
    to: int = 9999
    """Included; buckets are 0 to 9999."""


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


Rule = (
    Attribute | EventProperty | AnswerIs | Did | Sum | Average | Min | Max | Distinct | First
    | Last | Messages | InSegment | InList | Reachable | ConsentIs | Near | Bucket
    | All | Any_ | Not
)  # fmt: skip
ANYBODY = All([])
"""Holds for every customer."""


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
