"""Fills a store and feeds history from it until it is killed. Run by test_history_feeder."""

import sys
import time
from pathlib import Path

from history_kit import EACH, batch_of

from harken.history import duck, worker
from harken.history.duck import DuckHistory
from harken.history.worker import Feeder
from harken.store.sqlite import SqliteStore

# Small, so that commits of many pieces, which part batches, are among those that are killed.
worker.PIECE_BYTES, duck.TOGETHER = 4_000, 7 * EACH + 3


def main(folder: Path) -> None:
    store = SqliteStore(folder / "state.db")
    history = DuckHistory(folder / "history.duckdb")
    feeder = Feeder(SqliteStore(folder / "state.db", durable=True), history, gather=0.001)
    before = history.watermark()
    feeder.start()
    store.commit(batch_of(store.offset() + 1))
    # Not before history takes rows: how soon that is depends on the machine.
    while history.watermark() == before:
        feeder.ring()
        time.sleep(0.001)
    print("ready", flush=True)
    while True:
        store.commit(batch_of(store.offset() + 1))
        feeder.ring()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
