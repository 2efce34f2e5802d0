"""Two sides laid against each other, held against plain Python and cases worked by hand."""

import math
import statistics
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import catalogue, comparison, points, results
from bench.comparison import Side

RUN_2022 = "2022-07-timm-rtx3090-amp-fp16-nhwc-pt1.11-cu11.3"
RUN_3090 = "2026-08-timm-rtx3090-amp-fp16-nhwc-pt1.12-cu11.3"
RUN_5090 = "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"

few = st.sampled_from([1.0, 2.0, 3.0, 4.0])
values = st.lists(st.tuples(few, few), min_size=0, max_size=12)


def a_set(torch: str = "2.9.1", **circumstances: object) -> pd.Series:
    """A row of results.results_sets."""
    row = {
        "run": f"run-{torch}",
        "device": "NVIDIA GeForce RTX 3090",
        "precision": "amp-fp16",
        "layout": "nchw",
        "compiled": "eager",
        "torch": torch,
        "cuda": None,
        "timm": None,
        "measured_at": pd.NaT,
    }
    return pd.Series(row | circumstances)


def some_points(rows: Iterable[tuple[str, int, float]], top1: float = 70.0) -> pd.DataFrame:
    """Points of (weights, image size, seconds per image), their speed under the weights' name."""
    table = pd.DataFrame(list(rows), columns=["model", "image_size", "seconds_per_image"])
    table = table.astype({"model": "str", "image_size": "int32", "seconds_per_image": "float64"})
    architectures = [name.partition(".")[0] for name in table["model"]]
    table["architecture"] = pd.Series(architectures, dtype="str")
    table["speed_model"] = table["architecture"]
    table["family"] = [name.partition("_")[0] for name in table["architecture"]]
    table["images_per_s"] = 1 / table["seconds_per_image"]
    table["top1_percent"] = top1
    for name in points.POINT_COLUMNS:
        if name not in table:
            table[name] = pd.NA
    return table[list(points.POINT_COLUMNS)]


def side(rows: Iterable[tuple[str, int, float]], torch: str = "2.9.1", **more: object) -> Side:
    return Side(a_set(torch, **more), "throughput", some_points(rows))


@pytest.fixture(scope="module")
def published(speed: pd.DataFrame, accuracy: pd.DataFrame):
    sets = results.results_sets(speed).set_index("run", drop=False)

    def of(run: str, measure: str) -> Side:
        return Side(
            sets.loc[run], measure, points.points(speed, accuracy, run=run, measure=measure)
        )

    return of


# --- rank correlation ---------------------------------------------------------------------------


def mean_ranks(numbers: list[float]) -> list[float]:
    return [
        sum(other < one for other in numbers) + (sum(other == one for other in numbers) + 1) / 2
        for one in numbers
    ]


@given(values)
def test_rank_correlation_equals_its_definition_also_with_equals(
    pairs: list[tuple[float, float]],
) -> None:
    one, other = [p[0] for p in pairs], [p[1] for p in pairs]
    found = comparison.rank_correlation(
        pd.Series(one, dtype="float64"), pd.Series(other, dtype="float64")
    )
    if len(set(one)) < 2 or len(set(other)) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(statistics.correlation(mean_ranks(one), mean_ranks(other)))


@given(st.permutations(range(9)))
def test_rank_correlation_without_equals_follows_spearmans_formula(order: list[int]) -> None:
    squares = sum((rank - place) ** 2 for place, rank in enumerate(order))
    expected = 1 - 6 * squares / (9 * (9**2 - 1))
    found = comparison.rank_correlation(pd.Series(range(9)), pd.Series(order))
    assert found == pytest.approx(expected)


# --- pairs --------------------------------------------------------------------------------------

names = st.sampled_from(["vit_a", "vit_b", "resnet_a", "resnet_b", "test_vit"])
rows = st.lists(
    st.tuples(names, st.sampled_from([224, 288]), few),
    max_size=8,
    unique_by=lambda row: row[:2],
)


