"""`harken coupons` and `harken surveys`: each does what docs/cli.md says."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import SECRET_KEY, WRITE_KEY, Running

FILES = {
    "coupons/gift.yaml": "coupon: gift\nimported: true\n",
    "surveys/taste.yaml": "survey: taste\ntitle: Taste\nquestions:\n"
    "  - rating: stars\n    ask: How many stars?\n"
    "locales: {ko: {title: 별점}}\n",
    "journeys/give.yaml": "journey: give\nentry: {event: Go, reentry: always}\n"
    "steps:\n  - coupon: gift\n",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with an imported pool, a survey, and a journey that gives codes."""
    folder = tmp_path_factory.mktemp("coupons")
    for name, text in FILES.items():
        path = folder / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    running = Running(folder / "data", HARKEN_WRITE_KEY=WRITE_KEY, HARKEN_SECRET_KEY=SECRET_KEY)
    try:
        running.wait_until_ready()
        assert running.cli("apply", folder / "project", "--yes").returncode == 0
        yield running
    finally:
        running.end()


def test_codes_are_imported_given_shown_and_redeemed(shop: Running, tmp_path: Path) -> None:
    empty = shop.cli("status")
    assert "coupons gift: no codes are left" in empty.stdout
    codes = tmp_path / "codes.csv"
    codes.write_text("code\nG-1\nG-2\nG-1\nbad code\n")
    brought = shop.cli("coupons", "import", "gift", codes)
    assert brought.returncode == 1
    assert "2 codes added to gift, 1 there already, 1 line refused." in brought.stdout
    assert "codes.csv:5: 'bad code': a code has 1 to 64 plain characters" in brought.stdout
    shop.send([{"type": "track", "userId": "mina", "event": "Go"}])
    shown = json.loads(shop.cli("coupons", "show", "g-1", "--json").stdout)
    assert (shown["state"], shown["user_id"]) == ("issued", "mina")
    done = shop.cli("coupons", "redeem", "g-1", "--reference", "o-1", "--amount", "9.5")
    assert "G-1 of gift is redeemed; it was mina's." in done.stdout
    again = shop.cli("coupons", "redeem", "G-1", "--reference", "o-2")
    assert (again.returncode, again.stderr) == (1, "harken: G-1 was redeemed before\n")
    listed = json.loads(shop.cli("coupons", "list", "--json").stdout)["pools"]
    assert [(one["free"], one["redeemed"]) for one in listed] == [(1, 1)]
    assert "gift" in shop.cli("coupons", "list").stdout
    assert "o-1" in shop.cli("coupons", "show", "G-1").stdout
    unknown = shop.cli("coupons", "import", "none", codes)
    assert "there is no pool 'none'" in unknown.stderr


def test_surveys_are_listed_reported_and_previewed(shop: Running, tmp_path: Path) -> None:
    listed = shop.cli("surveys", "list").stdout
    assert "taste" in listed
    assert "en, ko" in listed
    report = shop.cli("surveys", "report", "taste", "--since", "2026-01-01", "--texts", "5")
    assert "How many stars?" in report.stdout
    page = tmp_path / "page.html"
    assert shop.cli("surveys", "preview", "taste", page, "--language", "ko").returncode == 0
    assert "미리보기입니다" in page.read_text("utf-8")
    wrong = shop.cli("surveys", "report", "none")
    assert (wrong.returncode, wrong.stderr) == (1, "harken: there is no survey 'none'\n")
