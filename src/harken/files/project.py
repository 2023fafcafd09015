"""A folder of definitions: the workspace, journeys, all other kinds, and content files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct, field

from harken.errors import BadDefinition, BadInput, Fault
from harken.files import blocks, content
from harken.files.kinds import PLAIN, Kind
from harken.files.reader import try_read
from harken.journeys.model import Journey
from harken.workspace import Workspace

if TYPE_CHECKING:
    from harken.files import yaml

_TYPES: dict[Kind, type[Struct]] = {
    "workspace": Workspace,
    "journey": Journey,
    **{one.kind: one.type for one in PLAIN},
}
_FOLDERS: dict[Kind, str] = {"journey": "journeys", **{one.kind: one.folder for one in PLAIN}}

_BEGINS = re.compile(rf"^({'|'.join(_FOLDERS)}):", re.MULTILINE)
"""The line by which a definition is told from any other YAML file."""


class JourneyFiles(NamedTuple):
    """A journey as its file has it, and the text of each content file that it names."""

    source: dict[str, Any]
    files: dict[str, str]


class Place(NamedTuple):
    """Where a definition stands."""

    file: str
    """Below the project's folder, with `/`."""
    document: "yaml.Document"


class Project(Struct):
    """What a folder says. With `faults` that are no warnings it must not be applied."""

    workspace: dict[str, Any] = field(default_factory=dict)
    has_workspace: bool = False
    """Without a workspace file, the workspace in force is left as it is."""
    journeys: dict[str, JourneyFiles] = field(default_factory=dict)
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)
    coupons: dict[str, dict[str, Any]] = field(default_factory=dict)
    surveys: dict[str, dict[str, Any]] = field(default_factory=dict)
    move: list[str] = field(default_factory=list)
    """Journeys whose runs in flight go on on the revision that applying makes."""
    faults: list[Fault] = field(default_factory=list)
    places: dict[tuple[Kind, str], Place] = field(default_factory=dict)

    @property
    def errors(self) -> list[Fault]:
        """The faults that forbid applying it."""
        return [fault for fault in self.faults if not fault.warning]

    def place(self, kind: Kind, name: str, fault: Fault) -> Fault:
        """A fault that a later check found in a definition, with its file and line.

        The workspace's name is empty. A fault that has a file keeps it.
        """
        found = self.places.get((kind, name))
        if found is None or fault.file:
            return fault
        line = found.document.line(fault.path)
        return msgspec.structs.replace(fault, file=found.file, line=line)


def load(directory: str | Path) -> Project:
    """Read all files of a folder; what is wrong with any of them is in `faults`.

    Raises BadInput when there is no such folder, or no definition in it.
    """
    given = Path(directory)
    if not given.is_dir():
        what = "is no folder" if given.exists() else "does not exist"
        raise BadInput(f"{directory} {what}; `harken init {directory}` begins one")
    loading = _Loading(given.resolve())
    loading.all()
    if not loading.seen:
        folders = " and ".join(f"no {folder}/*.yaml" for folder in _FOLDERS.values())
        raise BadInput(
            f"{directory} holds no workspace.yaml, {folders}; "
            f"`harken init {directory}` writes a start"
        )
    return loading.project


