# ruff: noqa: INP001 - a script, not part of a package
"""Show what it gains on this machine to wait for a narrower interval.

    python -m benchmarks.waiting resnet18 vit_tiny_patch16_224 convnext_atto -b 4 --repeats 7

Every model is measured in turn and as often as asked, each time for the whole cap. The samples are
then stopped again, by our own rule, at one target after another. Printed per target: the time that
sampling would have taken, by how much two measurements of a model would have differed (median, 90th
and 95th percentile over all pairs), the median half width of the intervals, and how many of them
would have covered the next measurement, widened by the noise that our A/A test reports.

A target is worth its time where a tighter one makes the differences smaller.
"""

import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from against_timm import LIST, Ours, Settings, run_python  # noqa: E402

from bench import statistics, timing  # noqa: E402
from bench.records import Measurement, Protocol  # noqa: E402

TARGETS = (0.005, 0.02, 0.03, 0.05, 0.075, 0.1)
PROTOCOL = Protocol()
# No interval is ever narrow enough, so every measurement lasts until the cap.
WHOLE = replace(PROTOCOL, interval_target=0.0, min_s=PROTOCOL.throughput_cap_s)


def stopped(row: Measurement, target: float) -> tuple[list[float], float]:
    """The samples up to where a target would have stopped them, and the seconds they took."""
    steps = int(row.details["steps_per_sample"])
    samples: list[float] = []
    widths: list[float] = []
    elapsed_s = 0.0
    for sample_s in row.samples_s:
        samples.append(sample_s)
        elapsed_s += sample_s * steps
        if len(samples) >= PROTOCOL.min_samples and elapsed_s >= PROTOCOL.min_s:
            widths.append(statistics.relative_half_width(samples))
        if timing.stop_reason(
            len(samples),
            elapsed_s,
            widths,
            cap_s=PROTOCOL.throughput_cap_s,
            target=target,
            protocol=PROTOCOL,
        ):
            break
    return samples, elapsed_s


def line(name: str, rows: dict[str, list[Measurement]], target: float, noise: float) -> str:
    """What a target would have given over all models."""
    differences: list[float] = []
    covered: list[bool] = []
    widths: list[float] = []
    seconds: list[float] = []
    for repeats in rows.values():
        cut = [stopped(row, target) for row in repeats]
        seconds.extend(elapsed_s for _, elapsed_s in cut)
        widths.extend(statistics.relative_half_width(samples) for samples, _ in cut)
        intervals = [statistics.median_interval(samples) for samples, _ in cut]
        differences.extend(
            max(a, b) / min(a, b) - 1 for (a, *_), (b, *_) in itertools.combinations(intervals, 2)
        )
        for interval, (following, *_) in itertools.pairwise(intervals):
            _, low, high = statistics.widened(interval, noise)
            covered.append(low <= following <= high)
    median, p90, p95 = np.percentile(differences, [50, 90, 95])
    return (
        f"{name:>14}{np.mean(seconds):9.2f} s{median:9.1%}{p90:8.1%}{p95:8.1%}"
        f"{np.median(widths):9.1%}{sum(covered):7} of {len(covered)}"
    )


@click.command(help=__doc__.partition("\n")[0] if __doc__ else None)
@click.argument("models", nargs=-1, required=True)
@click.option("-b", "--batch-size", default=4, show_default=True)
@click.option("--repeats", type=click.IntRange(2), default=7, show_default=True)
@click.option("--log", type=click.Path(path_type=Path), default="waiting.log", show_default=True)
def main(models: tuple[str, ...], *, batch_size: int, repeats: int, log: Path) -> None:
    """Measure, and stop again."""
    settings = Settings(
        folder=ROOT, device="cpu", batch_size=batch_size, training=False, protocol=WHOLE
    )
    sizes: dict[str, int] = json.loads(run_python(LIST, "names", *models) or "{}")
    if not sizes:
        raise click.ClickException(f"timm does not know all of {', '.join(models)}")
    rows: dict[str, list[Measurement]] = {name: [] for name in sizes}
    with log.open("w+b") as printed:
        ours = Ours(settings, printed)
        try:
            for turn in range(repeats):
                for name, size in sizes.items():
                    row = ours.measure(settings.workload(name, size))
                    if row.outcome != "ok":
                        raise click.ClickException(f"{name}: {row.outcome}, {row.message}")
                    rows[name].append(row)
                click.echo(f"round {turn + 1} of {repeats}", err=True)
        finally:
            ours.end()
    noise = ours.environment["details"].get("noise") or 0.0
    click.echo(f"{ours.environment['device']}, A/A noise {noise:.1%}, {len(rows)} models\n")
    click.echo(f"{'target':>14}{'sampling':>11}{'differ':>9}{'p90':>8}{'p95':>8}{'±':>9}   covered")
    ruled = timing.interval_target(PROTOCOL, noise)
    for target in sorted({*TARGETS, ruled}):
        name = f"{'ours ' if target == ruled else ''}{target:.1%}"
        click.echo(line(name, rows, target, noise))


if __name__ == "__main__":
    main()
