"""Who may ask: a secret key as Bearer token (RFC 6750), and only questions that a route knows."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.params import ParameterKwarg

from harken.errors import BadInput, Denied
from harken.files.words import did_you_mean
from harken.web.api import Api

Connection = ASGIConnection[Any, Any, Any, Any]

# Parameters of handlers that no caller gives.
_OURS = frozenset({"request", "api", "data", "body", "state", "headers", "self", "return"})


def needs_secret_key(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let those in who bring a secret key. Raises Denied."""
    api: Api = connection.app.state.api
    keys = api.services.keys
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise Denied("send a secret key: `Authorization: Bearer <key>`")
    name = keys.secret_name(secret)
    if name is None:
        if secret in keys.write_keys:
            raise Denied("this is a write key; it lets events in and opens nothing else")
        raise Denied("this secret key is not known")
    connection.scope["user"] = name


def knows_questions(connection: Connection, handler: BaseRouteHandler) -> None:
    """Refuse query parameters that the route does not have: a slip must not widen an answer."""
    given = set(connection.query_params.keys())
    if not given:
        return
    names = {
        (field.kwarg_definition.query if isinstance(field.kwarg_definition, ParameterKwarg) else "")
        or name
        for name, field in handler.parsed_fn_signature.parameters.items()
        if name not in _OURS and name not in connection.path_params
    }
    unknown = sorted(given - names)
    if unknown:
        known = ", ".join(sorted(names)) or "none"
        hint = did_you_mean(unknown[0], names)
        raise BadInput(f"unknown query parameter `{unknown[0]}`{hint}; this route has: {known}")
