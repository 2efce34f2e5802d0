"""The Models page through its script: every control, links, saved views, and what may be wrong."""

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
from selections import RUN_2022, RUN_5090
from streamlit.testing.v1 import AppTest

from bench import catalogue, licences
from bench.families import family
from bench.points import points
from bench.results import results_sets
from pages.ui.selection import DEFAULTS

TRAINED = "2026-08-timm-rtx3090-amp-fp16-nchw-pt1.12-cu11.3"
CPU = "2026-08-timm-i9-10940x-fp32-nchw-pt2.4.0-compiled"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder; what ships with the project is read as well."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "data"


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
            assert len(ours) == len(expected(speed, accuracy, run=run, measure=measure))
            assert set(ours["set"]) == {app.selectbox(key="set").format_func(run)}
            pictures += 1
    assert pictures == 26


def narrowed(app: AppTest, key: str, value: object) -> AppTest:
    kinds = {
        "search": app.text_input,
        "max_ms": app.number_input,
        "min_top1": app.number_input,
        "max_params": app.number_input,
        "families": app.multiselect,
        "sizes": app.multiselect,
        "pretraining": app.multiselect,
        "commercial_use": app.multiselect,
    }
    return settled(kinds[key](key=key).set_value(value).run())


LICENCE_OF = licences.by_model(catalogue.models(), catalogue.renames())
FILTERS = [
    ("max_ms", 0.5, lambda row: row["seconds"] <= 0.0005),
    ("min_top1", 84.5, lambda row: row["top1"] >= 84.5),
    ("max_params", 20.0, lambda row: float(row["parameters"].split()[0].replace(",", "")) < 20.1),
    ("families", ["resnet", "levit"], lambda row: row["family"] in ("resnet", "levit")),
    ("sizes", [224, 384], lambda row: row["image_size"] in (224, 384)),
    ("pretraining", ["LAION-2B"], lambda row: "laion2b" in row["model"]),
    (
        "commercial_use",
        ["not allowed", "unknown"],
        lambda row: LICENCE_OF.get(row["model"]) in (None, "cc-by-nc-4.0", "seer-license"),
    ),
]


@pytest.mark.parametrize(("key", "value", "keeps"), FILTERS, ids=[key for key, *_ in FILTERS])
def test_a_filter_leaves_what_it_says_and_a_link_with_it_leaves_the_same(
    key: str, value: object, keeps
) -> None:
    app = visit()
    everything = shown(app)
    ours = shown(narrowed(app, key, value))
    kept = ours.apply(keeps, axis=1)
    assert kept.all()
    assert 0 < len(ours) < len(everything)
    # Other weights of a point may become its most accurate; parameters are drawn rounded.
    if key not in ("pretraining", "max_params", "commercial_use"):
        assert len(ours) == everything.apply(keeps, axis=1).sum()
    listed = value if isinstance(value, list) else [value]
    linked = visit(**{key: [f"{one:g}" if isinstance(one, float) else str(one) for one in listed]})
    pd.testing.assert_frame_equal(drawn(linked), drawn(app))


def test_filters_search_and_best_of_each_family_leave_the_specification_byte_for_byte() -> None:
    app = visit()
    first = specification(app), alternative(app)
    for key, value in [
        ("search", "resnet50"),
        ("max_ms", 1.0),
        ("min_top1", 75.0),
        ("sizes", [224, 288]),
        ("pretraining", ["ImageNet-1k"]),
        ("max_params", 50.0),
        ("commercial_use", ["allowed"]),
        ("families", ["resnet", "convnext"]),
    ]:
        narrowed(app, key, value)
        assert (specification(app), alternative(app)) == first, key
    settled(app.toggle(key="trends").set_value(True).run())
    assert (specification(app), alternative(app)) == first, "trends"
    app = visit(families="resnet")
    settled(app.radio(key="show").set_value("Best of each family").run())
    for by in ("Accurate", "Fastest"):
        settled(app.radio(key="by").set_value(by).run())
        assert (specification(app), alternative(app)) == first, by


