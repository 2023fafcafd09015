"""Whether Harken can do its work now."""

import os
from typing import TYPE_CHECKING

from harken.errors import HarkenError

if TYPE_CHECKING:
    from harken.running.services import Services

PROBE = bytes(4096)
ROOM = 16 << 20
"""Free bytes below which the log may soon not be writable."""


def troubles(services: "Services") -> dict[str, str]:
    """What does not work, by part, in words; empty when all does."""
    found: dict[str, str] = {}
    try:
        _write_probe(services)
    except OSError as fault:
        found["log"] = f"the data folder cannot be written: {fault.strerror}"
    try:
        services.store.offset()
    except HarkenError as fault:
        found["storage"] = str(fault)
    try:
        services.history.watermark()
    except HarkenError as fault:
        found["history"] = str(fault)
    return found


def _write_probe(services: "Services") -> None:
    """Write a little where the log is, and ask for room: a full disk refuses both or one."""
    folder = services.settings.run
    space = os.statvfs(folder)
    if space.f_bavail * space.f_frsize < ROOM:
        raise OSError(28, "hardly any space is left on the disk")
    path = folder / f"probe.{os.getpid()}"
    try:
        path.write_bytes(PROBE)
    finally:
        path.unlink(missing_ok=True)
