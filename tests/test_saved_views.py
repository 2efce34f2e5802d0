"""The saved views draw the notebook's pictures: its very points, computed from the CSV files."""

from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from selections import RUN_2022, asked

from bench.points import points
from pages.ui import charts, filtering
from pages.ui.views import PICKED, VIEWS

SUBSET = "levit|resnetd?|regnetx|vgg|convnext.*|efficientnetv2|beit"


def drawn(frame: pd.DataFrame, view: str) -> pd.DataFrame:
    """The bubbles that the page draws of a results set in a saved view."""
    chosen = asked(run=RUN_2022, view=VIEWS[view])
    left = filtering.apply(frame, chosen)
    rows = charts.drawn(
        filtering.one_a_point(left.points, chosen),
        colour_domain=charts.colours(PICKED),
        axes=charts.domains([frame]),
        frontier=filtering.one_a_point(left.frontier, chosen),
    )
    return rows[rows["shown"]]


def notebook(folder: Path, part: str) -> pd.DataFrame:
    """The notebook's recipe, on the CSV files themselves (fastai, July 2022)."""
    speeds = pd.read_csv(folder / f"benchmark-{part}-amp-nhwc-pt111-cu113-rtx3090.csv")
    frame = speeds.merge(pd.read_csv(folder / "results-imagenet.csv"), on="model")
    frame["seconds"] = 1.0 / frame[f"{part}_samples_per_sec"]
    frame["size"] = frame[f"{part}_img_size"]
    frame["family"] = frame["model"].str.extract(r"^([a-z]+?(?:v2)?)(?:\d|_|$)")
    frame = frame[~frame["model"].str.endswith("gn")].copy()
    frame.loc[frame["model"].str.contains("in22"), "family"] += "_in22"
    frame.loc[frame["model"].str.contains("resnet.*d"), "family"] += "d"
    return frame[frame["family"].str.contains("^re[sg]netd?|beit|convnext|levit|efficient|vit|vgg")]


@pytest.mark.parametrize(
    ("view", "measure", "part", "count"),
    [
        ("fastai 2022: all", "throughput", "infer", 165),
        ("fastai 2022: subset", "throughput", "infer", 61),
        ("fastai 2022: training", "training", "train", 168),
        ("fastai 2022: subset", "training", "train", 62),
    ],
)
def test_a_saved_view_draws_the_notebooks_points_and_no_other(
    speed: pd.DataFrame,
    accuracy: pd.DataFrame,
    shared: Path,
    view: str,
    measure: str,
    part: str,
    count: int,
) -> None:
    theirs = notebook(shared / "timm-results" / "2022-07", part)
    if "subset" in view:
        theirs = theirs[theirs["family"].str.fullmatch(SUBSET)]
    theirs = theirs.set_index("model").sort_index()
    assert VIEWS[view].run == RUN_2022
    frame = points(speed, accuracy, run=RUN_2022, measure=measure)
    rows = drawn(frame, view)
    ours = rows.set_index("model").sort_index()
    assert len(ours) == len(theirs) == count
    assert ours.index.tolist() == theirs.index.tolist()
    assert ours["seconds"].tolist() == theirs["seconds"].tolist()
    assert ours["top1"].tolist() == theirs["top1"].tolist()
    assert ours["image_size"].tolist() == theirs["size"].tolist()
    assert ours["family"].tolist() == theirs["family"].tolist()
    assert not rows["beside"].any()


@pytest.mark.parametrize(("name", "measure"), list(product(VIEWS, ["throughput", "training"])))
def test_a_saved_views_families_have_colours_of_their_own(
    speed: pd.DataFrame, accuracy: pd.DataFrame, name: str, measure: str
) -> None:
    frame = points(speed, accuracy, run=RUN_2022, measure=measure)
    rows = drawn(frame, name)
    if "subset" in name:
        assert charts.OTHER not in set(rows["colour"])
        assert rows["colour"].nunique() == rows["family"].nunique() == 9
    else:
        assert set(PICKED) <= set(rows["colour"])
