"""What newcomers write, and whether they are told what would be right."""

from pathlib import Path

import pytest

from harken.checking import check
from harken.files.plan import bundle
from harken.files.project import load
from harken.inputs import Definitions

START = "journey: a\n"
ENTRY = "entry: {event: Go}\n"
MAIL = "{message: m, channel: email, default: {subject: S, html: '<p>%s</p>'}}"

OPENED = "{wait_for: [{outcome: opened, message: m}], at_most: 1d, id: w}"


def told(root: Path, journey: str, workspace: str = "") -> list[str]:
    """`path: problem` of all that is wrong, warnings among it."""
    (root / "journeys").mkdir()
    (root / "journeys" / "a.yaml").write_text(START + journey)
    (root / "workspace.yaml").write_text("workspace: shop\n" + workspace)
    project = load(root)
    found = [f"{fault.path}: {fault.problem}" for fault in project.faults]
    project.faults = []
    made = bundle(Definitions(0, 0, ""), project, 0, "")
    return found + [f"{f.path}: {f.problem}" for _, _, f in check(made)]


def mail(words: str) -> str:
    return f"{ENTRY}steps: [{MAIL % words}]\n"


def audience(rule: str) -> str:
    return f"entry: {{event: Go, audience: {rule}}}\nsteps: [{MAIL % 'x'}]\n"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("{and: [{attribute: a, equals: 1}]}", "unknown key `and`; did you mean `all`?"),
        ("{or: [{attribute: a, equals: 1}]}", "unknown key `or`; did you mean `any`?"),
        ("{attribute: a, greater_than: 1}", "did you mean `gt`?"),
        ("{attribute: a, is: 1}", "did you mean `equals`?"),
        ("{attribute: firstName, equals: A}", "$.entry.audience.attribute: it is kept as `first_n"),
        ("{all: [{attribute: mobile, exists: true}]}", "all[0].attribute: it is kept as `phone`"),
        ("{attribute: country, equals: kr}", "countries are kept in capitals: KR"),
        ("{attribute: country, in: [KR, us]}", "audience.in: countries are kept in capitals: US"),
        ("{attribute: country, not_in: [Kr]}", "countries are kept in capitals: KR"),
    ],
)
def test_rules(tmp_path: Path, rule: str, says: str) -> None:
    found = told(tmp_path, audience(rule))
    assert any(says in one for one in found), found


@pytest.mark.parametrize(
    "rule",
    [
        "{attribute: country, equals: KR}",
        "{attribute: country, equals: Korea}",
        "{attribute: country, exists: true}",
        "{attribute: address.city, equals: Seoul}",
        "{attribute: shoe.lang, equals: kr}",
        "{event_property: country, equals: kr}",
    ],
)
def test_rules_that_are_none(tmp_path: Path, rule: str) -> None:
    assert told(tmp_path, audience(rule)) == []


@pytest.mark.parametrize(
    ("journey", "says"),
    [
        (
            f"{ENTRY}steps: [{{delay: 1h}}, {MAIL % 'x'}]\n",
            "unknown key `delay`; did you mean `wait`?",
        ),
        (f"{ENTRY}steps: [{{if: {{attribute: a, equals: 1}}, then: []}}]\n", "mean `branch`?"),
        (
            f"{ENTRY}steps: [{{branch: [{{when: {{attribute: a, equals: 1}}, steps: []}}]}}]\n",
            "unknown key `steps`; did you mean `then`?",
        ),
        (
            (
                "entry: {schedule: {rrule: 0 9 * * 1, starts_at: 2026-12-01T09:00},"
                f" audience: {{reachable: email}}, reentry: always}}\nsteps: [{MAIL % 'x'}]\n"
            ),
            "'0 9 * * 1' is no rule of a calendar; write it as RFC 5545 has it",
        ),
        (f"entry: {{date: dob}}\nsteps: [{MAIL % 'x'}]\n", "it is kept as `birthday`"),
    ],
)
def test_journeys(tmp_path: Path, journey: str, says: str) -> None:
    found = told(tmp_path, journey)
    assert any(says in one for one in found), found


@pytest.mark.parametrize(
    "written", ["{profile.first_name}", "${event.properties.total}", "*|FNAME|*", "{ entry.x }"]
)
def test_values_as_others_write_them(tmp_path: Path, written: str) -> None:
    [warning] = told(tmp_path, mail(f"Hi {written}"))
    assert warning == (
        f"$.steps[0].default.html: `{written}` is sent as it stands;"
        " a value is written `{{ ... }}`"
    )


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ('<a href="shop.example/cart">', "shop.example/cart"),
        ('<a href="/cart?a={{ profile.language }}">', "/cart?a={{"),
        ('<img src="logo.png">', "logo.png"),
    ],
)
def test_addresses_that_lead_nowhere(tmp_path: Path, written: str, address: str) -> None:
    [warning] = told(tmp_path, mail(written))
    assert f"`{address}" in warning
    assert warning.endswith("leads nowhere from a mail; begin it with https://")


@pytest.mark.parametrize(
    "written",
    [
        '<a href="https://shop.example">', '<a href=" https://shop.example">',
        '<a href="{{ links.view }}">', '<a href="#top">',
        '<a href="mailto:a@b.example">', '<img src="cid:logo">', '<a href="">', "href = x",
        "{{ profile.language }}", "{{profile.language}}", "<style>a.b {color:red}</style>",
        "{% if profile.first_name %}{{profile.first_name}}{% endif %}", "2 * 3 | 4 * 5",
    ],
)  # fmt: skip
def test_what_is_no_slip(tmp_path: Path, written: str) -> None:
    assert told(tmp_path, mail(written)) == []


