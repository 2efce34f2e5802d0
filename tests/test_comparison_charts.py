"""The Compare page's charts and tables: from frames, without a browser."""

import io
import json
import re
import subprocess
import sys
from itertools import combinations

import harness
import numpy as np
import pandas as pd
import pytest
import vl_convert
from test_comparison_words import NAMES, one_side

from bench import catalogue, comparison, points, results
from bench.comparison import Side
from pages.ui import (
    charts,
    comparison_charts,
    comparison_tables,
    downloads,
    family_charts,
)
from pages.ui.comparison_charts import Names

OLD = "2022-07-timm-rtx3090-amp-fp16-nhwc-pt1.11-cu11.3"
NEW_3090 = "2026-08-timm-rtx3090-amp-fp16-nchw-pt2.4.0-cu12.4"
NEW_5090 = "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"
COMPARED = {
    "measures": ((OLD, "throughput"), (OLD, "training")),
    "cards": ((NEW_3090, "throughput"), (NEW_5090, "throughput")),
    "eras": ((NEW_5090, "throughput"), (OLD, "training")),
}
# Plots as the page draws them, from the narrowest with labels to a wide screen.
PLOTS = [(520, 400), (560, 415), (650, 425), (780, 430), (925, 445), (1100, 445), (1400, 445)]


@pytest.fixture(scope="module", params=COMPARED)
def pairs(request: pytest.FixtureRequest, speed: pd.DataFrame, accuracy: pd.DataFrame):
    sets = results.results_sets(speed).set_index("run", drop=False)
    left, right = (
        Side(sets.loc[run], measure, points.points(speed, accuracy, run=run, measure=measure))
        for run, measure in COMPARED[request.param]
    )
    return comparison.compare(left, right, renames=catalogue.renames())


