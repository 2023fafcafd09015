"""Commands that need no server."""

from pathlib import Path

import msgspec
import pytest
from cli_kit import harken

JOURNEY = """\
journey: welcome
entry: {event: Signed Up}
steps:
  - message: hello
    channel: email
    default:
      subject: Welcome
      html: "<p>Welcome</p>"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "journeys").mkdir()
    (tmp_path / "journeys" / "welcome.yaml").write_text(JOURNEY)
    (tmp_path / "workspace.yaml").write_text(
        "senders: {default: {from: Shop <hello@shop.example>}}\n"
    )
    return tmp_path


def test_a_sound_folder_passes(folder: Path) -> None:
    done = harken("check", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "No faults in the workspace and 1 journey" in done.stdout


def test_every_fault_has_its_file_line_and_path(folder: Path) -> None:
    path = folder / "journeys" / "welcome.yaml"
    path.write_text(JOURNEY.replace("subject:", "subjct:").replace("event:", "evnt:"))
    done = harken("check", folder)
    assert done.returncode == 1
    assert "journeys/welcome.yaml:2: $.entry.evnt: unknown key `evnt`" in done.stdout
    assert "journeys/welcome.yaml:7: $.steps[0].default.subjct" in done.stdout
    assert "did you mean `subject`?" in done.stdout


def test_no_fault_hides_another(folder: Path) -> None:
    path = folder / "journeys" / "welcome.yaml"
    path.write_text(JOURNEY.replace("event:", "evnt:").replace("Welcome\n", "'{{ nobody }}'\n"))
    (folder / "journeys" / "other.yaml").write_text("journey: other\n  x: [")
    other = JOURNEY.replace("welcome", "third").replace('"<p>Welcome</p>"', "gone.html")
    (folder / "journeys" / "third.yaml").write_text(other)
    done = harken("check", folder)
    assert done.returncode == 1
    for told in (
        "journeys/other.yaml:",
        "journeys/third.yaml:8: $.steps[0].default.html",
        "journeys/welcome.yaml:2: $.entry.evnt",
        "journeys/welcome.yaml:7: $.steps[0].default.subject",
    ):
        assert done.stdout.count(told) == 1, done.stdout


def test_faults_as_json(folder: Path) -> None:
    path = folder / "journeys" / "welcome.yaml"
    path.write_text(JOURNEY.replace("channel: email", "channel: pigeon"))
    done = harken("check", folder, "--json")
    answer = msgspec.json.decode(done.stdout)
    assert (done.returncode, answer["ok"]) == (1, False)
    fault = answer["faults"][0]
    assert (fault["file"], fault["line"]) == ("journeys/welcome.yaml", 5)


def test_a_journey_from_a_sender_that_the_workspace_lacks(folder: Path) -> None:
    path = folder / "journeys" / "welcome.yaml"
    path.write_text(JOURNEY.replace("channel: email", "channel: email\n    sender: vip"))
    done = harken("check", folder)
    assert done.returncode == 1
    assert "journeys/welcome.yaml:6: $.steps[0].sender: the workspace has no sender" in done.stdout


def test_plan_and_apply_refuse_faults_before_they_ask_anyone(folder: Path) -> None:
    (folder / "journeys" / "welcome.yaml").write_text("journey: welcome\n")
    for command in ("plan", "apply"):
        done = harken(command, folder, "--server", "http://127.0.0.1:9")
        assert done.returncode == 1
        assert "journeys/welcome.yaml" in done.stderr


def test_init_writes_a_folder_that_passes_check(tmp_path: Path) -> None:
    done = harken("init", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "workspace.yaml").is_file()
    assert harken("check", tmp_path / "new").returncode == 0
    again = harken("init", tmp_path / "new")
    assert again.returncode == 1
    assert "Traceback" not in again.stderr


def test_schemas_are_written_for_editors(tmp_path: Path) -> None:
    assert harken("schemas", tmp_path).returncode == 0
    schema = msgspec.json.decode((tmp_path / ".schemas" / "journey.json").read_bytes())
    assert schema["title"] == "Harken journey file"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["aply"], 2, 'Did you mean "apply"?'),
        (["apply"], 2, "DIRECTORY"),
        (["ledger", "--state", "lost"], 2, "lost"),
        (["serve", "--port", "many"], 2, "many"),
        (["serve", "--data", "/proc/none", "--port", "0"], 1, "cannot be used as a data folder"),
        (["serve", "--port", "70000"], 1, "is no port"),
        (["check", "no/such/folder"], 1, "does not exist"),
        (["status", "--server", "localhost:1"], 1, "write http://host:port"),
        (["status", "--server", "http://127.0.0.1:9"], 1, "harken serve --data DIR"),
        (["status", "--data", "no/such/folder"], 1, "is no data folder"),
        (["forget", "u1"], 1, "--yes"),
        (["restore", "no/such/backup", "x"], 1, "is no backup"),
        (["import", "no/such/file"], 1, "is no file"),
        (["preview", "j", "m", "u", "--event", "novalue"], 1, "NAME=VALUE"),
    ],
)
def test_a_users_mistake_is_told_in_a_line(arguments: list[str], code: int, says: str) -> None:
    done = harken(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("harken: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_key_that_no_header_can_hold() -> None:
    done = harken("status", HARKEN_SECRET_KEY="zwei wörter")
    assert done.returncode == 1
    assert "HARKEN_SECRET_KEY is no key" in done.stderr


def test_the_version() -> None:
    assert harken("--version").stdout.strip() == "0.1.0"


def test_a_sensitive_attribute_is_told_with_its_line_where_the_workspace_is_known(
    folder: Path,
) -> None:
    path = folder / "journeys" / "welcome.yaml"
    path.write_text(JOURNEY.replace(">Welcome", ">{{ profile.attributes.religion | default: 1 }}"))
    done = harken("check", folder)
    assert done.returncode == 1
    assert "journeys/welcome.yaml:6: $.steps[0].default: it shows `religion`" in done.stdout
    (folder / "workspace.yaml").unlink()
    assert harken("check", folder).returncode == 0
