"""Look-ups and recommendations in messages: what is said, what falls to the default, what is
refused on save."""

from collections.abc import Callable

import pytest
from catalogs_kit import buys, change, customer, looks, stock_up, workspace
from driver import Shop

from harken.catalogs.settings import CatalogSettings, Recommend
from harken.definition_faults import check
from harken.inputs import Definitions, JourneySource
from harken.messages.analysis import Surroundings, examine
from harken.messages.liquid import TEXT, Template

Opener = Callable[..., Shop]

OFFERING = workspace("{recommend: {at_least: 2}}")
MAIL = """
journey: offer
entry: {event: Go, reentry: always}
steps:
  - message: offer
    channel: email
    variants:
      - name: special
        weight: 100
        subject: 'SUBJECT'
        html: "<p>Look</p>"
    default: {subject: "plain", html: "<p>Hi</p>"}
"""
ITEM = '{% catalog p = "products" id: event.properties.product_id %}'
GOODS = {
    "boot": {"title": "Boot & Co", "price": 100, "category": "shoes"},
    "bag": {"title": "Bag", "price": 50, "category": ["bags", "gifts"]},
    "cup": {"title": "Cup", "price": 10, "category": "gifts", "in_stock": False},
    "hat": {"title": "Hat", "price": 20},
}


def mail(subject: str) -> str:
    return MAIL.replace("SUBJECT", subject.replace("'", "''"))


def said(shop: Shop, user: str = "mina", **properties: object) -> str:
    """The subject of the mail that `Go` leads to."""
    before = len(shop.mails())
    shop.advance("1s")
    shop.track(user, "Go", **properties)
    mails = shop.mails()
    assert len(mails) == before + 1
    return mails[-1].subject


@pytest.fixture
def shop(open_shop: Opener) -> Shop:
    shop = open_shop(workspace=OFFERING, offer=mail("x"))
    stock_up(shop, GOODS)
    customer(shop, "mina")
    return shop


@pytest.mark.parametrize(
    ("subject", "properties", "expected"),
    [
        (ITEM + "{{ p.title }} {{ p.price }}", {"product_id": "boot"}, "Boot & Co 100"),
        (ITEM + "{{ p.id }}", {"product_id": "bag"}, "bag"),
        (ITEM + "{{ p.title }}", {"product_id": "nothing"}, "plain"),
        (ITEM + "{{ p.title }}", {}, "plain"),
        (ITEM + "{{ p.colour }}", {"product_id": "boot"}, "plain"),
        (ITEM + "{{ p.colour | default: 'red' }}", {"product_id": "nothing"}, "red"),
        (ITEM + "{% if p %}yes{% else %}no{% endif %}", {"product_id": "nothing"}, "no"),
        (ITEM + "{{ p | map: 'title' | join: '+' }}",
         {"product_id": ["hat", "none", "boot"]}, "Hat+Boot & Co"),
        ('{% catalog p = "products" id: event.properties.products %}{{ p[0].title }}',
         {"products": [{"product_id": "bag"}]}, "Bag"),
        ('{% catalog p = "products" id: "hat" %}{{ p.title }}', {}, "Hat"),
    ],
)  # fmt: skip
def test_items_are_looked_up(
    shop: Shop, subject: str, properties: dict[str, object], expected: str
) -> None:
    shop.apply(workspace=OFFERING, offer=mail(subject))
    assert said(shop, **properties) == expected


def test_the_ledger_says_which_item_there_is_not(shop: Shop) -> None:
    shop.apply(workspace=OFFERING, offer=mail(ITEM + "{{ p.title }}"))
    said(shop, product_id="nope")
    (row,) = shop.ledger("mina")
    assert row.variant == "default"
    assert row.why_variant == (
        "special uses p (products has no item 'nope'), which this customer does not have"
    )


def test_a_new_version_is_said_at_once_and_an_old_one_again(shop: Shop) -> None:
    shop.apply(workspace=OFFERING, offer=mail(ITEM + "{{ p.title }}"))
    assert said(shop, product_id="hat") == "Hat"
    change(shop, hat={"title": "Cap"})
    assert said(shop, product_id="hat") == "Cap"
    shop.harken.services.catalogs.go_back("products", 1, at=shop.now, by="a test")
    assert said(shop, product_id="hat") == "Hat"
    shop.harken.services.catalogs.remove("products")
    stock_up(shop, {"hat": {"title": "Beret"}})
    assert said(shop, product_id="hat") == "Beret"


IDS = "{{ products | map: 'id' | join: ' ' }}"


def recommend(kind: str, rest: str = "") -> str:
    return mail(f'{{% recommend products = "{kind}" limit: 3 {rest} %}}{IDS}')


def seen(shop: Shop) -> None:
    """boot 3 viewers, bag 2 and 1 buyer, cup (out of stock) 3, hat 2; one alone looks at rare."""
    customer(shop, "a", "b", "c")
    for user in ("a", "b", "c"):
        looks(shop, user, "boot", "cup")
    looks(shop, "a", "bag", "hat", "rare")
    looks(shop, "b", "bag", "hat")
    buys(shop, "a", "bag", "hat")
    buys(shop, "b", "bag", "hat")
    shop.advance("61m")


