"""Labels of the chart: never over one another, never out of the plot, never on a crowd.

Their boxes are worked out anew here, from what is drawn: anchor, alignment, offset, letters.
"""

import math
from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selections import asked

from bench.points import points, ranked, without_test_models
from pages.ui import charts, filtering, labels

AXES = charts.Domains((1e-4, 1e-1), (60.0, 92.0))
# Plots as the page draws them, the smallest with labels first: the chart is as wide as the page,
# and two rows of legend below it take a little of its height where it is narrow.
PLOTS = [(float(labels.NARROW), 361.0), (619.0, 361.0), (722.0, 379.0), (882.0, 379.0)]
PLOTS += [(1100.0, 379.0), (1362.0, 379.0)]
LETTER, ASCENT, DESCENT = 6.4, 11.0, 3.0

Box = tuple[float, float, float, float]


def place(row: dict, axes: charts.Domains, plot: tuple[float, float]) -> tuple[float, float]:
    """Where a model is drawn, in pixels from the plot's upper left corner."""
    low, high = axes.seconds
    bottom, top = axes.top1_percent
    x = math.log(row["seconds"] / low) / math.log(high / low) * plot[0]
    return x, (top - row["top1"]) / (top - bottom) * plot[1]


def box(row: dict, axes: charts.Domains, plot: tuple[float, float]) -> Box:
    """What a label covers: left, top, right, bottom."""
    x, y = place(row, axes, plot)
    width = LETTER * len(row["label"])
    left = x + row["label_dx"] - {"left": 0.0, "right": width}[row["label_align"]]
    baseline = y + row["label_dy"]
    return (left, baseline - ASCENT, left + width, baseline + DESCENT)


def check(rows: pd.DataFrame, axes: charts.Domains, *, crowd: bool = True) -> int:
    """Every promise about labels, on plots of every width; returns how many labels there are."""
    everything = rows[rows["shown"]].to_dict("records")
    assert not rows.loc[~rows["shown"], "label"].any(), "a label without a bubble"
    labelled = [row for row in everything if row["label"]]
    assert len(labelled) <= 8
    names = [row["label"] for row in labelled]
    assert len(set(names)) == len(names)
    for row in labelled:
        assert row["label"] == row["model"].partition(".")[0]
    for plot in PLOTS:
        boxes = [box(row, axes, plot) for row in labelled]
        for left, top, right, bottom in boxes:
            assert left >= -1e-6
            assert top >= -1e-6
            assert right <= plot[0] + 1e-6
            assert bottom <= plot[1] + 1e-6
        for (one, a), (other, b) in combinations(zip(names, boxes, strict=True), 2):
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, f"{one} and {other} overlap on a plot of {plot}"
    if crowd:
        plot = PLOTS[1]
        places = [place(row, axes, plot) for row in everything]
        for row in labelled:
            left, top, right, bottom = box(row, axes, plot)
            under = [x for x, y in places if left < x < right and top < y < bottom]
            assert row["hit"] or len(under) <= 2, f"{row['label']} lies on {len(under)} models"
    return len(labelled)


models = st.lists(
    st.tuples(
        st.integers(2, 28),  # letters of its name
        st.floats(1.1e-4, 0.9e-1),
        st.floats(61, 91),
        st.sampled_from(["resnet", "vit", "levit", "beit", "vgg", "dla"]),
    ),
    min_size=1,
    max_size=40,
)


def frame_of(values: list[tuple[int, float, float, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "model": [f"{'m' * n}{i}" for i, (n, *_) in enumerate(values)],
            "seconds_per_image": [v[1] for v in values],
            "top1_percent": [v[2] for v in values],
            "family": [v[3] for v in values],
        }
    )
    frame["architecture"] = frame["model"]
    frame["image_size"] = 224
    for column in ("seconds_low", "seconds_high", "parameters"):
        frame[column] = float("nan")
    frame["images_per_s"] = 1 / frame["seconds_per_image"]
    frame["batch_size"] = pd.array([8] * len(frame), dtype="Int32")
    frame["flags"] = None
    frame["estimated"] = False
    return ranked(frame)


@given(values=models, search=st.sampled_from(["", "mmmm", "0", "m1"]), label_all=st.booleans())
def test_labels_never_overlap_never_leave_the_plot_and_never_cover_a_crowd(
    *, values: list[tuple[int, float, float, str]], search: str, label_all: bool
) -> None:
    frame = frame_of(values)
    rows = charts.drawn(
        frame,
        colour_domain=charts.colours(()),
        axes=AXES,
        frontier=frame[frame["frontier"]],
        search=search,
        label_all=label_all,
    )
    check(rows, AXES)
    named = rows[rows["label"] != ""]
    assert (named["frontier"] | named["hit"] | label_all).all()


def test_a_search_is_labelled_before_anything_else() -> None:
    frame = frame_of([(4, 1e-3 * (n + 1), 70 + n, "vit") for n in range(12)])
    wanted = "mmmm3"
    rows = charts.drawn(
        frame,
        colour_domain=charts.colours(()),
        axes=AXES,
        frontier=frame,
        search=wanted,
    )
    labels = set(rows["label"]) - {""}
    assert wanted in labels
    assert len(labels) > 1, "the frontier keeps the labels that are left"


def test_the_most_accurate_model_is_named_where_there_is_room() -> None:
    frame = frame_of([(6, 1e-3 * (n + 1), 70 + n, "vit") for n in range(15)])
    rows = charts.drawn(
        frame, colour_domain=charts.colours(()), axes=AXES, frontier=frame[frame["frontier"]]
    )
    best = rows.loc[rows["top1"].idxmax()]
    assert best["label"] == best["model"]


def test_real_results_sets_are_labelled_without_a_collision(
    speed: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    pairs = sorted(set(speed[["run", "measure"]].itertuples(index=False, name=None)))
    for run, measure in pairs[::4]:
        frame = points(speed, accuracy, run=run, measure=measure)
        axes = charts.domains([without_test_models(frame)])
        for changes in (
            {},
            {"search": "resnet50"},
            {"best_by": "trade-off"},
            {"best_by": "accurate"},
            {"best_by": "fastest"},
        ):
            chosen = asked(run=run, measure=measure, **changes)
            left = filtering.apply(frame, chosen)
            rows = charts.drawn(
                filtering.one_a_point(left.points, chosen),
                colour_domain=charts.colours(()),
                axes=axes,
                frontier=filtering.one_a_point(left.frontier, chosen),
                lines=left.lines,
                search=chosen.search,
                label_all=chosen.best_by is not None,
            )
            assert check(rows, axes) >= 3, (run, measure, changes)


@pytest.mark.parametrize("search", ["", "m"])
def test_a_chart_of_one_model_is_labelled(search: str) -> None:
    frame = frame_of([(3, 1e-2, 80.0, "vit")])
    rows = charts.drawn(
        frame, colour_domain=charts.colours(()), axes=AXES, frontier=frame, search=search
    )
    assert rows["label"].tolist() == ["mmm0"]
