"""Cached loading for the pages: what is on disk, joined and ready to draw.

Every cache is keyed by the files' names, times and sizes, so a new file is seen at the next rerun
and nothing is read twice. Frames are copied out of the cache; nobody can change another's.
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from bench import catalogue, expected, index, licences, points, presets, results, runs, state, store
from bench.errors import BenchError, InvalidRequest, UnreadableFile
from bench.expected import Expectation
from bench.records import Protocol, Workload
from pages.ui import charts, table

POINT = ("architecture", "image_size")
OPERATIONS = ("multiply_adds", "activations")

# Names the versions of all files; see bench.index.
Signature = str


def folder() -> Path:
    """The data folder: `$BENCH_DATA`, else the project's own.

    Of `s3://bucket/prefix` the folder on this machine, in which runs live until they are done.
    """
    asked = os.environ.get("BENCH_DATA")
    return state.data_folder(asked) if asked else store.SHIPPED


def _index() -> index.Index:
    """The results sets there are now."""
    data = folder()
    if index.is_known(data):
        return index.of(data)
    with st.spinner("Looking for results …"):
        return index.of(data)


def speed_signature() -> Signature:
    """What identifies the speed files as they are now."""
    return _index().signature


def accuracy_signature() -> Signature:
    """What identifies the accuracy files as they are now."""
    return _index().accuracy_signature


@st.cache_data(max_entries=16, show_spinner="Reading results …")
def _rows(signature: Signature, run: str) -> pa.Table:  # noqa: ARG001 - which version
    """A results set, as Arrow: a tenth of what a frame with its lists costs to take out again."""
    return _index().rows([run])


def _speed_of(signature: Signature, run: str) -> pd.DataFrame:
    """The speeds of one results set. Raises UnreadableFile where it was damaged since."""
    return store.to_frame(_rows(signature, run))


@st.cache_data(max_entries=2, show_spinner="Reading results …")
def _known_table(signature: Signature, device: str, kind: str) -> pa.Table:  # noqa: ARG001
    return _index().known_speeds(device=device, device_kind=kind)


def _known_speeds(signature: Signature, device: str, kind: str) -> pd.DataFrame:
    """The speeds from which a device's are foretold."""
    return store.to_frame(_known_table(signature, device, kind))


@st.cache_data(max_entries=4, show_spinner=False)
def _accuracy(signature: Signature) -> tuple[pd.DataFrame, list[store.Problem]]:  # noqa: ARG001
    files = [file.place for file in _index().accuracy]
    return store.load(files, store.ACCURACY_SCHEMA, replaces="snapshot")


def problems(files: "Files") -> list[store.Problem]:
    """What was left out, each with its reason."""
    return [*_index().problems, *_accuracy(files.accuracy)[1]]


@st.cache_data(max_entries=8, show_spinner=False)
def datasets(accuracy: Signature) -> dict[str, list[str]]:
    """The accuracy sets of each snapshot."""
    frame = _accuracy(accuracy)[0]
    return {
        str(snapshot): sorted(rows["dataset"].unique())
        for snapshot, rows in frame.groupby("snapshot")
    }


def sets(speed: Signature) -> pd.DataFrame:
    """One row per results set (results.results_sets), with a unique `label` for menus.

    Runs that are still measuring are sets too, as soon as they have a figure.
    """
    known = _index().places
    living = [
        results.results_sets(live)
        for status in runs.list_runs(folder())
        if status.run not in known and not (live := _live(status.run)).empty
    ]
    if not living:
        return _labelled_sets(speed).copy(deep=False)
    return _labelled(pd.concat([*living, _index().sets], ignore_index=True))


# One frame for all sessions, which keep it in their callbacks: of 10,000 sets it is 6 MB. `sets`
# hands out copies whose columns pandas parts at the first change.
@functools.lru_cache(maxsize=4)
def _labelled_sets(speed: Signature) -> pd.DataFrame:  # noqa: ARG001 - which version
    return _labelled(_index().sets)


def _labelled(frame: pd.DataFrame) -> pd.DataFrame:
    # A run in which everything failed has nothing to draw; the Runs page tells of it.
    frame = frame[frame["measures"].map(bool).astype(bool)].reset_index(drop=True)
    frame["label"] = results.labels(frame)
    return frame.set_index("run", drop=False)


def is_live(run: str) -> bool:
    """Whether a results set is a run that still measures."""
    return any(status.run == run and status.alive for status in runs.list_runs(folder()))


def _live(run: str) -> pd.DataFrame:
    """The rows of a run that is not published yet, from its journal."""
    return store.to_frame(runs.live_table(run, folder()).select(list(points.SPEED_COLUMNS)))


