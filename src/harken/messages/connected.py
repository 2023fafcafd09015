"""Connected content: `{% connected weather = "https://..." timeout: 2 cache: 900 %}`.

    {% connected weather = "https://api.example/{{ profile.city }}" timeout: 2 cache: 900 %}
      It is {{ weather.temperature | number }} degrees in {{ profile.city }}.
    {% else %}
      Look out of the window.
    {% endconnected %}

The name stands for the answer up to `endconnected`. When there is no answer, or it lacks what the
content says of it, the `else` content is used; without one, the message is aborted with the reason.
"""

import re
from collections.abc import Iterable
from io import StringIO
from typing import Any, TextIO

from liquid import Environment, RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import Path, parse_primitive
from liquid.builtin.expressions.primitive import FloatLiteral, IntegerLiteral, StringLiteral
from liquid.exceptions import LiquidError, LiquidSyntaxError
from liquid.expression import Expression
from liquid.parser import get_parser
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import (
    TOKEN_ASSIGN,
    TOKEN_COLON,
    TOKEN_COMMA,
    TOKEN_EOF,
    TOKEN_EXPRESSION,
    TOKEN_STRING,
    TOKEN_TAG,
    TOKEN_WORD,
    Token,
)

from harken.files.words import did_you_mean
from harken.messages.evaluate import Aborted, Context, Missing, RenderFault, to_text
from harken.messages.outside import Feed, Unanswered
from harken.messages.tags import OutputNode, TextNode

DEFAULT_TIMEOUT, LONGEST_TIMEOUT = 2.0, 10.0
"""Seconds."""
DEFAULT_CACHE, LONGEST_CACHE = 300, 86_400
"""Seconds."""
LONGEST_URL = 2_000
# What a customer's value must not decide: whom we ask.
_BEGINNING = re.compile(r"https?://[^/?#\s{}@\\]+[/?#]")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_BODY_ENDS = frozenset(("else", "endconnected", TOKEN_EOF))
_ELSE_ENDS = frozenset(("endconnected", TOKEN_EOF))
_ENCODERS = frozenset(("url_encode", "cgi_escape", "url_escape"))


class ConnectedNode(Node):
    """A feed's answer under a name, for the content up to `endconnected`."""

    def __init__(
        self,
        token: Token,
        name: str,
        url: list[Node],
        options: dict[str, Any],
        block: BlockNode,
        otherwise: BlockNode | None,
    ) -> None:
        super().__init__(token)
        self.name, self.url, self.block, self.otherwise = name, url, block, otherwise
        self.timeout: float = options.get("timeout", DEFAULT_TIMEOUT)
        self.cache: int = options.get("cache", DEFAULT_CACHE)
        self.auth: str = options.get("auth", "")
        self.blank = False

    def children(
        self, static_context: RenderContext, *, include_partials: bool = True
    ) -> Iterable[Node]:
        return [*self.url, self.block, *([self.otherwise] if self.otherwise else [])]

    def beginning(self) -> str:
        """The part of the URL that is the same for everybody."""
        first = self.url[0]
        assert isinstance(first, TextNode), "the parser saw that it begins with words"
        return first.text

    def values(self) -> list[Expression]:
        """What stands in the URL."""
        return [one.expression for one in self.url if isinstance(one, OutputNode)]

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, Context)
        try:
            answer = self._answer(context)
        except (Unanswered, Missing) as lack:
            return self._otherwise(context, buffer, lack)
        with context.extend({self.name: answer}):
            if self.otherwise is None:
                return self.block.render(context, buffer)
            said = StringIO()
            try:
                self.block.render(context, said)
            except Missing as lack:
                if not within(lack.path, self.name):
                    raise
                failed: Missing | RenderFault = lack
            except RenderFault as fault:
                failed = fault
            else:
                return buffer.write(said.getvalue())
        return self._otherwise(context, buffer, failed)

    def _answer(self, context: Context) -> Any:
        """Raises Unanswered, or Missing for a value of the URL."""
        if context.outside is None:
            raise Unanswered("nothing can be fetched here")
        url = "".join(self._part(one, context) for one in self.url)
        if len(url) > LONGEST_URL:
            raise Unanswered(f"its address is longer than {LONGEST_URL:,} characters")
        feed = Feed(url=url, timeout=self.timeout, cache=self.cache, auth=self.auth)
        if feed not in context.fetched:
            try:
                context.fetched[feed] = context.outside.connected(feed)
            except Unanswered as reason:
                context.fetched[feed] = reason
        found = context.fetched[feed]
        if isinstance(found, Unanswered):
            raise Unanswered(str(found))
        return found

    def _part(self, node: Node, context: Context) -> str:
        if not isinstance(node, OutputNode):
            assert isinstance(node, TextNode)
            return str(node.text)
        value = str(to_text(node.expression.evaluate(context), False)).strip()
        if value in (".", ".."):
            # They would lead to another address of the feed.
            raise Unanswered(f"{value!r} cannot stand in an address")
        return _encoded(value)

    def _otherwise(
        self, context: Context, buffer: TextIO, lack: Unanswered | Missing | RenderFault
    ) -> int:
        reason = f"{self.name}: {lack}"
        if self.otherwise is not None:
            context.note(f"{reason}, so its `else` was said")
            return self.otherwise.render(context, buffer)
        if isinstance(lack, Missing):
            raise lack
        raise Aborted(f"connected content {reason}"[:500])


