"""One results set against another: the sentence, the charts, models side by side, the table."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import pandas as pd
import streamlit as st

from bench import catalogue, comparison
from bench.errors import BenchError, UnreadableFile
from pages.ui import (
    charts,
    comparison_charts,
    comparison_tables,
    data,
    downloads,
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
MODELS_ALT = (
    "A row for each of a few image models: both times per image, joined by a line, on a "
    "logarithmic axis, with their ratio and the ranks gained or lost."
)
BEST_ALT = (
    "A row for each family of image models: both times per image of its best model, joined by a "
    "line, on a logarithmic axis, the lowest ratio at the top."
)
FAMILIES_AT_EACH_END = 12
MODELS_AT_EACH_END = 5

files = data.Files(data.speed_signature(), data.accuracy_signature())
sets = data.sets(files.speed)

st.header("Who gains, who loses?", anchor=False)

notices.guard(files, sets)

asked = controls.sidebar(sets)


@dataclass(frozen=True, slots=True)
class Laid:
    """Two sides laid against each other.

    pairs are those of comparison.compare, with licence, and named by their titles.
    """

    left: comparison.Side
    right: comparison.Side
    pairs: pd.DataFrame

    @property
    def names(self) -> Names:
        """What the sides are called."""
        return telling.names(self.left, self.right)

    @property
    def median(self) -> float:
        """The median ratio of all models."""
        return float(self.pairs["ratio"].median())


@st.cache_data(max_entries=64, show_spinner=False)
def scatter(
    axes: comparison_charts.Axes, names: Names, median: float, families: tuple[str, ...]
) -> dict[str, object]:
    """The scatter's specification: Altair builds it once, a rerun sends only rows."""
    return _without_data(
        comparison_charts.time_against_time(axes, names, median=median, families=families).to_dict()
    )


@st.cache_data(max_entries=64, show_spinner=False)
def ratios(rows: tuple[str, ...], names: Names, ends: tuple[float, float]) -> dict[str, object]:
    """The specification of the chart of ratios by family, kept as the scatter's is."""
    return _without_data(family_charts.ratio_by_family(list(rows), names, ends).to_dict())


@st.cache_data(max_entries=64, show_spinner=False)
def dumbbells(
    rows: tuple[str, ...], names: Names, ends: tuple[float, float], *, above: bool
) -> dict[str, object]:
    """The specification of a chart of both times, kept likewise."""
    return _without_data(family_charts.dumbbells(list(rows), names, ends, above=above).to_dict())


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
    licences = pd.concat([one.points[["model", "licence"]] for one in (left, right)])
    known = licences.drop_duplicates("model").set_index("model")["licence"]
    pairs = pairs.assign(licence=pairs["model"].map(known))
    columns = (pairs["architecture"], pairs["image_size"])
    titles = [comparison_tables.title(*pair) for pair in zip(*columns, strict=True)]
    return Laid(left, right, pairs.set_axis(titles))


def board(laid: Laid | str, shown: controls.Shown) -> None:
    """The sentence, the charts and the tables."""
    if isinstance(laid, str):
        st.info(laid, icon=":material/compare_arrows:")
        return
    pairs, names = laid.pairs, laid.names
    if shown.families:
        pairs = pairs[pairs["family"].isin(shown.families)]
    picked = laid.pairs.loc[[title for title in shown.models if title in laid.pairs.index]]
    st.markdown(telling.sentence(comparison.summary(pairs), names, laid.left, laid.right))
    if len(picked):
        st.markdown(telling.picked(picked, names, len(laid.pairs)))
    st.caption(telling.circumstances(laid.left, laid.right, laid.pairs))
    # A picked model is shown whatever its family.
    drawn = laid.pairs[laid.pairs.index.isin(pairs.index.union(picked.index))]
    found = comparison_tables.matching(pairs, shown.search)
    all_models(laid, drawn, picked=picked, found=found, search=shown.search)
    each_family(laid, pairs, shown)
    a_few(laid, pairs, picked=picked, found=found)
    st.subheader("Every model", anchor=False)
    st.dataframe(
        comparison_tables.table(drawn),
        column_config=comparison_tables.column_config(names),
        hide_index=True,
        width="stretch",
        height=420,
        key="pairs",
    )
    take_away(laid, drawn, picked=picked, found=found)


def scatter_of(
    laid: Laid, drawn: pd.DataFrame, picked: pd.DataFrame, found: pd.DataFrame
) -> tuple[dict[str, object], pd.DataFrame]:
    """The scatter's specification and rows; its axes and its median are those of all models."""
    axes = comparison_charts.axes(laid.pairs)
    families = comparison_charts.in_legend(laid.pairs)
    rows = comparison_charts.drawn(
        drawn,
        axes,
        median=laid.median,
        out_of=len(laid.pairs),
        chosen=picked.index,
        found=found.index,
    )
    return scatter(axes, laid.names, laid.median, families), rows


