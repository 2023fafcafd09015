"""What benches share: a folder that is gone afterwards, and the engine's process in this one."""

import cProfile
import gc
import pstats
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from harken import logs
from harken.running.roles import COLLECT, SWITCH


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder."""
    with TemporaryDirectory(prefix="harken-bench-") as folder:
        yield Path(folder)


def as_the_engine() -> None:
    """Collect garbage and switch threads as the engine's process does."""
    logs.set_up("warning", "bench")
    gc.set_threshold(*COLLECT)
    sys.setswitchinterval(SWITCH)


def called(process: psutil.Process) -> str:
    """What a process of Harken is: forked ones by their name, else by its command line."""
    name = process.name()
    return name if name.startswith("harken ") else " ".join(process.cmdline()[2:4])


def busy(process: int) -> float:
    """Seconds that another process has had the processor, to a hundredth."""
    user, system, *_ = psutil.Process(process).cpu_times()
    return float(user + system)


@contextmanager
def profiled(wanted: bool) -> Iterator[None]:
    """With `--profile`: print where the processor's time went."""
    if not wanted:
        yield
        return
    with cProfile.Profile(time.process_time) as profile:
        yield
    pstats.Stats(profile).sort_stats("tottime").print_stats(30)
