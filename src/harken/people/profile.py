"""The document: all that we know of one customer.

Times are milliseconds UTC. Everything here is either mergeable or belongs to one run of one
journey, so that two documents can become one (`merge.py`). Stored as MessagePack; a field added
later gets a default, so old documents stay readable. `gc=False`: documents hold no cycles, and the
collector need not walk the many that are in memory.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct, field

ConsentState = Literal["opted_in", "implied", "opted_out"]


class EventStat(Struct, array_like=True, gc=False):
    """How often an event happened, first and last."""

    count: int
    first: int
    last: int


class Device(Struct, omit_defaults=True, kw_only=True, gc=False):
    """An app or browser that the customer uses."""

    id: str
    type: str = ""
    token: str = ""
    model: str = ""
    last_seen: int = 0


class ConsentChange(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A line of the consent ledger."""

    channel: str
    """A channel (`email`) or `all`."""
    purpose: str
    """`marketing`, `transactional` or `night`."""
    state: ConsentState
    at: int
    by: str
    """Who: the customer, an operator's name, a key's name, an import."""
    how: str
    """Where and how: `unsubscribe link`, `preference page`, `api`, `sign-up form`."""
    text_version: str = ""
    """The version of the text that was agreed to."""


class Reach(Struct, omit_defaults=True, kw_only=True, gc=False):
    """An address that must not be written to any more."""

    address: str
    why: str
    """`hard bounce`, `complaint`, `suppressed`."""
    at: int
    detail: str = ""


