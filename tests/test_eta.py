"""The time left: worked by hand, and on runs whose costs are known."""

import pytest

from bench.eta import remaining_s


def test_nothing_is_said_before_the_first_row():
    assert remaining_s([], [("latency", 1.0)]) is None


def test_few_rows_give_their_average():
    assert remaining_s([("latency", 1.0, 4.0), ("latency", 9.0, 6.0)], [("latency", 5.0)] * 3) == 15


def test_larger_models_cost_more_once_that_is_seen():
    finished = [("training", cost, 3.0 + 2.0 * cost) for cost in (1.0, 2.0, 3.0, 5.0, 8.0)]
    assert remaining_s(finished, [("training", 10.0), ("training", 0.0)]) == pytest.approx(26)


def test_each_measure_has_its_own_pace_and_an_unknown_one_that_of_the_others():
    finished = [("latency", None, 1.0), ("training", None, 5.0)]
    assert remaining_s(finished, [("latency", None), ("training", None)]) == 6
    assert remaining_s(finished, [("throughput", None)]) == 3


def test_nothing_takes_negative_time():
    falling = [("latency", cost, 10.0 - cost) for cost in (1.0, 2.0, 3.0, 4.0, 5.0)]
    assert remaining_s(falling, [("latency", 1000.0)]) == pytest.approx(7)
    steep = [("latency", cost, cost**3) for cost in (1.0, 2.0, 3.0, 4.0, 5.0)]
    assert remaining_s(steep, [("latency", 0.0)]) == 0
    assert remaining_s(steep, [("latency", 3.0)]) > 0


def test_models_of_one_size_give_their_average():
    assert remaining_s([("latency", 2.0, s) for s in (1, 2, 3, 4, 5)], [("latency", 2.0)]) == 3


def test_nothing_missing_takes_no_time():
    assert remaining_s([("latency", 1.0, 4.0)], []) == 0
