"""What templates may do, and what stops them."""

# ruff: noqa: E501

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liquid.exceptions import LiquidError

from harken.errors import HarkenError
from harken.messages.evaluate import Aborted, Missing, RenderFault, Scope
from harken.messages.liquid import HTML, TEXT, Template
from harken.values import zone

NOW = 1_750_000_000_000
PROFILE = {
    "first_name": "Yuna",
    "none": None,
    "gap": "  ",
    "zero": 0,
    "list": [],
    "no": False,
    "gaps": ["a", None, " ", "b"],
    "nameless": [{"price": 1}],
    "grouped": "1,234",
    "never": 1e300,
}


def render(
    source: str, env: Any = TEXT, locale: str = "en", place: str = "UTC", **values: Any
) -> str:
    found = zone(place)
    assert found is not None
    return Template(source, env).render(Scope({"profile": PROFILE, **values}, locale, found, NOW))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hi {{ profile.first_name }}", "Hi Yuna"),
        ("{{ profile.zero }}", "0"),
        ("{{ profile.no }}", "false"),
        ("{{ profile.x | default: 'you' }}", "you"),
        ("{{ profile.none | default: 'you' }}", "you"),
        ("{{ profile.gap | default: 'you' }}", "you"),
        ("{{ profile.list | default: 'you' }}", "you"),
        ("{{ profile.list | first | default: 'you' }}", "you"),
        ("{% if profile.list %}{{ profile.list | join }}{% else %}nothing{% endif %}", "nothing"),
        ("{{ profile.gaps | join: ', ' }}", "a, b"),
        ("{{ profile.no | append: '!' }} {{ profile.no | upcase }}", "false! FALSE"),
        ("{{ '12' | plus: 1 }} {{ ' 3 ' | times: '2' }}", "13 6"),
        ("{{ profile.zero | default: 'you' }}", "0"),
        ("{{ profile.x | upcase | append: '!' | default: 'you' }}", "you"),
        ("{{ profile.x | default: profile.first_name }}", "Yuna"),
        ("{% if profile.x %}{{ profile.x }}{% else %}nobody{% endif %}", "nobody"),
        ("{% if profile.gap %}{{ profile.gap }}{% else %}nobody{% endif %}", "nobody"),
        ("{% if profile.x != blank %}there{% else %}nobody{% endif %}", "nobody"),
        ("{% if profile.x == '' %}nobody{% endif %}", "nobody"),
        ("{% unless profile.none == nil %}there{% endunless %}gone", "gone"),
        ("{% for p in profile.x %}{{ p.name }}{% else %}none{% endfor %}", "none"),
        ("{% assign s = '' %}{% for n in (1..3) %}{{ s }}{{ n }}{% assign s = '-' %}{% endfor %}", "1-2-3"),
        ("{% assign n = profile.x | default: 'a' %}{{ n }}", "a"),
        ("{% capture c %}{% endcapture %}[{{ c }}]", "[]"),
        ("{% for n in (1..3) %}{% cycle 'a', 'b' %}{% endfor %}", "aba"),
        ("{% for n in (1..9) %}{% if n == 3 %}{% break %}{% endif %}{{ n }}{% endfor %}", "12"),
        ("{% case profile.first_name %}{% when 'Yuna' %}y{% else %}n{% endcase %}", "y"),
        ("{{ '3' | times: 2 }} {{ 1.5 | times: 2 }}", "6 3.0"),
    ],
)  # fmt: skip
def test_values(source: str, expected: str) -> None:
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("Hi {{ profile.x }},", "profile.x"),
        ("Hi {{ profile.none }},", "profile.none"),
        ("Hi {{ profile.gap }},", "profile.gap"),
        ("{{ profile.x | upcase }}", "profile.x"),
        ("{{ profile.x | append: ', hello' }}", "profile.x"),
        ("{{ 'Hi ' | append: profile.x }}", "profile.x"),
        ("{{ 2 | times: event.properties.quantity }}", "event.properties.quantity"),
        ("{{ profile.x | default: profile.y }}", "profile.y"),
        ("{{ profile.first_name | remove: 'Yuna' }}", "profile.first_name"),
        ("{% assign n = profile.x %}Hi {{ n }}", "profile.x"),
        ("{% echo profile.x %}", "profile.x"),
        ("{% cycle profile.x, 'a' %}", "profile.x"),
        ("{{ items[0].name }}", "items[0].name"),
        ("{% for i in items %}{{ i.name }}{% endfor %}", "i.name"),
        ("{{ now }}{{ today }}", "now"),
        ("Hi {{ profile.list }},", "profile.list"),
        ("Hi {{ profile.list | first }},", "profile.list"),
        ("{% assign n = profile.list | first %}Hi {{ n }}", "profile.list"),
        ("{{ profile.nameless | map: 'name' | join: ', ' }}", "profile.nameless"),
        ("{{ profile.nameless | map: 'name' }}", "profile.nameless | map: 'name'"),
        ("{% assign n = profile.nameless | where: 'price', 2 | first %}{{ n.name }}", "profile.nameless"),
    ],
)  # fmt: skip
def test_a_value_that_the_customer_does_not_have_is_never_output(source: str, path: str) -> None:
    with pytest.raises(Missing) as missing:
        render(source, items=[{"id": 1}])
    assert missing.value.path == path


