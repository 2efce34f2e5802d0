"""How long a run will take, before it has begun: from what rows like its own took.

A row took as long as passed since the row before it in its run, whatever went on in between:
building, warming up, looking for a batch size, replacing a worker.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench import eta, publication
from bench.records import Protocol, Workload
from bench.results import without_cores

# A longer gap between two rows of a run is a pause: it was cancelled, and resumed later.
LONGEST_ROW_S = 600.0
# Fewer rows than this promise nothing.
FEWEST_ROWS = 3
# Models that two devices must share before one's pace is told from the other's.
FEWEST_SHARED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """About how many seconds, and going by what: so many rows, of this device and precision.

    is_here tells that it is the device asked for. pace is how much longer a multiply-add takes on
    the device asked for than on that one: 1 for the same device, None where nothing is known about
    that, which leaves seconds those of the other.
    """

    seconds: float
    rows: int
    device: str
    precision: str
    is_here: bool = True
    pace: float | None = 1.0


def took(speed: pd.DataFrame) -> pd.DataFrame:
    """The rows that were measured by this project, with the `seconds` that each took.

    Left out are the first row of each run, rows after a pause, and those that were refused unseen.

    Args:
        speed: rows of SPEED_SCHEMA (samples_s may be missing).
    """
    rows = speed[(speed["source"] == "measured") & speed["measured_at"].notna()]
    rows = rows.sort_values(["run", "measured_at"], kind="stable")
    seconds = rows.groupby("run")["measured_at"].diff().dt.total_seconds()
    rows = rows.assign(seconds=seconds)
    kept = seconds.notna() & (seconds <= LONGEST_ROW_S) & (rows["outcome"] != "unsupported")
    found: pd.DataFrame = rows[kept]
    return found


def expect(
    asked: Sequence[Workload],
    device: str,
    kind: str,
    *,
    protocol: Protocol,
    speed: pd.DataFrame,
) -> Expectation | None:
    """How long these workloads will take on this device; None: nothing is known.

    Goes by rows of the same device and precision, else of the same device, else of the device of
    this kind with the most rows. Each measure has a straight line over multiply-adds (eta): what
    any model takes is the same on every device, what a multiply-add takes is scaled.

    Args:
        asked: what is to be measured.
        device: its name, as in the results.
        kind: `cuda` or `cpu`.
        protocol: how.
        speed: every known row of SPEED_SCHEMA.
    """
    rows = took(speed)
    rows = rows[
        (rows["device_kind"] == kind)
        & (rows["layout"] == protocol.layout)
        & (rows["compiled"] == protocol.compiled)
    ]
    same = rows[rows["device"].map(without_cores) == without_cores(device)]
    for found in (same[same["precision"] == protocol.precision], same, rows):
        groups = {len(group): group for _, group in found.groupby(["device", "precision"])}
        basis = groups[max(groups)] if groups else found
        if len(basis) < FEWEST_ROWS:
            continue
        where, precision = str(basis["device"].iloc[0]), str(basis["precision"].iloc[0])
        is_same = without_cores(where) == without_cores(device)
        pace = 1.0 if is_same else _pace(speed, device, where)
        seconds = _seconds(asked, basis, 1.0 if pace is None else pace)
        return Expectation(
            seconds=seconds,
            rows=len(basis),
            device=where,
            precision=precision,
            is_here=is_same,
            pace=pace,
        )
    return None


def _seconds(asked: Sequence[Workload], basis: pd.DataFrame, pace: float) -> float:
    operations = publication.operations()

    def cost(architecture: str, image_size: int) -> float | None:
        return operations.get((architecture, image_size), (None, None))[0]

    finished = [
        (measure, cost(architecture, int(size)), seconds)
        for measure, architecture, size, seconds in zip(
            basis["measure"],
            basis["architecture"],
            basis["image_size"],
            basis["seconds"],
            strict=True,
        )
    ]
    refused = publication.refused()
    missing = [
        (work.measure, cost(work.architecture, work.image_size))
        for work in asked
        if work.architecture not in refused
    ]
    seconds = eta.remaining_s(finished, missing, pace=pace)
    assert seconds is not None  # there are finished rows
    return seconds


def _pace(speed: pd.DataFrame, device: str, other: str) -> float | None:
    """How much longer the device takes than the other: the median over models measured on both.

    Equal measure, precision and compilation; None where they share too few.
    """
    key = ["architecture", "image_size", "measure", "precision", "compiled"]
    rates = [
        speed[(speed["device"] == name) & (speed["outcome"] == "ok")]
        .groupby(key)["images_per_s"]
        .median()
        for name in (device, other)
    ]
    ratios = (rates[1] / rates[0]).dropna()
    return float(ratios.median()) if len(ratios) >= FEWEST_SHARED else None
