"""Posting to a webhook of someone else's: signed, and never to a machine of ours by mistake.

Signed as Standard Webhooks has it (https://www.standardwebhooks.com): `webhook-signature` is
HMAC-SHA256 over `id.timestamp.body`, with the key behind `whsec_`.
"""

import base64
import hmac
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from harken.errors import BadInput, HarkenError
from harken.outside.client import httpx
from harken.outside.network import EVERYWHERE, Closed, Unresolved, address_of, said

LONGEST_URL = 2_000
TOLERANCE = 300
"""Seconds that the clocks of both sides may differ."""
ANSWER_SECONDS = 30.0
PRIVATE = (
    "a webhook within a private network needs `private: true` in workspace.yaml,"
    " an export of a segment HARKEN_PRIVATE_WEBHOOKS=1"
)
MOST_ANSWER = 32 << 10
"""Bytes of an answer that are of interest."""
LONGEST_WAIT = 300.0
"""Seconds that a receiver may ask us to wait (`Retry-After`)."""
AGAIN = frozenset({408, 425, 429})
"""Answers besides 5xx after which another try may do."""
GONE = 410
"""Who answers so wants nothing any more (Standard Webhooks, "Deliverability and reliability")."""


class Undelivered(HarkenError):
    """A webhook did not take what was posted."""

    def __init__(
        self,
        message: str,
        *,
        again: bool,
        wait: float = 0.0,
        unheard: bool = False,
        answered: bool = False,
        gone: bool = False,
    ) -> None:
        super().__init__(message)
        self.again = again
        """Whether another try may do."""
        self.wait = wait
        """Seconds that the receiver asked for; 0 for none."""
        self.unheard = unheard
        """Whether it surely heard nothing of it."""
        self.answered = answered
        """Whether it is there, and said no."""
        self.gone = gone
        """Whether it asked to be told nothing any more."""


