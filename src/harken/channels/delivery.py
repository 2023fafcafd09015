"""The sender's loop: claim, render, hand over, write down what came of it.

A claim marks rows `handed` durably before any provider hears of them, so a crash can only leave a
message unsure, never sent twice. Lanes (threads) render and send; the thread that calls `turn`
is the only one that touches the store.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from harken.channels.base import Channel, Outcome, Prepared, Rendered
from harken.channels.begun import Begun, Left
from harken.channels.lanes import Chunk, Lanes
from harken.channels.retries import Retries
from harken.channels.table import TABLE
from harken.clock import MINUTE, SECOND, Clock
from harken.errors import Unavailable
from harken.gates import Verdict
from harken.messages.evaluate import Aborted
from harken.store.base import LedgerRow, MessageState, Result, Store

CLAIM = 128
CHUNK = 16
LEASE = 15 * MINUTE
WAITED = MINUTE
"""A message that was queued so long ago is looked at once more before it leaves."""
# While messages are under way, a doorbell waits no longer than this before it is answered.
PATIENCE = 0.02
# Finished messages are settled in groups: as many as gather in this long, while more go on.
GATHER = 0.01
HANG_UP_GRACE = 1.0
SETTLE_AT_ONCE = 64

Compiled = TypeVar("Compiled")
Links = TypeVar("Links")


class Rendering(Struct, Generic[Compiled, Links], frozen=True, kw_only=True):
    """How a claimed row becomes words. All are called by several threads."""

    compiled: Callable[[str, int, str], Compiled | None]
    """The message of (journey, revision, step), or None when it cannot be found."""
    links: Callable[[LedgerRow], Links]
    render: Callable[[Compiled, str, dict[str, Any], Links], Rendered]
    """(message, variant, what the row keeps, links) -> what it says. Raises Aborted when the
    template says no, and may raise anything else for a row that is bad."""
    recalled: Callable[[LedgerRow], bool] = lambda row: False
    """Whether the broadcast that it comes of was stopped, and its messages with it."""
    look: Callable[[LedgerRow, int], Verdict | None] = lambda row, now: None
    """Asked about a message that has waited: what now forbids or delays it, or None."""


def _suppressible(channel: str) -> bool:
    """Whether a dead address of the channel is dead for whoever has it."""
    return channel in TABLE and TABLE[channel].suppressed


class Delivery(Generic[Compiled, Links]):
    """Sends what is due in the ledger. `turn`, `recover` and `close` belong to one thread."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        rendering: Rendering[Compiled, Links],
        clock: Clock,
        sender: str,
        *,
        retries: Retries | None = None,
        retries_of: Mapping[str, Retries] | None = None,
        count: Callable[[MessageState, str], None] = lambda state, transport: None,
        begun: Begun | None = None,
        left_by: Callable[[str], Left | None] = lambda sender: None,
        claim: int = CLAIM,
        lease: int = LEASE,
    ) -> None:
        """`sender` names this loop in the ledger, the same after a restart. `count` is called
        with the state and the transport of each message settled; `retries_of` are those of
        channels that have their own; `begun` is told of by channels that mark. `left_by` has
        the notes of another sender, or None when it is not surely dead."""
        self._store = store
        self._rendering = rendering
        self._clock = clock
        self._sender = sender
        self._retries = retries or Retries()
        self._retries_of = retries_of or {}
        self._count = count
        self._begun = begun
        self._left_by = left_by
        self._claim = claim
        self._lease = lease
        self._under_way = 0
        self._finished: queue.SimpleQueue[tuple[Lanes, list[Result]]] = queue.SimpleQueue()
        self._unsettled: list[Result] = []
        self._lanes = {name: Lanes(channel) for name, channel in channels.items()}

    def recover(self, now: int) -> int:
        """Settle what this sender left `handed` when it last stopped; call before the first turn.

        What a channel can hand over again without harm is queued again, and what surely did not
        leave. Nobody can tell of the rest whether it left: it becomes `unsure`, for an operator to
        decide.
        """
        left = self._begun.left if self._begun is not None else None
        rows = self._store.lost(self._sender)
        self._settle(self._given_up(rows, left, "stopped while sending", now))
        return len(rows)

    def take_over(self, now: int) -> int:
        """Settle likewise what other senders hold past their lease: they will not come back.

        One that was frozen may, and send what it held. So only of one that is dead is anything
        queued again because it did not leave.
        """

        def settled(former: str, rows: list[LedgerRow]) -> list[Result]:
            return self._given_up(rows, self._left_by(former), "did not come back", now)

        results = self._store.take_over(self._sender, now, settled)
        for result in results:
            self._count(result.state, result.transport)
        return len(results)

    def _given_up(
        self, rows: Sequence[LedgerRow], left: Left | None, why: str, now: int
    ) -> list[Result]:
        """What becomes of rows whose sender is gone and left these notes."""
        results = []
        for row in rows:
            lanes = self._lanes.get(row.channel)
            if left is not None and left.untouched(row):
                results.append(self._put_off(row, f"its sender {why}, before this left", now))
            elif lanes is not None and lanes.channel.repeatable:
                results.append(self._result(row, "queued", f"sent again: its sender {why}", now))
            else:
                results.append(self._result(row, "unsure", f"its sender {why}", now))
        return results

    def _put_off(self, row: LedgerRow, why: str, now: int) -> Result:
        """Queued again, for nobody has begun it."""
        return self._result(row, "queued", why, now, not_before=row.not_before, untried=True)

    def turn(self, now: int) -> int:
        """Claim what is due, settle what is finished; how many messages were claimed or settled,
        or are still under way. At 0 there is nothing to do before the next message is due.

        Waits a moment when all that could be done is waiting for lanes.
        """
        claimed = self._claim_more(now)
        self._dispatch()
        settled = self._collect(wait=not claimed or self._waiting_rows() > self._claim // 4)
        self._dispatch()
        return claimed + settled + self._under_way + self._waiting_rows()

    def rest(self) -> float:
        """Seconds in which `turn` will claim nothing because every channel rests; else 0."""
        channels = [lanes.channel for lanes in self._lanes.values()]
        if any(channel.room() != 0 for channel in channels):
            return 0.0
        return min((channel.rest() for channel in channels), default=0.0)

    def open(self) -> list[str]:
        """The channels that do not rest."""
        return [name for name, lanes in self._lanes.items() if lanes.channel.room() != 0]

    def replace(self, channels: Mapping[str, Channel]) -> None:
        """Use these channels from now on; batches under way end on the old ones."""
        old = self._lanes
        self._lanes = {name: Lanes(channel) for name, channel in channels.items()}
        for name, lanes in old.items():
            self._lanes[name].waiting.extend(lanes.waiting)

        def let_go() -> None:
            for lanes in old.values():
                lanes.shut(wait=True)
                lanes.channel.close()

        threading.Thread(target=let_go, name="old channels", daemon=True).start()

    def close(self, grace: float = 10.0) -> None:
        """Put back what no lane has begun, wait up to `grace` seconds for the rest, then hang up.

        What is not settled even then stays `handed`, for `recover`.
        """
        waiting = [
            row for lanes in self._lanes.values() for chunk in lanes.waiting for row in chunk.rows
        ]
        for lanes in self._lanes.values():
            lanes.waiting.clear()
        now = self._clock.now()
        self._settle([self._put_off(row, "the sender stopped", now) for row in waiting])
        self._finish(grace)
        for lanes in self._lanes.values():
            lanes.channel.close()
        self._finish(HANG_UP_GRACE)
        for lanes in self._lanes.values():
            lanes.shut(wait=False)

    def _finish(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._under_way and time.monotonic() < end:
            self._collect(wait=True)

    def _waiting_rows(self) -> int:
        return sum(lanes.rows_waiting for lanes in self._lanes.values())

    def _claim_more(self, now: int) -> int:
        wanted = {name: lanes.wanted(self._claim) for name, lanes in self._lanes.items()}
        rows = self._store.claim(self._sender, now, wanted, self._lease)
        if not rows:
            return 0
        if self._begun:
            self._begun.claimed(r for r in rows if self._lanes[r.channel].channel.marks)
        # Half the lease, so that even the last answer is written while the claim is ours.
        deadline = time.monotonic() + self._lease / SECOND / 2
        try:
            addresses = [row.address for row in rows if _suppressible(row.channel)]
            suppressed = self._store.suppressed(addresses)
        except Unavailable as error:
            self._unsettled += [self._result(row, "queued", str(error), now) for row in rows]
            raise
        by_channel: dict[str, list[LedgerRow]] = {}
        for row in rows:
            by_channel.setdefault(row.channel, []).append(row)
        for name, some in by_channel.items():
            lanes = self._lanes[name]
            size = min(CHUNK, -(-len(some) // lanes.count))
            for start in range(0, len(some), size):
                lanes.waiting.append(Chunk(some[start : start + size], deadline, suppressed))
        return len(rows)

    def _dispatch(self) -> None:
        for lanes in self._lanes.values():
            before = lanes.rows_under_way
            lanes.dispatch(self._lane)
            self._under_way += lanes.rows_under_way - before

    def _collect(self, *, wait: bool) -> int:
        """Settle what is finished, after waiting for something when told to; how many."""
        results: list[Result] = []
        end = time.monotonic() + (GATHER if wait else 0)
        patience = PATIENCE if wait and self._under_way else 0.0
        while self._under_way and len(results) < SETTLE_AT_ONCE:
            try:
                lanes, done = (
                    self._finished.get(timeout=patience)
                    if patience
                    else self._finished.get_nowait()
                )
            except queue.Empty:
                break
            results += done
            self._under_way -= len(done)
            lanes.done(len(done))
            self._dispatch()
            patience = max(0.0, end - time.monotonic())
        self._settle(results)
        return len(results)

    def _settle(self, results: list[Result]) -> None:
        """Write outcomes. When the store fails they are kept, and written with the next ones."""
        self._unsettled += results
        if not self._unsettled:
            return
        self._store.settle(self._sender, self._unsettled)
        if self._begun:
            self._begun.settled(result.id for result in self._unsettled)
        dead = [
            (r.address, "hard bounce", r.at)
            for r in self._unsettled
            if r.hard and _suppressible(r.channel)
        ]
        if dead:
            self._store.suppress(dead)
        for result in self._unsettled:
            self._count(result.state, result.transport)
        self._unsettled = []

    # -- in the lanes

    def _lane(self, lanes: Lanes, chunk: Chunk) -> None:
        try:
            results = self._process(lanes.channel, chunk)
        except Exception as error:
            # Nobody knows how far it came, so nothing of it may be sent again by itself.
            now = self._clock.now()
            why = f"sending failed: {type(error).__name__}: {error}"
            results = [self._result(row, "unsure", why, now) for row in chunk.rows]
        self._finished.put((lanes, results))

    def _process(self, channel: Channel, chunk: Chunk) -> list[Result]:
        now = self._clock.now()
        if time.monotonic() > chunk.deadline:
            return [
                self._result(r, "queued", "not begun in time", now, untried=True)
                for r in chunk.rows
            ]
        results, prepared = [], []
        for row in chunk.rows:
            made = self._prepare(row, chunk.suppressed, now)
            if isinstance(made, Result):
                results.append(made)
            else:
                prepared.append(made)
        if prepared:
            outcomes = channel.send(prepared, chunk.deadline)
            now = self._clock.now()
            for one, outcome in zip(prepared, outcomes, strict=True):
                results.append(self._outcome(one, outcome, now))
        return results

    def _prepare(
        self, row: LedgerRow, suppressed: Mapping[str, str], now: int
    ) -> Prepared | Result:
        """The row in words, or why it ends here. One bad row fails alone."""
        try:
            return self._ended(row, suppressed, now) or self._rendered(row, now)
        except Aborted as stop:
            return self._result(row, "aborted", stop.reason, now)
        except msgspec.MsgspecError as error:
            return self._result(row, "failed", f"its context cannot be read: {error}", now)
        except Unavailable as error:
            return self._retry(row, Outcome(state="temporary", reason=str(error)), now)
        except Exception as error:
            why = f"cannot be rendered: {type(error).__name__}: {error}"
            return self._result(row, "failed", why, now)

    def _ended(self, row: LedgerRow, suppressed: Mapping[str, str], now: int) -> Result | None:
        """Why the row is not to leave now, or None."""
        if row.expires_at and now >= row.expires_at:
            # What the last try met stands in the row while it waits for the next.
            last = f"; last: {row.reason}" if row.reason else ""
            return self._result(row, "failed", f"expired{last}", now)
        if self._rendering.recalled(row):
            return self._result(row, "aborted", "its broadcast was stopped", now)
        verdict = self._rendering.look(row, now) if now - row.queued_at >= WAITED else None
        if verdict is not None:
            why = f"{verdict.gate}: {verdict.reason}"
            if verdict.outcome == "hold":
                return self._result(
                    row, "queued", f"held by {why}", now, not_before=verdict.until, untried=True
                )
            return self._result(row, "aborted", f"dropped by {why}", now)
        if row.address in suppressed and _suppressible(row.channel):
            return self._result(row, "failed", f"suppressed: {suppressed[row.address]}", now)
        return None

    def _rendered(self, row: LedgerRow, now: int) -> Prepared | Result:
        how = self._rendering
        message = how.compiled(row.journey, row.revision, row.step)
        if message is None:
            return self._result(row, "failed", "its journey or step cannot be found", now)
        kept = msgspec.msgpack.decode(row.context, type=dict[str, Any])
        return Prepared(row, how.render(message, row.variant, kept, how.links(row)))

    def _outcome(self, prepared: Prepared, outcome: Outcome, now: int) -> Result:
        row, rendered = prepared.row, prepared.rendered
        if outcome.state == "temporary":
            return self._retry(row, outcome, now)
        states: dict[str, MessageState] = {
            "sent": "sent",
            "permanent": "failed",
            "unsure": "unsure",
        }
        return self._result(
            row,
            states[outcome.state],
            outcome.reason,
            now,
            transport=outcome.transport,
            provider_id=outcome.provider_id,
            variant=rendered.variant,
            why_variant=_why(row, rendered),
            hard=outcome.dead,
            answer=outcome.answer,
        )

    def _retry(self, row: LedgerRow, outcome: Outcome, now: int) -> Result:
        """Back into the queue for later, unless there is no later."""
        retries = self._retries_of.get(row.channel, self._retries)
        wait = outcome.retry_after
        if wait is None:
            wait = retries.wait(row.id, row.attempts)
        again = now + wait
        # A server that was down for hours must not have used up the tries of what it never saw.
        untried = not outcome.transport
        if row.expires_at and again >= row.expires_at:
            return self._result(
                row, "failed", f"expired; last: {outcome.reason}", now, transport=outcome.transport
            )
        worn_out = row.attempts >= retries.max_attempts and not untried
        if worn_out or again > row.queued_at + retries.max_age:
            why = f"given up after {row.attempts} tries; last: {outcome.reason}"
            return self._result(row, "failed", why, now, transport=outcome.transport)
        return self._result(
            row,
            "queued",
            outcome.reason,
            now,
            transport=outcome.transport,
            not_before=again,
            untried=untried,
        )

    def _result(
        self,
        row: LedgerRow,
        state: MessageState,
        reason: str,
        at: int,
        *,
        not_before: int = 0,
        transport: str = "",
        provider_id: str = "",
        variant: str = "",
        why_variant: str = "",
        hard: bool = False,
        answer: Any = None,
        untried: bool = False,
    ) -> Result:
        return Result(
            id=row.id,
            profile_id=row.profile_id,
            state=state,
            at=at,
            reason=reason,
            variant=variant or row.variant,
            why_variant=why_variant or row.why_variant,
            transport=transport,
            provider_id=provider_id,
            not_before=not_before or at,
            journey=row.journey,
            revision=row.revision,
            step=row.step,
            channel=row.channel,
            address=row.address,
            hard=hard,
            answer=answer,
            untried=untried,
        )


def _why(row: LedgerRow, rendered: Rendered) -> str:
    """Why it says what it says; empty when what the ledger has needs no other words."""
    if not rendered.notes:
        return rendered.why_variant
    return "; ".join(filter(None, (rendered.why_variant or row.why_variant, *rendered.notes)))
