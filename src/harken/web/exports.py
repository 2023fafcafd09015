"""Segments on their way to webhooks: in the background, in batches, and on after a restart.

A few go on at a time, so that a receiver which is slow or down holds up its own alone; where each
stands is kept in `exports.json`. A batch is tried again with growing pauses, with the same
`webhook-id` as long as it says the same, so that a receiver can tell a repetition. After a crash
the batch that was on its way may come twice.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from harken.channels import posting
from harken.clock import Clock, iso
from harken.errors import BadInput, Conflict, HarkenError, NotFound, Unavailable
from harken.ids import derived_id
from harken.logs import structlog
from harken.people.profile import Profile
from harken.segments.live import attribute_value
from harken.web import kept

DELAYS = (1.0, 5.0, 25.0, 120.0, 300.0)
"""Seconds between the tries of a batch."""
CLOSE_SECONDS = 5.0
MOST_KEPT = 100
MOST_WAITING = 20
AT_ONCE = 4
"""Exports that go on at a time, each in a thread of its own."""
STATES = ("waiting", "running")

Member = tuple[int, str | None]
"""A profile, and its user id."""
Page = Callable[[str, int, int], Sequence[Member]]
"""(segment, after this profile id, at most so many) -> members in the order of their profile ids.

Raises NotFound when there is no such segment any more.
"""

log = structlog.get_logger("exports")


class Export(Struct, kw_only=True, omit_defaults=True):
    """One export, and how far it came. Times are ms."""

    id: str
    segment: str
    url: str
    batch: int
    """Members in a batch."""
    asked_at: int
    by: str
    attributes: list[str] = field(default_factory=list)
    """Paths of attributes that go along."""
    hashed: list[str] = field(default_factory=list)
    """Attributes that go along as SHA-256 of the trimmed text in lower case."""
    rule: str = ""
    """A hash of what the segment asked when the first batch was made; empty before."""
    state: Literal["waiting", "running", "done", "failed", "stopped"] = "waiting"
    after: int = -1
    """Everybody up to this profile id was delivered."""
    batches: int = 0
    members: int = 0
    trouble: str = ""
    """Why it failed, or why the present batch has to be tried again."""
    finished_at: int = 0


class Exports:
    """All exports of one Harken; `start` begins to work on those that wait."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        secret: bytes,
        members: Page,
        rule: Callable[[str], str],
        profiles: Callable[[Sequence[int]], dict[int, Profile]],
        *,
        private: bool,
        delays: Sequence[float] = DELAYS,
    ) -> None:
        """`rule` is a hash of what a segment asks; it raises as `members` does. `private` allows
        addresses that are not public.
        """
        self._path, self._clock, self._secret = path, clock, secret
        self._members, self._rule, self._profiles = members, rule, profiles
        self._private, self._delays = private, delays
        self._change = threading.Condition()
        self._closing = False
        self._all = kept.load(path, dict[str, Export], {})
        self._begun: set[str] = set()
        """Those that a thread is at."""
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Work in threads of its own on what waits, and go on with what was broken off."""
        for _ in range(AT_ONCE):
            thread = threading.Thread(target=self._run, name="exports", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Stop after the requests that are under way; what is left goes on at the next start."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        end = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def secret_of(self, url: str) -> str:
        """The key with which what goes to the address is signed."""
        return posting.new_secret(self._secret, posting.checked_url(url))

    def add(self, wish: Export) -> Export:
        """Begin an export. Raises BadInput for an address that may not be posted to, Conflict."""
        url = posting.checked_url(wish.url)
        try:
            posting.public_address(url, private=self._private)
        except posting.Undelivered as unknown:
            raise BadInput(str(unknown)) from None
        with self._change:
            if sum(one.state in STATES for one in self._all.values()) >= MOST_WAITING:
                raise Conflict(f"{MOST_WAITING} exports wait already; try again when one is done")
            made = replace(
                wish, id=derived_id(wish.segment, wish.url, wish.asked_at, len(self._all))
            )
            self._put(made)
            self._change.notify_all()
        return made

    def all(self) -> list[Export]:
        """Every export that is remembered, newest first."""
        with self._change:
            return list(self._all.values())[::-1]

    def get(self, id: str) -> Export:
        """One export. Raises NotFound."""
        with self._change:
            found = self._all.get(id)
        if found is None:
            raise NotFound(f"there is no export {id!r}")
        return found

    def stop(self, id: str) -> Export:
        """End an export before its time. Raises NotFound; Conflict when it has ended."""
        with self._change:
            found = self._all.get(id)
            if found is None:
                raise NotFound(f"there is no export {id!r}")
            if found.state not in STATES:
                raise Conflict(f"this export is {found.state} already")
            stopped = replace(found, state="stopped", finished_at=self._clock.now())
            self._put(stopped)
            self._change.notify_all()
        return stopped

    # -- the threads

    def _run(self) -> None:
        while (one := self._next()) is not None:
            try:
                self._export(one)
            except HarkenError as fault:
                self._end(one.id, "failed", str(fault))
            except Exception as fault:
                log.exception("export")
                self._end(one.id, "failed", f"a fault of Harken: {type(fault).__name__}")
            with self._change:
                self._begun.discard(one.id)

    def _next(self) -> Export | None:
        """The oldest not done that no thread is at; waits for one. None when closing."""
        with self._change:
            while not self._closing:
                for one in self._all.values():
                    if one.state in STATES and one.id not in self._begun:
                        self._begun.add(one.id)
                        return one
                self._change.wait()
        return None

    def _export(self, one: Export) -> None:
        while self._goes_on(one.id):
            # One more than goes along, to know whether anything follows.
            ask = partial(self._members, one.segment, one.after, one.batch + 1)
            found = self._patiently(one, ask)
            if found is None:
                return
            one = self._of_one_rule(one)
            some, last = found[: one.batch], len(found) <= one.batch
            # Who was to follow may have left the segment: then an empty batch says that it is over.
            delivered = self._deliver(one, some, last=last)
            if delivered is None:
                return
            one = delivered
            self._progress(one)
            if last:
                self._end(one.id, "done", "")
                return

    def _of_one_rule(self, one: Export) -> Export:
        """The export with its rule. Raises Conflict when it is another one than at the beginning.

        Else the receiver would have some members by the one and some by the other, and call both
        the segment.
        """
        rule = self._rule(one.segment)
        if one.rule not in ("", rule):
            raise Conflict(
                f"what {one.segment} asks was changed while its members were sent; export it again"
            )
        return replace(one, rule=rule)

    def _deliver(self, one: Export, some: Sequence[Member], *, last: bool) -> Export | None:
        """Post a batch; the export as it stands then. None when it was stopped meanwhile."""
        body = self._body(one, some, last=last)
        id = derived_id(one.id, one.batches, hashlib.sha256(body).hexdigest())
        url, secret = posting.checked_url(one.url), self.secret_of(one.url)
        if self._patiently(one, partial(self._post, url, id, body, secret)) is None:
            return None
        return replace(
            one,
            state="running",
            after=some[-1][0] if some else one.after,
            batches=one.batches + 1,
            members=one.members + len(some),
            trouble="",
        )

    def _post(self, url: Any, id: str, body: bytes, secret: str) -> bool:
        posting.post(url, id, self._clock.now(), body, secret, private=self._private)
        return True

    def _patiently(self, one: Export, act: Callable[[], Any]) -> Any:
        """What `act` answers, tried again after troubles that may pass.

        None when the export was stopped meanwhile, or Harken is. Raises what `act` raises.
        """
        tries = 0
        while self._goes_on(one.id):
            try:
                return act()
            except (posting.Undelivered, Unavailable) as fault:
                if isinstance(fault, posting.Undelivered) and not fault.again:
                    raise
                tries += 1
                wait = fault.wait if isinstance(fault, posting.Undelivered) else 0.0
                pause = posting.delay(self._delays, tries, wait)
                if pause is None:
                    raise
                log.info("export_waits", export=one.id, trouble=str(fault), seconds=pause)
                trouble = f"{fault}; try {tries + 1} in {pause:g} s"
                self._progress(replace(one, state="running", trouble=trouble))
                self._sleep(one.id, pause)
        return None

    def _sleep(self, id: str, seconds: float) -> None:
        with self._change:
            self._change.wait_for(lambda: not self._going(id), seconds)

    def _goes_on(self, id: str) -> bool:
        with self._change:
            return self._going(id)

    def _going(self, id: str) -> bool:
        return not self._closing and id in self._all and self._all[id].state in STATES

    def _body(self, one: Export, some: Sequence[Member], *, last: bool) -> bytes:
        names = list(dict.fromkeys([*one.attributes, *one.hashed]))
        profiles = self._profiles([id for id, _ in some]) if names else {}
        members = []
        for id, user_id in some:
            member: dict[str, Any] = {"user_id": user_id, "profile": str(id)}
            if names:
                member["attributes"] = _attributes(profiles.get(id), one, names)
            members.append(member)
        return msgspec.json.encode(
            {
                "type": "segment.members",
                "timestamp": iso(one.asked_at),
                "data": {
                    "segment": one.segment,
                    "export": one.id,
                    "batch": one.batches + 1,
                    "last": last,
                    "members": members,
                },
            }
        )

    def _progress(self, one: Export) -> None:
        """Remember how far it is. A full disk of ours is no reason to end it."""
        with self._change:
            if self._all[one.id].state in STATES:
                try:
                    self._put(one)
                except Unavailable as fault:
                    log.warning("export_not_saved", export=one.id, fault=str(fault))

    def _end(self, id: str, state: Literal["done", "failed"], trouble: str) -> None:
        ended = replace(self.get(id), state=state, trouble=trouble, finished_at=self._clock.now())
        self._progress(ended)
        log.info("export_ended", export=id, state=state, trouble=trouble)

    def _put(self, one: Export) -> None:
        """Remember it, in the file too. Hold `_change`. Raises Unavailable, but remembers."""
        all = {**self._all, one.id: one}
        # A thread may still be at one that was stopped.
        ended = [
            id for id, each in all.items() if each.state not in STATES and id not in self._begun
        ]
        for id in ended[: max(0, len(all) - MOST_KEPT)]:
            del all[id]
        self._all = all
        try:
            kept.save(self._path, all)
        except OSError as fault:
            raise Unavailable(f"{self._path.name} cannot be written: {fault}") from fault


def _attributes(profile: Profile | None, one: Export, names: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if profile is None:
        return found
    for name in names:
        value = attribute_value(profile, name)
        if value is not UNSET:
            found[name] = _hash(value) if name in one.hashed else value
    return found


def _hash(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return hashlib.sha256(text.strip().lower().encode("utf-8", "replace")).hexdigest()
