"""The table under the chart: everything the chart says, and every weight."""

import pandas as pd
import streamlit as st

COLUMNS = {
    "model": st.column_config.TextColumn("Model", pinned=True, width="medium"),
    "top1_percent": st.column_config.NumberColumn("Top-1 (%)", format="%.2f"),
    "milliseconds": st.column_config.NumberColumn("Time (ms/image)", format="%.4g"),
    "images_per_s": st.column_config.NumberColumn("Images/s", format="localized"),
    "image_size": st.column_config.NumberColumn("Image size (px)", format="%d"),
    "parameters_m": st.column_config.NumberColumn("Parameters (M)", format="%.4g"),
    "multiply_adds_g": st.column_config.NumberColumn("Multiply-adds (G)", format="%.3g"),
    "family": st.column_config.TextColumn("Family"),
    "frontier": st.column_config.CheckboxColumn(
        "Frontier", help="No other model beats it on both speed and accuracy."
    ),
    "lead": st.column_config.NumberColumn(
        "Lead (points)",
        format="%+.2f",
        help="Its top-1 minus the best top-1 among other families' models at least as fast.",
    ),
    "pretraining": st.column_config.TextColumn(
        "Pretraining data", help="As far as the name says; empty where it says nothing."
    ),
    "top5_percent": st.column_config.NumberColumn("Top-5 (%)", format="%.2f"),
    "batch_size": st.column_config.NumberColumn("Batch size", format="%d"),
    "interval": st.column_config.TextColumn(
        "95 % interval", help="Of the median step; only where the raw samples are known."
    ),
    "flags": st.column_config.ListColumn("Flags"),
}


def table(shown: pd.DataFrame) -> pd.DataFrame:
    """The points as people read them, most accurate first; unknown is empty.

    Args:
        shown: points.POINT_COLUMNS.
    """
    half = (shown["seconds_high"] - shown["seconds_low"]) / 2 / shown["seconds_per_image"] * 100
    rows = shown.assign(
        milliseconds=shown["seconds_per_image"] * 1e3,
        parameters_m=shown["parameters"].astype("Float64") / 1e6,
        multiply_adds_g=shown["multiply_adds"].astype("Float64") / 1e9,
        interval=half.map(lambda share: f"±{share:.2g} %", na_action="ignore"),
    )
    rows["images_per_s"] = rows["images_per_s"].round(1)
    return rows.sort_values("top1_percent", ascending=False)[list(COLUMNS)]
