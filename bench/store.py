"""Where Parquet lives: schemas, reading what may be damaged, publishing in one atomic step.

Nothing else in the project knows a Parquet path or a column's type. Files are written with
checksums and read with them verified (see `bench.integrity`); a file that cannot be trusted is
named with the reason and left out, and every other row stays.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench import atomic, integrity, statistics
from bench.errors import UnreadableFile
from bench.records import Environment, Measurement, Protocol, dumps

SHIPPED = Path(__file__).resolve().parent.parent / "data"

SCHEMA_VERSION = "1"

SPEED_SCHEMA = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("architecture", pa.string(), nullable=False),
        pa.field("image_size", pa.int32(), nullable=False),
        pa.field("measure", pa.string(), nullable=False),
        pa.field("batch_size", pa.int32()),
        pa.field("images_per_s", pa.float64()),
        pa.field("step_s", pa.float64()),
        pa.field("step_low_s", pa.float64()),
        pa.field("step_high_s", pa.float64()),
        pa.field("samples_s", pa.list_(pa.float64())),
        pa.field("peak_memory_bytes", pa.int64()),
        pa.field("forward_s", pa.float64()),
        pa.field("backward_s", pa.float64()),
        pa.field("optimiser_s", pa.float64()),
        pa.field("parameters", pa.int64()),
        pa.field("multiply_adds", pa.int64()),
        pa.field("activations", pa.int64()),
        pa.field("compile_s", pa.float64()),
        pa.field("energy_per_image_j", pa.float64()),
        pa.field("host_device_ratio", pa.float64()),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("message", pa.string()),
        pa.field("flags", pa.list_(pa.string())),
        pa.field("device", pa.string(), nullable=False),
        pa.field("device_kind", pa.string(), nullable=False),
        pa.field("precision", pa.string(), nullable=False),
        pa.field("layout", pa.string(), nullable=False),
        pa.field("compiled", pa.string(), nullable=False),
        pa.field("torch", pa.string()),
        pa.field("cuda", pa.string()),
        pa.field("cudnn", pa.string()),
        pa.field("driver", pa.string()),
        pa.field("timm", pa.string()),
        pa.field("measured_at", pa.timestamp("us", tz="UTC")),
        pa.field("environment", pa.string()),
    ]
)

ACCURACY_SCHEMA = pa.schema(
    [
        pa.field("snapshot", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("architecture", pa.string(), nullable=False),
        pa.field("tag", pa.string()),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("image_size", pa.int32(), nullable=False),
        pa.field("top1_percent", pa.float64(), nullable=False),
        pa.field("top5_percent", pa.float64()),
        pa.field("crop_fraction", pa.float64()),
        pa.field("interpolation", pa.string()),
        pa.field("parameters", pa.int64()),
        pa.field("source", pa.string(), nullable=False),
    ]
)

# timm's registry: a row per weights, and a row per (architecture, image size).
MODELS_SCHEMA = pa.schema(
    [
        pa.field("timm", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("architecture", pa.string(), nullable=False),
        pa.field("tag", pa.string()),
        pa.field("module", pa.string(), nullable=False),
        pa.field("licence", pa.string()),
        pa.field("hub_id", pa.string()),
        pa.field("input_size", pa.int32()),
        pa.field("test_size", pa.int32()),
        pa.field("fixed_input_size", pa.bool_()),
        pa.field("mean", pa.list_(pa.float64())),
        pa.field("standard_deviation", pa.list_(pa.float64())),
        pa.field("crop_fraction", pa.float64()),
        pa.field("crop_mode", pa.string()),
        pa.field("interpolation", pa.string()),
        pa.field("classes", pa.int32()),
        pa.field("origin_url", pa.string()),
        pa.field("paper", pa.string()),
        pa.field("message", pa.string()),  # why it cannot be measured here; null where it can
    ]
)

OPERATIONS_SCHEMA = pa.schema(
    [
        pa.field("timm", pa.string(), nullable=False),
        pa.field("architecture", pa.string(), nullable=False),
        pa.field("image_size", pa.int32(), nullable=False),
        pa.field("parameters", pa.int64()),
        pa.field("multiply_adds", pa.int64()),
        pa.field("activations", pa.int64()),
        pa.field("message", pa.string()),
    ]
)

# timm's own table of renamed models: an old name, and the name it has now.
# How good estimates are, one row per results set foretold as if its device were new; errors are
# shares of the time. See bench.estimate_evaluation.
ESTIMATE_ERRORS_SCHEMA = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("measure", pa.string(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
        pa.field("device_kind", pa.string(), nullable=False),
        pa.field("models", pa.int32(), nullable=False),
        pa.field("coverage", pa.float64(), nullable=False),
        *(
            pa.field(f"{way}{figure}", pa.float64(), nullable=False)
            for way in ("", "nearest_", "multiply_adds_")
            for figure in ("median_error", "p90_error", "rank_correlation")
        ),
    ]
)

RENAMES_SCHEMA = pa.schema(
    [
        pa.field("timm", pa.string(), nullable=False),
        pa.field("old", pa.string(), nullable=False),
        pa.field("model", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that was left out, and why, in one sentence."""

    path: Path
    reason: str


