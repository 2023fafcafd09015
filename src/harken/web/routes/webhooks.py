"""Webhooks: those of the workspace, and what they tell of messages."""

import asyncio
import os
from typing import Annotated, Any

from litestar import Request, Router, get, post
from litestar.params import Parameter
from msgspec import Struct

from harken.channels.hooks import secret_of, url_of
from harken.channels.sandbox import SANDBOX_URL
from harken.config import link_secret
from harken.errors import BadInput
from harken.web.api import Api, TheApi
from harken.web.problems import responses
from harken.web.receipts import take_receipts
from harken.web.returns import Taken
from harken.workspace import Webhook

MOST_BYTES = 1_000_000


class WebhookShown(Struct, kw_only=True):
    """A webhook of the workspace."""

    name: str
    url: str
    """Empty when it stands in the environment."""
    sandbox: bool
    """Whether it only keeps what it would post."""
    trouble: str
    """What has to be mended before anything is posted; empty when nothing has."""
    receipts: str
    """Where it tells what became of messages."""
    signing_secret: str | None
    """The key with which both sides sign; null when it stands in the environment."""


class Webhooks(Struct):
    """The webhooks of the workspace."""

    webhooks: list[WebhookShown]


@get("/webhooks", responses=responses(), sync_to_thread=True)
def list_webhooks(api: TheApi) -> Webhooks:
    """The webhooks of the workspace: their keys, and where they call back."""
    hooks = api.services.in_force.workspace.webhooks
    return Webhooks([_shown(api, name, one) for name, one in hooks.items()])


def _shown(api: Api, name: str, one: Webhook) -> WebhookShown:
    settings = api.services.settings
    trouble, secret = "", None
    try:
        url_of(one, os.environ)
        secret = secret_of(name, one, os.environ, link_secret(settings.data))
    except BadInput as fault:
        trouble = str(fault)
    return WebhookShown(
        name=name,
        url=one.url or "",
        sandbox=one.url == SANDBOX_URL,
        trouble=trouble,
        receipts=f"{settings.base_url}/hooks/webhook/{name}",
        signing_secret=secret if one.secret_env is None else None,
    )


@post(
    "/hooks/webhook/{name:str}",
    status_code=200,
    request_max_body_size=MOST_BYTES,
    responses=responses(404),
    tags=["hooks"],
)
async def take_told(
    api: TheApi, request: Request[Any, Any, Any], name: Annotated[str, Parameter(max_length=64)]
) -> Taken:
    """Take what a webhook tells of messages, signed with its key (docs/channels.md)."""
    body = await request.body()
    headers = {key: request.headers.get(key, "") for key in ("webhook-id", "webhook-timestamp")}
    headers["webhook-signature"] = request.headers.get("webhook-signature", "")
    return await asyncio.to_thread(take_receipts, api.services, name, headers, body)


routes = Router(path="", tags=["webhooks"], route_handlers=[list_webhooks])
receipts = Router(path="", route_handlers=[take_told])
