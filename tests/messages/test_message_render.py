"""A message in its recipient's terms: fallback, languages, headers, footers."""

# ruff: noqa: E501

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages_kit import NOW, SECRET, SHOP, context, good, shown

from harken.ids import derived_id
from harken.messages.content import Content, Variant
from harken.messages.context import context_of, kept_of, values_of
from harken.messages.coverage import coverage
from harken.messages.evaluate import Aborted
from harken.messages.links import Link, Links
from harken.messages.render import render
from harken.people.profile import Profile, Session, Trigger
from harken.segments.rules import Attribute
from harken.workspace import Workspace

LINKS = Links("https://mail.example", SECRET)
ID = derived_id("a message")


def links() -> Any:
    return LINKS.of(Link(7, ID, "cart", 1, "nudge"))


PLAIN = Content(subject="You left something", html="<p>Hello</p>")
NAMED = Variant(weight=100, subject="{{ profile.first_name }}, come back", html="<p>Hi</p>")


@pytest.mark.parametrize(
    "attributes", [{}, {"first_name": ""}, {"first_name": " "}, {"first_name": None}]
)
def test_nobody_receives_a_gap(attributes: dict[str, Any]) -> None:
    rendered = shown(good(PLAIN, NAMED), "variant-1", attributes=attributes)
    assert rendered.variant == "default"
    assert rendered.subject == "You left something"
    assert rendered.why_variant == (
        "variant-1 uses profile.first_name, which this customer does not have"
    )


def test_who_has_the_data_gets_the_variant() -> None:
    rendered = render(
        good(PLAIN, NAMED), "variant-1", context({"first_name": "Yuna"}), None, why="w"
    )
    assert (rendered.variant, rendered.subject, rendered.why_variant) == (
        "variant-1",
        "Yuna, come back",
        "w",
    )


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("{{ event.properties.value | money: 'KRW' }}", "could not be rendered: filter money"),
        ("{% for a in (1..event.properties.n) %}x{% endfor %}", "could not be rendered: a range"),
        ("{{ profile.attributes }}", "could not be rendered: an object"),
    ],
)
def test_a_variant_that_cannot_be_rendered_gives_way(html: str, why: str) -> None:
    message = good(PLAIN, Variant(weight=100, html=html))
    rendered = shown(
        message, "variant-1", properties={"value": "many", "n": 99_999}, attributes={"a": 1}
    )
    assert rendered.variant == "default"
    assert why in rendered.why_variant


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("{% abort 'sold out' %}", "sold out"),
        ("{% for a in (1..9999) %}{% for b in (1..profile.attributes.n) %}{% endfor %}{% endfor %}", "the default content could not be rendered: loop"),
        ("{% if profile.city %}{{ profile.city | remove: 'Seoul' }}{% endif %}", "the default content uses profile.city"),
    ],
)  # fmt: skip
def test_a_default_that_cannot_be_rendered_aborts_with_the_reason(html: str, reason: str) -> None:
    with pytest.raises(Aborted, match=reason):
        shown(good(Content(subject="x", html=html)), attributes={"city": "Seoul", "n": 9_999})


def test_abort_in_a_variant_sends_nothing() -> None:
    with pytest.raises(Aborted, match="not for you"):
        shown(good(PLAIN, Variant(weight=1, html="{% abort 'not for you' %}")), "variant-1")


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("ko", "안녕"), ("ko-KR", "안녕"), ("KO_kr", "안녕"), ("pt-BR", "Oi"), ("pt", "Hello"),
        ("fr", "Hello"), ("en-GB", "Hello"), (None, "Hello"), (7, "Hello"), ("-", "Hello"),
    ],
)  # fmt: skip
def test_language_versions(language: Any, expected: str) -> None:
    message = good(
        Content(
            subject="Hello",
            html="<p>x</p>",
            locales={
                "ko": Content(subject="안녕"),
                "pt-BR": Content(subject="Oi", html="<p>y</p>"),
            },
        )
    )
    rendered = shown(message, attributes={"language": language})
    assert rendered.subject == expected
    assert rendered.language == {"안녕": "ko", "Oi": "pt-BR", "Hello": "en"}[expected]


