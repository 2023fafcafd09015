"""The pages of the shop: home, category, product, event, search, cart, checkout and order."""

import secrets
from typing import Any

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.response import Redirect

from examples.shop.account import known_fields
from examples.shop.catalogue import Product
from examples.shop.floor import Asked, Floor, form, local_path, track
from examples.shop.visitors import Cart, Visitor, cart_properties, product_lines


def of(request: Asked) -> Floor:
    """The shop that was asked."""
    floor: Floor = request.app.state.floor
    return floor


def listed(floor: Floor, visitor: Visitor, products: list[Product]) -> list[dict[str, Any]]:
    """Products of a list as event properties."""
    lines = product_lines(
        {p.id: 1 for p in products}, floor.goods, visitor.language, floor.settings.site
    )
    order = {p.id: position for position, p in enumerate(products, 1)}
    kept = ("product_id", "sku", "name", "brand", "category", "price")
    found = [
        {key: line[key] for key in kept} | {"position": order[line["product_id"]]} for line in lines
    ]
    return sorted(found, key=lambda line: int(line["position"]))


def one(floor: Floor, visitor: Visitor, product_id: str, quantity: int = 1) -> dict[str, Any]:
    """One product as event properties."""
    found = product_lines(
        {product_id: quantity}, floor.goods, visitor.language, floor.settings.site
    )[0]
    return found | {"currency": floor.goods.currency}


@get("/")
async def home(request: Asked) -> Response[str]:
    floor = of(request)
    language = floor.visitor(request).language
    featured = floor.goods.chosen(
        ["weekender", "reading-lamp", "chelsea-boot", "wool-overshirt",
         "celadon-bowls", "ridge-runner", "day-tote", "batik-throw"]
    )  # fmt: skip
    heroes = floor.goods.chosen(["weekender", "rain-shell", "pourover-set"])
    values = {
        "featured": floor.pages.cards(featured, language),
        "heroes": floor.pages.cards(heroes, language),
    }
    return floor.page(request, "home.html", values)


@get("/category/{category:str}")
async def category_page(request: Asked, category: str) -> Response[str]:
    floor = of(request)
    visitor = floor.visitor(request)
    products = floor.goods.in_category(category)
    if not products:
        raise NotFoundException
    shown = next(c for c in floor.pages.categories(visitor.language) if c["id"] == category)
    viewed = {
        "list_id": category,
        "category": category,
        "products": listed(floor, visitor, products),
    }
    values = {"category": shown, "products": floor.pages.cards(products, visitor.language)}
    return floor.page(request, "category.html", values, [track("Product List Viewed", viewed)])


@get("/product/{product_id:str}")
async def product_page(request: Asked, product_id: str) -> Response[str]:
    floor = of(request)
    visitor = floor.visitor(request)
    product = floor.goods.product(product_id)
    if product is None:
        raise NotFoundException
    values = {
        "product": floor.pages.cards([product], visitor.language)[0],
        "beside": floor.pages.cards(floor.goods.beside(product), visitor.language),
    }
    # Back on the page after adding the product is no second view of it.
    viewed = [] if visitor.calls else [track("Product Viewed", one(floor, visitor, product_id))]
    return floor.page(request, "product.html", values, viewed)


@get("/event/{event_id:str}")
async def event_page(request: Asked, event_id: str) -> Response[str]:
    floor = of(request)
    visitor = floor.visitor(request)
    if event_id != floor.goods.event.id:
        raise NotFoundException
    products = floor.goods.chosen(floor.goods.event.products)
    viewed = {"promotion_id": event_id, "name": "The long weekend"}
    values = {"products": floor.pages.cards(products, visitor.language)}
    return floor.page(request, "event.html", values, [track("Promotion Viewed", viewed)])


@get("/search")
async def search(request: Asked, q: str = "") -> Response[str]:
    floor = of(request)
    visitor = floor.visitor(request)
    query = q[:100].strip()
    products = floor.goods.search(query)
    calls = [track("Products Searched", {"query": query, "results": len(products)})]
    values = {"query": query, "products": floor.pages.cards(products, visitor.language)}
    return floor.page(request, "search.html", values, calls if query else [])


