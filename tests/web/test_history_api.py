"""SQL over the API, and Parquet files."""

from pathlib import Path

import duckdb
import pytest
from web_kit import Shop


def test_a_question_is_answered_with_columns_and_rows(open_shop: Shop) -> None:
    sql = "SELECT name, profile_id, props FROM events WHERE name = '$identify'"
    found = open_shop.post("/sql", {"sql": sql})
    [[name, profile_id, props]] = found["rows"]
    assert found["columns"] == ["name", "profile_id", "props"]
    assert (name, found["more"]) == ("$identify", False)
    assert int(profile_id) == open_shop.services.lookup.resolve(user_id="u1")
    assert props["firstName"] == "Minji"


def test_the_answer_says_when_there_is_more(shop: Shop) -> None:
    found = shop.post("/sql", {"sql": "SELECT * FROM range(5) AS t(n)", "limit": 3})
    assert found == {"columns": ["n"], "rows": [[0], [1], [2]], "more": True}


ANSWERS = [
    ("2::HUGEINT ** 70", 2.0**70),
    ("9007199254740993", "9007199254740993"),
    ("'infinity'::DOUBLE", "inf"),
    ("'ab'::BLOB", "ab"),
    ("[1, 9007199254740993]", [1, "9007199254740993"]),
    ("{'a': DATE '2026-01-02'}", {"a": "2026-01-02"}),
    ("true", True),
]


@pytest.mark.parametrize(("what", "told"), ANSWERS)
def test_values_that_json_lacks_are_told_as_text(shop: Shop, what: str, told: object) -> None:
    assert shop.post("/sql", {"sql": f"SELECT {what}"})["rows"] == [[told]]


WRONG = [
    ({"sql": "SELECT nothing FROM events"}, '"nothing" not found'),
    ({"sql": "DELETE FROM events"}, "one SELECT"),
    ({"sql": "SELECT 1; SELECT 2"}, "one SELECT"),
    ({"sql": "SELECT * FROM read_csv('/etc/passwd')"}, "disabled"),
    ({"sql": "SELECT count(*) FROM range(1000000000) a, range(1000000) b", "seconds": 0.2}, "0.2"),
    ({"sql": ""}, ""),
    ({"sql": "SELECT 1", "limit": 10_001}, ""),
    ({"sql": "SELECT 1", "seconds": 51}, ""),
]


@pytest.mark.parametrize(("question", "told"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_question_is_told(shop: Shop, question: dict[str, object], told: str) -> None:
    answer = shop.ask("POST", "/api/v1/sql", json=question)
    assert answer.status_code == 400
    assert told in answer.json()["detail"]


def test_only_a_secret_key_asks(shop: Shop) -> None:
    assert shop.ask("POST", "/api/v1/sql", key=None, json={"sql": "SELECT 1"}).status_code == 401


def test_history_is_written_to_parquet_files(open_shop: Shop) -> None:
    made = open_shop.post("/history/export", {"to": "march"})
    folder = open_shop.services.settings.data / made["path"]
    files = sorted(file.name for file in folder.iterdir())
    assert files == [f"{table}.parquet" for table in sorted(made["rows"])]
    sql = f"SELECT props->>'firstName' FROM '{folder}/events.parquet' WHERE name = '$identify'"
    assert duckdb.execute(sql).fetchall() == [("Minji",)]
    again = open_shop.ask("POST", "/api/v1/history/export", json={"to": "march"})
    assert (again.status_code, "already" in again.json()["detail"]) == (409, True)
    assert open_shop.post("/sql", {"sql": "SELECT count(*) > 0 FROM events"})["rows"] == [[True]]


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden"])
def test_an_export_stays_below_the_data_folder(shop: Shop, name: str) -> None:
    answer = shop.ask("POST", "/api/v1/history/export", json={"to": name})
    assert answer.status_code == 400


def test_memory_and_threads_are_settings(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "data", history_memory="64MB", history_threads=2)
    try:
        sql = "SELECT current_setting('memory_limit'), current_setting('threads')"
        assert shop.post("/sql", {"sql": sql})["rows"] == [["61.0 MiB", 2]]
    finally:
        shop.close()
