"""A segment as written in its file."""

from msgspec import Struct

from harken.segments.rules import Rule
from harken.values import Name


class Segment(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A segment file: the customers for whom the rule holds."""

    segment: Name
    description: str = ""
    rule: Rule
