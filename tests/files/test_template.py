"""What `harken init` writes: loads with no fault, says every setting, replaces nothing."""

import re
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest

from harken.errors import Conflict
from harken.files import yaml
from harken.files.project import load
from harken.files.reader import read
from harken.files.schema import schemas
from harken.files.template import WELCOME, WORKSPACE, init, write_schemas
from harken.journeys.kinds import SendingHours
from harken.workspace import (
    Account,
    Approval,
    Cap,
    ConsentNeed,
    Declared,
    Dkim,
    Place,
    QuietHours,
    Retention,
    Sender,
    Sessions,
    Transport,
    Webhook,
    Workspace,
)

ALL_SETTINGS = re.sub(r"^#(?=\S|  )", "", WORKSPACE, flags=re.MULTILINE)
SECTIONS = (
    Workspace, Sender, Transport, Dkim, QuietHours, SendingHours, Cap, ConsentNeed, Sessions,
    Retention, Account, Place, Webhook, Approval, Declared,
)  # fmt: skip


def test_what_is_written_loads_with_no_fault(tmp_path: Path) -> None:
    written = init(tmp_path / "shop")
    assert all(path.is_file() for path in written)
    project = load(tmp_path / "shop")
    assert project.faults == []
    assert project.workspace == {"workspace": "default", "policy_packs": ["KR"]}
    assert list(project.journeys) == ["welcome"]


def test_each_file_names_a_schema_that_is_there_and_holds(tmp_path: Path) -> None:
    init(tmp_path)
    for name in ("workspace.yaml", "journeys/welcome.yaml"):
        path = tmp_path / name
        found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
        assert found
        schema = msgspec.json.decode((path.parent / found[1]).read_bytes())
        jsonschema_rs.validate(schema, yaml.parse(path.read_bytes()).value)
    assert (
        msgspec.json.decode((tmp_path / ".schemas/segment.json").read_bytes())
        == (schemas()["segment"])
    )


def test_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text("mine")
    with pytest.raises(Conflict, match=r"workspace.yaml exists; `harken init` replaces nothing"):
        init(tmp_path)
    assert (tmp_path / "workspace.yaml").read_text() == "mine"
    assert not (tmp_path / "journeys").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(Conflict, match="is no folder"):
        init(tmp_path / "file")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "journeys").write_text("")
    with pytest.raises(Conflict, match="cannot write"):
        init(tmp_path / "half")


def test_schemas_of_a_new_version_replace_the_old(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / ".schemas/journey.json").write_text("old")
    write_schemas(tmp_path)
    assert (
        msgspec.json.decode((tmp_path / ".schemas/journey.json").read_bytes())
        == (schemas()["journey"])
    )


def test_every_setting_is_there_and_what_stands_there_is_right() -> None:
    value = yaml.parse(ALL_SETTINGS).value
    full = read(value, Workspace)
    names = {name for section in SECTIONS for name in section.__struct_encode_fields__}
    missing = {name for name in names if not re.search(rf"\b{name}:", ALL_SETTINGS)}
    assert missing == set()
    default = Workspace()
    for name in ("timezone", "language", "consent", "holdout_percent", "late_after", "sessions",
                 "retention", "workspace"):  # fmt: skip
        assert getattr(full, name) == getattr(default, name), name


def test_the_example_journey_says_what_it_is() -> None:
    source = yaml.parse(WELCOME).value
    assert source["purpose"] == "transactional"
    assert jsonschema_rs.is_valid(schemas()["journey"], source)
