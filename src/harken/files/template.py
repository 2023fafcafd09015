"""What `harken init` writes: a commented workspace, one journey, and schemas for editors."""

from pathlib import Path

import msgspec

from harken.errors import Conflict
from harken.files.schema import schemas

SCHEMAS = ".schemas"
"""The folder of the JSON Schemas, named by the modeline on top of each file."""

# A line that begins with `#` and no space is a setting with its default, or an example of one.
WORKSPACE = """\
# yaml-language-server: $schema=.schemas/workspace.json
#
# What holds for every journey. Remove the `#` before a setting to change it; what stands there
# is the default, unless it says "example". `harken check` tells what is wrong, `harken plan`
# what would change, `harken apply` makes it so.

workspace: default

# The time zone and language of customers of whom no other is known, and of the times below.
#timezone: UTC
#language: en

# The country (two letters) that the policy packs take for customers whose country nobody
# stated. Example; by default none:
#country: KR

# Who messages come from. The sender `default` is used by messages that name none; without it,
# the variable HARKEN_FROM is. The postal address is shown in the footer of ads: the law of many
# countries asks for it. Example; by default none:
#senders:
#  default:
#    from: Shop <hello@shop.example>
#    reply_to: help@shop.example
#    postal_address: 1 Market Street, Seoul
#    phone: "+82 2 0000 0000"

# How e-mail leaves. While none is listed and HARKEN_SMTP_URL is not set, the sandbox keeps all
# mail for viewing and nothing is sent. Passwords stand in the environment: `url_env` names the
# variable that holds smtp://user:password@host:port (smtps:// for TLS from the start); `url` is
# for servers that need none. `weight` is the share of the mail (0: only when others fail),
# `per_second` the limit, `return_path` the domain that bounces and wishes to unsubscribe go to.
# Example; by default none:
#transports:
#  - name: main
#    url_env: SHOP_SMTP_URL
#    weight: 1
#    per_second: 50
#    connections: 4
#    timeout: 30s
#    return_path: bounce.shop.example
#    dkim:
#      domain: shop.example
#      selector: harken
#      key_env: SHOP_DKIM_KEY
#  - name: spare
#    url: smtp://localhost:25
#    weight: 0
#    dkim: {domain: shop.example, selector: harken, key_file: dkim.pem}

# Machines of yours or others that messages by webhook and the calls of webhook steps are posted to,
# signed (Standard Webhooks). The key stands in the variable `secret_env`; without it Harken makes
# one, which `harken webhooks` shows. `address` is the attribute by which the receiver knows the
# customer (else their user id), `private` allows a machine of your own network, and
# `url: "sandbox:"` only keeps what would be posted. Example; by default none:
#webhooks:
#  crm:
#    url: https://crm.example/harken
#    secret_env: CRM_WEBHOOK_SECRET
#    address: crm_id
#    per_second: 20
#    connections: 4
#    timeout: 10s
#    private: false
#  spare: {url_env: SPARE_WEBHOOK_URL}

# Secrets with which the feeds of templates are asked, in the header that carries them. They stand
# in the environment, and go only to addresses that begin with `url`. Example; by default none:
#connected:
#  weather:
#    url: https://api.weather.example/v1/
#    header: X-Api-Key
#    secret_env: WEATHER_KEY

# What attributes are to customers: `ordinary`, `personal` or `sensitive`, why they are used, and
# what the customer has from it. A message that shows a sensitive one, or a personal one without a
# benefit, is refused unless somebody answers for it under `approvals` (or by `harken approve`).
# Example; by default none, and what is sensitive by its name (religion, diagnosis ...) is known:
#attributes:
#  shoe_size: {class: personal, purpose: to show what fits, benefit: sees only shoes that fit}
#  diet: {class: sensitive, purpose: to plan meals, benefit: gets recipes that do no harm}
#approvals:
#  - journey: recipes
#    message: weekly
#    attribute: diet
#    by: Ana, data protection
#    reason: customers choose it for this mail, and can change it in its footer

# No marketing between these hours of the customer's own time: `hold` it to the end of them, or
# `drop` it. Example; by default none:
#quiet_hours:
#  from: "21:00"
#  to: "08:00"
#  outside: hold

# The other way round: messages leave only in these hours (and, if given, on these days) unless
# a message has its own. Example; by default none:
#sending_hours:
#  from: "09:00"
#  to: "20:00"
#  on: [mon, tue, wed, thu, fri]
#  outside: hold

# The hour that waits for a customer's best hour (`wait: {best_hour: 24h}`) take while too little is
# known of when customers open and click.
#best_hour: "10:00"

# At most so many messages to a customer: of a channel, with a tag, or of all. `per` is a rolling
# time (1d, 12h, 1w), `calendar day` or `calendar week` of the customer. All must hold. Example;
# by default none:
#caps:
#  - {channel: email, at_most: 2, per: 1d}
#  - {tag: promotion, at_most: 3, per: calendar week}

# How long a message waits before it takes a slot of the caps, in case one of a higher `priority`
# wants it. Example; by default none waits:
#arbitration: 10m

# What each purpose needs beyond the customer not having opted out: `implied` (they gave an
# address and did not refuse) or `opted_in` (they said yes).
#consent:
#  marketing: implied
#  transactional: implied

# The law that Harken keeps for you, by the customer's country. A pack that is not listed is off;
# without this setting all are. Known packs:
# KR (Korea): consent before any ad, (광고) in the subject, no ads 21:00-08:00 without night
# consent (e-mail exempt), consent asked again every two years.
policy_packs: [KR]

# How often experiments whose shares move (`allocation: thompson`, `winner`) are worked out anew.
#refresh_experiments: 1h

# Catalogs of items that are uploaded (`harken catalogs import`): what their fields are called, and
# what is done with them (docs/catalogs.md). Example; by default none:
#catalogs:
#  products:
#    stock: in_stock
#    price: price
#    back_in_stock: {within: 30d}
#    price_drop: {percent: 10}
#    recommend: {every: 1h, window: 30d}

# Places on the map that customers are noticed to come to, by the location that their apps tell:
# a journey may begin there (`entry: {place: seoul-store}`). `radius` in metres. Example; by
# default none:
#places:
#  seoul-store: {latitude: 37.5444, longitude: 127.0557, radius: 200}

# The percentage of all customers who get no marketing, to measure what marketing does.
#holdout_percent: 0

# An event older than this when it arrives changes the customer but starts no journey.
#late_after: 24h

# A session ends after so long without an event.
#sessions:
#  after: 30m

# The event that redeems a customer's coupon, and where it names the code, what tells one use from
# another, and the amount. `POST /api/v1/coupons/redeem` always can.
#coupons:
#  event: Order Completed
#  code: coupon
#  reference: order_id
#  amount: total

# How long the log of what was handled is kept, the mail that the sandbox caught, and history:
# events and decisions. History is kept for ever when `history` is not given; reports, the time
# line and rules that look back further than that see only what is kept.
#retention:
#  log: 30d
#  sandbox: 30d
#  # history: 400d
"""

