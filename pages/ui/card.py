"""One model's card: every figure, its licence, its preprocessing, and the code to copy."""

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from bench import catalogue, licences, statistics
from bench.errors import UnreadableFile
from pages.ui import words
from pages.ui.evidence import Evidence

Pick = Callable[[str, int], None]

SHOWN_RIVALS = 8
LICENCE = "Licence"  # the one row that is Markdown: it links to the licence's text


def card(
    point: pd.Series,
    everything: pd.DataFrame,
    results_set: pd.Series,
    behind: Evidence,
    *,
    pick: Pick,
    close: Callable[[], None],
) -> None:
    """Draw the card of one point.

    Args:
        point: a row of points.POINT_COLUMNS.
        everything: the points of its results set, for its other weights and those that beat it.
        results_set: a row of data.sets.
        behind: what stands behind its figures.
        pick: callback that opens the card of other weights at an image size.
        close: callback that closes this one.
    """
    name = today(str(point["model"]))
    facts = _registry().get(name, {})
    with st.container(border=True, key="card"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(words.escaped(str(point["model"])), anchor=False)
            st.button("Close", on_click=close, type="tertiary", icon=":material/close:")
        told, use = st.columns(2, gap="large")
        with told:
            figures = _figures(point, facts, results_set, behind)
            st.table(figures, border="horizontal")
        with use:
            st.code(
                code(name, int(point["image_size"]), facts),
                language=None,  # Streamlit colours Python with a contrast of less than 4.5:1
                wrap_lines=True,
            )
            _links(name, facts)
        _others(point, everything, pick)


def today(model: str) -> str:
    """The name that timm has for a model now; the same where it was never renamed."""
    try:
        return catalogue.renames().get(model) or model
    except UnreadableFile:
        return model


def steps(samples_s: Sequence[float], noise: float) -> str:
    """How steady a measurement was, and how far its step times are apart."""
    p5, p25, p75, p95 = map(words.time, statistics.percentiles(samples_s, (5, 25, 75, 95)))
    return (
        f"{statistics.verdict(samples_s, noise=noise)}; {words.counted(len(samples_s), 'sample')}, "
        f"half of them {p25} to {p75}, nine in ten {p5} to {p95}"
    )


def _figures(
    point: pd.Series, facts: dict[str, object], results_set: pd.Series, behind: Evidence
) -> dict[str, str]:
    seconds = float(point["seconds_per_image"])
    rows = {
        "Top-1, top-5": f"{words.percent(point['top1_percent'])}, "
        f"{words.percent(_number(point['top5_percent']))}",
        "Time per image": f"{words.time(seconds)}{_interval(point)}",
        "Speed": words.rate(point["images_per_s"]),
        "Batch size": _whole(point["batch_size"]),
        "Image size": f"{point['image_size']} pixels",
        "Lead": words.points(_number(point["lead"])) + (", frontier" if point["frontier"] else ""),
        "Parameters": words.millions(_number(point["parameters"])),
        "Multiply-adds": words.billions(_number(point["multiply_adds"])),
        "Activations": words.millions(_number(point["activations"])),
        "Peak memory": words.mebibytes(_number(point["peak_memory_bytes"])),
        "Family": str(point["family"]),
        "Pretraining data": _text(point["pretraining"]),
        LICENCE: _licence(facts.get("licence")),
        "Preprocessing": _preprocessing(facts),
        "Flags": words.flags(point["flags"]),
        **_measured(behind),
        "Speed from": str(results_set["label"]),
        "Speed measured as": _text(point["speed_model"]),
        "Accuracy from": behind.accuracy_source or words.UNKNOWN,
    }
    if (source := behind.speed.get("source")) not in (None, "measured"):
        rows["Speed from"] = str(source)
    return {name: text if name == LICENCE else words.escaped(text) for name, text in rows.items()}


def _measured(behind: Evidence) -> dict[str, str]:
    """What only some measurements tell, as far as this one does."""
    rows, speed = {}, behind.speed
    parts = [_number(speed.get(name)) for name in ("forward_s", "backward_s", "optimiser_s")]
    if None not in parts:
        rows["Forward, backward, optimiser"] = ", ".join(map(words.time, parts)) + " of a step"
    if (compile_s := _number(speed.get("compile_s"))) is not None:
        rows["Compiling took"] = words.time(compile_s)
    if (energy_j := _number(speed.get("energy_per_image_j"))) is not None:
        rows["Energy per image"] = f"{energy_j:.3g} J"
    if behind.samples_s:
        rows["Steps"] = steps(behind.samples_s, behind.noise)
    return rows


def _licence(stated: object) -> str:
    """Markdown: the licence with a link to its text, and what it says of commercial use."""
    known = licences.LICENCES.get(stated) if isinstance(stated, str) else None
    if known is None:
        return words.escaped(_text(stated)) + ("; commercial use unknown" if stated else "")
    note = f" {words.escaped(known.note)}" if known.note else ""
    link = f"[{words.escaped(known.name)}]({known.source})"
    return f"{link}: commercial use {known.commercial_use}.{note}"


def _interval(point: pd.Series) -> str:
    low, high = _number(point["seconds_low"]), _number(point["seconds_high"])
    if low is None or high is None:
        return ""
    if point["estimated"]:
        return f" (estimated, 90 % interval {words.time(low)} to {words.time(high)})"
    return f" (95 % interval {words.time(low)} to {words.time(high)})"


def _preprocessing(facts: dict[str, object]) -> str:
    if not facts:
        return words.UNKNOWN
    parts = [
        f"{name} {value}"
        for name, value in (
            ("input", facts.get("input_size")),
            ("test size", facts.get("test_size")),
            ("crop", facts.get("crop_fraction")),
            ("", facts.get("interpolation")),
            ("mean", _triple(facts.get("mean"))),
            ("deviation", _triple(facts.get("standard_deviation"))),
        )
        if value is not None
    ]
    return ", ".join(part.strip() for part in parts) or words.UNKNOWN


def code(model: str, image_size: int, facts: Mapping[str, object]) -> str:
    """Python that makes the model and its transforms at an image size, to copy.

    Args:
        model: weights' name as timm has it now.
        image_size: that of the card, which is not always what timm takes by itself.
        facts: the row of catalogue.models; empty where the model is not in it.
    """
    usual = facts.get("input_size")
    # Some architectures are built for one image size, by a parameter of every entry point.
    built = (
        f", img_size={image_size}" if facts.get("fixed_input_size") and usual != image_size else ""
    )
    if usual == image_size:
        at_size = ""
    elif facts.get("test_size") == image_size:
        at_size = ", use_test_size=True"
    else:
        at_size = f', args={{"input_size": (3, {image_size}, {image_size})}}'
    return f"""import timm

model = timm.create_model("{model}", pretrained=True{built}).eval()
config = timm.data.resolve_model_data_config(model{at_size})
transform = timm.data.create_transform(**config, is_training=False)

# for 10 classes of your own:
# model = timm.create_model("{model}", pretrained=True{built}, num_classes=10)
# from scratch:
# model = timm.create_model("{model.partition(".")[0]}"{built}, num_classes=10)"""


def _links(model: str, facts: dict[str, object]) -> None:
    hub, origin, paper = (facts.get(key) for key in ("hub_id", "origin_url", "paper"))
    with st.container(horizontal=True):
        if isinstance(hub, str):
            st.link_button("Weights", f"https://huggingface.co/{hub}", icon=":material/download:")
        if isinstance(origin, str) and origin.startswith("https://"):
            st.link_button("Origin", origin, icon=":material/code:")
        if isinstance(paper, str) and paper.startswith("https://"):
            st.link_button("Paper", paper, icon=":material/article:")
    if not facts:
        st.caption(f"{words.escaped(model)} is not in the catalogue of timm that ships here.")


def _others(point: pd.Series, everything: pd.DataFrame, pick: Pick) -> None:
    same = everything[
        (everything["architecture"] == point["architecture"])
        & (everything["image_size"] == point["image_size"])
        & (everything["model"] != point["model"])
    ]
    better = everything[
        (everything["seconds_per_image"] < point["seconds_per_image"])
        & (everything["top1_percent"] > point["top1_percent"])
    ]
    for title, rows in (("Other weights at this size", same), ("Faster and more accurate", better)):
        st.caption(f"{title}: {words.counted(len(rows), 'model') if len(rows) else 'none'}.")
        best = rows.sort_values("top1_percent", ascending=False).head(SHOWN_RIVALS)
        with st.container(horizontal=True, gap="small"):
            for number, (_, row) in enumerate(best.iterrows()):
                st.button(
                    words.escaped(
                        f"{row['model']} ({words.percent(row['top1_percent'])}, "
                        f"{words.time(row['seconds_per_image'])}, {row['image_size']} px)"
                    ),
                    key=f"{title} {number}",
                    on_click=pick,
                    args=(str(row["model"]), int(row["image_size"])),
                    type="tertiary",
                )


@st.cache_data(max_entries=1, show_spinner=False)
def _registry() -> dict[str, dict[str, object]]:
    """Timm's registry by weights' name; empty where the catalogue cannot be read."""
    try:
        frame = catalogue.models()
    except UnreadableFile:
        return {}
    return {
        str(row["model"]): {str(key): value for key, value in row.items() if not _is_missing(value)}
        for row in frame.to_dict("records")
    }


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _number(value: object) -> float | None:
    return None if value is None or pd.isna(value) else float(value)  # type: ignore[call-overload, arg-type]


def _whole(value: object) -> str:
    number = _number(value)
    return words.UNKNOWN if number is None else f"{number:,.0f}"


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else words.UNKNOWN


def _triple(values: object) -> str | None:
    if values is None:
        return None
    return " ".join(f"{value:g}" for value in values)  # type: ignore[attr-defined]
