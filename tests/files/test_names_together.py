"""Names that nothing has: told with the nearest, and beside every other fault."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harken.checking import check
from harken.files.plan import bundle
from harken.files.project import load
from harken.files.reader import try_read
from harken.files.remnants import readable
from harken.inputs import Definitions
from harken.journeys.own_events import SAYS
from harken.segments.model import Segment

HI = "default: {subject: Hi, text: Hi}"
KNOWN = "segment: loyal\nrule: {attribute: orders, gte: 3}\n"


def told(root: Path, **files: str) -> list[str]:
    """`path: problem` of every fault of a folder; names are `journeys__a`."""
    for name, text in {"segments__loyal": KNOWN, **files}.items():
        path = root / name.replace("__", "/")
        path = path if path.suffix else path.with_suffix(".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    project = load(root)
    project.faults = []  # they are told by the check, too
    found = check(bundle(Definitions(0, 0, ""), project, 0, ""))
    return [f"{fault.path.removeprefix('$.')}: {fault.problem}" for _, _, fault in found]


def saying(text: str, entry: str = "{event: Go}") -> str:
    words = f"    default:\n      subject: Hi\n      text: |\n        {text}\n"
    return f"journey: a\nentry: {entry}\nsteps:\n  - message: m\n    channel: email\n{words}"


NEAR = "did you mean `loyal`?"


def test_a_fault_in_a_segments_rule_hides_no_other_name(tmp_path: Path) -> None:
    rule = """segment: s
rule:
  all:
    - {attribute: country, eqals: KR}
    - {in_segment: loyl}
    - {not: {in_segment: loial, foo: 1}}
    - {any: [{did: X, at_leest: 2}, {in_segment: loyall}]}
    - {did: $survey_answered, where: {survey: taste}}
"""
    other = "segment: t\nrule: {in_segment: loyel}\n"
    faults = told(tmp_path, segments__s=rule, segments__t=other)
    assert faults == [
        "rule.all[0].eqals: unknown key `eqals`; did you mean `equals`?",
        "rule.all[2].not.foo: unknown key `foo`; known here: in_segment",
        "rule.all[3].any[0].at_leest: unknown key `at_leest`; did you mean `at_least`?",
        f"rule.all[1].in_segment: there is no segment `loyl`; {NEAR}",
        f"rule.all[2].not.in_segment: there is no segment `loial`; {NEAR}",
        f"rule.all[3].any[1].in_segment: there is no segment `loyall`; {NEAR}",
        f"rule.in_segment: there is no segment `loyel`; {NEAR}",
        "rule.all[4].where.survey: there is no survey `taste`",
    ]


def test_a_fault_in_a_journey_hides_no_other_name(tmp_path: Path) -> None:
    journey = f"""journey: a
entry: {{event: Go, audience: {{all: [{{attribute: c, eqals: 1}}, {{in_segment: loyl}}]}}}}
steps:
  - branch:
    - when:
        all: [{{atribute: c, exists: true}}, {{in_segment: loyl}}, {{answer: herd.x, exists: true}}]
      then: [{{enter: nowhere}}]
  - {{wait_for: [{{event: A, wher: {{x: 1}}}}], at_most: 1h, id: heard}}
  - {{coupon: gift}}
  - {{message: m, channel: email, {HI}}}
"""
    faults = told(tmp_path, journeys__a=journey)
    assert [one for one in faults if "unknown key" not in one and "must have" not in one] == [
        "steps[0].branch[0].then[0].enter: there is no journey `nowhere`",
        "steps[2].coupon: there is no coupon pool `gift`; a pool is a file coupons/NAME.yaml",
        f"entry.audience.all[1].in_segment: there is no segment `loyl`; {NEAR}",
        f"steps[0].branch[0].when.all[1].in_segment: there is no segment `loyl`; {NEAR}",
        (
            "steps[0].branch[0].when.all[2].answer: no step `herd` learns anything; "
            "did you mean `heard`?"
        ),
    ]
    assert sum("unknown key" in one for one in faults) == 3


def test_a_fault_in_the_way_in_hides_no_name_in_the_steps(tmp_path: Path) -> None:
    journey = f"""journey: a
