"""The sidebar's controls <-> the URL -> a frozen Selection, and what it leaves of a results set."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from bench import licences
from bench.results import reference_run, snapshot_for
from pages.ui import data, words
from pages.ui.views import VIEWS, View

MEASURE_NAMES = {"throughput": "Inference", "latency": "Latency", "training": "Training"}
BEST_NAMES = {"trade-off": "Trade-off", "accurate": "Accurate", "fastest": "Fastest"}
SHOW_ALL, SHOW_BEST = "All models", "Best of each family"
NOTHING_BESIDE = "Nothing"
DATASET_NAMES = {
    "imagenet-1k": "ImageNet-1k",
    "imagenet-real": "ImageNet-ReaL",
    "imagenet-v2": "ImageNet-V2",
    "imagenet-sketch": "ImageNet-Sketch",
    "imagenet-a": "ImageNet-A",
    "imagenet-r": "ImageNet-R",
    "imagenet-a-clean": "ImageNet-A, clean twin",
    "imagenet-r-clean": "ImageNet-R, clean twin",
}
# Each control's key is its name in the URL; these are the values that Reset puts back.
DEFAULTS: dict[str, Any] = {
    "show": SHOW_ALL,
    "by": BEST_NAMES["trade-off"],
    "search": "",
    "max_ms": None,
    "min_top1": None,
    "families": [],
    "sizes": [],
    "pretraining": [],
    "commercial_use": [],
    "max_params": None,
    "test_models": False,
    "view": None,
    "beside": NOTHING_BESIDE,
    "dataset": next(iter(DATASET_NAMES)),
    "model": None,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What the reader asked to see."""

    run: str
    measure: str
    beside: str | None
    dataset: str
    best_by: str | None
    search: str
    max_s: float | None
    min_top1_percent: float | None
    families: tuple[str, ...]
    image_sizes: tuple[int, ...]
    pretraining: tuple[str, ...]
    commercial_use: tuple[str, ...]
    max_parameters: float | None
    test_models: bool
    view: View | None


def default_run(sets: pd.DataFrame, view: View | None) -> str:
    """The results set that opens first: the saved view's, where one is chosen."""
    if view is not None and view.run in sets.index:
        return view.run
    return reference_run(sets)


def reset(sets: pd.DataFrame, view: View | None = None) -> None:
    """Every control as a first visitor finds it, or as a saved view wants it.

    A control that has its default value leaves the URL by itself.
    """
    run = default_run(sets, view)
    present = [MEASURE_NAMES[measure] for measure in sets.loc[run]["measures"]]
    st.session_state.update(
        DEFAULTS,
        set=run,
        measure=_default_measure(present, view),
        view=None if view is None else view.name,
    )


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
    if by_id:
        # A control takes its value from the URL as the script starts.
        st.rerun()


