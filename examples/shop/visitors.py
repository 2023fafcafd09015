"""Who is in the shop and what lies in their carts; all in memory, and no clock of its own.

Times are seconds on one steady clock, given by the caller.
"""

import hashlib
import secrets
import uuid
from typing import Any

from msgspec import Struct, field

from examples.shop.catalogue import Catalogue
from examples.shop.places import STORES

# A browser that hangs or loses its network says no good-bye; so many silent seconds say it.
SILENT_AFTER = 8.0
MOST_VISITORS = 5_000


class Customer(Struct, kw_only=True):
    """Someone who signed up."""

    user_id: str
    email: str
    first_name: str
    last_name: str
    language: str
    country: str
    loyalty_member: bool
    news: bool
    birthday: str = ""
    """An ISO date, if they told it."""
    store: str = ""
    """The city of the store next to them, if any."""

    def traits(self) -> dict[str, Any]:
        """What the shop tells Harken of them."""
        found: dict[str, Any] = {
            "email": self.email,
            "first_name": self.first_name,
            "language": self.language,
            "country": self.country,
            "loyalty_member": self.loyalty_member,
        }
        for key in ("last_name", "birthday"):
            if told := getattr(self, key):
                found[key] = told
        if self.store:
            found["location"] = STORES[self.store].location()
        return found


class Cart(Struct, kw_only=True):
    """What someone means to buy. Every change raises `version`."""

    id: str = field(default_factory=lambda: f"cart_{uuid.uuid4().hex[:12]}")
    lines: dict[str, int] = field(default_factory=dict)
    version: int = 0
    reported: int = 0
    """The version last reported as abandoned."""

    def put(self, product_id: str, quantity: int) -> None:
        """Have `quantity` (0 to 9) of a product in the cart; 0 takes it out."""
        self.lines.pop(product_id, None) if quantity <= 0 else self.lines.update(
            {product_id: min(quantity, 9)}
        )
        self.version += 1

    def count(self) -> int:
        return sum(self.lines.values())


class Visitor(Struct, kw_only=True):
    """One browser."""

    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    anonymous_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    language: str = "en"
    customer: Customer | None = None
    cart: Cart = field(default_factory=Cart)
    calls: list[dict[str, Any]] = field(default_factory=list)
    """SDK calls that the next page makes in the browser."""
    notice: dict[str, str] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: float = 0.0
    left: float | None = None
    """When they left, if they did."""

    def here(self, now: float) -> None:
        """A page was opened or is still looked at."""
        self.seen, self.left = now, None

    def gone(self, now: float) -> None:
        """The page was closed or hidden."""
        self.left = self.left or now

    def left_at(self, now: float) -> float | None:
        """When they left: as the browser said, or when it fell silent; None while here."""
        if self.left is not None:
            return self.left
        return self.seen if now - self.seen > SILENT_AFTER else None

    def cart_state(self, now: float) -> str:
        """`empty`, `here`, `left` or `reported`."""
        if not self.cart.lines:
            return "empty"
        if self.cart.reported == self.cart.version:
            return "reported"
        return "here" if self.left_at(now) is None else "left"

    def call(self, method: str, *arguments: Any) -> None:
        """Have the browser's SDK make a call on the next page."""
        self.calls.append({"method": method, "arguments": list(arguments)})

    def track(self, event: str, properties: dict[str, Any]) -> None:
        self.call("track", event, properties)

    def sender(self) -> dict[str, str]:
        """The identifiers that a server-side call carries."""
        found = {"anonymousId": self.anonymous_id}
        if self.customer:
            found["userId"] = self.customer.user_id
        return found


class Visitors:
    """All visitors and customers; forgets the longest unseen visitor when there are too many."""

    def __init__(self) -> None:
        self._visitors: dict[str, Visitor] = {}
        self._customers: dict[str, Customer] = {}

    def find(self, key: str | None) -> Visitor | None:
        return self._visitors.get(key or "")

    def add(self, visitor: Visitor) -> Visitor:
        if len(self._visitors) >= MOST_VISITORS:
            oldest = min(self._visitors.values(), key=lambda v: v.seen)
            del self._visitors[oldest.key]
        self._visitors[visitor.key] = visitor
        return visitor

    def sign_up(self, customer: Customer) -> None:
        self._customers[customer.email] = customer

    def customer(self, email: str) -> Customer | None:
        return self._customers.get(email)

    def abandoned(self, now: float, after: float) -> list[Visitor]:
        """Who left a cart behind `after` seconds ago or more, and was not reported since."""
        return [v for v in self._visitors.values() if self._is_abandoned(v, now, after)]

    @staticmethod
    def _is_abandoned(visitor: Visitor, now: float, after: float) -> bool:
        left = visitor.left_at(now)
        return visitor.cart_state(now) == "left" and left is not None and now - left >= after


def user_id(email: str) -> str:
    """The same person keeps one id, also when the shop starts anew and has forgotten them."""
    return "customer_" + hashlib.sha256(email.encode()).hexdigest()[:12]


def product_lines(
    lines: dict[str, int], goods: Catalogue, language: str, site: str
) -> list[dict[str, Any]]:
    """Products in the form of the e-commerce spec, dearest first, named in a language."""
    found = [
        {
            "product_id": product.id,
            "sku": product.sku,
            "name": product.name[language],
            "brand": product.brand,
            "category": product.category,
            "price": product.price,
            "quantity": quantity,
            "url": f"{site}/product/{product.id}",
            "image_url": f"{site}/static/art/{product.id}.png",
        }
        for product_id, quantity in lines.items()
        if (product := goods.product(product_id))
    ]
    return sorted(found, key=lambda line: (-int(line["price"]), str(line["product_id"])))


def cart_properties(visitor: Visitor, goods: Catalogue, site: str) -> dict[str, Any]:
    """A cart as event properties; `brand` is that of its dearest product."""
    products = product_lines(visitor.cart.lines, goods, visitor.language, site)
    return {
        "cart_id": visitor.cart.id,
        "cart_value": sum(p["price"] * p["quantity"] for p in products),
        "currency": goods.currency,
        "brand": products[0]["brand"] if products else "",
        "cart_url": f"{site}/cart",
        "products": products,
    }
