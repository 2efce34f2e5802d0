"""The long form of the fault suite.

python -m tests.faults --long              1,000 random kills, every other fault 20 times
python -m tests.faults --only sigterm      one fault, once
python -m tests.faults --fuzz 25000        so many mutants each of Parquet files, journals and two
                                           kinds of CSV files, and a fiftieth of that of links
python -m tests.faults --shown 5           so often: how soon a page shows what happened
"""

import shutil
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from tests.faults.audit import Damage
from tests.faults.fuzz import READERS, share
from tests.faults.fuzz import survey as read_mutants
from tests.faults.suite import FAULTS, attempt
from tests.faults.surroundings import NotPossibleHere

KILLS = 1000
TRIES = 20


@click.command()
@click.option("--long", "is_long", is_flag=True, help=f"{KILLS} kills, {TRIES} tries each.")
@click.option("--only", type=click.Choice(list(FAULTS)), multiple=True)
@click.option("--tries", type=click.IntRange(1), help="Tries of each fault.")
@click.option("--fuzz", type=click.IntRange(1), help="Read so many mutants of each kind of file.")
@click.option("--shown", type=click.IntRange(1), help="Measure so often when a page shows it.")
@click.option("--seed", type=int, default=0, show_default=True)
def main(*, is_long, only, tries, fuzz, shown, seed):
    """Bring about every fault and count what it damaged."""
    console = Console(width=110)
    if fuzz:
        raise SystemExit(0 if survey(fuzz, seed, console) else 1)
    if shown:
        raise SystemExit(0 if look(shown, console) else 1)
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    table = Table(
        Column("fault", no_wrap=True),
        "tries",
        "kills",
        "lost",
        "duplicated",
        "orphaned",
        "corrupt",
        "s",
    )
    harmless = True
    try:
        for name in only or FAULTS:
            wanted = tries or (TRIES if is_long else 1)
            kills = KILLS if is_long and name == "random_kills" else 0
            row, total = repeat(name, wanted, kills, seed=seed, folder=folder, console=console)
            table.add_row(name, *row)
            harmless &= total.harmless
    finally:
        console.print(table)
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(0 if harmless else 1)


def survey(count, seed, console):
    """Read mutants of each kind of file; whether none did harm."""
    table = Table("file", "mutants", "crashed", "hung", "wrong", "s")
    harmless = True
    for kind in READERS:
        began = time.monotonic()
        wanted = share(kind, count)
        found = read_mutants(kind, seed, wanted)
        for what, seeds in zip(("crashed", "hung", "wrong"), found, strict=True):
            if seeds:
                console.print(f"{kind}: {what} at {seeds[:20]}")
        harmless &= not any(found)
        table.add_row(
            kind, str(wanted), *(str(len(s)) for s in found), f"{time.monotonic() - began:.0f}"
        )
    console.print(table)
    return harmless


def look(tries, console):
    """Measure how soon things are shown; whether all were in time."""
    # Playwright is wanted for this alone.
    from tests.faults.shown import measure

    table = Table("shown", "within s", "tries", "median s", "longest s", "too late")
    in_time = True
    for what, bound_s, count, median_s, longest_s, late in measure(tries).lines():
        table.add_row(
            what, f"{bound_s:g}", str(count), f"{median_s:.2f}", f"{longest_s:.2f}", str(late)
        )
        in_time &= not late
    console.print(table)
    return in_time


def repeat(name, tries, kills, *, seed, folder, console):
    """Try a fault so often, or until so many processes were killed."""
    total, done, began = Damage(), 0, time.monotonic()
    while done < tries or total.kills < kills:
        place = folder / f"{name}-{seed + done}"
        try:
            damage = attempt(name, seed + done, place)
        except NotPossibleHere as reason:
            # What was not tried was not harmless.
            console.print(f"{name}: not possible here: {reason}")
            return ["0", *["-"] * 6], Damage(corrupt=1)
        except Exception as error:  # noqa: BLE001 - counted, told, and the next one is tried
            console.print(f"{name}, seed {seed + done}: {type(error).__name__}: {error}")
            damage = Damage(corrupt=1)
        if damage.harmless:
            shutil.rmtree(place, ignore_errors=True)
        else:
            console.print(f"{name}, seed {seed + done}: {damage}")
        total += damage
        done += 1
    lost, duplicated, orphaned, corrupt, killed = map(str, total.counts())
    seconds = f"{time.monotonic() - began:.0f}"
    return [str(done), killed, lost, duplicated, orphaned, corrupt, seconds], total


if __name__ == "__main__":
    main()
