"""What samples say: median, its interval, spread, and a verdict in words. Pure; numpy only.

The interval is the one that a reader needs: measure again, and the new median falls inside it with
the stated probability. A plain 95 % confidence interval of the median does not do that: it covers
the true median 95 % of the time and the next measured one only 83 %, because the next one is
uncertain too. So the interval is a distribution-free prediction interval for the median of a second
sample of the same size: a pair of order statistics, whose coverage is a matter of counting, exact
for any continuous noise. It needs no bootstrap (whose percentile interval of a median is a pair of
order statistics as well, chosen by random draws) and gives the same answer every time.

Timings follow one another and are not independent: a slow second makes all its samples slow. The
interval widens by the correlation seen in "above or below the median", which is the one that
decides how much a median can move.

Source: Fligner and Wolfe, "Some applications of sample analogues to the probability integral
transformation and a coverage property", The American Statistician 30 (1976), 78-85.
"""

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Within this the stopping rule of a measurement is met, and a repeat agrees by MEASUREMENT.md's
# goal 4 (95th percentile).
STEADY = 0.005
FAIR = 0.02
# However noisy the device, an interval wider than this is worth narrowing.
COARSE = 0.05
# Below this even the whole range of the samples does not cover nine repeats in ten.
FEWEST_SAMPLES = 7

# Exact counting up to here; above, the normal approximation differs by less than one rank.
_EXACT_UP_TO = 64


def median_interval(
    samples_s: Sequence[float], confidence: float = 0.95
) -> tuple[float, float, float]:
    """Median of the samples and the interval in which the median of a repeat falls.

    Under 8 samples the interval is their whole range, which covers 93 % of repeats at 7 samples
    and 60 % at 3, whatever confidence is asked.

    Args:
        samples_s: at least one, in the order in which they were taken, seconds (or any unit).
        confidence: share of repeats of the same length whose median lies inside.

    Returns:
        (median, low, high), in the unit of the samples; low <= median <= high.

    Raises:
        ValueError: no samples, a sample that is not finite, or confidence not between 0 and 1.
    """
    samples = _checked(samples_s)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    n = len(samples)
    ordered = np.sort(samples)
    median = float(np.median(ordered))
    half_width = _half_width_in_ranks(n, confidence) * math.sqrt(correlation_time(samples))
    middle = (n - 1) / 2
    low = max(0, math.floor(middle - half_width))
    high = min(n - 1, math.ceil(middle + half_width))
    return median, float(ordered[low]), float(ordered[high])


def widened(interval: tuple[float, float, float], noise: float) -> tuple[float, float, float]:
    """The interval of a machine that is never the same twice: both ends moved out by its noise.

    Samples of one measurement follow each other within seconds and cannot know that the machine
    will be slower in a minute. What another measurement of the same thing may differ by is what an
    A/A test hears (bench/noise.py).

    Args:
        interval: (median, low, high) as median_interval gives it.
        noise: the larger of two measurements over the smaller, less 1.
    """
    median, low, high = interval
    return median, low / (1 + noise), high * (1 + noise)


def relative_half_width(samples_s: Sequence[float], *, noise: float = 0.0) -> float:
    """The larger side of the interval as a share of the median: the x of "median ± x".

    The interval is median_interval's, widened by the noise of the machine, as it is stored.
    """
    median, low, high = widened(median_interval(samples_s), noise)
    return max(high - median, median - low) / median


def correlation_time(samples: ArrayLike) -> float:
    """How many successive samples are worth one independent sample, at least 1.

    1 + 2 x the sum of the autocorrelations of "above the median", up to the first that is not
    clearly positive (more than one standard error of a correlation, 1/sqrt(n)).
    """
    values = np.asarray(samples, dtype=float)
    n = len(values)
    signs = np.sign(values - np.median(values))
    power = float(signs @ signs)
    if power == 0:
        return 1.0
    spectrum = np.abs(np.fft.rfft(signs, 2 * n)) ** 2
    correlations = np.fft.irfft(spectrum)[1 : n // 2] / power
    faded = np.flatnonzero(correlations <= 1 / math.sqrt(n))
    positive = correlations[: faded[0]] if len(faded) else correlations
    return 1.0 + 2 * float(positive.sum())


def percentiles(
    samples_s: Sequence[float], at: Sequence[float] = (5, 25, 50, 75, 95)
) -> list[float]:
    """The samples' percentiles, at in percent, linear between samples.

    Raises ValueError when there are none."""
    return [float(value) for value in np.percentile(_checked(samples_s), at)]


def relative_iqr(samples_s: Sequence[float]) -> float:
    """Spread of the samples as (p75 - p25) / median.

    Raises ValueError when n < 4. Source: torch.utils.benchmark, `Measurement.iqr`."""
    if len(samples_s) < 4:
        raise ValueError(f"a quartile needs at least 4 samples, got {len(samples_s)}")
    p25, median, p75 = percentiles(samples_s, (25, 50, 75))
    return (p75 - p25) / median


def verdict(samples_s: Sequence[float], *, noise: float = 0.0) -> str:
    """What to think of a measurement, in words: "steady", "fair: ...", "noisy: interval ±4 %".

    noise is that of the machine, see widened.
    """
    if len(samples_s) < FEWEST_SAMPLES:
        return f"few samples: {len(samples_s)}"
    width = relative_half_width(samples_s, noise=noise)
    if width <= STEADY:
        return "steady"
    return f"{'fair' if width <= FAIR else 'noisy'}: interval ±{_percent(width)}"


def drifted(reference_s: float, now_s: float, tolerance: float = 0.02) -> bool:
    """Whether the sentinel model now takes a time that differs by more than tolerance.

    Raises ValueError when a time is not positive and finite."""
    for time_s in (reference_s, now_s):
        if not (math.isfinite(time_s) and time_s > 0):
            raise ValueError(f"a step time must be positive and finite, got {time_s}")
    return abs(now_s / reference_s - 1) > tolerance


@functools.lru_cache(maxsize=4096)
def _half_width_in_ranks(n: int, confidence: float) -> float:
    """Ranks to go from the middle on each side so that a repeat's median is covered."""
    middle = (n - 1) / 2
    if n > _EXACT_UP_TO:
        # A sample median has a standard error of sqrt(n)/2 ranks; two of them meet here.
        return NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(n / 2)
    for below in range((n - 1) // 2, -1, -1):
        if 2 * _repeat_below(n, below) <= 1 - confidence:
            return middle - below
    return middle


def _repeat_below(n: int, rank: int) -> float:
    """P(median of a second sample < the first sample's value of this rank), both of size n.

    Every order of the 2n values is equally likely, so count the orders in which at least k of the
    second sample come before that value, where k makes up the (lower) median. rank counts from 0.
    """
    k = (n + 1) // 2
    orders = sum(
        math.comb(j + rank, rank) * math.comb(2 * n - j - rank - 1, n - rank - 1)
        for j in range(k, n + 1)
    )
    return orders / math.comb(2 * n, n)


def _checked(samples_s: Sequence[float]) -> NDArray[np.float64]:
    samples = np.asarray(samples_s, dtype=float)
    if samples.ndim != 1 or len(samples) == 0:
        raise ValueError("a statistic needs at least one sample, got none")
    if not np.all(np.isfinite(samples)):
        raise ValueError("every sample must be finite")
    return samples


def _percent(share: float) -> str:
    """4 % and 12 %, but 0.8 %: two significant digits below ten."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 9.95 else f"{percent:.2g} %"
