"""The long form of the cluster's promises, with real workers and small models.

    python -m tests.on_a_cluster [--models 60]

Three nodes on this machine, each with one logical GPU that is a CPU worker. A sweep here, then on
the cluster: undisturbed, with a node killed in the middle, with its driver killed and resumed, and
cancelled. Overhead is what passes between two rows of one device beyond measuring: its median.

Exits with 1, and says why, unless every sweep ended as it should: done (or cancelled), each model
with one row and none with two, and no process of it left after 15 s.
"""

import os
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench import publication, runs
from bench.permission import COMMAND_LINE
from bench.records import Protocol, Workload
from tests import clusters
from tests.faults import stage

SMALL_MACS = 0.3e9
PATIENCE_S = 1800
NOTHING_LEFT_WITHIN_S = 15.0
QUICK = Protocol(warm_up_max_s=0.3, min_s=0.1, latency_cap_s=0.5)


def small_models(count):
    """The smallest models of timm, each at the smallest of its image sizes."""
    known = sorted(
        (macs, name, size)
        for (name, size), (macs, _) in publication.operations().items()
        if macs is not None and macs < SMALL_MACS
    )
    chosen = {}
    for _, name, size in known:
        chosen.setdefault(name, size)
    return list(chosen.items())[:count]


def request(models, executor):
    return runs.Request(
        workloads=tuple(
            Workload(architecture=name, image_size=size, measure="latency") for name, size in models
        ),
        device={"local": "cpu", "ray": "cuda"}[executor],
        protocol=QUICK,
        executor=executor,
    )


def half(run, data, models):
    """Wait until half of the models have their rows."""
    stage.until(
        lambda: runs.status(run, data).done >= len(models) // 2, "half of it", timeout_s=PATIENCE_S
    )


def undisturbed(run, data, models, cluster):
    """Nothing is done to it."""


def a_node_killed(run, data, models, cluster):
    half(run, data, models)
    cluster.kill_node()


def the_driver_killed(run, data, models, cluster):
    half(run, data, models)
    stage.supervisor_of(data, run).kill()
    stage.over(run, data, timeout_s=PATIENCE_S)
    runs.recover(data)
    runs.resume(run, data, by=COMMAND_LINE)


def cancelled(run, data, models, cluster):
    half(run, data, models)
    runs.cancel(run, data, by=COMMAND_LINE)


def left_after_s(run, since):
    """Seconds from a moment until no process of the run is left."""
    stage.until(lambda: not stage.members(run), "no process is left", timeout_s=PATIENCE_S)
    return time.monotonic() - since


def problems(end, once, models, *, left_s, state):
    """What is wrong with a sweep, a sentence each; once: how many rows each model has."""
    names = {name for name, _ in models}
    lacking = len(names - set(once)) if state == "done" else 0
    twice = sorted(name for name, count in once.items() if count > 1)
    found = {
        f"it ended {end.state} and not {state} ({end.error})": end.state != state,
        f"{lacking} models have no row": lacking,
        f"twice measured: {', '.join(twice)}": twice,
        f"a process was left for {left_s:.0f} s": left_s > NOTHING_LEFT_WITHIN_S,
    }
    return [sentence for sentence, is_so in found.items() if is_so]


def overheads_s(events):
    """Seconds between two rows of one device, less what the second took to measure."""
    last, found = {}, []
    for event in events:
        station = event.get("station")
        at = datetime.fromisoformat(event["at"]).timestamp()
        if event["event"] == "measurement":
            if station in last:
                found.append(at - last[station] - event["duration_s"])
            last[station] = at
        elif event["event"] in ("starting", "sentinel", "ready", "station_lost"):
            # What follows a start or a sentinel is no handing over.
            last.pop(station, None)
    return found


def attempt(name, disturb, executor, *, models, data, cluster):
    """One sweep; a line of the table, and what is wrong with it."""
    began = time.monotonic()
    run = runs.submit(request(models, executor), data, by=COMMAND_LINE)
    disturb(run, data, models, cluster)
    asked = time.monotonic()
    end = stage.over(run, data, timeout_s=PATIENCE_S)
    wall_s = time.monotonic() - began
    state = "cancelled" if disturb is cancelled else "done"
    # From the press, or from the end that was to be waited for.
    left_s = left_after_s(run, asked if disturb is cancelled else time.monotonic())
    events = stage.events(data, run)
    rows = [event for event in events if event["event"] == "measurement"]
    once = Counter(event["measurement"]["workload"]["architecture"] for event in rows)
    stations = defaultdict(int)
    for event in rows:
        stations[event.get("station", "here")] += 1
    overhead = statistics.median(overheads_s(events) or [float("nan")])
    line = [
        name,
        end.state,
        f"{len(once)} of {len(models)}",
        str(sum(count > 1 for count in once.values())),
        " ".join(map(str, sorted(stations.values()))),
        str(sum(event["event"] == "station_lost" for event in events)),
        f"{wall_s:.0f}",
        f"{1000 * overhead:.0f}",
        f"{left_s:.1f} s",
    ]
    wrong = problems(end, once, models, left_s=left_s, state=state)
    return line, [f"{name}: {sentence}" for sentence in wrong]


@click.command()
@click.option("--models", "count", default=60, show_default=True)
@click.option("--nodes", default=3, show_default=True)
def main(count, nodes):
    """Print one line for each sweep; exit with 1 unless each ended as it should."""
    models = small_models(count)
    table = Table(
        *("sweep", "end", "models", "twice", "rows by device", "lost", "s", "overhead ms"),
        *("nothing left after",),
    )
    console = Console(width=120)
    wrong = []
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        os.environ["BENCH_LOCKS"] = str(folder / "locks")
        with clusters.cluster(folder, nodes=nodes) as cluster:
            os.environ.update(cluster.environment)
            for name, disturb, executor in (
                ("local", undisturbed, "local"),
                ("ray", undisturbed, "ray"),
                ("ray, the driver killed", the_driver_killed, "ray"),
                ("ray, cancelled", cancelled, "ray"),
                ("ray, a node killed", a_node_killed, "ray"),
            ):
                data = folder / "data"
                line, said = attempt(
                    name, disturb, executor, models=models, data=data, cluster=cluster
                )
                console.print("  ".join(line))
                table.add_row(*line)
                wrong += said
    console.print(table)
    if wrong:
        raise click.ClickException("; ".join(wrong))


if __name__ == "__main__":
    main()
