"""What is called as a route is: `GET /segments/count`, where questions are posted to `count`."""

from collections.abc import Callable
from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler

from harken.web.api import Api, TheApi


def namesake(path: str, show: Callable[[Api, str], Any]) -> HTTPRouteHandler:
    """`GET path`, of the thing that is called as the last part of the path is."""
    name = path.rpartition("/")[2]

    def shown(api: TheApi) -> Any:
        return show(api, name)

    shown.__annotations__["return"] = show.__annotations__["return"]
    return get(path, include_in_schema=False, sync_to_thread=True, namesake=True)(shown)
