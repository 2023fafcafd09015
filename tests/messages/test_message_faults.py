"""What is refused or warned of when a message is saved, and who gets which variant."""

# ruff: noqa: E501

from typing import Any

import pytest
from messages_kit import NOW, compiled, good, problems

from harken.messages.content import Content, Variant
from harken.people.profile import Profile, Trigger
from harken.segments.rules import Attribute, EventProperty

VIP = Attribute(attribute="vip", equals=True)
RICH = EventProperty(event_property="value", gte=200)
PLAIN = Content(subject="Hello", html="<p>Hello</p>")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (Content(html="x"), "$.steps[0].default: an e-mail needs a `subject`"),
        (Content(subject="x"), "$.steps[0].default: an e-mail needs a body"),
        (Content(subject=" ", html="x"), "$.steps[0].default: an e-mail needs a `subject`"),
        (Content(subject="x", html="<p>", mjml="<mjml>"), "$.steps[0].default.mjml: give `html` or `mjml`, not both"),
        (Content(subject="{{ profile.first_name }}", html="x"), "$.steps[0].default.subject: a default content may use only values with a default, and `profile.first_name` may be missing"),
        (Content(subject="x", html="{{ frist_name }}"), "$.steps[0].default.html: a message has no `frist_name`"),
        (Content(subject="x", html="{{ first_name | default: 'a' }}"), "did you mean `profile.first_name`?"),
        (Content(subject="x", html="{{ evnet.properties.a | default: 1 }}"), "did you mean `event`?"),
        (Content(subject="x", html="{{ profile.brand | default: 1 }}"), "custom attributes are `profile.attributes.brand`"),
        (Content(subject="x", html="{{ profile.shoe | default: 1 }}"), "custom attributes are `profile.attributes.shoe`"),
        (Content(subject="x", html="{{ event.total | default: 1 }}"), "its properties are `event.properties.total`"),
        (Content(subject="x", html="{{ profile.attributes.firstName | default: 1 }}"), "it is kept as `first_name`"),
        (Content(subject="x", html="{{ event.brand | default: 1 }}"), "its properties are `event.properties.brand`"),
        (Content(subject="x", html="<p>\n{{ 5 | mony: 'KRW' }}"), "$.steps[0].default.html: line 2: this is not Liquid: there is no filter `mony`; did you mean `money`?"),
        (Content(subject="x", html="{% blok 'a' %}"), "$.steps[0].default.html: this is not Liquid: unexpected tag 'blok'; did you mean `block`?"),
        (Content(subject="x", html="{% catalog p = 'a' id: 1 %}{% else %}"), "unexpected tag 'else'; nothing is open here that has one, such as `if`"),
        (Content(subject="x", html="{% catalog p = 'a' id: 1 %}{% endcatalog %}"), "`catalog` has no end: ask for what it found by `{% if NAME %}`"),
        (Content(subject="x", html="{% fro i in x %}"), "$.steps[0].default.html: this is not Liquid: unexpected tag 'fro'; did you mean `for`?"),
        (Content(subject="x", html="<p>\n\n{% if a %}"), "$.steps[0].default.html: this is not Liquid: expected"),
        (Content(subject="{{ 'a", html="x"), "$.steps[0].default.subject: this is not Liquid"),
        (Content(subject="x", preheader="{{ profile.city }}", html="x"), "$.steps[0].default.preheader: a default content"),
        (Content(subject="x", html="x", text="{{ profile.city }}"), "$.steps[0].default.text: a default content"),
        (Content(subject="x", html="a.html"), "$.steps[0].default.html: there is no content file `a.html`; did you mean `b.html`?"),
        (Content(subject="x", mjml="bad.mjml"), "bad.mjml:2: $.steps[0].default.mjml: MJML has no element `mj-sectoin`; did you mean `mj-section`?"),
        (Content(subject="x", html="b.html"), "b.html:3: $.steps[0].default.html: a default content"),
        (Content(subject="x", html="x", locales={"kk-xx-yy-zz": Content()}), "is no language tag"),
        (Content(subject="x", html="x", locales={"ko": Content(subject="{{ profile.name }}")}), "$.steps[0].default.locales.ko.subject: a default"),
        (Content(subject="x", html="x", locales={"ko": Content(locales={"en": Content()})}), "a version has no versions itself"),
        (Content(subject="x", html="{{ profile.name | default: '' }}"), "warning: $.steps[0].default.html: the `default` here is blank"),
    ],
)  # fmt: skip
def test_contents(content: Content, fault: str) -> None:
    files = {
        "b.html": "<p>\n\n{{ profile.city }}</p>",
        "bad.mjml": "<mjml><mj-body>\n<mj-sectoin/></mj-body></mjml>",
    }
    found = problems(content, files=files)
    assert [one for one in found if fault in one], found


