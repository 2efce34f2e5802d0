"""Accuracy against speed: the sentence, the chart and the table of one results set."""

from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from bench.errors import BenchError
from pages.ui import (
    board,
    charts,
    controls,
    data,
    downloads,
    notices,
    selection,
    speed_charts,
    turns,
    words,
)
from pages.ui.board import Shown
from pages.ui.card import card
from pages.ui.entrance import through_app
from pages.ui.evidence import Evidence, evidence
from pages.ui.table import COLUMNS, RANKS

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

head = st.container(horizontal=True, vertical_alignment="center", key="saved_views")
head.header("Which image model should I use?", anchor=False)

notices.guard(files, sets)

chosen = controls.sidebar(sets, files, controls.saved_views(sets, head))


@st.cache_data(max_entries=64, show_spinner=False)
def specification(measure: str, dataset: str, cost: str | None) -> dict[str, Any]:
    """The chart's specification for any axes and colours: Altair builds it once."""
    ends = (1.0, 2.0)
    axes = charts.Domains(ends, ends, ends if cost else None)
    chart = (
        speed_charts.accuracy_against_speed(measure, axes, (), dataset)
        if cost is None
        else speed_charts.cost_against_speed(measure, axes, (), cost)
    )
    spec: dict[str, Any] = chart.to_dict(validate=False)  # tests validate it; here it takes long
    spec.pop("data", None)
    return spec


def pick(model: str | None, image_size: int | None) -> None:
    """Open the card of these weights, or close it; the address says which is open."""
    st.session_state["model"] = None if model is None else f"{model}@{image_size}"


def close() -> None:
    """Callback: the card's own button. The bubble it came from can be clicked again."""
    pick(None, None)
    st.session_state["closed"] = st.session_state.get("closed", 0) + 1


def pick_from_chart(key: str) -> None:
    """Callback: a bubble was clicked, or the empty plot; or the chart was zoomed or brushed."""
    drawn, before = st.session_state["picked_in_chart"]
    if key != drawn:  # the last words of a chart that is gone
        return
    found = st.session_state[key].selection.get("pick") or [{}]
    picked = tuple(found[0].get(field) for field in ("model", "image_size", "closed"))
    if picked != before:
        st.session_state["picked_in_chart"] = key, picked
        pick(*picked[:2])


def pick_from_table(rows: pa.Table) -> None:
    """Callback: a row was ticked or unticked."""
    chosen_rows = st.session_state["table"].selection.rows
    if chosen_rows:
        row = chosen_rows[0]
        pick(rows["model"][row].as_py(), rows["image_size"][row].as_py())
    else:
        pick(None, None)


def picked_point(shown: Shown) -> pd.Series | None:
    """The point whose card is open, by the address `?model=NAME@SIZE`; None where none is."""
    asked = st.session_state.get("model", st.query_params.get("model"))
    if not asked:
        st.query_params.pop("model", None)
        return None
    name, _, size = asked.rpartition("@")
    points = shown.everything
    found = points[(points["model"] == name) & (points["image_size"].astype(str) == size)]
    if found.empty:
        st.query_params.pop("model", None)
        return None
    st.query_params["model"] = asked
    return found.iloc[0]


def behind(shown: Shown, point: pd.Series) -> Evidence:
    """What stands behind a point's figures; nothing while its run measures."""
    if not data.is_published(shown.chosen.run):
        return Evidence()
    return evidence(
        files,
        shown.chosen.run,
        shown.chosen.measure,
        shown.chosen.dataset,
        speed_model=None if point["estimated"] else point["speed_model"],
        image_size=int(point["image_size"]),
    )


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


def draw_chart(
    drawn: board.Chart, spec: dict[str, object], cost: str | None
) -> dict[str, list[float]]:
    """Draw the chart of one selection; return what is brushed of it."""
    key = f"{cost or 'accuracy'}_against_speed_{st.session_state.get('fresh_chart', 0)}"
    if key not in st.session_state or key != st.session_state["picked_in_chart"][0]:
        st.session_state["picked_in_chart"] = key, (None, None, None)  # it is new
    closed = pa.array([st.session_state.get("closed", 0)] * len(drawn.rows), pa.int32())
    state = st.vega_lite_chart(
        drawn.rows.append_column("closed", closed.dictionary_encode()),
        spec,
        key=key,
        on_select=partial(pick_from_chart, key),
        # Streamlit forgets a zoom at the next change of data, unless it is told of it.
        selection_mode=["brush", "pick", "zoom"],
        alt=ALT if cost is None else COST_ALT,
    )
    return state.selection.get("brush") or {}


