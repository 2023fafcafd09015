"""Mail, and what webhooks would be told, kept for viewing instead of being sent."""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from harken import wal
from harken.channels.base import Outcome
from harken.clock import Clock

if TYPE_CHECKING:
    from harken.channels.dkim import Signer
    from harken.channels.smtp import Letter

SANDBOX_URL = "sandbox:"
"""The URL of a transport that keeps mail here."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS sandbox_mail (
    id TEXT PRIMARY KEY,
    profile_id INTEGER NOT NULL,
    address TEXT NOT NULL,
    subject TEXT NOT NULL,
    raw BLOB NOT NULL,
    at INTEGER NOT NULL,
    channel TEXT NOT NULL DEFAULT 'email'
) STRICT;
-- newest first, of all and of one address
CREATE INDEX IF NOT EXISTS sandbox_mail_at ON sandbox_mail (at, id);
CREATE INDEX IF NOT EXISTS sandbox_mail_address ON sandbox_mail (address, at, id);
"""
# The first copy stays: a message handed over again after a crash is the same message.
INSERT = """
INSERT INTO sandbox_mail (id, profile_id, address, subject, raw, at, channel)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING
"""
LIST = """
SELECT id, profile_id, address, subject, at, channel FROM sandbox_mail
WHERE (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?
"""
LIST_OF_ADDRESS = """
SELECT id, profile_id, address, subject, at, channel FROM sandbox_mail
WHERE address = ? AND (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?
"""
GET = """
SELECT id, profile_id, address, subject, at, channel, raw FROM sandbox_mail WHERE id = ?
"""
ADD_CHANNEL = "ALTER TABLE sandbox_mail ADD COLUMN channel TEXT NOT NULL DEFAULT 'email'"
PLACE = "SELECT at, id FROM sandbox_mail WHERE id = ?"
PURGE = "DELETE FROM sandbox_mail WHERE at < ?"
FORGET = "DELETE FROM sandbox_mail WHERE profile_id = ?"
END = (2**62, "")


class SandboxMail(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A mail that was kept."""

    id: str
    """The message's id in the ledger."""
    profile_id: int
    address: str
    subject: str
    at: int
    raw: bytes = b""
    """The mail (or JSON) as it would have been sent; empty in a list."""
    channel: str = "email"


class Sandbox:
    """The table of kept mail, in a file of its own. Shared by threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            path, timeout=wal.SECONDS, check_same_thread=False, isolation_level=None
        )
        wal.switch_to(self._db)
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        columns = [row[1] for row in self._db.execute("PRAGMA table_info(sandbox_mail)")]
        if "channel" not in columns:
            self._db.execute(ADD_CHANNEL)

    def add(self, mails: Iterable[SandboxMail]) -> None:
        """Keep them, in one transaction; one that is there already stays as it is."""
        rows = [(m.id, m.profile_id, m.address, m.subject, m.raw, m.at, m.channel) for m in mails]
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(INSERT, rows)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def list(
        self, *, address: str | None = None, before: str | None = None, limit: int = 50
    ) -> list[SandboxMail]:
        """Newest first, without `raw`; `before` is the id of the last mail of the page before."""
        with self._lock:
            place = END if before is None else self._db.execute(PLACE, (before,)).fetchone()
            if place is None:
                return []
            if address is None:
                rows = self._db.execute(LIST, (*place, limit)).fetchall()
            else:
                rows = self._db.execute(LIST_OF_ADDRESS, (address, *place, limit)).fetchall()
        return [
            SandboxMail(
                id=id, profile_id=profile, address=to, subject=subject, at=at, channel=channel
            )
            for id, profile, to, subject, at, channel in rows
        ]

    def get(self, id: str) -> SandboxMail | None:
        """One mail with its bytes."""
        with self._lock:
            row = self._db.execute(GET, (id,)).fetchone()
        if row is None:
            return None
        keys = ("id", "profile_id", "address", "subject", "at", "channel", "raw")
        return SandboxMail(**dict(zip(keys, row, strict=True)))

    def purge(self, older_than: int) -> int:
        """Delete what was kept before that time (ms); how many there were."""
        with self._lock:
            return self._db.execute(PURGE, (older_than,)).rowcount

    def forget(self, profile_ids: Iterable[int]) -> None:
        """Delete all mail of these profiles."""
        with self._lock:
            self._db.executemany(FORGET, [(id,) for id in profile_ids])

    def close(self) -> None:
        with self._lock:
            self._db.close()


class SandboxTransport:
    """Takes every letter and keeps it."""

    lanes = 1
    repeatable = True
    signer: "Signer | None" = None
    return_path: str | None = None

    def __init__(self, sandbox: Sandbox, clock: Clock, name: str = "sandbox") -> None:
        self.name = name
        self.weight = 1
        self._sandbox = sandbox
        self._clock = clock

    @property
    def trouble(self) -> str:
        return ""

    def room(self) -> int | None:
        return None

    def rest(self) -> float:
        return 0.0

    def next_room(self) -> float:
        return 0.0

    def send(self, letters: "Sequence[Letter]", deadline: float) -> list[Outcome]:
        at = self._clock.now()
        mails = [
            SandboxMail(
                id=letter.id,
                profile_id=letter.profile_id,
                address=letter.recipient,
                subject=letter.subject,
                raw=letter.data,
                at=at,
            )
            for letter in letters
        ]
        try:
            self._sandbox.add(mails)
        except sqlite3.Error as error:
            failed = Outcome(state="temporary", reason=f"the sandbox cannot store it: {error}")
            return [failed] * len(letters)
        sent = Outcome(state="sent", transport=self.name, provider_id="kept in the sandbox")
        return [sent] * len(letters)

    def close(self) -> None:
        """Nothing is held between batches."""
