"""Cached loading for the pages: what is on disk, joined and ready to draw.

Every cache is keyed by the files' names, times and sizes, so a new file is seen at the next rerun
and nothing is read twice. Frames are copied out of the cache; nobody can change another's.
"""

import os
from pathlib import Path

import pandas as pd
import streamlit as st

from bench import points, results, runs, store

Signature = tuple[tuple[str, int, int], ...]


def folder() -> Path:
    """The data folder: `$BENCH_DATA`, else the project's own."""
    return Path(os.environ.get("BENCH_DATA") or store.SHIPPED)


def speed_signature() -> Signature:
    """What identifies the speed files as they are now."""
    return _signature(store.speed_files(folder()))


def accuracy_signature() -> Signature:
    """What identifies the accuracy files as they are now."""
    return _signature(store.accuracy_files(folder()))


def _signature(files: list[Path]) -> Signature:
    found = []
    for file in files:
        try:
            state = file.stat()
        except FileNotFoundError:
            continue
        found.append((str(file), state.st_mtime_ns, state.st_size))
    return tuple(found)


@st.cache_data(max_entries=4, show_spinner="Reading results …")
def _speed(signature: Signature) -> tuple[pd.DataFrame, list[store.Problem]]:
    files = [Path(name) for name, _, _ in signature]
    return store.load(files, store.SPEED_SCHEMA, points.SPEED_COLUMNS, replaces="run")


@st.cache_data(max_entries=4, show_spinner=False)
def _accuracy(signature: Signature) -> tuple[pd.DataFrame, list[store.Problem]]:
    files = [Path(name) for name, _, _ in signature]
    return store.load(files, store.ACCURACY_SCHEMA, replaces="snapshot")


@st.cache_data(max_entries=8, show_spinner=False)
def sets(speed: Signature) -> pd.DataFrame:
    """One row per results set (results.results_sets), with a unique `label` for menus."""
    frame = results.results_sets(_speed(speed)[0])
    frame["label"] = [results.label(row) for _, row in frame.iterrows()]
    twice = frame["label"].duplicated(keep=False)
    frame.loc[twice, "label"] += " · " + frame.loc[twice, "run"]
    return frame.set_index("run", drop=False)


@st.cache_data(max_entries=8, show_spinner=False)
def problems(speed: Signature, accuracy: Signature) -> list[store.Problem]:
    """The files that were left out, each with its reason."""
    return _speed(speed)[1] + _accuracy(accuracy)[1]


@st.cache_data(max_entries=8, show_spinner=False)
def datasets(accuracy: Signature) -> dict[str, list[str]]:
    """The accuracy sets of each snapshot."""
    frame = _accuracy(accuracy)[0]
    return {
        str(snapshot): sorted(rows["dataset"].unique())
        for snapshot, rows in frame.groupby("snapshot")
    }


@st.cache_data(max_entries=64, show_spinner="Joining speed with accuracy …")
def joined(
    speed: Signature, accuracy: Signature, run: str, measure: str, dataset: str
) -> pd.DataFrame:
    """points.points of one results set, cached. Raises InvalidRequest as it does."""
    return points.points(
        _speed(speed)[0], _accuracy(accuracy)[0], run=run, measure=measure, dataset=dataset
    )


def joined_live(run: str, accuracy: Signature, measure: str, dataset: str) -> pd.DataFrame:
    """The same for a run that is still measuring, from its journal; not cached.

    Raises InvalidRequest while there is nothing to draw yet.
    """
    table = runs.live_table(run, folder()).select(points.SPEED_COLUMNS)
    frame = store.to_frame(table)
    return points.points(frame, _accuracy(accuracy)[0], run=run, measure=measure, dataset=dataset)
