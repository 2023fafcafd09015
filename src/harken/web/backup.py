"""A copy of the data folder, made while Harken runs.

The copy is of one moment: the state of the engine, and the log up to just there. What is in the
log beyond it is not copied, for the copy would handle it again and send what was sent already.
"""

import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from struct import Struct as Packed

import msgspec
from msgspec import Struct

from harken.errors import BadInput, Conflict, Unavailable
from harken.logs import structlog
from harken.store.log import LogReader
from harken.web.api import Api

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
RESTORED = "restored from a backup"
KEPT_FILES = ("keys.json", "lists.json", "link.secret")

# What waited to leave may have left since: an operator decides, as after any crash.
UNSURE = f"""
UPDATE messages SET state = 'unsure', reason = '{RESTORED}', sender = '', lease_until = 0
WHERE state IN ('queued', 'handed')
"""
LONGEST_COPY = 3600.0
"""Seconds after which history goes on although nobody told it to."""

log = structlog.get_logger("backup")


class Backup(Struct, kw_only=True):
    """A backup that was made."""

    path: str
    """Below the data folder."""
    bytes: int
    offset: int
    """The log is copied up to here."""
    messages_unsure: int
    """Messages that were waiting to leave, which the copy will not send by itself."""


def back_up(api: Api, name: str) -> Backup:
    """Copy everything to `data/backups/<name>`. Raises BadInput, Conflict or Unavailable."""
    if not NAME.fullmatch(name):
        raise BadInput("a backup's name has letters, digits, '-', '_' and '.', at most 64")
    if not api.copying.acquire(blocking=False):
        raise Conflict("a backup is being made; try again when it is done")
    try:
        return _back_up(api, name)
    finally:
        api.copying.release()


def _back_up(api: Api, name: str) -> Backup:
    data = api.services.settings.data
    target = data / "backups" / name
    making = data / "backups" / f".{name}.making"
    if target.exists():
        raise Conflict(f"there is a backup called {name!r} already")
    try:
        shutil.rmtree(making, ignore_errors=True)
        (making / "log").mkdir(parents=True)
        os.chmod(making, 0o700)
        made = _copy(api, making)
        making.rename(target)
    except (OSError, sqlite3.Error) as fault:
        shutil.rmtree(making, ignore_errors=True)
        raise Unavailable(f"the backup could not be written: {fault}") from fault
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    log.info("backup_made", name=name, bytes=size)
    return msgspec.structs.replace(made, path=f"backups/{name}", bytes=size)


def _copy(api: Api, to: Path) -> Backup:
    services, settings = api.services, api.services.settings
    # First what the web process knows of identities, then the engine's state, which must not be
    # behind it: the log is copied only up to the state.
    _copy_database(settings.intake, to / "intake.db")
    with closing(sqlite3.connect(to / "intake.db")) as intake:
        row = intake.execute("SELECT value FROM intake WHERE key = 'offset'").fetchone()
    if row and not api.wait(row[0]):
        raise Unavailable("the engine is behind; try again when it has caught up")
    # Rows that history has not taken stand in the state: it must take none between the two copies.
    services.history.hold(LONGEST_COPY)
    try:
        services.store.database.backup(to / "state.db")
        services.history.backup(str(to / "history.duckdb"))
    finally:
        services.history.hold(0)
    offset, unsure = _calm(to / "state.db")
    _copy_database(settings.sandbox, to / "sandbox.db")
    _copy_database(settings.catalogs, to / "catalogs.db")
    _copy_log(settings.log, to / "log", offset)
    for name in KEPT_FILES:
        if (settings.data / name).exists():
            shutil.copy2(settings.data / name, to / name)
    return Backup(path="", bytes=0, offset=offset, messages_unsure=unsure)


def _copy_database(source: Path, to: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(to)) as new:
        old.backup(new)


def _calm(state: Path) -> tuple[int, int]:
    """Make the copy send nothing by itself; the log offset that it has handled, and how many."""
    with closing(sqlite3.connect(state)) as copy:
        unsure = copy.execute(UNSURE).rowcount
        row = copy.execute("SELECT body FROM notes WHERE name = 'offset'").fetchone()
        copy.commit()
    return int(row[0]) if row else 0, unsure


def _copy_log(source: Path, to: Path, end: int) -> None:
    """The segments up to `end`, the last one cut there, and the mark that says so."""
    with LogReader(source) as reader:
        if end < reader.first():
            raise Unavailable("the log no longer holds what the engine has handled last")
    for segment in sorted(source.glob("*.log")):
        base = int(segment.stem)
        if base > end:
            continue
        with segment.open("rb") as old, (to / segment.name).open("wb") as new:
            left = end - base
            while left and (part := old.read(min(left, 1 << 20))):
                new.write(part)
                left -= len(part)
            new.flush()
            os.fsync(new.fileno())
    (to / "durable").write_bytes(Packed("<Q").pack(end))
