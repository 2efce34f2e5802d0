"""The Compare page's tables: every model of both sides, and a few side by side."""

from typing import Any

import pandas as pd
import streamlit as st

from bench import comparison
from pages.ui import words
from pages.ui.comparison_charts import Names, times

COLUMNS = (
    "name",
    "image_size",
    "ratio",
    "gained",
    "left_ms",
    "right_ms",
    "rank_left",
    "rank_right",
    "family",
    "top1_percent",
    "parameters_m",
    "model",
)


def column_config(names: Names) -> dict[str, Any]:
    """How Streamlit shows the columns of `table`."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "name": text("Model", pinned=True, width="medium"),
        "image_size": number("Image size (px)", format="%d"),
        "left_ms": number(f"{names.left} (ms/image)", format="%.4g"),
        "right_ms": number(f"{names.right} (ms/image)", format="%.4g"),
        "ratio": number("Ratio", format="%.3g", help=f"{names.right} time / {names.left} time."),
        "gained": number(
            "Ranks gained", format="%+d", help="Rank by speed: on the left minus on the right."
        ),
        "rank_left": number(f"Rank, {names.left}", format="%d", help="1 is the fastest."),
        "rank_right": number(f"Rank, {names.right}", format="%d", help="1 is the fastest."),
        "family": text("Family"),
        "top1_percent": number("Top-1 (%)", format="%.2f", help="Of the most accurate weights."),
        "parameters_m": number("Parameters (M)", format="%.4g"),
        "model": text("Most accurate weights", width="medium"),
    }


def table(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs as people read them, the lowest ratio first; unknown is empty.

    Args:
        pairs: comparison.compare.
    """
    rows = pairs.assign(
        name=pairs["architecture"],
        left_ms=pairs["seconds_per_image_left"] * 1e3,
        right_ms=pairs["seconds_per_image_right"] * 1e3,
        parameters_m=pairs["parameters"].astype("Float64") / 1e6,
    )
    return rows[list(COLUMNS)]


def title(architecture: str, image_size: int) -> str:
    """What a pair is called in menus and links."""
    return f"{architecture} · {image_size} px"


def side_by_side(chosen: pd.DataFrame, names: Names, models: int) -> pd.DataFrame:
    """A column a model, a row a figure, all as words; a figure that none of them has is left out.

    Args:
        chosen: some rows of comparison.compare, in the order of the columns.
        names: what the sides are called.
        models: among how many the ranks are.
    """
    columns = {
        title(pair["architecture"], pair["image_size"]): _figures(pair, names, models)
        for _, pair in chosen.iterrows()
    }
    rows = pd.DataFrame(columns).rename_axis("Figure")
    return rows[(rows != words.UNKNOWN).any(axis=1)]


def _figures(pair: pd.Series, names: Names, models: int) -> dict[str, str]:
    figures = {
        "Ratio": times(pair["ratio"]),
        "Ranks gained": f"{pair['gained']:+,}" if pair["gained"] else "0",
    }
    for side, name in (("left", names.left), ("right", names.right)):
        value = {field: pair[f"{field}_{side}"] for field in comparison.FIGURES}
        figures |= {
            f"{name}: time per image": words.time(value["seconds_per_image"]),
            f"{name}: 95 % interval": _interval(value["seconds_low"], value["seconds_high"]),
            f"{name}: speed": words.rate(value["images_per_s"]),
            f"{name}: rank": f"{pair[f'rank_{side}']:,} of {models:,}",
            f"{name}: batch size": _or_unknown(value["batch_size"], "{:,}"),
            f"{name}: peak memory": words.mebibytes(_known(value["peak_memory_bytes"])),
            f"{name}: flags": words.flags(value["flags"]),
        }
    return figures | {
        "Family": pair["family"],
        "Top-1 on ImageNet-1k": words.percent(pair["top1_percent"]),
        "Top-5 on ImageNet-1k": words.percent(pair["top5_percent"]),
        "Most accurate weights": pair["model"],
        "Pretraining data": _or_unknown(pair["pretraining"], "{}"),
        "Parameters": words.millions(_known(pair["parameters"])),
        "Multiply-adds": words.billions(_known(pair["multiply_adds"])),
        "Activations": words.millions(_known(pair["activations"])),
    }


def _or_unknown(value: Any, form: str) -> str:
    return words.UNKNOWN if pd.isna(value) else form.format(value)


def _interval(low: float | None, high: float | None) -> str:
    if pd.isna(low) or pd.isna(high):
        return words.UNKNOWN
    return f"{words.time(low)} to {words.time(high)}"


def _known(value: Any) -> Any:
    """The words' functions know None, not pandas' missing value."""
    return None if pd.isna(value) else value