def test_a_search_rings_what_it_finds_and_hides_nothing() -> None:
    app = visit()
    before = len(shown(app))
    rows = shown(narrowed(app, "search", "ConvNeXt_tiny"))
    assert len(rows) == before
    assert rows.loc[rows["hit"], "model"].str.contains("convnext_tiny").all()
    assert rows["hit"].sum() == rows["model"].str.contains("convnext_tiny").sum() > 0


@pytest.mark.parametrize("by", ["Trade-off", "Accurate", "Fastest"])
def test_best_of_each_family_is_one_model_a_family_by_each_criterion(by: str) -> None:
    app = visit()
    everything = app.dataframe[0].value  # every weight; a bubble is the most accurate of a point
    settled(app.radio(key="show").set_value("Best of each family").run())
    settled(app.radio(key="by").set_value(by).run())
    best = shown(app)
    assert best["family"].is_unique
    assert set(best["family"]) == set(everything["family"])
    assert (best["family"] == best["model"].map(family)).all()
    groups = everything.groupby("family")
    best = best.set_index("family")
    if by == "Accurate":
        assert best["top1"].tolist() == groups["top1_percent"].max().loc[best.index].tolist()
    elif by == "Fastest":
        fastest = groups["milliseconds"].min().loc[best.index] / 1e3
        np.testing.assert_allclose(best["seconds"], fastest)
    linked = visit(show="Best of each family", by=by)
    pd.testing.assert_frame_equal(drawn(linked), drawn(app))


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


def test_a_link_that_names_the_set_keeps_it_though_it_lacks_the_measure() -> None:
    app = visit(set=CPU, measure="Training")
    assert app.selectbox(key="set").value == CPU
    assert app.radio(key="measure").value == "Latency"
    assert len(shown(app)) > 800


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


def test_test_models_appear_when_they_are_asked_for() -> None:
    app = visit()
    settled(app.toggle(key="test_models").set_value(True).run())
    assert shown(app)["model"].str.startswith("test_").sum() > 5
    assert visit(test_models="true").toggle(key="test_models").value is True


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


def test_an_accuracy_set_that_the_next_results_set_lacks_gives_way() -> None:
    app = visit()
    settled(app.selectbox(key="dataset").set_value("imagenet-a-clean").run())
    settled(app.selectbox(key="set").set_value(RUN_2022).run())
    assert app.selectbox(key="dataset").value == "imagenet-1k"
    assert len(shown(app)) > 500


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


@pytest.mark.parametrize(
    ("view", "count", "measure"),
    [
        ("fastai 2022: all", 165, "Inference"),
        ("fastai 2022: subset", 61, "Inference"),
        ("fastai 2022: training", 168, "Training"),
    ],
)
def test_a_saved_view_begins_from_a_clean_sheet_and_is_a_link(
    view: str, count: int, measure: str
) -> None:
    app = visit(max_ms="0.1", families="vit", show="Best of each family", search="vit")
    settled(app.radio(key="view").set_value(view).run())
    assert len(shown(app)) == count
    assert app.selectbox(key="set").value == RUN_2022
    assert app.radio(key="measure").value == measure
    assert app.number_input(key="max_ms").value is None
    assert app.multiselect(key="families").value == []
    assert app.text_input(key="search").value == ""
    assert len(shown(visit(view=view))) == count


EMPTYING = [
    ({"max_ms": "0.000001"}, "Slowest (ms)"),
    ({"min_top1": "99.9"}, "Top-1 from (%)"),
    ({"max_params": "0.0001"}, "Parameters to (M)"),
    ({"families": "resnet", "sizes": "448"}, "Image sizes"),
    ({"families": "resnet", "pretraining": "WebLI"}, "Pretraining data"),
    ({"families": "resnet", "commercial_use": "not allowed", "max_ms": "0.01"}, "Slowest (ms)"),
    ({"families": "mobilenetv3", "commercial_use": "not allowed"}, "Commercial use"),
    ({"view": "fastai 2022: subset", "families": "mobilenetv2"}, "Families"),
]


