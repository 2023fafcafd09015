"""The demo: Harken, the shop and a month of its history, on this machine alone.

`./run demo` runs it. Everything it keeps is in its data folder; nothing is mailed to anyone.
"""

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import httpx
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from examples.shop import history, project
from examples.shop.catalogue import HERE, catalogue
from examples.shop.groups import NAMES
from examples.shop.pages import SDK
from examples.shop.processes import Child, ChildFailed, free_port, is_free
from harken.clock import SystemClock

HOST = "127.0.0.1"
GIFTS = 1_000
"""Codes of gifts for the scenario of a trial."""
OFFER = {
    "offer": "15 % off until Sunday",
    "offer_ko": "일요일까지 15% 할인",
    "offer_id": "diskon 15% sampai Minggu",
}
FIRST_PORT = 8600
ROOT = HERE.parent.parent
NOTES = "demo.json"
READY_SECONDS = 60.0
API_DOCS = "/api/docs"


class Notes(msgspec.Struct):
    """What the demo remembers in its data folder."""

    write_key: str
    secret_key: str
    history_until: int
    """The month ends here, also when an import was broken off and is done again."""
    imported: bool = False


class Wrong(Exception):
    """The demo cannot start; says why and what to do."""


class Options(msgspec.Struct, frozen=True):
    """What was chosen on the command line."""

    data: Path
    port: int
    shop_port: int
    fresh: bool
    check: bool
    customers: int
    abandoned_after: float

    @property
    def harken(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def shop(self) -> str:
        return f"http://{HOST}:{self.shop_port}"


def options(arguments: list[str] | None) -> Options:
    """The chosen options. Raises Wrong for a port that is taken."""
    parser = argparse.ArgumentParser(prog="./run demo", description="Harken with a demo shop.")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "demo", help="data folder")
    parser.add_argument("--port", type=int, help="Harken's port (default: free, from 8600)")
    parser.add_argument("--shop-port", type=int, help="the shop's port (default: free, next)")
    parser.add_argument("--fresh", action="store_true", help="forget the last demo")
    parser.add_argument("--check", action="store_true", help="start, ask every page, and stop")
    parser.add_argument("--customers", type=int, default=history.CUSTOMERS,
                        help="customers in the history; 0 for none")  # fmt: skip
    parser.add_argument("--abandoned-after", type=float, default=5.0,
                        help="seconds until a cart counts as left behind")  # fmt: skip
    chosen = parser.parse_args(arguments)
    for name, port in (("--port", chosen.port), ("--shop-port", chosen.shop_port)):
        if port is not None and not (0 < port < 65_536 and is_free(port)):
            raise Wrong(f"{name} {port} is taken or no port. Choose another, or none.")
    if chosen.port and chosen.port == chosen.shop_port:
        raise Wrong("--port and --shop-port are the same; choose two.")
    port = chosen.port or free_port(FIRST_PORT, but=chosen.shop_port or 0)
    return Options(
        data=chosen.data.resolve(),
        port=port,
        shop_port=chosen.shop_port or free_port(port + 1, but=port),
        fresh=chosen.fresh,
        check=chosen.check,
        customers=max(chosen.customers, 0),
        abandoned_after=chosen.abandoned_after,
    )


def prepare_data(chosen: Options) -> Notes:
    """The notes of the data folder, made anew if wanted. Raises Wrong for a folder not ours."""
    notes = chosen.data / NOTES
    if chosen.data.exists() and any(chosen.data.iterdir()) and not notes.exists():
        raise Wrong(f"{chosen.data} holds something else than a demo; choose another --data.")
    if chosen.fresh and chosen.data.exists():
        shutil.rmtree(chosen.data)
    (chosen.data / "logs").mkdir(parents=True, exist_ok=True)
    if notes.exists():
        return msgspec.json.decode(notes.read_bytes(), type=Notes)
    made = Notes(secrets.token_urlsafe(18), secrets.token_urlsafe(24), SystemClock().now())
    keep_notes(chosen, made)
    return made


def keep_notes(chosen: Options, notes: Notes) -> None:
    path = chosen.data / NOTES
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(notes))


