"""The words of a journey: its messages and calls with their templates parsed, and their faults."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

from harken.files.reader import read
from harken.inputs import JourneySource
from harken.journeys.faults import learning
from harken.journeys.kinds import CallWebhook, IssueCoupon, Message, step_id, walk
from harken.journeys.model import Journey
from harken.journeys.own_events import certain_of, properties_of
from harken.messages.pools import OWN, CouponPool
from harken.segments.live import Traits, compile_rule
from harken.workspace import Workspace

if TYPE_CHECKING:
    # The engine renders nothing: it never loads the templates' libraries.
    from harken.messages.compile import Words

NOTHING: frozenset[str] = frozenset()


class Named(NamedTuple):
    """What the words of messages may name."""

    pools: Mapping[str, CouponPool]
    surveys: Collection[str]


def compile_words(
    source: JourneySource, workspace: Workspace, traits: Traits, named: Named
) -> "Words":
    """The words of a journey; calls whose templates are broken are left out."""
    from harken.messages.analysis import Surroundings
    from harken.messages.compile import Words, compile_call, compile_message
    from harken.messages.coupons import certain_coupons

    journey = read(source.source, Journey)
    words = Words({}, {}, [])
    certain = certain_coupons(journey, named.pools)
    said = certain_of(journey.entry)
    around = Surroundings(
        said,
        named.surveys,
        workspace.catalogs,
        steps=learning(journey),
        coupons=_of_coupons(journey, named.pools),
        event=journey.entry.event,
        properties=properties_of(journey.entry),
    )
    for place, (path, step) in enumerate(walk(journey.steps)):
        if isinstance(step, Message):
            words.messages[step.message], found = compile_message(
                step,
                source.files,
                journey=journey.journey,
                path=path,
                journey_purpose=journey.purpose,
                workspace_language=workspace.language,
                compile_rule=lambda rule: compile_rule(rule, traits),
                around=around._replace(certain=said | certain.get(path, NOTHING)),
            )
            words.faults.extend(found)
        elif isinstance(step, CallWebhook):
            name = step_id(step, place)
            call, found = compile_call(
                step,
                source.files,
                name=name,
                journey=journey.journey,
                path=path,
                workspace_language=workspace.language,
                around=around,
            )
            words.faults.extend(found)
            if call is not None:
                words.calls[name] = call
    return words


def _of_coupons(journey: Journey, pools: Mapping[str, CouponPool]) -> set[str] | None:
    """What the coupons of a journey have; None while one of their pools is missing or broken."""
    given = [step.coupon for _, step in walk(journey.steps) if isinstance(step, IssueCoupon)]
    if not all(name in pools for name in given):
        return None
    return {*OWN, *(fact for name in given for fact in pools[name].facts)}
