"""What a template may fetch while it is rendered, beyond the values of its message.

Rendering itself does no I/O: it asks an `Outside`, which its caller gives (`fetching.Fetching` in
the sender and in previews; a plain object in tests). Where there is none, nothing can be fetched.
"""

from typing import Any, Protocol

from msgspec import Struct

from harken.errors import HarkenError


class Feed(Struct, frozen=True, kw_only=True):
    """What is asked of a feed of someone else's."""

    url: str
    timeout: float
    """Seconds."""
    cache: int
    """Seconds that an answer may be used again; 0 for never."""
    auth: str = ""
    """The entry of the workspace's `connected` with whose secret it is asked."""


class Unanswered(HarkenError):
    """What was asked for cannot be had now; the message is the reason."""


class Unasked(HarkenError):
    """More was asked for than a trial of a message may ask: nothing is known of this customer."""


class Outside(Protocol):
    """Answers templates. Every method may be called by several threads at once."""

    def connected(self, feed: Feed) -> Any:
        """What the feed says: JSON as plain values, else text.

        Raises Unanswered, and Unasked in trials.
        """
