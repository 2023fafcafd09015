"""The channel `email`: from rendered messages to letters, shared out among the transports."""

from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct

from harken.channels.addresses import parse_address, parse_mailbox
from harken.channels.base import Outcome, Prepared
from harken.channels.mime import Mail, clean, compose, feedback_id
from harken.channels.smtp import Letter
from harken.channels.transports import Choice, Transport
from harken.clock import SECOND, Clock
from harken.errors import BadInput
from harken.store.base import LedgerRow


class Sending(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who a mail comes from."""

    from_: str
    """`Shop <hello@shop.example>`"""
    reply_to: str | None = None


class Returns(Struct, frozen=True):
    """The addresses of one message at the domain that takes what comes back."""

    bounces: str
    """The envelope sender."""
    leave: str
    """Takes unsubscriptions by mail, besides the link."""


class EmailChannel:
    """Sends by whichever transport a message's id and the transports' health choose."""

    def __init__(
        self,
        transports: Sequence[Transport],
        *,
        sending: Callable[[LedgerRow], Sending],
        returns: Callable[[LedgerRow, str], Returns],
        workspace: str,
        clock: Clock,
        mark: Callable[[str], None] | None = None,
    ) -> None:
        """`returns(row, domain)` are the addresses of a message whose transport has a return path
        domain; `sending` and it may raise BadInput, which fails that message alone. `mark` is told
        of a message's id just before a server can have it."""
        self._choice = Choice(transports)
        self._sending = sending
        self._returns = returns
        self._workspace = workspace
        self._clock = clock
        self._mark = mark

    @property
    def marks(self) -> bool:
        return self._mark is not None

    @property
    def lanes(self) -> int:
        return sum(transport.lanes for transport in self._choice.transports)

    @property
    def repeatable(self) -> bool:
        return all(transport.repeatable for transport in self._choice.transports)

    def room(self) -> int | None:
        total = 0
        for transport in self._serving():
            room = transport.room()
            if room is None:
                return None
            total += room
        return total

    def rest(self) -> float:
        return min((transport.next_room() for transport in self._serving()), default=0.0)

    def send(self, batch: Sequence[Prepared], deadline: float) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        waiting, down = list(range(len(batch))), set[str]()
        while waiting:
            shares, nowhere = self._share(batch, waiting, frozenset(down))
            for index in nowhere:
                outcomes[index] = self._no_way()
            waiting = []
            for transport, share in shares:
                letters = self._letters(transport, batch, share, outcomes)
                done = transport.send([letter for _, letter in letters], deadline)
                for (index, _), outcome in zip(letters, done, strict=False):
                    outcomes[index] = outcome
                if len(done) < len(letters):
                    # Down, or out of time: the untouched rest may try its luck elsewhere.
                    down.add(transport.name)
                    waiting += [index for index, _ in letters[len(done) :]]
        return [outcomes[index] for index in range(len(batch))]

    def close(self) -> None:
        for transport in self._choice.transports:
            transport.close()

    def _serving(self) -> list[Transport]:
        """The transports to pick from now: a reserve is one only when the others rest."""
        listed = self._choice.transports
        main = [transport for transport in listed if transport.weight > 0]
        awake = [transport for transport in main if transport.rest() == 0]
        return awake or list(listed)

    def _share(
        self, batch: Sequence[Prepared], indices: Sequence[int], down: frozenset[str]
    ) -> tuple[list[tuple[Transport, list[int]]], list[int]]:
        shares: dict[str, tuple[Transport, list[int]]] = {}
        nowhere = []
        for index in indices:
            transport = self._choice.pick(batch[index].row.id, down)
            if transport is None:
                nowhere.append(index)
            else:
                shares.setdefault(transport.name, (transport, []))[1].append(index)
        return list(shares.values()), nowhere

    def _letters(
        self,
        transport: Transport,
        batch: Sequence[Prepared],
        indices: Sequence[int],
        outcomes: dict[int, Outcome],
    ) -> list[tuple[int, Letter]]:
        """The letters that can be written; the others' outcomes say why not."""
        letters = []
        for index in indices:
            try:
                letters.append((index, self._letter(transport, batch[index])))
            except BadInput as error:
                outcomes[index] = Outcome(
                    state="permanent", reason=str(error), transport=transport.name
                )
        return letters

    def _letter(self, transport: Transport, prepared: Prepared) -> Letter:
        row, rendered = prepared.row, prepared.rendered
        sending = self._sending(row)
        at = self._clock.now()
        sender = parse_mailbox(sending.from_)
        recipient = parse_address(row.address)
        # A receipt cannot be unsubscribed from; offering it would only hide the next one.
        stoppable = row.purpose != "transactional"
        reply_to = parse_mailbox(sending.reply_to) if sending.reply_to else None
        returns = self._returns(row, transport.return_path) if transport.return_path else None
        mime = compose(
            Mail(
                id=row.id,
                at=at,
                from_=sender,
                to=recipient,
                subject=rendered.subject,
                text=rendered.text,
                html=rendered.html,
                reply_to=reply_to,
                unsubscribe_url=rendered.unsubscribe if stoppable else "",
                unsubscribe_mailto=returns.leave if returns else "",
                feedback_id=feedback_id(row.journey, row.step, self._workspace, "harken"),
            )
        )
        if transport.signer:
            mime = transport.signer.sign(mime, at)
        path = str(parse_address(returns.bounces) if returns else sender.address)
        boxes = [recipient, sender.address, *([reply_to.address] if reply_to else [])]
        return Letter(
            sender=path,
            recipient=str(recipient),
            data=mime.to_bytes(),
            utf8=any(box.utf8 for box in boxes),
            id=row.id,
            profile_id=row.profile_id,
            subject=clean(rendered.subject),
            begin=partial(self._mark, row.id) if self._mark else None,
        )

    def _no_way(self) -> Outcome:
        troubles = [f"{t.name}: {t.trouble}" for t in self._choice.transports if t.trouble]
        return Outcome(
            state="temporary",
            reason="; ".join(troubles) or "no transport could take it in time",
            retry_after=max(SECOND, round(self.rest() * SECOND)),
        )
