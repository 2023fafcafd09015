"""What comes back about a mail: bounces, complaints, wishes to unsubscribe, automatic answers.

`parse` reads a mail that came to the return path, `parse_webhook` what a provider posts. Both
answer with reports that are tied to a message of ours, or are `unknown` and must have no effect,
because anybody can write a mail that looks like a bounce.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from harken.channels import providers
from harken.channels.parts import MOST_TEXT, Fields, Part, fields_of, first, split, take_apart
from harken.channels.statuses import is_dead, status_of
from harken.errors import TooLarge

Kind = Literal[
    "bounced", "delayed", "delivered", "complained", "unsubscribed", "auto_reply", "unknown"
]
Verify = Callable[[str], tuple[int, str] | None]
"""Checks a signed token: (profile id, message id), or None when it is not ours."""

MOST_RECIPIENTS = 100
MOST_DETAIL = 500
MOST_WEBHOOK = 5 << 20


class Report(Struct, frozen=True, omit_defaults=True):
    """One thing told about one recipient of one message."""

    message: str | None
    """The id of our message; None when it cannot be tied to one (then `kind` is `unknown`)."""
    kind: Kind
    hard: bool = False
    """Of a bounce: the address is dead (see `statuses.DEAD`)."""
    address: str = ""
    status: str = ""
    """The enhanced status code (RFC 3463), such as `5.1.1`, when known."""
    detail: str = ""
    """The receiving server's own words, shortened."""
    profile_id: int | None = None
    """Whose message it is, when a signed token said so. When None, only a Message-ID was found,
    which the recipient's side can know too: check it against the ledger before believing it."""
    at: int = 0
    """When it happened, ms; 0 when only the time of receipt is known."""


class _Told(Struct):
    """A report before it is tied to a message."""

    kind: Kind
    address: str = ""
    status: str = ""
    detail: str = ""


class _Tie(Struct):
    message: str | None = None
    profile_id: int | None = None


def parse(
    raw: bytes,
    verify: Verify,
    recipients: Sequence[str] = (),
    verify_unsubscribe: Verify | None = None,
) -> list[Report]:
    """The reports in a mail; at least one, `unknown` if need be. Never raises, whatever the bytes.

    `recipients` are the envelope's; without them the mail's own header is looked at.
    `verify_unsubscribe` checks the tokens of `unsubscribe+TOKEN@` where these have a purpose of
    their own; by default `verify` does.
    """
    fields, parts = take_apart(raw)
    targets = list(recipients)[:MOST_RECIPIENTS] or _targets(fields)
    wishes = _tokens("unsubscribe", targets)
    if wishes and not _is_answer(fields):
        return [_wish(fields, token, verify_unsubscribe or verify) for token in wishes]
    original = _original(parts)
    told = _told(fields, parts, original)
    feedback = [_report_fields(part) for part in parts if part.kind == "message/feedback-report"]
    senders = [value for group in feedback for value in group.get("original-mail-from", [])]
    senders += original.get("return-path", [])
    tie = _tie(_tokens("bounce", [*targets, *senders]), _ids(fields, parts, original), verify)
    return [_report(each, tie) for each in told]


def parse_webhook(
    content_type: str, body: bytes, verify: Verify, verify_unsubscribe: Verify | None = None
) -> list[Report]:
    """The reports in what a provider posted: a raw mail, or one of the JSON forms of `providers`.

    Raises BadInput (with the path to the fault) for JSON that is of none of the known forms.
    """
    if len(body) > MOST_WEBHOOK:
        raise TooLarge(f"a webhook may have {MOST_WEBHOOK} bytes; this one has {len(body)}")
    if content_type.partition(";")[0].strip().lower() == "message/rfc822":
        return parse(body, verify, verify_unsubscribe=verify_unsubscribe)
    return [_posted(posted, verify) for posted in providers.read(body)]


