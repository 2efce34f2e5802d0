"""Taking it away: the chart as SVG and PNG, the rows as CSV and Parquet; each made on click."""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd
import streamlit as st
import vl_convert

from pages.ui import theme

PICTURE_WIDTH = 1100
PNG_SCALE = 2.0
# A spreadsheet takes text that begins so for a formula; an apostrophe in front makes it text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


Frame = Callable[[], pd.DataFrame]


def buttons(spec: Mapping[str, Any], *, rows: Frame, points: Frame, name: str) -> None:
    """Draw the four buttons.

    Args:
        spec: the chart's specification, without data.
        rows: gives what the chart draws (charts.drawn).
        points: gives the points behind it (points.POINT_COLUMNS), or the pairs.
        name: the files' name without its ending.
    """
    config = _theme()
    with st.container(horizontal=True, key="downloads"):
        for label, make, mime in (
            ("SVG", lambda: svg(spec, rows(), config), "image/svg+xml"),
            ("PNG", lambda: png(spec, rows(), config), "image/png"),
            ("CSV", lambda: csv(points()), "text/csv"),
            ("Parquet", lambda: parquet(points()), "application/vnd.apache.parquet"),
        ):
            st.download_button(
                label,
                data=make,
                file_name=f"{name}.{label.lower()}",
                mime=mime,
                on_click="ignore",
                type="tertiary",
                icon=":material/download:",
                key=f"download_{label}",
            )


def svg(spec: Mapping[str, Any], rows: pd.DataFrame, config: Mapping[str, Any]) -> bytes:
    """The chart as a picture that scales."""
    return vl_convert.vegalite_to_svg(_complete(spec, rows, config)).encode()


def png(spec: Mapping[str, Any], rows: pd.DataFrame, config: Mapping[str, Any]) -> bytes:
    """The chart as pixels, at twice the size of the screen's."""
    return vl_convert.vegalite_to_png(_complete(spec, rows, config), scale=PNG_SCALE)


def csv(points: pd.DataFrame) -> bytes:
    """The points for a spreadsheet: text that it would take for a formula is guarded."""
    lists = [name for name in map(str, points.columns) if name.startswith("flags")]
    flat = points.assign(**{name: points[name].map(_in_a_cell) for name in lists})
    for column in flat.select_dtypes(["object", "string"]).columns:
        guard = flat[column].astype("string").str.startswith(FORMULA_STARTS).fillna(value=False)
        flat[column] = flat[column].where(~guard.astype(bool), "'" + flat[column].astype("string"))
    return flat.to_csv(index=False).encode()


def _in_a_cell(flags: Iterable[str] | None) -> str:
    return " ".join(() if flags is None else flags)


def parquet(points: pd.DataFrame) -> bytes:
    """The points as Parquet, with their types."""
    buffer = io.BytesIO()
    points.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _complete(
    spec: Mapping[str, Any], rows: pd.DataFrame, config: Mapping[str, Any]
) -> dict[str, Any]:
    values = json.loads(rows.to_json(orient="records"))
    return {
        **spec,
        "data": {"values": values},
        "width": PICTURE_WIDTH,
        "config": {**spec.get("config", {}), **config},
    }


def _theme() -> dict[str, Any]:
    """The page's colours as Vega's configuration: a picture looks like the page it is from."""
    kind = st.context.theme.type or "light"
    names = ("textColor", "borderColor", "backgroundColor", "chartCategoricalColors")
    return theme.vega_config({name: st.get_option(f"theme.{kind}.{name}") for name in names})
