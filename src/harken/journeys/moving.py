"""Runs in flight that an editor moves onto a new revision: step to step, by id."""

from collections.abc import Iterator

from harken.errors import Fault
from harken.journeys.compile import LiveJourney
from harken.journeys.kinds import Step, own_id, step_id, walk
from harken.journeys.model import Journey


def move_faults(old: Journey, new: Journey) -> Iterator[Fault]:
    """What keeps the runs of one revision from being told where they are in another.

    Ids made of places (`wait-1`) tell it only where nothing was added, removed or put elsewhere.
    """
    if _ids(old) == _ids(new):
        return
    for path, step in walk(new.steps):
        if not own_id(step):
            yield Fault(path, "give this step an `id`: runs are moved from step to step by it")
    nameless = [step_id(step, place) for place, step in enumerate(_steps(old)) if not own_id(step)]
    if nameless:
        shown = ", ".join(f"`{name}`" for name in nameless[:5])
        problem = f"its runs cannot move: steps of the revision in force have no `id` ({shown})"
        yield Fault("$.steps", problem)


def place_in(new: LiveJourney, old: LiveJourney, place: int) -> int | None:
    """Where a run that stands in `place` of an old revision stands in a new one, or None."""
    if place >= len(old.nodes):
        return len(new.nodes)
    ids = [node.id for node in new.nodes]
    if ids == [node.id for node in old.nodes]:
        return place
    name = own_id(old.nodes[place].step)
    return ids.index(name) if name and name in ids else None


def place_after(new: LiveJourney, old: LiveJourney, place: int) -> int:
    """Where a run goes on whose step is gone: at the first one behind it that is left."""
    seen = set[int]()
    while place < len(old.nodes) and place not in seen:
        seen.add(place)
        place = old.nodes[place].after
        found = place_in(new, old, place)
        if found is not None:
            return found
    return len(new.nodes)


def _steps(journey: Journey) -> list[Step]:
    return [step for _, step in walk(journey.steps)]


def _ids(journey: Journey) -> list[str]:
    return [step_id(step, place) for place, step in enumerate(_steps(journey))]
