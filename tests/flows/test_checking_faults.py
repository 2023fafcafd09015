"""What check passes can be put in force, and whatever else is told, not raised."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from harken.checking import check
from harken.definitions import InForce
from harken.files.remnants import readable
from harken.inputs import Definitions, JourneySource
from harken.workspace import Workspace

GOOD: dict[str, Any] = {
    "workspace": {
        "timezone": "Asia/Seoul",
        "senders": {"default": {"from": "Shop <hi@shop.example>"}},
        "transports": [{"name": "main", "url": "smtp://mail.example", "weight": 1}],
        "caps": [{"at_most": 2, "per": "1d"}],
        "policy_packs": ["KR"],
        "webhooks": {"crm": {"url": "sandbox:"}},
    },
    "journey": {
        "journey": "cart",
        "entry": {"event": "Cart Abandoned", "where": {"cart_value": {"gte": 100}}},
        "steps": [
            {"wait": "30m"},
            {"coupon": "gift", "otherwise": [{"exit": True}]},
            {
                "message": "nudge",
                "channel": "email",
                "variants": [
                    {"when": {"attribute": "vip", "equals": True}, "subject": "VIP"},
                    {"when": {"did": "Bought", "within": "30d"}, "subject": "{{ coupon.code }}"},
                ],
                "default": {
                    "subject": "Hi",
                    "html": "<p>{{ profile.name | default: 'you' }} {{ links.survey.taste }}</p>",
                },
            },
            {
                "wait_for": [
                    {"event": "$survey_answered", "where": {"survey": "taste"}},
                    {"outcome": "opened", "message": "nudge"},
                ],
                "at_most": "1d",
                "id": "told",
            },
            {
                "branch": [
                    {
                        "when": {"answer": "told.reason", "equals": "price"},
                        "then": [{"update": {"dear": True, "answered": {"now": True}}}],
                    }
                ],
                "otherwise": [{"wait": {"time": "09:00", "on": ["mon"]}}],
            },
            {"webhook": "crm", "id": "score", "payload": {"to": "{{ profile.id }}"}},
            {
                "split": "tone",
                "arms": [
                    {"name": "a", "weight": 50, "then": [{"wait": {"best_hour": "24h"}}]},
                    {"name": "b", "weight": 50, "then": [{"enter": "later", "with": {"x": 1}}]},
                ],
                "control": 10,
            },
            {"exit": {"in_segment": "vips"}},
        ],
    },
    "later": {
        "journey": "later",
        "entry": {"api": True},
        "steps": [{"wait": {"event_property": "due", "before": "1d"}}],
    },
    "segment": {"segment": "vips", "rule": {"attribute": "vip", "equals": True}},
    "coupon": {"coupon": "gift", "mint": {"prefix": "G-"}, "valid_for": "3d"},
    "survey": {
        "survey": "taste",
        "title": "How was it?",
        "questions": [{"single": "reason", "ask": "Why?", "options": {"price": "Price", "x": "X"}}],
    },
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from places(inner, (*path, key))
    for index, inner in enumerate(value if isinstance(value, list) else ()):
        yield from places(inner, (*path, index))


PLACES = list(places(GOOD))
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["30m", "a.mjml", "{{ x }}", "{% for a in (1..99999) %}{% endfor %}", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["from", "a.b", "x[0]", "event"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def spoiled(changes: list[tuple[tuple[Any, ...], Any]]) -> Definitions:
    whole = copy.deepcopy(GOOD)
    for path, odd in changes:
        at: Any = whole
        for key in path[:-1]:
            inside = (isinstance(at, dict) and key in at) or (
                isinstance(at, list) and isinstance(key, int) and key < len(at)
            )
            if not inside:
                break
            at = at[key]
        else:
            if isinstance(at, dict) or (isinstance(at, list) and path[-1] in range(len(at))):
                at[path[-1]] = odd
    plain = {name: one if isinstance(one, dict) else {} for name, one in whole.items()}
    return Definitions(
        revision=1,
        applied_at=0,
        applied_by="",
        workspace=plain["workspace"],
        journeys={
            "cart": JourneySource(1, plain["journey"]),
            "later": JourneySource(1, plain["later"]),
        },
        segments={"vips": plain["segment"]},
        coupons={"gift": plain["coupon"]},
        surveys={"taste": plain["survey"]},
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ODD), max_size=4))
@example([])
def test_check_never_raises_and_what_it_passes_compiles(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    written = spoiled(changes)
    wrong = [fault for _, _, fault in check(written) if not fault.warning]
    if not changes:
        assert wrong == []
    if not wrong:
        InForce(written, lambda name, revision: None)


def test_what_is_wrong_is_taken_away_and_nothing_else() -> None:
    value = {
        "timezone": "Mars",
        "senders": {"a": {"from": "a@b.example"}, "b": {"form": "x"}},
        "transports": [{"name": "one", "wait": 1}, {"name": "two", "dkim": {"domain": "d"}}],
    }
    rest = readable(value, Workspace)
    assert rest.plain == {
        "senders": {"a": {"from": "a@b.example"}},
        "transports": [{"name": "one"}, {"name": "two"}],
    }
    assert [transport.name for transport in rest.typed.transports] == ["one", "two"]
    # A misspelt key (`form`) is not told again as the missing one that it stands for (`from`).
    paths = ["$.timezone", "$.senders.b.form", "$.transports[0].wait", "$.transports[1].dkim"]
    assert sorted(fault.path for fault in rest.faults) == sorted(paths)
