"""`harken segments` and `harken lists`: each does what docs/cli.md says."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_kit import SECRET_KEY, WRITE_KEY, Running, harken

BUYERS = """\
segment: buyers
description: They bought well
rule:
  all:
    - {attribute: country, equals: KR}
    - {did: Order Completed, where: {revenue: {gte: 100}}}
"""
KOREAN = "segment: korean\nrule: {attribute: country, equals: KR}\n"
RULE = "{attribute: country, equals: ID}"
CUSTOMERS = (("u1", "KR", 250), ("u2", "KR", 50), ("u3", "ID", 300))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "segments").mkdir()
    (folder / "segments" / "buyers.yaml").write_text(BUYERS)
    (folder / "segments" / "korean.yaml").write_text(KOREAN)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Running]:
    """A server with two segments and three customers: u1 and u2 are Korean, u1 bought well."""
    running = Running(
        tmp_path_factory.mktemp("segments") / "data",
        HARKEN_WRITE_KEY=WRITE_KEY,
        HARKEN_SECRET_KEY=SECRET_KEY,
        HARKEN_PRIVATE_WEBHOOKS="1",
    )
    try:
        running.wait_until_ready()
        assert running.cli("apply", folder, "--yes").returncode == 0
        for user, country, revenue in CUSTOMERS:
            traits = {"country": country, "email": f"{user}@mail.example"}
            order = {"event": "Order Completed", "properties": {"revenue": revenue}}
            running.send(
                [
                    {"type": "identify", "userId": user, "traits": traits},
                    {"type": "track", "userId": user, **order},
                ]
            )
        yield running
    finally:
        running.end()


def told(shop: Running, *arguments: str | Path) -> str:
    """What a command prints that must work, with one blank between words."""
    done = shop.cli(*arguments)
    assert done.returncode == 0, done.stderr
    return "\n".join(" ".join(line.split()) for line in done.stdout.splitlines())


def test_segments_are_listed_and_shown(shop: Running) -> None:
    listed = told(shop, "segments", "list")
    assert "buyers live 1" in listed
    assert "They bought well" in listed
    shown = told(shop, "segments", "show", "buyers")
    assert "rule country is KR and did Order Completed" in shown
    assert "customers 1" in shown
    assert shop.json("segments", "show", "korean")["count"] == 2


def test_a_rule_is_counted_by_name_from_a_file_or_as_it_is(shop: Running, folder: Path) -> None:
    assert told(shop, "segments", "count", "korean") == "2"
    assert told(shop, "segments", "count", folder / "segments" / "buyers.yaml") == "1"
    assert told(shop, "segments", "count", RULE) == "1"
    broken = told(shop, "segments", "count", "buyers", "--breakdown")
    assert broken.splitlines()[0] == "1 of 3"
    assert "country is KR 2 1" in broken


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("{attribute: country, equal: KR}", "$.rule.equal"),
        ("{attribute: country", "the rule:1"),
        ("none.yaml", "cannot be read"),
        ("nobody", "there is no segment 'nobody'"),
        ("{did: Order Complete}", "did you mean `Order Completed`?"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told(shop: Running, rule: str, says: str) -> None:
    done = shop.cli("segments", "count", rule)
    assert says in done.stdout + done.stderr
    assert done.returncode == (0 if "Complete}" in rule else 1)


def test_members_come_as_lines_or_csv(shop: Running) -> None:
    lines = shop.cli("segments", "members", "korean").stdout.splitlines()
    assert {json.loads(line)["user_id"] for line in lines} == {"u1", "u2"}
    table = shop.cli("segments", "members", "korean", "--csv").stdout.splitlines()
    assert (table[0], len(table)) == ("user_id,profile", 3)
    missing = shop.cli("segments", "members", "none")
    assert (missing.returncode, missing.stderr) == (1, "harken: there is no segment 'none'\n")


def test_groups_are_compared(shop: Running) -> None:
    found = told(shop, "segments", "overlap", "korean", "{did: Order Completed}")
    assert "both 2\nonly the first 0\nonly the second 1" in found


def test_one_customer_is_told_why(shop: Running) -> None:
    assert "In buyers since" in told(shop, "segments", "why", "buyers", "u1")
    assert "country is KR (is: ID)" in told(shop, "segments", "why", "buyers", "u3")


def test_growth_has_a_line_a_day(shop: Running) -> None:
    found = shop.json("segments", "growth", "korean", "--days", "2")
    assert [day["entered"] for day in found["days"]] == [0, 2]
    assert len(told(shop, "segments", "growth", "korean").splitlines()) == 31


def test_members_leave_for_a_webhook(shop: Running) -> None:
    got: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            busy = self.path == "/busy" and len(got) == 2
            self.send_response(503 if busy else 410 if self.path == "/out" else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        done = shop.json("segments", "export", "korean", f"{url}/in", "--attribute", "email")
        busy = shop.cli("segments", "export", "korean", f"{url}/busy")
        refused = shop.cli("segments", "export", "korean", f"{url}/out")
    finally:
        server.shutdown()
        server.server_close()
    assert (done["state"], done["members"]) == ("done", 2)
    assert done["signing_secret"].startswith("whsec_")
    members = {one["user_id"]: one["attributes"] for one in got[0]["data"]["members"]}
    assert members["u1"] == {"email": "u1@mail.example"}
    assert (busy.returncode, len(got)) == (0, 4)
    assert busy.stderr == "harken: 127.0.0.1 answered 503; try 2 in 1 s\n"
    assert (refused.returncode, "answered 410" in refused.stdout) == (1, True)
    assert "done" in told(shop, "segments", "exports")


def test_lists_are_put_listed_and_removed(shop: Running, tmp_path: Path) -> None:
    file = tmp_path / "guests.csv"
    file.write_text("user_id\nu1\nnobody\n")
    done = shop.cli("lists", "put", "guests", file)
    assert done.returncode == 1
    assert f"{file}:3: nobody: no customer has this user id" in done.stdout
    assert "guests: 1 customer; 1 added, 0 removed, 1 line refused." in done.stdout
    assert told(shop, "segments", "count", "{in_list: guests}") == "1"
    assert shop.json("lists", "list")["lists"][0]["members"] == 1
    assert "guests is removed." in told(shop, "lists", "remove", "guests")
    assert "no list was uploaded" in told(shop, "lists", "list")
    assert "cannot be read" in shop.cli("lists", "put", "guests", tmp_path / "none.csv").stderr


def test_it_works_over_a_folder_without_a_server(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "data" / "log").mkdir(parents=True)
    at = ("--data", str(tmp_path / "data"))
    assert harken("apply", folder, "--yes", *at).returncode == 0
    counted = harken("segments", "count", "korean", *at)
    assert (counted.stdout, counted.returncode) == ("0\n", 0), counted.stderr
    assert harken("segments", "members", "korean", *at).stdout == ""
    file = tmp_path / "list.csv"
    file.write_text("user_id\n")
    assert harken("lists", "put", "empty", file, *at).returncode == 0
