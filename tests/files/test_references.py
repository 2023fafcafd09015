"""Names that nothing has, where conditions and templates ask for them."""

from pathlib import Path

import pytest
from test_coupons_surveys import OPTIONS, POOL, SURVEY, TELL, faults, journey

from harken.checking import check
from harken.files.plan import bundle
from harken.files.project import load
from harken.inputs import Definitions

FILES = {"coupons__gift": POOL + "mint: {}\npercent: 5\n", "surveys__taste": SURVEY + OPTIONS}
WAIT = "{wait_for: [{event: %s, where: {%s}}], at_most: 1d, id: heard}"


def warnings(root: Path, **files: str) -> list[str]:
    """`path: problem` of what is warned of; nothing is wrong."""
    assert faults(root, **files) == []
    made = bundle(Definitions(0, 0, ""), load(root), 0, "")
    return [f"{fault.path}: {fault.problem}" for _, _, fault in check(made) if fault.warning]


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([WAIT % ("$survey_answered", "survey: taste, why: a")], []),
        ([WAIT % ("Survey Answered", "survey: tatse, wy: a")], []),
        (
            [WAIT % ("$survey_answered", "survey: tatse")],
            ["wait_for[0].where.survey: there is no survey `tatse`; did you mean `taste`?"],
        ),
        (
            [WAIT % ("$survey_answered", "survey: {in: [taste, tatse]}")],
            ["wait_for[0].where.survey: there is no survey `tatse`; did you mean `taste`?"],
        ),
        (
            [WAIT % ("$survey_answered", "survey: taste, wy: a")],
            ["wait_for[0].where.wy: the survey has no question `wy`; did you mean `why`?"],
        ),
        (
            [WAIT % ("$coupon_expired", "pool: gitf")],
            ["wait_for[0].where.pool: there is no coupon pool `gitf`; did you mean `gift`?"],
        ),
        (
            [
                WAIT % ("$survey_answered", "survey: taste"),
                "{branch: [{when: {any: [{answer: heard.wy, equals: a}]}, then: []}]}",
            ],
            ["branch[0].when.any[0].answer: `heard` learns no `wy`; did you mean `why`?"],
        ),
        (
            [WAIT % ("$survey_answered", "survey: taste"), "{update: {x: {answer: heard.hwy}}}"],
            ["update.x.answer: `heard` learns no `hwy`; did you mean `why`?"],
        ),
        # What others' events hold is not known.
        ([WAIT % ("Order Completed", "total: 1"), "{update: {x: {answer: heard.any}}}"], []),
        (
            ["{coupon: gift, id: given}", "{update: {x: {answer: given.cod}}}"],
            ["update.x.answer: `given` learns no `cod`; did you mean `code`?"],
        ),
        (
            ["{branch: [{when: {did: $survey_answered, where: {survey: tase}}, then: []}]}"],
            ["branch[0].when.where.survey: there is no survey `tase`; did you mean `taste`?"],
        ),
    ],
)
def test_a_name_that_nothing_has_is_warned_of(
    tmp_path: Path, steps: list[str], says: list[str]
) -> None:
    found = warnings(tmp_path, journeys__j=journey(*steps), **FILES)
    assert [one.partition("].")[2] for one in found] == says


def test_segments_too(tmp_path: Path) -> None:
    rule = "segment: s\nrule: {did: $survey_answered, where: {survey: tatse}}\n"
    found = warnings(tmp_path, segments__s=rule, **FILES)
    assert found == ["$.rule.where.survey: there is no survey `tatse`; did you mean `taste`?"]


def test_a_misspelt_pool_brings_no_faults_in_what_is_said_of_its_coupon(tmp_path: Path) -> None:
    steps = ["{coupon: gitf, id: g}", TELL % "{{ coupon.percent }} {{ answers.g.code }}"]
    assert faults(tmp_path, journeys__j=journey(*steps), **FILES) == [
        "$.steps[0].coupon: there is no coupon pool `gitf`; did you mean `gift`?"
    ]


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("{{ now | date: 'long' }} {{ now | date: '%d.%m.' }}", ""),
        ("{{ now | date: message.step }}", ""),
        ("{{ now | date: 'logn' }}", "`logn` is no style of dates; did you mean `long`?"),
        ("{{ now | date: 'tomorrow' }}", "is no style of dates; it is one of short, medium"),
        ("{{ 5 | money: 'KRX' }}", "`KRX` is no currency"),
        ("{{ 5 | money: 'krw' }}", ""),
        ("{{ 5 | josa: '이/은' }}", "'이/은' is no pair of particles"),
        ("{% assign x = now | date: 'logn' %}{{ x }}", "did you mean `long`?"),
    ],
)
def test_a_filter_that_could_never_say_it(tmp_path: Path, said: str, says: str) -> None:
    step = f'{{message: tell, channel: email, default: {{subject: S, html: "<p>{said}</p>"}}}}'
    found = faults(tmp_path, journeys__j=journey(step))
    assert (found == []) if not says else any(says in fault for fault in found), found
