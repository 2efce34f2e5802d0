"""The table behind every chart, held against brute force and against the notebook's own recipe."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import InvalidRequest
from bench.points import (
    best_of_each_family,
    frontier,
    leads,
    most_accurate_weights,
    points,
    ranked,
    within_budget,
    without_test_models,
)

RUN_2022 = "2022-07-timm-rtx3090-amp-fp16-nhwc-pt1.11-cu11.3"
RUN_5090 = "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"
SUBSET = "levit|resnetd?|regnetx|vgg|convnext.*|efficientnetv2|beit"

few = st.sampled_from([1.0, 2.0, 3.0, 4.0])
rows = st.lists(st.tuples(few, few, st.sampled_from(["a", "b", "c"])), min_size=1, max_size=14)


def frame_of(values: list[tuple[float, float, str]]) -> pd.DataFrame:
    """Points with many ties, indexed so that order and index differ."""
    frame = pd.DataFrame(values, columns=["seconds_per_image", "top1_percent", "family"])
    frame["model"] = [f"m{i}" for i in range(len(frame))]
    frame["architecture"] = frame["model"]
    return frame.iloc[::-1]


def brute_frontier(frame: pd.DataFrame) -> list[bool]:
    pairs = list(zip(frame["seconds_per_image"], frame["top1_percent"], strict=True))
    return [
        not any(s <= p[0] and t >= p[1] and (s < p[0] or t > p[1]) for s, t in pairs) for p in pairs
    ]


def brute_lead(frame: pd.DataFrame, row: int) -> float:
    me = frame.iloc[row]
    others = frame[frame["family"] != me["family"]]
    if others.empty:
        return float("nan")
    as_fast = others[others["seconds_per_image"] <= me["seconds_per_image"]]
    if as_fast.empty:
        as_fast = others[others["seconds_per_image"] == others["seconds_per_image"].min()]
    return float(me["top1_percent"] - as_fast["top1_percent"].max())


@given(rows)
def test_frontier_equals_a_brute_force_one(values: list[tuple[float, float, str]]) -> None:
    frame = frame_of(values)
    assert frontier(frame).tolist() == brute_frontier(frame)
    assert frontier(frame).index.equals(frame.index)


@given(rows)
def test_lead_equals_a_brute_force_one(values: list[tuple[float, float, str]]) -> None:
    frame = frame_of(values)
    expected = [brute_lead(frame, row) for row in range(len(frame))]
    np.testing.assert_allclose(leads(frame).to_numpy(), expected)


@given(rows, st.sampled_from(["trade-off", "accurate", "fastest"]))
def test_best_of_each_family_is_one_model_a_family(
    values: list[tuple[float, float, str]], by: str
) -> None:
    frame = ranked(frame_of(values))
    best = best_of_each_family(frame, by).set_index("family")
    assert set(best.index) == set(frame["family"])
    assert best.index.is_unique
    for name, family in frame.groupby("family"):
        chosen = best.loc[name]
        if by == "accurate":
            assert chosen["top1_percent"] == family["top1_percent"].max()
        elif by == "fastest":
            assert chosen["seconds_per_image"] == family["seconds_per_image"].min()
        elif family["lead"].notna().any():
            assert chosen["lead"] == family["lead"].max()


def test_a_lead_worked_by_hand() -> None:
    frame = frame_of([(1, 70, "a"), (2, 75, "b"), (3, 74, "a"), (4, 80, "a"), (4, 79, "b")])
    worked = dict(zip(frame["model"], leads(frame), strict=True))
    assert worked == {
        "m0": -5,  # nothing of b is as fast; the fastest b has 75
        "m1": 5,  # a has 70 by then
        "m2": -1,  # b has 75
        "m3": 1,  # b has 79 at the very same time
        "m4": -1,  # a has 80 at the very same time
    }


def test_best_of_each_family_goes_by_a_known_criterion() -> None:
    with pytest.raises(InvalidRequest, match="'cheapest'"):
        best_of_each_family(ranked(frame_of([(1, 70, "a")])), "cheapest")


def test_every_weight_of_the_newest_accuracy_has_a_speed_on_the_newest_card(
    speed: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    frame = points(speed, accuracy, run=RUN_5090, measure="throughput")
    assert len(frame) == 1556
    assert len(frame[["architecture", "image_size"]].drop_duplicates()) == 1193
    assert len(most_accurate_weights(frame)) == 1193
    assert frame["frontier"].tolist() == brute_frontier(frame)
    sample = range(0, len(frame), 37)
    np.testing.assert_allclose(frame["lead"].iloc[sample], [brute_lead(frame, i) for i in sample])
    assert not best_of_each_family(frame)["model"].str.startswith("test_").any()
    assert not without_test_models(frame)["model"].str.startswith("test_").any()


def test_every_results_set_and_measure_joins(speed: pd.DataFrame, accuracy: pd.DataFrame) -> None:
    pairs = speed[["run", "measure"]].drop_duplicates()
    assert len(pairs) >= 26
    for run, measure in pairs.itertuples(index=False):
        frame = points(speed, accuracy, run=run, measure=measure)
        assert not frame.empty, (run, measure)
        assert not frame.duplicated(["model", "image_size"]).any()


def test_a_latency_is_the_step_time_itself(speed: pd.DataFrame, accuracy: pd.DataFrame) -> None:
    run = "2026-08-timm-i7-12700h-fp32-nchw-pt2.4.0-compiled"
    frame = points(speed, accuracy, run=run, measure="latency")
    assert frame["seconds_per_image"].tolist() == frame["step_s"].tolist()


def test_a_speed_at_another_image_size_is_never_borrowed(
    speed: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    frame = points(speed, accuracy, run=RUN_5090, measure="throughput")
    of_run = speed[speed["run"] == RUN_5090]
    known = set(zip(of_run["architecture"], of_run["image_size"], strict=True))
    assert set(zip(frame["architecture"], frame["image_size"], strict=True)) <= known


def test_a_budget_leaves_frontier_and_lead_as_they_are(
    speed: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    frame = points(speed, accuracy, run=RUN_5090, measure="throughput")
    kept = within_budget(frame, max_s=0.001, min_top1_percent=80)
    assert 0 < len(kept) < len(frame)
    assert kept["seconds_per_image"].max() <= 0.001
    assert kept["top1_percent"].min() >= 80
    assert kept["frontier"].tolist() == brute_frontier(kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run": "nonsense"}, "no results set 'nonsense'"),
        ({"measure": "latency"}, "holds no latency; it holds throughput"),
        ({"dataset": "cifar"}, "no accuracy set 'cifar'"),
    ],
)
def test_what_does_not_exist_is_named(
    speed: pd.DataFrame, accuracy: pd.DataFrame, change: dict[str, str], message: str
) -> None:
    asked = {"run": RUN_5090, "measure": "throughput"} | change
    with pytest.raises(InvalidRequest, match=message):
        points(speed, accuracy, **asked)


def notebook(folder: Path, part: str) -> pd.DataFrame:
    """The notebook's recipe, on the CSV files themselves (fastai, July 2022)."""
    speeds = pd.read_csv(folder / f"benchmark-{part}-amp-nhwc-pt111-cu113-rtx3090.csv")
    frame = speeds.merge(pd.read_csv(folder / "results-imagenet.csv"), on="model")
    frame["seconds"] = 1.0 / frame[f"{part}_samples_per_sec"]
    frame["size"] = frame[f"{part}_img_size"]
    frame["family"] = frame["model"].str.extract(r"^([a-z]+?(?:v2)?)(?:\d|_|$)")
    frame = frame[~frame["model"].str.endswith("gn")].copy()
    frame.loc[frame["model"].str.contains("in22"), "family"] += "_in22"
    frame.loc[frame["model"].str.contains("resnet.*d"), "family"] += "d"
    return frame[frame["family"].str.contains("^re[sg]netd?|beit|convnext|levit|efficient|vit|vgg")]


@pytest.mark.parametrize(
    ("part", "measure", "count", "subset"),
    [("infer", "throughput", 165, 61), ("train", "training", 168, 62)],
)
def test_the_2022_points_are_the_notebooks(
    speed: pd.DataFrame,
    accuracy: pd.DataFrame,
    shared: Path,
    part: str,
    measure: str,
    count: int,
    subset: int,
) -> None:
    theirs = notebook(shared / "timm-results" / "2022-07", part).set_index("model").sort_index()
    assert len(theirs) == count
    assert theirs["family"].str.fullmatch(SUBSET).sum() == subset
    ours = points(speed, accuracy, run=RUN_2022, measure=measure).set_index("model")
    ours = ours.loc[theirs.index]
    assert ours["family"].tolist() == theirs["family"].tolist()
    assert ours["top1_percent"].tolist() == theirs["top1"].tolist()
    assert ours["image_size"].tolist() == theirs["size"].tolist()
    assert ours["seconds_per_image"].tolist() == theirs["seconds"].tolist()
