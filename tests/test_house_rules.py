"""The house rules that a machine can check: who imports whom, sizes, words, lints and types."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src"
CODE = ("src", "tests", "bench", "examples")

# The way of an event, as docs and folders tell it. A module imports from its own row and from the
# rows above it, never from below; within a row of several names, freely.
SENTENCE = (
    ("base", "errors clock ids values numeric decoding metrics lean logs wal"),
    ("the machine", "config outside.client outside.network running.bell running.folder"),
    ("what is known, and what can happen", "people.profile inputs effects"),
    ("definitions", "segments.rules segments.model channels.table"),
    ("words as written", "messages.content messages.pools messages.surveys"),
    ("catalogs as written", "catalogs.settings"),
    ("journeys as written", "journeys.kinds journeys.entries journeys.model workspace"),
    ("rows and columns", "store history catalogs.rows"),
    ("events come in", "ingest"),
    ("change a person", "people"),
    ("move them between segments", "segments"),
    ("push journeys on", "journeys"),
    ("ask the gates", "gates"),
    ("definitions from files", "files"),
    ("become messages", "messages"),
    ("what there is to offer", "catalogs"),
    ("what it is handed and asks", "definitions deciding.saying deciding.supply deciding.timing"),
    ("the one function", "deciding handle"),
    ("leave by channels", "channels checking definition_faults outside"),
    ("reports read it", "reports"),
    ("the loops", "loops engine"),
    ("web", "web"),
    ("together", "running.services app"),
    ("processes", "running"),
    ("command line", "cli __main__"),
)  # fmt: skip

# Beyond these, store and history are known only to those who open them: the last rows.
INTERFACES = {"store.base", "store.log", "history.base", "history.rows"}
OPENERS = {"app", "loops.sending", "outside.fetching", "running"}

# What reaches out of the process, or is not the same each time.
IMPURE = {
    "asyncio", "concurrent", "duckdb", "http", "httpx", "logging", "multiprocessing", "os",
    "prometheus_client", "random", "secrets", "select", "shutil", "signal", "smtplib", "socket",
    "sqlite3", "ssl", "structlog", "subprocess", "tempfile", "threading", "urllib",
}  # fmt: skip
IMPURE_CALLS = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "input", "print"}
EXCUSED = {
    # Reads content files for those who load a folder; `handle` needs but one function of it.
    "files.content",
    # Reads a table of a locked package, once, when it is imported.
    "people.place",
}
READS_FILES = "files.content"

MOST_LINES = 500
MOST_LINES_OF_A_FUNCTION = 80


class Import(NamedTuple):
    importer: str
    imported: str


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of Harken by its name below `harken`."""
    found = {}
    for path in sorted((SRC / "harken").rglob("*.py")):
        parts = path.relative_to(SRC / "harken").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text("utf-8"))
    return found


def run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from run_time_nodes(node)


def imported_names(tree: ast.AST) -> Iterator[str]:
    for node in run_time_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            inner = [name for name in named if name.removeprefix("harken.") in modules()]
            # A package named for one of its modules brings nothing else of it.
            yield from inner
            if len(inner) < len(named):
                yield node.module


@cache
def imports() -> list[Import]:
    """Who imports whom within Harken."""
    found = set()
    for importer, tree in modules().items():
        for name in imported_names(tree):
            imported = name.removeprefix("harken.")
            if name.startswith("harken.") and imported in modules() and imported != importer:
                found.add(Import(importer, imported))
    return sorted(found)


def row_of(module: str) -> int:
    """The row of SENTENCE whose name fits best."""
    fits = [
        (len(name), index)
        for index, (_, names) in enumerate(SENTENCE)
        for name in names.split()
        if module == name or module.startswith(f"{name}.")
    ]
    assert fits, f"{module} stands in no row of SENTENCE: give it one"
    return max(fits)[1]


def test_a_folder_imports_only_from_those_above_it_in_the_sentence() -> None:
    wrong = [
        f"{one.importer} ({SENTENCE[row_of(one.importer)][0]}) imports {one.imported} "
        f"({SENTENCE[row_of(one.imported)][0]})"
        for one in imports()
        if one.importer and row_of(one.imported) > row_of(one.importer)
    ]
    assert not wrong, "\n".join(wrong)


def test_store_and_history_are_known_by_their_interface() -> None:
    wrong = [
        one
        for one in imports()
        if one.imported.partition(".")[0] in ("store", "history")
        and "." in one.imported
        and not {one.importer, one.importer.partition(".")[0]} & {"store", "history", *OPENERS}
        and one.imported not in INTERFACES
    ]
    assert not wrong, wrong