WELCOME = """\
# yaml-language-server: $schema=../.schemas/journey.json
#
# Greets whoever signs up. It is transactional: an answer to what the customer just did. An ad
# must say `purpose: marketing`; consent, quiet hours and caps then apply to it.

journey: welcome
description: Greets a new customer right after sign-up.
purpose: transactional
entry:
  event: Signed Up
  reentry: never
steps:
  - message: greeting
    channel: email
    default:
      subject: Your account is ready
      html: |
        <p>Hello {{ profile.first_name | default: 'there' }},</p>
        <p>your account is ready. Answer this mail if there is anything that you need.</p>
"""


def init(directory: str | Path) -> list[Path]:
    """Write a project to begin with; answers the files written.

    Raises Conflict when one of them exists (what an author wrote is never replaced), or cannot be
    written.
    """
    root = Path(directory)
    texts = {
        root / "workspace.yaml": WORKSPACE,
        root / "journeys" / "welcome.yaml": WELCOME,
        **_schema_files(root),
    }
    taken = [path for path in texts if path.exists() or path.is_symlink()]
    if root.exists() and not root.is_dir():
        raise Conflict(f"{root} is no folder")
    if taken:
        raise Conflict(f"{taken[0]} exists; `harken init` replaces nothing")
    _write(texts)
    return list(texts)


def write_schemas(directory: str | Path) -> list[Path]:
    """Write the schemas of this version over those in `directory/.schemas`."""
    texts = _schema_files(Path(directory))
    _write(texts)
    return list(texts)


def _schema_files(root: Path) -> dict[Path, str]:
    return {
        root / SCHEMAS / f"{kind}.json": msgspec.json.format(
            msgspec.json.encode(schema), indent=2
        ).decode()
        + "\n"
        for kind, schema in schemas().items()
    }


def _write(texts: dict[Path, str]) -> None:
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Conflict(f"cannot write {path}: {error.strerror}") from None
