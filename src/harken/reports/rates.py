"""Shares of runs that converted: how sure they are, how they differ, and which is best.

Closed forms and one numeric integration; each function says where its formula is from.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import erfc, exp, inf, lgamma, log, sqrt
from statistics import NormalDist

from msgspec import Struct

LEVEL = 0.95
PER_ARM = 400
"""Points at which the density of each arm is looked at; 4 digits are right."""
WIDE = 8.0
"""How many standard deviations from its mean a density is looked at."""


class Interval(Struct, frozen=True):
    """An estimate, and between what the true value lies at the level asked for."""

    value: float
    low: float
    high: float


def wilson(hits: int, of: int, level: float = LEVEL) -> Interval:
    """A rate with its score interval. Wilson, JASA 22 (1927) 209-212. `of` is 1 or more."""
    z = _quantile(level)
    rate = hits / of
    middle = rate + z * z / (2 * of)
    half = z * sqrt(rate * (1 - rate) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return Interval(rate, max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0))


def difference(hits: int, of: int, base_hits: int, base_of: int, level: float = LEVEL) -> Interval:
    """How much more the first rate is than the base's, in parts of one.

    Newcombe's hybrid score interval (method 10), Statistics in Medicine 17 (1998) 873-890.
    """
    one, base = wilson(hits, of, level), wilson(base_hits, base_of, level)
    value = one.value - base.value
    low = value - sqrt((one.value - one.low) ** 2 + (base.high - base.value) ** 2)
    high = value + sqrt((one.high - one.value) ** 2 + (base.value - base.low) ** 2)
    return Interval(value, low, high)


def ratio(
    hits: int, of: int, base_hits: int, base_of: int, level: float = LEVEL
) -> Interval | None:
    """How many times the base's rate the first is; None while one of them is nothing.

    The interval is that of its logarithm. Katz et al., Biometrics 34 (1978) 469-474.
    """
    if not hits or not base_hits:
        return None
    value = (hits / of) / (base_hits / base_of)
    half = _quantile(level) * sqrt(1 / hits - 1 / of + 1 / base_hits - 1 / base_of)
    return Interval(value, value * exp(-half), value * exp(half))


def chi_square(observed: Sequence[float], expected: Sequence[float]) -> tuple[float, float]:
    """Pearson's statistic, and how probable one as great is when the expected shares hold.

    Both add up to the same; every expected count is more than nothing.
    """
    pairs = zip(observed, expected, strict=True)
    found = sum((seen - wanted) ** 2 / wanted for seen, wanted in pairs)
    return found, _upper_gamma((len(observed) - 1) / 2, found / 2)


def best(measured: Sequence[tuple[int, int]]) -> list[float]:
    """Of each arm (runs, converted): how probable it is that its true rate is the highest.

    By Bayes from Beta(1, 1), which takes every rate for equally likely beforehand: the integral of
    each density times the others' distributions, over points that lie close where any is steep.
    """
    shapes = [(1 + hits, 1 + of - hits) for of, hits in measured]
    points = sorted({at for shape in shapes for at in _points(*shape)})
    densities = [[_density(at, *shape) for at in points] for shape in shapes]
    below = [_running(points, density) for density in densities]
    chances = []
    for arm, density in enumerate(densities):
        others = [one for place, one in enumerate(below) if place != arm]
        product = list(density)
        for one in others:
            product = [value * part for value, part in zip(product, one, strict=True)]
        chances.append(_running(points, product, scale=False)[-1])
    total = sum(chances)
    return [chance / total for chance in chances]


def runs_needed(rate: float, base: float) -> int:
    """About how many runs an arm show a difference of this size, four times in five.

    Lehr's rule, Statistics in Medicine 11 (1992) 1099-1102. The rates differ.
    """
    middle = (rate + base) / 2
    return round(16 * middle * (1 - middle) / (rate - base) ** 2)


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _upper_gamma(shape: float, x: float) -> float:
    """The regularised upper incomplete gamma function, for whole and half shapes.

    Q(1/2, x) and Q(1, x) are known; Q(a + 1, x) = Q(a, x) + x^a e^-x / Gamma(a + 1).
    """
    if x <= 0:
        return 1.0
    at = 0.5 if shape % 1 else 1.0
    found = erfc(sqrt(x)) if shape % 1 else exp(-x)
    while at < shape:
        found += exp(at * log(x) - x - lgamma(at + 1))
        at += 1
    return min(found, 1.0)


def _points(a: float, b: float) -> list[float]:
    mean = a / (a + b)
    spread = sqrt(mean * (1 - mean) / (a + b + 1))
    low, high = max(mean - WIDE * spread, 0.0), min(mean + WIDE * spread, 1.0)
    return [low + (high - low) * step / PER_ARM for step in range(PER_ARM + 1)]


def _density(x: float, a: float, b: float) -> float:
    """That of Beta(a, b)."""
    if x <= 0 or x >= 1:
        edge = a if x <= 0 else b
        return 0.0 if edge > 1 else a + b - 1
    logged = (a - 1) * log(x) + (b - 1) * log(1 - x) + lgamma(a + b) - lgamma(a) - lgamma(b)
    return exp(logged) if logged < 700 else inf


def _running(points: list[float], values: list[float], *, scale: bool = True) -> list[float]:
    """The integral up to each point, by trapezia; `scale` makes the whole of it one."""
    found = [0.0]
    for (left, right), (low, high) in zip(pairwise(points), pairwise(values), strict=True):
        found.append(found[-1] + (right - left) * (low + high) / 2)
    return [value / found[-1] for value in found] if scale else found
