"""The kinds of definition files besides the workspace and journeys: a folder each.

To add one: its row here, a field of the folder's name in `inputs.Definitions`, `project.Project`,
`web.projects.ProjectBody` and `web.routes.definitions.Current`, and what is wrong with it when it
is well formed in `definition_faults.check`.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from harken.messages.pools import CouponPool
from harken.messages.surveys import Survey
from harken.segments.model import Segment

Kind = Literal["workspace", "journey", "segment", "coupon", "survey"]


class Plain(NamedTuple):
    """A kind of file that stands for itself: no content files, and no revisions of its own."""

    kind: Kind
    folder: str
    """Of the files, and the field that holds them in a project and in `Definitions`."""
    type: type[Struct]


PLAIN = (
    Plain("segment", "segments", Segment),
    Plain("coupon", "coupons", CouponPool),
    Plain("survey", "surveys", Survey),
)


def plain_of(holder: Struct) -> Iterator[tuple[Plain, dict[str, dict[str, Any]]]]:
    """The definitions of each plain kind that a project, bundle or body holds, by name."""
    for one in PLAIN:
        yield one, getattr(holder, one.folder)
