"""What there is to offer: look-ups in catalogs, and recommendations.

    {% catalog p = "products" id: event.properties.product_id %}{{ p.title }}
    {% recommend products = "bought_together" item: event.properties.product_id limit: 4 %}

An item that there is not makes its name absent, and nothing to recommend likewise: by the rules for
missing data the default is sent instead, unless the content asked first (`{% if p %}`).
"""

from collections.abc import Mapping
from typing import Any, TextIO, get_args

from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import KeywordArgument, parse_primitive
from liquid.builtin.expressions.primitive import IntegerLiteral, StringLiteral
from liquid.exceptions import LiquidSyntaxError
from liquid.expression import Expression
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import (
    TOKEN_ASSIGN,
    TOKEN_COLON,
    TOKEN_COMMA,
    TOKEN_EOF,
    TOKEN_LIMIT,
    TOKEN_STRING,
    TOKEN_TAG,
    TOKEN_WORD,
    Token,
)

from harken.catalogs.settings import CatalogSettings
from harken.files.words import did_you_mean
from harken.messages.evaluate import Absent, Context
from harken.messages.outside import Kind, Wish

KINDS: tuple[Kind, ...] = get_args(Kind)
TOGETHER = ("viewed_together", "bought_together")
MOST = 50
"""Items of one recommendation."""
LIMIT = 4
MOST_IDS = 50
"""Ids that are looked up at once; those behind are left out."""


class OfferNode(Node):
    """A tag that gives its name a value from a catalog."""

    def __init__(
        self, token: Token, name: str, catalog: str, options: Mapping[str, Expression]
    ) -> None:
        super().__init__(token)
        self.name, self.catalog, self.options = name, catalog, options
        self.arguments = [KeywordArgument(token, key, value) for key, value in options.items()]
        self.blank = True

    def expressions(self) -> list[Expression]:
        return [argument.value for argument in self.arguments]

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, Context)
        given = {one.name: one.value.evaluate(context) for one in self.arguments}
        found = None
        if context.outside is not None:
            found = self.ask(context, {k: v for k, v in given.items() if not _lacks(v)})
        context.locals[self.name] = found or Absent(f"{self.name} ({self.lack(given)})")
        return 0

    def ask(self, context: Context, given: dict[str, Any]) -> Any:
        """What the name is to stand for; None or empty of nothing."""
        return None

    def lack(self, given: dict[str, Any]) -> str:
        """Why there is nothing."""
        return ""


class CatalogNode(OfferNode):
    """`{% catalog %}`: an item by its id, or those of a list of ids that there are."""

    def ask(self, context: Context, given: dict[str, Any]) -> Any:
        assert context.outside is not None
        id = given.get("id")
        if isinstance(id, list):
            context.charge(min(len(id), MOST_IDS))
            id = id[:MOST_IDS]
        return None if id is None else context.outside.catalog(self.catalog, id)

    def lack(self, given: dict[str, Any]) -> str:
        id = given["id"]
        shown = id.name if isinstance(id, Absent) else repr(id)
        return f"{self.catalog} has no item {shown[:80]}"


class RecommendNode(OfferNode):
    """`{% recommend %}`: the best items of a kind."""

    def __init__(
        self,
        token: Token,
        name: str,
        catalog: str,
        kind: Kind,
        limit: int,
        options: Mapping[str, Expression],
    ) -> None:
        super().__init__(token, name, catalog, options)
        self.kind, self.limit = kind, limit

    def ask(self, context: Context, given: dict[str, Any]) -> Any:
        assert context.outside is not None
        category, item = given.get("category"), given.get("item")
        items = tuple(item[:MOST_IDS]) if isinstance(item, list) else (item,) if item else ()
        profile_id = context.get(["profile", "id"], token=None, default=0)
        context.charge(self.limit)
        return context.outside.recommend(
            Wish(
                kind=self.kind,
                catalog=self.catalog,
                limit=self.limit,
                items=items,
                category=category if isinstance(category, str) else None,
                profile_id=profile_id if isinstance(profile_id, int) else 0,
            )
        )

    def lack(self, given: dict[str, Any]) -> str:
        return "there is nothing to recommend"


def _lacks(value: object) -> bool:
    return value is None or isinstance(value, Absent)


