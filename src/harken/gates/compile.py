"""From the workspace file to what the gates run on; what is wrong in it is said here."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from harken.channels import table
from harken.clock import HOUR, MINUTE
from harken.errors import BadDefinition, Fault
from harken.gates.hours import Hours, all_open, open_hours, outside
from harken.gates.packs import PACKS
from harken.gates.policy import LONGEST_WINDOW, MOST_SENDS, CompiledCap, CompiledWorkspace
from harken.journeys.kinds import Message, SendingHours
from harken.people.countries import country_code
from harken.values import Duration, zone
from harken.workspace import Cap, QuietHours, Workspace

_DAY_MINUTES = 24 * 60


def compile_workspace(workspace: Workspace) -> CompiledWorkspace:
    """The workspace for the gates. Raises BadDefinition with every fault."""
    faults = [fault for fault in workspace_faults(workspace) if not fault.warning]
    if faults:
        raise BadDefinition(faults)
    quiet, sending = workspace.quiet_hours, workspace.sending_hours
    home = zone(workspace.timezone)
    assert home is not None, "ZoneName parses known zones only"
    return CompiledWorkspace(
        zone=home,
        country=country_code(workspace.country),
        needs_opt_in={
            "marketing": workspace.consent.marketing == "opted_in",
            "transactional": workspace.consent.transactional == "opted_in",
        },
        holdout_percent=workspace.holdout_percent,
        packs=tuple(PACKS[name] for name in dict.fromkeys(workspace.policy_packs)),
        quiet=outside(quiet) if quiet else None,
        quiet_hold=quiet is None or quiet.outside == "hold",
        sending=open_hours(sending) if sending else None,
        sending_hold=sending is None or sending.outside == "hold",
        caps=tuple(map(_compile_cap, workspace.caps)),
        arbitration=workspace.arbitration or 0,
    )


def workspace_faults(workspace: Workspace) -> list[Fault]:
    """Everything wrong with what the workspace tells the gates; warnings among it."""
    faults: list[Fault] = []
    if zone(workspace.timezone) is None:
        faults.append(Fault("$.timezone", f"{workspace.timezone!r} is no IANA time zone"))
    if workspace.country is not None and country_code(workspace.country) is None:
        wanted = "write its ISO 3166 code, such as KR"
        faults.append(Fault("$.country", f"{workspace.country!r} is no country; {wanted}"))
    if not 0 <= workspace.holdout_percent <= 100:
        faults.append(Fault("$.holdout_percent", "must lie between 0 and 100"))
    for index, name in enumerate(workspace.policy_packs):
        if name not in PACKS:
            problem = f"there is no policy pack {name!r}; {_nearest(name, tuple(PACKS))}"
            faults.append(Fault(f"$.policy_packs[{index}]", problem))
        else:
            faults += PACKS[name].faults(workspace)
    if workspace.best_hour % 60 or workspace.best_hour >= _DAY_MINUTES:
        faults.append(Fault("$.best_hour", 'must be a full hour, "00:00" to "23:00"'))
    names = [transport.name for transport in workspace.transports]
    for index, name in enumerate(names):
        if name in names[:index]:
            problem = f"another transport is called {name!r} too"
            faults.append(Fault(f"$.transports[{index}].name", problem))
    for index, cap in enumerate(workspace.caps):
        faults += _cap_faults(cap, f"$.caps[{index}]")
    if workspace.arbitration is not None and not 0 < workspace.arbitration <= HOUR:
        problem = "must be longer than nothing and at most 1h; leave it out to decide at once"
        faults.append(Fault("$.arbitration", problem))
    if workspace.refresh_experiments < MINUTE:
        faults.append(Fault("$.refresh_experiments", "must be at least 1m"))
    rules: list[Hours] = []
    if workspace.quiet_hours is not None:
        faults += _hours_faults(workspace.quiet_hours, "$.quiet_hours")
        rules.append(outside(workspace.quiet_hours))
    if workspace.sending_hours is not None:
        faults += _hours_faults(workspace.sending_hours, "$.sending_hours")
        rules.append(open_hours(workspace.sending_hours))
    if not faults:
        faults += _never_open(rules, "$.sending_hours", "quiet_hours leave none of them")
    return faults


def step_faults(
    step: Message, purpose: str, workspace: CompiledWorkspace, path: str
) -> list[Fault]:
    """What is wrong with a message step's own rules for the gates; `path` is where it stands."""
    faults: list[Fault] = []
    if step.pace is not None and step.pace.at_most < 1:
        faults.append(Fault(f"{path}.pace.at_most", "must be at least 1"))
    if step.pace is not None and step.pace.per < 1:
        faults.append(Fault(f"{path}.pace.per", "must be longer than nothing"))
    if step.expires_after is not None and step.expires_after < 1:
        faults.append(Fault(f"{path}.expires_after", "must be longer than nothing"))
    if step.sending_hours is not None:
        at = f"{path}.sending_hours"
        found = _hours_faults(step.sending_hours, at)
        rules = [open_hours(step.sending_hours)]
        if workspace.sending is not None:
            rules.append(workspace.sending)
        if workspace.quiet is not None and purpose == "marketing":
            rules.append(workspace.quiet)
        if not found and step.priority != "high":
            found = _never_open(rules, at, "the workspace's own hours leave none of them")
        faults += found
    return faults


