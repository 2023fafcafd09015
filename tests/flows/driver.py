"""A shop on a virtual clock: what its customers do goes in, what Harken says comes out.

Everything is real but the time: the log, the state and the history stand in a folder, mail is
kept by the sandbox. `at` and `advance` step through every wake-up and message due on the way, in
the order of time, as a running server would.
"""

import email
import email.policy
import json
from collections import Counter
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec

from harken.app import Embedded
from harken.checking import check
from harken.clock import SettableClock, from_local, iso, parse_time, to_datetime
from harken.config import Settings
from harken.effects import Decision
from harken.files.plan import bundle, move_faults
from harken.files.project import load
from harken.files.reader import read
from harken.history.base import History
from harken.ingest.protocol import Envelope, Reader
from harken.inputs import Answer, Command, Consent, Feedback, Merge, Redeem, Unmerge
from harken.journeys.model import Journey
from harken.loops.broadcasts import load as load_broadcasts
from harken.people.profile import ConsentChange, Profile
from harken.people.traits import MACHINES_DO
from harken.reports.misses import misses
from harken.reports.why import Why, why
from harken.store.base import LedgerRow
from harken.values import Duration, ZoneName, zone

START = "2026-03-02 10:00"
MOST_STEPS = 20_000


def instant(text: str, zone_name: str = "UTC") -> int:
    """The moment at which clocks in the zone show `2026-03-29 01:30`, in ms."""
    found, ms = zone(zone_name), parse_time(text)
    assert found is not None
    assert ms is not None
    return from_local(to_datetime(ms).replace(tzinfo=None), found)


class Mail(msgspec.Struct, frozen=True):
    """A mail that the sandbox kept."""

    to: str
    subject: str
    at: int
    id: str
    body: str


