"""Connected content: feeds of others, asked while a message is rendered.

An answer is cached by its URL and shared by all threads; one question of a kind is under way at a
time. A host that fails is left alone for a while, so that a dead feed does not slow a whole send.
"""

import ssl
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct

from harken.clock import SECOND, Clock
from harken.messages.outside import Feed, Unanswered
from harken.outside.client import httpx
from harken.outside.network import Closed, Networks, Unresolved, address_of, said

LARGEST = 1_000_000
"""Bytes of an answer."""
FAILURES = 3
"""In a row, after which a host is left alone."""
REST = 30 * SECOND
FAILED = 10 * SECOND
"""How long a failure is taken for the answer of its URL."""
MOST_KEPT = 2_000
MOST_BYTES = 32_000_000
THREADS = 32
GRACE = 1.0
"""Seconds that an answer may come later than anybody waits for it: it serves the next."""
# Answers that say that the host is in trouble, besides 5xx (RFC 6585, 9110).
_TROUBLE = frozenset({408, 425, 429})

Header = tuple[str, str] | None
"""A name and a secret value that go along."""
_Question = tuple[str, Header]
"""A URL, and as whom it is asked."""


class Failed(Unanswered):
    """A feed did not answer as it should."""

    def __init__(self, reason: str, *, trouble: bool = False) -> None:
        super().__init__(reason)
        self.trouble = trouble
        """Whether the host is in trouble: others of its answers would fail likewise."""


class _Kept(Struct):
    until: int
    size: int
    answer: Any = None
    failure: Failed | None = None


class _Host(Struct):
    failures: int = 0
    closed_until: int = 0


