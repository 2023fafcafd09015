"""How a command reaches Harken: a server's REST API, or the same API over a folder, in-process."""

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol

import msgspec
from cyclopts import Group, Parameter

from harken.errors import (
    BadDefinition,
    BadInput,
    Conflict,
    Denied,
    Fault,
    NotFound,
    ServerFault,
    Unavailable,
)

if TYPE_CHECKING:
    import httpx

DEFAULT_SERVER = "http://127.0.0.1:8600"
ANSWER_SECONDS = 120.0
JSON = "application/json"

_GROUP = Group("Connection", sort_key=50)


@Parameter(name="*", group=_GROUP)
@dataclass(frozen=True, kw_only=True)
class Connection:
    """Which Harken is asked, and in what form it answers."""

    server: Annotated[str, Parameter(env_var="HARKEN_SERVER")] = DEFAULT_SERVER
    """The server's address. Its secret key is taken from HARKEN_SECRET_KEY."""
    data: Path | None = None
    """A data folder that no server uses; it is opened in this process instead."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Answer with JSON, for programs."""

    @contextmanager
    def open(self) -> Iterator["Client"]:
        """The API. Raises HarkenError when it cannot be reached."""
        with self.transport() as transport:
            yield Client(transport)

    @contextmanager
    def transport(self) -> Iterator["Transport"]:
        """What carries requests. Raises HarkenError when there is nothing to ask."""
        transport: Transport
        if self.data is None:
            transport = Server(self.server)
        else:
            from harken.cli.inprocess import Folder

            transport = Folder(self.data)
        try:
            yield transport
        finally:
            transport.close()


class Ask(NamedTuple):
    """A request, as it is to be sent."""

    method: str
    path: str
    authorization: str
    questions: Mapping[str, Any] = {}
    body: bytes = b""
    kind: str = JSON
    """The media type of the body, if there is one."""

    def http(self) -> dict[str, Any]:
        """As httpx takes it."""
        # An empty file is sent as what it is called, too: that it is empty is then what is wrong.
        headers = {"Content-Type": self.kind} if self.body or self.kind != JSON else {}
        if self.authorization:
            headers["Authorization"] = self.authorization
        return {
            "method": self.method,
            "url": self.path,
            "params": self.questions,
            "content": self.body or None,
            "headers": headers,
        }


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    content_type: str
    body: bytes
    retry_after: str = ""


class Transport(Protocol):
    """Carries a request to Harken and its answer back."""

    authorization: str
    """Opens the API."""
    write_authorization: str
    """Lets events in; empty where a write key has to be given."""
    in_flight: int
    """Requests that may wait for their answer at the same time, each in a thread of its own."""

    def send(self, ask: Ask) -> Answer: ...

    def stream(self, ask: Ask) -> Iterator[bytes]:
        """An answer piece by piece. Raises an error of `harken.errors` when it is a problem."""

    def close(self) -> None: ...


class Server:
    """A server, by HTTP."""

    in_flight = 4

    def __init__(self, address: str) -> None:
        import httpx

        if not address.startswith(("http://", "https://")):
            raise BadInput(f"--server {address!r} is no address; write http://host:port")
        self._address = address.rstrip("/")
        self.authorization = bearer(os.environ.get("HARKEN_SECRET_KEY", ""))
        self.write_authorization = ""
        try:
            self._http = httpx.Client(base_url=self._address, timeout=ANSWER_SECONDS)
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise BadInput(f"--server {address!r} cannot be used: {error}") from None

    def send(self, ask: Ask) -> Answer:
        import httpx

        try:
            return answered(self._http.request(**ask.http()))
        except httpx.HTTPError as error:
            raise self._silent(error) from None

    def stream(self, ask: Ask) -> Iterator[bytes]:
        import httpx

        try:
            with self._http.stream(**ask.http()) as answer:
                if not answer.is_success:
                    answer.read()
                    raise problem(answered(answer))
                yield from answer.iter_bytes()
        except httpx.HTTPError as error:
            raise self._silent(error) from None

    def _silent(self, error: "httpx.HTTPError") -> Unavailable:
        import httpx

        if isinstance(error, httpx.ConnectError):
            return Unavailable(
                f"no Harken answers at {self._address}; start one with "
                "`harken serve --data DIR`, or name it with --server or HARKEN_SERVER"
            )
        what = str(error) or type(error).__name__
        return Unavailable(f"{self._address} does not answer: {what}")

    def close(self) -> None:
        self._http.close()


def answered(answer: "httpx.Response") -> Answer:
    """What came back by HTTP, read to its end."""
    return Answer(
        answer.status_code,
        answer.headers.get("content-type", ""),
        answer.content,
        answer.headers.get("retry-after", ""),
    )


