"""The environment: what is no setting is refused at the start, with what would be right."""

from pathlib import Path

import pytest

from harken.config import settings
from harken.errors import BadInput


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"HARKEN_PUBLIC_URL": "shop.example"}, "HARKEN_PUBLIC_URL='shop.example': links in"),
        ({"HARKEN_PUBLIC_URL": "ftp://shop.example"}, "https://shop.example"),
        ({"HARKEN_PUBLIC_URL": "https://shop.example?a=1"}, "https://shop.example"),
        ({"HARKEN_PUBLIC_URL": "https://"}, "https://shop.example"),
        ({"HARKEN_LOG_LEVEL": "chatty"}, "write debug, info, warning or error"),
        ({"HARKEN_SENDERS": "nan"}, "HARKEN_SENDERS='nan': write a number"),
        ({"HARKEN_SENDERS": "inf"}, "write a number"),
        ({"HARKEN_SENDERS": "-1"}, "must not be negative"),
        ({"HARKEN_HISTORY_MEMORY": "lots"}, "write an amount of memory"),
        ({"HARKEN_PRIVATE_NETWORKS": "10.1"}, "write networks such as"),
        ({"HARKEN_WRITE_KEY": "k", "HARKEN_SECRET_KEY": "k"}, "same as HARKEN_WRITE_KEY"),
    ],
)
def test_refused(tmp_path: Path, variables: dict[str, str], says: str) -> None:
    with pytest.raises(BadInput) as fault:
        settings(tmp_path, variables)
    assert says in str(fault.value)


@pytest.mark.parametrize(
    ("variables", "base", "level"),
    [
        ({}, "http://127.0.0.1:8600", "info"),
        ({"HARKEN_PUBLIC_URL": "", "HARKEN_LOG_LEVEL": ""}, "http://127.0.0.1:8600", "info"),
        ({"HARKEN_PUBLIC_URL": "https://hi.shop.example/"}, "https://hi.shop.example", "info"),
        (
            {"HARKEN_PUBLIC_URL": "http://[::1]:86/mail", "HARKEN_LOG_LEVEL": "WARNING"},
            "http://[::1]:86/mail",
            "warning",
        ),
    ],
)
def test_taken(tmp_path: Path, variables: dict[str, str], base: str, level: str) -> None:
    found = settings(tmp_path, variables)
    assert (found.base_url, found.log_level) == (base, level)
