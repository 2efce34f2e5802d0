"""A run's rows as a table, and their publication as results.parquet."""

import functools
from itertools import islice

import pyarrow as pa

from bench import catalogue, journal, store
from bench.journal import Fold
from bench.records import Protocol
from bench.run_folder import RunFolder

Operations = dict[tuple[str, int], tuple[int | None, int | None]]


def publish(folder: RunFolder) -> int:
    """Publish the rows of the journal; nothing when no row was measured.

    Only for whoever holds the run's lock or admission. Returns the number of rows.
    """
    rows = table(folder, journal.read(folder.journal), folder.request().protocol)
    if len(rows):
        store.publish_run(rows, folder.data, folder.run)
    return len(rows)


def table(folder: RunFolder, fold: Fold, protocol: Protocol, *, skip: int = 0) -> pa.Table:
    """The run's rows so far but the first `skip`, as SPEED_SCHEMA.

    Empty before a worker has told where it runs.
    """
    if fold.environment is None:
        return store.SPEED_SCHEMA.empty_table()
    return store.speed_table(
        folder.run,
        islice(fold.rows.values(), skip, None),
        protocol,
        fold.environment,
        operations(),
    )


def operations() -> Operations:
    """(architecture, image size) -> (multiply-adds, activations), from the shipped catalogue."""
    return _operations_of((store.SHIPPED / "published" / "operations.parquet").stat().st_mtime_ns)


def refused() -> frozenset[str]:
    """catalogue.refused of the shipped catalogue: their rows are `unsupported` and take no time."""
    return _refused_of((store.SHIPPED / "published" / "models.parquet").stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _refused_of(version: int) -> frozenset[str]:  # noqa: ARG001 - the key
    return frozenset(catalogue.refused())


@functools.lru_cache(maxsize=1)
def _operations_of(version: int) -> Operations:  # noqa: ARG001 - the key
    columns = ["architecture", "image_size", "multiply_adds", "activations"]
    rows = catalogue.operations()[columns].astype(object)
    return {
        (architecture, int(size)): (multiply_adds, activations)
        for architecture, size, multiply_adds, activations in rows.where(
            rows.notna(), None
        ).itertuples(index=False)
    }
