"""Who is it: from the identifiers of an event to the profile under which it is logged.

Most need no table: a user's profile id is derived from the user id. The table knows the rest:
whom an anonymous id belongs to, and which profiles were joined into others. It is derived from
the log and remembers up to which offset, so after a crash the log's tail rebuilds it.

A change is made in three steps, because it may only count once the records are durable:
`resolve` plans it, then `keep` (the log has them) or `forget` (the append failed), then `save`.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from harken import ids
from harken.ingest.intake import transaction
from harken.ingest.protocol import Accepted, decode_event
from harken.inputs import Command, Forget, Kind, Merge, Record, Unmerge, decode_command
from harken.store.log import LogReader

_CACHED = 20_000
# An unsaved offset costs a replay of so many bytes at the next start (well under a second).
_SAVE_EVERY = 16 * 1024 * 1024

_ANONYMOUS = """
SELECT value, owner, apart FROM anonymous WHERE value IN (SELECT value FROM json_each(?))
"""
_PUT_ANONYMOUS = """
INSERT INTO anonymous VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET owner = excluded.owner, apart = excluded.apart
"""
_PUT_REDIRECT = """
INSERT INTO redirects VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET survivor = excluded.survivor, anonymous = excluded.anonymous
"""
_PUT_OFFSET = "INSERT OR REPLACE INTO intake VALUES ('offset', ?)"
_IDENTIFIERS = """
WITH RECURSIVE into_it(id, anonymous) AS (
    SELECT absorbed, anonymous FROM redirects WHERE survivor = :id
    UNION
    SELECT r.absorbed, r.anonymous FROM redirects r JOIN into_it ON r.survivor = into_it.id
)
SELECT anonymous FROM into_it WHERE anonymous IS NOT NULL
UNION
SELECT value FROM anonymous WHERE owner IN (SELECT :id UNION SELECT id FROM into_it) AND owner != 0
"""


EVENT_MERGES = ("identify", "alias")
"""`Merge.how` of those that an event leads to; an operator's has another."""


class Owner(NamedTuple):
    """What is known of an anonymous id."""

    profile: int
    """The user's profile that it belongs to, who may have been joined into another since; 0 for
    none yet."""
    apart: bool = False


class Redirect(NamedTuple):
    """Where a profile went."""

    survivor: int
    """0 when the merge was undone."""
    anonymous: str | None = None