class CatalogTag(Tag):
    """The tag of `CatalogNode`."""

    name = "catalog"
    block = False

    def parse(self, stream: TokenStream) -> CatalogNode:
        token = stream.eat(TOKEN_TAG)
        inner = stream.into_inner(tag=token, eat=False)
        name, catalog = _head(token, inner, '{% catalog p = "products" id: ... %}')
        options = _options(self.env, inner, self.name, ("id",))
        if "id" not in options:
            raise LiquidSyntaxError("`catalog` needs `id:`, which item it is", token=token)
        return CatalogNode(token, name, catalog, options)


class RecommendTag(Tag):
    """The tag of `RecommendNode`."""

    name = "recommend"
    block = False

    def parse(self, stream: TokenStream) -> RecommendNode:
        token = stream.eat(TOKEN_TAG)
        inner = stream.into_inner(tag=token, eat=False)
        name, kind = _head(token, inner, '{% recommend products = "popular" limit: 4 %}')
        options = _options(
            self.env, inner, self.name, ("limit", "item", "items", "category", "catalog")
        )
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS) or f"; there are {', '.join(KINDS)}"
            raise LiquidSyntaxError(f"nothing is recommended by `{kind}`{hint}", token=token)
        catalog, limit = options.pop("catalog", None), options.pop("limit", None)
        if catalog is not None and not isinstance(catalog, StringLiteral):
            raise LiquidSyntaxError("write the `catalog` in quotes", token=token)
        count = limit.value if isinstance(limit, IntegerLiteral) else LIMIT if not limit else 0
        if not 1 <= count <= MOST:
            raise LiquidSyntaxError(f"`limit` is a whole number from 1 to {MOST}", token=token)
        if "items" in options:
            options["item"] = options.pop("items")
        if kind in TOGETHER and "item" not in options:
            problem = f"`{kind}` needs `item:`, what the others go together with"
            raise LiquidSyntaxError(problem, token=token)
        if kind == "popular_in" and "category" not in options:
            raise LiquidSyntaxError("`popular_in` needs `category:`, popular in what", token=token)
        if "category" in options and kind not in ("popular_in", "not_yet_bought"):
            hint = "; write `popular_in`" if kind == "popular" else ""
            raise LiquidSyntaxError(f"`{kind}` takes no `category`{hint}", token=token)
        named = str(catalog.value) if catalog is not None else ""
        return RecommendNode(token, name, named, kind, count, options)


def _head(token: Token, inner: TokenStream, example: str) -> tuple[str, str]:
    """The name that is given a value, and the text behind `=`."""
    word, assign, text = next(inner), next(inner), next(inner)
    if (word.kind, assign.kind, text.kind) != (TOKEN_WORD, TOKEN_ASSIGN, TOKEN_STRING):
        raise LiquidSyntaxError(f"write {example}", token=token)
    return word.value, text.value


def _options(
    env: Any, inner: TokenStream, tag: str, known: tuple[str, ...]
) -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    while inner.current.kind != TOKEN_EOF:
        if inner.current.kind == TOKEN_COMMA:
            next(inner)
        key = inner.eat_one_of(TOKEN_WORD, TOKEN_LIMIT)
        inner.eat(TOKEN_COLON)
        if key.value not in known:
            hint = did_you_mean(key.value, known) or f"; it has {', '.join(known)}"
            raise LiquidSyntaxError(f"`{tag}` has no `{key.value}`{hint}", token=key)
        found[key.value] = parse_primitive(env, inner)
    return found


def offer_fault(node: OfferNode, catalogs: Mapping[str, CatalogSettings]) -> str:
    """What is wrong with a tag in a workspace with these catalogs; empty when nothing is."""
    named = node.catalog
    if named and named not in catalogs:
        hint = did_you_mean(named, catalogs)
        known = hint or f"; it has {', '.join(catalogs)}" if catalogs else "; it has none"
        return f"the workspace has no catalog `{named}` below `catalogs`{known}"
    if not isinstance(node, RecommendNode):
        return ""
    able = [name for name, one in catalogs.items() if one.recommend is not None]
    wanted = "give it `recommend: {}` below `catalogs` in workspace.yaml"
    if named:
        return "" if named in able else f"nothing is recommended of `{named}`: {wanted}"
    if not able:
        return f"there is no catalog to recommend of: {wanted.replace('it', 'one', 1)}"
    if len(able) > 1:
        return f"say which `catalog:`; there are {', '.join(able)}"
    return ""