def read(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Read one Parquet file against its schema, page checksums verified.

    Columns that an older file lacks come back as null; columns that a newer file adds are left out.

    Args:
        path: the file.
        schema: what it should hold; column order and types of the result.
        columns: the columns wanted, all when None.

    Raises:
        UnreadableFile: truncated, damaged, of another schema, or absurdly large.
    """
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    try:
        with integrity.opened(path) as file:
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


def _check_schema(file: pq.ParquetFile, schema: pa.Schema) -> set[str]:
    """The names of the file's columns, which are found to be those of the schema, or some."""
    actual = file.schema_arrow
    if len(set(actual.names)) != len(actual.names):
        raise UnreadableFile("of another schema: a column appears twice")
    for field in schema:
        if field.name not in actual.names:
            if not field.nullable:
                raise UnreadableFile(f"of another schema: no column {field.name}")
        elif actual.field(field.name).type != field.type:
            raise UnreadableFile(
                f"of another schema: {field.name} is {actual.field(field.name).type}, "
                f"not {field.type}"
            )
    return set(actual.names)


def publish(table: pa.Table, path: Path, *, replace: bool = False) -> None:
    """Write a table so that readers see all of it or nothing, even if the power goes.

    See `atomic.new_file`.

    Args:
        table: its schema's metadata gains `schema_version` and the file's checksum.
        path: the final name; its folder is made.
        replace: overwrite an existing file; otherwise an existing file is an error.

    Raises:
        FileExistsError: path exists and replace is False.
        OSError: no space, no permission.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        **(table.schema.metadata or {}),
        b"schema_version": SCHEMA_VERSION.encode(),
        integrity.KEY: integrity.UNKNOWN,
    }
    with atomic.new_file(path, replace=replace) as file:
        pq.write_table(
            table.replace_schema_metadata(metadata),
            file,
            compression="zstd",
            write_page_checksum=True,
        )
        integrity.seal(file)


def speed_files(data: Path) -> list[Path]:
    """Every file of speed rows, shipped ones first; each file once."""
    folders = dict.fromkeys([SHIPPED, data.resolve()])
    files: list[Path] = []
    for folder in folders:
        files += [folder / "published" / "speed.parquet"]
        files += sorted((folder / "measured").glob("*.parquet"))
        files += sorted((folder / "runs").glob("*/results.parquet"))
    return [file for file in files if file.is_file()]


def accuracy_files(data: Path) -> list[Path]:
    """Every file of accuracy rows, shipped ones first; each file once."""
    folders = dict.fromkeys([SHIPPED, data.resolve()])
    files = [folder / "published" / "accuracy.parquet" for folder in folders]
    return [file for file in files if file.is_file()]


def load(
    files: Iterable[Path],
    schema: pa.Schema,
    columns: Sequence[str] | None = None,
    *,
    replaces: str,
    reader: Callable[[Path, pa.Schema, Sequence[str] | None], pa.Table] = read,
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


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A frame with missing values in every type: whole numbers stay whole numbers."""
    nullable: dict[pa.DataType, Any] = {
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame


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
        measurements: each becomes one row, failures too.
        protocol: gives precision, layout and compile mode.
        environment: gives device and versions; the rest travels as JSON.
        operations: (architecture, image size) -> (multiply-adds, activations), where known.
    """
    facts = environment.to_json()
    rest = dumps({"details": facts.pop("details"), "protocol": protocol.to_json()})
    rows = []
    for m in measurements:
        work = m.workload
        median_s, low_s, high_s = (
            statistics.median_interval(m.samples_s) if m.samples_s else (None, None, None)
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
