"""The rows that the chart draws: points, frontier, lines, and what each says of itself."""

import pandas as pd
import pytest
from drawing import layer_with, rows_of, spec_of
from selections import RUN_2022, asked

from bench.points import POINT_COLUMNS, most_accurate_weights, points, without_test_models
from bench.trends import trends
from pages.ui import board, charts, data, filtering

# Points


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


def test_what_is_taken_away_holds_figures_and_nothing_that_is_only_drawn() -> None:
    files = data.Files(data.speed_signature(), data.accuracy_signature())
    shown = board.Shown(files, asked(search="resnet"), data.sets(files.speed))
    taken = board.taken_away(shown, {"top1": [80, 90]}, None)
    assert list(taken.columns) == [*POINT_COLUMNS, "licence", "others"]
    assert taken["top1_percent"].between(80, 90).all()
    assert len(taken) == shown.left.points["top1_percent"].between(80, 90).sum() > 100
