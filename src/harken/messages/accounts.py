"""Secrets that connected content names: each must exist, and goes to its own address alone."""

from collections.abc import Iterable, Iterator, Mapping

from liquid.ast import Node

from harken.errors import Fault
from harken.files.words import did_you_mean
from harken.messages.connected import ConnectedNode
from harken.messages.liquid import Template
from harken.workspace import Account


def account_faults(
    templates: Iterable[Template], accounts: Mapping[str, Account], path: str
) -> Iterator[Fault]:
    """Secrets that templates name and the workspace does not have, or that go elsewhere."""
    told = set()
    for template in templates:
        for node in _connected(template.bound.nodes):
            account = accounts.get(node.auth)
            if not node.auth or node.auth in told:
                continue
            if account is None:
                near = did_you_mean(node.auth, accounts)
                problem = f"the workspace has no `{node.auth}` under `connected`{near}"
            elif not node.beginning().startswith(account.url):
                problem = f"the secret of `{node.auth}` goes only to {account.url}"
            else:
                continue
            told.add(node.auth)
            yield Fault(path, problem)


def _connected(nodes: Iterable[Node]) -> Iterator[ConnectedNode]:
    for node in nodes:
        if isinstance(node, ConnectedNode):
            yield node
        yield from _connected(node.children(None))  # type: ignore[arg-type]
