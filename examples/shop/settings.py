"""What the shop is told by its environment."""

import os
from collections.abc import Mapping

from msgspec import Struct


class Settings(Struct, frozen=True, kw_only=True):
    """Where the shop and Harken are, and when a cart counts as left behind."""

    host: str = "127.0.0.1"
    port: int = 8601
    harken_url: str = "http://127.0.0.1:8600"
    write_key: str = "demo-write-key"
    secret_key: str = "demo-secret-key"
    abandoned_after: float = 5.0
    """Seconds from leaving the shop. A real shop would wait half an hour or so."""

    @property
    def site(self) -> str:
        """The shop's own address."""
        return f"http://{self.host}:{self.port}"


def from_environment(values: Mapping[str, str] = os.environ) -> Settings:
    """Settings by HARKEN_URL, HARKEN_WRITE_KEY, HARKEN_SECRET_KEY, SHOP_HOST, SHOP_PORT and
    CART_ABANDONED_AFTER (seconds). Raises ValueError for a number that is none."""
    usual = Settings()
    return Settings(
        host=values.get("SHOP_HOST", usual.host),
        port=int(values.get("SHOP_PORT", usual.port)),
        harken_url=values.get("HARKEN_URL", usual.harken_url).rstrip("/"),
        write_key=values.get("HARKEN_WRITE_KEY", usual.write_key),
        secret_key=values.get("HARKEN_SECRET_KEY", usual.secret_key),
        abandoned_after=float(values.get("CART_ABANDONED_AFTER", usual.abandoned_after)),
    )