@given(rows, rows)
def test_pairs_ratios_and_ranks_equal_brute_force(
    left: list[tuple[str, int, float]], right: list[tuple[str, int, float]]
) -> None:
    pairs = comparison.compare(side(left), side(right), renames={})
    one = {(name, size): s for name, size, s in left if not name.startswith("test_")}
    other = {(name, size): s for name, size, s in right if not name.startswith("test_")}
    both = set(one) & set(other)
    assert set(zip(pairs["architecture"], pairs["image_size"], strict=True)) == both
    assert len(pairs) == len(both)
    for _, pair in pairs.iterrows():
        key = (pair["architecture"], pair["image_size"])
        rank = [1 + sum(s[k] < s[key] for k in both) for s in (one, other)]
        assert pair["ratio"] == other[key] / one[key]
        assert [pair["rank_left"], pair["rank_right"]] == rank
        assert pair["gained"] == rank[0] - rank[1]
    assert pairs["ratio"].is_monotonic_increasing


def test_weights_that_share_a_speed_are_one_pair_with_the_most_accurate() -> None:
    one = some_points([("vit.a", 224, 1.0), ("vit.b", 224, 1.0)])
    one["top1_percent"] = [70.0, 80.0]
    pairs = comparison.compare(
        Side(a_set(), "throughput", one), side([("vit.a", 224, 2.0)]), renames={}
    )
    assert pairs[["model", "top1_percent", "ratio"]].to_numpy().tolist() == [["vit.b", 80.0, 2.0]]


RENAMES = {
    "tv_resnet": "resnet.tv_in1k",
    "swin_old": "swin.ms_in1k",
    "swin_older": "swin.other",
    "gone": None,
}
OLD = [
    ("resnet", 224, 4.0),
    ("tv_resnet", 224, 1.0),
    ("swin_older", 224, 6.0),
    ("swin_old", 224, 5.0),
    ("gone", 224, 1.0),
    ("vit", 224, 2.0),
    ("vit", 384, 3.0),
]
NEW = [("resnet.a1", 224, 8.0), ("swin.ms_in1k", 224, 20.0), ("vit.x", 224, 2.0)]


def test_old_names_meet_present_ones() -> None:
    pairs = comparison.compare(side(OLD, "1.11"), side(NEW), renames=RENAMES)
    found = dict(zip(pairs["architecture"], pairs["ratio"], strict=True))
    # resnet's own speed counts, not that of tv_resnet; of swin's two the faster.
    assert found == {"vit": 1.0, "resnet": 2.0, "swin": 4.0}
    assert set(pairs["model"]) == {"resnet.a1", "swin.ms_in1k", "vit.x"}


def test_old_names_meet_present_ones_from_either_side() -> None:
    there = comparison.compare(side(OLD, "1.11"), side(NEW), renames=RENAMES)
    back = comparison.compare(side(NEW), side(OLD, "1.11"), renames=RENAMES)
    expected = dict(zip(there["architecture"], 1 / there["ratio"], strict=True))
    assert dict(zip(back["architecture"], back["ratio"], strict=True)) == expected
    assert set(back["model"]) == set(there["model"])


def test_a_side_of_removed_models_alone_has_nothing_in_common() -> None:
    old = side([("gone", 224, 1.0)], "1.11")
    assert comparison.compare(old, side(NEW), renames=RENAMES).empty


def test_two_old_sets_keep_their_own_names() -> None:
    pairs = comparison.compare(side(OLD, "1.11"), side(OLD, "1.11"), renames=RENAMES)
    assert set(pairs["architecture"]) == {name for name, _, _ in OLD}
    assert set(pairs["ratio"]) == {1.0}


