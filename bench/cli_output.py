"""What the commands share: the options every one takes, and how a frame is printed."""

import csv
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import pandas as pd

Command = TypeVar("Command", bound=Callable[..., Any])
# A column's heading for people, and how one of its values reads.
Columns = Mapping[str, tuple[str, Callable[[Any], str]]]

_NUMERIC = re.compile(r"([+-]?[\d,]+(\.\d+)?( [MG])?)?")


class DataFolder(click.Path):
    """A folder, or `s3://bucket/prefix`, which is handed on as its folder on this machine."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The local folder; see `state.data_folder`."""
        if "://" in str(value):
            from bench import state

            value = state.data_folder(str(value))
        return super().convert(value, param, ctx)


def data_option(command: Command) -> Command:
    """`--data FOLDER`, passed to the command as data: Path; the folder need not exist."""
    return click.option(
        "--data",
        type=DataFolder(path_type=Path, file_okay=False),
        default="data",
        envvar="BENCH_DATA",
        show_default=True,
        show_envvar=True,
        metavar="FOLDER",
        help="Where runs and imports are read and written; s3://bucket/prefix is one, too.",
    )(command)


def output_options(command: Command) -> Command:
    """`--json` and `--csv`, passed to the command as output: `json`, `csv` or None."""
    for kind, what in (("csv", "CSV"), ("json", "JSON")):
        command = click.option(
            f"--{kind}", "output", flag_value=kind, default=None, help=f"Print {what}."
        )(command)
    return command


def show(frame: "pd.DataFrame", output: str | None, columns: Columns) -> None:
    """Print a frame: all of it as JSON or CSV, or the named columns as a table for people."""
    if output == "json":
        print_json(records(frame))
    elif output == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(frame.columns)
        writer.writerows([_csv_cell(cell) for cell in row.values()] for row in records(frame))
    else:
        rows = frame[list(columns)].itertuples(index=False)
        formats = [form for _, form in columns.values()]
        table(
            [heading for heading, _ in columns.values()],
            [[form(value) for form, value in zip(formats, row, strict=True)] for row in rows],
        )


def print_json(value: Any) -> None:
    """Strict JSON, indented; nothing that JSON cannot say."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def table(headings: list[str], rows: list[list[str]]) -> None:
    """A table for people, as wide as it needs to be: ids broken over lines cannot be copied."""
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False, width=10_000)
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, heading in enumerate(headings):
        numeric = all(_NUMERIC.fullmatch(row[index]) for row in rows)
        grid.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        grid.add_row(*(printable(cell) for cell in row))
    console.print(grid)


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """A frame's rows as plain JSON values: what is missing is None, a time is ISO 8601."""
    names = list(frame.columns)
    return [
        {name: _plain(value) for name, value in zip(names, row, strict=True)}
        for row in frame.itertuples(index=False)
    ]


def warn(problems: list[Any]) -> None:
    """Name the files that were left out (`store.Problem`), on the error stream."""
    for problem in problems:
        click.echo(f"Left out {problem.path}: {printable(problem.reason)}", err=True)


def printable(text: str) -> str:
    """The text without characters that could steer a terminal."""
    return "".join(c if c.isprintable() or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text)


def text(value: Any) -> str:
    """The value as it is; nothing where it is missing."""
    return "" if _missing(value) else str(value)


def number(form: str) -> Callable[[Any], str]:
    """A way to write numbers (`,.1f`); nothing where one is missing."""
    return lambda value: "" if _missing(value) else format(value, form)


def significant(digits: int) -> Callable[[Any], str]:
    """A way to write numbers with so many digits and no more: `0.0713`, `14,020`, `0.09`."""

    def form(value: Any) -> str:
        if _missing(value):
            return ""
        places = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
        written = f"{float(f'{value:.{digits}g}'):,.{places}f}"
        return written.rstrip("0").rstrip(".") if "." in written else written

    return form


def millions(value: Any) -> str:
    """A count as people say it: `25.6 M`, `4.1 G`."""
    if _missing(value):
        return ""
    if value >= 1e9:
        return f"{value / 1e9:,.1f} G"
    return f"{value / 1e6:,.2f} M" if value < 1e7 else f"{value / 1e6:,.1f} M"


def _missing(value: Any) -> bool:
    import pandas as pd

    return bool(pd.isna(value))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        value = value.tolist()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if _missing(value) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _csv_cell(value: Any) -> Any:
    """Lists are joined with `;`, dictionaries are JSON, the rest stays."""
    if isinstance(value, list):
        return ";".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else value
