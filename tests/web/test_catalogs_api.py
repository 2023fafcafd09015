"""Catalogs over the API: whole versions, refusals by line, differences, and the way back."""

from typing import Any

import httpx
import pytest
from web_kit import PROJECT, Shop

CSV = """\
sku,title,price,in_stock,zip,tags
A1,Ridge Runner,128,true,01234,"[""new""]"
B2,"Canvas, Low",64.50,false,99,
"""


def put(
    shop: Shop, text: str | bytes, *, method: str = "PUT", kind: str = "text/csv", ask: str = ""
) -> httpx.Response:
    body = text.encode() if isinstance(text, str) else text
    return shop.ask(
        method, f"/api/v1/catalogs/products{ask}", content=body, headers={"Content-Type": kind}
    )


def ndjson(shop: Shop, *lines: str, method: str = "PUT", ask: str = "") -> httpx.Response:
    return put(shop, "\n".join(lines), method=method, kind="application/x-ndjson", ask=ask)


def made(answer: httpx.Response) -> tuple[int, int, int, int, int]:
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return tuple(found[key] for key in ("version", "items", "added", "changed", "removed"))


def test_a_file_becomes_a_version_with_json_types(shop: Shop) -> None:
    assert made(put(shop, CSV, ask="?id_column=sku&text=zip")) == (1, 2, 2, 0, 0)
    assert shop.get("/catalogs/products/items")["items"] == [
        {"id": "A1", "title": "Ridge Runner", "price": 128, "in_stock": True, "zip": "01234",
         "tags": ["new"]},
        {"id": "B2", "title": "Canvas, Low", "price": 64.5, "in_stock": False, "zip": "99"},
    ]  # fmt: skip
    assert shop.get("/catalogs/products/items/A1")["title"] == "Ridge Runner"
    assert shop.ask("GET", "/api/v1/catalogs/products/items/C3").status_code == 404
    shown = shop.get("/catalogs/products")
    assert (shown["version"], shown["items"], shown["in_workspace"]) == (1, 2, False)
    assert [one["name"] for one in shop.get("/catalogs")["catalogs"]] == ["products"]


def test_versions_follow_one_another_and_can_be_gone_back_to(shop: Shop) -> None:
    assert made(ndjson(shop, '{"id": "a", "n": 1}', '{"id": "b", "n": 2}')) == (1, 2, 2, 0, 0)
    assert made(ndjson(shop, '{"n": 2, "id": "b"}', '{"id": "a", "n": 1}')) == (1, 2, 2, 0, 0)
    assert made(ndjson(shop, '{"id": "a", "n": 9}', '{"id": "c"}')) == (2, 2, 1, 1, 1)
    told = shop.get("/catalogs/products/differences")
    assert (told["from_version"], told["to_version"], told["count"]) == (1, 2, 3)
    assert told["items"] == [
        {"id": "a", "old": {"n": 1}, "new": {"n": 9}},
        {"id": "b", "old": {"n": 2}, "new": None},
        {"id": "c", "old": None, "new": {}},
    ]
    back = shop.ask("POST", "/api/v1/catalogs/products/versions/1/restore")
    assert made(back) == (3, 2, 1, 1, 1)
    assert back.json()["how"] == "back to 1"
    assert [one["id"] for one in shop.get("/catalogs/products/items")["items"]] == ["a", "b"]
    assert shop.get("/catalogs/products/differences?a=1&b=3")["count"] == 0
    gone = shop.ask("POST", "/api/v1/catalogs/products/versions/7/restore")
    assert gone.status_code == 404


def test_some_items_change(shop: Shop) -> None:
    ndjson(shop, '{"id": "a", "n": 1, "old": true}', '{"id": "b"}')
    changed = ndjson(shop, '{"id": "a", "n": 2, "old": null}', '{"id": "c"}', method="PATCH")
    assert made(changed) == (2, 3, 1, 1, 0)
    assert shop.get("/catalogs/products/items/a") == {"id": "a", "n": 2}
    removed = shop.ask("DELETE", "/api/v1/catalogs/products/items/b")
    assert made(removed) == (3, 2, 0, 0, 1)
    assert shop.ask("DELETE", "/api/v1/catalogs/products/items/b").status_code == 404
    other = shop.ask(
        "PATCH", "/api/v1/catalogs/shoes", content=b"{}", headers={"Content-Type": "text/csv"}
    )
    assert other.status_code == 404


def test_an_item_has_any_id(shop: Shop) -> None:
    ndjson(shop, '{"id": "shoes/1", "n": 1}', '{"id": "b"}')
    assert shop.get("/catalogs/products/items/shoes%2F1") == {"id": "shoes/1", "n": 1}
    removed = shop.ask("DELETE", "/api/v1/catalogs/products/items/shoes%2f1")
    assert made(removed) == (2, 1, 0, 0, 1)


