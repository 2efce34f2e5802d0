"""What happened on the device while it measured: throttling, other people's work, power, energy.

A watch is started before a measurement and asked after it. On an NVIDIA GPU a thread reads NVML
five times a second; on the CPU two looks at the processors' time are enough.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from typing import Protocol as Interface

import psutil

from bench.environment import affinity
from bench.nvml import POWER_CAP, SLOWDOWNS, Gpu, Reading

EVERY_S = 0.2
# NVML's energy counter moves in steps of up to 100 ms ("Part-time power measurements", 2023,
# arXiv:2312.02741); over a second that is at most 10 %.
ENERGY_WINDOW_S = 1.0
# Others may use so much of the processors before a CPU measurement is doubted.
BUSY_SHARE = 0.1
COOL_DOWN_S = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a watch saw: flags, energy over the whole time, and details worth keeping."""

    flags: tuple[str, ...] = ()
    energy_j: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


class Watch(Interface):
    """Looks on while something is measured."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> Seen:
        """End, and say what was seen."""

    def slowed_down(self) -> bool:
        """Whether the device is slowed down right now."""


class CpuWatch:
    """Sees how much of this process's processors other processes used."""

    def __init__(self) -> None:
        every = range(len(psutil.cpu_times(percpu=True)))
        self._cpus = [cpu for cpu in affinity() or every if cpu in every] or list(every)
        self._before = (0.0, 0.0, 0.0)

    def start(self) -> None:
        """See Watch."""
        self._before = self._now()

    def stop(self) -> Seen:
        """See Watch."""
        elapsed, busy, own = (
            after - before for before, after in zip(self._before, self._now(), strict=True)
        )
        share = others_share(elapsed, busy, own, cpus=len(self._cpus))
        flags = ("busy_device",) if share is not None and share > BUSY_SHARE else ()
        return Seen(flags, details={"others_share": share})

    def slowed_down(self) -> bool:
        """See Watch; processors say nothing about it that can be relied on."""
        return False

    def _now(self) -> tuple[float, float, float]:
        """Wall time, busy time of the processors in the affinity mask, own time; seconds."""
        per_cpu = psutil.cpu_times(percpu=True)
        watched = [per_cpu[cpu] for cpu in self._cpus]
        idle = sum(times.idle + getattr(times, "iowait", 0.0) for times in watched)
        total = sum(sum(_disjoint(times)) for times in watched)
        return time.perf_counter(), total - idle, time.process_time()


def _disjoint(times: Any) -> list[float]:
    """Linux counts guests' time in the user's as well."""
    return [value for name, value in times._asdict().items() if name not in ("guest", "guest_nice")]


def others_share(elapsed_s: float, busy_s: float, own_s: float, *, cpus: int) -> float | None:
    """Share of the processors that went to others; None over a time too short for the counters.

    The kernel counts in ticks of 10 ms.
    """
    if elapsed_s < 0.1 or cpus < 1:
        return None
    return min(1.0, max(0.0, (busy_s - own_s) / (elapsed_s * cpus)))


class GpuWatch:
    """Samples one NVIDIA GPU in a thread."""

    def __init__(
        self, gpu: Gpu, own: frozenset[int], now: Callable[[], float] = time.monotonic
    ) -> None:
        """Make a watch.

        Args:
            gpu: the GPU.
            own: process ids, as NVML numbers them, that are this process.
            now: the clock.
        """
        self._gpu = gpu
        self._own = own
        self._now = now
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._readings: list[Reading] = []
        self._energy_j: float | None = None
        self._started = 0.0

    def start(self) -> None:
        """See Watch."""
        self._readings = []
        self._stop.clear()
        self._thread = threading.Thread(target=self._sample, name="watch", daemon=True)
        self._energy_j, self._started = self._gpu.energy_j(), self._now()
        self._thread.start()

    def stop(self) -> Seen:
        """See Watch."""
        energy_j, elapsed_s = self._gpu.energy_j(), self._now() - self._started
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        others = (self._gpu.processes() or frozenset()) - self._own
        return judge(
            self._readings,
            others=len(others),
            energy_j=energy_between(self._energy_j, energy_j, elapsed_s=elapsed_s),
        )

    def slowed_down(self) -> bool:
        """See Watch."""
        return _slowed(self._gpu.reading())

    def _sample(self) -> None:
        while True:
            self._readings.append(self._gpu.reading())
            if self._stop.wait(EVERY_S):
                return


class NoWatch:
    """Where nothing can be seen: a GPU without NVML."""

    def start(self) -> None:
        """See Watch."""

    def stop(self) -> Seen:
        """See Watch."""
        return Seen()

    def slowed_down(self) -> bool:
        """See Watch."""
        return False


def judge(readings: Sequence[Reading], *, others: int, energy_j: float | None) -> Seen:
    """Flags and details from what was read.

    A thermal or hardware slowdown in any reading flags `throttled`. The software power cap is
    normal on many cards: its share of the readings is kept, nothing is flagged.
    """
    flags = []
    if any(_slowed(reading) for reading in readings):
        flags.append("throttled")
    if others:
        flags.append("busy_device")
    known = [reading.reasons for reading in readings if reading.reasons is not None]
    capped = sum(bool(reasons & POWER_CAP) for reasons in known)
    return Seen(
        tuple(flags),
        energy_j,
        {
            "sm_clock_hz": _mean([r.sm_clock_hz for r in readings]),
            "memory_clock_hz": _mean([r.memory_clock_hz for r in readings]),
            "power_w": _mean([r.power_w for r in readings]),
            "temperature_c": max(
                (r.temperature_c for r in readings if r.temperature_c), default=None
            ),
            "power_capped_share": capped / len(known) if known else None,
            "other_processes": others,
        },
    )


def energy_between(
    before_j: float | None, after_j: float | None, *, elapsed_s: float
) -> float | None:
    """Energy used; None without a counter, or over a time too short for it."""
    if before_j is None or after_j is None or elapsed_s < ENERGY_WINDOW_S:
        return None
    return after_j - before_j


def cool_down(
    watch: Watch,
    *,
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> bool:
    """Wait until the device is no longer slowed down, at most COOL_DOWN_S; whether it is not."""
    give_up = now() + COOL_DOWN_S
    while watch.slowed_down():
        if now() >= give_up:
            return False
        pause(EVERY_S)
    return True


def own_pids(before: frozenset[int] | None, after: frozenset[int] | None) -> frozenset[int]:
    """Which of NVML's process ids are this process.

    In a container NVML gives the host's numbers, which this process does not know, so it is the
    one that appeared when this process opened the device.
    """
    if after is None:
        return frozenset()
    me = frozenset([os.getpid()])
    return me if me <= after else after - (before or frozenset())


def _slowed(reading: Reading) -> bool:
    return bool((reading.reasons or 0) & SLOWDOWNS)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
