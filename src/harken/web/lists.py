"""Uploaded lists: a file of user ids, compared with who stands on the list, and exchanged for it.

Who stands on a list is part of each customer's document; here is only what was said about the
list as a whole. A list makes no customers: ids that name nobody are refused, line by line.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field

from harken import ids
from harken.catalogs.upload import reading_csv
from harken.errors import BadInput, Conflict, NotFound, Unavailable
from harken.inputs import Listed
from harken.values import Name
from harken.web import kept
from harken.web.catchup import caught_up

if TYPE_CHECKING:
    from harken.running.services import Services
    from harken.web.api import Api

MOST_BYTES = 64_000_000
"""Of a file: about three million user ids."""
MOST_LISTS = 200
LONGEST_ID = 300
MOST_TOLD = 100
"""Refused lines that are told; the others are counted."""
PATIENCE = 2.0
"""Seconds that a count waits for history; then it is of what is there."""
AT_ONCE = 5_000
"""Customers looked up, or exchanged, together."""
COLUMN = "user_id"

# In pages by profile id, so that a list of millions is never answered in one piece.
ON_LIST = """
SELECT profile_id FROM profiles WHERE list_contains(lists, $1) AND profile_id > $2
ORDER BY profile_id LIMIT $3
"""
HOW_MANY = "SELECT name, count(*) FROM (SELECT unnest(lists) AS name FROM profiles) GROUP BY name"


class KeptList(Struct, kw_only=True):
    """What is kept about a list as a whole."""

    name: str
    uploaded_at: int
    by: str


class Refused(Struct, kw_only=True):
    """A line that put nobody on the list."""

    line: int
    user_id: str
    problem: str


class Upload(Struct, kw_only=True):
    """What became of a file."""

    members: int
    added: int = 0
    removed: int = 0
    refused_lines: int = 0
    refused: list[Refused] = field(default_factory=list)
    """The first 100 of them."""
    in_force: bool = True

    def refuse(self, line: int, user_id: str, problem: str) -> None:
        """Count a line that put nobody on the list."""
        self.refused_lines += 1
        if len(self.refused) < MOST_TOLD:
            self.refused.append(Refused(line=line, user_id=user_id[:LONGEST_ID], problem=problem))


def lists(services: "Services") -> list[KeptList]:
    """Every list that was uploaded, by name."""
    return sorted(_load(services), key=lambda one: one.name)


def found(api: "Api", name: str) -> KeptList:
    """A list by its name. Raises NotFound."""
    for one in _load(api.services):
        if one.name == name:
            return one
    raise NotFound(f"there is no list {name!r}; `PUT /api/v1/lists/{{name}}` uploads one")


def members(api: "Api") -> dict[str, int]:
    """How many customers stand on each list."""
    caught_up(api.services, PATIENCE)
    return dict(api.services.history.query(HOW_MANY))


def replace(api: "Api", name: str, body: bytes, by: str) -> Upload:
    """Make the customers of a CSV file those who stand on the list, and nobody else.

    It may be given again when it failed half way: what was done already is done once.
    Raises BadInput for a file that cannot be read, Conflict, and Unavailable.
    """
    try:
        Name.parse(name)
    except ValueError as wrong:
        raise BadInput(str(wrong)) from None
    with api.listing:
        others = [one for one in _load(api.services) if one.name != name]
        if len(others) >= MOST_LISTS:
            raise Conflict(f"there are {MOST_LISTS} lists already; remove one that is not needed")
        upload = Upload(members=0)
        api.settle()
        wanted = _customers(api, body, upload)
        if upload.refused_lines and not wanted:
            # Ids of another system, most likely: they must not empty a list.
            first = upload.refused[0]
            raise BadInput(
                "the file names nobody who is known, so the list stays as it is;"
                f" line {first.line}: {first.user_id}: {first.problem}"
            )
        upload.members = len(wanted)
        _save(api, [*others, KeptList(name=name, uploaded_at=api.now, by=by)])
        _exchange(api, name, wanted, upload)
    return upload


def remove(api: "Api", name: str) -> Upload:
    """Take everybody off a list and forget it. Raises NotFound, Conflict and Unavailable."""
    with api.listing:
        found(api, name)
        upload = Upload(members=0)
        _exchange(api, name, set(), upload)
        _save(api, [one for one in _load(api.services) if one.name != name])
    return upload


def _exchange(api: "Api", name: str, wanted: set[int], upload: Upload) -> None:
    """Put on the list who is wanted and not there, take off who is there and not wanted."""
    if not caught_up(api.services):
        raise Unavailable("history is behind, so it is not known who is on the list; try again")
    standing = set(_standing(api, name))
    added, removed = sorted(wanted - standing), sorted(standing - wanted)
    for some, on in ((added, True), (removed, False)):
        for start in range(0, len(some), AT_ONCE):
            listed = Listed(name, on)
            upload.in_force = api.command([(id, listed) for id in some[start : start + AT_ONCE]])
    upload.added, upload.removed = len(added), len(removed)


def _standing(api: "Api", name: str) -> Iterator[int]:
    last = -(2**63)
    while True:
        rows = api.services.history.query(ON_LIST, [name, last, AT_ONCE], limit=AT_ONCE)
        yield from (row[0] for row in rows)
        if len(rows) < AT_ONCE:
            return
        last = rows[-1][0]


def _customers(api: "Api", body: bytes, upload: Upload) -> set[int]:
    """The profiles of the file's user ids; lines that name nobody are refused."""
    wanted: set[int] = set()
    waiting: list[tuple[int, str]] = []
    for line, user_id in _read(body):
        if len(user_id) > LONGEST_ID:
            upload.refuse(line, user_id, f"a user id has at most {LONGEST_ID} characters")
            continue
        waiting.append((line, user_id))
        if len(waiting) == AT_ONCE:
            wanted |= _known(api, waiting, upload)
            waiting.clear()
    return wanted | _known(api, waiting, upload)