def install_sdk(console: Console) -> None:
    """Fetch the browser SDK as locked, once. Raises Wrong when that cannot be done."""
    if (SDK / "index.js").exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise Wrong("the shop's browser SDK needs npm (Node.js 20 or newer) once; install it.")
    with console.status("Fetching the Segment browser SDK with npm"):
        done = subprocess.run(
            [npm, "ci", "--no-fund", "--no-audit"], cwd=HERE, capture_output=True, text=True
        )
    if done.returncode != 0 or not (SDK / "index.js").exists():
        raise Wrong(f"npm ci in examples/shop failed:\n{done.stderr[-2_000:]}")


def environment(chosen: Options, notes: Notes) -> dict[str, str]:
    """What the children are told. A mail server of the user's is not for a demo."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HARKEN_")}
    return kept | {
        "HARKEN_WRITE_KEY": notes.write_key,
        "HARKEN_SECRET_KEY": notes.secret_key,
        "HARKEN_PUBLIC_URL": chosen.harken,
        # The shop also tells the weather to mails.
        "HARKEN_PRIVATE_NETWORKS": HOST,
        "HARKEN_URL": chosen.harken,
        "SHOP_PORT": str(chosen.shop_port),
        "CART_ABANDONED_AFTER": str(chosen.abandoned_after),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }


class Demo:
    """The running demo."""

    def __init__(self, chosen: Options, console: Console) -> None:
        self._chosen = chosen
        self._console = console
        self._children: list[Child] = []

    def run(self) -> None:
        """Start everything, and stay until stopped (or, with `check`, until checked)."""
        chosen = self._chosen
        notes = prepare_data(chosen)
        install_sdk(self._console)
        told = environment(chosen, notes)
        with self._console.status("Starting Harken"):
            command = ["harken", "serve", "--data", str(chosen.data / "harken")]
            harken = self._start("harken", [*command, "--port", str(chosen.port)], told)
            harken.wait_until_ready(f"{chosen.harken}/readyz", READY_SECONDS)
        apply_files(chosen, told)
        self._import_history(notes)
        upload_goods(chosen, told)
        shop = self._start("shop", ["examples.shop.server"], told)
        shop.wait_until_ready(f"{chosen.shop}/healthz", READY_SECONDS)
        if chosen.check:
            check_pages(chosen, self._console)
            return
        self._console.print(where_to_click(chosen))
        while True:
            for child in self._children:
                child.check()
            time.sleep(0.3)

    def stop(self) -> None:
        """Stop everything that was started, the last first."""
        while self._children:
            self._children.pop().stop()

    def _start(self, name: str, module: list[str], told: dict[str, str]) -> Child:
        log = self._chosen.data / "logs" / f"{name}.log"
        child = Child(name, [sys.executable, "-m", *module], told, log)
        self._children.append(child)
        return child

    def _import_history(self, notes: Notes) -> None:
        chosen = self._chosen
        if notes.imported or not chosen.customers:
            return
        calls = list(history.events(notes.history_until, chosen.customers, chosen.customers // 5))
        columns = (
            TextColumn("A month of the shop's history"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("events"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task("", total=len(calls))
            history.send(calls, chosen.harken, notes.write_key, lambda n: progress.advance(task, n))
        letters = history.letters(chosen.customers)
        history.send(letters, chosen.harken, notes.write_key, lambda _: None, history.LIVE)
        notes.imported = True
        keep_notes(chosen, notes)


def apply_files(chosen: Options, told: dict[str, str]) -> None:
    """Give Harken the shop's journeys and the scenarios. Raises Wrong with the faults."""
    folder = chosen.data / "project"
    project.build(folder, chosen.shop)
    run_harken(chosen, told, "apply", str(folder))
    gifts = chosen.data / "gifts.csv"
    gifts.write_text("".join(f"GIFT-{number:04}\n" for number in range(GIFTS)))
    run_harken(chosen, told, "coupons", "import", "trial-gift", str(gifts))


def run_harken(chosen: Options, told: dict[str, str], *words: str) -> None:
    """A command of Harken's. Raises Wrong with what it says when it fails."""
    command = [sys.executable, "-m", "harken", *words, "--server", chosen.harken]
    try:
        done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired as error:
        raise Wrong(f"harken {' '.join(words)} took longer than {error.timeout:.0f} s") from None
    if done.returncode != 0:
        raise Wrong(f"harken {' '.join(words)} failed:\n{done.stdout}{done.stderr}")


