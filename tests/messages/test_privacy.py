"""The privacy guard: what is refused on save, and what is not."""

from typing import Any

import pytest

from harken.checking import check
from harken.inputs import Approved, Definitions, JourneySource

BODY = "<p>Hello</p>"
FEED = "https://a.example/{{ profile.attributes.religion }}"
ASKS = f'{{% connected a = "{FEED}" %}}x{{% else %}}y{{% endconnected %}}'


def refused(
    content: dict[str, Any] | str,
    *,
    workspace: dict[str, Any] | None = None,
    variants: list[dict[str, Any]] | None = None,
    segments: dict[str, Any] | None = None,
    files: dict[str, str] | None = None,
    approvals: list[Approved] | None = None,
    **more: Any,
) -> list[tuple[str, str]]:
    """Where and why a message with these contents is refused."""
    default = {"subject": "x", "html": f"{BODY}{content}"} if isinstance(content, str) else content
    step = {"message": "m", "channel": "email", "default": default, "variants": variants or []}
    source = {"journey": "j", "entry": {"event": "E"}, "steps": [step]}
    written = Definitions(
        1,
        0,
        "",
        workspace=workspace or {},
        journeys={"j": JourneySource(1, source, files or {}, **more)},
        segments=segments or {},
        approvals=approvals or [],
    )
    return [(fault.path, fault.problem) for _, _, fault in check(written) if not fault.warning]


def said(value: str) -> str:
    return f"{{{{ {value} | default: 'x' }}}}"


@pytest.mark.parametrize(
    "content",
    [
        BODY,
        said("profile.first_name"),
        said("profile.email"),
        said("profile.birthday"),
        said("profile.gender"),
        said("profile.attributes.shoe_size"),
        said("event.properties.diagnosis"),
        "{% if profile.gender == 'f' %}x{% endif %}",
        "{{ profile.id }} {{ profile.language }}",
    ],
)
def test_a_workspace_that_declares_nothing_may_say_what_it_said(content: str) -> None:
    assert refused(content) == []


@pytest.mark.parametrize(
    ("content", "attribute"),
    [
        (said("profile.attributes.religion"), "religion"),
        (said("profile.attributes['Sexual-Orientation']"), "Sexual-Orientation"),
        (said("profile.attributes.health.diagnosis"), "health"),
        (said("profile.attributes.location.latitude"), "location"),
        ("{% if profile.attributes.pregnant %}Baby things{% endif %}", "pregnant"),
        ("{% case profile.attributes.religion %}{% when 'a' %}x{% endcase %}", "religion"),
        (
            "{% assign it = profile.attributes.religion | default: 'x' %}{{ it }}",
            "religion",
        ),
        ("{% for one in profile.attributes.allergies %}x{% endfor %}", "allergies"),
        (
            ASKS,
            "religion",
        ),
    ],
)
def test_what_is_sensitive_by_its_name_is_refused(content: str, attribute: str) -> None:
    found = refused(content)
    assert [path for path, _ in found] == ["$.steps[0].default"]
    assert f"`{attribute}`" in found[0][1]
    assert "it is sensitive" in found[0][1]
    assert f"harken approve j m {attribute} --reason" in found[0][1]


DECLARED = {
    "attributes": {
        "diet": {"class": "sensitive", "benefit": "gets recipes that do no harm"},
        "shoe_size": {"class": "personal", "benefit": "sees what fits"},
        "nickname": {"class": "personal"},
        "religion": {"class": "ordinary"},
    }
}


@pytest.mark.parametrize(
    ("content", "objection"),
    [
        (said("profile.attributes.shoe_size"), ""),
        (said("profile.attributes.unheard_of"), ""),
        (said("profile.first_name"), ""),
        (said("profile.attributes.religion"), ""),
        ("{% if profile.attributes.nickname %}x{% endif %}", ""),
        (said("profile.attributes.nickname"), "no benefit to the customer is declared"),
        (said("profile.attributes.nickName"), "no benefit to the customer is declared"),
        (said("profile.birthday"), "no benefit to the customer is declared"),
        (said("profile.attributes.diet"), "it is sensitive"),
        ("{% if profile.attributes.diet %}x{% endif %}", "it is sensitive"),
        (said("profile.attributes[event.name]"), "it is sensitive"),
        ("{% assign all = profile %}{{ all.attributes.x | default: 1 }}", "it is sensitive"),
    ],
)
def test_where_attributes_are_declared_a_personal_one_needs_a_benefit(
    content: str, objection: str
) -> None:
    found = refused(content, workspace=DECLARED)
    assert bool(found) == bool(objection), found
    assert not objection or any(objection in problem for _, problem in found)


