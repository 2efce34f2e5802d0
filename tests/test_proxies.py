"""How poor a proxy for speed a cost on paper is: worked by hand, and on the published results."""

import math

import numpy as np
import pandas as pd
import pytest
from selections import RUN_5090

from bench.points import most_accurate_weights, points
from bench.proxies import proxy


def test_the_fullest_band_tells_the_spread() -> None:
    # Six models between 4 and 5 G, of which the slowest takes 9 times as long; two elsewhere.
    cost = pd.Series([4.0e9, 4.1e9, 4.2e9, 4.5e9, 4.8e9, 4.99e9, 5.0e9, 50e9])
    seconds = pd.Series([1e-3, 2e-3, 3e-3, 9e-3, 4e-3, 5e-3, 1.0, 1e-4])
    found = proxy(cost, seconds)
    assert (found.points, found.in_band) == (8, 6)
    assert (found.low, found.high) == (4e9, 5e9)
    assert found.fold == pytest.approx(9.0)


def test_a_cost_that_orders_models_as_time_does_has_a_correlation_of_one() -> None:
    cost = pd.Series([1e6, 5e6, 2e7, 9e8])
    found = proxy(cost, cost**2)
    assert found.rank_correlation == pytest.approx(1.0)
    assert (found.fold, found.low, found.high, found.in_band) == (None, None, None, 0)
    assert proxy(cost, 1 / cost).rank_correlation == pytest.approx(-1.0)


def test_unknown_costs_are_left_out_and_nothing_says_nothing() -> None:
    cost = pd.Series([1e6, None, 3e6, 0.0], dtype="Float64")
    assert proxy(cost, pd.Series([1.0, 2.0, 3.0, 4.0])).points == 2
    nothing = proxy(pd.Series([], dtype="float64"), pd.Series([], dtype="float64"))
    assert nothing.points == 0
    assert math.isnan(nothing.rank_correlation)


@pytest.mark.parametrize("column", ["parameters", "multiply_adds"])
def test_the_published_spread_is_that_of_its_very_band(
    speed: pd.DataFrame, accuracy: pd.DataFrame, column: str
) -> None:
    frame = most_accurate_weights(points(speed, accuracy, run=RUN_5090, measure="throughput"))
    found = proxy(frame[column], frame["seconds_per_image"])
    assert found.low is not None
    assert found.high is not None
    assert 1.2 < found.high / found.low < 1.3
    band = frame[(frame[column] >= found.low) & (frame[column] < found.high)]
    assert len(band) == found.in_band > 50
    seconds = band["seconds_per_image"]
    assert found.fold == pytest.approx(seconds.max() / seconds.min())
    known = frame[frame[column].notna()]
    order = [np.argsort(np.argsort(known[name])) for name in (column, "seconds_per_image")]
    assert found.rank_correlation == pytest.approx(np.corrcoef(order)[0, 1], abs=2e-3)
