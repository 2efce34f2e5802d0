# ruff: noqa: INP001 - a script, not part of a package
"""Compare this project's engine with timm's own benchmark.py on the same machine.

    git clone https://github.com/huggingface/pytorch-image-models
    python benchmarks/against_timm.py pytorch-image-models resnet18 mobilenetv3_large_100 -b 4

For every model, in turn and as often as asked: timm's unmodified benchmark.py in a process of its
own, exactly as timm's bulk_runner.py starts it, then the same workload in our long-lived worker.
Both use the installed timm, the same batch size, image size, precision, layout and threads. Taking
turns lets a machine that changes during the comparison change for both.

Printed per model: median seconds per step of both over the repeats, the spread of each (largest
over smallest, less one), the ratio ours/timm, and what ended its turns early, if anything did.
Then: the median ratio, and that of means, since timm's figure is the mean of its steps and ours the
median, which a busy machine moves apart; the median and 95th percentile of the difference, the
noise that our A/A test reports for this machine, whether the median difference lies within it, how
often our stated interval (alone, and widened by that noise) covered our next repeat, and the wall
time of both (ours with the worker's starts).

With `--bulk PATTERN`, timm's bulk_runner.py runs over a wildcard as well, then ours over the same
names, once each, for the wall time alone; with the noise, and what ended our samples: on a busy
machine the cap, seldom the interval.
"""

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import statistics  # noqa: E402 - found by the line above
from bench.records import LAYOUTS, PRECISIONS, Measurement, Protocol, Workload  # noqa: E402
from bench.sweep import LIMITS, Stopped, Sweep  # noqa: E402
from bench.worker_process import command_line  # noqa: E402

TIMM_PRECISIONS = {
    "fp32": ["--precision", "float32"],
    "fp16": ["--precision", "float16"],
    "bf16": ["--precision", "bfloat16"],
    "amp-fp16": ["--amp"],
    "amp-bf16": ["--amp", "--amp-dtype", "bfloat16"],
}
# Runs a script of timm's after what its import may lack was declared, see torchvision_schemas.
RUN = """
import runpy, sys
from bench.torchvision_schemas import declare_missing
declare_missing()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
LIST = """
import json, sys
from bench.torchvision_schemas import import_timm
timm = import_timm()
names = timm.list_models(sys.argv[2]) if sys.argv[1] == "pattern" else sys.argv[2:]
def size(name):
    cfg = timm.get_pretrained_cfg(name)
    return (cfg.test_input_size or cfg.input_size)[-1]
print(json.dumps({name: size(name) for name in names}))
"""


@dataclass
class Compared:
    """One model: seconds per step of every repeat, or why there is none."""

    name: str
    image_size: int
    timm_s: list[float] = field(default_factory=list)
    ours: list[Measurement] = field(default_factory=list)
    timm_wall_s: float = 0.0
    ours_wall_s: float = 0.0
    problem: str | None = None

    @property
    def ours_s(self) -> list[float]:
        """Our median step of every repeat."""
        return [statistics.median_interval(row.samples_s)[0] for row in self.ours]

    @property
    def ratio(self) -> float | None:
        """Ours / timm's, of the medians over the repeats."""
        if not (self.timm_s and self.ours):
            return None
        return float(np.median(self.ours_s) / np.median(self.timm_s))

    @property
    def ratio_of_means(self) -> float | None:
        """The same with the mean of our steps, which is what timm's figure is of its own."""
        if not (self.timm_s and self.ours):
            return None
        means_s = [float(np.mean(row.samples_s)) for row in self.ours]
        return float(np.median(means_s) / np.median(self.timm_s))

    def covered(self, noise: float) -> list[bool]:
        """For each repeat but the last: whether its interval holds the next one's median.

        noise widens it, see statistics.widened.
        """
        intervals = [
            statistics.widened(statistics.median_interval(row.samples_s), noise)
            for row in self.ours
        ]
        return [
            low <= following <= high
            for (_, low, high), (following, _, _) in itertools.pairwise(intervals)
        ]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What both engines are asked for."""

    folder: Path
    device: str
    batch_size: int
    training: bool
    protocol: Protocol

    def arguments(self) -> list[str]:
        """Of timm's benchmark.py, but for the model."""
        return [
            *("--device", self.device, "-b", str(self.batch_size), "--no-retry"),
            *("--bench", "train" if self.training else "inference"),
            *TIMM_PRECISIONS[self.protocol.precision],
            *(["--channels-last"] if self.protocol.layout == "nhwc" else []),
        ]

    def workload(self, name: str, image_size: int) -> Workload:
        """What our worker is asked."""
        measure = "training" if self.training else "throughput"
        return Workload(
            architecture=name, image_size=image_size, measure=measure, batch_size=self.batch_size
        )


