"""A month of believable history: `python -m examples.shop.history` writes it as NDJSON.

Two thousand invented customers and some visitors who never sign up, with their days and weeks;
the same for the same `now`. Each line is a call of Segment's HTTP tracking API.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from random import Random
from typing import Any

import httpx
import msgspec

from examples.shop.catalogue import Catalogue, catalogue
from examples.shop.people import Person, person, user_id
from examples.shop.visits import Visit
from harken.clock import DAY, HOUR, SystemClock, parse_time, to_datetime

DAYS = 30
CUSTOMERS = 2_000
PASSERS_BY = 400
# Visits by local hour: a rise at lunch, the peak in the evening.
HOURS = (3, 2, 1, 1, 1, 1, 2, 4, 6, 6, 7, 8, 11, 10, 7, 6, 6, 7, 8, 10, 13, 15, 13, 8)
# Monday to Sunday.
WEEKDAYS = (1.05, 0.95, 0.95, 0.95, 0.9, 1.1, 1.3)
PAYDAYS = range(25, 29)

# The shop's letters go to one customer in so many, five each.
LETTERS = 5
READERS = 250

# The collector takes 500 KB and 2,500 events a batch.
BATCH_EVENTS = 500
BATCH_BYTES = 400_000
TRIES = 6
IMPORT = "/v1/import"
LIVE = "/v1/batch"
"""As if it happened now: journeys start."""


class NotTaken(Exception):
    """Harken refused a batch, or did not answer in time."""


def events(
    now: int, customers: int = CUSTOMERS, passers_by: int = PASSERS_BY, seed: int = 8600
) -> Iterator[dict[str, Any]]:
    """The calls of the 30 days before `now` (milliseconds), in the order of their time."""
    goods = catalogue()
    calls: list[tuple[int, int, int, dict[str, Any]]] = []
    for number in range(customers + passers_by):
        # Each has a random of their own, so that a change to one life leaves the others alone.
        random = Random(seed * 1_000_003 + number)
        someone = person(number, number < customers, list(goods.categories), random)
        for place, (at, call) in enumerate(_life(someone, goods, now, random)):
            call["messageId"] = f"history-{seed}-{number}-{place}"
            calls.append((at, number, place, call))
    calls.sort(key=lambda entry: entry[:3])
    for *_, call in calls:
        yield call


def letters(customers: int = CUSTOMERS) -> Iterator[dict[str, Any]]:
    """The shop's letters to some customers. They are no past: each starts a journey now."""
    for reader in range(READERS // 2, customers, READERS):
        for number in range(1, LETTERS + 1):
            yield {
                "type": "track",
                "userId": user_id(reader),
                "event": "Letter Ready",
                "properties": {"letter_id": f"letter-{number}"},
                "messageId": f"letter-{reader}-{number}",
            }


def _life(
    someone: Person, goods: Catalogue, now: int, random: Random
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Everything that one customer did in the month."""
    visits = min(1 + int(random.expovariate(1 / someone.persona.visits)), 40)
    if someone.user_id is None:
        visits = min(visits, 2)
    starts = sorted(_start(someone, now, random) for _ in range(visits))
    is_new = someone.user_id is not None and random.random() < 0.35
    created_at = now - DAYS * DAY - random.randrange(300 * DAY)
    free_from = 0
    for number, start in enumerate(starts):
        signs_up = is_new and number == 0
        known = someone.user_id is not None and not (is_new and number == 0)
        visit = Visit(someone, goods, max(start, free_from), random)
        visit.walk(known, signs_up, starts[0] if is_new else created_at)
        free_from = visit.at + HOUR
        yield from ((at, call) for at, call in visit.calls if at < now)


def _start(someone: Person, now: int, random: Random) -> int:
    """When a visit begins: any hour of the month, the busy ones more often."""
    local = timedelta(hours=someone.offset)
    while True:
        at = now - random.randrange(DAYS * DAY)
        when = to_datetime(at) + local
        weight = HOURS[when.hour] * WEEKDAYS[when.weekday()]
        weight *= 1.3 if when.day in PAYDAYS else 1.0
        if random.random() * 26 < weight:
            return at


def batches(calls: Iterable[dict[str, Any]]) -> Iterator[tuple[int, bytes]]:
    """Bodies for `POST /v1/import` within the collector's limits, each with its event count."""
    parts: list[bytes] = []
    size = 0
    for call in calls:
        part = msgspec.json.encode(call)
        if parts and (len(parts) == BATCH_EVENTS or size + len(part) > BATCH_BYTES):
            yield len(parts), _body(parts)
            parts, size = [], 0
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield len(parts), _body(parts)


def _body(parts: list[bytes]) -> bytes:
    return b'{"batch":[' + b",".join(parts) + b"]}"


def send(
    calls: Iterable[dict[str, Any]],
    url: str,
    write_key: str,
    progress: Callable[[int], None],
    path: str = IMPORT,
) -> int:
    """Import calls through Harken's API; `progress` is told how many each batch held.

    Waits and tries again when Harken is busy; raises NotTaken when it refuses.
    """
    total = 0
    with httpx.Client(base_url=url, auth=(write_key, ""), timeout=60) as client:
        for count, body in batches(calls):
            _send_batch(client, path, body)
            total += count
            progress(count)
    return total


def _send_batch(client: httpx.Client, path: str, body: bytes) -> None:
    said = ""
    for attempt in range(TRIES):
        try:
            answer = client.post(path, content=body, headers={"content-type": "application/json"})
        except httpx.TransportError as error:
            said, pause = str(error), 0.2 * 2**attempt
        else:
            if answer.status_code == 200:
                return
            said = f"{answer.status_code}: {answer.text[:300]}"
            if answer.status_code not in (429, 503):
                break
            pause = _retry_after(answer.headers.get("retry-after")) or 0.2 * 2**attempt
        time.sleep(pause)
    raise NotTaken(said)


def _retry_after(text: str | None) -> float:
    """Seconds to wait as a header says it, at most ten; 0 when it does not."""
    try:
        return min(max(float(text or ""), 0.0), 10.0)
    except ValueError:
        return 0.0


def main() -> None:
    """Write the month before `--now` (default: this moment) to standard output."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--now", help="an ISO time; default: this moment")
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    chosen = parser.parse_args()
    now = parse_time(chosen.now) if chosen.now else SystemClock().now()
    if now is None:
        parser.error(f"{chosen.now!r} is no ISO time; write 2026-11-01T09:00:00Z")
    for call in events(now, chosen.customers, chosen.customers // 5):
        sys.stdout.buffer.write(msgspec.json.encode(call) + b"\n")


if __name__ == "__main__":
    main()
