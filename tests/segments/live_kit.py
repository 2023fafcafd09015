"""Random customers and rules of every condition, for what must hold of all of them."""

from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from harken.clock import DAY, HOUR, iso
from harken.files.reader import read
from harken.people.apply import count_event
from harken.people.profile import ConsentChange, Profile, Reach, Trigger
from harken.segments.live import Traits
from harken.segments.rules import Rule

NOW = 1_772_445_600_000
"""2026-03-02T10:00:00Z."""
SEOUL = ZoneInfo("Asia/Seoul")
ZONES = ("UTC", "Asia/Seoul", "America/New_York", "America/Santiago", "Australia/Lord_Howe")
"""The last three change their clocks; Santiago at midnight."""

names = st.sampled_from(("a", "b", "a.c"))
events = st.sampled_from(("Go", "Buy"))
scalars = st.sampled_from(
    (0, 1, 1.0, 2.5, -3, True, False, "", "x", "xy", "1", "2026-03-01", "2026-02-30")
)
numbers = st.sampled_from((-3.0, 0.0, 1.0, 2.5))
moments = st.sampled_from(("2026-01-01", "2026-03-01", "2026-03-02T05:00:00Z", "2027-01-01"))
durations = st.sampled_from(("1h", "3h", "1d", "2d12h"))

tests: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda v: {"equals": v}, st.none() | scalars),
    st.builds(lambda v: {"not_equals": v}, scalars),
    st.builds(lambda v: {"in": v}, st.lists(scalars, min_size=1, max_size=2)),
    st.builds(lambda v: {"not_in": v}, st.lists(scalars, min_size=1, max_size=2)),
    st.builds(lambda v: {"contains": v}, scalars),
    st.builds(lambda v: {"gt": v}, numbers),
    st.builds(lambda v, w: {"gte": v, "lt": w}, numbers, numbers),
    st.builds(lambda v, w: {"between": sorted((v, w))}, numbers, numbers),
    st.builds(lambda v: {"regex": v}, st.sampled_from(("x", "^$", "y$"))),
    st.builds(lambda v: {"before": v}, moments),
    st.builds(lambda v: {"after": v}, moments),
    st.builds(lambda v: {"exists": v}, st.booleans()),
    st.builds(lambda v: {"some": {"c": {"gte": v}}}, numbers),
)
wheres = st.just({}) | st.dictionaries(names, tests, max_size=1)
counts: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.builds(lambda n: {"exactly": n}, st.integers(0, 3)),
    st.builds(lambda n: {"at_least": n}, st.integers(0, 3)),
    st.builds(lambda n: {"at_most": n}, st.integers(0, 3)),
    st.builds(lambda n, m: {"at_least": n, "at_most": n + m}, st.integers(0, 2), st.integers(0, 2)),
)
windows: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda v: {"within": v}, durations),
    st.builds(
        lambda n, z: {"within": {"days": n, "timezone": z}}, st.integers(1, 3),
        st.sampled_from(ZONES),
    ),
)  # fmt: skip
spans: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    windows,
    st.just({"between": ["2026-02-28", "2026-03-02T05:00:00+01:00"]}),
)
bounds: st.SearchStrategy[dict[str, Any]] = st.one_of(
    *(st.builds(lambda v, k=key: {k: v}, numbers) for key in ("equals", "gt", "gte", "lt", "lte")),
    st.builds(lambda v, w: {"gte": v, "lt": w}, numbers, numbers),
)


def follows(*, waits: bool) -> st.SearchStrategy[dict[str, Any]]:
    some = durations if waits else st.none() | durations
    return st.builds(
        lambda did, where, wait: {"did": did, "where": where} | ({"in": wait} if wait else {}),
        events, wheres, some,
    )  # fmt: skip


