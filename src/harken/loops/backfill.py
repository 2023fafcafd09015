"""Back-fill: tells every customer's document what new rules would have counted before they came.

When definitions change, `renew` plans a pass over all customers. History works out what each new
trait counted up to then, one statement a trait, in a thread of its own; then the engine takes a
slice of customers at a time, as inputs like any other, between its batches: all, or those whom it
may concern (`concerned`). The place of the pass is committed with each slice: a restart goes on
where it was.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from harken.clock import Clock
from harken.definitions import InForce
from harken.errors import Unavailable
from harken.history.base import History
from harken.ids import IDS
from harken.inputs import Fill
from harken.logs import structlog
from harken.loops.concerned import Concerned
from harken.loops.preparing import Preparer
from harken.loops.turn import Turn
from harken.people.traits import Trait
from harken.segments.dialects.duckdb import DUCKDB
from harken.segments.filling import Filling, Pass
from harken.segments.sql_traits import state_from, trait_states

log = structlog.get_logger("backfill")

NOTE = "filling"
SHARE = 4
"""Beside other work, slices take one part in so many of the time at most. It is measured in what
they have of the processor: the busier a machine is, the longer they would seem to take."""
LATE = 500
"""So many ms that a slice came late are made up for."""
QUIET = 1_000
"""After so many ms without other work they may have all of it."""


class Customers(Protocol):
    """The part of the store that is needed here."""

    def note(self, name: str) -> bytes: ...

    def profile_ids(self, after: int, limit: int) -> list[int]: ...

    def about_profiles(self) -> int: ...

    def history_end(self) -> int: ...


class Backfill(Preparer):
    """The passes of one engine."""

    trouble = "back-fill cannot be prepared"

    def __init__(
        self,
        store: Customers,
        history: History | None,
        clock: Clock,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_ready` is called when there are slices to take. Without history there is no past."""
        super().__init__()
        self.definitions: InForce | None = None
        self._clock = clock
        self._store = store
        self._history = history
        self._on_ready = on_ready
        self._ready = -1
        """The number of the pass that history is ready for."""
        self._dropped = -1
        self._busy = 0
        """Until then (ms) there is other work, as far as one can tell."""
        self._again = 0
        """When (ms) the next slice may be taken beside other work."""
        self.filling = Filling()
        self._concerned = Concerned()
        self.reload()
        # Who changed before this engine began, since a pass was planned, nobody has noted.
        self._concerned = Concerned(known=not self.filling.passes)

    def reload(self) -> None:
        """Go back to what was committed."""
        note = self._store.note(NOTE)
        self.filling = msgspec.msgpack.decode(note, type=Filling) if note else Filling()
        self._concerned.again()

    def changed(self, turn: Turn) -> None:
        """What came of a batch or a slice is about to be committed."""
        # Who is in a slice of ours is told by it.
        if not self.filling.passes or NOTE in turn.notes:
            return
        new = {id for one in self.filling.passes for id in one.traits}
        for id in turn.packed:
            document = turn.documents.get(id)
            if document is None or not new.isdisjoint(document.traits):
                self._concerned.note(id)

    def renew(self, before: InForce, definitions: InForce) -> Filling:
        """What is to be filled once `definitions` are in force. Takes hold when `committed`."""
        filling = self._copy()
        revision = definitions.written.revision
        traits = filling.renew(definitions.counted(), revision)
        segments = definitions.changed_segments(before)
        sparse = (
            not definitions.dates_differ(before)
            and segments.isdisjoint([*filling.named, *before.segments.by_name])
            and definitions.fail_for_nothing(segments, traits)
        )
        filling.named = sorted({*filling.named, *definitions.segments.by_name})
        total = self._store.about_profiles()
        if not filling.passes:
            self._concerned = Concerned()
        if total and (traits or segments or definitions.dates_differ(before)):
            # Of a segment that changed again, only the latest rule is of interest.
            for one in filling.passes:
                one.segments = tuple(name for name in one.segments if name not in segments)
            filling.plan(
                Pass(
                    upto=self._store.history_end(),
                    traits=traits,
                    segments=tuple(sorted(segments)),
                    journeys=tuple(sorted(definitions.journeys_reading(traits))),
                    sparse=sparse,
                    total=total,
                )
            )
        return filling

    def recount(self, definitions: InForce, ids: Sequence[int]) -> Filling:
        """What is to be filled after a merge of these was undone, in the batch to be committed.

        It must be the last input of that batch: what follows is counted as it comes.
        """
        filling = self._copy()
        for one in filling.passes:
            one.skip += tuple(ids)
        filling.plan(
            Pass(
                upto=self._store.history_end() + 1,
                traits=sorted(definitions.counted()),
                segments=tuple(definitions.segments.by_name),
                journeys=tuple(definitions.journeys),
                only=tuple(sorted(ids)),
                total=len(ids),
            )
        )
        return filling

    def _copy(self) -> Filling:
        return msgspec.convert(msgspec.to_builtins(self.filling), Filling)

    def committed(self, definitions: InForce) -> None:
        """These definitions, and how far they are filled, are in the store now."""
        self.definitions, self.filling = definitions, definitions.filling
        self.ring()

    def ready(self) -> bool:
        """Whether there are slices to take."""
        passes = self.filling.passes
        return bool(passes) and self._ready == passes[0].number

    def due(self, now: int, *, busy: bool) -> bool:
        """Whether slices may be taken now. `busy`: there is other work at present."""
        if busy:
            self._busy = now + QUIET
        return self.ready() and now >= min(self._busy, self._again)

    def took(self, began: int, worked: float) -> None:
        """A slice was handled: when that began, and for how many ms it had the processor."""
        late = began - LATE <= self._again <= began
        self._again = (self._again if late else began) + int(worked * SHARE)

    def slice(self, limit: int) -> tuple[list[Fill], Filling] | None:
        """The next customers, and how far the passes are after them. To be asked when `ready`.

        All that was handled must be committed: a customer that the store does not show yet would
        be passed by. None when history is away: it is asked again beside the engine.
        """
        now, *later = self.filling.passes
        try:
            ids, upto, done = self._next(now, limit)
            states = self._states(now, upto) if ids else {}
        except Unavailable as fault:
            log.warning("back-fill waits", fault=str(fault))
            self._ready = -1
            self._concerned.again()
            self.ring()
            return None
        if not ids:
            log.info("back-fill is done", customers=now.done, segments=len(now.segments))
            return [], replace(self.filling, passes=later, over=now)
        fills = [Fill(id, states.get(id, {}), now.segments) for id in ids if id not in now.skip]
        ahead = replace(now, cursor=upto, done=done)
        return fills, replace(self.filling, passes=[ahead, *later])

    def _next(self, now: Pass, limit: int) -> tuple[list[int], int, int]:
        """The next customers, up to which id they are all to be told, how many then were."""
        if now.sparse and self._concerned.known:
            tables = list(self._tables(now))
            ids, upto = self._concerned.take(now.number, self._history, tables, now.cursor, limit)
            return ids, upto, now.total * (upto + 1) // IDS
        if now.only:
            ids = [id for id in now.only if id > now.cursor][:limit]
        else:
            ids = self._store.profile_ids(now.cursor, limit)
        return ids, ids[-1] if ids else now.cursor, now.done + len(ids)

    def prepare(self) -> bool:
        """Let history work out the first pass; False when that must wait, or is not needed."""
        passes, history = self.filling.passes, self._history
        over = self.filling.over
        if history is not None and over is not None and over.number != self._dropped:
            history.drop_filling([_table(id, over) for id in over.traits])
            self._dropped = over.number
        if not passes or self.ready():
            return False
        first = passes[0]
        if history is not None:
            if history.watermark() < first.upto:
                return False
            for table, trait in self._tables(first).items():
                since = self._clock.now() - trait.reach if trait.reach else None
                sql, params = trait_states(trait, first.upto, DUCKDB, since=since)
                sql = f"SELECT * FROM ({sql}) AS found(profile_id, state)"
                if first.only:
                    sql += f" WHERE profile_id IN ({', '.join(map(str, first.only))})"
                history.prepare_filling(table, sql, params)
        self._ready = first.number
        self._on_ready()
        return True

    def _states(self, now: Pass, upto: int) -> dict[int, dict[str, Any]]:
        """What history worked out for the next customers, by customer and trait."""
        tables = self._tables(now)
        if self._history is None or not tables:
            return {}
        found = self._history.filling(list(tables), now.cursor, upto)
        return {
            id: {tables[name].id: state_from(tables[name], raw) for name, raw in states.items()}
            for id, states in found.items()
        }

    def _tables(self, one: Pass) -> dict[str, Trait]:
        """The traits of a pass by what history calls their states: another must not find these."""
        known = self.definitions.counted() if self.definitions else {}
        return {_table(id, one): known[id] for id in one.traits if id in known}


def _table(trait_id: str, one: Pass) -> str:
    return f"{trait_id.replace('-', '_')}_{one.number}"
