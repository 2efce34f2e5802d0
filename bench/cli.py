"""The command line, `python -m bench`: thin commands over the modules that do the work.

Errors that a person can act on become one line without a traceback. Commands import what they need
when they run, so that `--help` is instant and only `catalogue` needs torch.
"""

from pathlib import Path
from typing import Any

import click

from bench import cli_environment, cli_estimate, cli_runs, cli_sets
from bench import cli_output as out
from bench.errors import BenchError, InvalidRequest


class _Commands(click.Group):
    """A group whose commands say what went wrong in one line, and leave with status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BenchError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise  # `| head` is no error; click ends quietly
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error


@click.group(cls=_Commands)
def main() -> None:
    """Measure timm's image models, and look at what is known about them."""


for _command in (*cli_runs.COMMANDS, cli_environment.environment, cli_estimate.estimate):
    main.add_command(_command)


@main.command(epilog='Example: python -m bench models "convnext_*" --csv')
@click.argument("pattern", required=False)
@out.data_option
@out.output_options
def models(pattern: str | None, data: Path, output: str | None) -> None:
    """What timm has: models, image sizes, operations.

    PATTERN is a name or a shell pattern, of architectures or, with a dot, of weights.
    """
    from bench import catalogue
    from bench.families import family

    weights = catalogue.models(data)
    if pattern is not None:
        weights = weights[catalogue.matching(weights, pattern)]
    weights["image_size"] = weights["test_size"].fillna(weights["input_size"])
    weights["weights"] = weights["tag"].notna().astype(int)
    key = ["architecture", "image_size"]
    frame = (
        weights.groupby(key, sort=False, dropna=False)
        .agg(weights=("weights", "sum"), message=("message", "first"))
        .reset_index()
        .merge(catalogue.operations(data), on=key, how="left", suffixes=("", "_operations"))
    )
    frame["message"] = frame["message"].fillna(frame["message_operations"])
    frame["family"] = frame["architecture"].map(family)
    columns: out.Columns = {
        "architecture": ("architecture", out.text),
        "family": ("family", out.text),
        "image_size": ("image size", out.text),
        "weights": ("weights", out.text),
        "parameters": ("parameters", out.millions),
        "multiply_adds": ("multiply-adds", out.millions),
        "activations": ("activations", out.millions),
        "message": ("", out.text),
    }
    out.show(frame[list(columns)], output, columns)


@main.command(epilog="Example: python -m bench results --json")
@out.data_option
@out.output_options
def results(data: Path, output: str | None) -> None:
    """The results sets: id, device, and how many figures."""
    sets = cli_sets.index(data).sets.rename(columns={"run": "id"})
    if output == "json":
        out.print_json(out.records(sets))
        return
    for measure in ("throughput", "latency", "training"):
        sets[measure] = [counts.get(measure, 0) for counts in sets["measures"]]
    columns: out.Columns = {
        "id": ("id", out.text),
        "device": ("device", out.text),
        "precision": ("precision", out.text),
        "torch": ("PyTorch", out.text),
        "throughput": ("throughput", out.number(",")),
        "latency": ("latency", out.number(",")),
        "training": ("training", out.number(",")),
        "source": ("source", lambda files: files.partition(":")[0]),
    }
    out.show(sets.drop(columns="measures"), output, columns)


