"""Catalogs over the API: files in, versions, differences, and what is recommended."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from harken.catalogs import news, upload
from harken.catalogs.items import Item
from harken.catalogs.rows import Catalog, Version
from harken.catalogs.settings import CatalogSettings
from harken.catalogs.upload import Form
from harken.errors import BadInput, Conflict, NotFound
from harken.files.words import nearest
from harken.messages.offers import KINDS, TOGETHER
from harken.messages.outside import Kind, Wish
from harken.values import Name
from harken.web.api import Api

MOST_BYTES = 64_000_000
MOST_TOLD = 100
"""Differences that are told; the others are counted."""

_item = msgspec.json.Decoder(Item).decode


class Difference(Struct, kw_only=True):
    """An item that two versions have differently."""

    id: str
    old: Item | None
    """The fields that differ, as they were; null when there was no such item."""
    new: Item | None


def write(
    api: Api, name: str, body: bytes, form: Form, *, whole: bool, by: str, dry: bool
) -> Version:
    """Make a version of a file: of its items alone when `whole`, else with these changed.

    Raises BadInput, BadLines, TooLarge, NotFound and Conflict; nothing is changed then.
    """
    _named(name)
    catalogs = api.services.catalogs
    lines = upload.read(body, form)
    with api.shelving:
        _not_misspelt(api, name)
        if whole:
            rows = upload.rows(lines)
        else:
            version = catalogs.get(name).version
            rows = upload.changed_rows(lines, lambda id: _fields(api, name, id, version))
        return _made(api, name, rows, whole=whole, by=by, dry=dry)


def _not_misspelt(api: Api, name: str) -> None:
    """Raises BadInput for a new catalog that is called almost as one of the workspace's is."""
    named = api.services.in_force.workspace.catalogs
    if name in named or any(one.name == name for one in api.services.catalogs.all()):
        return
    if near := nearest(name, named):
        raise BadInput(
            f"workspace.yaml names no catalog `{name}`; did you mean `{near}`? If it is another"
            " one, write it there below `catalogs` and apply that first"
        )


def remove_item(api: Api, name: str, id: str, by: str) -> Version:
    """Make a version without an item. Raises NotFound."""
    with api.shelving:
        item(api, name, id)
        return _made(api, name, [(id, None)], whole=False, by=by, dry=False)


def go_back(api: Api, name: str, version: int, by: str) -> Version:
    """Make a version that holds what an earlier one did. Raises NotFound."""
    with api.shelving:
        return api.services.catalogs.go_back(name, version, at=api.now, by=by)


def remove(api: Api, name: str) -> None:
    """Forget a catalog. Raises NotFound, and Conflict while the workspace names it."""
    with api.shelving:
        if name in api.services.in_force.workspace.catalogs:
            raise Conflict(f"workspace.yaml names {name!r} below `catalogs`; take it out first")
        api.services.catalogs.remove(name)


def item(api: Api, name: str, id: str) -> Item:
    """An item in force, with its id. Raises NotFound."""
    catalog = api.services.catalogs.get(name)
    body = api.services.catalogs.item(name, id, catalog.version)
    if body is None:
        raise NotFound(f"{name} has no item {id!r}")
    return {"id": id, **_item(body)}


def items(api: Api, name: str, after: str, limit: int) -> list[Item]:
    """The next items above the id `after`. Raises NotFound."""
    catalog = api.services.catalogs.get(name)
    page = api.services.catalogs.page(name, catalog.version, after, limit)
    return [{"id": id, **_item(body)} for id, body in page]


def differences(
    api: Api, name: str, a: int | None, b: int | None
) -> tuple[int, int, int, list[Difference]]:
    """(from, to, how many differ, the first of them); the last version and the one before it
    unless told otherwise. Raises NotFound."""
    catalog = api.services.catalogs.get(name)
    to = catalog.version if b is None else b
    since = to - 1 if a is None else a
    known = {0, *(one.version for one in api.services.catalogs.versions(name))}
    for version in (since, to):
        if version not in known:
            raise NotFound(f"there is no version {version} of {name!r} (any more)")
    shown: list[Difference] = []
    count = 0
    for id, old, new in api.services.catalogs.differences(name, since, to):
        count += 1
        if len(shown) < MOST_TOLD:
            shown.append(_difference(id, old, new))
    return since, to, count, shown


def recommended(
    api: Api,
    kind: str,
    *,
    catalog: str,
    given: Sequence[str],
    category: str | None,
    customer: str | None,
    limit: int,
) -> list[Item]:
    """What templates would show now. Raises BadInput, and NotFound for an unknown customer."""
    workspace = api.services.in_force.workspace
    able = [name for name, one in workspace.catalogs.items() if one.recommend is not None]
    if kind not in KINDS:
        raise BadInput(f"nothing is recommended by {kind!r}; there are {', '.join(KINDS)}")
    if kind in TOGETHER and not given:
        raise BadInput(f"{kind} needs `item`: what the others go together with")
    if catalog not in able and (catalog or len(able) != 1):
        known = ", ".join(able) or "none; give one `recommend: {}` in workspace.yaml"
        raise BadInput(f"name a catalog that is recommended of: {known}")
    known_as: Kind = KINDS[KINDS.index(kind)]
    wish = Wish(
        kind=known_as,
        catalog=catalog,
        limit=limit,
        items=tuple(given),
        category=category,
        profile_id=api.person(customer).id if customer else 0,
    )
    return api.services.fetching.of(workspace).recommend(wish)


def settings_of(api: Api, name: str) -> CatalogSettings | None:
    """What the workspace says of a catalog; None when it does not name it."""
    return api.services.in_force.workspace.catalogs.get(name)


def told_of(api: Api, name: str) -> int:
    """How many pieces of news of the catalog are still being told."""
    return sum(one.catalog == name for one in api.services.catalogs.news())


def listed(api: Api) -> list[Catalog]:
    """Every catalog."""
    return api.services.catalogs.all()


def _made(api: Api, name: str, rows: Any, *, whole: bool, by: str, dry: bool) -> Version:
    settings = settings_of(api, name) or CatalogSettings()
    made = api.services.catalogs.write(
        name,
        rows,
        whole=whole,
        at=api.now,
        by=by,
        watch=lambda changes: news.watch(settings, changes),
        dry=dry,
    )
    api.services.keeper.ring()
    return made


def _fields(api: Api, name: str, id: str, version: int) -> Item:
    body = api.services.catalogs.item(name, id, version)
    return {} if body is None else _item(body)


def _difference(id: str, old: bytes | None, new: bytes | None) -> Difference:
    before = None if old is None else _item(old)
    after = None if new is None else _item(new)
    if before is not None and after is not None:
        same = {key for key in before.keys() & after.keys() if before[key] == after[key]}
        before = {key: value for key, value in before.items() if key not in same}
        after = {key: value for key, value in after.items() if key not in same}
    return Difference(id=id, old=before, new=after)


def _named(name: str) -> None:
    try:
        Name.parse(name)
    except ValueError as wrong:
        raise BadInput(str(wrong)) from None
