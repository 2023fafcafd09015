"""The tags of templates: Liquid's, with output by our rules, loops that count, and `abort`."""

from typing import TextIO

from liquid import RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import BooleanExpression, FilteredExpression
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    case_tag,
    comment_tag,
    cycle_tag,
    decrement_tag,
    doc_tag,
    echo_tag,
    for_tag,
    if_tag,
    ifchanged_tag,
    increment_tag,
    inline_comment_tag,
    liquid_tag,
    unless_tag,
)  # fmt: skip
from liquid.exceptions import BreakLoop, ContinueLoop, LiquidSyntaxError
from liquid.expression import Expression
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import TOKEN_EXPRESSION, TOKEN_TAG, Token

from harken.messages.evaluate import Aborted, Absent, Context, Missing, to_text


class TextNode(content.ContentNode):
    def render(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(self.text)


class Block(BlockNode):
    """A block that does not count what it wrote."""

    __slots__ = ()

    def render(self, context: RenderContext, buffer: TextIO) -> int:
        if self.blank:
            return self.render_to_output(context, buffer)
        for node in self.nodes:
            node.render(context, buffer)
        return 0


class IfNode(if_tag.IfNode):
    def render(self, context: RenderContext, buffer: TextIO) -> int:
        if _truthy(self.condition, context):
            return self.consequence.render(context, buffer)
        for alternative in self.alternatives:
            if _truthy(alternative.expression, context):
                return alternative.block.render(context, buffer)
        return self.default.render(context, buffer) if self.default else 0


def _truthy(condition: Expression, context: RenderContext) -> bool:
    if isinstance(condition, BooleanExpression):
        condition = condition.expression
    value = condition.evaluate(context)
    return value is not None and value is not False and value.__class__ is not Absent


class OutputNode(output.OutputNode):
    def render(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        text = to_text(value, context.autoescape)
        if value.__class__ is list and not text.strip():
            raise Missing(str(self.expression))
        if len(text) > 1_000:
            assert isinstance(context, Context)
            context.spend(1, buffer)
        return buffer.write(text)


class EchoNode(echo_tag.EchoNode):
    render = OutputNode.render


class CycleNode(cycle_tag.CycleNode):
    def render(self, context: RenderContext, buffer: TextIO) -> int:
        group = str(self.group.evaluate(context)) if self.group else ""
        turn = context.cycle((group, str(self.args)), len(self.args))
        return buffer.write(to_text(self.args[turn].evaluate(context), context.autoescape))


class ForNode(for_tag.ForNode):
    """A loop that counts its work; nested loops add theirs."""

    weight = 1

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, Context)
        items, length = self.expression.evaluate(context)
        if not length:
            return self.default.render(context, buffer) if self.default else 0
        name = str(self.expression.identifier)
        loop = for_tag.ForLoop(name=name, it=items, length=length, parentloop=context.parentloop())
        names: dict[str, object] = {"forloop": loop, name: None}
        nodes = self.block.nodes
        with context.loop(names, loop):
            for item in loop:
                context.spend(self.weight, buffer)
                names[name] = item
                try:
                    for node in nodes:
                        node.render(context, buffer)
                except ContinueLoop:
                    continue
                except BreakLoop:
                    break
        return 0


class AbortNode(Node):
    """`{% abort "reason" %}`: this customer gets no message."""

    def __init__(self, token: Token, expression: FilteredExpression | None) -> None:
        super().__init__(token)
        self.expression = expression
        self.blank = False

    def expressions(self) -> list[FilteredExpression]:
        return [self.expression] if self.expression else []

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context) if self.expression else None
        reason = "" if isinstance(value, Absent) else to_text(value, False)
        raise Aborted(reason[:500] or "the template said abort")


class AbortTag(Tag):
    """The tag of `AbortNode`."""

    name = "abort"
    block = False

    def parse(self, stream: TokenStream) -> AbortNode:
        token = stream.expect(TOKEN_TAG)
        if stream.peek.kind != TOKEN_EXPRESSION:
            return AbortNode(token, None)
        next(stream)
        tokens = stream.into_inner(tag=token, eat=False)
        expression = FilteredExpression.parse(self.env, tokens)
        assert isinstance(expression, FilteredExpression)
        return AbortNode(token, expression)


class BlockTag(Tag):
    """Blocks are put in before a template is parsed (`messages.blocks`): this one was not seen."""

    name = "block"
    block = False

    def parse(self, stream: TokenStream) -> Node:
        problem = 'a block stands in a tag of its own: {% block "footer" %}'
        raise LiquidSyntaxError(problem, token=stream.current)


class _Literal(content.Literal):
    node_class = TextNode


class _Output(output.Output):
    node_class = OutputNode


class _Echo(echo_tag.EchoTag):
    node_class = EchoNode


class _If(if_tag.IfTag):
    node_class = IfNode


class _Cycle(cycle_tag.CycleTag):
    node_class = CycleNode


class _For(for_tag.ForTag):
    node_class = ForNode


TAGS: list[type[Tag]] = [
    _Literal, _Output, _Echo, _Cycle, _For, AbortTag, BlockTag, illegal.Illegal, _If,
    unless_tag.UnlessTag, case_tag.CaseTag, for_tag.BreakTag, for_tag.ContinueTag,
    assign_tag.AssignTag, capture_tag.CaptureTag, comment_tag.CommentTag,
    inline_comment_tag.InlineCommentTag, doc_tag.DocTag, increment_tag.IncrementTag,
    decrement_tag.DecrementTag, ifchanged_tag.IfChangedTag, liquid_tag.LiquidTag,
]  # fmt: skip
"""`include`, `render` and `tablerow` are left out: no template loads another."""
