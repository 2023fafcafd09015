"""Puts a file's events in order by customer, within bounded memory, before they are sent.

The engine reads and writes a customer's document once a batch: events of the same customer side
by side cost a fraction of what they cost in order of time. Nothing else changes: all events that
could concern one customer keep the order of the file. Those are the events whose identifiers are
linked by any line of it, so an anonymous id goes with the users that it is linked to.

Lines are dealt out to part files by the profile id of their identifier; a part fits in memory,
where it is sorted. So the whole is in the order of profile ids, in which documents are stored too:
each is written beside the one before. A stored line is the customer and the line's number in
hexadecimal digits of fixed width, then the event: sorting them as bytes groups customers and keeps
the file's order in each.
"""

import heapq
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from msgspec import Struct, field

from harken.ids import profile_id
from harken.ingest import lines, mapping
from harken.ingest.lines import Who

KEY = 16
NUMBER = 26
"""Where the line's number ends, and the event begins."""
REFUSED_KEPT = 1000
"""Refused lines that are told; more are only counted."""

_MOST_PARTS = 256
# Of a line's bytes, how many more it takes once it has an identifier and a message id.
_GROWTH = 1.3
_FLUSH = 8 << 20
_ANONYMOUS = 1 << 63
_USERS = 50_000


class RefusedLine(Struct, frozen=True):
    """A line that is no event, and why."""

    line: int
    reason: str


class Stretch(Struct, frozen=True):
    """Lines of a file: the bytes from `start` to `end`, after `number` lines."""

    start: int
    end: int
    number: int


class Dealt(Struct):
    """What became of some lines."""

    position: int = 0
    """The byte after them."""
    line: int = 0
    refused_count: int = 0
    refused: list[RefusedLine] = field(default_factory=list)

    def refuse(self, line: RefusedLine) -> None:
        self.refused_count += 1
        if len(self.refused) < REFUSED_KEPT:
            self.refused.append(line)


