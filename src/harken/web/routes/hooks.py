"""What e-mail providers post: bounces and complaints."""

import asyncio
import hmac
from typing import Annotated, Any

from litestar import Request, Router, post
from litestar.params import Parameter

from harken.channels.bounces import MOST_WEBHOOK, parse_webhook
from harken.config import link_secret
from harken.errors import NotFound
from harken.web.api import Api, TheApi
from harken.web.problems import responses
from harken.web.returns import Taken, take_reports, verifier


def hook_token(api: Api) -> str:
    """What the address of the webhook ends in: only who is told it can post there."""
    secret = link_secret(api.services.settings.data)
    return hmac.digest(secret, b"harken hook bounces 1", "sha256").hex()[:40]


def take_posted(api: Api, content_type: str, body: bytes) -> Taken:
    """Take what a provider posted."""
    services = api.services
    reports = parse_webhook(
        content_type, body, verifier(services, "bounce"), verifier(services, "leave")
    )
    return take_reports(services, reports)


@post(
    "/hooks/bounces/{token:str}",
    status_code=200,
    request_max_body_size=MOST_WEBHOOK,
    responses={status: spec for status, spec in responses(404).items() if status != 401},
    tags=["hooks"],
)
async def take_bounces(
    api: TheApi, request: Request[Any, Any, Any], token: Annotated[str, Parameter(max_length=64)]
) -> Taken:
    """Take what a provider tells of mails; the form is known by its shape (docs/bounces.md)."""
    if not hmac.compare_digest(token.encode(), hook_token(api).encode()):
        raise NotFound("no webhook has this address; GET /api/v1/status shows it")
    body = await request.body()
    content_type = request.headers.get("content-type", "")
    return await asyncio.to_thread(take_posted, api, content_type, body)


routes = Router(path="", route_handlers=[take_bounces])
