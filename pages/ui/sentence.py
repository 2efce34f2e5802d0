"""The one sentence above the chart, computed from what is shown."""

import math

import numpy as np
import pandas as pd

from bench.proxies import Proxy
from bench.results import short_device
from pages.ui import words
from pages.ui.selection import DATASET_NAMES, Selection

_COSTS = {
    "parameters": ("parameters", words.millions),
    "multiply_adds": ("multiply-adds", words.billions),
}
_DOING = {
    "throughput": "",
    "latency": " at batch size 1",
    "training": " of training",
}


# A faster model within one point of top-1 is named from this ratio on.
WORTH_SAYING = 1.2


def sentence(shown: pd.DataFrame, results_set: pd.Series, chosen: Selection) -> str:
    """Markdown: the most accurate model within the budget, and a faster one close to it.

    Without a budget, a round time that lets in a quarter of the models shown stands in for it.

    Args:
        shown: ranked points, not empty.
        results_set: a row of results.results_sets.
        chosen: gives measure, budget and accuracy set.
    """
    seconds, top1 = (
        shown[name].to_numpy(dtype=float) for name in ("seconds_per_image", "top1_percent")
    )
    limit_s = chosen.max_s or _round_limit(seconds)
    within = np.flatnonzero(seconds <= limit_s)
    best = within if len(within) else np.arange(len(shown))
    best = best[np.lexsort((seconds[best], -top1[best]))]
    winner = shown.iloc[best[0]]
    device = words.escaped(short_device(str(results_set["device"])))
    start = f"On {_article(device)} {device}, the most accurate model"
    if chosen.max_parameters is not None:
        start += f" of at most {words.millions(chosen.max_parameters)} parameters"
    if len(within):
        start += f" under {words.time(limit_s)} an image{_DOING[chosen.measure]}"
    text = (
        f"{start} is **{words.escaped(str(winner['model']))}**: "
        f"{words.percent(winner['top1_percent'])} top-1 on {DATASET_NAMES[chosen.dataset]}, "
        f"{words.time(winner['seconds_per_image'])} an image "
        f"({words.rate(winner['images_per_s'])}, {winner['image_size']} pixels)."
    )
    if winner["estimated"]:
        text = text.removesuffix(".") + ", an estimate."
    close = best[top1[best] >= top1[best[0]] - 1]
    quick = close[np.argmin(seconds[close])]
    ratio = seconds[best[0]] / seconds[quick]
    if ratio >= WORTH_SAYING:
        text += (
            f" **{words.escaped(str(shown['model'].iloc[quick]))}** is {ratio:.1f} times as fast "
            f"and gives up {top1[best[0]] - top1[quick]:.1f} points."
        )
    measured = int((~shown["estimated"]).sum())
    if measured < len(shown):
        text += (
            f" Of the {len(shown):,} points shown {measured:,} have a measured speed; the others "
            "are estimated from what was measured."
        )
    return text


def proxy_sentence(found: Proxy, cost: str, results_set: pd.Series, chosen: Selection) -> str:
    """Markdown: how poor a proxy for speed a cost on paper is.

    Args:
        found: proxies.proxy of what is shown.
        cost: parameters or multiply_adds.
        results_set: a row of results.results_sets.
        chosen: gives the measure.
    """
    device = words.escaped(short_device(str(results_set["device"])))
    name, figure = _COSTS[cost]
    text = ""
    if found.fold is not None and found.low is not None and found.high is not None:
        text = (
            f"Of the {found.in_band:,} points with {figure(found.low)} to {figure(found.high)} "
            f"{name}, on {_article(device)} {device} the slowest takes **{found.fold:.2g} times** "
            f"as long an image{_DOING[chosen.measure]} as the fastest. "
        )
    if math.isfinite(found.rank_correlation):
        text += (
            f"The rank correlation of {name} with time is {found.rank_correlation:.2f}, over all "
            f"{found.points:,}."
        )
    return text or f"Too few points have known {name} to say how they go with time."


def _round_limit(seconds: np.ndarray) -> float:
    """1, 2 or 5 of a decade, the first that lets in a quarter of the models shown."""
    quarter = float(np.quantile(seconds, 0.25))
    steps = [float(f"{m}e{d}") for d in range(-7, 4) for m in (1, 2, 5)]
    return next(step for step in steps if step >= quarter)


def _article(device: str) -> str:
    """By sound: letters are spelt out (an RTX, a GTX), words are read (a Xeon, an Instinct)."""
    first = device.replace("\\", "").partition(" ")[0]
    spelt_out = first[1:2].isupper() or first[1:2].isdigit()
    return "an" if first[:1].upper() in ("AEFHILMNORSX" if spelt_out else "AEIOU") else "a"