class _Loading:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = Project()
        self.seen = 0
        self.blocks: dict[str, str] = {}
        """Every content block of the folder, by its path."""

    def all(self) -> None:
        self.read_blocks()
        for path in self.definitions(self.root, {"workspace"}):
            self.one("workspace", path)
        for kind, folder in _FOLDERS.items():
            for path in self.definitions(self.root / folder, None):
                self.one(kind, path)
        self.unread()
        self.project.faults.sort(key=lambda fault: (fault.file, fault.line))

    def definitions(self, folder: Path, stems: set[str] | None) -> Iterator[Path]:
        """The .yaml files of a folder in order; a .yml is told to be renamed."""
        if not folder.is_dir():
            return
        for path in sorted(folder.iterdir()):
            if path.suffix not in (".yaml", ".yml") or path.name.startswith("."):
                continue
            if stems is not None and path.stem not in stems:
                continue
            self.seen += 1
            if path.suffix == ".yml":
                self.fault(path, "$", f"rename it to {path.stem}.yaml; only .yaml files are read")
            elif not content.is_inside(path, self.root):
                self.fault(path, "$", "a link that leads out of the folder; copy the file instead")
            elif not path.is_file():
                self.fault(path, "$", "is no plain file")
            else:
                yield path

    def unread(self) -> None:
        """Warns of definitions that stand where none are read: none is missed in silence."""
        found = [path for depth in ("", "*/", "*/*/") for path in self.root.glob(f"{depth}*.y*ml")]
        for path in sorted(found):
            where = path.relative_to(self.root).parts
            if any(part.startswith(".") for part in where) or not content.is_inside(
                path, self.root
            ):
                continue
            if where == ("workspace.yaml",) or (len(where) == 2 and where[0] in _FOLDERS.values()):
                continue
            try:
                begins = _BEGINS.search(content.read_text(path))
            except ValueError:
                continue
            if begins:
                kind: Any = begins[1]
                stands = f"a {kind} stands in {_FOLDERS[kind]}/"
                self.fault(path, "$", f"is not read here; {stands}", warning=True)

    def one(self, kind: Kind, path: Path) -> None:
        document = self.document(path)
        if document is None:
            return
        _, faults = try_read(document.value, _TYPES[kind])
        for fault in faults:
            self.fault(path, fault.path, fault.problem, document)
        files = self.files(path, document) if kind == "journey" else {}
        if not isinstance(document.value, dict):
            return
        name = "" if kind == "workspace" else document.value.get(kind)
        if isinstance(name, str):
            self.keep(kind, name, path, document, files)

    def document(self, path: Path) -> "yaml.Document | None":
        try:
            from harken.files import yaml  # loads slowly, and a server reads no files

            document = yaml.parse(content.read_bytes(path), self.relative(path))
        except BadDefinition as bad:
            self.project.faults += bad.faults
            return None
        except ValueError as problem:
            self.fault(path, "$", str(problem))
            return None
        if document.value is None:
            self.fault(path, "$", "the file is empty")
            return None
        return document

    def keep(
        self, kind: Kind, name: str, path: Path, document: "yaml.Document", files: dict[str, str]
    ) -> None:
        earlier = self.project.places.get((kind, name))
        if earlier:
            problem = f"{kind} `{name}` is already in {earlier.file}; a name is used once"
            self.fault(path, f"$.{kind}", problem, document)
            return
        self.project.places[kind, name] = Place(self.relative(path), document)
        if kind == "workspace":
            self.project.workspace, self.project.has_workspace = document.value, True
            return
        if name != path.stem:
            problem = f"{kind} `{name}` stands in {path.name}; name the file {name}.yaml"
            self.fault(path, f"$.{kind}", problem, document, warning=True)
        if kind == "journey":
            self.project.journeys[name] = JourneyFiles(document.value, files)
        else:
            getattr(self.project, _FOLDERS[kind])[name] = document.value

    def files(self, path: Path, document: "yaml.Document") -> dict[str, str]:
        files: dict[str, str] = {}
        for named in content.named_files(document.value):
            if named.name in files:
                continue
            try:
                found = content.find(named.name, self.root, path.parent)
            except ValueError as problem:
                self.fault(path, named.path, str(problem), document)
                continue
            try:
                files[named.name] = content.read_text(found)
            except ValueError as problem:
                self.fault(path, named.path, f"`{named.name}` {problem}", document)
        # A run must say what its revision said: the blocks go along with what uses them.
        return files | blocks.files_used(document.value, files.values(), self.blocks)

    def read_blocks(self) -> None:
        folder = self.root / blocks.FOLDER
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = self.relative(path)
            if path.name.startswith(".") or path.is_dir():
                continue
            if blocks.block_file(name) is None:
                forms = ", ".join(f".{form}" for form in blocks.FORMS)
                problem = f"is no block: name it such as footer.html or footer.ko.html ({forms})"
                self.fault(path, "$", problem)
            elif not content.is_inside(path, self.root):
                self.fault(path, "$", "a link that leads out of the folder; copy the file instead")
            else:
                try:
                    self.blocks[name] = content.read_text(path)
                except ValueError as problem_:
                    self.fault(path, "$", str(problem_))

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def fault(
        self,
        path: Path,
        where: str,
        problem: str,
        document: "yaml.Document | None" = None,
        warning: bool = False,
    ) -> None:
        line = document.line(where) if document else 0
        self.project.faults.append(Fault(where, problem, self.relative(path), line, warning))
