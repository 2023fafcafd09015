"""The tracking API as a raw ASGI app: what Segment's SDKs send, answered once it is durable.

Raw, because a framework that decodes the body for us is several times slower; see docs/ingest.md.
"""

import asyncio
import base64
import binascii
import hmac
import json
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, get_args
from urllib.parse import parse_qs

import msgspec
from msgspec import Raw

from harken.clock import Clock
from harken.decoding import in_words
from harken.errors import BadInput, Denied, HarkenError, TooLarge, TooMany, Unavailable
from harken.ingest import mending, protocol
from harken.ingest.collector import Collector
from harken.ingest.limits import RateLimits
from harken.ingest.protocol import Envelope, Reader, Refused, Rejected, Type
from harken.ingest.waiting import Waiter, Waiting

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

_CALLS: dict[str, Type | None] = {
    **{f"/v1/{call}": call for call in get_args(Type)},
    # The browser SDK's short paths: the first letter of the call.
    **{f"/v1/{call[0]}": call for call in get_args(Type)},
    "/v1/batch": None,
    "/v1/b": None,
    "/v1/import": None,
}
PATHS = frozenset(path.encode() for path in _CALLS)
"""Where the calls are posted to."""
_SETTINGS = re.compile(r"/v1/projects/([^/]+)/settings")
_RETRY_AFTER_FAILURE = 1.0

_JSON = (b"content-type", b"application/json")
_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_ALLOW_POST = ((b"allow", b"POST, OPTIONS"),)
_ALLOW_GET = ((b"allow", b"GET, HEAD"),)


class Reply(msgspec.Struct, frozen=True):
    """An answer."""

    status: int
    body: bytes
    headers: Headers = ()

    def all_headers(self) -> Headers:
        """Also those that every answer has."""
        return _JSON, _ANY_ORIGIN, (b"content-length", b"%d" % len(self.body)), *self.headers


SUCCESS = Reply(200, b'{"success":true}')


class BadRequest(BadInput):
    """The request as a whole cannot be read; `path` says where it is wrong."""

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(reason)
        self.path = path