def test_the_charts_are_drawn_without_streamlit() -> None:
    code = (
        "import sys, pages.ui.comparison_charts, pages.ui.family_charts; "
        "sys.exit('streamlit' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=harness.REPOSITORY, check=True)


# --- the scatter --------------------------------------------------------------------------------


def drawn(pairs: pd.DataFrame, *, of: pd.DataFrame | None = None, **ringed) -> pd.DataFrame:
    """The scatter's rows for some pairs of a comparison, or for all."""
    everything = pairs if of is None else of
    return comparison_charts.drawn(
        pairs,
        comparison_charts.axes(everything),
        median=everything["ratio"].median(),
        out_of=len(everything),
        **ringed,
    )


def boxes(rows: pd.DataFrame, ends: comparison_charts.Axes, plot: tuple[int, int]) -> np.ndarray:
    """The boxes of the labels on a plot: left, top, right, bottom, worked out from the text."""
    labelled = rows[rows["label"].fillna("") != ""]
    x = np.log(labelled["left"] / ends.left[0]) / np.log(ends.left[1] / ends.left[0]) * plot[0]
    up = np.log(labelled["right"] / ends.right[0]) / np.log(ends.right[1] / ends.right[0])
    anchor = x + labelled["label_dx"]
    width = labelled["label"].str.len() * 6.4
    left = anchor - width.where(labelled["label_align"] == "right", 0)
    baseline = (1 - up) * plot[1] + labelled["label_dy"]
    return np.column_stack([left, baseline - 11, left + width, baseline + 3]).astype(float)


@pytest.mark.parametrize("chosen", [0, 6])
def test_no_label_overlaps_another_or_leaves_the_plot(pairs: pd.DataFrame, chosen: int) -> None:
    some = pairs.iloc[:: len(pairs) // 6].head(chosen)
    ends = comparison_charts.axes(pairs)
    found = comparison_tables.matching(pairs, "convnext") if chosen else None
    rows = drawn(pairs, chosen=some.index, found=None if found is None else found.index)
    for plot in PLOTS:
        found = boxes(rows, ends, plot)
        assert 3 <= len(found) <= 8
        assert found[:, 0].min() >= 0
        assert found[:, 1].min() >= 0
        assert found[:, 2].max() <= plot[0]
        assert found[:, 3].max() <= plot[1]
        for a, b in combinations(found, 2):
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, f"two labels overlap at {plot}"


def test_every_pair_is_one_point_and_lies_inside_the_axes(pairs: pd.DataFrame) -> None:
    ends = comparison_charts.axes(pairs)
    rows = drawn(pairs)
    of_pairs = rows[rows["kind"] == comparison_charts.POINT]
    assert len(of_pairs) == len(pairs)
    assert of_pairs["left"].between(*ends.left).all()
    assert of_pairs["right"].between(*ends.right).all()
    assert sorted(of_pairs["ratio"]) == sorted(pairs["ratio"])
    lines = rows[rows["kind"] != comparison_charts.POINT]
    slopes = (lines["right"] / lines["left"]).groupby(lines["kind"]).unique()
    assert slopes[comparison_charts.EQUAL] == [1.0]
    assert slopes[comparison_charts.MEDIAN] == pytest.approx([pairs["ratio"].median()])


def test_picked_models_are_ringed_and_drawn_last_and_those_found_before_them(
    pairs: pd.DataFrame,
) -> None:
    one = pairs.iloc[[len(pairs) // 2]]
    found = comparison_tables.matching(pairs, "ResNeXt50")
    assert 0 < len(found) < len(pairs)
    rows = drawn(pairs, chosen=one.index, found=found.index)
    of_pairs = rows[rows["kind"] == comparison_charts.POINT]
    ringed = of_pairs[of_pairs["chosen"].astype(bool)]
    assert set(ringed["name"]) == {*one["architecture"], *found["architecture"]}
    assert len(ringed) == len(of_pairs.tail(len(ringed)).query("chosen"))
    assert of_pairs.iloc[-1]["name"] == one["architecture"].item()
    assert of_pairs.iloc[-1]["label"] == one["architecture"].item()


def test_a_family_alone_keeps_the_median_and_the_ranks_of_all(pairs: pd.DataFrame) -> None:
    some = pairs[pairs["family"] == "resnet"]
    whole, part = drawn(pairs), drawn(some, of=pairs)
    lines = [rows[rows["kind"] != comparison_charts.POINT] for rows in (whole, part)]
    assert lines[0]["right"].tolist() == lines[1]["right"].tolist()
    ranks = [rows.set_index(["name", "size"])["ranks"].dropna() for rows in (whole, part)]
    assert len(ranks[1]) == len(some)
    assert ranks[1].to_dict().items() <= ranks[0].to_dict().items()


def test_a_legend_lists_only_families_that_are_there(pairs: pd.DataFrame) -> None:
    listed = comparison_charts.in_legend(pairs)
    assert set(listed) - {charts.OTHER} == set(pairs["family"]) & set(charts.FAMILIES)
    assert listed[-1] == charts.OTHER


# --- by family ----------------------------------------------------------------------------------


def test_families_stand_in_the_order_of_their_ratio_with_their_figures(
    pairs: pd.DataFrame,
) -> None:
    families = comparison.by_family(pairs)
    rows = family_charts.ratio_rows(families)
    assert list(rows) == families["family"].tolist()
    frame = family_charts.ratios_drawn(pairs, families, median=2.0, rows=rows, out_of=len(pairs))
    assert (frame["kind"] == comparison_charts.POINT).sum() == len(pairs)
    assert (frame["kind"] == comparison_charts.MEDIAN).sum() == len(families)
    assert frame.loc[frame["family"].notna(), "row"].isin(rows.values()).all()


def test_a_dumbbell_has_both_times_of_its_model(pairs: pd.DataFrame) -> None:
    best = comparison.best_of_each_family(pairs)
    rows = family_charts.dumbbell_rows(best, best["family"])
    frame = family_charts.dumbbells_drawn(best, rows, out_of=len(pairs))
    ends = frame.pivot_table(index="family", columns="side", values="seconds")
    ratio = (ends["right"] / ends["left"]).to_dict()
    assert ratio == pytest.approx(best.set_index("family")["ratio"].to_dict())


def specifications(
    pairs: pd.DataFrame, names: Names, *, above: bool = False
) -> dict[str, tuple[dict, pd.DataFrame]]:
    """Every chart with its rows; of dumbbells the one with titles above them, or beside."""
    axes = comparison_charts.axes(pairs)
    families = comparison.by_family(pairs)
    best = comparison.best_of_each_family(pairs)
    ratio_rows = family_charts.ratio_rows(families)
    best_rows = family_charts.dumbbell_rows(best, best["family"])
    ratios = family_charts.ratios_drawn(
        pairs, families, median=3.4, rows=ratio_rows, out_of=len(pairs)
    )
    ends = family_charts.dumbbells_drawn(best, best_rows, out_of=len(pairs))
    return {
        "points": (
            comparison_charts.time_against_time(
                axes, names, median=3.4, families=comparison_charts.in_legend(pairs)
            ).to_dict(),
            drawn(pairs),
        ),
        "ratios": (
            family_charts.ratio_by_family(
                list(ratio_rows.values()), names, family_charts.domain(ratios["ratio"])
            ).to_dict(),
            ratios,
        ),
        "dumbbells": (
            family_charts.dumbbells(
                best_rows, names, family_charts.domain(ends["seconds"]), above=above
            ).to_dict(),
            ends,
        ),
    }


def test_charts_use_no_colour_but_the_themes(pairs: pd.DataFrame) -> None:
    for spec, _ in specifications(pairs, NAMES).values():
        text = json.dumps(spec["layer"])
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|\"(black|white|gr[ae]y)\"", text)
        domains = re.findall(r'"scale": \{"domain": (\[[^]]*"other families"[^]]*\])', text)
        assert domains
        assert all(json.loads(domain) == charts.colours(()) for domain in domains)


@pytest.mark.parametrize(
    ("names", "how"), [(NAMES, {}), (Names("it's 'A' \\", 'B "two"'), {"above": True})]
)
def test_vega_draws_every_chart_whatever_the_sides_are_called(
    pairs: pd.DataFrame, names: Names, how: dict[str, bool]
) -> None:
    for name, (spec, frame) in specifications(pairs.head(40), names, **how).items():
        rows = json.loads(frame.to_json(orient="records"))
        svg = vl_convert.vegalite_to_svg({**spec, "datasets": {name: rows}, "width": 700})
        assert svg.count("<path") > 20


# --- tables -------------------------------------------------------------------------------------


FIGURES_OF_A_SIDE = (
    "time per image",
    "95 % interval",
    "speed",
    "rank",
    "lead",
    "batch size",
    "peak memory",
    "flags",
    "device",
    "settings",
    "PyTorch",
    "CUDA",
    "timm",
    "source",
)


def test_side_by_side_has_a_column_a_model_and_says_what_is_unknown(pairs: pd.DataFrame) -> None:
    some = pairs.iloc[[3, 1]].assign(licence=["apache-2.0", None])
    sides = one_side(source="timm 2026-08: a.csv"), one_side("training", source="measured")
    found = comparison_tables.side_by_side(some, NAMES, sides=sides, models=len(pairs))
    assert found.columns.tolist() == [
        comparison_tables.title(pairs.loc[row, "architecture"], pairs.loc[row, "image_size"])
        for row in (3, 1)
    ]
    for name in (NAMES.left, NAMES.right):
        assert {f"{name}: {figure}" for figure in FIGURES_OF_A_SIDE} <= set(found.index)
    assert found.notna().all().all()
    assert found.loc["Ratio"].tolist() == [
        comparison_charts.times(pairs.loc[row, "ratio"]) for row in (3, 1)
    ]
    assert found.loc["Licence"].tolist() == ["Apache License 2.0", "unknown"]
    assert found.loc["Commercial use"].tolist() == ["allowed", "unknown"]
    # Published files tell of no interval, no memory and no flags; a run of one's own had none.
    assert set(found.loc["Inference: 95 % interval"]) == {"unknown"}
    assert set(found.loc["Inference: peak memory"]) == {"unknown"}
    assert set(found.loc["Inference: flags"]) == {"unknown"}
    assert set(found.loc["Training: flags"]) == {"none"}
    assert found.loc["Inference: lead"].str.match(r"[+-]\d+\.\d points").all()
    assert set(found.loc["Inference: settings"]) == {"amp-fp16, nchw, eager"}
    assert set(found.loc["Inference: timm"]) == {"unknown"}
    assert set(found.loc["Inference: source"]) == {"timm 2026-08"}


def test_what_is_taken_away_says_which_sets_it_compares(pairs: pd.DataFrame) -> None:
    some = pairs.assign(licence=None).head(2)
    sides = one_side(run="a"), one_side("training", run="b")
    found = comparison_tables.taken_away(some, sides[0], right=sides[1])
    assert found[["run_left", "measure_left"]].drop_duplicates().to_numpy().tolist() == [
        ["a", "throughput"]
    ]
    assert found[["run_right", "measure_right"]].drop_duplicates().to_numpy().tolist() == [
        ["b", "training"]
    ]
    pd.testing.assert_frame_equal(found[list(comparison.PAIR_COLUMNS)], pairs.head(2))
    again = pd.read_parquet(io.BytesIO(downloads.parquet(found)))
    assert again["ratio"].tolist() == pairs.head(2)["ratio"].tolist()
    hostile = found.assign(
        architecture="=1+1", flags_left=[["noisy", "throttled"], None], flags_right=[["@x"], None]
    )
    read = pd.read_csv(io.BytesIO(downloads.csv(hostile)), keep_default_na=False)
    assert read["architecture"].tolist() == ["'=1+1"] * 2
    assert read["flags_left"].tolist() == ["noisy throttled", ""]
    assert read["flags_right"].tolist() == ["'@x", ""]


def test_the_table_holds_every_pair(pairs: pd.DataFrame) -> None:
    found = comparison_tables.table(pairs)
    assert len(found) == len(pairs)
    assert set(comparison_tables.column_config(NAMES)) == set(found.columns)
    np.testing.assert_allclose(found["left_ms"], pairs["seconds_per_image_left"] * 1e3)
