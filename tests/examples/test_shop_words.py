"""The shop says everything in three languages, and its carts reach the journeys' amounts."""

import re

import pytest
from examples.shop.catalogue import HERE, LANGUAGES, catalogue, read_yaml, words

SCRIPTS = {"ko": re.compile("[가-힣]"), "en": re.compile("[A-Za-z]"), "id": re.compile("[A-Za-z]")}


def test_every_word_has_all_three_languages() -> None:
    for key, text in read_yaml(HERE / "words.yaml").items():
        assert sorted(text) == sorted(LANGUAGES), key
        for language in LANGUAGES:
            assert SCRIPTS[language].search(text[language]), (key, language)


def test_every_word_that_a_template_uses_exists_and_every_word_is_used() -> None:
    sources = [p.read_text("utf-8") for p in (HERE / "templates").glob("*.html")]
    sources += [p.read_text("utf-8") for p in HERE.glob("*.py")]
    used = {name for text in sources for name in re.findall(r"\bt\.([a-zA-Z0-9_]+)", text)}
    assert used - set(words("en")) <= {"size"}
    every = "\n".join(sources)
    unused = [
        key
        for key in words("en")
        if not re.search(rf"\b{key}\b", every)
        and not key.startswith(("country_", "store_", "segment_"))
    ]
    assert unused == []


def test_the_catalogue_is_whole() -> None:
    goods = catalogue()
    assert 12 <= len(goods.products) <= 20
    assert len(goods.categories) == 4
    assert len({p.id for p in goods.products}) == len({p.sku for p in goods.products}) == 16
    for product in goods.products:
        assert sorted(product.name) == sorted(product.line) == sorted(LANGUAGES)
        for kind in ("svg", "png"):
            assert (HERE / "static" / "art" / f"{product.id}.{kind}").exists()
    for category in goods.categories:
        assert len(goods.in_category(category)) >= 3


def test_one_product_makes_a_premium_cart_and_one_an_ordinary_one() -> None:
    prices = [p.price for p in catalogue().products]
    assert any(price >= 200 for price in prices)
    assert any(100 <= price < 200 for price in prices)
    assert any(price < 100 for price in prices)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("bag", ["weekender", "day-tote", "rolltop-pack", "zip-pouch"]),
        ("가방", ["weekender", "day-tote", "rolltop-pack", "zip-pouch"]),
        ("tas rolltop", []),
        ("LAMP", ["reading-lamp"]),
        ("kayu lampu", ["reading-lamp"]),
        ("aster vale tote", ["day-tote"]),
        ("", []),
        ("zeppelin", []),
    ],
)
def test_search_finds_every_word_in_any_language(query: str, found: list[str]) -> None:
    assert [p.id for p in catalogue().search(query)] == found
