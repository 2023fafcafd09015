"""A whole Harken in this process, and its web application asked without a network."""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from harken.app import Embedded
from harken.clock import SettableClock, parse_time
from harken.config import Settings
from harken.web.server import Front, asgi

NOW = parse_time("2026-03-02T03:00:00Z") or 0
SECRET = "hs_test"
WRITE = "hw_test"

CART = {
    "journey": "abandoned-cart",
    "entry": {"event": "Cart Abandoned", "where": {"cart_value": {"gte": 100}}, "key": "cart_id"},
    "steps": [
        {"wait": "30m"},
        {
            "message": "nudge",
            "channel": "email",
            "variants": [
                {
                    "name": "premium",
                    "when": {"event_property": "cart_value", "gte": 200},
                    "subject": "{{ profile.first_name }}, your {{ event.properties.brand }}",
                    "html": "<body><p>Hi <a href='https://shop.example/cart?a=1'>cart</a></p></body>",
                }
            ],
            "default": {
                "subject": "You left something behind",
                "html": "<body><p>Back to <a href='https://shop.example/cart'>cart</a></p></body>",
            },
        },
    ],
}
PROJECT: dict[str, Any] = {
    "workspace": {
        "timezone": "Asia/Seoul",
        "senders": {"default": {"from": "Shop <hi@shop.example>"}},
    },
    "journeys": {"abandoned-cart": {"source": CART}},
    "segments": {},
}


class Shop:
    """A Harken with keys; every answer waits until the engine has seen what was asked."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.clock = SettableClock(NOW)
        given = {"write_key": WRITE, "secret_key": SECRET, "public_url": "https://hi.shop.example"}
        self.harken = Embedded(Settings(data=data, **{**given, **settings}), self.clock)
        self.services = self.harken.services
        self.app: Front = asgi(self.services, handled=self._handled, patience=2.0)
        self.troubled = False
        """While set, the engine handles nothing."""

    def _handled(self, offset: int) -> bool:
        if self.troubled:
            return False
        while self.harken.engine.turn():
            pass
        self.harken.feeder.flush()
        return self.services.handled(offset)

    def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = SECRET,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> httpx.Response:
        """One request; `key` goes as Bearer token."""
        given = {"Authorization": f"Bearer {key}"} if key else {}

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://harken") as client:
                return await client.request(
                    method, path, headers={**given, **(headers or {})}, **body
                )

        return asyncio.run(asked())

    def get(self, path: str, **options: Any) -> Any:
        """What the API answers to a question that it must know."""
        answer = self.ask("GET", f"/api/v1{path}", **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, method: str = "POST") -> Any:
        """What the API answers to a wish that it must grant."""
        answer = self.ask(method, f"/api/v1{path}", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def send(self, call: str, **event: Any) -> None:
        """An event by the tracking API, and what comes of it now."""
        self._track(call, event)
        self.harken.settle()

    def identify(self, user: str) -> None:
        """Somebody is told of, and the engine has not come to it yet."""
        self._track("identify", {"userId": user})

    def _track(self, call: str, event: dict[str, Any]) -> None:
        basic = base64.b64encode(f"{WRITE}:".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        answer = self.ask("POST", f"/v1/{call}", key=None, headers=headers, json=event)
        assert answer.status_code == 200, answer.text

    def apply(self, project: dict[str, Any] | None = None) -> Any:
        return self.post("/definitions/apply", project or PROJECT)

    def customer(self, user: str = "u1", **traits: Any) -> None:
        """A customer with an address."""
        traits = {"email": f"{user}@mail.example", "firstName": "Minji", **traits}
        self.send("identify", userId=user, traits=traits)

    def leaves_cart(self, user: str = "u1", cart: str = "c1", value: int = 250) -> str:
        """Someone leaves a cart, half an hour goes by; the id of the message that left."""
        properties = {"cart_id": cart, "cart_value": value, "brand": "Acme"}
        self.send("track", userId=user, event="Cart Abandoned", properties=properties)
        self.pass_time(31 * 60_000)
        return str(self.get(f"/messages?user_id={user}")["messages"][0]["id"])

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)
        self.harken.settle()

    def close(self) -> None:
        self.harken.close()
