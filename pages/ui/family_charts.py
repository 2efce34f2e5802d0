"""Frame -> chart, a row for each family or model: what gains stands above what loses.

Each row bears its name at its left end and its figures at its right end. Pure, no streamlit.
"""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from pages.ui import chart_parts, charts
from pages.ui.comparison_charts import (
    EQUAL,
    MEDIAN,
    POINT,
    TICKS,
    TIMES,
    Names,
    colour,
    layered,
    places,
    rows_of,
    times,
    tooltip,
)

ROW = 20  # pixels of a family
ROW_BELOW_TITLE = 38
AROUND = 64  # pixels of the axis and its title
AROUND_DUMBBELLS = 116  # and of a legend
RATIO_LABEL = f"format(datum.value, '~r') + '{TIMES}'"
# There is room for more ticks than on an axis of times, whose labels are longer.
RATIO_TICKS = TICKS | {6.0: [float(f"{m}e{d}") for d in range(-3, 4) for m in (1, 1.5, 2, 3, 5, 7)]}
Ticks = dict[float, list[float]]
LEFT, RIGHT = "left", "right"


def domain(*columns: pd.Series) -> tuple[float, float]:
    """A log axis that holds every value, with a little air."""
    low, high = min(c.min() for c in columns), max(c.max() for c in columns)
    air = max(high / low, 1.5) ** 0.04
    return float(low / air), float(high * air)


def ratio_rows(families: pd.DataFrame) -> dict[str, str]:
    """Each family's row of `ratio_by_family`: it, its median ratio and the ranks gained.

    Args:
        families: rows of comparison.by_family, from the top.
    """
    columns = (families[name] for name in ("family", "ratio_median", "gained"))
    return {
        family: f"{family}|{times(ratio)}  {places(gained)}"
        for family, ratio, gained in zip(*columns, strict=True)
    }


def ratios_drawn(
    pairs: pd.DataFrame, families: pd.DataFrame, *, median: float, rows: dict[str, str], out_of: int
) -> pd.DataFrame:
    """The rows of `ratio_by_family`: a point a model, and one a family with its middle half.

    Args:
        pairs: comparison.compare.
        families: rows of comparison.by_family.
        median: the median ratio of all models.
        rows: see `ratio_rows`.
        out_of: of how many pairs the ranks are.
    """
    of_models = rows_of(pairs, out_of=out_of).assign(kind=POINT)
    of_models = of_models[of_models["family"].isin(families["family"])]
    coloured = families["family"].isin(charts.FAMILIES)
    of_families = pd.DataFrame(
        {
            "kind": MEDIAN,
            "family": families["family"],
            "colour": families["family"].where(coloured, charts.OTHER),
            "ratio": families["ratio_median"],
            "low": families["ratio_low"],
            "high": families["ratio_high"],
            "ratio_words": families["ratio_median"].map(times),
            "places": families["gained"].map(places),
            "models": families["models"],
        }
    )
    frame = pd.concat([of_models, of_families], ignore_index=True)
    frame["row"] = frame["family"].map(rows)
    of_all = pd.DataFrame([{"kind": EQUAL, "ratio": median}])
    return pd.concat([frame, of_all], ignore_index=True)


def ratio_by_family(rows: list[str], names: Names, ends: tuple[float, float]) -> alt.LayerChart:
    """The distribution of the ratio in each family, without its rows: see `ratios_drawn`.

    Args:
        rows: the values of `ratio_rows`, from the top.
        names: what the sides are called.
        ends: see `domain`.
    """
    base = alt.Chart(alt.NamedData("ratios"))
    of_models = base.transform_filter(f"datum.kind == '{POINT}'")
    of_families = base.transform_filter(f"datum.kind == '{MEDIAN}'")
    x = alt.X("ratio:Q", title=f"{names.right} time / {names.left} time (log scale)")
    x = x.scale(type="log", domain=ends, nice=False)
    of_all = (
        base.transform_filter(f"datum.kind == '{EQUAL}'")
        .mark_rule(strokeDash=[6, 4], opacity=0.7, strokeWidth=1.25)
        .encode(x=x, color=alt.ColorDatum(charts.INK))
    )
    dots = of_models.mark_point(filled=True, size=30, strokeWidth=0, opacity=0.5).encode(
        x=_axis(x, ends, RATIO_LABEL, RATIO_TICKS),
        y=_row(rows, LEFT),
        color=colour(()),
        tooltip=tooltip(names),
    )
    halves = of_families.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q").scale(type="log", domain=ends, nice=False),
        x2="high:Q",
        # A layer's axis of its own would write the families' names a second time.
        y=_row(rows, LEFT).axis(None),
        color=colour(()),
    )
    medians = of_families.mark_tick(thickness=2.5, size=ROW - 7).encode(
        x=x,
        y=_row(rows, RIGHT),
        color=alt.ColorDatum(charts.INK),
        tooltip=chart_parts.tooltip(
            ("family:N", "title"),
            ("models:Q", "Models"),
            ("ratio_words:N", "Ratio (median)"),
            ("places:N", "Ranks (median)"),
        ),
    )
    return _rows([of_all, dots, halves, medians], ROW * len(rows) + AROUND)


