"""The shop's files are without fault, and each mail is whole in each language."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from examples.shop.catalogue import HERE, LANGUAGES, catalogue
from examples.shop.visitors import Visitor, cart_properties

from harken.files.project import load
from harken.files.reader import read
from harken.journeys.kinds import Message
from harken.journeys.model import Journey
from harken.messages.compile import compile_message
from harken.messages.evaluate import Scope
from harken.messages.liquid import HTML, Template
from harken.messages.mjml import compile_mjml

MAILS = sorted((HERE / "content").glob("*.mjml"))
NAMES = {"en": "Ann", "ko": "민아", "id": "Budi"}


def language_of(path: Path) -> str:
    return path.name.split(".")[1] if path.name.count(".") == 2 else "en"


def test_the_folder_has_no_fault() -> None:
    project = load(HERE)
    assert project.faults == []
    assert sorted(project.journeys) == [
        "abandoned-cart", "letter", "order-thanks", "third-look", "welcome",
    ]  # fmt: skip


def test_every_message_compiles_without_a_warning() -> None:
    for name, written in load(HERE).journeys.items():
        for step in read(written.source, Journey).steps:
            if isinstance(step, Message):
                _, faults = compile_message(
                    step,
                    written.files,
                    path="$",
                    workspace_language="en",
                    compile_rule=lambda _rule: lambda _profile, _trigger, _now: True,
                )
                assert faults == [], name


def test_every_mail_has_every_language() -> None:
    assert len(MAILS) == 6 * len(LANGUAGES)


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.name)
def test_a_mail_shows_name_products_and_amounts(path: Path) -> None:
    language = language_of(path)
    html, faults = compile_mjml(path.read_text("utf-8"))
    assert faults == []
    visitor = Visitor(language=language)
    for product in ("weekender", "pourover-set"):
        visitor.cart.put(product, 1)
    properties = cart_properties(visitor, catalogue(), "http://shop.example")
    properties |= {"total": 312, "order_id": "KL-1", "order_url": "http://shop.example/order/KL-1"}
    values = {
        "profile": {"first_name": NAMES[language]},
        "event": {"properties": properties},
        "links": {"unsubscribe": "http://u.example/", "preferences": "http://p.example/"},
    }
    said = Template(html, HTML).render(Scope(values, language, ZoneInfo("Asia/Seoul"), 0))
    if not path.name.startswith("abandoned."):
        assert NAMES[language] in said
    if path.name.startswith(("abandoned", "order-thanks")):
        assert catalogue().products[4].name[language] in said
        assert "312" in said
    if not path.name.startswith("order-thanks"):
        assert "http://u.example/" in said
    assert "fonts.googleapis" not in said
    assert "{{" not in said
