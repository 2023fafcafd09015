"""What a template's expressions come to: plain values, with strict rules for missing data.

A value that the customer does not have (absent, null, a blank string, an empty list) is `Absent`.
It passes by filters until a `default`, counts as false in conditions, and raises `Missing` when
output.
"""

import re
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any, NamedTuple, TextIO
from zoneinfo import ZoneInfo

from liquid import Environment, RenderContext
from liquid.builtin.expressions import FilteredExpression, KeywordArgument, Path
from liquid.builtin.expressions.primitive import Literal
from liquid.exceptions import LiquidError
from liquid.token import Token
from liquid.undefined import UNDEFINED, Undefined
from liquid.utils import ReadOnlyChainMap
from markupsafe import Markup, escape

from harken.errors import HarkenError
from harken.messages import filters
from harken.messages.outside import Outside

LONGEST_OUTPUT = 1_000_000
"""Characters that one template may produce; also of any value on the way."""
MOST_ITERATIONS = 10_000
"""Of nested loops multiplied, and of a range."""
MOST_WORK = 200_000
"""Template nodes rendered inside loops, and what filters make of long values (a unit for 50
characters or items), over a whole template."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")


class Missing(HarkenError):
    """A template says a value that this customer does not have."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is missing")
        self.path = path


class Aborted(HarkenError):
    """The message must not be sent to this customer; the reason is kept in the ledger."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        # An HTML template's is `Markup`, which nothing that encodes takes for text.
        self.reason = str(reason)


class RenderFault(HarkenError):
    """A template cannot be rendered with these values: wrong kinds, or over a limit."""


class Absent(Undefined):
    """Stands for a value that the customer does not have."""

    __slots__ = ()

    def __getitem__(self, key: str) -> object:
        return self


class _Frames(ReadOnlyChainMap):
    """Names in scope, without an exception for each frame that lacks one."""

    def __getitem__(self, key: str) -> object:
        for names in self._maps:
            if key in names:
                return names[key]
        raise KeyError(key)


class Scope:
    """What the templates of one message use: plain values, and the recipient's place."""

    __slots__ = ("fetched", "locale", "notes", "now", "outside", "values", "zone")

    def __init__(
        self,
        values: dict[str, Any],
        locale: str,
        zone: ZoneInfo,
        now: int,
        outside: Outside | None = None,
    ) -> None:
        self.values = values
        self.locale = locale
        self.zone = zone
        self.now = now
        self.outside = outside
        """What tags may fetch from; None where nothing can be fetched."""
        self.fetched: dict[Any, Any] = {}
        """What was fetched for this message: all its parts must say the same."""
        self.notes: dict[str, None] = {}
        """What should be known of how it came to say what it says, in order."""


class Context(RenderContext):
    """The state of one rendering. Library tags see it as python-liquid's own."""

    __slots__ = (
        "fetched",
        "frames",
        "notes",
        "now_ms",
        "outside",
        "place_locale",
        "place_zone",
        "work",
    )

    def begin(self, scope: Scope) -> None:
        """Use `scope` alone: python-liquid's `now` and `today` would read the clock."""
        self.scope = _Frames(self.locals, scope.values, self.counters)
        self.frames = self.scope._maps
        self.place_locale, self.place_zone, self.now_ms = scope.locale, scope.zone, scope.now
        self.outside, self.fetched, self.notes = scope.outside, scope.fetched, scope.notes
        self.work = 0

    def get(
        self, path: list[object], *, token: Token | None, default: object = UNDEFINED
    ) -> object:
        root = path[0]
        try:
            value = self.scope[root]  # type: ignore[index]
            if len(path) == 1:
                if _nothing(value):
                    # An assigned blank is the author's own word, not missing data.
                    return value if root in self.locals else Absent(path_text(path))
                return value
            for key in path[1:]:
                # The common case first; `get_item` also knows size, first and last.
                if value.__class__ is dict and key in value:
                    value = value[key]
                else:
                    value = self.get_item(value, key)
        except (KeyError, TypeError, IndexError):
            return Absent(path_text(path)) if default is UNDEFINED else default
        return Absent(path_text(path)) if _nothing(value) else value

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        return StringIO()

    def note(self, what: str) -> None:
        """Tell once what should be known of how the message came to say what it says."""
        self.notes[what[:300]] = None

    def charge(self, work: int) -> None:
        """Count work. Raises RenderFault over the limit."""
        self.work += work
        if self.work > MOST_WORK:
            raise RenderFault("its loops and filters do too much work")

    def spend(self, work: int, buffer: TextIO) -> None:
        """Count work done in loops. Raises RenderFault over the limits."""
        self.charge(work)
        if buffer.tell() > LONGEST_OUTPUT:
            raise RenderFault(f"its output is longer than {LONGEST_OUTPUT:,} characters")


def path_text(path: list[object]) -> str:
    """A path as written: `event.properties.items[0].name`."""
    text = str(path[0])
    for part in path[1:]:
        plain = isinstance(part, str) and re.fullmatch(r"[^\W\d][\w-]*", part)
        text += f".{part}" if plain else f"[{part!r}]"
    return text[:200]


def _nothing(value: object) -> bool:
    """Whether a customer who has this value has none: null, a blank text, an empty list."""
    if value.__class__ is str:
        return not value or value.isspace()
    return value is None or (value.__class__ is list and not value)


