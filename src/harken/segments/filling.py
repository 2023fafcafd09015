"""How far new rules have been told of every customer's past.

A trait counts from the input at which it came into force. What was before comes from history, to
one customer after another in the order of their ids (`inputs.Fill`): one pass over all documents
for all that one revision of the definitions brought. Until the pass has come by, a customer is in
none of its segments and enters none of its journeys.
"""

from collections.abc import Iterable

from msgspec import Struct, field


class Pass(Struct):
    """One pass over all customers."""

    number: int = 0
    """No two passes have the same."""
    upto: int = 0
    """The last batch of history that was written before the traits began to count."""
    traits: list[str] = field(default_factory=list)
    segments: tuple[str, ...] = ()
    """New, or with a new rule."""
    journeys: tuple[str, ...] = ()
    """With a rule that reads one of the traits."""
    only: tuple[int, ...] = ()
    """Just these customers: what they did is theirs alone again after a merge was undone."""
    sparse: bool = False
    """Of whom its traits have counted nothing, nobody comes into one of its segments."""
    skip: tuple[int, ...] = ()
    """Not these: a later pass tells them all, because a merge was undone since."""
    cursor: int = -1
    """Every customer up to this id has been told."""
    done: int = 0
    """How many customers those are."""
    total: int = 0
    """About how many there are."""

    def awaits(self, profile_id: int) -> bool:
        """Whether the customer has still to be told."""
        return profile_id > self.cursor and (not self.only or profile_id in self.only)


class Filling(Struct):
    """What is counted since when, and the passes to be made. Kept in the notes of the store."""

    introduced: dict[str, int] = field(default_factory=dict)
    """By trait id: the revision of the definitions that brought it."""
    passes: list[Pass] = field(default_factory=list)
    """The first is being made; the others wait for it."""
    over: Pass | None = None
    """The last one that was made: what history worked out for it is to be let go."""
    planned: int = 0
    """How many passes there ever were."""
    named: list[str] = field(default_factory=list)
    """Every segment that there ever was: documents may still hold that they are in it."""

    def renew(self, traits: Iterable[str], revision: int) -> list[str]:
        """Take note of the traits that a revision needs; those that are new with it."""
        needed = set(traits)
        new = sorted(needed - self.introduced.keys())
        self.introduced = {id: at for id, at in self.introduced.items() if id in needed}
        self.introduced.update(dict.fromkeys(new, revision))
        for one in self.passes:
            # One that went and came back is told of by the pass that brings it back, alone.
            one.traits = [id for id in one.traits if id in needed and id not in new]
        return new

    def plan(self, one: Pass) -> None:
        """Add a pass, after those that are planned already."""
        self.planned += 1
        one.number = self.planned
        self.passes.append(one)

    def shares(self) -> dict[str, float]:
        """How far each segment is that is not whole yet, 0 to 1."""
        return {
            name: min(one.done / one.total, 1.0) if one.total else 0.0
            for one in self.passes
            if not one.only
            for name in one.segments
        }