class Identities:
    """The table, a bounded cache before it, and changes not yet in it.

    One thread changes it (the collector's); the look-ups for the API use a connection of their
    own, see `Lookup`.
    """

    def __init__(self, db: sqlite3.Connection, cached: int = _CACHED) -> None:
        self._db = db
        self._half = max(1, cached // 2)
        # Two generations make a bounded cache without a list to keep in order: what was not
        # asked for while one generation filled is dropped with the other.
        self._young: dict[str, Owner | None] = {}
        self._old: dict[str, Owner | None] = {}
        # Users' profiles that were joined into others are few (an alias, an operator's merge):
        # all of them are in memory, so a user's event never waits for the table.
        self._moved: dict[int, int] = dict(
            db.execute("SELECT absorbed, survivor FROM redirects WHERE anonymous IS NULL")
        )
        self._owners: dict[str, Owner | None] = {}
        self._redirects: dict[int, Redirect] = {}
        self._unsaved_owners: dict[str, Owner | None] = {}
        self._unsaved_redirects: dict[int, Redirect] = {}
        found = db.execute("SELECT value FROM intake WHERE key = 'offset'").fetchone()
        self._saved_offset = self._offset = found[0] if found else 0

    # ---- from identifiers to profiles

    def prefetch(self, events: Iterable[Accepted]) -> None:
        """Read what the table knows of these events' anonymous ids, in one statement."""
        if wanted := [
            value
            for event in events
            if event.profile_id == 0 or event.anonymous_id is not None
            for value in (event.anonymous_id, event.previous_id)
            if value is not None
        ]:
            self._fetch(set(wanted))

    def _fetch(self, wanted: Iterable[str]) -> None:
        unknown = [
            value
            for value in wanted
            if value not in self._young
            and value not in self._old
            and value not in self._unsaved_owners
        ]
        if not unknown:
            return
        found: dict[str, Owner | None] = dict.fromkeys(unknown)
        for value, owner, apart in self._db.execute(_ANONYMOUS, (json.dumps(unknown),)):
            found[value] = Owner(owner, bool(apart))
        self._remember(found)

    def _remember(self, found: dict[str, Owner | None]) -> None:
        if len(self._young) + len(found) > self._half:
            self._old, self._young = self._young, {}
        self._young.update(found)

    def _owner(self, anonymous: str) -> Owner | None:
        for known in (self._owners, self._unsaved_owners, self._young, self._old):
            if anonymous in known:
                return known[anonymous]
        self._fetch([anonymous])
        return self._young.get(anonymous)

    @property
    def joined(self) -> bool:
        """Whether any profile was joined into another, so that a user's may not be their own."""
        return bool(self._moved or self._redirects)

    def root(self, profile: int) -> int:
        """The profile that `profile` has become, itself when it was joined into no other."""
        while True:
            planned = self._redirects.get(profile)
            onward = planned.survivor if planned else self._moved.get(profile, 0)
            if not onward:
                return profile
            profile = onward

    def resolve(self, event: Accepted) -> tuple[int, Sequence[tuple[int, Merge]]]:
        """The event's profile, and the merges (survivor, command) to be logged before it.

        An event with a user id alone is that user's, `profile_id`, unless somebody was `joined`.
        """
        user, anonymous = event.user_id, event.anonymous_id
        if user is None:
            assert anonymous is not None
            return self._nameless(anonymous), ()
        own = event.profile_id or ids.profile_id("user", user)
        profile = self.root(own) if self.joined else own
        if anonymous is None and event.previous_id is None:
            return profile, ()
        merges = []
        if event.previous_id is not None:
            merges += self._alias(event.previous_id, own, profile)
        if anonymous is not None:
            merges += self._link(anonymous, own, profile)
        return profile, merges

    def _nameless(self, anonymous: str) -> int:
        owner = self._owner(anonymous)
        if owner is None:
            self._owners[anonymous] = owner = Owner(0)
        return self.root(owner.profile or ids.profile_id("anonymous", anonymous))

    def _link(self, anonymous: str, user: int, profile: int) -> list[tuple[int, Merge]]:
        """The anonymous id is this user's from now on; its own history joins theirs, once.

        The user's own profile owns it, not the one that they have become: when that is undone, it
        goes with them.
        """
        owner = self._owner(anonymous)
        apart = owner is not None and owner.apart
        if owner is None or owner.profile != user:
            self._owners[anonymous] = Owner(user, apart)
        own = ids.profile_id("anonymous", anonymous)
        if owner is None or owner.profile or apart or self.root(own) != own:
            # In the last case an operator joined it into another, who may be a user of their own.
            return []
        return self._join(own, profile, anonymous, "identify")

    def _alias(self, previous: str, own: int, profile: int) -> list[tuple[int, Merge]]:
        """`previous` is an anonymous id that was seen, or else a user id."""
        owner = self._owner(previous)
        if owner is not None and not owner.profile:
            self._owners[previous] = Owner(own)
            return self._join(ids.profile_id("anonymous", previous), profile, previous, "alias")
        user = ids.profile_id("user", previous)
        merges = self._join(user, profile, None, "alias")
        if owner is None or self.root(owner.profile) != profile:
            # It leads there by way of that user: to them again, when the merge is undone.
            self._owners[previous] = Owner(user, owner is not None and owner.apart)
        return merges

    def _join(
        self, absorbed: int, survivor: int, anonymous: str | None, how: str
    ) -> list[tuple[int, Merge]]:
        root = self.root(absorbed)
        if root == survivor:
            return []
        self._redirects[root] = Redirect(survivor, anonymous if root == absorbed else None)
        return [(survivor, Merge(root, how))]

    def command(self, profile: int, command: Command) -> list[tuple[int, Command]]:
        """Plan what an operator's command changes here; the profile and command to be logged.

        A merge of a profile into itself leads to nothing, nor does the undoing of one that is not.
        """
        if isinstance(command, Unmerge):
            return [(profile, command)] if self._part(command.absorbed, profile) else []
        survivor = self.root(profile)
        if isinstance(command, Merge):
            return [*self._join(command.absorbed, survivor, None, command.how)]
        if isinstance(command, Forget):
            command = Forget(command.by, sorted(self._erase(survivor)))
        return [(survivor, command)]

    def _part(self, absorbed: int, survivor: int) -> bool:
        """Whether the one was joined straight into the other, and is not any more."""
        found = self._redirects.get(absorbed) or self._unsaved_redirects.get(absorbed)
        if found is None:
            asked = "SELECT survivor, anonymous FROM redirects WHERE absorbed = ?"
            row = self._db.execute(asked, (absorbed,)).fetchone()
            found = Redirect(*row) if row else Redirect(0)
        if found.survivor != survivor:
            return False
        anonymous = found.anonymous
        self._redirects[absorbed] = Redirect(0, anonymous)
        if anonymous is not None:
            owner = self._owner(anonymous)
            still = owner.profile if owner and self.root(owner.profile) != survivor else 0
            self._owners[anonymous] = Owner(still, apart=True)
        return True

    def _erase(self, profile: int) -> set[int]:
        """Forget which identifiers led to the profile: they may name someone new. Returns the
        profiles that were joined into it."""
        self.save()
        absorbed = self._absorbed(profile)
        values = {*self._owners}
        for id in (profile, *absorbed):
            owned = self._db.execute("SELECT value FROM anonymous WHERE owner = ?", (id,))
            values.update(row[0] for row in owned)
        self._fetch(values)
        for value in values:
            owner = self._owner(value)
            if owner is not None and owner.profile and self.root(owner.profile) == profile:
                self._owners[value] = None
        for other in absorbed:
            self._redirects[other] = Redirect(0)
        return absorbed

    def _absorbed(self, profile: int) -> set[int]:
        """Who was joined into the profile, straight or by way of others; all is saved but plans."""
        found: set[int] = set()
        into = [profile]
        while into:
            one = into.pop()
            rows = self._db.execute("SELECT absorbed FROM redirects WHERE survivor = ?", (one,))
            straight = {row[0] for row in rows if row[0] not in self._redirects}
            straight |= {id for id, to in self._redirects.items() if to.survivor == one}
            into += straight - found
            found |= straight
        return found

    # ---- planned, kept, saved

    def forget(self) -> None:
        """The records were not appended: what was planned did not happen."""
        self._owners.clear()
        self._redirects.clear()

    def keep(self, offset: int) -> None:
        """The records are durable up to `offset`: what was planned holds."""
        self._offset = offset
        if self._owners:
            self._remember(self._owners)
            # Held beside the cache, which may drop its rows, until the table has them.
            self._unsaved_owners.update(self._owners)
            self._owners = {}
        for absorbed, redirect in self._redirects.items():
            self._unsaved_redirects[absorbed] = redirect
            if not redirect.survivor:
                self._moved.pop(absorbed, None)
            elif redirect.anonymous is None:
                self._moved[absorbed] = redirect.survivor
        self._redirects.clear()

    @property
    def offset(self) -> int:
        """The log is applied up to here, and saved: what is before it is not needed again."""
        return self._saved_offset

    @property
    def unsaved(self) -> bool:
        """Whether `save` has something worth a transaction."""
        return (
            bool(self._unsaved_owners or self._unsaved_redirects)
            or self._offset - self._saved_offset > _SAVE_EVERY
        )

    def save(self) -> None:
        """Write what was kept, with the offset, in one transaction.

        On sqlite3.Error everything stays unsaved, in memory, for the next call.
        """
        with transaction(self._db):
            self._write()
        self._unsaved_owners.clear()
        self._unsaved_redirects.clear()
        self._saved_offset = self._offset

    def _write(self) -> None:
        execute_many = self._db.executemany
        execute_many(
            _PUT_ANONYMOUS,
            [(v, o.profile, o.apart) for v, o in self._unsaved_owners.items() if o is not None],
        )
        execute_many(
            "DELETE FROM anonymous WHERE value = ?",
            [(value,) for value, owner in self._unsaved_owners.items() if owner is None],
        )
        execute_many(
            _PUT_REDIRECT,
            [
                (a, r.survivor, r.anonymous)
                for a, r in self._unsaved_redirects.items()
                if r.survivor
            ],
        )
        execute_many(
            "DELETE FROM redirects WHERE absorbed = ?",
            [(a,) for a, r in self._unsaved_redirects.items() if not r.survivor],
        )
        self._db.execute(_PUT_OFFSET, (self._offset,))

    # ---- after a crash

    def catch_up(self, log: LogReader) -> int:
        """Apply what the log holds beyond the saved offset; how many records that was.

        The merges that events lead to are in the log already, before them: here they only make
        the same rows again.
        """
        applied, offset = 0, self._offset
        while True:
            records, offset = log.read(offset)
            if not records:
                break
            self.apply(records)
            self.keep(offset)
            applied += len(records)
            if self.unsaved:
                self.save()
        if applied:
            self.save()
        return applied

    def apply(self, records: Sequence[Record]) -> None:
        """Plan what these records of the log mean for identifiers."""
        for record in records:
            if record.kind == Kind.EVENT:
                event = decode_event(record.body)
                self.resolve(
                    Accepted(
                        event.type or "track",
                        event.user_id,
                        event.anonymous_id,
                        event.previous_id if event.type == "alias" else None,
                        record.timestamp,
                        b"",
                    )
                )
            elif record.kind == Kind.COMMAND:
                command = decode_command(record.body)
                # A merge that an event led to is planned with that event, which knows the
                # anonymous id; if a crash cut the event off, its retry will lead to it again.
                if not isinstance(command, Merge) or command.how not in EVENT_MERGES:
                    self.command(record.profile_id, command)


class Lookup:
    """What the API asks of the table. Sees what is saved: all that was acknowledged."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def forward(self, profile: int) -> int:
        """The profile that `profile` has become, itself when it was joined into no other."""
        while found := self._db.execute(
            "SELECT survivor FROM redirects WHERE absorbed = ?", (profile,)
        ).fetchone():
            profile = found[0]
        return profile

    def resolve(self, *, user_id: str | None = None, anonymous_id: str | None = None) -> int:
        """The profile that the identifier names now. It need not exist."""
        if user_id is not None:
            return self.forward(ids.profile_id("user", user_id))
        if anonymous_id is None:
            raise ValueError("give a user id or an anonymous id")
        found = self._db.execute(
            "SELECT owner FROM anonymous WHERE value = ?", (anonymous_id,)
        ).fetchone()
        return self.forward(
            found[0] if found and found[0] else ids.profile_id("anonymous", anonymous_id)
        )

    def anonymous_ids_of(self, profile: int) -> list[str]:
        """The anonymous ids that lead to the profile, or were joined into it."""
        rows = self._db.execute(_IDENTIFIERS, {"id": profile})
        return sorted(row[0] for row in rows)
