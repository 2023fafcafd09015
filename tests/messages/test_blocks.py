"""Content blocks: which file is taken, what goes wrong and where it stands."""

import pytest
from tests.messages.messages_kit import good, problems, shown

from harken.messages.blocks import DEEPEST
from harken.messages.content import Content

FILES = {
    "blocks/footer.html": "<p>Bye, {{ profile.first_name | default: 'friend' }}</p>\n",
    "blocks/footer.ko.html": "<p>안녕히 가세요</p>\n",
    "blocks/footer.txt": "Bye in text\n",
    "blocks/brand.liquid": "Kelana",
    "blocks/hero.mjml": "<mj-section><mj-column><mj-text>Hero {% block 'brand' %}</mj-text>"
    "</mj-column></mj-section>",
    "blocks/outer.html": '<div>{% block "inner" %}</div>',
    "blocks/inner.html": '<b>{% block "brand" %}</b>',
}


def content(body: str, **more: str) -> Content:
    return Content(**{"subject": "x", "html": f"<p>Hello</p>{body}", **more})


def test_a_block_stands_in_html_text_and_subject_in_its_form() -> None:
    wording = content(
        '{% block "footer" %}', text='Hi {% block "footer" %}', subject="{% block 'brand' %}!"
    )
    said = shown(good(wording, files=FILES), attributes={"first_name": "A & B"})
    assert said.subject == "Kelana!"
    assert "<p>Bye, A &amp; B</p>" in said.html
    assert said.text.startswith("Hi Bye in text")


def test_the_plain_part_is_made_of_the_blocks_too() -> None:
    assert "Bye, friend" in shown(good(content('{% block "footer" %}'), files=FILES)).text


def test_mjml_compiles_blocks_with_what_stands_around_them() -> None:
    mjml = '<mjml><mj-body>{% block "hero" %}</mj-body></mjml>'
    said = shown(good(Content(subject="x", mjml=mjml), files=FILES))
    assert "Hero Kelana" in said.html
    assert "mj-section" not in said.html


def test_blocks_stand_in_blocks_and_see_the_names_around_them() -> None:
    assert (
        "<div><b>Kelana</b></div>" in shown(good(content('{% block "outer" %}'), files=FILES)).html
    )
    body = '{% for n in (1..3) %}{% block "n" %}{% endfor %}'
    made = good(
        content(body),
        files={"blocks/n.html": "[{{ forloop.index }}{{ n | default: 0 | times: 2 }}]"},
    )
    assert "[12][24][36]" in shown(made).html


@pytest.mark.parametrize(
    ("language", "said"),
    [("ko", "안녕히"), ("ko-KR", "안녕히"), ("en", "Bye"), ("id", "Bye")],
)
def test_the_version_is_that_of_the_contents_language(language: str, said: str) -> None:
    body = '<p>{% block "footer" %}</p>'
    locales = {"ko": Content(html=body)}
    made = good(Content(subject="x", html=body, locales=locales), files=FILES)
    assert said in shown(made, attributes={"language": language}).html


def test_whitespace_control_and_raw_stand_as_in_liquid() -> None:
    body = 'a {%- block "brand" -%} b {% raw %}{% block "brand" %}{% endraw %}'
    assert 'aKelanab {% block "brand" %}' in shown(good(content(body), files=FILES)).html


@pytest.mark.parametrize(
    ("body", "files", "told"),
    [
        ('{% block "foter" %}', {}, "there is no block `foter` in blocks/; did you mean `footer`?"),
        ("{% block footer %}", {}, "write the block's name in quotes"),
        ('{% block "hero" %}', {}, "no form for this place: write blocks/hero.html or"),
        (
            '{% block "a" %}',
            {"blocks/a.html": '\n{% block "b" %}', "blocks/b.html": '{% block "a" %}'},
            "blocks/b.html:1: $.steps[0].default.html: a circle of blocks: a -> b -> a",
        ),
        (
            '{% block "n0" %}',
            {f"blocks/n{n}.html": f'{{% block "n{n + 1}" %}}' for n in range(DEEPEST + 1)},
            f"more than {DEEPEST} deep: n0 -> n1",
        ),
        (
            '{% block "n0" %}',
            {f"blocks/n{n}.html": f'{{% block "n{n + 1}" %}}' * 20 for n in range(7)}
            | {"blocks/n7.html": "x" * 100},
            "longer than 300,000 characters with its blocks",
        ),
        (
            '{% block "a" %}',
            {"blocks/a.html": "one\ntwo {{ profile.nam | default: 1 }}\n"},
            "blocks/a.html:2: $.steps[0].default.html: `profile` has no `nam`",
        ),
        (
            '{% block "a" %}',
            {"blocks/a.html": "one\ntwo\n{{ profile.first_name }}"},
            "blocks/a.html:3: $.steps[0].default.html: a default content may use only values",
        ),
        (
            '{% block "a" %}',
            {"blocks/a.html": "one\n{% if %}"},
            "blocks/a.html:2: $.steps[0].default.html: this is not Liquid",
        ),
        (
            '\n\n{{ profile.nam | default: 1 }}{% block "footer" %}',
            {},
            "html: line 3: `profile` has no `nam`",
        ),
        ('{% liquid\n block "footer" %}', {}, "a block stands in a tag of its own"),
    ],
)
def test_what_is_wrong_is_told_with_its_file_and_line(
    body: str, files: dict[str, str], told: str
) -> None:
    found = problems(content(body), files=FILES | files)
    assert told in found[0], found
    assert len(found) == 1, found


def test_a_fault_of_mjml_is_told_where_it_is_written() -> None:
    mjml = '<mjml>\n<mj-body>\n{% block "bad" %}\n</mj-body></mjml>'
    files = {"blocks/bad.mjml": "<mj-section>\n<mj-colum></mj-colum></mj-section>"}
    found = problems(Content(subject="x", mjml=mjml), files=files)
    assert found[0].startswith("blocks/bad.mjml:2: ")
    assert "did you mean `mj-column`?" in found[0]
