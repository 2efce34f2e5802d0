"""Accuracy against speed: the sentence, the chart and the table of one results set."""

from dataclasses import dataclass
from functools import partial

import pandas as pd
import streamlit as st

from bench.errors import BenchError
from bench.points import most_accurate_weights, ranked, without_test_models
from bench.proxies import proxy
from bench.trends import trends as fitted
from pages.ui import (
    charts,
    controls,
    data,
    downloads,
    filtering,
    notices,
    selection,
    speed_charts,
    words,
)
from pages.ui.card import card
from pages.ui.entrance import through_app
from pages.ui.selection import Selection
from pages.ui.sentence import proxy_sentence, sentence
from pages.ui.table import COLUMNS, RANKS, table
from pages.ui.views import PICKED

through_app()

ALT = (
    "Scatter chart of timm's image models: time per image on a logarithmic axis, faster to the "
    "left, against top-1 accuracy. The table below it holds the same models."
)
COST_ALT = (
    "Scatter chart of timm's image models: time per image against what they cost on paper, both on "
    "logarithmic axes. The table below it holds the same models."
)
FRONTIER = "The line is the frontier: no model beats those on it on both speed and accuracy. "
HOW_TO_USE = (
    "Point at a model for its figures and its family's line, click it for its card. Drag to move, "
    "Ctrl + wheel to zoom, **Shift + drag to pick out a part of the chart for the table**, "
    "double-click to go back."
)

files = data.Files(data.speed_signature(), data.accuracy_signature())
sets = data.sets(files.speed)

st.header("Which image model should I use?", anchor=False)

notices.guard(files, sets)

chosen = controls.sidebar(sets, files, controls.saved_views(sets))


@st.cache_data(max_entries=64, show_spinner=False)
def specification(
    measure: str, axes: charts.Domains, colours: tuple[str, ...], dataset: str, cost: str | None
) -> dict[str, object]:
    """The chart's specification: Altair builds it once, a rerun sends only rows."""
    chart = (
        speed_charts.accuracy_against_speed(measure, axes, colours, dataset)
        if cost is None
        else speed_charts.cost_against_speed(measure, axes, colours, cost)
    )
    spec = chart.to_dict()
    spec.pop("data", None)
    return spec


def beside_points(chosen: Selection) -> pd.DataFrame | None:
    """The second results set's points; None where there are none."""
    if chosen.beside is None:
        return None
    present = sets.loc[chosen.beside, "measures"]
    measure = chosen.measure if chosen.measure in present else next(iter(present))
    if measure != chosen.measure:
        st.caption(
            f"The set laid beside holds no {selection.MEASURE_NAMES[chosen.measure].lower()}: "
            f"its {selection.MEASURE_NAMES[measure].lower()} is drawn."
        )
    found = data.points_of(files, chosen.beside, measure, chosen.dataset)
    return None if found.empty else found


def pick(model: str | None, image_size: int | None) -> None:
    """Open the card of these weights, or close it; the address says which is open."""
    st.session_state["model"] = None if model is None else f"{model}@{image_size}"


def pick_from_chart(key: str) -> None:
    """Callback: a bubble was clicked, or the empty plot; or the chart was zoomed or brushed."""
    found = st.session_state[key].selection.get("pick") or [{}]
    picked = found[0].get("model"), found[0].get("image_size")
    if picked != st.session_state.get("picked_in_chart", (None, None)):
        st.session_state["picked_in_chart"] = picked
        pick(*picked)


def pick_from_table(rows: pd.DataFrame) -> None:
    """Callback: a row was ticked or unticked."""
    chosen_rows = st.session_state["table"].selection.rows
    if chosen_rows:
        row = rows.iloc[chosen_rows[0]]
        pick(row["model"], row["image_size"])
    else:
        pick(None, None)


def picked_point(everything: pd.DataFrame) -> pd.Series | None:
    """The point whose card is open, by the address `?model=NAME@SIZE`; None where none is."""
    asked = st.session_state.get("model", st.query_params.get("model"))
    name, _, size = (asked or "").rpartition("@")
    found = everything[
        (everything["model"] == name) & (everything["image_size"].astype(str) == size)
    ]
    if found.empty:
        st.query_params.pop("model", None)
        return None
    st.query_params["model"] = asked
    return found.iloc[0]