@pytest.mark.parametrize(
    ("source", "locale", "place", "expected"),
    [
        ("{{ 39000 | money: 'KRW' }}", "ko", "UTC", "₩39,000"),
        ("{{ 1234.5 | money: 'usd' }}", "en", "UTC", "$1,234.50"),
        ("{{ event.properties.value | money }}", "id", "UTC", "Rp5.000,00"),
        ("{{ 1234567.891 | number }}", "en", "UTC", "1,234,567.891"),
        ("{{ 1234.5 | number: 2 }}", "id", "UTC", "1.234,50"),
        ("{{ 1234567.5 | number: 1 }}", "hi-IN", "UTC", "12,34,567.5"),
        ("{{ 1234567.5 | number: 0 }}", "de", "UTC", "1.234.568"),
        ("{{ 5000 | money: 'IDR', 0 }}", "id", "UTC", "Rp5.000"),
        ("{{ -5000 | money: 'IDR', 0 }}", "id", "UTC", "-Rp5.000"),
        ("{{ 1234567 | money: 'INR', 2 }}", "en-IN", "UTC", "₹12,34,567.00"),
        ("{{ 12.5 | money: 'EUR', 1 }}", "de", "UTC", "12,5\xa0€"),
        ("{{ 20 | percent }}", "en", "UTC", "20%"),
        ("{{ 12.46 | percent: 1 }}", "de", "UTC", "12,5\xa0%"),
        ("{{ 1250 | percent }}", "id", "UTC", "1.250%"),
        ("{{ 'now' | date: 'weekday' }}", "ko", "Asia/Seoul", "월요일"),
        ("{{ 'now' | date: 'day' }}", "ko", "Asia/Seoul", "6월 16일"),
        ("{{ 'now' | date: 'day' }}", "en", "UTC", "June 15"),
        ("{{ '1990-03-05' | date: 'day' }}", "id", "America/New_York", "5 Maret"),
        ("{{ '1990-03-05' | date: 'weekday' }}", "en", "Pacific/Auckland", "Monday"),
        ("{{ 'now' | date: 'medium' }}", "en", "Asia/Seoul", "Jun 16, 2025"),
        ("{{ 'now' | date: 'long' }}", "ko", "Asia/Seoul", "2025년 6월 16일"),
        ("{{ 'now' | date: 'time' }}", "en", "Asia/Seoul", "12:06\u202fAM"),
        ("{{ 'now' | date: '%d.%m.%Y' }}", "en", "UTC", "15.06.2025"),
        ("{{ 'now' | date: '%A %B' }}", "id", "UTC", "Minggu Juni"),
        ("{{ 1750000000 | date: 'short' }}", "en", "UTC", "6/15/25"),
        ("{{ 1750000000000 | date: 'short' }}", "en", "UTC", "6/15/25"),
        ("{{ '2025-06-15T23:00:00Z' | date }}", "en", "Asia/Seoul", "Jun 16, 2025"),
        ("{{ '1990-03-05' | date: 'long' }}", "en", "America/New_York", "March 5, 1990"),
    ],
)  # fmt: skip
def test_money_numbers_and_dates(source: str, locale: str, place: str, expected: str) -> None:
    event = {"properties": {"value": 5000, "currency": "IDR"}}
    assert render(source, locale=locale, place=place, event=event) == expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for a in (1..1000) %}{% for b in (1..1000) %}x{% endfor %}{% endfor %}", "loop"),
        ("{% for a in (1..99999999999) reversed %}{% endfor %}", "range"),
        ("{{ (1..99999999999) | join: ',' }}", "range"),
        ("{% for a in (1..99) %}{% for b in (1..99) %}{% for c in (1..99) %}x{% endfor %}{% endfor %}{% endfor %}", "loop"),
        ("{% assign x = 'aaaaaaaaaa' %}{% for a in (1..60) %}{% assign x = x | append: x %}{% endfor %}", "l"),
        ("{% assign x = 'aaaaaaaaaa' %}{% for a in (1..10) %}{% assign x = x | append: x %}{% endfor %}{{ x | replace: '', x }}", "too long"),
        ("{% assign x = 2 %}{% for a in (1..60) %}{% assign x = x | times: x %}{% endfor %}", "too large"),
        ("{% for a in (1..9000) %}{{ text }}{% endfor %}", "output"),
        ("{% for a in (1..9000) %}" + "{{ a }}" * 100 + "{% endfor %}", "work"),
        ("{% assign z = text | split: '' | sort %}" * 5000, "too much work"),
        ("{% break %}", "outside"),
        ("{{ profile }}", "object"),
        ("{{ 'abc' | money: 'KRW' }}", "no number"),
        ("{{ 5 | money: 'XXY' }}", "no currency"),
        ("{{ 5 | money }}", "no currency"),
        ("{{ 5 | money: 'KRW', 11 }}", "from 0 to 10"),
        ("{{ 5 | percent: true }}", "from 0 to 10"),
        ("{{ 'soon' | date }}", "no date"),
        ("{{ 5 | divided_by: 0 }}", "divide"),
        ("{{ 'a' | josa: 'x/y' }}", "no pair"),
        ("{% if profile.first_name < 5 %}{% endif %}", "not supported"),
        ("{{ profile.grouped | plus: 1 }}", "no number"),
        ("{{ 5 | minus: profile.grouped }}", "no number"),
        ("{{ profile.first_name | round }}", "no number"),
        ("{{ 'NaN' | at_least: 1 }}", "no number"),
        ("{{ profile.gaps | upcase }}", "no text"),
        ("{{ profile.nameless[0] | append: '!' }}", "no text"),
        ("{{ profile.gaps | replace: 'a', 'b' }}", "no text"),
        ("{{ profile.never | date }}", "no date"),
    ],
)  # fmt: skip
def test_bombs_and_wrong_kinds_are_faults_not_crashes(source: str, reason: str) -> None:
    with pytest.raises(RenderFault, match=reason):
        render(source, text="x" * 5_000)