def _posted(posted: providers.Posted, verify: Verify) -> Report:
    tie = _tie(_tokens("bounce", posted.senders), posted.ids, verify)
    status = status_of(posted.status, posted.detail)
    told = _Told(posted.kind, posted.address[:320], status, posted.detail)
    # A provider's "permanent" is believed unless the code or the words blame the mail itself.
    believable = not status or status.endswith(".0.0") or is_dead(status, posted.detail)
    return _report(told, tie, hard=posted.hard and believable, at=posted.at)


def _report(told: _Told, tie: _Tie, hard: bool | None = None, at: int = 0) -> Report:
    detail = " ".join(told.detail.split())[:MOST_DETAIL]
    if tie.message is None:
        detail = f"cannot be tied to a message of ours ({told.kind}): {detail}"[:MOST_DETAIL]
        return Report(None, "unknown", False, told.address, told.status, detail, None, at)
    if hard is None:
        hard = is_dead(told.status, told.detail)
    return Report(
        tie.message,
        told.kind,
        hard and told.kind == "bounced",
        told.address,
        told.status,
        detail,
        tie.profile_id,
        at,
    )


# --- Whose message is it? -----------------------------------------------------------------------

# Hexadecimal, or base32 as ids were at first.
_ID = re.compile(r"[a-z0-9]{26}")
_MESSAGE_ID = re.compile(r"<?([a-z0-9]{26})@[^\s<>@]{1,255}>?", re.I)
_COPIED_ID = re.compile(r"^[ \t>|]{0,20}message-id:\s{0,5}<([a-z0-9]{26})@", re.I | re.M)
_TARGET_FIELDS = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to")


def _targets(fields: Fields) -> list[str]:
    return [value for name in _TARGET_FIELDS for value in fields.get(name, [])][:MOST_RECIPIENTS]


def _tokens(purpose: str, addresses: Iterable[str]) -> list[str]:
    """The tokens in addresses of the form `purpose+TOKEN@...`, in order, each once."""
    pattern = re.compile(rf"(?<![\w.+-]){purpose}\+([\w.~=-]{{1,256}})@", re.I | re.A)
    return list(dict.fromkeys(token for each in addresses for token in pattern.findall(each)))


def _tie(tokens: Sequence[str], ids: Sequence[str], verify: Verify) -> _Tie:
    """A token that verifies names the message. One that does not is a forgery: nothing is tied."""
    for token in tokens:
        known = verify(token)
        if known:
            return _Tie(known[1], known[0])
    if tokens or not ids:
        return _Tie()
    return _named(ids)


def _named(ids: Iterable[str]) -> _Tie:
    for value in ids:
        bare = value.strip().strip("<>")
        found = _MESSAGE_ID.fullmatch(value.strip()) or _ID.fullmatch(bare.lower())
        if found:
            return _Tie((found[1] if found.re is _MESSAGE_ID else found[0]).lower())
    return _Tie()


def _ids(fields: Fields, parts: Sequence[Part], original: Fields) -> list[str]:
    """Where our Message-ID may stand, the most telling place first."""
    ids = original.get("message-id", []) + original.get("x-original-message-id", [])
    for part in parts:
        if part.kind in _STATUS_PARTS:
            ids += [id for group in _groups(part) for id in group.get("original-envelope-id", [])]
    for part in parts:
        if part.kind.startswith("text/"):
            ids += [f"<{found}@copy>" for found in _COPIED_ID.findall(part.text())]
    ids += fields.get("in-reply-to", [])
    ids += [word for value in fields.get("references", []) for word in value.split()[-20:]]
    for value in original.get("feedback-id", []):
        known = [piece for piece in value.split(":") if _ID.fullmatch(piece)]
        ids += known if len(known) == 1 else []
    return ids


# --- What kind of mail is it? -------------------------------------------------------------------

_STATUS_PARTS = {"message/delivery-status", "message/global-delivery-status"}
_ORIGINAL_PARTS = {
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "text/rfc822-header",
    "message/rfc822-headers",
    "message/global-headers",
}
_ANSWER_FIELDS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-response-suppress")
_ANSWER_SUBJECT = re.compile(
    r"(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response)|out of (?:the )?office|vacation)\b",
    re.I,
)
_DAEMON = re.compile(
    r"mailer-?daemon|postmaster|mail delivery (?:sub)?system|mail deliver|microsoftexchange", re.I
)


