"""Lists of customers, uploaded as CSV."""

from typing import Annotated

from litestar import Router, delete, get, put
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import Parameter
from msgspec import Struct

from harken.clock import iso
from harken.errors import Conflict
from harken.web import lists
from harken.web.api import Asked, TheApi
from harken.web.lists import KeptList, Refused
from harken.web.problems import responses
from harken.web.rules import users_of_list

ListName = Annotated[str, Parameter(max_length=64, description="the list's name")]


class ListShown(Struct, kw_only=True):
    """A list, and how many customers stand on it now."""

    name: str
    members: int
    uploaded_at: str
    by: str
    """The name of the key that it was uploaded with last."""


class Lists(Struct):
    """All lists, by name."""

    lists: list[ListShown]


class Uploaded(Struct, kw_only=True):
    """What became of an upload."""

    name: str
    members: int
    """Customers on the list now."""
    added: int
    removed: int
    refused_lines: int
    """Lines that put nobody on the list."""
    refused: list[Refused]
    """The first 100 of them."""
    in_force: bool
    """Whether the engine has taken it all in by now."""


class TakesCsv(Operation):
    """For OpenAPI: the body is a file."""

    def __post_init__(self) -> None:
        content = {"text/csv": OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))}
        self.request_body = RequestBody(
            content=content, required=True, description="a first line of columns, one `user_id`"
        )


@get("/lists", responses=responses(), sync_to_thread=True)
def list_lists(api: TheApi) -> Lists:
    """All lists that were uploaded."""
    members = lists.members(api)
    return Lists([_shown(one, members.get(one.name, 0)) for one in lists.lists(api.services)])


@get("/lists/{name:str}", responses=responses(404), sync_to_thread=True)
def show_list(api: TheApi, name: ListName) -> ListShown:
    """A list, and how many customers stand on it."""
    return _shown(lists.found(api, name), lists.members(api).get(name, 0))


@put(
    "/lists/{name:str}",
    request_max_body_size=lists.MOST_BYTES,
    responses=responses(409),
    operation_class=TakesCsv,
    sync_to_thread=True,
)
def upload_list(api: TheApi, request: Asked, name: ListName, body: bytes) -> Uploaded:
    """Make the customers of a CSV file (column `user_id`) those on the list, and nobody else.

    Lines whose user id names no customer are refused: a list makes no customers.
    """
    upload = lists.replace(api, name, body, f"key {request.user}")
    return Uploaded(
        name=name,
        members=upload.members,
        added=upload.added,
        removed=upload.removed,
        refused_lines=upload.refused_lines,
        refused=upload.refused,
        in_force=upload.in_force,
    )


@delete("/lists/{name:str}", responses=responses(404, 409), sync_to_thread=True)
def remove_list(api: TheApi, name: ListName) -> None:
    """Take everybody off a list and forget it. Refused while a definition asks for it."""
    lists.found(api, name)
    users = users_of_list(api.services.store.definitions(), name)
    if users:
        raise Conflict(f"{name!r} is used by {', '.join(users[:5])}; change these first")
    lists.remove(api, name)


def _shown(one: KeptList, members: int) -> ListShown:
    return ListShown(name=one.name, members=members, uploaded_at=iso(one.uploaded_at), by=one.by)


routes = Router(
    path="", tags=["lists"], route_handlers=[list_lists, show_list, upload_list, remove_list]
)
