"""Posting to a webhook of someone else's: signed, and never to a machine of ours by mistake.

Signed as Standard Webhooks has it (https://www.standardwebhooks.com): `webhook-signature` is
HMAC-SHA256 over `id.timestamp.body`, with the key behind `whsec_`.
"""

import base64
import hmac
from collections.abc import Sequence

import httpx

from harken.errors import BadInput, HarkenError
from harken.network import EVERYWHERE, Closed, Unresolved, address_of

LONGEST_URL = 2_000
ANSWER_SECONDS = 30.0
LONGEST_WAIT = 300.0
"""Seconds that a receiver may ask us to wait (`Retry-After`)."""
AGAIN = frozenset({408, 425, 429})
"""Answers besides 5xx after which another try may do."""


class Undelivered(HarkenError):
    """A webhook did not take what was posted."""

    def __init__(self, message: str, *, again: bool, wait: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        """Whether another try may do."""
        self.wait = wait
        """Seconds that the receiver asked for; 0 for none."""


def checked_url(text: str) -> httpx.URL:
    """A webhook's address. Raises BadInput."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError, ValueError) as wrong:
        raise BadInput(f"the url cannot be read: {wrong}") from None
    if url.scheme not in ("http", "https") or not url.host or len(text) > LONGEST_URL:
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
        raise Undelivered(str(fault), again=True) from None
    except Closed as fault:
        raise BadInput(
            f"{fault}; webhooks within a private network need HARKEN_PRIVATE_WEBHOOKS=1"
        ) from None


def signature(secret: str, id: str, at: int, body: bytes) -> str:
    """The `webhook-signature` of a body; `at` is in seconds since 1970."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{id}.{at}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def new_secret(ours: bytes, url: httpx.URL) -> str:
    """The key with which everything for an address is signed; always the same for one address."""
    digest = hmac.digest(ours, f"harken webhook 1 {url}".encode(), "sha256")
    return f"whsec_{base64.b64encode(digest).decode()}"


def post(
    url: httpx.URL, id: str, at: int, body: bytes, secret: str, *, private: bool = False
) -> None:
    """Post a body once, at a time in ms. Raises Undelivered and BadInput."""
    address = public_address(url, private=private)
    seconds = at // 1000
    headers = {
        "Host": url.netloc.decode("ascii"),
        "Content-Type": "application/json",
        "User-Agent": "Harken",
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature(secret, id, seconds, body),
    }
    # To the address that was looked at, not to the name: it might lead elsewhere by now. No
    # redirects and no proxies, which could lead elsewhere too.
    with httpx.Client(timeout=ANSWER_SECONDS, follow_redirects=False, trust_env=False) as client:
        try:
            request = client.build_request(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers=headers,
                extensions={"sni_hostname": url.host},
            )
            answer = client.send(request, stream=True)
            answer.close()
        except httpx.HTTPError as fault:
            what = str(fault) or type(fault).__name__
            raise Undelivered(f"{url.host} does not answer: {what}", again=True) from None
    if not answer.is_success:
        raise Undelivered(
            f"{url.host} answered {answer.status_code}",
            again=answer.status_code >= 500 or answer.status_code in AGAIN,
            wait=_wait(answer.headers.get("retry-after", "")),
        )


def _wait(text: str) -> float:
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0


def delay(delays: Sequence[float], tries: int, wait: float) -> float | None:
    """Seconds till the next try after so many; None when there is none."""
    return max(delays[tries - 1], wait) if tries <= len(delays) else None