def test_a_password_in_the_file(tmp_path: Path) -> None:
    transport = "transports: [{name: main, url: 'smtp://me:secret@mail.example:587'}]\n"
    [fault] = told(tmp_path, mail("x"), transport)
    assert fault == (
        "$.transports[0].url: a password stands in the file; name a variable that holds the URL:"
        " `url_env`"
    )


@pytest.mark.parametrize(
    ("journey", "says"),
    [
        (audience("{attribute: profile.plan, equals: pro}"), "attribute `profile`; write `plan`"),
        (audience("{attribute: profile.attributes.plan, exists: true}"), "write `plan`"),
        (audience("{did: Bought, where: {properties.total: {gt: 5}}}"), "write `total`"),
        (audience("{event_property: event.properties.total, gt: 5}"), "write `total`"),
        (audience("{attribute: plan, equals: '{{ event.properties.plan }}'}"), "filled in here"),
        (audience("{did: Bought, at_least: 0}"), "write `at_least: 1`"),
        (audience("{did: page}"), "event `Page Viewed`"),
        (f"entry: {{event: Go, key: properties.cart}}\nsteps: [{MAIL % 'x'}]", "write `cart`"),
        (f"entry: {{event: Go, key: ''}}\nsteps: [{MAIL % 'x'}]", "tells the runs apart"),
        (f"entry: {{event: identify}}\nsteps: [{MAIL % 'x'}]", "as `$identify` while they wait"),
        (f"entry: {{event: 'Go '}}\nsteps: [{MAIL % 'x'}]", "'Go ' has a blank at an end"),
        (f"{ENTRY}steps: [{{update: {{plan: '{{{{ entry.plan }}}}'}}}}]", "update.plan: `{{ entry"),
        (f"{ENTRY}steps: [{{wait: {{event_property: event.properties.at}}}}]", "write `at`"),
        (mail("{{ 5 | money }}"), "write one, as `money: 'KRW'`"),
        (mail("{% assign x = 5 | money | default: 1 %}{{ x }}"), "write one, as `money: 'KRW'`"),
        (mail('{{ now | date: "%d.%Q" }}'), "`%Q` stands for nothing in a date"),
        (
            f"{ENTRY}steps: [{OPENED}, {MAIL % 'x'}]",
            "$.steps[0].wait_for[0].message: no way leads from `m` to this step",
        ),
    ],
)
def test_what_would_do_nothing_is_told(tmp_path: Path, journey: str, says: str) -> None:
    found = told(tmp_path, journey, "senders: {default: {from: a@shop.example}}\n")
    assert any(says in one for one in found), found


@pytest.mark.parametrize(
    "journey",
    [
        audience("{attribute: profile, exists: true}"),
        audience("{attribute: plan, regex: '^{{'}"),
        audience("{did: Bought, where: {total: {gt: 5}}, at_least: 1}"),
        f"description: '{{{{ x }}}}'\n{ENTRY}steps: [{{update: {{description: new}}}}]",
        mail('{% if event.properties.currency %}{{ 5 | money }}{% endif %}{{ 5 | money: "KRW" }}'),
        mail('{{ now | date: "%-d. %B %Y 100%%" }}'),
        # A loop leads back to the wait.
        f"{ENTRY}steps: [{OPENED}, {MAIL % 'x'}, {{wait: 1d}}, {{go_to: w}}]",
    ],
)
def test_what_is_meant_is_not(tmp_path: Path, journey: str) -> None:
    assert told(tmp_path, journey, "senders: {default: {from: a@shop.example}}\n") == []


@pytest.mark.parametrize(
    ("workspace", "says"),
    [
        ("attributes: {profile.diet: {class: sensitive}}", "write `diet`"),
        ("caps: [{at_most: 1, per: 1d, tag: pormo}]", "the tag `pormo`; did you mean `promo`?"),
        (
            "approvals: [{journey: b, message: m, attribute: diet, by: me, reason: so}]",
            "$.approvals[0].journey: there is no journey `b`",
        ),
        ("caps: [{at_most: 1, per: 1d, tag: promo}, {at_most: 1, per: 1d, tag: own}]", ""),
    ],
)
def test_names_in_the_workspace_that_nothing_has(tmp_path: Path, workspace: str, says: str) -> None:
    journey = f"tags: [promo]\n{ENTRY}steps: [{MAIL % 'x'}]\n".replace(
        "channel: email", "channel: email, tags: [own]"
    )
    senders = "senders: {default: {from: a@shop.example}}\n"
    found = told(tmp_path, journey, senders + workspace + "\n")
    assert any(says in one for one in found) if says else found == []


def test_liquid_in_a_survey_is_told(tmp_path: Path) -> None:
    (tmp_path / "surveys").mkdir()
    (tmp_path / "surveys" / "s.yaml").write_text(
        "survey: s\ntitle: Hi {{ profile.first_name }}\nquestions: [{text: a, ask: Why?}]\n"
    )
    found = told(tmp_path, mail("x"), "senders: {default: {from: a@shop.example}}\n")
    assert any("$.title: `Hi {{ profile.first_name }}`" in one for one in found), found
