"""Broadcasts: groups put into journeys, by hand or by schedule; how far they are, and stopping."""

from typing import Annotated, Literal

from litestar import Router, get, post
from litestar.params import Parameter
from msgspec import Struct

from harken.errors import Fault
from harken.inputs import PauseBroadcast, ResumeBroadcast, StopBroadcast
from harken.web import broadcasts
from harken.web.api import Asked, TheApi
from harken.web.broadcasts import BroadcastMessages, BroadcastShown, StartWish, StopWish
from harken.web.problems import responses
from harken.web.routes.journeys import JourneyName

BroadcastId = Annotated[str, Parameter(max_length=64, description="the broadcast's id")]
State = Literal["planned", "selecting", "running", "paused", "done", "stopped", "missed"]


class Broadcasts(Struct):
    """Those under way and to come, then those that are over, the latest first."""

    broadcasts: list[BroadcastShown]


class Started(Struct, kw_only=True):
    """A broadcast that was started."""

    broadcast: BroadcastShown
    warnings: list[Fault]
    """Names in the rule that no data has."""


class BroadcastWhole(Struct, kw_only=True):
    """A broadcast with what became of its messages."""

    broadcast: BroadcastShown
    messages: BroadcastMessages


@post(
    "/journeys/{name:str}/broadcasts",
    responses=responses(404, 409, 422),
    sync_to_thread=True,
)
def start_broadcast(api: TheApi, request: Asked, name: JourneyName, data: StartWish) -> Started:
    """Put a segment, or all for whom a rule holds, into a journey whose entry is by API.

    Durable when it answers. The same `id` is started once, so a request may be repeated.
    """
    one, warnings = broadcasts.start(api, name, data, f"key {request.user}")
    return Started(broadcast=broadcasts.shown(one, api.now), warnings=warnings)


@get("/broadcasts", responses=responses(), sync_to_thread=True)
def list_broadcasts(
    api: TheApi,
    journey: Annotated[str | None, Parameter(max_length=64, description="of this one")] = None,
    in_state: Annotated[State | None, Parameter(query="state", description="in this state")] = None,
) -> Broadcasts:
    """Broadcasts under way and to come, and the latest 200 that are over."""
    return Broadcasts(broadcasts.listed(api.services, journey, in_state))


@get("/broadcasts/{id:str}", responses=responses(404), sync_to_thread=True)
def show_broadcast(api: TheApi, id: BroadcastId) -> BroadcastWhole:
    """How far a broadcast is, how long it will take yet, and what became of its messages."""
    one = broadcasts.found(api.services, id)
    return BroadcastWhole(
        broadcast=broadcasts.shown(one, api.now),
        messages=broadcasts.messages(api.services, one),
    )


@post(
    "/broadcasts/{id:str}/pause",
    status_code=200,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def pause_broadcast(api: TheApi, request: Asked, id: BroadcastId) -> BroadcastShown:
    """Let nobody else in until it is resumed. Those who are in go on."""
    wish = PauseBroadcast(id, f"key {request.user}")
    return broadcasts.shown(broadcasts.steer(api, wish), api.now)


@post(
    "/broadcasts/{id:str}/resume",
    status_code=200,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def resume_broadcast(api: TheApi, request: Asked, id: BroadcastId) -> BroadcastShown:
    """Go on where it was paused."""
    wish = ResumeBroadcast(id, f"key {request.user}")
    return broadcasts.shown(broadcasts.steer(api, wish), api.now)


@post(
    "/broadcasts/{id:str}/stop",
    status_code=200,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def stop_broadcast(api: TheApi, request: Asked, id: BroadcastId, data: StopWish) -> BroadcastShown:
    """Let nobody else in, for good; with `cancel_messages`, what has not left stays here.

    One that is over can still have its messages cancelled.
    """
    wish = StopBroadcast(id, f"key {request.user}", data.cancel_messages)
    return broadcasts.shown(broadcasts.steer(api, wish), api.now)


routes = Router(
    path="",
    tags=["broadcasts"],
    route_handlers=[
        start_broadcast,
        list_broadcasts,
        show_broadcast,
        pause_broadcast,
        resume_broadcast,
        stop_broadcast,
    ],
)
