"""The folder of definitions that the demo applies: the shop's own, and the scenarios in demo time.

The scenarios of `examples/scenarios` wait for days; a visitor of the demo has minutes. Here a day
is ten seconds, and nothing waits less than five.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from examples.shop.catalogue import HERE, read_yaml
from harken.clock import DAY, SECOND
from harken.values import Duration

SCENARIOS = HERE.parent / "scenarios"
FASTER = DAY // (10 * SECOND)
SHORTEST = 5 * SECOND
OWN = frozenset({"cart-left-behind", "week-receipt"})
"""Journeys that the shop has of its own, with its own mails."""
FEED = "http://127.0.0.1:8629"
"""The feed of weather; in the demo the shop tells it."""
SITE = "https://kelana.example"
"""Where the buttons of the mails lead; in the demo to the shop."""
TIMES = re.compile(
    r"^(\s*(?:- )?(?:wait|at_most|valid_for): )((?:\d+[smhdw])+)[ \t]*$", re.MULTILINE
)
"""What a run waits for. Windows of rules and re-entry stay as they are."""


def build(folder: Path, shop: str = FEED) -> None:
    """Write the demo's project into `folder`, which is made anew; `shop` is the shop's address."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for kind in ("journeys", "segments", "content"):
        shutil.copytree(HERE / kind, folder / kind)
    written = (".yaml", ".mjml", ".html", ".liquid")
    for source in sorted(SCENARIOS.glob("*/*")):
        target = folder / source.parent.name / source.name
        if source.parent.name == "journeys" and source.stem in OWN:
            continue
        target.parent.mkdir(exist_ok=True)
        if target.exists():
            raise FileExistsError(f"{source} has the name of a file of the shop's")
        if source.suffix in written:
            text = source.read_text("utf-8")
            text = in_demo_time(text) if source.suffix == ".yaml" else text
            target.write_text(text.replace(FEED, shop).replace(SITE, shop), "utf-8")
        else:
            shutil.copyfile(source, target)
    write(folder / "workspace.yaml", workspace())


def in_demo_time(text: str) -> str:
    """The text of a definition with its waits as a visitor can stand them."""
    return TIMES.sub(lambda found: f"{found[1]}{faster(found[2])}", text)


def faster(written: str) -> str:
    """A duration in demo time: `7d` is `70s`."""
    milliseconds = Duration.parse(written) // FASTER
    return f"{max(milliseconds, SHORTEST) // SECOND}s"


def workspace() -> dict[str, Any]:
    """The shop's workspace, with what the scenarios' one has beyond it."""
    own, more = (read_yaml(folder / "workspace.yaml") for folder in (HERE, SCENARIOS))
    for key, value in more.items():
        if isinstance(value, list):
            own[key] = [*own.get(key, []), *value]
        elif isinstance(value, dict):
            own[key] = value | own.get(key, {})
        else:
            own.setdefault(key, value)
    own["arbitration"] = faster(own["arbitration"])
    return own


def write(path: Path, value: dict[str, Any]) -> None:
    """Write a mapping as YAML."""
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(value, file)
