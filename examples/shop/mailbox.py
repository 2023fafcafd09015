"""The page that shows what Harken did: mails that the sandbox caught, segments, and why."""

import time
from typing import Any

from litestar import Response, get
from litestar.exceptions import NotFoundException
from markupsafe import Markup

from examples.shop.backend import HarkenDown
from examples.shop.catalogue import words
from examples.shop.floor import Asked, Floor
from examples.shop.groups import NAMES, word
from examples.shop.pages import script_json
from examples.shop.visitors import Visitor

# What the page's script says, and where it stands in `words.yaml`.
SAID = {
    "empty": "mailbox_empty",
    "down": "mailbox_down",
    "nobody": "why_nobody",
    "nothing": "scenes_nothing",
    "you_are": "you_are",
    "anonymous": "you_anonymous",
    "cart_here": "cart_state_here",
    "cart_left": "cart_state_left",
    "cart_reported": "cart_state_reported",
    "warming": "segments_warming",
    "mine": "segments_mine",
}


@get("/mailbox")
async def mailbox_page(request: Asked) -> Response[str]:
    """The page itself; to read mail is not to be in the shop, so it is no sign of life."""
    floor: Floor = request.app.state.floor
    said = words(floor.visitor(request).language)
    names = {name: said[word(name)] for name in NAMES}
    shown = Markup(
        script_json({short: said[key] for short, key in SAID.items()} | {"segments": names})
    )
    return floor.page(request, "mailbox.html", {"mailbox_words": shown}, presence=False)


@get("/mailbox/data")
async def mailbox_data(request: Asked) -> dict[str, Any]:
    """Everything that the page refreshes."""
    floor: Floor = request.app.state.floor
    visitor = floor.visitor(request)
    found: dict[str, Any] = {"you": about(visitor), "cart": cart_state(floor, visitor)}
    try:
        found["mails"] = await floor.harken.mails()
        known = await floor.harken.person(person(visitor))
        found["why"] = await floor.harken.why(person(visitor), visitor.language) if known else None
        found["segments"] = await segments(floor, known or {})
    except HarkenDown:
        found |= {"mails": None, "why": None, "segments": None}
    return found


async def segments(floor: Floor, known: dict[str, Any]) -> list[dict[str, Any]]:
    """How each segment stands, and whether the visitor is in it. Raises HarkenDown."""
    mine = known.get("segments", {})
    every = await floor.groups.known(time.monotonic())
    return [one | {"mine": one["name"] in mine} for one in every]


@get("/mailbox/mail/{mail_id:str}")
async def one_mail(request: Asked, mail_id: str) -> dict[str, Any]:
    floor: Floor = request.app.state.floor
    try:
        found = await floor.harken.mail(mail_id)
    except HarkenDown:
        found = None
    if found is None:
        raise NotFoundException
    return found


def person(visitor: Visitor) -> str:
    """How Harken's API names the visitor."""
    if visitor.customer:
        return f"user:{visitor.customer.user_id}"
    return f"anonymous:{visitor.anonymous_id}"


def about(visitor: Visitor) -> dict[str, Any]:
    customer = visitor.customer
    return {
        "user_id": customer.user_id if customer else None,
        "name": customer.first_name if customer else None,
        "email": customer.email if customer else None,
    }


def cart_state(floor: Floor, visitor: Visitor) -> dict[str, Any]:
    """The cart's state and worth."""
    worth = sum(
        product.price * quantity
        for product_id, quantity in visitor.cart.lines.items()
        if (product := floor.goods.product(product_id))
    )
    return {"state": visitor.cart_state(time.monotonic()), "value": worth}


ROUTES = [mailbox_page, mailbox_data, one_mail]