class Parts:
    """The part files of one import."""

    def __init__(self, folder: Path, count: int, memory: int) -> None:
        """`memory`: bytes that one part may take while it is sorted."""
        self.folder, self.count, self._memory = folder, count, memory
        self.pairs = folder / "pairs.csv"

    def path(self, part: int) -> Path:
        return self.folder / f"part-{part:03d}"

    def clear(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def begin(self) -> None:
        self.clear()
        self.folder.mkdir(parents=True)

    def size(self) -> int:
        """Bytes of all parts."""
        found = (self.path(part) for part in range(self.count))
        return sum(path.stat().st_size for path in found if path.exists())

    # ---- dealing out

    def deal(
        self, path: Path, mapped: mapping.Mapping | None, mark: str, stretch: Stretch
    ) -> Iterator[Dealt]:
        """Deal the lines of a stretch out to the parts; yields as they are written.

        Several processes may deal at the same time: each write is one, at the end of a part.
        """
        if mapped is None:
            found = lines.ndjson(path, stretch.start, stretch.number, stretch.end)
        else:
            found = mapping.rows(path, mapped, stretch.start, stretch.number)
        done, out, users = Dealt(), _Out(self), dict[str, int]()
        pairs: set[tuple[int, int]] = set()
        for line, who in lines.events(found, mark):
            done.position, done.line = line.end, line.number
            if who is not None:
                key = _key(who, users, pairs)
                out.add(part_of(key, self.count), b"%016x%010x%b\n" % (key, line.number, line.item))
            elif line.problem:
                done.refuse(RefusedLine(line.number, line.problem))
            if out.size > _FLUSH or len(pairs) > _USERS:
                self._write(out, pairs)
                yield done
                done = Dealt()
        self._write(out, pairs)
        yield done

    def _write(self, out: "_Out", pairs: set[tuple[int, int]]) -> None:
        out.flush()
        if pairs:
            _append(self.pairs, b"".join([b"%d,%d\n" % pair for pair in pairs]))
            pairs.clear()

    # ---- one customer, one key

    def join(self) -> None:
        """Put events of linked identifiers under one of them; then all is safe on the disk."""
        if self.pairs.exists():
            # DuckDB only where it is needed: not in each process that deals.
            from harken.ingest.links import Links

            links = Links(self.pairs)
            out = _Out(self, ".more")
            for part in range(self.count):
                moved = links.moved(part, self.count)
                if moved and self.path(part).exists():
                    self._move(part, moved, out)
            out.flush()
            links.close()
            for part in range(self.count):
                self._gather(part)
            self.pairs.unlink()
        for part in range(self.count):
            if self.path(part).exists():
                _sync(self.path(part))
        _sync(self.folder)

    def _move(self, part: int, moved: dict[int, int], out: "_Out") -> None:
        roots = {b"%016x" % key: root for key, root in moved.items()}
        kept = self.path(part).with_suffix(".kept")
        with self.path(part).open("rb") as file, kept.open("wb") as keeping:
            for line in file:
                root = roots.get(line[:KEY])
                if root is None:
                    keeping.write(line)
                else:
                    out.add(part_of(root, self.count), b"%016x%b" % (root, line[KEY:]))
                    if out.size > _FLUSH:
                        out.flush()
        kept.replace(self.path(part))

    def _gather(self, part: int) -> None:
        more = self.path(part).with_suffix(".more")
        if more.exists():
            with more.open("rb") as file, self.path(part).open("ab") as into:
                shutil.copyfileobj(file, into, 1 << 20)
            more.unlink()

    # ---- reading

    def ordered(self, part: int) -> Iterator[bytes]:
        """The lines of a part, by customer and then in the file's order."""
        path = self.path(part)
        if not path.exists():
            return iter(())
        if path.stat().st_size > self._memory:
            return self._merged(path)
        return iter(_sorted(path.read_bytes()))

    def _merged(self, path: Path) -> Iterator[bytes]:
        """A part too large for the memory (a few customers did nearly all): runs, merged."""
        with ExitStack() as stack, path.open("rb") as file:
            runs: list[Iterable[bytes]] = []
            while data := file.read(self._memory // 2):
                data += file.readline()
                run = path.with_suffix(f".run-{len(runs)}")
                run.write_bytes(b"".join([line + b"\n" for line in _sorted(data)]))
                stack.callback(run.unlink)
                runs.append(stack.enter_context(run.open("rb")))
            for line in heapq.merge(*runs):
                yield line.rstrip(b"\n")


class _Out:
    """Lines on their way to the parts."""

    def __init__(self, parts: Parts, suffix: str = "") -> None:
        self._parts, self._suffix = parts, suffix
        self._lines: dict[int, list[bytes]] = {}
        self.size = 0

    def add(self, part: int, line: bytes) -> None:
        self._lines.setdefault(part, []).append(line)
        self.size += len(line)

    def flush(self) -> None:
        for part, waiting in self._lines.items():
            _append(self._parts.path(part).with_suffix(self._suffix), b"".join(waiting))
        self._lines.clear()
        self.size = 0


def parts_for(size: int, memory: int) -> int:
    """How many parts a file of `size` bytes needs, when one may take `memory` bytes."""
    return max(1, min(_MOST_PARTS, round(_GROWTH * size / memory * 1.5 + 0.5)))


def part_of(key: int, parts: int) -> int:
    """The part of a customer's key: the first has the lowest profile ids (in SQL: `links`)."""
    return (key >> 31 & 0xFFFF_FFFF) * parts >> 32


def _key(who: Who, users: dict[str, int], pairs: set[tuple[int, int]]) -> int:
    """Stands for the customer: users below anonymous ids, so that they seldom move."""
    user, anonymous = who.user_id, who.anonymous_id
    if user is None:
        return profile_id("anonymous", anonymous or "") | _ANONYMOUS
    key = users.get(user)
    if key is None:
        if len(users) >= _USERS:
            users.clear()
        key = users[user] = profile_id("user", user)
    if anonymous is not None:
        pairs.add((key, profile_id("anonymous", anonymous) | _ANONYMOUS))
    if who.type == "alias" and who.previous_id is not None:
        # Which of the two it is depends on what was seen before it.
        pairs.add((key, profile_id("user", who.previous_id)))
        pairs.add((key, profile_id("anonymous", who.previous_id) | _ANONYMOUS))
    return key


def _sorted(data: bytes) -> list[bytes]:
    found = data.split(b"\n")
    found.pop()
    found.sort()
    return found


def _append(path: Path, data: bytes) -> None:
    # Unbuffered and opened to append: the system puts the whole of it at the end.
    with path.open("ab", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Customer(Struct):
    """Lines of one customer."""

    lines: list[bytes]
    size: int
    """Bytes of the events, and one more for each."""
    follows: bool
    """Whether they had more lines than fit, which came before."""


def customers(ordered: Iterator[bytes], most: int, most_bytes: int) -> Iterator[Customer]:
    """Ordered lines, one customer after another; at most so many lines, and bytes, at once."""
    waiting: list[bytes] = []
    key, size, follows = b"", 0, False
    for line in ordered:
        length = len(line) + 1 - NUMBER
        same = line.startswith(key) if key else False
        if not same or len(waiting) == most or size + length > most_bytes:
            if waiting:
                yield Customer(waiting, size, follows)
            waiting, key, size, follows = [], line[:KEY], 0, same
        waiting.append(line)
        size += length
    if waiting:
        yield Customer(waiting, size, follows)


def skip(ordered: Iterator[bytes], taken: int) -> Iterator[bytes]:
    """What is left after so many lines."""
    return islice(ordered, taken, None)