def upload_goods(chosen: Options, told: dict[str, str]) -> None:
    """Give Harken what the shop sells. Raises Wrong when it does not take it."""
    file = chosen.data / "products.ndjson"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, goods_for_sale(chosen.shop))))
    run_harken(chosen, told, "catalogs", "import", "products", str(file))


def goods_for_sale(shop: str) -> list[dict[str, Any]]:
    """The shop's products as the items of a catalog."""
    return [
        {
            "id": one.id,
            "title": one.name["en"],
            "title_ko": one.name["ko"],
            "title_id": one.name["id"],
            "category": one.category,
            "brand": one.brand,
            "price": one.price,
            "in_stock": True,
            "url": f"{shop}/product/{one.id}",
            "image_url": f"{shop}/static/art/{one.id}.png",
            **(OFFER if one.id == "weekender" else {}),
        }
        for one in catalogue().products
    ]


def pages() -> list[str]:
    """Every page that a visitor can open without doing anything first."""
    goods = catalogue()
    return [
        "/", "/search?q=bag", "/cart", "/checkout", "/sign-up", "/log-in", "/mailbox",
        "/mailbox/data", "/scenes", "/scenes/data", f"/event/{goods.event.id}",
        *(f"/category/{category}" for category in goods.categories),
        *(f"/product/{product.id}" for product in goods.products),
        *(f"/static/art/{product.id}.{kind}" for product in goods.products
          for kind in ("svg", "png")),
        "/static/shop.css", "/static/shop.js", "/static/mailbox.js", "/static/scenes.js",
        "/sdk/analytics-next/bundles/index.js",
    ]  # fmt: skip


def check_pages(chosen: Options, console: Console) -> None:
    """Ask every page once. Raises Wrong with those that do not answer 200."""
    with httpx.Client(base_url=chosen.shop, timeout=10) as client:
        answers = {page: client.get(page).status_code for page in pages()}
        data = client.get("/mailbox/data").json()
    wrong = [f"{page}: {status}" for page, status in answers.items() if status != 200]
    if data["mails"] is None:
        wrong.append("the mail box page cannot reach Harken's API")
    if len(data["segments"] or ()) != len(NAMES):
        wrong.append("the mail box page cannot show every segment")
    if wrong:
        raise Wrong("pages that do not work:\n" + "\n".join(wrong))
    console.print(f"All {len(answers)} pages answer.")


def where_to_click(chosen: Options) -> Panel:
    """What to do, for someone who has just started the demo."""
    table = Table.grid(padding=(0, 2))
    table.add_row("Shop", f"[link={chosen.shop}/]{chosen.shop}/[/link]")
    table.add_row(
        "Mails, segments, why", f"[link={chosen.shop}/mailbox]{chosen.shop}/mailbox[/link]"
    )
    table.add_row("Scenarios to play", f"[link={chosen.shop}/scenes]{chosen.shop}/scenes[/link]")
    docs = chosen.harken + API_DOCS
    table.add_row("Harken's API", f"[link={docs}]{docs}[/link]")
    table.add_row("", "")
    table.add_row("1", "Sign up in the shop, with any name and address.")
    table.add_row("2", "Fill a cart worth $200 or more: the Weekender alone will do.")
    table.add_row("3", "Leave: close the tab, or open the mail box page.")
    seconds = chosen.abandoned_after + 10
    table.add_row("4", f"In about {seconds:.0f} seconds the reminder is in the mail box.")
    table.add_row("5", "Or buy first: no reminder comes, and the page says why.")
    table.add_row(
        "6", "Open the Weekender's page three times: that is a segment, and it gets a mail."
    )
    table.add_row("", "")
    table.add_row("", f"[dim]Logs: {escape(str(chosen.data / 'logs'))}. Ctrl-C stops it all.[/dim]")
    return Panel(table, title="Harken is listening", expand=False, padding=(1, 2))


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit code is 0 when it was stopped or checked, else 1 or 2."""
    console = Console()
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, _stop)
    try:
        demo = Demo(options(arguments), console)
    except (Wrong, OSError) as error:
        console.print(escape(str(error)), style="red")
        return 2
    try:
        demo.run()
    except KeyboardInterrupt:
        console.print("Stopping.")
    except (Wrong, ChildFailed, history.NotTaken, OSError, httpx.HTTPError) as error:
        console.print(escape(str(error)), style="red")
        return 1
    finally:
        # A second signal must not leave a child behind.
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        demo.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