@dataclass(frozen=True, slots=True)
class Files:
    """The speed and accuracy files as one rerun sees them."""

    speed: Signature
    accuracy: Signature


def is_published(run: str) -> bool:
    """Whether a results set is whole: in a file, and not in the journal of a run."""
    return run in _index().places


def points_of(files: Files, run: str, measure: str, dataset: str) -> pd.DataFrame:
    """points.points of one results set, from its file or, while it measures, from its journal.

    What a run of one's own did not measure is estimated from what it did, see `bench.estimate`.
    With a column more: licence, timm's id of the weights' licence, None where it is not known.
    Operations that its source does not count are the catalogue's.
    Raises InvalidRequest as that does.
    """
    if is_published(run):
        return joined(files.speed, files.accuracy, run, measure, dataset)
    accuracy = _accuracy(files.accuracy)[0]
    live = _live(run)
    frame = points.points(
        live,
        accuracy,
        run=run,
        measure=measure,
        dataset=dataset,
        estimates=_estimates(files.speed, live, measure),
    )
    return _with_catalogue(frame)


def measured_points_of(files: Files, run: str, measure: str, dataset: str) -> pd.DataFrame:
    """points_of without estimates. Raises InvalidRequest as that does."""
    frame = points_of(files, run, measure, dataset)
    return points.ranked(frame[~frame["estimated"]]) if frame["estimated"].any() else frame