entry: {{schedule: {{rrule: FREQ=DAILY, starts_at: 2026-13-01T09:00}}, zone: recipient}}
steps: [{{message: m, channel: email, {HI}}}, {{enter: nowhere}}, {{coupon: gift}}]
"""
    assert told(tmp_path, journeys__a=journey) == [
        (
            "entry.schedule.starts_at: '2026-13-01T09:00' is no date; write a local date and time "
            "without a zone: 2026-01-01T00:00"
        ),
        "steps[1].enter: there is no journey `nowhere`",
        "steps[2].coupon: there is no coupon pool `gift`; a pool is a file coupons/NAME.yaml",
    ]


LACKING = ("the entry has no `key`", "the journey has no `goal`")
ELSEWHERE = f"""steps:
  - {{message: m, channel: email, prioriti: high, {HI}}}
  - {{message: n, channel: email, priority: 100, {HI}, expires_after: 0s}}
  - {{message: o, channel: email}}
  - {{wait_for: [{{outcome: opened, message: mm}}, {{outcome: sent, message: o}}], at_most: 1h}}
  - {{wait: 1h, id: back, foo: 1}}
  - branch: [{{when: {{answer: o.opened, exists: true}}, then: [{{go_to: back}}]}}]
    otherwise: [{{go_to: nope}}]
  - {{split: s, arms: [{{name: a, weight: 50}}, {{name: b, weight: 50}}], experiment: {{}}}}
"""


WRONG_STEPS = {
    "steps[0].prioriti",
    "steps[1].priority",
    "steps[1].expires_after",
    "steps[2]",
    "steps[3].wait_for[0].message",
    "steps[3].wait_for[1].outcome",
    "steps[4].foo",
    "steps[5].otherwise[0].go_to",
}


@pytest.mark.parametrize(
    ("wrong", "lacking"),
    [
        ("journey: a\nentri: {event: Go}", [False, True]),
        ("journey: a\nentry: {event: Go}\ntagz: [x]", [True, True]),
        ("journey: a\nentry: {evnt: Go}", [False, True]),
        ("journey: a\nentry: {event: Go}\ngoal: {evnt: Buy}", [True, False]),
    ],
)
def test_a_fault_in_one_place_hides_none_elsewhere(
    tmp_path: Path, wrong: str, lacking: list[bool]
) -> None:
    """What it took away is not told as lacking where it is needed."""
    exceptions = "exceptions: [{event: Buy, same_key: true}]\n"
    faults = told(tmp_path, journeys__a=f"{wrong}\n{exceptions}{ELSEWHERE}")
    assert {one.partition(": ")[0] for one in faults if one.startswith("steps")} - {
        "steps[6].experiment.measure"
    } == WRONG_STEPS
    assert [any(said in one for one in faults) for said in LACKING] == lacking


def test_what_is_read_of_a_broken_journey_is_not_called_wrong_for_its_gaps(tmp_path: Path) -> None:
    """Steps that are set aside may hold those to which others lead."""
    journey = f"""journey: a
entry: {{event: Go}}
steps:
  - branch: [{{when: {{attribute: c, exists: true}}, then: [{{wait: 1h, id: in}}], thn: []}}, 7]
  - {{split: s, arms: [{{name: a, weight: x, then: [{{message: deep, channel: email, {HI}}}]}}]}}
  - {{wait_for: [{{outcome: opened, message: deep}}], at_most: 1h}}
  - {{go_to: in}}
