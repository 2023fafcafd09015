"""What to recommend, worked out from history: a few statements, and what they say of the catalog.

Customers count, not events: someone who looks at an item a hundred times makes it no more popular
than someone who looks once. *Together* is what the same customers did within the window; the score
of a pair is how many did both, squared, by how many did the one and how many did the other (the
square of the cosine), so that what everybody buys does not stand beside everything.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from harken.catalogs.items import Item, categories_of
from harken.catalogs.settings import CatalogSettings, Recommend, Shopping
from harken.catalogs.shelves import Scored
from harken.catalogs.sql import bought_ids, id_of
from harken.history.base import History

MOST_ITEMS = 20_000
"""Items that have a list of their own, and that a list is made of: the most popular ones."""
KEPT = 100
"""Items of a list by popularity; some may be out of stock, or bought by the customer already."""
KEPT_TOGETHER = 25
LAST_ITEMS = 50
"""Of one customer, the items done last: the pairs of someone with a thousand would be a million."""
QUERY_SECONDS = 50.0

DOINGS = """
SELECT profile_id, ts, CASE name WHEN $1 THEN 'v' ELSE 'a' END AS kind, {id} AS item
FROM events WHERE name IN ($1, $2) AND ts >= $4 AND ts <= $5
UNION ALL
SELECT profile_id, ts, 'b' AS kind, unnest({ids}) AS item
FROM events WHERE name = $3 AND ts >= $4 AND ts <= $5
"""
POPULAR = """
WITH doings AS ({doings}),
once AS (SELECT DISTINCT profile_id, kind, item FROM doings WHERE item IS NOT NULL)
SELECT item,
    count(*) FILTER (kind = 'v') * $6::DOUBLE + count(*) FILTER (kind = 'a') * $7::DOUBLE
        + count(*) FILTER (kind = 'b') * $8::DOUBLE AS score
FROM once GROUP BY item HAVING count(DISTINCT profile_id) >= $9 AND score > 0
ORDER BY score DESC, item LIMIT {most}
"""
ONE_EACH = """
SELECT profile_id, ts, {id} AS item FROM events WHERE name = $1 AND ts >= $2 AND ts <= $3
"""
SEVERAL = """
SELECT profile_id, ts, unnest({ids}) AS item FROM events
WHERE name = $1 AND ts >= $2 AND ts <= $3
"""
TOGETHER = """
WITH doings AS ({doings}),
done AS (
    SELECT profile_id, item FROM doings WHERE item IN (SELECT unnest($5::VARCHAR[]))
    GROUP BY profile_id, item
    QUALIFY row_number() OVER (PARTITION BY profile_id ORDER BY max(ts) DESC, item) <= {last}
),
who AS (SELECT item, count(*) AS customers FROM done GROUP BY item),
pairs AS (
    SELECT a.item AS item, b.item AS other, count(*) AS both_of
    FROM done AS a JOIN done AS b ON a.profile_id = b.profile_id AND a.item <> b.item
    GROUP BY a.item, b.item HAVING count(*) >= $4
),
scored AS (
    SELECT pairs.item, other,
        both_of::DOUBLE * both_of / (one.customers::DOUBLE * two.customers) AS score
    FROM pairs JOIN who AS one ON one.item = pairs.item JOIN who AS two ON two.item = other
)
SELECT item, list({{'other': other, 'score': score}} ORDER BY score DESC, other)[:{kept}]
FROM scored GROUP BY item ORDER BY item LIMIT {most}
"""


def work_out(
    history: History, items: Iterable[tuple[str, Item]], settings: CatalogSettings, now: int
) -> Iterator[tuple[str, str, bytes]]:
    """Every list of recommendations of a catalog: (kind, key, list). Raises what history raises."""
    recommend = settings.recommend or Recommend()
    popular = _popular(history, settings.events, recommend, now)
    categories = {id: categories_of(item, settings) for id, item in items if id in popular}
    there = {id: score for id, score in popular.items() if id in categories}
    for (kind, key), scored in _by_popularity(there, categories).items():
        yield kind, key, msgspec.json.encode(scored)
    events = settings.events
    viewed = (events.viewed, ONE_EACH.format(id=id_of(events)))
    bought = (events.bought, SEVERAL.format(ids=bought_ids(events)))
    for kind, doings in (("viewed_together", viewed), ("bought_together", bought)):
        for key, scored in _together(history, doings, recommend, now, list(there)):
            yield kind, key, msgspec.json.encode(scored)


def _popular(
    history: History, events: Shopping, recommend: Recommend, now: int
) -> dict[str, float]:
    weights = [float(recommend.viewed), float(recommend.added), float(recommend.bought)]
    rows = history.query(
        POPULAR.format(doings=_doings(events), most=MOST_ITEMS),
        [*_span(events, recommend, now), *weights, recommend.at_least],
        limit=MOST_ITEMS,
        seconds=QUERY_SECONDS,
    )
    return dict(rows)


def _by_popularity(
    popular: Mapping[str, float], categories: Mapping[str, list[str]]
) -> dict[tuple[str, str], Scored]:
    """The lists of all, and of each category; `popular` has the best first."""
    lists: dict[tuple[str, str], Scored] = {}
    for id, score in popular.items():
        places = [("popular", ""), *(("popular_in", one) for one in categories[id])]
        for place in places:
            scored = lists.setdefault(place, [])
            if len(scored) < KEPT:
                scored.append((id, score))
    return lists


def _together(
    history: History, doings: tuple[str, str], recommend: Recommend, now: int, items: list[str]
) -> Iterator[tuple[str, Scored]]:
    event, sql = doings
    rows = history.query(
        TOGETHER.format(doings=sql, last=LAST_ITEMS, kept=KEPT_TOGETHER, most=MOST_ITEMS),
        [event, now - recommend.window, now, recommend.at_least, items],
        limit=MOST_ITEMS,
        seconds=QUERY_SECONDS,
    )
    for item, others in rows:
        yield item, [(one["other"], one["score"]) for one in others]


def _span(events: Shopping, recommend: Recommend, now: int) -> list[object]:
    return [events.viewed, events.added, events.bought, now - recommend.window, now]


def _doings(events: Shopping) -> str:
    return DOINGS.format(id=id_of(events), ids=bought_ids(events))
