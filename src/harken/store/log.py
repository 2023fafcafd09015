"""The log: the durable truth. Plain segment files, one writer, any number of readers.

A segment is named by its base offset in 20 digits; an offset is a position in bytes counted from
the log's first byte. A frame is

    length, crc32: u32 | profile_id, received_at, timestamp: i64 | kind, flags: u8 | body

little-endian; length and crc32 cover all that follows them. The 8-byte file `durable` holds the
offset up to which everything is fsynced; readers map it and never read past it.
"""

import fcntl
import mmap
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Self
from zlib import crc32 as crc32_of_few  # isal's is the faster one from a hundred bytes on

from isal.isal_zlib import crc32
from msgspec import Raw

from harken.errors import Conflict, Damaged, NotFound, Unavailable
from harken.inputs import Record

SEGMENT_BYTES = 64 * 1024 * 1024
_PREFIX = Struct("<II")
_HEADER = Struct("<qqqBB")
_FRAME = Struct("<IIqqqBB")
_MARK = Struct("<Q")
_IMPORTED = 1

Row = tuple[int, int, int, int, bool, bytes | Raw]
"""A record to be written: profile_id, received_at, timestamp, kind, imported, body."""


def _name(base: int) -> str:
    return f"{base:020d}.log"


def _segments(directory: Path) -> list[tuple[int, Path]]:
    return sorted((int(path.stem), path) for path in directory.glob("*.log"))


def _damaged(path: Path, position: int, what: str) -> Damaged:
    return Damaged(f"{path} is damaged at byte {position}: {what}")


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Watermark:
    """The file `durable`, mapped: how far the log is fsynced, for every process to see."""

    def __init__(self, directory: Path, *, create: bool) -> None:
        path = directory / "durable"
        self.known = path.exists() and path.stat().st_size == _MARK.size
        if not self.known:
            if not create:
                raise NotFound(f"{directory} holds no log yet")
            path.write_bytes(_MARK.pack(0))
        descriptor = os.open(path, os.O_RDWR if create else os.O_RDONLY)
        access = mmap.ACCESS_WRITE if create else mmap.ACCESS_READ
        try:
            self._map = mmap.mmap(descriptor, _MARK.size, access=access)
        finally:
            os.close(descriptor)

    def get(self) -> int:
        return int(_MARK.unpack_from(self._map)[0])

    def set(self, offset: int) -> None:
        _MARK.pack_into(self._map, 0, offset)

    def close(self) -> None:
        self._map.close()


def _sound_until(path: Path) -> int:
    """The position in the file at which its first unsound frame begins, or its end."""
    position, size = 0, path.stat().st_size
    if not size:
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        view = memoryview(data)
        try:
            while (end := _frame_end(view, position, size)) is not None:
                position = end
        finally:
            view.release()
    return position


def _frame_end(view: memoryview, position: int, size: int) -> int | None:
    """Where the frame at `position` ends, or None when no sound frame stands there."""
    if position + _FRAME.size > size:
        return None
    length, checksum = _PREFIX.unpack_from(view, position)
    end = position + _PREFIX.size + int(length)
    if length < _HEADER.size or end > size:
        return None
    return end if crc32(view[position + _PREFIX.size : end]) == checksum else None


