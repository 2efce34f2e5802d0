"""What the Models page's chart draws: families' colours, the axes' ends, and its rows.

Pure: never imports streamlit. The chart itself, without rows, is in speed_charts.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pages.ui import labels, words

# Eight families that people look for first keep a colour for good: the first eight colours of
# theme.chartCategoricalColors, in this order. Picked families take the next five, every other model
# the one after (grey), then come lines and labels (ink) and the labels' halo (paper).
FAMILIES = (
    "resnet",
    "mobilenetv4",
    "efficientnet",
    "convnext",
    "vit",
    "convnext_in22",
    "efficientnetv2",
    "eva02_in22",
)
PICKS = 5
KEYS = ["model", "image_size"]
OTHER = "other families"
INK = "ink"
PAPER = "paper"

# Columns that hold few different texts: sent once each.
REPEATED = ("family", "colour", "batch", "flags", "others", "set")

# What can stand against time: as menus say it -> the column of points, None for accuracy.
AGAINST = {"Accuracy": None, "Parameters": "parameters", "Multiply-adds": "multiply_adds"}


@dataclass(frozen=True, slots=True)
class Domains:
    """The axes' ends: seconds per image, and top-1 percent or a cost, of the whole results set."""

    seconds: tuple[float, float]
    top1_percent: tuple[float, float]
    cost: tuple[float, float] | None = None


def domains(frames: Sequence[pd.DataFrame], cost: str | None = None) -> Domains:
    """Axes that hold every point of every results set shown, with a little air.

    Args:
        frames: points of one or two results sets.
        cost: the column that stands against time, None for accuracy.
    """
    top1 = pd.concat([f["top1_percent"] for f in frames])
    bottom = math.floor((top1.min() - 1) / 2) * 2
    ceiling = min(100, math.ceil((top1.max() + 1) / 2) * 2)
    return Domains(
        _with_air(pd.concat([f["seconds_per_image"] for f in frames])),
        (float(max(0, bottom)), float(ceiling)),
        _with_air(pd.concat([f[cost] for f in frames])) if cost else None,
    )


def _with_air(values: pd.Series) -> tuple[float, float]:
    """The ends of a logarithmic axis."""
    low, high = float(values.min()), float(values.max())
    air = max(high / low, 1.5) ** 0.04
    return low / air, high * air


def colours(families: Sequence[str]) -> list[str]:
    """The colour scale's domain: the eight families, picked ones, the rest, ink and paper."""
    picked = [family for family in dict.fromkeys(families) if family not in FAMILIES][:PICKS]
    blank = [" " * (n + 1) for n in range(PICKS - len(picked))]
    return [*FAMILIES, *picked, *blank, OTHER, INK, PAPER]


# A chart's rows: columns of one length. A frame's every step would cost more than all that is
# done with them.
Columns = dict[str, np.ndarray]


def drawn(*points: pd.DataFrame, **asked: Any) -> pd.DataFrame:
    """The same as `columns`, as a frame."""
    return pd.DataFrame(
        {
            name: pd.Categorical(values) if name in REPEATED else values
            for name, values in columns(*points, **asked).items()
        }
    )


