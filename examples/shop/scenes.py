"""The page that plays the scenarios: a button sends their events, and Harken's answer is shown."""

import uuid
from functools import cache
from typing import Any

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.response import Redirect
from markupsafe import Markup
from msgspec import Struct, convert

from examples.shop.backend import HarkenDown
from examples.shop.catalogue import HERE, LANGUAGES, Text, read_yaml, words
from examples.shop.floor import Asked, Floor
from examples.shop.mailbox import person
from examples.shop.pages import script_json
from examples.shop.visitors import Visitor

NEW = "{new}"
"""Stands in a call for an id that is another each time."""
SUNK = frozenset({"atlantis", "아틀란티스"})
SKIES = {
    "en": ("sun", "clouds", "rain"),
    "ko": ("맑음", "흐림", "비"),
    "id": ("cerah", "berawan", "hujan"),
}
SAID = {"nothing": "scenes_nothing", "down": "mailbox_down"}


class Play(Struct, frozen=True):
    """A button: what it says, and the Segment calls that it sends, in order."""

    label: Text
    calls: list[dict[str, Any]]


class Scene(Struct, frozen=True):
    """A scenario: its journeys, and what a visitor can do in it."""

    journeys: list[str]
    title: Text
    text: Text
    plays: list[Play]


@cache
def scenes() -> list[Scene]:
    """Every scene of `scenes.yaml`, in order."""
    return convert(read_yaml(HERE / "scenes.yaml"), list[Scene])


@get("/scenes")
async def scenes_page(request: Asked) -> Response[str]:
    """The page; like the mail box it is no sign of life."""
    floor: Floor = request.app.state.floor
    visitor = floor.visitor(request)
    language = visitor.language
    shown = [
        {
            "number": number,
            "title": scene.title[language],
            "text": scene.text[language],
            "plays": [
                {"number": place, "label": play.label[language]}
                for place, play in enumerate(scene.plays)
            ],
        }
        for number, scene in enumerate(scenes())
    ]
    said = words(language)
    told = Markup(script_json({short: said[key] for short, key in SAID.items()}))
    values = {"scenes": shown, "scenes_words": told}
    return floor.page(request, "scenes.html", values, presence=False)


@post("/scenes/{number:int}/{place:int}")
async def play(request: Asked, number: int, place: int) -> Redirect:
    """Send what a button stands for, as the visitor's own doing."""
    floor: Floor = request.app.state.floor
    visitor = floor.visitor(request)
    every = scenes()
    if not (number < len(every) and place < len(every[number].plays)):
        raise NotFoundException
    if visitor.customer is None:
        return floor.go(visitor, "/sign-up")
    new = uuid.uuid4().hex[:10]
    try:
        for call in every[number].plays[place].calls:
            await floor.harken.send(visitor.sender(), filled(call, new, visitor.language))
        floor.say(visitor, "scenes_sent")
    except HarkenDown:
        floor.say(visitor, "mailbox_down")
    return floor.go(visitor, f"/scenes#scene-{number}")


def filled(value: Any, new: str, language: str) -> Any:
    """A call with its new ids in their places, and its words in the visitor's language."""
    if isinstance(value, dict):
        if value.keys() == set(LANGUAGES):
            return value[language]
        return {key: filled(inner, new, language) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, new, language) for inner in value]
    return new if value == NEW else value


@get("/scenes/data")
async def scenes_data(request: Asked) -> dict[str, Any]:
    """By scene: what was decided about the visitor in each of its journeys."""
    floor: Floor = request.app.state.floor
    visitor = floor.visitor(request)
    try:
        return {"scenes": [await told_of(floor, visitor, scene) for scene in scenes()]}
    except HarkenDown:
        return {"scenes": None}


async def told_of(floor: Floor, visitor: Visitor, scene: Scene) -> list[dict[str, Any]]:
    """Harken's answers to why, of the journeys that have something to tell."""
    found = []
    for journey in scene.journeys:
        answer = await floor.harken.why_of(person(visitor), journey, visitor.language)
        if answer and answer.get("story"):
            story = [{"at": line["at"], "text": line["text"]} for line in answer["story"]]
            found.append({"journey": journey, "answer": answer["answer"], "story": story})
    return found


@get("/weather/{city:str}", sync_to_thread=False)
def weather(city: str, language: str = "en") -> Response[dict[str, Any]]:
    """A feed of weather, of this shop's own making. It is down for a city that has sunk."""
    if city.casefold() in SUNK:
        return Response({"error": "no weather today"}, status_code=503)
    high = 10 + sum(map(ord, city)) % 15
    sky = SKIES.get(language, SKIES["en"])[high % 3]
    rain = 80 if high % 3 == 2 else 10
    return Response({"sky": sky, "low": high - 7, "high": high, "rain": rain})


ROUTES = [scenes_page, play, scenes_data, weather]
