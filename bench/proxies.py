"""How well a model's size says its speed: parameters or multiply-adds against time.

Pure functions on frames.
"""

import math
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from bench.comparison import rank_correlation

# Ends of bands in which costs count as alike: about a quarter wide, as round as can be.
_ENDS = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.4, 8.0)
# A spread among fewer points says little.
POINTS = 5


@dataclass(frozen=True, slots=True)
class Proxy:
    """What a cost says of time.

    rank_correlation is Spearman's, of all points. Of those whose cost lies from low to high, the
    band with most points, the slowest takes fold times as long as the fastest; all three are None
    where no band holds POINTS points.
    """

    points: int
    rank_correlation: float
    in_band: int = 0
    low: float | None = None
    high: float | None = None
    fold: float | None = None


def proxy(cost: pd.Series, seconds: pd.Series) -> Proxy:
    """How well a cost stands for time.

    Args:
        cost: parameters or multiply-adds, counts; missing ones are left out.
        seconds: time per image of the same points, same index.
    """
    known = cost.notna() & (cost.astype("float64") > 0)
    cost, seconds = cost[known].astype("float64"), seconds[known].astype("float64")
    whole = Proxy(len(cost), rank_correlation(cost, seconds))
    if len(cost) < POINTS:
        return whole
    bands = [_band(value) for value in cost]
    counts = Counter(bands)
    in_band = max(counts.values())
    if in_band < POINTS:
        return whole
    band = min(band for band, points in counts.items() if points == in_band)
    alike = seconds[[one == band for one in bands]]
    fold = float(alike.max() / alike.min())
    return Proxy(len(cost), whole.rank_correlation, in_band, *band, fold)


def _band(cost: float) -> tuple[float, float]:
    """The band that a cost lies in: its lower end belongs to it, its upper one does not."""
    decade = 10.0 ** math.floor(math.log10(cost))
    ends = [*(end * decade for end in _ENDS), 10 * decade]
    above = next((n for n, end in enumerate(ends) if end > cost), len(ends) - 1)
    return ends[above - 1], ends[above]
