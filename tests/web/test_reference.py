"""The API's description is exact: documented, typed, and true under fuzzing."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from web_kit import SECRET, Shop

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
METHODS = ("get", "put", "post", "patch", "delete")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("fuzzed") / "data")
    made.apply()
    made.customer()
    made.leaves_cart()
    yield made
    made.close()


@pytest.fixture(scope="module")
def api_schema(fuzzed: Shop) -> Any:
    document = fuzzed.ask("GET", "/api/v1/openapi.json", key=None).json()
    return schemathesis.openapi.from_dict(document)


def described(shop: Shop) -> set[str]:
    document = shop.ask("GET", "/api/v1/openapi.json", key=None).json()
    return {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }


def served(shop: Shop) -> dict[str, set[str]]:
    """The methods of each path."""
    return {
        route.path_format: {name.upper() for name in METHODS} & set(route.methods)
        for route in shop.app.rest.routes
        if hasattr(route, "methods")
    }


def namesakes(shop: Shop) -> set[str]:
    return {
        f"GET {route.path_format}"
        for route in shop.app.rest.routes
        for handler in getattr(route, "route_handlers", ())
        if handler.opt.get("namesake")
    }


def test_no_route_hides_a_thing_that_is_called_as_its_last_part_is(shop: Shop) -> None:
    found = served(shop)
    for path, methods in found.items():
        for other, needed in found.items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/{}]+", other), path):
                assert needed <= methods, f"{path} hides {needed - methods} of {other}"


def test_every_route_is_documented_and_every_documented_one_exists(shop: Shop) -> None:
    routes = {f"{method} {path}" for path, methods in served(shop).items() for method in methods}
    lines = DOCS.read_text().splitlines()
    documented = {
        found[0]
        for line in lines
        for found in [re.findall(r"^\| `((?:GET|PUT|POST|PATCH|DELETE) /[^ `?]*)", line)]
        if found
    }
    assert documented == routes - namesakes(shop)
    assert described(shop) <= routes


def test_the_page_for_people_lists_every_route_and_loads_nothing(shop: Shop) -> None:
    page = shop.ask("GET", "/api/docs", key=None)
    for route in described(shop):
        assert route in page.text
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


EXAMPLES = 8
"""Requests of a route in each mode: valid ones, and ones that the description forbids."""
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_any_request_gets_an_answer_that_was_promised(
    fuzzed: Shop, api_schema: Any, mode: GenerationMode
) -> None:
    words = {word for route in described(fuzzed) for word in route.split("/") if "{" not in word}
    for found in api_schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def holds(case: Any) -> None:
            answer = _ask(fuzzed, case)
            # A name that was drawn may be a word of another route: `/coupons/codes/...`.
            if answer.status_code != 405 or words.isdisjoint((case.path_parameters or {}).values()):
                case.validate_response(answer, checks=CHECKS)

        with suppress(Unsatisfiable):
            # Of a route without anything to get wrong there is nothing negative.
            holds()


def _ask(shop: Shop, case: Any) -> Response:
    """Send a case to the application in this process."""
    given_ = case.as_transport_kwargs(base_url="http://harken")
    request = requests.Request(**given_).prepare()
    headers = dict(request.headers)
    if headers.get("Authorization", "").startswith("Bearer "):
        # A well-formed key was asked for: give the true one.
        headers["Authorization"] = f"Bearer {SECRET}"
    answer = shop.ask(
        str(request.method),
        str(request.url).removeprefix("http://harken"),
        key=None,
        content=request.body,
        headers=headers,
    )
    return Response(
        status_code=answer.status_code,
        headers={name: [value] for name, value in answer.headers.items()},
        content=answer.content,
        request=request,
        elapsed=0.0,
        verify=False,
        message=answer.reason_phrase,
        http_version="1.1",
    )
