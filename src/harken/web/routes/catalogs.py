"""Catalogs: items from CSV or NDJSON, in versions; and what is recommended of them."""

from typing import Annotated, Any

from litestar import Router, delete, get, patch, post, put
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import Parameter
from msgspec import Struct

from harken.catalogs.rows import Catalog, Version
from harken.catalogs.upload import Form
from harken.clock import iso
from harken.errors import BadInput
from harken.web import catalogs
from harken.web.api import SLASH, Api, Asked, TheApi
from harken.web.catalogs import Difference
from harken.web.problems import responses

CatalogName = Annotated[str, Parameter(max_length=64, description="the catalog's name")]
ItemId = Annotated[str, Parameter(max_length=200, description="the item's id")]
IdColumn = Annotated[
    str, Parameter(max_length=64, description="the column or field that holds the items' ids")
]
TextColumns = Annotated[
    list[str] | None,
    Parameter(description="CSV: a column whose values stay texts; may be repeated"),
]
DryRun = Annotated[bool, Parameter(description="tell what would change, and change nothing")]
Limit = Annotated[int, Parameter(ge=1, le=1000, description="items at most")]


class CatalogShown(Struct, kw_only=True):
    """A catalog as it stands."""

    name: str
    version: int
    items: int
    bytes: int
    changed_at: str
    recommended_at: str | None
    """When recommendations were last worked out."""
    in_workspace: bool
    """Whether workspace.yaml names it, so that templates may."""


class CatalogList(Struct):
    """All catalogs, by name."""

    catalogs: list[CatalogShown]


class VersionShown(Struct, kw_only=True):
    """One version, and what it did to the one before."""

    version: int
    at: str
    by: str
    """The name of the key it was made with."""
    how: str
    """`replaced`, `changed`, or `back to 3`."""
    items: int
    added: int
    changed: int
    removed: int


class CatalogDetails(CatalogShown, kw_only=True):
    """A catalog with the versions that are kept, newest first."""

    versions: list[VersionShown]
    news: int
    """Changes that customers are being told of."""


class Items(Struct, kw_only=True):
    """Items in the order of ids."""

    items: list[dict[str, Any]]
    next: str | None
    """`after` of the next page; null when this is the last."""


class DifferencesShown(Struct, kw_only=True):
    """What two versions have differently."""

    from_version: int
    to_version: int
    count: int
    items: list[Difference]
    """The first 100 of them."""


class Recommended(Struct, kw_only=True):
    """The best items, the best first, as a template would show them."""

    kind: str
    items: list[dict[str, Any]]


class TakesItems(Operation):
    """For OpenAPI: the body is a file."""

    def __post_init__(self) -> None:
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        self.request_body = RequestBody(
            content={"text/csv": text, "application/x-ndjson": text},
            required=True,
            description="CSV with a first line of columns, or a JSON object a line",
        )


@get("/catalogs", responses=responses(), sync_to_thread=True)
def list_catalogs(api: TheApi) -> CatalogList:
    """All catalogs."""
    return CatalogList([CatalogShown(**_facts(api, one)) for one in catalogs.listed(api)])


@get("/catalogs/{name:str}", responses=responses(404), sync_to_thread=True)
def show_catalog(api: TheApi, name: CatalogName) -> CatalogDetails:
    """A catalog, and the versions that are kept."""
    found = api.services.catalogs.get(name)
    return CatalogDetails(
        **_facts(api, found),
        versions=[_version(one) for one in api.services.catalogs.versions(name)],
        news=catalogs.told_of(api, name),
    )


@put(
    "/catalogs/{name:str}",
    request_max_body_size=catalogs.MOST_BYTES,
    responses=responses(409),
    operation_class=TakesItems,
    sync_to_thread=True,
)
def replace_catalog(
    api: TheApi,
    request: Asked,
    name: CatalogName,
    body: bytes,
    id_column: IdColumn = "id",
    text: TextColumns = None,
    dry_run: DryRun = False,
) -> VersionShown:
    """Make a version of these items, and no others. It takes effect whole, or not at all.

    A file that is the same again makes none. One line that is wrong refuses the whole.
    """
    form = _form(request, id_column, text)
    by = f"key {request.user}"
    return _version(catalogs.write(api, name, body, form, whole=True, by=by, dry=dry_run))


@patch(
    "/catalogs/{name:str}",
    request_max_body_size=catalogs.MOST_BYTES,
    responses=responses(404, 409),
    operation_class=TakesItems,
    sync_to_thread=True,
)
def change_catalog(
    api: TheApi,
    request: Asked,
    name: CatalogName,
    body: bytes,
    id_column: IdColumn = "id",
    text: TextColumns = None,
    dry_run: DryRun = False,
) -> VersionShown:
    """Make a version with these items changed: fields that are given are exchanged, a null takes a
    field away (in NDJSON), an id that is new adds an item."""
    form = _form(request, id_column, text)
    by = f"key {request.user}"
    return _version(catalogs.write(api, name, body, form, whole=False, by=by, dry=dry_run))


