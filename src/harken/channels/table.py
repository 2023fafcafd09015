"""The channels that there are, in one table: what gates, messages, rules and journeys ask of each.

A new channel is an entry here and a module beside this one that sends (`base.Channel`). Those
without content parts cannot be written to yet; consent, caps and the law speak of them already.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, Literal

from msgspec import Struct

from harken.people.profile import Profile

CALL = "call"
"""What the ledger has in a channel's place for the call of a webhook step: it reaches nobody."""


class ByAttribute(Struct, frozen=True):
    """The address stands in an attribute of the customer."""

    name: str


class ByUserId(Struct, frozen=True):
    """The address is how the customer's own systems know them."""


class ByDevice(Struct, frozen=True):
    """The address is the token of the device of these types that was seen last."""

    types: tuple[str, ...]


Source = ByAttribute | ByUserId | ByDevice


class Need(Struct, frozen=True):
    """A content part that a channel cannot do without; one of `parts` is enough."""

    parts: tuple[str, ...]
    called: str = ""
    """What they are together, when there are several."""


class Channel(Struct, frozen=True, kw_only=True):
    """One way to reach customers."""

    name: str
    called: str
    """In sentences: `e-mail`."""
    a_message: str
    """What one message is, with its article: `an e-mail`."""
    source: Source | None = None
    """Where the customer's address stands; None when none is needed."""
    form: Literal["any", "e-mail"] = "any"
    """What can be an address."""
    needs: tuple[Need, ...] = ()
    """Content parts without which nothing can be sent; a channel without needs cannot send yet."""
    takes: tuple[str, ...] = ()
    """Content parts that it may have besides."""
    pulled: bool = False
    """Its messages wait to be fetched: they disturb nobody and need no address."""
    counted: bool = True
    """Whether caps that name no channel count and bind it."""
    consent: bool = True
    """Whether customers choose about it by purpose; else its consent is told of another's."""
    suppressed: bool = False
    """Whether a dead address is dead for whoever has it, and so stands among the suppressions."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Every content part that it uses."""
        return (*(part for need in self.needs for part in need.parts), *self.takes)


TABLE: dict[str, Channel] = {
    one.name: one
    for one in (
        Channel(
            name="email",
            called="e-mail",
            a_message="an e-mail",
            source=ByAttribute("email"),
            form="e-mail",
            needs=(Need(("subject",)), Need(("mjml", "html", "text"), "body")),
            takes=("preheader",),
            suppressed=True,
        ),
        Channel(
            name="webhook",
            called="webhook",
            a_message="a webhook message",
            source=ByUserId(),
            needs=(Need(("payload",)),),
        ),
        Channel(
            name="sms",
            called="text message",
            a_message="a text message",
            source=ByAttribute("phone"),
        ),
        Channel(
            name="kakao",
            called="Kakao message",
            a_message="a Kakao message",
            source=ByAttribute("phone"),
        ),
        Channel(
            name="alimtalk",
            called="AlimTalk",
            a_message="an AlimTalk",
            source=ByAttribute("phone"),
            consent=False,
        ),
        Channel(
            name="push",
            called="push message",
            a_message="a push message",
            source=ByDevice(("ios", "android")),
        ),
        Channel(
            name="web_push",
            called="web push",
            a_message="a web push",
            source=ByDevice(("web",)),
            consent=False,
        ),
        Channel(
            name="in_app",
            called="in-app message",
            a_message="an in-app message",
            pulled=True,
            counted=False,
        ),
        Channel(name="card", called="card", a_message="a card", pulled=True, counted=False),
    )
}

NAMES = tuple(TABLE)
SENDING = tuple(name for name, one in TABLE.items() if one.needs)
"""Those that messages can be sent by."""
ADDRESSED = tuple(name for name in SENDING if TABLE[name].source is not None)
"""Those among them whose messages need an address."""
CONSENTED = tuple(name for name, one in TABLE.items() if one.consent)
"""Those that customers choose about, and that a choice about all channels is about."""
PULLED = frozenset(name for name, one in TABLE.items() if one.pulled)
UNCOUNTED = frozenset(name for name, one in TABLE.items() if not one.counted)
BY_PHONE = frozenset(name for name, one in TABLE.items() if one.source == ByAttribute("phone"))


class ChannelName(str):
    """The name of a channel that messages can be sent by."""

    __slots__ = ()
    schema: ClassVar[dict[str, Any]] = {"enum": list(SENDING)}

    @classmethod
    def parse(cls, text: object) -> str:
        if text not in SENDING:
            known = " or ".join(f"`{name}`" for name in SENDING)
            raise ValueError(f"must be {known}, not {text!r}{_meant(text)}")
        return str(text)


def _meant(text: object) -> str:
    near = get_close_matches(str(text).lower(), SENDING, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def called(channel: str) -> str:
    """How sentences name a channel."""
    return TABLE[channel].called if channel in TABLE else channel


def address_of(profile: Profile, channel: str, attribute: str | None = None) -> str:
    """The customer's address for a channel, or "".

    `attribute` names where it stands instead of where the channel has it.
    """
    source = ByAttribute(attribute) if attribute else TABLE[channel].source
    match source:
        case ByAttribute(name=name):
            found = profile.attribute(name)
        case ByUserId():
            found = profile.user_id
        case ByDevice(types=types):
            found = _token(profile, types)
        case None:
            return ""
    if isinstance(found, str):
        return found
    # Numbers name customers in many shops' systems.
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else ""


def _token(profile: Profile, types: Sequence[str]) -> str:
    seen = [one for one in profile.devices.values() if one.token and one.type.lower() in types]
    return max(seen, key=lambda one: (one.last_seen, one.id)).token if seen else ""


def looks_at(channel: str) -> tuple[frozenset[str], frozenset[str]]:
    """What must change for the customer's address to change: (attributes, facts)."""
    match TABLE[channel].source if channel in TABLE else None:
        case ByAttribute(name=name):
            return frozenset({name}), frozenset({"reach"})
        case ByUserId():
            return frozenset(), frozenset({"reach", "user_id"})
        case ByDevice():
            return frozenset(), frozenset({"reach", "devices"})
    return frozenset(), frozenset()
