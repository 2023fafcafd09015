"""The ledger: messages by state, and an operator's word on those nobody is sure of."""

from typing import Annotated, Literal

from litestar import Router, get, post
from litestar.params import Parameter
from msgspec import Struct

from harken.errors import Conflict, NotFound
from harken.store.base import LedgerRow, MessageState
from harken.web.api import Api, Asked, TheApi
from harken.web.ledger import Message, message_of
from harken.web.person import rows_of
from harken.web.problems import responses

MessageId = Annotated[str, Parameter(max_length=64, description="the message's id")]


class Messages(Struct, kw_only=True):
    """A page of the ledger, newest first."""

    messages: list[Message]
    next: str | None
    """Give as `before` for the next page; null on the last."""


@get("/messages", responses=responses(), sync_to_thread=True)
def list_messages(
    api: TheApi,
    user_id: Annotated[
        str | None,
        Parameter(
            description="a user id (or `user:ID`), `anonymous:ID` or `profile:NUMBER`",
            max_length=300,
        ),
    ] = None,
    message_state: Annotated[
        MessageState | None, Parameter(query="state", description="only those in this state")
    ] = None,
    journey: Annotated[str | None, Parameter(max_length=64)] = None,
    before: Annotated[
        str | None, Parameter(max_length=64, description="the id of the last one seen")
    ] = None,
    limit: Annotated[int, Parameter(ge=1, le=500)] = 100,
) -> Messages:
    """Messages, newest first."""
    store = api.services.store
    if user_id is not None:
        profile = api.known(api.profile_id(user_id))
        rows = [] if profile is None else rows_of(api, profile, 10_000, before)
        rows = [
            row
            for row in rows
            if (message_state is None or row.state == message_state)
            and (journey is None or row.journey == journey)
        ][:limit]
    else:
        rows = store.messages(state=message_state, journey=journey, before=before, limit=limit)
    following = rows[-1].id if len(rows) >= limit else None
    return Messages(messages=[message_of(row) for row in rows], next=following)


@get("/messages/{message_id:str}", responses=responses(404), sync_to_thread=True)
def show_message(api: TheApi, message_id: MessageId) -> Message:
    """One message."""
    return message_of(_row(api, message_id))


@post(
    "/messages/{message_id:str}/resend",
    status_code=200,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def resend_message(api: TheApi, request: Asked, message_id: MessageId) -> Message:
    """Send an unsure message again: the customer may get it twice."""
    return _resolve(api, request, message_id, resend=True)


@post(
    "/messages/{message_id:str}/close",
    status_code=200,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def close_message(api: TheApi, request: Asked, message_id: MessageId) -> Message:
    """Leave an unsure message: the customer may not have got it."""
    return _resolve(api, request, message_id, resend=False)


def _resolve(api: Api, request: Asked, id: str, *, resend: bool) -> Message:
    state = _row(api, id).state
    action: Literal["resend", "close"] = "resend" if resend else "close"
    if not api.services.store.resolve(id, action, api.now, f"key {request.user}"):
        raise Conflict(f"only an unsure message can be resent or closed; this one is {state}")
    return message_of(_row(api, id))


def _row(api: Api, id: str) -> LedgerRow:
    row = api.services.store.message(id)
    if row is None:
        raise NotFound(f"there is no message {id!r}")
    return row


routes = Router(
    path="",
    tags=["messages"],
    route_handlers=[list_messages, show_message, resend_message, close_message],
)
