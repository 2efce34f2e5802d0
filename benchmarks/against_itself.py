# ruff: noqa: INP001 - a script, not part of a package
"""Check that how we measure does not change what we measure.

    python benchmarks/against_itself.py resnet50 vit_small_patch16_224 -b 4

Two comparisons per model, taking turns so that a machine that changes does so for both:

- fresh: a new worker process for the model, against the long-lived one that has measured every
  model before it (goal: a median difference of 0.5 %);
- ordinary: a model filled by its own constructor, against the same model built on the meta device
  and filled with random values (goal: 1 %).

Both lines of the report are medians over the repeats. On a noisy CPU compare them with the A/A
noise that is printed beside them.
"""

import json
import sys
from pathlib import Path
from typing import IO

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from against_timm import LIST, Ours, Settings, run_python  # noqa: E402 - found by the line above

from bench import statistics, workloads  # noqa: E402
from bench.measuring import Device, Run  # noqa: E402
from bench.records import PRECISIONS, Measurement, Protocol, Workload  # noqa: E402
from bench.worker import open_device  # noqa: E402


def median_s(row: Measurement) -> float:
    """Median step of a row. Raises click.ClickException for a failure."""
    if row.outcome != "ok":
        raise click.ClickException(f"{row.workload.architecture}: {row.outcome}, {row.message}")
    return statistics.median_interval(row.samples_s)[0]


def fresh_once(settings: Settings, workload: Workload, log: IO[bytes]) -> float:
    """The workload in a worker of its own."""
    ours = Ours(settings, log)
    try:
        return median_s(ours.measure(workload))
    finally:
        ours.end()


def constructed_once(
    device: Device, workload: Workload, protocol: Protocol, *, ordinarily: bool
) -> float:
    """The workload in this process, its model built in one of the two ways."""
    prepare = workloads.prepare_ordinarily if ordinarily else workloads.prepare
    device.memory.release()
    model = workloads.place(
        prepare(workload.architecture, workload.image_size), device.torch_device, protocol
    )
    run = Run(
        workload=workload,
        protocol=protocol,
        device=device,
        announce=lambda _phase, _deadline_s: None,
        prepare_next=lambda: None,
    )
    return median_s(run.measurement(model))


def show(what: str, ones: dict[str, list[float]], others: dict[str, list[float]]) -> None:
    """Print per model the ratio of the medians, and the median difference of all."""
    click.echo(f"\n{what}")
    differences = []
    for name, times_s in ones.items():
        step_s = float(np.median(times_s))
        ratio = step_s / float(np.median(others[name]))
        differences.append(abs(ratio - 1))
        click.echo(f"  {name:34}{1e3 * step_s:10.2f} ms  ratio {ratio:.4f}")
    click.echo(f"  median difference {np.median(differences):.2%}, largest {max(differences):.2%}")


@click.command(help=__doc__.partition("\n")[0] if __doc__ else None)
@click.argument("models", nargs=-1, required=True)
@click.option("-b", "--batch-size", default=1, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True)
@click.option("--log", type=click.Path(path_type=Path), default="against_itself.log")
def main(
    models: tuple[str, ...],
    *,
    batch_size: int,
    repeats: int,
    device: str,
    precision: str,
    log: Path,
) -> None:
    """Run both comparisons."""
    protocol = Protocol(precision=precision)
    settings = Settings(
        folder=ROOT, device=device, batch_size=batch_size, training=False, protocol=protocol
    )
    sizes: dict[str, int] = json.loads(run_python(LIST, "names", *models) or "{}")
    if not sizes:
        raise click.ClickException(f"timm does not know all of {', '.join(models)}")
    asked = {name: settings.workload(name, size) for name, size in sizes.items()}
    with log.open("w+b") as printed:
        fresh: dict[str, list[float]] = {name: [] for name in sizes}
        lasting: dict[str, list[float]] = {name: [] for name in sizes}
        ours = Ours(settings, printed)
        try:
            for _ in range(repeats):
                for name, workload in asked.items():
                    fresh[name].append(fresh_once(settings, workload, printed))
                    lasting[name].append(median_s(ours.measure(workload)))
        finally:
            ours.end()
    show("long-lived / fresh process", lasting, fresh)
    opened, environment = open_device(device)
    meta: dict[str, list[float]] = {name: [] for name in sizes}
    ordinary: dict[str, list[float]] = {name: [] for name in sizes}
    for _ in range(repeats):
        for name, workload in asked.items():
            for rows, ordinarily in ((ordinary, True), (meta, False)):
                rows[name].append(
                    constructed_once(opened, workload, protocol, ordinarily=ordinarily)
                )
    show("built on meta / by its constructor", meta, ordinary)
    noise = environment.details["noise"]
    click.echo(f"\n{environment.device}, A/A noise {'-' if noise is None else f'{noise:.1%}'}")


if __name__ == "__main__":
    main()
