"""What mail providers post about a message, each told by one table: Amazon SES, Postmark,
SendGrid, Mailgun, and a plain form of our own.

Our message id travels to every provider in the Message-ID header. Who may post is not decided
here: the route that receives a webhook checks its secret.
"""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, Literal

import msgspec
from msgspec import Struct

from harken.clock import parse_time
from harken.decoding import in_words
from harken.errors import BadInput

Kind = Literal["bounced", "delayed", "delivered", "complained", "unsubscribed", "unknown"]
Json = dict[str, Any]

MOST_EVENTS = 10_000


class Posted(Struct, kw_only=True):
    """One event of a provider, in one form."""

    kind: Kind
    hard: bool = False
    ids: list[str] = []
    """Where our message id may stand, the most telling first."""
    senders: list[str] = []
    """Envelope senders, which may hold a signed token."""
    address: str = ""
    status: str = ""
    detail: str = ""
    at: int = 0


class Provider(Struct, frozen=True):
    """How one provider says it. Paths are keys joined by `/`; the first with a text counts."""

    name: str
    known_by: Callable[[Any], bool]
    events: Callable[[Any], Iterator[tuple[str, Json]]]
    """The events in what was posted, each with its path, flattened to one a recipient."""
    kind: tuple[str, ...]
    """The parts of an event's type, joined by dots for `kinds`."""
    kinds: dict[str, tuple[Kind, bool]]
    """By type, or by the beginning of a dotted type: the kind, and whether it is permanent."""
    ids: tuple[str, ...]
    address: tuple[str, ...]
    detail: tuple[str, ...]
    status: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    at: tuple[str, ...] = ()


def _events_of_ses(body: Json) -> Iterator[tuple[str, Json]]:
    """One event a recipient. SES names the lists by kind, and delivered ones are bare addresses."""
    for part, people in (
        ("bounce", "bouncedRecipients"),
        ("complaint", "complainedRecipients"),
        ("delivery", "recipients"),
        ("deliveryDelay", "delayedRecipients"),
    ):
        told = body.get(part)
        if not isinstance(told, dict):
            continue
        recipients = told.get(people)
        if not isinstance(recipients, list):
            raise BadInput(f"$.{part}.{people}: must be a list of recipients")
        for number, one in enumerate(recipients):
            person = one if isinstance(one, dict) else {"emailAddress": one}
            kind = body.get("notificationType") or body.get("eventType")
            yield (
                f"$.{part}.{people}[{number}]",
                {**body, "told": told, "who": person, "type": kind},
            )
        return
    yield "$", {**body, "type": body.get("notificationType") or body.get("eventType")}


def _ids_of_ses(body: Json) -> list[str]:
    headers = dig(body, "mail/headers")
    return [
        str(header.get("value", ""))
        for header in (headers if isinstance(headers, list) else [])
        if isinstance(header, dict) and str(header.get("name", "")).lower() == "message-id"
    ]


def _one(body: Json) -> Iterator[tuple[str, Json]]:
    yield "$", body