def _is_answer(fields: Fields) -> bool:
    """Whether a program answered for a person (RFC 3834, and what came before it)."""
    submitted = first(fields, "auto-submitted").lower()
    if submitted.startswith("auto-replied") or any(name in fields for name in _ANSWER_FIELDS):
        return True
    if first(fields, "precedence").lower() in ("auto_reply", "auto-reply"):
        return True
    return bool(_ANSWER_SUBJECT.match(first(fields, "subject")))


def _original(parts: Sequence[Part]) -> Fields:
    """The header of our own mail, if the report has a copy of it."""
    for part in parts:
        if part.kind in _ORIGINAL_PARTS:
            return split(part.body.lstrip(b"\r\n"))[0]
    return {}


def _told(fields: Fields, parts: Sequence[Part], original: Fields) -> list[_Told]:
    """What the mail says, by the first form that it has. A report's form outweighs its header:
    servers mark their bounces as automatic answers too."""
    for part in parts:
        if part.kind in _STATUS_PARTS:
            told = [_recipient(group) for group in _groups(part) if _is_recipient(group)]
            if told:
                return told[:MOST_RECIPIENTS]
        if part.kind == "message/feedback-report":
            return [_complaint(_report_fields(part), original)]
        if part.kind == "message/disposition-notification":
            return [_Told("auto_reply", detail="a receipt (RFC 8098)")]
    if "x-hmxmroriginalrecipient" in original:
        # Outlook.com's junk reports may come as a bare copy of the mail, marked by this field.
        return [_Told("complained", address_in(first(original, "x-hmxmroriginalrecipient")))]
    if _DAEMON.search(first(fields, "from")) or "x-failed-recipients" in fields:
        return _plain_bounce(fields, parts)
    sender = address_in(first(fields, "from"))
    if _is_answer(fields) or first(fields, "auto-submitted").lower().startswith("auto-gen"):
        return [_Told("auto_reply", sender, detail=first(fields, "subject"))]
    return [_Told("unknown", sender, detail="an ordinary mail: " + first(fields, "subject"))]


def _wish(fields: Fields, token: str, verify: Verify) -> Report:
    """Mail to `unsubscribe+TOKEN@`: the token, not the sender, says who wants to leave."""
    told = _Told("unsubscribed", address_in(first(fields, "from")), detail="by mail")
    return _report(told, _tie([token], [], verify))


# --- Delivery status notifications (RFC 3464) ---------------------------------------------------

_ACTIONS: dict[str, Kind] = {
    "failed": "bounced",
    "delayed": "delayed",
    "delivered": "delivered",
    "expanded": "delivered",
}
"""`relayed` is left out: it says only that the next server gives no notifications."""
_BY_CLASS: dict[str, Kind] = {"5": "bounced", "4": "delayed", "2": "delivered"}
_GROUP = re.compile(rb"\r?\n[ \t]*\r?\n")


def _groups(part: Part) -> list[Fields]:
    pieces = _GROUP.split(part.body[:MOST_TEXT], maxsplit=MOST_RECIPIENTS + 1)
    return [fields_of(piece) for piece in pieces]


def _is_recipient(group: Fields) -> bool:
    return any(name in group for name in ("final-recipient", "original-recipient", "action"))


def _recipient(group: Fields) -> _Told:
    detail = first(group, "diagnostic-code").partition(";")[2].strip()
    detail = detail or first(group, "diagnostic-code")
    status = status_of(first(group, "status"), detail)
    action = first(group, "action").lower().split(" ")[0]
    kind = _ACTIONS.get(action, "unknown") if action else _BY_CLASS.get(status[:1], "unknown")
    # The original recipient is whom we wrote to; the final one may be where they forward to.
    whom = first(group, "original-recipient") or first(group, "final-recipient")
    return _Told(kind, address_in(whom.rpartition(";")[2]), status, detail)


# --- Complaints (RFC 5965) ----------------------------------------------------------------------

