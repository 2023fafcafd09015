"""The channel `webhook`: messages posted as signed JSON to a machine of others, which shows them.

Standard Webhooks (https://www.standardwebhooks.com): `webhook-id` is the message's id in the
ledger, the same for every try, so a receiver that leaves out repeats makes it once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from harken.channels.base import Outcome, Prepared
from harken.channels.hooks import Hook
from harken.channels.posting import MOST_ANSWER, Answer
from harken.clock import iso
from harken.store.base import LedgerRow

Target = tuple[str, str]
"""The name of a webhook, and the method."""


class WebhookChannel:
    """Posts rows of the ledger to the webhooks that they are for."""

    repeatable = True
    marks = False

    def __init__(
        self,
        hooks: Mapping[str, Hook],
        target: Callable[[LedgerRow], Target],
        body: Callable[[Prepared], Any],
        outcome: Callable[[Outcome, Answer], Outcome] = lambda outcome, answer: outcome,
    ) -> None:
        """`body` is what is posted, as JSON has it; `outcome` what an answer makes of a row."""
        self._hooks = hooks
        self._target, self._body, self._outcome = target, body, outcome

    @property
    def lanes(self) -> int:
        return sum(hook.lanes for hook in self._hooks.values())

    def room(self) -> int | None:
        rooms = [hook.room() for hook in self._hooks.values()]
        known = [room for room in rooms if room is not None]
        return sum(known) if len(known) == len(rooms) else None

    def rest(self) -> float:
        return min((hook.rest() for hook in self._hooks.values()), default=0.0)

    def send(self, batch: Sequence[Prepared], deadline: float) -> list[Outcome]:
        return [self._post(prepared, deadline) for prepared in batch]

    def close(self) -> None:
        for hook in self._hooks.values():
            hook.close()

    def _post(self, prepared: Prepared, deadline: float) -> Outcome:
        name, method = self._target(prepared.row)
        hook = self._hooks.get(name)
        if hook is None:
            reason = f"the workspace has no webhook `{name}` any more"
            return Outcome(state="permanent", reason=reason)
        body = msgspec.json.encode(self._body(prepared))
        outcome, answer = hook.post(prepared.row, body, method, deadline)
        return self._outcome(outcome, answer) if answer is not None else outcome


def call_body(prepared: Prepared) -> dict[str, Any]:
    """The body that is posted for the call of a webhook step."""
    row = prepared.row
    data = {
        "call": row.id,
        "customer": row.address,
        "journey": row.journey,
        "step": row.step,
        "payload": prepared.rendered.payload,
    }
    return {"type": "journey.call", "timestamp": iso(row.queued_at), "data": data}


def call_outcome(outcome: Outcome, answer: Answer) -> Outcome:
    """The outcome with the answer, where later steps can use it; else the call has failed."""
    if outcome.state != "sent":
        return outcome
    try:
        found = _json(answer.body)
    except ValueError as wrong:
        return replace(outcome, state="permanent", reason=str(wrong), provider_id="")
    return replace(outcome, answer=found)


def _json(body: bytes) -> dict[str, Any]:
    """The answer as an object; what is none stands under `body`. Raises ValueError."""
    if len(body) > MOST_ANSWER:
        raise ValueError(f"it answered more than {MOST_ANSWER >> 10} KB")
    if not body.strip():
        return {}
    try:
        found = msgspec.json.decode(body)
        # What a document cannot hold (numbers of more than 64 bits, broken text) must not get in.
        msgspec.msgpack.encode(found)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        raise ValueError("its answer is no JSON that can be kept") from None
    return found if isinstance(found, dict) else {"body": found}


def message_body(prepared: Prepared) -> dict[str, Any]:
    """The body that is posted for a message."""
    row, rendered = prepared.row, prepared.rendered
    data: dict[str, Any] = {
        "message": row.id,
        "to": row.address,
        "journey": row.journey,
        "step": row.step,
        "variant": rendered.variant,
        "language": rendered.language,
        "purpose": row.purpose,
        "payload": rendered.payload,
    }
    # A receipt cannot be unsubscribed from.
    more = {"label": rendered.label, "footer": rendered.footer}
    if row.purpose != "transactional":
        more["unsubscribe"] = rendered.unsubscribe
    data |= {name: value for name, value in more.items() if value}
    return {"type": "message.send", "timestamp": iso(row.queued_at), "data": data}
