"""Figures and how they are told: median, spread, target, verdict, and the machine they are from."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    target and value are in `unit`; a target is met when value is not above it, and is None where
    there is none. spread is what the samples lay between.
    """

    goal: str
    value: float
    unit: str
    spread: str = ""
    target: float | None = None

    @property
    def verdict(self) -> str:
        """`met`, `missed by 30 %`, or nothing where there is no target."""
        if self.target is None:
            return ""
        if self.value <= self.target:
            return "met"
        return f"missed by {self.value / self.target - 1:.0%}"


def percentile(samples: Sequence[float], percent: float) -> float:
    """The sample that so many percent of all are not above, by the nearest rank.

    Raises ValueError where there is no sample.
    """
    if not samples:
        raise ValueError("a percentile needs at least one sample, got none")
    return float(np.percentile(samples, percent, method="inverted_cdf"))


def slope(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Least squares of y on x: the slope and its standard error.

    Raises ValueError below three points or where all x are equal.
    """
    if len(x) < 3 or len(set(x)) < 2:
        raise ValueError(f"a slope and its error need three points or more, got {len(x)}")
    fit = statistics.linear_regression(x, y)
    residual = sum((b - fit.intercept - fit.slope * a) ** 2 for a, b in zip(x, y, strict=True))
    mean = statistics.fmean(x)
    error = (residual / (len(x) - 2) / sum((a - mean) ** 2 for a in x)) ** 0.5
    return fit.slope, error


def timed(goal: str, samples_s: Sequence[float], target_ms: float | None = None) -> Row:
    """A row of the median of samples in seconds, told in milliseconds."""
    low, high = min(samples_s), max(samples_s)
    spread = f"{1e3 * low:.0f} to {1e3 * high:.0f}, {len(samples_s)} times"
    return Row(goal, 1e3 * statistics.median(samples_s), "ms", spread, target_ms)


def ratio(
    goal: str, ones: Sequence[float], others: Sequence[float], target: float | None = None
) -> Row:
    """A row of median(ones) / median(others), with the range of the ratios of each round.

    Both are in the order in which they were taken in turns.
    """
    rounds = [one / other for one, other in zip(ones, others, strict=True)]
    value = statistics.median(ones) / statistics.median(others)
    return Row(goal, value, "x", f"{min(rounds):.2f} to {max(rounds):.2f} by round", target)


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [("goal", "measured", "spread", "target", "")]
    lines += [
        (
            row.goal,
            _with_unit(row.value, row.unit),
            row.spread,
            "" if row.target is None else _with_unit(row.target, row.unit),
            row.verdict,
        )
        for row in rows
    ]
    widths = [max(len(line[n]) for line in lines) for n in range(5)]
    texts = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])


def _with_unit(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


def circumstances() -> str:
    """Machine, software, date and load, in one line."""
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores ({usable} of them ours), {memory:.0f} GiB; Python "
        f"{platform.python_version()}, Streamlit {version('streamlit')}; "
        f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC; load average {load}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
