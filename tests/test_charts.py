"""The chart's specification and the rows that it draws: pure, checked without a browser."""

import json
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import vl_convert
from selections import RUN_2022, RUN_5090, asked

from bench.points import points, without_test_models
from pages.ui import charts, filtering
from pages.ui.views import PICKED

MEASURES = ("throughput", "latency", "training")


@pytest.fixture(scope="module")
def everything(speed: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    return points(speed, accuracy, run=RUN_5090, measure="throughput")


@pytest.fixture(scope="module")
def axes(everything: pd.DataFrame) -> charts.Domains:
    return charts.domains([without_test_models(everything)])


def spec_of(
    axes: charts.Domains, *, measure: str = "throughput", families: tuple[str, ...] = ()
) -> dict:
    chart = charts.accuracy_against_speed(measure, axes, charts.colours(families), "ImageNet-1k")
    return chart.to_dict()


def rows_of(frame: pd.DataFrame, axes: charts.Domains, **changes) -> pd.DataFrame:
    """What the page draws of a results set for a selection."""
    chosen = asked(**changes)
    left = filtering.apply(frame, chosen)
    return charts.drawn(
        filtering.one_a_point(left.points, chosen),
        colour_domain=charts.colours(chosen.families or (PICKED if chosen.view else ())),
        axes=axes,
        frontier=filtering.one_a_point(left.frontier, chosen),
        search=chosen.search,
        label_all=chosen.best_by is not None,
    )


def encodings(spec: dict, channel: str) -> list[dict]:
    return [
        layer["encoding"][channel]
        for layer in spec["layer"]
        if channel in layer.get("encoding", {})
    ]


def layer_with(spec: dict, channel: str) -> dict:
    (layer,) = [layer for layer in spec["layer"] if channel in layer["encoding"]]
    return layer


# The specification


def test_the_specification_is_the_same_byte_for_byte_however_often_it_is_built(
    axes: charts.Domains,
) -> None:
    first = json.dumps(spec_of(axes))
    # Altair counts the names it makes up; none may reach the specification.
    for measure in MEASURES:
        spec_of(axes, measure=measure, families=("levit",))
    assert json.dumps(spec_of(axes)) == first


def test_the_specification_holds_no_rows_and_no_colours(axes: charts.Domains) -> None:
    spec = spec_of(axes)
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


def test_every_field_that_the_specification_names_is_drawn(
    everything: pd.DataFrame, axes: charts.Domains
) -> None:
    text = json.dumps(spec_of(axes))
    named = set(re.findall(r'"field": "(\w+)"', text)) | set(re.findall(r"datum\.(\w+)", text))
    named -= {"value"}  # an axis label's own value
    columns = set(rows_of(everything, axes).columns)
    assert named <= columns
    # And nothing is sent that nobody reads.
    listed = set(re.findall(r'"fields": \["([^\]]*)"\]', text))
    read_elsewhere = {name for group in listed for name in re.findall(r"\w+", group)}
    assert columns - named <= read_elsewhere | {"frontier"}


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


def test_grey_is_drawn_first_and_what_was_searched_last(
    everything: pd.DataFrame, axes: charts.Domains
) -> None:
    rows = rows_of(everything, axes, search="ResNet50")
    hits = rows["hit"].tolist()
    assert hits == sorted(hits)
    assert 0 < sum(hits) < len(hits)
    is_coloured = (rows["colour"] != charts.OTHER)[~rows["hit"]].tolist()
    assert is_coloured == sorted(is_coloured)
    assert set(rows["colour"]) == {*charts.FAMILIES, charts.OTHER}
    in_colour = rows["family"].isin(charts.FAMILIES)
    assert (rows["colour"] == rows["family"]).tolist() == in_colour.tolist()


# Rows


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"search": "vit"},
        {"best_by": "trade-off"},
        {"best_by": "fastest", "max_s": 0.001},
        {"max_s": 0.0005, "min_top1_percent": 80.0},
        {"families": ("resnet", "levit")},
        {"image_sizes": (224, 288)},
        {"test_models": True},
    ],
)
def test_the_rows_are_the_points_left_and_the_frontier_is_whole(
    everything: pd.DataFrame, axes: charts.Domains, changes: dict
) -> None:
    chosen = asked(**changes)
    left = filtering.apply(everything, chosen)
    expected = filtering.one_a_point(left.points, chosen)
    rows = rows_of(everything, axes, **changes)
    shown = rows[rows["shown"]]
    key = ["model", "image_size"]
    assert set(map(tuple, shown[key].values)) == set(map(tuple, expected[key].values))
    assert not rows.duplicated(key).any()
    line = filtering.one_a_point(left.frontier, chosen)
    assert set(map(tuple, rows.loc[rows["frontier"], key].values)) == set(
        map(tuple, line[key].values)
    )


