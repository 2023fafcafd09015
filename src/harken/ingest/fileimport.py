"""Sends the events of a file for `harken import`, and remembers how far it came.

A large file is first put in order by customer (`grouping`), a small one is sent as it stands. Each
request is acknowledged before it counts; what was not is sent again by the next run, under the
same message ids (`lines`).
"""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import lru_cache, partial
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct, field

from harken.errors import Unavailable
from harken.ingest import grouping, lines, mapping, protocol
from harken.ingest.grouping import (
    KEY,
    NUMBER,
    REFUSED_KEPT,
    Dealt,
    Parts,
    RefusedLine,
    Stretch,
)
from harken.ingest.mapping import Column, Mapping

__all__ = ["Column", "Limits", "Mapping", "Progress", "RefusedLine", "fingerprint", "run"]

CHUNK_EVENTS = protocol.BATCH_EVENTS
CHUNK_BYTES = protocol.BATCH_BYTES - 20 * 1024
_STRETCH = 8 << 20
_PROCESSES = 4
_SAVE_EVERY = 1.0


class Limits(Struct, frozen=True, kw_only=True):
    """What an import may use."""

    memory: int = 200 << 20
    """Bytes, in all of its processes beside what Python itself takes."""
    sort_from: int = 1 << 20
    """Files of fewer bytes are sent as they stand."""
    in_flight: int = 1
    """Requests that wait for their answer at the same time."""


class Progress(Struct, kw_only=True):
    """How far an import came; also what its state file holds."""

    stage: str = "reading"
    """Then `sorting`, `sending` and `done`."""
    done: int = 0
    """Bytes of this stage, of `total`."""
    total: int = 0
    line: int = 0
    """Lines read."""
    part: int = 0
    position: int = 0
    """What was acknowledged: bytes of the file, or lines of the part."""
    sent: int = 0
    """Events acknowledged."""
    refused_count: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    """The first of the lines refused."""

    def refuse(self, found: Sequence[RefusedLine], count: int | None = None) -> None:
        self.refused_count += len(found) if count is None else count
        self.refused += found[: max(0, REFUSED_KEPT - len(self.refused))]
        self.refused.sort(key=lambda one: one.line)


class Chunk(Struct):
    """Some events, to be sent in one request, and where it ends."""

    part: int
    position: int
    line: int
    items: list[bytes] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """The line of each item, counted from 1."""
    size: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    follows: bool = False
    """Has events of a customer of whom the chunk before has some too: must come after it."""

    def body(self) -> bytes:
        """The request for `/v1/import`."""
        return b'{"batch":[' + b",".join(self.items) + b"]}"

    def add(self, line: int, item: bytes) -> None:
        self.items.append(item)
        self.lines.append(line)
        self.size += len(item) + 1

    def full(self, events: int, size: int) -> bool:
        """Whether so much more is too much."""
        return len(self.items) + events > CHUNK_EVENTS or self.size + size > CHUNK_BYTES


_Send = Callable[[bytes], Sequence[tuple[int, str]]]
"""Sends a request's body; (index, reason) of the events that the server refused."""


def fingerprint(path: Path) -> str:
    """Stands for the file's content."""
    return _surveyed(path)[0]


def finished(path: Path, state: Path) -> Progress | None:
    """What came of the file when it was imported before, wholly."""
    progress = _remembered(state / f"{fingerprint(path)}.json")
    return progress if progress.stage == "done" else None


def _surveyed(path: Path) -> tuple[str, list[Stretch]]:
    found = path.stat()
    return _survey(path, found.st_size, found.st_mtime_ns)


@lru_cache(1)
def _survey(path: Path, _size: int, _changed: int) -> tuple[str, list[Stretch]]:
    """The fingerprint of a file of this size and age, and stretches of whole lines."""
    digest = blake2b(digest_size=16)
    stretches: list[Stretch] = []
    start = number = at = line = 0
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
            cut = data.find(b"\n") + 1 if at - start >= _STRETCH else 0
            if cut:
                stretches.append(Stretch(start, at + cut, number))
                start, number = at + cut, line + 1
            at += len(data)
            line += data.count(b"\n")
    stretches.append(Stretch(start, at, number))
    return digest.hexdigest(), stretches


def run(
    path: Path, mapped: Mapping | None, state: Path, send: _Send, limits: Limits = Limits()
) -> Iterator[Progress]:
    """Import a file, going on where an earlier run of the same file stopped.

    `state` is the folder for the state file, and for the sorted events: as much again as the file.
    Yields as it goes on, and at least once. What `send` raises ends the run; the next one repeats
    what was not acknowledged. With more than one request in flight `send` is called by threads.
    """
    mark, stretches = _surveyed(path)
    checkpoint = state / f"{mark}.json"
    progress = _remembered(checkpoint)
    size = path.stat().st_size
    memory = limits.memory // 3
    parts = Parts(state / f"{mark}.sorted", grouping.parts_for(size, memory), memory)
    if progress.stage != "done":
        if size < limits.sort_from:
            progress.stage, progress.total = "reading", size
            chunks = _as_it_stands(path, mapped, mark, progress)
        else:
            if progress.stage != "sending" or parts.size() != progress.total:
                progress = Progress(stage="sorting", total=size)
                yield from _sort(path, mapped, mark, stretches, parts, progress)
                _save(checkpoint, progress)
            chunks = _sorted(parts, progress)
        yield from _send_all(chunks, send, limits.in_flight, progress, checkpoint)
        parts.clear()
    yield progress


