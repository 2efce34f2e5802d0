"""The A/A test with clocks that say how steady they are."""

import itertools
from collections.abc import Iterable

import numpy as np
import pytest

from bench import noise, timing


class Clock:
    """Every step takes the next of the given times."""

    def __init__(self, times_s: Iterable[float]) -> None:
        self._times = iter(times_s)
        self.elapsed_s = 0.0

    def latency(self, step: timing.Step) -> float:
        taken = next(self._times)
        self.elapsed_s += taken
        return taken

    def block(self, step: timing.Step, steps: int) -> timing.Block:
        raise AssertionError("the A/A test times single steps")

    def host_device_ratio(self, step: timing.Step) -> float | None:
        return None


def idle(mark: timing.Mark) -> None:
    """A step that does nothing: the clock decides how long that takes."""


def heard(times_s: Iterable[float]) -> tuple[float, float]:
    clock = Clock(times_s)
    return noise.measure_noise(clock, lambda: idle), clock.elapsed_s


def test_a_steady_machine_has_no_noise_and_is_believed_in_three_seconds() -> None:
    share, elapsed_s = heard(itertools.repeat(0.01))
    assert share == 0
    assert 2.5 < elapsed_s < 4


def test_two_of_the_same_that_differ_by_half_are_noise_of_half() -> None:
    # windows of 25 steps: every other one is half as slow again
    times = itertools.chain([0.01] * 50, itertools.cycle([0.01] * 25 + [0.015] * 17))
    assert heard(times)[0] == pytest.approx(0.5)


def test_a_slow_first_window_of_each_is_no_noise() -> None:
    cold = [0.05] * 5 + [0.05] * 5  # a window each
    assert heard(itertools.chain(cold, itertools.repeat(0.01)))[0] == 0
    later = itertools.chain([0.01] * 50, [0.05] * 5, itertools.repeat(0.01))
    assert heard(later)[0] == pytest.approx(4.0)


def test_noise_is_the_95th_percentile_of_all_pairs() -> None:
    medians = [1.0] * 11 + [2.0]
    pairs = [max(a, b) / min(a, b) - 1 for a, b in itertools.combinations(medians, 2)]
    assert len(pairs) == 66
    assert noise.noise_of(medians) == np.percentile(pairs, 95) == 1.0


def test_a_machine_too_busy_for_twelve_windows_is_asked_for_six() -> None:
    _, elapsed_s = heard(itertools.repeat(1.0))
    assert elapsed_s == 2 + 6 * noise.FEWEST_STEPS


def test_one_window_says_nothing() -> None:
    with pytest.raises(ValueError, match="at least two"):
        noise.noise_of([1.0])


def test_the_real_pair_runs_on_the_real_clock() -> None:
    assert noise.measure_noise(timing.HostClock()) >= 0
