"""Clocks, warm-up, samples and when to stop: the rules of MEASUREMENT.md, free of any device.

A `Clock` runs steps and says how long they took; everything that decides works on its answers
alone, so that a test can put any behaviour behind it. The order is: one first step (its output was
checked by the caller), warm-up until two windows agree, then rounds of at least 20 ms until the
interval of the median is tight, stalls, or the time is up.

A row whose interval ends up wider than ±2 % is flagged `noisy`, whatever ended it.

What is bounded, and how, where one step takes seconds (a large model on two CPU cores): the first
step counts as a warm-up window, so warm-up adds one more; samples stop at twice the cap as soon as
there are three. Such a row has fewer than seven samples and is flagged `noisy`.
"""

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol as Interface

import torch

from bench import statistics
from bench.records import Protocol

# A step calls mark() at the end of each of its parts but the last; inference never calls it.
Mark = Callable[[], None]
Step = Callable[[Mark], None]

# Once twice the cap is over, so few samples are enough (and say so with a flag).
FEWEST_SAMPLES = 3
# However noisy the device, windows that differ by more than this are not warm.
_COARSEST_WARM_UP = 0.1
# The host needs this much longer to submit a step than the device to run it: flag `launch_bound`.
LAUNCH_BOUND = 1.1


@dataclass(frozen=True, slots=True)
class Block:
    """How long some steps took together, and the parts of each step, seconds.

    parts_s has one tuple per step: (forward, backward, optimiser) in training, empty in inference.
    """

    steps: int
    device_s: float
    host_s: float
    parts_s: tuple[tuple[float, ...], ...] = ()


class Clock(Interface):
    """Runs steps on a device and times them."""

    def block(self, step: Step, steps: int) -> Block:
        """Run the step so many times without waiting in between, then wait for the device."""

    def latency(self, step: Step) -> float:
        """Host's wall time of one step, from submitting it to its finished result, seconds."""

    def host_device_ratio(self, step: Step) -> float | None:
        """Host's time to submit a step / device's time to run it; None where they are one."""