"""
    faults = told(tmp_path, journeys__a=journey)
    assert len(faults) == 3
    assert not any(said in one for one in faults for said in ("no step", "no message", "no way"))


@given(st.integers(0, 4), st.sampled_from(["in_segment", "attribute", "all", "not", "any"]))
def test_what_is_wrong_gives_way_and_its_neighbours_stay(place: int, key: str) -> None:
    rules = [{"in_segment": f"s{number}"} for number in range(5)]
    rules[place] = {key: 7}  # type: ignore[dict-item]
    rest = readable({"segment": "s", "rule": {"all": rules}}, Segment)
    left = rest.plain["rule"]["all"]
    assert [one for one in left if "in_segment" in one] == [
        {"in_segment": f"s{number}"} for number in range(5) if number != place
    ]
    assert len(left) == 5
    assert try_read(rest.plain, Segment)[1] == ()


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            '{% block "foter" %} {{ profile.first_nam | default: 1 }} {{ made_by_it }}',
            [
                "there is no block `foter` in blocks/; did you mean `footer`?",
                (
                    "`profile` has no `first_nam`; did you mean `first_name`?"
                    " (custom attributes are `profile.attributes.first_nam`)"
                ),
            ],
        ),
        (
            '{% block "foter" %} {% blok "footer" %}',
            [
                "there is no block `foter` in blocks/; did you mean `footer`?",
                "this is not Liquid: unexpected tag 'blok'; did you mean `block`?",
            ],
        ),
        *(
            (
                f"{{% {tag} 'footer' %}}",
                [
                    (
                        f"this is not Liquid: unexpected tag '{tag}'; "
                        'a content block is taken in by `{% block "NAME" %}`'
                    )
                ],
            )
            for tag in ("render", "include", "snippet", "content_blocks")
        ),
    ],
)
def test_a_misspelt_block_names_the_nearest(tmp_path: Path, text: str, problems: list[str]) -> None:
    files = {"journeys__a": saying(text), "blocks__footer.txt": "Bye", "blocks__x.txt": "x"}
    faults = told(tmp_path, **files)
    assert faults == [f"steps[0].default.text: {problem}" for problem in problems]


SCHEDULED = "{schedule: 2026-12-01T10:00, audience: {attribute: a, exists: true}}"


@pytest.mark.parametrize(
    ("entry", "good", "bad", "near"),
    [
        (SCHEDULED, "occurrence", "ocurrence", "; did you mean `occurrence`?"),
        ("{place: store}", "place", "plaze", "; did you mean `place`?"),
        ("{segment: loyal}", "segment", "segmnt", "; did you mean `segment`?"),
        ("{date: birthday}", "date", "dat", "; did you mean `date`?"),
        ("{event: $coupon_expired}", "code", "cod", "; did you mean `code`?"),
        ("{event: $journey_entered}", "run", "rn", "; did you mean `run`?"),
        ("{outcome: clicked, journey: a}", "step", "stepp", "; did you mean `step`?"),
        ("{outcome: delivered, journey: a}", "message", "mesage", "; did you mean `message`?"),
        ("{outcome: ignored, journey: a, within: 1d}", "channel", "chanel",
         "; did you mean `channel`?"),
    ],
)  # fmt: skip
def test_what_our_own_events_always_say_needs_no_default(
    tmp_path: Path, entry: str, good: str, bad: str, near: str
) -> None:
    text = (
        f"{{{{ event.properties.{good} }}}} {{{{ entry.{good} }}}} {{{{ event.properties.{bad} }}}}"
    )
    places = "places: {store: {latitude: 1, longitude: 2, radius: 100}}\n"
    faults = told(tmp_path, journeys__a=saying(text, entry), workspace=places)
    [event] = {one.partition("`")[2].partition("`")[0] for one in faults}
    assert event in SAYS
    wrong = [f"steps[0].default.text: `{event}` has no property `{bad}`{near}"]
    assert faults == wrong
    text = f"{{% if entry.{bad} %}}{{{{ entry.{bad} }}}}{{% endif %}}"
    assert told(tmp_path, journeys__a=saying(text, entry), workspace=places) == wrong


def test_what_they_never_say_is_warned_of(tmp_path: Path) -> None:
    """Words may be shared with a journey whose event has it."""
    warned = "`$scheduled` has no property `title`; it has occurrence"
    text = "{{ entry.title | default: 'News' }}"
    assert told(tmp_path, journeys__a=saying(text, SCHEDULED)) == [
        f"steps[0].default.text: {warned}"
    ]
    project = load(tmp_path)
    [fault] = [one for _, _, one in check(bundle(Definitions(0, 0, ""), project, 0, ""))]
    assert fault.warning
    faults = told(tmp_path, journeys__a=saying("{{ entry.title }}", SCHEDULED))
    assert any("`entry.title` may be missing" in one for one in faults)


def test_what_they_say_only_at_times_does(tmp_path: Path) -> None:
    text = "{{ event.properties.amount }}"
    [fault] = told(tmp_path, journeys__a=saying(text, "{event: $coupon_redeemed}"))
    assert "`event.properties.amount` may be missing" in fault


@pytest.mark.parametrize("entry", ["{event: $survey_answered}", "{api: true}", "{event: Go}"])
def test_what_others_say_is_not_known(tmp_path: Path, entry: str) -> None:
    text = "{{ event.properties.anything | default: 'x' }}"
    assert told(tmp_path, journeys__a=saying(text, entry)) == []
