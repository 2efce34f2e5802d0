"""Warm-up, samples and stopping, with a clock that says whatever the test wants."""

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

from bench import statistics, timing
from bench.records import Protocol

PROTOCOL = Protocol()


class ScriptedClock:
    """A clock on which the n-th step takes the n-th of the given times; the last one for ever."""

    def __init__(self, step_times_s: Iterable[float]) -> None:
        self._times: Iterator[float] = iter(step_times_s)
        self._last = 0.0
        self.steps = 0
        self.rounds = 0

    def _one(self) -> float:
        self._last = next(self._times, self._last)
        self.steps += 1
        return self._last

    def block(self, step: timing.Step, steps: int) -> timing.Block:
        self.rounds += 1
        elapsed = sum(self._one() for _ in range(steps))
        return timing.Block(steps, elapsed, elapsed)

    def latency(self, step: timing.Step) -> float:
        return self._one()

    def host_device_ratio(self, step: timing.Step) -> float | None:
        return None


def idle(mark: timing.Mark) -> None:
    """A step that does nothing: the clock decides how long that takes."""


def noise(spread: float, around_s: float, seed: int = 3) -> Iterator[float]:
    random = np.random.default_rng(seed)
    while True:
        yield around_s * (1 + spread * random.standard_normal())


def measured(times: Iterable[float], *, latency: bool = False, first_s: float | None = None):
    clock = ScriptedClock(times)
    first = clock.latency(idle) if first_s is None else first_s
    return timing.measure(idle, clock, first_s=first, latency=latency, protocol=PROTOCOL)


def test_a_steady_device_stops_as_soon_as_the_rules_allow_and_has_no_flags() -> None:
    result = measured(itertools.repeat(0.001))
    assert result.flags == ()
    assert result.stopped_by == "interval"
    assert PROTOCOL.min_s <= result.elapsed_s < PROTOCOL.min_s + PROTOCOL.block_min_s
    assert len(result.samples_s) >= PROTOCOL.min_samples
    assert set(np.round(result.samples_s, 12)) == {0.001}


def test_a_throughput_sample_is_a_block_of_at_least_20_ms() -> None:
    assert timing.steps_for(0.0011, PROTOCOL) == 19
    assert timing.steps_for(0.02, PROTOCOL) == 1
    assert timing.steps_for(5.0, PROTOCOL) == 1
    assert measured(itertools.repeat(0.0011)).steps_per_sample == 19


def test_a_latency_sample_is_one_step_and_none_is_averaged_away() -> None:
    result = measured(noise(0.001, 0.002), latency=True)
    assert result.steps_per_sample == 1
    assert len(result.samples_s) == result.steps
    assert statistics.relative_iqr(result.samples_s) > 0.0005


def test_seven_samples_are_taken_even_when_they_agree_at_once() -> None:
    result = measured(itertools.repeat(0.2))
    assert len(result.samples_s) == 7
    assert result.flags == ()


def test_it_stops_when_the_interval_is_tight_and_not_before() -> None:
    result = measured(noise(0.006, 0.03))
    assert result.stopped_by == "interval"
    assert statistics.relative_half_width(result.samples_s) <= PROTOCOL.interval_target
    assert statistics.relative_half_width(result.samples_s[:-1]) > PROTOCOL.interval_target
    assert "noisy" not in result.flags


def test_noise_that_does_not_settle_ends_in_a_stall_and_is_flagged() -> None:
    result = measured(itertools.cycle([0.02] * 3 + [0.03] * 3))
    assert result.stopped_by == "stall"
    assert "noisy" in result.flags
    assert result.elapsed_s < PROTOCOL.throughput_cap_s


def test_the_cap_ends_what_still_makes_progress() -> None:
    settling = (0.1 * (1 + 0.5 * (-1) ** n / (1 + n / 4)) for n in itertools.count())
    result = measured(settling)
    assert result.stopped_by == "cap"
    assert PROTOCOL.throughput_cap_s <= result.elapsed_s < PROTOCOL.throughput_cap_s + 0.2


