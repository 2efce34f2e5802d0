"""Frame -> chart, for two sides. Pure: never imports streamlit; every colour comes from the theme.

Rows come by name, as in charts.py, so that a specification can be kept and only data sent.
"""

import math
import sys
from dataclasses import dataclass, field
from typing import Any, TypeVar

import altair as alt
import numpy as np
import pandas as pd

from bench import comparison
from pages.ui import chart_parts, charts, words

HEIGHT = 640
LABELS = 8
HIDDEN_POINTS = 1  # a label that would lie on more than these is left out
# Labels are placed so that they are free on a plot of either size; below NARROW pixels they are
# not drawn.
PLOTS = ((520.0, 400.0), (940.0, 430.0))
NARROW = 520
FONT_SIZE, LETTER_WIDTH = 11, 6.4
Box = tuple[float, float, float, float]  # left, top, right, bottom; pixels

# Ticks of a log axis, by how many times its lower end the upper one is.
_STEPS = {
    6.0: (1, 2, 5),
    2.0: (1, 1.5, 2, 3, 4, 5, 7),
    1.0: tuple(n / 10 for n in range(10, 100, 2)),
}
TICKS = {
    span: [float(f"{m}e{d}") for d in range(-7, 4) for m in steps] for span, steps in _STEPS.items()
}
# A narrow space that does not break, and the sign.
TIMES = "\u202f\N{MULTIPLICATION SIGN}"

POINT, EQUAL, MEDIAN = "point", "equal", "median"  # kinds of rows
COLOURS = charts.colours(())


@dataclass(frozen=True, slots=True)
class Names:
    """What the sides are called on axes and in legends (`Inference`, `Training`)."""

    left: str
    right: str


def rows_of(pairs: pd.DataFrame, *, out_of: int) -> pd.DataFrame:
    """What every chart shows of a pair; its ranks are those among out_of pairs."""
    coloured = pairs["family"].isin(charts.FAMILIES)
    flags = comparison.flags_of(pairs)
    return pd.DataFrame(
        {
            "name": pairs["architecture"],
            "size": pairs["image_size"].astype("int32"),
            "family": pairs["family"],
            "colour": pairs["family"].where(coloured, charts.OTHER),
            "left": pairs["seconds_per_image_left"],
            "right": pairs["seconds_per_image_right"],
            "ratio": pairs["ratio"],
            "left_words": pairs["seconds_per_image_left"].map(words.time),
            "right_words": pairs["seconds_per_image_right"].map(words.time),
            "ratio_words": pairs["ratio"].map(times),
            "ranks": [
                f"{one:,} → {other:,} of {out_of:,}"
                for one, other in zip(pairs["rank_left"], pairs["rank_right"], strict=True)
            ],
            "top1": pairs["top1_percent"].map(words.percent),
            "flags": flags.map(words.flags),
            "flagged": flags.map(bool),
        }
    )


def figure(ratio: float) -> str:
    """A ratio with as many decimals as its size asks for: 12, 3.4, 1.07, 0.98, 0.034."""
    decimals = 0 if ratio >= 10 else 1 if ratio >= 1.3 else 2 if ratio >= 0.1 else 3
    return f"{ratio:.{decimals}f}"


def times(ratio: float) -> str:
    """`figure` and the multiplication sign."""
    return figure(ratio) + TIMES


def places(gained: float) -> str:
    """Ranks won or lost: `▲ 54`, `▼ 104`, `=`."""
    number = round(gained)
    return f"{'▲' if number > 0 else '▼'}\u202f{abs(number):,}" if number else "="


def tooltip(names: Names) -> list[alt.Tooltip]:
    """A pair's figures; columns of `rows_of`."""
    # Vega-Lite writes these titles into an expression and lets a backslash through.
    left, right = (name.replace("\\", "/") for name in (names.left, names.right))
    return chart_parts.tooltip(
        ("name:N", "title"),
        ("left_words:N", left),
        ("right_words:N", right),
        ("ratio_words:N", "Ratio"),
        ("ranks:N", "Rank by speed"),
        ("size:Q", "Image size (pixels)"),
        ("top1:N", "Top-1 of its best weights"),
        ("family:N", "Family"),
        ("flags:N", "Flags"),
    )


@dataclass(frozen=True, slots=True)
class Axes:
    """Both axes' ends in seconds an image, with a little air."""

    left: tuple[float, float]
    right: tuple[float, float]


def axes(pairs: pd.DataFrame) -> Axes:
    """Axes that hold every pair."""
    ends = []
    for side in ("left", "right"):
        seconds = pairs[f"seconds_per_image_{side}"]
        low, high = float(seconds.min()), float(seconds.max())
        air = max(high / low, 1.5) ** 0.04
        ends.append((low / air, high * air))
    return Axes(*ends)


