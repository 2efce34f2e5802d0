"""The chart's specification and the rows that it draws: pure, checked without a browser."""

import json
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import vl_convert
from selections import RUN_2022, RUN_5090, asked

from bench.points import most_accurate_weights, points, without_test_models
from bench.trends import trends
from pages.ui import charts, filtering, speed_charts
from pages.ui.views import PICKED

MEASURES = ("throughput", "latency", "training")


@pytest.fixture(scope="module")
def everything(speed: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    return points(speed, accuracy, run=RUN_5090, measure="throughput")


@pytest.fixture(scope="module")
def axes(everything: pd.DataFrame) -> charts.Domains:
    return charts.domains([without_test_models(everything)])


VIEWS = (None, "parameters", "multiply_adds")
views = pytest.mark.parametrize("cost", VIEWS)


@pytest.fixture(scope="module")
def cost_axes(everything: pd.DataFrame) -> dict[str | None, charts.Domains]:
    return {cost: charts.domains([without_test_models(everything)], cost) for cost in VIEWS}


def spec_of(
    axes: charts.Domains,
    *,
    measure: str = "throughput",
    families: tuple[str, ...] = (),
    cost: str | None = None,
) -> dict:
    colours = charts.colours(families)
    if cost is not None:
        return speed_charts.cost_against_speed(measure, axes, colours, cost).to_dict()
    return speed_charts.accuracy_against_speed(measure, axes, colours, "ImageNet-1k").to_dict()


def rows_of(
    frame: pd.DataFrame,
    axes: charts.Domains,
    *,
    cost: str | None = None,
    with_trends: bool = False,
    **changes,
) -> pd.DataFrame:
    """What the page draws of a results set for a selection."""
    chosen = asked(**changes)
    left = filtering.apply(frame, chosen)
    rows = charts.drawn(
        filtering.one_a_point(left.points, chosen),
        colour_domain=charts.colours(chosen.families or (PICKED if chosen.view else ())),
        axes=axes,
        frontier=filtering.one_a_point(left.frontier, chosen),
        lines=left.lines,
        trends=(
            trends(most_accurate_weights(left.affordable, in_each_family=True))
            if with_trends
            else None
        ),
        search=chosen.search,
        label_all=chosen.best_by is not None,
        cost=cost,
    )
    return rows.astype(dict.fromkeys(charts.REPEATED, "str"))


def units(spec: dict) -> list[dict]:
    """Every layer that draws, from the back to the front."""
    return [
        unit for layer in spec["layer"] for unit in (units(layer) if "layer" in layer else [layer])
    ]


def encodings(spec: dict, channel: str) -> list[dict]:
    return [unit["encoding"][channel] for unit in units(spec) if channel in unit["encoding"]]


def layer_with(spec: dict, channel: str) -> dict:
    (layer,) = [unit for unit in units(spec) if channel in unit["encoding"]]
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
    named -= {"value"}  # an axis label's own value
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


# Lines


@pytest.mark.parametrize(
    "changes", [{}, {"best_by": "fastest"}, {"max_s": 0.001}, {"search": "vi"}]
)
def test_a_familys_line_runs_through_what_none_of_the_family_beats(
    everything: pd.DataFrame, axes: charts.Domains, changes: dict
) -> None:
    rows = rows_of(everything, axes, **changes)
    line = rows[rows["line"]]
    assert not line["trend"].any()
    whole = without_test_models(everything)
    for family in ("levit", "resnet", "convnext_in22", "vit"):
        of_family = whole[whole["family"] == family]
        unbeaten = {
            (row.seconds_per_image, row.top1_percent)
            for row in of_family.itertuples()
            if not (
                (of_family["seconds_per_image"] <= row.seconds_per_image)
                & (of_family["top1_percent"] > row.top1_percent)
            ).any()
            and not (
                (of_family["seconds_per_image"] < row.seconds_per_image)
                & (of_family["top1_percent"] >= row.top1_percent)
            ).any()
            and row.seconds_per_image <= changes.get("max_s", 1.0)
        }
        found = line[line["family"] == family]
        assert set(zip(found["seconds"], found["top1"], strict=True)) == unbeaten


def test_trend_lines_have_two_ends_and_are_neither_bubbles_nor_labelled(
    everything: pd.DataFrame, axes: charts.Domains
) -> None:
    without = rows_of(everything, axes)
    rows = rows_of(everything, axes, with_trends=True)
    drawn = rows[rows["trend"]]
    assert not without["trend"].any()
    pd.testing.assert_frame_equal(rows[~rows["trend"]], without)
    assert rows.dtypes.to_dict() == without.dtypes.to_dict()
    assert (drawn.groupby("family").size() == 2).all()
    assert not drawn[["shown", "frontier", "line", "hit", "beside", "flagged"]].any(axis=None)
    assert set(drawn["label"]) == {""}
    whole = without_test_models(everything)
    expected = trends(most_accurate_weights(whole, in_each_family=True))
    assert set(drawn["family"]) == set(expected["family"])
    resnet = expected.set_index("family").loc["resnet"]
    ends = drawn[drawn["family"] == "resnet"].sort_values("seconds")
    assert ends["seconds"].tolist() == [resnet["seconds_low"], resnet["seconds_high"]]
    assert ends["top1"].tolist() == [resnet["top1_low"], resnet["top1_high"]]


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
    measured["others"] = [0, 1, 4]
    rows = charts.drawn(
        measured, colour_domain=charts.colours(()), axes=axes, frontier=measured.head(0)
    )
    by_model = rows.set_index("model").loc[measured["model"]]
    assert by_model["low"].tolist() == measured["seconds_low"].tolist()
    assert by_model["high"].tolist() == measured["seconds_high"].tolist()
    assert by_model["others"].tolist() == [
        "alone at this point",
        "and 1 other at this point",
        "and 4 others at this point",
    ]
    assert by_model["time"].str.contains(r"^\S+ [mµ]s \(\S+ [mµ]s to \S+ [mµ]s\)$").all()
    assert by_model["flags"].tolist() == ["noisy, not warm", "none", "none"]
    assert by_model["flagged"].tolist() == [True, False, False]
    fill = layer_with(spec_of(axes), "size")["encoding"]["fillOpacity"]
    assert fill["condition"]["test"] == "datum.flagged || datum.estimated"
    assert fill["condition"]["value"] < fill["value"]


def test_an_estimated_point_is_hollow_and_dashed_and_says_so(
    everything: pd.DataFrame, axes: charts.Domains
) -> None:
    some = everything.head(2).assign(estimated=[True, False], seconds_low=1e-4, seconds_high=1e-3)
    rows = charts.drawn(some, colour_domain=charts.colours(()), axes=axes, frontier=some.head(0))
    times = rows.set_index("model")["time"].loc[some["model"]].tolist()
    assert times[0].startswith("about ")
    assert times[0].endswith(" (0.1 ms to 1 ms), estimated")
    assert "estimated" not in times[1]
    bubbles = layer_with(spec_of(axes), "size")["encoding"]
    dash = bubbles["strokeDash"]
    assert (dash["condition"]["test"], dash["value"]) == ("datum.estimated", [1, 0])
    assert "datum.estimated" in bubbles["fillOpacity"]["condition"]["test"]
