"""`harken catalogs` and `harken recommend` against a server: what docs/cli.md says of them."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_kit import SECRET_KEY, WRITE_KEY, Running, harken

WORKSPACE = """\
workspace: shop
catalogs:
  products:
    back_in_stock: {}
    recommend: {at_least: 2}
"""
CSV = "sku,title,stock\nboot,Boot,0\nbag,Bag,3\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose catalog has a boot (none left) and a bag; two customers looked at both."""
    folder = tmp_path_factory.mktemp("catalogs")
    (folder / "project" / "journeys").mkdir(parents=True)
    (folder / "project" / "workspace.yaml").write_text(WORKSPACE)
    (folder / "items.csv").write_text(CSV)
    running = Running(
        folder / "data", HARKEN_WRITE_KEY=WRITE_KEY, HARKEN_SECRET_KEY=SECRET_KEY
    ).wait_until_ready()
    try:
        assert running.cli("apply", folder / "project", "--yes").returncode == 0
        done = running.cli(
            "catalogs", "import", "products", folder / "items.csv", "--id-column", "sku"
        )
        assert "version 1 is in force; 2 items: 2 added" in done.stdout, done.stderr
        running.send(
            [
                {"type": "track", "userId": user, "event": "Product Viewed",
                 "properties": {"product_id": id}}
                for user in ("u1", "u2")
                for id in ("boot", "bag")
            ]
        )  # fmt: skip
        yield running
    finally:
        running.end()


def heard(shop: Running, user: str) -> list[dict[str, Any]]:
    """The news that a customer was told, once there is any."""
    for _ in range(300):
        page = shop.json("timeline", user)
        found = [one for one in page["timeline"] if one["name"] == "$back_in_stock"]
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("nobody was told")


def test_a_change_is_tried_made_told_and_taken_back(shop: Running, tmp_path: Path) -> None:
    change = tmp_path / "change.ndjson"
    change.write_text('{"id": "boot", "stock": 4}\n')
    command = ("catalogs", "import", "products", change, "--change")
    tried = shop.cli(*command, "--dry-run")
    assert "version 2 would be in force; 2 items: 0 added, 1 changed" in tried.stdout
    assert shop.json("catalogs", "show", "products")["version"] == 1
    assert shop.json(*command)["version"] == 2
    assert len(heard(shop, "u1")) == len(heard(shop, "u2")) == 1
    assert "that boot of products is in stock again" in heard(shop, "u1")[0]["text"]
    told = shop.cli("catalogs", "diff", "products")
    assert "1 items differ between version 1 and 2" in told.stdout
    assert "stock: 0" in told.stdout
    assert "stock: 4" in told.stdout
    assert shop.json("catalogs", "item", "products", "boot") == {
        "id": "boot", "title": "Boot", "stock": 4,
    }  # fmt: skip
    assert "version 3 is in force" in shop.cli("catalogs", "back", "products", "1").stdout
    assert "back to 1" in shop.cli("catalogs", "show", "products").stdout


def test_recommendations(shop: Running) -> None:
    assert "are fresh" in shop.cli("catalogs", "refresh", "products").stdout
    best = shop.json("recommend", "popular")["items"]
    assert [one["id"] for one in best] == ["bag"]
    with_boot = shop.cli("recommend", "viewed_together", "--item", "boot")
    assert 'title: "Bag"' in with_boot.stdout
    assert "products" in shop.cli("catalogs", "list").stdout


def test_what_is_wrong_is_told_by_line(shop: Running, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("id,title\nx,1\nx,2\n,3\n")
    done = shop.cli("catalogs", "import", "products", bad)
    assert done.returncode == 1
    assert "line 3: x stands in line 2 already" in done.stderr
    assert "line 4: no id" in done.stderr
    bad.write_text("id,title\nx,1,2\n")
    assert "1 line is wrong" in shop.cli("catalogs", "import", "products", bad).stderr
    bad.write_text("")
    empty = shop.cli("catalogs", "import", "products", bad).stderr
    assert "the first line names the columns; there is no `id`" in empty
    for text in ("id,title\n", "id,title\n,\n\n"):
        bad.write_text(text)
        nothing = shop.cli("catalogs", "import", "products", bad)
        assert (nothing.returncode, "there is no item in the file" in nothing.stderr) == (1, True)
    assert "products" in shop.cli("catalogs", "list").stdout
    refused = shop.cli("catalogs", "remove", "products")
    assert refused.returncode == 1
    assert "workspace.yaml names 'products'" in refused.stderr
    missing = shop.cli("catalogs", "import", "products", tmp_path / "none.csv")
    assert "cannot be read" in missing.stderr


def test_a_backup_holds_catalogs(shop: Running, tmp_path: Path) -> None:
    assert shop.cli("backup", "night").returncode == 0
    restored = tmp_path / "restored"
    assert harken("restore", shop.data / "backups" / "night", restored).returncode == 0
    done = harken("catalogs", "item", "products", "bag", "--data", restored)
    assert '"title": "Bag"' in done.stdout
