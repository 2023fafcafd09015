"""A folder of definitions: what is read, and every fault of every file with its line."""

import os
from pathlib import Path

import pytest

from harken.errors import BadInput, Fault
from harken.files.content import named_files, names_file
from harken.files.plan import bundle, plan
from harken.files.project import load
from harken.files.words import describe
from harken.inputs import Definitions
from harken.journeys.entries import Entry
from harken.journeys.kinds import Step
from harken.segments.rules import Rule

EXAMPLE = (Path(__file__).parent / "data" / "abandoned-cart.yaml").read_text()
MAIL = "journey: {name}\nentry: {{event: E}}\nsteps:\n  - message: m\n    channel: email\n"
SEGMENT = "segment: {name}\nrule: {{did: A}}\n"


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return root


def mail(content: str, name: str = "a") -> str:
    return f"{MAIL.format(name=name)}    default: {{{content}}}\n"


def faults(root: Path) -> list[str]:
    return [str(fault) for fault in load(root).faults]


def test_the_example_loads_as_it_stands(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "workspace.yaml": "workspace: shop\n",
            "journeys/abandoned-cart.yaml": EXAMPLE,
            "journeys/abandoned.mjml": "<mjml>1</mjml>",
            "content/abandoned-premium.mjml": "<mjml>2</mjml>",
            "segments/buyers.yaml": SEGMENT.format(name="buyers"),
        },
    )
    project = load(root)
    assert project.faults == []
    assert project.has_workspace
    assert project.workspace == {"workspace": "shop"}
    assert project.segments == {"buyers": {"segment": "buyers", "rule": {"did": "A"}}}
    journey = project.journeys["abandoned-cart"]
    assert journey.source["entry"]["key"] == "cart_id"
    assert journey.files == {
        "abandoned.mjml": "<mjml>1</mjml>",
        "abandoned-premium.mjml": "<mjml>2</mjml>",
    }


@pytest.mark.parametrize(
    ("field", "value", "is_file"),
    [
        ("mjml", "a.mjml", True),
        ("mjml", "no-suffix", True),
        ("mjml", "<mjml></mjml>", False),
        ("mjml", "{% block 'x' %}", False),
        ("html", "a.html", True),
        ("html", "sub/a.liquid", True),
        ("html", "plain words", False),
        ("html", "<p>a.html", False),
        ("html", "line\na.html", False),
        ("text", "a.txt", True),
        ("text", "Hello", False),
        ("text", "{{ x }}.txt", False),
    ],
)
def test_which_values_name_a_file(field: str, value: str, is_file: bool) -> None:
    assert names_file(field, value) is is_file


def test_files_are_named_by_defaults_variants_and_locales() -> None:
    source = {
        "steps": [
            {"wait": "1d"},
            {
                "default": {"mjml": "a", "locales": {"ko": {"html": "b.html", "text": "c.txt"}}},
                "variants": [{"html": "d.html"}, "odd", {"locales": {"id": {"mjml": "e"}}}],
            },
        ]
    }
    assert [tuple(named) for named in named_files(source)] == [
        ("$.steps[1].default.mjml", "a"),
        ("$.steps[1].default.locales.ko.html", "b.html"),
        ("$.steps[1].default.locales.ko.text", "c.txt"),
        ("$.steps[1].variants[0].html", "d.html"),
        ("$.steps[1].variants[2].locales.id.mjml", "e"),
    ]


@pytest.mark.parametrize("source", [None, [], {"steps": {}}, {"steps": [1, {"default": 2}]}])
def test_odd_sources_name_no_files(source: object) -> None:
    assert list(named_files(source)) == []


