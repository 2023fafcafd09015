"""Feeds, asked for real: a server on loopback that answers well, badly, slowly and elsewhere."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harken.clock import SettableClock
from harken.config import Settings
from harken.messages.outside import Feed, Unanswered, Unasked
from harken.outside.feeds import FAILURES, LARGEST, MOST_BYTES, Failed, Feeds
from harken.outside.fetching import Fetching
from harken.outside.network import networks
from harken.workspace import Account, Workspace

LOOPBACK = networks("127.0.0.1,::1")


class Server(ThreadingHTTPServer):
    """Answers by path, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.open = threading.Event()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        getattr(self, f"on_{self.path.strip('/').partition('?')[0]}")()

    def answer(
        self, body: bytes, kind: str = "application/json", code: int = 200, **more: str
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def on_json(self) -> None:
        self.answer(json.dumps({"number": len(self.server.asked)}).encode())

    def on_text(self) -> None:
        self.answer("Regen, 12°".encode(), "text/plain; charset=utf-8")

    def on_plainjson(self) -> None:
        self.answer(b'{"sky": "sun"}', "text/plain")

    def on_html(self) -> None:
        self.answer(b"\x89PNG", "image/png")

    def on_broken(self) -> None:
        self.answer(b'{"sky": ')

    def on_deep(self) -> None:
        self.answer(b"[" * 100_000 + b"]" * 100_000)

    def on_large(self) -> None:
        self.answer(b" " * (LARGEST + 1))

    def on_full(self) -> None:
        self.answer(b" " * (LARGEST - 2) + b"{}")

    def on_packed(self) -> None:
        self.answer(gzip.compress(b"1" * 100), Content_Encoding="gzip")

    def on_elsewhere(self) -> None:
        self.answer(b"", code=302, Location=self.server.url("/json"))

    def on_missing(self) -> None:
        self.answer(b"{}", code=404)

    def on_down(self) -> None:
        self.answer(b"{}", code=503)

    def on_busy(self) -> None:
        self.answer(b"{}", code=429)

    def on_waits(self) -> None:
        self.server.open.wait(20)
        self.on_json()

    def on_drips(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while not self.server.open.wait(0.05):
                self.wfile.write(b" ")
        except OSError:
            self.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.open.set()
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(1_750_000_000_000)


@pytest.fixture
def feeds(clock: SettableClock) -> Iterator[Feeds]:
    made = Feeds(clock, LOOPBACK)
    yield made
    made.close()


def feed(url: str, timeout: float = 5, cache: int = 60) -> Feed:
    return Feed(url=url, timeout=timeout, cache=cache)


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/json", {"number": 1}), ("/text", "Regen, 12°"), ("/plainjson", {"sky": "sun"})],
)
def test_json_and_text_are_answers(server: Server, feeds: Feeds, path: str, answer: Any) -> None:
    assert feeds.ask(feed(server.url(path))) == answer
    asked, headers = server.asked[0]
    assert asked == path
    assert headers["Host"] == f"127.0.0.1:{server.server_port}"
    assert headers["User-Agent"] == "Harken"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/html", "answered image/png that is not JSON"),
        ("/broken", "answered application/json that is not JSON"),
        ("/deep", "that is not JSON"),
        ("/large", "answered more than 1,000,000 bytes"),
        ("/packed", "in an encoding that was not asked for"),
        ("/elsewhere", "answered 302, a redirect, which is not followed"),
        ("/missing", "answered 404"),
        ("/down", "answered 503"),
    ],
)
def test_all_else_is_none_and_says_why(
    server: Server, feeds: Feeds, path: str, reason: str
) -> None:
    for _ in range(3):
        with pytest.raises(Failed, match=reason):
            feeds.ask(feed(server.url(path)))
    assert len(server.asked) == 1, "a failure stands for a while, and no redirect was followed"


@pytest.mark.parametrize("path", ["/waits", "/drips"])
def test_a_slow_feed_is_not_waited_for(server: Server, feeds: Feeds, path: str) -> None:
    with pytest.raises(Failed, match=r"did not answer within 0\.2 s"):
        feeds.ask(feed(server.url(path), timeout=0.2))


def test_an_answer_that_came_too_late_serves_the_next(server: Server, feeds: Feeds) -> None:
    with pytest.raises(Failed):
        feeds.ask(feed(server.url("/waits"), timeout=0.5))
    server.open.set()
    assert feeds.ask(feed(server.url("/waits")))["number"] >= 1


def test_answers_are_cached_for_as_long_as_is_said(
    server: Server, feeds: Feeds, clock: SettableClock
) -> None:
    url = server.url("/json")
    assert [feeds.ask(feed(url))["number"] for _ in range(3)] == [1, 1, 1]
    clock.set(clock.now() + 59_999)
    assert feeds.ask(feed(url))["number"] == 1
    clock.set(clock.now() + 1)
    assert feeds.ask(feed(url))["number"] == 2
    assert feeds.ask(feed(server.url("/json?other")))["number"] == 3
    assert [feeds.ask(feed(server.url("/json?n"), cache=0))["number"] for _ in range(2)] == [4, 5]
    assert feeds.ask(feed(url), ("X-Key", "other"))["number"] == 6


def test_what_is_kept_is_bounded(server: Server, feeds: Feeds) -> None:
    most = MOST_BYTES // LARGEST
    for number in range(most + 2):
        feeds.ask(feed(server.url(f"/full?{number}")))
    feeds.ask(feed(server.url(f"/full?{most + 1}")))
    assert len(server.asked) == most + 2, "the latest is kept"
    feeds.ask(feed(server.url("/full?0")))
    assert len(server.asked) == most + 3, "the oldest is not"


