"""History in ClickHouse: a small adapter over `clickhouse-connect`, and the tables.

`clickhouse://user:password@host:8123/database` names a server, `chdb://memory` the engine inside
this process: one adapter, so what tests run is what production runs. `clickhouse-connect` is an
extra (`harken[clickhouse]`) and is loaded when a connection is made.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from harken.errors import BadInput, Unavailable

Row = tuple[Any, ...]
SETTINGS = {
    "max_query_size": 16_000_000,
    "max_ast_elements": 1_000_000,
    "query_plan_max_optimizations_to_apply": 1_000_000,
}
"""What a statement may be long: one of a thousand conditions is longer than the 256 KB that
ClickHouse reads unless told otherwise, and is planned in more steps than it would take. It has to
know before it reads it."""

# JSON stays text: the JSON type takes `a.b` for `b` inside `a`. `batch` is the engine's batch that
# a row came in: whoever offers a batch again deletes by it first.
SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS events (
    ts Int64, received Int64, profile_id Int64, origin Int64, name LowCardinality(String),
    message_id String, anonymous_id String, props String, journey LowCardinality(String),
    step LowCardinality(String), variant LowCardinality(String), channel LowCardinality(String),
    message String, imported Bool, batch Int64
) ENGINE = MergeTree ORDER BY (name, ts, profile_id)
""",
    """
CREATE TABLE IF NOT EXISTS decisions (
    ts Int64, profile_id Int64, origin Int64, journey LowCardinality(String), revision Int64,
    outcome LowCardinality(String), reason LowCardinality(String), run String,
    step LowCardinality(String), gate LowCardinality(String), message String, until Int64,
    facts String, batch Int64
) ENGINE = MergeTree ORDER BY (journey, ts, profile_id)
""",
    """
CREATE TABLE IF NOT EXISTS profiles (
    profile_id Int64, origin Int64, user_id Nullable(String), created_at Int64, attributes String,
    dates String, reachable Array(LowCardinality(String)), consent Array(LowCardinality(String)),
    lists Array(LowCardinality(String)), latitude Nullable(Float64), longitude Nullable(Float64)
) ENGINE = MergeTree ORDER BY profile_id
""",
    """
CREATE TABLE IF NOT EXISTS segment_sizes (
    segment LowCardinality(String), ts Int64, size Int64
) ENGINE = MergeTree ORDER BY (segment, ts)
""",
)


class Columns(Protocol):
    """A column store that speaks ClickHouse's SQL."""

    def query(self, sql: str, params: Sequence[str] = ()) -> list[Row]:
        """Rows of one SELECT; `{p1:String}` stands for the first parameter.

        Raises BadInput for SQL that is wrong, Unavailable when nobody answers.
        """

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Append rows. Raises BadInput for rows that do not fit, Unavailable as above."""

    def close(self) -> None:
        """Let go of the connection."""


class ClickHouse:
    """`Columns` over `clickhouse-connect`. Makes the tables where they are not there yet."""

    def __init__(self, dsn: str) -> None:
        import clickhouse_connect
        from clickhouse_connect.driver import exceptions

        self._wrong = (exceptions.DatabaseError, exceptions.DataError)
        self._away = exceptions.Error
        try:
            self._client = clickhouse_connect.get_client(dsn=dsn)
            for table in SCHEMA:
                self._client.command(table)
        except self._away as fault:
            raise Unavailable(f"ClickHouse: {fault}") from fault

    def query(self, sql: str, params: Sequence[str] = ()) -> list[Row]:
        named = {f"p{number}": text for number, text in enumerate(params, start=1)}
        try:
            found = self._client.query(sql, parameters=named, settings=SETTINGS)
            return list(map(tuple, found.result_rows))
        except self._wrong as fault:
            raise BadInput(str(fault)) from None
        except self._away as fault:
            raise Unavailable(f"ClickHouse: {fault}") from fault

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        try:
            self._client.insert(table, rows, column_names=list(columns))
        except self._wrong as fault:
            raise BadInput(str(fault)) from None
        except self._away as fault:
            raise Unavailable(f"ClickHouse: {fault}") from fault

    def close(self) -> None:
        self._client.close()
