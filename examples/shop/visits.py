"""One visit of a customer to the shop, as the calls that the SDK and the shop would send."""

from random import Random
from typing import Any

from examples.shop.catalogue import Catalogue, Product
from examples.shop.people import Person
from examples.shop.visitors import product_lines
from harken.clock import MINUTE, SECOND, iso

SITE = "https://kelana.example"
EVENT_PAGE = 0.12
"""The share of visits that begin with the event."""


class Visit:
    """Writes calls down while the customer walks through the shop."""

    def __init__(self, person: Person, goods: Catalogue, start: int, random: Random) -> None:
        self.calls: list[tuple[int, dict[str, Any]]] = []
        self.at = start
        self._person = person
        self._goods = goods
        self._random = random
        self._language = person.home.language
        self._cart: dict[str, int] = {}
        self.ordered = False

    def walk(self, known: bool, signs_up: bool, created_at: int) -> None:
        """The whole visit. `known`: logged in from the start; `signs_up`: does so on the way."""
        self._known = known
        if known:
            self.identify(created_at)
        self.page("home", "/")
        if self._random.random() < EVENT_PAGE:
            self._look_at_the_event()
        self._look_around()
        if signs_up:
            self.page("sign-up", "/sign-up")
            self._known = True
            self.identify(self.at)
            self.track("Signed Up", {"type": "form"})
        if self._cart:
            self._to_the_till()

    def identify(self, created_at: int) -> None:
        person = self._person
        traits = {
            "first_name": person.first_name,
            "last_name": person.last_name,
            "email": person.email,
            "language": person.home.language,
            "country": person.home.country,
            "city": person.city,
            "timezone": person.zone,
            "loyalty_member": person.loyalty_member,
            "birthday": person.birthday,
            "location": person.place.location(),
            "news": person.number % 9 != 0,
            "created_at": iso(created_at),
        }
        self._write({"type": "identify", "traits": traits})

    def page(self, name: str, path: str) -> None:
        properties = {"path": path, "url": SITE + path, "title": "Kelana"}
        self._write({"type": "page", "name": name, "properties": properties})
        self._pause(4, 25)

    def track(self, event: str, properties: dict[str, Any]) -> None:
        self._write({"type": "track", "event": event, "properties": properties})
        self._pause(3, 20)

    def _look_at_the_event(self) -> None:
        event = self._goods.event.id
        self.page("event", f"/event/{event}")
        self.track("Promotion Viewed", {"promotion_id": event, "name": "The long weekend"})

    def _look_around(self) -> None:
        random = self._random
        persona = self._person.persona
        if random.random() < 0.22:
            product = self._favourite()
            self.track("Products Searched", {"query": product.name[self._language].lower()})
        else:
            shown = self._favourite().category
            self.track("Product List Viewed", {"list_id": shown, "category": shown})
        for _ in range(1 + min(int(random.expovariate(0.7)), 5)):
            product = self._favourite()
            self.track("Product Viewed", self._line(product, 1))
            self._pause(15, 90)
            if random.random() < persona.add / 1.6:
                self._cart[product.id] = 1 + (random.random() < 0.12)
                self.track("Product Added", self._line(product, self._cart[product.id]))

    def _to_the_till(self) -> None:
        random = self._random
        persona = self._person.persona
        cart_id = f"cart_{random.getrandbits(48):012x}"
        cart = self._cart_properties(cart_id)
        self.track("Cart Viewed", cart)
        if len(self._cart) > 1 and random.random() < 0.15:
            product_id, quantity = self._cart.popitem()
            (product,) = self._goods.chosen([product_id])
            self.track("Product Removed", self._line(product, quantity))
            cart = self._cart_properties(cart_id)
        if random.random() < persona.checkout:
            self.track("Checkout Started", cart)
            self._pause(40, 200)
            if self._known and random.random() < persona.order:
                self.track("Order Completed", self._order(cart))
                self.ordered = True
                return
        self.at += 30 * MINUTE
        self.track("Cart Abandoned", cart)

    def _order(self, cart: dict[str, Any]) -> dict[str, Any]:
        return {
            "order_id": f"KL-{self._random.getrandbits(32):08X}",
            "cart_id": cart["cart_id"],
            "total": cart["cart_value"],
            "revenue": cart["cart_value"],
            "shipping": 0,
            "currency": cart["currency"],
            "products": cart["products"],
        }

    def _cart_properties(self, cart_id: str) -> dict[str, Any]:
        products = product_lines(self._cart, self._goods, self._language, SITE)
        return {
            "cart_id": cart_id,
            "cart_value": sum(p["price"] * p["quantity"] for p in products),
            "currency": self._goods.currency,
            "brand": products[0]["brand"],
            "products": products,
        }

    def _line(self, product: Product, quantity: int) -> dict[str, Any]:
        found = product_lines({product.id: quantity}, self._goods, self._language, SITE)[0]
        return found | {"currency": self._goods.currency}

    def _favourite(self) -> Product:
        """Mostly of the category they like; cheap things are looked at more often."""
        products = self._goods.products
        weights = [
            (3.0 if p.category == self._person.category else 1.0) * (1.3 if p.price < 120 else 0.8)
            for p in products
        ]
        return self._random.choices(products, weights)[0]

    def _pause(self, least: int, most: int) -> None:
        self.at += self._random.randint(least, most) * SECOND

    def _write(self, call: dict[str, Any]) -> None:
        person = self._person
        who: dict[str, Any] = {"anonymousId": person.anonymous_id}
        if self._known:
            who["userId"] = person.user_id
        language = person.home.language
        context = {
            "library": {"name": "analytics.js", "version": "npm:next-1.84.3"},
            "locale": f"{language}-{person.home.country}",
            "timezone": person.zone,
            "device": {"type": "mobile" if person.phone else "desktop"},
        }
        self.calls.append((self.at, {**call, **who, "context": context, "timestamp": iso(self.at)}))