class Send(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A message counted, or about to be, by the caps. Tags are those it was sent with."""

    id: str
    at: int
    channel: str
    journey: str
    step: str
    tags: list[str] = field(default_factory=list)
    counts: bool = True
    depth: int = 0
    """The run's, one deeper: what follows from the message follows from its cause."""
    control: bool = False
    """It would have been sent, were the customer not in a control group."""


class Assigned(Struct, array_like=True, gc=False):
    """The arm of an experiment that a customer came into, and when."""

    arm: str
    at: int


class Bid(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A message that waits a little for a slot of the caps, in case a more important one wants it.

    What it is known by stands here as it was when it asked: see `gates.arbitration`.
    """

    message: str
    """The id that the message will have."""
    step: str
    channel: str
    tags: list[str] = field(default_factory=list)
    rank: int
    """The greater goes first; of equal ones the one that asked first."""
    at: int
    """When it asked."""
    until: int
    """When it is decided who gets the slot."""
    control: bool = False
    """It is one that would only have been sent."""


class Coupon(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A coupon that was issued to the customer and is still good."""

    code: str
    pool: str
    at: int
    """When it was issued."""
    expires_at: int = 0
    """The last second at which it is good; 0 when it always is."""
    journey: str
    step: str
    run: str
    imported: bool = False
    shown: list[str] = field(default_factory=list)
    """Ids of messages that tell its code and have not failed."""


class Trigger(Struct, omit_defaults=True, kw_only=True, gc=False):
    """The event that started a run."""

    name: str
    at: int
    message_id: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    """What the run's steps have learned since, by step id."""
    coupon: str = ""
    """The step whose answer is the run's latest coupon."""
    broadcast: str = ""
    """The broadcast that it comes of."""


class Run(Struct, omit_defaults=True, kw_only=True, gc=False):
    """One customer on their way through one journey."""

    id: str
    journey: str
    revision: int
    key: str = ""
    """The value of the entry's `key` property."""
    entered_at: int
    event: Trigger
    step: int = 0
    """The place of the step to be run next (`journeys.compile.Node`)."""
    due: int = 0
    """When the run goes on; its wake-up in the store is set to the same time."""
    since: int = 0
    """When the present step was first tried: what `expires_after` counts from."""
    delayed: bool = False
    """A wait or hold has passed since the audience was last checked."""
    depth: int = 0
    """How many events of our own led from the customer's event to this run, without a wait."""
    control: str = ""
    """The split whose control group it is in: nothing that it would say leaves."""
    sent: dict[str, str] = field(default_factory=dict)
    """By message step: the id of what it sent, or would have."""
    turns: int = 0
    """How often it has gone back to an earlier step: the same message is another one then."""
    turned_at: int = 0
    done: list[str] = field(default_factory=list)
    """The steps (`update half`) that did something since it last turned back, which it does not do
    again where a revision onto which it is moved has them further on. Messages and calls (`sent`)
    stand here once it was moved."""
    arms: dict[str, str] = field(default_factory=dict)
    """By split: the arm that it went."""
    bid: Bid | None = None
    """Its message waits for others that may want the same slot of the caps."""


class Session(Struct, omit_defaults=True, kw_only=True, gc=False):
    """What has happened in the session that is going on."""

    started: int
    last: int
    events: dict[str, int] = field(default_factory=dict)
    products: list[dict[str, Any]] = field(default_factory=list)
    due: int = 0


class AwaitedDate(Struct, array_like=True, gc=False):
    """The next date that lets the customer into a journey, and the last that did."""

    due: int = 0
    """When its wake-up `date:<journey>` comes; 0 for none."""
    date: str = ""
    """The date that it is about, `2026-01-31`."""
    reached: str = ""


class Unheeded(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A message that was sent and that somebody wants to know of when it is ignored."""

    journey: str
    step: str
    variant: str = ""
    channel: str = ""
    sent_at: int
    waits: list[int]
    """Lengths of time (ms) after which it was ignored, the next first."""

    @property
    def due(self) -> int:
        """When its wake-up `ignored:<message id>` comes."""
        return self.sent_at + self.waits[0]


class Tombstone(Struct, omit_defaults=True, kw_only=True, gc=False):
    """Stands in the place of a profile that was joined into another, to forward and to undo."""

    into: int
    """The survivor's id."""
    at: int
    how: str
    survivor_before: bytes = b""
    absorbed_before: bytes = b""
    """Both documents as they were, until the 30 days in which a merge can be undone are over."""
    ended: list[str] = field(default_factory=list)
    """Runs that ended because the other side was in the same journey."""


class Profile(Struct, omit_defaults=True, kw_only=True, gc=False):
    """The customer's document."""

    id: int
    user_id: str | None = None
    anonymous_ids: list[str] = field(default_factory=list)
    former_user_ids: list[str] = field(default_factory=list)
    """Those of users who were joined into this one."""
    created_at: int = 0
    seen_at: int = 0
    """When anything was last received from them."""
    attributes: dict[str, Any] = field(default_factory=dict)
    learned: dict[str, Any] = field(default_factory=dict)
    """Language, locale, time zone, country and location as a client's context tells them."""
    devices: dict[str, Device] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    """Group ids of `group` calls, and when each was last stated."""
    consent: dict[str, ConsentChange] = field(default_factory=dict)
    """The latest change by `channel:purpose`."""
    consent_log: list[ConsentChange] = field(default_factory=list)
    unreachable: dict[str, Reach] = field(default_factory=dict)
    """By channel: an address found dead."""
    events: dict[str, EventStat] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)
    """By trait id: what a behavioural condition has counted so far (see `people.traits`)."""
    tidied: int = 0
    """The revision of the definitions under which traits were last let go of."""
    segments: dict[str, int] = field(default_factory=dict)
    """The segments that the customer is in, and since when."""
    segments_due: int = 0
    """When time alone may move them between segments: their wake-up `segments`; 0 for none."""
    lists: dict[str, int] = field(default_factory=dict)
    """The uploaded lists that they stand on, and since when."""
    sends: list[Send] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    assigned: dict[str, Assigned] = field(default_factory=dict)
    """By journey and step: the arm of an experiment whose shares move."""
    entries: dict[str, dict[str, int]] = field(default_factory=dict)
    """By journey and entry key: when they last entered."""
    dates: dict[str, AwaitedDate] = field(default_factory=dict)
    """By journey that is entered on the day of a date attribute."""
    unheeded: dict[str, Unheeded] = field(default_factory=dict)
    """By message id: neither opened nor clicked yet."""
    hours: list[int] = field(default_factory=list)
    """How many of their opens and clicks fell into each hour of their day (`people.hours`)."""
    places: dict[str, int] = field(default_factory=dict)
    """The workspace's places that the customer is in, and since when."""
    coupons: dict[str, Coupon] = field(default_factory=dict)
    """By code: those that are still good."""
    surveys: dict[str, int] = field(default_factory=dict)
    """Surveys answered, by message and name, and when: each once for a message."""
    session: Session | None = None
    seen: bytes = b""
    """Message ids of the last 48 h: 8 bytes of hash and 4 of the time in seconds, each."""
    moved: int = 0
    """When what their time zone is known by last changed; a broadcast by local time asks."""
    absorbed: dict[int, int] = field(default_factory=dict)
    """Profiles joined into this one, and when."""
    tombstone: Tombstone | None = None
    """Set when this profile itself was joined into another."""

    def attribute(self, name: str) -> Any:
        """The stated attribute, else what a client's context taught us, else None."""
        found = self.attributes.get(name)
        return self.learned.get(name) if found is None else found

    def location(self) -> tuple[float, float] | None:
        """Latitude and longitude in degrees: stated, else what a client last told; else None."""
        return point_of(self.attributes.get("location")) or point_of(self.learned.get("location"))


def point_of(value: Any) -> tuple[float, float] | None:
    """`{latitude, longitude}` in degrees, or None of anything else."""
    if not isinstance(value, dict):
        return None
    latitude = _degrees(value.get("latitude"), 90)
    longitude = _degrees(value.get("longitude"), 180)
    return None if latitude is None or longitude is None else (latitude, longitude)


def _degrees(value: Any, most: int) -> float | None:
    # Not isinstance of a union: that takes four times as long.
    kind = type(value)
    if kind is not float and kind is not int:
        return None
    return float(value) if -most <= value <= most else None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Profile)
_list_decoder = msgspec.msgpack.Decoder(list[Profile])
encode = _encoder.encode
decode = _decoder.decode


def decode_all(count: int, joined: bytes) -> list[Profile]:
    """So many encoded documents, one behind the other: MessagePack needs but say how many."""
    return _list_decoder.decode(b"\xdd" + count.to_bytes(4, "big") + joined)