def test_a_file_beside_the_journey_comes_before_content_and_the_folder(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "journeys/a.yaml": mail("mjml: 1.mjml, html: 2.html, text: 3.txt"),
            "journeys/1.mjml": "beside",
            "content/1.mjml": "content",
            "content/2.html": "content",
            "2.html": "folder",
            "3.txt": "folder",
        },
    )
    assert load(root).journeys["a"].files == {
        "1.mjml": "beside",
        "2.html": "content",
        "3.txt": "folder",
    }


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"workspace.yml": "{}"},
         ["workspace.yml: $: rename it to workspace.yaml; only .yaml files are read"]),
        ({"journeys/a.yml": ""},
         ["journeys/a.yml: $: rename it to a.yaml; only .yaml files are read"]),
        ({"workspace.yaml": "# none\n"}, ["workspace.yaml: $: the file is empty"]),
        ({"workspace.yaml": "- a\n"},
         [("workspace.yaml:1: $: must be a mapping of some of `workspace`, `timezone`, `language`, "
          "`country` and `senders` ..., not a list")]),
        ({"workspace.yaml": "workspace: a\n\ntimezon: UTC\ncaps:\n  - at_most: x\n    per: 1d\n"},
         ["workspace.yaml:3: $.timezon: unknown key `timezon`; did you mean `timezone`?",
          "workspace.yaml:5: $.caps[0].at_most: must be a whole number, not the text 'x'"]),
        ({"workspace.yaml": b"a: \xff"},
         ["workspace.yaml:1: $: byte 0xff is not UTF-8; save as UTF-8"]),
        ({"workspace.yaml": b"#" * 1_000_001},
         ["workspace.yaml: $: is larger than 1,000,000 bytes"]),
        ({"segments/a.yaml": "segment: b\nrule: {did: A}\n"},
         [("segments/a.yaml:1: warning: $.segment: segment `b` stands in a.yaml; "
          "name the file b.yaml")]),
        ({"segments/a.yaml": "segment: a\nrule: {did: A}\n",
          "segments/b.yaml": "\nsegment: a\nrule: {did: A}\n"},
         [("segments/b.yaml:2: $.segment: segment `a` is already in segments/a.yaml; "
          "a name is used once")]),
        ({"segments/a.yaml": "a: 1\n a: 2\n", "segments/b.yaml": "segment: b\n"},
         [("segments/a.yaml:2: $: `: ` inside a value, or wrong indentation; "
          "put a value that holds `: ` in quotes"),
          f"segments/b.yaml:1: $: missing key `rule`: {describe(Rule)}"]),
        ({"journeys/a.yaml": mail("mjml: welcom.mjml"), "content/welcome.mjml": "x"},
         [("journeys/a.yaml:6: $.steps[0].default.mjml: there is no content file `welcom.mjml`; "
          "did you mean `welcome.mjml`?")]),
        ({"journeys/a.yaml": mail("html: x.html")},
         [("journeys/a.yaml:6: $.steps[0].default.html: there is no content file `x.html` "
          "beside the journey, in content/ or above")]),
        ({"journeys/a.yaml": mail("mjml: ../../etc/passwd")},
         [("journeys/a.yaml:6: $.steps[0].default.mjml: `../../etc/passwd` leads out of the "
          "folder; keep content files in it")]),
        ({"journeys/a.yaml": mail("mjml: /etc/passwd")},
         [("journeys/a.yaml:6: $.steps[0].default.mjml: `/etc/passwd` leads out of the "
          "folder; keep content files in it")]),
        ({"journeys/a.yaml": mail('mjml: "a\\0b"')},
         ["journeys/a.yaml:6: $.steps[0].default.mjml: 'a\\x00b' is no file name"]),
        ({"journeys/a.yaml": mail(f"mjml: {'x' * 300}")},
         [f"journeys/a.yaml:6: $.steps[0].default.mjml: {'x' * 60!r} cannot be a file name"]),
        ({"journeys/a.yaml": mail("mjml: b.mjml"), "b.mjml": b"<mjml>\n\xff"},
         [("journeys/a.yaml:6: $.steps[0].default.mjml: `b.mjml` is not UTF-8 on line 2; "
          "save it as UTF-8")]),
        ({"journeys/a.yaml": mail("mjml: b.mjml"), "b.mjml": b"x" * 1_000_001},
         ["journeys/a.yaml:6: $.steps[0].default.mjml: `b.mjml` is larger than 1,000,000 bytes"]),
        ({"journeys/a.yaml": "journey: [1]\n", "workspace.yaml": "x: 1\nx: 2\n"},
         ["journeys/a.yaml:1: $.journey: must be a name, not a list",
          f"journeys/a.yaml:1: $: missing key `entry`: {describe(Entry)}",
          f"journeys/a.yaml:1: $: missing key `steps`: {describe(list[Step])}",
          "workspace.yaml:2: $.x: duplicate key `x`; first on line 1"]),
    ],
)  # fmt: skip
def test_every_fault_of_every_file_is_told(
    tmp_path: Path, files: dict[str, str | bytes], told: list[str]
) -> None:
    assert faults(write(tmp_path, files)) == told


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    out = write(tmp_path / "out", {"b.yaml": SEGMENT.format(name="b"), "secret": "x"})
    root = write(tmp_path / "in", {"journeys/a.yaml": mail("mjml: s.mjml"), "segments/x": ""})
    (root / "segments" / "b.yaml").symlink_to(out / "b.yaml")
    (root / "segments" / "loop.yaml").symlink_to("loop.yaml")
    (root / "journeys" / "s.mjml").symlink_to(out / "secret")
    project = load(root)
    assert [str(fault) for fault in project.faults] == [
        (
            "journeys/a.yaml:6: $.steps[0].default.mjml: `s.mjml` leads out of the folder; "
            "keep content files in it"
        ),
        "segments/b.yaml: $: a link that leads out of the folder; copy the file instead",
        "segments/loop.yaml: $: a link that leads out of the folder; copy the file instead",
    ]
    assert project.segments == {}


