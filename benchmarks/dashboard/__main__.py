"""python -m benchmarks.dashboard: measure, and print what was measured beside what was wished."""

import asyncio
import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from replicas import site

from benchmarks.dashboard import browser, figures, memory, sessions, synthetic
from benchmarks.dashboard.figures import Row

# The goals of the design: milliseconds, or times a blank page.
TO_PAINT, TO_REPAINT_MS, TO_POINT_MS, TO_CARD_MS = 1.7, 400.0, 50.0, 500.0
# Of as many readers as SESSIONS says, by the number of servers.
P95_MS, SESSIONS = {1: 500.0, 2: 1000.0}, {1: 100, 2: 200}
STEADY_SHARE = 0.05  # of the settled server, over the reruns that follow
MIB = 2**20


def tell(text: str) -> None:
    """Say how far it is, on the error stream, so that the table can be redirected alone."""
    click.echo(text, err=True)


def paint_rows(rounds: int) -> list[Row]:
    """From a warm server to the painted page: blank, ours, the notebook's; and the ratios."""
    found = browser.paints(["blank", "models", "plotly"], rounds, tell)
    blank, models, plotly = found["blank"], found["models"], found["plotly"]
    return [
        figures.timed("warm server to a blank page", blank),
        figures.timed("warm server to our painted chart", models),
        figures.timed("warm server to the notebook's Plotly chart", plotly),
        figures.ratio("ours / blank", models, blank, TO_PAINT),
        figures.ratio("ours / Plotly", models, plotly, 1.0),
    ]


def wait_rows(rounds: int) -> list[Row]:
    """What a reader of the Models page waits for once it is there."""
    with browser.served("models") as server, browser.chromium() as chromium:
        with browser.opened(chromium, server.url, "models") as (page, _):
            browser.waits(page, 1)
        with browser.opened(chromium, server.url, "models") as (page, _):
            return _rows_of(browser.waits(page, rounds))


def _rows_of(found: browser.Waits) -> list[Row]:
    goals = {
        "filter": ("filter to repaint", TO_REPAINT_MS),
        "hover": ("hover", TO_POINT_MS),
        "legend": ("legend", TO_POINT_MS),
        "card": ("click to card", TO_CARD_MS),
    }
    return [
        figures.timed(goals[kind][0], found.by_kind[kind], goals[kind][1])
        for kind in goals
        if kind in found.by_kind
    ]


def large_rows(counts: Sequence[int], rounds: int) -> list[Row]:
    """The Models page with so many models: to paint, and to repaint after a filter."""
    rows = []
    for count in counts:
        with TemporaryDirectory() as folder:
            data = Path(folder)
            url = f"/?set={synthetic.make(data, count)}"
            with browser.served("models", data) as server, browser.chromium() as chromium:
                paints, found = [], browser.Waits()
                for _ in range(rounds + 1):
                    with browser.opened(chromium, server.url + url, "models") as (page, seconds):
                        paints.append(seconds)
                        found.bubbles = len(page.evaluate("stopwatch.bubbles()"))
                        browser.until_idle(page)
                        browser.filters(page, found)
        if found.bubbles != count:
            raise click.ClickException(f"{count} points asked, {found.bubbles} drawn")
        tell(f"{count:,} points: done")
        rows.append(figures.timed(f"{count:,} points: to the painted chart", paints[1:]))
        rows.append(figures.timed(f"{count:,} points: filter to repaint", found.by_kind["filter"]))
    return rows


def session_rows(load: sessions.Load, replicas: int = 1) -> list[Row]:
    """Many readers at once, on one server of our own, or on two behind nginx."""
    if replicas == 1:
        with browser.served("models") as server:
            return load_rows([server.url], [server.process.pid], load, target=P95_MS[1])
    with (
        TemporaryDirectory() as data,
        TemporaryDirectory() as folder,
        site(Path(data), Path(folder)) as there,
    ):
        pids = [replica.process.pid for replica in there.replicas]
        return load_rows([there.url], pids, load, target=P95_MS[2])