def closure(start: str) -> set[str]:
    found, left = set(), [start]
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left += [one.imported for one in imports() if one.importer == module]
    return found


def test_handle_and_all_that_it_imports_do_no_io() -> None:
    wrong = []
    for module in sorted(closure("handle")):
        tree = modules()[module]
        wrong += [
            f"{module} imports {name}"
            for name in imported_names(tree)
            if name.partition(".")[0] in IMPURE
        ]
        wrong += [
            f"{module}, line {node.lineno}: {ast.unparse(node)[:60]}"
            for node in run_time_nodes(tree)
            if isinstance(node, ast.Call) and module not in EXCUSED
            and ast.unparse(node.func).rpartition(".")[2] in IMPURE_CALLS
        ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_the_loop_knows_no_file_reading() -> None:
    """What is excused in `files.content` is called by nobody whom `handle` imports."""
    callers = {
        one.importer for one in imports() if one.imported == READS_FILES
    } & closure("handle")  # fmt: skip
    for module in callers - {READS_FILES}:
        taken = {
            alias.name
            for node in ast.walk(modules()[module])
            if isinstance(node, ast.ImportFrom) and node.module == f"harken.{READS_FILES}"
            for alias in node.names
        }
        assert taken == {"names_file"}, f"{module} takes {taken} from {READS_FILES}"


CLOCKS = re.compile(
    r"\b(datetime\.(now|utcnow|today)|date\.today|time\.(time|time_ns|localtime|gmtime|ctime))\b"
)


def test_only_the_clock_reads_the_time() -> None:
    for path in (SRC / "harken").rglob("*.py"):
        if path.name != "clock.py":
            assert not CLOCKS.findall(path.read_text("utf-8")), path


@cache
def tracked() -> list[Path]:
    """The files of the project, by git where it is there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        aside = {".venv", "node_modules", ".git", ".cache", "__pycache__", "data"}
        paths = [path for path in ROOT.rglob("*") if not aside & set(path.parts)]
    return [path for path in paths if path.is_file()]


def python_files() -> list[Path]:
    here = [ROOT / folder for folder in CODE]
    return [
        path
        for path in tracked()
        if path.suffix == ".py" and any(path.is_relative_to(folder) for folder in here)
    ]


def test_files_and_functions_are_short() -> None:
    wrong = []
    for path in python_files():
        text = path.read_text("utf-8")
        name = path.relative_to(ROOT)
        if text.count("\n") > MOST_LINES:
            wrong.append(f"{name}: {text.count(chr(10))} lines")
        wrong += [
            f"{name}:{node.lineno}: {node.name} has {length} lines"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
        ]
    assert not wrong, "\n".join(wrong)


def test_every_public_module_says_what_it_is() -> None:
    said = {name: ast.get_docstring(tree) for name, tree in modules().items()}
    silent = [name for name, text in said.items() if name != "__main__" and not text]
    assert not silent, silent


UNFINISHED = re.compile(
    r"\b(TODO|FIXME|XXX)\b|NotImplementedError|pytest\.skip|mark\.skip|\bxfail\b|importorskip"
)
ELSEWHERE = re.compile(
    r"registry\.npmjs|pythonhosted\.org|pypi\.org/simple|index-url|proxy\.golang|deb\.debian\.org"
    r"|(?<![\w.:/])/(work|root|home/\w+)/"
)
BINARY = {".png", ".ico", ".woff2", ".gz", ".eml"}


@pytest.mark.parametrize(
    ("what", "pattern", "suffixes"),
    [
        ("left unfinished or not run", UNFINISHED, {".py", ".sh", ".js", ".mjs", ".ts", ".tsx"}),
        ("true of one machine or registry alone", ELSEWHERE, None),
    ],
    ids=["unfinished", "elsewhere"],
)
def test_no_file_holds_what_is(
    what: str, pattern: re.Pattern[str], suffixes: set[str] | None
) -> None:
    wrong = []
    for path in tracked():
        if (
            path == Path(__file__)
            or path.suffix in BINARY
            or (suffixes is not None and path.suffix not in suffixes)
        ):
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1):
            if found := pattern.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {found[0]}")
    assert not wrong, f"{what}:\n" + "\n".join(wrong)


LINTS = {
    "ruff": ["ruff", "check", "--output-format=concise", *CODE],
    "ruff format": ["ruff", "format", "--check", *CODE],
    "mypy": ["mypy", "src/harken", "bench"],
}


@pytest.mark.parametrize("lint", LINTS)
def test_lint(lint: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *LINTS[lint]], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    if done.returncode != 0:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
