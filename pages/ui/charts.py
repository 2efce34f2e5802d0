"""Frame -> chart. Pure: never imports streamlit; every colour comes from the page's theme.

The specification is the same for every selection of one results set, so that a filter changes only
the data: axes do not jump and a zoom survives.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from pages.ui import words

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
OTHER = "other families"
INK = "ink"
PAPER = "paper"

IMAGE_SIZES = (160, 224, 288, 384, 512)

TIME_TITLES = {
    "throughput": "Inference time per image",
    "latency": "Latency: time per image at batch 1",
    "training": "Training time per image",
}

HEIGHT = 560
LABELS = 8
HIDDEN_POINTS = 2  # a label that would lie on more than these is left out
# Below this width (pixels) labels are not drawn; above, they fit each of these plots: the chart is
# as wide as the page, and a second row of legend takes a little of its height where it is narrow.
NARROW = 520
PLOTS = ((520.0, 355.0), (620.0, 355.0), (720.0, 370.0), (880.0, 370.0), (1400.0, 370.0))
FONT_SIZE, LETTER_WIDTH = 11, 6.4

_TIME_LABEL = (
    "datum.value < 9.9e-5 ? format(datum.value * 1e6, '.3~g') + ' µs'"
    " : datum.value < 0.99 ? format(datum.value * 1e3, '.3~g') + ' ms'"
    " : format(datum.value, '.3~g') + ' s'"
)

Channel = type[alt.Color] | type[alt.Stroke]


@dataclass(frozen=True, slots=True)
class Domains:
    """The axes' ends: seconds per image and top-1 percent, from the whole results set."""

    seconds: tuple[float, float]
    top1_percent: tuple[float, float]


def domains(frames: Sequence[pd.DataFrame]) -> Domains:
    """Axes that hold every point of every results set shown, with a little air."""
    seconds = pd.concat([f["seconds_per_image"] for f in frames])
    top1 = pd.concat([f["top1_percent"] for f in frames])
    low, high = float(seconds.min()), float(seconds.max())
    air = max(high / low, 1.5) ** 0.04
    bottom = math.floor((top1.min() - 1) / 2) * 2
    ceiling = min(100, math.ceil((top1.max() + 1) / 2) * 2)
    return Domains((low / air, high * air), (float(max(0, bottom)), float(ceiling)))


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
    search: str = "",
    picked: tuple[str, int] | None = None,
    beside: pd.DataFrame | None = None,
    names: tuple[str, str] = ("", ""),
    label_all: bool = False,
) -> pd.DataFrame:
    """The rows and columns that the chart draws, grey ones first.

    Args:
        points: what the selection leaves of one results set (points.POINT_COLUMNS).
        colour_domain: see `colours`.
        axes: see `domains`; needed to place the labels.
        frontier: the points that the frontier runs through, whether shown themselves or not.
        search: part of a name; what matches is ringed and labelled, nothing is hidden.
        picked: weights and image size of the model whose card is open; ringed as well.
        beside: the same of a second results set, drawn as diamonds.
        names: of the two results sets.
        label_all: label what fits of all points, not of the frontier alone.
    """
    frames = [_rows(points, colour_domain, is_beside=False)]
    keys = ["model", "image_size"]
    is_shown = frontier.set_index(keys).index.isin(points.set_index(keys).index)
    only_line = frontier[~is_shown]
    frames.append(_rows(only_line, colour_domain, is_beside=False).assign(shown=False))
    if beside is not None and not beside.empty:
        frames.append(_rows(beside, colour_domain, is_beside=True))
    rows = pd.concat(frames, ignore_index=True)
    rows["set"] = rows["beside"].map({False: names[0], True: names[1]})
    wanted = search.strip().casefold()
    rows["hit"] = rows["model"].str.casefold().str.contains(wanted, regex=False) & bool(wanted)
    if picked is not None:
        # Its point may be drawn by more accurate weights of the same architecture.
        same = rows["model"].str.partition(".")[0] == picked[0].partition(".")[0]
        rows["hit"] |= same & (rows["image_size"] == picked[1])
    rows = rows.sort_values(
        ["hit", "beside", "is_other", "image_size"],
        ascending=[True, True, False, False],
        kind="stable",
    ).reset_index(drop=True)
    return _labelled(rows, axes, label_all=label_all).drop(columns="is_other")


def _rows(points: pd.DataFrame, colour_domain: Sequence[str], *, is_beside: bool) -> pd.DataFrame:
    coloured = points["family"].isin(colour_domain)
    return pd.DataFrame(
        {
            "model": points["model"],
            "family": points["family"],
            "colour": points["family"].where(coloured, OTHER),
            "is_other": ~coloured,
            "image_size": points["image_size"].astype("int32"),
            "top1": points["top1_percent"],
            "seconds": points["seconds_per_image"],
            "low": points["seconds_low"].astype("float64"),
            "high": points["seconds_high"].astype("float64"),
            "time": points["seconds_per_image"].map(words.time),
            "rate": points["images_per_s"].map(words.rate),
            "batch": points["batch_size"].astype("string").fillna(words.UNKNOWN),
            "parameters": points["parameters"].astype("float64").map(words.millions),
            "lead": points["lead"].map(words.points),
            "flags": points["flags"].map(words.flags),
            "flagged": points["flags"].map(lambda flags: flags is not None and len(flags) > 0),
            "frontier": points["frontier"].astype(bool) & (not is_beside),
            "beside": is_beside,
            "shown": True,
        }
    )