def all_models(
    laid: Laid, drawn: pd.DataFrame, *, picked: pd.DataFrame, found: pd.DataFrame, search: str
) -> None:
    """Every model, one side's time against the other's."""
    spec, rows = scatter_of(laid, drawn, picked, found)
    st.vega_lite_chart(rows, spec, key="time_against_time", alt=SCATTER_ALT)
    searched = ""
    if search.strip():
        searched = f"{words.counted(len(found), 'model')} with “{words.escaped(search.strip())}”. "
    st.caption(
        f"{searched}Below the dashed line a model gains, above it loses, compared with the median. "
        "Hollow points are flagged. "
        "Drag to move, Ctrl + wheel to zoom, double-click to go back."
    )


def each_family(laid: Laid, pairs: pd.DataFrame, shown: controls.Shown) -> None:
    """A row a family: the ratios of all its models, or both times of its best one."""
    families = comparison.by_family(pairs)
    some = families
    if shown.which == controls.MOST_CHANGED and not shown.families:
        some = comparison.most_changed(families, ends=FAMILIES_AT_EACH_END, always=charts.FAMILIES)
    st.subheader("Family by family", anchor=False)
    if shown.by_family == controls.RATIOS:
        rows = family_charts.ratio_rows(some)
        frame = family_charts.ratios_drawn(
            pairs, some, median=laid.median, rows=rows, out_of=len(laid.pairs)
        )
        ends = family_charts.domain(frame["ratio"])
        spec = ratios(tuple(rows.values()), laid.names, ends)
        st.vega_lite_chart(frame, spec, key="families_ratios", alt=RATIO_ALT)
        caption = (
            "A point is a model, the thick line the middle half of a family, the tick its median, "
            "the dashed line the median of all models."
        )
    else:
        best = comparison.best_of_each_family(pairs)
        best = best[best["family"].isin(some["family"])]
        both_times(laid, best, best["family"], key="families_best", alt=BEST_ALT)
        caption = "The best model of a family has the best trade-off on the baseline."
    left_out = len(families) - len(some)
    st.caption(
        f"{caption} At the right: the ratio, and how many ranks it gains (▲) or loses (▼)."
        + (f" {left_out:,} families between them are left out." if left_out else "")
    )


def both_times(
    laid: Laid,
    pairs: pd.DataFrame,
    titles: Iterable[str],
    *,
    key: str,
    alt: str,
    above: bool = False,
) -> None:
    """A row a pair, both its times joined."""
    rows = family_charts.dumbbell_rows(pairs, list(titles))
    frame = family_charts.dumbbells_drawn(pairs, rows, out_of=len(laid.pairs))
    ends = family_charts.domain(frame["seconds"])
    st.vega_lite_chart(
        frame, dumbbells(tuple(rows), laid.names, ends, above=above), key=key, alt=alt
    )


def a_few(laid: Laid, pairs: pd.DataFrame, *, picked: pd.DataFrame, found: pd.DataFrame) -> None:
    """The picked models; where there are none, those found or shown whose ranks change most."""
    st.subheader("Side by side" if len(picked) else "Who changes places", anchor=False)
    moved = comparison.most_moved(found if len(found) else pairs, ends=MODELS_AT_EACH_END)
    few = picked if len(picked) else moved
    both_times(laid, few, few.index, key="models_times", alt=MODELS_ALT, above=True)
    said = "At the right: the ratio, and how many ranks a model gains (▲) or loses (▼)."
    if picked.empty and len(moved) > 1:
        said += (
            f" These {'of those found ' if len(found) else ''}change most; below, every figure of "
            f"the first and the last. Choose up to {controls.SIDE_BY_SIDE} in the sidebar."
        )
    st.caption(said)
    columns = few if len(picked) else few.iloc[[0, -1] if len(few) > 1 else [0]]
    st.dataframe(
        comparison_tables.side_by_side(
            columns, laid.names, sides=(laid.left, laid.right), models=len(laid.pairs)
        ),
        width="stretch",
        height="content",
        key="side_by_side",
    )


def take_away(
    laid: Laid, drawn: pd.DataFrame, *, picked: pd.DataFrame, found: pd.DataFrame
) -> None:
    """The first chart and the rows of the table, as files."""
    spec, rows = scatter_of(laid, drawn, picked, found)
    sides = [f"{one.results_set['run']}-{one.measure}" for one in (laid.left, laid.right)]
    downloads.buttons(
        spec,
        rows=rows.copy,
        points=partial(comparison_tables.taken_away, drawn, laid.left, right=laid.right),
        name="-against-".join(sides[::-1]),
    )


def board_as_it_grows() -> None:
    """The board of a run that is still measuring."""
    board(lay(), shown)


laid = lay()
shown = (
    controls.narrowing(None, None)
    if isinstance(laid, str)
    else controls.narrowing(list(laid.pairs.index), sorted(laid.pairs["family"].unique()))
)
if any(data.is_live(run) for run, _ in (asked.left, asked.right)):
    st.fragment(turns.turn()(board_as_it_grows), run_every=1.0)()
else:
    board(laid, shown)