def test_latency_has_a_longer_cap_than_throughput() -> None:
    throughput = measured(noise(0.05, 0.3))
    latency = measured(noise(0.05, 0.3), latency=True)
    assert throughput.elapsed_s <= 3.5 < latency.elapsed_s <= 5.5


@pytest.mark.parametrize(
    ("step_s", "samples"), [(0.5, 7), (0.85, 7), (1.0, 6), (2.0, 3), (20.0, 3)]
)
def test_slow_steps_end_at_twice_the_cap_with_three_samples_at_least(
    step_s: float, samples: int
) -> None:
    result = measured(itertools.repeat(step_s))
    assert len(result.samples_s) == samples
    assert result.flags == (("noisy",) if samples < 7 else ())
    assert result.warm_up_steps <= 1 + max(1, 2.0 / step_s)


def test_a_device_that_gets_faster_is_warmed_up_until_it_no_longer_does() -> None:
    warming = [0.02 * (1 + 2 * 0.9**n) for n in range(200)]
    result = measured(warming)
    assert "not_warm" not in result.flags
    assert max(result.samples_s) < 0.02 * 1.1
    assert result.warm_up_steps > 20


def test_a_device_that_never_settles_is_flagged_after_two_seconds() -> None:
    drifting = (0.02 * 1.03**n for n in itertools.count())
    clock = ScriptedClock(drifting)
    warm = timing.warm_up(lambda steps: _round(clock, steps), first_s=0.02, protocol=PROTOCOL)
    assert not warm.steady
    assert PROTOCOL.warm_up_max_s <= warm.elapsed_s < PROTOCOL.warm_up_max_s + 0.5
    assert "not_warm" in measured(0.02 * 1.03 ** min(n, 90) for n in itertools.count()).flags


def test_warm_up_lasts_three_steps_and_200_ms() -> None:
    clock = ScriptedClock(itertools.repeat(0.001))
    warm = timing.warm_up(lambda steps: _round(clock, steps), first_s=0.001, protocol=PROTOCOL)
    assert warm.steady
    assert warm.elapsed_s >= 0.2
    clock = ScriptedClock(itertools.repeat(0.3))
    warm = timing.warm_up(lambda steps: _round(clock, steps), first_s=0.3, protocol=PROTOCOL)
    assert warm.steps == 3


def test_a_first_step_that_compiled_for_a_minute_does_not_use_up_the_warm_up() -> None:
    result = measured(itertools.repeat(0.01), first_s=60.0)
    assert result.flags == ()
    assert result.warm_up_s >= 0.2


def test_warm_up_is_not_judged_more_finely_than_the_device_measures() -> None:
    def windows(seed: int) -> Callable[[int], timing.Round]:
        clock = ScriptedClock(noise(0.03, 0.5, seed))
        return lambda steps: _round(clock, steps)

    def unsteady(noise_share: float) -> int:
        return sum(
            not timing.warm_up(
                windows(seed), first_s=0.5, protocol=PROTOCOL, noise=noise_share
            ).steady
            for seed in range(40)
        )

    assert unsteady(0.05) < unsteady(0.0)


def test_no_noise_is_so_great_that_twice_the_time_counts_as_warm() -> None:
    clock = ScriptedClock(0.3 * 1.5**n for n in itertools.count())
    warm = timing.warm_up(
        lambda steps: _round(clock, steps), first_s=0.2, protocol=PROTOCOL, noise=8.0
    )
    assert not warm.steady


