"""What the Compare page says of two sides: their names, the sentence, the circumstances."""

import pandas as pd
import pytest
from test_comparison import a_set, some_points

from bench import comparison
from bench.comparison import Side
from pages.ui import comparison_words
from pages.ui.comparison_charts import Names

NAMES = Names("Inference", "Training")


def one_side(measure: str = "throughput", **circumstances: object) -> Side:
    return Side(a_set(**circumstances), measure, some_points([]))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (one_side(), one_side("training"), ("Inference", "Training")),
        (one_side(), one_side(device="Apple M3"), ("RTX 3090", "Apple M3")),
        (
            one_side(),
            one_side("latency", device="Apple M3"),
            ("Inference on RTX 3090", "Latency on Apple M3"),
        ),
        (one_side(), one_side(layout="nhwc"), ("nchw", "nhwc")),
        (
            one_side(),
            one_side(torch="2.13.0", precision="bf16"),
            ("amp-fp16, PyTorch 2.9.1", "bf16, PyTorch 2.13.0"),
        ),
        (one_side(run="a"), one_side(run="b"), ("a", "b")),
        (
            one_side(measured_at=pd.Timestamp("2026-11-01 10:00", tz="UTC")),
            one_side(measured_at=pd.Timestamp("2026-11-02 11:30", tz="UTC")),
            ("2026-11-01 10:00", "2026-11-02 11:30"),
        ),
        (
            one_side(run="a", measured_at=pd.Timestamp("2026-11-01 10:00:01", tz="UTC")),
            one_side(run="b", measured_at=pd.Timestamp("2026-11-01 10:00:02", tz="UTC")),
            ("a", "b"),
        ),
    ],
)
def test_sides_bear_the_shortest_names_that_tell_them_apart(
    left: Side, right: Side, expected: tuple[str, str]
) -> None:
    names = comparison_words.names(left, right)
    assert (names.left, names.right) == expected


def few_pairs(**columns: list) -> pd.DataFrame:
    """Two pairs without any flag, batch sizes unknown, but for these columns."""
    side = Side(a_set(), "throughput", some_points([("vit_a", 224, 1.0), ("vit_b", 224, 2.0)]))
    pairs = comparison.compare(side, side, renames={})
    nothing = {f"flags_{side}": [None, None] for side in ("left", "right")}
    batches = {f"batch_size_{side}": pd.array([None, None], "Int32") for side in ("left", "right")}
    return pairs.assign(**(nothing | batches | columns))


def summary(ratio: float, *, correlation: float = 0.97, **gained: float) -> comparison.Summary:
    """Of 100 models; families by the ranks that they gain, who moves most first."""
    frame = pd.DataFrame({"family": list(gained), "gained": list(gained.values())}, dtype=object)
    return comparison.Summary(
        100, ratio, correlation, frame[frame["gained"] > 0], frame[frame["gained"] < 0]
    )


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (3.4, "**Training** takes **3.4 times as long** as **inference**"),
        (1.04, "**Training** takes **1.04 times as long** as **inference**"),
        (1.0, "**Training** takes **as long** as **inference**"),
        (0.5, "**Training** is **2.0 times as fast** as **inference**"),
        (0.01, "**Training** is **100 times as fast** as **inference**"),
    ],
)
def test_the_sentence_says_which_side_is_slower(ratio: float, said: str) -> None:
    sides = one_side(), one_side("training")
    text = comparison_words.sentence(summary(ratio), NAMES, *sides)
    assert text.startswith(f"{said} in the median of 100 models.")


@pytest.mark.parametrize(
    ("correlation", "gained", "said"),
    [
        (0.97, {}, "Inference and training follow similar trends (rank correlation 0.97)."),
        (
            0.97,
            {"vit_x": 9.5, "deit": 8, "swin": 2, "pit": 1, "nest": -7, "regnetx": -1},
            (
                "(rank correlation 0.97), but some families change places: **vit\\_x**, **deit** "
                "and **swin** gain most (10, 8 and 2 ranks); **nest** and **regnetx** lose most "
                "(7 and 1 ranks)."
            ),
        ),
        (
            0.7,
            {"nest": -7},
            (
                "Between inference and training many models change places (rank correlation 0.70): "
                "**nest** loses most (7 ranks)."
            ),
        ),
        (-0.1, {}, "fast on one side says little about the other (rank correlation -0.10)."),
    ],
)
def test_the_sentence_says_how_alike_the_orders_are_and_who_changes_places(
    correlation: float, gained: dict[str, float], said: str
) -> None:
    found = summary(3.4, correlation=correlation, **gained)
    assert comparison_words.sentence(found, NAMES, one_side(), one_side("training")).endswith(said)


def test_sides_that_differ_in_nothing_are_called_repeats() -> None:
    text = comparison_words.circumstances(one_side(), one_side(), few_pairs())
    assert "say the same of all circumstances" in text
    assert "flagged" not in text


def test_batch_sizes_and_flags_are_said() -> None:
    pairs = few_pairs(batch_size_left=[8, 8], batch_size_right=[8, 4], flags_right=[["noisy"], []])
    text = comparison_words.circumstances(one_side(), one_side(layout="nhwc"), pairs)
    assert "differ in one circumstance, layout (nchw → nhwc): the ratio is its doing." in text
    assert text.endswith("Batch sizes differ for 1 of 2 models. 1 of 2 models are flagged: noisy.")
