"""Estimates on the published results, each set as if its device were new."""

import numpy as np
import pandas as pd
import pytest

from bench import catalogue, estimate, points, presets, store
from bench.errors import InvalidRequest
from bench.estimate_evaluation import evaluation, evaluation_of, sets_to_evaluate
from bench.records import Protocol

OF_5090 = "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"


@pytest.fixture(scope="module")
def speed() -> pd.DataFrame:
    frame, problems = store.load(
        store.speed_files(store.SHIPPED), store.SPEED_SCHEMA, points.SPEED_COLUMNS, replaces="run"
    )
    assert problems == []
    return frame


@pytest.fixture(scope="module")
def known(speed: pd.DataFrame) -> estimate.Knowledge:
    return estimate.knowledge(speed, catalogue.operations())


@pytest.fixture(scope="module")
def target(known: estimate.Knowledge) -> pd.Series:
    return known.sets[known.sets["run"] == OF_5090].iloc[0]


@pytest.fixture(scope="module")
def without_5090(known: estimate.Knowledge, target: pd.Series) -> estimate.Knowledge:
    return known.without(known.sets["device"] == target["device"])


def test_knowledge_is_the_logarithm_of_what_was_published(
    speed: pd.DataFrame, known: estimate.Knowledge
) -> None:
    rows = speed[(speed["run"] == OF_5090) & (speed["outcome"] == "ok")]
    own = rows[rows["model"] == rows["architecture"]].drop_duplicates(
        ["architecture", "image_size"]
    )
    column = known.log_s[f"{OF_5090} throughput"]
    for row in own.sample(20, random_state=0).itertuples():
        seconds = np.exp(column[row.architecture, row.image_size])
        assert seconds == pytest.approx(1 / row.images_per_s)


def test_doubtful_figures_teach_nothing_of_other_devices(speed: pd.DataFrame) -> None:
    rows = speed[(speed["run"] == OF_5090) & (speed["outcome"] == "ok")].head(4).copy()
    rows["flags"] = [["noisy"], ["launch_bound"], ["launch_bound", "throttled"], None]
    known = estimate.knowledge(rows, catalogue.operations())
    taught = known.log_s.dropna().index.get_level_values("architecture")
    assert sorted(taught) == sorted(rows["architecture"].iloc[[1, 3]])


def test_sixteen_probes_foretell_a_gpu_that_was_never_seen(
    speed: pd.DataFrame, without_5090: estimate.Knowledge, target: pd.Series
) -> None:
    rows = speed[(speed["run"] == OF_5090) & (speed["outcome"] == "ok")]
    pairs = list(zip(rows["architecture"], rows["image_size"], strict=True))
    probes = estimate.probes(without_5090, target, listed=pd.MultiIndex.from_tuples(pairs))
    assert len(set(probes)) == 16
    assert not any(name.startswith("test_") for name, _ in probes)
    measured = rows[[pair in set(probes) for pair in pairs]]
    believed = estimate.belief_about(without_5090, target)
    guessed = estimate.estimates(believed, measured)
    assert not set(zip(guessed["architecture"], guessed["image_size"], strict=True)) & set(probes)
    truth = points.speed_of_each(rows)[["architecture", "image_size", "seconds_per_image"]]
    both = guessed.merge(truth, on=["architecture", "image_size"], suffixes=("", "_true"))
    assert len(both) > 1500
    ratio = both["seconds_per_image"] / both["seconds_per_image_true"]
    error = np.expm1(np.abs(np.log(ratio.astype(float))))
    assert error.median() < 0.07
    assert error.quantile(0.9) < 0.2
    inside = both["seconds_per_image_true"].between(both["seconds_low"], both["seconds_high"])
    assert 0.8 < inside.mean() < 0.99
    np.testing.assert_allclose(both["images_per_s"] * both["seconds_per_image"], 1.0)


def test_too_few_measurements_are_estimated_from_not_at_all(
    speed: pd.DataFrame, without_5090: estimate.Knowledge, target: pd.Series
) -> None:
    rows = speed[(speed["run"] == OF_5090) & (speed["outcome"] == "ok")]
    believed = estimate.belief_about(without_5090, target)
    resnets = rows[rows["architecture"].str.startswith("resnet")]
    assert estimate.estimates(believed, resnets.head(7)).empty
    assert not estimate.estimates(believed, resnets.head(8)).empty