def drawn(
    pairs: pd.DataFrame,
    ends: Axes,
    *,
    median: float,
    out_of: int,
    chosen: pd.Index | None = None,
    found: pd.Index | None = None,
) -> pd.DataFrame:
    """The rows of `time_against_time`: points, grey ones first, and two lines.

    Args:
        pairs: rows of comparison.compare.
        ends: see `axes`.
        median: the median ratio of all pairs.
        out_of: of how many pairs the ranks are.
        chosen: which pairs are ringed, and labelled before all others.
        found: which pairs are ringed as well, and labelled next.
    """
    chosen, found = (pairs.index[:0] if some is None else some for some in (chosen, found))
    rows = rows_of(pairs, out_of=out_of)
    first = pairs.index.isin(chosen) * 2 + pairs.index.isin(found)
    rows = rows.assign(kind=POINT, first=first, chosen=first > 0)
    order = rows.assign(coloured=rows["colour"] != charts.OTHER)
    rows = rows.loc[order.sort_values(["first", "coloured"], kind="stable").index]
    rows = _labelled(rows.reset_index(drop=True), ends, median=median).drop(columns="first")
    lines = [
        {"kind": kind, "left": end, "right": end * ratio}
        for kind, ratio in ((EQUAL, 1.0), (MEDIAN, median))
        for end in ends.left
    ]
    return pd.concat([rows, pd.DataFrame(lines)], ignore_index=True)


def _labelled(rows: pd.DataFrame, ends: Axes, *, median: float) -> pd.DataFrame:
    """Adds label, label_align, label_dx and label_dy: no two overlap, none leaves the plot.

    Chosen models come first, then those found, then those furthest from the median ratio, one of
    each family.
    """
    x, y = _position(rows["left"], ends.left), 1 - _position(rows["right"], ends.right)
    plots = [_Plot(x * width, y * height, width, height) for width, height in PLOTS]
    far = np.log(rows["ratio"] / median).abs()
    order = rows.assign(far=far).sort_values(["first", "far"], ascending=False)
    labels = pd.DataFrame(
        {"label": "", "label_align": "left", "label_dx": 0.0, "label_dy": 0.0}, index=rows.index
    )
    families: set[str] = set()
    candidates = zip(order.index, order["name"], order["family"], order["chosen"], strict=True)
    for row, name, family, chosen in candidates:
        if len(plots[0].taken) == LABELS:
            break
        if family in families and not chosen:
            continue
        most = sys.maxsize if chosen else HIDDEN_POINTS
        places = [
            (sum(hidden), place)
            for place in PLACES
            if max(hidden := [plot.hides(row, name, place) for plot in plots]) <= most
        ]
        if places:
            _, place = min(places, key=lambda found: found[0])
            for plot in plots:
                plot.taken.append(plot.box(row, name, place))
            families.add(family)
            labels.loc[row] = (name, *place)
    return rows.join(labels)


Place = tuple[str, float, float]  # align, dx, dy
PLACES: tuple[Place, ...] = (("right", -8, 4), ("left", 8, 4), ("right", -6, -7), ("left", 6, 14))


@dataclass(slots=True)
class _Plot:
    """A plot of one size: where its points lie, and which boxes are taken."""

    x: np.ndarray
    y: np.ndarray
    width: float
    height: float
    taken: list[Box] = field(default_factory=list)

    def box(self, row: int, name: str, place: Place) -> Box:
        """Where the label of a row would stand."""
        align, dx, dy = place
        length = len(name) * LETTER_WIDTH
        left = float(self.x[row]) + dx - (length if align == "right" else 0)
        bottom = float(self.y[row]) + dy
        return left, bottom - FONT_SIZE, left + length, bottom + 3

    def hides(self, row: int, name: str, place: Place) -> float:
        """How many points the label would lie on; infinite where it cannot stand."""
        left, top, right, bottom = self.box(row, name, place)
        if left < 0 or top < 0 or right > self.width or bottom > self.height:
            return math.inf
        if any(left < o[2] and o[0] < right and top < o[3] and o[1] < bottom for o in self.taken):
            return math.inf
        inside = (self.x > left) & (self.x < right) & (self.y > top) & (self.y < bottom)
        return float(inside.sum())


def _position(seconds: pd.Series, ends: tuple[float, float]) -> np.ndarray:
    low, high = math.log(ends[0]), math.log(ends[1])
    position: np.ndarray = (np.log(seconds.to_numpy(dtype=float)) - low) / (high - low)
    return position