class Ingest:
    """The app. `keys` are the write keys with their names; looked at anew for each request."""

    def __init__(
        self,
        collector: Collector,
        keys: Mapping[str, str],
        clock: Clock,
        limits: RateLimits | None = None,
    ) -> None:
        self._collector = collector
        self._keys = keys
        self._clock = clock
        self._limits = limits
        self._waiting: Waiting | None = None

    def serves(self, path: str) -> bool:
        """Whether a request for this path is this app's."""
        return path in _CALLS or _SETTINGS.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"].rstrip("/"), scope["method"]
        if path in _CALLS:
            if method == "POST":
                await self._post(path, scope, receive, send)
            elif method == "OPTIONS":
                await _preflight(scope, send)
            else:
                await _answer(send, _problem(405, "use POST", headers=_ALLOW_POST))
        elif found := _SETTINGS.fullmatch(path):
            await self._settings(found[1], scope, send)
        else:
            await _answer(send, _problem(404, f"there is no {path}"))

    async def _post(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        try:
            body = await _read(headers, receive)
        except TooLarge as error:
            await _answer(send, refusal(error))
            return
        except ConnectionResetError:
            return  # the client left before it had sent its request
        reply, durable = self.take(path, headers, scope["query_string"], body)
        try:
            if durable is not None:
                await durable
        except Unavailable as error:
            reply = refusal(error)
        await _answer(send, reply)

    def take(
        self, path: str, headers: Mapping[bytes, bytes], query: bytes, body: bytes
    ) -> "tuple[Reply, asyncio.Future[int] | None]":
        """The answer to a POST, good once the future has its result; without one it is at once."""
        try:
            return self._take(path, headers, query, _inflated(headers, body))
        except HarkenError as error:
            return refusal(error), None

    def _take(
        self, path: str, headers: Mapping[bytes, bytes], query: bytes, body: bytes
    ) -> "tuple[Reply, asyncio.Future[int] | None]":
        received_at = self._clock.now()
        stated = _stated_key(headers, query)
        name = None if stated is None else self._name(stated)
        call = _CALLS[path]
        if call is None:
            envelope = _envelope(body)
            items: list[Raw] | list[bytes] = envelope.batch
            if name is None:
                name = self._name(envelope.write_key or _item_key(items))
        else:
            envelope, items = None, [body]
            if name is None:
                name = self._name(_item_key(items))
        if self._limits is not None:
            self._limits.take(name, len(items))
        try:
            reader = Reader(received_at, call, envelope)
        except Refused as fault:
            raise BadRequest(fault.reason, fault.path) from None
        accepted, rejected = reader.read(items, body)
        if call is None:
            rejected = [_in_batch(row) for row in rejected]
        if not (accepted or rejected):
            return SUCCESS, None
        waiter = self._waiter()
        imported = path == "/v1/import"
        self._collector.take(waiter, accepted, rejected, received_at, len(body), name, imported)
        return (_told(call, rejected) if rejected else SUCCESS), waiter.future

    def _waiter(self) -> Waiter:
        loop = asyncio.get_running_loop()
        if self._waiting is None or self._waiting.loop is not loop:
            self._waiting = Waiting(loop)
        return self._waiting.join()

    def _name(self, key: str | None) -> str:
        """The name of a write key; every known one is compared, in constant time."""
        if not key:
            raise Denied("no write key: give it as the user name of Basic auth, or as `writeKey`")
        given, found = key.encode(), None
        for known, name in self._keys.items():
            if hmac.compare_digest(known.encode(), given):
                found = name
        if found is None:
            raise Denied("this write key is not known")
        return found

    async def _settings(self, key: str, scope: Scope, send: Send) -> None:
        """What analytics.js asks its CDN host for: send everything to where it asked."""
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, _problem(405, "use GET", headers=_ALLOW_GET))
            return
        try:
            self._name(key)
        except Denied as error:
            await _answer(send, _problem(404, str(error)))
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        target = {"apiKey": key, "apiHost": f"{host}/v1", "protocol": scope["scheme"]}
        settings = {
            "integrations": {"Segment.io": target},
            "plan": {"track": {"__default": {"enabled": True}}},
            "metrics": {"sampleRate": 0},
        }
        await _answer(send, Reply(200, msgspec.json.encode(settings)))


def _told(call: Type | None, rejected: list[Rejected]) -> Reply:
    if call is not None:
        return refusal(BadRequest(rejected[0].reason, rejected[0].path))
    listed = [{"index": r.index, "reason": r.reason, "path": r.path} for r in rejected]
    return Reply(200, msgspec.json.encode({"success": True, "rejected": listed}))


def _in_batch(row: Rejected) -> Rejected:
    path = f"$.batch[{row.index}]{row.path[1:]}"
    return Rejected(row.index, row.reason, path, row.excerpt)


