# ruff: noqa: INP001 - a script, not part of a package
"""Make a data folder with very many results sets; time the list and a chart, watch the memory.

python -m benchmarks.many_sets FOLDER --sets 10000 --rows 1500      0.8 GB
python -m benchmarks.many_sets FOLDER --time
python -m benchmarks.many_sets FOLDER --memory 1000

The sets share their rows, which are those of a published set with the times of a device of their
own; each is a file of its own, written as a run's is.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench import results, store
from benchmarks.dashboard import browser, figures, memory
from tests.harness import Server

FEW = 30
DEVICES = 24
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
# Timed in a fresh process, imports left out, as a command or a server's first reader meets it.
LISTING = """
import pathlib, sys, time
from bench import index, results
began, worked = time.perf_counter(), time.process_time()
found = index.of(pathlib.Path(sys.argv[1]))
results.labels(found.sets)
print(time.perf_counter() - began, time.process_time() - worked)
print(len(found.sets), len(found.problems))
"""


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--sets", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--rows", type=click.IntRange(1), default=1_500, show_default=True)
@click.option("--time", "is_timed", is_flag=True, help="Time it; it is made where it is missing.")
@click.option("--rounds", type=click.IntRange(2), default=5, show_default=True)
@click.option(
    "--memory",
    "changes",
    type=click.IntRange(200),
    help="Watch a server's memory over so many changes of one reader.",
)
def main(
    folder: Path, *, sets: int, rows: int, is_timed: bool, rounds: int, changes: int | None
) -> None:
    """The command."""
    if not (folder / "measured").is_dir():
        make(folder, sets, rows)
    if is_timed:
        time_list(folder)
        time_chart(folder, rounds)
    if changes is not None:
        watch_memory(folder, changes)


def make(folder: Path, sets: int, rows: int) -> None:
    """Write that many results sets of that many rows into folder/measured."""
    table = _template(rows)
    began_s = time.monotonic()
    for number in range(sets):
        run = run_id(number)
        store.publish(_of_a_run(table, number), folder / "measured" / f"{run}.parquet")
        if number % 500 == 499:
            gone_s = time.monotonic() - began_s
            click.echo(f"{number + 1:,} of {sets:,} sets, {gone_s:.0f} s", err=True)


def run_id(number: int) -> str:
    """As a run's id: sorts by time."""
    return f"{FIRST + timedelta(minutes=number):%Y-%m-%dT%H%M%SZ}-{number % 65536:04x}"


def _template(rows: int) -> pa.Table:
    """So many rows of the reference set, as if measured; beyond its own, at other batch sizes."""
    whole = store.read(store.SHIPPED / "published" / "speed.parquet", store.SPEED_SCHEMA)
    of_set = whole.filter(pc.equal(whole["run"], results.REFERENCE_RUN))
    order = np.arange(rows)
    table = of_set.take(pa.array(order % len(of_set)))
    again = pa.array((order // len(of_set)).astype("int32"))
    batch_size = pc.add(pc.fill_null(table["batch_size"], 1), again)
    return _with(
        table,
        source=pa.repeat("measured", rows),
        batch_size=batch_size,
        torch=pa.repeat("2.13.0", rows),
    )


def _of_a_run(table: pa.Table, number: int) -> pa.Table:
    rows = len(table)
    pace = 1 + number % 97 / 97
    measured_at = FIRST + timedelta(minutes=number)
    return _with(
        table,
        run=pa.repeat(run_id(number), rows),
        device=pa.repeat(f"NVIDIA GeForce RTX {3000 + 100 * (number % DEVICES)}", rows),
        images_per_s=pc.divide(table["images_per_s"], pace),
        step_s=pc.multiply(table["step_s"], pace),
        measured_at=pa.repeat(pa.scalar(measured_at, pa.timestamp("us", tz="UTC")), rows),
    )


def _with(table: pa.Table, **columns: pa.Array) -> pa.Table:
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, store.SPEED_SCHEMA.field(name), values)
    return table


def time_list(folder: Path) -> None:
    """Print how long the list takes, with nothing known and with its index; and opening footers."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"BENCH_STATE": home}
        for what in ("nothing known", "index kept", "index kept, again"):
            command = [sys.executable, "-c", LISTING, str(folder)]
            done = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            )
            took_s, worked_s, sets, problems = done.stdout.split()
            click.echo(
                f"list of {int(sets):,} sets, {what}: {float(took_s):.2f} s, "
                f"{float(worked_s):.2f} s of it computing, {problems} left out"
            )
    files = sorted((folder / "measured").iterdir())
    began_s, worked_s = time.perf_counter(), time.process_time()
    for file in files:
        pq.read_metadata(file)
    took_s, worked_s = time.perf_counter() - began_s, time.process_time() - worked_s
    click.echo(f"opening {len(files):,} footers: {took_s:.2f} s, {worked_s:.2f} s of it computing")


def time_chart(folder: Path, rounds: int) -> None:
    """Print how long a set takes to the painted chart, with few sets and with many, in turns."""
    with ExitStack() as stack:
        servers = stack.enter_context(_few_and_many(folder))
        chromium = stack.enter_context(browser.chromium())
        seconds: dict[str, list[float]] = {name: [] for name in servers}
        for number in range(rounds + 1):
            for name, server in servers.items():
                url = f"{server.url}/?set={run_id(number)}"
                with browser.opened(chromium, url, "models") as (page, took_s):
                    browser.until_idle(page)
                seconds[name].append(took_s)
                memory = psutil.Process(server.process.pid).memory_info().rss / 2**20
                click.echo(f"{name}, visit {number}: {took_s:.2f} s, {memory:.0f} MiB")
    medians = {name: statistics.median(each[1:]) for name, each in seconds.items()}
    for name, median in medians.items():
        click.echo(f"a set on the chart, {name}: median {median:.2f} s after the first visit")
    less, more = medians.values()
    click.echo(f"difference: {more - less:+.2f} s")


@contextmanager
def _few_and_many(folder: Path) -> Iterator[dict[str, Server]]:
    """A server on few sets and one on the folder's, by how many they have."""
    with ExitStack() as stack:
        few = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make(few, FEW, 1_500)
        servers = {}
        for data in (few, folder):
            name = f"{len(list((data / 'measured').iterdir())):,} sets"
            home = stack.enter_context(tempfile.TemporaryDirectory())
            servers[name] = stack.enter_context(
                browser.served("models", data, env={"BENCH_STATE": home})
            )
        yield servers


async def _watch(servers: dict[str, Server], changes: int) -> dict[str, memory.Growth]:
    """memory.watch of all servers at the same time, each with a reader of its own."""
    watches = [memory.watch(server.url, server.process.pid, changes) for server in servers.values()]
    return dict(zip(servers, await asyncio.gather(*watches), strict=True))


def watch_memory(folder: Path, changes: int) -> None:
    """Print a server's memory over one reader's changes, with few sets to choose and many."""
    with _few_and_many(folder) as servers:
        for name, growth in asyncio.run(_watch(servers, changes)).items():
            sizes = " ".join(f"{size / 2**20:.0f}" for size in growth.resident_bytes)
            click.echo(f"{name}, every {memory.SAMPLE_EVERY} changes, MiB: {sizes}")
            slope, error = growth.bytes_per_rerun
            click.echo(
                f"{name}, once settled: {growth.share:+.1%} in all, "
                f"{slope / 1024:+.1f} KiB a change, standard error {error / 1024:.1f}"
            )
    click.echo(figures.circumstances())


if __name__ == "__main__":
    main()
