"""What a selection leaves: each filter against plain Python, and the filter that left nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selections import RUN_2022, asked

from bench.points import points
from pages.ui import filtering
from pages.ui.selection import Selection
from pages.ui.views import VIEWS

SIZES = (224, 256, 288, 384)
FAMILIES = ("resnet", "vit", "convnext", "convnext_in22", "test_vit", "mobilenetv4")
PRETRAINING = ("ImageNet-1k", "ImageNet-22k", "LAION-2B", "unknown")


@pytest.fixture(scope="module")
def some(everything: pd.DataFrame) -> pd.DataFrame:
    """Few enough for brute force; timm's test models are among them."""
    is_test = everything["model"].str.startswith("test_")
    return pd.concat([everything[~is_test].iloc[::17], everything[is_test].iloc[::2]])


def maybe(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(st.none(), values)


def some_of(values: tuple) -> st.SearchStrategy[tuple]:
    return st.lists(st.sampled_from(values), max_size=3, unique=True).map(tuple)


selections = st.builds(
    asked,
    best_by=maybe(st.sampled_from(["trade-off", "accurate", "fastest"])),
    search=st.sampled_from(["", "resnet50", "nothing has this name"]),
    max_s=maybe(st.floats(5e-5, 5e-3)),
    min_top1_percent=maybe(st.floats(60, 90)),
    families=some_of(FAMILIES),
    image_sizes=some_of(SIZES),
    pretraining=some_of(PRETRAINING),
    max_parameters=maybe(st.floats(1e6, 5e8)),
    test_models=st.booleans(),
)


def counts(row: dict, chosen: Selection) -> bool:
    """Whether a model takes part at all: it bounds others' frontier and lead, whatever it costs."""
    data = row["pretraining"] if isinstance(row["pretraining"], str) else "unknown"
    return (
        (chosen.test_models or not row["model"].startswith("test_"))
        and (not chosen.families or row["family"] in chosen.families)
        and (not chosen.image_sizes or row["image_size"] in chosen.image_sizes)
        and (not chosen.pretraining or data in chosen.pretraining)
        and (chosen.max_parameters is None or row["parameters"] <= chosen.max_parameters)
    )


def affordable(row: dict, chosen: Selection) -> bool:
    return (chosen.max_s is None or row["seconds_per_image"] <= chosen.max_s) and (
        chosen.min_top1_percent is None or row["top1_percent"] >= chosen.min_top1_percent
    )


def is_beaten(row: dict, rivals: list[dict]) -> bool:
    s, t = row["seconds_per_image"], row["top1_percent"]
    return any(
        r["seconds_per_image"] <= s
        and r["top1_percent"] >= t
        and (r["seconds_per_image"] < s or r["top1_percent"] > t)
        for r in rivals
    )


def lead(row: dict, rivals: list[dict]) -> float:
    others = [r for r in rivals if r["family"] != row["family"]]
    if not others:
        return float("nan")
    fastest = min(r["seconds_per_image"] for r in others)
    limit = max(row["seconds_per_image"], fastest)
    return row["top1_percent"] - max(
        r["top1_percent"] for r in others if r["seconds_per_image"] <= limit
    )


def keys(rows: list[dict]) -> set[tuple[str, int]]:
    return {(row["model"], row["image_size"]) for row in rows}


@given(chosen=selections)
def test_every_combination_of_filters_leaves_what_plain_python_leaves(
    some: pd.DataFrame, chosen: Selection
) -> None:
    taking_part = [row for row in some.to_dict("records") if counts(row, chosen)]
    left = filtering.apply(some, chosen)
    shown = left.points.to_dict("records")
    unbeaten = [row for row in taking_part if not is_beaten(row, taking_part)]
    assert keys(left.frontier.to_dict("records")) == keys(
        [row for row in unbeaten if affordable(row, chosen)]
    )
    assert keys([row for row in shown if row["frontier"]]) <= keys(unbeaten)
    assert keys(left.affordable.to_dict("records")) == keys(
        [row for row in taking_part if affordable(row, chosen)]
    )
    for row in left.lines.to_dict("records"):
        relatives = [r for r in taking_part if r["family"] == row["family"]]
        assert not is_beaten(row, relatives)
    assert keys(left.frontier.to_dict("records")) <= keys(left.lines.to_dict("records"))
    for row in shown:
        same = [
            r
            for r in taking_part
            if (r["architecture"], r["image_size"]) == (row["architecture"], row["image_size"])
        ]
        assert row["others"] == len(same) - 1
    np.testing.assert_allclose(
        [row["lead"] for row in shown], [lead(row, taking_part) for row in shown]
    )
    if chosen.best_by is None:
        assert keys(shown) == keys([row for row in taking_part if affordable(row, chosen)])
    else:
        families = [row["family"] for row in shown]
        assert len(families) == len(set(families))
        assert not any(row["model"].startswith("test_") for row in shown)
        for row in shown:
            rivals = [r for r in taking_part if r["family"] == row["family"]]
            rivals = [r for r in rivals if not r["model"].startswith("test_")]
            if chosen.best_by == "accurate":
                assert row["top1_percent"] == max(r["top1_percent"] for r in rivals)
            elif chosen.best_by == "fastest":
                assert row["seconds_per_image"] == min(r["seconds_per_image"] for r in rivals)
            elif not np.isnan(row["lead"]):
                best = max(lead(r, taking_part) for r in rivals)
                assert row["lead"] == pytest.approx(best)
    assert (left.emptied_by is None) == bool(shown)


@given(chosen=selections)
def test_a_search_hides_nothing(some: pd.DataFrame, chosen: Selection) -> None:
    searching = filtering.apply(some, chosen)
    fields = {name: getattr(chosen, name) for name in chosen.__slots__} | {"search": ""}
    pd.testing.assert_frame_equal(searching.points, filtering.apply(some, asked(**fields)).points)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"families": ("no such family",)}, "Families"),
        ({"image_sizes": (7,)}, "Image sizes"),
        ({"pretraining": ("nothing",)}, "Pretraining data"),
        ({"max_parameters": 1.0}, "Parameters to (M)"),
        ({"max_s": 1e-9}, "Slowest (ms)"),
        ({"min_top1_percent": 99.9}, "Top-1 from (%)"),
        ({"view": VIEWS["fastai 2022: subset"], "families": ("eva02",)}, "Families"),
        # Each leaves something; it is the last one that empties the chart.
        ({"max_s": 1e-4, "min_top1_percent": 88.0}, "Top-1 from (%)"),
        ({"image_sizes": (224,), "min_top1_percent": 99.0, "max_s": 1e-9}, "Slowest (ms)"),
        ({"families": ("resnet",), "image_sizes": (1024,)}, "Image sizes"),
        ({"families": ("no such family",), "best_by": "accurate", "max_s": 1e-9}, "Families"),
    ],
)
def test_the_filter_that_leaves_nothing_is_named(
    everything: pd.DataFrame, changes: dict, name: str
) -> None:
    left = filtering.apply(everything, asked(**changes))
    assert left.emptied_by == name
    assert left.points.empty