def legend_words(drawn: board.Chart, there: board.Head) -> str:
    """What the marks mean that are not in the chart's legend, as far as they are drawn."""
    text = ""
    if there.beside_models is not None and chosen.beside is not None:
        label = words.escaped(sets.loc[chosen.beside, "label"])
        text += f" Diamonds are {label}: {words.counted(there.beside_models, 'model')}."
        if not there.beside_models:
            text += " No model of it passes the filters."
    if drawn.has_flagged:
        text += " Hollow: flagged."
    if drawn.has_estimated:
        text += " Hollow and dashed: estimated from the others, with a 90 % interval."
    if drawn.has_intervals:
        text += " Thin lines: 95 % intervals."
    return text


def with_estimates(estimated: int) -> bool:
    """Draw the choice whether to show what was estimated, where anything was."""
    if not estimated:
        reason = data.why_no_estimates()
        if reason is not None and sets.loc[chosen.run, "source"] == "measured":
            st.caption(words.escaped(reason))
        return True
    keep: bool = st.toggle(
        f"Estimate the {words.counted(estimated, 'speed')} not measured here",
        value=True,
        key="estimates",
        bind="query-params",
        help="From the models measured in this results set and from what other devices make of "
        "all of them: see Method.",
    )
    return keep


def draw_table(shown: Shown, brush: dict[str, list[float]], cost: str | None, models: int) -> None:
    """Draw the table with what leads to it.

    Args:
        shown: the selection.
        brush: see `draw_chart`.
        cost: what stands against time instead of accuracy.
        models: how many there are without the brush.
    """
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
        rows = board.rows(shown, rank=rank, brush=brush, cost=cost)
        if brush:
            inside = len(rows["model"].unique())
            of_all = words.counted(models, "model")
            st.markdown(f"**{inside:,} of {of_all}, brushed**", width="content")
            st.button(
                "Show all",
                on_click=selection.fresh_chart,
                type="tertiary",
                icon=":material/deselect:",
            )
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


def draw() -> None:
    """The sentence, the chart and the table; redrawn by itself while a run in it measures."""
    shown = Shown(files, chosen, sets)
    if shown.beside_measure not in (None, chosen.measure):
        st.caption(
            f"The set laid beside holds no {selection.MEASURE_NAMES[chosen.measure].lower()}: "
            f"its {selection.MEASURE_NAMES[shown.beside_measure].lower()} is drawn."
        )
    try:
        found = board.found(shown)
    except BenchError as error:
        st.error(f"{words.escaped(str(error))}.", icon=":material/error:")
        return
    if not found.points:
        st.info(
            "No model of this results set has a published accuracy at the image size that was "
            "measured, so there is nothing to set its speed against. Its Parquet holds the speeds.",
            icon=":material/inbox:",
        )
        return
    shown = Shown(files, chosen, sets, estimates=with_estimates(found.estimated))
    there = board.head(shown)
    if there.emptied_by is not None:
        st.info(
            f"No model is left: **{there.emptied_by}** filters out the last one. Widen it, or "
            "press **Reset** in the sidebar.",
            icon=":material/filter_alt_off:",
        )
        return
    said = st.empty()
    cost, trends = chart_controls()
    if cost is not None and cost in there.unknown_costs:
        st.info(
            f"Nothing is known of these models' {cost.replace('_', '-')}.",
            icon=":material/inbox:",
        )
        return
    said.markdown(board.words(shown, cost))
    point = picked_point(shown)
    picked = None if point is None else (str(point["model"]), int(point["image_size"]))
    drawn = board.chart(shown, cost=cost, trends=trends, picked=picked)
    dataset = selection.DATASET_NAMES[chosen.dataset]
    spec = specification(chosen.measure, dataset, cost)
    spec = speed_charts.fitted(spec, drawn.axes, drawn.colours)
    brush = draw_chart(drawn, spec, cost)
    if point is not None:
        facts = behind(shown, point)
        card(point, shown.everything, shown.results_set, facts, pick=pick, close=close)
    st.caption(
        f"{words.counted(there.models, 'model')}."
        f"{legend_words(drawn, there)} {FRONTIER if cost is None else ''}{HOW_TO_USE}"
    )
    draw_table(shown, brush, cost, there.models)
    downloads.buttons(
        spec,
        rows=drawn.rows.to_pandas,
        points=partial(board.taken_away, shown, brush, cost),
        name=f"{chosen.run}-{chosen.measure}",
    )
    if there.beside_models is not None:
        with st.expander("The set laid beside, as a table"):
            st.dataframe(
                board.beside_rows(shown),
                column_config=COLUMNS,
                hide_index=True,
                width="stretch",
                key="other",
            )


measuring = any(data.is_live(run) for run in (chosen.run, chosen.beside) if run)
st.fragment(turns.turn()(draw), run_every=1.0 if measuring else None)()
