"""Makes a parsed template follow our rules where python-liquid's own nodes do not.

Expressions of the parse tree are given subclasses with the same slots: comparisons with blank
see missing values as blank, and ranges are bounded before anything walks them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from liquid import Environment, RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.logical import EqExpression, NeExpression
from liquid.builtin.expressions.primitive import Blank, Empty, RangeLiteral
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.exceptions import UnknownFilterError
from liquid.expression import Expression

from harken.files.words import nearest
from harken.messages.evaluate import MOST_ITERATIONS, Absent, Name, RenderFault, Value
from harken.messages.tags import Block, ForNode


def strict(nodes: Iterable[Node], env: Environment) -> int:
    """Prepare a tree in place; the number of its nodes, those inside loops left out.

    Raises UnknownFilterError.
    """
    count = 0
    for node in nodes:
        count += 1
        for expression in node.expressions():
            for part in every(expression):
                _retype(part)
        if type(node) is BlockNode:
            node.__class__ = Block
        if isinstance(node, AssignNode | CaptureNode):
            # Its own str subclass compares in Python: slow as a key.
            node.name = str(node.name)  # type: ignore[assignment]
        own = getattr(node, "expression", None)
        if type(own) is FilteredExpression:
            _known_filters(own, env)
            node.expression = Value(env, own)  # type: ignore[attr-defined]
        inside = strict(node.children(None), env)  # type: ignore[arg-type]
        if isinstance(node, ForNode):
            node.weight = inside + 1
        else:
            count += inside
    return count


def _retype(part: Expression) -> None:
    same = _SAME.get(type(part))
    if same is not None:
        part.__class__ = same
    for slot in ("left", "right", "expression", "iterable"):
        held = getattr(part, slot, None)
        if type(held) is Path and _fixed(held):
            setattr(part, slot, Name(held))
    for one in getattr(part, "filters", None) or ():
        for arg in one.args:
            if type(arg.value) is Path and _fixed(arg.value):
                arg.value = Name(arg.value)


def _fixed(path: Path) -> bool:
    return not any(isinstance(part, Expression) for part in path.path)


def every(expression: Expression) -> Iterator[Expression]:
    """The expression and all within it."""
    yield expression
    for child in expression.children():
        yield from every(child)


def _known_filters(expression: FilteredExpression, env: Environment) -> None:
    for one in expression.filters or ():
        if one.name not in env.filters:
            near = nearest(one.name, env.filters)
            hint = f"; did you mean `{near}`?" if near else ""
            raise UnknownFilterError(f"there is no filter `{one.name}`{hint}", token=one.token)


def _equal_blank(left: object, right: object) -> bool | None:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Blank | Empty) or one == "":
            if isinstance(other, str):
                return not other or other.isspace()
            return other is None or isinstance(other, Absent) or other in ([], {})
    return None


class _Equal(EqExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        blank = _equal_blank(self.left.evaluate(context), self.right.evaluate(context))
        return super().evaluate(context) if blank is None else blank


class _NotEqual(NeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        blank = _equal_blank(self.left.evaluate(context), self.right.evaluate(context))
        return super().evaluate(context) if blank is None else not blank


class _Range(RangeLiteral):
    __slots__ = ()

    def _make_range(self, start: Any, stop: Any) -> range:
        made = super()._make_range(start, stop)
        if made.stop - made.start > MOST_ITERATIONS:
            raise RenderFault(f"a range has at most {MOST_ITERATIONS:,} numbers")
        return made


_SAME: dict[type[Expression], type[Any]] = {
    EqExpression: _Equal,
    NeExpression: _NotEqual,
    RangeLiteral: _Range,
}
