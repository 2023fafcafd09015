"""Everything that can happen to a customer: the records of the log, and wake-ups.

The log is the durable truth. A record is a header (whose, when, what kind) and a body: for an
event the client's own JSON, for all else one of the structs below as MessagePack.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from harken.people.profile import ConsentChange, Profile, Trigger


class Kind(IntEnum):
    """What a log record is."""

    EVENT = 1
    """A Segment call, as the client sent it (`Event` of `ingest.protocol`)."""
    COMMAND = 2
    """One of `Command`, for one customer."""
    DEFINITIONS = 3
    """A `Definitions` bundle: every later record is handled under it."""
    BROADCAST = 4
    """One of `BroadcastWish`, for no customer in particular."""
    FINDINGS = 5
    """`Findings`, likewise."""
    ALLOCATIONS = 6
    """An `Allocations`: experiments share out later customers so."""


class Record(Struct, frozen=True, array_like=True, gc=False):
    """One record of the log."""

    profile_id: int
    received_at: int
    """When it reached us, ms."""
    timestamp: int
    """When it happened, ms, corrected for the client's clock."""
    kind: int
    body: bytes
    imported: bool = False
    """Came by /v1/import: changes the profile and history, starts no journey."""
    offset: int = -1
    """Where it stands in the log (bytes from the log's beginning); -1 until it is appended."""


class Merge(Struct, tag="merge", frozen=True):
    """Join profile `absorbed` into the one this record belongs to."""

    absorbed: int
    how: str


class Unmerge(Struct, tag="unmerge", frozen=True):
    """Undo the merge of `absorbed` into the one this record belongs to."""

    absorbed: int
    by: str
    events_since: dict[str, list[int]] = field(default_factory=dict)
    """Per event name since the merge, of the survivor alone: [count, first, last]."""


class Consent(Struct, tag="consent", frozen=True):
    """Consent given or taken back."""

    changes: list[ConsentChange]


PROVIDERS_TELL = ("delivered", "bounced", "complained")


class Feedback(Struct, tag="feedback", frozen=True, omit_defaults=True):
    """What became of a message, told by its recipient, their provider, or the sender's loop."""

    message: str
    what: Literal[
        "sent", "failed", "aborted", "unsure", "delivered", "opened", "clicked", "bounced",
        "complained", "unsubscribed",
    ]  # fmt: skip
    at: int
    channel: str = "email"
    journey: str = ""
    revision: int = 0
    step: str = ""
    variant: str = ""
    address: str = ""
    detail: str = ""
    """A provider's answer, a clicked URL, why a message failed."""
    hard: bool = False
    """Of a bounce: the address is dead."""
    machine: bool = False
    """Of an open or click: a scanner or proxy did it, not a person."""
    told: str = ""
    """Tells this telling from another: the same comes once."""
    answer: Any = None
    """Of a webhook step's call: what it answered, as JSON has it."""

    @property
    def mark(self) -> str:
        """By which it is known when it is told again; empty for what may well happen again."""
        if self.told:
            return f"$told {self.told}"
        if self.what not in PROVIDERS_TELL:
            return ""
        return f"${self.what} {'hard ' if self.hard else ''}{self.message}"


class Forget(Struct, tag="forget", frozen=True):
    """Erase what is known of the customer."""

    by: str
    joined: list[int] = field(default_factory=list)
    """Profiles that were joined into theirs, of which the document remembers the latest."""


class Listed(Struct, tag="listed", frozen=True):
    """Put the customer on an uploaded list, or take them off it."""

    name: str
    on: bool


class Allow(Struct, tag="allow", frozen=True):
    """An operator lets an address be written to again that was found dead."""

    address: str
    by: str


class Enter(Struct, tag="enter", frozen=True, omit_defaults=True):
    """Put the customer into a journey whose entry is by API."""

    journey: str
    id: str
    """Tells this entry from another: the same comes once."""
    properties: dict[str, Any] = field(default_factory=dict)
    """What templates know as `entry` (and `event.properties`)."""


