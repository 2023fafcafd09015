"""Structured logs: one JSON object a line, on standard error, without personal data.

Profiles are named by their id (a hash), messages by theirs; never an address, a name or a body.
"""

import logging
import sys

import structlog

# Without the values of local variables: they hold what customers told us.
TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
