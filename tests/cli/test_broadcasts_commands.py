"""`harken broadcasts`: each does what docs/cli.md says, over real processes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import SECRET_KEY, WRITE_KEY, Running

KOREAN = "segment: korean\nrule: {attribute: country, equals: KR}\n"
NEWS = """\
journey: news
entry: {api: true, reentry: always}
steps:
  - message: news
    channel: email
    default: {subject: "{{ entry.title | default: 'News' }}", html: "<p>Hi</p>"}
"""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a segment of two customers, and a journey to put them in."""
    folder = tmp_path_factory.mktemp("definitions")
    for place, text in (("segments/korean", KOREAN), ("journeys/news", NEWS)):
        path = folder / f"{place}.yaml"
        path.parent.mkdir()
        path.write_text(text)
    data: Path = tmp_path_factory.mktemp("broadcasts") / "data"
    running = Running(data, HARKEN_WRITE_KEY=WRITE_KEY, HARKEN_SECRET_KEY=SECRET_KEY)
    try:
        running.wait_until_ready()
        assert running.cli("apply", folder, "--yes").returncode == 0
        running.send(
            [
                {"type": "identify", "userId": user,
                 "traits": {"country": country, "email": f"{user}@mail.example"}}
                for user, country in (("u1", "KR"), ("u2", "KR"), ("u3", "ID"))
            ]
        )  # fmt: skip
        yield running
    finally:
        running.end()


def test_to_a_segment_and_followed_to_its_end(station: Running) -> None:
    started = station.json("broadcasts", "start", "news", "korean", "--property", "title=Hello")
    id = started["broadcast"]["id"]
    followed = station.cli("broadcasts", "show", id, "--follow")
    assert followed.returncode == 0, followed.stderr
    assert "done [####################] 100%: 2 of 2, 2 entered" in followed.stdout
    assert re.search(r"messages +2 passed", followed.stdout)
    assert id in station.cli("broadcasts", "list", "--state", "done").stdout
    assert station.json("broadcasts", "list", "--journey", "other") == {"broadcasts": []}


def test_to_a_rule_later_paused_resumed_and_stopped(station: Running) -> None:
    told = station.cli("broadcasts", "start", "news", "{attribute: cuntry, equals: ID}",
                       "--at", "2999-01-01T10:00", "--per-second", "5", "--id", "one")  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "warning: $.rule" in told.stdout
    id = station.json("broadcasts", "list", "--state", "planned")["broadcasts"][0]["id"]
    assert id in told.stdout
    assert "it begins at 2999-01-01 10:00 UTC" in station.cli("broadcasts", "list").stdout
    assert f"{id} is paused." in station.cli("broadcasts", "pause", id).stdout
    assert f"{id} is planned." in station.cli("broadcasts", "resume", id).stdout
    stopped = station.cli("broadcasts", "stop", id, "--cancel-messages").stdout
    assert f"{id} is stopped." in stopped
    again = station.cli("broadcasts", "pause", id)
    assert (again.returncode, again.stderr) == (1, f"harken: the broadcast {id} is stopped\n")


def test_what_cannot_be_is_said(station: Running) -> None:
    for wish, said in (
        (("start", "news", "koreans"), "there is no segment 'koreans'; did you mean `korean`?"),
        (
            ("start", "news", "korean", "--per-second", "0"),
            "has to be\n  body per_second: must be a whole number >= 1",
        ),
        (("start", "nows", "korean"), "did you mean `news`"),
        (("show", "none"), "there is no broadcast 'none'"),
        (("start", "news", "korean", "--at", "soon"), "is no time"),
    ):
        told = station.cli("broadcasts", *wish)
        assert (told.returncode, said in told.stderr) == (1, True), told.stderr
    told = station.cli("broadcasts", "show", "a", "b")
    assert told.returncode == 2
    assert "'b' is more than the command takes; a value with blanks needs quotes" in told.stderr
