"""Fills a store and feeds history from it until it is killed. Run by test_history_feeder."""

import sys
from pathlib import Path

from history_kit import batch_of

from harken.history.duck import DuckHistory
from harken.history.worker import Feeder
from harken.store.sqlite import SqliteStore


def main(folder: Path) -> None:
    store = SqliteStore(folder / "state.db")
    history = DuckHistory(folder / "history.duckdb")
    feeder = Feeder(SqliteStore(folder / "state.db", durable=True), history, gather=0.001)
    feeder.start()
    print("ready", flush=True)
    while True:
        store.commit(batch_of(store.offset() + 1))
        feeder.ring()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