class Ours:
    """Our worker, replaced when it leaves or dies; its start is part of our wall time."""

    def __init__(self, settings: Settings, log: IO[bytes]) -> None:
        """Start it. Raises click.ClickException when it does not come up.

        log is open for reading as well: the last words of a worker are taken from it.
        """
        self.environment: dict[str, Any] = {}
        self._sweep = Sweep(
            protocol=settings.protocol,
            command=command_line(settings.device),
            record=self._record,
            cancelled=lambda: False,
            log=log,
            limits=LIMITS,
            ends_at=None,
            clock=time.monotonic,
            expected=None,
        )
        started = time.perf_counter()
        try:
            self._sweep.ready_worker()
        except BaseException as error:
            self.end()
            if isinstance(error, Stopped):
                raise click.ClickException(str(error)) from error
            raise
        self.start_wall_s = time.perf_counter() - started

    def measure(self, workload: Workload) -> Measurement:
        """One row, whatever becomes of the worker meanwhile."""
        try:
            return self._sweep.measure(workload, None)
        except Stopped as stop:
            raise click.ClickException(str(stop)) from stop

    def end(self) -> None:
        """End the worker."""
        self._sweep.end_worker("the comparison ended")

    def _record(self, event: str, **values: Any) -> None:
        """Keep where the worker runs, with the largest noise that any worker heard."""
        if event == "ready":
            before = self.environment.get("details", {}).get("noise")
            self.environment = values["environment"]
            if before is not None:
                details = self.environment["details"]
                details["noise"] = max(before, details["noise"])


def run_python(program: str, *arguments: str) -> str:
    """Output of a Python program, run from this project's folder."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.stdout


def timm_once(settings: Settings, name: str, image_size: int) -> float | str:
    """Seconds per step by timm's benchmark.py, or its error."""
    script = str(settings.folder / "benchmark.py")
    size = ["--model", name, "--img-size", str(image_size)]
    output = run_python(RUN, script, *settings.arguments(), *size)
    try:
        result = json.loads(output.split("--result")[-1])
        prefix = "train" if settings.training else "infer"
        return float(settings.batch_size / result[f"{prefix}_samples_per_sec"])
    except (ValueError, KeyError):
        return f"timm: {output.strip()[-120:] or 'no result'}"


def compare(
    settings: Settings, sizes: dict[str, int], *, repeats: int, ours: Ours
) -> list[Compared]:
    """Take turns over all models, as often as asked."""
    rows = [Compared(name, size) for name, size in sizes.items()]
    for turn in range(repeats):
        for row in rows:
            if row.problem is None:
                take_turn(settings, row, ours)
            click.echo(f"{turn + 1}/{repeats} {row.name}: {row.problem or 'done'}", err=True)
    return rows


def take_turn(settings: Settings, row: Compared, ours: Ours) -> None:
    """One measurement by each; a failure of either ends the model's comparison."""
    started = time.perf_counter()
    theirs = timm_once(settings, row.name, row.image_size)
    between = time.perf_counter()
    measurement = ours.measure(settings.workload(row.name, row.image_size))
    row.timm_wall_s += between - started
    row.ours_wall_s += time.perf_counter() - between
    if isinstance(theirs, str):
        row.problem = theirs
    elif measurement.outcome != "ok" or measurement.batch_size != settings.batch_size:
        row.problem = f"ours: {measurement.outcome} {measurement.message}"
    else:
        row.timm_s.append(theirs)
        row.ours.append(measurement)


def report(rows: list[Compared], ours: Ours) -> None:
    """Print what was found."""
    click.echo(f"{'model':34}{'timm ms':>10}{'spread':>8}{'ours ms':>10}{'spread':>8}{'ratio':>8}")
    for row in rows:
        if row.ratio is None:
            click.echo(f"{row.name:34}{row.problem}")
            continue
        click.echo(
            f"{row.name:34}{1e3 * float(np.median(row.timm_s)):10.2f}{spread(row.timm_s):8.1%}"
            f"{1e3 * float(np.median(row.ours_s)):10.2f}{spread(row.ours_s):8.1%}{row.ratio:8.3f}"
            f"{f'  then {row.problem}' if row.problem else ''}"
        )
    ratios = np.array([row.ratio for row in rows if row.ratio is not None])
    if not len(ratios):
        return
    of_means = [row.ratio_of_means for row in rows if row.ratio_of_means is not None]
    differences = np.abs(ratios - 1)
    noise = ours.environment["details"].get("noise")
    timm_wall_s = sum(row.timm_wall_s for row in rows)
    ours_wall_s = sum(row.ours_wall_s for row in rows) + ours.start_wall_s
    click.echo(f"\ndevice            {ours.environment['device']}")
    click.echo(f"median ratio      {np.median(ratios):.3f} (ours / timm, {len(ratios)} models)")
    click.echo(
        f"of means          {np.median(of_means):.3f} (timm's figure is a mean, ours a median)"
    )
    click.echo(f"difference        median {np.median(differences):.1%}, "
               f"95th percentile {np.percentile(differences, 95):.1%}")  # fmt: skip
    click.echo(f"A/A noise         {'unknown' if noise is None else format(noise, '.1%')}")
    click.echo(f"verdict           {verdict(float(np.median(differences)), noise)}")
    for what, wider in (("", 0.0), (" and A/A noise", noise)):
        covered = [hit for row in rows for hit in row.covered(wider or 0.0)]
        if covered and wider is not None:
            click.echo(
                f"our next repeat   {sum(covered)} of {len(covered)} within the interval{what}"
            )
    click.echo(f"wall time         timm {timm_wall_s:.0f} s, ours {ours_wall_s:.0f} s: "
               f"{timm_wall_s / ours_wall_s:.1f} times less")  # fmt: skip


