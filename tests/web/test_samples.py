"""What messages are tried on where no event of the customer's own starts the journey."""

from typing import Any

from web_kit import PROJECT, Shop

WORDS = {"subject": "On {{ event.properties.date | default: 'some day' }}", "html": "<p>Hi</p>"}
HELLO = {"message": "hello", "channel": "email", "default": WORDS}


def journey(**entry: Any) -> dict[str, Any]:
    return {"journey": "greeting", "entry": entry, "steps": [HELLO]}


def project(**entry: Any) -> dict[str, Any]:
    return {**PROJECT, "journeys": {"greeting": {"source": journey(**entry)}}}


def preview(shop: Shop, user: str) -> str:
    wish = {"journey": "greeting", "step": "hello", "user_id": user}
    return str(shop.post("/preview", wish)["subject"])


def covered(shop: Shop, wanted: dict[str, Any]) -> int:
    """How many customers the message was tried on."""
    [cover] = shop.post("/definitions/plan", wanted)["warnings"]["coverage"]
    return int(cover["customers"])


def test_a_date_entry_is_tried_on_those_who_have_the_date(shop: Shop) -> None:
    shop.customer("u1", birthday="1990-03-10")
    shop.customer("u2")
    shop.customer("u3", birthday="soon")
    wanted = project(date="birthday", yearly=True)
    assert covered(shop, wanted) == 1
    shop.apply(wanted)
    assert preview(shop, "u1") == "On 2026-03-10"
    assert preview(shop, "u2") == "On some day"


def test_a_date_that_is_past_is_shown_as_it_is(shop: Shop) -> None:
    shop.customer("u1", joined="2020-05-05")
    shop.apply(project(date="joined"))
    assert preview(shop, "u1") == "On 2020-05-05"


def test_an_attribute_that_nobody_has_is_told(shop: Shop) -> None:
    shop.customer("u1", birthday="1990-03-10")
    checked = shop.post("/definitions/check", project(date="birthdy"))
    [fault] = [one for one in checked["faults"] if one["name"] == "greeting"]
    assert (fault["path"], fault["warning"]) == ("$.entry.date", True)
    assert "did you mean `birthday`?" in fault["problem"]


def test_an_attribute_that_a_journey_gives_is_not_called_unknown(shop: Shop) -> None:
    """A count of reminders is nobody's before the first one."""
    shop.customer("u1")
    asks = {**PROJECT, "segments": {"s": {"segment": "s", "rule": {"attribute": "n", "gt": 1}}}}
    assert "attribute `n`" in str(shop.post("/definitions/check", asks)["faults"])
    count = {"journey": "c", "entry": {"event": "Go"}, "steps": [{"update": {"n": {"add": 1}}}]}
    asks["journeys"] = {"c": {"source": count}}
    assert "attribute `n`" not in str(shop.post("/definitions/check", asks)["faults"])


def test_an_ignored_message_is_tried_on_those_who_were_sent_it(open_shop: Shop) -> None:
    open_shop.leaves_cart()
    entry = {"outcome": "ignored", "journey": "abandoned-cart", "within": "24h"}
    hello = {**HELLO, "default": {**WORDS, "subject": "{{ event.properties.within }}"}}
    wanted = project(**entry)
    wanted["journeys"]["greeting"]["source"]["steps"] = [hello]
    wanted["journeys"] = {**PROJECT["journeys"], **wanted["journeys"]}
    assert covered(open_shop, wanted) == 1
    other = {**wanted, "journeys": {**wanted["journeys"]}}
    named = {**journey(**{**entry, "message": "nudge"}), "steps": [hello]}
    other["journeys"]["greeting"] = {"source": named}
    assert covered(open_shop, other) == 1


def test_a_preview_of_a_place_names_the_place(shop: Shop) -> None:
    words = {**WORDS, "subject": "At {{ event.properties.place | default: 'some place' }}"}
    greeting = {**journey(place="store"), "steps": [{**HELLO, "default": words}]}
    places = {"store": {"latitude": 1, "longitude": 2, "radius": 100}}
    workspace = {**PROJECT["workspace"], "places": places}
    shop.customer("u1")
    shop.apply({"workspace": workspace, "journeys": {"greeting": {"source": greeting}}})
    assert preview(shop, "u1") == "At store"


def test_a_preview_of_a_schedule_says_when_it_comes(shop: Shop) -> None:
    words = {**WORDS, "subject": "{{ event.properties.occurrence }}"}
    due = {"schedule": "2999-01-01T10:00", "audience": {"attribute": "email", "exists": True}}
    greeting = {**journey(**due), "steps": [{**HELLO, "default": words}]}
    shop.customer("u1")
    shop.apply({**PROJECT, "journeys": {"greeting": {"source": greeting}}})
    assert preview(shop, "u1") == "2999-01-01T10:00"
