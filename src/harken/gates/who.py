"""The first three gates: is the journey live, are they meant, are they in a control group."""

from harken.gates.base import Candidate, Verdict
from harken.gates.policy import CompiledWorkspace
from harken.ids import bucket
from harken.journeys.experiments import CONTROL, TREATED
from harken.people.profile import Profile

LIVE = Verdict("pass", "journey_live")
MEANT = Verdict("pass", "audience")
NOT_HELD_OUT = Verdict("pass", "holdout")
BUCKETS_PER_PERCENT = 100


def journey_live(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> Verdict:
    """The revision is live, inside its window, and the message not past its time."""
    if not candidate.journey_live:
        return Verdict("drop", "journey_live", "journey_not_live")
    if now < candidate.starts_at:
        facts = {"starts_at": candidate.starts_at}
        return Verdict("hold", "journey_live", "journey_not_started", facts=facts)
    over = past_its_time(candidate, now)
    if over:
        return Verdict("drop", "journey_live", over[0], facts=over[1])
    return LIVE


def past_its_time(candidate: Candidate, at: int) -> tuple[str, dict[str, int]] | None:
    """Why the message may not leave at `at` any more (reason and facts), or None."""
    if candidate.ends_at and at >= candidate.ends_at:
        return "journey_ended", {"ends_at": candidate.ends_at}
    lasts = candidate.step.expires_after
    if lasts is not None and candidate.since and at >= candidate.since + lasts:
        expires_at = candidate.since + lasts
        return "expired", {"since": candidate.since, "expires_at": expires_at}
    return None


def audience(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> Verdict:
    """Still in the journey's audience, where that is to be checked again."""
    if candidate.audience is None:
        return MEANT
    wanted = candidate.step.recheck_audience
    if not (candidate.delayed if wanted is None else wanted):
        return MEANT
    if candidate.audience(profile, candidate.run.event, now):
        return MEANT
    return Verdict("drop", "audience", "audience")


def held_out(profile_id: int, journey: str, percent: float) -> bool:
    """Whether a journey's control group of so many percent holds a customer."""
    return bucket(profile_id, f"control:{journey}") < percent * BUCKETS_PER_PERCENT


def group_of(
    candidate: Candidate, profile: Profile, workspace: CompiledWorkspace
) -> tuple[str, dict[str, float]] | None:
    """Whether a control group holds the customer out of the journey (`CONTROL`) or not (`TREATED`),
    and the percent of all that each is; None without such groups. Those of splits are apart."""
    if candidate.purpose == "transactional":
        return None
    overall, own = workspace.holdout_percent, candidate.control_percent
    if not (overall or own):
        return None
    treated = (100 - overall) * (100 - own) / 100
    reason = holdout(candidate, profile, 0, workspace).reason
    group = CONTROL if reason in ("global_control", "journey_control") else TREATED
    return group, {CONTROL: 100 - treated, TREATED: treated}


def holdout(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> Verdict:
    """Members of a control group get no marketing, and nobody is held out of what they asked for.

    They are `control`, not dropped: the later gates still speak, so that only those who would
    have been sent to are compared with those who were.
    """
    everywhere, here, split = workspace.holdout_percent, candidate.control_percent, candidate.split
    if candidate.purpose == "transactional" or not (everywhere or here or split):
        return NOT_HELD_OUT
    found = control_group(profile.id, candidate.journey, everywhere, here, split)
    return found or NOT_HELD_OUT


def control_group(
    profile_id: int, journey: str, everywhere: float, here: float, split: str
) -> Verdict | None:
    """The control group that the customer is in, or None.

    `everywhere` and `here` are percents of the global and the journey's own; `split` is the
    experiment whose control group the run is in, if any.
    """
    for group, percent, salt in (
        ("global", everywhere, "holdout"),
        ("journey", here, f"control:{journey}"),
    ):
        if percent > 0:
            found = bucket(profile_id, salt)
            if found < percent * BUCKETS_PER_PERCENT:
                facts = {"group": group, "percent": percent, "bucket": found}
                return Verdict("control", "holdout", f"{group}_control", facts=facts)
    if split:
        facts = {"group": "split", "split": split}
        return Verdict("control", "holdout", "split_control", facts=facts)
    return None
