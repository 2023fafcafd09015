"""Gate 9: rate limits. They never refuse; they hand out a later slot."""

import msgspec
from msgspec import Struct, field

from harken.gates.base import Candidate, Verdict
from harken.gates.policy import CompiledWorkspace
from harken.people.profile import Profile

UNPACED = Verdict("pass", "pace")
# Above so many a window, slots are remembered in this many grains of it instead of one by one.
GRAINS = 128


def pace(candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace) -> Verdict:
    """Always lets pass; marks what `Pacer` is to give a slot to."""
    wanted = candidate.step.pace
    if wanted is None:
        return UNPACED
    return Verdict("pass", "pace", facts={"at_most": wanted.at_most, "per": str(wanted.per)})


class Lane(Struct):
    """The slots of one key that were handed out."""

    last: int = 0
    recent: list[tuple[int, int]] = field(default_factory=list)
    """(time, how many) of those still inside the window, times rounded up to the grain."""
    per: int = 0
    """The window when the last one was handed out, ms."""


class Pacer(Struct):
    """Hands out slots: a burst of `at_most`, then evenly spaced, never more than that a window.

    The same calls get the same slots, and the whole of it can be stored between them.
    """

    lanes: dict[str, Lane] = field(default_factory=dict)

    def slot(self, key: str, now: int, at_most: int, per: int) -> int:
        """Take the next slot of `key` (a step, a provider): the time it may leave, `now` or later.

        Slots are handed out in order. In any `per` milliseconds lie at most `at_most` of them.
        """
        if key not in self.lanes:
            self._forget_idle(now)
        lane = self.lanes.setdefault(key, Lane())
        lane.per = int(per)
        grain = 1 if at_most <= GRAINS else max(1, per // GRAINS)
        # While a backlog stands, the next one keeps its distance from the last.
        at = now if lane.last <= now else lane.last + per // at_most
        lane.recent = [entry for entry in lane.recent if entry[0] > at - per]
        taken = sum(count for _, count in lane.recent)
        while taken >= at_most:
            oldest, count = lane.recent.pop(0)
            at = max(at, oldest + per)
            taken -= count
        lane.last = at
        rounded = -(-at // grain) * grain
        if lane.recent and lane.recent[-1][0] >= rounded:
            lane.recent[-1] = (lane.recent[-1][0], lane.recent[-1][1] + 1)
        else:
            lane.recent.append((rounded, 1))
        return at

    def _forget_idle(self, now: int) -> None:
        """Drop the lanes that were idle for their window: they stand as new ones do."""
        kept = {key: lane for key, lane in self.lanes.items() if lane.last > now - lane.per}
        self.lanes = kept


def load_pacer(note: bytes) -> Pacer:
    """The pacer that was stored, or a new one when none was."""
    return msgspec.msgpack.decode(note, type=Pacer) if note else Pacer()
