"""What the Compare page says: the sides' names, the sentence, what they differ in."""

import math

import pandas as pd

from bench.comparison import (
    Difference,
    Side,
    Summary,
    differences,
    different_batches,
    flags_of,
)
from bench.results import short_device
from pages.ui import words
from pages.ui.comparison_charts import Names, figure
from pages.ui.comparison_tables import title
from pages.ui.selection import MEASURE_NAMES

# Times this close are called equal.
AS_LONG = 1.005
# Of fewer models the rank correlation says nothing.
MODELS_IN_ORDER = 5


def names(left: Side, right: Side) -> Names:
    """The shortest names that tell the sides apart.

    Measure and device where they differ, else everything else that does, else the time of the run,
    else its id.
    """
    differ = {found.circumstance: (found.left, found.right) for found in differences(left, right)}
    measures = (MEASURE_NAMES[left.measure], MEASURE_NAMES[right.measure])
    devices = (short_device(left.results_set["device"]), short_device(right.results_set["device"]))
    if "measure" in differ and devices[0] != devices[1]:
        found = tuple(f"{m} on {d}" for m, d in zip(measures, devices, strict=True))
    elif "measure" in differ:
        found = measures
    elif devices[0] != devices[1]:
        found = devices
    elif differ:
        found = tuple(", ".join(values) for values in zip(*differ.values(), strict=True))
    else:
        found = tuple(_when(side.results_set) for side in (left, right))
    if found[0] == found[1]:
        found = tuple(str(side.results_set["run"]) for side in (left, right))
    return Names(*found)


def _when(results_set: pd.Series) -> str:
    at = results_set["measured_at"]
    return f"{at:%Y-%m-%d %H:%M}" if pd.notna(at) else str(results_set["run"])


def sentence(found: Summary, names: Names, left: Side, right: Side) -> str:
    """Markdown: the median ratio, how much of the order stays, and who gains and loses most."""
    ratio = found.median_ratio
    one, other = _inside(names.left), words.escaped(names.right)
    within = ""
    if left.measure == right.measure:
        within = f"In {MEASURE_NAMES[left.measure].lower()} "
    if 1 / AS_LONG < ratio < AS_LONG:
        told = f"{within}**{other}** takes **as long** as **{one}**"
    elif ratio > 1:
        told = f"{within}**{other}** takes **{figure(ratio)} times as long** as **{one}**"
    else:
        told = f"{within}**{other}** is **{figure(1 / ratio)} times as fast** as **{one}**"
    if found.models == 1:
        return f"{told} for the only model that both have."
    text = f"{told} in the median of {words.counted(found.models, 'model')}."
    if found.models >= MODELS_IN_ORDER and math.isfinite(found.rank_correlation):
        text += f" Rank correlation {found.rank_correlation:.2f}: {_order(found.rank_correlation)}."
    # The middle of a family can gain on the median and yet lose ranks: then nobody is named.
    if (
        found.gains is not None
        and found.loses is not None
        and found.gains["gained"] >= 0 >= found.loses["gained"]
    ):
        text += (
            f" Of the families **{_family(found.gains)}** gains most {_moved(found.gains)}, "
            f"**{_family(found.loses)}** loses most {_moved(found.loses)}."
        )
    return text


def _order(correlation: float) -> str:
    if correlation >= 0.995:
        return "the order stays"
    if correlation >= 0.9:
        return "the order stays, but some change places"
    if correlation >= 0.5:
        return "many change places"
    return "what is fast on one side says little about the other"


def _inside(name: str) -> str:
    """A side's name within a sentence: a measure is not a proper name."""
    word = name.partition(" ")[0]
    lower = word.lower() if word in MEASURE_NAMES.values() else word
    return words.escaped(lower + name.removeprefix(word))


def _family(row: pd.Series) -> str:
    return words.escaped(str(row["family"]))


def _moved(row: pd.Series) -> str:
    """`(1.4 times as long, 30 ranks up)`."""
    ratio, gained = float(row["ratio_median"]), round(float(row["gained"]))
    how = f"{figure(ratio)} times as long" if ratio >= 1 else f"{figure(1 / ratio)} times as fast"
    ranks = f"{words.counted(abs(gained), 'rank')} {'up' if gained > 0 else 'down'}"
    return f"({how}, {ranks if gained else 'same rank'})"


def picked(chosen: pd.DataFrame, names: Names, out_of: int) -> str:
    """Markdown: for each picked model a line with its ranks and times on both sides.

    Args:
        chosen: rows of comparison.compare; none give no line.
        names: what the sides are called.
        out_of: of how many pairs the ranks are.
    """
    lines = []
    for row in chosen.to_dict("records"):
        name = words.escaped(title(row["architecture"], row["image_size"]))
        left, right = (
            f"({words.escaped(side)}, {words.time(row[f'seconds_per_image_{which}'])} an image)"
            for side, which in ((names.left, "left"), (names.right, "right"))
        )
        lines.append(
            f"- **{name}** {_verdict(int(row['gained']))}: from {row['rank_left']:,} of "
            f"{out_of:,} {left} to {row['rank_right']:,} {right}."
        )
    return "\n".join(lines)


def _verdict(gained: int) -> str:
    ranks = words.counted(abs(gained), "rank")
    return f"gains {ranks}" if gained > 0 else f"loses {ranks}" if gained else "keeps its rank"


def circumstances(left: Side, right: Side, pairs: pd.DataFrame) -> str:
    """Markdown: what the sides differ in, whether that makes them comparable, and what is flagged.

    Args:
        left: the baseline.
        right: what is compared with it.
        pairs: comparison.compare.
    """
    found = differences(left, right)
    listed = "; ".join(f"{f.circumstance} ({_said(f, 0)} → {_said(f, 1)})" for f in found)
    if not found:
        text = "The two sides say the same of all circumstances: the ratio is how far runs scatter."
    elif len(found) == 1:
        text = f"The two sides differ in one circumstance, {listed}: the ratio is its doing."
    else:
        text = (
            f"The two sides differ in {len(found)} circumstances: {listed}. Two runs are "
            "comparable when they differ in one: the ratio is then its doing; here it is that of "
            "all together."
        )
    models = words.counted(len(pairs), "model")
    batches = different_batches(pairs)
    # Another measure comes with another batch size.
    if batches and left.measure == right.measure:
        text += f" Batch sizes differ for {batches:,} of {models}."
    flagged = flags_of(pairs)
    if flagged.map(bool).any():
        kinds = words.flags(sorted(set().union(*flagged)))
        text += f" {flagged.map(bool).sum():,} of {models} are flagged: {words.escaped(kinds)}."
    return text


def _said(found: Difference, side: int) -> str:
    value = found.right if side else found.left
    value = MEASURE_NAMES.get(value, value).lower() if found.circumstance == "measure" else value
    return words.escaped(short_device(value) if found.circumstance == "device" else value)
