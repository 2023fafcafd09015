"""Running Harken: serve, look after it, keys, suppressions, backup."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cyclopts import App

from harken.cli import show
from harken.cli.client import Connection, quoted
from harken.errors import BadInput, NotFound

DATA = Path("data/harken")

keys_app = App(name="keys", help="List, make and revoke keys: write keys let events in, secret "
               "keys open the API.")  # fmt: skip
suppressions_app = App(
    name="suppressions", help="List and change the addresses that are never written to."
)


def serve(
    *,
    data: Path = DATA,
    port: int = 8600,
    host: str | None = None,
    senders: int | None = None,
    lmtp_port: int | None = None,
) -> None:
    """Run Harken on a data folder until it is told to stop (Ctrl-C, SIGTERM).

    What else it needs is in the environment; docs/cli.md lists the variables.

    Parameters
    ----------
    data
        The data folder; it is begun when there is none.
    port
        Where HTTP is answered; 0 takes a free port.
    host
        The address to listen on; by default only this machine can ask (127.0.0.1).
    senders
        Processes that send; by default 1.
    lmtp_port
        Take bounces by LMTP on this port; by default none.
    """
    from harken.config import settings
    from harken.running.serve import serve as run

    if senders is not None and senders < 1:
        raise BadInput("--senders: at least 1")
    run(settings(data, port=port, host=host, senders=senders, lmtp_port=lmtp_port))


def status(*, connection: Connection = Connection()) -> int:
    """Say how Harken is: processes, queues, definitions in force, and what troubles it."""
    with connection.open() as client:
        found = client.get("/status")
    if connection.json:
        show.as_json(found)
        return 1 if found["troubles"] else 0
    show.facts(
        {
            "version": found["version"],
            "time": found["now"],
            "definitions": f"revision {found['definitions_revision']}",
            "customers": found["profiles"],
            "wake-ups parked": found["wakeups"],
            "log": f"{found['log_end']:,} bytes, {found['log_lag']:,} not handled yet",
            "transports": ", ".join(
                f"{one['name']} ({one['kind']})" for one in found["transports"]
            ),
            "bounces by webhook": found["bounces_hook"],
        }
    )
    waiting = [(state, count) for state, count in found["messages"].items()]
    show.heading("Messages")
    show.table(("state", "count"), waiting, "none wait, none are unsure")
    for child, alive in found["children"].items():
        if not alive:
            show.line(f"{child} does not run", "red")
    for part, trouble in found["troubles"].items():
        show.line(f"{part}: {trouble}", "red")
    for part, warning in found["warnings"].items():
        show.line(f"{part}: {warning}", "yellow")
    return 1 if found["troubles"] else 0


@keys_app.command(name="list")
def list_keys(*, connection: Connection = Connection()) -> None:
    """List all keys that were made; those preset by the environment are not among them."""
    with connection.open() as client:
        found = client.get("/keys")
    if connection.json:
        show.as_json(found)
        return
    columns = ("name", "kind", "created_at", "value")
    rows = [[key[name] for name in columns] for key in found["keys"]]
    show.table(("name", "kind", "created", "key"), rows, "no keys were made")


@keys_app.command(name="create")
def create_key(
    name: str, kind: Literal["write", "secret"], /, *, connection: Connection = Connection()
) -> None:
    """Make a key and print it. A secret key is shown this once.

    Parameters
    ----------
    name
        What it is called, to know it by when it is to be revoked.
    kind
        `write` lets events in; `secret` opens the API.
    """
    with connection.open() as client:
        made = client.post("/keys", {"name": name, "kind": kind})
    if connection.json:
        show.as_json(made)
    else:
        print(made["key"])


@keys_app.command(name="revoke")
def revoke_key(name: str, /, *, connection: Connection = Connection()) -> None:
    """Take a key out of use at once.

    Parameters
    ----------
    name
        What it is called.
    """
    with connection.open() as client:
        client.delete(f"/keys/{quoted(name)}")
    if not connection.json:
        show.line(f"{name} is revoked.", "green")


@suppressions_app.command(name="list")
def list_suppressions(*, limit: int = 1000, connection: Connection = Connection()) -> None:
    """List suppressed addresses, newest first.

    Parameters
    ----------
    limit
        How many, at most 10000.
    """
    with connection.open() as client:
        found = client.get("/suppressions", limit=limit)
    if connection.json:
        show.as_json(found)
        return
    columns = ("address", "why", "at")
    rows = [[one[name] for name in columns] for one in found["suppressions"]]
    show.table(columns, rows, "no address is suppressed")


@suppressions_app.command(name="add")
def add_suppressions(
    addresses: Sequence[str],
    /,
    *,
    why: str = "suppressed by an operator",
    connection: Connection = Connection(),
) -> None:
    """Never write to these addresses again.

    Parameters
    ----------
    addresses
        E-mail addresses.
    why
        The reason, kept with them.
    """
    with connection.open() as client:
        done = client.put("/suppressions", {"addresses": list(addresses), "why": why})
    if connection.json:
        show.as_json(done)
    else:
        show.line(f"{done['suppressed']} suppressed.", "green")


@suppressions_app.command(name="remove")
def remove_suppression(address: str, /, *, connection: Connection = Connection()) -> None:
    """Allow an address to be written to again.

    Parameters
    ----------
    address
        The e-mail address.
    """
    with connection.open() as client:
        client.delete(f"/suppressions/{quoted(address)}")
    if not connection.json:
        show.line(f"{address} may be written to again.", "green")


def backup(name: str | None = None, /, *, connection: Connection = Connection()) -> None:
    """Copy everything that Harken keeps to `backups/NAME` in its data folder, while it runs.

    Parameters
    ----------
    name
        What the copy is called; by default the time.
    """
    from harken.clock import SystemClock, iso

    chosen = name or iso(SystemClock().now())[:19].replace(":", "").replace("-", "")
    with connection.open() as client:
        made = client.post("/backup", {"to": chosen})
    if connection.json:
        show.as_json(made)
        return
    show.line(f"{made['path']} in the data folder: {made['bytes']:,} bytes.", "green")
    if made["messages_unsure"]:
        show.line(
            f"{made['messages_unsure']} messages that waited to leave are unsure in the copy: "
            "they may have left since."
        )


def restore(backup: Path, directory: Path, /) -> None:
    """Make a new data folder of a backup. No server is needed.

    Parameters
    ----------
    backup
        The folder that `harken backup` made.
    directory
        The new data folder; it must be empty, or not be there.
    """
    if not (backup / "state.db").is_file() or not (backup / "log" / "durable").is_file():
        raise NotFound(f"{backup} is no backup of Harken")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadInput(f"{directory} is not empty; name a new folder")
    # Whole or not at all: a half copy must not be served.
    making = directory.with_name(f".{directory.name}.restoring")
    try:
        shutil.rmtree(making, ignore_errors=True)
        directory.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(backup, making)
        making.chmod(0o700)
        if directory.exists():
            directory.rmdir()
        making.rename(directory)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(making, ignore_errors=True)
        raise BadInput(f"{backup} cannot be copied to {directory}: {error}") from None
    show.line(f"Restored. Next: harken serve --data {directory}", "green")