@delete("/catalogs/{name:str}", responses=responses(404, 409), sync_to_thread=True)
def remove_catalog(api: TheApi, name: CatalogName) -> None:
    """Forget a catalog with all its versions. Refused while the workspace names it."""
    catalogs.remove(api, name)


@get("/catalogs/{name:str}/items", responses=responses(404), sync_to_thread=True)
def list_items(
    api: TheApi,
    name: CatalogName,
    after: Annotated[
        str, Parameter(max_length=200, description="the last id of the page before")
    ] = "",
    limit: Limit = 100,
) -> Items:
    """Items in force, in the order of ids."""
    found = catalogs.items(api, name, after, limit)
    return Items(items=found, next=str(found[-1]["id"]) if len(found) == limit else None)


@get("/catalogs/{name:str}/items/{id:str}", responses=responses(404), sync_to_thread=True)
def show_item(api: TheApi, name: CatalogName, id: ItemId) -> dict[str, Any]:
    """One item in force."""
    return catalogs.item(api, name, id.replace(SLASH, "/"))


@delete(
    "/catalogs/{name:str}/items/{id:str}",
    status_code=200,
    responses=responses(404),
    sync_to_thread=True,
)
def remove_item(api: TheApi, request: Asked, name: CatalogName, id: ItemId) -> VersionShown:
    """Make a version without an item."""
    return _version(catalogs.remove_item(api, name, id.replace(SLASH, "/"), f"key {request.user}"))


@get("/catalogs/{name:str}/differences", responses=responses(404), sync_to_thread=True)
def show_differences(
    api: TheApi, name: CatalogName, a: int | None = None, b: int | None = None
) -> DifferencesShown:
    """What version `b` has differently from `a`; the last, and the one before it, if not given."""
    since, to, count, items = catalogs.differences(api, name, a, b)
    return DifferencesShown(from_version=since, to_version=to, count=count, items=items)


@post(
    "/catalogs/{name:str}/versions/{version:int}/restore",
    status_code=200,
    responses=responses(404),
    sync_to_thread=True,
)
def restore_version(api: TheApi, request: Asked, name: CatalogName, version: int) -> VersionShown:
    """Make a version that holds what an earlier one did. It is no news for customers."""
    return _version(catalogs.go_back(api, name, version, f"key {request.user}"))


@post(
    "/catalogs/{name:str}/refresh",
    status_code=200,
    responses=responses(404),
    sync_to_thread=True,
)
def refresh_catalog(api: TheApi, name: CatalogName) -> CatalogShown:
    """Work out recommendations of the catalog now."""
    api.services.keeper.refresh(api.services.catalogs.get(name))
    return CatalogShown(**_facts(api, api.services.catalogs.get(name)))


@get("/recommendations/{kind:str}", responses=responses(404), sync_to_thread=True)
def recommend(
    api: TheApi,
    kind: str,
    catalog: str = "",
    item: Annotated[
        list[str] | None, Parameter(description="an item that it starts from; may be repeated")
    ] = None,
    category: str | None = None,
    customer: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=50)] = 4,
) -> Recommended:
    """What a template would recommend now: `popular`, `popular_in` (a `category`),
    `viewed_together` and `bought_together` (with an `item`), `not_yet_bought` (by a `customer`)."""
    found = catalogs.recommended(
        api,
        kind,
        catalog=catalog,
        given=item or (),
        category=category,
        customer=customer,
        limit=limit,
    )
    return Recommended(kind=kind, items=found)


def _form(request: Asked, id_column: str, text: list[str] | None) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("text/csv", "application/x-ndjson", "application/ndjson", "application/json"):
        raise BadInput("say what the file is: `Content-Type: text/csv` or `application/x-ndjson`")
    return Form(csv=kind == "text/csv", id=id_column, text=tuple(text or ()))


def _facts(api: Api, one: Catalog) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version,
        "items": one.items,
        "bytes": one.bytes,
        "changed_at": iso(one.changed_at),
        "recommended_at": iso(one.refreshed_at) if one.refreshed_at else None,
        "in_workspace": catalogs.settings_of(api, one.name) is not None,
    }


def _version(one: Version) -> VersionShown:
    return VersionShown(
        version=one.version,
        at=iso(one.at),
        by=one.by,
        how=one.how,
        items=one.items,
        added=one.added,
        changed=one.changed,
        removed=one.removed,
    )


routes = Router(
    path="",
    tags=["catalogs"],
    route_handlers=[
        list_catalogs,
        show_catalog,
        replace_catalog,
        change_catalog,
        remove_catalog,
        list_items,
        show_item,
        remove_item,
        show_differences,
        restore_version,
        refresh_catalog,
        recommend,
    ],
)
