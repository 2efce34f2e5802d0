"""timm's published results, CSV files, as rows of the same two tables as everything else.

Every row is imported exactly or named with its file, line and reason. Numbers go through Decimal:
2.04 million parameters become 2,040,000, and nothing is rounded. What a file does not say (driver,
timm's version, date of measurement) is null.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from bench import csv_lines, published_names, store
from bench.csv_lines import RefusedError
from bench.errors import InvalidRequest, UnreadableFile

Row = dict[str, Any]

# What makes a row one of a kind (ARCHITECTURE.md, Data).
SPEED_KEY = ("run", "model", "image_size", "measure", "batch_size")
ACCURACY_KEY = ("snapshot", "model", "dataset", "image_size")

LARGEST_IMAGE_SIZE = 2**14
LARGEST_BATCH_SIZE = 2**20
# images/s x step time against the batch size: at 0.05 images/s two decimals leave 10 % of doubt.
AGREEMENT = Decimal("0.1")
# An accuracy and its error are rounded to three decimals each.
PERCENT_AGREEMENT = Decimal("0.001")
MILLION, GIGA = 6, 9
# What timm resizes images with.
INTERPOLATIONS = ("bicubic", "bilinear", "nearest", "nearest-exact", "lanczos", "box", "hamming")


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that was not imported, or a whole file where line is None, and why."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        """As people cite it: `file.csv:12: reason`."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What one import did: rows taken from each file that could be read, and what was refused."""

    snapshot: str
    rows: dict[str, int] = field(default_factory=dict)
    problems: list[RowProblem] = field(default_factory=list)

    @property
    def imported(self) -> int:
        """How many rows were taken, of all files together."""
        return sum(self.rows.values())


def import_folder(
    folder: Path,
    data: Path,
    *,
    renames: Mapping[str, str | None],
    snapshot: str | None = None,
) -> ImportReport:
    """Add a folder's CSV files to data/published/speed.parquet and accuracy.parquet.

    Rows that came from a file of the same name and snapshot are replaced, all others stay. A file
    that yields no row replaces nothing.

    Args:
        folder: timm-format CSV files; its name is the snapshot (`2026-08`) unless that is given.
        data: where `published` is, or will be made.
        renames: timm's old names -> their present ones (`catalogue.renames`).
        snapshot: year and month of the publication.

    Raises:
        InvalidRequest: no such folder, no CSV file in it, or no snapshot.
        UnreadableFile: the Parquet file to add to is damaged.
        OSError: no space, no permission.
    """
    speed, accuracy, report = read_folder(folder, renames=renames, snapshot=snapshot)
    files = {
        store.published(data, "speed.parquet"): (speed, SPEED_KEY),
        store.published(data, "accuracy.parquet"): (accuracy, ACCURACY_KEY),
    }
    # Both are merged before one is written: a damaged file leaves both as they were.
    merged = {path: _merged(new, path, key=key) for path, (new, key) in files.items() if len(new)}
    for path, table in merged.items():
        store.publish(table, path, replace=True)
    return report


def read_folder(
    folder: Path, *, renames: Mapping[str, str | None], snapshot: str | None = None
) -> tuple[pa.Table, pa.Table, ImportReport]:
    """A folder's CSV files as (speed rows, accuracy rows, what happened); see `import_folder`."""
    if not folder.is_dir():
        raise InvalidRequest(f"no folder {folder}")
    wanted = folder.resolve().name if snapshot is None else snapshot
    if not published_names.is_snapshot(wanted):
        raise InvalidRequest(
            f"a snapshot is a year and a month like 2026-08, got {wanted!r}: "
            "give it with --snapshot, or name the folder so"
        )
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() == ".csv")
    if not files:
        raise InvalidRequest(f"no CSV file in {folder}")
    report = ImportReport(wanted)
    tables: dict[tuple[str, ...], list[Row]] = {SPEED_KEY: [], ACCURACY_KEY: []}
    seen: dict[tuple[Any, ...], str] = {}
    for file in files:
        try:
            key, rows = _read_file(file, wanted, renames, report.problems)
        except InvalidRequest as refused:
            report.problems.append(RowProblem(file.name, None, str(refused)))
            continue
        report.rows[file.name] = 0
        for line, row in rows:
            identity = tuple(row[name] for name in key)
            if identity in seen:
                reason = f"a second {', '.join(map(str, identity[1:]))}: see {seen[identity]}"
                report.problems.append(RowProblem(file.name, line, reason))
                continue
            seen[identity] = f"{file.name}:{line}"
            tables[key].append(row)
            report.rows[file.name] += 1
    return (
        pa.Table.from_pylist(tables[SPEED_KEY], schema=store.SPEED_SCHEMA),
        pa.Table.from_pylist(tables[ACCURACY_KEY], schema=store.ACCURACY_SCHEMA),
        report,
    )


def _read_file(
    file: Path,
    snapshot: str,
    renames: Mapping[str, str | None],
    problems: list[RowProblem],
) -> tuple[tuple[str, ...], list[tuple[int, Row]]]:
    """The key of a file's rows, and its good rows with their line numbers; bad ones are named.

    Raises InvalidRequest when nothing of the file can be used.
    """
    source = f"timm {snapshot}: {file.name}"
    dataset = published_names.dataset(file.name)
    if dataset is not None:
        same: Row = {"snapshot": snapshot, "dataset": dataset, "source": source}
        lines = csv_lines.lines(file, ("model", "img_size", "top1"))
        return ACCURACY_KEY, _good_rows(file.name, lines, _accuracy_row, same, problems)
    where = published_names.circumstances(file.name)
    required = ("model", f"{where.bench}_img_size", f"{where.bench}_samples_per_sec")
    lines = csv_lines.lines(file, required)
    current = {} if published_names.bears_old_names(where.torch) else renames
    read = partial(_speed_row, bench=where.bench, renames=current)
    same = {
        "run": where.run(snapshot),
        "source": source,
        "outcome": "ok",
        "flags": [],
        "device": where.device,
        "device_kind": where.device_kind,
        "precision": where.precision,
        "layout": where.layout,
        "compiled": where.compiled,
        "torch": where.torch,
        "cuda": where.cuda,
    }
    rows = _good_rows(file.name, lines, read, same, problems)
    measure = _measure(where.bench, rows)
    for _, row in rows:
        row["measure"] = measure
    return SPEED_KEY, rows


