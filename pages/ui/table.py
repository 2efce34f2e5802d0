"""The table under the chart: everything the chart says, and every weight."""

import pandas as pd
import streamlit as st

from bench.licences import LICENCES, commercial_use

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
    "licence_name": st.column_config.TextColumn(
        "Licence", help="As timm states it for the weights; empty where it states none."
    ),
    "commercial_use": st.column_config.TextColumn(
        "Commercial use", help="What the licence says, as read by us: no legal advice."
    ),
    "top5_percent": st.column_config.NumberColumn("Top-5 (%)", format="%.2f"),
    "batch_size": st.column_config.NumberColumn("Batch size", format="%d"),
    "estimated": st.column_config.CheckboxColumn(
        "Estimated", help="Not measured on this device, but estimated from what was."
    ),
    "interval": st.column_config.TextColumn(
        "Interval",
        help="95 % of the median step where the raw samples are known; 90 % of an estimate.",
    ),
    "flags": st.column_config.ListColumn("Flags"),
}


# How the table can be ranked: by which column, and whether its least comes first.
RANKS = {
    "Accuracy": ("top1_percent", False),
    "Speed": ("milliseconds", True),
    "Lead": ("lead", False),
}


def table(shown: pd.DataFrame, rank: str = "Accuracy") -> pd.DataFrame:
    """The points as people read them, the best by rank first; unknown is empty.

    Args:
        shown: points.POINT_COLUMNS and licence.
        rank: one of RANKS; equals go by accuracy, then by speed.
    """
    licences = shown["licence"].drop_duplicates()
    half = (shown["seconds_high"] - shown["seconds_low"]) / 2 / shown["seconds_per_image"] * 100
    rows = shown.assign(
        milliseconds=shown["seconds_per_image"] * 1e3,
        images_per_s=shown["images_per_s"].round(1),
        parameters_m=shown["parameters"] / 1e6,
        multiply_adds_g=shown["multiply_adds"] / 1e9,
        licence_name=shown["licence"].map({one: _name(one) for one in licences.dropna()}),
        commercial_use=shown["licence"].map({one: commercial_use(one) for one in licences}),
        interval=half.map(lambda share: f"±{share:.2g} %", na_action="ignore"),
    )[list(COLUMNS)]
    column, ascending = RANKS[rank]
    ties = ["top1_percent", "milliseconds"]
    return rows.sort_values(
        [column, *(name for name in ties if name != column)],
        ascending=[ascending, *(name != "top1_percent" for name in ties if name != column)],
        kind="stable",
    )


def _name(licence: str) -> str:
    known = LICENCES.get(licence)
    return known.name if known else licence