def test_the_frontier_keeps_a_model_whose_other_size_is_the_familys_best(
    everything: pd.DataFrame,
) -> None:
    # The same weights at two sizes, both unbeaten; the family's most accurate is the larger one.
    twice = everything.head(2).copy()
    twice["model"] = twice["architecture"] = "resnet50"
    twice["family"] = "resnet"
    twice["image_size"] = [224, 288]
    twice["seconds_per_image"] = [0.001, 0.002]
    twice["top1_percent"] = [80.0, 81.0]
    chosen = asked(best_by="accurate")
    left = filtering.apply(twice, chosen)
    assert (len(left.points), len(left.frontier)) == (1, 2)
    rows = rows_of(twice, charts.domains([twice]), best_by="accurate")
    assert sorted(rows.loc[rows["frontier"], "image_size"]) == [224, 288]
    assert rows.loc[rows["shown"], "image_size"].tolist() == [288]


def test_a_search_takes_any_part_of_a_name_literally(
    everything: pd.DataFrame, axes: charts.Domains
) -> None:
    for wanted in (" convnext_TINY ", ".fb_in1k", "resnet50.a1", "(", "", "  "):
        rows = rows_of(everything, axes, search=wanted)
        part = wanted.strip().lower()
        expected = {m for m in rows["model"] if part and part in m.lower()}
        assert set(rows.loc[rows["hit"], "model"]) == expected


def test_the_picked_model_is_ringed_by_its_point(
    everything: pd.DataFrame, axes: charts.Domains
) -> None:
    left = filtering.one_a_point(filtering.apply(everything, asked()).points, asked())
    worst = everything[everything["architecture"] == "resnet50"].nsmallest(1, "top1_percent")
    (model, size), *_ = zip(worst["model"], worst["image_size"], strict=True)
    rows = charts.drawn(
        left, colour_domain=charts.colours(()), axes=axes, frontier=left, picked=(model, size)
    )
    (hit,) = rows[rows["hit"]].to_dict("records")
    assert hit["model"].partition(".")[0] == "resnet50"
    assert hit["image_size"] == size


def test_a_second_set_is_drawn_over_the_first_as_diamonds_without_a_frontier(
    speed: pd.DataFrame, accuracy: pd.DataFrame, everything: pd.DataFrame
) -> None:
    other = points(speed, accuracy, run=RUN_2022, measure="throughput")
    both = charts.domains([everything, other])
    rows = charts.drawn(
        everything,
        colour_domain=charts.colours(()),
        axes=both,
        frontier=everything[everything["frontier"]],
        beside=other,
        names=("the 5090", "the 3090"),
    )
    assert rows["beside"].tolist() == sorted(rows["beside"])
    assert rows["beside"].sum() == len(other)
    assert set(rows.loc[rows["beside"], "set"]) == {"the 3090"}
    assert set(rows.loc[~rows["beside"], "set"]) == {"the 5090"}
    assert not (rows["beside"] & rows["frontier"]).any()
    shape = layer_with(spec_of(both), "shape")["encoding"]["shape"]
    assert (shape["scale"]["domain"], shape["scale"]["range"]) == (
        [False, True],
        ["circle", "diamond"],
    )


def test_a_measured_point_has_its_interval_and_a_flagged_one_looks_different(
    everything: pd.DataFrame, axes: charts.Domains
) -> None:
    measured = everything.head(3).copy()
    measured["seconds_low"] = measured["seconds_per_image"] * 0.9
    measured["seconds_high"] = measured["seconds_per_image"] * 1.1
    measured["flags"] = [["noisy", "not_warm"], [], None]
    rows = charts.drawn(
        measured, colour_domain=charts.colours(()), axes=axes, frontier=measured.head(0)
    )
    by_model = rows.set_index("model").loc[measured["model"]]
    assert by_model["low"].tolist() == measured["seconds_low"].tolist()
    assert by_model["high"].tolist() == measured["seconds_high"].tolist()
    assert by_model["flags"].tolist() == ["noisy, not warm", "none", "none"]
    assert by_model["flagged"].tolist() == [True, False, False]
    fill = layer_with(spec_of(axes), "size")["encoding"]["fillOpacity"]
    assert fill["condition"]["test"] == "datum.flagged"
    assert fill["condition"]["value"] < fill["value"]