def chart_controls() -> tuple[str | None, bool]:
    """Draw what stands against time, and the trend lines; return the cost, and whether to draw."""
    with st.container(horizontal=True, vertical_alignment="center", key="chart_controls"):
        st.markdown("Time against", width="content")
        against = st.radio(
            "Against time",
            list(charts.AGAINST),
            horizontal=True,
            key="against",
            bind="query-params",
            label_visibility="collapsed",
            width="content",
        )
        cost = charts.AGAINST[against]
        trends = st.toggle(
            "Trend lines",
            key="trends",
            bind="query-params",
            disabled=cost is not None,
            help="For each family the straight line that fits its models best: least squares of "
            "top-1 on the logarithm of time. Grey families' lines appear when you point at them.",
        )
    return cost, trends and cost is None


@dataclass(frozen=True, slots=True)
class Drawn:
    """The chart as it was drawn: for downloads, and what is brushed of it."""

    spec: dict[str, object]
    rows: pd.DataFrame
    brush: dict[str, list[float]]


def draw_chart(
    everything: pd.DataFrame,
    left: filtering.Filtered,
    beside_everything: pd.DataFrame | None,
    beside: pd.DataFrame | None,
    picked: pd.Series | None,
    *,
    cost: str | None,
    trends: bool,
) -> Drawn:
    """Draw the chart of one selection."""
    drawn_sets = [frame for frame in (everything, beside_everything) if frame is not None]
    if not chosen.test_models:
        drawn_sets = [without_test_models(frame) for frame in drawn_sets]
    axes = charts.domains(drawn_sets, cost)
    colours = tuple(charts.colours(chosen.families or (PICKED if chosen.view else ())))
    rows = charts.drawn(
        filtering.one_a_point(left.points, chosen),
        colour_domain=colours,
        axes=axes,
        frontier=filtering.one_a_point(left.frontier, chosen),
        lines=left.lines,
        trends=(
            fitted(most_accurate_weights(left.affordable, in_each_family=True)) if trends else None
        ),
        search=chosen.search,
        picked=None if picked is None else (picked["model"], picked["image_size"]),
        beside=None if beside is None else filtering.one_a_point(beside, chosen),
        names=tuple(sets["label"].get(run or "", "") for run in (chosen.run, chosen.beside)),
        label_all=chosen.best_by is not None,
        cost=cost,
    )
    dataset = selection.DATASET_NAMES[chosen.dataset]
    spec = specification(chosen.measure, axes, colours, dataset, cost)
    # A fresh key is a fresh chart, which is the only way to take a brush away from here.
    key = f"{cost or 'accuracy'}_against_speed_{st.session_state.get('fresh_chart', 0)}"
    state = st.vega_lite_chart(
        rows,
        spec,
        key=key,
        on_select=partial(pick_from_chart, key),
        # Streamlit forgets a zoom at the next change of data, unless it is told of it.
        selection_mode=["brush", "pick", "zoom"],
        alt=ALT if cost is None else COST_ALT,
    )
    return Drawn(spec, rows, state.selection.get("brush") or {})


def fresh_chart() -> None:
    """Callback: all models again."""
    st.session_state["fresh_chart"] = st.session_state.get("fresh_chart", 0) + 1


def legend_words(rows: pd.DataFrame, beside: pd.DataFrame | None) -> str:
    """What the marks mean that are not in the chart's legend, as far as they are drawn."""
    text = ""
    if beside is not None and chosen.beside is not None:
        label = words.escaped(sets.loc[chosen.beside, "label"])
        text += f" Diamonds are {label}: {words.counted(beside['model'].nunique(), 'model')}."
    if rows["flagged"].any():
        text += " Hollow: flagged."
    if rows["estimated"].any():
        text += " Hollow and dashed: estimated from the others, with a 90 % interval."
    if (rows["shown"] & rows["low"].notna() & ~rows["estimated"]).any():
        text += " Thin lines: 95 % intervals."
    return text


