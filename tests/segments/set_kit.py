"""Random customers, and rules of every condition as they are written, for the conformance test.

The values are those that engines like to take for one another: "5" and 5, 1 and true, null and
nothing, a key with a dot and a key inside an object, dates that are none.
"""

from typing import Any

import msgspec
from hypothesis import strategies as st
from reference import Happened, Someone, World

from harken.clock import DAY, HOUR, iso
from harken.errors import BadDefinition
from harken.files.reader import read
from harken.history.rows import Snapshot
from harken.people.profile import ConsentChange, Profile, Reach
from harken.people.snapshot import snapshot_of
from harken.segments.rules import Rule

NOW = 1_772_445_600_000
"""2026-03-02T10:00:00Z."""
ZONES = ("UTC", "Asia/Seoul", "America/New_York", "America/Santiago", "Australia/Lord_Howe")

NUMBERS = (0, 1, 1.0, -0.0, 2.5, -3, 5, 9e12, 9.000001e12, 1e16, 1.5e21, 1e300, 2**53 + 1, 1e-7,
           0.1, 0.2, 0.0000004, 0.0000005, -0.0000005, 123456789012345678, 12.3456789, 5e-324,
           2**63 - 1, -(2**63), 2**63, 2**64 - 1, -9e12, 1.7976931348623157e308)  # fmt: skip
DATES = ("2026-03-01", "2026-02-30", "2026-03-02T05:00", "2026-03-02T05:00:00Z", "2024-02-29",
         "2026-03-02T05:00:00.999999+09:00", "2026-03-01T23:59:59.5-23:59", "0001-01-01",
         "0000-01-01", "9999-12-31T23:59", "2026-03-02 05:00", "2026-3-2", "2026-03-02T24:00",
         "20260302", "2026-03-02T05", "2026-03-02T05:00:00,5", " 2026-03-01", "2026-03-01\n",
         "1899-12-31T23:59:59.999Z", "2026-03-02T05:00+0900", "1900-02-29")  # fmt: skip
TEXTS = ("", "x", "xy", "5", "5.0", "1", "1e3", "true", "null", "[1]", '{"c":1}', "é𝄞y", "a\ny",
         "z" * 65, "é" * 65, "it's \\ \"q\"", "NaN", "inf", " x", "\x01y", "x\0y")  # fmt: skip
texts = st.sampled_from((*TEXTS, *DATES))
numbers = st.sampled_from(NUMBERS)
scalars = st.one_of(texts, numbers, st.booleans())
KEYS = ("a", "b", "c", "a.c", 'it\'s "q" \\', "A", "")
PATHS = ("a", "b", "a.c", "a.c.c", "b.c", 'it\'s "q" \\', "A", "a.", "a..c")
paths = st.sampled_from(PATHS)

loose = st.none() | scalars
inner = st.dictionaries(st.sampled_from(KEYS), loose, max_size=2)
values = st.one_of(
    loose,
    scalars,
    st.lists(st.one_of(loose, inner, st.lists(scalars, max_size=1)), max_size=3),
    st.dictionaries(st.sampled_from(KEYS), st.one_of(loose, inner), max_size=3),
)
objects = st.dictionaries(st.sampled_from(KEYS), values, max_size=3)

durations = st.sampled_from(("1h", "3h", "1d", "2d12h"))
moments = st.sampled_from(("2026-01-01", "2026-03-01", "2026-03-02T05:00:00+01:00", "2027-01-01"))
bounds = st.sampled_from((-3.0, 0.0, 1.0, 2.5, 5.0, 0.3, 0.1, 1e16, 0.000001))
patterns = st.sampled_from(("x", "^$", "y$", "a.y", "^.$", r"\d{4}", "(?i)X", r"\\", "'", r"^\w+$"))