def test_both_simpler_ways_are_beaten_on_a_new_gpu(known: estimate.Knowledge) -> None:
    few = known.without(
        ~known.sets["run"].str.contains("nchw-pt2.9.1").astype(bool)
        | (known.sets["measure"] != "throughput")
    )
    rows = pd.DataFrame(evaluation(few))
    assert rows["device"].nunique() == 3
    assert len(rows) == len(few.sets)
    for simpler in ("nearest", "multiply_adds"):
        assert rows["median_error"].mean() < rows[f"{simpler}_median_error"].mean()
        assert rows["p90_error"].mean() < rows[f"{simpler}_p90_error"].mean()
    assert (rows["rank_correlation"] > 0.99).all()


def test_on_a_cpu_probes_are_small_and_measured_one_image_at_a_time(speed: pd.DataFrame) -> None:
    operations = catalogue.operations()
    chosen = presets.minute(
        speed,
        operations,
        catalogue.work_list(preset="all"),
        device="Some CPU",
        device_kind="cpu",
        protocol=Protocol(),
        measure=presets.measure_of_a_minute("cpu"),
    )
    assert presets.measure_of_a_minute("cpu") == "latency"
    assert presets.measure_of_a_minute("cuda") == "throughput"
    assert len(chosen) == estimate.PROBES
    counted = operations.set_index(["architecture", "image_size"])["multiply_adds"]
    assert (counted.loc[chosen] <= estimate.LARGEST_PROBE["cpu"][0]).all()


def test_a_full_sweep_measures_everything_once_and_the_most_telling_first(
    known: estimate.Knowledge, target: pd.Series
) -> None:
    pairs = [*catalogue.work_list(preset="all"), ("never_heard_of", 224)]
    ordered = estimate.most_telling_first(known, target, pairs)
    assert sorted(ordered) == sorted(pairs)
    tests = [name.startswith("test_") for name, _ in ordered]
    assert sum(tests) == sum(tests[-18:]) == 18
    assert ordered[-19] == ("never_heard_of", 224)
    listed = pd.MultiIndex.from_tuples(pairs)
    assert ordered[:16] == estimate.probes(known, target, listed=listed)


def test_with_no_other_set_nothing_can_be_said(speed: pd.DataFrame) -> None:
    alone = speed[(speed["run"] == OF_5090) & (speed["outcome"] == "ok")]
    known = estimate.knowledge(alone, catalogue.operations())
    with pytest.raises(InvalidRequest, match="no other results sets"):
        estimate.belief_about(known, estimate.circumstances(alone), run=OF_5090)


def test_the_shipped_errors_are_what_an_evaluation_finds(known: estimate.Knowledge) -> None:
    shipped = catalogue.estimate_errors().set_index(["run", "measure"])
    assert len(shipped) == len(sets_to_evaluate(known)) == 26
    column = int(np.flatnonzero(known.sets["run"] == OF_5090)[0])
    found = evaluation_of(known, column)
    row = shipped.loc[(OF_5090, "throughput")]
    assert found["models"] == row["models"]
    for figure in ("median_error", "nearest_p90_error", "multiply_adds_median_error", "coverage"):
        assert found[figure] == pytest.approx(row[figure], rel=0.02)


def test_over_all_published_gpus_the_shipped_errors_are_as_the_method_page_says() -> None:
    shipped = catalogue.estimate_errors()
    gpus = shipped[(shipped["device_kind"] == "cuda") & (shipped["measure"] == "throughput")]
    assert len(gpus) == 19
    assert gpus["median_error"].mean() < 0.05
    assert 0.86 <= gpus["coverage"].mean() <= 0.94
    assert (gpus["median_error"] < gpus["nearest_median_error"]).all()
    assert (gpus["median_error"] < gpus["multiply_adds_median_error"]).all()
    cpus = shipped[shipped["device_kind"] == "cpu"]
    assert cpus["median_error"].max() < 0.2
