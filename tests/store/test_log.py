"""The log keeps what it acknowledged, whatever happens to the process, the disk or the file."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.errors import Conflict, Damaged, NotFound, Unavailable
from harken.inputs import Kind, Record
from harken.store.log import Log, LogReader


def record(number: int, body: bytes = b"x" * 100, received_at: int = 1000) -> Record:
    return Record(number, received_at, 900, Kind.EVENT, body)


def read_all(directory: Path) -> list[Record]:
    with LogReader(directory) as reader:
        return list(reader.records(reader.first()))


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.log"))


int64 = st.integers(-(2**63), 2**63 - 1)
records = st.builds(
    Record, int64, int64, int64, st.integers(1, 3), st.binary(max_size=300), st.booleans()
)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.lists(records, min_size=1, max_size=8), max_size=8), size=st.integers(1, 900)
)
def test_what_was_appended_is_read_in_order(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[Record]], size: int
) -> None:
    directory = tmp_path_factory.mktemp("log")
    with Log(directory, segment_bytes=size) as log:
        for group in groups[:4]:
            log.append(group)
    with Log(directory, segment_bytes=size) as log:
        for group in groups[4:]:
            first, end = log.append(group)
            assert first < end == log.end
    found = read_all(directory)
    wanted = [item for group in groups for item in group]
    assert [bare(item) for item in found] == [bare(item) for item in wanted]
    with LogReader(directory) as reader:
        for item in found:
            again, following = reader.read(item.offset, max_records=1)
            assert again == [item]
            assert following > item.offset


def bare(item: Record) -> tuple[object, ...]:
    return (
        item.profile_id, item.received_at, item.timestamp, item.kind, item.body, item.imported
    )  # fmt: skip


def test_reading_is_bounded_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with Log(tmp_path, segment_bytes=1000) as log, LogReader(tmp_path) as reader:
        log.append([record(number) for number in range(50)])
        some, offset = reader.read(0, max_records=7)
        assert [item.profile_id for item in some] == list(range(7))
        rest, offset = reader.read(offset, max_bytes=300)
        assert [item.profile_id for item in rest] == [7, 8]
        assert reader.read(log.end) == ([], log.end)
        big, _ = (log.append([record(99, b"y" * 5000)]), None)
        assert reader.read(big[0], max_bytes=10)[0][0].body == b"y" * 5000


def test_a_second_writer_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    log = Log(tmp_path)
    with pytest.raises(Conflict):
        Log(tmp_path)
    log.close()
    Log(tmp_path).close()


def test_a_reader_needs_a_log(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        LogReader(tmp_path)


@pytest.mark.parametrize("cut", [1, 7, 20, 41, 133])
def test_a_torn_tail_is_cut_off(tmp_path: Path, cut: int) -> None:
    with Log(tmp_path) as log:
        log.append([record(1), record(2)])
    whole = segments(tmp_path)[0].read_bytes()
    with segments(tmp_path)[0].open("ab") as file:
        file.write(whole[: len(whole) // 2][:cut])
    with Log(tmp_path) as log:
        log.append([record(3)])
    assert [item.profile_id for item in read_all(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize("watermark", [True, False])
def test_damage_to_what_was_acknowledged_is_named(tmp_path: Path, watermark: bool) -> None:
    with Log(tmp_path) as log:
        log.append([record(1), record(2), record(3)])
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    at = len(data) // 3
    data[at + 60] ^= 1
    path.write_bytes(data)
    if not watermark:
        (tmp_path / "durable").unlink()
    with pytest.raises(Damaged, match=rf"{path.name} is damaged at byte {at}"):
        Log(tmp_path)


def test_a_reader_names_damage_too(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        log.append([record(1)])
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)
    with LogReader(tmp_path) as reader, pytest.raises(Damaged, match=path.name):
        reader.read(0)


def test_a_missing_part_between_segments_is_damage(tmp_path: Path) -> None:
    with Log(tmp_path, segment_bytes=1) as log:
        for number in range(3):
            log.append([record(number)])
    segments(tmp_path)[1].unlink()
    with pytest.raises(Damaged, match="should follow"):
        Log(tmp_path)


def test_without_its_watermark_a_sound_log_opens_whole(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        log.append([record(1), record(2)])
        end = log.end
    (tmp_path / "durable").unlink()
    with Log(tmp_path) as log:
        assert log.end == end
    assert len(read_all(tmp_path)) == 2


def test_nothing_beyond_the_watermark_is_read(tmp_path: Path) -> None:
    with Log(tmp_path) as log, LogReader(tmp_path) as reader:
        log.append([record(1)])
        with segments(tmp_path)[0].open("ab") as file:
            file.write(segments(tmp_path)[0].read_bytes())
        found, offset = reader.read(0)
        assert len(found) == 1
        assert reader.read(offset) == ([], offset)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes: the kernel writes what fits and then refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_nothing_is_acknowledged_and_later_it_goes_on(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        log.append([record(1)])
        with full_disk(400):
            for _ in range(3):
                with pytest.raises(Unavailable):
                    log.append([record(number) for number in range(10, 20)])
            assert [item.profile_id for item in read_all(tmp_path)] == [1]
            log.append([record(2)])
        log.append([record(3)])
    Log(tmp_path).close()
    assert [item.profile_id for item in read_all(tmp_path)] == [1, 2, 3]


def test_after_a_failed_fsync_what_was_written_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_disk(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with Log(tmp_path) as log:
        log.append([record(1)])
        size = segments(tmp_path)[0].stat().st_size
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", broken_disk)
            with pytest.raises(Unavailable, match="Input/output error"):
                log.append([record(2)])
            assert segments(tmp_path)[0].stat().st_size == size
            patch.setattr(os, "fsync", broken_disk)
            for _ in range(2):
                with pytest.raises(Unavailable):
                    log.append([record(3)])
        log.append([record(4)])
    assert [item.profile_id for item in read_all(tmp_path)] == [1, 4]


def test_retention_drops_whole_segments_that_are_handled_and_old(tmp_path: Path) -> None:
    with Log(tmp_path, segment_bytes=1) as log:
        ends = [log.append([record(n, received_at=1000 * n)])[1] for n in range(1, 6)]
        assert log.drop_before(ends[1], older_than=10_000) == 2, "the third is not handled"
        assert log.drop_before(ends[4], older_than=4000) == 0, "the third ended at 4000"
        assert log.drop_before(ends[4], older_than=4001) == 1
        assert log.drop_before(ends[4], older_than=10_000) == 1, "the last segment stays"
        with LogReader(tmp_path) as reader:
            assert reader.first() == ends[3]
            with pytest.raises(NotFound, match="the log begins at"):
                reader.read(0)
    with Log(tmp_path) as log:
        assert log.end == ends[4]


_WRITER = """
import sys
from pathlib import Path
from harken.inputs import Record
from harken.store.log import Log

log, number = Log(Path(sys.argv[1]), segment_bytes=20_000), int(sys.argv[2])
while True:
    log.append([Record(number + k, 1, 1, 1, b"z" * (number % 700)) for k in range(10)])
    number += 10
    print(number, flush=True)
"""


def test_what_a_killed_writer_acknowledged_is_there(tmp_path: Path) -> None:
    acknowledged = 0
    for turn in range(5):
        command = [sys.executable, "-c", _WRITER, str(tmp_path), str(acknowledged)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.05 * turn)
        writer.send_signal(signal.SIGKILL)
        last = writer.stdout.read().split()
        writer.wait(10)
        Log(tmp_path).close()
        found = [item.profile_id for item in read_all(tmp_path)]
        assert found == list(range(len(found)))
        assert len(found) >= int(last[-1] if last else 0)
        acknowledged = len(found)
    assert acknowledged > 50
