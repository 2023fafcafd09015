"""The demo shop: `python -m examples.shop.server`. Settings: see `settings.py`."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from litestar import Litestar, MediaType, Request, Response, get
from litestar.config.compression import CompressionConfig
from litestar.exceptions import HTTPException
from litestar.static_files import create_static_files_router

from examples.shop import account, mailbox, scenes, store
from examples.shop.backend import Harken, HarkenDown
from examples.shop.catalogue import HERE, LANGUAGES, catalogue, words
from examples.shop.floor import COOKIE, Floor
from examples.shop.pages import SDK
from examples.shop.settings import Settings, from_environment
from examples.shop.visitors import Visitor, cart_properties

logger = logging.getLogger("shop")
LOOK_EVERY = 0.5


@get("/healthz", media_type=MediaType.TEXT, sync_to_thread=False)
def healthz() -> str:
    """Says that the shop is open."""
    return "ok"


async def report_left_carts(floor: Floor) -> None:
    """Tell Harken of every cart left behind; a cart that could not be told is tried again."""
    for visitor in floor.visitors.abandoned(time.monotonic(), floor.settings.abandoned_after):
        told = visitor.cart.version
        properties = cart_properties(visitor, floor.goods, floor.settings.site)
        try:
            await floor.harken.track(visitor.sender(), "Cart Abandoned", properties)
        except HarkenDown as error:
            logger.warning("Cart Abandoned not delivered, will try again: %s", error)
            return
        visitor.cart.reported = told


async def watch_carts(floor: Floor) -> None:
    """Look for carts left behind, for as long as the shop is open."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            await report_left_carts(floor)
        except Exception:
            # The watch must outlive any one cart.
            logger.exception("looking for carts left behind")


def error_page(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    """A page in the visitor's language instead of a stack trace."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 500:
        logger.error("a page failed", exc_info=error)
    floor: Floor = request.app.state.floor
    visitor = floor.visitors.find(request.cookies.get(COOKIE)) or Visitor(language=LANGUAGES[0])
    said = words(visitor.language)["missing" if status == 404 else "wrong"]
    html = floor.pages.render(visitor, "error.html", "/", {"status": status, "said": said})
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=floor.headers)


def create_app(settings: Settings) -> Litestar:
    """The shop as an ASGI application."""
    harken = Harken(settings.harken_url, settings.write_key, settings.secret_key)
    floor = Floor(settings, catalogue(), harken)

    @asynccontextmanager
    async def opened(app: Litestar) -> AsyncIterator[None]:
        app.state.floor = floor
        watch = asyncio.create_task(watch_carts(floor))
        yield
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await harken.close()

    return Litestar(
        route_handlers=[
            healthz,
            *store.ROUTES,
            *account.ROUTES,
            *mailbox.ROUTES,
            *scenes.ROUTES,
            create_static_files_router("/static", [HERE / "static"], name="static"),
            create_static_files_router(
                "/sdk/analytics-next/bundles", [SDK], name="sdk", html_mode=False
            ),
        ],
        lifespan=[opened],
        exception_handlers={Exception: error_page},
        compression_config=CompressionConfig(backend="gzip", minimum_size=2_000),
        openapi_config=None,
        logging_config=None,
    )


def main() -> None:
    """Open the shop."""
    settings = from_environment()
    logging.basicConfig(level=logging.WARNING, format="shop: %(message)s")
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_level="warning")


if __name__ == "__main__":
    main()
