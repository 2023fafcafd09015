"""The web process as one ASGI application: the tracking API raw, everything else by Litestar."""

import os
import re
import secrets
import time
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.di import Provide
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from harken.ingest.http import Ingest, Message, Receive, Scope, Send
from harken.ingest.limits import RateLimits
from harken.logs import structlog
from harken.web import page_html, pages, problems, reference, survey_pages
from harken.web.api import SLASH, Api, TheApi
from harken.web.auth import knows_questions, needs_secret_key
from harken.web.returns import ReturnPath
from harken.web.routes import (
    broadcasts,
    catalogs,
    coupons,
    definitions,
    experiments,
    exports,
    history,
    hooks,
    journeys,
    keys,
    lists,
    messages,
    operations,
    people,
    preview,
    privacy,
    sandbox,
    segments,
    suppressions,
    surveys,
    webhooks,
)

if TYPE_CHECKING:
    from harken.running.services import Services

MOST_BYTES = 1_000_000
_SLOW = frozenset({"/healthz", "/readyz", "/metrics"})

log = structlog.get_logger("access")


def asgi(services: "Services", **options: Any) -> "Front":
    """The application over open services; `options` are those of `Api`."""
    api = Api(services, **options)
    rate = services.settings.events_per_second
    limits = RateLimits(services.clock, rate) if rate else None
    ingest = Ingest(services.collector, services.keys.write_keys, services.clock, limits)
    return Front(ingest, litestar(api))


_SLASH = re.compile("%2f", re.IGNORECASE)


class Front:
    """Sends each request to where it is answered; names it, and logs it without personal data."""

    def __init__(self, ingest: Ingest, rest: Litestar) -> None:
        self.ingest, self.rest = ingest, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self.ingest.serves(scope["path"].rstrip("/")):
                await self.ingest(scope, receive, send)
                return
            await self._answer(scope, receive, send)
            return
        await self.rest(scope, receive, send)  # type: ignore[arg-type]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        name = _request_id(scope)
        head = scope["method"] == "HEAD"
        inner = {**scope, "harken.request_id": name, "harken.method": scope["method"]}
        if b"%2f" in (raw := scope.get("raw_path") or b"").lower():
            # Decoded, a slash in an id would end its part of the path.
            inner["path"] = unquote(_SLASH.sub(quote(SLASH), raw.decode("latin-1")))
        if head:
            # Whatever answers GET answers HEAD (RFC 9110, section 9.3.2).
            inner["method"] = "GET"
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", name.encode())]
            elif head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        with structlog.contextvars.bound_contextvars(request=name):
            try:
                await self.rest(inner, receive, answer)  # type: ignore[arg-type]
            finally:
                path = inner.get("path_template") or "(none)"
                note = log.debug if path in _SLOW else log.info
                ms = round((time.monotonic() - started) * 1000, 1)
                note("request", method=scope["method"], path=path, status=status, ms=ms)


def _request_id(scope: Scope) -> str:
    """The caller's name for the request when it has a harmless one, else a new one."""
    given: str = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    if 0 < len(given) <= 64 and given.isascii() and given.replace("-", "").isalnum():
        return given
    return secrets.token_hex(8)


@get("/healthz", media_type=MediaType.TEXT, include_in_schema=False, sync_to_thread=False)
def healthz() -> str:
    """The process is alive."""
    return "ok"


@get("/readyz", include_in_schema=False, sync_to_thread=True)
def readyz(api: TheApi) -> Response[dict[str, Any]]:
    """The log can be written, storage answers, engine and senders run; else why not."""
    troubles = api.troubles()
    answer = {"ready": not troubles, "troubles": troubles}
    return Response(answer, status_code=503 if troubles else 200)


@get("/metrics", include_in_schema=False, sync_to_thread=True)
def metrics() -> Response[bytes]:
    """Counters of all processes, in Prometheus' text form."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@cache
def _reference() -> tuple[bytes, str]:
    document = reference.schema_of([hooks.routes, webhooks.receipts, _routes()])
    return msgspec.json.encode(document), reference.page_of(document)


@get("/api/v1/openapi.json", include_in_schema=False, sync_to_thread=True)
def openapi() -> Response[bytes]:
    """The API's exact description."""
    return Response(_reference()[0], media_type=MediaType.JSON)


@get("/api/docs", include_in_schema=False, sync_to_thread=True)
def api_docs() -> Response[str]:
    """The API's routes, for people."""
    page = _reference()[1]
    return Response(page, media_type=MediaType.HTML, headers=page_html.headers())


def _routes() -> Router:
    return Router(
        path=reference.BASE,
        guards=[needs_secret_key, knows_questions],
        route_handlers=[
            people.routes,
            journeys.routes,
            broadcasts.routes,
            experiments.routes,
            lists.routes,
            catalogs.routes,
            segments.routes,
            exports.routes,
            coupons.routes,
            surveys.routes,
            definitions.routes,
            messages.routes,
            preview.routes,
            privacy.routes,
            operations.routes,
            history.routes,
            keys.routes,
            suppressions.routes,
            sandbox.routes,
            webhooks.routes,
        ],
    )


def litestar(api: Api) -> Litestar:
    """Everything but the tracking API."""
    back = ReturnPath(api.services)
    app = Litestar(
        route_handlers=[
            healthz,
            readyz,
            metrics,
            openapi,
            api_docs,
            hooks.routes,
            webhooks.receipts,
            pages.routes,
            survey_pages.routes,
            _routes(),
        ],
        on_startup=[api.exports.start, api.services.keeper.start, back.start],
        on_shutdown=[back.close, api.exports.close, api.services.keeper.close],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        exception_handlers={Exception: _failed},
        openapi_config=None,
        request_max_body_size=MOST_BYTES,
        logging_config=None,
    )
    app.state.api = api
    return app


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Programs get a problem; who strays to a path outside the API gets a page."""
    wants_page = "text/html" in request.headers.get("accept", "")
    if wants_page and not request.url.path.startswith(("/api", "/hooks")):
        return pages.failed(request, error)
    return problems.answer(request, error)
