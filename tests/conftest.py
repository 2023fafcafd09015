"""What holds for all tests."""

import atexit
import os
import sys
from pathlib import Path

# Scenarios drive the same shop as flows do; several post to the receiver of channels.
for folder in ("flows", "channels"):
    sys.path.append(str(Path(__file__).parent / folder))


@atexit.register
def _let_the_summary_be_last() -> None:
    """DuckDB's bindings count their own static objects as leaked when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