class Shop:
    """One data folder and its customers."""

    def __init__(
        self, folder: Path, now: str = START, *, private_networks: str = "", **files: str
    ) -> None:
        """`files` are journeys by name; `workspace` is the workspace file."""
        self.folder = folder
        self.settings = Settings(data=folder / "data", private_networks=private_networks)
        self.clock = SettableClock(instant(now))
        self.harken = Embedded(self.settings, self.clock)
        self._ids = 0
        if files:
            self.apply(**files)

    def close(self) -> None:
        self.harken.close()

    def reopen(self) -> None:
        """Stop, and start again on the same folder."""
        self.close()
        self.harken = Embedded(self.settings, self.clock)

    # -- definitions

    def apply(
        self,
        content: dict[str, str] | None = None,
        segments: dict[str, str] | None = None,
        *,
        coupons: dict[str, str] | None = None,
        surveys: dict[str, str] | None = None,
        settle: bool = True,
        move: Sequence[str] = (),
        **files: str,
    ) -> None:
        """Apply a project that holds these journeys (and `workspace`), and nothing else.

        `segments` are rules by name, `coupons` and `surveys` what their files say besides the
        name; without `settle` nothing is handled yet.
        """
        project = self.folder / "project"
        for old in (*project.glob("*/*"), *project.glob("*.yaml")):
            old.unlink()
        for kind in ("journeys", "segments", "coupons", "surveys"):
            (project / kind).mkdir(parents=True, exist_ok=True)
        for name, rule in (segments or {}).items():
            text = f"segment: {name}\nrule: {rule}\n"
            (project / "segments" / f"{name}.yaml").write_text(text)
        for kind, named in (("coupon", coupons), ("survey", surveys)):
            for name, text in (named or {}).items():
                (project / f"{kind}s" / f"{name}.yaml").write_text(f"{kind}: {name}\n{text}\n")
        for name, text in files.items():
            place = "workspace" if name == "workspace" else f"journeys/{name.replace('_', '-')}"
            (project / f"{place}.yaml").write_text(text)
        for name, text in (content or {}).items():
            (project / "journeys" / name).write_text(text)
        self.use(project, settle=settle, move=move)

    def faults(self, journey: str, workspace: str) -> list[str]:
        """What is wrong with a journey beside a workspace file: nothing is applied."""
        project = self.folder / "project"
        (project / "journeys").mkdir(parents=True)
        (project / "workspace.yaml").write_text(workspace)
        (project / "journeys" / "cart.yaml").write_text(journey)
        found = load(project)
        made = bundle(self.harken.store.definitions(), found, self.now, "a test")
        return [str(one) for one in found.errors] or [str(one) for _, _, one in check(made)]

    def use(
        self,
        project: Path,
        journeys: Sequence[str] = (),
        *,
        settle: bool = True,
        move: Sequence[str] = (),
    ) -> None:
        """Apply a project folder; of its journeys only these, when any are named."""
        found = load(project)
        found.move = list(move)
        assert not found.errors, found.errors
        if journeys:
            found.journeys = {name: found.journeys[name] for name in journeys}
        current = self.harken.store.definitions()
        made = bundle(current, found, self.now, "a test")
        gone = {("journey", name) for name, one in made.journeys.items() if one.archived}
        faults: list[Any] = [
            one for one in check(made) if not one[2].warning and one[:2] not in gone
        ]
        faults += move_faults(current, found)
        assert not faults, faults
        self.harken.services.collector.append_definitions(made).result()
        if settle:
            self.work()

    # -- what customers do

    def identify(self, user: str, anonymous: str | None = None, **traits: Any) -> None:
        self.call("identify", userId=user, anonymousId=anonymous, traits=traits)

    def track(self, user: str | None, event: str, **properties: Any) -> None:
        """`anonymous`, `id` (the message id), `ago` and `context` are the call's own."""
        own = {"userId": user, "event": event}
        for name, key in (("anonymous", "anonymousId"), ("id", "messageId"), ("context",) * 2):
            if name in properties:
                own[key] = properties.pop(name)
        if "ago" in properties:
            own["timestamp"] = iso(self.now - Duration.parse(properties.pop("ago")))
        self.call("track", **own, properties=properties)

    def alias(self, previous: str, user: str) -> None:
        self.call("alias", previousId=previous, userId=user)

    def call(self, kind: str, *, imported: bool = False, **fields: Any) -> None:
        """One Segment call, handled before this returns."""
        self.request([self.item(kind, **fields)], imported=imported)

    def item(self, kind: str, **fields: Any) -> dict[str, Any]:
        """A call as it stands in a batch; a message id is made up when none is given."""
        self._ids += 1
        given = {key: value for key, value in fields.items() if value is not None}
        return {"type": kind, "messageId": f"m{self._ids}", **given}

    def request(
        self,
        items: Sequence[dict[str, Any]],
        *,
        imported: bool = False,
        settle: bool = True,
        **envelope: Any,
    ) -> None:
        """One HTTP request's worth of calls."""
        raw = [msgspec.Raw(json.dumps(item).encode()) for item in items]
        accepted, rejected = Reader(self.now, None, Envelope(raw, **envelope)).read(raw)
        assert not rejected, rejected
        sent = self.harken.services.collector.submit(
            accepted, received_at=self.now, imported=imported
        )
        sent.result()
        if settle:
            self.work()

    def consent(
        self, user: str, state: Any, channel: str = "email", purpose: Any = "marketing"
    ) -> None:
        change = ConsentChange(
            channel=channel, purpose=purpose, state=state, at=self.now, by="customer", how="a test"
        )
        self.command(user, Consent([change]))

    def feedback(self, profile_id: int, message: str, what: Any, **fields: Any) -> None:
        self.command(profile_id, Feedback(message, what, self.now, **fields))

    def merge(self, survivor: str, absorbed: str) -> None:
        self.command(survivor, Merge(self.id(absorbed), "operator"))

    def unmerge(self, survivor: str, absorbed_id: int) -> None:
        grave = self.harken.store.profiles([absorbed_id])[absorbed_id].tombstone
        assert grave is not None
        since = self.history.events_since(self.id(survivor), grave.at)
        self.command(survivor, Unmerge(absorbed_id, "operator", since))

    def redeem(self, code: str, reference: str = "order-1", amount: float | None = None) -> None:
        row = self.harken.store.coupons.one(code)
        assert row is not None
        self.command(row.profile_id, Redeem(code, reference, amount))

    def answer(self, user: str, survey: str, message: str, **answers: Any) -> None:
        """What the hosted page appends when the survey that a message led to is answered."""
        row = self.harken.store.message(message)
        assert row is not None
        link = {"journey": row.journey, "revision": row.revision, "step": row.step}
        self.command(user, Answer(survey=survey, message=message, answers=answers, **link))

    def command(self, whose: str | int, command: Command) -> None:
        id = self.id(whose) if isinstance(whose, str) else whose
        self.harken.services.collector.append_commands([(id, command)]).result()
        self.work()

    # -- time

    @property
    def now(self) -> int:
        return self.clock.now()

    def at(self, text: str, zone_name: str = "UTC") -> None:
        """Let time pass until clocks in the zone show `text`."""
        self._until(instant(text, zone_name))

    def advance(self, by: str) -> None:
        """Let so much time pass."""
        self._until(self.now + Duration.parse(by))

    def work(self) -> None:
        """Handle all that is there now. History follows when somebody looks at it."""
        self.harken.work()

    @property
    def history(self) -> History:
        """All that happened until now."""
        self.harken.feeder.flush()
        return self.harken.history

    def _until(self, end: int) -> None:
        assert end >= self.now, "time does not go back"
        for _ in range(MOST_STEPS):
            due = [
                at
                for at in (self.harken.store.next_due(), self.harken.store.next_message())
                if at is not None and self.now < at <= end
            ]
            if not due:
                break
            self.clock.set(min(due))
            self.work()
        else:
            raise AssertionError("there is always something due")
        self.clock.set(end)
        self.work()

    # -- what came of it

    def id(self, user: str) -> int:
        """The profile that the user id names now; one that begins with `?` is anonymous."""
        if user.startswith("?"):
            return self.harken.services.lookup.resolve(anonymous_id=user)
        return self.harken.services.lookup.resolve(user_id=user)

    def profile(self, user: str) -> Profile:
        id = self.id(user)
        return self.harken.store.profiles([id]).get(id) or Profile(id=id)

    def mails(self, to: str | None = None) -> list[Mail]:
        """Mail kept by the sandbox, oldest first; of the same time as they stand in the ledger."""
        kept = self.harken.services.sandbox
        found = [kept.get(one.id) for one in kept.list(limit=10_000, address=to)]
        mails = [_read(one.id, one.address, one.at, one.raw) for one in found if one is not None]
        places = {row.id: -at for at, row in enumerate(self.harken.store.messages(limit=10_000))}
        return sorted(mails, key=lambda mail: (mail.at, places.get(mail.id, 0)))

    def subjects(self, to: str | None = None) -> list[str]:
        return [mail.subject for mail in self.mails(to)]

    def segments(self, user: str) -> list[str]:
        """The segments that the customer is in."""
        return sorted(self.profile(user).segments)

    def moves(self, user: str) -> list[tuple[str, str, int]]:
        """How the customer entered and left segments: (`+` or `-`, segment, ms), in order."""
        entries = self.history.timeline([self.id(user)], limit=10_000)
        signs = {"$segment_entered": "+", "$segment_exited": "-"}
        return [
            (signs[one["name"]], one["properties"]["segment"], one["at"])
            for one in reversed(entries)
            if one.get("name") in signs
        ]

    def ledger(self, user: str) -> list[LedgerRow]:
        return self.harken.store.messages(profile_id=self.id(user), limit=10_000)

    def decisions(self, user: str, journey: str = "cart") -> list[Decision]:
        return self.history.decisions(self.id(user), journey)

    def said(self, user: str, journey: str = "cart") -> list[str]:
        """Decisions as `outcome reason`, in order."""
        return [f"{one.outcome} {one.reason}".strip() for one in self.decisions(user, journey)]

    def why(self, user: str, journey: str = "cart", language: str = "en") -> Why:
        """What `harken why` answers."""
        source = self.harken.store.definitions().journeys[journey]
        entry = read(source.source, Journey).entry
        force = self.harken.services.in_force
        return why(
            journey,
            sorted(
                [
                    *self.decisions(user, journey),
                    *misses(
                        force.journeys[journey],
                        self.history.latest(self.id(user), entry.event, 20),
                    ),
                ],
                key=lambda decision: decision.at,
            ),
            self.ledger(user),
            self.profile(user),
            workspace_zone=zone(ZoneName(force.workspace.timezone)) or force.zone,
            entry_event=entry.event,
            entries={source.revision: entry},
            broadcasts=load_broadcasts(self.harken.services.store).now.active,
            by_machines=[
                one
                for name in sorted(MACHINES_DO)
                for one in self.history.latest(self.id(user), name, 20)
            ],
            language=language,
        )

    def story(self, user: str, journey: str = "cart") -> str:
        """The whole answer of `why` as one text."""
        told = self.why(user, journey)
        return "\n".join([told.answer, *(sentence.text for sentence in told.story)])

    def happened(self, user: str) -> Counter[Any]:
        """How often each event stands in the customer's history."""
        rows = self.history.query(
            "SELECT name, count(*) FROM events WHERE profile_id = ? GROUP BY name", [self.id(user)]
        )
        return Counter(dict(rows))

    def properties(self, user: str, name: str) -> list[dict[str, Any]]:
        """The properties of each of the customer's events of that name, in order."""
        entries = self.history.timeline([self.id(user)], limit=10_000)
        return [one["properties"] for one in reversed(entries) if one.get("name") == name]

    def failures(self) -> list[Any]:
        """Inputs that could not be handled."""
        return self.history.query("SELECT * FROM events WHERE name = '$input_failed'")

    def wakeups(self) -> list[tuple[int, int, str]]:
        """All that is parked: (due, profile, key)."""
        return [(one.due, one.profile_id, one.key) for one in self.harken.store.due(2**62, 10**6)]

    def profiles(self) -> list[Profile]:
        """Every document in the store."""
        rows = self.harken.store.database.connection.execute("SELECT id FROM profiles").fetchall()
        return list(self.harken.store.profiles(sorted(row[0] for row in rows)).values())


def _read(id: str, to: str, at: int, raw: bytes) -> Mail:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    return Mail(to, str(message["Subject"]), at, id, body.get_content() if body else "")
