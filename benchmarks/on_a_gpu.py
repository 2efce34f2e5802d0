# ruff: noqa: INP001 - a script, not part of a package
"""Everything that takes a GPU, by one command that ends in time and goes on where it ended.

    python -m benchmarks.on_a_gpu FOLDER --minutes 9      again and again, until it says "all done"

Step by step: what only a GPU can show (tests/test_cuda.py); whether the way of measuring changes
what is measured (benchmarks/against_itself.py); the preset `minute` and 60 other models
(benchmarks/minute.py); then the sweeps: every model's latency and throughput, training of the best
of each family, and the best of each family in nhwc. FOLDER/steps keeps what each step printed, and
FOLDER/runs the runs: each sweep's results.parquet is what ships in data/measured. A sweep that the
time ended is resumed, with exactly the rows that it lacks.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import runs  # noqa: E402 - found by the line above

MODELS = ("resnet50", "vit_small_patch16_224", "convnext_tiny", "efficientnet_b0")
# Kept for what follows the last measurement: the run's end and its Parquet file.
ENDING_S = 30.0


@dataclass(frozen=True, slots=True)
class Check:
    """A program that runs to its end, once; patience_s is what is left of a call to begin it."""

    name: str
    arguments: tuple[str, ...]
    patience_s: float


@dataclass(frozen=True, slots=True)
class SweepStep:
    """A run, resumed until each of its rows is there."""

    name: str
    arguments: tuple[str, ...]


def steps(folder: Path, device: str, precision: str) -> list[Check | SweepStep]:
    """What is done, in this order."""
    place = ("--device", device, "--precision", precision)
    log = ("--log", str(folder / "steps" / "workers.log"))
    return [
        Check("cuda", ("-m", "pytest", "-q", "--noconftest", "tests/test_cuda.py"), 120),
        Check("itself", ("-m", "benchmarks.against_itself", *MODELS, *place, *log), 240),
        Check("minute", ("-m", "benchmarks.minute", str(folder), *place), 300),
        SweepStep("all", ("--preset", "all", "--measure", "latency", "--measure", "throughput")),
        SweepStep("training", ("--preset", "best", "--measure", "training")),
        SweepStep("nhwc", ("--preset", "best", "--measure", "throughput", "--layout", "nhwc")),
    ]


def check(step: Check, folder: Path, left_s: float) -> bool:
    """Run a check that has not passed yet; whether it is over."""
    said = folder / "steps" / f"{step.name}.txt"
    if said.exists():
        return True
    if left_s < step.patience_s:
        return False
    unfinished = said.with_suffix(".unfinished.txt")
    with unfinished.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            [sys.executable, *step.arguments],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    click.echo(unfinished.read_text(encoding="utf-8"))
    if done.returncode:
        raise click.ClickException(f"{step.name} ended with {done.returncode}")
    unfinished.replace(said)
    return True


def sweep(step: SweepStep, folder: Path, place: tuple[str, ...], left_s: float) -> bool:
    """Begin or resume a run; whether all its rows are there."""
    named = folder / "steps" / f"{step.name}.run"
    known = {status.run for status in runs.list_runs(folder)}
    arguments = (*step.arguments, *place)
    if named.exists():
        run = named.read_text(encoding="utf-8").strip()
        if is_complete(run, folder):
            return True
        arguments = ("--resume", run)
    if left_s < 2 * ENDING_S:
        return False
    command = [sys.executable, "-m", "bench", "run", *arguments, "--data", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        process.wait(left_s - ENDING_S)
    except subprocess.TimeoutExpired:
        for now in runs.list_runs(folder):
            if now.alive:  # it ends, and what it has is published
                runs.cancel(now.run, folder, by=runs.COMMAND_LINE)
        process.wait(ENDING_S)
    for begun in {status.run for status in runs.list_runs(folder)} - known:
        named.write_text(begun + "\n", encoding="utf-8")
    if not named.exists():
        raise click.ClickException(f"{step.name} did not begin")
    return is_complete(named.read_text(encoding="utf-8").strip(), folder)


def is_complete(run: str, folder: Path) -> bool:
    """Whether a run has all its rows; says how many it has."""
    now = runs.status(run, folder)
    click.echo(f"{run}: {now.done:,} of {now.total:,} rows, {now.failures or 'no failures'}")
    return now.done == now.total


@click.command(help=__doc__.partition("\n")[0] if __doc__ else None)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=9.0, show_default=True)
@click.option("--device", default="cuda:0", show_default=True)
@click.option("--precision", default="amp-fp16", show_default=True)
@click.option("--only", multiple=True, help="These steps alone.")
def main(
    folder: Path, *, minutes: float, device: str, precision: str, only: tuple[str, ...]
) -> None:
    """Do what there is time for."""
    ends_s = time.monotonic() + 60 * minutes
    folder = folder.resolve()
    (folder / "steps").mkdir(parents=True, exist_ok=True)
    every = {step.name: step for step in steps(folder, device, precision)}
    if unknown := set(only) - every.keys():
        raise click.UsageError(f"no step {', '.join(unknown)}; there are {', '.join(every)}")
    for step in every.values():
        if only and step.name not in only:
            continue
        left_s = ends_s - time.monotonic()
        is_over = (
            check(step, folder, left_s)
            if isinstance(step, Check)
            else sweep(step, folder, ("--device", device, "--precision", precision), left_s)
        )
        if not is_over:
            click.echo(f"{step.name} goes on at the next call: the same command again")
            return
    click.echo("all done")


if __name__ == "__main__":
    main()