def _known(api: "Api", lines: Sequence[tuple[int, str]], upload: Upload) -> set[int]:
    with api.intake:
        forward = api.services.lookup.forward
        profiles = [forward(ids.profile_id("user", user_id)) for _, user_id in lines]
    there = api.services.store.existing(profiles)
    for (line, user_id), profile in zip(lines, profiles, strict=True):
        if profile not in there:
            upload.refuse(line, user_id, "no customer has this user id")
    return there


def _read(body: bytes) -> Iterator[tuple[int, str]]:
    """(line, user id) of a CSV file whose first line names the columns. Raises BadInput."""
    with reading_csv(body) as rows:
        columns = [column.strip() for column in next(rows, [])]
        if COLUMN not in columns:
            raise BadInput(_no_column(columns))
        if columns.count(COLUMN) > 1:
            raise BadInput(f"two columns are called `{COLUMN}`")
        at = columns.index(COLUMN)
        for row in rows:
            user_id = row[at].strip() if len(row) > at else ""
            if user_id:
                yield rows.line_num, user_id


def _no_column(columns: Sequence[str]) -> str:
    shown = ", ".join(f"`{column[:40]}`" for column in columns[:10] if column) or "none"
    text = f"the first line names the columns, one of them `{COLUMN}`; found: {shown}"
    if any("mail" in column.lower() for column in columns):
        text += "; an e-mail address is no identity: it may be shared, mistyped or changed"
    return text


def _load(services: "Services") -> list[KeptList]:
    return kept.load(services.settings.data / "lists.json", list[KeptList], [])


def _save(api: "Api", all: list[KeptList]) -> None:
    try:
        kept.save(api.services.settings.data / "lists.json", all)
    except OSError as fault:
        raise Unavailable(f"lists.json cannot be written: {fault}") from fault
