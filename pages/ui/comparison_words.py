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
# Families named at each end.
NAMED = 3


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
    """Markdown: the median ratio, how alike the orders are, and which families change places."""
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
        return f"{told} for this one model."
    text = f"{told} in the median of {words.counted(found.models, 'model')}."
    if found.models >= MODELS_IN_ORDER and math.isfinite(found.rank_correlation):
        text += f" {_trend(found, names)}"
    return text


def _trend(found: Summary, names: Names) -> str:
    """How alike the two orders are, and who changes places most; one sentence."""
    correlation = f"(rank correlation {found.rank_correlation:.2f})"
    both = f"{words.escaped(names.left)} and {_inside(names.right)}"
    ends = ((found.climb.head(NAMED), "gain"), (found.fall.head(NAMED), "lose"))
    who = "; ".join(_moved(end, verb) for end, verb in ends if len(end))
    if found.rank_correlation >= 0.9:
        text = f"{both} follow similar trends {correlation}"
        return f"{text}, but some families change places: {who}." if who else f"{text}."
    if found.rank_correlation >= 0.5:
        text = f"Between {_inside(names.left)} and {_inside(names.right)} many models change places"
    else:
        text = "What is fast on one side says little about the other"
    return f"{text} {correlation}: {who}." if who else f"{text} {correlation}."


def _moved(families: pd.DataFrame, verb: str) -> str:
    """`**vit** and **deit** gain most (10 and 8 ranks)`."""
    names = [f"**{words.escaped(name)}**" for name in families["family"]]
    ranks = [abs(round(gained)) for gained in families["gained"]]
    if len(names) == 1:
        return f"{names[0]} {verb}s most ({words.counted(ranks[0], 'rank')})"
    return f"{_listed(names)} {verb} most ({_listed([f'{n:,}' for n in ranks])} ranks)"


def _listed(parts: list[str]) -> str:
    """`a and b`, `a, b and c`."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _inside(name: str) -> str:
    """A side's name within a sentence: a measure is not a proper name."""
    word = name.partition(" ")[0]
    lower = word.lower() if word in MEASURE_NAMES.values() else word
    return words.escaped(lower + name.removeprefix(word))


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
