"""Each family's line of top-1 over the logarithm of time, against numpy's own fit."""

import numpy as np
import pandas as pd
import pytest
from selections import RUN_2022, RUN_5090

from bench.points import most_accurate_weights, points
from bench.trends import trends


@pytest.mark.parametrize(
    ("run", "measure"), [(RUN_5090, "throughput"), (RUN_2022, "throughput"), (RUN_2022, "training")]
)
def test_every_line_is_numpys_least_squares_fit(
    speed: pd.DataFrame, accuracy: pd.DataFrame, run: str, measure: str
) -> None:
    frame = points(speed, accuracy, run=run, measure=measure)
    frame = most_accurate_weights(frame, in_each_family=True)
    ours = trends(frame).set_index("family")
    expected = 0
    for family, rows in frame.groupby("family"):
        seconds = rows["seconds_per_image"].to_numpy()
        if len(rows) < 3 or seconds.min() == seconds.max():
            assert family not in ours.index
            continue
        expected += 1
        slope, at_one_second = np.polyfit(np.log10(seconds), rows["top1_percent"].to_numpy(), 1)
        line = ours.loc[family]
        assert line["points"] == len(rows)
        assert line["slope"] == pytest.approx(slope, rel=1e-6, abs=1e-9)
        assert (line["seconds_low"], line["seconds_high"]) == (seconds.min(), seconds.max())
        for end in ("low", "high"):
            fitted = at_one_second + slope * np.log10(line[f"seconds_{end}"])
            assert line[f"top1_{end}"] == pytest.approx(fitted, rel=1e-9)
    assert len(ours) == expected > 30


def test_a_line_through_points_on_a_line_is_that_line() -> None:
    frame = pd.DataFrame(
        {
            "family": ["resnet"] * 4 + ["vit"] * 2 + ["vgg"] * 3,
            "seconds_per_image": [1e-4, 1e-3, 1e-2, 1e-1, 1e-3, 1e-2, 1e-3, 1e-3, 1e-3],
            "top1_percent": [70.0, 75.0, 80.0, 85.0, 70.0, 80.0, 70.0, 71.0, 72.0],
        }
    )
    found = trends(frame)
    assert found["family"].tolist() == ["resnet"], "two points, or one speed, make no trend"
    assert found["slope"].tolist() == pytest.approx([5.0])
    (ends,) = found[["top1_low", "top1_high"]].to_numpy()
    assert ends == pytest.approx([70.0, 85.0])


def test_no_points_have_no_trends() -> None:
    empty = pd.DataFrame({"family": [], "seconds_per_image": [], "top1_percent": []})
    assert trends(empty).empty
