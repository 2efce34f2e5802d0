"""What all charts of speeds are made with. Pure: never imports streamlit."""

from typing import Any

import altair as alt

# Seconds on an axis, in the unit that people use.
TIME_LABEL = (
    "datum.value < 9.9e-5 ? format(datum.value * 1e6, '.3~g') + ' µs'"
    " : datum.value < 0.99 ? format(datum.value * 1e3, '.3~g') + ' ms'"
    " : format(datum.value, '.3~g') + ' s'"
)


def tooltip(*lines: tuple[str, ...]) -> list[alt.Tooltip]:
    """What is said of the mark under the pointer: a line's field, its title and, if any, format.

    The line with the title `title` is the headline.
    """
    return [alt.Tooltip(field, **_named(rest)) for field, *rest in lines]


def _named(title_and_format: list[str]) -> dict[str, Any]:
    return dict(zip(("title", "format"), title_and_format, strict=False))
