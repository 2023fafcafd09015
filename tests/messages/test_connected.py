"""Connected content in templates: what is asked, what is said of it, and what when it cannot be."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.messages.messages_kit import context, good, problems

from harken.messages.compile import CompiledMessage
from harken.messages.content import Content
from harken.messages.evaluate import Aborted
from harken.messages.outside import Feed, Unanswered
from harken.messages.render import Rendered, render

URL = "https://api.example/now?city={{ profile.city }}"
OPEN = f'{{% connected weather = "{URL}" %}}'
END = "{% endconnected %}"
SAID = "{{ weather.sky }}, {{ weather.days[0].high }}"
BODY = OPEN + SAID + "{% else %}Look out{% endconnected %}"


class Sky:
    """A feed that says what it is told to, and keeps what it was asked."""

    def __init__(self, answer: Callable[[Feed], Any]) -> None:
        self.asked: list[Feed] = []
        self._answer = answer

    def connected(self, feed: Feed) -> Any:
        self.asked.append(feed)
        return self._answer(feed)


def down(feed: Feed) -> Any:
    raise Unanswered("api.example answered 503")


def sunny(feed: Feed) -> Any:
    return {"sky": "sun & wind", "days": [{"high": 21}]}


def said(message: CompiledMessage, sky: Sky | None, **attributes: Any) -> Rendered:
    return render(message, "default", context(attributes), None, outside=sky)


def message(body: str, **more: str) -> CompiledMessage:
    return good(Content(**{"subject": "Today", "html": f"<p>{body}</p>", **more}))


def test_the_answer_stands_under_its_name_and_is_escaped() -> None:
    made = said(message(BODY), Sky(sunny), city="Seoul")
    assert "<p>sun &amp; wind, 21</p>" in made.html
    assert made.text.startswith("sun & wind, 21")
    assert made.notes == []


def test_one_message_asks_once_and_its_parts_agree() -> None:
    sky = Sky(sunny)
    said(
        message(BODY, subject=f"{OPEN}{{{{ weather.sky }}}}{{% else %}}-{{% endconnected %}}"),
        sky,
        city="A",
    )
    assert [one.url for one in sky.asked] == ["https://api.example/now?city=A"]


@pytest.mark.parametrize(
    ("city", "url"),
    [
        ("São Paulo", "https://api.example/now?city=S%C3%A3o%20Paulo"),
        ("a/../b?c=d&e#f", "https://api.example/now?city=a%2F..%2Fb%3Fc%3Dd%26e%23f"),
        ("<b>'\"", "https://api.example/now?city=%3Cb%3E%27%22"),
        ("서울", "https://api.example/now?city=%EC%84%9C%EC%9A%B8"),
    ],
)
def test_values_in_the_address_are_encoded(city: str, url: str) -> None:
    sky = Sky(sunny)
    said(message(BODY), sky, city=city)
    assert sky.asked[0].url == url


@pytest.mark.parametrize(
    ("answer", "attributes", "note"),
    [
        (down, {"city": "Seoul"}, "weather: api.example answered 503"),
        (sunny, {}, "weather: profile.city is missing"),
        (
            lambda feed: {"sky": "sun"},
            {"city": "Seoul"},
            "weather: weather.days[0].high is missing",
        ),
        (lambda feed: None, {"city": "Seoul"}, "weather: weather.sky is missing"),
        (lambda feed: {"sky": {}, "days": [{"high": 1}]}, {"city": "Seoul"}, "weather: an object"),
        (sunny, {"city": ".."}, "weather: '..' cannot stand in an address"),
        (sunny, {"city": "x" * 2_000}, "weather: its address is longer"),
    ],
)
def test_the_else_is_said_when_the_answer_is_not_there_or_lacks_what_is_said(
    answer: Callable[[Feed], Any], attributes: dict[str, Any], note: str
) -> None:
    made = said(message(BODY), Sky(answer), **attributes)
    assert "<p>Look out</p>" in made.html
    assert made.text.startswith("Look out")
    assert made.notes[0].startswith(note)
    assert made.notes[0].endswith("so its `else` was said")


def test_without_an_else_the_message_is_aborted_with_the_reason() -> None:
    body = (
        '{% connected weather = "https://api.example/now" %}{{ weather.sky | default: "?" }}'
        "{% endconnected %}"
    )
    with pytest.raises(Aborted, match=r"connected content weather: api\.example answered 503"):
        said(message(body), Sky(down))
    with pytest.raises(Aborted, match="nothing can be fetched here"):
        said(message(body), None)


def test_options_go_along() -> None:
    sky = Sky(sunny)
    body = BODY.replace('" %}', '" timeout: 1.5, cache: 900 auth: weather %}')
    said(message(body), sky, city="Seoul")
    asked = sky.asked[0]
    assert (asked.timeout, asked.cache, asked.auth) == (1.5, 900, "weather")
    said(message(BODY), sky, city="Seoul")
    assert (sky.asked[1].timeout, sky.asked[1].cache, sky.asked[1].auth) == (2.0, 300, "")


def test_names_end_with_the_block_and_loops_see_the_answer() -> None:
    body = (
        '{% connected days = "https://api.example/days" %}'
        '{% for day in days %}{{ day.high | default: "?" }} {% endfor %}'
        '{% else %}-{% endconnected %}[{{ days | default: "gone" }}]'
    )
    found = problems(Content(subject="x", html=body))
    assert ["a message has no `days`" in one for one in found] == [True]
    inside = body.replace('[{{ days | default: "gone" }}]', "")
    made = said(message(inside), Sky(lambda feed: [{"high": 1}, {"high": 2}]))
    assert "<p>1 2 </p>" in made.html


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{% connected weather %}{% endconnected %}", "write {% connected name = "),
        ('{% connected w = "api.example" %}{% endconnected %}', "must begin with a host"),
        ('{% connected w = "https://{{ profile.city }}/" %}{% endconnected %}', "must begin with"),
        ('{% connected w = "https://a{{ profile.city }}/" %}{% endconnected %}', "must begin with"),
        ('{% connected w = "https://me:secret@api/" %}{% endconnected %}', "must begin with a"),
        ('{% connected w = "https://a.example" %}{% endconnected %}', "must begin with a host"),
        ('{% connected w = "file:///etc/passwd" %}{% endconnected %}', "must begin with a host"),
        ('{% connected w = "https://a/" timeout: 11 %}{% endconnected %}', "at most 10 seconds"),
        ('{% connected w = "https://a/" timeout: 0 %}{% endconnected %}', "more than 0"),
        ('{% connected w = "https://a/" cache: 1.5 %}{% endconnected %}', "a whole number"),
        ('{% connected w = "https://a/" cash: 1 %}{% endconnected %}', "did you mean `cache`?"),
        ('{% connected w = "https://a/" auth: 1 %}{% endconnected %}', "a name from"),
        ('{% connected w = "https://a/" %}', "endconnected"),
        (
            '{% connected w = "https://a/{{ profile.city | url_encode }}" %}{% endconnected %}',
            "leave out `url_encode`",
        ),
        ('{% connected w = "https://a/{% if x %}" %}{% endconnected %}', ""),
        (
            '{% connected w = "https://a/{{ profile.citty }}" %}{% else %}{% endconnected %}',
            "citty",
        ),
        (
            '{% connected w = "https://a/{{ profile.city }}" %}{% endconnected %}',
            "`profile.city` may be missing",
        ),
        (
            '{% connected w = "https://a/" %}{{ w.sky }}{% endconnected %}',
            "`w.sky` may be missing",
        ),
        (
            f"{OPEN}{{% assign weather = profile.name %}}{{{{ weather }}}}{{% else %}}{END}",
            "`weather` may be missing",
        ),
    ],
)
def test_what_is_wrong_is_told_on_save(body: str, problem: str) -> None:
    found = problems(Content(subject="x", html=f"<p>{body}</p>"))
    assert found, body
    assert problem in found[0]