@pytest.mark.parametrize(("link", "name"), EMPTYING, ids=[name for _, name in EMPTYING])
def test_a_filter_that_empties_the_chart_is_named_and_reset_is_the_way_back(
    link: dict[str, str], name: str
) -> None:
    app = visit(**link)
    (said,) = messages(app)["info"]
    assert said == (
        f"No model is left: {name} filters out the last one. Widen it, or press Reset in the "
        "sidebar."
    )
    assert not app.get("vega_lite_chart")
    settled(next(button for button in app.button if button.label == "Reset").click().run())
    assert messages(app)["info"] == []
    pd.testing.assert_frame_equal(drawn(app), drawn(visit()))


def test_reset_and_the_address_know_every_control_there_is() -> None:
    app = visit(show="Best of each family")
    kinds = (
        app.selectbox,
        app.radio,
        app.text_input,
        app.number_input,
        app.multiselect,
        app.toggle,
    )
    controls = {one.key for kind in kinds for one in kind}
    # A card is opened by a click; published sets have nothing to estimate.
    assert controls == {"set", "measure", *DEFAULTS} - {"model", "estimates"}


def test_reset_puts_every_control_back() -> None:
    link = {
        "set": RUN_2022,
        "measure": "Training",
        "beside": CPU,
        "dataset": "imagenet-real",
        "show": "Best of each family",
        "by": "Fastest",
        "search": "net",
        "max_ms": "50",
        "min_top1": "70",
        "families": ["resnet", "levit"],
        "sizes": "224",
        "pretraining": "unknown",
        "commercial_use": "unknown",
        "max_params": "100",
        "test_models": "true",
        "rank": "Speed",
        "against": "Parameters",
        "trends": "true",
    }
    app = visit(**link)
    assert len(shown(app)) == 1
    settled(next(button for button in app.button if button.label == "Reset").click().run())
    first = visit()
    for kind in ("selectbox", "radio", "text_input", "number_input", "multiselect"):
        values = {one.key: one.value for one in getattr(app, kind)}
        assert values == {one.key: one.value for one in getattr(first, kind)}, kind
    assert specification(app) == specification(first)
    pd.testing.assert_frame_equal(drawn(app), drawn(first))
    assert app.query_params == {}


@pytest.mark.parametrize("name", ["a card from *nowhere*", "<b>x</b>", "2022-07-timm"])
def test_a_link_to_a_results_set_that_is_not_here_says_so(name: str) -> None:
    app = visit(set=name)
    (said,) = messages(app)["warning"]
    assert said.startswith(f"The link names a results set that is not here: {name}.")
    assert len(shown(app)) > 1000


@pytest.mark.parametrize(
    "link",
    [
        {"max_ms": "abc"},
        {"max_ms": "-5"},
        {"max_ms": "nan"},
        {"max_ms": "inf"},
        {"min_top1": "200"},
        {"sizes": "7"},
        {"commercial_use": "perhaps"},
        {"sizes": "224.5"},
        {"families": "no such family"},
        {"show": "Some"},
        {"by": "Cheapest"},
        {"view": "fastai 2031"},
        {"measure": "Speed"},
        {"against": "Weight"},
        {"trends": "perhaps"},
        {"rank": "Name"},
        {"measure": "Training", "set": RUN_5090},
        {"dataset": "cifar"},
        {"test_models": "perhaps"},
        {"model": "nothing@224"},
        {"model": "@"},
        {"nonsense": "1"},
    ],
    ids=lambda link: "-".join(next(iter(link.items()))),
)
def test_a_link_with_nonsense_shows_what_a_first_visitor_sees(link: dict[str, str]) -> None:
    pd.testing.assert_frame_equal(drawn(visit(**link)), drawn(visit()))


@pytest.mark.parametrize("by_label", [False, True])
def test_a_link_names_a_results_set_by_its_id_or_by_its_label(*, by_label: bool) -> None:
    label = visit().selectbox(key="set").format_func(RUN_2022)
    app = visit(set=label if by_label else RUN_2022, measure="Training")
    assert app.selectbox(key="set").value == RUN_2022
    assert app.radio(key="measure").value == "Training"
    assert messages(app)["warning"] == []


def test_the_sentence_and_the_caption_count_what_is_shown() -> None:
    app = visit(sizes="224", families="resnet")
    count = re.match(r"([\d,]+) models?\.", plain(app.main.caption[0].value))
    assert count is not None
    (table,) = app.dataframe
    assert int(count[1].replace(",", "")) == table.value["model"].nunique()
