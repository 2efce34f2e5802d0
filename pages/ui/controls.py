"""The Models page's sidebar: controls <-> the URL -> a frozen Selection."""

from collections.abc import Sequence
from typing import Any, TypeVar

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from bench import licences
from bench.results import snapshot_for
from pages.ui import data, menus, words
from pages.ui.selection import (
    BEST_NAMES,
    DATASET_NAMES,
    MEASURE_NAMES,
    NO_VIEW,
    NOTHING_BESIDE,
    SHOW_ALL,
    SHOW_BEST,
    Selection,
    default_measure,
    default_run,
    holding,
    key_of,
    measures_of,
    reset,
)
from pages.ui.views import VIEWS, View

Option = TypeVar("Option")


def _accept_run_ids(sets: pd.DataFrame) -> None:
    """Links may name a results set by its id as well as by its label; a wrong one is said.

    A run that this session started is laid beside what is shown as soon as it has a figure.
    """
    if st.session_state.get("lay_beside") in sets.index:
        st.session_state["beside"] = st.session_state.pop("lay_beside")
    by_id = False
    for key in ("set", "beside"):
        asked = st.query_params.get(key)
        if asked is None or asked in set(sets["label"]) or asked == NOTHING_BESIDE:
            continue
        if asked in sets.index:
            st.query_params[key] = str(sets.loc[asked]["label"])
            by_id = True
        else:
            st.warning(
                f"The link names a results set that is not here: {words.escaped(asked)}. "
                "Another one is shown.",
                icon=":material/link_off:",
            )
    if by_id or _agree_on_measure(sets):
        # A control takes its value from the URL as the script starts.
        st.rerun()


def _agree_on_measure(sets: pd.DataFrame) -> bool:
    """Whether a link's measure and results set had to be changed to go together.

    A link that names the set keeps it; one that names only the measure gets a set that holds it.
    """
    named = st.query_params.get("measure")
    if "measure" in st.session_state or named not in measures_of(sets):
        return False
    measure = key_of(MEASURE_NAMES, named)
    asked = st.query_params.get("set")
    runs = sets.index[sets["label"] == asked]
    if len(runs) and measure not in sets.loc[runs[0]]["measures"]:
        st.query_params["measure"] = default_measure(sets.loc[runs[0]], None)
        return True
    view = VIEWS.get(st.query_params.get("view", ""))
    if not len(runs) and measure not in sets.loc[default_run(sets, view)]["measures"]:
        st.query_params["set"] = str(sets.loc[holding(sets, measure), "label"])
        return True
    return False


def _follow_set(sets: pd.DataFrame) -> None:
    """Callback: another results set was chosen; where it lacks the measure, take what it has."""
    st.session_state.pop("moved", None)
    chosen = sets.loc[st.session_state["set"]]
    if key_of(MEASURE_NAMES, st.session_state["measure"]) not in chosen["measures"]:
        st.session_state["measure"] = default_measure(chosen, None)


def _follow_measure(sets: pd.DataFrame) -> None:
    """Callback: another measure was chosen; where the results set lacks it, go to one that has."""
    st.session_state.pop("moved", None)
    name, run = st.session_state["measure"], st.session_state["set"]
    measure, before = key_of(MEASURE_NAMES, name), sets.loc[run]
    if measure not in before["measures"]:
        st.session_state["set"] = holding(sets, measure, like=str(before["device"]))
        st.session_state["moved"] = f"{before['label']} holds no {name.lower()}; this set does."


def sidebar(sets: pd.DataFrame, files: data.Files, view: View | None) -> Selection:
    """Draw the controls and return what they say.

    Args:
        sets: data.sets, not empty.
        files: the speed and accuracy files.
        view: the saved view that is chosen; it gives the defaults.
    """
    _accept_run_ids(sets)
    label = {str(run): str(name) for run, name in sets["label"].items()}
    with st.sidebar:
        head, button = st.columns([2, 1], vertical_alignment="center")
        head.markdown("**What to compare**")
        button.button(
            "Reset",
            on_click=reset,
            args=(sets,),
            type="tertiary",
            icon=":material/restart_alt:",
        )
        wanted = menus.find(sets)
        first = default_run(sets, view)
        ids = menus.offered(sets, wanted, key="set", default=first)
        run = st.selectbox(
            "Results set",
            ids,
            index=ids.index(first),
            format_func=label.__getitem__,
            key="set",
            bind="query-params",
            on_change=_follow_set,
            args=(sets,),
            help="One device with one precision, memory layout and software.",
        )
        if "moved" in st.session_state:
            st.caption(f":material/swap_horiz: {words.escaped(st.session_state['moved'])}")
        st.caption(_particulars(sets.loc[run]))
        measures = measures_of(sets)
        measure = st.radio(
            "Measure",
            measures,
            index=measures.index(default_measure(sets.loc[run], view)),
            horizontal=True,
            key="measure",
            bind="query-params",
            on_change=_follow_measure,
            args=(sets,),
            help="Inference: large batches, as fast as the device goes. Latency: one image at a "
            "time. Training: forward, backward and optimiser step. A measure that the results set "
            "lacks leads to a set that has it.",
        )
        show = st.radio(
            "Show",
            [SHOW_ALL, SHOW_BEST],
            horizontal=True,
            key="show",
            bind="query-params",
        )
        best_by = None
        if show == SHOW_BEST:
            best_by = st.radio(
                "Best by",
                list(BEST_NAMES.values()),
                horizontal=True,
                key="by",
                bind="query-params",
                help="Trade-off: the model with the greatest lead, its top-1 minus the best "
                "top-1 among other families' models at least as fast.",
            )
        search = st.text_input(
            "Search",
            key="search",
            bind="query-params",
            placeholder="part of a model's name",
            help="What matches is ringed and labelled; nothing is hidden.",
            icon=":material/search:",
        )
        slow, low = st.columns(2)
        max_ms = _limit(slow, "Slowest (ms)", key="max_ms", note="Milliseconds an image.")
        min_top1 = _limit(low, "Top-1 from (%)", key="min_top1", highest=100.0)
        max_parameters = _limit(slow, "Parameters to (M)", key="max_params", note="Millions.")
        more = _more(sets, run, files, label, wanted)
    return Selection(
        run=run,
        measure=key_of(MEASURE_NAMES, measure),
        best_by=key_of(BEST_NAMES, best_by) if best_by else None,
        search=search or "",
        max_s=max_ms / 1e3 if max_ms else None,
        min_top1_percent=min_top1,
        max_parameters=max_parameters * 1e6 if max_parameters else None,
        view=view,
        **more,
    )