dids = st.builds(
    lambda did, where, span, count, then: {"did": did, "where": where, **span, **count, **then},
    events, wheres, spans, counts,
    st.one_of(
        st.just({}),
        st.builds(lambda f: {"then": f}, follows(waits=False)),
        st.builds(lambda f: {"then_not": f}, follows(waits=True)),
    ),
)  # fmt: skip
measures = st.builds(
    lambda key, path, of, where, span, bound: (
        {key: path, "of": of, "where": where} | span | bound
    ),
    st.sampled_from(("sum", "average", "min", "max", "distinct")),
    names, events, wheres, spans, bounds,
)  # fmt: skip
occasions = st.builds(
    lambda key, did, where, when, like: {key: did, "where": where, "is": like, **when},
    st.sampled_from(("first", "last")), events, wheres,
    st.one_of(
        st.just({}),
        st.builds(lambda v: {"within": v}, durations),
        st.builds(lambda v: {"longer_ago": v}, durations),
        st.builds(lambda v, w: {"within": v, "longer_ago": w}, durations, durations),
        st.builds(lambda v: {"before": v}, moments),
        st.builds(lambda v: {"after": v}, moments),
    ),
    wheres,
)  # fmt: skip
messages = st.builds(
    lambda what, last, channel, count: {"messages": what, "of_last": last} | channel | count,
    st.sampled_from(("opened", "clicked", "bounced")), st.integers(3, 4),
    st.sampled_from(({}, {"channel": "email"}, {"journey": "cart"})), counts,
)  # fmt: skip
dates = st.builds(
    lambda when, test: {"attribute": "date", **when, **test},
    st.one_of(
        *(
            st.builds(lambda v, k=key: {k: v}, durations)
            for key in ("within", "in_next", "longer_ago")
        ),
        st.builds(
            lambda n, z: {"anniversary": {"in_next": n} | ({"timezone": z} if z else {})},
            st.sampled_from((1, 2, 7, 300, 365, 366)), st.none() | st.sampled_from(ZONES),
        ),
        st.builds(lambda v, w: {"within": v, "longer_ago": w}, durations, durations),
    ),
    st.just({}) | st.builds(lambda v: {"after": v}, moments),
)  # fmt: skip
facts = st.sampled_from(
    (
        {"in_list": "guests"},
        {"reachable": "email"},
        {"consent": "email", "is": "opted_in"},
        {"consent": "email", "is": "implied"},
        {"near": {"latitude": 37.5, "longitude": 127.0}, "radius": 20_000},
        {"bucket": "salt", "from": 0, "to": 4_999},
        {"in_segment": "buyers"},
        {"in_segment": "lately"},
        {"not": {"in_segment": "lately"}},
    )
)
"""Conditions that look at one thing each."""
BUYERS = {"did": "Buy", "at_least": 2}
LATELY = {"any": [{"did": "Go", "within": "3h"}, {"in_segment": "buyers"}]}
SEGMENTS: dict[str, Rule] = {name: read(rule, Rule) for name, rule in (
    ("buyers", BUYERS), ("lately", LATELY))}  # fmt: skip

attributes_of = st.builds(lambda n, t: {"attribute": n, **t}, names, tests)
leaves = st.one_of(attributes_of, dids, measures, occasions, messages, dates, facts)


def trees(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Rules made of these, as they are written."""
    return st.recursive(
        of,
        lambda inner: st.one_of(
            st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda part: {"not": part}, inner),
        ),
        max_leaves=5,
    )


values = st.one_of(
    scalars,
    st.lists(scalars | st.fixed_dictionaries({"c": scalars}), max_size=2),
    st.fixed_dictionaries({"c": scalars}),
)
objects = st.dictionaries(st.sampled_from(("a", "b")), values, max_size=2)
instants = st.builds(
    lambda hours, ms: NOW - hours * HOUR + ms,
    st.sampled_from((0, 0.5, 1, 2, 3, 4, 20, 24, 25, 48, 60, 61)),
    st.sampled_from((0, 0, -1, 1)),
).map(lambda at: min(int(at), NOW))
happenings = st.lists(
    st.one_of(
        st.tuples(events, instants, objects),
        st.builds(
            lambda what, at, id, channel: (
                f"$message_{what}",
                at,
                {"message": f"m{id}", "channel": channel, "journey": "cart"},
            ),
            st.sampled_from(("sent", "sent", "opened", "clicked", "bounced")),
            instants,
            st.integers(0, 5),
            st.sampled_from(("email", "push")),
        ),
    ),
    max_size=12,
)
"""What a customer did: (name, when, properties), in the order in which it is told."""
people = st.fixed_dictionaries(
    {
        "attributes": objects,
        "date": st.one_of(
            st.none(),
            st.builds(lambda h: iso(NOW + h * HOUR), st.integers(-80, 80)),
            st.builds(lambda d: iso(NOW + d * DAY - 30 * 365 * DAY)[:10], st.integers(0, 400)),
            st.just("2000-02-29"),
            st.just("soon"),
        ),
        "on_list": st.booleans(),
        "email": st.sampled_from((None, "a@shop.example", "nobody", "dead@shop.example")),
        "consent": st.sampled_from((None, "opted_in", "opted_out")),
        "place": st.sampled_from((None, (37.56, 126.97), (35.1, 129.0))),
    }
)


def customer(person: dict[str, Any], past: list[Any], traits: Traits, id: int = 1) -> Profile:
    """The document of someone of `people` to whom `past` happened."""
    profile = Profile(id=id, attributes=dict(person["attributes"]))
    if person["date"] is not None:
        profile.attributes["date"] = person["date"]
    if person["on_list"]:
        profile.lists["guests"] = NOW
    if person["email"]:
        profile.attributes["email"] = person["email"]
    if person["email"] == "dead@shop.example":
        profile.unreachable["email"] = Reach(address=person["email"], why="hard bounce", at=1)
    if person["consent"]:
        profile.consent["email:marketing"] = ConsentChange(
            channel="email", purpose="marketing", state=person["consent"], at=1, by="x", how="x"
        )
    if person["place"]:
        latitude, longitude = person["place"]
        profile.learned["location"] = {"latitude": latitude, "longitude": longitude}
    for name, at, properties in past:
        event = Trigger(name=name, at=at, properties=properties)
        count_event(profile, event, traits.by_event, NOW)
    return profile


def known() -> Traits:
    """Traits that know the segments of the kit, and the workspace's zone."""
    return Traits(SEGMENTS, SEOUL)
