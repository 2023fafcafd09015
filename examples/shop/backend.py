"""The shop's backend and Harken: one event to send, and what the mail box page asks."""

from typing import Any
from urllib.parse import quote

import httpx

MOST_LINES = 8
"""Of a journey's story, the latest are shown: one that begins anew at each page has dozens."""


class HarkenDown(Exception):
    """Harken did not answer, or refused."""


class Harken:
    """Calls to one Harken. Times out after five seconds; retries nothing."""

    def __init__(self, url: str, write_key: str, secret_key: str) -> None:
        self.url = url.rstrip("/")
        self._write = httpx.BasicAuth(write_key, "")
        self._secret = {"Authorization": f"Bearer {secret_key}"}
        self._client = httpx.AsyncClient(base_url=self.url, timeout=5.0)

    async def close(self) -> None:
        await self._client.aclose()

    async def track(self, sender: dict[str, str], event: str, properties: dict[str, Any]) -> None:
        """Send one event from the server; raises HarkenDown unless it is safe with Harken."""
        await self.send(sender, {"event": event, "properties": properties})

    async def send(self, sender: dict[str, str], call: dict[str, Any]) -> None:
        """Send a `track` call, an `identify` (it has `traits`), or an entry into a journey (it has
        `enter`); raises HarkenDown unless it is safe with Harken."""
        if "enter" in call:
            entry = {"user_id": sender["userId"], "properties": call.get("properties", {})}
            path = f"/api/v1/journeys/{quote(call['enter'], safe='')}/entries"
            await self._post(path, entry, headers=self._secret)
        else:
            kind = "identify" if "traits" in call else "track"
            await self._post(f"/v1/{kind}", {**sender, **call}, auth=self._write)

    async def _post(self, path: str, body: dict[str, Any], **how: Any) -> None:
        try:
            answer = await self._client.post(path, json=body, **how)
        except httpx.HTTPError as error:
            raise HarkenDown(str(error)) from error
        if not answer.is_success:
            raise HarkenDown(f"{answer.status_code}: {answer.text[:200]}")

    async def mails(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest mails that the sandbox caught."""
        found = await self._get(f"/api/v1/sandbox?limit={limit}")
        return list((found or {}).get("mails", []))

    async def mail(self, mail_id: str) -> dict[str, Any] | None:
        """One caught mail with its parts, or None."""
        return await self._get(f"/api/v1/sandbox/{quote(mail_id, safe='')}")

    async def segment(self, name: str) -> dict[str, Any] | None:
        """A segment, and how many customers it has; None when there is none of this name."""
        return await self._get(f"/api/v1/segments/{quote(name, safe='')}")

    async def person(self, person: str) -> dict[str, Any] | None:
        """What Harken knows of a person; None when it does not know them."""
        return await self._get(f"/api/v1/people/{quote(person, safe=':')}")

    async def why(self, person: str, language: str) -> list[dict[str, Any]]:
        """What was decided about a person, by journey; those that decided nothing are left out."""
        journeys = (await self._get("/api/v1/journeys") or {}).get("journeys", [])
        found = []
        for journey in journeys:
            answer = await self.why_of(person, journey["name"], language)
            if answer and answer["story"]:
                found.append({"journey": journey["name"], **answer})
        return found

    async def why_of(self, person: str, journey: str, language: str) -> dict[str, Any] | None:
        """What was decided lately about a person in one journey; None when either is not known."""
        path = f"/api/v1/people/{quote(person, safe=':')}"
        found = await self._get(f"{path}/why/{quote(journey, safe='')}?language={language}")
        return found and found | {"story": found.get("story", [])[-MOST_LINES:]}

    async def _get(self, path: str) -> dict[str, Any] | None:
        try:
            answer = await self._client.get(path, headers=self._secret)
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise HarkenDown(str(error)) from error
        return found