def time_against_time(
    ends: Axes, names: Names, *, median: float, families: tuple[str, ...]
) -> alt.LayerChart:
    """Every model, one side's time against the other's; rows: see `drawn`.

    Args:
        ends: see `axes`.
        names: what the sides are called.
        median: the median ratio, for the key of the lines.
        families: what the legend lists (see `in_legend`).
    """
    base = alt.Chart(alt.NamedData("points"))
    x = alt.X("left:Q", title=[f"{names.left}: time per image", "log scale, faster to the left"])
    x = x.scale(type="log", domain=ends.left, nice=False)
    y = alt.Y("right:Q", title=f"{names.right}: time per image (log)")
    y = y.scale(type="log", domain=ends.right, nice=False)
    isolate = alt.selection_point("isolate", fields=["colour"], bind="legend")
    zoom = alt.selection_interval(
        name="zoom",
        bind="scales",
        zoom="wheel![event.ctrlKey || event.metaKey || event.shiftKey]",
    )
    lines = (
        base.transform_filter(f"datum.kind != '{POINT}'")
        # Not opacity: the families' legend would take it over.
        .mark_line(strokeWidth=1.25, opacity=1, strokeOpacity=0.7, clip=True)
        .encode(
            x=x,
            y=y,
            strokeDash=alt.StrokeDash("kind:N", title=None)
            .scale(domain=[EQUAL, MEDIAN], range=[[1, 0], [6, 4]])
            .legend(
                orient="top",
                labelExpr=f"datum.value == '{EQUAL}' ? 'equal times'"
                f" : 'the median, {times(median)}'",
                symbolStrokeColor=alt.expr(f"scale('color', '{charts.INK}')"),
                symbolType="stroke",
                symbolSize=500,
                offset=2,
            ),
            color=alt.ColorDatum(charts.INK),
        )
    )
    only_points = base.transform_filter(f"datum.kind == '{POINT}'")
    encoded = only_points.encode(
        x=_time_axis(x, "x"),
        y=_time_axis(y, "y"),
        size=alt.value(alt.expr(f"width < {NARROW} ? 28 : 45")),
        color=colour(families),
        opacity=alt.condition(isolate, alt.value(0.85), alt.value(0.06)),
        tooltip=tooltip(names),
    )
    dots = (
        encoded.transform_filter("!datum.flagged")
        .mark_point(filled=True, clip=True, strokeWidth=0, shape="circle")
        .add_params(isolate, zoom)
    )
    flagged = encoded.transform_filter("datum.flagged").mark_point(
        filled=False, clip=True, strokeWidth=1.5, shape="circle"
    )
    rings = (
        only_points.transform_filter("datum.chosen")
        .mark_point(filled=False, strokeWidth=1.75, size=190, clip=True, shape="circle")
        .encode(x=x, y=y, color=alt.ColorDatum(charts.INK))
    )
    placed = only_points.transform_filter("datum.label != ''").encode(x=x, y=y, text="label:N")
    text: dict[str, Any] = {
        "fontSize": FONT_SIZE,
        "clip": True,
        "align": alt.expr("datum.label_align"),
        "dx": alt.expr("datum.label_dx"),
        "dy": alt.expr("datum.label_dy"),
        "opacity": alt.expr(f"width < {NARROW} ? 0 : 1"),
    }
    paper = alt.expr(f"scale('color', '{charts.PAPER}')")
    halos = placed.mark_text(**text, stroke=paper, strokeWidth=3, strokeJoin="round").encode(
        color=alt.ColorDatum(charts.PAPER)
    )
    labels = placed.mark_text(**text).encode(color=alt.ColorDatum(charts.INK))
    return layered([lines, dots, flagged, rings, halos, labels], HEIGHT)


Channel = TypeVar("Channel", alt.X, alt.Y)


def _time_axis(channel: Channel, scale: str) -> Channel:
    """Ticks at 1, 2, 5 of each decade, finer once zoomed in."""
    span = f"domain('{scale}')[1] / domain('{scale}')[0]"
    return channel.axis(
        values=alt.expr(f"{span} > 6 ? {TICKS[6]} : {span} > 2 ? {TICKS[2]} : {TICKS[1]}"),
        labelExpr=chart_parts.TIME_LABEL,
        labelOverlap="greedy",
        labelSeparation=8,
    )


def in_legend(pairs: pd.DataFrame) -> tuple[str, ...]:
    """The families with a colour that are among the pairs, and the others."""
    present = set(pairs["family"])
    return (*(family for family in charts.FAMILIES if family in present), charts.OTHER)


def colour(families: tuple[str, ...]) -> alt.Color:
    """The eight families' colours, the grey of all others, and a legend that isolates one."""
    channel = alt.Color("colour:N", title="Family (click to isolate)").scale(domain=COLOURS)
    return (
        channel.legend(None)
        if not families
        else channel.legend(
            values=list(families),
            orient="bottom",
            columns=alt.expr("width < 400 ? 2 : width < 620 ? 4 : 7"),
            symbolOpacity=1,
            symbolStrokeWidth=0,
        )
    )


def layered(layers: list[alt.Chart], height: int) -> alt.LayerChart:
    """The layers as one chart, on one canvas."""
    chart: alt.LayerChart = alt.LayerChart(layer=layers).properties(
        height=height, usermeta={"embedOptions": {"renderer": "canvas"}}
    )
    return chart
