"""What a webhook tells of the messages that were posted to it, taken into the log.

Its call-back is signed as our posts to it are, with the same key. What it tells is taken as what
the providers of other channels tell.
"""

from collections.abc import Mapping
from os import environ
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from harken.channels.hooks import secret_of
from harken.channels.posting import signed_by
from harken.clock import parse_time
from harken.config import link_secret
from harken.errors import BadInput, Denied, NotFound
from harken.ids import derived_id
from harken.inputs import Consent
from harken.logs import structlog
from harken.store.base import LedgerRow
from harken.web.returns import Taken, Told, feedback_on, opt_out, taken_of
from harken.web.tellings import Telling

if TYPE_CHECKING:
    from harken.running.services import Services

MOST_RECEIPTS = 1_000
"""In one request."""

KINDS: dict[str, Told] = {
    "message.delivered": "delivered",
    "message.opened": "opened",
    "message.clicked": "clicked",
    "message.bounced": "bounced",
    "message.failed": "bounced",
    "message.unsubscribed": "unsubscribed",
}
"""What may be told; a message that failed beyond us has bounced, as a mail would have."""

log = structlog.get_logger("receipts")


class ReceiptData(Struct, kw_only=True):
    """Which message, and more about what became of it."""

    message: str
    """The id that it was posted with."""
    detail: str = ""
    """The reason of a failure, or the address that was clicked."""
    hard: bool = False
    """Of `bounced`: this customer cannot be reached there any more."""


class Receipt(Struct, kw_only=True):
    """One thing that became of a message."""

    type: str
    """`message.delivered`, `.opened`, `.clicked`, `.bounced`, `.failed` or `.unsubscribed`."""
    data: ReceiptData
    timestamp: str = ""
    """When it happened; now when not given."""


_decode = msgspec.json.Decoder(Receipt | list[Receipt]).decode


def take_receipts(
    services: "Services", name: str, headers: Mapping[str, str], body: bytes
) -> Taken:
    """Log what the webhook `name` tells, durably.

    Raises NotFound for a webhook that there is not, Denied for a signature that is none of its,
    BadInput for a body that says nothing we know, and Unavailable.
    """
    _believe(services, name, headers, body)
    found = _read(body)
    now = services.clock.now()
    tellings: list[Telling] = []
    for place, receipt in enumerate(found):
        row = services.store.message(receipt.data.message)
        if row is None or row.channel != "webhook" or _hook_of(services, row) != name:
            log.info("receipt_ignored", hook=name, message=receipt.data.message, known=bool(row))
            continue
        at = min(parse_time(receipt.timestamp) or now, now)
        what = KINDS[receipt.type]
        told = derived_id("receipt", name, headers.get("webhook-id", ""), place)
        hard = receipt.data.hard and receipt.type == "message.bounced"
        detail = receipt.data.detail[:500]
        feedback = feedback_on(row, what, at, detail=detail, hard=hard, told=told)
        change = opt_out("webhook", at, f"told by the webhook {name}")
        rest = [Consent([change])] if what == "unsubscribed" else []
        tellings.append(Telling(row.profile_id, feedback, rest))
    return taken_of(services, tellings, len(found))


def _believe(services: "Services", name: str, headers: Mapping[str, str], body: bytes) -> None:
    """Raises NotFound or Denied, unless the webhook itself says this, now."""
    hooks = services.in_force.workspace.webhooks
    one = next((hook for key, hook in hooks.items() if key == name), None)
    if one is None:
        raise NotFound(f"the workspace has no webhook {name[:64]!r}")
    secret = secret_of(name, one, environ, link_secret(services.settings.data))
    if not signed_by(secret, headers, body, services.clock.now()):
        raise Denied("the signature is not this webhook's, or older than five minutes")


def _read(body: bytes) -> list[Receipt]:
    try:
        told = _decode(body)
    except msgspec.MsgspecError as wrong:
        raise BadInput(f"this is no receipt, and no list of them: {wrong}") from None
    found = told if isinstance(told, list) else [told]
    if len(found) > MOST_RECEIPTS:
        raise BadInput(f"{len(found)} receipts; at most {MOST_RECEIPTS} in one request")
    for place, receipt in enumerate(found):
        if receipt.type not in KINDS:
            known = ", ".join(KINDS)
            raise BadInput(f"receipt {place + 1}: `type` is {receipt.type[:60]!r}; it is {known}")
    return found


def _hook_of(services: "Services", row: LedgerRow) -> str:
    """The webhook that a message went to, or is on its way to."""
    step = services.in_force.message_step(row.journey, row.revision, row.step)
    return row.transport or services.in_force.workspace.hook(step.hook if step else None)