def test_renames_join_more_of_the_published_sets_and_change_none(published) -> None:
    old, new = published(RUN_2022, "training"), published(RUN_3090, "training")
    today = catalogue.renames()
    mapped = comparison.compare(old, new, renames=today)
    plain = comparison.compare(old, new, renames={})
    assert len(mapped) > len(plain) > 300
    # Plain Python: each old model under its present name, its own name first, else the fastest.
    seconds: dict[tuple[str, int], tuple[bool, float]] = {}
    for row in old.points.itertuples():
        name = today.get(row.model, row.model)
        if name is None or row.model.startswith("test_"):
            continue
        key = (name.partition(".")[0], row.image_size)
        candidate = (key[0] != row.model, row.seconds_per_image)
        seconds[key] = min(seconds.get(key, candidate), candidate)
    theirs = {(r.architecture, r.image_size): r.seconds_per_image for r in new.points.itertuples()}
    both = {key for key in seconds if key in theirs}
    found = {
        (r.architecture, r.image_size): (r.seconds_per_image_left, r.seconds_per_image_right)
        for r in mapped.itertuples()
    }
    assert found == {key: (seconds[key][1], theirs[key]) for key in both}


# --- families and the summary -------------------------------------------------------------------


def test_a_familys_distribution_worked_by_hand() -> None:
    left = [(f"vit_{n}", 224, 1.0 + n) for n in range(4)] + [("resnet_a", 224, 9.0)]
    ratios = [1.0, 2.0, 3.0, 5.0, 0.5]
    right = [(name, size, s * r) for (name, size, s), r in zip(left, ratios, strict=True)]
    table = comparison.by_family(comparison.compare(side(left), side(right), renames={}))
    assert table["family"].tolist() == ["resnet", "vit"]
    vit = table.set_index("family").loc["vit"]
    assert vit["models"] == 4
    assert vit[["ratio_low", "ratio_median", "ratio_high"]].tolist() == [1.75, 2.5, 3.5]
    # left ranks of vit 1 2 3 4, right times 1 4 9 20 beside resnet's 4.5: ranks 1 2 4 5
    assert vit["gained"] == -0.5
    assert table.set_index("family").loc["resnet", "gained"] == 2


def families(sizes: dict[str, int]) -> pd.DataFrame:
    return pd.DataFrame({"family": list(sizes), "models": list(sizes.values())})


def test_a_family_of_few_models_is_not_called_winner_or_loser() -> None:
    table = families({"one": 1, "three": 3, "two": 2, "many": 9, "last": 1})
    assert comparison.speaking(table)["family"].tolist() == ["three", "many"]


def test_where_no_family_has_enough_models_all_speak() -> None:
    table = families({"one": 1, "three": 3, "two": 2})
    assert comparison.speaking(table)["family"].tolist() == ["one", "three", "two"]


def test_the_most_changed_families_are_both_ends_and_the_known_ones_in_order() -> None:
    table = families({"a": 3, "lone": 1, "b": 3, "c": 3, "known": 1, "d": 3, "e": 3})
    found = comparison.most_changed(table, ends=1, always=("known", "absent"))
    assert found["family"].tolist() == ["a", "known", "e"]


def test_the_best_of_each_family_is_the_best_trade_off_of_the_left_side(published) -> None:
    left, right = published(RUN_2022, "throughput"), published(RUN_2022, "training")
    pairs = comparison.compare(left, right, renames={})
    best = comparison.best_of_each_family(pairs).set_index("family")
    assert set(best.index) == set(pairs["family"])
    shared = left.points.merge(pairs[["architecture", "image_size"]])
    ranked = points.ranked(shared)
    expected = points.best_of_each_family(ranked).set_index("family")["model"]
    assert best["model"].to_dict() == expected.to_dict()


def test_a_summary_of_one_model_and_of_one_family_claims_no_more() -> None:
    one = comparison.summary(
        comparison.compare(side([("vit_a", 224, 1.0)]), side([("vit_a", 224, 3.0)]), renames={})
    )
    assert (one.models, one.median_ratio, len(one.climb), len(one.fall)) == (1, 3.0, 0, 0)
    assert math.isnan(one.rank_correlation)


