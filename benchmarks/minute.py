# ruff: noqa: INP001 - a script, not part of a package
"""Check *My device in a minute* here: measure the probes, then models that were estimated.

    python -m benchmarks.minute FOLDER --others 60

First the preset `minute` from its command line, timed end to end; then every other model's speed is
estimated from it, with all results sets of this device left out, as if it were new; only then as
many others as asked, drawn at random from all that are small enough, are measured in a second run.
Printed: the seconds of each step, and for the others the median and 90th percentile of the error
and how many figures lie within the 90 % interval, as they are and within the A/A noise of the run
that measured them. The folder keeps both runs.
"""

import json
import random
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import click
import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import catalogue, estimate, index, run_progress, runs, store  # noqa: E402
from bench.records import Protocol, Workload  # noqa: E402

POINT = ["architecture", "image_size"]


@click.command(help=__doc__.partition("\n")[0] if __doc__ else None)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", default="fp32", show_default=True)
@click.option("--others", type=click.IntRange(1), default=60, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the draw.")
def main(folder: Path, *, device: str, precision: str, others: int, seed: int) -> None:
    """Run the check."""
    measured = measure_the_probes(folder, device, precision)
    known = knowledge_elsewhere(str(measured["device"].iloc[0]))
    estimated = estimate_the_rest(known, measured)
    pairs = draw(estimated, known, device.partition(":")[0], count=others, seed=seed)
    compare(estimated, measure(folder, pairs, measured))


def measure_the_probes(folder: Path, device: str, precision: str) -> pd.DataFrame:
    """The rows of a run of the preset, started as anybody would."""
    before = {status.run for status in runs.list_runs(folder)}
    asked = ["--preset", "minute", "--device", device, "--precision", precision]
    began_s = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "bench", "run", *asked, "--data", str(folder)], cwd=ROOT, check=True
    )
    took_s = time.perf_counter() - began_s
    (run,) = {status.run for status in runs.list_runs(folder)} - before
    rows = rows_of(folder, run)
    click.echo(
        f"minute            {len(rows)} models in {took_s:.0f} s, A/A noise {noise(rows):.1%}"
    )
    return rows


def rows_of(folder: Path, run: str) -> pd.DataFrame:
    """A run's rows with a figure."""
    rows = store.to_frame(index.of(folder).rows([run]))
    return rows[rows["outcome"] == "ok"]


def noise(rows: pd.DataFrame) -> float:
    """What the A/A test of the run's machine heard; 0 where there was none."""
    return float(json.loads(rows["environment"].iloc[0])["details"].get("noise") or 0.0)


def knowledge_elsewhere(device: str) -> estimate.Knowledge:
    """What ships with the project, but for this device's own sets."""
    speed = store.to_frame(index.of(store.SHIPPED).known_speeds())
    known = estimate.knowledge(speed, catalogue.operations())
    return known.without(known.sets["device"] == device)


def estimate_the_rest(known: estimate.Knowledge, measured: pd.DataFrame) -> pd.DataFrame:
    """estimate.estimates from the probes and from what other devices' sets say."""
    began_s = time.perf_counter()
    believed = estimate.belief_about(known, estimate.circumstances(measured))
    found = estimate.estimates(believed, measured)
    click.echo(f"estimate          {len(found):,} models in {time.perf_counter() - began_s:.2f} s")
    return found


def draw(
    estimated: pd.DataFrame, known: estimate.Knowledge, kind: str, *, count: int, seed: int
) -> list[tuple[str, int]]:
    """So many of the estimated models that this machine's timm has and that are small enough."""
    models = pd.MultiIndex.from_frame(estimated[POINT])
    small = estimate.may_be_probe(known, models, kind)
    listed = set(catalogue.work_list(preset="all"))
    found = [pair for pair, fits in zip(models, small, strict=True) if fits and pair in listed]
    if len(found) < count:
        raise click.ClickException(f"{count} others asked, {len(found)} can be measured")
    return random.Random(seed).sample(found, count)  # noqa: S311 - which models, not a secret


def measure(folder: Path, pairs: list[tuple[str, int]], like: pd.DataFrame) -> pd.DataFrame:
    """The rows of a run of these, as the probes were measured."""
    first = like.iloc[0]
    request = runs.Request(
        workloads=tuple(
            Workload(architecture=architecture, image_size=int(size), measure=first["measure"])
            for architecture, size in pairs
        ),
        device="cpu" if first["device_kind"] == "cpu" else "cuda:0",
        protocol=Protocol(precision=first["precision"]),
    )
    end = run_progress.start_and_follow(
        partial(runs.submit, request, folder, by=runs.COMMAND_LINE), folder
    )
    return rows_of(folder, end.run)


def compare(estimated: pd.DataFrame, measured: pd.DataFrame) -> None:
    """Print how far the estimates were from what was measured."""
    truth = measured[POINT].assign(measured_s=1 / measured["images_per_s"])
    both = estimated.merge(truth, on=POINT)
    truth_s = both["measured_s"]
    error = np.expm1(np.abs(np.log(both["seconds_per_image"] / truth_s)))
    heard = noise(measured)
    click.echo(
        f"others            {len(both)} models, A/A noise {heard:.1%}\n"
        f"error             median {np.median(error):.1%}, 90th percentile "
        f"{np.percentile(error, 90):.1%}\n"
        f"rank correlation  {both['seconds_per_image'].corr(truth_s, method='spearman'):.4f}"
    )
    for what, wider in (("", 0.0), (" and A/A noise", heard)):
        low, high = both["seconds_low"] / (1 + wider), both["seconds_high"] * (1 + wider)
        inside = int(truth_s.between(low, high).sum())
        share = inside / len(both)
        click.echo(f"in the interval   {inside} of {len(both)}, {share:.0%}{what}")


if __name__ == "__main__":
    main()