class HostClock:
    """Times a device that has finished when the call returns: the CPU."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now

    def block(self, step: Step, steps: int) -> Block:
        """See Clock."""
        parts: list[tuple[float, ...]] = []
        edges: list[float] = []

        def mark() -> None:
            edges.append(self._now())

        started = self._now()
        for _ in range(steps):
            edges.clear()
            mark()
            step(mark)
            if len(edges) > 1:
                mark()
                parts.append(tuple(b - a for a, b in itertools.pairwise(edges)))
        elapsed = self._now() - started
        return Block(steps, elapsed, elapsed, tuple(parts))

    def latency(self, step: Step) -> float:
        """See Clock."""
        started = self._now()
        step(_no_mark)
        return self._now() - started

    def host_device_ratio(self, step: Step) -> float | None:  # noqa: ARG002 - see Clock
        """See Clock."""
        return None


class CudaClock:
    """Times a CUDA device with events on its stream; the host waits once, after a block."""

    # torch.cuda._sleep counts device clock cycles; no current GPU runs faster than this.
    _FASTEST_HZ = 3e9

    def block(self, step: Step, steps: int) -> Block:
        """See Clock."""
        marks: list[list[torch.cuda.Event]] = []

        def mark() -> None:
            marks[-1].append(_recorded_event())

        torch.cuda.synchronize()
        started = time.perf_counter()
        first = _recorded_event()
        for _ in range(steps):
            marks.append([])
            step(mark)
            if marks[-1]:
                mark()
        last = _recorded_event()
        last.synchronize()
        host_s = time.perf_counter() - started
        parts, begin = [], first
        for events in filter(None, marks):
            parts.append(tuple(_seconds(a, b) for a, b in itertools.pairwise([begin, *events])))
            begin = events[-1]
        return Block(steps, _seconds(first, last), host_s, tuple(parts))

    def latency(self, step: Step) -> float:
        """See Clock."""
        torch.cuda.synchronize()
        started = time.perf_counter()
        step(_no_mark)
        torch.cuda.synchronize()
        return time.perf_counter() - started

    def host_device_ratio(self, step: Step) -> float | None:
        """See Clock.

        Time between events contains the gaps in which the device waits for the host, so the device
        is first kept asleep until the whole step is queued behind it: then it runs without gaps. (A
        queue holds about a thousand launches; of a longer step the ratio is an upper bound, at 1.)
        """
        torch.cuda.synchronize()
        started = time.perf_counter()
        step(_no_mark)
        submit_s = time.perf_counter() - started
        torch.cuda.synchronize()
        torch.cuda._sleep(int(1.5 * submit_s * self._FASTEST_HZ))  # noqa: SLF001 - nothing public
        first = _recorded_event()
        step(_no_mark)
        last = _recorded_event()
        last.synchronize()
        return submit_s / _seconds(first, last)


@dataclass(frozen=True, slots=True)
class Round:
    """What one look at the clock gave: samples, seconds per step, and the time they took."""

    samples_s: tuple[float, ...]
    steps: int
    elapsed_s: float
    parts_s: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """The samples of one workload, how they were taken, and what is doubtful about them."""

    samples_s: tuple[float, ...]
    flags: tuple[str, ...]
    parts_s: tuple[float, ...]
    steps_per_sample: int
    stopped_by: str
    steps: int
    elapsed_s: float
    warm_up_steps: int = 0
    warm_up_s: float = 0.0


def measure(
    step: Step, clock: Clock, *, first_s: float, latency: bool, protocol: Protocol, noise: float = 0
) -> Timing:
    """Warm up, sample until the rules say stop, and flag what is doubtful.

    Args:
        step: one step of the workload; has run once already.
        clock: runs and times it.
        first_s: how long that first step took, seconds.
        latency: samples are wall times of single steps, else device times of blocks.
        protocol: the limits.
        noise: how much two measurements of the same thing differ on this device (A/A test), as a
            share; neither warm-up nor the interval can be judged more finely.
    """

    def take(steps: int) -> Round:
        if latency:
            samples = tuple(clock.latency(step) for _ in range(steps))
            return Round(samples, steps, sum(samples))
        block = clock.block(step, steps)
        return Round((block.device_s / steps,), steps, block.device_s, block.parts_s)

    warm = warm_up(take, first_s=first_s, protocol=protocol, noise=noise)
    cap_s = protocol.latency_cap_s if latency else protocol.throughput_cap_s
    timing = sample(
        take, steps_for(warm.step_s, protocol), cap_s=cap_s, protocol=protocol, noise=noise
    )
    return replace(
        timing,
        flags=timing.flags if warm.steady else ("not_warm", *timing.flags),
        steps_per_sample=1 if latency else timing.steps_per_sample,
        warm_up_steps=warm.steps,
        warm_up_s=warm.elapsed_s,
    )


def steps_for(step_s: float, protocol: Protocol) -> int:
    """How many steps make a round of at least protocol.block_min_s."""
    return max(1, math.ceil(protocol.block_min_s / step_s))


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How warming up went; step_s is the median step of the last window."""

    step_s: float
    steps: int
    elapsed_s: float
    steady: bool


def warm_up(
    take: Callable[[int], Round], *, first_s: float, protocol: Protocol, noise: float = 0
) -> WarmUp:
    """Run until the medians of the last two windows agree, or the time is up.

    A window is a run of rounds that lasts half of protocol.warm_up_min_s; the first step, timed by
    the caller, is a window of its own, and its time is not counted: it may have compiled.
    """
    tolerance = max(protocol.warm_up_tolerance, min(noise, _COARSEST_WARM_UP))
    previous_s = step_s = first_s
    elapsed_s, steps = 0.0, 1
    while True:
        samples: list[float] = []
        window_s = 0.0
        while window_s < protocol.warm_up_min_s / 2:
            taken = take(steps_for(step_s, protocol))
            samples.extend(taken.samples_s)
            step_s = taken.samples_s[-1]
            window_s += taken.elapsed_s
            steps += taken.steps
        elapsed_s += window_s
        step_s = statistics.median_interval(samples)[0]
        steady = abs(step_s / previous_s - 1) < tolerance
        enough = steps >= protocol.warm_up_min_steps and elapsed_s >= protocol.warm_up_min_s
        if (steady and enough) or elapsed_s >= protocol.warm_up_max_s:
            return WarmUp(step_s, steps, elapsed_s, steady)
        previous_s = step_s