def test_a_locale_of_a_variant_is_completed_by_the_same_locale_of_the_default() -> None:
    message = good(
        Content(
            subject="Hello",
            html="<p>English</p>",
            text="English",
            locales={"ko": Content(html="<p>한국어</p>")},
        ),
        Variant(weight=100, subject="Sale", locales={"ko": Content(subject="세일")}),
    )
    rendered = shown(message, "variant-1", attributes={"language": "ko"})
    assert rendered.subject == "세일"
    assert "한국어" in rendered.html
    assert "English" not in rendered.text


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("A\r\nBcc: x@y.example", "Hi A Bcc: x@y.example"),
        ("A\nB", "Hi A B"),
        ("A\x00\x1b[0mB", "Hi A[0mB"),
        ("A\u2028B\u202eC\x85D", "Hi A B CD"),
        ("\ud800A", "Hi A"),
        ("A   B", "Hi A B"),
        ("<b>", "Hi <b>"),
    ],
)
def test_no_header_injection(name: str, subject: str) -> None:
    message = good(Content(subject="Hi\n {{ profile.first_name | default: 'you' }}", html="x"))
    assert shown(message, attributes={"first_name": name}).subject == subject


@settings(max_examples=150, deadline=None)
@given(st.text(), st.text())
def test_no_value_breaks_a_message(name: str, city: str) -> None:
    message = good(
        Content(
            subject="{{ profile.first_name | default: 'you' }}!",
            html="<p>{{ profile.first_name | default: 'you' }} <a href='{{ profile.city | default: '#' }}'>x</a></p>",
        )
    )
    rendered = render(message, "default", context({"first_name": name, "city": city}), links())
    assert rendered.subject.isprintable() or not rendered.subject.isascii()
    assert not set(rendered.subject) & set("\r\n\0")
    assert "<script" not in rendered.html.lower()
    (rendered.subject + rendered.html + rendered.text).encode()


def test_html_escapes_names_and_the_text_part_does_not() -> None:
    message = good(Content(subject="x", html="<p>Hi {{ profile.first_name | default: 'you' }}</p>"))
    rendered = shown(message, attributes={"first_name": "<script>alert(1)</script> & Co"})
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in rendered.html
    assert "Hi <script>alert(1)</script> & Co" in rendered.text


def test_the_preheader_is_hidden_in_html_and_not_in_the_text() -> None:
    message = good(
        Content(
            subject="x",
            preheader="Only {{ now | date: '%Y' }}",
            html="<body class='a'><p>b</p></body>",
        )
    )
    rendered = shown(message)
    assert rendered.html.startswith("<body class='a'><div style=\"display:none")
    assert "Only 2025</div>" in rendered.html
    assert "Only" not in rendered.text


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Unsubscribe"), ("ko", "수신거부"), ("id", "Berhenti berlangganan"), ("fr", "Unsubscribe")]
)  # fmt: skip
def test_marketing_gets_a_way_out_in_its_language(language: str, words: str) -> None:
    message = good(
        Content(subject="x", html="<body>a</body>", locales={language: Content(subject="y")})
    )
    rendered = render(message, "default", context({"language": language}), links())
    assert words in rendered.html
    assert f"{words}: {rendered.unsubscribe}" in rendered.text
    assert "Shop, Street 1, Town" in rendered.text
    assert rendered.html.endswith("</body>")


@pytest.mark.parametrize(
    ("purpose", "html"),
    [("transactional", "<p>a</p>"), ("marketing", '<a href="{{ links.unsubscribe }}">Stop</a>')],
)
def test_no_second_way_out(purpose: Any, html: str) -> None:
    rendered = render(
        good(Content(subject="x", html=html), purpose=purpose), "default", context(), links()
    )
    assert "Choose what you receive" not in rendered.html
    assert "Choose what you receive" not in rendered.text


