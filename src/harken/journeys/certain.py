"""Which coupons a run has at a step, whichever way it came there."""

from typing import NamedTuple

from harken.journeys.compile import Node
from harken.journeys.kinds import Exit, IssueCoupon

NONE = ""


class Had(NamedTuple):
    """Coupon steps that are behind a run when it comes to a place."""

    surely: frozenset[str]
    latest: frozenset[str]
    """Those that may be the latest; `NONE` when there may be none."""

    def after(self, node: Node) -> "Had":
        """When it goes on from a step."""
        if not isinstance(node.step, IssueCoupon):
            return self
        return Had(self.surely | {node.id}, frozenset((node.id,)))

    def joined(self, other: "Had") -> "Had":
        """When it may have come by either way."""
        return Had(self.surely & other.surely, self.latest | other.latest)


def coupons_before(nodes: list[Node]) -> dict[str, Had]:
    """What is known of each step that a run can come to, by the step's path."""
    known = {0: Had(frozenset(), frozenset((NONE,)))} if nodes else {}
    waiting = list(known)
    while waiting:
        place = waiting.pop()
        node, had = nodes[place], known[place]
        ends = isinstance(node.step, Exit) and node.step.exit is True
        for to, there in ((node.after, had.after(node)), *((way.to, had) for way in node.ways)):
            if ends or to >= len(nodes):
                continue
            both = known[to].joined(there) if to in known else there
            if to not in known or both != known[to]:
                known[to] = both
                waiting.append(to)
    return {nodes[place].path: had for place, had in known.items()}