@pytest.mark.parametrize(
    ("samples", "elapsed_s", "widths", "reason"),
    [
        (7, 0.3, [0.005], "interval"),
        (7, 0.3, [0.0051], None),
        (40, 1.0, [0.1] + [0.1] * 16, "stall"),
        (40, 1.0, [0.1] + [0.1] * 15, None),
        (40, 1.0, [0.1] + [0.1] * 15 + [0.099], None),  # some progress
        (40, 2.99, [0.1], None),
        (40, 3.0, [0.1], "cap"),
        # too few samples or too short a time for an interval: no widths
        (6, 5.9, [], None),
        (3, 6.0, [], "slow"),
        (2, 60.0, [], None),
    ],
)
def test_every_stopping_rule_at_its_edge(
    samples: int, elapsed_s: float, widths: list[float], reason: str | None
) -> None:
    stopped_by = timing.stop_reason(
        samples, elapsed_s, widths, cap_s=3.0, target=0.005, protocol=PROTOCOL
    )
    assert stopped_by == reason


def test_an_interval_narrower_than_the_devices_own_noise_is_not_waited_for() -> None:
    assert timing.interval_target(PROTOCOL, 0.0) == 0.005
    assert timing.interval_target(PROTOCOL, 0.012) == 0.012
    assert timing.interval_target(PROTOCOL, 0.06) == 0.02
    assert timing.interval_target(PROTOCOL, 0.12) == 0.03
    assert timing.interval_target(PROTOCOL, 7.0) == 0.05

    def steps(noise_share: float) -> int:
        clock = ScriptedClock(noise(0.02, 0.05))
        return timing.measure(
            idle,
            clock,
            first_s=0.05,
            latency=False,
            protocol=PROTOCOL,
            noise=noise_share,
        ).steps

    assert steps(0.02) < steps(0.0)


@pytest.mark.parametrize(("spread", "flags"), [(0.01, ()), (0.3, ("noisy",))])
def test_only_an_interval_beyond_two_percent_is_called_noisy(
    spread: float, flags: tuple[str, ...]
) -> None:
    times = noise(spread, 0.03)
    result = timing.sample(
        lambda steps: timing.Round((next(times),), steps, 0.03),
        1,
        cap_s=3.0,
        protocol=PROTOCOL,
    )
    assert result.flags == flags
    assert (statistics.relative_half_width(result.samples_s) > 0.02) == bool(flags)


class Ticks:
    """A host clock that a step moves by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_host_clock_times_blocks_and_single_steps() -> None:
    ticks = Ticks()

    def step(mark: timing.Mark) -> None:
        ticks.now_s += 0.25

    clock = timing.HostClock(ticks)
    assert clock.block(step, 4) == timing.Block(4, 1.0, 1.0)
    assert clock.latency(step) == 0.25
    assert clock.host_device_ratio(step) is None


def test_a_training_step_is_split_at_its_marks() -> None:
    ticks = Ticks()

    def step(mark: timing.Mark) -> None:
        ticks.now_s += 1.0
        mark()
        ticks.now_s += 2.0
        mark()
        ticks.now_s += 0.5

    block = timing.HostClock(ticks).block(step, 2)
    assert block.device_s == 7.0
    assert block.parts_s == ((1.0, 2.0, 0.5), (1.0, 2.0, 0.5))
    ticks.now_s = 0.0
    protocol = Protocol(min_samples=3)
    result = timing.measure(
        step, timing.HostClock(ticks), first_s=3.5, latency=False, protocol=protocol
    )
    assert result.parts_s == (1.0, 2.0, 0.5)


def test_stated_intervals_cover_the_next_measurement_nine_times_in_ten() -> None:
    covered = total = 0
    for seed in range(150):
        stated = measured(noise(0.02, 0.04, seed))
        again = measured(noise(0.02, 0.04, 1000 + seed))
        _, low, high = statistics.median_interval(stated.samples_s)
        covered += low <= statistics.median_interval(again.samples_s)[0] <= high
        total += 1
    assert covered >= 0.9 * total


def _round(clock: ScriptedClock, steps: int) -> timing.Round:
    block = clock.block(idle, steps)
    return timing.Round((block.device_s / steps,), steps, block.device_s)