def test_the_models_that_move_most_stand_at_both_ends(published) -> None:
    left, right = published(RUN_2022, "throughput"), published(RUN_2022, "training")
    pairs = comparison.compare(left, right, renames={})
    found = comparison.most_moved(pairs, ends=3)
    assert sorted(found["gained"], reverse=True) == found["gained"].tolist()
    assert found["gained"].tolist()[:3] == sorted(pairs["gained"])[-1:-4:-1]
    assert found["gained"].tolist()[3:] == sorted(pairs["gained"], reverse=True)[-3:]
    assert len(comparison.most_moved(pairs.head(6), ends=3)) == 6


def test_training_follows_inference_but_some_families_change_places(published) -> None:
    left, right = published(RUN_2022, "throughput"), published(RUN_2022, "training")
    pairs = comparison.compare(left, right, renames={})
    theirs = {(r.model, r.image_size): r.seconds_per_image for r in right.points.itertuples()}
    ratios = [
        theirs[r.model, r.image_size] / r.seconds_per_image
        for r in left.points.itertuples()
        if (r.model, r.image_size) in theirs
    ]
    found = comparison.summary(pairs)
    assert found.models == len(ratios) > 500
    assert found.median_ratio == pytest.approx(statistics.median(ratios))
    assert 3.2 < found.median_ratio < 3.5
    assert 0.95 < found.rank_correlation < 0.98
    table = comparison.by_family(pairs).set_index("family")
    assert found.fall["family"].iloc[0] == "regnetx"
    assert found.fall["gained"].is_monotonic_increasing
    assert found.climb["gained"].is_monotonic_decreasing
    assert found.climb["models"].min() >= comparison.MODELS_THAT_SPEAK
    assert table.loc["regnetx", "gained"] < -50
    assert table.loc["vit", "gained"] > 20


def test_a_comparison_with_itself_changes_nothing(published) -> None:
    one = published(RUN_5090, "throughput")
    found = comparison.summary(comparison.compare(one, one, renames={}))
    assert (found.median_ratio, len(found.climb), len(found.fall)) == (1.0, 0, 0)
    assert found.rank_correlation == pytest.approx(1.0)
    expected = points.without_test_models(one.points).drop_duplicates(
        ["architecture", "image_size"]
    )
    assert found.models == len(expected)


# --- circumstances ------------------------------------------------------------------------------


def test_sides_name_every_circumstance_in_which_they_differ() -> None:
    left = side([], "2.4.0", cuda="12.4")
    right = Side(
        a_set("2.9.1", cuda="13.0", device="Apple M3", compiled="inductor default"),
        "training",
        some_points([]),
    )
    found = {d.circumstance: (d.left, d.right) for d in comparison.differences(left, right)}
    assert found == {
        "measure": ("throughput", "training"),
        "device": ("NVIDIA GeForce RTX 3090", "Apple M3"),
        "compile": ("eager", "inductor default"),
        "software": ("PyTorch 2.4.0, CUDA 12.4", "PyTorch 2.9.1, CUDA 13.0"),
    }


def test_what_one_side_does_not_say_is_no_difference() -> None:
    assert comparison.differences(side([], timm="1.0.31"), side([], timm=None)) == []


def test_batch_sizes_count_only_where_both_are_known_and_differ() -> None:
    pairs = pd.DataFrame(
        {
            "batch_size_left": pd.array([256, 256, None, 128], dtype="Int32"),
            "batch_size_right": pd.array([256, 128, 64, None], dtype="Int32"),
        }
    )
    assert comparison.different_batches(pairs) == 1


def test_nothing_in_common_is_an_empty_frame_with_every_column() -> None:
    pairs = comparison.compare(side([("vit", 224, 1.0)]), side([("vit", 384, 1.0)]), renames={})
    assert pairs.empty
    assert pairs.columns.tolist() == list(comparison.PAIR_COLUMNS)
    assert pairs["ratio"].dtype == np.float64
