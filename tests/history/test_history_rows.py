"""The blob from the engine's store to history, and what becomes of a row that cannot be held."""

from pathlib import Path

import msgspec
import pytest
from history_kit import decision, event

from harken.effects import Effects
from harken.history.columns import texts_of
from harken.history.duck import DuckHistory
from harken.history.rows import Collector, Page, Rekey, decode_batch, encode_batch, pack, rows_of
from harken.people.profile import Profile, Tombstone


def test_a_batch_comes_back_as_it_went_in() -> None:
    rows, decided = [event(0, properties={"a": [1]}), event(1)], [decision(1)]
    [page] = decode_batch(encode_batch(rows, decided, [Rekey(2, 1)], [7]))
    assert page == Page(rows_of(rows, "properties"), rows_of(decided, "facts"), [Rekey(2, 1)], [7])
    assert list(texts_of(page.happenings.columns[-1], 2)) == [b'{"a":[1]}', b"{}"]
    assert decode_batch(b"") == []
    with pytest.raises(msgspec.DecodeError):
        decode_batch(b"\x93garbage")


def test_merges_and_their_undoing_are_read_from_effects() -> None:
    grave = Profile(id=2, tombstone=Tombstone(into=1, at=0, how="identify"))
    collector = Collector()
    assert pack(collector.gathered()) == b""
    collector.add(Effects(Profile(id=1), others=[grave], happenings=[event(0)]))
    collector.add(Effects(Profile(id=1), others=[Profile(id=2)], decisions=[decision(1)]))
    [page] = decode_batch(pack(collector.gathered()))
    assert page.rekey == [Rekey(2, 1), Rekey(2, 1, undo=True)]
    assert (len(page.happenings), len(page.decisions)) == (1, 1)


def test_who_is_forgotten_and_comes_back_in_one_batch_keeps_what_came_after(
    duck: DuckHistory,
) -> None:
    collector = Collector()
    collector.add(Effects(Profile(id=1), happenings=[event(0, 1, "before"), event(0, 2, "other")]))
    collector.add(Effects(Profile(id=1), forgotten=[1], happenings=[event(1, 1, "last")]))
    collector.add(Effects(Profile(id=1), happenings=[event(2, 1, "after")]))
    duck.append([(1, pack(collector.gathered()))])
    assert duck.query("SELECT name FROM events ORDER BY ts") == [("other",), ("after",)]


def test_a_row_that_cannot_be_held_does_not_lose_its_neighbours(duck: DuckHistory) -> None:
    odd = msgspec.msgpack.Ext(5, b"\x00")
    rows = [event(0), event(1, properties={"x": odd}), event(2, properties={"fine": 1})]
    duck.append([(1, encode_batch(rows, [decision(3, facts={"x": odd}), decision(4)]))])
    first, second, third = (entry for entry in duck.timeline([1])[::-1] if entry["kind"] == "event")
    assert (first["properties"], third["properties"]) == ({}, {"fine": 1})
    assert "Ext" in second["properties"]["$unreadable"]
    assert "Ext" in duck.decisions(1, "cart")[0].facts["$unreadable"]
    assert duck.watermark() == 1


def test_a_large_append_keeps_within_its_memory(tmp_path: Path) -> None:
    history = DuckHistory(tmp_path / "h.duckdb", memory="100MB")
    rows = [event(n, n, properties={"text": f"{n}" * 4_000}) for n in range(3_000)]
    history.append([(1, encode_batch(rows, []))])
    assert history.query("SELECT count(*), max(length(props.text::VARCHAR)) FROM events") == [
        (3_000, 16_000)
    ]
    history.close()
