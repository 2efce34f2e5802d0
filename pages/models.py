"""Accuracy against speed: the sentence, the chart and the table of one results set."""

import pandas as pd
import streamlit as st

from bench.errors import BenchError
from pages.ui import charts, data, selection, words
from pages.ui.selection import Selection
from pages.ui.sentence import sentence
from pages.ui.table import COLUMNS, table
from pages.ui.views import PICKED

ALT = (
    "Scatter chart of timm's image models: time per image on a logarithmic axis, faster to the "
    "left, against top-1 accuracy. The table below it holds the same models."
)

speed, accuracy = data.speed_signature(), data.accuracy_signature()
sets = data.sets(speed)

st.header("Which image model should I use?", anchor=False)

for problem in data.problems(speed, accuracy):
    st.warning(
        f"Left out {words.escaped(problem.path.name)}: {words.escaped(problem.reason)}. "
        "Every other file is shown.",
        icon=":material/warning:",
    )
if sets.empty or not data.datasets(accuracy):
    st.info(
        "There are no results to show yet. `python -m bench import FOLDER` reads timm's published "
        "CSV files; **Run benchmark** in the sidebar measures this machine.",
        icon=":material/inbox:",
    )
    st.stop()

chosen = selection.sidebar(sets, accuracy, selection.saved_views())


@st.cache_data(max_entries=64, show_spinner=False)
def specification(
    measure: str, axes: charts.Domains, colours: tuple[str, ...], dataset: str
) -> dict[str, object]:
    """The chart's specification: Altair builds it once, a rerun sends only rows."""
    spec = charts.accuracy_against_speed(measure, axes, colours, dataset).to_dict()
    spec.pop("data", None)
    return spec


def beside_points(chosen: Selection) -> pd.DataFrame | None:
    """The second results set's points under the same filters; None where there are none."""
    if chosen.beside is None:
        return None
    measure = chosen.measure
    if measure not in sets.loc[chosen.beside, "measures"]:
        measure = next(iter(sets.loc[chosen.beside, "measures"]))
        st.caption(
            f"The set beside it holds no {selection.MEASURE_NAMES[chosen.measure].lower()}: "
            f"its {selection.MEASURE_NAMES[measure].lower()} is shown."
        )
    return data.joined(speed, accuracy, chosen.beside, measure, chosen.dataset)


try:
    everything = data.joined(speed, accuracy, chosen.run, chosen.measure, chosen.dataset)
    beside_all = beside_points(chosen)
except BenchError as error:
    st.error(f"{words.escaped(str(error))}.", icon=":material/error:")
    st.stop()

left = selection.filtered(everything, chosen)
if left.emptied_by is not None:
    st.info(
        f"No model is left: **{left.emptied_by}** filters out the last one. Widen it, or press "
        "**Reset** in the sidebar.",
        icon=":material/filter_alt_off:",
    )
    st.stop()
beside = selection.filtered(beside_all, chosen).points if beside_all is not None else None

st.markdown(sentence(left.points, sets.loc[chosen.run], chosen))

visible = [frame for frame in (everything, beside_all) if frame is not None]
axes = charts.domains([selection.without_test_models(frame) for frame in visible])
picked = chosen.families or (PICKED if chosen.view else ())
colours = tuple(charts.colours(picked))
st.vega_lite_chart(
    charts.drawn(
        selection.one_a_point(left.points, chosen),
        colour_domain=colours,
        axes=axes,
        frontier=selection.one_a_point(left.frontier, chosen),
        search=chosen.search,
        beside=None if beside is None else selection.one_a_point(beside, chosen),
        label_all=chosen.best_by is not None,
    ),
    specification(chosen.measure, axes, colours, selection.DATASET_NAMES[chosen.dataset]),
    key="accuracy_against_speed",
    alt=ALT,
)
st.caption(
    f"{words.counted(len(left.points), 'weight')}. The line is the frontier: no model beats those on it "
    "on both speed and accuracy. Drag to move, Ctrl + wheel to zoom, double-click to go back."
)
st.dataframe(
    table(left.points),
    column_config=COLUMNS,
    hide_index=True,
    width="stretch",
    height=420,
    key="table",
)