def columns(
    points: pd.DataFrame,
    *,
    colour_domain: Sequence[str],
    axes: Domains,
    frontier: pd.DataFrame,
    lines: pd.DataFrame | None = None,
    trends: pd.DataFrame | None = None,
    search: str = "",
    picked: tuple[str, int] | None = None,
    beside: pd.DataFrame | None = None,
    names: tuple[str, str] = ("", ""),
    label_all: bool = False,
    cost: str | None = None,
) -> Columns:
    """The rows and columns that the chart draws, grey ones first.

    Args:
        points: what the selection leaves of one results set (points.POINT_COLUMNS; others, how many
            weights share the point, where known).
        colour_domain: see `colours`.
        axes: see `domains`; needed to place the labels.
        frontier: the points that the frontier runs through, whether shown themselves or not.
        lines: the points that the families' own lines run through, likewise.
        trends: see bench.trends; None draws none.
        search: part of a name; what matches is ringed and labelled, nothing is hidden.
        picked: weights and image size of the model whose card is open; ringed as well.
        beside: the same of a second results set, drawn as diamonds.
        names: of the two results sets.
        label_all: label what fits of all points, not of the frontier alone.
        cost: the column that stands against time instead of accuracy.
    """
    through = frontier if lines is None else pd.concat([frontier, lines]).drop_duplicates(KEYS)
    parts = [
        _bubbles(points, colour_domain, cost=cost),
        _places_of(through[~_among(through, points)], colour_domain, cost=cost),
    ]
    if beside is not None and not beside.empty:
        diamonds = _bubbles(beside, colour_domain, cost=cost)
        no = np.zeros(len(diamonds["model"]), dtype=bool)
        parts.append(diamonds | {"beside": ~no, "frontier": no})
    rows = _stacked(parts)
    rows["line"] = ~rows["beside"] & (False if lines is None else _among(rows, lines))
    rows["set"] = np.where(rows["beside"], names[1], names[0]).astype(object)
    rows["hit"] = _hits(rows, search, picked)
    order = np.lexsort((-rows["image_size"], ~rows["is_other"], rows["beside"], rows["hit"]))
    rows = {name: column[order] for name, column in rows.items()}
    if cost is not None:
        rows["frontier"] = np.zeros(len(order), dtype=bool)  # it is one of accuracy
    rows |= labels.labels(rows, *_places(rows, axes), label_all=label_all)
    del rows["is_other"], rows["lead_points"]
    if cost is not None:
        del rows["frontier"]
    else:
        rows["trend"] = np.zeros(len(order), dtype=bool)
        if trends is not None:
            rows = _stacked([rows, *_trend_ends(trends, colour_domain)])
    return rows


def _among(rows: pd.DataFrame | Columns, others: pd.DataFrame) -> np.ndarray:
    keys = set(zip(*(others[key].tolist() for key in KEYS), strict=True))
    own = zip(*(rows[key].tolist() for key in KEYS), strict=True)
    return np.fromiter((key in keys for key in own), dtype=bool, count=len(rows["model"]))


def _hits(rows: Columns, search: str, picked: tuple[str, int] | None) -> np.ndarray:
    """What the search finds, and the point of the model whose card is open."""
    wanted = search.strip().casefold()
    found = [bool(wanted) and wanted in model.casefold() for model in rows["model"]]
    hits = np.array(found, dtype=bool)
    if picked is not None:
        # Its point may be drawn by more accurate weights of the same architecture.
        architecture = picked[0].partition(".")[0]
        same = [model.partition(".")[0] == architecture for model in rows["model"]]
        hits |= np.array(same, dtype=bool) & (rows["image_size"] == picked[1])
    return hits


def _places_of(points: pd.DataFrame, colour_domain: Sequence[str], *, cost: str | None) -> Columns:
    """What places a point, and gives it its colour."""
    if cost is not None:
        points = points[points[cost].notna()]
    family = points["family"].to_numpy(dtype=object)
    coloured = points["family"].isin(colour_domain).to_numpy(dtype=bool)
    rows = {
        "model": points["model"].to_numpy(dtype=object),
        "family": family,
        "colour": np.where(coloured, family, OTHER),
        "is_other": ~coloured,
        "image_size": points["image_size"].to_numpy(dtype="int32"),
        "top1": points["top1_percent"].to_numpy(dtype=float),
        "seconds": points["seconds_per_image"].to_numpy(dtype=float),
        "frontier": points["frontier"].to_numpy(dtype=bool),
    }
    if cost is not None:
        rows["cost"] = points[cost].to_numpy(dtype=float)
    return rows