@pytest.mark.parametrize(
    "source",
    [
        "{{ profile.first_name | default: 'you' }}",
        "{% if profile.first_name %}{{ profile.first_name }}{% endif %}",
        "{% if profile.city and profile.country %}{{ profile.city }}, {{ profile.country }}{% endif %}",
        "{% if profile.city == blank %}{% else %}{{ profile.city }}{% endif %}",
        "{% unless profile.city %}{% else %}{{ profile.city }}{% endunless %}",
        "{% if event.properties.value > 5 %}{{ event.properties.value }}{% endif %}",
        "{% case profile.gender %}{% when 'f', 'm' %}{{ profile.gender }}{% endcase %}",
        "{% assign n = profile.name | default: 'you' %}{{ n }}",
        "{% for p in event.properties.products %}{{ forloop.index }} {{ p.name | default: '?' }}{% endfor %}",
        "{{ links.unsubscribe }} {{ message.id }} {{ now | date }} {{ profile.language }} {{ event.name }}",
        "{% if profile.city %}{% assign c = profile.city %}{% else %}{% assign c = 'x' %}{% endif %}{{ c }}",
    ],
)  # fmt: skip
def test_a_default_that_can_always_be_sent_has_no_faults(source: str) -> None:
    assert problems(Content(subject="x", html=source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "{% if profile.first_name %}{% else %}{{ profile.first_name }}{% endif %}",
        "{% if profile.first_name or profile.city %}{{ profile.first_name }}{% endif %}",
        "{% if profile.first_name %}{% endif %}{{ profile.first_name }}",
        "{% assign n = profile.name %}{{ n }}",
        "{% if profile.city %}{% assign c = 'x' %}{% endif %}{{ c }}",
        "{% for p in event.properties.products %}{{ p.name }}{% endfor %}",
        "{{ profile.name | default: profile.first_name }}",
        "{{ 2 | times: event.properties.value }}",
    ],
)
def test_a_default_that_might_not_be_is_refused(source: str) -> None:
    assert any("default content" in one for one in problems(Content(subject="x", html=source)))


@pytest.mark.parametrize(
    ("source", "times"),
    [
        ("{% for a in (1..100) %}{% for b in (1..101) %}x{% endfor %}{% endfor %}", "10,100"),
        ("{% for a in (1..20000) limit: 2 %}x{% endfor %}", "20,000"),
        (
            "{% for p in event.properties.products %}{% for a in (1..10001) %}x{% endfor %}{% endfor %}",
            "10,001",
        ),
        ("{% for a in (1..200) %}{% for b in (1..200) limit: 20 %}x{% endfor %}{% endfor %}", ""),
        ("{% for a in (1..9999) %}{% for b in (1..n) %}x{% endfor %}{% endfor %}", ""),
        ("{% for a in (1..9999) %}x{% endfor %}{% for b in (1..9999) %}x{% endfor %}", ""),
    ],
)
def test_a_loop_that_can_never_end_within_the_limits_is_refused(source: str, times: str) -> None:
    found = problems(Content(subject="x", html="{% assign n = 3 %}" + source))
    assert [one for one in found if "this loop" in one and f"run {times} times" in one] == found
    assert len(found) == bool(times)


