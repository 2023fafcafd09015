"""Fixtures of the crash tests: every process that they start is ended with them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crash_kit import Harken
from mailserver import MailServer


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailServer]:
    server = MailServer(tmp_path)
    yield server
    server.close()


@pytest.fixture
def serving(tmp_path: Path, mail: MailServer) -> Iterator[Callable[..., Harken]]:
    """Makes a Harken on a folder of this name; not yet started."""
    made: list[Harken] = []

    def make(name: str = "data", **env: str) -> Harken:
        made.append(Harken(tmp_path / name, mail, **env))
        return made[-1]

    yield make
    for one in made:
        one.close()