def test_a_dry_run_tells_and_changes_nothing(shop: Shop) -> None:
    ndjson(shop, '{"id": "a"}')
    tried = ndjson(shop, '{"id": "a", "n": 1}', '{"id": "b"}', ask="?dry_run=true")
    assert made(tried) == (2, 2, 1, 1, 0)
    assert shop.get("/catalogs/products")["version"] == 1


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("text/csv", "", "there is no `id` in: none"),
        (
            "text/csv",
            "a,b\n1,2\n",
            "there is no `id` in: `a`, `b`; name the column of the ids with --id-column",
        ),
        ("text/csv", "id,a,a\n1,2,3\n", "two columns are called `a`"),
        ("text/csv", b"id\n\xff\n", "no UTF-8"),
        ("text/csv", 'id,a\n1,"x\n', "no CSV"),
        ("text/csv", "id,a\n1,2\n1,3\n", "line 3: 1 stands in line 2 already"),
        ("text/csv", "id,a\n,2\n", "line 2: no id in the column `id`"),
        ("text/csv", "id,a\n1,2,3\n", "line 2: 3 cells for 2 columns"),
        ("application/x-ndjson", "{}\n", "line 1: no id in the field `id`"),
        ("application/x-ndjson", '{"id": true}\n', "line 1: no id"),
        ("application/x-ndjson", '{"id": "a"}\nnope\n', "line 2: no JSON"),
        ("application/x-ndjson", "[1]\n", "line 1: no JSON object"),
        ("application/x-ndjson", '{"id": "a", "t": "' + "x" * 20_000 + '"}', "at most 16,384"),
        ("application/x-ndjson", '{"id": "a", "": 1}', "no name of a field"),
        ("image/png", "x", "Content-Type: text/csv"),
    ],
)
def test_what_is_wrong_is_told_by_line_and_changes_nothing(
    shop: Shop, kind: str, text: str | bytes, says: str
) -> None:
    ndjson(shop, '{"id": "kept"}')
    answer = put(shop, text, kind=kind)
    assert answer.status_code == 400
    problem = answer.json()
    assert says in " ".join([problem["detail"], *problem.get("errors", [])])
    assert shop.get("/catalogs/products")["version"] == 1
    assert [one["id"] for one in shop.get("/catalogs/products/items")["items"]] == ["kept"]


def test_of_many_wrong_lines_some_are_told_and_all_are_counted(shop: Shop) -> None:
    problem = ndjson(shop, *["[]"] * 25).json()
    assert problem["detail"] == "25 lines are wrong; nothing was changed"
    assert (len(problem["errors"]), problem["errors"][-1]) == (21, "(and 5 more)")
    assert shop.get("/catalogs")["catalogs"] == []


def test_old_versions_are_let_go_of(shop: Shop) -> None:
    for number in range(14):
        ndjson(shop, f'{{"id": "a", "n": {number}}}')
        shop.clock.advance(20 * 60_000)
    kept = [one["version"] for one in shop.get("/catalogs/products")["versions"]]
    assert kept == list(range(14, 4, -1))
    rows = shop.services.catalogs.database.connection.execute("SELECT count(*) FROM items")
    assert rows.fetchone() == (10,)


def project(**catalog: Any) -> dict[str, Any]:
    workspace = {**PROJECT["workspace"], "catalogs": {"products": catalog}}
    return {**PROJECT, "workspace": workspace}


def test_a_catalog_that_the_workspace_names_stays(shop: Shop) -> None:
    ndjson(shop, '{"id": "a"}')
    shop.apply(project())
    assert shop.get("/catalogs/products")["in_workspace"] is True
    refused = shop.ask("DELETE", "/api/v1/catalogs/products")
    assert refused.status_code == 409
    shop.apply()
    assert shop.ask("DELETE", "/api/v1/catalogs/products").status_code == 204
    assert shop.get("/catalogs")["catalogs"] == []


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"price_drop": {"percent": 0}}, "$.catalogs.products.price_drop.percent"),
        ({"recommend": {"at_least": 1}}, "what one customer did"),
        ({"recommend": {"every": "10s"}}, "must be 1m or longer"),
        ({"recommend": {"window": "500d"}}, "at most 400d"),
        ({"recommend": {"viewed": -1}}, "from 0 to 1,000,000"),
        ({"events": {"id": "a'b"}}, "name a property"),
        ({"events": {"viewed": " "}}, "name the event"),
        ({"pric_drop": {}}, "price_drop"),
    ],
)
def test_wrong_settings_are_refused(shop: Shop, written: dict[str, Any], says: str) -> None:
    answer = shop.ask("POST", "/api/v1/definitions/apply", json=project(**written))
    assert answer.status_code == 422
    assert says in answer.text


def test_recommendations_are_shown(shop: Shop) -> None:
    for id in "abc":
        ndjson(shop, *(f'{{"id": "{one}", "category": "x"}}' for one in "abc"))
        for user in ("u1", "u2"):
            shop.send("track", userId=user, event="Product Viewed", properties={"product_id": id})
    shop.send("track", userId="u1", event="Order Completed",
              properties={"products": [{"product_id": "a"}]})  # fmt: skip
    shop.apply(project(recommend={"at_least": 2}))
    shop.harken.settle()
    shop.ask("POST", "/api/v1/catalogs/products/refresh")

    def ids(kind: str) -> list[str]:
        return [one["id"] for one in shop.get(f"/recommendations/{kind}")["items"]]

    assert ids("popular") == ["a", "b", "c"]
    assert ids("popular_in?category=x&limit=2") == ["a", "b"]
    assert ids("viewed_together?item=b") == ["a", "c"]
    assert ids("not_yet_bought?customer=u1") == ["b", "c"]
    assert ids("not_yet_bought?customer=u2") == ["a", "b", "c"]
    for path, says in (
        ("best", "nothing is recommended by"),
        ("viewed_together", "needs `item`"),
        ("popular?catalog=shoes", "name a catalog"),
    ):
        refused = shop.ask("GET", f"/api/v1/recommendations/{path}")
        assert refused.status_code == 400
        assert says in refused.json()["detail"]


def test_a_misspelt_name_is_told_before_it_becomes_a_catalog(shop: Shop) -> None:
    shop.apply(project())
    answer = shop.ask(
        "PUT",
        "/api/v1/catalogs/prodcts",
        content='{"id": "a"}\n',
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.status_code == 400
    assert "names no catalog `prodcts`; did you mean `products`?" in answer.text
    assert shop.get("/catalogs")["catalogs"] == []
    assert made(ndjson(shop, '{"id": "a"}')) == (1, 1, 1, 0, 0)