def _limit(
    place: DeltaGenerator,
    label: str,
    *,
    key: str,
    highest: float | None = None,
    note: str | None = None,
) -> float | None:
    """A field for a number from 0 on; None while it is empty, which limits nothing."""
    return place.number_input(
        label,
        min_value=0.0,
        max_value=highest,
        value=None,
        format="%g",
        key=key,
        bind="query-params",
        placeholder="any",
        help=note,
    )


def _some_of(
    label: str, options: Sequence[Option], *, key: str, note: str | None = None
) -> list[Option]:
    """A menu of which any number may be chosen; none of them is all."""
    return st.multiselect(
        label, options, key=key, bind="query-params", placeholder="all", help=note
    )


def _particulars(results_set: Any) -> str:
    """What the menu has no room for: software, number of figures, source."""
    software = [
        f"{name} {results_set[column]}"
        for name, column in (("PyTorch", "torch"), ("CUDA", "cuda"), ("timm", "timm"))
        if pd.notna(results_set[column])
    ]
    figures = words.counted(sum(results_set["measures"].values()), "speed")
    if results_set["failures"]:
        figures += f", {words.counted(int(results_set['failures']), 'failure')}"
    parts = [
        str(results_set["device"]),
        f"{results_set['precision']}, {results_set['layout']}, {results_set['compiled']}",
        ", ".join(software),
        figures,
    ]
    return words.escaped(" · ".join(part for part in parts if part))


def _more(
    sets: pd.DataFrame, run: str, files: data.Files, label: dict[str, str], wanted: str
) -> dict[str, Any]:
    """The expander's controls, as fields of Selection."""
    by_snapshot = data.datasets(files.accuracy)
    this = sets.loc[run]
    torch = str(this["torch"]) if pd.notna(this["torch"]) else None
    snapshot = snapshot_for(torch, sorted(by_snapshot))
    datasets = [d for d in DATASET_NAMES if d in by_snapshot.get(snapshot or "", [])]
    others = menus.offered(sets, wanted, key="beside")
    with st.expander("More", icon=":material/tune:"):
        beside = st.selectbox(
            "Lay beside it",
            [NOTHING_BESIDE, *(other for other in others if other != run)],
            format_func=lambda other: label.get(other, other),
            key="beside",
            bind="query-params",
            help="A second results set on the same chart, as diamonds.",
        )
        dataset = st.selectbox(
            "Accuracy on",
            datasets,
            format_func=lambda name: DATASET_NAMES.get(name, name),
            key="dataset",
            bind="query-params",
        )
        there = data.options_of(files, run, next(iter(this["measures"])), dataset)
        families = _some_of(
            "Families",
            there.families,
            key="families",
            note="Shows these alone; the first four beyond the eight coloured ones get a colour.",
        )
        sizes = _some_of("Image sizes (pixels)", there.image_sizes, key="sizes")
        pretraining = _some_of(
            "Pretraining data",
            [*there.pretraining, words.UNKNOWN],
            key="pretraining",
            note="As far as the weights' names say.",
        )
        commercial_use = _some_of(
            "Commercial use",
            licences.READINGS,
            key="commercial_use",
            note="What the licence that timm states for the weights says; no legal advice. "
            "Unknown: none stated, or a name of 2022, which does not say which weights it was.",
        )
        test_models = st.toggle(
            "timm's test models",
            key="test_models",
            bind="query-params",
            help="Tiny models that timm made for its own tests (`test_*`); nobody's choice.",
        )
    return {
        "beside": None if beside == NOTHING_BESIDE else beside,
        "dataset": dataset,
        "families": tuple(families),
        "image_sizes": tuple(int(size) for size in sizes),
        "pretraining": tuple(pretraining),
        "commercial_use": tuple(commercial_use),
        "test_models": test_models,
    }


def saved_views(sets: pd.DataFrame, place: DeltaGenerator) -> View | None:
    """Draw the saved views into a place of the page and return the one that is chosen."""
    name = place.selectbox(
        "Saved view",
        [NO_VIEW, *VIEWS],
        format_func=lambda view: "No saved view" if view == NO_VIEW else view,
        key="view",
        bind="query-params",
        on_change=_choose_view,
        args=(sets,),
        label_visibility="collapsed",
        width=230,
    )
    return VIEWS.get(name)


def _choose_view(sets: pd.DataFrame) -> None:
    """A view begins from a clean sheet: its results set, its measure, no filter."""
    reset(sets, VIEWS.get(st.session_state["view"]))
