"""What a selection leaves of a results set. Pure: never imports streamlit's widgets."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench import licences, points
from bench.points import without_test_models
from pages.ui import words
from pages.ui.selection import Selection


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a selection leaves of a results set.

    points are shown, with others: how many weights share the point besides. Shown or not: frontier
    are the points that its line runs through, lines those that the families' own lines run through,
    affordable all that take part and are within the budget. emptied_by names the filter that left
    nothing, None where something is left.
    """

    points: pd.DataFrame
    frontier: pd.DataFrame
    lines: pd.DataFrame
    affordable: pd.DataFrame
    emptied_by: str | None = None


def apply(frame: pd.DataFrame, chosen: Selection) -> Filtered:
    """Apply a selection to a joined results set.

    Which models count is settled first, then frontier and lead are computed, then the best of each
    family is taken, then the budget cuts.

    Args:
        frame: points.POINT_COLUMNS and, where licences are chosen, licence (see data.points_of).
        chosen: what the reader asked to see.
    """
    counts: list[Step] = [
        ("timm's test models", lambda f: f if chosen.test_models else without_test_models(f)),
        ("The saved view", lambda f: f[chosen.view.keeps(f)] if chosen.view else f),
        ("Families", lambda f: _isin(f, "family", chosen.families)),
        ("Image sizes", lambda f: _isin(f, "image_size", chosen.image_sizes)),
        (
            "Pretraining data",
            lambda f: (
                f[f["pretraining"].fillna(words.UNKNOWN).isin(chosen.pretraining)]
                if chosen.pretraining
                else f
            ),
        ),
        (
            "Commercial use",
            lambda f: (
                f[f["licence"].map(licences.commercial_use).isin(chosen.commercial_use)]
                if chosen.commercial_use
                else f
            ),
        ),
        (
            "Parameters to (M)",
            lambda f: (
                f[(f["parameters"] <= chosen.max_parameters).fillna(False)]
                if chosen.max_parameters is not None
                else f
            ),
        ),
    ]
    shows: list[Step] = [
        (
            "Best of each family",
            lambda f: points.best_of_each_family(f, chosen.best_by) if chosen.best_by else f,
        ),
    ]
    budget: list[Step] = [
        ("Slowest (ms)", lambda f: points.within_budget(f, max_s=chosen.max_s)),
        (
            "Top-1 from (%)",
            lambda f: points.within_budget(f, min_top1_percent=chosen.min_top1_percent),
        ),
    ]
    frame, emptied_by = _through(counts, frame)
    ranked = points.ranked(frame)
    speeds = list(zip(ranked["architecture"], ranked["image_size"], strict=True))
    sharing = Counter(speeds)
    ranked["others"] = [sharing[speed] - 1 for speed in speeds]
    shown, emptied_by = _through(shows + budget, ranked, emptied_by)
    affordable, _ = _through(budget, ranked)
    is_line = points.family_frontiers(ranked).reindex(affordable.index)
    return Filtered(
        shown,
        affordable[affordable["frontier"]],
        affordable[is_line.astype(bool)],
        affordable,
        emptied_by,
    )


Step = tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]


def _through(
    steps: list[Step], frame: pd.DataFrame, emptied_by: str | None = None
) -> tuple[pd.DataFrame, str | None]:
    for name, step in steps:
        left = step(frame)
        if left.empty and not frame.empty:
            emptied_by = name
        frame = left
    return frame, emptied_by


def one_a_point(frame: pd.DataFrame, chosen: Selection) -> pd.DataFrame:
    """Of weights that share a speed the most accurate; best-of-each-family is left as it is."""
    return frame if chosen.best_by else points.most_accurate_weights(frame)


def brushed(
    frame: pd.DataFrame, brush: Mapping[str, Sequence[float]], fields: Mapping[str, str]
) -> pd.DataFrame:
    """The points inside a rectangle of the chart.

    Args:
        frame: points.POINT_COLUMNS.
        brush: both ends of each of the chart's fields, in either order; nothing leaves all.
        fields: the chart's fields -> the columns of frame.
    """
    for field, column in fields.items():
        if field in brush:
            low, high = sorted(brush[field])
            frame = frame[frame[column].between(low, high).fillna(False).astype(bool)]
    return frame


def _isin(frame: pd.DataFrame, column: str, values: tuple[Any, ...]) -> pd.DataFrame:
    return frame[frame[column].isin(values)] if values else frame
