"""The embedded store: one SQLite file, `state.db`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Literal

import msgspec
from msgspec.structs import astuple

from harken.channels.table import CALL, SENDING
from harken.effects import Outgoing
from harken.inputs import Definitions, Feedback, JourneySource, WakeUp, decode_definitions
from harken.people import profile as documents
from harken.people.profile import Profile
from harken.store import census, coupons
from harken.store.base import Batch, LedgerRow, Result
from harken.store.connection import Database, slices, within, write_rows

SCHEMA = (Path(__file__).parent / "schema.sql").read_text()

LEDGER_COLUMNS = ", ".join(field.name for field in msgspec.structs.fields(LedgerRow))

_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
_decode_ids = msgspec.json.Decoder(set[str]).decode
_source = msgspec.msgpack.Decoder(JourneySource).decode


# Those that `messages_trouble` in schema.sql holds.
TROUBLED = ("unsure", "failed", "aborted", "bounced")


class SqliteStore:
    """`Store` on SQLite. The sender's instance is `durable`: a claim must not be forgotten."""

    def __init__(self, path: Path, *, durable: bool = False, cache_mib: int = 16) -> None:
        self.database = Database(path, SCHEMA, durable=durable, cache_mib=cache_mib)
        self.coupons = coupons.CouponRows(self.database)

    def close(self) -> None:
        self.database.close()

    # -- the engine

    def offset(self) -> int:
        return int(self.note("offset") or 0)

    def note(self, name: str) -> bytes:
        row = self._one("SELECT body FROM notes WHERE name = ?", [name])
        return bytes(row[0]) if row else b""

    def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        found: dict[int, Profile] = {}
        for some in slices(ids):
            marks = ",".join("?" * len(some))
            # One row, not one each: with each row Python's lock changes hands (see `write_rows`).
            sql = "SELECT count(*), CAST(group_concat(document, '') AS BLOB) FROM profiles"
            count, joined = self._one(f"{sql} WHERE id IN ({marks})", some)
            found |= {one.id: one for one in documents.decode_all(count, joined or b"")}
        return found

    def existing(self, ids: Sequence[int]) -> set[int]:
        found: set[int] = set()
        for some in slices(ids):
            marks = ",".join("?" * len(some))
            rows = self._rows(f"SELECT id FROM profiles WHERE id IN ({marks})", some)
            found.update(row[0] for row in rows)
        return found

    def profile_ids(self, after: int, limit: int) -> list[int]:
        sql = "SELECT id FROM profiles WHERE id > ? ORDER BY id LIMIT ?"
        return [row[0] for row in self._rows(sql, [after, limit])]

    def about_profiles(self) -> int:
        with self.database.reporting():
            return census.about_profiles(self.database.connection)

    def due(self, now: int, limit: int) -> list[WakeUp]:
        sql = "SELECT due, profile_id, key, body FROM wakeups WHERE due <= ? ORDER BY due LIMIT ?"
        return [WakeUp(*row) for row in self._rows(sql, [now, limit])]

    def next_due(self) -> int | None:
        row = self._one("SELECT min(due) FROM wakeups", [])
        return row[0] if row else None

    def commit(self, batch: Batch) -> None:
        with self.database.transaction() as sql:
            write_rows(sql, SET_PROFILE, batch.profiles)
            write_rows(sql, DELETE_WAKEUP, [_place(w) for w in (*batch.woken, *batch.cancel)])
            write_rows(sql, SET_WAKEUP, [(w.due, w.profile_id, w.key, w.body) for w in batch.wake])
            write_rows(sql, INSERT_MESSAGE, list(map(astuple, batch.messages)))
            coupons.write(sql, batch.coupons)
            if batch.forgotten:
                # Last: a message or coupon of the same batch is theirs too.
                _erase(sql, batch.forgotten)
            for feedback in batch.feedback:
                statement = FEEDBACK.get(feedback.what)
                if statement:
                    sql.execute(statement, msgspec.structs.asdict(feedback))
            if batch.history:
                sql.execute("INSERT INTO history_rows (body) VALUES (?)", [batch.history])
            if batch.definitions is not None:
                self._write_definitions(batch.definitions)
            notes = {**batch.notes, "offset": str(batch.offset).encode()}
            write_rows(sql, SET_NOTE, list(notes.items()))

    def definitions(self) -> Definitions:
        row = self._one("SELECT body FROM definitions ORDER BY revision DESC LIMIT 1", [])
        return decode_definitions(row[0]) if row else Definitions(0, 0, "")

    def definitions_revision(self) -> int:
        """The number of those in force."""
        row = self._one("SELECT max(revision) FROM definitions", [])
        return row[0] or 0

    def journey_revision(self, journey: str, revision: int) -> JourneySource | None:
        row = self._one(
            "SELECT body FROM journey_revisions WHERE journey = ? AND revision = ?",
            [journey, revision],
        )
        return _source(row[0]) if row else None

    def _write_definitions(self, definitions: Definitions) -> None:
        sql = self.database.connection
        sql.execute(
            "INSERT OR REPLACE INTO definitions VALUES (?, ?)",
            [definitions.revision, _encode(definitions)],
        )
        sql.executemany(
            "INSERT OR REPLACE INTO journey_revisions VALUES (?, ?, ?)",
            [(name, one.revision, _encode(one)) for name, one in definitions.journeys.items()],
        )

    # -- history

    def history_rows(self, after: int, most_bytes: int) -> list[tuple[int, bytes]]:
        sql = "SELECT number, body FROM history_rows WHERE number > ? ORDER BY number"
        with self.database.reporting():
            rows = list(within(self.database.connection.execute(sql, [after]), most_bytes))
        if rows:
            # History remembers these numbers: a power cut must not lead to them again.
            self.database.sync()
        return rows

    def history_waiting(self, after: int) -> int:
        # The length of a blob stands in front of it: none is read.
        sql = "SELECT coalesce(sum(length(body)), 0) FROM history_rows WHERE number > ?"
        return int(self._one(sql, [after])[0])

    def history_end(self) -> int:
        row = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'history_rows'", [])
        return int(row[0]) if row else 0

    def history_done(self, upto: int) -> None:
        with self.database.transaction() as sql:
            sql.execute("DELETE FROM history_rows WHERE number <= ?", [upto])

    # -- the sender

    def claim(
        self, sender: str, now: int, wanted: Mapping[str, int], lease: int
    ) -> list[LedgerRow]:
        due = [
            (channel, priority)
            for priority in (1, 0)
            for channel, most in wanted.items()
            if most > 0 and self._one(SOME_QUEUED, [channel, priority, now]) is not None
        ]
        if not due:
            return []
        claimed: list[LedgerRow] = []
        left = dict(wanted)
        with self.database.transaction() as sql:
            for channel, priority in due:
                values = [sender, now + lease, now, channel, priority, now, left[channel]]
                rows = [_ledger_row(row) for row in sql.execute(CLAIM, values)]
                left[channel] -= len(rows)
                claimed += rows
        return claimed

    def settle(self, sender: str, results: Sequence[Result]) -> list[str]:
        with self.database.transaction() as sql:
            ids = _encode_json([result.id for result in results]).decode()
            held = _decode_ids(sql.execute(HELD, [sender, ids]).fetchone()[0])
            written = [result for result in results if result.id in held]
            _settle(sql, written)
        return [result.id for result in written]

    def lost(self, sender: str) -> list[LedgerRow]:
        sql = f"SELECT {LEDGER_COLUMNS} FROM messages WHERE state = 'handed' AND sender = ?"
        return [_ledger_row(row) for row in self._rows(sql, [sender])]

    def take_over(
        self, sender: str, now: int, settled: Callable[[str, list[LedgerRow]], list[Result]]
    ) -> list[Result]:
        lapsed = "FROM messages WHERE state = 'handed' AND lease_until < ? AND sender <> ?"
        if self._one(f"SELECT 1 {lapsed}", [now, sender]) is None:
            return []
        with self.database.transaction() as sql:
            held: dict[str, list[LedgerRow]] = {}
            columns = f"SELECT sender, {LEDGER_COLUMNS} {lapsed}"
            for former, *row in sql.execute(columns, [now, sender]).fetchall():
                held.setdefault(former, []).append(_ledger_row(tuple(row)))
            results = [one for former, rows in held.items() for one in settled(former, rows)]
            _settle(sql, results)
        return results

    def next_message(self, channels: Sequence[str] = (*SENDING, CALL)) -> int | None:
        found = [
            row[0]
            for channel in channels
            for priority in (0, 1)
            if (row := self._one(NEXT_QUEUED, [channel, priority]))[0] is not None
        ]
        return min(found, default=None)

    def suppressed(self, addresses: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for some in slices([address.lower() for address in addresses]):
            marks = ",".join("?" * len(some))
            sql = f"SELECT address, why FROM suppressions WHERE address IN ({marks})"
            found.update(self._rows(sql, some))
        return {
            address: found[address.lower()] for address in addresses if address.lower() in found
        }

    def suppress(self, rows: Iterable[tuple[str, str, int]]) -> None:
        with self.database.transaction() as sql:
            sql.executemany(
                "INSERT OR IGNORE INTO suppressions VALUES (?, ?, ?)",
                [(address.lower(), why, at) for address, why, at in rows],
            )

    def unsuppress(self, address: str) -> bool:
        """Allow an address again; False when it was not suppressed."""
        with self.database.transaction() as sql:
            done = sql.execute("DELETE FROM suppressions WHERE address = ?", [address.lower()])
            return done.rowcount > 0

    def written_to(self, address: str) -> list[int]:
        # An operator asks it of one address now and then: an index would cost each message.
        sql = "SELECT DISTINCT profile_id FROM messages WHERE address = ? COLLATE NOCASE"
        return [row[0] for row in self._rows(sql, [address])]

    def suppressions(self, limit: int) -> list[tuple[str, str, int]]:
        """(address, why, at), newest first."""
        sql = "SELECT address, why, at FROM suppressions ORDER BY at DESC LIMIT ?"
        return self._rows(sql, [limit])

    # -- people who look

    def messages(
        self,
        *,
        profile_id: int | None = None,
        state: str | None = None,
        journey: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[LedgerRow]:
        older = "number < (SELECT number FROM messages WHERE id = ?)"
        asked = {"profile_id = ?": profile_id, "journey = ?": journey, older: before}
        given = {sql: value for sql, value in asked.items() if value is not None}
        where = " AND ".join([*given, "1" if state is None else _in_state(state)])
        sql = f"SELECT {LEDGER_COLUMNS} FROM messages WHERE {where} ORDER BY number DESC LIMIT ?"
        return [_ledger_row(row) for row in self._rows(sql, [*given.values(), limit])]

    def message(self, id: str) -> LedgerRow | None:
        row = self._one(f"SELECT {LEDGER_COLUMNS} FROM messages WHERE id = ?", [id])
        return _ledger_row(row) if row else None

    def message_states(self) -> dict[str, int]:
        """How many messages are in each state; sent ones are counted by history's reports."""
        counted = {
            state: self._one(f"SELECT count(*) FROM messages WHERE {_in_state(state)}", [])[0]
            for state in ("queued", "handed", "unsure")
        }
        return {state: count for state, count in counted.items() if count}

    def obstacle(self) -> str:
        """Why some message that waits could not leave when it was tried, or empty."""
        some = "SELECT reason FROM messages WHERE state = 'queued' LIMIT 20000"
        tried = "reason <> '' AND reason NOT LIKE 'held by%'"
        row = self._one(f"SELECT reason FROM ({some}) WHERE {tried} LIMIT 1", [])
        return str(row[0]) if row else ""

    def resolve(self, id: str, action: Literal["resend", "close"], now: int, by: str) -> bool:
        with self.database.transaction() as sql:
            values = {"id": id, "now": now, "by": by}
            done = sql.execute(RESEND if action == "resend" else CLOSE, values).rowcount > 0
            row = self.message(id) if done and action == "close" else None
            if row is not None:
                # It counts as never sent from now on: the engine frees its slot under the caps.
                write_rows(sql, SET_WAKEUP, [_outcome(_closed(row, now))])
            return done

    def counts(self) -> dict[str, int]:
        """How many profiles and parked wake-ups there are."""
        row = self._one(
            "SELECT (SELECT count(*) FROM profiles), (SELECT count(*) FROM wakeups)", []
        )
        return {"profiles": row[0], "wakeups": row[1]} if row else {}

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        with self.database.reporting():
            return self.database.connection.execute(sql, values).fetchall()

    def _one(self, sql: str, values: Sequence[Any]) -> Any:
        with self.database.reporting():
            return self.database.connection.execute(sql, values).fetchone()


SOME_QUEUED = """
SELECT 1 FROM messages
WHERE state = 'queued' AND channel = ? AND priority = ? AND not_before <= ? LIMIT 1
"""
NEXT_QUEUED = """
SELECT min(not_before) FROM messages WHERE state = 'queued' AND channel = ? AND priority = ?
"""

# A message that a replay of the log brings again is the same message.
INSERT_MESSAGE = f"""
INSERT OR IGNORE INTO messages ({", ".join(Outgoing.__struct_fields__)}, state)
SELECT *, 'queued' FROM (VALUES {{rows}})
"""

# Of an erased customer the ledger keeps that a message was sent, but not to whom or with what.
ERASE = """
UPDATE messages SET address = '', context = x'',
    reason = CASE WHEN state = 'queued' THEN 'the customer was erased' ELSE '' END,
    state = CASE WHEN state = 'queued' THEN 'aborted' ELSE state END
WHERE profile_id = ?
"""

CLAIM = f"""
UPDATE messages SET state = 'handed', sender = ?, lease_until = ?, handed_at = ?,
    attempts = attempts + 1
WHERE number IN (
    SELECT number FROM messages
    WHERE state = 'queued' AND channel = ? AND priority = ? AND not_before <= ?
    ORDER BY not_before LIMIT ?
)
RETURNING {LEDGER_COLUMNS}
"""

# Only who holds the claim may settle it. One row whatever is found: see `write_rows`.
HELD = """
SELECT json_group_array(id) FROM messages
WHERE id IN (SELECT value FROM json_each(?2)) AND state = 'handed' AND sender = ?1
"""

# Statements about many rows, for `write_rows`.
SET_PROFILE = """
INSERT INTO profiles VALUES {rows} ON CONFLICT (id) DO UPDATE SET document = excluded.document
"""
SET_WAKEUP = "INSERT OR REPLACE INTO wakeups VALUES {rows}"
SET_NOTE = "INSERT OR REPLACE INTO notes VALUES {rows}"
# The context goes once it can no longer be needed. A provider may have told of a message before we
# wrote down that it was sent.
SETTLE = """
WITH told (id, outcome, why, untried, shown, why_shown, by, known_as, again, at) AS (VALUES {rows})
UPDATE messages SET
    state = CASE WHEN outcome NOT IN ('sent', 'unsure') THEN outcome
        WHEN bounced_at > 0 THEN 'bounced' WHEN delivered_at > 0 THEN 'delivered'
        ELSE outcome END,
    reason = why, sender = '', lease_until = 0,
    attempts = attempts - untried,
    variant = CASE WHEN shown = '' THEN variant ELSE shown END,
    why_variant = CASE WHEN why_shown = '' THEN why_variant ELSE why_shown END,
    transport = by, provider_id = known_as,
    not_before = CASE WHEN outcome = 'queued' THEN again ELSE not_before END,
    sent_at = CASE WHEN outcome = 'sent' THEN at ELSE sent_at END,
    context = CASE WHEN outcome IN ('sent', 'failed', 'aborted') THEN x'' ELSE context END
FROM told WHERE messages.id = told.id
"""
DELETE_WAKEUP = """
DELETE FROM wakeups WHERE (due, profile_id, key) IN (SELECT * FROM (VALUES {rows}))
"""

RESEND = """
UPDATE messages SET state = 'queued', not_before = :now, reason = 'resent by ' || :by
WHERE id = :id AND state = 'unsure'
"""
CLOSE = """
UPDATE messages SET state = 'failed', reason = 'closed by ' || :by, context = x''
WHERE id = :id AND state = 'unsure'
"""

# An answer from the outside says that the message arrived, whatever we had believed.
FEEDBACK = {
    "delivered": """
        UPDATE messages SET delivered_at = max(delivered_at, :at),
            state = CASE WHEN state IN ('sent', 'unsure') THEN 'delivered' ELSE state END
        WHERE id = :message""",
    "bounced": """
        UPDATE messages SET bounced_at = :at, reason = :detail,
            state = CASE WHEN state = 'handed' THEN state ELSE 'bounced' END,
            context = CASE WHEN state = 'handed' THEN context ELSE x'' END
        WHERE id = :message AND state IN ('handed', 'sent', 'delivered', 'unsure', 'bounced')""",
    "opened": """
        UPDATE messages SET
            opened_at = CASE WHEN opened_at = 0 AND NOT :machine THEN :at ELSE opened_at END,
            state = CASE WHEN state = 'unsure' THEN 'delivered' ELSE state END
        WHERE id = :message""",
    "clicked": """
        UPDATE messages SET
            clicked_at = CASE WHEN clicked_at = 0 AND NOT :machine THEN :at ELSE clicked_at END,
            state = CASE WHEN state = 'unsure' THEN 'delivered' ELSE state END
        WHERE id = :message""",
}


def _erase(sql: Connection, ids: Iterable[int]) -> None:
    """Forget customers: their documents, and what messages and coupons say of them."""
    gone = [(id,) for id in ids]
    # What is erased is overwritten with zeros too, whatever that costs.
    sql.execute("PRAGMA secure_delete = ON")
    sql.executemany("DELETE FROM profiles WHERE id = ?", gone)
    sql.executemany(ERASE, gone)
    coupons.erase(sql, gone)
    sql.execute("PRAGMA secure_delete = FAST")


def _settle(sql: Connection, results: Sequence[Result]) -> None:
    """Write outcomes of messages that are `handed`, each with its wake-up for the engine."""
    write_rows(sql, SETTLE, [_settled(result) for result in results])
    write_rows(sql, SET_WAKEUP, [_outcome(one) for one in results if one.state != "queued"])


def _place(wakeup: WakeUp) -> tuple[int, int, str]:
    return wakeup.due, wakeup.profile_id, wakeup.key


def _in_state(state: str) -> str:
    """A condition that indexes of few messages serve: those that were sent stay in the table."""
    is_it = "state = '{}'".format(state.replace("'", "''"))
    return f"{is_it} AND state IN {TROUBLED}" if state in TROUBLED else is_it


def _ledger_row(row: tuple[Any, ...]) -> LedgerRow:
    return LedgerRow(**dict(zip(LedgerRow.__struct_fields__, row, strict=True)))


def _settled(result: Result) -> tuple[Any, ...]:
    return (
        result.id,
        result.state,
        result.reason,
        result.untried,
        result.variant,
        result.why_variant,
        result.transport,
        result.provider_id,
        result.not_before,
        result.at,
    )


def _outcome(result: Result) -> tuple[int, int, str, bytes]:
    feedback = Feedback(
        message=result.id,
        what=result.state,  # type: ignore[arg-type]  # `queued` is left out by the caller
        at=result.at,
        channel=result.channel,
        journey=result.journey,
        revision=result.revision,
        step=result.step,
        variant=result.variant,
        address=result.address,
        detail=result.reason,
        answer=result.answer,
        hard=result.hard,
    )
    return (result.at, result.profile_id, f"feedback:{result.id}:{result.state}", _encode(feedback))


def _closed(row: LedgerRow, now: int) -> Result:
    return Result(
        id=row.id,
        profile_id=row.profile_id,
        state="failed",
        at=now,
        reason=row.reason,
        variant=row.variant,
        journey=row.journey,
        revision=row.revision,
        step=row.step,
        channel=row.channel,
        address=row.address,
    )