def speed_rows(files: Files, run: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a published results set, of points.SPEED_COLUMNS or of other columns.

    Raises UnreadableFile where it was damaged since.
    """
    return _rows(files.speed, run) if columns is None else _index().rows([run], columns)


def accuracy(files: Files) -> pd.DataFrame:
    """Every accuracy there is."""
    return _accuracy(files.accuracy)[0]


@dataclass(frozen=True, slots=True)
class Options:
    """What the points of a results set can be filtered by, in the order of a menu."""

    families: list[str]
    image_sizes: list[int]
    pretraining: list[str]


def options_of(files: Files, run: str, measure: str, dataset: str) -> Options:
    """What there is among `points_of` these. Raises InvalidRequest as that does."""
    if is_published(run):
        return _options(files.speed, files.accuracy, run, measure, dataset)
    return _options_in(points_of(files, run, measure, dataset))


@st.cache_data(max_entries=256, show_spinner=False)
def _options(
    speed: Signature, accuracy: Signature, run: str, measure: str, dataset: str
) -> Options:
    return _options_in(joined(speed, accuracy, run, measure, dataset))


def _options_in(frame: pd.DataFrame) -> Options:
    return Options(
        sorted(frame["family"].unique()),
        sorted(int(size) for size in frame["image_size"].unique()),
        sorted(frame["pretraining"].dropna().unique()),
    )


def joined(
    speed: Signature, accuracy: Signature, run: str, measure: str, dataset: str
) -> pd.DataFrame:
    """points_of a published results set, cached. Raises InvalidRequest as that does."""
    return _joined(speed, accuracy, run, measure, dataset).copy(deep=False)


# One frame for all sessions, as in _labelled_sets: to take it out of Streamlit's cache costs a
# tenth of what a reader waits for after a change.
@functools.lru_cache(maxsize=64)
def _joined(
    speed: Signature, accuracy: Signature, run: str, measure: str, dataset: str
) -> pd.DataFrame:
    rows = _speed_of(speed, run)
    frame = points.points(
        rows,
        _accuracy(accuracy)[0],
        run=run,
        measure=measure,
        dataset=dataset,
        estimates=_estimates(speed, rows, measure),
    )
    return table.readable(charts.described(_with_catalogue(frame)))


def _estimates(speed: Signature, of_set: pd.DataFrame, measure: str) -> pd.DataFrame | None:
    """What the results set lacks; None for a published one, or where estimates cannot be made."""
    if not results.is_estimated(of_set, measure) or why_no_estimates() is not None:
        return None
    measured = of_set[(of_set["outcome"] == "ok") & (of_set["measure"] == measure)]
    estimate = presets.estimating()
    try:
        believed = _belief(speed, measured["run"].iloc[0], *estimate.circumstances(measured))
    except BenchError:  # nothing else was ever measured, or the catalogue cannot be read
        return None
    frame: pd.DataFrame = estimate.estimates(believed, measured)
    return frame


@st.cache_data(max_entries=8, show_spinner="Estimating what was not measured …")
def _belief(speed: Signature, run: str, *circumstances: str | None) -> Any:
    """estimate.belief_about a results set: about a second, and the same while a run measures."""
    estimate = presets.estimating()
    target = pd.Series(circumstances, index=list(estimate.CIRCUMSTANCES), dtype=object)
    speeds = _known_speeds(speed, target["device"], target["device_kind"])
    known = estimate.knowledge(speeds, catalogue.operations(folder()))
    return estimate.belief_about(known, target, run=run)


def why_no_estimates() -> str | None:
    """What estimates need and is not there, as a sentence; None where they can be made."""
    try:
        presets.estimating()
    except InvalidRequest as error:
        return f"{error}."
    return None


def _with_catalogue(frame: pd.DataFrame) -> pd.DataFrame:
    """With each point's licence, and the catalogue's operations where its source counts none."""
    known = _licences(str(folder()))
    counted = frame[list(POINT)].merge(_operations(str(folder())), on=list(POINT), how="left")
    counted.index = frame.index
    return frame.assign(
        licence=frame["model"].map(known.get),
        **{name: frame[name].fillna(counted[name]) for name in OPERATIONS},
    )


@st.cache_data(max_entries=2, show_spinner=False)
def _operations(data: str) -> pd.DataFrame:
    """Operations of each architecture at an image size; no rows where they cannot be read."""
    columns = [*POINT, *OPERATIONS]
    try:
        return catalogue.operations(Path(data))[columns].drop_duplicates(list(POINT))
    except UnreadableFile:
        return pd.DataFrame(columns=columns)


@st.cache_data(max_entries=2, show_spinner=False)
def _licences(data: str) -> dict[str, str]:
    """licences.by_model of a data folder; empty where its catalogue cannot be read."""
    try:
        return licences.by_model(catalogue.models(Path(data)), catalogue.renames(Path(data)))
    except UnreadableFile:
        return {}


@st.cache_data(max_entries=2, show_spinner=False)
def best_of_each_family(speed: Signature, accuracy: Signature) -> list[tuple[str, int]]:
    """presets.best_of_each_family, cached."""
    published = _index().sets
    rows = _speed_of(speed, results.reference_run(published))
    return presets.best_of_each_family(published, rows, _accuracy(accuracy)[0])


@st.cache_data(max_entries=8, show_spinner="Choosing what to measure …")
def minute(speed: Signature, *, device: str, kind: str, precision: str) -> list[tuple[str, int]]:
    """presets.minute for a device, cached. Raises InvalidRequest as that does."""
    return presets.minute(
        *_known_and_listed(speed, device, kind),
        device=device,
        device_kind=kind,
        protocol=Protocol(precision=precision),
        measure=presets.measure_of_a_minute(kind),
    )


@st.cache_data(max_entries=8, show_spinner="Choosing what to measure first …")
def everything(
    speed: Signature, *, device: str, kind: str, precision: str, measure: str
) -> list[tuple[str, int]]:
    """All that can be measured, presets.most_telling_first, cached."""
    return presets.most_telling_first(
        *_known_and_listed(speed, device, kind),
        device=device,
        device_kind=kind,
        protocol=Protocol(precision=precision),
        measure=measure,
    )


def _known_and_listed(
    speed: Signature, device: str, kind: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[tuple[str, int]]]:
    """What is known of speeds and operations, and what can be measured."""
    data = folder()
    listed = catalogue.work_list(preset="all", data=data)
    return _known_speeds(speed, device, kind), catalogue.operations(data), listed


@st.cache_data(max_entries=1, show_spinner=False)
def estimate_errors() -> pd.DataFrame:
    """catalogue.estimate_errors; without rows where that cannot be read."""
    try:
        return catalogue.estimate_errors(folder())
    except UnreadableFile:
        return pd.DataFrame()


@st.cache_data(max_entries=1, show_spinner=False)
def weights_by_licence() -> pd.DataFrame:
    """licences.summary of the catalogue; without rows where that cannot be read."""
    try:
        return licences.summary(catalogue.models(folder()))
    except UnreadableFile:
        return licences.summary(pd.DataFrame(columns=["tag", "licence"]))


@st.cache_data(max_entries=32, show_spinner=False)
def expectation(
    speed: Signature,
    pairs: list[tuple[str, int]],
    measures: list[str],
    *,
    device: str,
    kind: str,
    precision: str,
) -> Expectation | None:
    """expected.expect for each measure of each (architecture, image size), cached."""
    asked = [
        Workload(architecture=architecture, image_size=size, measure=measure)
        for architecture, size in pairs
        for measure in measures
    ]
    protocol = Protocol(precision=precision)
    speeds = _known_speeds(speed, device, kind)
    return expected.expect(asked, device, kind, protocol=protocol, speed=speeds)
