"""Watching a run from a terminal: a bar while it lives, a line for each finished row."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bench import runs, statistics, store
from bench.cli_output import printable
from bench.errors import InvalidRequest
from bench.records import Measurement, Workload
from bench.run_status import Status

LOOK_EVERY_S = 0.2
# A worker that ignores SIGTERM is killed after 10 s; then the rows are published.
CANCEL_TIMEOUT_S = 20.0


def start_and_follow(start: Callable[[], str], data: Path) -> Status:
    """Start a run and show it until it is over. Ctrl-C cancels it and waits for its end.

    A Ctrl-C while it starts waits for the start, so that no run goes on unseen; a second one does
    not wait.
    """
    with _interrupt_kept() as kept:
        run = start()
    return follow(run, data, interrupted=bool(kept))


def follow(run: str, data: Path, *, interrupted: bool = False) -> Status:
    """Show a run until it is over; see `start_and_follow`."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    try:
        if interrupted:
            raise KeyboardInterrupt
        console.print(f"Run {run}, Ctrl-C ends it.")
        return _watch(run, data, console)
    except KeyboardInterrupt:
        console.print("Cancelling; what was measured is kept.")
        try:
            runs.cancel(run, data, by=runs.COMMAND_LINE)
        except InvalidRequest:
            # It ended in the meantime.
            return runs.status(run, data)
        return wait(run, data)


@contextmanager
def _interrupt_kept() -> Iterator[list[int]]:
    """Keep the first Ctrl-C for later, in the list; the second one is as usual."""
    kept: list[int] = []
    usual = signal.getsignal(signal.SIGINT)

    def keep(number: int, _frame: FrameType | None) -> None:
        kept.append(number)
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, keep)
    try:
        yield kept
    finally:
        signal.signal(signal.SIGINT, usual)


def wait(run: str, data: Path) -> Status:
    """Wait until a cancelled run is over, and end it if it does not end by itself."""
    give_up = time.monotonic() + CANCEL_TIMEOUT_S
    while (now := runs.status(run, data)).alive:
        if time.monotonic() > give_up:
            runs.force_end(run, data, by=runs.COMMAND_LINE)
            return runs.status(run, data)
        time.sleep(LOOK_EVERY_S)
    return now


def summary(end: Status, data: Path) -> str:
    """A sentence or two on how a run ended, and what to do with it."""
    missing = end.total - end.done
    failed = sum(end.failures.values())
    parts = [f"Run {end.run}: {end.state}, {end.done - failed} of {end.total} measured"]
    if failed:
        parts.append(", ".join(f"{n} {outcome}" for outcome, n in sorted(end.failures.items())))
    if missing:
        parts.append(f"{missing} missing")
    lines = ["; ".join(parts) + "."]
    if end.error:
        reason = printable(end.error).rstrip(".")
        lines.append(f"{reason[0].upper()}{reason[1:]}." if reason else "")
    lines += [f"{printable(note)}." for note in end.notes]
    if end.published:
        lines.append(f"Results: {store.place_of_run(data, end.run)}")
    if missing and not end.alive:
        lines.append(f"The rest: python -m bench run --resume {end.run}")
    return "\n".join(lines)


def row_text(row: Measurement, noise: float) -> str:
    """One finished row for people.

    `resnet18 224 throughput: 512 images/s ±0.4 %, steady (batch 64)`. noise is that of the run; the
    interval is widened by it, as the published one is.
    """
    name = _name(row.workload)
    if row.outcome != "ok":
        return printable(f"{name}: {row.outcome.replace('_', ' ')}: {row.message or ''}")
    median_s, _, _ = statistics.median_interval(row.samples_s)
    width = statistics.relative_half_width(row.samples_s, noise=noise)
    verdict, _, _ = statistics.verdict(row.samples_s, noise=noise).partition(": interval")
    if row.workload.measure == "latency":
        value = f"{1000 * median_s:.4g} ms"
    else:
        value = f"{(row.batch_size or 1) / median_s:,.4g} images/s"
    flags = f"  [{', '.join(row.flags)}]" if row.flags else ""
    percent = f"{100 * width:.2g}" if width < 1 else f"{100 * width:.0f}"
    return f"{name}: {value} ±{percent} %, {verdict} (batch {row.batch_size}){flags}"


def _watch(run: str, data: Path, console: Console) -> Status:
    shown = 0
    with _bar(console) as bar:
        task = bar.add_task("", total=None, what="starting", left="")
        while True:
            # The status first: rows that are there when it says "over" are all of them.
            now = runs.status(run, data)
            rows = runs.measurements(run, data)
            for row in rows[shown:]:
                console.print(row_text(row, runs.noise(run, data)), soft_wrap=True)
            shown = len(rows)
            what = f"{_name(now.current)}: {now.phase}" if now.current else _stage(now)
            left = "" if now.eta_s is None else f"{_clock(now.eta_s)} left"
            bar.update(task, completed=now.done, total=now.total, what=what, left=left)
            if not now.alive:
                return now
            time.sleep(LOOK_EVERY_S)


def _stage(now: Status) -> str:
    return now.state if now.place is None else f"waiting, number {now.place} in line"


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    """The live bar; where the error stream is no terminal, finished rows are all that is shown."""
    with Progress(
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[what]}", markup=False),
        console=console,
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        yield bar


def _name(workload: Workload) -> str:
    return f"{workload.architecture} {workload.image_size} {workload.measure}"


def _clock(seconds: float) -> str:
    """`42 s`, `12:05`, `3:20:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"
