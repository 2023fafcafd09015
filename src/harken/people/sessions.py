"""Sessions: what a customer does between two silences."""

from typing import Any

from harken.people.profile import Session, Trigger

MOST_PRODUCTS = 50
MOST_NAMES = 200
LONGEST_TEXT = 2_000
_SEEN = ("Product Viewed", "Product Added", "Product Removed")
_NUMBERS = (int, float, bool)
_KEPT = ("product_id", "sku", "name", "brand", "category", "price", "quantity", "image_url", "url")


def begin(event: Trigger) -> Session:
    """A session that the event opens."""
    return Session(started=event.at, last=event.at)


def follow(session: Session, event: Trigger) -> None:
    """Count an event into the session."""
    name = event.name
    session.last = max(session.last, event.at)
    if name in session.events or len(session.events) < MOST_NAMES:
        session.events[name] = session.events.get(name, 0) + 1
    if name in _SEEN and len(session.products) < MOST_PRODUCTS:
        product: dict[str, Any] = {"event": name}
        for key in _KEPT:
            value = event.properties.get(key)
            if value is not None and _fits(value):
                product[key] = value
        session.products.append(product)


def summary(session: Session) -> dict[str, Any]:
    """What `$session_ended` carries: times, counts, products seen, and the value in the cart."""
    return {
        "started_at": session.started,
        "duration": (session.last - session.started) / 1000,
        "events": session.events,
        "products": session.products,
        "cart_value": cart_value(session),
        "ordered": "Order Completed" in session.events,
    }


def cart_value(session: Session) -> float:
    """Price times quantity of what was added and not removed; 0 once it was ordered."""
    if "Order Completed" in session.events:
        return 0.0
    total = 0.0
    for product in session.products:
        sign = {"Product Added": 1, "Product Removed": -1}.get(product["event"], 0)
        total += sign * _number(product.get("price")) * _number(product.get("quantity", 1))
    return round(max(total, 0.0), 2)


def _fits(value: Any) -> bool:
    """A plain value of a bearable size: fifty of them stand in the customer's document."""
    kind = type(value)
    return len(value) < LONGEST_TEXT if kind is str else kind in _NUMBERS


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