def dumbbell_rows(pairs: pd.DataFrame, titles: Sequence[str]) -> list[str]:
    """The row of each pair in `dumbbells`: its title, its ratio and the ranks it gains.

    Args:
        pairs: rows of comparison.compare, from the top.
        titles: one a pair.
    """
    columns = (titles, pairs["ratio"], pairs["gained"])
    return [
        f"{title}|{times(ratio)}  {places(gained)}"
        for title, ratio, gained in zip(*columns, strict=True)
    ]


def dumbbells_drawn(pairs: pd.DataFrame, rows: Sequence[str], *, out_of: int) -> pd.DataFrame:
    """The rows of `dumbbells`: two a pair, one for each of its ends.

    Args:
        pairs: rows of comparison.compare.
        rows: see `dumbbell_rows`.
        out_of: of how many pairs their ranks are.
    """
    frame = rows_of(pairs, out_of=out_of).assign(row=list(rows))
    ends = [frame.assign(side=side, seconds=frame[side]) for side in (LEFT, RIGHT)]
    return pd.concat(ends, ignore_index=True)


def dumbbells(
    rows: list[str], names: Names, ends: tuple[float, float], *, above: bool = False
) -> alt.LayerChart:
    """Two times a row, joined: a circle for the left side, a diamond for the right one.

    Args:
        rows: the values of `dumbbell_rows`, from the top.
        names: what the sides are called.
        ends: see `domain`.
        above: titles stand above their line: those of models are long, and a screen may be narrow.
    """
    base = alt.Chart(alt.NamedData("dumbbells"))
    title = ["Time per image", "log scale, faster to the left"]
    x = alt.X("seconds:Q", title=title).scale(type="log", domain=ends, nice=False)
    bars = (
        base.transform_filter(f"datum.side == '{LEFT}'")
        .mark_rule(strokeWidth=2, opacity=0.6)
        .encode(x=x, x2="right:Q", y=_row(rows, RIGHT), color=colour(()))
    )
    dots = base.mark_point(filled=True, size=70, strokeWidth=1.75, opacity=1).encode(
        x=_axis(x, ends, chart_parts.TIME_LABEL, TICKS),
        y=_row(rows, LEFT, above=above),
        color=colour(()),
        shape=alt.Shape("side:N", title=None)
        .scale(domain=[LEFT, RIGHT], range=["circle", "diamond"])
        .legend(
            orient="top",
            labelExpr=f"datum.value == '{LEFT}' ? {_quoted(names.left)} : {_quoted(names.right)}",
            symbolFillColor=alt.expr(f"scale('color', '{charts.INK}')"),
            symbolStrokeWidth=0,
        ),
        tooltip=tooltip(names),
    )
    row = ROW_BELOW_TITLE if above else ROW
    return _rows([bars, dots], row * len(rows) + AROUND_DUMBBELLS)


def _quoted(text: str) -> str:
    """A string inside a Vega expression."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _axis(x: alt.X, ends: tuple[float, float], label: str, ticks: Ticks) -> alt.X:
    return x.axis(
        values=next(ticks[span] for span in ticks if ends[1] / ends[0] > span),
        labelExpr=label,
        labelOverlap="greedy",
        labelSeparation=8,
    )


def _row(rows: list[str], end: str, *, above: bool = False) -> alt.Y:
    """One scale, two axes: what stands before the `|` at the left end, the rest at the right."""
    part = 0 if end == LEFT else 1
    return (
        alt.Y("row:N", title=None)
        .scale(domain=rows)
        .axis(
            orient="left" if end == LEFT else "right",
            labelExpr=f"split(datum.value, '|')[{part}]",
            labelLimit=0 if above else 140,
            labelAlign="left" if above or end == RIGHT else "right",
            labelPadding=0 if above else 2,
            labelOffset=-13 if above else 0,
            zindex=int(above),
            labelFlush=False,
            labelBound=False,
            labelOverlap=False,
            ticks=False,
            domain=False,
            grid=end == LEFT,
        )
    )


def _rows(layers: list[alt.Chart], height: int) -> alt.LayerChart:
    chart: alt.LayerChart = layered(layers, height).resolve_axis(y="independent")
    return chart
