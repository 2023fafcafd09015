"""The webhooks of a workspace: where each is, with what key it is signed to, and how it fares.

One `Hook` posts for both that may use it, messages and the calls of webhook steps, and keeps to
its pace. A hook that does not answer is set aside, as a transport is, so that nothing waits for it
and no tries are used up on it. One that says that it is gone is left alone until somebody sees to
it: a change of the workspace or a start of Harken makes a new `Hook`.
"""

import hmac
import re
import sqlite3
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Protocol

from harken import workspace as definitions
from harken.channels.base import Outcome
from harken.channels.posting import Answer, Poster, Undelivered, checked_url, key_of
from harken.channels.sandbox import SANDBOX_URL, Sandbox, SandboxMail
from harken.channels.transports import TokenBucket, faults_of
from harken.clock import SECOND, Clock
from harken.errors import BadInput, Fault
from harken.logs import structlog
from harken.store.base import LedgerRow

FIRST_REST = 1.0
LONGEST_REST = 60.0
CLOSED_REST = 5.0
WANTS_NOTHING = (
    "it wants nothing any more; what is for it waits until `webhooks` in workspace.yaml is"
    " changed or Harken is started again"
)
LEAST_KEY = 24
"""Bytes of a signing key (Standard Webhooks, "Signature scheme")."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

log = structlog.get_logger("sender")


class Hook(Protocol):
    """One webhook."""

    name: str
    lanes: int

    def room(self) -> int | None:
        """How many posts it would take now; None for any number."""

    def rest(self) -> float:
        """Seconds until `room` may be more than 0."""

    def post(
        self, row: LedgerRow, body: bytes, method: str, deadline: float
    ) -> tuple[Outcome, Answer | None]:
        """Post the body of a row of the ledger: what came of it, and what it answered."""

    def close(self) -> None:
        """Hang up."""


class OpenHook:
    """A webhook that is posted to."""

    def __init__(
        self, name: str, definition: definitions.Webhook, url: str, secret: str, clock: Clock
    ) -> None:
        self.name = name
        self.lanes = definition.connections
        self._clock = clock
        rate = definition.per_second
        self._throttle = TokenBucket(rate, time.monotonic()) if rate else None
        self._poster = Poster(
            checked_url(url),
            secret,
            private=definition.private,
            timeout=definition.timeout / SECOND,
            connections=definition.connections,
        )
        self._lock = threading.Lock()
        self._failures = 0
        self._rest_until = 0.0
        self._trouble = ""
        self._gone = False
        self._closed = threading.Event()

    def room(self) -> int | None:
        if self._resting():
            return 0
        return self._throttle.room(time.monotonic()) if self._throttle else None

    def rest(self) -> float:
        resting = self._resting()
        return resting or (self._throttle.wait(time.monotonic()) if self._throttle else 0.0)

    def post(
        self, row: LedgerRow, body: bytes, method: str, deadline: float
    ) -> tuple[Outcome, Answer | None]:
        resting = self._resting()
        if resting:
            return _not_now(self._trouble, resting), None
        wait = self._wait_for_turn(deadline)
        if wait:
            return _not_now("it may be called only so often", wait), None
        try:
            answer = self._poster.post(row.id, self._clock.now(), body, method)
        except Undelivered as fault:
            return self._failed(fault), None
        except BadInput as closed:
            # The name leads into a network of ours: the operator's to mend, so nothing is lost.
            self._set_aside(str(closed), LONGEST_REST)
            return _not_now(str(closed), LONGEST_REST), None
        self._failures, self._rest_until = 0, 0.0
        said = f"answered {answer.status}"
        return Outcome(state="sent", transport=self.name, provider_id=said), answer

    def close(self) -> None:
        self._closed.set()
        self._poster.close()

    def _resting(self) -> float:
        return CLOSED_REST if self._gone else max(0.0, self._rest_until - time.monotonic())

    def _wait_for_turn(self, deadline: float) -> float:
        """Wait for a free place in its pace; seconds to come back in when there is none in time."""
        while self._throttle and not self._throttle.take(1, time.monotonic()):
            wait = self._throttle.wait(time.monotonic())
            if time.monotonic() + wait > deadline or self._closed.wait(wait):
                return max(wait, 0.1)
        return 0.0

    def _failed(self, fault: Undelivered) -> Outcome:
        if fault.gone:
            return self._let_alone(str(fault))
        if not fault.again:
            return Outcome(state="permanent", reason=str(fault), transport=self.name)
        wait = round(fault.wait * SECOND) if fault.wait else None
        if fault.wait:
            self._set_aside(str(fault), fault.wait)
        elif not fault.answered:
            self._set_aside(str(fault))
        # What never reached it is no try: it may be away for hours.
        by = "" if fault.unheard else self.name
        return Outcome(state="temporary", reason=str(fault), transport=by, retry_after=wait)

    def _let_alone(self, answered: str) -> Outcome:
        """It wants nothing any more. What is for it is not lost: the operator knows better."""
        with self._lock:
            self._trouble = f"webhook {self.name}: {answered}, {WANTS_NOTHING}"
            if not self._gone:
                self._gone = True
                log.error("nothing is posted until this is mended", fault=self._trouble)
        return _not_now(self._trouble, CLOSED_REST)

    def _set_aside(self, why: str, seconds: float = 0.0) -> None:
        with self._lock:
            self._trouble = why
            # Lanes that fail together count as one failure.
            if not self._resting():
                back_off = min(FIRST_REST * 2 ** min(self._failures, 10), LONGEST_REST)
                self._rest_until = time.monotonic() + (seconds or back_off)
                self._failures += 1


class SandboxHook:
    """Keeps for viewing what would be posted."""

    lanes = 1

    def __init__(self, name: str, sandbox: Sandbox, clock: Clock) -> None:
        self.name = name
        self._sandbox, self._clock = sandbox, clock

    def room(self) -> int | None:
        return None

    def rest(self) -> float:
        return 0.0

    def post(
        self, row: LedgerRow, body: bytes, method: str, deadline: float
    ) -> tuple[Outcome, Answer | None]:
        kept = SandboxMail(
            id=row.id,
            profile_id=row.profile_id,
            address=row.address,
            subject=f"{method} {self.name}",
            raw=body,
            at=self._clock.now(),
            channel=row.channel,
        )
        try:
            self._sandbox.add([kept])
        except sqlite3.Error as error:
            return _not_now(f"the sandbox cannot store it: {error}", FIRST_REST), None
        said = "kept in the sandbox"
        return Outcome(state="sent", transport=self.name, provider_id=said), Answer(0, b"")

    def close(self) -> None:
        """Nothing is held."""


class ClosedHook:
    """A webhook whose settings are wrong: what is for it waits in the ledger meanwhile."""

    lanes = 1

    def __init__(self, name: str, trouble: str) -> None:
        self.name, self.trouble = name, trouble

    def room(self) -> int | None:
        return 0

    def rest(self) -> float:
        return CLOSED_REST

    def post(
        self, row: LedgerRow, body: bytes, method: str, deadline: float
    ) -> tuple[Outcome, Answer | None]:
        return _not_now(self.trouble, CLOSED_REST), None

    def close(self) -> None:
        """Nothing is held."""


def _not_now(why: str, seconds: float) -> Outcome:
    """It was not tried."""
    return Outcome(state="temporary", reason=why, retry_after=max(1, round(seconds * SECOND)))


def build(
    workspace: definitions.Workspace,
    environment: Mapping[str, str],
    ours: bytes,
    sandbox: Sandbox,
    clock: Clock,
) -> dict[str, Hook]:
    """The webhooks of a workspace by name; while it has none, the sandbox under "".

    `ours` is the secret that keys of our own are derived from.
    """
    hooks: dict[str, Hook] = {}
    if not workspace.webhooks:
        hooks[""] = SandboxHook("sandbox", sandbox, clock)
    for name, one in workspace.webhooks.items():
        try:
            url = url_of(one, environment)
            if url == SANDBOX_URL:
                hooks[name] = SandboxHook(name, sandbox, clock)
                continue
            secret = secret_of(name, one, environment, ours)
            hooks[name] = OpenHook(name, one, url, secret, clock)
        except BadInput as fault:
            hooks[name] = ClosedHook(name, f"webhook {name}: {fault}")
    return hooks


def url_of(one: definitions.Webhook, environment: Mapping[str, str]) -> str:
    """Where it is. Raises BadInput when the variable is not set."""
    if one.url_env is None:
        return one.url or ""
    if not environment.get(one.url_env):
        raise BadInput(f"{one.url_env} is not set")
    return environment[one.url_env]


def secret_of(
    name: str, one: definitions.Webhook, environment: Mapping[str, str], ours: bytes
) -> str:
    """The key with which all that goes to it and comes from it is signed. Raises BadInput."""
    if one.secret_env is None:
        digest = hmac.digest(ours, f"harken hook webhook 1 {name}".encode(), "sha256")
        return f"whsec_{b64encode(digest).decode()}"
    secret = environment.get(one.secret_env, "")
    if not secret:
        raise BadInput(f"{one.secret_env} is not set")
    try:
        key = key_of(secret)
    except ValueError:
        key = b""
    if len(key) < LEAST_KEY:
        wanted = f"whsec_ and at least {LEAST_KEY} bytes in base64"
        raise BadInput(f"{one.secret_env} is no signing key; it is {wanted}")
    return secret


def webhook_faults(one: definitions.Webhook, path: str) -> Iterator[Fault]:
    """What is wrong with a webhook as it is written at `path`, whatever the environment holds."""
    least: tuple[tuple[str, bool, str], ...] = (
        ("connections", 1 <= one.connections <= 100, "1 to 100"),
        ("per_second", one.per_second is None or one.per_second > 0, "more than 0"),
        ("timeout", 0 < one.timeout <= 60 * SECOND, "more than nothing and at most 60s"),
    )
    for name, right, wanted in least:
        if not right:
            yield Fault(f"{path}.{name}", f"must be {wanted}")
    if (one.url_env is None) == (one.url is None):
        problem = "needs `url` (https://host/path) or `url_env` (a variable that holds it), one"
        yield Fault(path, f"{problem} of them")
    elif one.url is not None and one.url != SANDBOX_URL:
        yield from faults_of(checked_url, one.url, f"{path}.url")
    for name, variable in (("url_env", one.url_env), ("secret_env", one.secret_env)):
        if variable is not None and not _VARIABLE.fullmatch(variable):
            yield Fault(f"{path}.{name}", "is the name of a variable, such as CRM_WEBHOOK")
