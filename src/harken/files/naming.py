"""What steps name of the workspace that it does not have."""

from collections.abc import Iterator

from harken.errors import Fault
from harken.files.words import did_you_mean
from harken.journeys.kinds import CallWebhook, Message
from harken.workspace import Workspace


def naming_faults(step: Message | CallWebhook, path: str, workspace: Workspace) -> Iterator[Fault]:
    """A sender or webhook that there is not, or no webhook's name where there are several."""
    hooks = workspace.webhooks
    if isinstance(step, CallWebhook):
        key, name = "webhook", str(step.webhook)
    else:
        if step.sender and step.sender not in workspace.senders:
            known = ", ".join(workspace.senders) or "none"
            problem = f"the workspace has no sender `{step.sender}` (it has: {known})"
            near = did_you_mean(step.sender, workspace.senders)
            yield Fault(f"{path}.sender", f"{problem}{near}")
        if "webhook" not in step.by:
            return
        key, name = "hook", workspace.hook(step.hook)
    if name and name not in hooks:
        known = ", ".join(hooks) or "none"
        problem = f"the workspace has no webhook `{name}` (it has: {known})"
        yield Fault(f"{path}.{key}", f"{problem}{did_you_mean(name, hooks)}")
    elif hooks and not name:
        yield Fault(path, f"name the `hook` that it goes to: {', '.join(hooks)}")
