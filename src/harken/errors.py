"""Everything that Harken raises on purpose.

    HarkenError
    ├── BadInput            what a user or client sent is wrong; says where and what would be right
    │   ├── BadDefinition   a workspace, journey, segment or content file; carries every fault
    │   ├── BadLines        a file with lines that are wrong; tells them by their numbers
    │   └── TooLarge        over a documented limit
    ├── NotFound            no such customer, journey, message ...
    ├── Conflict            the state of things forbids it (a message already sent, a lost race)
    │   └── Refused         a coupon is not good; carries the reason in one word
    ├── Denied              wrong or missing key
    ├── TooMany             over the rate limit; carries how long to wait
    ├── Unavailable         storage or a part of Harken does not answer; nothing was accepted
    ├── Damaged             a file of ours is not what was written; names the file and the place
    └── ServerFault         the server answered the CLI with a problem

Domain errors know no HTTP; `web/problems.py` maps them once.
"""

from collections.abc import Sequence

import msgspec


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with a definition: where it stands and what would be right."""

    path: str
    """Where in the document, e.g. `$.steps[1].channel`."""
    problem: str
    file: str = ""
    line: int = 0
    warning: bool = False
    """A warning is shown, but the definition is accepted."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{place}{'warning: ' if self.warning else ''}{self.path}: {self.problem}"


class HarkenError(Exception):
    """The base of all errors that Harken raises on purpose."""


class BadInput(HarkenError):
    """What was sent is wrong."""


class BadDefinition(BadInput):
    """A definition has faults; each names its place."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class BadLines(BadInput):
    """Lines of a file are wrong; nothing of it was taken."""

    def __init__(self, lines: Sequence[str], more: int = 0) -> None:
        """`lines` tells of some as `line 7: ...`, `more` is how many others there are."""
        count = len(lines) + more
        wrong = "1 line is" if count == 1 else f"{count:,} lines are"
        super().__init__(f"{wrong} wrong; nothing was changed")
        self.lines = (*lines, f"(and {more:,} more)") if more else tuple(lines)


class TooLarge(BadInput):
    """Over a documented limit."""


class NotFound(HarkenError):
    """There is no such thing."""


class Conflict(HarkenError):
    """The state of things forbids it."""


class Refused(Conflict):
    """The coupon is not good."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        """`redeemed`, `expired`, `void` or `free`."""


class Denied(HarkenError):
    """The key is missing, wrong, or not allowed to do this."""


class TooMany(HarkenError):
    """Over the rate limit."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds to wait before the next try."""


class Unavailable(HarkenError):
    """Storage or a part of Harken does not answer; nothing was accepted."""


class Damaged(HarkenError):
    """A file of ours is not what was written; the message names the file and the place."""


class ServerFault(HarkenError):
    """The server refused what the CLI asked; the message is the server's own."""
