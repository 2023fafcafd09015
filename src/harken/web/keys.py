"""Keys: write keys let events in, secret keys open the API.

Write keys stand in web pages for all to see, so they are kept as they are; of a secret key only
the SHA-256 is kept (it has 192 random bits, so a slow hash would protect nothing more).
"""

import hmac
import secrets
import threading
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Literal

from msgspec import Struct

from harken.errors import Conflict, NotFound
from harken.web import kept

KeyKind = Literal["write", "secret"]
PRESET = "environment"
"""How the keys that the environment presets are called, in what is told of who did what."""


class Key(Struct, omit_defaults=True, kw_only=True):
    """A key as it is kept."""

    name: str
    kind: KeyKind
    created_at: int
    value: str = ""
    """The write key itself."""
    sha256: str = ""
    """Of a secret key."""


class Keys:
    """The keys of one Harken, in a file of their own; preset ones come from the environment."""

    def __init__(self, path: Path, write_key: str, secret_key: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._keys: list[Key] = kept.load(path, list[Key], [])
        self._preset_write = write_key
        self._preset_secret = _hash(secret_key) if secret_key else ""
        self.write_keys: Mapping[str, str] = WriteKeys(self)

    def all(self) -> list[Key]:
        """Every key, oldest first; presets are not among them."""
        return list(self._keys)

    def create(self, name: str, kind: KeyKind, now: int) -> str:
        """A new key; its text, which for a secret key is shown this once. Names are unique."""
        if name == PRESET:
            raise Conflict(f"{name!r} is how the preset keys are called; choose another name")
        text = f"{'hw' if kind == 'write' else 'hs'}_{secrets.token_urlsafe(24)}"
        with self._lock:
            if any(key.name == name for key in self._keys):
                raise Conflict(f"there is a key called {name!r} already")
            key = Key(name=name, kind=kind, created_at=now)
            if kind == "write":
                key.value = text
            else:
                key.sha256 = _hash(text)
            self._save([*self._keys, key])
        return text

    def revoke(self, name: str) -> None:
        """Take a key out of use at once."""
        with self._lock:
            left = [key for key in self._keys if key.name != name]
            if len(left) == len(self._keys):
                raise NotFound(f"there is no key called {name!r}")
            self._save(left)

    def secret_name(self, text: str) -> str | None:
        """The name of the secret key that this is, or None."""
        digest = _hash(text)
        found = None
        # Every key is compared, whichever fits: the time says nothing.
        for name, known in self._secrets():
            if hmac.compare_digest(digest, known):
                found = name
        return found

    def any_secret(self) -> bool:
        """Whether the API can be opened at all."""
        return any(True for _ in self._secrets())

    def preset_write_key(self) -> str:
        return self._preset_write

    def _secrets(self) -> Iterator[tuple[str, str]]:
        if self._preset_secret:
            yield PRESET, self._preset_secret
        yield from ((key.name, key.sha256) for key in self._keys if key.kind == "secret")

    def _save(self, keys: list[Key]) -> None:
        kept.save(self._path, keys)
        self._keys = keys


class WriteKeys(Mapping[str, str]):
    """Write keys and their names, as they are now."""

    def __init__(self, keys: Keys) -> None:
        self._owner = keys

    def _now(self) -> dict[str, str]:
        found = {key.value: key.name for key in self._owner.all() if key.kind == "write"}
        preset = self._owner.preset_write_key()
        return {preset: PRESET, **found} if preset else found

    def __getitem__(self, key: str) -> str:
        return self._now()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
