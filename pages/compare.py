"""One results set against another: the sentence, the charts, the models side by side, the table."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from bench import catalogue, comparison
from bench.errors import BenchError, UnreadableFile
from pages.ui import (
    charts,
    comparison_charts,
    comparison_tables,
    data,
    family_charts,
    notices,
    turns,
    words,
)
from pages.ui import comparison_controls as controls
from pages.ui import comparison_words as telling
from pages.ui.comparison_charts import Names
from pages.ui.entrance import through_app

through_app()

SCATTER_ALT = (
    "Scatter chart of image models: time per image on the baseline against time per image on the "
    "side compared with it, both axes logarithmic. The table at the end holds the same models."
)
RATIO_ALT = (
    "A row for each family of image models: the ratio of the two times of each of its models and "
    "their median, on a logarithmic axis, the lowest median at the top."
)
BEST_ALT = (
    "A row for each family of image models: both times per image of its best model, joined by a "
    "line, on a logarithmic axis, the lowest ratio at the top."
)
FAMILIES_AT_EACH_END = 12

files = data.Files(data.speed_signature(), data.accuracy_signature())
sets = data.sets(files.speed)

st.header("Who gains, who loses?", anchor=False)

notices.guard(files, sets)

asked = controls.sidebar(sets)


@dataclass(frozen=True, slots=True)
class Laid:
    """Two sides laid against each other; pairs are those of comparison.compare."""

    left: comparison.Side
    right: comparison.Side
    pairs: pd.DataFrame


@st.cache_data(max_entries=64, show_spinner=False)
def scatter(
    axes: comparison_charts.Axes, names: Names, median: float, families: tuple[str, ...]
) -> dict[str, object]:
    """The scatter's specification: Altair builds it once, a rerun sends only rows."""
    return _without_data(
        comparison_charts.time_against_time(axes, names, median=median, families=families).to_dict()
    )


@st.cache_data(max_entries=64, show_spinner=False)
def families_chart(
    by: str, rows: tuple[str, ...], names: Names, ends: tuple[float, float]
) -> dict[str, object]:
    """The specification of the chart by family, kept as the scatter's is."""
    draw = (
        family_charts.ratio_by_family
        if by == controls.RATIOS
        else family_charts.best_of_each_family
    )
    return _without_data(draw(list(rows), names, ends).to_dict())


def _without_data(spec: dict[str, object]) -> dict[str, object]:
    spec.pop("data", None)
    return spec


def side(which: tuple[str, str]) -> comparison.Side:
    """A side with its points. Raises InvalidRequest as points.points does."""
    run, measure = which
    return comparison.Side(
        sets.loc[run], measure, data.measured_points_of(files, run, measure, "imagenet-1k")
    )


def names_of_today() -> dict[str, str | None]:
    """The table of models that timm has renamed; empty, and said, where it cannot be read."""
    try:
        return catalogue.renames(data.folder())
    except UnreadableFile as error:
        st.warning(
            f"Renamed models are left out: {words.escaped(str(error))}.", icon=":material/warning:"
        )
        return {}


def all_models(pairs: pd.DataFrame, names: Names, chosen: pd.DataFrame) -> None:
    """Every model, one side's time against the other's."""
    axes = comparison_charts.axes(pairs)
    ringed = set(zip(chosen["architecture"], chosen["image_size"], strict=True))
    st.vega_lite_chart(
        comparison_charts.drawn(pairs, axes, ringed),
        scatter(axes, names, float(pairs["ratio"].median()), comparison_charts.in_legend(pairs)),
        key="time_against_time",
        alt=SCATTER_ALT,
    )
    st.caption(
        "Below the dashed line a model gains, above it loses, compared with the median. Hollow "
        "points are flagged. "
        "Drag to move, Ctrl + wheel to zoom, double-click to go back."
    )


