"""What providers post, and what Harken takes it to say."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.channels.bounces import parse_webhook
from harken.errors import BadInput, TooLarge

SAMPLES = Path(__file__).parent / "samples"
ID = "mfrggzdfmztwq2lknnwg23tpoa"
TOKEN = "GOOD.token-1_x"
RETURN = f"bounce+{TOKEN}@return.shop.example"


def verify(token: str) -> tuple[int, str] | None:
    return (7, ID) if token == TOKEN else None


def ses(kind: str, **parts: object) -> dict[str, object]:
    mail = {
        "timestamp": "2026-03-03T09:12:43.000Z",
        "source": "hello@shop.example",
        "messageId": "0102018c-ses-own",
        "headers": [{"name": "Message-ID", "value": f"<{ID}@shop.example>"}],
    }
    return {"notificationType": kind, "mail": mail, **parts}


def ses_bounce(sub: str, **who: str) -> dict[str, object]:
    return ses(
        "Bounce",
        bounce={
            "bounceType": "Permanent",
            "bounceSubType": sub,
            "timestamp": "2026-03-03T09:12:44.000Z",
            "bouncedRecipients": [{"emailAddress": "a@b.example", **who}],
        },
    )


def sns(body: object) -> dict[str, object]:
    message = msgspec.json.encode(body).decode()
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": message}


def postmark(**fields: object) -> dict[str, object]:
    return {
        "Email": "a@b.example",
        "MessageID": "883953f4",
        "Metadata": {"message_id": ID},
        **fields,
    }


def sendgrid(event: str, **fields: object) -> list[dict[str, object]]:
    common = {"email": "a@b.example", "timestamp": 1772529164, "smtp-id": f"<{ID}@shop.example>"}
    return [{"event": event, **common, **fields}]


def mailgun(event: str, **fields: object) -> dict[str, object]:
    common = {
        "timestamp": 1772529164.5,
        "recipient": "a@b.example",
        "message": {"headers": {"message-id": f"{ID}@shop.example"}},
    }
    return {"signature": {}, "event-data": {"event": event, **common, **fields}}


def ours(**fields: object) -> dict[str, object]:
    return {"events": [{"message_id": ID, "address": "a@b.example", **fields}]}


WEBHOOKS = [
    (ours(type="bounced", hard=True, detail="gone"), "bounced", True),
    (ours(type="bounced"), "bounced", False),
    (ours(type="bounced", hard=True, detail="552 mailbox full"), "bounced", False),
    (ours(type="complained", at="2026-03-03T09:12:44Z"), "complained", False),
    (ours(type="unsubscribed", at=1772529164000), "unsubscribed", False),
    (ses_bounce("General", status="5.1.1", diagnosticCode="550 5.1.1 no"), "bounced", True),
    (sns(ses_bounce("General")), "bounced", True),
    (ses_bounce("General", status="5.7.1"), "bounced", False),
    (ses_bounce("ContentRejected"), "bounced", False),
    (
        ses("Complaint", complaint={"complainedRecipients": [{"emailAddress": "a@b.example"}]}),
        "complained",
        False,
    ),
    (sns(ses("Delivery", delivery={"recipients": ["a@b.example"]})), "delivered", False),
    (postmark(RecordType="Bounce", Type="HardBounce", Details="smtp;550 5.1.1"), "bounced", True),
    (postmark(RecordType="Bounce", Type="SoftBounce"), "bounced", False),
    (postmark(RecordType="Bounce", Type="Transient"), "delayed", False),
    (postmark(RecordType="SpamComplaint"), "complained", False),
    (postmark(RecordType="Delivery"), "delivered", False),
    (postmark(RecordType="Bounce", Type="AutoResponder"), "unknown", False),
    (sendgrid("bounce", type="bounce", status="5.1.1", reason="550 no user"), "bounced", True),
    (sendgrid("bounce", type="blocked", status="5.7.1"), "bounced", False),
    (sendgrid("bounce", type="bounce", status="4.2.2"), "bounced", False),
    (sendgrid("dropped", reason="Bounced Address"), "bounced", True),
    (sendgrid("dropped", reason="Spam Content"), "bounced", False),
    (sendgrid("deferred", response="400 try again"), "delayed", False),
    (sendgrid("spamreport"), "complained", False),
    (sendgrid("group_unsubscribe"), "unsubscribed", False),
    (sendgrid("open"), "unknown", False),
    (mailgun("failed", severity="permanent", reason="bounce"), "bounced", True),
    (mailgun("failed", severity="permanent", reason="old"), "bounced", False),
    (mailgun("failed", severity="temporary", reason="generic"), "delayed", False),
    (mailgun("complained"), "complained", False),
    (mailgun("unsubscribed"), "unsubscribed", False),
    (mailgun("delivered"), "delivered", False),
]


@pytest.mark.parametrize(("body", "kind", "hard"), WEBHOOKS)
def test_what_a_provider_says(body: object, kind: str, hard: bool) -> None:
    (report,) = parse_webhook("application/json", msgspec.json.encode(body), verify)
    assert (report.kind, report.hard, report.message) == (kind, hard, ID)
    assert report.address == "a@b.example"


def test_times_are_milliseconds() -> None:
    for body in (ours(type="bounced", at=1772529164000), sendgrid("bounce")):
        (report,) = parse_webhook("application/json", msgspec.json.encode(body), verify)
        assert report.at == 1772529164000


def test_a_provider_that_hides_the_message_id_may_show_the_return_path() -> None:
    body = ses("Complaint", complaint={"complainedRecipients": [{"emailAddress": "a@b.example"}]})
    body["mail"] = {"source": RETURN, "messageId": "0102018c-ses-own"}
    (report,) = parse_webhook("text/plain; charset=UTF-8", msgspec.json.encode(body), verify)
    assert (report.message, report.profile_id, report.kind) == (ID, 7, "complained")


def test_a_raw_mail_may_be_posted() -> None:
    (report,) = parse_webhook(
        "message/rfc822", (SAMPLES / "postfix_unknown_user.eml").read_bytes(), verify
    )
    assert (report.kind, report.hard, report.message) == ("bounced", True, ID)


def test_an_sns_subscription_is_shown_and_not_followed() -> None:
    body = {
        "Type": "SubscriptionConfirmation",
        "TopicArn": "arn:aws:sns:x",
        "SubscribeURL": "https://sns.example/confirm",
    }
    (report,) = parse_webhook("text/plain", msgspec.json.encode(body), verify)
    assert report.kind == "unknown"
    assert "https://sns.example/confirm" in report.detail


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "$: this is no JSON"),
        (b"\xff\xfe", "$: this is no JSON"),
        (b"[" * 100_000, "$: this is no JSON"),
        (b"{}", "$: not a known form"),
        (b"7", "$: not a known form"),
        (b"[7]", "$[0]: an event of SendGrid must be an object"),
        (b'{"event-data": {}, "events": []}', "$: unknown key `event-data`"),
        (b'{"events": 7}', "$.events"),
        (b'{"events": [{"message_id": "x"}]}', "$.events[0]"),
        (b'{"events": [{"message_id": "x", "type": 7}]}', "$.events[0].type"),
        (b'{"events": [{"message_id": "x", "type": "bouncd"}]}', "did you mean bounced?"),
        (b'{"events": [{"message_id": "x", "type": "bounced", "at": "noon"}]}', "$.events[0].at"),
        (b'{"events": [{"message_id": "x", "type": "bounced", "hart": true}]}', "hart"),
        (b'{"Type": "Notification", "TopicArn": "x"}', "$.Message"),
        (b'{"Type": "Notification", "TopicArn": "x", "Message": "{"}', "$: this is no JSON"),
        (
            b'{"notificationType": "Bounce", "mail": {}, "bounce": {"bouncedRecipients": 3}}',
            "$.bounce.bouncedRecipients",
        ),
    ],
)
def test_bad_json_is_refused_with_the_path(body: bytes, problem: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_webhook("application/json", body, verify)
    assert problem in str(caught.value)


def test_a_giant_webhook_is_refused() -> None:
    with pytest.raises(TooLarge):
        parse_webhook("application/json", b" " * (6 << 20), verify)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["events", "event-data", "event", "mail", "notificationType", "bounce", "RecordType",
             "Type", "TopicArn", "Message", "type", "headers", "timestamp", "message_id", "at"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_is_read_or_refused(body: object) -> None:
    try:
        reports = parse_webhook("application/json", msgspec.json.encode(body), verify)
    except BadInput:
        return
    assert all(report.kind == "unknown" for report in reports)