def described(points: pd.DataFrame) -> pd.DataFrame:
    """The same points with what a tooltip says of each, whatever else is selected: see TEXTS.

    Args:
        points: points.POINT_COLUMNS.
    """
    low, high = (
        points[f"seconds_{end}"].to_numpy(dtype=float, na_value=math.nan) for end in ("low", "high")
    )
    times = zip(
        points["estimated"].tolist(),
        points["seconds_per_image"].tolist(),
        low.tolist(),
        high.tolist(),
        strict=True,
    )
    batches, parameters = (
        points[name].to_numpy(dtype=float, na_value=math.nan).tolist()
        for name in ("batch_size", "parameters")
    )
    flags = points["flags"].tolist()
    said = {
        "time_text": (
            (words.estimated_time if guessed else words.time_with_interval)(*one)
            for guessed, *one in times
        ),
        "rate_text": map(words.rate, points["images_per_s"].tolist()),
        "batch_text": (f"{n:.0f}" if math.isfinite(n) else words.UNKNOWN for n in batches),
        "parameters_text": map(words.millions, parameters),
        "flags_text": map(words.flags, flags),
    }
    # As Python's own strings, of which a frame takes the rows of all columns at once.
    texts = {
        name: pd.Series(list(column), index=points.index, dtype=object)
        for name, column in said.items()
    }
    return points.assign(
        **texts, flagged=np.array([one is not None and len(one) > 0 for one in flags], bool)
    )


# The chart's columns of text -> those of `described`.
TEXTS = {
    "time": "time_text",
    "rate": "rate_text",
    "batch": "batch_text",
    "parameters": "parameters_text",
    "flags": "flags_text",
}


def _bubbles(points: pd.DataFrame, colour_domain: Sequence[str], *, cost: str | None) -> Columns:
    """Bubbles: places, and what a tooltip says."""
    if cost is not None:
        points = points[points[cost].notna()]
    if "flagged" not in points:  # a cache may have described them already
        points = described(points)
    count = len(points)
    others = points["others"].tolist() if "others" in points else [0] * count
    lead = points["lead"].to_numpy(dtype=float)
    rows = _places_of(points, colour_domain, cost=cost)
    for end in ("low", "high"):
        rows[end] = points[f"seconds_{end}"].to_numpy(dtype=float, na_value=math.nan)
    rows |= {name: points[text].to_numpy(dtype=object) for name, text in TEXTS.items()}
    rows |= {
        "lead": np.array([words.points(value) for value in lead.tolist()], dtype=object),
        "lead_points": lead,
        "estimated": points["estimated"].to_numpy(dtype=bool),
        "flagged": points["flagged"].to_numpy(dtype=bool),
        "others": np.array([words.other_weights(number) for number in others], dtype=object),
        "beside": np.zeros(count, dtype=bool),
        "shown": np.ones(count, dtype=bool),
    }
    return rows


def _stacked(parts: Sequence[Columns]) -> Columns:
    """One below the other, with the first one's columns: nothing, no or unknown where missing."""
    blanks = {"b": False, "i": 0, "f": math.nan, "O": ""}
    first = parts[0]
    counts = [len(next(iter(part.values()))) for part in parts]
    return {
        name: np.concatenate(
            [
                part[name]
                if name in part
                else np.full(count, blanks[column.dtype.kind], column.dtype)
                for part, count in zip(parts, counts, strict=True)
            ]
        )
        for name, column in first.items()
    }


def _places(rows: Columns, axes: Domains) -> tuple[np.ndarray, np.ndarray]:
    """Where rows lie on the plot: from its left end, and from its top, as shares of it."""
    right = _share(np.log(rows["seconds"]), np.log(axes.seconds))
    if axes.cost is None:
        up = _share(rows["top1"], np.array(axes.top1_percent))
    else:
        up = _share(np.log(rows["cost"]), np.log(axes.cost))
    return right, 1 - up


def _share(values: np.ndarray, ends: np.ndarray) -> np.ndarray:
    shares: np.ndarray = (values - ends[0]) / (ends[1] - ends[0])
    return shares


def _trend_ends(trends: pd.DataFrame, colour_domain: Sequence[str]) -> list[Columns]:
    """Both ends of each family's line; on a logarithmic axis it is straight."""
    family = trends["family"].to_numpy(dtype=object)
    coloured = trends["family"].isin(colour_domain).to_numpy(dtype=bool)
    return [
        {
            "family": family,
            "colour": np.where(coloured, family, OTHER),
            "trend": np.ones(len(trends), dtype=bool),
            "seconds": trends[f"seconds_{end}"].to_numpy(dtype=float),
            "top1": trends[f"top1_{end}"].to_numpy(dtype=float),
        }
        for end in ("low", "high")
    ]
