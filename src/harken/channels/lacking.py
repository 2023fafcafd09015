"""What a workspace needs and this machine does not have: variables of transports, keys, webhooks.

Definitions are right without them, so a check of the files cannot find them; the server can.
"""

from collections.abc import Callable, Iterator, Mapping

from harken.channels.dkim import signer
from harken.channels.hooks import secret_of, url_of
from harken.channels.sandbox import SANDBOX_URL
from harken.channels.transports import url_of as transport_url
from harken.errors import BadInput, Fault
from harken.workspace import Workspace


def lacking(workspace: Workspace, environment: Mapping[str, str]) -> list[Fault]:
    """A warning for each setting that the environment does not make good."""
    return [
        Fault(path, f"{problem}; until it is mended and Harken started again, {what}", warning=True)
        for path, problem, what in _looked_at(workspace, environment)
    ]


def _looked_at(
    workspace: Workspace, environment: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    for index, transport in enumerate(workspace.transports):
        path, what = f"$.transports[{index}]", "all e-mail waits"
        if problem := _problem(transport_url, transport, environment):
            yield f"{path}.url_env", problem, what
        if transport.dkim and (problem := _problem(signer, transport.dkim, environment)):
            yield f"{path}.dkim", problem, what
    for hook_name, hook in workspace.webhooks.items():
        path, what = f"$.webhooks.{hook_name}", "what is for it waits"
        if problem := _problem(url_of, hook, environment):
            yield f"{path}.url_env", problem, what
        elif hook.url != SANDBOX_URL and (
            problem := _problem(secret_of, hook_name, hook, environment, b"")
        ):
            yield f"{path}.secret_env", problem, what
    for name, account in workspace.connected.items():
        if not environment.get(account.secret_env):
            problem = f"{account.secret_env} is not set"
            yield f"$.connected.{name}.secret_env", problem, "its feeds answer nothing"


def _problem(look: Callable[..., object], *given: object) -> str:
    try:
        look(*given)
    except BadInput as fault:
        return str(fault)
    return ""
