"""Structured logs: one JSON object a line, on standard error, without personal data.

Profiles are named by their id (a hash), messages by theirs; never an address, a name or a body.
"""

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

from harken.lean import without

# structlog looks for rich, to show tracebacks in colour on a terminal, and loading that takes as
# long as loading half of Harken. Ours are JSON, so it finds none; every module has structlog from
# here. The command line, which does use rich, still gets it.
with without("rich"):
    import structlog

__all__ = ["TRACEBACK", "StandardError", "set_up", "structlog"]

# Without the values of local variables: they hold what customers told us.
TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


class StandardError:
    """Standard error as it is when a line is written; a line that it cannot take is lost.

    It may be a file on the same full disk, a pipe that nobody reads any more, or closed; the work
    that the line tells of must go on.
    """

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def set_up(level: str, role: str) -> None:
    """Configure logging of this process once. `role` says which process a line is from."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(TRACEBACK),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
        ),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, StandardError())),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
