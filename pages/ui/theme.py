"""The page's colours as Vega's configuration: a picture or a report looks like the page.

Pure: never imports streamlit; the colours are handed in, or read from the settings file.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SETTINGS = Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml"


def colours(kind: str) -> dict[str, Any]:
    """The project's own `light` or `dark` colours, by Streamlit's names for them."""
    with SETTINGS.open("rb") as file:
        found: dict[str, Any] = tomllib.load(file)["theme"][kind]
    return found


def vega_config(theme: Mapping[str, Any]) -> dict[str, Any]:
    """Vega's configuration from textColor, borderColor, backgroundColor and chart colours."""
    text, grid = theme["textColor"], theme["borderColor"]
    return {
        "background": theme["backgroundColor"],
        "font": "sans-serif",
        "range": {"category": theme["chartCategoricalColors"]},
        "axis": {
            "labelColor": text,
            "titleColor": text,
            "gridColor": grid,
            "domain": False,
            "ticks": False,
            "titleFontWeight": "normal",
        },
        "legend": {"labelColor": text, "titleColor": text, "titleFontWeight": "normal"},
        "view": {"stroke": None},
    }
