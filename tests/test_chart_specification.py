"""The chart's specification: its layers, axes, ticks and legends; pure, without a browser."""

import json
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import vl_convert
from drawing import encodings, layer_with, rows_of, spec_of, units
from selections import RUN_2022

from bench.points import points, without_test_models
from pages.ui import charts, speed_charts
from pages.ui.views import PICKED

MEASURES = ("throughput", "latency", "training")
VIEWS = (None, "parameters", "multiply_adds")
views = pytest.mark.parametrize("cost", VIEWS)


@pytest.fixture(scope="module")
def cost_axes(everything: pd.DataFrame) -> dict[str | None, charts.Domains]:
    return {cost: charts.domains([without_test_models(everything)], cost) for cost in VIEWS}


# The specification


def test_the_specification_is_the_same_byte_for_byte_however_often_it_is_built(
    axes: charts.Domains,
) -> None:
    first = json.dumps(spec_of(axes))
    # Altair counts the names it makes up; none may reach the specification.
    for measure in MEASURES:
        spec_of(axes, measure=measure, families=("levit",))
    assert json.dumps(spec_of(axes)) == first


@views
def test_a_specification_fitted_to_other_axes_and_colours_is_the_one_built_with_them(
    cost_axes: dict[str | None, charts.Domains], cost: str | None
) -> None:
    other = charts.Domains((1.0, 2.0), (3.0, 4.0), (5.0, 6.0) if cost else None)
    for axes, families in ((cost_axes[cost], ()), (cost_axes[cost], ("levit",)), (other, ("vgg",))):
        built = spec_of(axes, families=families, cost=cost)
        nominal = spec_of(other, families=("beit",), cost=cost)
        fitted = speed_charts.fitted(nominal, axes, charts.colours(families))
        # Altair names its views by what is in them.
        one, same = (re.sub(r"view_\w+", "view", json.dumps(spec)) for spec in (fitted, built))
        assert one == same


@views
def test_the_specification_holds_no_rows_and_no_colours(
    cost_axes: dict[str | None, charts.Domains], cost: str | None
) -> None:
    spec = spec_of(cost_axes[cost], cost=cost)
    assert all("data" not in unit for unit in units(spec))
    assert spec["data"] == {"name": "points"}
    assert "datasets" not in spec
    text = json.dumps(spec)
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsl", text)
    assert "href" not in text
    assert "scheme" not in text


@pytest.mark.parametrize("measure", MEASURES)
def test_both_axes_have_fixed_ends_and_units(axes: charts.Domains, measure: str) -> None:
    spec = spec_of(axes, measure=measure)
    for x in encodings(spec, "x"):
        assert x["scale"] == {"type": "log", "domain": list(axes.seconds), "nice": False}
        assert x["title"][0].startswith(
            {"throughput": "Inference time", "latency": "Latency", "training": "Training time"}[
                measure
            ]
        )
        assert "per image" in x["title"][0]
        assert x["title"][1] == "log scale, faster to the left"
    for y in encodings(spec, "y"):
        assert y["scale"]["domain"] == list(axes.top1_percent)
        assert y["scale"].get("nice") is False
        assert y["title"] == "Top-1 accuracy on ImageNet-1k (%)"


def test_bubbles_have_an_area_by_image_size_and_a_legend_of_common_sizes(
    axes: charts.Domains,
) -> None:
    size = layer_with(spec_of(axes), "size")["encoding"]["size"]
    assert size["field"] == "image_size"
    assert "pixels" in size["title"]
    # In Vega-Lite size is an area: linear from nothing at 0 pixels.
    assert (size["scale"]["type"], size["scale"]["domain"][0]) == ("linear", 0)
    assert size["scale"]["range"][0] == 0
    assert size["legend"]["values"] == [160, 224, 288, 384, 512]


def test_a_tooltip_says_every_figure_with_its_unit(axes: charts.Domains) -> None:
    tooltip = layer_with(spec_of(axes), "tooltip")["encoding"]["tooltip"]
    titles = [item["title"] for item in tooltip]
    assert titles[0] == "title"  # vega-tooltip's headline: the model's name
    assert {"Top-1 (%)", "Time per image", "Speed", "Batch size", "Image size (pixels)"} <= set(
        titles
    )
    assert {"Family", "Lead", "Flags", "Parameters", "Results set"} <= set(titles)


@views
def test_every_field_that_the_specification_names_is_drawn_and_no_other_is_sent(
    everything: pd.DataFrame, cost_axes: dict[str | None, charts.Domains], cost: str | None
) -> None:
    spec = spec_of(cost_axes[cost], cost=cost)
    text = json.dumps(spec)
    named = set(re.findall(r'"field": "(\w+)"', text)) | set(re.findall(r"datum\.(\w+)", text))
    for fields in re.findall(r'"fields": \[([^\]]*)\]', text):
        named |= set(re.findall(r"\w+", fields))
    named |= {unit["encoding"]["x2"]["field"] for unit in units(spec) if "x2" in unit["encoding"]}
    # An axis label's own value; and what the page itself adds, which the session alone knows.
    named -= {"value", "closed"}
    for changes in ({}, {"best_by": "trade-off"}, {"search": "vit"}):
        rows = rows_of(everything, cost_axes[cost], cost=cost, **changes)
        assert set(rows.columns) == named
    if cost is None:
        assert set(rows_of(everything, cost_axes[cost], with_trends=True).columns) == named


