"""Uploaded lists: a file becomes who stands on the list, and makes no customers."""

import threading
from typing import Any

import httpx
import pytest
from web_kit import PROJECT, Shop

from harken.inputs import Listed


def upload(shop: Shop, text: str | bytes, name: str = "guests") -> httpx.Response:
    body = text.encode() if isinstance(text, str) else text
    answer = shop.ask(
        "PUT", f"/api/v1/lists/{name}", content=body, headers={"Content-Type": "text/csv"}
    )
    shop.harken.settle()
    return answer


def on_list(shop: Shop, user: str, name: str = "guests") -> bool:
    profile = shop.services.store.profiles([int(shop.get(f"/people/{user}")["profile_id"])])
    return name in next(iter(profile.values())).lists


@pytest.fixture
def guests(shop: Shop) -> Shop:
    """A shop with three customers."""
    for user in ("u1", "u2", "u3"):
        shop.customer(user)
    return shop


def test_a_file_becomes_the_list_and_the_next_file_replaces_it(guests: Shop) -> None:
    first = upload(guests, "name,user_id\nMinji,u1\nBudi,u2\n").json()
    assert (first["members"], first["added"], first["removed"]) == (2, 2, 0)
    assert [on_list(guests, user) for user in ("u1", "u2", "u3")] == [True, True, False]
    second = upload(guests, "user_id\nu2\nu3\n").json()
    assert (second["members"], second["added"], second["removed"]) == (2, 1, 1)
    assert [on_list(guests, user) for user in ("u1", "u2", "u3")] == [False, True, True]
    shown = guests.get("/lists/guests")
    assert (shown["members"], shown["by"]) == (2, "key environment")
    assert guests.get("/lists")["lists"] == [shown]


def test_the_same_file_again_changes_nothing(guests: Shop) -> None:
    text = "user_id\nu1\nu1\n"
    assert upload(guests, text).json()["added"] == 1
    again = upload(guests, text).json()
    assert (again["members"], again["added"], again["removed"]) == (1, 0, 0)


def test_who_was_identified_a_moment_ago_is_known(guests: Shop) -> None:
    guests.identify("new")
    assert upload(guests, "user_id\nnew\n").json()["members"] == 1


def test_a_list_makes_no_customers(guests: Shop) -> None:
    answer = upload(guests, "user_id\nu1\nnobody\n\n" + "x" * 400 + "\n").json()
    assert (answer["members"], answer["refused_lines"]) == (1, 2)
    assert [(one["line"], one["problem"]) for one in answer["refused"]] == [
        (5, "a user id has at most 300 characters"),
        (3, "no customer has this user id"),
    ]
    assert guests.ask("GET", "/api/v1/people/nobody").status_code == 404


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "one of them `user_id`; found: none"),
        (b"email\na@b.example\n", "an e-mail address is no identity"),
        (b"user_id\n\xff\xfe\n", "no UTF-8"),
        (b'user_id\n"u1\n' + b"x" * 200_000, "no CSV"),
        (b'user_id\n"u1\nu2\n', "line 3 is no CSV"),
        (b"user_id,user_id\nu1,u2\n", "two columns are called `user_id`"),
    ],
    ids=["empty", "mail addresses", "other text", "a long cell", "an open quote", "twice"],
)
def test_a_file_that_cannot_be_read_is_refused(guests: Shop, body: bytes, says: str) -> None:
    answer = upload(guests, body)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]
    assert guests.get("/lists")["lists"] == []


@pytest.mark.parametrize(
    "text", ["a;user_id\n1;u1\n", "a\tuser_id\n1\tu1\n", "\ufeffuser_id\r\nu1\r\n"]
)
def test_files_of_spreadsheets_are_read(guests: Shop, text: str) -> None:
    assert upload(guests, text).json()["members"] == 1


def test_a_count_waits_until_history_has_what_the_engine_handled(guests: Shop) -> None:
    upload(guests, "user_id\nu1\n")
    second = int(guests.get("/people/u2")["profile_id"])
    guests.services.collector.append_commands([(second, Listed("guests", True))]).result(10)
    while guests.harken.engine.turn():
        pass
    late = threading.Timer(0.2, guests.harken.feeder.flush)
    late.start()
    assert guests.get("/lists/guests")["members"] == 2
    late.join()


def test_a_file_that_names_nobody_who_is_known_empties_no_list(guests: Shop) -> None:
    upload(guests, "user_id\nu1\n")
    answer = upload(guests, "user_id\n1001\n1002\n")
    assert answer.status_code == 400
    assert "line 2: 1001: no customer has this user id" in answer.json()["detail"]
    assert on_list(guests, "u1")
    assert upload(guests, "user_id\n").json()["removed"] == 1


def test_who_was_joined_into_another_stands_there_as_the_other(guests: Shop) -> None:
    guests.post("/people/u1/merge", {"absorb": "u2"})
    guests.harken.settle()
    assert upload(guests, "user_id\nu1\nu2\n").json()["members"] == 1


def test_who_was_forgotten_is_on_no_list(guests: Shop) -> None:
    upload(guests, "user_id\nu1\nu2\n")
    assert guests.ask("DELETE", "/api/v1/people/u1").status_code == 200
    guests.harken.settle()
    assert guests.get("/lists/guests")["members"] == 1
    assert upload(guests, "user_id\nu1\nu2\n").json()["refused_lines"] == 1


def test_removing_takes_everybody_off(guests: Shop) -> None:
    upload(guests, "user_id\nu1\n")
    assert guests.ask("DELETE", "/api/v1/lists/guests").status_code == 204
    guests.harken.settle()
    assert not on_list(guests, "u1")
    assert guests.ask("DELETE", "/api/v1/lists/guests").status_code == 404


def test_a_list_that_a_definition_asks_for_stays(guests: Shop) -> None:
    upload(guests, "user_id\nu1\n")
    segment: dict[str, Any] = {"segment": "invited", "rule": {"all": [{"in_list": "guests"}]}}
    guests.apply({**PROJECT, "segments": {"invited": segment}})
    refused = guests.ask("DELETE", "/api/v1/lists/guests")
    assert refused.status_code == 409
    assert "segment invited" in refused.json()["detail"]


def test_a_name_that_no_rule_could_use_is_refused(guests: Shop) -> None:
    assert upload(guests, "user_id\nu1\n", "..%20x").status_code == 400


def test_nothing_is_exchanged_while_it_is_not_known_who_is_on_the_list(guests: Shop) -> None:
    """History that cannot be asked: the list stays, and the caller is told to try again."""
    upload(guests, "user_id\nu1\n")
    guests.harken.history.close()
    answer = guests.ask("PUT", "/api/v1/lists/guests", content=b"user_id\nu2\n")
    assert answer.status_code == 503
    assert [on_list(guests, user) for user in ("u1", "u2")] == [True, False]