def test_every_version_block_and_rule_is_looked_at() -> None:
    rule = {"attribute": "diet", "equals": "vegan"}
    vegan = {"segment": "vegan", "rule": rule}
    plain = {"subject": "x", "html": BODY}
    shows = said("profile.attributes.diet")
    ko = {**plain, "locales": {"ko": {"subject": shows}}}
    assert [path for path, _ in refused(ko, workspace=DECLARED)] == ["$.steps[0].default"]
    block = {"blocks/b.html": shows}
    assert len(refused('{% block "b" %}', workspace=DECLARED, files=block)) == 1
    for when in (rule, {"not": rule}, {"in_segment": "vegan"}):
        found = refused(
            plain,
            workspace=DECLARED,
            variants=[{"name": "v", "when": when, "html": "<p>v</p>"}],
            segments={"vegan": vegan},
        )
        assert [path for path, _ in found] == ["$.steps[0].variants[0]"]
        assert "chooses what it says by `diet`" in found[0][1]


def test_an_approval_lets_that_message_show_that_attribute() -> None:
    shows = said("profile.attributes.diet")
    why = {"by": "Ana", "reason": "asked for"}
    right = {"journey": "j", "message": "m", "attribute": "Diet", **why}
    assert refused(shows, workspace={**DECLARED, "approvals": [right]}) == []
    for wrong in ({"journey": "k"}, {"message": "n"}, {"attribute": "nickname"}):
        assert refused(shows, workspace={**DECLARED, "approvals": [{**right, **wrong}]})
    by_api = Approved(journey="j", message="m", attribute="diet", **why, at=1)
    assert refused(shows, workspace=DECLARED, approvals=[by_api]) == []


def test_a_journey_that_is_archived_refuses_nothing() -> None:
    assert refused(said("profile.attributes.religion"), archived=True) == []


def test_a_secret_that_is_not_there_or_goes_elsewhere_is_told() -> None:
    body = '{% connected w = "https://api.example/x" auth: wether %}x{% endconnected %}'
    account = {"url": "https://api.example/v1/", "header": "X-Key", "secret_env": "KEY"}
    workspace = {"connected": {"weather": account}}
    assert refused(body, workspace=workspace) == [
        (
            "$.steps[0]",
            "the workspace has no `wether` under `connected`; did you mean `weather`?",
        )
    ]
    body = body.replace("wether", "weather")
    told = "the secret of `weather` goes only to https://api.example/v1/"
    assert refused(body, workspace=workspace) == [("$.steps[0]", told)]
    assert refused(body.replace("/x", "/v1/x"), workspace=workspace) == []


def test_two_messages_of_one_name_are_told_as_that_fault() -> None:
    plain = {"message": "m", "channel": "email", "default": {"subject": "x", "html": BODY}}
    varied = {
        **plain,
        "variants": [{"when": {"attribute": "a", "equals": 1}, "subject": "y", "html": BODY}],
    }
    source = {"journey": "j", "entry": {"event": "E"}, "steps": [plain, varied]}
    written = Definitions(1, 0, "", {}, {"j": JourneySource(1, source)})
    assert [fault.path for _, _, fault in check(written)] == ["$.steps[1]"]


def told(payload: dict[str, Any], approvals: list[Approved] | None = None) -> list[tuple[str, str]]:
    """Where and why a webhook step with this payload is refused."""
    steps = [{"wait": "1h"}, {"webhook": "crm", "payload": payload}]
    written = Definitions(
        1,
        0,
        "",
        workspace={"webhooks": {"crm": {"url": "https://crm.example/x"}}},
        journeys={"j": JourneySource(1, {"journey": "j", "entry": {"event": "E"}, "steps": steps})},
        approvals=approvals or [],
    )
    return [(fault.path, fault.problem) for _, _, fault in check(written) if not fault.warning]


def test_a_webhook_is_told_nothing_that_a_message_may_not_say() -> None:
    assert told({"who": said("profile.email"), "size": said("profile.attributes.shoe_size")}) == []
    payload = {"about": [{"faith": said("profile.attributes.religion")}], "n": 1}
    [(path, problem)] = told(payload)
    assert path == "$.steps[1].payload"
    assert problem.startswith("it tells the webhook crm `religion` (`profile.attributes.religion`)")
    assert "harken approve j webhook-2 religion --reason" in problem
    asks = "{% if profile.attributes.pregnant %}1{% else %}0{% endif %}"
    [(_, chooses)] = told({"x": asks})
    assert "it chooses what it says by `pregnant`" in chooses
    given = Approved(journey="j", message="webhook-2", attribute="religion", by="a", reason="r")
    assert told(payload, [given]) == []


def test_a_webhook_step_sends_a_feed_no_secret_that_is_not_there() -> None:
    [(path, problem)] = told({"x": '{% connected a = "https://a.example/" auth: "feed" %}1'
                                   "{% else %}2{% endconnected %}"})  # fmt: skip
    assert (path, "no `feed` under `connected`" in problem) == ("$.steps[1]", True)
