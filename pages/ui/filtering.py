"""What a selection leaves of a results set. Pure: never imports streamlit's widgets."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench import licences, points
from pages.ui import words
from pages.ui.selection import Selection

# What places a point on the chart, whether it is shown or only a line runs through it.
PLACED = [
    "model",
    "architecture",
    "family",
    "image_size",
    "top1_percent",
    "seconds_per_image",
    "parameters",
    "multiply_adds",
    "frontier",
]


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a selection leaves of a results set.

    points are shown, with others: how many weights share the point besides. Shown or not, and with
    the columns PLACED alone: frontier are the points that its line runs through, lines those that
    the families' own lines run through, affordable all that take part and are within the budget.
    emptied_by names the filter that left nothing, None where something is left.
    """

    points: pd.DataFrame
    frontier: pd.DataFrame
    lines: pd.DataFrame
    affordable: pd.DataFrame
    emptied_by: str | None = None


def apply(frame: pd.DataFrame, chosen: Selection) -> Filtered:
    """Apply a selection to a joined results set: `shown` of what is `taking_part`."""
    return shown(*taking_part(frame, chosen), chosen)


def taking_part(frame: pd.DataFrame, chosen: Selection) -> tuple[pd.DataFrame, str | None]:
    """Settle which models count, then compute frontier and lead among them.

    Args:
        frame: points.POINT_COLUMNS and, where licences are chosen, licence (see data.points_of).
        chosen: what the reader asked to see.

    Returns:
        The points, ranked, with others (how many weights share the point besides) and line (whether
        their family's own line runs through); and the filter that left nothing, None where
        something is left.
    """
    counts: list[Step] = [
        ("timm's test models", None if chosen.test_models else _is_no_test_model),
        ("The saved view", chosen.view.keeps if chosen.view else None),
        ("Families", _among("family", chosen.families)),
        ("Image sizes", _among("image_size", chosen.image_sizes)),
        ("Pretraining data", _among("pretraining", chosen.pretraining)),
        ("Commercial use", _is_licensed_for(chosen.commercial_use)),
        ("Parameters to (M)", _within("parameters", high=chosen.max_parameters)),
    ]
    kept, emptied_by = _through(counts, frame)
    ranked = points.ranked(frame[kept])
    ranked = ranked.assign(others=_sharing(ranked), line=points.family_frontiers(ranked))
    return ranked, emptied_by


# The fields of a selection that do not matter to `taking_part`, each with its idle value.
ONLY_SHOWN: dict[str, Any] = {
    "best_by": None,
    "search": "",
    "max_s": None,
    "min_top1_percent": None,
}


def shown(ranked: pd.DataFrame, emptied_by: str | None, chosen: Selection) -> Filtered:
    """Take the best of each family, then cut by the budget.

    Args:
        ranked: see `taking_part`.
        emptied_by: likewise.
        chosen: what the reader asked to see.
    """
    shows: list[Step] = [("Best of each family", _is_best_by(chosen.best_by))]
    budget: list[Step] = [
        ("Slowest (ms)", _within("seconds_per_image", high=chosen.max_s)),
        ("Top-1 from (%)", _within("top1_percent", low=chosen.min_top1_percent)),
    ]
    within, _ = _through(budget, ranked)
    is_shown, emptied_by = _through(shows + budget, ranked, emptied_by)
    few = ranked[PLACED]
    return Filtered(
        ranked[is_shown],
        few[within & ranked["frontier"].to_numpy(dtype=bool)],
        few[within & ranked["line"].to_numpy(dtype=bool)],
        few[within],
        emptied_by,
    )


# What a filter is called, and which points it leaves; None where the reader asked for nothing.
Keeps = Callable[[pd.DataFrame], pd.Series | np.ndarray]
Step = tuple[str, Keeps | None]


def _through(
    steps: list[Step], frame: pd.DataFrame, emptied_by: str | None = None
) -> tuple[np.ndarray, str | None]:
    """Which rows pass every step, and the name of the one that left nothing."""
    kept = np.ones(len(frame), dtype=bool)
    for name, keeps in steps:
        if keeps is None or not kept.any():
            continue
        kept &= np.asarray(keeps(frame), dtype=bool)
        if not kept.any():
            emptied_by = name
    return kept, emptied_by


def _is_no_test_model(frame: pd.DataFrame) -> pd.Series:
    return ~points.is_test_model(frame)


def _among(column: str, values: Sequence[Any]) -> Keeps | None:
    """Values of the column; those unknown are asked for by that word."""
    if not values:
        return None
    unknown = words.UNKNOWN in values
    return lambda f: f[column].isin(values) | (f[column].isna() & unknown)


def _is_licensed_for(readings: Sequence[str]) -> Keeps | None:
    if not readings:
        return None
    return lambda f: f["licence"].map(licences.commercial_use).isin(readings)


def _within(column: str, *, low: float | None = None, high: float | None = None) -> Keeps | None:
    """Both ends count; what is unknown is outside."""
    if low is None and high is None:
        return None
    ends = -math.inf if low is None else low, math.inf if high is None else high
    return lambda f: f[column].between(*ends).fillna(value=False)


def _is_best_by(criterion: str | None) -> Keeps | None:
    if criterion is None:
        return None
    return lambda f: f.index.isin(points.best_of_each_family(f, criterion).index)


def _sharing(frame: pd.DataFrame) -> np.ndarray:
    """With how many other rows each shares its architecture and image size."""
    _, codes, counts = np.unique(points.speeds(frame), return_inverse=True, return_counts=True)
    return counts[codes] - 1


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