class Name(Path):
    """A path of fixed parts, looked up without building it anew each time."""

    __slots__ = ("keys", "root", "text")

    def __init__(self, of: Path) -> None:
        super().__init__(of.token, of.path)
        self.root = of.path[0]
        self.keys = tuple(of.path[1:])
        self.text = path_text(list(of.path))

    def evaluate(self, context: RenderContext) -> object:
        root = self.root
        for names in context.frames:  # type: ignore[attr-defined]
            if root in names:
                value = names[root]
                break
        else:
            return Absent(self.text)
        for key in self.keys:
            # The common case first; `get_item` also knows size, first and last.
            if value.__class__ is dict and key in value:
                value = value[key]
            else:
                try:
                    value = context.get_item(value, key)
                except (KeyError, TypeError, IndexError):
                    return Absent(self.text)
        # As `_nothing`, without the cost of a call: this runs for each value of each message.
        kind = value.__class__
        if kind is str:
            absent = not value or value.isspace()
        else:
            absent = value is None or (kind is list and not value)
        if absent:
            # An assigned blank is the author's own word, not missing data.
            return value if not self.keys and root in context.locals else Absent(self.text)
        return value


class Step(NamedTuple):
    """A filter of an expression, with what is known of it before rendering."""

    name: str
    function: Callable[..., Any]
    fixed: tuple[object, ...] | None
    """Its arguments, when they are literals without names."""
    args: list[Any]
    with_context: bool
    with_environment: bool


class Value(FilteredExpression):
    """An expression with its filters looked up once, and the way of missing values through them."""

    __slots__ = ("steps",)

    def __init__(self, env: Environment, of: FilteredExpression) -> None:
        super().__init__(of.token, of.left, of.filters)
        self.steps = [_step(env, one) for one in of.filters or ()]

    def evaluate(self, context: RenderContext) -> object:
        value = self.left.evaluate(context)
        if not self.steps:
            return value
        stated = False
        for step in self.steps:
            absent = value if value.__class__ is Absent else None
            keyword: dict[str, Any] = {}
            positional = step.fixed
            if positional is None:
                positional, keyword, missing = _arguments(step.args, context)
                absent = absent or missing
            if step.name == "default":
                value = filters.default(value, *positional, **keyword)
                stated = value.__class__ is not Absent
            elif absent is not None:
                value = absent
            else:
                value = _apply(step, value, positional, keyword, context)
        left = self.left
        if stated or not isinstance(left, Path):
            return value
        if value is None:
            # The first of an empty list is nobody's own word.
            return Absent(path_text(list(left.path)))
        if isinstance(value, str) and (not value or value.isspace()):
            if len(left.path) == 1 and left.path[0] in context.locals:
                return value
            return Absent(path_text(list(left.path)))
        return value


def _step(env: Environment, one: Any) -> Step:
    function = env.filters[one.name]
    fixed: list[object] | None = []
    for arg in one.args:
        literal = arg.value.value if isinstance(arg.value, Literal) else None
        if literal is None or isinstance(arg, KeywordArgument) or fixed is None:
            fixed = None
        else:
            fixed.append(Markup(literal) if env.autoescape and type(literal) is str else literal)
    return Step(
        one.name,
        function,
        None if fixed is None else tuple(fixed),
        one.args,
        getattr(function, "with_context", False),
        getattr(function, "with_environment", False),
    )


def _arguments(
    args: list[Any], context: RenderContext
) -> tuple[tuple[object, ...], dict[str, Any], Absent | None]:
    """Positional and named arguments, and the first of them that is missing."""
    positional, keyword, missing = [], {}, None
    for arg in args:
        key, given = arg.evaluate(context)
        if missing is None and given.__class__ is Absent:
            missing = given
        if key:
            keyword[key] = given
        else:
            positional.append(given)
    return tuple(positional), keyword, missing


def _apply(
    step: Step,
    value: object,
    positional: tuple[object, ...],
    keyword: dict[str, Any],
    context: RenderContext,
) -> object:
    if step.with_context:
        keyword["context"] = context
    if step.with_environment:
        keyword["environment"] = context.env
    try:
        result = step.function(value, *positional, **keyword)
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise RenderFault(f"filter {step.name}: {error}") from None
    except LiquidError as error:
        raise RenderFault(f"filter {step.name}: {error.message}") from None
    if isinstance(result, str | list | tuple) and len(result) > 1_000:
        if len(result) > LONGEST_OUTPUT:
            raise RenderFault(f"filter {step.name}: its result is too long")
        context.charge(len(result) // 50)  # type: ignore[attr-defined]
    return result


def to_text(value: object, escaped: bool) -> str:
    """A value as a template shows it. Raises Missing, or RenderFault for an object."""
    if isinstance(value, str):
        text: str = value
    elif value.__class__ is int:
        return str(value)
    elif value.__class__ is Absent:
        raise Missing(str(value.name))
    elif value is None:
        return ""
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, list | tuple):
        return "".join(to_text("" if one is None else one, escaped) for one in value)
    elif isinstance(value, Mapping):
        raise RenderFault("an object cannot be shown; name one of its values")
    elif isinstance(value, range):
        return f"{value.start}..{value.stop - 1}"
    else:
        text = str(value)
    if not text.isprintable():
        clean = _CONTROL.sub("", text)
        text = Markup(clean) if isinstance(text, Markup) else clean
    return escape(text) if escaped else text