def packs_off(workspace: CompiledWorkspace, countries: Iterable[str]) -> list[str]:
    """Known packs of countries where customers live, which the workspace does not list."""
    listed = {pack.key for pack in workspace.packs}
    lived_in = {country_code(country) for country in countries}
    return [key for key, pack in PACKS.items() if pack.country in lived_in and key not in listed]


def _compile_cap(cap: Cap) -> CompiledCap:
    return CompiledCap(
        at_most=cap.at_most,
        per=cap.per if isinstance(cap.per, Duration) else 0,
        week=cap.per == "calendar week",
        channel=cap.channel,
        tag=cap.tag,
        written=str(cap.per),
    )


def _cap_faults(cap: Cap, path: str) -> list[Fault]:
    faults: list[Fault] = []
    if cap.at_most < 0:
        faults.append(Fault(f"{path}.at_most", "cannot be less than 0"))
    if cap.at_most > MOST_SENDS:
        faults.append(Fault(f"{path}.at_most", f"can be at most {MOST_SENDS}"))
    if isinstance(cap.per, Duration) and cap.per < 1:
        faults.append(Fault(f"{path}.per", "must be longer than nothing"))
    if isinstance(cap.per, Duration) and cap.per > LONGEST_WINDOW:
        problem = f"can be at most {Duration(LONGEST_WINDOW)}: older sends are not remembered"
        faults.append(Fault(f"{path}.per", problem))
    if cap.channel is not None and cap.channel not in table.NAMES:
        problem = f"there is no channel {cap.channel!r}; {_nearest(cap.channel, table.NAMES)}"
        faults.append(Fault(f"{path}.channel", problem))
    return faults


def _hours_faults(hours: SendingHours | QuietHours, path: str) -> list[Fault]:
    whole_day = isinstance(hours, SendingHours) and (hours.from_, hours.to) == (0, _DAY_MINUTES)
    if whole_day or hours.from_ % _DAY_MINUTES != hours.to % _DAY_MINUTES:
        return []
    kept = "nothing could ever leave" if isinstance(hours, QuietHours) else "they hold no hour"
    return [Fault(path, f"`from` and `to` are the same time of day: {kept}")]


def _never_open(rules: Sequence[Hours], path: str, why: str) -> list[Fault]:
    utc = zone("UTC")
    if len(rules) < 2 or utc is None or all_open(rules, utc, 0) is not None:
        return []
    return [Fault(path, f"nothing could ever leave: {why}")]


def _nearest(name: str, known: Sequence[str]) -> str:
    folded = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    return f"did you mean {folded[close[0]]!r}?" if close else f"known are {', '.join(known)}"
