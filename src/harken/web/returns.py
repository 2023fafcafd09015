"""What comes back about mails, taken into the log: by webhook, and by the return path.

`channels.bounces` says what was told; here it is decided whether it is believed.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from harken.channels.bounces import Report, Verify, parse
from harken.inputs import Consent, Feedback
from harken.logs import structlog
from harken.people.profile import ConsentChange
from harken.store.base import LedgerRow
from harken.web.tellings import Telling

if TYPE_CHECKING:
    from harken.channels.returnpath import Server
    from harken.running.services import Services

Told = Literal["delivered", "opened", "clicked", "bounced", "complained", "unsubscribed"]
TOLD: dict[str, Told] = {
    "bounced": "bounced",
    "delivered": "delivered",
    "complained": "complained",
    "unsubscribed": "unsubscribed",
}
"""Kinds that change something; `delayed`, `auto_reply` and `unknown` are only logged."""

log = structlog.get_logger("returns")


class Taken(Struct, kw_only=True):
    """What became of some reports."""

    taken: int
    """Those that were believed and are new; they are durable."""
    known: int
    """Those that were believed and had been told before; they change nothing."""
    ignored: int
    """Those that change nothing, or are about no message of ours."""


def take_reports(services: "Services", reports: Sequence[Report]) -> Taken:
    """Log what reports say, durably, and suppress dead addresses. Raises Unavailable."""
    now = services.clock.now()
    tellings: list[Telling] = []
    dead: list[tuple[str, str, int]] = []
    for report in reports:
        row = services.store.message(report.message) if report.message else None
        if report.kind not in TOLD or not _believable(report, row):
            log.info("report_ignored", kind=report.kind, message=report.message, known=bool(row))
            continue
        owner = report.profile_id if row is None else row.profile_id
        if owner is None or report.message is None:
            continue
        at = min(report.at or now, now)
        feedback = _feedback(report, row, at)
        change = opt_out(feedback.channel, at, "unsubscribe by mail")
        rest = [Consent([change])] if report.kind == "unsubscribed" else []
        tellings.append(Telling(owner, feedback, rest))
        if feedback.address and (feedback.hard or report.kind == "complained"):
            why = "complaint" if report.kind == "complained" else "hard bounce"
            dead.append((feedback.address, why, at))
        log.info("report_taken", kind=report.kind, message=report.message, hard=report.hard)
    taken = taken_of(services, tellings, len(reports))
    if dead:
        # Also what is known already: the first time may have ended before this.
        services.store.suppress(dead)
    return taken


def taken_of(services: "Services", tellings: Sequence[Telling], told: int) -> Taken:
    """Log what is believed of so many things that were `told`. Raises Unavailable."""
    new = services.tellings.take(tellings)
    return Taken(taken=new, known=len(tellings) - new, ignored=told - len(tellings))


def _believable(report: Report, row: LedgerRow | None) -> bool:
    """A signed token says whose message it is. A Message-ID alone is known to the recipient's
    side too, so then the ledger must know the message, and the address must be its own."""
    if report.profile_id is not None:
        return row is None or row.profile_id == report.profile_id
    return row is not None and row.address.lower() == report.address.lower()


def _feedback(report: Report, row: LedgerRow | None, at: int) -> Feedback:
    what = TOLD[report.kind]
    detail = " ".join(part for part in (report.status, report.detail) if part)
    if row is not None:
        return feedback_on(row, what, at, detail=detail, hard=report.hard)
    return Feedback(
        message=report.message or "",
        what=what,
        at=at,
        address=report.address,
        detail=detail,
        hard=report.hard,
    )


def feedback_on(
    row: LedgerRow, what: Told, at: int, *, detail: str, hard: bool, told: str = ""
) -> Feedback:
    """What became of a message of the ledger."""
    return Feedback(
        message=row.id,
        what=what,
        at=at,
        channel=row.channel,
        journey=row.journey,
        revision=row.revision,
        step=row.step,
        variant=row.variant,
        # The one that we wrote to: a report may name where it was forwarded.
        address=row.address,
        detail=detail,
        hard=hard,
        told=told,
    )


def opt_out(channel: str, at: int, how: str) -> ConsentChange:
    """A customer leaves the marketing of a channel."""
    return ConsentChange(
        channel=channel, purpose="marketing", state="opted_out", at=at, by="customer", how=how
    )


def verifier(services: "Services", purpose: Literal["bounce", "leave"]) -> Verify:
    """Who and which message the tokens in addresses of a purpose name."""

    def verify(token: str) -> tuple[int, str] | None:
        link = services.links.verify(token, purpose)
        return (link.profile_id, link.message) if link is not None else None

    return verify


class ReturnPath:
    """Takes bounces and the like by mail, where the operator has given it a port (LMTP)."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._server: Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the port cannot be had."""
        settings = self._services.settings
        if settings.lmtp_port:
            # Not at the top: most have no return path, and all would wait for it at the start.
            from harken.channels.returnpath import serve

            self._server = await serve(settings.host, settings.lmtp_port, self._accept)

    async def close(self) -> None:
        """Let mails on their way finish, then hang up."""
        if self._server is not None:
            await self._server.close()

    async def _accept(self, raw: bytes, recipients: list[str]) -> None:
        """Returns when all that the mail reports is durable."""
        await asyncio.to_thread(self._take, raw, recipients)

    def _take(self, raw: bytes, recipients: list[str]) -> None:
        bounced, left = (verifier(self._services, one) for one in ("bounce", "leave"))
        take_reports(self._services, parse(raw, bounced, recipients, left))