def test_test_models_are_named_where_nothing_else_is_there(everything: pd.DataFrame) -> None:
    only = everything[everything["model"].str.startswith("test_")]
    assert len(only)
    assert filtering.apply(only, asked()).emptied_by == "timm's test models"
    assert filtering.apply(only, asked(test_models=True)).emptied_by is None
    best = filtering.apply(only, asked(test_models=True, best_by="accurate"))
    assert best.emptied_by == "Best of each family"


def test_test_models_are_hidden_until_they_are_asked_for(everything: pd.DataFrame) -> None:
    is_test = everything["model"].str.startswith("test_")
    hidden = filtering.apply(everything, asked()).points
    assert keys(hidden.to_dict("records")) == keys(everything[~is_test].to_dict("records"))
    assert len(filtering.apply(everything, asked(test_models=True)).points) == len(everything)


def test_one_a_point_is_the_most_accurate_of_weights_that_share_a_speed(
    everything: pd.DataFrame,
) -> None:
    shown = filtering.one_a_point(filtering.apply(everything, asked()).points, asked())
    is_test = everything["model"].str.startswith("test_")
    greatest = everything[~is_test].groupby(["architecture", "image_size"])["top1_percent"].max()
    assert len(shown) == len(greatest)
    found = shown.set_index(["architecture", "image_size"])["top1_percent"].sort_index()
    pd.testing.assert_series_equal(found, greatest.sort_index())
    # Two families may have their best model at one point; both are shown.
    best = asked(best_by="accurate")
    chosen = filtering.apply(everything, best).points
    assert len(filtering.one_a_point(chosen, best)) == len(chosen)


def test_a_brush_leaves_what_lies_inside_it_whichever_way_it_was_drawn(
    everything: pd.DataFrame,
) -> None:
    fields = {"seconds": "seconds_per_image", "top1": "top1_percent"}
    for seconds, top1 in (([1e-4, 2e-4], [80.0, 84.0]), ([2e-4, 1e-4], [84.0, 80.0])):
        inside = filtering.brushed(everything, {"seconds": seconds, "top1": top1}, fields)
        expected = [
            row
            for row in everything.to_dict("records")
            if 1e-4 <= row["seconds_per_image"] <= 2e-4 and 80 <= row["top1_percent"] <= 84
        ]
        assert keys(inside.to_dict("records")) == keys(expected)
        assert 0 < len(inside) < len(everything)
    assert filtering.brushed(everything, {}, fields) is everything
    cost = {"seconds": "seconds_per_image", "cost": "multiply_adds"}
    inside = filtering.brushed(everything, {"seconds": [0, 1], "cost": [4e9, 5e9]}, cost)
    assert inside["multiply_adds"].between(4e9, 5e9).all()
    assert len(inside) > 50


def test_a_saved_view_decides_which_models_count(
    speed: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    frame = points(speed, accuracy, run=RUN_2022, measure="throughput")
    view = VIEWS["fastai 2022: subset"]
    left = filtering.apply(frame, asked(run=RUN_2022, view=view))
    assert len(left.points) == 61
    rows = left.points.to_dict("records")
    assert keys(left.frontier.to_dict("records")) == keys(
        [row for row in rows if not is_beaten(row, rows)]
    )
