"""harken sql and harken export, against a running server."""

import csv
import io
from pathlib import Path

import msgspec
import pytest
from cli_kit import SECRET_KEY, Running, harken

THREE = "SELECT n, 'a,' || n AS text, [n, 1] AS list FROM range(3) AS t(n)"


def ask(server: Running, *arguments: str) -> tuple[int, str, str]:
    done = harken(*arguments, HARKEN_SERVER=server.url, HARKEN_SECRET_KEY=SECRET_KEY)
    return done.returncode, done.stdout, done.stderr


def test_rows_come_as_table_csv_or_json(server: Running) -> None:
    code, table, errors = ask(server, "sql", THREE)
    assert (code, errors) == (0, "")
    assert [line.split() for line in table.splitlines()][:2] == [
        ["n", "text", "list"],
        ["0", "a,0", "[0,1]"],
    ]
    _, lines, _ = ask(server, "sql", THREE, "--format", "csv")
    assert list(csv.reader(io.StringIO(lines)))[2] == ["1", "a,1", "[1,1]"]
    _, text, _ = ask(server, "sql", THREE, "--format", "json")
    assert msgspec.json.decode(text)[2] == {"n": 2, "text": "a,2", "list": [2, 1]}


def test_a_limit_that_is_reached_is_told(server: Running) -> None:
    code, lines, errors = ask(server, "sql", THREE, "--format", "csv", "--limit", "2")
    assert (code, len(lines.splitlines())) == (0, 3)
    assert "more than 2 rows" in errors


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT nothing FROM events", '"nothing" not found'),
        ("DROP TABLE events", "one SELECT"),
        ("SELECT count(*) FROM range(1000000000) a, range(1000000) b", "longer than 0.2 s"),
    ],
)
def test_a_wrong_question_is_told_in_words(server: Running, sql: str, told: str) -> None:
    code, _, errors = ask(server, "sql", sql, "--seconds", "0.2")
    assert code == 1
    assert told in errors
    assert "Traceback" not in errors


def test_history_is_exported(server: Running) -> None:
    code, shown, errors = ask(server, "export", "all")
    assert (code, errors) == (0, "")
    assert "exports/all in the data folder" in shown
    assert (Path(server.data) / "exports" / "all" / "events.parquet").is_file()
    code, _, errors = ask(server, "export", "all")
    assert (code, "already" in errors) == (1, True)
