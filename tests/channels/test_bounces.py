"""Mail that comes back, and what Harken takes it to say."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.channels.bounces import Report, parse
from harken.channels.statuses import is_dead, status_of
from harken.ids import derived_id, message_id, run_id
from harken.messages.links import Links

SAMPLES = Path(__file__).parent / "samples"
ID = "mfrggzdfmztwq2lknnwg23tpoa"
TOKEN = "GOOD.token-1_x"
RETURN = f"bounce+{TOKEN}@return.shop.example"


def verify(token: str) -> tuple[int, str] | None:
    return (7, ID) if token == TOKEN else None


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.eml").read_bytes()


# name, then per recipient: kind, hard, address, status
MAILS = [
    ("postfix_unknown_user", [("bounced", True, "minji@mail.example", "5.1.1")]),
    ("postfix_delayed", [("delayed", False, "budi@mail.example", "4.4.1")]),
    ("postfix_no_such_domain", [("bounced", True, "kim@gmial.example", "5.1.2")]),
    ("gmail_full", [("bounced", False, "siti@mail.example", "5.2.2")]),
    ("gmail_spam_block", [("bounced", False, "siti@mail.example", "5.7.1")]),
    ("exim_dsn_generic_status", [("bounced", True, "dewi@mail.example", "5.1.1")]),
    (
        "exim_old_plain",
        [
            ("bounced", True, "dewi@mail.example", "5.1.1"),
            ("bounced", False, "agus@mail.example", "5.2.2"),
        ],
    ),
    ("qmail", [("bounced", True, "joon@old.example", "5.1.1")]),
    ("exchange_online", [("bounced", True, "lee@corp.example", "5.1.10")]),
    ("exchange_access_denied", [("bounced", True, "gone@corp.example", "5.1.1")]),
    ("exchange_plain", [("bounced", True, "park@corp.example", "5.2.1")]),
    ("yahoo_plain", [("bounced", True, "someone@yahoo.example", "5.1.1")]),
    (
        "multi_recipient",
        [
            ("bounced", True, "team@list.example", "5.2.1"),
            ("delivered", False, "", "2.1.5"),
            ("unknown", False, "c@list.example", "2.0.0"),
            ("bounced", False, "d@list.example", "4.4.7"),
        ],
    ),
    ("korean_charset", [("bounced", True, "민지@naver.example", "5.1.1")]),
    ("arf_abuse", [("complained", False, "minji@mail.example", "")]),
    ("arf_redacted", [("complained", False, "redacted@yahoo.example", "")]),
    ("outlook_junk", [("complained", False, "han@outlook.example", "")]),
    ("out_of_office", [("auto_reply", False, "minji@mail.example", "")]),
    ("read_receipt", [("auto_reply", False, "", "")]),
    ("person_reply", [("unknown", False, "minji@mail.example", "")]),
]


@pytest.mark.parametrize(("name", "expected"), MAILS, ids=[name for name, _ in MAILS])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_what_a_mail_says(name: str, expected: list[tuple[object, ...]], line_end: bytes) -> None:
    reports = parse(sample(name).replace(b"\n", line_end), verify)
    assert [(r.kind, r.hard, r.address, r.status) for r in reports] == expected
    assert {r.message for r in reports} == {ID}


def test_every_sample_is_in_the_table() -> None:
    assert {path.stem for path in SAMPLES.glob("*.eml")} == {name for name, _ in MAILS}


def test_a_signed_return_path_tells_whose_message_it_is() -> None:
    (report,) = parse(sample("postfix_unknown_user"), verify)
    assert (report.message, report.profile_id) == (ID, 7)
    assert report.detail.startswith("550 5.1.1 <minji@mail.example>: Recipient address rejected")


def test_the_envelope_outweighs_the_header() -> None:
    raw = sample("postfix_unknown_user")
    (report,) = parse(raw, verify, [f"bounce+{TOKEN}@return.shop.example"])
    assert report.profile_id == 7
    (report,) = parse(raw.replace(TOKEN.encode(), b"x"), verify, [RETURN])
    assert report.profile_id == 7


@pytest.mark.parametrize("id", [derived_id("a message"), ID], ids=["as they are", "as at first"])
def test_the_tokens_that_we_sign_come_back_in_any_case(id: str) -> None:
    links = Links("https://shop.example", b"s" * 32)

    def signed(token: str) -> tuple[int, str] | None:
        link = links.verify(token, "bounce")
        return (link.profile_id, link.message) if link else None

    token = links.mailbox("bounce", 2**62 + 5, id).removeprefix("bounce+")
    for written in (token, token.upper()):
        raw = sample("postfix_unknown_user").replace(TOKEN.encode(), written.encode())
        (report,) = parse(raw, signed)
        assert (report.kind, report.message, report.profile_id) == ("bounced", id, 2**62 + 5)
    (report,) = parse(sample("postfix_unknown_user"), signed)
    assert report.kind == "unknown"


def test_a_message_id_alone_ties_but_names_no_profile() -> None:
    now = message_id(run_id(7, "news", "", "monday"), 1, "news", 1)
    for id in (ID, now):
        (report,) = parse(sample("qmail").replace(ID.encode(), id.encode()), verify)
        assert (report.message, report.profile_id) == (id, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TOKEN.encode(), b"FORGED"),
        (f"To: <bounce+{TOKEN}@".encode(), b"To: <bounce+FORGED@"),
    ],
    ids=["everywhere", "in the header only, with a true Message-ID"],
)
def test_a_forged_token_has_no_effect(old: bytes, new: bytes) -> None:
    raw = sample("exchange_online").replace(old, new)
    (report,) = parse(raw, verify)
    assert (report.kind, report.hard, report.message) == ("unknown", False, None)
    assert report.detail.startswith("cannot be tied to a message of ours (bounced)")


def test_a_report_on_a_mail_that_is_not_ours_is_unknown() -> None:
    raw = sample("qmail").replace(ID.encode(), b"CAKx9-foreign.id")
    (report,) = parse(raw, verify)
    assert (report.kind, report.hard, report.message) == ("unknown", False, None)
    assert report.address == "joon@old.example"


def test_the_message_id_is_known_in_any_case() -> None:
    (report,) = parse(sample("qmail").replace(ID.encode(), ID.upper().encode()), verify)
    assert report.message == ID


def unsubscribe(token: str) -> tuple[int, str] | None:
    return (9, "other") if token == "LEAVE" else None


WISH = b"From: Minji <minji@mail.example>\r\nSubject: unsubscribe\r\n\r\n"


def test_mail_to_the_unsubscribe_address_is_a_wish_to_leave() -> None:
    (report,) = parse(WISH, verify, ["Unsubscribe+LEAVE@return.shop.example"], unsubscribe)
    assert report == Report(
        "other", "unsubscribed", address="minji@mail.example", detail="by mail", profile_id=9
    )


def test_a_bounce_token_does_not_unsubscribe() -> None:
    (report,) = parse(WISH, verify, [f"unsubscribe+{TOKEN}@return.shop.example"], unsubscribe)
    assert (report.kind, report.message) == ("unknown", None)


def test_an_automatic_answer_does_not_unsubscribe() -> None:
    raw = b"Auto-Submitted: auto-replied\r\n" + WISH
    (report,) = parse(raw, verify, ["unsubscribe+LEAVE@return.shop.example"], unsubscribe)
    assert report.kind == "unknown"


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        (b"Auto-Submitted: auto-replied", "auto_reply"),
        (b"Auto-Submitted: auto-generated (vacation)", "auto_reply"),
        (b"X-Autoreply: yes", "auto_reply"),
        (b"X-Autorespond: away", "auto_reply"),
        (b"Precedence: auto_reply", "auto_reply"),
        (b"Subject: Out of Office: Re: hello", "auto_reply"),
        (b"Auto-Submitted: no", "unknown"),
        (b"Precedence: bulk", "unknown"),
        (b"Subject: outstanding", "unknown"),
    ],
)
def test_automatic_answers_are_told_apart(field: bytes, kind: str) -> None:
    raw = field + b"\nFrom: a@b.example\nIn-Reply-To: <" + ID.encode() + b"@shop.example>\n\nhi"
    assert [r.kind for r in parse(raw, verify)] == [kind]


@pytest.mark.parametrize(
    ("feedback", "kind"),
    [
        (b"abuse", "complained"),
        (b"fraud", "complained"),
        (b"opt-out", "unsubscribed"),
        (b"not-spam", "unknown"),
        (b"auth-failure", "unknown"),
    ],
)
def test_only_some_feedback_speaks_for_the_recipient(feedback: bytes, kind: str) -> None:
    raw = sample("arf_abuse").replace(b"Feedback-Type: abuse", b"Feedback-Type: " + feedback)
    assert [r.kind for r in parse(raw, verify)] == [kind]


# given status, the server's words, the status that counts, whether the address is dead
STATUSES = [
    ("5.1.1", "", "5.1.1", True),
    ("5.1.2", "", "5.1.2", True),
    ("5.1.6", "", "5.1.6", True),
    ("5.1.10", "", "5.1.10", True),
    ("5.2.1", "550 5.2.1 account disabled", "5.2.1", True),
    ("5.7.17", "", "5.7.17", True),
    ("4.1.1", "", "4.1.1", False),
    ("5.1.0", "", "5.1.0", False),
    ("5.1.8", "sender domain does not exist", "5.1.8", False),
    ("5.2.2", "", "5.2.2", False),
    ("5.2.3", "", "5.2.3", False),
    ("5.4.4", "Name server: no route", "5.4.4", False),
    ("5.7.1", "no such user", "5.7.1", False),
    ("5.7.26", "unauthenticated mail, DMARC", "5.7.26", False),
    ("5.2.1", "The user is receiving mail too quickly", "5.2.1", False),
    ("5.1.1", "550 5.1.1 rejected: listed by zen.spamhaus.org", "5.1.1", False),
    ("5.1.1", "550 5.1.1 <spam@mail.example> unknown; see https://x.example/spam", "5.1.1", True),
    ("5.0.0", "550 5.1.1 no", "5.1.1", True),
    ("", "550 mailbox unavailable", "5.1.1", True),
    ("", "552 mailbox full", "5.2.2", False),
    ("", "451 no such user yet", "4.1.1", False),
    ("", "554 message blocked due to reputation", "5.7.1", False),
    ("", "550 hello 10.5.1.1 there", "5.0.0", False),
    ("", "hello", "", False),
    ("nonsense", "550 user unknown", "5.1.1", True),
]


@pytest.mark.parametrize(("given_status", "text", "status", "dead"), STATUSES)
def test_what_a_status_means(given_status: str, text: str, status: str, dead: bool) -> None:
    assert status_of(given_status, text) == status
    assert is_dead(status, text) is dead


# --- hostile mail --------------------------------------------------------------------------------

DAMAGE = [b"\n", b"\r\n", b"\n\n", b"--b", b"\x00", b"\xff\xfe", b" ", b"=?utf-8?b?"]
LINES = b"""--b
--b--
A===
Content-Type: multipart/report; boundary=b
Content-Type: multipart/mixed; boundary*0=b
Content-Type: message/delivery-status
Content-Type: message/feedback-report
Content-Type: message/rfc822
Content-Type: text/plain; charset=idna
Content-Type: text/plain; charset*=x''%ff
Content-Type: text/plain; charset*99999999999=y
Content-Transfer-Encoding: base64
Content-Transfer-Encoding: quoted-printable
Final-Recipient: rfc822; a@b.example
Action: failed
Status: 5.1.1
Feedback-Type: abuse
From: MAILER-DAEMON@x.example
X-Failed-Recipients: a@b.example
To: bounce+GOOD.token-1_x@r.example
Message-ID: <mfrggzdfmztwq2lknnwg23tpoa@s.example>
<a@b.example>:
550 5.1.1 no such user
""".splitlines(keepends=True)
PIECES = st.sampled_from(DAMAGE + LINES)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.lists(PIECES, max_size=25).map(b"".join)))
def test_any_bytes_give_reports(raw: bytes) -> None:
    reports = parse(raw, verify, verify_unsubscribe=unsubscribe)
    assert reports
    for report in reports:
        msgspec.json.encode(report)
        assert (report.message is None) <= (report.kind == "unknown")
        assert not report.hard or report.kind == "bounced"
        assert len(report.detail) <= 500


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([name for name, _ in MAILS]), st.data())
def test_damaged_samples_give_reports(name: str, data: st.DataObject) -> None:
    raw = bytearray(sample(name))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert parse(bytes(raw[: data.draw(st.integers(0, len(raw)))]), verify)


def nested(depth: int) -> bytes:
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth)
    )
    return head + b"Content-Type: message/delivery-status\n\nAction: failed\n"


@pytest.mark.parametrize(
    "raw",
    [
        nested(5000),
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 200_000,
        b"a" * (8 << 20),
        b"X: y\n " + b"z\n " * 1_000_000,
        b"From: MAILER-DAEMON@x\n\n" + b"<a@b.example>:\n" * 100_000,
        b"From: MAILER-DAEMON@x\n\n" + b"a" * (1 << 20),
        b"From: MAILER-DAEMON@x\n\n" + b"@" * (1 << 20),
        b"From: MAILER-DAEMON@x\nContent-Type: text/html\n\n" + b"<" * (1 << 20),
        b"Content-Type: message/delivery-status\n\n" + b"Action: failed\n\n" * 100_000,
        b"To: " + b"bounce+" * 500_000 + b"\n\n",
    ],
    ids=["deep", "parts", "line", "folds", "failed", "a", "at", "lt", "groups", "bounce"],
)
@pytest.mark.timeout(20)
def test_giant_mail_is_bounded(raw: bytes) -> None:
    reports = parse(raw, verify)
    assert 1 <= len(reports) <= 100
