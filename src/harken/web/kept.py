"""Small files that the web process keeps beside the database: written whole or not at all."""

import os
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def load(path: Path, type_: type[T], empty: T) -> T:
    """What the file holds, or `empty` when there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except FileNotFoundError:
        return empty


def save(path: Path, value: object) -> None:
    """Replace the file; whoever reads it meanwhile, or after a crash, sees the old or the new."""
    temporary = path.with_suffix(".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value)))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