def bearer(secret_key: str) -> str:
    """The Authorization header of a secret key (RFC 6750); empty for none. Raises BadInput."""
    if not secret_key.isascii() or not secret_key.isprintable() or " " in secret_key:
        raise BadInput("HARKEN_SECRET_KEY is no key: it holds blanks or characters beyond ASCII")
    return f"Bearer {secret_key}" if secret_key else ""


def basic(write_key: str) -> str:
    """The Authorization header of a write key (RFC 7617); empty for none."""
    coded = base64.b64encode(f"{write_key}:".encode("utf-8", "surrogateescape")).decode()
    return f"Basic {coded}" if write_key else ""


class Client:
    """The API's verbs. Each raises an error of `harken.errors` when the answer is a problem."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, path: str, **questions: Any) -> Any:
        return self._ask("GET", path, questions)

    def post(self, path: str, body: Any = None, **questions: Any) -> Any:
        return self._ask("POST", path, questions, body)

    def put(self, path: str, body: Any) -> Any:
        return self._ask("PUT", path, {}, body)

    def send_file(self, method: str, path: str, content: bytes, kind: str, **questions: Any) -> Any:
        """Send a file of a media type."""
        return _value(path, self._checked(method, path, questions, content, kind))

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path, {})

    def stream(self, path: str, **questions: Any) -> Iterator[bytes]:
        """An answer of any length that is no JSON, piece by piece."""
        return self._transport.stream(self._to("GET", path, questions))

    def fetch(self, path: str, **questions: Any) -> bytes:
        """An answer that is no JSON."""
        return self._checked("GET", path, questions, b"").body

    def _ask(self, method: str, path: str, questions: Mapping[str, Any], body: Any = None) -> Any:
        content = b"" if body is None else msgspec.json.encode(body)
        return _value(path, self._checked(method, path, questions, content))

    def _checked(
        self, method: str, path: str, questions: Mapping[str, Any], body: bytes, kind: str = JSON
    ) -> Answer:
        answer = self._transport.send(self._to(method, path, questions, body, kind))
        if 200 <= answer.status < 300:
            return answer
        raise problem(answer)

    def _to(
        self,
        method: str,
        path: str,
        questions: Mapping[str, Any],
        body: bytes = b"",
        kind: str = JSON,
    ) -> Ask:
        given = {name: value for name, value in questions.items() if value not in (None, "", [])}
        authorization = self._transport.authorization
        return Ask(method, f"/api/v1{path}", authorization, given, body, kind)


def _value(path: str, answer: Answer) -> Any:
    if not answer.body:
        return None
    try:
        return msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        raise ServerFault(f"this is no Harken: {path} answered with something else") from None


_ERRORS = {400: BadInput, 401: Denied, 404: NotFound, 409: Conflict, 503: Unavailable}


def problem(answer: Answer) -> Exception:
    """An answer that is a problem (RFC 9457) as an error, with all its faults."""
    if "json" not in answer.content_type:
        return ServerFault(f"the server answered {answer.status} and nothing that Harken says")
    found = msgspec.json.decode(answer.body)
    if not isinstance(found, dict):
        return ServerFault(f"the server answered {answer.status}")
    if faults := found.get("faults"):
        return BadDefinition(msgspec.convert(faults, list[Fault], strict=False))
    lines = [str(found.get("detail") or found.get("title") or f"status {answer.status}")]
    lines += [str(error) for error in found.get("errors", [])]
    if answer.status == 401:
        lines[0] += " (the CLI takes it from HARKEN_SECRET_KEY)"
    if answer.status == 500 and found.get("request_id"):
        lines[0] += f" (request {found['request_id']})"
    if answer.retry_after:
        lines.append(f"try again in {answer.retry_after} s")
    return _ERRORS.get(answer.status, ServerFault)("\n  ".join(lines))


def quoted(text: str) -> str:
    """A value as one part of a path."""
    from urllib.parse import quote

    if text in ("", ".", ".."):
        raise BadInput(f"{text!r} names nothing")
    return quote(text, safe="")


def content_of(file: Path, most: int | None = None) -> bytes:
    """What is in a file. Raises BadInput when it cannot be read, or has more bytes than `most`."""
    try:
        if most is not None and file.stat().st_size > most:
            raise BadInput(f"{file} has more than {most // 1_000_000} MB")
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}") from None


def property_of(text: str, option: str) -> tuple[str, Any]:
    """`cart_value=250` as a name and a value: JSON where it reads as such, else text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise BadInput(f"{option} {text!r}: write NAME=VALUE")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
