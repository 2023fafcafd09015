"""What one batch of inputs piles up, until the engine commits it all at once."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct, field

from harken.channels.table import CONSENTED
from harken.effects import CouponChange, Decision, Effects, Outgoing
from harken.history.rows import Collector
from harken.inputs import Feedback, WakeUp
from harken.people.profile import Profile, encode
from harken.people.snapshot import snapshot_of


class Turn(Struct):
    """What one batch piles up."""

    documents: dict[int, Profile] = field(default_factory=dict)
    asked_for: set[int] = field(default_factory=set)
    """Customers that were looked for just before: who of them was not found is new."""
    touched: set[int] = field(default_factory=set)
    packed: dict[int, bytes] = field(default_factory=dict)
    """Documents as they are to be written."""
    forgotten: set[int] = field(default_factory=set)
    stated: set[int] = field(default_factory=set)
    """Customers of whom history is to be told anew how they stand."""
    woken: list[WakeUp] = field(default_factory=list)
    wake: dict[tuple[int, int, str], WakeUp] = field(default_factory=dict)
    cancel: list[WakeUp] = field(default_factory=list)
    messages: list[Outgoing] = field(default_factory=list)
    coupons: list[CouponChange] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    history: Collector = field(default_factory=Collector)
    decisions: list[Decision] = field(default_factory=list)
    recount: tuple[int, ...] = ()
    notes: dict[str, bytes] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    """Of those whom a broadcast invited."""

    def take(self, many: Sequence[Effects]) -> None:
        """Add what came of some inputs, in their order."""
        for effects in many:
            if effects.facts:
                self.stated.update(one.id for one in (effects.profile, *effects.others))
            for changed in (effects.profile, *effects.others) if effects.changed else ():
                self.documents[changed.id] = changed
                self.touched.add(changed.id)
                self.forgotten.discard(changed.id)
            self.recount += effects.recount
            for id in effects.forgotten:
                self.forgotten.add(id)
                self.packed.pop(id, None)
                self.documents[id] = Profile(id=id)
            for wakeup in effects.cancel:
                # One set earlier in this batch is not in the store yet.
                if self.wake.pop((wakeup.due, wakeup.profile_id, wakeup.key), None) is None:
                    self.cancel.append(wakeup)
            for wakeup in effects.wake:
                self.wake[wakeup.due, wakeup.profile_id, wakeup.key] = wakeup
            self.messages += effects.messages
            self.coupons += effects.coupons
            self.feedback += effects.feedback
            self.decisions += effects.decisions
            if effects.answer:
                self.answers[effects.answer] += 1
            self.history.add(effects)

    def pack(self) -> None:
        """Make what is to be written of the documents touched so far, and told to history."""
        for id in sorted(self.touched - self.forgotten):
            document = self.documents[id]
            self.packed[id] = encode(document)
            if id in self.stated and document.tombstone is None:
                self.history.people([snapshot_of(document, CONSENTED)])
        self.touched.clear()
