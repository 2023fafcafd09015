"""The workspace file: what holds for every journey."""

from typing import Literal

from msgspec import Struct, field

from harken.catalogs.settings import CatalogSettings
from harken.journeys.kinds import SendingHours
from harken.segments.rules import Point
from harken.values import Duration, Name, TimeOfDay, ZoneName


class Sender(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who a message comes from."""

    from_: str = field(name="from")
    """`Shop <hello@shop.example>`"""
    reply_to: str | None = None
    postal_address: str = ""
    """Shown in the footer; the law of many countries asks for it in an ad."""
    phone: str = ""


class Dkim(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Sign mail of `domain`. The private key (PEM) stands in the environment or a file."""

    domain: str
    selector: str
    key_env: str | None = None
    key_file: str | None = None


class Transport(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One way for e-mail to leave. Secrets stand in the environment, not here."""

    name: Name
    url_env: str | None = None
    """The variable that holds `smtp://user:password@host:port` (`smtps://` for implicit TLS)."""
    url: str | None = None
    """The same, for servers that need no password."""
    weight: int = 1
    """Share of the mail among transports; 0 is used only when the others fail."""
    per_second: float | None = None
    connections: int = 4
    timeout: Duration = Duration.parse("30s")
    dkim: Dkim | None = None
    return_path: str | None = None
    """Domain of the envelope sender: bounces go to `bounce+<token>@<domain>`."""


class Account(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A secret with which feeds are asked. It stands in the environment, not here."""

    url: str
    """`https://api.example/v1/`: goes along to addresses that begin so, and nowhere else."""
    header: str
    """The header that carries it, such as `Authorization` or `X-Api-Key`."""
    secret_env: str
    """The variable that holds the header's whole value."""


class Webhook(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A machine of others that messages and calls are posted to, signed (Standard Webhooks)."""

    url: str | None = None
    """`https://host/path`; `sandbox:` keeps what would be posted for viewing."""
    url_env: str | None = None
    """The variable that holds it, when the address itself is a secret."""
    secret_env: str | None = None
    """The variable that holds the signing key, `whsec_...`; without it a key of Harken's own is
    used, which `harken webhooks` shows."""
    address: str | None = None
    """The attribute by which the receiver knows the customer; their user id when not given."""
    per_second: float | None = None
    connections: int = 4
    timeout: Duration = Duration.parse("10s")
    private: bool = False
    """Whether it may be a machine of our own network."""


class Declared(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an attribute is to the customer whose it is, and what it is used for."""

    class_: Literal["ordinary", "personal", "sensitive"] = field(name="class", default="personal")
    """A message that shows a `sensitive` one, or a `personal` one without a `benefit`, is refused
    unless it is approved."""
    purpose: str = ""
    """Why it is kept and used."""
    benefit: str = ""
    """What the customer has from it."""


class Approval(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody answers for an attribute in a message that would else be refused."""

    journey: Name
    message: Name
    attribute: str
    by: str
    """Who."""
    reason: str
    """Why it is right to say it."""


class QuietHours(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """No marketing between these local times."""

    from_: TimeOfDay = field(name="from")
    to: TimeOfDay
    outside: Literal["hold", "drop"] = "hold"
    """What becomes of a message that falls into them."""


class Cap(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """At most N messages (of a channel, with a tag) a window."""

    at_most: int
    per: Duration | Literal["calendar day", "calendar week"]
    channel: str | None = None
    tag: str | None = None


class ConsentNeed(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a purpose needs beyond not being opted out."""

    marketing: Literal["implied", "opted_in"] = "implied"
    transactional: Literal["implied", "opted_in"] = "implied"


class Sessions(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A session ends after so long without an event."""

    after: Duration = Duration.parse("30m")


class Place(Point, frozen=True, kw_only=True):
    """A place that customers come to: a circle on the map."""

    radius: float
    """Metres, as the crow flies."""


class CouponUse(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The event that redeems a coupon of the customer's, and its properties (dotted paths)."""

    event: str = "Order Completed"
    code: str = "coupon"
    reference: str = "order_id"
    """What tells one use from another; the event's message id where it is missing."""
    amount: str = "total"


class Retention(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How long what was handled is kept."""

    log: Duration = Duration.parse("30d")
    sandbox: Duration = Duration.parse("30d")
    history: Duration | None = None
    """Events and decisions in history, by when they happened; for ever when it is not given."""


class Workspace(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`workspace.yaml`."""

    workspace: Name = Name.parse("default")
    timezone: ZoneName = ZoneName.parse("UTC")
    language: str = "en"
    country: str | None = None
    """Taken for customers whose country nobody stated, by the policy packs."""
    senders: dict[str, Sender] = field(default_factory=dict)
    """The one named `default` is used by messages that name none."""
    transports: list[Transport] = field(default_factory=list)
    connected: dict[str, Account] = field(default_factory=dict)
    """What `{% connected ... auth: NAME %}` may name."""
    webhooks: dict[Name, Webhook] = field(default_factory=dict)
    """By name. Until there is one, messages by webhook are kept in the sandbox."""
    attributes: dict[str, Declared] = field(default_factory=dict)
    """What attributes are to customers; those that are not named stand as is built in."""
    approvals: list[Approval] = field(default_factory=list)
    quiet_hours: QuietHours | None = None
    sending_hours: SendingHours | None = None
    best_hour: TimeOfDay = TimeOfDay.parse("10:00")
    """The full hour that `wait: {best_hour: ...}` takes while too little is known of opens."""
    caps: list[Cap] = field(default_factory=list)
    arbitration: Duration | None = None
    """How long a message waits before it takes a slot of the caps, in case a more important one
    wants it; off when it is not given."""
    consent: ConsentNeed = ConsentNeed()
    policy_packs: list[str] = field(default_factory=list)
    holdout_percent: float = 0.0
    """Share of all customers who get no marketing at all: the global control group."""
    refresh_experiments: Duration = Duration.parse("1h")
    """How often experiments whose shares move are worked out anew."""
    late_after: Duration = Duration.parse("24h")
    sessions: Sessions = Sessions()
    places: dict[Name, Place] = field(default_factory=dict)
    """By name: where customers are noticed when they come, by their `location`."""
    coupons: CouponUse = CouponUse()
    """Coupons are also redeemed by this event; `POST /api/v1/coupons/redeem` always can."""
    retention: Retention = Retention()
    catalogs: dict[str, CatalogSettings] = field(default_factory=dict)
    """What there is to offer, by name; the items are uploaded."""

    def hook(self, wanted: str | None) -> str:
        """The webhook that a message goes to: the wanted, the default or only one; "" for none."""
        if wanted or "default" in self.webhooks:
            return wanted or "default"
        return next(iter(self.webhooks)) if len(self.webhooks) == 1 else ""

    def webhook(self, wanted: str | None) -> Webhook | None:
        """The settings of that webhook, or None."""
        name = self.hook(wanted)
        return next((one for key, one in self.webhooks.items() if key == name), None)
