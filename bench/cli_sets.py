"""What `points` and `report` share: which results set is meant, and the options that choose."""

import difflib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bench import cli_output as out
from bench.errors import InvalidRequest

if TYPE_CHECKING:
    import pandas as pd

    from bench.index import Index

Command = TypeVar("Command", bound=Callable[..., Any])


def measure_options(command: Command) -> Command:
    """`--measure` and `--accuracy`, passed to the command as measure: str | None and dataset."""
    command = click.option(
        "--accuracy",
        "dataset",
        default="imagenet-1k",
        show_default=True,
        metavar="DATASET",
        help="The accuracy set.",
    )(command)
    return click.option(
        "--measure",
        type=click.Choice(["throughput", "latency", "training"]),
        help="Which speed.  [default: the first of these that the set has]",
    )(command)


def best_option(command: Command) -> Command:
    """`--best-per-family`, passed to the command as best: a criterion, or None."""
    return click.option(
        "--best-per-family",
        "best",
        is_flag=False,
        flag_value="trade-off",
        type=click.Choice(["trade-off", "accurate", "fastest"]),
        help="One model per family, never a test_* one; by trade-off where not said.",
    )(command)


def narrowing_options(command: Command) -> Command:
    """`--family`, `--max-ms` and `--min-top1`, as families, max_ms and min_top1."""
    command = click.option(
        "--min-top1",
        type=click.FloatRange(0, 100),
        callback=_finite,
        help="The least accurate, in percent.",
    )(command)
    command = click.option(
        "--max-ms",
        type=click.FloatRange(min=0, min_open=True),
        callback=_finite,
        help="The slowest, in milliseconds an image.",
    )(command)
    return click.option(
        "--family", "families", multiple=True, metavar="NAME", help="May be repeated."
    )(command)


def _finite(ctx: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """`nan` passes every range; refuse it, and infinity, by name."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number to compare with", ctx, option)
    return value


def index(data: Path) -> "Index":
    """The results sets there are; files left out are named on the error stream."""
    from bench import index as i

    found = i.of(data)
    out.warn(list(found.problems))
    return found


def speed(found: "Index", *runs: str) -> "pd.DataFrame":
    """The speeds of these results sets, but their raw samples."""
    from bench import store

    return store.to_frame(found.rows(runs))


def accuracy(data: Path) -> "pd.DataFrame":
    """All accuracies; files left out are named on the error stream."""
    from bench import store

    frame, problems = store.load(
        store.accuracy_files(data), store.ACCURACY_SCHEMA, replaces="snapshot"
    )
    out.warn(problems)
    return frame


def estimates(
    found: "Index", of_set: "pd.DataFrame", *, measure: str, data: Path
) -> "pd.DataFrame":
    """`estimate.estimates` of one results set and measure; see there.

    Raises InvalidRequest where scikit-learn is not installed, or the set lacks the measure.
    """
    from bench import catalogue, presets, store

    estimate = presets.estimating()
    measured = of_set[(of_set["outcome"] == "ok") & (of_set["measure"] == measure)]
    if measured.empty:
        raise InvalidRequest(f"results set {of_set['run'].iloc[0]} holds no {measure}")
    speed = found.known_speeds(
        device=measured["device"].iloc[0], device_kind=measured["device_kind"].iloc[0]
    )
    known = estimate.knowledge(store.to_frame(speed), catalogue.operations(data))
    believed = estimate.belief_about(
        known, estimate.circumstances(measured), run=measured["run"].iloc[0]
    )
    frame: pd.DataFrame = estimate.estimates(believed, measured)
    return frame


def own_estimates(
    found: "Index", of_set: "pd.DataFrame", *, measure: str, data: Path
) -> "pd.DataFrame | None":
    """What the chart adds to a results set: estimates for one's own, None for a published one.

    None as well where scikit-learn is not installed, said on the error stream.
    """
    from bench import presets, results

    if not results.is_estimated(of_set, measure):
        return None
    try:
        presets.estimating()
    except InvalidRequest as error:
        click.echo(f"{error}; only what was measured is shown", err=True)
        return None
    return estimates(found, of_set, measure=measure, data=data)


def run_id(asked: str, known: Any) -> str:
    """The id that is asked, or the only one that begins so.

    Raises InvalidRequest where there is none, or more than one.
    """
    if asked in known:
        return asked
    found = sorted(run for run in known if asked and run.startswith(asked))
    if not found:
        raise InvalidRequest(f"no results set {asked!r}; `python -m bench results` lists them")
    if len(found) > 1:
        shown = ", ".join(found[:4]) + (", ..." if len(found) > 4 else "")
        raise InvalidRequest(f"{len(found)} results sets begin with {asked!r}: {shown}")
    return str(found[0])


def first_measure(of_set: "pd.DataFrame") -> str:
    """The first of throughput, latency and training that the set holds; throughput for none."""
    from bench.records import MEASURES

    present = set(of_set[of_set["outcome"] == "ok"]["measure"])
    return next((measure for measure in MEASURES if measure in present), MEASURES[0])


def check_families(asked: tuple[str, ...], known: Any) -> None:
    """Raises InvalidRequest, with names that are close, for a family that is not known."""
    for name in asked:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise InvalidRequest(f"no family {name!r} in this set{hint}")
