"""The one sentence above the chart, computed from what is shown."""

import pandas as pd

from bench.results import short_device
from pages.ui import words
from pages.ui.selection import DATASET_NAMES, Selection

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
    limit_s = chosen.max_s or _round_limit(shown)
    within = shown[shown["seconds_per_image"] <= limit_s]
    best = (within if len(within) else shown).sort_values(
        ["top1_percent", "seconds_per_image"], ascending=[False, True]
    )
    winner = best.iloc[0]
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
    close = best[best["top1_percent"] >= winner["top1_percent"] - 1]
    quick = close.loc[close["seconds_per_image"].idxmin()]
    ratio = winner["seconds_per_image"] / quick["seconds_per_image"]
    if ratio >= WORTH_SAYING:
        text += (
            f" **{words.escaped(str(quick['model']))}** is {ratio:.1f} times as fast and gives up "
            f"{winner['top1_percent'] - quick['top1_percent']:.1f} points."
        )
    return text


def _round_limit(shown: pd.DataFrame) -> float:
    """1, 2 or 5 of a decade, the first that lets in a quarter of the models shown."""
    quarter = float(shown["seconds_per_image"].quantile(0.25))
    steps = [float(f"{m}e{d}") for d in range(-7, 4) for m in (1, 2, 5)]
    return next(step for step in steps if step >= quarter)


def _article(device: str) -> str:
    """By sound: letters are spelt out (an RTX, a GTX), words are read (a Xeon, an Instinct)."""
    first = device.replace("\\", "").partition(" ")[0]
    spelt_out = first[1:2].isupper() or first[1:2].isdigit()
    return "an" if first[:1].upper() in ("AEFHILMNORSX" if spelt_out else "AEIOU") else "a"
