"""Who answers for what a message says of its recipient."""

from collections.abc import Collection

from harken.inputs import Approved
from harken.people.privacy import folded
from harken.workspace import Workspace


def approvals(workspace: Workspace, by_api: Collection[Approved]) -> list[Approved]:
    """What was approved: in the workspace's file, then by the API or command line."""
    written = [
        Approved(
            journey=one.journey,
            message=one.message,
            attribute=one.attribute,
            by=one.by,
            reason=one.reason,
        )
        for one in workspace.approvals
    ]
    return [*written, *by_api]


def approval_of(
    approved: Collection[Approved], journey: str, message: str, attribute: str
) -> Approved | None:
    """The latest approval of an attribute in a message."""
    wanted = (journey, message, folded(attribute))
    fitting = [
        one for one in approved if (one.journey, one.message, folded(one.attribute)) == wanted
    ]
    return fitting[-1] if fitting else None
