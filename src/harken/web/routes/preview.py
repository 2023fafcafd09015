"""Preview and test send: a message as a given customer would get it."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from litestar import Router, post
from msgspec import Meta, Struct

from harken.web.api import Asked, TheApi
from harken.web.problems import responses
from harken.web.projects import ProjectBody

if TYPE_CHECKING:
    from harken.web.previews import Wanted

MOST_BYTES = 20_000_000
Word = Annotated[str, Meta(min_length=1, max_length=300)]


class PreviewWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which message, as which customer."""

    journey: Word
    step: Word
    """The message's name."""
    user_id: Word
    """A user id (or `user:ID`), `anonymous:ID` or `profile:NUMBER`."""
    variant: Word | None = None
    """Else the one that this customer would get."""
    event: dict[str, Any] | None = None
    """Properties of the triggering event; else those of their latest."""
    language: Annotated[str, Meta(max_length=35)] | None = None
    project: ProjectBody | None = None
    """A draft to take the message from, instead of what is in force."""


class Preview(Struct, kw_only=True):
    """What the customer would get. Links lead nowhere."""

    channel: str
    """By which this customer would get it."""
    subject: str
    html: str
    text: str
    payload: dict[str, Any] | None
    """Of a message by webhook; null of others."""
    variant: str
    why_variant: str
    language: str
    notes: list[str]
    """What else should be known of how it came to say this: a feed that did not answer."""


class TestSendWish(PreviewWish, kw_only=True, forbid_unknown_fields=True):
    """Which message, as which customer, and where to."""

    to: Annotated[str, Meta(min_length=3, max_length=320)]


class TestSend(Struct, kw_only=True):
    """What the provider said."""

    id: str
    """Of the mail; in the sandbox it is kept under it."""
    state: Literal["sent", "temporary", "permanent", "unsure"]
    reason: str
    transport: str
    channel: str
    subject: str
    variant: str
    why_variant: str
    language: str
    notes: list[str]


@post(
    "/preview",
    status_code=200,
    request_max_body_size=MOST_BYTES,
    responses=responses(404, 409, 422),
    sync_to_thread=True,
)
def preview(api: TheApi, request: Asked, data: PreviewWish) -> Preview:
    """A message as a given customer would get it now."""
    from harken.web.previews import show

    rendered = show(api, _wanted(data), f"key {request.user}").rendered
    return Preview(
        channel=rendered.channel,
        payload=rendered.payload,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        variant=rendered.variant,
        why_variant=rendered.why_variant,
        language=rendered.language,
        notes=rendered.notes,
    )


@post(
    "/test-send",
    status_code=200,
    request_max_body_size=MOST_BYTES,
    responses=responses(404, 409, 422),
    sync_to_thread=True,
)
def test_send(api: TheApi, request: Asked, data: TestSendWish) -> TestSend:
    """Send a message to an address of yours as a given customer would get it."""
    from harken.web.previews import send_test

    shown, outcome, id = send_test(api, _wanted(data), data.to, f"key {request.user}")
    return TestSend(
        id=id,
        state=outcome.state,
        reason=outcome.reason,
        transport=outcome.transport,
        channel=shown.rendered.channel,
        subject=shown.rendered.subject,
        variant=shown.rendered.variant,
        why_variant=shown.rendered.why_variant,
        language=shown.rendered.language,
        notes=shown.rendered.notes,
    )


def _wanted(wish: PreviewWish) -> "Wanted":
    # Here and above, and not at the top: the libraries of templates and mail take longer to load
    # than Harken may take to start.
    from harken.web.previews import Wanted

    return Wanted(
        journey=wish.journey,
        step=wish.step,
        user_id=wish.user_id,
        variant=wish.variant,
        event=wish.event,
        language=wish.language,
        project=wish.project,
    )


routes = Router(path="", tags=["messages"], route_handlers=[preview, test_send])
