"""What the Models page's chart draws: families' colours, the axes' ends, and its rows.

Pure: never imports streamlit. The chart itself, without rows, is in speed_charts.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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


def drawn(
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
) -> pd.DataFrame:
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
    frames = [_rows(points, colour_domain, cost=cost)]
    through = frontier if lines is None else pd.concat([frontier, lines]).drop_duplicates(KEYS)
    only_line = through[~_among(through, points)]
    frames.append(_with_blanks(_places_of(only_line, colour_domain, cost=cost), frames[0]))
    if beside is not None and not beside.empty:
        frames.append(_rows(beside, colour_domain, cost=cost).assign(beside=True, frontier=False))
    rows = pd.concat(frames, ignore_index=True)
    rows["line"] = ~rows["beside"] & (False if lines is None else _among(rows, lines))
    rows["set"] = np.where(rows["beside"], names[1], names[0])
    wanted = search.strip().casefold()
    rows["hit"] = (
        rows["model"].str.casefold().str.contains(wanted, regex=False) if wanted else False
    )
    if picked is not None:
        # Its point may be drawn by more accurate weights of the same architecture.
        same = rows["model"].str.partition(".")[0] == picked[0].partition(".")[0]
        rows["hit"] |= same & (rows["image_size"] == picked[1])
    rows = rows.sort_values(
        ["hit", "beside", "is_other", "image_size"],
        ascending=[True, True, False, False],
        kind="stable",
    ).reset_index(drop=True)
    if cost is not None:
        rows = rows.assign(frontier=False)  # it is one of accuracy
    rows = labels.labelled(rows, *_places(rows, axes), label_all=label_all)
    rows = rows.drop(columns=["is_other", "lead_points"])
    if cost is not None:
        rows = rows.drop(columns="frontier")
    else:
        rows = rows.assign(trend=False)
        if trends is not None:
            ends = _with_blanks(_trend_rows(trends, colour_domain), rows)
            rows = pd.concat([rows, ends], ignore_index=True)
    return rows.astype(dict.fromkeys(REPEATED, "category"))


def _among(rows: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    keys = set(zip(*(others[key].tolist() for key in KEYS), strict=True))
    own = zip(*(rows[key].tolist() for key in KEYS), strict=True)
    return np.fromiter((key in keys for key in own), dtype=bool, count=len(rows))


def _places_of(
    points: pd.DataFrame, colour_domain: Sequence[str], *, cost: str | None
) -> pd.DataFrame:
    """What places a point, and gives it its colour."""
    coloured = points["family"].isin(colour_domain)
    rows = pd.DataFrame(
        {
            "model": points["model"],
            "family": points["family"],
            "colour": points["family"].where(coloured, OTHER),
            "is_other": ~coloured,
            "image_size": points["image_size"].astype("int32"),
            "top1": points["top1_percent"],
            "seconds": points["seconds_per_image"],
            "frontier": points["frontier"].astype(bool),
        }
    )
    if cost is not None:
        rows["cost"] = points[cost].astype("float64")
        rows = rows[rows["cost"].notna()]
    return rows


def _rows(points: pd.DataFrame, colour_domain: Sequence[str], *, cost: str | None) -> pd.DataFrame:
    """Bubbles: places, and what a tooltip says."""
    if cost is not None:
        points = points[points[cost].notna()]
    low, high = (points[f"seconds_{end}"].astype("float64") for end in ("low", "high"))
    times = zip(
        points["estimated"].astype(bool), points["seconds_per_image"], low, high, strict=True
    )
    others = points["others"] if "others" in points else pd.Series(0, index=points.index)
    return _places_of(points, colour_domain, cost=cost).assign(
        low=low,
        high=high,
        time=[
            (words.estimated_time if guessed else words.time_with_interval)(*one)
            for guessed, *one in times
        ],
        rate=points["images_per_s"].map(words.rate),
        batch=points["batch_size"].astype("string").fillna(words.UNKNOWN),
        parameters=points["parameters"].astype("float64").map(words.millions),
        lead=points["lead"].map(words.points),
        lead_points=points["lead"],
        flags=points["flags"].map(words.flags),
        estimated=points["estimated"].astype(bool),
        flagged=np.array([flags is not None and len(flags) > 0 for flags in points["flags"]], bool),
        others=others.map(words.other_weights),
        beside=False,
        shown=True,
    )


def _places(rows: pd.DataFrame, axes: Domains) -> tuple[np.ndarray, np.ndarray]:
    """Where rows lie on the plot: from its left end, and from its top, as shares of it."""
    right = _share(np.log(rows["seconds"].to_numpy(dtype=float)), np.log(axes.seconds))
    if axes.cost is None:
        up = _share(rows["top1"].to_numpy(dtype=float), np.array(axes.top1_percent))
    else:
        up = _share(np.log(rows["cost"].to_numpy(dtype=float)), np.log(axes.cost))
    return right, 1 - up


def _share(values: np.ndarray, ends: np.ndarray) -> np.ndarray:
    shares: np.ndarray = (values - ends[0]) / (ends[1] - ends[0])
    return shares


def _trend_rows(trends: pd.DataFrame, colour_domain: Sequence[str]) -> pd.DataFrame:
    """Both ends of each family's line; on a logarithmic axis it is straight."""
    is_coloured = trends["family"].isin(colour_domain)
    line = pd.DataFrame(
        {
            "family": trends["family"],
            "colour": trends["family"].where(is_coloured, OTHER),
            "trend": True,
        }
    )
    return pd.concat(
        [
            line.assign(seconds=trends[f"seconds_{end}"], top1=trends[f"top1_{end}"])
            for end in ("low", "high")
        ]
    )


def _with_blanks(rows: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every column of others: nothing, no or unknown where they had none."""
    blanks = {"b": False, "i": 0, "f": math.nan}
    missing = {
        str(column): pd.Series(blanks.get(kind.kind, ""), index=rows.index, dtype=kind)
        for column, kind in like.dtypes.items()
        if column not in rows
    }
    return rows.assign(**missing)[list(like.columns)]