def test_one_question_is_under_way_at_a_time(server: Server, feeds: Feeds) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(feeds.ask, feed(server.url("/waits"), 10, 0)) for _ in range(8)]
        deadline = time.monotonic() + 10
        while not server.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        server.open.set()
        assert [one.result() for one in answers] == [{"number": 1}] * 8
    assert len(server.asked) == 1


@pytest.mark.parametrize("path", ["/down", "/busy"])
def test_a_host_that_fails_is_left_alone_for_a_while(
    server: Server, feeds: Feeds, clock: SettableClock, path: str
) -> None:
    def fails(number: int, match: str) -> None:
        with pytest.raises(Failed, match=match):
            feeds.ask(feed(server.url(f"{path}?{number}")))

    for number in range(FAILURES):
        fails(number, r"answered 503|answered 429")
    for number in range(10):
        fails(100 + number, r"failed 3 times in a row and is left alone")
    assert len(server.asked) == FAILURES
    clock.set(clock.now() + 30_000)
    fails(200, "answered")
    fails(201, "left alone")
    assert len(server.asked) == FAILURES + 1
    clock.set(clock.now() + 30_000)
    assert feeds.ask(feed(server.url("/json"))) == {"number": FAILURES + 2}
    assert feeds.ask(feed(server.url("/json?2"))) == {"number": FAILURES + 3}


def test_answers_that_are_only_wrong_are_no_trouble_of_the_host(
    server: Server, feeds: Feeds
) -> None:
    for number in range(FAILURES + 2):
        with pytest.raises(Failed, match="answered 404"):
            feeds.ask(feed(server.url(f"/missing?{number}")))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1",
        "017700000001", "0.0.0.0", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "127。0。0。1",
    ],
)  # fmt: skip
def test_no_form_of_a_private_address_is_connected_to(
    server: Server, clock: SettableClock, host: str
) -> None:
    strict = Feeds(clock)
    with pytest.raises(Failed, match=r"no public address; feeds on|Invalid IPv4 address"):
        strict.ask(feed(server.url("/json", host)))
    strict.close()
    assert server.asked == []


def test_what_was_looked_at_is_connected_to_whatever_the_name_says_next(
    server: Server, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the name leads to an open address when asked first, and elsewhere then."""
    answers = iter(["127.0.0.1", "127.0.0.2", "127.0.0.2"])
    looked: list[str] = []
    real: Callable[..., Any] = socket.getaddrinfo

    def names(host: Any, *args: Any, **more: Any) -> Any:
        if host == "rebind.example":
            looked.append(host)
            return real(next(answers), *args, **more)
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", names)
    feeds = Feeds(clock, networks("127.0.0.1"))
    url = server.url("/json", "rebind.example")
    assert feeds.ask(feed(url, cache=0)) == {"number": 1}
    assert looked == ["rebind.example"]
    assert server.asked[0][1]["Host"] == f"rebind.example:{server.server_port}"
    with pytest.raises(Failed, match=r"rebind\.example is 127\.0\.0\.2, which is no public"):
        feeds.ask(feed(url, cache=0))
    feeds.close()


def test_a_name_that_leads_to_one_private_address_among_others_is_closed(
    clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(2, 1, 6, "", (address, 80)) for address in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: found)
    feeds = Feeds(clock)
    with pytest.raises(Failed, match=r"is 10\.0\.0\.1"):
        feeds.ask(feed("http://both.example/"))
    feeds.close()


@pytest.fixture
def fetching(tmp_path: Path, clock: SettableClock) -> Iterator[Fetching]:
    settings = Settings(data=tmp_path, private_networks="127.0.0.1")
    made = Fetching(settings, clock, lambda ids: {})
    yield made
    made.close()


def test_a_secret_goes_along_to_its_own_addresses_alone(
    server: Server, fetching: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(url=server.url("/json/"), header="X-Api-Key", secret_env="WEATHER_KEY")
    outside = fetching.of(Workspace(connected={"weather": account}))

    def asked(url: str, auth: str = "weather") -> Any:
        return outside.connected(Feed(url=url, timeout=5, cache=0, auth=auth))

    with pytest.raises(Unanswered, match="WEATHER_KEY is not set"):
        asked(server.url("/json/"))
    monkeypatch.setenv("WEATHER_KEY", "s3cret")
    assert asked(server.url("/json/")) == {"number": 1}
    assert server.asked[0][1]["X-Api-Key"] == "s3cret"
    for url in (server.url("/text"), server.url("/json/", "localhost")):
        with pytest.raises(Unanswered, match="goes only to"):
            asked(url)
    with pytest.raises(Unanswered, match="has no `wether`"):
        asked(server.url("/json/"), "wether")
    assert len(server.asked) == 1


def test_a_trial_asks_few(server: Server, fetching: Fetching) -> None:
    trial = fetching.of(Workspace(), at_most=2)
    for number in (1, 2, 1, 2):
        trial.connected(feed(server.url(f"/json?{number}")))
    with pytest.raises(Unasked):
        trial.connected(feed(server.url("/json?3")))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://nobody.invalid/", "is not found"),
        ("http://127.0.0.1:1/", "^127.0.0.1 does not answer: connection refused$"),
    ],
)
def test_a_host_that_is_not_there(feeds: Feeds, url: str, says: str) -> None:
    with pytest.raises(Failed, match=says):
        feeds.ask(feed(url))