@main.command(
    epilog="Example: python -m bench points 2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0 "
    "--best-per-family trade-off --max-ms 1 --csv"
)
@click.argument("results")
@cli_sets.measure_options
@cli_sets.best_option
@click.option("--frontier", is_flag=True, help="Only models that no other model beats.")
@cli_sets.narrowing_options
@click.option(
    "--test-models/--no-test-models",
    default=True,
    show_default=True,
    help="timm's own tiny test_* models.",
)
@click.option(
    "--estimates/--no-estimates",
    default=True,
    show_default=True,
    help="Estimate what a run of one's own did not measure, from eight models on.",
)
@out.data_option
@out.output_options
def points(
    results: str,
    *,
    measure: str | None,
    dataset: str,
    best: str | None,
    frontier: bool,
    families: tuple[str, ...],
    max_ms: float | None,
    min_top1: float | None,
    test_models: bool,
    estimates: bool,
    data: Path,
    output: str | None,
) -> None:
    """Accuracy and speed, as the chart draws them.

    One row per weights and image size of the accuracy set that has a speed in RESULTS.

    RESULTS is the id of a results set, or as much of one as only one has. Frontier and lead are
    those among the models that --family and --no-test-models leave. Rows that were not measured
    but estimated say so in the column `estimated`.
    """
    from bench import points as p

    found = cli_sets.index(data)
    of_set = cli_sets.speed(found, cli_sets.run_id(results, found.places))
    measure = measure or cli_sets.first_measure(of_set)
    frame = p.points(
        of_set,
        cli_sets.accuracy(data),
        run=of_set["run"].iloc[0],
        measure=measure,
        dataset=dataset,
        estimates=cli_sets.own_estimates(found, of_set, measure=measure, data=data)
        if estimates
        else None,
    )
    if families:
        cli_sets.check_families(families, frame["family"].unique())
        frame = frame[frame["family"].isin(families)]
    if best or not test_models:
        frame = p.without_test_models(frame)
    frame = p.ranked(frame)
    if best:
        frame = p.best_of_each_family(frame, by=best)
    if frontier:
        frame = frame[frame["frontier"]]
    frame = p.within_budget(
        frame, max_s=None if max_ms is None else max_ms / 1000, min_top1_percent=min_top1
    )
    columns: out.Columns = {
        "model": ("model", out.text),
        "family": ("family", out.text),
        "image_size": ("image size", out.text),
        "top1_percent": ("top-1 %", out.number(".2f")),
        "seconds_per_image": ("ms an image", lambda seconds: out.significant(3)(1000 * seconds)),
        "images_per_s": ("images/s", out.significant(4)),
        "parameters": ("parameters", out.millions),
        "frontier": ("frontier", lambda on: "yes" if on else ""),
        "lead": ("lead", out.number("+.2f")),
        "estimated": ("", lambda on: "estimated" if on else ""),
    }
    out.show(frame, output, columns)


@main.command(epilog="Example: python -m bench catalogue --processes 4")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="How many models are counted at a time.",
)
@out.data_option
@out.output_options
def catalogue(processes: int, data: Path, output: str | None) -> None:
    """Write down what the installed timm has.

    models.parquet, operations.parquet and renames.parquet go to FOLDER/published. This needs torch
    and takes about ten minutes.
    """
    import pandas as pd
    from rich.console import Console
    from rich.progress import Progress

    from bench import store

    try:
        from bench import registry
    except ImportError as error:
        raise InvalidRequest(f"this needs torch, torchvision and timm: {error}") from error

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("Counting operations", total=None)
        rows = registry.write(
            data,
            processes=processes,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    frame = pd.DataFrame(
        [(str(store.published(data, f"{name}.parquet")), count) for name, count in rows.items()],
        columns=["file", "rows"],
    )
    out.show(frame, output, {"file": ("file", out.text), "rows": ("rows", out.number(","))})


@main.command(
    "import",
    epilog="Example: python -m bench import pytorch-image-models/results --snapshot 2026-08",
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--snapshot",
    metavar="YYYY-MM",
    help="When it was published.  [default: the folder's name]",
)
@out.data_option
@out.output_options
def import_(folder: Path, snapshot: str | None, data: Path, output: str | None) -> None:
    """Add timm-format CSV files.

    Their names carry the environment. Every row is imported, or named with the reason. Rows of a
    file of the same name and snapshot are replaced.
    """
    from bench import catalogue, published

    report = published.import_folder(
        folder, data, renames=catalogue.renames(data), snapshot=snapshot
    )
    _show_report(report, output)
    if not report.imported:
        raise InvalidRequest(
            f"nothing could be imported from {folder}: {len(report.problems):,} problems"
        )


def _show_report(report: Any, output: str | None) -> None:
    import pandas as pd

    problems = [
        {"file": problem.file, "line": problem.line, "reason": problem.reason}
        for problem in report.problems
    ]
    if output == "json":
        out.print_json({"snapshot": report.snapshot, "rows": report.rows, "problems": problems})
        return
    refused = pd.Series([problem["file"] for problem in problems], dtype=object).value_counts()
    files = sorted({*report.rows, *refused.index})
    frame = pd.DataFrame(
        [(file, report.rows.get(file, 0), int(refused.get(file, 0))) for file in files],
        columns=["file", "rows", "refused"],
    )
    columns: out.Columns = {
        "file": ("file", out.text),
        "rows": ("rows", out.number(",")),
        "refused": ("refused", out.number(",")),
    }
    out.show(frame, output, columns)
    for problem in report.problems:
        click.echo(out.printable(str(problem)), err=True)
    click.echo(
        f"Snapshot {report.snapshot}: {report.imported:,} rows imported, "
        f"{len(problems):,} problems.",
        err=True,
    )
