"""How good estimates are, drawn. Pure: never imports streamlit."""

import altair as alt
import pandas as pd

from pages.ui import chart_parts

WAYS = {
    "": "estimated from 16 models",
    "nearest_": "the nearest set, scaled",
    "multiply_adds_": "multiply-adds alone",
}


def errors(frame: pd.DataFrame, labels: pd.Series) -> alt.Chart:
    """One line a results set: the median error of each way, on a log axis.

    Args:
        frame: catalogue.estimate_errors.
        labels: of the results sets, by run.
    """
    names = frame["run"].map(labels).fillna(frame["run"])
    rows = pd.concat(
        [
            pd.DataFrame(
                {
                    "set": names + frame["measure"].map({"training": " · training"}).fillna(""),
                    "way": way,
                    "error": frame[f"{prefix}median_error"],
                    "p90": frame[f"{prefix}p90_error"],
                    "order": frame["median_error"],
                }
            )
            for prefix, way in WAYS.items()
        ]
    )
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            x=alt.X("error:Q", title="Median error of a model's time")
            .scale(type="log", nice=False)
            .axis(format=".0%", values=[0.02, 0.05, 0.1, 0.2, 0.5]),
            y=alt.Y("set:N", title=None, sort=alt.SortField("order")).axis(labelLimit=330),
            color=alt.Color("way:N", title=None, sort=list(WAYS.values())).legend(orient="top"),
            shape=alt.Shape("way:N", title=None, sort=list(WAYS.values())).legend(orient="top"),
            tooltip=chart_parts.tooltip(
                ("set:N", "Results set"),
                ("way:N", "Way"),
                ("error:Q", "Median error", ".1%"),
                ("p90:Q", "90th percentile", ".1%"),
            ),
        )
        .properties(height={"step": 18})
    )
    return chart
