"""What the Models page shows of a selection: computed when it is needed, kept for the next reader.

Kept are Arrow tables, words and numbers, not the frames that they were computed from: those are
larger, and nobody needs them before a card is opened or a file taken away.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import streamlit as st

from bench.points import POINT_COLUMNS, most_accurate_weights, without_test_models
from bench.proxies import proxy
from bench.trends import trends as fitted
from pages.ui import charts, data, filtering, sentence, table
from pages.ui.selection import Selection
from pages.ui.views import PICKED

Result = TypeVar("Result")
Brush = Mapping[str, Sequence[float]]

# Of some 0.2 MB in the mean; many readers look at few selections.
KEPT = 300


class Shown:
    """A selection, and the frames that it leaves; each is computed once, when it is asked for."""

    def __init__(
        self, files: data.Files, chosen: Selection, sets: pd.DataFrame, *, estimates: bool = True
    ) -> None:
        """See the attributes.

        Args:
            files: the speed and accuracy files.
            chosen: what the reader asked to see.
            sets: data.sets.
            estimates: whether with what was estimated of the results set.
        """
        self.files = files
        self.chosen = chosen
        self.estimates = estimates
        self.results_set: Any = sets.loc[chosen.run]
        self.names = tuple(sets["label"].get(run or "", "") for run in (chosen.run, chosen.beside))
        self.beside_measure = _beside_measure(chosen, sets)

    @cached_property
    def everything(self) -> pd.DataFrame:
        """The points of the results set. Raises BenchError as data.points_of does."""
        return _everything(self.files, self.chosen, self.estimates)

    @cached_property
    def beside_everything(self) -> pd.DataFrame | None:
        """The points of the set laid beside; None where there are none."""
        if self.chosen.beside is None or self.beside_measure is None:
            return None
        found = data.points_of(
            self.files, self.chosen.beside, self.beside_measure, self.chosen.dataset
        )
        return None if found.empty else found

    @cached_property
    def left(self) -> filtering.Filtered:
        """What the selection leaves of the results set."""
        if self.key is None:
            return filtering.apply(self.everything, self.chosen)
        ranking = replace(self.chosen, beside=None, **filtering.ONLY_SHOWN)
        return filtering.shown(*_taking_part(self.files, ranking, self.estimates), self.chosen)

    @cached_property
    def beside(self) -> pd.DataFrame | None:
        """What it leaves of the set laid beside."""
        found = self.beside_everything
        return None if found is None else filtering.apply(found, self.chosen).points

    @cached_property
    def key(self) -> str | None:
        """What names all of this in the cache; None while a run in it still measures."""
        for run in (self.chosen.run, self.chosen.beside):
            if run is not None and not data.is_published(run):
                return None
        facts = repr((self.files, self.chosen, self.names, self.estimates))
        return hashlib.sha256(facts.encode()).hexdigest()


def _everything(files: data.Files, chosen: Selection, estimates: bool) -> pd.DataFrame:  # noqa: FBT001
    read = data.points_of if estimates else data.measured_points_of
    return read(files, chosen.run, chosen.measure, chosen.dataset)


@functools.lru_cache(maxsize=KEPT // 4)
def _taking_part(
    files: data.Files,
    chosen: Selection,
    estimates: bool,  # noqa: FBT001 - see _chart
) -> tuple[pd.DataFrame, str | None]:
    """filtering.taking_part, for all who differ in filtering.ONLY_SHOWN alone."""
    return filtering.taking_part(_everything(files, chosen, estimates), chosen)


def _beside_measure(chosen: Selection, sets: pd.DataFrame) -> str | None:
    """The measure that is chosen, or else the first that the set laid beside holds."""
    if chosen.beside is None:
        return None
    present: Any = sets.loc[chosen.beside, "measures"]
    return chosen.measure if chosen.measure in present else str(next(iter(present)))


# Nobody can change what is kept, so all sessions may have the same.
@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _kept(key: str, _compute: Callable[[], Result]) -> Result:  # noqa: ARG001 - names it
    return _compute()


def _keep(shown: Shown, compute: Callable[..., Result], *arguments: object) -> Result:
    """compute(shown, *arguments), from the cache where it is there."""
    ready = partial(compute, shown, *arguments)
    if shown.key is None:
        return ready()
    return _kept(f"{shown.key} {compute.__name__} {arguments!r}", ready)


@dataclass(frozen=True, slots=True)
class Found:
    """How many points a results set has at all, how many of them are estimated; the one beside."""

    points: int
    estimated: int
    beside: int


def found(shown: Shown) -> Found:
    """What there is before any filter. Raises BenchError as data.points_of does, for either set."""
    return _keep(shown, _found)


def _found(shown: Shown) -> Found:
    everything, beside = shown.everything, shown.beside_everything
    estimated = int(everything["estimated"].sum())
    return Found(len(everything), estimated, 0 if beside is None else len(beside))


@dataclass(frozen=True, slots=True)
class Head:
    """What filters out the last point, None where some are left; the models left of either set.

    unknown_costs: the columns of charts.AGAINST of which no model that is left has a value.
    """

    emptied_by: str | None
    models: int
    beside_models: int | None
    unknown_costs: frozenset[str]


def head(shown: Shown) -> Head:
    """How much the selection leaves of what was found."""
    return _keep(shown, _head)


def _head(shown: Shown) -> Head:
    beside, points = shown.beside, shown.left.points
    costs = [cost for cost in charts.AGAINST.values() if cost is not None]
    return Head(
        emptied_by=shown.left.emptied_by,
        models=points["model"].nunique(),
        beside_models=None if beside is None else beside["model"].nunique(),
        unknown_costs=frozenset(cost for cost in costs if points[cost].isna().all()),
    )


def words(shown: Shown, cost: str | None) -> str:
    """The sentence above the chart, as Markdown."""
    return _keep(shown, _words, cost)


def _words(shown: Shown, cost: str | None) -> str:
    points = shown.left.points
    if cost is None:
        return sentence.sentence(points, shown.results_set, shown.chosen)
    one = filtering.one_a_point(points, shown.chosen)
    found = proxy(one[cost], one["seconds_per_image"])
    return sentence.proxy_sentence(found, cost, shown.results_set, shown.chosen)


@dataclass(frozen=True, slots=True)
class Chart:
    """What the chart draws: charts.drawn as an Arrow table, its axes and its colours.

    has_flagged, has_estimated, has_intervals: whether any of it is, or has one that was measured.
    """

    rows: pa.Table
    axes: charts.Domains
    colours: tuple[str, ...]
    has_flagged: bool
    has_estimated: bool
    has_intervals: bool


def chart(shown: Shown, *, cost: str | None, trends: bool, picked: tuple[str, int] | None) -> Chart:
    """What the chart draws of the selection.

    Args:
        shown: the selection, not empty.
        cost: the column that stands against time instead of accuracy.
        trends: whether with the families' straight lines.
        picked: weights and image size of the model whose card is open.
    """
    return _keep(shown, _chart, cost, trends, picked)


def _chart(
    shown: Shown,
    cost: str | None,
    trends: bool,  # noqa: FBT001 - the arguments by place are what names it in the cache
    picked: tuple[str, int] | None,
) -> Chart:
    chosen, left = shown.chosen, shown.left
    columns = ["architecture", "seconds_per_image", "top1_percent", *([cost] if cost else [])]
    # Of the whole set, estimates too, so that no control moves the axes, but for the test models:
    # they lie so far off that a third of the chart would be empty without them.
    both = (_everything(shown.files, chosen, True), shown.beside_everything)
    found = [frame[columns] for frame in both if frame is not None]
    if not chosen.test_models:
        found = [without_test_models(frame) for frame in found]
    axes = charts.domains(found, cost)
    colours = tuple(charts.colours(chosen.families or (PICKED if chosen.view else ())))
    rows = charts.columns(
        filtering.one_a_point(left.points, chosen),
        colour_domain=colours,
        axes=axes,
        frontier=filtering.one_a_point(left.frontier, chosen),
        lines=left.lines,
        trends=(
            fitted(most_accurate_weights(left.affordable, in_each_family=True)) if trends else None
        ),
        search=chosen.search,
        picked=picked,
        beside=None if shown.beside is None else filtering.one_a_point(shown.beside, chosen),
        names=(shown.names[0], shown.names[1]),
        label_all=chosen.best_by is not None,
        cost=cost,
    )
    interval = rows["shown"] & ~np.isnan(rows["low"]) & ~rows["estimated"]
    return Chart(
        rows=pa.table({name: _encoded(name, values) for name, values in rows.items()}),
        axes=axes,
        colours=colours,
        has_flagged=bool(rows["flagged"].any()),
        has_estimated=bool(rows["estimated"].any()),
        has_intervals=bool(interval.any()),
    )


def _encoded(name: str, values: np.ndarray) -> pa.Array:
    found = pa.array(values)
    return found.dictionary_encode() if name in charts.REPEATED else found


def rows(shown: Shown, *, rank: str, brush: Brush, cost: str | None) -> pa.Table:
    """The rows of the table under the chart (table.table), those inside the brush."""
    ends = tuple((field, *brush[field]) for field in sorted(brush))
    return _keep(shown, _rows, rank, ends, cost)


def _rows(
    shown: Shown, rank: str, ends: Sequence[tuple[str, float, float]], cost: str | None
) -> pa.Table:
    brush = {field: (one, other) for field, one, other in ends}
    return _arrow(table.table(inside(shown, brush, cost), rank))


def inside(shown: Shown, brush: Brush, cost: str | None) -> pd.DataFrame:
    """The points inside the brush; all of them without one."""
    fields = {"seconds": "seconds_per_image", "cost" if cost else "top1": cost or "top1_percent"}
    return filtering.brushed(shown.left.points, brush, fields)


def taken_away(shown: Shown, brush: Brush, cost: str | None) -> pd.DataFrame:
    """The points inside the brush as downloads hold them, without what is only drawn."""
    return inside(shown, brush, cost)[[*POINT_COLUMNS, "licence", "others"]]


def beside_rows(shown: Shown) -> pa.Table:
    """The rows of the table of the set laid beside, which leaves some."""
    return _keep(shown, _beside_rows)


def _beside_rows(shown: Shown) -> pa.Table:
    assert shown.beside is not None
    return _arrow(table.table(shown.beside))


def _arrow(frame: pd.DataFrame) -> pa.Table:
    """Without pandas' description of it: the browser has no use for an index."""
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