def load_rows(
    urls: Sequence[str], pids: Sequence[int], load: sessions.Load, *, target: float | None
) -> list[Row]:
    """Many readers at once, on servers that run; target: 95 % of changes are to be below, in ms."""
    found = asyncio.run(sessions.hold(urls, load, pids))
    for failure in sorted(set(found.failures)):
        tell(f"{found.failures.count(failure)} sessions failed: {failure}")
    if not found.rerun_s:
        raise click.ClickException("no session changed anything: none was open, or time was short")
    what = f"{load.sessions} sessions, think time {load.think_s:g} s"
    count = f"{len(found.rerun_s)} reruns in {load.duration_s:g} s"
    middle, late = (1e3 * figures.percentile(found.rerun_s, share) for share in (50, 95))
    rows = [
        Row(f"{what}: held to the end", found.held, "", count),
        Row(f"{what}: rerun, p50", middle, "ms", count),
        Row(f"{what}: rerun, p95", late, "ms", f"longest {1e3 * max(found.rerun_s):.0f}", target),
        Row(f"{what}: sent for a rerun, mean", found.bytes_per_rerun / 1024, "KiB"),
        figures.timed(f"{what}: first run, one after another", found.opened_s),
    ]
    if found.server_cpu_share is not None:
        rows.append(Row(f"{what}: processor time", found.server_cpu_share, "cores"))
    if found.bytes_per_session is not None:
        rows.append(Row(f"{what}: memory a session", found.bytes_per_session / MIB, "MiB"))
    return rows


def memory_rows(reruns: int) -> list[Row]:
    """One session that does not end: how the server's memory grows."""
    with browser.served("models") as server:
        growth = asyncio.run(memory.watch(server.url, server.process.pid, reruns))
    slope, error = growth.bytes_per_rerun
    settled = [size / MIB for size in growth.settled[1]]
    spread = f"{min(settled):.0f} to {max(settled):.0f} MiB once settled"
    sure = f"standard error {error / 1024:.2f}"
    return [
        Row(f"one session, {reruns:,} reruns: memory", statistics.median(settled), "MiB", spread),
        Row("growth a rerun, once settled", slope / 1024, "KiB", sure),
        Row("growth in all, once settled", 100 * growth.share, "%", "", 100 * STEADY_SHARE),
    ]


def show(rows: Sequence[Row]) -> None:
    """Print the table and what it was measured on."""
    click.echo(figures.table(rows))
    click.echo(f"\n{figures.circumstances()}")


@click.group(help=__doc__)
def main() -> None:
    """See the commands."""


REPEATS = click.option("--repeats", default=7, show_default=True, help="Rounds of each.")
POINTS = click.option("--points", multiple=True, default=[10_000, 50_000], show_default=True)


@main.command()
@REPEATS
def page(repeats: int) -> None:
    """Paint, filter, hover, legend and card, in headless Chromium."""
    show([*paint_rows(repeats), *wait_rows(repeats)])


@main.command()
@POINTS
@click.option("--repeats", default=3, show_default=True, help="Pages opened of each.")
def large(points: tuple[int, ...], repeats: int) -> None:
    """Many points, invented ones: paint and filter."""
    show(large_rows(points, repeats))


@main.command(name="sessions")
@click.option("--url", "urls", multiple=True, help="A running dashboard; may be repeated.")
@click.option("--pid", "pids", multiple=True, type=int, help="Its server, for memory; repeatable.")
@click.option("--replicas", type=click.IntRange(1, 2), help="Start so many; two behind nginx.")
@click.option("--sessions", "count", type=int, help="Readers; by default 100 a replica.")
@click.option("--think", default=10.0, show_default=True, help="Seconds between changes.")
@click.option("--duration", default=120.0, show_default=True, help="Seconds, once all are open.")
def sessions_command(
    urls: tuple[str, ...],
    pids: tuple[int, ...],
    *,
    replicas: int | None,
    count: int | None,
    think: float,
    duration: float,
) -> None:
    """Many readers at once, as websocket clients."""
    if urls and replicas:
        raise click.UsageError("--url is of servers that run, --replicas of servers to start")
    load = sessions.Load(count or SESSIONS[replicas or 1], think, duration)
    if urls:
        show(load_rows(urls, pids, load, target=None))
    else:
        show(session_rows(load, replicas or 1))


@main.command(name="memory")
@click.option("--reruns", default=1000, show_default=True)
def memory_command(reruns: int) -> None:
    """The server's memory over many changes in one session."""
    show(memory_rows(reruns))


@main.command(name="all")
@REPEATS
@POINTS
@click.option("--duration", default=120.0, show_default=True, help="Seconds of many sessions.")
@click.option("--reruns", default=1000, show_default=True)
def everything(repeats: int, *, points: tuple[int, ...], duration: float, reruns: int) -> None:
    """All of it, one after another."""
    show(
        [
            *paint_rows(repeats),
            *wait_rows(repeats),
            *session_rows(sessions.Load(duration_s=duration)),
            *large_rows(points, 3),
            *memory_rows(reruns),
        ]
    )


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.dashboard")
