"""Commands that ask a server: each does what docs/cli.md says."""

from itertools import count
from pathlib import Path

import pytest
from cli_kit import WRITE_KEY, Running, harken

from harken.cli.people import _show_person

NUMBERS = count(1)

JOURNEY = """\
journey: welcome
purpose: transactional
entry: {event: Signed Up}
steps:
  - message: hello
    channel: email
    default:
      subject: "Welcome, {{ profile.first_name | default: 'you' }}"
      html: "<p>Your plan is {{ event.properties.plan | default: 'basic' }}.</p>"
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "journeys").mkdir()
    (folder / "journeys" / "welcome.yaml").write_text(JOURNEY)
    return folder


@pytest.fixture
def applied(server: Running, folder: Path) -> Path:
    done = server.cli("apply", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def ada(server: Running) -> str:
    """A customer who just became known."""
    user = f"ada-{next(NUMBERS)}"
    traits = {"email": f"{user}@example.com", "first_name": "Ada", "sizes": ["m", "l"]}
    server.send([{"type": "identify", "userId": user, "traits": traits}])
    return user


def test_plan_tells_and_apply_does(server: Running, folder: Path) -> None:
    path = folder / "journeys" / "later.yaml"
    path.write_text(JOURNEY.replace("journey: welcome", "journey: later"))
    assert "new  journey later" in server.cli("plan", folder).stdout
    assert "is in force" in server.cli("apply", folder).stdout
    assert "Nothing to change" in server.cli("plan", folder).stdout
    path.write_text(path.read_text().replace("Welcome,", "Hi,"))
    told = server.cli("plan", folder).stdout
    assert "changed  journey later" in told
    assert "steps[0].default.subject" in told
    segment = folder / "segments" / "few.yaml"
    segment.parent.mkdir(exist_ok=True)
    segment.write_text("segment: few\nrule: {did: A}\n")
    assert "new  segment few" in server.cli("apply", folder, "--yes").stdout
    segment.unlink()
    assert "removed  segment few" in server.cli("plan", folder).stdout
    path.unlink()
    assert "archived  journey later" in server.cli("apply", folder, "--yes").stdout


def test_check_with_the_server(server: Running, applied: Path) -> None:
    done = server.cli("check", applied, "--with-server")
    assert done.returncode == 0, done.stdout + done.stderr


def test_profile_and_timeline_of_a_customer(server: Running, ada: str) -> None:
    server.send([{"type": "track", "userId": ada, "event": "Product Viewed",
                  "properties": {"price": 9}}])  # fmt: skip
    person = server.json("profile", ada)
    assert person["attributes"]["sizes"] == ["m", "l"]
    assert person["events"]["Product Viewed"]["count"] == 1
    shown = server.cli("profile", ada).stdout
    assert f"{ada}@example.com" in shown
    assert "Product Viewed" in shown


def test_profile_shows_at_which_hours_a_customer_opens(
    server: Running, ada: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Opens and clicks" not in server.cli("profile", ada).stdout
    counts = [0] * 24
    counts[9], counts[21] = 6, 2
    person = server.json("profile", ada)
    person["best_hour"] = {"hour": "09:00", "whose": "own", "opens": 8, "counts": counts}
    capsys.readouterr()
    _show_person(person)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert "Opens and clicks by the hour of their day (best: 09:00, by their own habit)" in lines
    assert [line.split() for line in lines if line.startswith(("09:", "21:"))] == [
        ["09:00", "6", "#" * 30],
        ["21:00", "2", "#" * 10],
    ]


def test_a_customer_whom_nobody_knows(server: Running) -> None:
    done = server.cli("profile", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "harken: nothing is known of a customer 'nobody'\n"


def test_what_a_terminal_would_obey_is_not_shown(server: Running) -> None:
    server.send([{"type": "identify", "userId": "evil", "traits": {"first_name": "\x1b[2Jx"}}])
    assert "\x1b" not in server.cli("profile", "evil").stdout


def test_why_says_why(server: Running, applied: Path, ada: str) -> None:
    assert "Signed Up" in server.cli("why", ada, "welcome").stdout
    missing = server.cli("why", ada, "nothing")
    assert missing.returncode == 1
    assert "there is no journey 'nothing'" in missing.stderr
    for command in (("why", ada, "welcom"), ("creepiness", "welcom"), ("experiments", "welcom")):
        told = server.cli(*command).stderr
        assert told == "harken: there is no journey 'welcom'; did you mean `welcome`?\n"


def test_a_message_from_event_to_ledger_and_sandbox(
    server: Running, applied: Path, ada: str
) -> None:
    server.send([{"type": "track", "userId": ada, "event": "Signed Up"}])
    for _ in range(100):
        rows = server.json("ledger", "--user", ada)["messages"]
        if rows and rows[0]["state"] == "sent":
            break
    assert [(row["journey"], row["state"]) for row in rows] == [("welcome", "sent")]
    assert rows[0]["id"] in server.cli("ledger", "--journey", "welcome").stdout
    mails = server.json("sandbox", "--to", f"{ada}@example.com")["mails"]
    assert [mail["subject"] for mail in mails] == ["Welcome, Ada"]
    assert "Your plan is basic." in server.cli("sandbox", mails[0]["id"]).stdout
    assert server.cli("why", ada, "welcome").returncode == 0
    for verb in ("resend", "close"):
        done = server.cli(verb, rows[0]["id"])
        assert done.returncode == 1
        assert "only an unsure message" in done.stderr


def test_preview_and_test_send(server: Running, applied: Path, ada: str, tmp_path: Path) -> None:
    page = tmp_path / "mail.html"
    event = ("--event", "plan=gold")
    done = server.cli("preview", "welcome", "hello", ada, *event, "--html", page)
    assert "Welcome, Ada" in done.stdout
    assert "Your plan is gold." in done.stdout
    assert "Your plan is gold." in page.read_text()
    sent = server.cli("test-send", "welcome", "hello", ada, *event, "--to", "me@shop.example")
    assert sent.returncode == 0, sent.stderr
    mails = server.json("sandbox", "--to", "me@shop.example")["mails"]
    assert "Welcome, Ada" in mails[0]["subject"]


def test_a_draft_is_previewed_from_its_folder(
    server: Running, applied: Path, ada: str, tmp_path: Path
) -> None:
    (tmp_path / "journeys").mkdir()
    draft = tmp_path / "journeys" / "welcome.yaml"
    draft.write_text(JOURNEY.replace("Welcome,", "A draft for"))
    done = server.cli("preview", "welcome", "hello", ada, "--dir", tmp_path)
    assert "A draft for Ada" in done.stdout, done.stderr


def test_consent_is_recorded_with_how(server: Running, ada: str) -> None:
    done = server.cli("consent", ada, "email", "marketing", "opted_in", "--how", "by phone")
    assert done.returncode == 0, done.stderr
    line = server.json("profile", ada)["consent"][0]
    assert (line["state"], line["how"]) == ("opted_in", "by phone")
    wrong = server.cli("consent", ada, "pigeon", "marketing", "opted_in", "--how", "x")
    assert "there is no channel 'pigeon'" in wrong.stderr


def test_merge_unmerge_and_forget(server: Running, ada: str) -> None:
    server.send([{"type": "identify", "userId": f"{ada}-2", "traits": {"city": "Busan"}}])
    merged = server.cli("merge", ada, f"{ada}-2")
    assert merged.returncode == 0
    assert server.json("profile", ada)["attributes"]["city"] == "Busan"
    undo = merged.stdout.partition("To undo it: harken ")[2].split()
    assert undo[:2] == ["unmerge", ada], merged.stdout
    assert server.cli(*undo).returncode == 0
    assert "city" not in server.json("profile", ada)["attributes"]
    assert server.cli("forget", ada, "--yes").returncode == 0
    assert server.cli("profile", ada).returncode == 1


def test_a_user_id_may_look_like_another_name(
    server: Running, applied: Path, tmp_path: Path
) -> None:
    odd = f"anonymous:ada-{next(NUMBERS)}"
    traits = {"email": "odd@example.com"}
    server.send([{"type": "identify", "userId": odd, "traits": traits}])
    assert server.cli("profile", odd).returncode == 1
    assert server.json("profile", f"user:{odd}")["user_id"] == odd
    gift = JOURNEY.replace("journey: welcome", "journey: odd").replace(
        "{event: Signed Up}", "{api: true}"
    )
    (tmp_path / "journeys").mkdir()
    (tmp_path / "journeys" / "odd.yaml").write_text(gift)
    server.cli("apply", tmp_path)
    assert server.cli("enter", "odd", f"user:{odd}").returncode == 0
    assert server.json("why", f"user:{odd}", "odd")["story"][0]["outcome"] == "entered"
    server.send([{"type": "alias", "previousId": odd, "userId": "odd-new"}])
    assert f"former user ids  {odd}" in server.cli("profile", "odd-new").stdout


def test_import_of_lines_with_some_refused(server: Running, tmp_path: Path) -> None:
    lines = [
        f'{{"type":"track","userId":"imp-{n}","event":"Order Completed",'
        f'"timestamp":"2025-01-01T00:00:00Z"}}'
        for n in range(700)
    ]
    file = tmp_path / "orders.ndjson"
    file.write_text("\n".join([*lines, "no json", *lines[:1]]) + "\n")
    state = ("--state", tmp_path / "state")
    done = server.cli("import", file, *state)
    assert done.returncode == 1
    assert "701 events imported." in done.stdout
    assert "line 701:" in done.stdout
    again = server.cli("import", file, *state, "--write-key", "not asked for")
    assert again.returncode == 0
    assert "was imported already" in again.stdout
    assert "701 events imported." in again.stdout
    assert "line 701:" in again.stdout
    assert "was imported already" not in server.cli("import", file, *state, "--again").stdout
    server.send([])
    assert server.json("profile", "imp-0")["events"]["Order Completed"]["count"] == 2


def test_import_of_csv_with_a_mapping(server: Running, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("who;day;sum\nc1;2025-03-01;12.5\nc2;2025-03-02;x\n")
    (tmp_path / "map.yaml").write_text(
        'delimiter: ";"\nevent: Order Completed\nuser_id: {column: who}\n'
        "timestamp: {column: day}\nproperties: {revenue: {column: sum, type: number}}\n"
    )
    done = server.cli("import", tmp_path / "orders.csv", "--mapping", tmp_path / "map.yaml",
                      "--state", tmp_path / "state")  # fmt: skip
    assert "1 event imported." in done.stdout, done.stderr
    assert "line 3: column sum" in done.stdout
    (tmp_path / "map.yaml").write_text("evnt: x\n")
    wrong = server.cli("import", tmp_path / "orders.csv", "--mapping", tmp_path / "map.yaml")
    assert "map.yaml:1" in wrong.stderr
    assert "did you mean `event`?" in wrong.stderr


def test_import_with_a_wrong_key(server: Running, tmp_path: Path) -> None:
    file = tmp_path / "one.ndjson"
    file.write_text('{"type":"track","userId":"u","event":"X"}\n')
    done = server.cli("import", file, "--write-key", "wrong", "--state", tmp_path / "state")
    assert done.returncode == 1
    assert "this write key is not known" in done.stderr


def test_rejected_events_are_listed_with_their_reason(server: Running) -> None:
    server.send([{"type": "track", "userId": "u1"}])
    row = server.json("rejected")["rejected"][0]
    assert row["reason"] in server.cli("rejected").stdout


def test_keys_are_made_listed_and_revoked(server: Running) -> None:
    made = server.cli("keys", "create", "partner", "secret")
    key = made.stdout.strip()
    assert harken("status", HARKEN_SERVER=server.url, HARKEN_SECRET_KEY=key).returncode == 0
    assert "partner" in server.cli("keys", "list").stdout
    assert key not in server.cli("keys", "list").stdout
    assert server.cli("keys", "revoke", "partner").returncode == 0
    refused = harken("status", HARKEN_SERVER=server.url, HARKEN_SECRET_KEY=key)
    assert refused.returncode == 1
    assert "HARKEN_SECRET_KEY" in refused.stderr


def test_suppressions_are_added_listed_and_removed(server: Running) -> None:
    assert server.cli("suppressions", "add", "gone@example.com", "--why", "asked").returncode == 0
    assert "asked" in server.cli("suppressions", "list").stdout
    assert server.cli("suppressions", "remove", "gone@example.com").returncode == 0
    assert server.cli("suppressions", "remove", "gone@example.com").returncode == 1


def test_status_names_the_processes_by_their_trouble_alone(server: Running) -> None:
    done = server.cli("status")
    assert done.returncode == 0, done.stdout
    assert "sandbox" in done.stdout


def test_a_write_key_opens_nothing(server: Running) -> None:
    done = harken("status", HARKEN_SERVER=server.url, HARKEN_SECRET_KEY=WRITE_KEY)
    assert done.returncode == 1
    assert "this is a write key" in done.stderr


def test_a_backup_is_restored_and_opened_without_a_server(
    server: Running, ada: str, tmp_path: Path
) -> None:
    assert server.cli("backup", "night").returncode == 0
    restored = tmp_path / "restored"
    done = harken("restore", server.data / "backups" / "night", restored)
    assert done.returncode == 0, done.stderr
    assert f"{ada}@example.com" in harken("profile", ada, "--data", restored).stdout
    changed = harken("consent", ada, "email", "marketing", "opted_out", "--how", "letter",
                     "--data", restored)  # fmt: skip
    assert changed.returncode == 0, changed.stderr
    file = tmp_path / "one.ndjson"
    file.write_text(f'{{"type":"track","userId":"{ada}","event":"Found"}}\n')
    taken = harken("import", file, "--data", restored, "--state", tmp_path / "state")
    assert "1 event imported." in taken.stdout, taken.stderr
    assert "Found" in harken("profile", ada, "--data", restored).stdout


def test_a_folder_that_a_server_uses_is_not_opened(server: Running) -> None:
    done = harken("status", "--data", server.data)
    assert done.returncode == 1
    assert f"another Harken runs on {server.data}" in done.stderr


def test_a_customer_is_put_into_a_journey(server: Running, applied: Path, ada: str) -> None:
    gift = JOURNEY.replace("journey: welcome", "journey: gift").replace(
        "{event: Signed Up}", "{api: true}"
    )
    path = applied / "journeys" / "gift.yaml"
    path.write_text(gift)
    server.cli("apply", applied)
    done = server.cli("enter", "gift", ada, "--property", "plan=gold", "--id", "one")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{ada} is put into gift" in done.stdout
    assert f"harken why {ada} gift" in done.stdout
    assert server.json("enter", "gift", ada, "--property", "plan=gold", "--id", "one")["in_force"]
    story = server.json("why", ada, "gift")["story"]
    assert sum(one["outcome"] == "entered" for one in story) == 1
    assert "with plan gold" in story[0]["text"]
    number = server.json("profile", ada)["profile_id"]
    assert server.cli("enter", "gift", f"profile:{number}").returncode == 0
    path.unlink()
    assert "`entry: {api: true}`" in server.cli("enter", "welcome", ada).stderr
    assert "NAME=VALUE" in server.cli("enter", "welcome", ada, "--property", "x").stderr


def test_what_messages_say_of_people_is_approved_and_told(
    server: Running, folder: Path, ada: str
) -> None:
    path = folder / "journeys" / "grace.yaml"
    path.write_text(
        JOURNEY.replace("journey: welcome", "journey: grace").replace(
            "profile.first_name", "profile.attributes.religion"
        )
    )
    refused = server.cli("apply", folder)
    assert refused.returncode == 1
    assert (
        "harken: journeys/grace.yaml:7: $.steps[0].default: it shows `religion`" in refused.stderr
    )
    unsaid = server.cli("approve", "grace", "hello", "religion")
    assert "say why it is right to say it" in unsaid.stderr
    done = server.cli("approve", "grace", "hello", "religion", "--reason", "a church's own mail")
    assert "religion in grace/hello is approved by key" in done.stdout
    assert "a church's own mail" in server.cli("approvals").stdout
    assert server.cli("apply", folder).returncode == 0
    told = server.cli("creepiness", "grace").stdout
    assert "profile.attributes.religion in hello" in told
    assert "shown, sensitive" in told
    assert "none is declared" in told
    gone = server.cli("approve", "grace", "hello", "religion", "--withdraw")
    assert "is approved no longer" in gone.stdout
    path.unlink()
    assert server.cli("apply", folder).returncode == 0
