"""MJML with Liquid in it, and the plain part made from HTML."""

# ruff: noqa: E501

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liquid.exceptions import LiquidError
from messages_kit import good, shown

from harken.messages.content import Content
from harken.messages.mjml import compile_mjml
from harken.messages.text import html_to_text, text_template


def mjml(body: str) -> str:
    return f"<mjml><mj-body>{body}</mj-body></mjml>"


SECTION = "<mj-section><mj-column>{}</mj-column></mj-section>"


@pytest.mark.parametrize(
    "source",
    [
        mjml("{% for p in event.properties.p %}" + SECTION.format("<mj-text>a</mj-text>") + "{% endfor %}"),
        mjml(SECTION.format("{% if profile.city %}<mj-text>a</mj-text>{% endif %}")),
        mjml(SECTION.format('<mj-text color="{{ c | default: "#fff" }}">a</mj-text>')),
        mjml(SECTION.format('<mj-button href="https://x/?a={{ u }}&amp;b=1">{{ b }}</mj-button>')),
        mjml(SECTION.format("<mj-text>{% if a < 3 and b > 2 %}<b>x &amp; y</b>{% endif %}</mj-text>")),
        mjml("<mj-wrapper>{% if a %}" + SECTION.format("") + "{% endif %}</mj-wrapper>"),
        "{% assign a = 1 %}" + mjml(SECTION.format("<mj-text>{{ a }}</mj-text>")) + "{% comment %}x{% endcomment %}",
        "<mjml><mj-head><mj-title>{{ t }}</mj-title><mj-style>a{color:{{ c }}}</mj-style></mj-head><mj-body></mj-body></mjml>",
        mjml(SECTION.format("<mj-raw>{% raw %}{{ no }}{% endraw %}</mj-raw>")),
        mjml(SECTION.format("<mj-table><tr>{% for i in a %}<td>{{ i }}</td>{% endfor %}</tr></mj-table>")),
    ],
)  # fmt: skip
def test_liquid_survives(source: str) -> None:
    html, faults = compile_mjml(source)
    assert faults == []
    for piece in re.findall(r"\{%.*?%\}|\{\{.*?\}\}", source):
        assert piece in html


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("<mjml><mj-body>\n<mj-sectoin></mj-sectoin></mj-body></mjml>", 2, "did you mean `mj-section`?"),
        ("<mjml><mj-body>\n\n<mj-include path='/etc/passwd'/></mj-body></mjml>", 3, "mj-include"),
        ("<mjml><mj-body><mj-section>", 0, "not closed"),
        ("<p>x</p>", 1, "this is not MJML"),
        ("", 0, "this is not MJML"),
        (mjml(SECTION.format("\n<mj-image src='a' width='{{ w }}'/>")), 2, "`{{ w }}` would be lost here"),
    ],
)  # fmt: skip
def test_faults_of_mjml(source: str, line: int, problem: str) -> None:
    html, faults = compile_mjml(source)
    assert html == ""
    assert problem in faults[0].problem
    assert faults[0].line == line


def test_a_loop_around_sections_renders_each() -> None:
    each = "{% for p in event.properties.products %}" + SECTION.format(
        "<mj-text>{{ p.name | default: '?' }}</mj-text>"
    )
    message = good(Content(subject="x", mjml=mjml(each + "{% endfor %}")))
    rendered = shown(message, properties={"products": [{"name": "Shoe & Co"}, {"name": "Hat"}]})
    assert rendered.html.count("Shoe &amp; Co") == 1
    assert "Shoe & Co" in rendered.text
    assert "Hat" in rendered.text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>A</h1><p>b<br>c</p>", "A\n\nb\nc"),
        ('<p>See <a href="https://x/?a=1&amp;b=2">the shop</a>.</p>', "See the shop (https://x/?a=1&b=2)."),
        ('<a href="https://x/">https://x/</a>', "https://x/"),
        ('<a href="mailto:a@b.example">Write</a>', "Write (a@b.example)"),
        ("<style>p{}</style><script>x()</script><title>t</title><p>a</p>", "a"),
        ('<div style="display:none">hidden<b>x</b></div><p>a</p>', "a"),
        ("<ul><li>a</li><li>b</li></ul><ol><li>c</li><li>d</li></ol>", "- a\n- b\n\n1. c\n2. d"),
        ('<img src="x" alt="Logo"><hr>', "Logo\n---"),
        ("<!-- c --><p>a &lt; b\n  c</p>", "a < b c"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\n\nc"),
    ],
)  # fmt: skip
def test_plain_text_of_html(html: str, text: str) -> None:
    assert html_to_text(html) == text
    assert text_template(html) == text


def test_the_plain_template_keeps_liquid_and_drops_what_is_not_said() -> None:
    source = (
        "<head><style>a{color:{{ c }}}</style></head><!--[if mso]>{% for p in a %}<![endif]-->"
        '<p class="{{ d }}">Hi {{ p.name | default: "a > b" }} <a href="{{ u }}">x</a></p>{% endfor %}'
    )
    assert text_template(source) == (
        '{% for p in a %}\n\nHi {{ p.name | default: "a > b" }} x ({{ u }})\n\n{% endfor %}'
    )


_pieces = st.sampled_from(
    ["<mjml>", "</mjml>", "<mj-body>", "</mj-body>", "<mj-section>", "</mj-section>", "<mj-text>",
     "</mj-text>", "<mj-text a='", "'>", "{% if a %}", "{% endif %}", "{{ a }}", "x", "&", "<", ">",
     "<!--", "-->", "<mj-raw>", "</mj-raw>", "hole0z", "é", "<b>", "</b>", '"', "<mj-column>",
     "</mj-column>", "<mj-head>", "</mj-head>", "<mj-style>", "</mj-style>", "\x00", "<br>"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(_pieces, max_size=30))
def test_no_markup_crashes(pieces: list[str]) -> None:
    source = "".join(pieces)
    try:
        html, faults = compile_mjml(source)
        assert bool(html) or bool(faults) or source.strip() == ""
        text_template(source)
    except LiquidError:
        pass
    html_to_text(source)
