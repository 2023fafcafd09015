"""Liquid as messages use it: python-liquid with limits, and strict about missing data.

Two environments: `HTML` escapes every value, `TEXT` (subjects, plain parts) does not. Neither
loads other templates, and values are plain data, so a template reaches nothing but what the
message gives it. A tag or filter is added to both by `add_tag` and `add_filter`.
"""

from collections.abc import Callable
from io import StringIO
from typing import Any, TypeVar

from liquid import Environment, Mode
from liquid.exceptions import LiquidError, LiquidInterrupt, LiquidSyntaxError
from liquid.tag import Tag
from liquid.token import Token

from harken.errors import HarkenError
from harken.messages import filters
from harken.messages.connected import ConnectedTag
from harken.messages.evaluate import (
    LONGEST_OUTPUT,
    MOST_ITERATIONS,
    Absent,
    Context,
    RenderFault,
    Scope,
)
from harken.messages.offers import CatalogTag, RecommendTag
from harken.messages.syntax import strict
from harken.messages.tags import TAGS, OutputNode

Made = TypeVar("Made")

LONGEST_SOURCE = 300_000
"""Characters of one template."""


class _Environment(Environment):
    loop_iteration_limit = MOST_ITERATIONS
    local_namespace_limit = LONGEST_OUTPUT
    block_nesting_limit = 30
    context_depth_limit = 40

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters()
        self.tags = {}
        tags: list[type[Tag]] = [*TAGS, ConnectedTag, CatalogTag, RecommendTag]
        for tag in tags:
            self.add_tag(tag)
        for name in ("safe", "escapejs"):
            # They would let a customer's value be markup or script.
            del self.filters[name]
        self.filters.update(filters.made_strict(self.filters) | filters.FILTERS)
        if not self.autoescape:
            # A plain text made from an HTML template runs the same filters.
            self.filters.update(
                dict.fromkeys(("escape", "escape_once", "newline_to_br"), filters.same)
            )


HTML = _Environment(autoescape=True, tolerance=Mode.STRICT, undefined=Absent)
TEXT = _Environment(autoescape=False, tolerance=Mode.STRICT, undefined=Absent)


def add_tag(tag: type[Tag]) -> None:
    """Make a tag known to both environments. Its nodes render with a `Context`."""
    HTML.add_tag(tag)
    TEXT.add_tag(tag)


def add_filter(name: str, function: Callable[..., Any]) -> None:
    """Make a filter known to both environments."""
    HTML.add_filter(name, function)
    TEXT.add_filter(name, function)


class Template:
    """A parsed template."""

    __slots__ = ("bound", "source")

    def __init__(self, source: str, env: Environment) -> None:
        """Raises LiquidError (`line_of` tells where) for what is not Liquid as we know it."""
        if len(source) > LONGEST_SOURCE:
            raise LiquidSyntaxError(f"longer than {LONGEST_SOURCE:,} characters", token=None)
        for opens, closes in (("{{", "}}"), ("{%", "%}")):
            if source.count(opens) > source.count(closes) + 100:
                # The lexer is quadratic in these; each is an error anyway.
                raise LiquidSyntaxError(f"{opens} without {closes}", token=None)
        self.source = source
        self.bound = env.from_string(source)
        strict(self.bound.nodes, env)

    def render(self, scope: Scope) -> str:
        """The text for these values. Raises Missing, Aborted or RenderFault, and nothing else."""

        def text(context: Context) -> str:
            buffer = StringIO()
            for node in self.bound.nodes:
                node.render(context, buffer)
            if buffer.tell() > LONGEST_OUTPUT:
                raise RenderFault(f"its output is longer than {LONGEST_OUTPUT:,} characters")
            return buffer.getvalue()

        return self._made(scope, text)

    def value(self, scope: Scope) -> Any:
        """The value, of whatever kind, of a template that is a single output.

        Of any other the text. Raises as `render`.
        """
        nodes = self.bound.nodes
        if len(nodes) != 1 or not isinstance(nodes[0], OutputNode):
            return self.render(scope)
        return self._made(scope, nodes[0].expression.evaluate)

    def _made(self, scope: Scope, make: Callable[[Context], Made]) -> Made:
        context = Context(self.bound)
        context.begin(scope)
        try:
            return make(context)
        except HarkenError:
            raise
        except LiquidInterrupt as error:
            raise RenderFault(f"{error} outside of a loop") from None
        except LiquidError as error:
            raise RenderFault(str(error.message)) from None
        except Exception as error:  # values of any kind meet library code here
            raise RenderFault(f"{type(error).__name__}: {error}") from None


def line_of(token: Token | None) -> int:
    """The line of a token in its template, from 1; 0 when it has none."""
    if token is None or token.start_index < 0:
        return 0
    return token.source.count("\n", 0, token.start_index) + 1
