"""Steps of a journey as they are written, whatever else stands there."""

from collections.abc import Iterator
from typing import Any

LIMBS = ("branch", "wait_for", "arms")
"""Lists of a step whose items hold steps under `then`."""


def plain_steps(steps: Any, path: str = "$.steps") -> Iterator[tuple[str, dict[str, Any]]]:
    """Steps as they are written, and those inside them, each with its place; total likewise."""
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        if not isinstance(step, dict):
            continue
        place = f"{path}[{index}]"
        yield place, step
        for key in LIMBS:
            arms = step.get(key)
            for number, arm in enumerate(arms if isinstance(arms, list) else []):
                if isinstance(arm, dict):
                    yield from plain_steps(arm.get("then"), f"{place}.{key}[{number}].then")
        yield from plain_steps(step.get("otherwise"), f"{place}.otherwise")