@pytest.mark.parametrize(
    ("source", "warnings"),
    [
        ("Order {{ profile.city | default: '' }} is here", 1),
        ("{% if profile.city %}Order {{ profile.city | default: '' }}{% endif %}", 0),
        ("Hello{{ profile.city | prepend: ' in ' | default: '' }}", 0),
    ],
)
def test_a_blank_default_that_leaves_a_gap_is_warned_of_once(source: str, warnings: int) -> None:
    other = Variant(weight=1, html="a.html")
    found = problems(Content(subject="x", html="a.html"), other, files={"a.html": source})
    assert len(found) == warnings
    assert all(one.startswith("a.html:1: warning") for one in found)


@pytest.mark.parametrize(
    ("variants", "fault"),
    [
        ([Variant(subject="a")], "variants[0]: a variant needs `when` (a rule) or `weight`"),
        ([Variant(when=VIP, weight=5)], "variants[0]: give `when` or `weight`, not both"),
        ([Variant(weight=60), Variant(weight=50)], "variants: the weights add up to 110 percent"),
        ([Variant(weight=0)], "variants[0].weight: a weight is more than 0"),
        ([Variant(weight=1, name="a"), Variant(weight=1, name="a")], "variants[1].name: another"),
        ([Variant(weight=1, name="default")], "variants[0].name: 'default' cannot be"),
        ([Variant(weight=1, name="variant-2"), Variant(weight=1)], "variants[1].name: another"),
    ],
)
def test_variants(variants: list[Variant], fault: str) -> None:
    found = problems(PLAIN, *variants)
    assert [one for one in found if fault in one], found


def test_a_variant_takes_from_the_default_what_it_leaves_out() -> None:
    message = good(PLAIN, Variant(weight=100, subject="Other"))
    assert message.contents["variant-1"][""].html is not None


def _choice(message: Any, profile: int = 1, vip: bool = False, value: int = 0) -> str:
    chosen = message.chooser.choose(
        Profile(id=profile, attributes={"vip": vip}),
        Trigger(name="E", at=NOW, properties={"value": value}),
        NOW,
    )
    assert chosen.why
    return str(chosen.variant)


def test_the_first_rule_that_holds_wins() -> None:
    message = good(PLAIN, Variant(when=RICH, name="rich"), Variant(when=VIP, name="vip"))
    assert _choice(message, vip=True, value=300) == "rich"
    assert _choice(message, vip=True, value=3) == "vip"
    assert _choice(message) == "default"


def test_the_split_is_sticky_and_gives_each_its_share() -> None:
    message = good(
        PLAIN, Variant(when=VIP), Variant(weight=30, name="a"), Variant(weight=50, name="b")
    )
    assert _choice(message, vip=True) == "variant-1"
    chosen = [_choice(message, profile=number) for number in range(4_000)]
    assert chosen == [_choice(message, profile=number) for number in range(4_000)]
    for name, share in (("a", 0.3), ("b", 0.5), ("default", 0.2)):
        assert abs(chosen.count(name) / 4_000 - share) < 0.03


def test_why_is_a_sentence() -> None:
    message = good(PLAIN, Variant(when=VIP, name="vip"), Variant(weight=100, name="a"))
    vip = message.chooser.choose(Profile(id=1, attributes={"vip": True}), None, NOW)
    assert vip.why.startswith("vip: its rule holds (vip")
    other = message.chooser.choose(Profile(id=1), None, NOW)
    assert other.why == "the A/B split gave a: 100 % of customers"
    assert message.chooser.choose(Profile(id=1), None, NOW, test="vip").variant == "vip"


def test_a_message_with_faults_still_names_them_all() -> None:
    _, faults = compiled(Content(html="{{ x }}", text="{{ y }}"), Variant(mjml="<mjml>"))
    assert len(faults) >= 3
