"""The command `estimate`: speeds estimated from a few measured ones, and how good that is."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import cli_output as out
from bench import cli_sets
from bench.errors import InvalidRequest

if TYPE_CHECKING:
    import pandas as pd


@click.command(epilog="Example: python -m bench estimate 2026-11-23T200000Z-3f9a --csv")
@click.argument("results", required=False)
@click.option(
    "--measure",
    type=click.Choice(["throughput", "latency", "training"]),
    help="Which speed.  [default: the first of these that the set has]",
)
@click.option(
    "--evaluate",
    is_flag=True,
    help="Estimate every published set from 16 of its models, as if its device were new, and print "
    "the errors beside those of two simpler ways. Takes a minute or two.",
)
@click.option("--write", is_flag=True, help="With --evaluate: keep the outcome for the dashboard.")
@out.data_option
@out.output_options
def estimate(
    results: str | None,
    *,
    measure: str | None,
    evaluate: bool,
    write: bool,
    data: Path,
    output: str | None,
) -> None:
    """Speeds that RESULTS lacks, estimated from those that it has.

    RESULTS is the id of a results set, or as much of one as only one has; it needs at least eight
    measured models (`run --preset minute` measures the sixteen that tell most). Each estimate has a
    90 % interval. What was measured is not repeated here; `points` has both.
    """
    if evaluate == (results is not None):
        raise InvalidRequest("name a results set, or say --evaluate")
    if evaluate:
        _evaluate(data, output, write=write)
        return
    if write:
        raise InvalidRequest("--write goes with --evaluate: estimates themselves are never stored")
    found = cli_sets.index(data)
    of_set = cli_sets.speed(found, cli_sets.run_id(results or "", found.places))
    measure = measure or cli_sets.first_measure(of_set)
    frame = cli_sets.estimates(found, of_set, measure=measure, data=data)
    if frame.empty:
        raise InvalidRequest(
            f"{of_set['run'].iloc[0]} has fewer than eight models in {measure} to estimate from: "
            "measure more, for example with --preset minute"
        )
    columns: out.Columns = {
        "architecture": ("architecture", out.text),
        "image_size": ("image size", out.text),
        "seconds_per_image": ("ms an image", _milliseconds),
        "seconds_low": ("from", _milliseconds),
        "seconds_high": ("to (90 %)", _milliseconds),
        "images_per_s": ("images/s", out.significant(3)),
    }
    out.show(frame.sort_values("seconds_per_image"), output, columns)


def _milliseconds(seconds: float) -> str:
    return out.significant(3)(1000 * seconds)


def _evaluate(data: Path, output: str | None, *, write: bool) -> None:
    import pandas as pd
    import pyarrow as pa
    from rich.console import Console
    from rich.progress import track

    from bench import catalogue, store
    from bench.estimate import knowledge
    from bench.estimate_evaluation import evaluation, sets_to_evaluate

    speed = store.to_frame(cli_sets.index(data).known_speeds())
    known = knowledge(speed, catalogue.operations(data))
    rows = track(
        evaluation(known),
        "Estimating",
        total=len(sets_to_evaluate(known)),
        console=Console(stderr=True),
        transient=True,
    )
    frame = pd.DataFrame(rows)
    if write:
        table = pa.Table.from_pandas(frame, store.ESTIMATE_ERRORS_SCHEMA, preserve_index=False)
        store.publish(table, store.published(data, "estimate_errors.parquet"), replace=True)
    share = out.number(".1%")
    columns: out.Columns = {
        "run": ("results set", out.text),
        "measure": ("measure", out.text),
        "models": ("models", out.number(",")),
        "median_error": ("median", share),
        "p90_error": ("90th", share),
        "coverage": ("in interval", share),
        "rank_correlation": ("rank", out.number(".4f")),
        "nearest_median_error": ("nearest: median", share),
        "nearest_p90_error": ("90th", share),
        "multiply_adds_median_error": ("multiply-adds: median", share),
        "multiply_adds_p90_error": ("90th", share),
    }
    out.show(frame, output, columns)
    if output is None:
        _show_summary(frame)


def _show_summary(frame: "pd.DataFrame") -> None:
    """Medians over the sets of a kind: one line each."""
    for (kind, measure), sets in frame.groupby(["device_kind", "measure"]):
        click.echo(
            f"{kind} {measure}, {len(sets)} sets: median error {sets['median_error'].mean():.1%}, "
            f"90th percentile {sets['p90_error'].mean():.1%}, in the interval "
            f"{sets['coverage'].mean():.1%}, rank correlation "
            f"{sets['rank_correlation'].mean():.4f} (means over the sets)"
        )