def test_what_is_no_plain_file_is_not_opened(tmp_path: Path) -> None:
    root = write(tmp_path, {"workspace.yaml": "{}"})
    (root / "segments").mkdir()
    os.mkfifo(root / "segments" / "pipe.yaml")
    assert faults(root) == ["segments/pipe.yaml: $: is no plain file"]


def test_a_warning_does_not_forbid_applying(tmp_path: Path) -> None:
    project = load(write(tmp_path, {"segments/a.yaml": SEGMENT.format(name="b")}))
    assert len(project.faults) == 1
    assert project.errors == []
    assert list(project.segments) == ["b"]


def test_a_later_fault_gets_its_file_and_line(tmp_path: Path) -> None:
    root = write(tmp_path, {"journeys/a.yaml": mail("subject: x"), "workspace.yaml": "caps: []\n"})
    project = load(root)
    found = project.place("journey", "a", Fault("$.steps[0].default.subject", "is bad"))
    assert str(found) == "journeys/a.yaml:6: $.steps[0].default.subject: is bad"
    found = project.place("workspace", "", Fault("$.senders", "has no default", warning=True))
    assert str(found) == "workspace.yaml:1: warning: $.senders: has no default"
    unknown = Fault("$.x", "is bad")
    assert project.place("segment", "none", unknown) is unknown
    elsewhere = Fault("$.x", "is bad", "content/a.mjml", 3)
    assert project.place("journey", "a", elsewhere) is elsewhere


def test_no_folder_and_an_empty_folder_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none does not exist; `harken init .*none` begins one"):
        load(tmp_path / "none")
    with pytest.raises(BadInput, match=r"holds no workspace.yaml, no journeys/\*.yaml"):
        load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is no folder"):
        load(tmp_path / "file")


def test_the_faults_that_the_page_shows_are_those_that_are_told(tmp_path: Path) -> None:
    message = mail("mjml: abandonned.mjml").splitlines()
    head, default = message[:-1], message[-1]
    slip = "    sendng_hours: {from: '09:00', to: '21:00'}"
    lines = [*["#"] * 11, *head[:3], "  - wait: 1d", *head[3:], slip, "", "", default]
    root = write(
        tmp_path,
        {
            "journeys/cart.yaml": "\n".join(lines).replace("journey: a", "journey: cart"),
            "segments/vip.yaml": "segment: vip\nrule:\n  {did: A, within: '30'}\n",
            "abandoned.mjml": "<mjml></mjml>",
        },
    )
    page = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
    told = faults(root)
    assert len(told) == 3
    assert [line for line in told if f"    {line}\n" not in page] == []


