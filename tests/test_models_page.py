"""The Models page through its script: results sets, measures, accuracies, views and the table."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dashboard import (
    alternative,
    drawn,
    messages,
    plain,
    publish_speeds,
    sentence,
    settled,
    shown,
    specification,
    visit,
)
from selections import CPU, RUN_2022, RUN_5090, TRAINED

from bench import catalogue, statistics, store
from bench.points import points
from bench.results import results_sets

pytestmark = pytest.mark.usefixtures("data")


def expected(speed: pd.DataFrame, accuracy: pd.DataFrame, **asked: str) -> pd.DataFrame:
    """The bubbles of a results set without any filter: no test model, the best weights a point."""
    frame = points(speed, accuracy, **{"run": RUN_5090, "measure": "throughput"} | asked)
    frame = frame[~frame["model"].str.startswith("test_")]
    best = frame.sort_values(["top1_percent", "model"], ascending=[False, True])
    return best.drop_duplicates(["architecture", "image_size"])


def test_a_first_visitor_sees_the_newest_card_without_test_models(
    speed: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    app = visit()
    ours = shown(app)
    theirs = expected(speed, accuracy)
    assert sorted(ours["model"]) == sorted(theirs["model"])
    assert not ours["model"].str.startswith("test_").any()
    assert sentence(app).startswith("On an RTX 5090, the most accurate model under ")
    assert messages(app) == {"info": [], "warning": [], "error": []}
    (table,) = app.dataframe
    assert len(table.value) > len(ours), "the table holds all weights"
    assert table.value["top1_percent"].is_monotonic_decreasing


def test_every_results_set_and_measure_can_be_chosen_and_draws_its_points(
    speed: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    app = visit()
    sets = results_sets(speed).set_index("run")
    pictures = 0
    for run, measures in sets["measures"].items():
        settled(app.selectbox(key="set").set_value(run).run())
        names = {"throughput": "Inference", "latency": "Latency", "training": "Training"}
        control = app.radio(key="measure")
        assert control.options == list(names.values())
        assert control.value in [names[measure] for measure in measures]
        for measure in measures:
            settled(app.radio(key="measure").set_value(names[measure]).run())
            ours = shown(app)
            measured = ours[~ours["estimated"]]
            assert len(measured) == len(expected(speed, accuracy, run=run, measure=measure))
            assert ours["estimated"].any() == (sets.loc[run, "source"] == "measured")
            assert set(ours["set"]) == {app.selectbox(key="set").format_func(run)}
            pictures += 1
    assert pictures == 26 + 1, "all that is published, and what this project measured"


def test_a_measure_that_the_set_lacks_leads_to_a_set_that_has_it_and_says_so() -> None:
    app = visit()
    settled(app.radio(key="measure").set_value("Training").run())
    assert set(shown(app)["set"]) == {app.selectbox(key="set").format_func(TRAINED)}
    assert sentence(app).startswith("On an RTX 3090,")
    assert any("holds no training; this set does." in plain(one.value) for one in app.caption)
    pd.testing.assert_frame_equal(drawn(visit(measure="Training")), drawn(app))

    settled(app.selectbox(key="set").set_value(CPU).run())
    assert app.radio(key="measure").value == "Latency"
    assert not any("holds no" in plain(one.value) for one in app.caption)
    settled(app.radio(key="measure").set_value("Inference").run())
    assert len(shown(app)) > 1000


@pytest.mark.parametrize("dataset", ["imagenet-real", "imagenet-a-clean", "imagenet-sketch"])
def test_another_accuracy_set_can_be_chosen(
    speed: pd.DataFrame, accuracy: pd.DataFrame, dataset: str
) -> None:
    app = visit()
    settled(app.selectbox(key="dataset").set_value(dataset).run())
    theirs = expected(speed, accuracy, dataset=dataset)
    assert sorted(shown(app)["top1"]) == sorted(theirs["top1_percent"])
    name = app.selectbox(key="dataset").format_func(dataset)
    assert f"Top-1 accuracy on {name} (%)" in specification(app)
    assert f"top-1 on {name}" in sentence(app)


def test_an_accuracy_set_that_the_next_results_set_lacks_gives_way() -> None:
    app = visit()
    settled(app.selectbox(key="dataset").set_value("imagenet-a-clean").run())
    settled(app.selectbox(key="set").set_value(RUN_2022).run())
    assert app.selectbox(key="dataset").value == "imagenet-1k"
    assert len(shown(app)) > 500


@pytest.mark.parametrize(
    ("against", "column", "unit"),
    [("Parameters", "parameters_m", 1e6), ("Multiply-adds", "multiply_adds_g", 1e9)],
)
def test_the_second_view_sets_the_same_models_against_a_cost_and_says_how_poor_a_proxy_it_is(
    against: str, column: str, unit: float
) -> None:
    app = visit()
    first = shown(app)
    settled(app.radio(key="against").set_value(against).run())
    ours = shown(app)
    assert sorted(ours["model"]) == sorted(first["model"])
    costs = app.dataframe[0].value.drop_duplicates("model").set_index("model")[column]
    single = ours[~ours["model"].duplicated(keep=False)]
    sizes = app.dataframe[0].value.groupby("model")["image_size"].nunique()
    single = single[single["model"].map(sizes) == 1]
    np.testing.assert_allclose(
        single["cost"] / unit, costs.loc[single["model"]].astype(float), rtol=1e-9
    )
    (said,) = [plain(one.value) for one in app.main.markdown if "rank correlation" in one.value]
    found = re.match(
        rf"Of the (\d+) points with (\S+) [MG] to (\S+) [MG] {against.lower()}, on an RTX 5090 the "
        r"slowest takes (\d+) times as long an image as the fastest. The rank correlation of "
        rf"{against.lower()} with time is 0\.\d\d, over all [\d,]+\.",
        said,
    )
    assert found, said
    low, high = float(found[2]) * unit, float(found[3]) * unit
    band = ours[(ours["cost"] >= low) & (ours["cost"] < high)]
    assert len(band) == int(found[1])
    assert float(found[4]) == float(f"{band['seconds'].max() / band['seconds'].min():.2g}")
    pd.testing.assert_frame_equal(drawn(visit(against=against)), drawn(app))
    assert app.toggle(key="trends").disabled
    assert alternative(app) != alternative(visit())


@pytest.mark.parametrize("run", [RUN_2022, TRAINED])
def test_a_set_whose_source_counts_no_operations_has_the_catalogues(run: str) -> None:
    app = visit(set=run, against="Multiply-adds")
    table = app.dataframe[0].value.drop_duplicates("model").set_index("model")
    resnet = next(name for name in table.index if name.partition(".")[0] == "resnet50")
    size = table.loc[resnet, "image_size"]
    counted = catalogue.operations().set_index(["architecture", "image_size"])["multiply_adds"]
    assert table.loc[resnet, "multiply_adds_g"] == counted["resnet50", size] / 1e9
    assert len(shown(app)) > 300


def test_trend_lines_come_when_asked_for_and_move_nothing() -> None:
    app = visit()
    first = drawn(app)
    settled(app.toggle(key="trends").set_value(True).run())
    rows = drawn(app)
    assert rows["trend"].sum() > 20
    pd.testing.assert_frame_equal(rows[~rows["trend"]].reset_index(drop=True), first)
    pd.testing.assert_frame_equal(drawn(visit(trends="true")), rows)


def test_measured_points_show_their_intervals_flags_and_the_weights_that_share_them(
    data: Path,
) -> None:
    run = "2026-11-01T120000Z-aaaa"
    rows = [
        {"architecture": "resnet50", "image_size": 288, "images_per_s": 900.0, "flags": ["noisy"]},
        {"architecture": "convnext_tiny", "image_size": 224, "images_per_s": 700.0},
    ]
    publish_speeds(data, run, rows)
    app = visit(set=run)
    ours = shown(app).set_index(shown(app)["model"].str.partition(".")[0])
    assert ours["flagged"].to_dict() == {"resnet50": True, "convnext_tiny": False}
    assert (ours["low"] < ours["seconds"]).all()
    assert (ours["high"] > ours["seconds"]).all()
    table = app.dataframe[0].value
    for architecture, row in ours.iterrows():
        sharing = table["model"].str.startswith(f"{architecture}.").sum()
        assert row["others"] == f"and {sharing - 1} others at this point"
        assert re.fullmatch(r"\S+ ms \(\S+ ms to \S+ ms\)", row["time"])
    caption = next(one.value for one in app.main.caption if "double-click" in one.value)
    assert "Hollow: flagged. Thin lines: 95 % intervals." in caption
    published = next(one.value for one in visit().main.caption if "double-click" in one.value)
    assert "Hollow" not in published
    assert "95 %" not in published


def test_a_second_set_is_laid_beside_with_its_own_table() -> None:
    app = visit()
    settled(app.selectbox(key="beside").set_value(RUN_2022).run())
    rows = drawn(app)
    label = app.selectbox(key="set").format_func(RUN_2022)
    assert set(rows.loc[rows["beside"], "set"]) == {label}
    assert any(f"Diamonds are {label}" in plain(one.value) for one in app.caption)
    assert len(app.dataframe) == 2


def test_a_set_beside_without_the_measure_says_which_one_is_drawn() -> None:
    app = visit(beside=CPU)
    assert any("its latency is drawn" in one.value for one in app.caption)
    rows = drawn(app)
    assert rows["beside"].any()


def test_the_table_and_the_card_say_the_licence_and_where_its_text_is() -> None:
    app = visit(model="convnextv2_base.fcmae_ft_in22k_in1k@288")
    table = app.dataframe[0].value.set_index("model")
    assert table.loc["convnextv2_base.fcmae_ft_in22k_in1k", "commercial_use"].iloc[0] == (
        "not allowed"
    )
    assert table.loc["resnet50.a1_in1k", "licence_name"].iloc[0] == "Apache License 2.0"
    (card,) = app.table
    said = card.value.loc["Licence"].iloc[0]
    assert "](https://creativecommons.org/licenses/by-nc/4.0/)" in said
    assert "commercial use not allowed" in said


def test_the_card_tells_how_steady_a_measurement_was_and_nothing_of_a_published_one() -> None:
    (file,) = (store.SHIPPED / "measured").glob("*.parquet")
    rows = store.to_frame(store.read(file, store.SPEED_SCHEMA)).set_index("architecture")
    row = rows.loc["mobilenetv3_small_075"]
    (model, *_) = catalogue.models().query("architecture == 'mobilenetv3_small_075'")["model"]
    (card,) = visit(set=file.stem, model=f"{model}@{row['image_size']}").table
    said = plain(card.value.loc["Steps"].iloc[0])
    noise = store.environment_details(row["environment"])["details"]["noise"]
    assert said.startswith(statistics.verdict(row["samples_s"], noise=noise))
    assert f"; {len(row['samples_s'])} samples, half of them " in said
    (card,) = visit(model="resnet50.a1_in1k@288").table
    assert "Steps" not in card.value.index


@pytest.mark.parametrize(
    ("rank", "column", "ascending"),
    [
        ("Accuracy", "top1_percent", False),
        ("Speed", "milliseconds", True),
        ("Lead", "lead", False),
    ],
)
def test_the_table_is_ranked_as_asked_and_links_keep_it(
    rank: str, column: str, *, ascending: bool
) -> None:
    app = visit()
    settled(app.radio(key="rank").set_value(rank).run())
    values = app.dataframe[0].value[column].dropna().astype(float)
    assert (values.diff().dropna() >= 0).all() if ascending else (values.diff().dropna() <= 0).all()
    linked = visit(rank=rank)
    pd.testing.assert_frame_equal(linked.dataframe[0].value, app.dataframe[0].value)


def test_the_best_to_fine_tune_under_100_million_parameters_is_said_after_two_choices() -> None:
    app = visit()
    settled(app.radio(key="measure").set_value("Training").run())
    settled(app.number_input(key="max_params").set_value(100.0).run())
    said = sentence(app)
    assert re.match(
        r"On an RTX 3090, the most accurate model of at most 100 M parameters under \S+ ms an "
        r"image of training is \S+: ",
        said,
    )
    assert app.dataframe[0].value["parameters_m"].max() <= 100


def test_the_sentence_and_the_caption_count_what_is_shown() -> None:
    app = visit(sizes="224", families="resnet")
    count = re.match(r"([\d,]+) models?\.", plain(app.main.caption[0].value))
    assert count is not None
    (table,) = app.dataframe
    assert int(count[1].replace(",", "")) == table.value["model"].nunique()


def test_a_set_beside_of_which_the_filters_leave_nothing_says_so() -> None:
    app = visit(beside=RUN_2022, families="eva02_in22")
    assert any("0 models. No model of it passes the filters." in one.value for one in app.caption)


def test_the_card_names_the_files_that_its_figures_are_from() -> None:
    (card,) = visit(model="resnet50.a1_in1k@288").table
    told = card.value.iloc[:, 0].map(plain)
    assert told["Speed from"] == "timm 2026-08: benchmark-infer-amp-nchw-pt291-cu130-5090.csv"
    assert told["Accuracy from"] == "timm 2026-08: results-imagenet.csv"


def test_the_card_tells_what_only_a_measurement_of_ones_own_tells(data: Path) -> None:
    run = "2026-11-01T000000Z-aaaa"
    row = {
        "architecture": "resnet50",
        "image_size": 288,
        "measure": "training",
        "images_per_s": 80.0,
        "forward_s": 0.02,
        "backward_s": 0.05,
        "optimiser_s": 0.03,
        "compile_s": 12.0,
        "energy_per_image_j": 0.25,
        "samples_s": [0.1] * 9,
    }
    publish_speeds(data, run, [row])
    (card,) = visit(set=run, measure="Training", model="resnet50.a1_in1k@288").table
    told = card.value.iloc[:, 0].map(plain)
    assert told["Forward, backward, optimiser"] == "20 ms, 50 ms, 30 ms of a step"
    assert told["Compiling took"] == "12 s"
    assert told["Energy per image"] == "0.25 J"
    assert told["Steps"].startswith("steady; 9 samples")
