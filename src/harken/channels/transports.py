"""The ways for e-mail to leave, as the workspace lists them: weights, fail-over, throttle."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import structs

from harken import workspace as definitions
from harken.channels.addresses import ascii_domain
from harken.channels.base import Outcome
from harken.channels.dkim import Signer, signer
from harken.channels.sandbox import SANDBOX_URL, Sandbox, SandboxTransport
from harken.channels.smtp import Connection, Letter, NoConnection, Server, parse_url
from harken.clock import SECOND, Clock
from harken.errors import BadInput, Fault
from harken.ids import bucket
from harken.logs import structlog
from harken.values import Name
from harken.workspace import Workspace

log = structlog.get_logger("sender")

PRESET = "HARKEN_SMTP_URL"
FIRST_REST = 1.0
LONGEST_REST = 60.0
# Servers drop an idle client after minutes; reopening costs less than a mail that finds it gone.
IDLE = 60.0

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Monotonic = Callable[[], float]


class Transport(Protocol):
    """One way for letters to leave."""

    name: str
    weight: int
    signer: Signer | None
    return_path: str | None
    """Domain that bounces go to."""

    @property
    def lanes(self) -> int:
        """How many batches at a time."""

    @property
    def repeatable(self) -> bool:
        """See `base.Channel`."""

    @property
    def trouble(self) -> str:
        """Why it was last set aside."""

    def room(self) -> int | None:
        """How many letters it would take now; None for any number."""

    def rest(self) -> float:
        """Seconds until it may be tried again; 0 when it is in use."""

    def next_room(self) -> float:
        """Seconds until `room` may be more than 0."""

    def send(self, letters: Sequence[Letter], deadline: float) -> list[Outcome]:
        """Outcomes of the first so many; the rest were not touched: it is down or out of time."""

    def close(self) -> None:
        """Hang up, in the middle of batches too: what that leaves unsure, they say."""


class TokenBucket:
    """At most `rate` a second, with a tenth of a second's worth (at least one) in a burst."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._size = max(1.0, rate / 10)
        self._tokens = self._size
        self._at = now
        self._lock = threading.Lock()

    def room(self, now: float) -> int:
        """How many could be taken at `now` (monotonic seconds)."""
        with self._lock:
            self._fill(now)
            return int(self._tokens)

    def take(self, wanted: int, now: float) -> int:
        """Take up to that many; how many were there."""
        with self._lock:
            self._fill(now)
            taken = min(wanted, int(self._tokens))
            self._tokens -= taken
            return taken

    def wait(self, now: float) -> float:
        """Seconds until the next one."""
        with self._lock:
            self._fill(now)
            return max(0.0, (1 - self._tokens) / self._rate)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._size, self._tokens + max(0.0, now - self._at) * self._rate)
        # Rounding must not leave the bucket a hair short of a token for ever.
        self._tokens = round(self._tokens, 9)
        self._at = max(self._at, now)


