"""The sandbox: messages that were kept for viewing instead of being sent."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Annotated

from litestar import Router, get
from litestar.params import Parameter
from msgspec import Struct, field

from harken.channels.sandbox import SandboxMail
from harken.clock import iso
from harken.errors import NotFound
from harken.web.api import Api, TheApi
from harken.web.problems import responses


class Mail(Struct, kw_only=True):
    """A kept mail in a list."""

    id: str
    to: str
    subject: str
    channel: str
    """`email`, `webhook`, or `call` for that of a webhook step."""
    at: str
    profile_id: str
    user_id: str | None


class Mails(Struct, kw_only=True):
    """Kept mails, newest first."""

    mails: list[Mail]
    next: str | None
    """Give as `before` for the next page; null on the last."""


class WholeMail(Struct, kw_only=True):
    """A kept mail with its parts."""

    id: str
    subject: str
    from_: str = field(name="from")
    to: str
    at: str
    profile_id: str
    user_id: str | None
    html: str
    text: str
    """Of what a webhook would be told: the JSON."""
    channel: str
    headers: list[tuple[str, str]]
    raw: str
    """As it would have left."""


@get("/sandbox", responses=responses(), sync_to_thread=True)
def list_mails(
    api: TheApi,
    limit: Annotated[int, Parameter(ge=1, le=500)] = 50,
    to: Annotated[str | None, Parameter(max_length=320, description="the address")] = None,
    before: Annotated[
        str | None, Parameter(max_length=64, description="the id of the last one seen")
    ] = None,
) -> Mails:
    """What would have been sent, newest first."""
    found = api.services.sandbox.list(address=to, before=before, limit=limit)
    users = _users(api, found)
    mails = [
        Mail(
            id=mail.id,
            to=mail.address,
            subject=mail.subject,
            channel=mail.channel,
            at=iso(mail.at),
            profile_id=str(mail.profile_id),
            user_id=users.get(mail.profile_id),
        )
        for mail in found
    ]
    return Mails(mails=mails, next=mails[-1].id if len(mails) >= limit else None)


@get("/sandbox/{mail_id:str}", responses=responses(404), sync_to_thread=True)
def show_mail(api: TheApi, mail_id: Annotated[str, Parameter(max_length=64)]) -> WholeMail:
    """A kept mail, whole."""
    mail = api.services.sandbox.get(mail_id)
    if mail is None:
        raise NotFound(f"the sandbox holds no mail {mail_id!r}")
    is_mail = mail.channel == "email"
    parsed = message_from_bytes(mail.raw if is_mail else b"", policy=policy.default)
    raw = mail.raw.decode("utf-8", "replace")
    return WholeMail(
        id=mail.id,
        subject=mail.subject,
        from_=str(parsed["From"] or ""),
        to=mail.address,
        at=iso(mail.at),
        profile_id=str(mail.profile_id),
        user_id=_users(api, [mail]).get(mail.profile_id),
        html=_part(parsed, "html"),
        text=_part(parsed, "plain") if is_mail else raw,
        channel=mail.channel,
        headers=[(name, str(value)) for name, value in parsed.items()],
        raw=raw,
    )


def _part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    return str(found.get_content()) if found is not None else ""


def _users(api: Api, mails: list[SandboxMail]) -> dict[int, str | None]:
    users = {}
    for id in {mail.profile_id for mail in mails}:
        profile = api.known(id)
        users[id] = profile.user_id if profile is not None else None
    return users


routes = Router(path="", tags=["sandbox"], route_handlers=[list_mails, show_mail])
