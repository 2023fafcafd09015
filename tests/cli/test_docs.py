"""docs/cli.md names every command, option and variable that there is; the index every folder."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from harken import config
from harken.cli import commands

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "cli.md").read_text("utf-8")
ALL = [name for _, names in commands.THEMES.values() for name in names]
GROUPS = (
    "broadcasts",
    "catalogs",
    "keys",
    "suppressions",
    "segments",
    "lists",
    "coupons",
    "surveys",
)


def test_every_command_is_documented_and_every_documented_one_exists() -> None:
    assert set(re.findall(r"^    harken ([a-z-]+)", PAGE, re.M)) == set(ALL)


@pytest.mark.parametrize("group", GROUPS)
def test_the_commands_of_a_group_are_documented(group: str) -> None:
    app = commands.build()[group]
    words = {name for name in app if not name.startswith("-")}
    assert set(re.findall(rf"[ `]{group} ([a-z]+)(?= [A-Z]|  )", PAGE)) == words


def test_documented_options_exist() -> None:
    app = commands.build()
    options = {
        name
        for command in _runnable(app)
        for argument in command.assemble_argument_collection()
        for name in argument.names
    }
    assert set(re.findall(r"(--[a-z][a-z-]*)", PAGE)) - {"--help"} <= options


def _runnable(app: App) -> Iterator[App]:
    for command in ALL:
        if command in GROUPS:
            yield from (app[command][name] for name in app[command] if not name.startswith("-"))
        else:
            yield app[command]


def test_every_command_says_in_a_line_what_it_does() -> None:
    app = commands.build()
    assert not [name for name in ALL if not app[name].help]


def test_every_variable_is_documented() -> None:
    source = Path(config.__file__).read_text("utf-8")
    read = set(re.findall(r'"(HARKEN_[A-Z_]+)"', source))
    assert set(re.findall(r"HARKEN_[A-Z_]+", PAGE)) - {"HARKEN_SERVER"} == read


def test_the_index_names_every_folder_and_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    folders = {one.parent.name for one in (ROOT / "src" / "harken").glob("*/__init__.py")}
    assert set(re.findall(r"`([a-z]+)`", index)) == folders
    assert set(re.findall(r"\((\w+\.md)\)", index)) == {
        page.name for page in (ROOT / "docs").glob("*.md") if page.name != "index.md"
    }


def test_links_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("examples/**/*.md")]
    wrong = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        if "node_modules" not in page.parts
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not wrong, wrong