def _labelled(rows: pd.DataFrame, axes: Domains, *, label_all: bool) -> pd.DataFrame:
    """Adds label, label_align, label_dx and label_dy.

    No two labels overlap, none leaves the plot, none lies on a crowd of points. Searched models
    come first, then the frontier (or all), the greatest lead first.
    """
    low, high = (math.log(value) for value in axes.seconds)
    bottom, top = axes.top1_percent
    right = (np.log(rows["seconds"].to_numpy(dtype=float)) - low) / (high - low)
    down = (top - rows["top1"].to_numpy(dtype=float)) / (top - bottom)
    # Where every point lies on each of the plots, in pixels; shape (plots, points).
    x = right * np.array([[width] for width, _ in PLOTS])
    y = down * np.array([[height] for _, height in PLOTS])
    lead = pd.to_numeric(rows["lead"].str.removesuffix(" points"), errors="coerce").fillna(-99)
    eligible = rows["hit"] | ((rows["frontier"] | label_all) & ~rows["beside"])
    eligible &= rows["shown"]
    order = (
        pd.DataFrame({"hit": rows["hit"], "frontier": rows["frontier"], "lead": lead})[eligible]
        .sort_values(["hit", "frontier", "lead"], ascending=False)
        .index
    )
    if len(order):  # the most accurate model of all is always named
        order = order.insert(0, rows.loc[order, "top1"].idxmax())
    labels = [""] * len(rows)
    aligns, dxs, dys = ["left"] * len(rows), [0.0] * len(rows), [0.0] * len(rows)
    taken: list[np.ndarray] = []
    named: set[str] = set()
    for row in order:
        name = str(rows["model"].iloc[row]).partition(".")[0]
        if len(taken) == LABELS or name in named:
            continue
        for align, dx, dy in (("right", -7, -8), ("left", 7, 12), ("left", 7, -8)):
            box = _box(x[:, row], y[:, row], align, dx, dy, letters=len(name))
            under = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
            is_crowded = under.sum(axis=1).max() > HIDDEN_POINTS and not rows["hit"].iloc[row]
            collides = any(_overlap(box, other) for other in taken)
            if _is_inside(box) and not is_crowded and not collides:
                taken.append(box)
                named.add(name)
                labels[row], aligns[row], dxs[row], dys[row] = name, align, dx, dy
                break
    return rows.assign(label=labels, label_align=aligns, label_dx=dxs, label_dy=dys)


def _box(
    x: np.ndarray, y: np.ndarray, align: str, dx: float, dy: float, *, letters: int
) -> np.ndarray:
    """A label's left, top, right and bottom on each plot; shape (4, plots, 1)."""
    length = letters * LETTER_WIDTH
    left = x + dx - (length if align == "right" else 0)
    return np.array([left, y + dy - FONT_SIZE, left + length, y + dy + 3])[:, :, None]