class Feeds:
    """Asks feeds. All methods may be called by several threads."""

    def __init__(self, clock: Clock, allowed: Networks = ()) -> None:
        """`allowed` are networks of our own that feeds may be on."""
        self._clock, self._allowed = clock, allowed
        # A question may be answered in the very thread that asks, while it holds the lock.
        self._lock = threading.RLock()
        self._kept: OrderedDict[_Question, _Kept] = OrderedDict()
        self._bytes = 0
        self._hosts: dict[str, _Host] = {}
        self._under_way: dict[_Question, Future[tuple[Any, int]]] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="feed")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()

    def ask(self, feed: Feed, header: Header = None) -> Any:
        """What the feed says: JSON as plain values, else text. Raises Unanswered."""
        question = (feed.url, header)
        with self._lock:
            kept = self._fresh(question)
            if kept is None:
                under_way = self._under_way.get(question) or self._begin(feed, question)
        if kept is not None:
            return _said(kept)
        try:
            return under_way.result(feed.timeout)[0]
        except NotInTime:
            url = httpx.URL(feed.url)
            self._late(question, under_way, _place(url))
            raise Failed(f"{url.host} did not answer within {feed.timeout:g} s") from None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fresh(self, question: _Question) -> _Kept | None:
        kept = self._kept.get(question)
        if kept is None:
            return None
        if kept.until <= self._clock.now():
            self._drop(question)
            return None
        self._kept.move_to_end(question)
        return kept

    def _begin(self, feed: Feed, question: _Question) -> "Future[tuple[Any, int]]":
        """Start to ask. Raises Failed at once for a host that is left alone."""
        try:
            url = httpx.URL(feed.url)
        except (httpx.InvalidURL, UnicodeError, ValueError) as wrong:
            raise Failed(f"its address cannot be read: {wrong}") from None
        place, now = _place(url), self._clock.now()
        host = self._hosts.setdefault(place, _Host())
        if host.failures >= FAILURES:
            if now < host.closed_until:
                raise Failed(f"{url.host} failed {host.failures} times in a row and is left alone")
            # One may try; the others wait for what becomes of it.
            host.closed_until = now + REST
        future = self._pool.submit(self._fetch, url, feed.timeout, question[1])
        self._under_way[question] = future
        # Told in the thread that fetched, also when nobody waits any more.
        future.add_done_callback(lambda done: self._done(question, done, place, feed.cache))
        return future

    def _done(
        self, question: _Question, future: "Future[tuple[Any, int]]", place: str, cache: int
    ) -> None:
        if future.cancelled():
            return
        with self._lock:
            late = self._under_way.get(question) is not future
            if not late:
                del self._under_way[question]
            failure, now = future.exception(), self._clock.now()
            if failure is None:
                answer, size = future.result()
                self._note(place, trouble=False)
                if cache:
                    self._keep(question, _Kept(now + cache * SECOND, size, answer))
            elif isinstance(failure, Failed) and not late:
                self._note(place, trouble=failure.trouble)
                self._keep(question, _Kept(now + FAILED, 0, failure=failure))

    def _late(self, question: _Question, future: "Future[tuple[Any, int]]", place: str) -> None:
        """Somebody waited in vain: counted once, whoever waited."""
        with self._lock:
            if self._under_way.get(question) is future:
                del self._under_way[question]
                self._note(place, trouble=True)

    def _note(self, place: str, *, trouble: bool) -> None:
        host = self._hosts[place]
        host.failures = host.failures + 1 if trouble else 0
        if host.failures >= FAILURES:
            host.closed_until = self._clock.now() + REST

    def _keep(self, question: _Question, kept: _Kept) -> None:
        if question in self._kept:
            self._drop(question)
        self._kept[question] = kept
        self._bytes += kept.size
        while len(self._kept) > MOST_KEPT or self._bytes > MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, question: _Question) -> None:
        self._bytes -= self._kept.pop(question).size

    def _fetch(self, url: httpx.URL, seconds: float, header: Header) -> tuple[Any, int]:
        """The answer and its size. Raises Failed, and nothing else."""
        seconds += GRACE
        deadline = time.monotonic() + seconds
        try:
            address = address_of(url.host, _port(url), self._allowed)
        except Closed as closed:
            problem = f"{closed}; feeds on networks of our own need HARKEN_PRIVATE_NETWORKS"
            raise Failed(problem) from None
        except Unresolved as fault:
            raise Failed(str(fault), trouble=True) from None
        headers = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": "Harken",
            "Accept": "application/json, text/*;q=0.9",
            # As it is: what is packed small could unpack to more than memory holds.
            "Accept-Encoding": "identity",
            **dict([header] if header else []),
        }
        # To the address that was looked at; no redirects and no proxies, which could lead
        # elsewhere. A client for each: a kept connection would be one of another host's name.
        with httpx.Client(
            verify=self._tls, timeout=seconds, follow_redirects=False, trust_env=False
        ) as client:
            try:
                request = client.build_request(
                    "GET",
                    url.copy_with(host=address),
                    headers=headers,
                    extensions={"sni_hostname": url.host},
                )
                answer = client.send(request, stream=True)
                body = _body(answer, url.host, deadline)
            except httpx.HTTPError as fault:
                raise Failed(f"{url.host} does not answer: {said(fault)}", trouble=True) from None
            except (httpx.InvalidURL, UnicodeError, ValueError) as wrong:
                raise Failed(f"{url.host} cannot be asked: {wrong}") from None
        return _read(body, answer.headers.get("content-type", ""), url.host), len(body)


def _body(answer: httpx.Response, host: str, deadline: float) -> bytes:
    if not answer.is_success:
        code = answer.status_code
        what = f"{code}, a redirect, which is not followed" if answer.is_redirect else str(code)
        raise Failed(f"{host} answered {what}", trouble=code >= 500 or code in _TROUBLE)
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise Failed(f"{host} answered in an encoding that was not asked for")
    parts, size = [], 0
    for part in answer.iter_raw():
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise Failed(f"{host} answered more than {LARGEST:,} bytes")
        if time.monotonic() > deadline:
            raise Failed(f"{host} did not answer in time", trouble=True)
    return b"".join(parts)


def _read(body: bytes, content_type: str, host: str) -> Any:
    """JSON, whatever it is called, else text that is called text."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        if not kind.startswith("text/"):
            raise Failed(f"{host} answered {kind or 'something'} that is not JSON") from None
    return body.decode("utf-8", "replace")


def _said(kept: _Kept) -> Any:
    if kept.failure is not None:
        raise Failed(str(kept.failure)) from None
    return kept.answer


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _place(url: httpx.URL) -> str:
    return f"{url.host}:{_port(url)}"
