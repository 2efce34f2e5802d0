"""`python -m bench report`: a thin command over pages.ui.report.

It stands here and not in bench, which knows nothing of charts; bench/__main__.py adds it. What
draws is imported when the command runs, so that every other command works without it.
"""

from datetime import UTC, datetime
from pathlib import Path

import click

from bench import cli_output as out
from bench import cli_sets
from bench.errors import InvalidRequest


@click.command(
    epilog="Example: python -m bench report rtx5090.html --best-per-family --max-ms 1",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.html")
@click.argument("results", required=False)
@cli_sets.measure_options
@click.option("--beside", metavar="RESULTS", help="A second results set, drawn as diamonds.")
@cli_sets.best_option
@cli_sets.narrowing_options
@click.option(
    "--test-models/--no-test-models",
    default=False,
    show_default=True,
    help="timm's own tiny test_* models.",
)
@click.option(
    "--estimates/--no-estimates",
    default=True,
    show_default=True,
    help="Estimate what a run of one's own did not measure, from eight models on.",
)
@click.option("--force", is_flag=True, help="Replace FILE.html where it exists.")
@out.data_option
def report(
    file: Path,
    results: str | None,
    *,
    measure: str | None,
    dataset: str,
    beside: str | None,
    best: str | None,
    families: tuple[str, ...],
    max_ms: float | None,
    min_top1: float | None,
    test_models: bool,
    estimates: bool,
    force: bool,
    data: Path,
) -> None:
    """Write a results set's chart and table into one file.

    The page needs no server and no network: mail it, or publish it. It filters, sorts and zooms.

    RESULTS is the id of a results set, or as much of one as only one has; without it, the one that
    the dashboard opens with. --best-per-family, --family, --max-ms and --min-top1 are what the page
    opens with; whoever reads it can change them.
    """
    try:
        from pages.ui import report as r
        from pages.ui.selection import Selection
    except ImportError as error:
        raise InvalidRequest(
            f"a report is drawn with the dashboard's packages, and {error.name} is not installed: "
            "python -m pip install -r requirements.txt"
        ) from error
    from bench import atomic, catalogue, licences
    from bench.results import labels, reference_run

    _refuse_to_overwrite(file, force=force)
    found, accuracy = cli_sets.index(data), cli_sets.accuracy(data)
    sets = found.sets.assign(label=labels(found.sets))
    first = (
        cli_sets.run_id(results, found.places)
        if results
        else reference_run(sets[sets["measures"].astype(bool)])
    )
    runs = [first] if beside is None else [first, cli_sets.run_id(beside, found.places)]
    if len(set(runs)) < len(runs):
        raise InvalidRequest(f"{first} cannot be laid beside itself")
    by_id = {run: sets[sets["run"] == run].iloc[0] for run in runs}
    of_sets = [cli_sets.speed(found, run) for run in runs]
    chosen = Selection(
        run=runs[0],
        measure=measure or cli_sets.first_measure(of_sets[0]),
        beside=runs[-1] if beside is not None else None,
        dataset=dataset,
        best_by=best,
        search="",
        max_s=None if max_ms is None else max_ms / 1000,
        min_top1_percent=min_top1,
        families=families,
        image_sizes=(),
        pretraining=(),
        commercial_use=(),
        max_parameters=None,
        test_models=test_models,
        view=None,
    )
    known = licences.by_model(catalogue.models(data), catalogue.renames(data))
    main, *others = (
        r.side(
            rows,
            accuracy,
            known,
            chosen,
            results_set=by_id[run],
            estimates=cli_sets.own_estimates(
                found, rows, measure=r.measure_of(by_id[run], chosen), data=data
            )
            if estimates
            else None,
        )
        for run, rows in zip(runs, of_sets, strict=True)
    )
    cli_sets.check_families(families, main.points["family"].unique())
    page = r.document(
        main, others[0] if others else None, accuracy, chosen, made=datetime.now(UTC)
    ).encode()
    try:
        with atomic.new_file(file, replace=force) as handle:
            handle.write(page)
    except FileExistsError:
        _refuse_to_overwrite(file, force=force)
    models = main.points["model"].nunique()
    click.echo(f"{file}: {models:,} models of {main.label}, {len(page) / 1e6:.1f} MB")


def _refuse_to_overwrite(file: Path, *, force: bool) -> None:
    if not file.parent.is_dir():
        raise InvalidRequest(f"there is no folder {file.parent}")
    if file.exists() and not force:
        raise InvalidRequest(f"{file} is there already; name another file, or add --force")
