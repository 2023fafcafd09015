"""What is wrong with pools and surveys, and with what journeys say of them: path and remedy."""

from pathlib import Path

import pytest

from harken.checking import check
from harken.files.plan import bundle
from harken.files.project import load
from harken.inputs import Definitions

POOL = "coupon: gift\n"
SURVEY = "survey: taste\ntitle: Taste\nquestions:\n  - single: why\n    ask: Why?\n"
OPTIONS = "    options: {a: A, b: B}\n"
TELL = "{message: tell, channel: email, default: {subject: S, html: '<p>%s</p>'}}"


def faults(root: Path, **files: str) -> list[str]:
    """`path: problem` of all that is wrong; files by `kind__name`."""
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    project = load(root)
    found = [f"{fault.path}: {fault.problem}" for fault in project.errors]
    project.faults = []
    made = bundle(Definitions(0, 0, ""), project, 0, "")
    return found + [f"{f.path}: {f.problem}" for _, _, f in check(made) if not f.warning]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "$: give `mint: {...}` (Harken makes the codes) or `imported: true`"),
        ("imported: true\nmint: {}\n", "$.mint: give `mint: {...}`"),
        ("mint: {length: 4}\n", "$.mint.length: must be from 6 to 32: shorter codes can be guess"),
        ("mint: {prefix: 'A B'}\n", "$.mint.prefix: a prefix has at most 20 plain characters"),
        ("mint: {}\npercent: 120\n", "$.percent: must be more than 0 and at most 100"),
        ("mint: {}\nvalid_for: 3 days\n", "$.valid_for: '3 days' is no duration"),
        ("mint: {}\nvalid_for: 0d\n", "$.valid_for: must be more than nothing"),
        ("mint: {}\nfacts: {code: X}\n", "$.facts.code: every coupon has a `code` of its own"),
        ("mint: {}\nvalid_fro: 3d\n", "did you mean `valid_for`?"),
    ],
)
def test_a_pool_that_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    found = faults(tmp_path, coupons__gift=POOL + text)
    assert any(says in fault for fault in found), found


def test_a_pool_may_not_have_a_name_of_the_api(tmp_path: Path) -> None:
    found = faults(tmp_path, coupons__redeem="coupon: redeem\nmint: {}\n")
    assert found == ["$.coupon: `redeem` is a word of the API; take another name"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SURVEY, "$.questions[0]: missing key `options`"),
        (SURVEY + "    options: {a: A}\n", "$.questions[0].options: give from 2 to 100 options"),
        (SURVEY.replace("why", "Why") + OPTIONS, "'Why' cannot name a question"),
        (SURVEY.replace("why", "message") + OPTIONS, "has a `message` of its own"),
        (SURVEY + OPTIONS + "  - text: why\n    ask: W\n", "another question is called `why`"),
        (SURVEY + OPTIONS + "locales: {ko: {questions: {wy: {ask: W}}}}\n",
         "$.locales.ko.questions.wy: there is no question `wy`; did you mean `why`?"),
        (SURVEY + OPTIONS + "locales: {korean!: {title: T}}\n", "is no language tag"),
        (SURVEY + OPTIONS + "locales: {ko: {questions: {why: {options: {c: C}}}}}\n",
         "there is no option `c`"),
        ("survey: taste\ntitle: T\nquestions: []\n", "needs at least one question"),
    ],
)  # fmt: skip
def test_a_survey_that_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    found = faults(tmp_path, surveys__taste=text)
    assert any(says in fault for fault in found), found


def journey(*steps: str) -> str:
    return "journey: j\nentry: {event: Go}\nsteps:\n" + "".join(f"  - {step}\n" for step in steps)


CODE = TELL % "{{ coupon.code }}"
GIVE = "{coupon: gift}"
MISSING = "`coupon.code` may be missing"


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([GIVE, CODE], ""),
        ([CODE, GIVE], MISSING),
        (["{coupon: gift, otherwise: []}", CODE], MISSING),
        (["{coupon: gift, otherwise: [{exit: true}]}", CODE], ""),
        (["{coupon: gift, otherwise: [{coupon: gift, id: again}]}", CODE], ""),
        (["{branch: [{when: {did: A}, then: [{coupon: gift}]}]}", CODE], MISSING),
        ([GIVE, TELL % "{{ answers.coupon-1.code }} {{ coupon.percent }}"], ""),
        ([GIVE, TELL % "{{ coupon.amount }}"], "`coupon.amount` may be missing"),
        (["{coupon: gitf}"], "there is no coupon pool `gitf`; did you mean `gift`?"),
        ([TELL % "{{ links.survey.taste }}"], ""),
        ([TELL % "{{ links.survey.tatse }}"], "there is no survey `tatse`; did you mean `taste`?"),
        ([TELL % "{{ links.survey }}"], "name the survey that it leads to"),
        ([TELL % "{{ links.servey.taste }}"], "did you mean `survey`?"),
        ([GIVE, TELL % "{{ coupon.note }}"], ""),
        ([GIVE, TELL % "{{ coupon.facts.note | default: 1 }}"], "`coupon` has no `facts`"),
        ([GIVE, TELL % "{{ coupon.cod | default: 1 }}"], "no `cod`; did you mean `code`?"),
        (
            [GIVE, TELL % "{{ answers.coupon-2.code | default: 1 }}"],
            "no step `coupon-2` learns anything; did you mean `coupon-1`?",
        ),
        ([TELL % "{{ answers.tell.opened | default: 1 }}"], ""),
        (["{coupon: gift, id: g}", "{update: {code: {answer: g.code}}}"], ""),
        (["{update: {code: {answer: g.code}}}"], "no step `g` learns anything"),
    ],
)
def test_what_a_journey_says_of_them(tmp_path: Path, steps: list[str], says: str) -> None:
    found = faults(
        tmp_path,
        journeys__j=journey(*steps),
        coupons__gift=POOL + "mint: {}\npercent: 5\nfacts: {note: not on sale}\n",
        surveys__taste=SURVEY + OPTIONS,
    )
    assert (found == []) if not says else any(says in fault for fault in found), found


def test_a_broken_pool_is_not_called_unknown(tmp_path: Path) -> None:
    found = faults(tmp_path, journeys__j=journey(GIVE), coupons__gift=POOL + "mint: {length: x}\n")
    assert not any("no coupon pool" in fault for fault in found), found


def test_a_name_that_links_do_not_have_is_one_fault(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, journeys__j=journey(TELL % "{{ links.unsubscrib }}"))
    assert "`links` has no `unsubscrib`; did you mean `unsubscribe`?" in fault


def test_of_a_broken_pool_nothing_is_called_unknown(tmp_path: Path) -> None:
    steps = journey(GIVE, TELL % "{{ coupon.note }}")
    found = faults(tmp_path, journeys__j=steps, coupons__gift=POOL + "mint: {}\nfacts: 5\n")
    assert not any("has no `note`" in fault for fault in found), found
