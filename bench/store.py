"""Where Parquet lives: reading what may be damaged, publishing in one atomic step.

Nothing else in the project knows a Parquet path, or whether it is a file or an object in a store
(see `bench.object_store`). Files are written with checksums and read with them verified (see
`bench.integrity`); one that cannot be trusted is named with the reason and left out, and every
other row stays.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench import atomic, integrity, object_store, places, statistics, summaries
from bench.errors import BenchError, Unreachable, UnreadableFile
from bench.object_store import PATIENCE, ObjectPath
from bench.places import (
    SHIPPED,
    File,
    Files,
    Place,
    Problem,
    accuracy_files,
    find,
    place_of_run,
    published,
    root,
    speed_files,
    why_not_writable,
)
from bench.records import Environment, Measurement, Protocol, dumps
from bench.schemas import (
    ACCURACY_SCHEMA,
    ESTIMATE_ERRORS_SCHEMA,
    MODELS_SCHEMA,
    OPERATIONS_SCHEMA,
    RENAMES_SCHEMA,
    SCHEMA_VERSION,
    SPEED_SCHEMA,
    to_frame,
)

__all__ = [
    "ACCURACY_SCHEMA",
    "ESTIMATE_ERRORS_SCHEMA",
    "MODELS_SCHEMA",
    "OPERATIONS_SCHEMA",
    "RENAMES_SCHEMA",
    "SHIPPED",
    "SPEED_SCHEMA",
    "File",
    "Files",
    "Place",
    "Problem",
    "accuracy_files",
    "find",
    "place_of_run",
    "published",
    "root",
    "speed_files",
    "to_frame",
    "why_not_writable",
]

# A run's results are put once; each time it was resumed gives one more object.
MOST_RESUMES = 100


def read(path: Place, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Read one Parquet file against its schema, page checksums verified.

    Columns that an older file lacks come back as null; columns that a newer file adds are left out.

    Args:
        path: the file or object.
        schema: what it should hold; column order and types of the result.
        columns: the columns wanted, all when None.

    Raises:
        UnreadableFile: truncated, damaged, of another schema, or absurdly large; Unreachable,
            which is one, where an object store does not give it.
    """
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    try:
        with integrity.opened(_content(path)) as file:
            present = _check_schema(file, schema)
            table = file.read(columns=[name for name in wanted.names if name in present])
        for field in wanted:
            if field.name not in table.column_names:
                table = table.append_column(field, pa.nulls(len(table), field.type))
        table = table.select(wanted.names).cast(wanted)
        table.validate(full=True)
    except UnreadableFile:
        raise
    except (OSError, pa.ArrowException, ValueError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UnreadableFile(f"not readable as Parquet: {reason}") from error
    return table


def sets_in(place: Place) -> list[dict[str, Any]]:
    """The results sets that a file of speeds holds, rows of SETS_SCHEMA.

    The whole file is checked; its rows are read only where its footer does not tell.

    Raises UnreadableFile as `read` does.
    """
    try:
        with integrity.opened(_content(place)) as file:
            _check_schema(file, SPEED_SCHEMA)
            metadata = file.schema_arrow.metadata or {}
            if integrity.KEY in metadata and summaries.KEY in metadata:
                return summaries.from_json(metadata[summaries.KEY])
    except UnreadableFile:
        raise
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UnreadableFile(f"not readable as Parquet: {reason}") from error
    return summaries.of(read(place, SPEED_SCHEMA, summaries.COLUMNS))


def _check_schema(file: pq.ParquetFile, schema: pa.Schema) -> set[str]:
    """The names of the file's columns, which are found to be those of the schema, or some."""
    # Each asked for once: pyarrow makes them anew at every look.
    actual = file.schema_arrow
    types = dict(zip(actual.names, actual.types, strict=True))
    if len(types) != len(actual):
        raise UnreadableFile("of another schema: a column appears twice")
    for field in schema:
        if field.name not in types:
            if not field.nullable:
                raise UnreadableFile(f"of another schema: no column {field.name}")
        elif types[field.name] != field.type:
            raise UnreadableFile(
                f"of another schema: {field.name} is {types[field.name]}, not {field.type}"
            )
    return set(types)


def _content(place: Place) -> bytes:
    """All of a file or object. Raises UnreadableFile where it is absurdly large, OSError."""
    if isinstance(place, Path):
        if place.stat().st_size > integrity.LARGEST_FILE_BYTES:
            raise UnreadableFile(integrity.TOO_LARGE)
        return place.read_bytes()
    content = object_store.get(place, largest=integrity.LARGEST_FILE_BYTES)
    if content is None:
        raise UnreadableFile("no longer there")
    return content


def serialised(table: pa.Table) -> bytes:
    """A table as a Parquet file, sealed; its metadata gains `schema_version` and a checksum."""
    metadata = {
        **(table.schema.metadata or {}),
        b"schema_version": SCHEMA_VERSION.encode(),
        integrity.KEY: integrity.UNKNOWN,
    }
    if table.schema.equals(SPEED_SCHEMA):
        metadata[summaries.KEY] = summaries.to_json(table)
    file = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(metadata),
        file,
        compression="zstd",
        write_page_checksum=True,
    )
    integrity.seal(file)
    return file.getvalue()


