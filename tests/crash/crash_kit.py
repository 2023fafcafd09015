"""A real Harken of real processes, customers who do not give up, and the books of what they did."""

import itertools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from mailserver import MailServer

SECRET, WRITE = "hs_crash", "hw_crash"
PATIENCE = 60.0
"""Seconds within which all must have come right; only a fault takes so long."""

AT_ONCE = {
    "journey": "at-once",
    "entry": {"event": "Cart Abandoned", "reentry": "always", "key": "cart_id"},
    "steps": [
        {
            "message": "nudge",
            "channel": "email",
            "default": {"subject": "You left {{ event.properties.cart_id | default: '?' }}",
                        "html": "<p>Come back</p>"},
        }
    ],
}  # fmt: skip
A_MOMENT_LATER = {
    "journey": "a-moment-later",
    "entry": {"event": "Product Viewed", "reentry": "always", "key": "view_id"},
    "steps": [
        {"wait": "1s"},
        {
            "message": "seen",
            "channel": "email",
            "default": {"subject": "You looked at something", "html": "<p>Still there</p>"},
        },
    ],
}  # fmt: skip
EVENTS = ("Cart Abandoned", "Product Viewed", "Song Played")


def until(done: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


class Harken:
    """`harken serve` on a folder, started as often as it takes."""

    def __init__(self, data: Path, mail: MailServer, **env: str) -> None:
        self.data, self.mail = data, mail
        self.url = ""
        self.starts: dict[str, str] = {}
        """Which event starts which journey."""
        self.said = data.with_name(f"{data.name}.log")
        self.process: subprocess.Popen[str] | None = None
        self._env = {
            **os.environ,
            "HARKEN_WRITE_KEY": WRITE,
            "HARKEN_SECRET_KEY": SECRET,
            "HARKEN_SMTP_URL": f"smtp://127.0.0.1:{mail.port}",
            "HARKEN_FROM": "Shop <hello@shop.example>",
            **env,
        }
        self.http = httpx.Client(headers={"Authorization": f"Bearer {SECRET}"}, timeout=15)
        self._started: list[psutil.Process] = []

    def start(self) -> None:
        """Start it on its folder, and wait until it is ready."""
        with self.said.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "harken", "serve", "--data", str(self.data), "--port", "0"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._env,
            )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        found = re.search(r"http://\S+", first)
        assert found, f"it did not start: {self.log()}"
        self.url = found[0]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        until(self.ready, f"ready\n{self.log()}", 30)

    def ready(self) -> bool:
        try:
            return self.http.get(f"{self.url}/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def log(self) -> str:
        return self.said.read_text()[-3000:]

    @property
    def web(self) -> psutil.Process:
        assert self.process is not None
        return psutil.Process(self.process.pid)

    def child(self, role: str) -> psutil.Process | None:
        """History, the engine, its writer, a sender or the parent of them, if it runs now."""
        for child in self.children():
            try:
                if child.name() == f"harken {role}":
                    return child
            except psutil.NoSuchProcess:
                pass
        return None

    def children(self) -> list[psutil.Process]:
        try:
            found = self.web.children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self._started += [one for one in found if one not in self._started]
        return found

    def kill(self, whom: str) -> None:
        """`web`, one of its children (see `child`) or `all`, at once and without a word."""
        children = self.children()
        victims: list[psutil.Process | None] = [self.child(whom)]
        if whom in ("web", "all"):
            victims = [self.web, *(children if whom == "all" else [])]
        for victim in victims:
            if victim is not None:
                end(victim)
        if whom in ("web", "all"):
            assert self.process is not None
            self.process.wait(10)

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        assert self.process is not None
        self.children()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def left_behind(self) -> list[psutil.Process]:
        """Processes that it ever started and that run still."""
        return [one for one in self._started if one.is_running() and one.status() != "zombie"]

    def close(self) -> None:
        """End everything, however it fares."""
        if self.process is not None and self.process.poll() is None:
            self.kill("all")
        for one in self.left_behind():
            end(one)
        self.http.close()

    # -- asking

    def get(self, path: str) -> Any:
        """An answer, as soon as nobody is just being started again."""
        end = time.monotonic() + PATIENCE
        while (answer := self.http.get(f"{self.url}/api/v1{path}")).status_code == 503:
            assert time.monotonic() < end, (path, answer.text)
            time.sleep(0.1)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.http.post(f"{self.url}/api/v1{path}", json=body)
        assert answer.status_code in (200, 201), (path, answer.text)
        return answer.json()

    def apply(self, *journeys: dict[str, Any], **workspace: Any) -> None:
        """Put the journeys (by default both of this kit) into force."""
        sources = {one["journey"]: {"source": one} for one in journeys or (AT_ONCE, A_MOMENT_LATER)}
        self.starts = {one["source"]["entry"].get("event"): name for name, one in sources.items()}
        self.post(
            "/definitions/apply", {"workspace": workspace, "journeys": sources, "segments": {}}
        )

    def ledger(self, **asked: str) -> list[dict[str, Any]]:
        """All rows of the ledger that fit."""
        rows: list[dict[str, Any]] = []
        before = ""
        while True:
            question = "&".join(f"{k}={v}" for k, v in {**asked, "limit": 500}.items())
            page = self.get(f"/messages?{question}{before}")
            rows += page["messages"]
            if not page["next"]:
                return rows
            before = f"&before={page['next']}"


class Mortal(Harken):
    """One whose processes die at a seam of their work when they are told to: see `at_seams`."""

    def __init__(self, folder: Path, mail: MailServer) -> None:
        self._armed = folder / "armed"
        self._armed.mkdir()
        seams = str(Path(__file__).parent / "at_seams")
        super().__init__(folder / "data", mail, KILL_AT=str(self._armed), PYTHONPATH=seams)

    def dies_at(self, seam: str, whom: str = "alone") -> None:
        """Whoever comes to the seam next dies, and with `family` the web process too."""
        (self._armed / seam).write_text(whom)

    def came_to(self, seam: str, note: str = "") -> None:
        until(lambda: not (self._armed / seam).exists(), f"{note} it never came to {seam!r}", 30)

    def rise(self) -> None:
        """Start it again once the web process is dead."""
        assert self.process is not None
        self.process.wait(10)
        self.start()


@contextmanager
def mortal(folder: Path) -> Iterator[Mortal]:
    """One that runs, with a mail server."""
    mail = MailServer(folder)
    harken = Mortal(folder, mail)
    try:
        harken.start()
        yield harken
    finally:
        harken.close()
        mail.close()


def end(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        pass


class Customers:
    """They say what they do until it is acknowledged, with the same message ids each time."""

    def __init__(self, harken: Harken, seed: int, name: str = "n") -> None:
        """`name` begins their message ids: those of others at the same Harken have another."""
        self.harken = harken
        self._name = name
        self.random = random.Random(seed)
        self.done: dict[str, list[tuple[str, str]]] = {}
        """By user: (event, its property `n`) of all that was acknowledged."""
        self.unanswered = 0
        self.refused: Counter[int] = Counter()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def act(self, users: Sequence[str], events: int, http: httpx.Client | None = None) -> None:
        """One request in which they do so many things."""
        chosen = [(self.random.choice(users), self.random.choice(EVENTS)) for _ in range(events)]
        self._do(chosen, http or self.harken.http)

    def does(self, event: str, user: str) -> None:
        """One thing, in a request of its own."""
        self._do([(user, event)], self.harken.http)

    def _do(self, chosen: list[tuple[str, str]], http: httpx.Client) -> None:
        items = [(user, event, f"{self._name}{next(self._numbers)}") for user, event in chosen]
        batch = [
            {"type": "identify", "userId": user, "messageId": f"i-{n}",
             "traits": {"email": f"{user}@mail.example"}}
            for user, _, n in items
        ] + [
            {"type": "track", "userId": user, "event": event, "messageId": f"t-{n}",
             "properties": {"n": n, "cart_id": n, "view_id": n}}
            for user, event, n in items
        ]  # fmt: skip
        # An id that was never seen: identities are learned with every request, too.
        batch[0]["anonymousId"] = f"a-{items[0][2]}"
        self._say(batch, http)
        with self._lock:
            for user, event, n in items:
                self.done.setdefault(user, []).append((event, n))

    def _say(self, batch: list[dict[str, Any]], http: httpx.Client) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                answer = http.post(
                    f"{self.harken.url}/v1/batch", json={"batch": batch, "writeKey": WRITE}
                )
            except httpx.HTTPError:
                self.unanswered += 1
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                assert answer.json() == {"success": True}, answer.text
                return
            assert answer.status_code == 503, answer.text
            self.refused[answer.status_code] += 1
            time.sleep(0.05)
        raise AssertionError("nobody took the events")

    @contextmanager
    def busy(self, name: str, threads: int = 2, pause: float = 0.01) -> Iterator[None]:
        """Act on and on beside what is done within."""
        stopping = threading.Event()
        failed: list[BaseException] = []

        def on_and_on(number: int) -> None:
            users = [f"{name}-{number}-{one}" for one in range(6)]
            try:
                with httpx.Client(timeout=15) as http:
                    while not stopping.is_set():
                        self.act(users, 4, http)
                        stopping.wait(pause)
            except BaseException as fault:
                failed.append(fault)

        workers = [threading.Thread(target=on_and_on, args=(n,)) for n in range(threads)]
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            stopping.set()
            for worker in workers:
                worker.join(PATIENCE + 5)
        assert not failed, failed


class Books:
    """What must be true of all that was acknowledged."""

    def __init__(self, harken: Harken, customers: Customers) -> None:
        self.harken, self.customers = harken, customers
        self._settled: set[str] = set()

    def balance(self, note: str = "") -> Counter[str]:
        """Wait until nothing is amiss; then the states of all messages."""
        found: list[str] = []
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self.amiss()
            if not found:
                self._settled.clear()
                found = self.amiss()
                if not found:
                    return Counter(row["state"] for row in self.harken.ledger())
            time.sleep(0.2)
        pytest.fail(f"{note}: {len(found)} faults:\n" + "\n".join(found[:20]), pytrace=False)

    def amiss(self) -> list[str]:
        """Everything that is not as it must be, in words."""
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in self.harken.ledger():
            rows.setdefault(row["profile_id"], []).append(row)
        arrived = self.harken.mail.arrivals()
        found = [
            f"message {id} arrived and is in no ledger"
            for id in arrived.keys() - {row["id"] for mine in rows.values() for row in mine}
        ]
        for user, done in list(self.customers.done.items()):
            if user not in self._settled:
                faults = self._of_user(user, done, rows, arrived)
                found += [f"{user}: {fault}" for fault in faults]
                if not faults:
                    self._settled.add(user)
        return found

    def _of_user(
        self,
        user: str,
        done: list[tuple[str, str]],
        rows: dict[str, list[dict[str, Any]]],
        arrived: Counter[str],
    ) -> list[str]:
        answer = self.harken.http.get(f"{self.harken.url}/api/v1/people/{user}")
        if answer.status_code != 200:
            return [f"answered {answer.status_code}: {answer.text}"]
        person, wanted, faults = answer.json(), Counter(event for event, _ in done), []
        counted = {name: person["events"].get(name, {}).get("count", 0) for name in wanted}
        if counted != wanted:
            faults.append(f"counted {counted}, acknowledged {dict(wanted)}")
        mine = rows.get(person["profile_id"], [])
        messages = Counter(row["journey"] for row in mine)
        expected = self._runs(done)
        if messages != expected:
            faults.append(f"messages {dict(messages)}, expected {dict(expected)}")
        return [*faults, *self._messages(mine, arrived), *self._history(user, done, mine)]

    def _runs(self, done: list[tuple[str, str]]) -> Counter[str]:
        """How many runs of each journey what was done has started."""
        starts = self.harken.starts
        return Counter(starts[event] for event, _ in done if event in starts)

    def _messages(self, mine: list[dict[str, Any]], arrived: Counter[str]) -> Iterator[str]:
        allowed = {"sent": {1}, "unsure": {0, 1}, "failed": {0}}
        for row in mine:
            copies = arrived[row["id"]]
            if copies not in allowed.get(row["state"], set()):
                yield f"message {row['id']} is {row['state']} ({row['reason']}), {copies} arrived"

    def _history(
        self, user: str, done: list[tuple[str, str]], mine: list[dict[str, Any]]
    ) -> Iterator[str]:
        lines, before = [], ""
        while True:
            page = self.harken.get(f"/people/{user}/timeline?limit=500{before}")
            lines += page["timeline"]
            if not page["next"]:
                break
            before = f"&before={page['next']}"
        events = [line for line in lines if line["kind"] == "event"]
        kept = Counter(
            (line["name"], line["properties"].get("n")) for line in events
            if not line["name"].startswith("$")
        )  # fmt: skip
        if kept != Counter(done):
            more, less = kept - Counter(done), Counter(done) - kept
            yield f"history has too much {list(more)[:3]}, too little {list(less)[:3]}"
        entered = Counter(line["journey"] for line in events if line["name"] == "$journey_entered")
        expected = self._runs(done)
        if entered != expected:
            yield f"history has entries {dict(entered)}, expected {dict(expected)}"
        told = Counter(
            line["message"] for line in events
            if line["name"] in ("$message_sent", "$message_unsure", "$message_failed")
        )  # fmt: skip
        if told != Counter(row["id"] for row in mine):
            yield f"history tells of the outcome of {len(told)} messages, there are {len(mine)}"