@pytest.mark.parametrize(
    ("kind", "rest", "properties", "expected"),
    [
        ("popular", "", {}, "bag hat boot"),
        ("popular", "item: event.properties.product_id", {"product_id": "bag"}, "hat boot"),
        ("popular_in", 'category: "shoes"', {}, "boot bag hat"),
        ("popular_in", "category: event.properties.category", {}, "bag hat boot"),
        ("popular_in", 'category: "gifts"', {}, "bag hat boot"),
        ("viewed_together", 'item: "hat"', {}, "bag boot"),
        ("bought_together", "item: event.properties.product_id", {"product_id": "bag"}, "hat boot"),
        ("bought_together", "item: event.properties.product_id", {}, "bag hat boot"),
        ("bought_together", "items: event.properties.products",
         {"products": [{"product_id": "bag"}, {"product_id": "hat"}]}, "boot"),
        ("not_yet_bought", "", {}, "bag hat boot"),
    ],
)  # fmt: skip
def test_what_is_recommended(
    shop: Shop, kind: str, rest: str, properties: dict[str, object], expected: str
) -> None:
    shop.apply(workspace=OFFERING, offer=recommend(kind, rest))
    seen(shop)
    assert said(shop, **properties) == expected


def test_what_was_bought_a_moment_ago_is_not_recommended(shop: Shop) -> None:
    shop.apply(workspace=OFFERING, offer=recommend("not_yet_bought"))
    seen(shop)
    assert said(shop, "a") == "boot"
    buys(shop, "mina", "boot")
    assert said(shop) == "bag hat"
    shop.identify("other", email="other@shop.example")
    buys(shop, "other", "bag")
    shop.merge("mina", "other")
    assert said(shop) == "hat"


def test_what_was_bought_before_the_catalog_was_there_counts_too(open_shop: Opener) -> None:
    shop = open_shop(workspace=workspace("{}"), offer=mail("x"))
    stock_up(shop, GOODS)
    customer(shop, "mina")
    buys(shop, "mina", "hat", "boot")
    shop.advance("1h")
    buys(shop, "mina", "hat", 12)
    shop.apply(workspace=OFFERING, offer=recommend("not_yet_bought"))
    seen(shop)
    (bought,) = (state for id, state in shop.profile("mina").traits.items() if "items-" in id)
    assert list(bought) == ["boot", "12", "hat"]
    assert said(shop) == "bag"


def test_nothing_to_recommend_is_missing_data(shop: Shop) -> None:
    shop.apply(workspace=OFFERING, offer=recommend("popular"))
    assert said(shop) == "plain"
    (row,) = shop.ledger("mina")
    assert "products (there is nothing to recommend)" in row.why_variant


def test_what_is_out_of_stock_since_is_not_recommended(shop: Shop) -> None:
    shop.apply(workspace=OFFERING, offer=recommend("popular"))
    seen(shop)
    change(shop, bag={"stock": 0}, cup={"stock": 5})
    assert said(shop) == "hat boot cup"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ('{% catalog p = "product" id: "a" %}', "did you mean `products`?"),
        ('{% catalog p = "products" %}', "`catalog` needs `id:`"),
        ("{% catalog p = products id: 'a' %}", "write {% catalog p ="),
        ('{% catalog p = "products" ids: "a" %}', "did you mean `id`?"),
        ('{% recommend p = "populer" %}', "did you mean `popular`?"),
        ('{% recommend p = "popular" limit: 0 %}', "`limit` is a whole number from 1 to 50"),
        ('{% recommend p = "popular" limit: profile.id %}', "`limit` is a whole number"),
        ('{% recommend p = "popular" category: "x" %}', "write `popular_in`"),
        ('{% recommend p = "popular_in" %}', "needs `category:`"),
        ('{% recommend p = "bought_together" %}', "needs `item:`"),
        ('{% recommend p = "popular" catalog: "stores" %}', "nothing is recommended of `stores`"),
        ('{% recommend p = "popular" catalog: "shoes" %}', "no catalog `shoes`"),
        ('{% catalog p = "products" id: event.propertys.x %}', "did you mean `properties`?"),
        ('{% catalog p = "products" id: "a" %}{{ p.title }}', "`p.title` may be missing"),
        ('{% recommend p = "popular" %}{{ p[0].title }}', "may be missing"),
    ],
)
def test_what_cannot_work_is_refused_on_save(template: str, problem: str) -> None:
    default = {"subject": template, "html": "<p>Hi</p>"}
    bundle = Definitions(
        revision=1,
        applied_at=0,
        applied_by="a test",
        workspace={"catalogs": {"products": {"recommend": {}}, "stores": {}}},
        journeys={
            "offer": JourneySource(
                revision=1,
                source={
                    "journey": "offer",
                    "entry": {"event": "Go"},
                    "steps": [{"message": "m", "channel": "email", "default": default}],
                },
            )
        },
    )
    faults = [str(fault) for _, _, fault in check(bundle)]
    assert any(problem in fault for fault in faults), faults


def test_a_default_may_offer_what_it_asked_for() -> None:
    template = Template(
        '{% recommend p = "popular" %}{% if p %}{% for one in p %}{{ one.title | default: one.id '
        "| default: 'it' }}{% endfor %}{% else %}Come and see{% endif %}",
        TEXT,
    )
    catalogs = {"products": CatalogSettings(recommend=Recommend())}
    assert examine(template, needs_defaults=True, around=Surroundings(catalogs=catalogs)) == []