@pytest.mark.parametrize(
    "source",
    [
        "{{ profile.first_name", "{% if %}", "{% if a %}", "{{ a | nofilter }}", "{% include 'x' %}",
        "{% render 'x' %}", "{% tablerow a in b %}{% endtablerow %}", "{{ a | safe }}", "{% nothing %}",
        "{{" * 1000, "{% if a %}" * 40 + "{% endif %}" * 40, "x" * 300_001, "{{ a" + "[a" * 3000 + "]" * 3000 + " }}",
    ],
)  # fmt: skip
def test_what_is_not_our_liquid_is_refused(source: str) -> None:
    with pytest.raises(LiquidError):
        Template(source, HTML)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% abort 'sold out' %}", "sold out"),
        ("{% if profile.x %}{% else %}{% abort %}{% endif %}", "the template said abort"),
        ("{% abort profile.first_name %}", "Yuna"),
        ("{% abort profile.x %}", "the template said abort"),
    ],
)
def test_abort(source: str, reason: str) -> None:
    for kind in (TEXT, HTML):
        with pytest.raises(Aborted) as aborted:
            render(source, kind)
        assert aborted.value.reason == reason
        assert type(aborted.value.reason) is str


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ x }}", "&lt;b&gt;&#34;&amp;"),
        ("{{ x | upcase }}", "&lt;B&gt;&#34;&amp;"),
        ("{{ x | append: '<i>' }}", "&lt;b&gt;&#34;&amp;<i>"),
        ("{{ '<i>' | append: x }}", "<i>&lt;b&gt;&#34;&amp;"),
        ("{{ list | join: '<br>' }}", "&lt;a&gt;<br>b"),
        ("{% assign y = x %}{{ y }}", "&lt;b&gt;&#34;&amp;"),
        ("{% capture y %}{{ x }}{% endcapture %}{{ y }}", "&lt;b&gt;&#34;&amp;"),
        ("{{ x | josa: '이/가' }}", "&lt;b&gt;&#34;&amp;가"),
        ("{% cycle x %}", "&lt;b&gt;&#34;&amp;"),
        ("{{ 'a,b' | replace: ',', x }}", "a&lt;b&gt;&#34;&amp;b"),
    ],
)  # fmt: skip
def test_html_escapes_every_value(source: str, expected: str) -> None:
    assert render(source, HTML, x='<b>"&', list=["<a>", "b"]) == expected