@post("/cart/set")
async def set_cart(request: Asked) -> Redirect:
    """Add a product (`add`), or have so many of it (`quantity`), then go `back`."""
    floor = of(request)
    visitor = floor.visitor(request)
    fields = await form(request)
    product = floor.goods.product(fields.get("product_id", ""))
    if product is None:
        raise NotFoundException
    had = visitor.cart.lines.get(product.id, 0)
    wanted = had + number(fields.get("add")) if "add" in fields else number(fields.get("quantity"))
    wanted = min(max(wanted, 0), 9)
    if wanted != had:
        visitor.cart.put(product.id, wanted)
        change = one(floor, visitor, product.id, abs(wanted - had))
        event = "Product Added" if wanted > had else "Product Removed"
        visitor.track(event, {**change, "cart_id": visitor.cart.id})
        said = "added" if wanted > had else "removed"
        floor.say(visitor, said, product.name[visitor.language])
    return floor.go(visitor, local_path(fields.get("back", "/cart")))


def number(text: str | None) -> int:
    """A small whole number from a form; what is none counts as 0."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 4 else 0


def cart_values(floor: Floor, visitor: Visitor) -> dict[str, Any]:
    found = cart_properties(visitor, floor.goods, floor.settings.site)
    return {"lines": found["products"], "total": found["cart_value"]}


@get("/cart")
async def cart_page(request: Asked) -> Response[str]:
    floor = of(request)
    visitor = floor.visitor(request)
    viewed = cart_properties(visitor, floor.goods, floor.settings.site)
    calls = [track("Cart Viewed", viewed)] if visitor.cart.lines else []
    return floor.page(request, "cart.html", cart_values(floor, visitor), calls)


@get("/checkout")
async def checkout_page(request: Asked) -> Response[str]:
    floor = of(request)
    visitor = floor.visitor(request)
    if not visitor.cart.lines:
        return floor.page(request, "cart.html", cart_values(floor, visitor))
    begun = cart_properties(visitor, floor.goods, floor.settings.site)
    values = cart_values(floor, visitor) | {"fields": known_fields(visitor), "problem": ""}
    return floor.page(request, "checkout.html", values, [track("Checkout Started", begun)])


@post("/checkout", status_code=200)
async def place_order(request: Asked) -> Response[str] | Redirect:
    """Take the order. A guest's address is told to Harken, so that a confirmation can go out."""
    floor = of(request)
    visitor = floor.visitor(request)
    fields = await form(request)
    if not visitor.cart.lines:
        return floor.go(visitor, "/cart")
    if "@" not in fields.get("email", "") or not fields.get("first_name"):
        problem = "bad_name" if "@" in fields.get("email", "") else "bad_email"
        values = cart_values(floor, visitor) | {"fields": fields, "problem": problem}
        return floor.page(request, "checkout.html", values, status=400)
    order = order_properties(floor, visitor)
    if visitor.customer is None:
        kept = {key: fields[key] for key in ("email", "first_name", "last_name") if fields.get(key)}
        visitor.call("identify", None, kept | {"language": visitor.language})
    visitor.track("Order Completed", order)
    visitor.orders[order["order_id"]] = order
    visitor.cart = Cart()
    return floor.go(visitor, f"/order/{order['order_id']}")


def order_properties(floor: Floor, visitor: Visitor) -> dict[str, Any]:
    found = cart_properties(visitor, floor.goods, floor.settings.site)
    total = found["cart_value"]
    order_id = f"KL-{secrets.token_hex(3).upper()}"
    return {
        "order_id": order_id,
        "cart_id": found["cart_id"],
        "total": total,
        "revenue": total,
        "shipping": 0,
        "currency": found["currency"],
        "order_url": f"{floor.settings.site}/order/{order_id}",
        "products": found["products"],
    }


@get("/order/{order_id:str}")
async def order_page(request: Asked, order_id: str) -> Response[str]:
    floor = of(request)
    order = floor.visitor(request).orders.get(order_id)
    if order is None:
        raise NotFoundException
    return floor.page(request, "order.html", {"order": order})


ROUTES = [
    home, category_page, product_page, event_page, search,
    set_cart, cart_page, checkout_page, place_order, order_page,
]  # fmt: skip