def test_what_korean_law_demands() -> None:
    demands = {
        "label": "(광고)",
        "show": ["sender_name", "sender_email", "phone", "postal_address", "opt_out"],
        "footer": ["전송자: 상점"],
    }
    rendered = render(good(PLAIN), "default", {**context(), "demands": demands}, links())
    assert rendered.subject == "(광고) You left something"
    for part in (rendered.html, rendered.text):
        assert "전송자: 상점" in part
        assert "Shop | hello@shop.example | 전화 02-123 | Street 1, Town" in part
        assert part.count("무료 수신거부") == 1
        assert "Unsubscribe" not in part
    labelled = good(Content(subject="(광고) Sale", html="x"))
    assert shown(labelled).subject == "(광고) Sale"
    assert (
        render(labelled, "default", {**context(), "demands": demands}, None).subject
        == "(광고) Sale"
    )


def test_a_message_of_plain_text() -> None:
    rendered = shown(good(Content(subject="x", text="Hello {{ profile.city | default: 'there' }}")))
    assert rendered.html == ""
    assert rendered.text.startswith("Hello there\n\n--\nShop")


def test_a_variant_that_is_gone_is_the_default() -> None:
    rendered = shown(good(PLAIN), "old")
    assert (rendered.variant, rendered.why_variant) == (
        "default",
        "there is no variant old any more",
    )


def test_the_context_is_plain_and_complete() -> None:
    profile = Profile(
        id=7,
        user_id="u1",
        attributes={"first_name": "Yuna", "brand": "A", "locale": "ko_KR"},
        learned={"country": "KR", "language": "en"},
        session=Session(started=NOW, last=NOW, events={"Product Viewed": 2}, products=[{"id": 1}]),
    )
    trigger = Trigger(name="E", at=NOW, properties={"a": 1})
    found = context_of(profile, trigger, SHOP, NOW)
    kept = msgspec.msgpack.encode(kept_of(profile, trigger, NOW))
    assert values_of(msgspec.msgpack.decode(kept), SHOP) == found
    assert b"Yuna" in kept
    assert kept.count(b"Yuna") == 1
    assert values_of(found, Workspace()) == found, "a row that kept all of it"
    assert "learned" not in found["profile"]
    assert found["profile"]["first_name"] == "Yuna"
    assert found["profile"]["attributes"]["brand"] == "A"
    assert (found["profile"]["language"], found["profile"]["timezone"]) == ("ko-KR", "Asia/Seoul")
    assert found["event"]["properties"] == {"a": 1}
    assert found["session"]["products"] == [{"id": 1}]
    assert found["sender"]["name"] == "Shop"


def test_entry_is_the_event_unless_a_caller_says_otherwise() -> None:
    message = good(Content(subject="{{ entry.code | default: '-' }}", html="x"))
    assert shown(message, properties={"code": "A"}).subject == "A"
    assert render(message, "default", {**context(), "entry": {"code": "B"}}, None).subject == "B"


def test_coverage_tells_who_falls_to_the_default_and_why() -> None:
    vip = Variant(
        when=Attribute(attribute="vip", equals=True),
        name="vip",
        html="{{ profile.city }}",
        subject="a",
    )
    message = good(
        Content(subject="x", html="{% if profile.city == 'X' %}{% abort 'closed' %}{% endif %}y"),
        vip,
    )
    audience = [
        Profile(id=1, attributes={"vip": True, "city": "Seoul"}),
        Profile(id=2, attributes={"vip": True}),
        Profile(id=3, attributes={"vip": True, "city": ""}),
        Profile(id=4),
        Profile(id=5, attributes={"city": "X"}),
    ]
    found = coverage(message, [(one, None) for one in audience], SHOP, NOW)
    assert (found.total, found.to_default, found.share_to_default) == (5, 2, 0.4)
    assert found.by_variant == {"vip": 1, "default": 3}
    assert found.reasons == {"vip uses profile.city, which this customer does not have": 2}
    assert found.aborted == {"closed": 1}