class Log:
    """The writer. One a directory, in one process; a second is refused with `Conflict`."""

    def __init__(self, directory: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open or begin the log; a torn tail, which nobody was told is safe, is cut off.

        Raises `Damaged` when anything but the tail is unsound.
        """
        self.directory = directory
        self._segment_bytes = segment_bytes
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise Conflict(f"another process writes the log in {directory}") from None
        self._broken = False
        self._file = -1
        self._mark = _Watermark(directory, create=True)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        found = _segments(self.directory)
        for (base, path), (following, _) in pairwise(found):
            if base + path.stat().st_size != following:
                raise _damaged(path, path.stat().st_size, f"offset {following} should follow it")
        if not found:
            self._base = self._end = self._mark.get()
            self._begin_segment()
            return
        self._base, path = found[-1]
        sound = _sound_until(path)
        self._refuse_damage(path, sound)
        self._file = os.open(path, os.O_RDWR)
        self._truncate(sound)
        self._end = self._base + sound
        self._mark.set(self._end)

    def _refuse_damage(self, path: Path, sound: int) -> None:
        """Tell a torn tail (a write that was never acknowledged) from damage to what was."""
        size = path.stat().st_size
        if self._mark.known and self._base + sound < self._mark.get():
            raise _damaged(path, sound, "an acknowledged record does not match its checksum")
        if self._mark.known or sound == size:
            return
        # Without the watermark (lost, or a restored backup) a whole frame that is followed by a
        # sound one cannot be the end of a torn write.
        data = memoryview(path.read_bytes())
        if sound + _PREFIX.size <= size:
            length = _PREFIX.unpack_from(data, sound)[0]
            if _frame_end(data, sound + _PREFIX.size + length, size) is not None:
                raise _damaged(path, sound, "a record before the last does not match its checksum")

    def _truncate(self, size: int) -> None:
        os.ftruncate(self._file, size)
        os.lseek(self._file, size, os.SEEK_SET)
        os.fsync(self._file)

    def _begin_segment(self) -> None:
        path = self.directory / _name(self._end)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            _fsync_directory(self.directory)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._base = descriptor, self._end

    @property
    def end(self) -> int:
        """The offset at which the next record will stand."""
        return self._end

    def append(self, records: Sequence[Record]) -> tuple[int, int]:
        """As `write`."""
        return self.write(
            [
                (one.profile_id, one.received_at, one.timestamp, one.kind, one.imported, one.body)
                for one in records
            ]
        )

    def write(self, rows: Sequence[Row]) -> tuple[int, int]:
        """Make the records durable, in order; the offsets of the first and after the last.

        Raises `Unavailable` when storage fails; then none of them is in the log, and a later
        call tries again from a verified state.
        """
        data = frames(rows)
        try:
            if self._broken:
                self._recover()
            if self._end - self._base >= self._segment_bytes:
                self._begin_segment()
            self._broken = True
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
            self._broken = False
        except OSError as error:
            self._try_recover()
            raise Unavailable(f"the log cannot be written: {error.strerror}") from error
        first, self._end = self._end, self._end + len(data)
        self._mark.set(self._end)
        return first, self._end

    def _try_recover(self) -> None:
        try:
            if self._broken:
                self._recover()
        except OSError:
            pass  # still broken: the next append tries again before it writes

    def _recover(self) -> None:
        """Back to what was acknowledged, read again from the disk.

        After a failed fsync the kernel may call pages clean that it never wrote, so a later fsync
        of them would mean nothing: what was written is cut off and written anew.
        """
        path = self.directory / _name(self._base)
        descriptor = os.open(path, os.O_RDWR)
        os.close(self._file)
        self._file = descriptor
        self._truncate(self._end - self._base)
        sound = _sound_until(path)
        if sound != self._end - self._base:
            raise _damaged(path, sound, "an acknowledged record does not match its checksum")
        self._broken = False

    def drop_before(self, offset: int, older_than: int) -> int:
        """Remove segments that end at or before `offset` and were complete before `older_than` ms.

        The last segment always stays. Returns the number of segments removed.
        """
        found = _segments(self.directory)
        removed = 0
        for (_, path), (following, next_path) in pairwise(found):
            if following > offset or _first_received(next_path) >= older_than:
                break
            path.unlink()
            removed += 1
        if removed:
            _fsync_directory(self.directory)
        return removed

    def close(self) -> None:
        """Give the log up to another writer."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._mark.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _first_received(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(_FRAME.size)
    # An empty segment was begun just now: nothing before it is old.
    return int(_FRAME.unpack(head)[3]) if len(head) == _FRAME.size else 1 << 62


def frames(rows: Sequence[Row]) -> bytes:
    """The records as they stand in the log."""
    parts: list[bytes | Raw] = []
    add = parts.append
    header, prefix, size = _HEADER.pack, _PREFIX.pack, _HEADER.size
    for profile, received, timestamp, kind, imported, body in rows:
        head = header(profile, received, timestamp, kind, imported)
        # A body is not copied to stand behind its head, so the checksum is made in two steps.
        add(prefix(size + len(body), crc32(body, crc32_of_few(head))))
        add(head)
        add(body)
    return b"".join(parts)


class LogReader:
    """Reads a log that another process may be writing. Never past what is fsynced."""

    def __init__(self, directory: Path) -> None:
        """Raises `NotFound` when no log has been begun there."""
        self.directory = directory
        self._mark = _Watermark(directory, create=False)
        self._found: list[tuple[int, Path]] = []
        self._open_base = -1
        self._file = -1

    def durable(self) -> int:
        """The offset up to which the log is fsynced."""
        return self._mark.get()

    def first(self) -> int:
        """The offset of the oldest record still there."""
        return _segments(self.directory)[0][0]

    def read(
        self, offset: int, max_records: int = 5000, max_bytes: int = 4 << 20
    ) -> tuple[list[Record], int]:
        """Up to so many records from `offset` on, and the offset to go on from.

        Nothing new gives `([], offset)`. Raises `NotFound` when retention has removed the offset,
        `Damaged` when what stands there is not what was written.
        """
        limit = self._mark.get()
        if offset >= limit:
            return [], offset
        base = self._select(offset)
        want = min(max_bytes, limit - offset)
        data = os.pread(self._file, want, offset - base)
        if len(data) < _PREFIX.size:
            raise self._unsound(offset)
        first_length = _PREFIX.size + _PREFIX.unpack_from(data)[0]
        if first_length > len(data):
            data = os.pread(self._file, min(first_length, limit - offset), offset - base)
        records, used = _decode(data, offset, max_records)
        if not records:
            raise self._unsound(offset)
        return records, offset + used

    def _select(self, offset: int) -> int:
        """Open the segment that holds `offset`; its base."""
        if not self._found or self._found[-1][0] <= offset:
            self._found = _segments(self.directory)
        bases = [base for base, _ in self._found]
        index = bisect_right(bases, offset) - 1
        if index < 0:
            raise NotFound(f"offset {offset} is gone: the log begins at {bases[0]}")
        base, path = self._found[index]
        if base != self._open_base:
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                self._found = []
                raise NotFound(f"offset {offset} is gone: retention removed it") from None
            if self._file >= 0:
                os.close(self._file)
            self._file, self._open_base = descriptor, base
        return base

    def _unsound(self, offset: int) -> Damaged:
        path = self.directory / _name(self._open_base)
        return _damaged(path, offset - self._open_base, "no sound record stands there")

    def records(self, offset: int) -> Iterator[Record]:
        """Every record from `offset` to what is durable now."""
        while True:
            found, offset = self.read(offset)
            if not found:
                return
            yield from found

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = self._open_base = -1
        self._mark.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _decode(data: bytes, offset: int, max_records: int) -> tuple[list[Record], int]:
    """The whole frames in `data`, and the bytes they take; stops before an unsound one."""
    records: list[Record] = []
    add, unpack, frame, start = records.append, _FRAME.unpack_from, _FRAME.size, _PREFIX.size
    position, size = 0, len(data)
    view = memoryview(data)
    while position + frame <= size and len(records) < max_records:
        length, checksum, profile, received, timestamp, kind, flags = unpack(data, position)
        end = position + start + length
        if end > size or crc32(view[position + start : end]) != checksum:
            break
        add(
            Record(
                profile,
                received,
                timestamp,
                kind,
                data[position + frame : end],
                flags & _IMPORTED == _IMPORTED,
                offset + position,
            )
        )
        position = end
    return records, position
