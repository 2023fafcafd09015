"""The arithmetic of experiments, held against published values and against chance itself."""

import random

import pytest

from harken.reports.rates import best, chi_square, difference, ratio, runs_needed, wilson


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson(hits: int, of: int, low: float, high: float) -> None:
    found = wilson(hits, of)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == hits / of


@pytest.mark.parametrize(
    ("one", "base", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((0, 10), (0, 20), -0.1611, 0.2775),
    ],
)
def test_the_difference_of_two_rates(
    one: tuple[int, int], base: tuple[int, int], low: float, high: float
) -> None:
    found = difference(*one, *base)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    turned = difference(*base, *one)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_the_ratio_of_two_rates() -> None:
    # Aspirin and heart attacks: 104 of 11,037 against 189 of 11,034 (N Engl J Med 321:129-135).
    found = ratio(104, 11_037, 189, 11_034)
    assert found is not None
    assert (round(found.value, 2), round(found.low, 2), round(found.high, 2)) == (0.55, 0.43, 0.7)
    assert ratio(0, 10, 3, 10) is None
    assert ratio(3, 10, 0, 10) is None


@pytest.mark.parametrize(
    ("statistic", "arms", "probability"),
    [(3.841, 2, 0.05), (5.991, 3, 0.05), (7.815, 4, 0.05), (9.488, 5, 0.05), (10.828, 2, 0.001)],
)
def test_chi_square_against_its_table(statistic: float, arms: int, probability: float) -> None:
    # One arm is off by what makes the statistic; the last takes it up.
    size = 100.0
    off = (statistic * size / 2) ** 0.5
    observed = [size + off, size - off, *[size] * (arms - 2)]
    found, chance = chi_square(observed, [size] * arms)
    assert found == pytest.approx(statistic)
    assert chance == pytest.approx(probability, rel=0.01)


def test_sizes_that_are_as_they_should_be_are_not_improbable() -> None:
    assert chi_square([50, 50], [50, 50]) == (0, 1)


@pytest.mark.parametrize(
    "measured",
    [
        [(100, 10), (100, 15)],
        [(1000, 100), (1000, 100)],
        [(50, 0), (60, 0)],
        [(5, 5), (7, 7)],
        [(100_000, 1_000), (90_000, 1_000), (200, 3)],
        [(20, 3), (20, 5), (20, 4), (2000, 300)],
    ],
)
def test_who_is_best_agrees_with_drawing(measured: list[tuple[int, int]]) -> None:
    chance, draws = random.Random(1), 40_000
    won = [0] * len(measured)
    for _ in range(draws):
        rates = [chance.betavariate(1 + hits, 1 + of - hits) for of, hits in measured]
        won[rates.index(max(rates))] += 1
    found = best(measured)
    assert sum(found) == pytest.approx(1)
    assert found == pytest.approx([count / draws for count in won], abs=0.012)


def test_equals_are_equally_likely_to_be_best() -> None:
    assert best([(500, 50)] * 4) == pytest.approx([0.25] * 4)


def test_as_many_runs_as_are_needed_show_the_difference() -> None:
    needed = runs_needed(0.12, 0.10)
    assert 3_700 < needed < 4_000
    assert difference(round(needed * 0.12), needed, round(needed * 0.10), needed).low > 0
