"""Accuracy against speed: the sentence, the chart and the table of one results set."""

import pandas as pd
import streamlit as st

from bench.errors import BenchError
from bench.points import without_test_models
from pages.ui import charts, controls, data, downloads, filtering, notices, selection, words
from pages.ui.card import card
from pages.ui.entrance import through_app
from pages.ui.selection import Selection
from pages.ui.sentence import sentence
from pages.ui.table import COLUMNS, RANKS, table
from pages.ui.views import PICKED

through_app()

ALT = (
    "Scatter chart of timm's image models: time per image on a logarithmic axis, faster to the "
    "left, against top-1 accuracy. The table below it holds the same models."
)
HOW_TO_READ = (
    "The line is the frontier: no model beats those on it on both speed and accuracy. "
    "Drag to move, Ctrl + wheel to zoom, double-click to go back, click a model "
    "for its card."
)

files = data.Files(data.speed_signature(), data.accuracy_signature())
sets = data.sets(files.speed)

st.header("Which image model should I use?", anchor=False)

notices.guard(files, sets)

chosen = controls.sidebar(sets, files, controls.saved_views(sets))


@st.cache_data(max_entries=64, show_spinner=False)
def specification(
    measure: str, axes: charts.Domains, colours: tuple[str, ...], dataset: str
) -> dict[str, object]:
    """The chart's specification: Altair builds it once, a rerun sends only rows."""
    spec = charts.accuracy_against_speed(measure, axes, colours, dataset).to_dict()
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


def pick_from_chart() -> None:
    """Callback: a bubble was clicked, or the empty plot; or the chart was only zoomed."""
    found = st.session_state["accuracy_against_speed"].selection.get("pick") or [{}]
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
    left = filtering.apply(everything, chosen)
    if left.emptied_by is not None:
        st.info(
            f"No model is left: **{left.emptied_by}** filters out the last one. Widen it, or press "
            "**Reset** in the sidebar.",
            icon=":material/filter_alt_off:",
        )
        return
    st.markdown(sentence(left.points, sets.loc[chosen.run], chosen))

    beside = None
    if beside_everything is not None:
        beside = filtering.apply(beside_everything, chosen).points
    drawn_sets = [frame for frame in (everything, beside_everything) if frame is not None]
    axes = charts.domains(
        drawn_sets if chosen.test_models else [without_test_models(one) for one in drawn_sets]
    )
    colours = tuple(charts.colours(chosen.families or (PICKED if chosen.view else ())))
    picked = picked_point(everything)
    drawn = charts.drawn(
        filtering.one_a_point(left.points, chosen),
        colour_domain=colours,
        axes=axes,
        frontier=filtering.one_a_point(left.frontier, chosen),
        search=chosen.search,
        picked=None if picked is None else (picked["model"], picked["image_size"]),
        beside=None if beside is None else filtering.one_a_point(beside, chosen),
        names=tuple(sets["label"].get(run or "", "") for run in (chosen.run, chosen.beside)),
        label_all=chosen.best_by is not None,
    )
    dataset = selection.DATASET_NAMES[chosen.dataset]
    spec = specification(chosen.measure, axes, colours, dataset)
    st.vega_lite_chart(
        drawn,
        spec,
        key="accuracy_against_speed",
        on_select=pick_from_chart,
        # Streamlit forgets a zoom at the next change of data, unless it is told of it.
        selection_mode=["pick", "zoom"],
        alt=ALT,
    )
    beside_words = ""
    if beside is not None and chosen.beside is not None:
        label = words.escaped(sets.loc[chosen.beside, "label"])
        beside_words = (
            f" Diamonds are {label}: {words.counted(beside['model'].nunique(), 'model')}."
        )
    st.caption(
        f"{words.counted(left.points['model'].nunique(), 'model')}.{beside_words} {HOW_TO_READ}"
    )

    if picked is not None:
        card(picked, everything, sets.loc[chosen.run])

    rank = st.segmented_control(
        "Rank by",
        list(RANKS),
        default=next(iter(RANKS)),
        required=True,
        key="rank",
        bind="query-params",
        help="The order of the table. Lead: top-1 minus the best top-1 among other families' "
        "models at least as fast, the best trade-offs first.",
    )
    rows = table(left.points, rank)
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
    downloads.buttons(spec, drawn, left.points, f"{chosen.run}-{chosen.measure}")
    if beside is not None:
        with st.expander("The set laid beside, as a table"):
            st.dataframe(
                table(beside), column_config=COLUMNS, hide_index=True, width="stretch", key="other"
            )


measuring = any(data.is_live(run) for run in (chosen.run, chosen.beside) if run)
st.fragment(board, run_every=1.0 if measuring else None)()
