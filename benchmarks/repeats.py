# ruff: noqa: INP001 - a script, not part of a package
"""Check that the stated interval is honest: measure one model again and again.

    python -m benchmarks.repeats resnet18 vit_tiny_patch16_224 --repeats 20

The goal is that the interval of a measurement covers the median of the next one at least 9 times
in 10; on a CPU, the interval widened by the A/A noise that the run reports of the machine. The
repeats of a model follow one another in our long-lived worker. Printed per model: the median step
of all its repeats, their spread (largest over smallest, less one), the median half width of the
intervals, and how many of them covered the next median, alone and widened; then the same over all.
"""

import json
import sys
from pathlib import Path

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from against_timm import LIST, Compared, Ours, Settings, run_python, spread  # noqa: E402

from bench import statistics  # noqa: E402
from bench.records import PRECISIONS, Protocol  # noqa: E402


def measure(row: Compared, settings: Settings, *, repeats: int, ours: Ours) -> None:
    """All repeats of one model. Raises click.ClickException for a failure."""
    for _ in range(repeats):
        measurement = ours.measure(settings.workload(row.name, row.image_size))
        if measurement.outcome != "ok":
            raise click.ClickException(f"{row.name}: {measurement.outcome}, {measurement.message}")
        row.ours.append(measurement)


def line(rows: list[Compared], noise: float) -> str:
    """Repeats that the interval before them covered, alone and widened by the noise."""
    words = []
    for wider in (0.0, noise):
        covered = [hit for row in rows for hit in row.covered(wider)]
        words.append(f"{sum(covered):6} of {len(covered):4} {np.mean(covered):6.1%}")
    return "".join(words)


@click.command(help=__doc__.partition("\n")[0] if __doc__ else None)
@click.argument("models", nargs=-1, required=True)
@click.option("-b", "--batch-size", default=1, show_default=True)
@click.option("--repeats", type=click.IntRange(2), default=20, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True)
@click.option("--log", type=click.Path(path_type=Path), default="repeats.log", show_default=True)
def main(
    models: tuple[str, ...],
    *,
    batch_size: int,
    repeats: int,
    device: str,
    precision: str,
    log: Path,
) -> None:
    """Measure and count."""
    settings = Settings(
        folder=ROOT,
        device=device,
        batch_size=batch_size,
        training=False,
        protocol=Protocol(precision=precision),
    )
    sizes: dict[str, int] = json.loads(run_python(LIST, "names", *models) or "{}")
    if not sizes:
        raise click.ClickException(f"timm does not know all of {', '.join(models)}")
    rows = [Compared(name, size) for name, size in sizes.items()]
    with log.open("w+b") as printed:
        ours = Ours(settings, printed)
        noise = ours.environment["details"].get("noise") or 0.0
        click.echo(f"{ours.environment['device']}, A/A noise {noise:.1%}\n")
        click.echo(
            f"{'model':34}{'ms':>9}{'spread':>8}{'±':>8}   {'next within':>14}{'':7}with noise"
        )
        try:
            for row in rows:
                measure(row, settings, repeats=repeats, ours=ours)
                widths = [statistics.relative_half_width(one.samples_s) for one in row.ours]
                median_ms = 1e3 * float(np.median(row.ours_s))
                click.echo(
                    f"{row.name:34}{median_ms:9.2f}{spread(row.ours_s):8.1%}"
                    f"{np.median(widths):8.1%}{line([row], noise)}"
                )
        finally:
            ours.end()
    click.echo(f"\n{'all':34}{'':25}{line(rows, noise)}")


if __name__ == "__main__":
    main()