def _good_rows(
    file_name: str,
    lines: Iterable[tuple[int, dict[str, str] | str]],
    read: Callable[[Mapping[str, str]], Row],
    same: Row,
    problems: list[RowProblem],
) -> list[tuple[int, Row]]:
    rows: list[tuple[int, Row]] = []
    for number, cells in lines:
        try:
            if isinstance(cells, str):
                raise RefusedError(cells)
            rows.append((number, same | read(cells)))
        except RefusedError as refused:
            problems.append(RowProblem(file_name, number, str(refused)))
    return rows


def _measure(bench: str, rows: list[tuple[int, Row]]) -> str:
    if bench == "train":
        return "training"
    only_single_images = all(row["batch_size"] == 1 for _, row in rows)
    return "latency" if only_single_images else "throughput"


def _speed_row(cells: Mapping[str, str], *, bench: str, renames: Mapping[str, str | None]) -> Row:
    """What one line of a speed file says.

    Both speeds stay as published, each with its own rounding; that they agree is checked.
    """
    model = csv_lines.name(cells, "model")
    size = csv_lines.whole(cells, f"{bench}_img_size", LARGEST_IMAGE_SIZE)
    rate = csv_lines.positive(cells, f"{bench}_samples_per_sec")
    step_ms = csv_lines.positive(cells, f"{bench}_step_time")
    batch = csv_lines.whole(cells, f"{bench}_batch_size", LARGEST_BATCH_SIZE)
    assert rate is not None  # its column is required
    if step_ms is not None and batch is not None:
        implied = rate * step_ms.scaleb(-3)
        if abs(implied - batch) > AGREEMENT * batch:
            raise RefusedError(
                f"{rate} images/s at {step_ms} ms a step is a batch of {implied:.1f}, not {batch}"
            )
    return {
        "model": model,
        "architecture": (renames.get(model) or model).partition(".")[0],
        "image_size": size,
        "batch_size": batch,
        "images_per_s": float(rate),
        "step_s": None if step_ms is None else float(step_ms.scaleb(-3)),
        "parameters": csv_lines.scaled(cells, "param_count", MILLION),
        "multiply_adds": csv_lines.scaled(cells, f"{bench}_gmacs", GIGA),
        "activations": csv_lines.scaled(cells, f"{bench}_macts", MILLION),
    }


def _accuracy_row(cells: Mapping[str, str]) -> Row:
    """What one line of an accuracy file says; the older ones spell a column `cropt_pct`."""
    model = csv_lines.name(cells, "model")
    top1, top5 = _percent(cells, "top1"), _percent(cells, "top5")
    if top1 is None:
        raise RefusedError("incomplete: no top1")
    if top5 is not None and top1 > top5:
        raise RefusedError(f"top1 {top1} is above top5 {top5}")
    crop_fraction = csv_lines.fraction(cells, "crop_pct" if "crop_pct" in cells else "cropt_pct")
    interpolation = cells.get("interpolation") or None
    if interpolation not in (None, *INTERPOLATIONS):
        known = ", ".join(INTERPOLATIONS)
        raise RefusedError(f"interpolation {interpolation[:40]!r} is none of {known}")
    architecture, _, tag = model.partition(".")
    return {
        "model": model,
        "architecture": architecture,
        "tag": tag or None,
        "image_size": csv_lines.whole(cells, "img_size", LARGEST_IMAGE_SIZE),
        "top1_percent": float(top1),
        "top5_percent": None if top5 is None else float(top5),
        "crop_fraction": None if crop_fraction is None else float(crop_fraction),
        "interpolation": interpolation,
        "parameters": csv_lines.scaled(cells, "param_count", MILLION),
    }


def _percent(cells: Mapping[str, str], column: str) -> Decimal | None:
    """An accuracy, which must agree with the error published beside it; None where unknown."""
    value = csv_lines.percentage(cells, column)
    error = csv_lines.percentage(cells, f"{column}_err")
    if value is not None and error is not None and abs(value + error - 100) > PERCENT_AGREEMENT:
        raise RefusedError(f"{column} {value} and {column}_err {error} do not make 100")
    return value


def _merged(table: pa.Table, path: store.Place, *, key: tuple[str, ...]) -> pa.Table:
    """What path holds with these rows in the place of those from the same files, by source."""
    if path.is_file():
        try:
            kept = store.read(path, table.schema)
        except UnreadableFile as error:
            raise UnreadableFile(f"{path}, to be added to, is {error}") from error
        replaced = set(table["source"].unique().to_pylist())
        new = pd.MultiIndex.from_frame(table.select(key).to_pandas())
        old = pd.MultiIndex.from_frame(kept.select(key).to_pandas())
        stays = ~kept["source"].to_pandas().isin(replaced) & ~old.isin(new)
        table = pa.concat_tables([kept.filter(pa.array(stays)), table])
    sources = pd.Series(table["source"].to_pylist())
    order = sources.sort_values(kind="stable").index.to_numpy()
    return table.take(pa.array(order))