BLOCKS = {
    "blocks/footer.html": "<p>{% block 'legal' %}</p>",
    "blocks/footer.ko.html": "<p>안녕</p>",
    "blocks/legal.liquid": "small print",
    "blocks/other.html": "unused",
}


def test_blocks_go_along_with_the_journeys_that_use_them(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            **BLOCKS,
            "journeys/a.yaml": mail("subject: S, html: a.html", "a"),
            "journeys/a.html": "<p>Hi</p>{% block 'footer' %}",
            "journeys/b.yaml": mail("subject: \"{% block 'legal' %}\", text: T", "b"),
            "journeys/c.yaml": mail("subject: S, text: T", "c"),
        },
    )
    project = load(root)
    assert project.faults == []
    used = {name: sorted(journey.files) for name, journey in project.journeys.items()}
    assert used == {
        "a": ["a.html", "blocks/footer.html", "blocks/footer.ko.html", "blocks/legal.liquid"],
        "b": ["blocks/legal.liquid"],
        "c": [],
    }


def test_a_blocks_change_makes_new_revisions_of_the_journeys_that_use_it_alone(
    tmp_path: Path,
) -> None:
    files = {
        **BLOCKS,
        "journeys/a.yaml": mail("subject: S, html: \"<p>{% block 'footer' %}</p>\"", "a"),
        "journeys/c.yaml": mail("subject: S, text: T", "c"),
    }
    first = bundle(Definitions(0, 0, ""), load(write(tmp_path, files)), 1, "me")
    write(tmp_path, {"blocks/legal.liquid": "new small print"})
    second = load(tmp_path)
    changes = {one.name: one for one in plan(first, second) if one.kind == "journey"}
    assert changes["a"].detail == ["blocks/legal.liquid: content changed (+1 -1 lines)"]
    assert changes["c"].action == "unchanged"
    after = bundle(first, second, 2, "me")
    assert {name: one.revision for name, one in after.journeys.items()} == {"a": 2, "c": 1}
    assert first.journeys["a"].files["blocks/legal.liquid"] == "small print"


@pytest.mark.parametrize("name", ["footer", "footer.htm", "foo ter.html", "a.b.c.html"])
def test_a_file_that_is_no_block_is_told(tmp_path: Path, name: str) -> None:
    write(tmp_path, {f"blocks/{name}": "x", "workspace.yaml": "workspace: w\n"})
    told = "is no block: name it such as footer.html or footer.ko.html"
    assert faults(tmp_path) == [f"blocks/{name}: $: {told} (.html, .mjml, .txt, .liquid)"]


def test_no_block_is_read_from_outside(tmp_path: Path) -> None:
    outside = tmp_path / "secret.html"
    outside.write_text("secret")
    root = write(tmp_path / "shop", {"blocks/a.html": "x", "workspace.yaml": "workspace: w\n"})
    (root / "blocks" / "b.html").symlink_to(outside)
    told = "a link that leads out of the folder; copy the file instead"
    assert faults(root) == [f"blocks/b.html: $: {told}"]


def test_definitions_that_stand_where_none_are_read_are_warned_of(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "workspace.yaml": "workspace: shop\n",
            "vip.yaml": SEGMENT.format(name="vip"),
            "journey/a.yaml": mail("subject: s, text: 't t'"),
            "journeys/ads/b.yaml": mail("subject: s, text: 't t'", "b"),
            "journeys/c.yaml": mail("subject: s, text: 't t'", "c"),
            "data/prices.yaml": "prices: {journey: 3}\n",
            ".github/workflow.yaml": "journey: x\n",
        },
    )
    project = load(root)
    assert project.errors == []
    assert [str(fault) for fault in project.faults] == [
        "journey/a.yaml: warning: $: is not read here; a journey stands in journeys/",
        "journeys/ads/b.yaml: warning: $: is not read here; a journey stands in journeys/",
        "vip.yaml: warning: $: is not read here; a segment stands in segments/",
    ]
