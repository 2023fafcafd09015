"""Pages from templates, with what every page needs: words, the visitor, and the SDK's settings."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from liquid import CachingFileSystemLoader, Environment
from markupsafe import Markup

from examples.shop.catalogue import HERE, LANGUAGES, Catalogue, Product, words
from examples.shop.settings import Settings
from examples.shop.visitors import Visitor

BUNDLE = Path("node_modules/@segment/analytics-next/dist/umd")
SDK = HERE / BUNDLE
LANGUAGE_NAMES = {"en": "English", "ko": "한국어", "id": "Indonesia"}


def price(value: float | str) -> str:
    """A price in dollars, without cents that are nought: $1,240 or $12.50."""
    number = float(value)
    return f"${number:,.0f}" if number == int(number) else f"${number:,.2f}"


def environment() -> Environment:
    """Templates that escape what they show."""
    found = Environment(
        extra=True, autoescape=True, loader=CachingFileSystemLoader(HERE / "templates")
    )
    found.add_filter("price", price)
    return found


class Pages:
    """Renders the shop's pages."""

    def __init__(self, settings: Settings, goods: Catalogue) -> None:
        self._settings = settings
        self._goods = goods
        self._templates = environment()

    def render(
        self,
        visitor: Visitor,
        template: str,
        path: str,
        values: dict[str, Any],
        calls: Iterable[dict[str, Any]] = (),
        presence: bool = True,
    ) -> str:
        """A page as HTML. Takes the calls and the notice that wait for the visitor."""
        waiting, visitor.calls = visitor.calls, []
        notice, visitor.notice = visitor.notice, {}
        config = self.config(visitor, [*waiting, *calls], template, presence)
        found = self._templates.get_template(template).render(
            t=words(visitor.language),
            path=path,
            language=visitor.language,
            languages=[{"code": c, "name": LANGUAGE_NAMES[c]} for c in LANGUAGES],
            categories=self.categories(visitor.language),
            event_id=self._goods.event.id,
            customer=visitor.customer,
            first_name=visitor.customer.first_name if visitor.customer else "",
            cart_count=visitor.cart.count(),
            notice=notice,
            config=Markup(script_json(config)),
            sdk_present=(SDK / "index.js").exists(),
            **values,
        )
        return str(found)

    def config(
        self, visitor: Visitor, calls: list[dict[str, Any]], template: str, presence: bool
    ) -> dict[str, Any]:
        """What the page's script is told."""
        address = urlsplit(self._settings.harken_url)
        return {
            "writeKey": self._settings.write_key,
            "apiHost": f"{address.netloc}/v1",
            "protocol": address.scheme,
            "anonymousId": visitor.anonymous_id,
            "userId": visitor.customer.user_id if visitor.customer else None,
            "page": template.removesuffix(".html"),
            "calls": calls,
            "presence": presence,
        }

    def categories(self, language: str) -> list[dict[str, str]]:
        return [
            {"id": key, "name": name[language], "line": self._goods.lines[key][language]}
            for key, name in self._goods.categories.items()
        ]

    def cards(self, products: Iterable[Product], language: str) -> list[dict[str, Any]]:
        """Products as templates show them."""
        return [
            {
                "id": p.id,
                "name": p.name[language],
                "line": p.line[language],
                "brand": p.brand,
                "price": p.price,
                "category": p.category,
                "category_name": self._goods.categories[p.category][language],
            }
            for p in products
        ]


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("&", "\\u0026")
