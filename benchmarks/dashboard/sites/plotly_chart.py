# ruff: noqa: INP001 - Streamlit runs it as a script
"""The notebook's chart, by Plotly, of the very points that the Models page draws first.

A circle a model: seconds per image on a log axis, top-1, colour by family, area by the square of
the image size, the model's name on hover. $BENCH_RENDER: `auto` (Plotly's choice: WebGL above
1,000 points), `svg` or `webgl`.
"""

import os

import pandas as pd
import plotly.express as px
import streamlit as st

from bench import points, results, store


@st.cache_data(show_spinner=False)
def models() -> pd.DataFrame:
    """What the Models page draws for a first visitor."""
    speed, _ = store.load(
        store.speed_files(store.SHIPPED), store.SPEED_SCHEMA, points.SPEED_COLUMNS, replaces="run"
    )
    accuracy, _ = store.load(
        store.accuracy_files(store.SHIPPED), store.ACCURACY_SCHEMA, replaces="snapshot"
    )
    joined = points.points(speed, accuracy, run=results.REFERENCE_RUN, measure="throughput")
    drawn = points.most_accurate_weights(points.without_test_models(joined))
    return drawn.assign(area=drawn["image_size"].astype(float) ** 2)


st.plotly_chart(
    px.scatter(
        models(),
        x="seconds_per_image",
        y="top1_percent",
        log_x=True,
        color="family",
        size="area",
        hover_name="model",
        hover_data=["image_size"],
        width=1000,
        height=800,
        title="Inference",
        render_mode=os.environ.get("BENCH_RENDER", "auto"),
    )
)
