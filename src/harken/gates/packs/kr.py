"""Korea: the Act on Promotion of Information and Communications Network Utilization, article 50.

With articles 61 to 62-3 of its Enforcement Decree and annex 6, and KakaoTalk's own rules for
advertisements and AlimTalk. Only advertisements (purpose `marketing`) are bound by the Act.
"""

import calendar
from typing import Any
from zoneinfo import ZoneInfo

from harken.channels.table import PULLED
from harken.clock import from_local, to_datetime
from harken.errors import Fault
from harken.gates.base import Candidate, Verdict
from harken.gates.hours import Hours
from harken.people.consent import standing
from harken.people.profile import ConsentChange, Profile
from harken.workspace import Workspace

SEOUL = ZoneInfo("Asia/Seoul")
NIGHT_OVER = Hours(8 * 60, 21 * 60)
KAKAO = Hours(8 * 60, 20 * 60 + 50)
# Decree 61 (2) lets e-mail be sent at night; what an app fetches by itself is not transmitted.
NIGHT_EXEMPT = PULLED | {"email"}
PURCHASE = "Order Completed"
PURCHASE_MONTHS = 6
RECONFIRM_MONTHS = 24
GATE = "policy_pack"


class Korea:
    """The pack `KR`."""

    key = "KR"
    country = "KR"
    dialling = "+82"

    def refusal(self, candidate: Candidate, profile: Profile, now: int) -> Verdict | None:
        """An AlimTalk that is none, or an ad to someone who has not agreed to ads."""
        if candidate.channel == "alimtalk":
            return _not_alimtalk(candidate)
        if candidate.purpose != "marketing":
            return None
        consent = standing(profile, candidate.channel, "marketing")
        if _in_force(consent, now):
            return None
        bought = profile.events.get(PURCHASE)
        bought_until = months_later(bought.last, PURCHASE_MONTHS) if bought is not None else 0
        if now < bought_until:
            return None
        facts: dict[str, Any] = {"pack": self.key, "state": consent.state if consent else "implied"}
        if bought is not None:
            facts |= {"purchase": bought.last, "purchase_until": bought_until}
        if consent is not None and consent.state == "opted_in":
            facts |= {"since": consent.at, "until": months_later(consent.at, RECONFIRM_MONTHS)}
            return Verdict("drop", GATE, "consent_not_reconfirmed", facts=facts)
        return Verdict("drop", GATE, "no_express_consent", facts=facts)

    def hours(self, candidate: Candidate, profile: Profile, now: int) -> Hours | None:
        """No ad from 21:00 to 08:00 without consent to the night; Kakao's own hours for its ads."""
        if candidate.purpose != "marketing":
            return None
        if candidate.channel == "kakao":
            return KAKAO
        if candidate.channel in NIGHT_EXEMPT:
            return None
        if _in_force(standing(profile, candidate.channel, "night"), now):
            return None
        return NIGHT_OVER

    def demands(self, candidate: Candidate) -> dict[str, Any]:
        """An ad says that it is one, who sends it, and how to opt out for nothing."""
        if candidate.purpose != "marketing":
            return {}
        show = ["sender_name", "phone", "opt_out"]
        if candidate.channel == "email":
            show[1:2] = ["sender_email", "phone", "postal_address"]
        return {"label": "(광고)", "show": show}

    def faults(self, workspace: Workspace) -> list[Fault]:
        """Senders whose ads could not show what the Act demands."""
        return [
            Fault(
                f"$.senders.{name}",
                f"policy pack kr: an ad must show the sender's {' and '.join(missing)}",
                warning=True,
            )
            for name, sender in workspace.senders.items()
            if (
                missing := [
                    part for part in ("phone", "postal_address") if not getattr(sender, part)
                ]
            )
        ]


def months_later(at: int, months: int) -> int:
    """The same time of day so many calendar months later in Korea, at most on the month's last."""
    local = to_datetime(at, SEOUL).replace(tzinfo=None)
    years, month = divmod(local.month - 1 + months, 12)
    year, month = local.year + years, month + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    return from_local(local.replace(year=year, month=month, day=day), SEOUL)


def _in_force(consent: ConsentChange | None, now: int) -> bool:
    """Express, and given or confirmed within two years."""
    if consent is None or consent.state != "opted_in":
        return False
    return now < months_later(consent.at, RECONFIRM_MONTHS)


def _not_alimtalk(candidate: Candidate) -> Verdict | None:
    facts = {"pack": Korea.key, "template": candidate.template}
    if candidate.purpose == "marketing":
        return Verdict("drop", GATE, "alimtalk_promotion", facts=facts)
    if not candidate.template:
        return Verdict("drop", GATE, "alimtalk_template", facts=facts)
    return None
