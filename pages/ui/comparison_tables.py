"""The Compare page's tables: every model of both sides, and a few side by side."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from bench import comparison, licences
from bench.comparison import Side
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
    "flags",
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
        "flags": st.column_config.ListColumn("Flags", help="On either side."),
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
        flags=comparison.flags_of(pairs),
    )
    return rows[list(COLUMNS)]


def matching(pairs: pd.DataFrame, search: str) -> pd.DataFrame:
    """The pairs with this part of a name; none where nothing is searched for."""
    wanted = search.strip().casefold()
    names = pairs["model"].str.casefold()
    return pairs[names.str.contains(wanted, regex=False)] if wanted else pairs.head(0)


def taken_away(pairs: pd.DataFrame, left: Side, *, right: Side) -> pd.DataFrame:
    """The pairs as downloads hold them: which results sets and measures they are from comes first.

    Args:
        pairs: rows of comparison.compare, with licence.
        left: the baseline.
        right: what is compared with it.
    """
    said = {
        f"{what}_{which}": value
        for which, side in (("left", left), ("right", right))
        for what, value in (("run", side.results_set["run"]), ("measure", side.measure))
    }
    first = pd.DataFrame(said, index=pairs.index)
    return first.join(pairs[[*comparison.PAIR_COLUMNS, "licence"]])


def title(architecture: str, image_size: int) -> str:
    """What a pair is called in menus and links."""
    return f"{architecture} · {image_size} px"


def side_by_side(
    chosen: pd.DataFrame, names: Names, *, sides: tuple[Side, Side], models: int
) -> pd.DataFrame:
    """A column a model, a row a figure, all as words.

    Args:
        chosen: some rows of comparison.compare, with licence, in the order of the columns.
        names: what the sides are called.
        sides: the baseline, and what is compared with it.
        models: among how many the ranks are.
    """
    columns = {
        title(pair["architecture"], pair["image_size"]): _figures(
            pair, names, sides=sides, models=models
        )
        for _, pair in chosen.iterrows()
    }
    return pd.DataFrame(columns).rename_axis("Figure")


def _figures(
    pair: pd.Series, names: Names, *, sides: tuple[Side, Side], models: int
) -> dict[str, str]:
    figures = {
        "Ratio": times(pair["ratio"]),
        "Ranks gained": f"{pair['gained']:+,}" if pair["gained"] else "0",
    }
    for which, name, side in zip(("left", "right"), (names.left, names.right), sides, strict=True):
        own = {field: pair[f"{field}_{which}"] for field in comparison.FIGURES}
        own["rank"] = f"{pair[f'rank_{which}']:,} of {models:,}"
        figures |= {f"{name}: {what}": said for what, said in _of_side(own, side).items()}
    return figures | {
        "Family": pair["family"],
        "Top-1 on ImageNet-1k": words.percent(pair["top1_percent"]),
        "Top-5 on ImageNet-1k": words.percent(_known(pair["top5_percent"])),
        "Most accurate weights": pair["model"],
        "Pretraining data": _or_unknown(pair["pretraining"], "{}"),
        "Licence": _licence(_known(pair["licence"])),
        "Commercial use": licences.commercial_use(_known(pair["licence"])),
        "Parameters": words.millions(_known(pair["parameters"])),
        "Multiply-adds": words.billions(_known(pair["multiply_adds"])),
        "Activations": words.millions(_known(pair["activations"])),
    }


def _of_side(figures: Mapping[str, Any], side: Side) -> dict[str, str]:
    """What one side says of a pair, and under which circumstances it was measured."""
    where = side.results_set
    flags = figures["flags"]
    # A published file holds no flags: that there are none is not known.
    unflagged = words.UNKNOWN if where["source"] != "measured" else words.flags(None)
    return {
        "time per image": words.time(figures["seconds_per_image"]),
        "95 % interval": _interval(figures["seconds_low"], figures["seconds_high"]),
        "speed": words.rate(figures["images_per_s"]),
        "rank": figures["rank"],
        "lead": words.points(_known(figures["lead"]))
        + (", frontier" if _known(figures["frontier"]) else ""),
        "batch size": _or_unknown(figures["batch_size"], "{:,}"),
        "peak memory": words.mebibytes(_known(figures["peak_memory_bytes"])),
        "flags": words.flags(flags) if flags is not None and len(flags) else unflagged,
        "device": _or_unknown(where["device"], "{}"),
        "settings": ", ".join(
            _or_unknown(where[column], "{}") for column in ("precision", "layout", "compiled")
        ),
        **{name: _or_unknown(where[column], "{}") for name, column in comparison.SOFTWARE.items()},
        # The file behind a publication has too long a name for a cell; the Method page gives it.
        "source": _or_unknown(where["source"], "{}").partition(":")[0],
    }


def _licence(stated: str | None) -> str:
    known = licences.LICENCES.get(stated) if stated else None
    return known.name if known else stated or words.UNKNOWN


def _or_unknown(value: Any, form: str) -> str:
    return words.UNKNOWN if pd.isna(value) else form.format(value)


def _interval(low: float | None, high: float | None) -> str:
    if pd.isna(low) or pd.isna(high):
        return words.UNKNOWN
    return f"{words.time(low)} to {words.time(high)}"


def _known(value: Any) -> Any:
    """The words' functions know None, not pandas' missing value."""
    return None if pd.isna(value) else value
