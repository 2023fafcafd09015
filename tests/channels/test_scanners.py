"""Opens and clicks: which a machine made, and why we think so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harken.channels.scanners import CLICK_TOO_SOON, MANY_CLICKS, OPEN_TOO_SOON, machine

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Mobile/15E148"
)
KAKAO = IPHONE + " KAKAOTALK 10.8.0"
CUBOT = "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"
GOOGLE_PROXY = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
)
YAHOO_PROXY = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
GMAIL_PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
HOME = "203.0.113.80"
LATER = 600_000

# what, user agent, address, expected
AGENTS = [
    ("opened", CHROME, HOME, None),
    ("opened", IPHONE, HOME, None),
    ("opened", GOOGLE_PROXY, "66.249.84.1", None),
    ("opened", YAHOO_PROXY, HOME, None),
    ("opened", "Mozilla/5.0", "104.28.30.1", "apple_privacy"),
    ("opened", GMAIL_PREFETCH, "66.249.84.1", "prefetch"),
    ("opened", "", HOME, None),
    ("opened", "okhttp/4.12.0", HOME, None),
    ("opened", "Barracuda Sentinel (EE)", HOME, "security_scanner"),
    ("opened", CHROME, "40.94.31.2", "scanner_network"),
    ("clicked", CHROME, HOME, None),
    ("clicked", IPHONE, "2001:db8::7", None),
    ("clicked", KAKAO, HOME, None),
    ("clicked", CUBOT, HOME, None),
    ("clicked", "Mozilla/5.0", HOME, None),
    ("clicked", "", HOME, "no_user_agent"),
    ("clicked", "okhttp/4.12.0", HOME, "library"),
    ("clicked", "curl/8.5.0", HOME, "library"),
    ("clicked", "python-requests/2.32", HOME, "library"),
    ("clicked", CHROME + " Mimecast", HOME, "security_scanner"),
    ("clicked", "kakaotalk-scrap/1.0; +https://devtalk.kakao.com/", HOME, "link_preview"),
    ("clicked", "facebookexternalhit/1.1;line-poker/1.0", HOME, "link_preview"),
    ("clicked", CHROME + " BingPreview/1.0b", HOME, "link_preview"),
    ("clicked", "Mozilla/5.0 (compatible; Googlebot/2.1)", HOME, "robot"),
    ("clicked", "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)", HOME, "robot"),
    ("clicked", CHROME.replace("Chrome", "HeadlessChrome"), HOME, "robot"),
    ("clicked", CHROME, "104.47.10.1", "scanner_network"),
    ("clicked", CHROME, "::ffff:104.47.10.1", "scanner_network"),
    ("clicked", CHROME, "2a01:111:f400:7e00::1", "scanner_network"),
    ("clicked", CHROME, "no address", None),
]


@pytest.mark.parametrize(("what", "agent", "ip", "reason"), AGENTS)
def test_who_it_was(what: str, agent: str, ip: str, reason: str | None) -> None:
    assert machine(agent, ip, what=what, since_sent_ms=LATER) == reason


@pytest.mark.parametrize(
    ("what", "since", "reason"),
    [
        ("opened", OPEN_TOO_SOON - 1, "too_soon"),
        ("opened", OPEN_TOO_SOON, None),
        ("clicked", CLICK_TOO_SOON - 1, "too_soon"),
        ("clicked", CLICK_TOO_SOON, None),
        ("clicked", -50, "too_soon"),
    ],
)
def test_nobody_is_that_quick(what: str, since: int, reason: str | None) -> None:
    assert machine(CHROME, HOME, what=what, since_sent_ms=since) == reason


def test_even_a_proxy_for_a_person_is_not_that_quick() -> None:
    assert machine(GOOGLE_PROXY, HOME, what="opened", since_sent_ms=300) == "too_soon"


@pytest.mark.parametrize(
    ("method", "reason"), [("GET", None), ("get", None), ("POST", None), ("HEAD", "method")]
)
def test_only_a_request_for_the_page_is_a_click(method: str, reason: str | None) -> None:
    assert machine(CHROME, HOME, what="clicked", since_sent_ms=LATER, method=method) == reason


@pytest.mark.parametrize(
    ("count", "reason"), [(1, None), (MANY_CLICKS - 1, None), (MANY_CLICKS, "many_clicks")]
)
def test_nobody_clicks_every_link_at_once(count: int, reason: str | None) -> None:
    found = machine(CHROME, HOME, what="clicked", since_sent_ms=LATER, clicks_nearby=count)
    assert found == reason


@given(st.text(), st.text(), st.sampled_from(["opened", "clicked"]), st.integers(), st.text())
def test_any_request_gets_an_answer(
    agent: str, ip: str, what: str, since: int, method: str
) -> None:
    found = machine(agent, ip, what=what, since_sent_ms=since, method=method)
    assert found is None or found
