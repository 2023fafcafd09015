"""What the pages share: who is in the shop, what is for sale, and how a page is answered."""

import time
from collections.abc import Iterable
from typing import Any

from litestar import MediaType, Request, Response
from litestar.datastructures import Cookie
from litestar.response import Redirect

from examples.shop.backend import Harken
from examples.shop.catalogue import LANGUAGES, Catalogue, words
from examples.shop.groups import Groups
from examples.shop.pages import Pages
from examples.shop.settings import Settings
from examples.shop.visitors import Visitor, Visitors

COOKIE = "kelana_visitor"

Asked = Request[Any, Any, Any]


class Floor:
    """The running shop."""

    def __init__(self, settings: Settings, goods: Catalogue, harken: Harken) -> None:
        self.settings = settings
        self.goods = goods
        self.harken = harken
        self.visitors = Visitors()
        self.groups = Groups(harken)
        self.pages = Pages(settings, goods)
        self.headers = page_headers(settings.site, settings.harken_url)

    def visitor(self, request: Asked) -> Visitor:
        """The visitor of the request's cookie, or a new one."""
        found = self.visitors.find(request.cookies.get(COOKIE))
        if found is None:
            wanted = request.headers.get("accept-language", "")
            found = self.visitors.add(Visitor(language=preferred(wanted)))
            found.here(time.monotonic())
        return found

    def page(
        self,
        request: Asked,
        template: str,
        values: dict[str, Any],
        calls: Iterable[dict[str, Any]] = (),
        presence: bool = True,
        status: int = 200,
    ) -> Response[str]:
        """A page for the visitor; opening it is a sign of life, unless `presence` is false."""
        visitor = self.visitor(request)
        if presence:
            visitor.here(time.monotonic())
        query = f"?{request.url.query}" if request.url.query else ""
        html = self.pages.render(
            visitor, template, request.url.path + query, values, calls, presence
        )
        return Response(
            html,
            status_code=status,
            media_type=MediaType.HTML,
            headers=self.headers,
            cookies=[cookie(visitor)],
        )

    def go(self, visitor: Visitor, path: str) -> Redirect:
        """On to another page after a form."""
        return Redirect(path, status_code=303, cookies=[cookie(visitor)])

    def say(self, visitor: Visitor, key: str, detail: str = "") -> None:
        """Show a notice on the next page."""
        visitor.notice = {"text": words(visitor.language)[key], "detail": detail}


def page_headers(site: str, harken_url: str) -> dict[str, str]:
    """Pages are never kept, and fetch nothing but from the shop itself and from Harken."""
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            f"default-src 'self'; connect-src 'self' {harken_url}; "
            f"img-src 'self' data: {site} {harken_url}; style-src 'self' 'unsafe-inline'; "
            "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def cookie(visitor: Visitor) -> Cookie:
    return Cookie(key=COOKIE, value=visitor.key, httponly=True, samesite="lax", max_age=30 * 86_400)


def track(event: str, properties: dict[str, Any]) -> dict[str, Any]:
    """An SDK call that a page makes."""
    return {"method": "track", "arguments": [event, properties]}


def preferred(accept_language: str) -> str:
    """The first language of an Accept-Language header that the shop speaks."""
    for part in accept_language.split(","):
        code = part.split(";")[0].strip().split("-")[0].lower()
        if code in LANGUAGES:
            return code
    return LANGUAGES[0]


def local_path(path: str) -> str:
    """A path to go back to, only if it is one of the shop's own."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if safe and "\n" not in path and "\r" not in path else "/"


async def form(request: Asked) -> dict[str, str]:
    """The fields of a form, as text of at most 200 characters without control characters."""
    fields = await request.form()
    return {
        key: "".join(c for c in value if c.isprintable())[:200].strip()
        for key, value in fields.items()
        if isinstance(value, str)
    }