def verdict(difference: float, noise: float | None) -> str:
    """Whether the median difference says anything."""
    if noise is None:
        return f"the median difference is {difference:.1%}; how noisy the machine is, is unknown"
    side = "within" if difference <= noise else "beyond"
    return f"the median difference, {difference:.1%}, is {side} the A/A noise, {noise:.1%}"


def spread(values: list[float]) -> float:
    """Largest over smallest, less one."""
    return max(values) / min(values) - 1


def bulk(settings: Settings, pattern: str, sizes: dict[str, int], log: IO[bytes]) -> None:
    """Wall time of timm's bulk_runner.py over a wildcard, and of ours over the same names."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.csv"
        started = time.perf_counter()
        run_python(
            RUN,
            str(settings.folder / "bulk_runner.py"),
            *("--model-list", pattern, "--results-file", str(results), "--no_python", "1"),
            *(sys.executable, "-c", RUN, str(settings.folder / "benchmark.py")),
            *settings.arguments(),
        )
        timm_wall_s = time.perf_counter() - started
        done = len(results.read_text().splitlines()) - 1 if results.exists() else 0
    started = time.perf_counter()
    ours = Ours(settings, log)
    try:
        rows = [ours.measure(settings.workload(name, size)) for name, size in sizes.items()]
    finally:
        ours.end()
    ours_wall_s = time.perf_counter() - started
    good = sum(row.outcome == "ok" for row in rows)
    ended = Counter(str(row.details["stopped_by"]) for row in rows if row.outcome == "ok")
    noise = ours.environment["details"].get("noise")
    click.echo(f"bulk_runner.py    {pattern}: {done} of {len(sizes)} models in {timm_wall_s:.0f} s")
    click.echo(f"ours              {good} of {len(sizes)} models in {ours_wall_s:.0f} s: "
               f"{timm_wall_s / ours_wall_s:.1f} times less")  # fmt: skip
    click.echo(f"A/A noise         {'unknown' if noise is None else format(noise, '.1%')}")
    click.echo(
        f"samples ended by  {', '.join(f'{why} {count}' for why, count in ended.most_common())}"
    )


@click.command(help=__doc__.partition("\n")[0] if __doc__ else None)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("models", nargs=-1)
@click.option("--bulk", "pattern", help="also time bulk_runner.py on this wildcard")
@click.option("-b", "--batch-size", default=1, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True)
@click.option("--layout", type=click.Choice(LAYOUTS), default="nchw", show_default=True)
@click.option("--training", is_flag=True, help="compare training steps")
@click.option(
    "--log", type=click.Path(path_type=Path), default="against_timm.log", show_default=True
)
def main(
    folder: Path,
    models: tuple[str, ...],
    *,
    pattern: str | None,
    batch_size: int,
    repeats: int,
    device: str,
    precision: str,
    layout: str,
    training: bool,
    log: Path,
) -> None:
    """Run the comparison."""
    if not (models or pattern):
        raise click.UsageError("name models, or give --bulk a wildcard")
    if not (folder / "benchmark.py").is_file():
        raise click.ClickException(f"{folder} has no benchmark.py: is it timm's repository?")
    settings = Settings(
        folder=folder.resolve(),
        device=device,
        batch_size=batch_size,
        training=training,
        # timm allows TF32 wherever there is a GPU.
        protocol=Protocol(precision=precision, layout=layout, tf32=device != "cpu"),
    )
    with log.open("w+b") as printed:
        if models:
            sizes = json.loads(run_python(LIST, "names", *models) or "{}")
            if not sizes:
                raise click.ClickException(f"timm does not know all of {', '.join(models)}")
            ours = Ours(settings, printed)
            try:
                report(compare(settings, sizes, repeats=repeats, ours=ours), ours)
            finally:
                ours.end()
        if pattern:
            bulk(settings, pattern, json.loads(run_python(LIST, "pattern", pattern)), printed)


if __name__ == "__main__":
    main()