def each_family(pairs: pd.DataFrame, names: Names) -> None:
    """A row a family: the ratios of all its models, or both times of its best one."""
    families = comparison.by_family(pairs)
    shown = families
    if asked.which == controls.MOST_CHANGED:
        shown = comparison.most_changed(families, ends=FAMILIES_AT_EACH_END, always=charts.FAMILIES)
    st.subheader("Family by family", anchor=False)
    if asked.by_family == controls.RATIOS:
        rows = family_charts.ratio_rows(shown)
        median = float(pairs["ratio"].median())
        frame = family_charts.ratios_drawn(pairs, shown, median=median, rows=rows)
        ends = family_charts.domain(frame["ratio"])
        caption = (
            "A point is a model, the thick line the middle half of a family, the tick its median, "
            "the dashed line the median of all models."
        )
    else:
        best = comparison.best_of_each_family(pairs)
        best = best[best["family"].isin(shown["family"])]
        rows = family_charts.best_rows(best)
        frame = family_charts.best_drawn(best, out_of=len(pairs), rows=rows)
        ends = family_charts.domain(frame["seconds"])
        caption = "The best model of a family has the best trade-off on the baseline."
    st.vega_lite_chart(
        frame,
        families_chart(asked.by_family, tuple(rows.values()), names, ends),
        key=f"families_{asked.by_family}",
        alt=RATIO_ALT if asked.by_family == controls.RATIOS else BEST_ALT,
    )
    left_out = len(families) - len(shown)
    st.caption(
        f"{caption} At the right: the ratio, and how many ranks it gains (▲) or loses (▼)."
        + (f" {left_out:,} families between them are left out." if left_out else "")
    )


def lay() -> Laid | str:
    """Both sides as they are now, or the reason why they cannot be compared, as Markdown."""
    if asked.left == asked.right:
        return (
            f"Both sides are the same: {words.escaped(sets.loc[asked.left[0], 'label'])}. Choose "
            "another results set, or another measure, for one of them in the sidebar."
        )
    try:
        left, right = side(asked.left), side(asked.right)
    except BenchError as error:
        return f"{words.escaped(str(error))}."
    eras = {comparison.bears_old_names(each.results_set) for each in (left, right)}
    renames = names_of_today() if len(eras) == 2 else {}
    pairs = comparison.compare(left, right, renames=renames)
    if pairs.empty:
        return (
            "The two sides have no model at the same image size in common. Choose another results "
            "set in the sidebar."
        )
    return Laid(left, right, pairs)


def titles(pairs: pd.DataFrame) -> list[str]:
    """What the pairs are called in menus, in their order."""
    columns = (pairs["architecture"], pairs["image_size"])
    return [comparison_tables.title(*pair) for pair in zip(*columns, strict=True)]


def board(laid: Laid | str, models: list[str]) -> None:
    """The sentence, the charts and the tables; models are the titles to lay side by side."""
    if isinstance(laid, str):
        st.info(laid, icon=":material/compare_arrows:")
        return
    left, right, pairs = laid.left, laid.right, laid.pairs
    titled = pairs.set_axis(titles(pairs))
    picked = titled.loc[[title for title in models if title in titled.index]]
    names = telling.names(left, right)
    st.markdown(telling.sentence(comparison.summary(pairs), names, left, right))
    if len(picked):
        st.markdown(telling.picked(picked, names, len(pairs)))
    st.caption(telling.circumstances(left, right, pairs))
    all_models(pairs, names, picked)
    each_family(pairs, names)
    a_few(pairs, names, picked)
    st.subheader("Every model", anchor=False)
    st.dataframe(
        comparison_tables.table(pairs),
        column_config=comparison_tables.column_config(names),
        hide_index=True,
        width="stretch",
        height=420,
        key="pairs",
    )


def a_few(pairs: pd.DataFrame, names: Names, picked: pd.DataFrame) -> None:
    """The picked models side by side; where there are none, the two whose rank changes most."""
    st.subheader("Side by side", anchor=False)
    ends = pairs.sort_values("gained", kind="stable").iloc[[-1, 0] if len(pairs) > 1 else [0]]
    st.dataframe(
        comparison_tables.side_by_side(picked if len(picked) else ends, names, len(pairs)),
        width="stretch",
        height="content",
        key="side_by_side",
    )
    if picked.empty and len(pairs) > 1:
        st.caption(
            "The model that gains most ranks, and the one that loses most. Choose up to "
            f"{controls.SIDE_BY_SIDE} in the sidebar."
        )


def board_as_it_grows() -> None:
    """The board of a run that is still measuring."""
    board(lay(), models)


laid = lay()
models = controls.side_by_side(None if isinstance(laid, str) else titles(laid.pairs))
if any(data.is_live(run) for run, _ in (asked.left, asked.right)):
    st.fragment(turns.turn()(board_as_it_grows), run_every=1.0)()
else:
    board(laid, models)
