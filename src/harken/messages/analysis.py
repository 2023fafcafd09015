"""What can be told of a template without a customer: unknown names, values that may be missing.

The walk follows the order in which a template runs: what an `assign` makes of a name holds for
what comes after, and a value is known to be there inside of an `if` that asked for it.
"""

from collections.abc import Collection, Container, Iterable
from typing import Any, NamedTuple

from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.logical import (
    BooleanExpression,
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import (
    Blank,
    Empty,
    IntegerLiteral,
    Literal,
    Nil,
    RangeLiteral,
    StringLiteral,
)
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.expression import Expression
from liquid.token import Token
from msgspec import Struct

from harken.catalogs.settings import Catalogs
from harken.files.words import did_you_mean, nearest
from harken.messages.connected import ConnectedNode
from harken.messages.evaluate import MOST_ITERATIONS, path_text
from harken.messages.filters import literal_fault
from harken.messages.liquid import Template
from harken.messages.offers import OfferNode, offer_fault
from harken.messages.syntax import every
from harken.messages.tags import CycleNode, EchoNode, ForNode, OutputNode
from harken.people.attributes import STANDARD, misnamed

ROOTS: dict[str, frozenset[str] | None] = {
    "profile": frozenset((*STANDARD, "attributes", "id", "user_id")),
    "event": frozenset(("name", "timestamp", "properties")),
    "entry": None,
    "answers": None,
    "session": None,
    "coupon": None,
    "links": frozenset(("unsubscribe", "preferences", "view", "survey")),
    "message": frozenset(("id", "journey", "step", "variant", "channel", "language")),
    "sender": frozenset(("name", "address", "postal_address", "phone")),
    "now": frozenset(),
}
"""What templates may name, and what each of it has (None: anything)."""

ALWAYS = frozenset(
    """now links.unsubscribe links.preferences links.view message.id message.journey message.step
    message.variant message.channel message.language profile.id profile.language profile.timezone
    event.name event.timestamp""".split()  # noqa: SIM905
)
"""Values that every message has."""

CURRENCY = "event.properties.currency"
_PRESENT = (EqExpression, GtExpression, GeExpression, LtExpression, LeExpression)
_NOTHING = (Blank, Empty, Nil)


class Finding(Struct, frozen=True):
    """Something wrong in a template; `at` is its offset, -1 for the whole."""

    problem: str
    at: int
    warning: bool = False


class Surroundings(NamedTuple):
    """What the journey around a template gives it."""

    certain: Container[str] = ()
    """Paths of values that everyone has who comes to the message: its coupon's."""
    surveys: Collection[str] | None = None
    """Those that it may link to; None when they are not known."""
    catalogs: Catalogs | None = None
    """The workspace's; None when these are not known."""
    steps: Collection[str] | None = None
    """Those whose `answers` it may say; None when they are not known."""
    coupons: Collection[str] | None = None
    """What coupons have, of whatever pool; None when that is not known."""
    event: str = ""
    """The event that lets customers in."""
    properties: Collection[str] | None = None
    """All that it ever says; None when that is the sender's to choose."""
    whole: bool = True
    """Not so when a block could not be put in, which may have made names that it uses."""


def examine(
    template: Template, *, needs_defaults: bool, around: Surroundings = Surroundings()
) -> list[Finding]:
    """What is wrong with a template; `needs_defaults` when it may say nothing that can be missing.

    Of a default content, whoever has nothing else gets this: so each value that it says must be
    one that all customers have, or be given a `default`, or stand in an `if` that asked for it.
    """
    walk = _Walk(needs_defaults, around)
    walk.nodes(template.bound.nodes, frozenset())
    return list(dict.fromkeys(walk.findings))


class _Walk:
    def __init__(self, needs_defaults: bool, around: Surroundings) -> None:
        self._catalogs = around.catalogs
        self.findings: list[Finding] = []
        self._around = around
        self._needs_defaults = needs_defaults
        self._locals: dict[str, bool] = {}
        """Names assigned so far, and whether their value is certain."""
        self._fallback: set[str] = set()
        """Names of feeds whose lacks are made good by an `else`."""
        self._turns = 1
        """How often the loops around run at least, once they run at all."""

    def nodes(self, nodes: Iterable[Node], guards: frozenset[str]) -> None:
        for node in nodes:
            guards = self._node(node, guards)

    def _node(self, node: Node, guards: frozenset[str]) -> frozenset[str]:
        """Look at a node; the guards that hold for what follows it."""
        for expression in node.expressions():
            self._names(expression)
            if self._needs_defaults and CURRENCY not in guards:
                self._currency(expression)
        if isinstance(node, OutputNode | EchoNode):
            self._output(node.expression, guards)
        elif isinstance(node, CycleNode):
            for part in node.args:
                self._output(part, guards)
        elif isinstance(node, AssignNode):
            self._locals[node.name] = not self._uncertain(node.expression, guards)
            self._fallback.discard(node.name)
            return _without(guards, node.name)
        elif isinstance(node, CaptureNode):
            self.nodes([node.block], guards)
            self._locals[node.name] = True
            return _without(guards, node.name)
        elif isinstance(node, IfNode | UnlessNode):
            self._condition(node, guards)
        elif isinstance(node, CaseNode):
            self._case(node, guards)
        elif isinstance(node, ForNode):
            self._loop(node, guards)
        elif isinstance(node, ConnectedNode):
            self._connected(node, guards)
        elif isinstance(node, OfferNode):
            self._offer(node)
            return _without(guards, node.name)
        elif isinstance(node, BlockNode):
            self.nodes(node.nodes, guards)
        else:
            for name in node.template_scope():
                self._locals[name] = True
            self._branches([(node.children(None), guards)], True)  # type: ignore[arg-type]
        return guards

    def _condition(self, node: IfNode | UnlessNode, guards: frozenset[str]) -> None:
        first, otherwise = _implied(node.condition)
        if isinstance(node, UnlessNode):
            first, otherwise = otherwise, first
        branches: list[tuple[Iterable[Node], frozenset[str]]] = [
            (node.consequence.nodes, guards | first)
        ]
        refuted = guards | otherwise
        for alternative in node.alternatives:
            self._names(alternative.expression)
            holds, fails = _implied(alternative.expression)
            branches.append((alternative.block.nodes, refuted | holds))
            refuted |= fails
        if node.default:
            branches.append((node.default.nodes, refuted))
        self._branches(branches, node.default is None)

    def _case(self, node: CaseNode, guards: frozenset[str]) -> None:
        branches: list[tuple[Iterable[Node], frozenset[str]]] = []
        for block in node.blocks:
            held = guards
            if isinstance(block, MultiExpressionBlockNode):
                self._names(block.expression)
                said = block.expression.expressions
                if isinstance(node.expression, Path) and all(map(_something, said)):
                    held = guards | {_text(node.expression)}
                branches.append((block.block.nodes, held))
            else:
                branches.append((block.nodes, guards))
        self._branches(branches, True)

    def _loop(self, node: ForNode, guards: frozenset[str]) -> None:
        outer = self._turns
        self._turns *= _fewest_turns(node) or 1
        if self._turns > MOST_ITERATIONS >= outer:
            self._add(
                f"this loop would run {self._turns:,} times, and a message that comes to it could "
                f"not be sent: all loops around one another run at most {MOST_ITERATIONS:,} times",
                node.token,
            )
        self._loop_names(node, guards)
        self._turns = outer

    def _loop_names(self, node: ForNode, guards: frozenset[str]) -> None:
        name = str(node.expression.identifier)
        hidden = {key: self._locals.get(key) for key in (name, "forloop")}
        self._locals |= {name: False, "forloop": True}
        self._branches([(node.block.nodes, _without(guards, name))], True)
        for key, before in hidden.items():
            if before is None:
                self._locals.pop(key, None)
            else:
                self._locals[key] = before
        if node.default:
            self._branches([(node.default.nodes, guards)], True)

    def _offer(self, node: OfferNode) -> None:
        self._locals[node.name] = False
        self._fallback.discard(node.name)
        fault = offer_fault(node, self._catalogs) if self._catalogs is not None else ""
        if fault:
            self._add(fault, node.token)

    def _connected(self, node: ConnectedNode, guards: frozenset[str]) -> None:
        for expression in node.values():
            self._names(expression, node.token)
            if node.otherwise is None:
                self._output(expression, guards, node.token)
        before, fallback = dict(self._locals), set(self._fallback)
        self._locals[node.name] = True
        self._fallback = fallback - {node.name} | ({node.name} if node.otherwise else set())
        # Without the values of the address there is no answer, and the content is not said.
        said = {_text(path) for path in map(_plain, node.values()) if path}
        self.nodes([node.block], _without(guards | said, node.name))
        self._fallback = fallback
        ends = [self._locals]
        if node.name in before:
            self._locals[node.name] = before[node.name]
        else:
            del self._locals[node.name]
        if node.otherwise is not None:
            self._locals = dict(before)
            self.nodes([node.otherwise], guards)
            ends.append(self._locals)
        self._meet(ends)

    def _branches(
        self, branches: list[tuple[Iterable[Node], frozenset[str]]], may_skip: bool
    ) -> None:
        """Ways of which one is taken (or none): a name is certain when it is on all of them."""
        before = dict(self._locals)
        ends = [before] if may_skip else []
        for nodes, guards in branches:
            self._locals = dict(before)
            self.nodes(nodes, guards)
            ends.append(self._locals)
        self._meet(ends)

    def _meet(self, ends: list[dict[str, bool]]) -> None:
        names = {name for end in ends for name in end}
        self._locals = {name: all(end.get(name, False) for end in ends) for name in names}

    def _output(
        self, expression: Expression, guards: frozenset[str], at: Token | None = None
    ) -> None:
        if at is None:
            self._gap(expression, guards)
        missing = self._uncertain(expression, guards)
        if missing and self._needs_defaults:
            path, token = missing
            self._add(
                f"a default content may use only values with a default, and `{path}` may be "
                f"missing: write `{{{{ {path} | default: '...' }}}}`, or put it in "
                f"`{{% if {path} %}}`",
                at or token,
            )

    def _gap(self, expression: Expression, guards: frozenset[str]) -> None:
        """Warn of `{{ name | default: '' }}`: with a filter before it, a blank can be meant."""
        filters = getattr(expression, "filters", None) or ()
        if not filters or filters[0].name != "default" or not filters[0].args:
            return
        assert isinstance(expression, FilteredExpression)
        first = filters[0].args[0].value
        blank = isinstance(first, StringLiteral) and not first.value.strip()
        if blank and self._uncertain_part(expression.left, guards):
            self._add(
                "the `default` here is blank, which leaves a gap in the sentence: say something, "
                "or put the words around it in an `{% if %}` too",
                filters[0].token,
                warning=True,
            )

    def _uncertain(
        self, expression: Expression, guards: frozenset[str]
    ) -> tuple[str, Token | None] | None:
        """The path of a value that may be missing where this expression is output."""
        if not isinstance(expression, FilteredExpression):
            return self._uncertain_part(expression, guards)
        missing = self._uncertain_part(expression.left, guards)
        for one in expression.filters or ():
            given = next(
                (lacks for arg in one.args if (lacks := self._uncertain_part(arg.value, guards))),
                None,
            )
            if one.name == "default":
                missing = missing and given
            else:
                missing = missing or given
        return missing

    def _uncertain_part(
        self, part: Expression, guards: frozenset[str]
    ) -> tuple[str, Token | None] | None:
        if not isinstance(part, Path):
            return None
        text = _text(part)
        if text in guards or text in ALWAYS or text in self._around.certain:
            return None
        if part.path[:2] == ["links", "survey"]:
            return None
        root = str(part.path[0])
        inside = self._inside(root) if len(part.path) > 1 else None
        unknown = root not in ROOTS or (inside is not None and part.path[1] not in inside)
        missing = self._no_property(part)
        unknown = unknown or bool(missing and nearest(missing, self._around.properties or ()))
        if unknown and root not in self._locals:
            return None  # already told
        if (
            root in self._fallback
            or root == "forloop"
            or (len(part.path) == 1 and self._locals.get(root))
        ):
            return None
        return text, part.token

    def _names(self, expression: Expression, at: Token | None = None) -> None:
        for part in every(expression):
            if isinstance(part, Path):
                self._known(part, at or part.token)
        for one in getattr(expression, "filters", None) or ():
            given = one.args[0].value if one.args else None
            if isinstance(given, StringLiteral) and (fault := literal_fault(one.name, given.value)):
                self._add(fault, one.token)

    def _currency(self, expression: Expression) -> None:
        for one in getattr(expression, "filters", None) or ():
            if one.name == "money" and not one.args:
                hint = f"write one, as `money: 'KRW'`, or put it in `{{% if {CURRENCY} %}}`"
                self._add(f"`money` has no currency when the event says none: {hint}", one.token)

    def _known(self, path: Path, at: Token | None) -> None:
        root = path.path[0]
        if not isinstance(root, str) or root in self._locals:
            return
        if root not in ROOTS:
            if not self._around.whole:
                return
            hint = did_you_mean(root, (*ROOTS, *self._locals))
            known = hint or f"; it has {', '.join(ROOTS)}"
            if root in STANDARD:
                known = f"; did you mean `profile.{root}`?"
            self._add(f"a message has no `{root}`{known}", at)
            return
        self._property(path, at)
        inside = self._inside(root)
        if inside is None or len(path.path) < 2:
            return
        name = path.path[1]
        if isinstance(name, str) and name not in inside:
            hint = did_you_mean(name, inside)
            if root == "answers":
                self._add(f"no step `{name[:64]}` learns anything{hint}", at)
                return
            if root == "profile":
                hint = f"{hint} (custom attributes are `profile.attributes.{name}`)"
            elif root == "event":
                hint = f"{hint} (its properties are `event.properties.{name}`)"
            self._add(f"`{root}` has no `{name}`{hint}", at)
        elif (root, name) == ("profile", "attributes") and len(path.path) > 2:
            own = path.path[2]
            if isinstance(own, str) and (problem := misnamed(own)):
                self._add(f"`profile.attributes.{own}`: {problem}", at)
        elif (root, name) == ("links", "survey"):
            self._survey(path, at)

    def _inside(self, root: str) -> Collection[str] | None:
        """The names in a root; None where these may be any."""
        if root == "answers":
            return self._around.steps
        return self._around.coupons if root == "coupon" else ROOTS.get(root)

    def _no_property(self, path: Path) -> str:
        """A property that the path asks the event for and that it never has; else empty."""
        known, way = self._around.properties, path.path
        rest = way[2:] if way[:2] == ["event", "properties"] else way[1:]
        asked = way[0] == "entry" or len(rest) < len(way) - 1
        if known is None or not asked or not rest or not isinstance(rest[0], str):
            return ""
        return rest[0] if rest[0] not in known else ""

    def _property(self, path: Path, at: Token | None) -> None:
        if name := self._no_property(path):
            known = self._around.properties or ()
            near = did_you_mean(name, known)
            problem = f"`{self._around.event}` has no property `{name[:64]}`"
            # Words may be shared with a journey whose event has it: that is no misspelt name.
            hint = near or f"; it has {', '.join(known) or 'none'}"
            self._add(problem + hint, at, warning=not near)

    def _survey(self, path: Path, at: Token | None) -> None:
        known, name = self._around.surveys, path.path[2] if len(path.path) == 3 else None
        if not isinstance(name, str):
            self._add("name the survey that it leads to: `links.survey.NAME`", at)
        elif known is not None and name not in known:
            hint = did_you_mean(name, known) or "; a survey is a file surveys/NAME.yaml"
            self._add(f"there is no survey `{name[:64]}`{hint}", at)

    def _add(self, problem: str, token: Token | None, warning: bool = False) -> None:
        self.findings.append(Finding(problem, token.start_index if token else -1, warning))


def _text(path: Path) -> str:
    parts: list[Any] = [_text(part) if isinstance(part, Path) else part for part in path.path]
    return path_text(parts)


def _plain(expression: Expression) -> Path | None:
    """The path that an expression shows as it is."""
    if isinstance(expression, FilteredExpression) and isinstance(expression.left, Path):
        return None if expression.filters else expression.left
    return None


def _fewest_turns(node: ForNode) -> int:
    """How often a loop over fixed numbers runs; 0 when that depends on the customer."""
    iterable, limit = node.expression.iterable, node.expression.limit
    if not isinstance(iterable, RangeLiteral) or node.expression.offset is not None:
        return 0
    ends = (iterable.start, iterable.stop)
    if not all(isinstance(end, IntegerLiteral) for end in ends):
        return 0
    turns = max(0, iterable.stop.value - iterable.start.value + 1)  # type: ignore[attr-defined]
    # A range that is too long is refused whatever part of it would be used.
    if turns > MOST_ITERATIONS or limit is None:
        return int(turns)
    return min(int(turns), limit.value) if isinstance(limit, IntegerLiteral) else 0


def _without(guards: frozenset[str], name: str) -> frozenset[str]:
    return frozenset(
        path for path in guards if path != name and not path.startswith((f"{name}.", f"{name}["))
    )


def _something(expression: Expression) -> bool:
    """A literal that is not blank."""
    return isinstance(expression, Literal) and str(expression.value).strip() != ""


def _implied(condition: Expression) -> tuple[frozenset[str], frozenset[str]]:
    """Paths that are known to have a value when the condition holds, and when it does not."""
    none: frozenset[str] = frozenset()
    if isinstance(condition, BooleanExpression):
        return _implied(condition.expression)
    if isinstance(condition, Path):
        return frozenset((_text(condition),)), none
    if isinstance(condition, LogicalAndExpression):
        return _implied(condition.left)[0] | _implied(condition.right)[0], none
    left, right = getattr(condition, "left", None), getattr(condition, "right", None)
    if not isinstance(left, Path):
        return none, none
    path = frozenset((_text(left),))
    blank = isinstance(right, _NOTHING) or (
        isinstance(right, StringLiteral) and not right.value.strip()
    )
    if blank and isinstance(condition, NeExpression):
        return path, none
    if blank and isinstance(condition, EqExpression):
        return none, path
    if isinstance(condition, _PRESENT) and right is not None and _something(right):
        return path, none
    if isinstance(condition, ContainsExpression):
        return path, none
    return none, none
