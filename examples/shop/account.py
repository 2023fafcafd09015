"""Signing up, logging in and out, the language, and whether a visitor is still there."""

import re
import time
import uuid
from datetime import date

from litestar import Response, get, post
from litestar.response import Redirect

from examples.shop.catalogue import LANGUAGES
from examples.shop.floor import COOKIE, Asked, Floor, form, local_path
from examples.shop.places import STORES
from examples.shop.visitors import Customer, Visitor, user_id

COUNTRIES = ("US", "KR", "ID", "GB")
USUAL_COUNTRY = {"en": "US", "ko": "KR", "id": "ID"}
OLDEST = 1900
"""The year before which nobody here was born."""
ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\"]+")


def known_fields(visitor: Visitor) -> dict[str, str]:
    """What forms start with."""
    customer = visitor.customer
    return {
        "first_name": customer.first_name if customer else "",
        "last_name": customer.last_name if customer else "",
        "email": customer.email if customer else "",
        "language": visitor.language,
        "country": customer.country if customer else USUAL_COUNTRY[visitor.language],
        "birthday": customer.birthday if customer else "",
        "store": customer.store if customer else "",
    }


def account_page(
    request: Asked, template: str, fields: dict[str, str], problem: str = ""
) -> Response[str]:
    floor: Floor = request.app.state.floor
    values = {
        "fields": fields,
        "problem": problem,
        "countries": list(COUNTRIES),
        "stores": list(STORES),
        "oldest": f"{OLDEST}-01-01",
    }
    return floor.page(request, template, values, status=400 if problem else 200)


@get("/sign-up")
async def sign_up_page(request: Asked) -> Response[str]:
    floor: Floor = request.app.state.floor
    return account_page(request, "sign-up.html", known_fields(floor.visitor(request)))


@post("/sign-up", status_code=200)
async def sign_up(request: Asked) -> Response[str] | Redirect:
    floor: Floor = request.app.state.floor
    visitor = floor.visitor(request)
    fields = known_fields(visitor) | await form(request)
    problem = sign_up_problem(fields)
    if problem:
        return account_page(request, "sign-up.html", fields, problem)
    customer = new_customer(fields)
    floor.visitors.sign_up(customer)
    visitor.customer = customer
    visitor.language = customer.language
    visitor.call("identify", customer.user_id, customer.traits() | {"news": customer.news})
    visitor.track("Signed Up", {"type": "form", "first_name": customer.first_name})
    return floor.go(visitor, "/")


def sign_up_problem(fields: dict[str, str]) -> str:
    """Which word of `words.yaml` says what is wrong with a sign-up; empty when nothing is."""
    if not fields["first_name"]:
        return "bad_name"
    return "" if ADDRESS.fullmatch(fields["email"]) else "bad_email"


def new_customer(fields: dict[str, str]) -> Customer:
    """A customer from a form that has no problem."""
    email = fields["email"].lower()
    language = fields["language"] if fields["language"] in LANGUAGES else LANGUAGES[0]
    country = fields["country"] if fields["country"] in COUNTRIES else COUNTRIES[0]
    return Customer(
        user_id=user_id(email),
        email=email,
        first_name=fields["first_name"],
        last_name=fields["last_name"],
        language=language,
        country=country,
        loyalty_member="loyalty_member" in fields,
        news="news" in fields,
        birthday=iso_date(fields["birthday"]),
        store=fields["store"] if fields["store"] in STORES else "",
    )


def iso_date(text: str) -> str:
    """A date of a form as ISO has it; empty for what is none or long past."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return ""
    return str(found) if found.year >= OLDEST else ""


@get("/log-in")
async def log_in_page(request: Asked) -> Response[str]:
    return account_page(request, "log-in.html", {"email": ""})


@post("/log-in", status_code=200)
async def log_in(request: Asked) -> Response[str] | Redirect:
    """By address alone: the demo keeps no secrets, and so asks for none."""
    floor: Floor = request.app.state.floor
    visitor = floor.visitor(request)
    fields = {"email": ""} | await form(request)
    customer = floor.visitors.customer(fields["email"].lower())
    if customer is None:
        return account_page(request, "log-in.html", fields, "log_in_unknown")
    visitor.customer = customer
    visitor.language = customer.language
    visitor.call("identify", customer.user_id, customer.traits())
    visitor.track("Signed In", {"type": "form"})
    return floor.go(visitor, "/")


@post("/log-out")
async def log_out(request: Asked) -> Redirect:
    """The next visitor on this browser is someone else."""
    floor: Floor = request.app.state.floor
    old = floor.visitor(request)
    fresh = floor.visitors.add(Visitor(language=old.language, anonymous_id=str(uuid.uuid4())))
    fresh.here(time.monotonic())
    old.gone(time.monotonic())
    return floor.go(fresh, "/")


@post("/language")
async def set_language(request: Asked) -> Redirect:
    floor: Floor = request.app.state.floor
    visitor = floor.visitor(request)
    fields = await form(request)
    wanted = fields.get("language", "")
    if wanted in LANGUAGES and wanted != visitor.language:
        visitor.language = wanted
        if visitor.customer:
            visitor.customer.language = wanted
            visitor.call("identify", visitor.customer.user_id, {"language": wanted})
    return floor.go(visitor, local_path(fields.get("back", "/")))


@post("/presence", status_code=204)
async def presence(request: Asked) -> None:
    """What the page's script says: `here` now and then, `left` when it is closed or hidden."""
    floor: Floor = request.app.state.floor
    visitor = floor.visitors.find(request.cookies.get(COOKIE))
    if visitor is None:
        return
    if (await request.body())[:8] == b"left":
        visitor.gone(time.monotonic())
    else:
        visitor.here(time.monotonic())


ROUTES = [
    sign_up_page, sign_up, log_in_page, log_in, log_out, set_language, presence,
]  # fmt: skip