def sidebar(sets: pd.DataFrame, files: data.Files, view: View | None) -> Selection:
    """Draw the controls and return what they say.

    Args:
        sets: data.sets, not empty.
        files: the speed and accuracy files.
        view: the saved view that is chosen; it gives the defaults.
    """
    _accept_run_ids(sets)
    ids = [str(run) for run in sets.index]
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
        run = st.selectbox(
            "Results set",
            ids,
            index=ids.index(default_run(sets, view)),
            format_func=label.__getitem__,
            key="set",
            bind="query-params",
            help="One device with one precision, memory layout and software.",
        )
        st.caption(_particulars(sets.loc[run]))
        measures = [MEASURE_NAMES[measure] for measure in sets.loc[run]["measures"]]
        measure = st.segmented_control(
            "Measure",
            measures,
            default=_default_measure(measures, view),
            required=True,
            key="measure",
            bind="query-params",
            help="Inference: large batches, as fast as the device goes. Latency: one image at a "
            "time. Training: forward, backward and optimiser step.",
        )
        show = st.segmented_control(
            "Show",
            [SHOW_ALL, SHOW_BEST],
            default=SHOW_ALL,
            required=True,
            key="show",
            bind="query-params",
        )
        best_by = None
        if show == SHOW_BEST:
            best_by = st.segmented_control(
                "Best by",
                list(BEST_NAMES.values()),
                default=BEST_NAMES["trade-off"],
                required=True,
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
        max_ms = slow.number_input(
            "Slowest (ms)",
            min_value=0.0,
            value=None,
            step=None,
            format="%g",
            key="max_ms",
            bind="query-params",
            placeholder="any",
            help="Milliseconds an image.",
        )
        min_top1 = low.number_input(
            "Top-1 from (%)",
            min_value=0.0,
            max_value=100.0,
            value=None,
            step=None,
            format="%g",
            key="min_top1",
            bind="query-params",
            placeholder="any",
        )
        more = _more(sets, run, files, label)
    return Selection(
        run=run,
        measure=_key_of(MEASURE_NAMES, measure or measures[0]),
        best_by=_key_of(BEST_NAMES, best_by) if best_by else None,
        search=search or "",
        max_s=max_ms / 1e3 if max_ms else None,
        min_top1_percent=min_top1,
        view=view,
        **more,
    )


def _default_measure(present: list[str], view: View | None) -> str:
    wanted = MEASURE_NAMES[view.measure] if view else ""
    return wanted if wanted in present else present[0]


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


def _more(sets: pd.DataFrame, run: str, files: data.Files, label: dict[str, str]) -> dict[str, Any]:
    """The expander's controls, as fields of Selection."""
    by_snapshot = data.datasets(files.accuracy)
    this = sets.loc[run]
    torch = str(this["torch"]) if pd.notna(this["torch"]) else None
    snapshot = snapshot_for(torch, sorted(by_snapshot))
    datasets = [d for d in DATASET_NAMES if d in by_snapshot.get(snapshot or "", [])]
    with st.expander("More", icon=":material/tune:"):
        beside = st.selectbox(
            "Lay beside it",
            [NOTHING_BESIDE, *(other for other in sets.index if other != run)],
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
        frame = data.points_of(files, run, next(iter(this["measures"])), dataset)
        families = st.multiselect(
            "Families",
            sorted(frame["family"].unique()),
            key="families",
            bind="query-params",
            placeholder="all",
            help="Shows these alone; the first four beyond the eight coloured ones get a colour.",
        )
        sizes = st.multiselect(
            "Image sizes (pixels)",
            sorted(frame["image_size"].unique()),
            key="sizes",
            bind="query-params",
            placeholder="all",
        )
        pretraining = st.multiselect(
            "Pretraining data",
            [*sorted(frame["pretraining"].dropna().unique()), words.UNKNOWN],
            key="pretraining",
            bind="query-params",
            placeholder="all",
            help="As far as the weights' names say.",
        )
        commercial_use = st.multiselect(
            "Commercial use",
            licences.READINGS,
            key="commercial_use",
            bind="query-params",
            placeholder="all",
            help="What the licence that timm states for the weights says; no legal advice. "
            "Unknown: none stated, or a name of 2022, which does not say which weights it was.",
        )
        max_parameters = st.number_input(
            "Most parameters (millions)",
            min_value=0.0,
            value=None,
            format="%g",
            key="max_params",
            bind="query-params",
            placeholder="any",
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
        "max_parameters": max_parameters * 1e6 if max_parameters else None,
        "test_models": test_models,
    }


def _key_of(names: dict[str, str], shown: str) -> str:
    return next(key for key, name in names.items() if name == shown)


def saved_views(sets: pd.DataFrame) -> View | None:
    """Draw the saved views and return the one that is chosen."""
    name = st.pills(
        "Saved views",
        list(VIEWS),
        key="view",
        bind="query-params",
        on_change=_choose_view,
        args=(sets,),
        label_visibility="collapsed",
    )
    return VIEWS.get(name or "")


def _choose_view(sets: pd.DataFrame) -> None:
    """A view begins from a clean sheet: its results set, its measure, no filter."""
    reset(sets, VIEWS.get(st.session_state.get("view") or ""))
