"""A doorbell between processes: rung when there is something to do, so that nobody polls."""

import os
import select

from msgspec import Struct


class Bell:
    """A pipe. Whoever holds it may ring; one waits. Rings that nobody heard yet count as one."""

    def __init__(self, read: int, write: int) -> None:
        self.read, self.write = read, write
        os.set_blocking(read, False)
        os.set_blocking(write, False)

    @classmethod
    def new(cls) -> "Bell":
        return cls(*os.pipe())

    def ring(self) -> None:
        try:
            os.write(self.write, b"!")
        except BlockingIOError:
            pass  # full: it has been ringing for long

    def wait(self, seconds: float) -> bool:
        """Wait until it rings, at most so long; whether it did."""
        ready, _, _ = select.select([self.read], [], [], max(seconds, 0))
        if ready:
            try:
                os.read(self.read, 65_536)
            except BlockingIOError:
                return False
        return bool(ready)

    def close(self) -> None:
        os.close(self.read)
        os.close(self.write)


class Bells(Struct):
    """Who rings whom: the engine hears of log and outcomes, history of new rows, the senders of new
    messages."""

    history: Bell
    engine: Bell
    sender: Bell

    @classmethod
    def new(cls) -> "Bells":
        return cls(Bell.new(), Bell.new(), Bell.new())