async def _read(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The body, never more of it than the limit."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > protocol.BATCH_BYTES:
        raise _too_large()
    first = await receive()
    if first["type"] == "http.disconnect":
        raise ConnectionResetError
    body: bytes = first.get("body", b"")
    if not first.get("more_body", False):
        return _bounded(body)
    parts, size = [body], len(body)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > protocol.BATCH_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large() -> TooLarge:
    return TooLarge(f"a request has at most {protocol.BATCH_BYTES} bytes")


def _bounded(body: bytes) -> bytes:
    if len(body) > protocol.BATCH_BYTES:
        raise _too_large()
    return body


def _inflated(headers: Mapping[bytes, bytes], body: bytes) -> bytes:
    """The body unpacked, to no more than the limit however well it was packed."""
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in (b"gzip", b"x-gzip"):
        raise BadRequest("the only content encoding is gzip")
    inflater = zlib.decompressobj(wbits=31)
    try:
        data = inflater.decompress(body, protocol.BATCH_BYTES + 1)
    except zlib.error as error:
        raise BadRequest(f"bad gzip: {error}") from None
    _bounded(data)
    if not inflater.eof or inflater.unused_data:
        raise BadRequest("bad gzip: cut off, or more after its end")
    return data


def _envelope(body: bytes) -> Envelope:
    try:
        envelope = protocol.decode_envelope(body)
    except protocol.UNREADABLE as error:
        envelope = _mended_envelope(body, error)
    if len(envelope.batch) > protocol.BATCH_EVENTS:
        raise TooLarge(f"a batch has at most {protocol.BATCH_EVENTS} events")
    return envelope


def _mended_envelope(body: bytes, error: Exception) -> Envelope:
    """A batch that is JSON only by the rules of `mending`, each item written anew."""
    try:
        loaded = mending.load(body)
        if isinstance(loaded, dict) and isinstance(loaded.get("batch"), list):
            loaded["batch"] = [_written(item) for item in loaded["batch"]]
            return msgspec.convert(mending.clean_top(loaded), Envelope)
    except (ValueError, RecursionError) as fault:
        reason, _, path = str(fault).partition(" - at `")
        raise BadRequest(in_words(reason), path.rstrip("`") or "$") from None
    raise BadRequest("a batch is an object with `batch`, an array of events", "$.batch") from error


def _written(item: object) -> Raw:
    try:
        return Raw(msgspec.json.encode(mending.clean(item)))
    except ValueError:
        # Too deep: left as it is, to be refused by itself.
        return Raw(json.dumps(item).encode())


def _stated_key(headers: Mapping[bytes, bytes], query: bytes) -> str | None:
    """The write key of the Authorization header, else of the address; None when neither is."""
    scheme, _, coded = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"basic":
        try:
            user = base64.b64decode(coded.strip(), validate=True).partition(b":")[0]
        except binascii.Error:
            raise Denied("the Authorization header is not base64") from None
        return user.decode("utf-8", "replace")
    if query:
        return parse_qs(query.decode("latin-1")).get("writeKey", [None])[0]
    return None


class _Keyed(msgspec.Struct, rename="camel"):
    write_key: str | None = None


_decode_key = msgspec.json.Decoder(_Keyed).decode


def _item_key(items: list[Raw] | list[bytes]) -> str | None:
    """The key that the first item states."""
    if not items:
        return None
    try:
        return _decode_key(items[0]).write_key
    except protocol.UNREADABLE:
        pass
    try:
        item = mending.clean(mending.load(bytes(items[0])))
    except ValueError as error:
        raise BadRequest(str(error)) from None
    key = item.get("writeKey") if isinstance(item, dict) else None
    return key if isinstance(key, str) else None


async def _preflight(scope: Scope, send: Send) -> None:
    """CORS: any page may send events. Source: https://fetch.spec.whatwg.org/#cors-preflight-fetch"""
    asked = dict(scope["headers"]).get(b"access-control-request-headers", b"")
    headers = (
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-allow-headers", asked or b"authorization, content-type"),
        (b"access-control-max-age", b"86400"),
        (b"vary", b"access-control-request-headers"),
    )
    await _answer(send, Reply(204, b"", headers))


def _retry_after(seconds: float) -> tuple[bytes, bytes]:
    return b"retry-after", str(max(1, round(seconds + 0.5))).encode()


def refusal(error: Exception) -> Reply:
    """What is answered to a request that failed so."""
    match error:
        case BadRequest():
            return _problem(400, str(error), error.path)
        case TooLarge():
            return _problem(400, str(error))
        case Denied():
            return _problem(401, str(error), headers=((b"www-authenticate", b"Basic"),))
        case TooMany():
            return _problem(429, str(error), headers=(_retry_after(error.retry_after),))
        case Unavailable():
            return _problem(503, str(error), headers=(_retry_after(_RETRY_AFTER_FAILURE),))
        case _:
            raise error


def _problem(status: int, reason: str, path: str = "$", headers: Headers = ()) -> Reply:
    """`code` and `message` are what segment-analytics-python shows its user."""
    codes = {401: "unauthorized", 404: "not_found", 405: "method_not_allowed"}
    codes |= {429: "too_many", 503: "unavailable"}
    code = codes.get(status, "bad_request")
    body = {"success": False, "code": code, "message": reason, "path": path}
    return Reply(status, msgspec.json.encode(body), headers)


async def _answer(send: Send, reply: Reply) -> None:
    headers = [*reply.all_headers()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