def _is_inside(box: np.ndarray) -> bool:
    width, height = np.array(PLOTS).T[:, :, None]
    return bool(((box[:2] >= 0).all() and (box[2] <= width) & (box[3] <= height)).all())


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two labels overlap on any of the plots."""
    apart = (one[2] <= other[0]) | (other[2] <= one[0])
    apart |= (one[3] <= other[1]) | (other[3] <= one[1])
    return not apart.all()


def accuracy_against_speed(
    measure: str, axes: Domains, colour_domain: Sequence[str], dataset: str
) -> alt.LayerChart:
    """The chart, without its rows: they come by the name `points` (see `drawn` for the columns).

    Args:
        measure: throughput, latency or training.
        axes: fixed ends of both axes.
        colour_domain: see `colours`.
        dataset: the accuracy set, as words (`ImageNet-1k`).
    """
    base = alt.Chart(alt.NamedData("points"))
    title = [TIME_TITLES[measure], "log scale, faster to the left"]
    x = _time(axes, title)
    y = alt.Y("top1:Q", title=f"Top-1 accuracy on {dataset} (%)").scale(
        domain=axes.top1_percent, zero=False, nice=False
    )
    colour = _colour(alt.Color, colour_domain)
    size = alt.Size("image_size:Q", title="Image size (pixels)").scale(
        type="linear",
        domain=[0, 512],
        range=[0, alt.expr(f"width < {NARROW} ? 70 : 150")],
    )
    isolate = alt.selection_point("isolate", fields=["colour"], bind="legend")
    pick = alt.selection_point(
        "pick", fields=["model", "image_size"], on="click", empty=False, toggle=False
    )
    zoom = alt.selection_interval(
        name="zoom",
        bind="scales",
        zoom="wheel![event.ctrlKey || event.metaKey || event.shiftKey]",
    )

    intervals = (
        base.transform_filter("datum.shown && isValid(datum.low) && datum.high > datum.low")
        .mark_rule(strokeWidth=1, strokeOpacity=0.6, clip=True)
        .encode(x=_time(axes, title, "low"), x2="high:Q", y=y, color=colour)
    )
    frontier = (
        base.transform_filter("datum.frontier")
        .mark_line(interpolate="step-after", strokeWidth=1.5, strokeOpacity=0.75, clip=True)
        .encode(x=x, y=y, order="seconds:Q", color=alt.ColorDatum(INK))
    )
    bubbles = (
        base.transform_filter("datum.shown")
        .mark_point(filled=True, clip=True)
        .encode(
            x=_time_axis(x),
            y=y,
            # The lower right corner is always empty: nothing slow and inaccurate gets published.
            size=size.legend(
                values=list(IMAGE_SIZES),
                orient="bottom-right",
                direction="vertical",
                symbolType="circle",
                symbolFillColor=alt.expr(f"scale('color', '{OTHER}')"),
                symbolStrokeWidth=0,
                symbolOpacity=1,
                offset=4,
                rowPadding=1,
                padding=4,
            ),
            color=colour,
            shape=alt.Shape("beside:N", legend=None).scale(
                domain=[False, True], range=["circle", "diamond"]
            ),
            opacity=alt.condition(isolate, alt.value(0.8), alt.value(0.06)),
            # A flagged figure is drawn hollow.
            stroke=_colour(alt.Stroke, colour_domain),
            strokeWidth=alt.condition("datum.flagged", alt.value(1.4), alt.value(0)),
            fillOpacity=alt.condition("datum.flagged", alt.value(0.1), alt.value(1)),
            tooltip=[
                alt.Tooltip("model:N", title="title"),
                alt.Tooltip("top1:Q", title="Top-1 (%)", format=".3~f"),
                alt.Tooltip("time:N", title="Time per image"),
                alt.Tooltip("rate:N", title="Speed"),
                alt.Tooltip("batch:N", title="Batch size"),
                alt.Tooltip("image_size:Q", title="Image size (pixels)"),
                alt.Tooltip("parameters:N", title="Parameters"),
                alt.Tooltip("family:N", title="Family"),
                alt.Tooltip("lead:N", title="Lead"),
                alt.Tooltip("flags:N", title="Flags"),
                alt.Tooltip("set:N", title="Results set"),
            ],
        )
        .add_params(isolate, pick, zoom)
    )
    rings = (
        base.transform_filter("datum.hit && datum.shown")
        .mark_point(filled=False, strokeWidth=1.75, size=190, clip=True, shape="circle")
        .encode(x=x, y=y, color=alt.ColorDatum(INK))
    )
    placed = base.transform_filter("datum.label != ''").encode(x=x, y=y, text="label:N")
    halos = _text(placed, halo=True).encode(color=alt.ColorDatum(PAPER))
    labels = _text(placed, halo=False).encode(color=alt.ColorDatum(INK))
    chart: alt.LayerChart = (
        alt.layer(frontier, intervals, bubbles, rings, halos, labels)
        .resolve_scale(shape="independent")
        .properties(height=HEIGHT, usermeta={"embedOptions": {"renderer": "canvas"}})
    )
    return chart


def _text(placed: alt.Chart, *, halo: bool) -> alt.Chart:
    chart: alt.Chart = placed.mark_text(
        fontSize=FONT_SIZE,
        clip=True,
        align=alt.expr("datum.label_align"),
        dx=alt.expr("datum.label_dx"),
        dy=alt.expr("datum.label_dy"),
        opacity=alt.expr(f"width < {NARROW} ? 0 : 1"),
        stroke=alt.expr(f"scale('color', '{PAPER}')"),
        strokeWidth=3 if halo else 0,
        strokeJoin="round",
    )
    return chart


def _time_axis(x: alt.X) -> alt.X:
    """Ticks at 1, 2, 5 of each decade, finer once zoomed in."""
    decades = range(-6, 3)
    coarse = [float(f"{m}e{d}") for d in decades for m in (1, 2, 5)]
    fine = [float(f"{m / 10}e{d}") for d in decades for m in range(10, 100, 2)]
    return x.axis(
        values=alt.expr(f"domain('x')[1] / domain('x')[0] > 6 ? {coarse} : {fine}"),
        labelExpr=_TIME_LABEL,
        labelOverlap="greedy",
        labelSeparation=8,
    )


def _time(axes: Domains, title: list[str], field: str = "seconds") -> alt.X:
    return alt.X(f"{field}:Q", title=title).scale(type="log", domain=axes.seconds, nice=False)


def _colour(channel: Channel, domain: Sequence[str]) -> Any:
    """Fill or outline by family; both say the same, or Vega-Lite would draw two legends."""
    shown = [name for name in domain if name.strip() and name not in (INK, PAPER)]
    return (
        channel("colour:N", title="Family (click to isolate)")
        .scale(domain=list(domain))
        .legend(
            values=shown,
            orient="bottom",
            columns=alt.expr("width < 400 ? 2 : width < 620 ? 4 : 7"),
            symbolOpacity=1,
            symbolStrokeWidth=0,
        )
    )
