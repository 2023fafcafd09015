"""Telling opens and clicks by machines from those by people.

Nothing here stops an event: a machine's open or click is kept and reported apart. A proxy that
fetches *because* a person opened the mail (Gmail, Yahoo) is a person's open; one that fetches
whether or not anybody looks (Apple Mail Privacy Protection) says nothing and is a machine's.
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

OPEN_TOO_SOON = 2_000
CLICK_TOO_SOON = 5_000
"""Milliseconds after the mail was handed over in which only a filter on its way opens or clicks:
a person must first be notified, see it, and choose a link."""
MANY_CLICKS = 4
"""Clicks on one message within ten seconds that no person makes, but a link checker does."""

READ_METHODS = {"GET", "POST"}

_PERSONS_PROXY = re.compile(r"GoogleImageProxy|YahooMailProxy", re.I)
# Apple Mail loads every image through relays at some time after delivery, with this whole agent.
_APPLE_PRIVACY = re.compile(r"Mozilla/5\.0")
# Gmail looks at images of bulk mail before anybody opens it under this never-changing name.
_GMAIL_PREFETCH = re.compile(r"Edge/12\.246 Mozilla/5\.0$")

_SCANNERS = re.compile(
    r"barracuda|proofpoint|mimecast|messagelabs|symantec|trend ?micro|tmase|cloudmark|fireeye"
    r"|trellix|forcepoint|sophos|mcafee|zscaler|vade ?secure|ironport|fortinet|fortiguard|sonicwall"
    r"|checkpoint|avanan|safelinks|virustotal|urlscan|phishtank|netcraft|spamhaus|ahnlab|estsecurity",
    re.I,
)
_PREVIEWS = re.compile(
    r"facebookexternalhit|kakaotalk-scrap|line-poker|slackbot|slack-imgproxy|twitterbot"
    r"|telegrambot|discordbot|linkedinbot|whatsapp/|skypeuripreview|bingpreview|google-safety"
    r"|googlemessages|embedly|iframely|redditbot|applebot|snapchat",
    re.I,
)
# Cubot makes phones; KAKAOTALK without "scrap" is the app's own browser.
_ROBOTS = re.compile(
    r"(?<!cu)bot\b|crawler|spider|scanner|\byeti/|daumoa|headlesschrome|phantomjs|puppeteer"
    r"|playwright|selenium|link ?check|monitoring|preview",
    re.I,
)
# Also found in mail apps that load images by themselves, so these tell only of clicks.
_LIBRARIES = re.compile(
    r"^(?:curl|wget|python|aiohttp|go-http-client|java|okhttp|node|axios|got|libwww|apache-http"
    r"|php|guzzle|ruby|perl|powershell|winhttp)",
    re.I,
)

_AGENTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_SCANNERS, "security_scanner"),
    (_PREVIEWS, "link_preview"),
    (_ROBOTS, "robot"),
)

# Networks of mail filters, where no person browses: as the makers publish them for their
# gateways (Microsoft 365, Proofpoint, Mimecast, Barracuda), and Microsoft's link detonation.
NETWORKS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(network)
    for network in (
        "40.92.0.0/15",
        "40.94.0.0/16",
        "40.107.0.0/16",
        "52.100.0.0/14",
        "104.47.0.0/17",
        "2a01:111:f400::/48",
        "2a01:111:f403::/48",
        "67.231.144.0/20",
        "148.163.128.0/19",
        "170.10.128.0/21",
        "205.139.110.0/24",
        "207.211.30.0/24",
        "64.235.144.0/20",
        "209.222.80.0/21",
    )
)


def machine(
    user_agent: str,
    ip: str,
    *,
    what: Literal["opened", "clicked"],
    since_sent_ms: int,
    method: str = "GET",
    clicks_nearby: int = 1,
) -> str | None:
    """Why an open or click is a machine's, as a stable code; None when it may be a person's.

    `since_sent_ms` is the time since the mail was accepted (negative when it came even before we
    had noted that). `clicks_nearby` counts this message's clicks within ten seconds, this one
    included; the earlier ones of a burst are for the caller to mark afterwards.
    """
    agent = user_agent.strip()[:1000]
    if method.upper() not in READ_METHODS:
        return "method"
    if what == "clicked":
        return _click(agent, since_sent_ms, clicks_nearby) or _network(ip)
    return _open(agent, since_sent_ms) or _network(ip)


def _open(agent: str, since_sent_ms: int) -> str | None:
    if since_sent_ms < OPEN_TOO_SOON:
        return "too_soon"
    if _PERSONS_PROXY.search(agent):
        return None
    if _APPLE_PRIVACY.fullmatch(agent):
        return "apple_privacy"
    if _GMAIL_PREFETCH.search(agent):
        return "prefetch"
    return _agent(agent)


def _click(agent: str, since_sent_ms: int, clicks_nearby: int) -> str | None:
    if since_sent_ms < CLICK_TOO_SOON:
        return "too_soon"
    if clicks_nearby >= MANY_CLICKS:
        return "many_clicks"
    if not agent:
        return "no_user_agent"
    return _agent(agent) or ("library" if _LIBRARIES.search(agent) else None)


def _agent(agent: str) -> str | None:
    return next((reason for pattern, reason in _AGENTS if pattern.search(agent)), None)


def _network(ip: str) -> str | None:
    try:
        address = ip_address(ip.strip())
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return "scanner_network" if any(address in network for network in NETWORKS) else None
