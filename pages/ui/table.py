"""The table under the chart: everything the chart says, and every weight."""

import math

import numpy as np
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
    if "milliseconds" not in shown:  # a cache may have readied them already
        shown = readable(shown)
    column, ascending = RANKS[rank]
    keys = {column: ascending} | {"top1_percent": False, "milliseconds": True}
    order = [
        shown[name].to_numpy(dtype=float, na_value=math.nan) * (1 if up else -1)
        for name, up in keys.items()
    ]
    rows = shown[list(COLUMNS)].iloc[np.lexsort(order[::-1])]
    return rows.assign(images_per_s=rows["images_per_s"].round(1))


def readable(points: pd.DataFrame) -> pd.DataFrame:
    """The same points with the table's columns that follow from each alone.

    Args:
        points: points.POINT_COLUMNS and licence.
    """
    seconds, low, high, parameters, multiply_adds = (
        points[name].to_numpy(dtype=float, na_value=math.nan)
        for name in (
            "seconds_per_image",
            "seconds_low",
            "seconds_high",
            "parameters",
            "multiply_adds",
        )
    )
    licences = points["licence"].drop_duplicates()
    half = (high - low) / 2 / seconds * 100
    return points.assign(
        milliseconds=seconds * 1e3,
        parameters_m=parameters / 1e6,
        multiply_adds_g=multiply_adds / 1e9,
        licence_name=points["licence"].map({one: _name(one) for one in licences.dropna()}),
        commercial_use=points["licence"].map({one: commercial_use(one) for one in licences}),
        interval=pd.array(
            [f"±{one:.2g} %" if math.isfinite(one) else None for one in half], dtype="str"
        ),
    )


def _name(licence: str) -> str:
    known = LICENCES.get(licence)
    return known.name if known else licence
