"""Rows as packed columns: how they are joined, cut into statements, and looked at again."""

from pathlib import Path

import pytest
from history_kit import decision, event
from hypothesis import given
from hypothesis import strategies as st

from harken.history import columns, duck_write
from harken.history.duck import DuckHistory
from harken.history.rows import Snapshot, encode_batch

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ALIKE = st.builds(lambda word, rows: [word] * rows, WORDS, st.integers(2, 4))
NUMBERS = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(NUMBERS, min_size=1, max_size=4), st.integers(1, 3))
def test_integers_take_eight_bytes_each(numbers: list[int], times: int) -> None:
    for values in (numbers * times, numbers[:1] * times):
        (packed,) = columns.INTEGERS.pack(values)
        assert memoryview(packed).cast("q").tolist() == values


@pytest.mark.parametrize("values", [[2**63], [2**63, 2**63], [0, -(2**63) - 1]])
def test_integers_of_more_are_refused(values: list[int]) -> None:
    with pytest.raises(OverflowError):
        columns.INTEGERS.pack(values)


@given(st.lists(st.lists(WORDS | st.just(""), max_size=5) | ALIKE, min_size=1))
def test_texts_come_back_from_parts_that_are_joined(parts: list[list[str]]) -> None:
    packed = [(len(values), columns.TEXTS.pack(values)) for values in parts]
    whole, rows = columns.joined(packed), sum(map(len, parts))
    texts = [text.decode() for text in columns.texts_of(whole, rows)]
    assert texts == [value for values in parts for value in values]


def stands(profile_id: int, user_id: str | None, **fields: object) -> Snapshot:
    return Snapshot(
        profile_id=profile_id,
        user_id=user_id,
        created_at=profile_id,
        attributes=dict(fields),
        dates={},
        reachable=["email"] if user_id else [],
        consent=[],
        lists=["뉴스"],
        latitude=1.5 if user_id else None,
        longitude=-2.5 if user_id else None,
    )


@pytest.mark.parametrize("statement_bytes", [duck_write.STATEMENT_BYTES, 1, 60])
def test_rows_stay_whole_however_many_statements_take_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement_bytes: int
) -> None:
    monkeypatch.setattr(duck_write, "STATEMENT_BYTES", statement_bytes)
    history = DuckHistory(tmp_path / "history.duckdb")
    first = encode_batch(
        [event(0, 1, "Ünï", properties={"n": 1}), event(1, 2, message_id="m", imported=True)],
        [decision(2, 1, facts={"why": "é"})],
        people=[stands(1, "one", city="Seoul"), stands(2, None)],
    )
    nothing = encode_batch([], [])
    last = encode_batch(
        [event(3, 3, journey="j")],
        [decision(4, 2, until=9), decision(5, 3)],
        people=[stands(1, "one", city="서울"), stands(3, "three"), stands(1, "uno", city="Busan")],
    )
    history.append([(4, first), (5, nothing), (7, last)])
    asked = "SELECT profile_id, name, message_id, journey, imported, batch FROM events ORDER BY ts"
    assert history.query(asked) == [
        (1, "Ünï", "", "", False, 4),
        (2, "Product Viewed", "m", "", True, 4),
        (3, "Product Viewed", "", "j", False, 7),
    ]
    assert history.query("SELECT props.n::INT FROM events WHERE profile_id = 1") == [(1,)]
    assert history.query("SELECT profile_id, facts, until FROM decisions ORDER BY ts") == [
        (1, '{"why":"é"}', 0),
        (2, "{}", 9),
        (3, "{}", 0),
    ]
    asked = """SELECT profile_id, user_id, attributes.city::VARCHAR, reachable, lists, latitude,
        longitude FROM profiles ORDER BY profile_id"""
    assert history.query(asked) == [
        (1, "uno", "Busan", ["email"], ["뉴스"], 1.5, -2.5),
        (2, None, None, [], ["뉴스"], None, None),
        (3, "three", None, ["email"], ["뉴스"], 1.5, -2.5),
    ]
    history.close()
