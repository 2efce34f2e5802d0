"""The Models page's filters, search and best of each family, and Reset, the way back from them."""

import numpy as np
import pandas as pd
import pytest
from dashboard import alternative, drawn, messages, settled, shown, specification, visit
from selections import CPU, RUN_2022
from streamlit.testing.v1 import AppTest

from bench import catalogue, licences
from bench.families import family
from pages.ui.selection import DEFAULTS

pytestmark = pytest.mark.usefixtures("data")


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


def test_test_models_appear_when_they_are_asked_for() -> None:
    app = visit()
    settled(app.toggle(key="test_models").set_value(True).run())
    assert shown(app)["model"].str.startswith("test_").sum() > 5
    assert visit(test_models="true").toggle(key="test_models").value is True


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