class Happened(Struct, tag="happened", frozen=True):
    """Something of ours that concerns the customer (`$back_in_stock`): an event like any other."""

    name: str
    id: str
    """The same is heard once."""
    properties: dict[str, Any]


class Redeem(Struct, tag="redeem", frozen=True, omit_defaults=True):
    """Use a coupon of the customer's."""

    code: str
    reference: str
    """Whose use it is (an order's number): asked again for the same, it is the same use."""
    amount: float | None = None


class Answer(Struct, tag="answer", frozen=True, omit_defaults=True, kw_only=True):
    """What the customer answered in a survey that a message led to."""

    survey: str
    message: str
    answers: dict[str, Any]
    """By question."""
    journey: str = ""
    revision: int = 0
    step: str = ""
    variant: str = ""
    channel: str = ""


Command = (
    Merge
    | Unmerge
    | Consent
    | Feedback
    | Forget
    | Listed
    | Allow
    | Enter
    | Happened
    | Redeem
    | Answer
)


class WakeUp(Struct, frozen=True, array_like=True, gc=False):
    """A time at which a profile wants to be looked at again.

    `key` says what for: `run:<run id>`, `session`, `segments`, `date:<journey>`, `coupon:<code>`,
    `ignored:<message id>`, `merged:<profile id>` or `feedback:<message id>:<what>`.
    Time, profile and key make it one; whoever moves a wake-up cancels the old time.
    """

    due: int
    profile_id: int
    key: str
    body: bytes = b""
    """For `feedback`: a `Feedback` as MessagePack."""


class Fill(Struct, frozen=True):
    """A customer's past, for rules that are new: what their traits counted before they counted.

    Comes to every customer once after definitions have changed, in the order of their ids.
    """

    profile_id: int
    states: dict[str, Any]
    """By trait id, over the history of the time before."""
    segments: tuple[str, ...]
    """Segments to be looked at for the first time."""


class Call(Struct, frozen=True, kw_only=True):
    """What a broadcast says to those whom it has selected."""

    journey: str
    event: Trigger
    """What starts the journey, the same for everybody; its time is when the broadcast was due."""
    local: str = ""
    """Each at their own local time, which is this; the event's then is how far the clocks are."""
    since: int = 0
    """With `local`, in the last part: only who was elsewhere, or not to be told, since then."""
    passes: Callable[[Profile, Trigger | None, int], bool] | None = None
    """The rule by which somebody selected them, asked of the document as it is now."""


class Invite(Struct, frozen=True):
    """A broadcast's turn has come to this customer: they may enter its journey."""

    profile_id: int
    call: Call


class Past(Struct, frozen=True):
    """Imported events of one customer that stand one behind the other in the log.

    What comes of them is what would come of each by itself.
    """

    profile_id: int
    records: list[Record]


def together(records: Sequence[Record]) -> list["Record | Past"]:
    """Records with the imported events of a customer that follow each other made one input."""
    if not any(map(_imported, records)):
        return list(records)
    inputs: list[Record | Past] = []
    for (profile_id, imported), same in groupby(records, _whose):
        if imported:
            inputs.append(Past(profile_id, list(same)))
        else:
            inputs += same
    return inputs


_imported = attrgetter("imported")
_whose = attrgetter("profile_id", "imported")

Input = Record | Past | WakeUp | Fill | Invite
"""What `handle` takes."""


class StartBroadcast(Struct, tag="start", frozen=True, omit_defaults=True, kw_only=True):
    """Put a group of customers into a journey whose entry is by API."""

    id: str
    journey: str
    by: str
    at: int = 0
    """When, ms; at once when it is past."""
    segment: str = ""
    rule: dict[str, Any] | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    per_second: int = 0


class PauseBroadcast(Struct, tag="pause", frozen=True):
    """Take no more customers until it is resumed."""

    id: str
    by: str


class ResumeBroadcast(Struct, tag="resume", frozen=True):
    """Go on where it was paused."""

    id: str
    by: str


class StopBroadcast(Struct, tag="stop", frozen=True, omit_defaults=True):
    """Take no more customers at all."""

    id: str
    by: str
    cancel_messages: bool = False
    """Nothing leaves any more of what it led to."""