def checked_url(text: str) -> httpx.URL:
    """A webhook's address. Raises BadInput."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError, ValueError) as wrong:
        raise BadInput(f"the url cannot be read: {wrong}") from None
    # Beyond 16 bits a port wraps: it would be another one.
    nowhere = not url.host or (url.port is not None and not 0 < url.port < 1 << 16)
    if url.scheme not in ("http", "https") or nowhere or len(text) > LONGEST_URL:
        raise BadInput(
            f"{text[:100]!r} is no address of a webhook; write https://host/path,"
            f" at most {LONGEST_URL} characters"
        )
    if url.userinfo:
        raise BadInput("leave user and password out of the url; the signature says who we are")
    return url


def public_address(url: httpx.URL, *, private: bool = False) -> str:
    """The address to connect to. Unless `private` ones are allowed, all of the host's must be
    public: what we are told to post to must not be a machine of our own network.

    Raises BadInput for one that is not, Undelivered when the name cannot be resolved now.
    """
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        return address_of(url.host, port, EVERYWHERE if private else ())
    except Unresolved as fault:
        raise Undelivered(str(fault), again=True, unheard=True) from None
    except Closed as fault:
        raise BadInput(f"{fault}; {PRIVATE}") from None


def key_of(secret: str) -> bytes:
    """The key in `whsec_...`, also where its base64 lacks the padding. Raises ValueError."""
    return base64.b64decode(secret.removeprefix("whsec_") + "==")


def signature(secret: str, id: str, at: int, body: bytes) -> str:
    """The `webhook-signature` of a body; `at` is in seconds since 1970."""
    digest = hmac.digest(key_of(secret), f"{id}.{at}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def signed_by(secret: str, headers: Mapping[str, str], body: bytes, now: int) -> bool:
    """Whether a body was signed with the key, within five minutes of `now` (ms).

    Any of several signatures is enough (Standard Webhooks, "Verifying signatures").
    """
    id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id or not at.isascii() or not at.isdigit() or len(at) > 12:
        return False
    if abs(now // 1000 - int(at)) > TOLERANCE:
        return False
    expected = signature(secret, id, int(at), body)
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(one.encode(), expected.encode()) for one in given)


def new_secret(ours: bytes, url: httpx.URL) -> str:
    """The key with which everything for an address is signed; always the same for one address."""
    digest = hmac.digest(ours, f"harken webhook 1 {url}".encode(), "sha256")
    return f"whsec_{base64.b64encode(digest).decode()}"


class Answer(NamedTuple):
    """What a webhook said to what it took (2xx)."""

    status: int
    body: bytes
    """At most `MOST_ANSWER` bytes and one more."""


class Poster:
    """Posts to one webhook over kept connections. Used by several threads."""

    def __init__(
        self,
        url: httpx.URL,
        secret: str,
        *,
        private: bool,
        timeout: float = ANSWER_SECONDS,
        connections: int = 1,
    ) -> None:
        """`timeout` is in seconds, for the whole answer; `private` as in `public_address`."""
        self.url = url
        self._secret = secret
        self._private = private
        self._timeout = timeout
        # No redirects and no proxies, which could lead elsewhere.
        self._client = httpx.Client(
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    def post(self, id: str, at: int, body: bytes, method: str = "POST") -> Answer:
        """Post a body once, at a time in ms; the answer to it. Raises Undelivered and BadInput.

        `id` is the same for all tries of the same thing, so that a receiver can leave out repeats.
        """
        url, end = self.url, time.monotonic() + self._timeout
        address = public_address(url, private=self._private)
        seconds = at // 1000
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": "Harken",
            "webhook-id": id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signature(self._secret, id, seconds, body),
        }
        # To the address that was looked at, not to the name: it might lead elsewhere by now.
        request = self._client.build_request(
            method,
            url.copy_with(host=address),
            content=body,
            headers=headers,
            extensions={"sni_hostname": url.host},
        )
        try:
            answer = self._client.send(request, stream=True)
            try:
                found = _read(answer, end)
            finally:
                answer.close()
        except httpx.ConnectError as fault:
            raise Undelivered(_silent(url, fault), again=True, unheard=True) from None
        except (httpx.HTTPError, httpx.StreamError) as fault:
            raise Undelivered(_silent(url, fault), again=True) from None
        if not answer.is_success:
            raise Undelivered(
                f"{url.host} answered {answer.status_code}",
                again=answer.status_code >= 500 or answer.status_code in AGAIN,
                wait=_wait(answer.headers.get("retry-after", ""), at),
                answered=True,
                gone=answer.status_code == GONE,
            )
        return Answer(answer.status_code, found)

    def close(self) -> None:
        """Hang up, also on who is just answering."""
        self._client.close()


def _read(answer: httpx.Response, end: float) -> bytes:
    """The answer's body, as far as it is wanted and comes in time."""
    found = b""
    for some in answer.iter_bytes():
        found += some
        if len(found) > MOST_ANSWER:
            break
        if time.monotonic() > end:
            raise httpx.ReadTimeout("its answer drips")
    return found[: MOST_ANSWER + 1]


def _silent(url: httpx.URL, fault: Exception) -> str:
    return f"{url.host} does not answer: {said(fault)}"


def post(
    url: httpx.URL, id: str, at: int, body: bytes, secret: str, *, private: bool = False
) -> None:
    """Post one body to an address. Raises as `Poster.post`."""
    poster = Poster(url, secret, private=private)
    try:
        poster.post(id, at, body)
    finally:
        poster.close()


def _wait(text: str, now: int) -> float:
    """Seconds that `Retry-After` (RFC 9110, section 10.2.3) asks for at `now` (ms); 0 for none."""
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, until - now / 1000), LONGEST_WAIT)


def delay(delays: Sequence[float], tries: int, wait: float) -> float | None:
    """Seconds till the next try after so many; None when there is none."""
    return max(delays[tries - 1], wait) if tries <= len(delays) else None