def _encoded(value: str) -> str:
    """A value as it stands in a URL (RFC 3986): nothing of it means anything there."""
    return "".join(chr(one) if one in _PLAIN else f"%{one:02X}" for one in value.encode())


def within(path: str, name: str) -> bool:
    """Whether a path is of the value called `name`."""
    return path == name or path.startswith((f"{name}.", f"{name}["))


class ConnectedTag(Tag):
    """The tag of `ConnectedNode`."""

    name = "connected"
    end = "endconnected"

    def parse(self, stream: TokenStream) -> ConnectedNode:
        token = stream.eat(TOKEN_TAG)
        inner = stream.into_inner(tag=token)
        name, url = self._head(token, inner)
        options = self._options(inner)
        parser = get_parser(self.env)
        block = parser.parse_block(stream, _BODY_ENDS)
        otherwise = None
        if stream.current.value == "else":
            next(stream)
            if stream.current.kind == TOKEN_EXPRESSION:
                raise LiquidSyntaxError("`else` takes nothing here", token=stream.current)
            otherwise = parser.parse_block(stream, _ELSE_ENDS)
        stream.expect(TOKEN_TAG, value="endconnected")
        return ConnectedNode(token, name, url, options, block, otherwise)

    def _head(self, token: Token, inner: TokenStream) -> tuple[str, list[Node]]:
        word, assign, url = next(inner), next(inner), next(inner)
        if (word.kind, assign.kind, url.kind) != (TOKEN_WORD, TOKEN_ASSIGN, TOKEN_STRING):
            raise LiquidSyntaxError(
                'write {% connected name = "https://..." %}, the address in quotes', token=token
            )
        if not _BEGINNING.match(url.value):
            raise LiquidSyntaxError(
                "the address must begin with a host that is the same for everybody, "
                "such as https://api.example/",
                token=token,
            )
        return word.value, _url(url.value, self.env, token)

    def _options(self, inner: TokenStream) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while inner.current.kind != TOKEN_EOF:
            if inner.current.kind == TOKEN_COMMA:
                next(inner)
            key = inner.eat(TOKEN_WORD)
            inner.eat(TOKEN_COLON)
            found[key.value] = _option(key, parse_primitive(self.env, inner))
        return found


def _url(source: str, env: Environment, token: Token) -> list[Node]:
    """The parts of an address: words and values. Raises LiquidSyntaxError at `token`."""
    try:
        nodes = list(env.from_string(source).nodes)
    except LiquidError as error:
        raise LiquidSyntaxError(f"in the address: {error.message}", token=token) from None
    for node in nodes:
        if not isinstance(node, TextNode | OutputNode):
            raise LiquidSyntaxError("an address holds values, and no tags", token=token)
        for one in getattr(getattr(node, "expression", None), "filters", None) or ():
            if one.name in _ENCODERS:
                problem = f"values in an address are encoded already; leave out `{one.name}`"
                raise LiquidSyntaxError(problem, token=token)
    return nodes


def _option(key: Token, value: Expression) -> Any:
    number = value.value if isinstance(value, IntegerLiteral | FloatLiteral) else None
    if key.value == "timeout":
        if number is None or not 0 < number <= LONGEST_TIMEOUT:
            raise LiquidSyntaxError(
                f"`timeout` is more than 0 and at most {LONGEST_TIMEOUT:g} seconds", token=key
            )
        return float(number)
    if key.value == "cache":
        if not isinstance(number, int) or not 0 <= number <= LONGEST_CACHE:
            raise LiquidSyntaxError(
                f"`cache` is 0 to {LONGEST_CACHE:,} seconds, a whole number", token=key
            )
        return number
    if key.value == "auth":
        if isinstance(value, StringLiteral):
            return str(value.value)
        if isinstance(value, Path) and len(value.path) == 1:
            return str(value.path[0])
        raise LiquidSyntaxError("`auth` is a name from the workspace's `connected`", token=key)
    known = ("timeout", "cache", "auth")
    raise LiquidSyntaxError(
        f"`connected` has no `{key.value}`{did_you_mean(key.value, known)}; "
        f"it has {', '.join(known)}",
        token=key,
    )
