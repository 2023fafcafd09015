"""OpenAPI: served as it is exact, and as one page for people, which loads nothing."""

from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler
from msgspec import Struct

import harken
from harken.web.page_html import STYLE

BASE = "/api/v1"
METHODS = ("get", "put", "post", "patch", "delete")

CONFIG = OpenAPIConfig(
    title="Harken",
    version=harken.__version__,
    description="The REST API of Harken. Every request under /api/v1 needs a secret key.",
    components=Components(
        security_schemes={"secretKey": SecurityScheme(type="http", scheme="bearer")}
    ),
)


def schema_of(handlers: Sequence[ControllerRouterHandler]) -> dict[str, Any]:
    """The OpenAPI document of the routes, with what Litestar cannot know put right.

    Made by an application of its own: one that has the document also serves it in pages that
    load their scripts from elsewhere.
    """
    app = Litestar(
        handlers,
        openapi_config=CONFIG,
        logging_config=None,
        dependencies={"api": Provide(lambda: None, sync_to_thread=False)},
    )
    document: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(app.openapi_schema.to_schema())
    )
    strict = {
        type_.__name__ for type_ in _all_structs() if type_.__struct_config__.forbid_unknown_fields
    }
    for name, component in document.get("components", {}).get("schemas", {}).items():
        if name.rsplit(".", 1)[-1].rsplit("_", 1)[-1] in strict:
            component["additionalProperties"] = False
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item and path.startswith(BASE):
                item[method]["security"] = [{"secretKey": []}]
                for parameter in item[method].get("parameters", []):
                    parameter["schema"] = _without_null(parameter["schema"])
    return document


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out; a query or path cannot spell null."""
    found = {key: value for key, value in schema.items() if key != "oneOf"}
    for option in schema.get("oneOf", []):
        if option.get("type") != "null":
            found.update(option)
    if isinstance(found.get("type"), list):
        found["type"] = next(type_ for type_ in found["type"] if type_ != "null")
    if "enum" in found:
        found["enum"] = [value for value in found["enum"] if value is not None]
    return found


def _all_structs() -> list[type[Struct]]:
    found, waiting = [], [Struct]
    while waiting:
        for type_ in waiting.pop().__subclasses__():
            found.append(type_)
            waiting.append(type_)
    return found


def page_of(document: dict[str, Any]) -> str:
    """The routes, by what they are about, for people."""
    by_tag: dict[str, list[str]] = {}
    for path, item in sorted(document["paths"].items()):
        for method in METHODS:
            if method in item:
                operation = item[method]
                tag = (operation.get("tags") or ["other"])[0]
                by_tag.setdefault(tag, []).append(_route(path, method, operation))
    sections = "".join(
        f"<section><h2>{escape(tag)}</h2>{''.join(routes)}</section>"
        for tag, routes in sorted(by_tag.items())
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Harken API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE} main{{max-width:60rem}} code{{font-size:.95em}} dl{{margin:0 0 1.5rem}}"
        "dt{font-weight:600}dd{margin:0 0 .75rem}</style></head><body><main><h1>Harken API</h1>"
        "<p>Send a secret key with each request: <code>Authorization: Bearer KEY</code>. The whole "
        f'description for programs: <a href="{BASE}/openapi.json">openapi.json</a>.</p>'
        f"{sections}</main></body></html>"
    )


def _route(path: str, method: str, operation: dict[str, Any]) -> str:
    names = [
        f"<code>{escape(each['name'])}</code>"
        for each in operation.get("parameters", [])
        if each["in"] == "query"
    ]
    asks = f"<br>Asks: {', '.join(names)}" if names else ""
    body = _names(operation.get("requestBody", {}))
    gives = _names(operation.get("responses", {}).get("200", {}))
    told = f"<br>Takes {body}" if body else ""
    told += f"<br>Answers {gives}" if gives else ""
    text = escape(operation.get("description") or operation.get("summary") or "")
    return (
        f"<dl><dt><code>{method.upper()} {escape(path)}</code></dt><dd>{text}{asks}{told}</dd></dl>"
    )


def _names(part: dict[str, Any]) -> str:
    for content in part.get("content", {}).values():
        reference = content.get("schema", {}).get("$ref", "")
        if reference:
            return f"<code>{escape(reference.rsplit('/', 1)[-1].rsplit('_', 1)[-1])}</code>"
    return ""