def one_field(**of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One of these fields."""
    return st.one_of(*(strategy.map(lambda v, k=key: {k: v}) for key, strategy in of.items()))


orders = st.one_of(
    one_field(gt=bounds, gte=bounds, lt=bounds, lte=bounds),
    st.builds(lambda v, w: {"gte": v, "lt": w}, bounds, bounds),
)
plain_tests = st.one_of(
    one_field(
        equals=loose,
        not_equals=scalars,
        **{"in": st.lists(scalars, min_size=1, max_size=3)},
        not_in=st.lists(scalars, min_size=1, max_size=3),
        contains=scalars,
        regex=patterns,
        before=moments,
        after=moments,
        exists=st.booleans(),
        between=st.builds(lambda v, w: sorted((v, w)), bounds, bounds),
    ),
    orders,
)
tests = st.recursive(
    plain_tests,
    lambda deeper: one_field(some=st.dictionaries(paths, deeper, min_size=1, max_size=2)),
    max_leaves=3,
)
tests = tests | st.builds(lambda left, right: {**left, **right}, tests, tests)
wheres = st.one_of(st.just({}), st.dictionaries(paths, tests, max_size=2))
names = st.sampled_from(("Go", "Buy", "It's"))
counts = st.one_of(
    st.just({}),
    one_field(exactly=st.integers(0, 3), at_least=st.integers(0, 3), at_most=st.integers(0, 3)),
    st.builds(lambda n, m: {"at_least": n, "at_most": n + m}, st.integers(0, 2), st.integers(0, 2)),
)
calendar = st.builds(
    lambda n, zone: {"days": n, "timezone": zone}, st.integers(1, 4), st.sampled_from(ZONES)
)
spans = st.one_of(
    st.just({}),
    one_field(
        within=durations | calendar,
        between=st.just(["2026-02-28", "2026-03-02T05:00:00+01:00"]),
    ),
)


def follows(name: str, waits: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """What came (or did not come) after."""
    return st.builds(
        lambda did, where, wait: {name: {"did": did, "where": where, **wait}}, names, wheres, waits
    )


waits = durations.map(lambda wait: {"in": wait})
dids = st.builds(
    lambda did, where, span, count, follow: {"did": did, "where": where, **span, **count, **follow},
    names, wheres, spans, counts,
    st.one_of(st.just({}), follows("then", st.just({}) | waits), follows("then_not", waits)),
)  # fmt: skip
measures = st.builds(
    lambda key, path, of, where, span, test: {key: path, "of": of, "where": where, **span, **test},
    st.sampled_from(("sum", "average", "min", "max", "distinct")), paths, names,
    wheres, spans, orders | one_field(equals=bounds),
)  # fmt: skip
occasions = st.builds(
    lambda key, did, where, when, like: {key: did, "where": where, "is": like, **when},
    st.sampled_from(("first", "last")), names, wheres,
    st.one_of(
        st.just({}),
        one_field(within=durations, longer_ago=durations, before=moments, after=moments),
        st.builds(lambda v, w: {"within": v, "longer_ago": w}, durations, durations),
    ),
    wheres,
)  # fmt: skip
messages = st.builds(
    lambda what, last, filters, count: {"messages": what, "of_last": last, **filters, **count},
    st.sampled_from(("opened", "clicked", "delivered", "bounced")), st.integers(1, 3),
    st.sampled_from(({}, {"channel": "email"}, {"journey": "cart"})), counts,
)  # fmt: skip
dates = st.builds(
    lambda path, when, test: {"attribute": path, **when, **test},
    st.sampled_from(("born", "born.c")),
    st.one_of(
        one_field(within=durations, in_next=durations, longer_ago=durations),
        st.builds(
            lambda n, zone: {"anniversary": {"in_next": n, **zone}},
            st.sampled_from((1, 2, 7, 300, 366)),
            st.sampled_from(({}, *({"timezone": zone} for zone in ZONES))),
        ),
        st.builds(lambda v, w: {"within": v, "longer_ago": w}, durations, durations),
    ),
    st.just({}) | one_field(after=moments),
)  # fmt: skip
facts = st.sampled_from(
    (
        {"event_property": "a", "exists": False},
        {"event_property": "a", "equals": 1},
        {"in_list": "guests"},
        {"reachable": "email"},
        {"reachable": "webhook"},
        {"consent": "email", "is": "opted_in"},
        {"consent": "email", "is": "opted_out"},
        {"consent": "email", "purpose": "night", "is": "implied"},
        {"near": {"latitude": 37.5, "longitude": 127.0}, "radius": 20_000},
        {"near": {"latitude": -17.0, "longitude": -180.0}, "radius": 5_000},
        {"near": {"latitude": 90.0, "longitude": 0.0}, "radius": 120_000},
        {"near": {"latitude": -37.5, "longitude": -53.0}, "radius": 20_015_086},
        {"near": {"latitude": 37.5, "longitude": 127.0}, "radius": 0.001},
        {"bucket": "salt", "from": 0, "to": 4_999},
        {"bucket": "it's"},
        {"in_segment": "buyers"},
        {"in_segment": "lately"},
        {"in_segment": "no longer there"},
    )
)
PLACES = (None, (37.56, 126.97), (35.1, 129.0), (37.5, 127.0), (-17.0, 179.99), (-17.0, -179.96),
          (89.5, 90.0), (-90.0, 0.0))  # fmt: skip
attributes = st.builds(lambda path, test: {"attribute": path, **test}, paths, tests)
leaves = st.one_of(attributes, attributes, dids, dids, measures, occasions, messages, dates, facts)
SEGMENTS: dict[str, Any] = {
    "buyers": {"did": "Buy", "at_least": 2},
    "lately": {"any": [{"did": "Go", "within": "3h"}, {"in_segment": "buyers"}]},
}
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=5,
)  # fmt: skip


def accepted(rule: dict[str, Any]) -> bool:
    """Whether the reader of rules takes it: some make no sense, and it says so."""
    try:
        read(rule, Rule)
    except BadDefinition:
        return False
    return True


rules = trees.filter(accepted)

instants = st.builds(
    lambda halves, ms: min(NOW - halves * HOUR // 2 + ms, NOW),
    st.integers(0, 150),
    st.sampled_from((-1, 0, 0, 1)),
)
told = st.builds(
    lambda what, at, id, channel, machine: Happened(
        f"$message_{what}", at, {"message": id, "channel": channel, "journey": "cart", **machine}
    ),
    st.sampled_from(("sent", "sent", "sent", "opened", "clicked", "delivered", "bounced")),
    instants,
    st.sampled_from(("m1", "m2", "m3", "m4", "", 5)),
    st.sampled_from(("email", "push")),
    st.sampled_from(({}, {}, {"machine": True}, {"machine": "true"})),
)
happened = st.lists(st.one_of(st.builds(Happened, names, instants, objects), told), max_size=10)
born = st.one_of(
    st.none(),
    st.builds(lambda hours: iso(NOW + hours * HOUR), st.integers(-80, 80)),
    st.builds(lambda days: iso(NOW + days * DAY - 30 * 365 * DAY)[:10], st.integers(0, 400)),
    texts,
)


@st.composite
def someone(draw: st.DrawFn, id: int) -> Someone:
    """A customer: their facts, and what they did in the order in which it is told."""
    stated = {key: value for key, value in draw(objects).items() if value is not None}
    date = draw(st.one_of(born, st.builds(lambda value: {"c": value}, born)))
    if date is not None:
        stated["born"] = date
    email = draw(st.sampled_from((None, "a@shop.example", "nobody", "dead@shop.example")))
    if email is not None:
        stated["email"] = email
    purposes = st.sampled_from((("email", "marketing"), ("email", "night"), ("push", "marketing")))
    choice = st.sampled_from(("opted_in", "opted_out"))
    return Someone(
        id=id,
        attributes=stated,
        lists={"guests"} if draw(st.booleans()) else set(),
        reachable={"email", "webhook"} if email == "a@shop.example" else {"webhook"},
        consent=draw(st.dictionaries(purposes, choice, max_size=2)),
        place=draw(st.sampled_from(PLACES)),
        happened=draw(happened),
    )


def crowds(most: int) -> st.SearchStrategy[list[Someone]]:
    """So many customers at most, each with another id."""
    ids = st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=most, unique=True)
    return ids.flatmap(lambda found: st.tuples(*map(someone, found)).map(list))


def world(now: int, zone: str) -> World:
    return World(now, zone, SEGMENTS)


def document(who: Someone) -> Profile:
    """The customer's document, before anything was counted in it."""
    profile = Profile(id=who.id, user_id=f"u{who.id}", attributes=dict(who.attributes))
    profile.lists = dict.fromkeys(who.lists, NOW)
    for (channel, purpose), state in who.consent.items():
        profile.consent[f"{channel}:{purpose}"] = ConsentChange(
            channel=channel, purpose=purpose, state=state, at=1, by="they", how="form"
        )  # fmt: skip
    if who.attributes.get("email") == "dead@shop.example":
        profile.unreachable["email"] = Reach(address="dead@shop.example", why="hard bounce", at=1)
    if who.place is not None:
        latitude, longitude = who.place
        profile.learned["location"] = {"latitude": latitude, "longitude": longitude}
    return profile


def snapshot(who: Someone) -> Snapshot:
    """The row that history has of the customer."""
    return snapshot_of(document(who), ("email", "push"))


def json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
