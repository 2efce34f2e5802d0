"""What tests of the chart share: its specification, its layers and the rows that it is given."""

import pandas as pd
from selections import asked

from bench.points import most_accurate_weights
from bench.trends import trends
from pages.ui import charts, filtering, speed_charts
from pages.ui.views import PICKED


def spec_of(
    axes: charts.Domains,
    *,
    measure: str = "throughput",
    families: tuple[str, ...] = (),
    cost: str | None = None,
) -> dict:
    colours = charts.colours(families)
    if cost is not None:
        return speed_charts.cost_against_speed(measure, axes, colours, cost).to_dict()
    return speed_charts.accuracy_against_speed(measure, axes, colours, "ImageNet-1k").to_dict()


def rows_of(
    frame: pd.DataFrame,
    axes: charts.Domains,
    *,
    cost: str | None = None,
    with_trends: bool = False,
    **changes,
) -> pd.DataFrame:
    """What the page draws of a results set for a selection."""
    chosen = asked(**changes)
    left = filtering.apply(frame, chosen)
    rows = charts.drawn(
        filtering.one_a_point(left.points, chosen),
        colour_domain=charts.colours(chosen.families or (PICKED if chosen.view else ())),
        axes=axes,
        frontier=filtering.one_a_point(left.frontier, chosen),
        lines=left.lines,
        trends=(
            trends(most_accurate_weights(left.affordable, in_each_family=True))
            if with_trends
            else None
        ),
        search=chosen.search,
        label_all=chosen.best_by is not None,
        cost=cost,
    )
    return rows.astype(dict.fromkeys(charts.REPEATED, "str"))


def units(spec: dict) -> list[dict]:
    """Every layer that draws, from the back to the front."""
    return [
        unit for layer in spec["layer"] for unit in (units(layer) if "layer" in layer else [layer])
    ]


def encodings(spec: dict, channel: str) -> list[dict]:
    return [unit["encoding"][channel] for unit in units(spec) if channel in unit["encoding"]]


def layer_with(spec: dict, channel: str) -> dict:
    (layer,) = [unit for unit in units(spec) if channel in unit["encoding"]]
    return layer