def sample(
    take: Callable[[int], Round],
    steps: int,
    *,
    cap_s: float,
    protocol: Protocol,
    noise: float = 0,
) -> Timing:
    """Take rounds of so many steps until a rule says stop."""
    target = interval_target(protocol, noise)
    samples: list[float] = []
    parts: list[tuple[float, ...]] = []
    widths: list[float] = []
    elapsed_s, taken_steps = 0.0, 0
    stopped_by = None
    while stopped_by is None:
        taken = take(steps)
        samples.extend(taken.samples_s)
        parts.extend(taken.parts_s)
        elapsed_s += taken.elapsed_s
        taken_steps += taken.steps
        if len(samples) >= protocol.min_samples and elapsed_s >= protocol.min_s:
            # The interval of a handful of samples can be narrow by luck: never looked at.
            widths.append(statistics.relative_half_width(samples))
        stopped_by = stop_reason(
            len(samples), elapsed_s, widths, cap_s=cap_s, target=target, protocol=protocol
        )
    noisy = stopped_by == "slow" or widths[-1] > statistics.FAIR
    return Timing(
        samples_s=tuple(samples),
        flags=("noisy",) if noisy else (),
        parts_s=tuple(statistics.median_interval(part)[0] for part in zip(*parts, strict=True)),
        steps_per_sample=steps,
        stopped_by=stopped_by,
        elapsed_s=elapsed_s,
        steps=taken_steps,
    )


def interval_target(protocol: Protocol, noise: float) -> float:
    """How narrow an interval is worth waiting for.

    Where two measurements of the same thing differ by more than the protocol's target, waiting for
    the target gains nothing: it is the noise then, up to ±2 %, beyond which a row is flagged. On a
    host so noisy that a quarter of its noise is more, it is that quarter, up to ±5 %: it adds 3 %
    (in quadrature) to what the row's widened interval holds anyhow. benchmarks/waiting.py shows
    what a narrower one would bring: repeats that differ as much as before.
    """
    fine, coarse = min(noise, statistics.FAIR), min(noise / 4, statistics.COARSE)
    return max(protocol.interval_target, fine, coarse)


def stop_reason(
    samples: int,
    elapsed_s: float,
    widths: list[float],
    *,
    cap_s: float,
    target: float,
    protocol: Protocol,
) -> str | None:
    """Why to stop now, or None to go on.

    `interval`: the interval of the median is within the target.
    `stall`: the last protocol.stall_blocks rounds brought no interval narrower than before them.
    `cap`: cap_s is over.
    `slow`: twice cap_s is over, with fewer samples than protocol asks for but at least three.

    Args:
        samples: how many there are.
        elapsed_s: the time that they took.
        widths: half the interval as a share of the median, after each round that left at least
            protocol.min_samples samples and protocol.min_s seconds.
        cap_s: when to stop in any case, if there are enough samples.
        target: see interval_target.
        protocol: the other limits.
    """
    if not widths:
        slow = elapsed_s >= 2 * cap_s and samples >= FEWEST_SAMPLES
        return "slow" if slow else None
    if widths[-1] <= target:
        return "interval"
    recent, before = widths[-protocol.stall_blocks :], widths[: -protocol.stall_blocks]
    if before and min(recent) >= min(before):
        return "stall"
    return "cap" if elapsed_s >= cap_s else None


def _recorded_event() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _seconds(first: torch.cuda.Event, last: torch.cuda.Event) -> float:
    return float(first.elapsed_time(last)) / 1e3


def _no_mark() -> None:
    pass