class SmtpTransport:
    """Connections to one server, kept; at most `lanes` of them, each used by one thread."""

    repeatable = False

    def __init__(
        self,
        server: Server,
        definition: definitions.Transport,
        signer: Signer | None = None,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self.name: str = definition.name
        self.weight = definition.weight
        self.return_path = definition.return_path
        self.lanes = definition.connections
        self.signer = signer
        self.trouble = ""
        self._server = server
        self._timeout = definition.timeout / SECOND
        self._monotonic = monotonic
        rate = definition.per_second
        self._throttle = TokenBucket(rate, monotonic()) if rate else None
        self._slots = threading.BoundedSemaphore(self.lanes)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._failures = 0
        self._rest_until = 0.0
        self._closed = threading.Event()

    def room(self) -> int | None:
        if self.rest():
            return 0
        return self._throttle.room(self._monotonic()) if self._throttle else None

    def rest(self) -> float:
        return max(0.0, self._rest_until - self._monotonic())

    def next_room(self) -> float:
        wait = self._throttle.wait(self._monotonic()) if self._throttle else 0.0
        return max(self.rest(), wait)

    def send(self, letters: Sequence[Letter], deadline: float) -> list[Outcome]:
        outcomes: list[Outcome] = []
        if not self._slots.acquire(timeout=max(0.0, deadline - self._monotonic())):
            return outcomes
        try:
            while len(outcomes) < len(letters) and self._monotonic() < deadline:
                if self._closed.is_set():
                    break
                allowed = self._allowed(len(letters) - len(outcomes), deadline)
                if not allowed:
                    break
                done, alive = self._by_one(letters[len(outcomes) :][:allowed], deadline)
                outcomes += done
                if not alive:
                    break
        finally:
            self._slots.release()
        return [structs.replace(outcome, transport=self.name) for outcome in outcomes]

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for connection in idle:
            connection.close()
        for connection in busy:
            connection.cut()

    def _allowed(self, wanted: int, deadline: float) -> int:
        """How many the throttle lets go, after waiting for at least one; 0 past the deadline."""
        while self._throttle:
            now = self._monotonic()
            if taken := self._throttle.take(wanted, now):
                return taken
            if now >= deadline or self._closed.wait(min(self._throttle.wait(now), deadline - now)):
                return 0
        return wanted

    def _by_one(self, letters: Sequence[Letter], deadline: float) -> tuple[list[Outcome], bool]:
        """Send by one connection until it ends; and whether the server seems alive."""
        kept = self._kept()
        try:
            connection = kept or Connection(self._server, self._timeout)
        except NoConnection as error:
            self._set_aside(str(error), str(error))
            return [], False
        with self._lock:
            if self._closed.is_set():
                connection.close()
                return [], False
            self._busy.add(connection)
        outcomes = connection.send(letters, deadline)
        with self._lock:
            self._busy.discard(connection)
        if any(outcome.state in ("sent", "permanent") for outcome in outcomes):
            if self._failures:
                log.info("transport works again", transport=self.name)
            self._failures = 0
            self._rest_until = 0.0
        if connection.open:
            self._keep(connection)
            return outcomes, True
        if len(outcomes) == 1 and outcomes[0].state == "temporary":
            # The one letter found the connection gone. Of a kept one that proves nothing, and
            # the letter is untouched; a fresh one shows a server in trouble.
            if kept:
                return [], True
            # What it said may name the recipient, whom logs do not.
            self._set_aside(outcomes[0].reason, "it ended the connection at the first mail")
            return outcomes, False
        return outcomes, True

    def _kept(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if self._monotonic() - connection.used < IDLE and not connection.stale():
                return connection
            connection.close()

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            if not self._closed.is_set():
                self._idle.append(connection)
                return
        connection.close()

    def _set_aside(self, why: str, told: str) -> None:
        with self._lock:
            self.trouble = why
            # Lanes that fail together count as one failure.
            if self.rest() == 0:
                seconds = min(FIRST_REST * 2 ** min(self._failures, 10), LONGEST_REST)
                self._rest_until = self._monotonic() + seconds
                self._failures += 1
                log.warning("transport rests", transport=self.name, seconds=seconds, fault=told)


class Choice:
    """Which transport a message leaves by: by weight, the same each time, among those in use."""

    def __init__(self, transports: Sequence[Transport]) -> None:
        self.transports = tuple(transports)

    def pick(self, id: str, without: frozenset[str] = frozenset()) -> Transport | None:
        """One for the message, or None while all rest. A reserve serves when all others rest.

        One whose throttle is used up is passed over while another has room.
        """
        awake = [t for t in self.transports if t.name not in without and t.rest() == 0]
        candidates = [t for t in awake if t.weight > 0] or awake
        candidates = [t for t in candidates if t.room() != 0] or candidates
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        total = sum(max(1, t.weight) for t in candidates)
        point = bucket(0, f"transport:{id}") * total // 10_000
        for transport in candidates:
            point -= max(1, transport.weight)
            if point < 0:
                return transport
        return candidates[-1]


def build(
    workspace: Workspace,
    environment: Mapping[str, str],
    sandbox: Sandbox,
    clock: Clock,
    monotonic: Monotonic = time.monotonic,
) -> list[Transport]:
    """The transports of a workspace: those it lists, else HARKEN_SMTP_URL, else the sandbox.

    Raises BadInput, naming the transport and what it lacks.
    """
    listed = workspace.transports
    if not listed and environment.get(PRESET):
        listed = [definitions.Transport(name=Name("smtp"), url_env=PRESET)]
    if not listed:
        return [SandboxTransport(sandbox, clock)]
    made: list[Transport] = []
    for one in listed:
        try:
            for fault in transport_faults(one, ""):
                if not fault.warning:
                    raise BadInput(f"{fault.path[1:]}: {fault.problem}".removeprefix(": "))
            url = url_of(one, environment)
            if url == SANDBOX_URL:
                made.append(SandboxTransport(sandbox, clock, one.name))
                continue
            signs = signer(one.dkim, environment) if one.dkim else None
            made.append(SmtpTransport(parse_url(url), one, signs, monotonic))
        except BadInput as error:
            raise BadInput(f"transport {one.name}: {error}") from None
    return made


def transport_faults(one: definitions.Transport, path: str) -> Iterator[Fault]:
    """What is wrong with a transport as it is written at `path`, whatever the environment holds."""
    least: tuple[tuple[str, bool, str], ...] = (
        ("connections", one.connections >= 1, "at least 1"),
        ("weight", one.weight >= 0, "at least 0"),
        ("per_second", one.per_second is None or one.per_second > 0, "more than 0"),
        ("timeout", one.timeout > 0, "longer than nothing"),
    )
    for name, right, wanted in least:
        if not right:
            yield Fault(f"{path}.{name}", f"must be {wanted}")
    yield from _url_faults(one, path)
    if one.return_path is not None:
        yield from faults_of(ascii_domain, one.return_path, f"{path}.return_path")
    if one.dkim is not None:
        yield from faults_of(ascii_domain, one.dkim.domain, f"{path}.dkim.domain")
        if (one.dkim.key_env is None) == (one.dkim.key_file is None):
            wanted = "needs `key_env` (a variable that holds the key) or `key_file`, one of them"
            yield Fault(f"{path}.dkim", wanted)


def _url_faults(one: definitions.Transport, path: str) -> Iterator[Fault]:
    if (one.url_env is None) == (one.url is None):
        form = "smtp://user:password@host:port"
        yield Fault(path, f"needs `url_env` (a variable that holds {form}) or `url`, one of them")
    elif one.url is None:
        if not _VARIABLE.fullmatch(one.url_env or ""):
            problem = "is the name of a variable, such as SHOP_SMTP_URL, which holds the URL"
            yield Fault(f"{path}.url_env", problem)
    elif one.url != SANDBOX_URL:
        yield from faults_of(parse_url, one.url, f"{path}.url")
        if re.match(r"\w+://[^/@]*:[^/@]*@", one.url):
            problem = "a password stands in the file; name a variable that holds the URL: `url_env`"
            yield Fault(f"{path}.url", problem)


def faults_of(parse: Callable[[str], object], text: str, path: str) -> Iterator[Fault]:
    """What `parse` finds wrong with a value that stands at `path`."""
    try:
        parse(text)
    except BadInput as wrong:
        yield Fault(path, str(wrong))


def url_of(one: definitions.Transport, environment: Mapping[str, str]) -> str:
    """Where it is. Raises BadInput when the variable is not set."""
    if one.url_env is None:
        return one.url or ""
    if not environment.get(one.url_env):
        raise BadInput(f"{one.url_env} is not set")
    return environment[one.url_env]
