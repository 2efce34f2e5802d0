"""What a reader of the Models page asked to see, and where a first visitor begins."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from bench.results import reference_run
from pages.ui.views import View

MEASURE_NAMES = {"throughput": "Inference", "latency": "Latency", "training": "Training"}
BEST_NAMES = {"trade-off": "Trade-off", "accurate": "Accurate", "fastest": "Fastest"}
SHOW_ALL, SHOW_BEST = "All models", "Best of each family"
NOTHING_BESIDE = "Nothing"
NO_VIEW = "None"
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
    "against": "Accuracy",
    "trends": False,
    "estimates": True,
    "rank": "Accuracy",
    "view": NO_VIEW,
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


def fresh_chart() -> None:
    """A chart without zoom, brush and pick: only another key takes them away from here."""
    st.session_state["fresh_chart"] = st.session_state.get("fresh_chart", 0) + 1


def reset(sets: pd.DataFrame, view: View | None = None) -> None:
    """Every control as a first visitor finds it, or as a saved view wants it.

    A control that has its default value leaves the URL by itself. The chart is drawn afresh.
    """
    fresh_chart()
    run = default_run(sets, view)
    st.session_state.pop("moved", None)
    st.session_state.update(
        DEFAULTS,
        set=run,
        measure=default_measure(sets.loc[run], view),
        view=NO_VIEW if view is None else view.name,
    )


def key_of(names: dict[str, str], shown: str) -> str:
    """The key whose name is shown: `throughput` for `Inference`."""
    return next(key for key, name in names.items() if name == shown)


def measures_of(sets: pd.DataFrame) -> list[str]:
    """The names of every measure that some results set holds."""
    present = {measure for measures in sets["measures"] for measure in measures}
    return [name for measure, name in MEASURE_NAMES.items() if measure in present]


def default_measure(results_set: Any, view: View | None) -> str:
    """The name of the saved view's measure where the results set holds it, else of its first."""
    measures = results_set["measures"]
    return MEASURE_NAMES[
        view.measure if view and view.measure in measures else next(iter(measures))
    ]


def holding(sets: pd.DataFrame, measure: str, *, like: str = "") -> str:
    """The results set with the most speeds of a measure, of the same device where one has any.

    Args:
        sets: data.sets; one of them holds the measure.
        measure: throughput, latency or training.
        like: the device to keep to.
    """
    rows = sets["measures"].map(lambda measures: measures.get(measure, 0))
    same = rows.where(sets["device"] == like, 0)
    return str((same if same.any() else rows).idxmax())