def test_controls_and_lone_surrogates_in_values_disappear() -> None:
    said = render("{{ x }}", x="a\x00b\ud800c\x1bd\ne")
    assert said == "abcd\ne"
    said.encode()


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
PIECES = """{{ {% }} %} - | : , . [ ] ( ) .. ' " = == != < > and or contains if elsif else endif for
in endfor case when endcase assign capture endcapture cycle abort echo liquid comment endcomment
raw endraw break continue limit offset reversed profile a b a.b a[0] a['x'] 1 -1 1.5 'x' nil blank
true default upcase money percent date number josa replace join times split sort map where first size slice
truncate round divided_by modulo sum uniq concat compact (1..3) '이/가' 'KRW' 'medium' connected endconnected timeout
'https://a/' block x"""
_pieces = st.sampled_from([*PIECES.split(), "\n"])


@settings(max_examples=400, deadline=None)
@given(st.lists(_pieces, max_size=25), _json, _json)
def test_no_template_and_no_value_crashes(pieces: list[str], a: Any, b: Any) -> None:
    for env in (HTML, TEXT):
        try:
            template = Template(" ".join(pieces), env)
        except LiquidError:
            continue
        try:
            render_scope = Scope({"profile": a, "a": a, "b": b}, "ko", zone("Asia/Seoul"), NOW)  # type: ignore[arg-type]
            template.render(render_scope)
        except HarkenError:
            pass


_filters = st.sampled_from(sorted(HTML.filters))
_args = st.sampled_from(["", ": a", ": b", ": 'x'", ": 2", ": a, b", ": 'x', 'y'", ": b, a"])


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(_filters, _args), min_size=1, max_size=3), _json, _json)
def test_no_filter_crashes(chain: list[tuple[str, str]], a: Any, b: Any) -> None:
    source = "{{ a" + "".join(f" | {name}{args}" for name, args in chain) + " }}"
    for env in (HTML, TEXT):
        scope = Scope({"a": a, "b": b}, "id", zone("UTC"), NOW)  # type: ignore[arg-type]
        try:
            Template(source, env).render(scope).encode()
        except HarkenError:
            pass


def test_minus_nothing_is_not_what_nothing_is_shown_as() -> None:
    for zero in ("-0", -0.0, 0, "0.0"):
        assert render("{{ n | money: 'KRW' }} {{ n | number }} {{ n | percent }}", n=zero) == (
            "₩0 0 0%"
        )