def publish(table: pa.Table, path: Place, *, replace: bool = False) -> None:
    """Write a table so that readers see all of it or nothing, even if the power goes.

    See `atomic.new_file` and `object_store.put_new`.

    Args:
        table: see `serialised`.
        path: the final name; a file's folder is made.
        replace: overwrite what is there; otherwise that is an error.

    Raises:
        FileExistsError: path exists and replace is False.
        Unreachable: the object store does not take it.
        OSError: no space, no permission.
    """
    content = serialised(table)
    if isinstance(path, Path):
        _write(path, content, replace=replace)
    elif replace:
        object_store.put(path, content)
    else:
        object_store.check_conditions(path.parent)
        object_store.put_new(path, content)
    places.forget()


def _write(path: Path, content: bytes, *, replace: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.new_file(path, replace=replace) as file:
        file.write(content)


def publish_run(
    table: pa.Table, data: Path, run: str, *, patience: object_store.Patience = PATIENCE
) -> None:
    """Publish what a run measured; again, with more rows, when it was resumed.

    In an object store nothing is ever replaced: a resumed run has one object more, `RUN~2`, which
    holds all its rows and counts in the place of the one before. What the store took is kept beside
    the journal as well, and that it is there says that the run is published.

    Args:
        table: all rows of the run so far.
        data: the data folder.
        run: its id.
        patience: with the object store.

    Raises:
        BenchError: the store does not take it, or has another run of this name.
        OSError: no space, no permission.
    """
    content, place = serialised(table), root(data)
    if isinstance(place, ObjectPath):
        object_store.check_conditions(place, patience=patience)
        for number in range(1, MOST_RESUMES + 1):
            name = run if number == 1 else f"{run}~{number}"
            path = place / "runs" / name / "results.parquet"
            try:
                object_store.put_new(path, content, patience=patience)
            except FileExistsError:
                _check_is_earlier(path, table)
            else:
                break
        else:
            raise BenchError(f"run {run} was resumed more than {MOST_RESUMES} times")
    _write(data / "runs" / run / "results.parquet", content, replace=True)
    places.forget()


def _check_is_earlier(path: Place, table: pa.Table) -> None:
    """Raises BenchError unless the object holds rows of this table only, or cannot be read."""
    key = ["architecture", "image_size", "measure", "measured_at"]
    try:
        there = read(path, SPEED_SCHEMA, key).to_pylist()
    except Unreachable:
        raise
    except UnreadableFile:
        return
    ours = {tuple(row.values()) for row in table.select(key).to_pylist()}
    if not {tuple(row.values()) for row in there} <= ours:
        raise BenchError(f"{path} holds results of another run")


def load(
    files: Iterable[Place],
    schema: pa.Schema,
    columns: Sequence[str] | None = None,
    *,
    replaces: str,
    reader: Callable[[Place, pa.Schema, Sequence[str] | None], pa.Table] = read,
) -> tuple[pd.DataFrame, list[Problem]]:
    """Read many files into one frame; what cannot be trusted is left out and named.

    Args:
        files: in order; where two hold the same value of `replaces` the later file's rows win
            (a user's import of a publication stands in for the shipped one).
        schema: SPEED_SCHEMA or ACCURACY_SCHEMA.
        columns: the columns wanted, all when None; must contain `replaces`.
        replaces: the column that names a set of rows that belong together.
        reader: how one file is read.
    """
    frames: list[pd.DataFrame] = []
    problems: list[Problem] = []
    for file in files:
        try:
            frames.append(to_frame(reader(file, schema, columns)))
        except UnreadableFile as error:
            problems.append(Problem(file, str(error)))
    seen: set[Any] = set()
    kept: list[pd.DataFrame] = []
    for frame in reversed(frames):
        kept.append(frame[~frame[replaces].isin(seen)] if seen else frame)
        seen.update(frame[replaces].unique())
    if not kept:
        wanted = schema if columns is None else pa.schema([schema.field(c) for c in columns])
        return to_frame(wanted.empty_table()), problems
    return pd.concat(reversed(kept), ignore_index=True), problems


def speed_table(
    run: str,
    measurements: Iterable[Measurement],
    protocol: Protocol,
    environment: Environment,
    operations: Mapping[tuple[str, int], tuple[int | None, int | None]],
) -> pa.Table:
    """Measurements as rows of SPEED_SCHEMA, in the order given.

    Args:
        run: id of the results set.
        measurements: each becomes one row, failures too; its details travel as JSON.
        protocol: gives precision, layout and compile mode.
        environment: gives device and versions, and the noise that widens the intervals; the rest
            travels as JSON.
        operations: (architecture, image size) -> (multiply-adds, activations), where known.
    """
    facts = environment.to_json()
    rest = dumps({"details": facts.pop("details"), "protocol": protocol.to_json()})
    rows = []
    for m in measurements:
        work = m.workload
        median_s, low_s, high_s = (
            statistics.widened(statistics.median_interval(m.samples_s), environment.noise)
            if m.samples_s
            else (None, None, None)
        )
        multiply_adds, activations = operations.get(
            (work.architecture, work.image_size), (None, None)
        )
        rows.append(
            {
                "run": run,
                "source": "measured",
                "model": work.architecture,
                "architecture": work.architecture,
                "image_size": work.image_size,
                "measure": work.measure,
                "batch_size": m.batch_size,
                "images_per_s": m.batch_size / median_s if m.batch_size and median_s else None,
                "step_s": median_s,
                "step_low_s": low_s,
                "step_high_s": high_s,
                "samples_s": list(m.samples_s) or None,
                "multiply_adds": multiply_adds,
                "activations": activations,
                "flags": list(m.flags),
                "precision": protocol.precision,
                "layout": protocol.layout,
                "compiled": protocol.compiled,
                "environment": rest,
                "details": dumps(m.details) if m.details else None,
                **{name: getattr(m, name) for name in _SAME_IN_MEASUREMENT},
                **facts,
            }
        )
    return pa.Table.from_pylist(rows, schema=SPEED_SCHEMA)


_SAME_IN_MEASUREMENT = (
    "peak_memory_bytes",
    "forward_s",
    "backward_s",
    "optimiser_s",
    "parameters",
    "compile_s",
    "energy_per_image_j",
    "host_device_ratio",
    "outcome",
    "message",
    "measured_at",
)


def environment_details(text: str | None) -> dict[str, Any]:
    """The `environment` column of a row as a dictionary; empty where it is unknown or not JSON."""
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
