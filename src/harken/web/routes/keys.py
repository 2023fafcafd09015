"""Keys: write keys let events in, secret keys open the API."""

from typing import Annotated

from litestar import Router, delete, get, post
from litestar.params import Parameter
from msgspec import Meta, Struct

from harken.clock import iso
from harken.web.api import TheApi
from harken.web.keys import KeyKind
from harken.web.problems import responses

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class KeyShown(Struct, kw_only=True):
    """A key in the list."""

    name: str
    kind: KeyKind
    created_at: str
    value: str | None
    """Of a write key; a secret key was shown once, when it was made."""


class KeysShown(Struct):
    """All keys, oldest first; those preset by the environment are not among them."""

    keys: list[KeyShown]


class KeyWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """A key to be made."""

    name: Annotated[str, Meta(pattern=NAME)]
    kind: KeyKind


class KeyMade(Struct, kw_only=True):
    """A new key. The text of a secret key is shown this once."""

    name: str
    kind: KeyKind
    key: str


@get("/keys", responses=responses(), sync_to_thread=True)
def list_keys(api: TheApi) -> KeysShown:
    """All keys that were made."""
    return KeysShown(
        [
            KeyShown(
                name=key.name,
                kind=key.kind,
                created_at=iso(key.created_at),
                value=key.value or None,
            )
            for key in api.services.keys.all()
        ]
    )


@post("/keys", responses=responses(409), sync_to_thread=True)
def create_key(api: TheApi, data: KeyWish) -> KeyMade:
    """Make a key."""
    key = api.services.keys.create(data.name, data.kind, api.now)
    return KeyMade(name=data.name, kind=data.kind, key=key)


@delete("/keys/{name:str}", responses=responses(404), sync_to_thread=True)
def revoke_key(api: TheApi, name: Annotated[str, Parameter(max_length=64)]) -> None:
    """Take a key out of use at once."""
    api.services.keys.revoke(name)


routes = Router(path="", tags=["keys"], route_handlers=[list_keys, create_key, revoke_key])
