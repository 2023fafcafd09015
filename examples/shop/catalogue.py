"""What the shop sells and says: `catalogue.yaml` and `words.yaml`, typed and checked on load."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML

HERE = Path(__file__).parent
LANGUAGES = ("en", "ko", "id")

Text = dict[str, str]
"""One wording for each of `LANGUAGES`."""


class Product(msgspec.Struct, frozen=True):
    """One thing for sale; `price` in the catalogue's currency."""

    id: str
    sku: str
    category: str
    brand: str
    price: int
    name: Text
    line: Text


class Promotion(msgspec.Struct, frozen=True):
    """The page of an event: its name in the address, and what it shows."""

    id: str
    products: list[str]


class Catalogue(msgspec.Struct, frozen=True):
    """Everything for sale."""

    currency: str
    categories: dict[str, Text]
    lines: dict[str, Text]
    products: list[Product]
    event: Promotion

    def product(self, product_id: str) -> Product | None:
        return next((p for p in self.products if p.id == product_id), None)

    def chosen(self, ids: Iterable[str]) -> list[Product]:
        return [p for i in ids if (p := self.product(i))]

    def in_category(self, category: str) -> list[Product]:
        return [p for p in self.products if p.category == category]

    def search(self, query: str) -> list[Product]:
        """Products that contain every word of `query`, in any language."""
        words = query.casefold().split()
        return [p for p in self.products if words and all(w in self._text(p) for w in words)]

    def beside(self, product: Product, count: int = 4) -> Sequence[Product]:
        """Others to show with a product: first of other categories, in a steady order."""
        others = [p for p in self.products if p.id != product.id]
        at = self.products.index(product)
        others.sort(key=lambda p: (p.category == product.category, (len(p.id) * 7 + at) % 5, p.id))
        return others[:count]

    def _text(self, product: Product) -> str:
        parts = [product.brand, product.category, *product.name.values(), *product.line.values()]
        parts += self.categories[product.category].values()
        return " ".join(parts).casefold()


def read_yaml(path: Path) -> Any:
    """A YAML file as plain values."""
    return YAML(typ="safe", pure=True).load(path.read_text("utf-8"))


@cache
def catalogue() -> Catalogue:
    """The shop's catalogue."""
    return msgspec.convert(read_yaml(HERE / "catalogue.yaml"), Catalogue)


@cache
def words(language: str) -> Text:
    """What the pages say in a language."""
    every = msgspec.convert(read_yaml(HERE / "words.yaml"), dict[str, Text])
    return {key: text[language] for key, text in every.items()}
