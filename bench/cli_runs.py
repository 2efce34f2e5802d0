"""The commands about runs: run, runs, cancel, and the supervisor behind them."""

import contextlib
import math
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from bench import cli_output as out
from bench.cli_executor import ExecutorName
from bench.errors import DeviceBusy, InvalidRequest
from bench.records import LAYOUTS, MEASURES, PRECISIONS, latency_first

if TYPE_CHECKING:
    import pandas as pd

    from bench.records import Protocol, Workload

UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """`90`, `90s`, `10m`, `1.5h`, in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds, a positive finite number."""
        match = re.fullmatch(r"(\d+\.?\d*)\s*([smh]?)", str(value))
        seconds = float(match[1]) * UNITS_S[match[2]] if match else math.nan
        if not (0 < seconds < math.inf):
            self.fail(f"{value!r} is no duration: write 90s, 10m or 1.5h", param, ctx)
        return seconds


@click.command(epilog='Example: python -m bench run resnet18 "convnext_*" --measure latency')
@click.argument("patterns", nargs=-1, metavar="[PATTERN ...]")
@click.option(
    "--measure",
    "measures",
    type=click.Choice(MEASURES),
    multiple=True,
    default=("throughput",),
    show_default=True,
    help="What to measure; may be repeated.",
)
@click.option("--device", help="cpu, cuda:0, ...  [default: the first GPU, else the CPU]")
@click.option(
    "--executor",
    type=ExecutorName(),
    default="local",
    show_default=True,
    help="On this machine, or on all devices of one kind of a Ray cluster: --device cuda, "
    "cuda:A100 or cpu.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help="[default: amp-fp16 on a GPU, as timm's published results; fp32 on a CPU]",
)
@click.option("--layout", type=click.Choice(LAYOUTS), default="nchw", show_default=True)
@click.option(
    "--compile",
    "compiled",
    default="eager",
    show_default=True,
    metavar="BACKEND",
    help='A backend of torch.compile and perhaps a mode: inductor, "inductor max-autotune".',
)
@click.option(
    "--tf32/--no-tf32",
    default=False,
    show_default=True,
    help="Let fp32 convolutions and matrix products of an NVIDIA GPU use TF32.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Of a CPU.  [default: the physical cores that this process may use]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="For throughput and training.  [default: the one that saturates the device]",
)
@click.option(
    "--time-limit",
    type=Duration(),
    metavar="TIME",
    help="End the run after 90s, 10m, 2h; what was measured by then is kept.",
)
@click.option(
    "--max-gmacs",
    type=click.FloatRange(0, min_open=True),
    metavar="G",
    help="Do not measure models with more multiply-adds (billions): they get a row that says so.",
)
@click.option(
    "--preset",
    type=click.Choice(["minute", "quick", "best", "all"]),
    help="16 models from which all others are estimated; 12 models across the range; the best "
    "trade-off of each family; everything, the most telling first.",
)
@click.option("--resume", metavar="RUN", help="Measure what an earlier run lacks, in that run.")
@click.option("--queue", is_flag=True, help="Where the device is busy, wait in line for it.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's status and rows as JSON.")
@out.data_option
def run(
    patterns: tuple[str, ...],
    *,
    measures: tuple[str, ...],
    device: str | None,
    executor: str,
    precision: str | None,
    layout: str,
    compiled: str,
    tf32: bool,
    threads: int | None,
    batch_size: int | None,
    time_limit: float | None,
    max_gmacs: float | None,
    preset: str | None,
    resume: str | None,
    queue: bool,
    as_json: bool,
    data: Path,
) -> None:
    """Measure models on this machine, with a progress bar.

    PATTERN is a name or a shell pattern, of architectures or, with a dot, of weights; timm's own
    test_* models are measured only when named, and last in --preset all. Ctrl-C ends the run and
    keeps what was measured. A run goes on when its terminal is closed. One run at a time measures
    on a device; with --queue up to four more wait for it, each in its turn.
    """
    from bench import presets, run_progress, runs
    from bench.records import Protocol

    if resume is not None:
        _refuse_options_beside_resume()
        start = partial(runs.resume, resume, data, by=runs.COMMAND_LINE, queue=queue)
    else:
        device = device or _first_device(executor)
        kind = device.partition(":")[0]
        precision = precision or ("amp-fp16" if kind == "cuda" else "fp32")
        if threads is not None and kind != "cpu":
            raise InvalidRequest(f"--threads is for a CPU, got --device {device}")
        protocol = Protocol(
            precision=precision, layout=layout, compiled=compiled, tf32=tf32, threads=threads
        )
        if preset == "minute" and not _is_given("measures"):
            measures = (presets.measure_of_a_minute(kind),)
        pairs = _pairs(
            patterns, preset, device=device, protocol=protocol, measure=measures[0], data=data
        )
        request = runs.Request(
            workloads=_workloads(pairs, measures, batch_size=batch_size),
            device=device,
            protocol=protocol,
            title=" ".join(patterns) or preset or "",
            time_limit_s=time_limit,
            largest_multiply_adds=None if max_gmacs is None else round(max_gmacs * 1e9),
            executor=executor,
        )
        start = partial(runs.submit, request, data, by=runs.COMMAND_LINE, queue=queue)
    try:
        end = run_progress.start_and_follow(start, data)
    except DeviceBusy as busy:
        hint = "" if queue else " With --queue this one waits in line."
        raise DeviceBusy(f"{busy}{hint}") from busy
    if as_json:
        rows = [row.to_json() for row in runs.measurements(end.run, data)]
        out.print_json({**end.to_json(), "rows": rows})
    else:
        click.echo(run_progress.summary(end, data))
    if end.state not in ("done", "partial"):
        raise click.exceptions.Exit(1)


@click.command(epilog="Example: python -m bench runs --json")
@out.data_option
@out.output_options
def runs(data: Path, output: str | None) -> None:
    """The runs and how they stand, newest first; publishes those that died."""
    import pandas as pd

    from bench import runs as r

    for problem in r.recover(data):
        click.echo(out.printable(problem), err=True)
    found = r.list_runs(data)
    if output == "json":
        out.print_json([status.to_json() for status in found])
        return
    frame = pd.DataFrame(
        [
            {
                "run": status.run,
                "state": "cancelling" if status.cancelling else status.state,
                "done": f"{status.done}/{status.total}",
                "failures": sum(status.failures.values()),
                "device": status.device_name or status.device,
                "who": status.who,
                "title": status.title,
                "error": status.error,
                "place": status.place,
            }
            for status in found
        ],
        columns=["run", "state", "done", "failures", "device", "who", "title", "error", "place"],
    ).astype({"place": "Int64"})
    columns: out.Columns = {
        "run": ("run", out.text),
        "state": ("state", out.text),
        **({"place": ("in line", out.number("d"))} if frame["place"].notna().any() else {}),
        "done": ("done", out.text),
        "failures": ("failures", out.number("d")),
        "device": ("device", out.text),
        "title": ("title", out.text),
        "error": ("", out.text),
    }
    out.show(frame, output, columns)


@click.command(epilog="Example: python -m bench cancel 2026-11-23T152000Z-3f9a")
@click.argument("run", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print the run's status as JSON.")
@out.data_option
def cancel(run: str, *, as_json: bool, data: Path) -> None:
    """Stop a run; what it measured is kept and published."""
    from bench import run_progress
    from bench import runs as r

    r.cancel(run, data, by=r.COMMAND_LINE)
    end = run_progress.wait(run, data)
    if as_json:
        out.print_json(end.to_json())
    else:
        click.echo(run_progress.summary(end, data))


@click.command(hidden=True)
@click.argument("run", metavar="RUN")
@click.option("--lock-fd", type=int, help="Holds the device or a place in its queue.")
@out.data_option
def supervise(run: str, *, lock_fd: int | None, data: Path) -> None:
    """Carry out a run that was submitted. Started by `run` and by the dashboard."""
    from bench import run_folder, supervisor

    supervisor.supervise(run_folder.existing(run, data), lock_fd)


COMMANDS = (run, runs, cancel, supervise)


def _refuse_options_beside_resume() -> None:
    """A resumed run measures what it was asked; anything else on the line would be ignored."""
    context = click.get_current_context()
    given = [
        parameter.opts[0] if isinstance(parameter, click.Option) else "PATTERN"
        for parameter in context.command.params
        if parameter.name not in ("resume", "queue", "as_json", "data")
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        raise InvalidRequest(
            f"--resume measures what that run was asked: leave out {', '.join(given)}"
        )


def _is_given(parameter: str) -> bool:
    """Whether an option was on the command line."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source is ParameterSource.COMMANDLINE


def _pairs(
    patterns: tuple[str, ...],
    preset: str | None,
    *,
    device: str,
    protocol: "Protocol",
    measure: str,
    data: Path,
) -> list[tuple[str, int]]:
    """What is asked for, as (architecture, image size), in the order in which it is measured."""
    from bench import catalogue, presets

    pairs: list[tuple[str, int]] = []
    if preset == "best":
        pairs += _best_of_each_family(data)
    if preset == "minute":
        target = _target(device, protocol, measure)
        pairs += presets.minute(
            _known_speeds(data, target),
            catalogue.operations(data),
            catalogue.work_list(preset="all", data=data),
            **target,
        )
    if patterns or preset not in ("best", "minute"):
        listed = preset if preset in catalogue.PRESETS else None
        pairs += catalogue.work_list(patterns, preset=listed, data=data)
    if preset == "all":
        _tell_of_another_timm(data)
        target = _target(device, protocol, measure)
        return presets.most_telling_first(
            _known_speeds(data, target), catalogue.operations(data), pairs, **target
        )
    return pairs


def _tell_of_another_timm(data: Path) -> None:
    """Say on the error stream when `all` is not all that the timm installed here has."""
    from importlib import metadata

    from bench import catalogue

    known = catalogue.models(data)["timm"].iloc[0]
    with contextlib.suppress(metadata.PackageNotFoundError):
        if (here := metadata.version("timm")) != known:
            click.echo(
                f"The catalogue is of timm {known}, here is {here}: models that only the latter "
                "has are left out. A catalogue of what is here: python -m bench catalogue",
                err=True,
            )


def _target(device: str, protocol: "Protocol", measure: str) -> dict[str, Any]:
    from bench.devices import devices

    name = next((found.name for found in devices() if found.id == device), device)
    return {
        "device": name,
        "device_kind": device.partition(":")[0],
        "protocol": protocol,
        "measure": measure,
    }


def _workloads(
    pairs: list[tuple[str, int]], measures: tuple[str, ...], *, batch_size: int | None
) -> "tuple[Workload, ...]":
    from bench.records import Workload

    if batch_size is not None and batch_size != 1 and set(measures) == {"latency"}:
        raise InvalidRequest(f"latency is measured at batch 1, got --batch-size {batch_size}")
    return tuple(
        Workload(
            architecture=architecture,
            image_size=image_size,
            measure=measure,
            batch_size=None if measure == "latency" else batch_size,
        )
        for architecture, image_size in pairs
        for measure in latency_first(measures)
    )


def _best_of_each_family(data: Path) -> list[tuple[str, int]]:
    from bench import index, presets, results, store

    found = index.of(data)
    speed = store.to_frame(found.rows([results.reference_run(found.sets)]))
    accuracy, _ = store.load(store.accuracy_files(data), store.ACCURACY_SCHEMA, replaces="snapshot")
    return presets.best_of_each_family(found.sets, speed, accuracy)


def _known_speeds(data: Path, target: dict[str, Any]) -> "pd.DataFrame":
    from bench import index, store

    return store.to_frame(
        index.of(data).known_speeds(device=target["device"], device_kind=target["device_kind"])
    )


def _first_device(executor: str) -> str:
    if executor == "ray":
        # Which of several kinds is said when the cluster is asked.
        return "cuda"
    from bench.devices import devices

    return devices()[0].id
