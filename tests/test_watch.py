"""What is seen while a device measures: injected readings, worked by hand."""

import itertools

import pytest

from bench import watch
from bench.nvml import Reading

CLEAN = Reading(sm_clock_hz=2e9, memory_clock_hz=1e9, power_w=400.0, temperature_c=60.0, reasons=0)


def test_a_clean_run_has_no_flags() -> None:
    seen = watch.judge([CLEAN] * 5, others=0, energy_j=100.0)
    assert seen.flags == ()
    assert seen.energy_j == 100.0
    assert seen.details["sm_clock_hz"] == 2e9
    assert seen.details["temperature_c"] == 60.0


@pytest.mark.parametrize("reason", [0x08, 0x20, 0x40, 0x80])
def test_one_reading_of_thermal_or_hardware_slowdown_flags_the_row(reason: int) -> None:
    seen = watch.judge([CLEAN, Reading(reasons=reason | 0x04), CLEAN], others=0, energy_j=None)
    assert seen.flags == ("throttled",)


@pytest.mark.parametrize("reason", [0x01, 0x02, 0x10, 0x100])
def test_idle_and_set_clocks_are_not_slowdowns(reason: int) -> None:
    assert watch.judge([Reading(reasons=reason)], others=0, energy_j=None).flags == ()


def test_the_power_cap_is_recorded_as_a_share_and_flags_nothing() -> None:
    seen = watch.judge(
        [Reading(reasons=0x04), CLEAN, CLEAN, Reading(reasons=0x04)], others=0, energy_j=None
    )
    assert seen.flags == ()
    assert seen.details["power_capped_share"] == 0.5


def test_other_processes_on_the_gpu_flag_the_row() -> None:
    assert watch.judge([CLEAN], others=2, energy_j=None).flags == ("busy_device",)


def test_what_nvml_does_not_give_is_unknown_and_not_zero() -> None:
    seen = watch.judge([Reading(), Reading()], others=0, energy_j=None)
    assert seen.flags == ()
    assert {name: seen.details[name] for name in ("power_w", "power_capped_share")} == {
        "power_w": None,
        "power_capped_share": None,
    }


def test_energy_needs_a_counter_and_a_second() -> None:
    assert watch.energy_between(10.0, 25.0, elapsed_s=1.0) == 15.0
    assert watch.energy_between(10.0, 25.0, elapsed_s=0.9) is None
    assert watch.energy_between(None, 25.0, elapsed_s=5.0) is None


class Slowed:
    """A watch on a device that cools down after some looks."""

    def __init__(self, looks: int) -> None:
        self._looks = itertools.chain([True] * looks, itertools.repeat(False))

    def start(self) -> None: ...

    def stop(self) -> watch.Seen:
        return watch.Seen()

    def slowed_down(self) -> bool:
        return next(self._looks)


def test_a_slowed_device_is_waited_for_and_at_most_ten_seconds() -> None:
    for looks, cooled in ((0, True), (10, True), (10_000, False)):
        time_s = [0.0]

        def pause(seconds: float, time_s: list[float] = time_s) -> None:
            time_s[0] += seconds

        assert watch.cool_down(Slowed(looks), now=lambda t=time_s: t[0], pause=pause) is cooled
        assert time_s[0] <= 10.5


def test_the_processors_that_others_used_are_a_share_of_all() -> None:
    # two processors for ten seconds: 20 s; busy for 15, 11 of them ours
    assert watch.others_share(10.0, 15.0, 11.0, cpus=2) == pytest.approx(0.2)
    assert watch.others_share(10.0, 11.0, 11.2, cpus=2) == 0.0
    assert watch.others_share(0.05, 0.1, 0.0, cpus=2) is None


def test_the_cpu_watch_sees_this_process_as_its_own() -> None:
    looking = watch.CpuWatch()
    looking.start()
    sum(number * number for number in range(3_000_000))
    share = looking.stop().details["others_share"]
    assert share is None or 0 <= share <= 1


def test_in_a_container_the_process_that_appeared_is_this_one() -> None:
    assert watch.own_pids(frozenset({7}), frozenset({7, 4242})) == {4242}
    assert watch.own_pids(None, None) == frozenset()