def _each(body: list[Any]) -> Iterator[tuple[str, Json]]:
    for number, event in enumerate(body):
        yield f"$[{number}]", event


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        name="Amazon SES",
        known_by=lambda body: (
            isinstance(body, dict)
            and isinstance(body.get("mail"), dict)
            and ("notificationType" in body or "eventType" in body)
        ),
        events=_events_of_ses,
        kind=("type", "told/bounceType", "told/bounceSubType"),
        kinds={
            "Bounce": ("bounced", False),
            "Bounce.Permanent": ("bounced", True),
            "Bounce.Permanent.ContentRejected": ("bounced", False),
            "Bounce.Permanent.UnsubscribedRecipient": ("bounced", False),
            "Complaint": ("complained", False),
            "Delivery": ("delivered", False),
            "DeliveryDelay": ("delayed", False),
        },
        ids=("mail/commonHeaders/messageId",),
        senders=("mail/source",),
        address=("who/emailAddress",),
        status=("who/status",),
        detail=("who/diagnosticCode", "told/complaintFeedbackType", "told/smtpResponse", "type"),
        at=("told/timestamp",),
    ),
    Provider(
        name="Postmark",
        known_by=lambda body: isinstance(body, dict) and "RecordType" in body,
        events=_one,
        kind=("RecordType", "Type"),
        kinds={
            "Bounce": ("bounced", False),
            "Bounce.HardBounce": ("bounced", True),
            "Bounce.BadEmailAddress": ("bounced", True),
            "Bounce.Transient": ("delayed", False),
            "Bounce.SpamComplaint": ("complained", False),
            "Bounce.Unsubscribe": ("unsubscribed", False),
            "Bounce.AutoResponder": ("unknown", False),
            "Bounce.Subscribe": ("unknown", False),
            "Bounce.AddressChange": ("unknown", False),
            "Bounce.ChallengeVerification": ("unknown", False),
            "SpamComplaint": ("complained", False),
            "Delivery": ("delivered", False),
        },
        # Postmark gives mails a Message-ID of its own, so ours rides along as metadata
        # (header `X-PM-Metadata-message_id`), or is kept by the header `X-PM-KeepID: true`.
        ids=("Metadata/message_id", "Metadata/message-id", "MessageID"),
        address=("Email", "Recipient"),
        detail=("Details", "Description"),
        at=("BouncedAt", "DeliveredAt"),
    ),
    Provider(
        name="Mailgun",
        known_by=lambda body: isinstance(body, dict) and isinstance(body.get("event-data"), dict),
        events=lambda body: iter([("$.event-data", body["event-data"])]),
        kind=("event", "severity", "reason"),
        kinds={
            "failed": ("bounced", False),
            "failed.temporary": ("delayed", False),
            "failed.permanent.bounce": ("bounced", True),
            "failed.permanent.suppress-bounce": ("bounced", True),
            "complained": ("complained", False),
            "unsubscribed": ("unsubscribed", False),
            "delivered": ("delivered", False),
        },
        ids=("message/headers/message-id",),
        senders=("envelope/sender",),
        address=("recipient",),
        status=("delivery-status/enhanced-code",),
        detail=("delivery-status/message", "delivery-status/description", "reason"),
        at=("timestamp",),
    ),
    Provider(
        name="SendGrid",
        known_by=lambda body: isinstance(body, list),
        events=_each,
        kind=("event", "type", "reason"),
        kinds={
            "bounce": ("bounced", True),
            "bounce.blocked": ("bounced", False),
            "blocked": ("bounced", False),
            "dropped": ("bounced", False),
            "dropped.Bounced Address": ("bounced", True),
            "dropped.Invalid": ("bounced", True),
            "deferred": ("delayed", False),
            "delivered": ("delivered", False),
            "spamreport": ("complained", False),
            "unsubscribe": ("unsubscribed", False),
            "group_unsubscribe": ("unsubscribed", False),
        },
        ids=("smtp-id",),
        address=("email",),
        status=("status",),
        detail=("reason", "response"),
        at=("timestamp",),
    ),
)


class _Event(Struct, forbid_unknown_fields=True):
    message_id: str
    type: str
    address: str = ""
    hard: bool = False
    detail: str = ""
    at: str | int = 0


class _Plain(Struct, forbid_unknown_fields=True):
    events: list[_Event]


