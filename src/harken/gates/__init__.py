"""Gates: every message asks the same nine whether it may leave; the first that says no decides."""

from harken.gates.arbitration import bid_of, in_order
from harken.gates.base import Candidate, Verdict
from harken.gates.chain import first_open
from harken.gates.check import check, decision, demands, open_from
from harken.gates.compile import compile_workspace, packs_off, step_faults, workspace_faults
from harken.gates.pace import Pacer
from harken.gates.policy import CompiledWorkspace

__all__ = [
    "Candidate",
    "CompiledWorkspace",
    "Pacer",
    "Verdict",
    "bid_of",
    "check",
    "compile_workspace",
    "decision",
    "demands",
    "first_open",
    "in_order",
    "open_from",
    "packs_off",
    "step_faults",
    "workspace_faults",
]
