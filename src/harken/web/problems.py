"""Errors as RFC 9457 problem details: the one place where errors get an HTTP status."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    ValidationException,
)
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import ParameterKwarg
from litestar.typing import FieldDefinition
from msgspec import Struct

from harken.decoding import WORDS, in_words
from harken.errors import (
    BadDefinition,
    BadInput,
    BadLines,
    Conflict,
    Damaged,
    Denied,
    Fault,
    NotFound,
    Refused,
    TooLarge,
    TooMany,
    Unavailable,
)
from harken.files.words import did_you_mean
from harken.logs import structlog
from harken.reports.words import counted

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 2
"""Seconds after which a try at storage that failed is welcome again."""

log = structlog.get_logger("web")


class Problem(Struct, omit_defaults=True, kw_only=True):
    """What is wrong, as RFC 9457 has it."""

    title: str
    status: int
    detail: str = ""
    faults: list[Fault] = []
    """Of definitions: everything that is wrong with them, each with its place."""
    errors: list[str] = []
    """Of a request: each parameter or field that is wrong."""
    reason: str = ""
    """Of a coupon that is not good: why, in one word."""
    request_id: str = ""
    """Names the request in Harken's logs."""


TITLES = {
    400: "Bad request",
    401: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Bad definition",
    429: "Too many requests",
    500: "Fault of the server",
    503: "Unavailable",
}

STATUS: dict[type[Exception], int] = {
    BadDefinition: 422,
    TooLarge: 413,
    BadInput: 400,
    Denied: 401,
    NotFound: 404,
    Conflict: 409,
    TooMany: 429,
    Unavailable: 503,
    Damaged: 503,
    # A body that msgspec gave up on: nested too deep, or text that is no UTF-8.
    RecursionError: 400,
    UnicodeError: 400,
}


def status_of(error: Exception) -> int:
    """The HTTP status of an error; 500 for one that was not meant to happen."""
    if isinstance(error, HTTPException):
        return error.status_code
    return next((status for type_, status in STATUS.items() if isinstance(error, type_)), 500)


def not_there(kind: str, name: str, known: Iterable[str]) -> NotFound:
    """The error that there is no such thing; it names the one that may have been meant."""
    return NotFound(f"there is no {kind} {name!r}{did_you_mean(name, known)}")


def problem_of(error: Exception, request: Request[Any, Any, Any]) -> Problem:
    """An error in the form in which the API tells it. An unexpected one tells no details."""
    status = status_of(error)
    problem = Problem(
        title=TITLES.get(status, "Error"),
        status=status,
        request_id=request_id(request),
        detail=str(error),
    )
    if isinstance(error, BadDefinition):
        problem.detail = counted(len(error.faults), "fault")
        problem.faults = list(error.faults)
    elif isinstance(error, BadLines):
        problem.errors = list(error.lines)
    elif isinstance(error, Refused):
        problem.reason = error.reason
    elif isinstance(error, HTTPException):
        problem.detail = error.detail
        if isinstance(error, ValidationException):
            problem.detail = "the request is not as it has to be"
            asked = request.route_handler.parsed_fn_signature.parameters
            problem.errors = [_told(each, asked) for each in error.extra or []]
    elif isinstance(error, RecursionError | UnicodeError):
        problem.detail = "the body is nested too deep, or is no UTF-8"
    elif status == 500:
        problem.detail = "something went wrong here; the log says what"
    return problem


def headers_of(error: Exception) -> dict[str, str]:
    """The headers that belong to an error."""
    if isinstance(error, Denied):
        return {"WWW-Authenticate": 'Bearer realm="harken"'}
    if isinstance(error, TooMany):
        return {"Retry-After": str(max(1, round(error.retry_after + 0.5)))}
    if isinstance(error, Unavailable | Damaged):
        return {"Retry-After": str(RETRY_AFTER)}
    if isinstance(error, HTTPException) and error.headers:
        return {name: value for name, value in error.headers.items() if name.lower() == "allow"}
    return {}


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything that programs ask."""
    problem = problem_of(error, request)
    if left(error):
        # Nobody hears the answer, and it is no fault of ours.
        log.info("client_left")
    elif problem.status == 503:
        log.warning("request_not_served", fault=str(error))
    elif problem.status >= 500:
        log.error("request_failed", status=problem.status, exc_info=error)
    # A path or value may hold a lone surrogate, which JSON cannot.
    problem.detail = problem.detail.encode("utf-8", "replace").decode()
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers_of(error),
    )


def left(error: Exception) -> bool:
    """Whether who asked hung up before all of the request had come."""
    return isinstance(error, InternalServerException) and "client disconnected" in error.detail


def request_id(request: Request[Any, Any, Any]) -> str:
    return str(request.scope.get("harken.request_id", ""))


def _told(each: Any, asked: Mapping[str, FieldDefinition]) -> str:
    """One thing wrong with a request, by the parameters of the function that answers it."""
    if not isinstance(each, dict):
        return str(each)
    source, key, known = each.get("source", ""), str(each.get("key", "")), WORDS
    one = asked.get(key)
    if one is not None and isinstance(one.kwarg_definition, ParameterKwarg):
        # A parameter may be called otherwise than the function's own.
        key = one.kwarg_definition.query or key
        if get_origin(one.annotation) is Literal:
            known = ", ".join(map(str, get_args(one.annotation)))
    where = " ".join(word for word in (getattr(source, "value", source), key) if word)
    if each.get("message") == "'data'":
        # Litestar's own lookup failed: there is no body to be read.
        return "the request has no body; it takes JSON"
    said = in_words(str(each.get("message", "")), known)
    return f"{where}: {said}" if where else said


def responses(*statuses: int) -> dict[int, ResponseSpec]:
    """For OpenAPI: the problems that a route may answer with, besides those that all may."""
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            description=TITLES[status],
            media_type=MEDIA_TYPE,
        )
        for status in sorted({400, 401, 413, *statuses, 500, 503})
    }