_FEEDBACK: dict[str, Kind] = {
    "abuse": "complained",
    "fraud": "complained",
    "virus": "complained",
    "miscategorized": "complained",
    "opt-out": "unsubscribed",
    "opt-out-list": "unsubscribed",
}
"""Feedback types that speak for the recipient; `not-spam` and `auth-failure` do not."""


def _report_fields(part: Part) -> Fields:
    return fields_of(part.body.strip())


def _complaint(report: Fields, original: Fields) -> _Told:
    kind = first(report, "feedback-type").lower()
    whom = first(report, "original-rcpt-to") or first(report, "removal-recipient")
    address = address_in(whom) or address_in(first(original, "to"))
    agent = first(report, "user-agent") or first(report, "source")
    return _Told(_FEEDBACK.get(kind, "unknown"), address, detail=f"{kind} {agent}".strip())


# --- Bounces of no standard form: qmail, Exim, Exchange and their kin ---------------------------

_ADDRESS = r"[^\s<>@:;,()\[\]\"'|]{1,64}@[^\s<>@:;,()\[\]\"'|]{1,255}"
_ANY_ADDRESS = re.compile(_ADDRESS)
_FAILED_LINE = re.compile(rf"^[ \t*]{{0,20}}<?({_ADDRESS})>?:?[ \t\r]*$", re.I | re.M)
_OURS_OR_DAEMON = re.compile(r"bounce\+|mailer-?daemon|postmaster", re.I)
_COPY = re.compile(
    r"^[ >]{0,10}-{2,}[^\n]{0,200}(?:copy of (?:the|your) message|original message|returned message"
    r"|below this line)|^(?:original message headers|diagnostic information for admin"
    r"|received|return-path):",
    re.I | re.M,
)
_DELAYED = re.compile(
    r"has not yet been delivered|has not been delivered yet|delivery (?:has been |is )?delayed"
    r"|will (?:be retried|continue to be|keep trying)|still (?:being )?(?:trying|retried)"
    r"|warning message only|not need to resend|no action is required",
    re.I,
)
_FAILED = re.compile(
    r"permanent(?:ly)? (?:error|fail)|(?:could ?n[o']t|cannot|wasn't|not able to|unable to)"
    r"(?: be)? deliver|undeliver|not be delivered|delivery (?:has )?failed|returned to sender"
    r"|failure notice|rejected",
    re.I,
)


def _plain_bounce(fields: Fields, parts: Sequence[Part]) -> list[_Told]:
    notice = _notice(parts)
    lines = list(_FAILED_LINE.finditer(notice))[:MOST_RECIPIENTS]
    if lines:
        ends = [line.start() for line in lines[1:]] + [len(notice)]
        about = {line[1]: notice[line.end() : end] for line, end in zip(lines, ends, strict=True)}
        return [_failure(address, text, notice) for address, text in about.items()]
    named = _ANY_ADDRESS.findall(" ".join(fields.get("x-failed-recipients", [])) or notice)
    others = [each.rstrip(".") for each in named if not _OURS_OR_DAEMON.match(each)]
    text = f"{notice} {first(fields, 'subject')}"
    return [_failure(each, text, notice) for each in dict.fromkeys(others[:20] or [""])]


def _notice(parts: Sequence[Part]) -> str:
    """What the server says in its own words, without the copy of our mail."""
    texts = [part for part in parts if part.kind in ("text/plain", "text/html")]
    text = texts[0].text() if texts else ""
    copy = _COPY.search(text)
    return text[: copy.start()] if copy else text


def _failure(address: str, text: str, notice: str) -> _Told:
    text = text.strip()[:4000]
    status = status_of("", text)
    kind: Kind = "unknown"
    if _DELAYED.search(notice) and not status.startswith("5"):
        kind = "delayed"
    elif status[:1] in ("4", "5") or _FAILED.search(notice):
        kind = "bounced"
    return _Told(kind, address, status, text)


def address_in(text: str) -> str:
    """The first e-mail address in a header's value, without name and brackets, or empty."""
    found = _ANY_ADDRESS.search(text[:2000].rpartition("<")[2]) or _ANY_ADDRESS.search(text[:2000])
    return found[0].rstrip(".") if found else ""
