"""What a delivery status means for the address: is it dead, or was it only this mail, this time?

Codes are those of RFC 3463 and its registry (RFC 5248). A dead address is never written to
again, so only what says "no such mailbox" counts; what blames the mail or its sender does not.
"""

import re

DEAD: dict[str, str] = {
    "1.1": "no such mailbox",
    "1.2": "the domain does not exist or takes no mail",
    "1.3": "the address is not valid",
    "1.6": "the mailbox has moved and left no forwarding address",
    "1.10": "the domain says that it takes no mail (RFC 7505), or Exchange found no recipient",
    "2.1": "the mailbox is disabled",
    "7.17": "the mailbox now belongs to somebody else (RFC 7293)",
    "7.18": "the domain now belongs to somebody else (RFC 7293)",
}
"""Subject and detail of a permanent status (class 5) that makes the address dead, and why.

Not here, on purpose: 1.0 and 1.4 (vague), 1.7 and 1.8 (our own sender address is refused),
2.2 (full: people empty their mailboxes), 2.3 and 3.4 (too large), 4.x (network and routing),
5.x (protocol), 6.x (content) and the rest of 7.x (policy, spam, authentication).
"""

_PERMANENT, _VAGUE = "5", ".0.0"

# What a text says when the code says nothing, in order: blame of the mail comes before blame of
# the address, because "recipient rejected: spam" is about the mail.
_NOT_THE_ADDRESS: list[tuple[re.Pattern[str], str]] = [
    (
        re.compile(r"over ?quota|quota exceeded|(?:mailbox|inbox)(?: is)? full|out of storage"),
        "2.2",
    ),
    (re.compile(r"too quickly|at a rate|too many (?:messages|connections)|rate limit"), "7.1"),
    (
        re.compile(
            r"spam\b|spamhaus|black ?list|block ?list|\bdnsbl|\brbl\b|reputation|\bdmarc\b|\bspf\b"
            r"|\bdkim\b|blocked (?:using|by|due|for)|policy (?:reasons|violation)|grey ?list"
        ),
        "7.1",
    ),
    (
        re.compile(r"message (?:is )?too (?:large|big)|size (?:limit )?exceed|exceeds.{0,30}size"),
        "2.3",
    ),
]
_THE_ADDRESS: list[tuple[re.Pattern[str], str]] = [
    (
        re.compile(
            r"(?:host|domain)(?: or domain)?(?: name)? (?:was )?not found|no such (?:host|domain)"
            r"|domain.{0,60}(?:does not|doesn't) exist|unrouteable address|couldn't find any host"
        ),
        "1.2",
    ),
    (
        re.compile(
            r"(?:account|mailbox|user)(?: has been| is)?"
            r" (?:disabled|deactivated|suspended|inactive)"
        ),
        "2.1",
    ),
    (
        re.compile(
            r"no such (?:user|mailbox|recipient|address|person)|(?:user|recipient|mailbox|account)"
            r"(?: is| was)? (?:unknown|not found|unavailable)|unknown (?:user|recipient|mailbox)"
            r"|(?:does not|doesn't|didn't) exist|(?:doesn't|does not) have an? \S{1,80} account"
            r"|no mailbox here|not a known user|invalid (?:recipient|mailbox|address)"
            r"|recipient address rejected: access denied|address couldn't be found"
            r"|address wasn't found|isn't a valid|not our customer"
        ),
        "1.1",
    ),
]
# Codes that well-known servers use for a mailbox that does not exist: Exchange Online's directory
# block (5.4.1 "Access denied") and Postfix's "Host or domain name not found" (5.4.4).
_AMBIGUOUS = {"5.4.1", "5.4.4", "5.5.0", "5.3.0"}

ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d]|\.\d)")
_REPLY = re.compile(r"(?<![\d.])([245])[0-5]\d(?=[ \-#:])")
# Addresses and links may hold any word ("spam@...", ".../policy"): they say nothing about why.
_NAMES = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}|https?://\S{1,2000}")


def status_of(given: str, text: str) -> str:
    """The most telling enhanced status code: the one given, else one that the text holds or means.

    Empty when nothing tells. A code made from words keeps the class (4 or 5) that was given.
    """
    told = ENHANCED.search(given)
    status = told[1] if told else ""
    if status and not status.endswith(_VAGUE) and status not in _AMBIGUOUS:
        return status
    for code in ENHANCED.findall(text):
        if not code.endswith(_VAGUE) and code not in _AMBIGUOUS:
            return str(code)
    reply = _REPLY.search(text)
    level = status[:1] or (reply[1] if reply else "")
    meaning = _meaning(text)
    if meaning and level != "2":
        return f"{level or _PERMANENT}.{meaning}"
    return status or (f"{level}{_VAGUE}" if level else "")


def is_dead(status: str, text: str) -> bool:
    """Whether the address should never be written to again.

    The text may overrule the code one way only: servers do answer 5.1.1 and 5.2.1 for mail that
    they took for spam or that came too fast.
    """
    level, _, rest = status.partition(".")
    return level == _PERMANENT and rest in DEAD and not _blames_mail(text)


def _words(text: str) -> str:
    return " ".join(_NAMES.sub(" ", text).lower().split())


def _blames_mail(text: str) -> bool:
    words = _words(text)
    return any(pattern.search(words) for pattern, _ in _NOT_THE_ADDRESS)


def _meaning(text: str) -> str:
    words = _words(text)
    for pattern, code in _NOT_THE_ADDRESS + _THE_ADDRESS:
        if pattern.search(words):
            return code
    return ""
