"""Whatever happens to customers, they are in the segments that history says they are in.

The whole engine on a virtual clock: events in any order and from anywhere, late, imported or sent
twice, merges by operators and by alias, their undoing, consent, lists, bounces, erasures, new rules
told of the past while events keep coming or Harken starts again, history that is away for a while,
and time passing. What it says of each customer is held against one SQL statement a segment over the
column history, which `tests/segments/test_conformance.py` holds against a slow and obvious
reference.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from driver import Shop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parent.parent / "segments"))

from set_kit import PLACES, SEGMENTS, objects, rules, texts

from harken.errors import Unavailable
from harken.inputs import Forget, Listed
from harken.segments.questions import ask
from harken.segments.sql import compile_members
from harken.segments.sql_writing import Asked

USERS, STRANGERS = ("u", "v", "w"), ("?a", "?b")
NAMES = ("Go", "Buy", "It's")

who = st.sampled_from((*USERS, *STRANGERS))
users = st.sampled_from(USERS)
tracks = st.tuples(
    st.just("track"), who, st.sampled_from(NAMES), objects,
    st.sampled_from(("0s", "0s", "1h", "1d", "3d")), st.none() | st.sampled_from(PLACES),
)  # fmt: skip
moves = st.one_of(
    tracks,
    tracks,
    st.tuples(st.just("identify"), users, st.none() | st.sampled_from(STRANGERS), objects, texts),
    st.tuples(st.just("again"), st.booleans()),
    st.tuples(st.just("alias"), users, users),
    st.tuples(st.just("merge"), users, users),
    st.tuples(st.just("unmerge")),
    st.tuples(st.just("consent"), users, st.sampled_from(("opted_in", "opted_out"))),
    st.tuples(st.just("list"), users, st.booleans()),
    st.tuples(
        st.just("told"), users, st.sampled_from(("sent", "opened", "bounced")), st.booleans()
    ),
    st.tuples(st.just("forget"), users),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("go_away")),
    st.tuples(st.just("come_back")),
    st.tuples(st.just("advance"), st.sampled_from(("1s", "1h", "1d", "3d", "363d", "400d"))),
)
segment_rules = rules.filter(lambda rule: "event_property" not in json.dumps(rule))


class Town(Shop):
    """A shop whose history may be away, while all else goes on."""

    away = False

    def work(self) -> None:
        try:
            super().work()
        except Unavailable:
            assert self.away
            # History was asked when nothing else was left to do.
            assert not self.harken.engine.turn()


class Story:
    """A shop to which things happen."""

    def __init__(self, folder: Path) -> None:
        self.shop = Town(folder)
        self.sent: list[dict[str, Any]] = []
        self.merged: list[tuple[str, int]] = []

    def happens(self, move: tuple[Any, ...]) -> None:
        kind, *rest = move
        act: Callable[..., None] = getattr(self, kind)
        act(*rest)

    def track(
        self,
        whose: str,
        name: str,
        properties: dict[str, Any],
        ago: str,
        place: tuple[float, float] | None,
    ) -> None:
        item: dict[str, Any] = {"anonymousId" if whose.startswith("?") else "userId": whose}
        if place is not None:
            item["context"] = {"location": {"latitude": place[0], "longitude": place[1]}}
        self.sent.append(
            self.shop.item("track", event=name, properties=properties, **item,
                           timestamp=_iso(self.shop, ago))
        )  # fmt: skip
        self.shop.request(self.sent[-1:])

    def again(self, imported: bool) -> None:
        """The latest event once more, as a client sends it that got no answer: it counts once
        within 48 hours."""
        self.shop.request(self.sent[-1:], imported=imported)

    def alias(self, previous: str, user: str) -> None:
        if previous != user:
            self.shop.alias(previous, user)

    def identify(self, user: str, stranger: str | None, traits: dict[str, Any], born: str) -> None:
        self.shop.identify(user, stranger, **{**traits, "born": born, "email": f"{user}@x.example"})

    def merge(self, survivor: str, absorbed: str) -> None:
        ids = self.shop.id(survivor), self.shop.id(absorbed)
        known = self.shop.harken.store.profiles(list(ids))
        if ids[0] != ids[1] and len(known) == 2 and not any(p.tombstone for p in known.values()):
            self.shop.merge(survivor, absorbed)
            self.merged.append((survivor, ids[1]))

    def unmerge(self) -> None:
        # Refused while history is away, which knows what is whose.
        if self.merged and not self.shop.away:
            survivor, absorbed = self.merged.pop()
            known = self.shop.harken.store.profiles([absorbed]).get(absorbed)
            grave = None if known is None else known.tombstone
            if grave is not None and grave.absorbed_before and grave.into == self.shop.id(survivor):
                self.shop.unmerge(survivor, absorbed)

    def consent(self, user: str, state: str) -> None:
        self.shop.consent(user, state)

    def list(self, user: str, on: bool) -> None:
        self.shop.command(user, Listed("guests", on))

    def told(self, user: str, what: str, machine: bool) -> None:
        id = self.shop.id(user)
        if id in self.shop.harken.store.profiles([id]):
            hard = {"hard": machine, "address": f"{user}@x.example"} if what == "bounced" else {}
            by = {"machine": machine} if what == "opened" else {}
            self.shop.feedback(id, f"m{self.shop.now % 3}", what, journey="cart", **hard, **by)

    def forget(self, user: str) -> None:
        self.shop.command(user, Forget("an operator"))

    def reopen(self) -> None:
        away, self.shop.away = self.shop.away, False
        self.shop.reopen()
        if away:
            self.go_away()

    def go_away(self) -> None:
        """History cannot be reached."""
        if not self.shop.away:
            self.shop.harken.history.close()
            self.shop.away = True

    def come_back(self) -> None:
        if self.shop.away:
            self.shop.harken.history._open()
            self.shop.away = False
            self.shop.work()

    def advance(self, by: str) -> None:
        self.shop.advance(by)

    def apply(self, written: dict[str, Any], meanwhile: tuple[Any, ...]) -> None:
        """New rules, and something that happens before their past is known."""
        segments = {**SEGMENTS, **written}
        texts = {name: json.dumps(rule, ensure_ascii=False) for name, rule in segments.items()}
        self.shop.apply(segments=texts, settle=False)
        self.shop.harken.engine.turn()
        self.happens(meanwhile)
        self.shop.work()

    def agrees(self) -> None:
        """The documents say what history says, as soon as it is there."""
        if self.shop.away:
            return
        history, force = self.shop.history, self.shop.harken.engine.definitions
        known = {name: one.rule for name, one in force.segments.sources.items()}
        asked = Asked(now=self.shop.now, zone=force.zone, segments=known)
        people = [one for one in self.shop.profiles() if one.tombstone is None]
        rows = history.query("SELECT profile_id FROM profiles")
        assert sorted(row[0] for row in rows) == sorted(one.id for one in people)
        for name, rule in known.items():
            found = ask(history.query, asked, lambda asked, rule=rule: compile_members(rule, asked))
            inside = {one.id for one in people if name in one.segments}
            assert inside == {row[0] for row in found}, (name, rule)


def _iso(shop: Shop, ago: str) -> str:
    from harken.clock import iso
    from harken.values import Duration

    return iso(shop.now - Duration.parse(ago))


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    before=st.lists(moves, min_size=2, max_size=8),
    first=st.lists(segment_rules, min_size=1, max_size=4),
    after=st.lists(moves, min_size=2, max_size=8),
    second=st.lists(segment_rules, min_size=1, max_size=4),
    meanwhile=moves,
    end=st.lists(moves, min_size=1, max_size=6),
)
def test_documents_and_history_agree(
    before: list[Any], first: list[Any], after: list[Any], second: list[Any], meanwhile: Any,
    end: list[Any],
) -> None:  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder))
        try:
            for move in before:
                story.happens(move)
            story.apply({f"s{n}": rule for n, rule in enumerate(first)}, meanwhile)
            story.agrees()
            for move in after:
                story.happens(move)
            story.agrees()
            both = {f"s{n}": rule for n, rule in enumerate(first[1:])}
            story.apply({**both, **{f"t{n}": rule for n, rule in enumerate(second)}}, meanwhile)
            for move in end:
                story.happens(move)
                story.agrees()
            story.come_back()
            story.agrees()
            assert story.shop.failures() == []
        finally:
            story.shop.close()
