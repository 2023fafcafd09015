"""Which coupons a run certainly has at a step, whichever way it came there."""

from harken.journeys.compile import Node
from harken.journeys.kinds import Exit, IssueCoupon


def coupons_before(nodes: list[Node]) -> dict[str, frozenset[str]]:
    """By the path of each step that a run can come to: the coupon steps surely behind it."""
    known: dict[int, frozenset[str]] = {0: frozenset()} if nodes else {}
    waiting = [0] if nodes else []
    while waiting:
        place = waiting.pop()
        node, had = nodes[place], known[place]
        has = had | {node.id} if isinstance(node.step, IssueCoupon) else had
        ends = isinstance(node.step, Exit) and node.step.exit is True
        for to, there in ((node.after, has), *((way.to, had) for way in node.ways)):
            if ends or to >= len(nodes):
                continue
            both = known[to] & there if to in known else there
            if to not in known or both != known[to]:
                known[to] = both
                waiting.append(to)
    return {nodes[place].path: has for place, has in known.items()}
