"""Settings of one Harken: a data folder and the environment.

What belongs to the business (senders, caps, quiet hours) stands in `workspace.yaml`; what belongs
to the machine, and every secret, stands here.
"""

import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from pathlib import Path

from msgspec import Struct

from harken.errors import BadInput
from harken.outside.network import networks

LEVELS = ("debug", "info", "warning", "error")


class Settings(Struct, frozen=True, kw_only=True):
    """Where Harken keeps its data and how it is reached."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8600
    public_url: str = ""
    """The base of links in messages; `http://HOST:PORT` when not set."""
    write_key: str = ""
    """Preset write key, besides those made with `harken keys`."""
    secret_key: str = ""
    smtp_url: str = ""
    """A transport for workspaces that list none."""
    sender: str = ""
    """`Shop <hello@shop.example>`: the default sender of workspaces that name none."""
    senders: int = 1
    """Sender processes."""
    events_per_second: float = 0.0
    """Rate limit of each write key; 0 for none."""
    history_memory: str = "100MB"
    """What DuckDB may use."""
    history_threads: int = 1
    """How many threads DuckDB may use; with more, give it more memory."""
    lmtp_port: int = 0
    """Return path: bounces by LMTP on this port; 0 for off."""
    private_webhooks: bool = False
    """Whether webhooks may be machines of our own network."""
    private_networks: str = ""
    """Networks of our own that the feeds of templates may be on: `10.1.0.0/16,127.0.0.1`."""
    log_level: str = "info"

    @property
    def base_url(self) -> str:
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        return self.data / "log"

    @property
    def state(self) -> Path:
        return self.data / "state.db"

    @property
    def intake(self) -> Path:
        return self.data / "intake.db"

    @property
    def sandbox(self) -> Path:
        return self.data / "sandbox.db"

    @property
    def catalogs(self) -> Path:
        return self.data / "catalogs.db"

    @property
    def history(self) -> Path:
        return self.data / "history.duckdb"

    @property
    def run(self) -> Path:
        """What is true only while Harken runs: addresses, locks, counters."""
        return self.data / "run"


def settings(data: Path, env: Mapping[str, str] = os.environ, **given: object) -> Settings:
    """Settings of a data folder from the environment; `given` ones win when not None."""
    values: dict[str, object] = {
        "public_url": _base(env, "HARKEN_PUBLIC_URL"),
        "write_key": env.get("HARKEN_WRITE_KEY", ""),
        "secret_key": env.get("HARKEN_SECRET_KEY", ""),
        "smtp_url": env.get("HARKEN_SMTP_URL", ""),
        "sender": env.get("HARKEN_FROM", ""),
        "host": env.get("HARKEN_HOST", "127.0.0.1"),
        "history_memory": _memory(env, "HARKEN_HISTORY_MEMORY", "100MB"),
        "history_threads": int(_number(env, "HARKEN_HISTORY_THREADS") or 1),
        "log_level": _level(env, "HARKEN_LOG_LEVEL"),
        "events_per_second": _number(env, "HARKEN_EVENTS_PER_SECOND"),
        "private_networks": _networks(env, "HARKEN_PRIVATE_NETWORKS"),
        "private_webhooks": _number(env, "HARKEN_PRIVATE_WEBHOOKS") > 0,
        "lmtp_port": int(_number(env, "HARKEN_LMTP_PORT")),
        "senders": int(_number(env, "HARKEN_SENDERS") or 1),
    }
    if values["secret_key"] and values["secret_key"] == values["write_key"]:
        # A write key stands in web pages, where everybody can read it.
        raise BadInput("HARKEN_SECRET_KEY is the same as HARKEN_WRITE_KEY, which is no secret")
    values |= {name: value for name, value in given.items() if value is not None}
    return Settings(data=data.absolute(), **values)  # type: ignore[arg-type]


def link_secret(data: Path) -> bytes:
    """The secret that signs links, made at the first start. Losing it breaks links already sent."""
    path = data / "link.secret"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    # Whole or not at all: several processes begin at once, and none may sign with half a secret.
    handle, draft = tempfile.mkstemp(prefix="link.secret.", dir=data)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)
    return path.read_bytes()


def _base(env: Mapping[str, str], name: str) -> str:
    text = env.get(name, "")
    if text and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text, re.IGNORECASE):
        raise BadInput(f"{name}={text!r}: links in messages begin with it; https://shop.example")
    return text


def _level(env: Mapping[str, str], name: str) -> str:
    text = env.get(name) or "info"
    if text.lower() not in LEVELS:
        raise BadInput(f"{name}={text!r}: write {', '.join(LEVELS[:-1])} or {LEVELS[-1]}")
    return text.lower()


def _memory(env: Mapping[str, str], name: str, default: str) -> str:
    text = env.get(name) or default
    if not re.fullmatch(r"[1-9][0-9]*(\.[0-9]+)? ?[MG](i?B)?", text, re.IGNORECASE):
        raise BadInput(f"{name}={text!r}: write an amount of memory, 100MB or 2GB")
    return text if text[-1] in "bB" else f"{text}B"


def _networks(env: Mapping[str, str], name: str) -> str:
    text = env.get(name, "")
    try:
        networks(text)
    except BadInput as fault:
        raise BadInput(f"{name}={text!r}: {fault}") from None
    return text


def _number(env: Mapping[str, str], name: str) -> float:
    text = env.get(name, "")
    try:
        number = float(text or 0)
        if not isfinite(number):
            raise ValueError
    except ValueError:
        raise BadInput(f"{name}={text!r}: write a number") from None
    if number < 0:
        raise BadInput(f"{name}={text!r}: must not be negative")
    return number
