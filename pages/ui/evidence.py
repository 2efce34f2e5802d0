"""What stands behind one point: the row of its speed, its samples, and who says its accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from bench import store
from bench.results import snapshot_for
from pages.ui import data


@dataclass(frozen=True, slots=True)
class Evidence:
    """Nothing is known by default, as of what was estimated or is being measured.

    Attributes:
        speed: the row of SPEED_SCHEMA (points.SPEED_COLUMNS).
        samples_s: its step times in seconds, where they were kept.
        noise: of the machine, see statistics.widened.
        accuracy_source: the publication and its file.
    """

    speed: Mapping[str, Any] = field(default_factory=dict)
    samples_s: tuple[float, ...] = ()
    noise: float = 0.0
    accuracy_source: str | None = None


@st.cache_data(max_entries=64, show_spinner=False)
def evidence(
    files: data.Files,
    run: str,
    measure: str,
    dataset: str,
    *,
    speed_model: str | None,
    image_size: int,
) -> Evidence:
    """What stands behind the figures of a published results set.

    Args:
        files: the speed and accuracy files.
        run: id of the results set.
        measure: throughput, latency or training.
        dataset: the accuracy set.
        speed_model: the name under which the speed was measured; None for an estimate.
        image_size: at which.
    """
    rows = data.speed_rows(files, run)
    source = _accuracy_source(files, rows["torch"][0].as_py(), dataset)
    asked = {"model": speed_model, "image_size": image_size, "measure": measure, "outcome": "ok"}
    found = None if speed_model is None else _first(rows, asked)
    if found is None:
        return Evidence(accuracy_source=source)
    if found["source"] != "measured":
        return Evidence(found, accuracy_source=source)
    kept = (
        _first(data.speed_rows(files, run, [*asked, "run", "samples_s", "environment"]), asked)
        or {}
    )
    details = store.environment_details(kept.get("environment")).get("details", {})
    samples_s = tuple(kept.get("samples_s") or ())
    return Evidence(found, samples_s, details.get("noise") or 0.0, source)


def _first(rows: pa.Table, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first row that has these values."""
    for name, value in asked.items():
        rows = rows.filter(pc.equal(rows[name], value))
    found: list[dict[str, Any]] = rows.slice(0, 1).to_pylist()
    return found[0] if found else None


def _accuracy_source(files: data.Files, torch: str | None, dataset: str) -> str | None:
    """The publication and file of the accuracy that goes with speeds of this PyTorch version."""
    known: pd.DataFrame = data.accuracy(files)
    snapshot = snapshot_for(torch, sorted(known["snapshot"].unique()))
    rows = known[(known["snapshot"] == snapshot) & (known["dataset"] == dataset)]
    return None if rows.empty else str(rows["source"].iloc[0])