def _remembered(checkpoint: Path) -> Progress:
    if not checkpoint.exists():
        return Progress()
    return msgspec.json.decode(checkpoint.read_bytes(), type=Progress)


def _save(checkpoint: Path, progress: Progress) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    fresh = checkpoint.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(progress))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(checkpoint)


# ---- sorting


def _sort(
    path: Path,
    mapped: Mapping | None,
    mark: str,
    stretches: list[Stretch],
    parts: Parts,
    progress: Progress,
) -> Iterator[Progress]:
    parts.begin()
    if mapped is not None:
        # Only who reads a CSV file from its beginning knows where a row ends.
        stretches = [Stretch(0, progress.total, 0)]
    for dealt in _dealt(path, mapped, mark, stretches, parts):
        progress.done = dealt.position or progress.done
        progress.line = dealt.line or progress.line
        progress.refuse(dealt.refused, dealt.refused_count)
        yield progress
    parts.join()
    progress.stage, progress.done, progress.total = "sending", 0, parts.size()
    yield progress


def _dealt(
    path: Path, mapped: Mapping | None, mark: str, stretches: list[Stretch], parts: Parts
) -> Iterator[Dealt]:
    processes = min(len(stretches), len(os.sched_getaffinity(0)), _PROCESSES)
    if processes == 1:
        for stretch in stretches:
            yield from parts.deal(path, mapped, mark, stretch)
        return
    work = partial(_deal, parts, path, mark)
    # Not forked: this process may have threads, of a database or a progress bar.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(
        processes, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    try:
        for found in executor.map(work, stretches):
            yield from found
    except BrokenExecutor:
        raise Unavailable("a process that sorts was ended; run the same command again") from None
    finally:
        executor.shutdown(cancel_futures=True)


def _deal(parts: Parts, path: Path, mark: str, stretch: Stretch) -> list[Dealt]:
    return list(parts.deal(path, None, mark, stretch))


# ---- what is to be sent


def _as_it_stands(
    path: Path, mapped: Mapping | None, mark: str, progress: Progress
) -> Iterator[Chunk]:
    """The events of a file in its order, from where it was acknowledged."""
    position, number = progress.position, progress.line
    found = lines.ndjson(path, position, number)
    if mapped is not None:
        found = mapping.rows(path, mapped, position, number)
    chunk = Chunk(0, position, number)
    for line, who in lines.events(found, mark):
        item = line.item if who is not None else b""
        if chunk.full(1, len(item)) or len(chunk.refused) >= REFUSED_KEPT:
            yield chunk
            chunk = Chunk(0, position, number, follows=True)
        if item:
            chunk.add(line.number, item)
        elif line.problem:
            chunk.refused.append(RefusedLine(line.number, line.problem))
        chunk.position, chunk.line = line.end, line.number
    yield chunk


def _sorted(parts: Parts, progress: Progress) -> Iterator[Chunk]:
    """The events in order by customer; a chunk ends between two customers where it can."""
    for part in range(progress.part, parts.count):
        taken = progress.position if part == progress.part else 0
        ordered = grouping.skip(parts.ordered(part), taken)
        chunk = Chunk(part, taken, progress.line)
        for found in grouping.customers(ordered, CHUNK_EVENTS, CHUNK_BYTES):
            if chunk.full(len(found.lines), found.size):
                yield chunk
                chunk = Chunk(part, chunk.position, progress.line, follows=found.follows)
            for line in found.lines:
                chunk.add(int(line[KEY:NUMBER], 16), line[NUMBER:])
            chunk.position += len(found.lines)
        yield chunk


# ---- sending


def _send_all(
    chunks: Iterator[Chunk], send: _Send, in_flight: int, progress: Progress, checkpoint: Path
) -> Iterator[Progress]:
    flying: deque[tuple[Chunk, Future[Sequence[tuple[int, str]]]]] = deque()
    saved = time.monotonic()
    with ThreadPoolExecutor(in_flight, "import") as executor:
        try:
            for chunk in chunks:
                while flying and (chunk.follows or len(flying) >= in_flight):
                    _acknowledge(progress, *flying.popleft())
                    yield progress
                flying.append((chunk, executor.submit(_answer, send, chunk)))
                if time.monotonic() - saved > _SAVE_EVERY:
                    _save(checkpoint, progress)
                    saved = time.monotonic()
            while flying:
                _acknowledge(progress, *flying.popleft())
                yield progress
            progress.stage = "done"
        finally:
            _save(checkpoint, progress)


def _answer(send: _Send, chunk: Chunk) -> Sequence[tuple[int, str]]:
    return send(chunk.body()) if chunk.items else ()


def _acknowledge(
    progress: Progress, chunk: Chunk, answer: "Future[Sequence[tuple[int, str]]]"
) -> None:
    refused = answer.result()
    progress.refuse(chunk.refused)
    progress.refuse([RefusedLine(chunk.lines[index], reason) for index, reason in refused])
    progress.sent += len(chunk.items) - len(refused)
    progress.part, progress.position, progress.line = chunk.part, chunk.position, chunk.line
    if progress.stage == "reading":
        progress.done = chunk.position
    else:
        progress.done += chunk.size + NUMBER * len(chunk.items)
