"""The interval is honest, and the words say what the numbers say."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from bench import statistics

Noise = Callable[[np.random.Generator, int], np.ndarray]


def _correlated(random: np.random.Generator, n: int, rho: float) -> np.ndarray:
    noise = random.standard_normal(n)
    for i in range(1, n):
        noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * noise[i]
    return 1 + 0.01 * noise


SHAPES: dict[str, Noise] = {
    "normal": lambda random, n: 1 + 0.01 * random.standard_normal(n),
    "long tail": lambda random, n: np.exp(0.2 * random.standard_normal(n)),
    "a floor with waits": lambda random, n: 1 + 0.02 * random.exponential(size=n),
    "stalls": lambda random, n: 1 + 0.002 * random.standard_normal(n) + (random.random(n) < 0.1),
    "two clock speeds": lambda random, n: (
        np.where(random.random(n) < 0.5, 1.0, 1.1) + 0.005 * random.standard_normal(n)
    ),
    "ticks of a coarse clock": lambda random, n: np.round(1 + 0.01 * random.standard_normal(n), 2),
}


@pytest.mark.parametrize("n", [7, 8, 16, 21, 60, 150])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_interval_covers_the_median_of_a_repeat_nine_times_in_ten(shape: str, n: int) -> None:
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(400):
        _, low, high = statistics.median_interval(SHAPES[shape](random, n))
        covered += low <= np.median(SHAPES[shape](random, n)) <= high
    assert covered >= 0.9 * 400


@pytest.mark.parametrize("n", [50, 150])
def test_the_interval_still_covers_repeats_when_a_slow_sample_follows_a_slow_one(n: int) -> None:
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(400):
        _, low, high = statistics.median_interval(_correlated(random, n, 0.5))
        covered += low <= np.median(_correlated(random, n, 0.5)) <= high
    assert covered >= 0.9 * 400


def test_the_interval_is_not_merely_wide() -> None:
    random = np.random.default_rng(7)
    widths = [
        statistics.relative_half_width(1 + 0.01 * random.standard_normal(200)) for _ in range(100)
    ]
    # sqrt(2) * 1.96 standard errors of a median, 1.2533 / sqrt(200) of a standard deviation each
    assert np.median(widths) == pytest.approx(0.01 * 2.77 * 0.0886, rel=0.25)


@pytest.mark.parametrize(("n", "rank"), [(3, 0), (3, 1), (4, 0), (4, 1), (5, 0), (5, 1), (6, 2)])
def test_coverage_agrees_with_counting_every_order(n: int, rank: int) -> None:
    k = (n + 1) // 2
    below = total = 0
    for first in itertools.combinations(range(2 * n), n):
        second = [place for place in range(2 * n) if place not in first]
        below += second[k - 1] < first[rank]
        total += 1
    assert statistics._repeat_below(n, rank) == pytest.approx(below / total)


def test_three_samples_give_their_range() -> None:
    assert statistics.median_interval([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)


def test_nine_samples_need_their_range_and_fifteen_leave_out_one_on_each_side() -> None:
    # By hand, P(5 or more of 9 come before the other 9's lowest): C(13, 4) / C(18, 9) = 1.5 %;
    # before their second lowest 6.6 %, over 2.5 %, so the range stays. Of 15: 0.7 % before the
    # second lowest, 2.51 % before the third, which is a hair too much.
    assert statistics.median_interval([float(v) for v in (9, 2, 7, 4, 5, 6, 3, 8, 1)]) == (5, 1, 9)
    fifteen = [8, 1, 15, 2, 14, 3, 13, 4, 12, 5, 11, 6, 10, 7, 9]
    assert statistics.median_interval([float(v) for v in fifteen]) == (8, 2, 14)


def test_noise_moves_both_ends_by_its_share() -> None:
    assert statistics.widened((1.0, 0.9, 1.2), 0.5) == (1.0, pytest.approx(0.6), pytest.approx(1.8))
    assert statistics.widened((1.0, 0.9, 1.2), 0.0) == (1.0, 0.9, 1.2)


def test_samples_that_do_not_differ_have_no_width() -> None:
    assert statistics.median_interval([0.25] * 40) == (0.25, 0.25, 0.25)
    assert statistics.verdict([0.25] * 40) == "steady"


def test_the_same_samples_give_the_same_interval_in_any_call() -> None:
    samples = list(np.random.default_rng(1).lognormal(size=100))
    assert statistics.median_interval(samples) == statistics.median_interval(samples)


def test_a_slow_half_widens_the_interval() -> None:
    mixed = [1.0, 1.2] * 20
    in_a_row = [1.0] * 20 + [1.2] * 20
    assert statistics.correlation_time(mixed) == 1
    assert statistics.correlation_time(in_a_row) > 5


@pytest.mark.parametrize("samples", [[], [float("nan")], [1.0, float("inf")]])
def test_nothing_is_said_about_no_samples_or_broken_ones(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="sample"):
        statistics.median_interval(samples)


def test_the_verdict_is_in_words() -> None:
    steady = [1.0, 1.001, 0.999, 1.002, 0.998, 1.001, 1.0, 0.999]
    assert statistics.verdict(steady) == "steady"
    assert statistics.verdict([1.0] * 4 + [0.99, 1.008, 1.005, 0.995]) == "fair: interval ±1 %"
    assert statistics.verdict([1, 0.96, 1.04, 0.97, 1.03, 0.98, 1.02]) == "noisy: interval ±4 %"
    assert statistics.verdict([1, 0.7, 1.3, 0.88, 1.12, 0.9, 1.1]) == "noisy: interval ±30 %"
    assert statistics.verdict([1.0, 1.0]) == "few samples: 2"


def test_the_verdict_knows_the_noise_of_the_machine() -> None:
    steady = [1.0] * 40
    assert statistics.verdict(steady, noise=0.01) == "fair: interval ±1 %"
    assert statistics.verdict(steady, noise=0.25) == "noisy: interval ±25 %"
    width = statistics.relative_half_width([0.9, 1.0, 1.1] * 9, noise=0.25)
    assert width == pytest.approx(1.1 * 1.25 - 1)


def test_an_outlier_stays() -> None:
    samples = [1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 5.0]
    assert statistics.percentiles(samples, [100]) == [5.0]


def test_the_relative_interquartile_range_is_worked_by_hand() -> None:
    assert statistics.relative_iqr([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="at least 4"):
        statistics.relative_iqr([1.0, 2.0, 3.0])


def test_a_sentinel_that_moved_by_over_two_percent_has_drifted() -> None:
    assert not statistics.drifted(0.1, 0.1019)
    assert statistics.drifted(0.1, 0.1021)
    assert statistics.drifted(0.1, 0.0979)
    with pytest.raises(ValueError, match="positive"):
        statistics.drifted(0.0, 0.1)