def read(body: bytes) -> list[Posted]:
    """The events posted. Raises BadInput with the path to what is wrong."""
    try:
        data = msgspec.json.decode(body)
        if isinstance(data, dict) and "Type" in data and "TopicArn" in data:
            return _of_sns(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInput(f"$: this is no JSON that can be read: {error}") from None
    return _of(data)


def _of_sns(data: Json) -> list[Posted]:
    """Amazon SNS wraps the notification as a text, and first asks to confirm the subscription.

    That link is reported for an operator to open, never fetched: it came in a request.
    """
    if data["Type"] != "Notification":
        return [Posted(kind="unknown", detail=f"{data['Type']}: {data.get('SubscribeURL', '')}")]
    message = data.get("Message")
    if not isinstance(message, str):
        raise BadInput("$.Message: must be the notification as a text")
    return _of(msgspec.json.decode(message))


def _of(data: Any) -> list[Posted]:
    if isinstance(data, dict) and "events" in data:
        return _of_ours(data)
    for provider in PROVIDERS:
        if provider.known_by(data):
            return _of_provider(provider, data)
    names = ", ".join(provider.name for provider in PROVIDERS)
    raise BadInput(f'$: not a known form; send {{"events": [...]}}, or what {names} posts')


def _of_ours(data: Json) -> list[Posted]:
    kinds: dict[str, Kind] = {kind: kind for kind in Kind.__args__}  # type: ignore[attr-defined]
    del kinds["unknown"]
    try:
        plain = msgspec.convert(data, _Plain)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `")
        raise BadInput(f"{path.rstrip('`') or '$'}: {in_words(said)}") from None
    _bounded(len(plain.events), "$.events")
    posted = []
    for number, event in enumerate(plain.events):
        path = f"$.events[{number}]"
        if event.type not in kinds:
            near = get_close_matches(event.type, kinds, 1)
            hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(kinds)}"
            raise BadInput(f"{path}.type: {event.type[:40]!r} is no known type; {hint}")
        at = _time(event.at)
        if at is None:
            raise BadInput(f"{path}.at: must be an RFC 3339 time or milliseconds")
        posted.append(
            Posted(
                kind=kinds[event.type],
                hard=event.hard,
                ids=[event.message_id],
                address=event.address,
                detail=event.detail,
                at=at,
            )
        )
    return posted


def _of_provider(provider: Provider, data: Any) -> list[Posted]:
    posted = []
    for path, event in provider.events(data):
        if not isinstance(event, dict):
            raise BadInput(f"{path}: an event of {provider.name} must be an object")
        posted.append(_event(provider, event))
        _bounded(len(posted), "$")
    return posted


def _event(provider: Provider, event: Json) -> Posted:
    words = [text for path in provider.kind if (text := _text(event, path))]
    kind, hard = _kind(provider.kinds, words)
    at = next((found for path in provider.at if (found := dig(event, path)) is not None), 0)
    return Posted(
        kind=kind,
        hard=hard,
        ids=_ids_of_ses(event) + _texts(event, provider.ids),
        senders=_texts(event, provider.senders),
        address=_first(event, provider.address),
        status=_first(event, provider.status),
        detail=_first(event, provider.detail) or ".".join(words),
        at=_time(at) or 0,
    )


def _kind(kinds: dict[str, tuple[Kind, bool]], words: list[str]) -> tuple[Kind, bool]:
    """The meaning of the longest beginning of the type that the table knows."""
    for length in range(len(words), 0, -1):
        found = kinds.get(".".join(words[:length]))
        if found:
            return found
    return "unknown", False


def dig(data: Any, path: str) -> Any:
    """What stands at a path of keys, or None."""
    for key in path.split("/"):
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _text(event: Json, path: str) -> str:
    found = dig(event, path)
    return found if isinstance(found, str) else ""


def _texts(event: Json, paths: tuple[str, ...]) -> list[str]:
    return [text for path in paths if (text := _text(event, path))]


def _first(event: Json, paths: tuple[str, ...]) -> str:
    return next(iter(_texts(event, paths)), "")


def _time(value: object) -> int | None:
    """A time as milliseconds; numbers below 1e11 are seconds (SendGrid, Mailgun). 0 is unknown."""
    if isinstance(value, str):
        return parse_time(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15:
        return int(value * 1000) if value < 1e11 else int(value)
    return None


def _bounded(count: int, path: str) -> None:
    if count > MOST_EVENTS:
        raise BadInput(f"{path}: at most {MOST_EVENTS} events at once")