@pytest.mark.parametrize("cost", ["parameters", "multiply_adds"])
def test_the_second_view_is_logarithmic_both_ways_with_fixed_ends(
    everything: pd.DataFrame, cost_axes: dict[str | None, charts.Domains], cost: str
) -> None:
    axes = cost_axes[cost]
    assert axes.cost is not None
    spec = spec_of(axes, cost=cost)
    for y in encodings(spec, "y"):
        assert y["field"] == "cost"
        assert y["scale"] == {"type": "log", "domain": list(axes.cost), "nice": False}
        assert y["title"].endswith("(log scale)")
    values = without_test_models(everything)[cost].dropna()
    assert axes.cost[0] < values.min() < values.max() < axes.cost[1]
    rows = rows_of(everything, axes, cost=cost, search="resnet50")
    shown = rows[rows["shown"]]
    for row in shown.sample(20, random_state=1).to_dict("records"):
        (value,) = everything.loc[
            (everything["model"] == row["model"]) & (everything["image_size"] == row["image_size"]),
            cost,
        ]
        assert row["cost"] == value
    assert set(rows.loc[rows["label"] != "", "hit"]) == {True}, "the frontier is one of accuracy"


def test_the_labels_of_the_second_view_have_units_people_use(
    everything: pd.DataFrame, cost_axes: dict[str | None, charts.Domains]
) -> None:
    for cost, unit in (("parameters", "M"), ("multiply_adds", "G")):
        spec = spec_of(cost_axes[cost], cost=cost) | {"width": 900}
        rows = rows_of(everything, cost_axes[cost], cost=cost)
        spec["datasets"] = {"points": json.loads(rows.to_json(orient="records"))}
        svg = vl_convert.vegalite_to_svg(spec)
        ticks = re.findall(rf"<text[^>]*>([\d.,]+) {unit}</text>", svg)
        values = [float(tick.replace(",", "")) for tick in ticks]
        assert len(values) >= 5
        assert values == sorted(values)
        assert {str(value).replace(".", "").strip("0") for value in values} <= {"1", "2", "5"}


def test_the_axis_is_labelled_1_2_5_with_units_people_use(
    everything: pd.DataFrame, axes: charts.Domains
) -> None:
    spec = spec_of(axes) | {"width": 900}
    rows = rows_of(everything, axes)
    spec["datasets"] = {"points": json.loads(rows.to_json(orient="records"))}
    svg = vl_convert.vegalite_to_svg(spec)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    ticks = [text for text in texts if re.fullmatch(r"[\d.]+ (µs|ms|s)", text)]
    assert len(ticks) >= 6
    # Below a tenth of a millisecond in µs, from a second on in s.
    worth = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}
    seconds = [float(text.split()[0]) * worth[text.split()[1]] for text in ticks]
    assert seconds == sorted(seconds)
    for text, value in zip(ticks, seconds, strict=True):
        assert text.split()[0].replace(".", "").strip("0") in ("1", "2", "5")
        unit = "µs" if value < 9.9e-5 else "ms" if value < 0.99 else "s"
        assert text.endswith(f" {unit}")
        assert axes.seconds[0] <= value <= axes.seconds[1]


# Domains


def test_the_axes_hold_every_point_of_every_set_with_a_little_air(
    speed: pd.DataFrame, accuracy: pd.DataFrame, everything: pd.DataFrame
) -> None:
    other = points(speed, accuracy, run=RUN_2022, measure="training")
    both = charts.domains([everything, other])
    every = pd.concat([everything, other])
    seconds = every["seconds_per_image"]
    assert both.seconds[0] < seconds.min() < seconds.max() < both.seconds[1]
    assert both.seconds[0] > seconds.min() / 2
    assert both.seconds[1] < seconds.max() * 2
    bottom, ceiling = both.top1_percent
    assert 0 <= bottom < every["top1_percent"].min()
    assert every["top1_percent"].max() < ceiling <= 100


def test_the_axes_of_a_single_point_still_have_a_width() -> None:
    one = pd.DataFrame({"seconds_per_image": [0.001], "top1_percent": [99.9]})
    axes = charts.domains([one])
    assert axes.seconds[0] < 0.001 < axes.seconds[1]
    assert axes.top1_percent[0] < 99.9 <= axes.top1_percent[1] <= 100


# Colours


def test_eight_families_keep_their_colour_and_there_is_one_for_every_name(
    repository: Path,
) -> None:
    theme = tomllib.loads((repository / ".streamlit" / "config.toml").read_text())["theme"]
    for families in ((), ("levit",), ("resnet", "vgg"), PICKED, tuple("abcdefgh")):
        domain = charts.colours(families)
        assert domain[:8] == list(charts.FAMILIES)
        assert domain[13:] == [charts.OTHER, charts.INK, charts.PAPER]
        assert len(set(domain)) == len(domain)
        for mode in ("light", "dark"):
            assert len(theme[mode]["chartCategoricalColors"]) == len(domain)


def test_picked_families_get_the_next_colours_in_the_order_picked() -> None:
    assert charts.colours(["vgg", "resnet", "levit", "vgg"])[8:13] == [
        "vgg",
        "levit",
        " ",
        "  ",
        "   ",
    ]
    assert charts.colours(list("abcdefgh"))[8:13] == list("abcde")


def test_the_legend_lists_families_and_grey_but_neither_ink_nor_blanks(
    axes: charts.Domains,
) -> None:
    spec = spec_of(axes, families=("levit",))
    legend = next(c["legend"] for c in encodings(spec, "color") if c.get("legend"))
    assert legend["values"] == [*charts.FAMILIES, "levit", charts.OTHER]
