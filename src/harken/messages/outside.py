"""What a template may fetch while it is rendered, beyond the values of its message.

Rendering itself does no I/O: it asks an `Outside`, which its caller gives: the sender and previews
one of `harken.outside.fetching`, tests a plain object. Where there is none, nothing can be fetched.
"""

from typing import Any, Literal, Protocol

from msgspec import Struct

from harken.errors import HarkenError


class Feed(Struct, frozen=True, kw_only=True):
    """A request to somebody else's feed."""

    url: str
    timeout: float
    """Seconds."""
    cache: int
    """Seconds that an answer may be used again; 0 for never."""
    auth: str = ""
    """The entry of the workspace's `connected` with whose secret it is asked."""


Kind = Literal["popular", "popular_in", "viewed_together", "bought_together", "not_yet_bought"]


class Wish(Struct, frozen=True, kw_only=True):
    """A request for recommendations."""

    kind: Kind
    catalog: str
    """Empty for the only one of the workspace."""
    limit: int
    items: tuple[Any, ...] = ()
    """The items that it starts from, as ids or as an event lists them; never recommended."""
    category: str | None = None
    profile_id: int = 0
    """For whom; 0 for nobody known."""


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

    def catalog(self, name: str, id: Any) -> Any:
        """The item of an id, with its fields and `id`; of a list of ids those that there are.

        An id may stand in an object, as an event lists its products. None of what there is not.
        """

    def recommend(self, wish: Wish) -> list[dict[str, Any]]:
        """Items that fit the wish and are in stock, the best first; none when nothing is known."""
