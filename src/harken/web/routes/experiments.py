"""What the experiments of a journey have shown."""

from typing import Annotated

from litestar import Router, get
from litestar.params import Parameter
from msgspec import Struct

from harken.journeys.experiments import in_force
from harken.reports.experiments import count_all, questions_of
from harken.reports.trials import Experiment, experiment
from harken.segments.sql_writing import Asked
from harken.web.api import TheApi
from harken.web.catchup import caught_up
from harken.web.problems import not_there, responses

PATIENCE = 2.0
"""Seconds that a report waits for history; then it is told from what is there."""


class Experiments(Struct, kw_only=True):
    """The experiments of a journey: its control group's first, then in the order of its steps."""

    journey: str
    goal: str | None
    """The event that counts as converting."""
    experiments: list[Experiment]


@get("/journeys/{name:str}/experiments", responses=responses(404), sync_to_thread=True)
def show_experiments(
    api: TheApi, name: Annotated[str, Parameter(max_length=64, description="the journey's name")]
) -> Experiments:
    """Who was in which arm, what was sent, who converted, and whether it is enough to decide."""
    definitions = api.services.in_force
    journey = definitions.journeys.get(name)
    if journey is None:
        raise not_there("journey", name, definitions.journeys)
    caught_up(api.services, PATIENCE)
    segments = definitions.known.segments
    asked = Asked(now=api.now, zone=definitions.zone, segments=segments)
    found = []
    query = questions_of(api.services.history)
    for counted in count_all(query, journey.source, definitions.trials, asked):
        key = f"{name}/{counted.name}" if counted.kind != "journey" else ""
        trial, allocation = definitions.trials.get(key), definitions.allocations.get(key)
        shares = in_force(trial.weights, allocation)[0] if trial else {}
        found.append(experiment(counted, allocation, shares))
    goal = journey.source.goal
    return Experiments(journey=name, goal=goal.event if goal else None, experiments=found)


routes = Router(path="", tags=["journeys"], route_handlers=[show_experiments])