BroadcastWish = StartBroadcast | PauseBroadcast | ResumeBroadcast | StopBroadcast


class Definitions(Struct, frozen=True, omit_defaults=True):
    """All definitions in force, as they were written: the body of a DEFINITIONS record."""

    revision: int
    """Counts applies; 0 is the empty workspace."""
    applied_at: int
    applied_by: str
    workspace: dict[str, Any] = field(default_factory=dict)
    journeys: dict[str, "JourneySource"] = field(default_factory=dict)
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)
    coupons: dict[str, dict[str, Any]] = field(default_factory=dict)
    surveys: dict[str, dict[str, Any]] = field(default_factory=dict)
    approvals: list["Approved"] = field(default_factory=list)
    """Given by the API; the workspace's file holds others."""


class Approved(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody answers for an attribute in a message that would else be refused."""

    journey: str
    message: str
    attribute: str
    by: str
    reason: str
    at: int = 0
    """When, ms; 0 for one that stands in the workspace's file."""


class Findings(Struct, frozen=True, omit_defaults=True):
    """What was found out about all customers together: the body of a FINDINGS record.

    History is looked through once a day; what came of it goes through the log, so that every
    decision rests on what was in force at its place in it.
    """

    at: int = 0
    hours: list[int] = field(default_factory=list)
    """Opens and clicks of the last weeks by the local hour of those who did it."""


class JourneySource(Struct, frozen=True, omit_defaults=True):
    """One revision of a journey, with the content files that it names."""

    revision: int
    source: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    archived: bool = False
    """No longer among the files: starts nothing and sends nothing, kept for its runs."""
    moves: bool = False
    """Runs in flight on earlier revisions go on on this one."""


class Allocation(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How customers who come new into an experiment are shared out, and what that rests on."""

    shares: dict[str, float]
    """Percent by arm."""
    how: Literal["weights", "thompson", "winner"] = "weights"
    """As written; by what was measured; or all to the `winner`."""
    at: int
    """When it was worked out."""
    measured: dict[str, list[int]] = field(default_factory=dict)
    """By arm: runs whose time to convert was over, and how many of them had."""
    winner: str = ""
    because: Literal["", "evidence", "time"] = ""
    """Why there is a winner: it was shown to be best, or its time had come."""
    chance: float = 0.0
    """How probable it was then that the winner is the best arm."""
    looks: int = 0
    """How often it was asked whether one is shown to be best."""
    looked_at: int = 0
    """Runs of the arm with the fewest, when that was asked last."""


class Allocations(Struct, frozen=True):
    """Of every experiment whose shares move, by journey and step: the body of their record."""

    experiments: dict[str, Allocation] = field(default_factory=dict)


encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_findings = msgspec.msgpack.Decoder(Findings).decode
decode_definitions = msgspec.msgpack.Decoder(Definitions).decode
decode_wish = msgspec.msgpack.Decoder(BroadcastWish).decode
decode_allocations = msgspec.msgpack.Decoder(Allocations).decode


SHARES = "experiments"
"""The note in the store that keeps the latest `Allocations`."""


def allocations_in(note: bytes) -> dict[str, Allocation]:
    """What the engine's note of the latest `Allocations` holds; nothing when there is none."""
    return decode_allocations(note).experiments if note else {}


FOUND = "findings"
"""The note in the store that keeps the latest `Findings`."""


def findings_in(note: bytes) -> Findings:
    """What the engine's note of the latest `Findings` holds; nothing when there is none."""
    return decode_findings(note) if note else Findings()


def ends_batch(record: Record) -> bool:
    """Whether what follows must not share a batch with the record.

    What follows an undone merge is counted as it comes (`Backfill.recount`); who comes after an
    erasure under the same id is somebody new, which must not keep the old one's rows.
    """
    if record.kind != Kind.COMMAND:
        return False
    try:
        return isinstance(decode_command(record.body), Forget | Unmerge)
    except msgspec.DecodeError:
        return False