def with_or_without_estimates(points: pd.DataFrame) -> pd.DataFrame:
    """The points, less the estimated ones where the reader wants to see what was measured alone."""
    if not points["estimated"].any():
        reason = data.why_no_estimates()
        if reason is not None and sets.loc[chosen.run, "source"] == "measured":
            st.caption(words.escaped(reason))
        return points
    keep = st.toggle(
        f"Estimate the {words.counted(int(points['estimated'].sum()), 'speed')} not measured here",
        value=True,
        key="estimates",
        bind="query-params",
        help="From the models measured in this results set and from what other devices make of "
        "all of them: see Method.",
    )
    return points if keep else ranked(points[~points["estimated"]])


def draw_table(
    points: pd.DataFrame, brush: dict[str, list[float]], cost: str | None
) -> pd.DataFrame:
    """Draw the table with what leads to it; return its points."""
    column = cost or "top1_percent"
    inside = filtering.brushed(
        points, brush, {"seconds": "seconds_per_image", "cost" if cost else "top1": column}
    )
    with st.container(horizontal=True, vertical_alignment="center", key="table_controls"):
        st.markdown("Rank by", width="content")
        rank = st.radio(
            "Rank by",
            list(RANKS),
            horizontal=True,
            key="rank",
            bind="query-params",
            label_visibility="collapsed",
            width="content",
        )
        if brush:
            of_all = words.counted(points["model"].nunique(), "model")
            st.markdown(f"**{inside['model'].nunique():,} of {of_all}, brushed**", width="content")
            st.button("Show all", on_click=fresh_chart, type="tertiary", icon=":material/deselect:")
    rows = table(inside, rank)
    st.dataframe(
        rows,
        column_config=COLUMNS,
        hide_index=True,
        width="stretch",
        height=420,
        key="table",
        on_select=lambda: pick_from_table(rows),
        selection_mode="single-row",
    )
    return inside


def board() -> None:
    """The sentence, the chart and the table; redrawn by itself while a run in it measures."""
    try:
        everything = data.points_of(files, chosen.run, chosen.measure, chosen.dataset)
        beside_everything = beside_points(chosen)
    except BenchError as error:
        st.error(f"{words.escaped(str(error))}.", icon=":material/error:")
        return
    if everything.empty:
        st.info(
            "No model of this results set has a published accuracy at the image size that was "
            "measured, so there is nothing to set its speed against. Its Parquet holds the speeds.",
            icon=":material/inbox:",
        )
        return
    everything = with_or_without_estimates(everything)
    left = filtering.apply(everything, chosen)
    if left.emptied_by is not None:
        st.info(
            f"No model is left: **{left.emptied_by}** filters out the last one. Widen it, or press "
            "**Reset** in the sidebar.",
            icon=":material/filter_alt_off:",
        )
        return
    said = st.empty()
    cost, trends = chart_controls()
    if cost is not None and left.points[cost].isna().all():
        st.info(
            f"Nothing is known of these models' {cost.replace('_', '-')}.",
            icon=":material/inbox:",
        )
        return
    said.markdown(what_it_says(left.points, cost))
    beside = None
    if beside_everything is not None:
        beside = filtering.apply(beside_everything, chosen).points
    picked = picked_point(everything)
    drawn = draw_chart(
        everything, left, beside_everything, beside, picked, cost=cost, trends=trends
    )
    st.caption(
        f"{words.counted(left.points['model'].nunique(), 'model')}."
        f"{legend_words(drawn.rows, beside)} {FRONTIER if cost is None else ''}{HOW_TO_USE}"
    )
    if picked is not None:
        card(picked, everything, sets.loc[chosen.run])
    inside = draw_table(left.points, drawn.brush, cost)
    downloads.buttons(drawn.spec, drawn.rows, inside, f"{chosen.run}-{chosen.measure}")
    if beside is not None:
        with st.expander("The set laid beside, as a table"):
            st.dataframe(
                table(beside), column_config=COLUMNS, hide_index=True, width="stretch", key="other"
            )


def what_it_says(shown: pd.DataFrame, cost: str | None) -> str:
    """The sentence above the chart, as Markdown."""
    if cost is None:
        return sentence(shown, sets.loc[chosen.run], chosen)
    one = filtering.one_a_point(shown, chosen)
    found = proxy(one[cost], one["seconds_per_image"])
    return proxy_sentence(found, cost, sets.loc[chosen.run], chosen)


measuring = any(data.is_live(run) for run in (chosen.run, chosen.beside) if run)
st.fragment(board, run_every=1.0 if measuring else None)()
