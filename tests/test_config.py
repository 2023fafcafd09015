"""Settings, and the secret that is made at the first start."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from harken.config import link_secret


def test_all_who_begin_at_once_have_the_same_secret(tmp_path: Path) -> None:
    begin = Barrier(8)

    def first(folder: Path) -> bytes:
        begin.wait()
        return link_secret(folder)

    with ThreadPoolExecutor(8) as starting:
        for number in range(50):
            folder = tmp_path / str(number)
            folder.mkdir()
            secrets = set(starting.map(first, [folder] * 8))
            assert len(secrets) == 1
            assert [path.name for path in folder.iterdir()] == ["link.secret"]
            assert len(secrets.pop()) == 32
            assert (folder / "link.secret").stat().st_mode & 0o777 == 0o600
