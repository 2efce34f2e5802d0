"""A results set: the speeds of one environment, from one publication or one run.

Inference and training of one environment are one set with two measures.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench.errors import InvalidRequest
from bench.records import MEASURES

# timm's naming eras: speeds of PyTorch 1.11 bear the names of the accuracy of that summer.
OLD_ERA_TORCH = "1.11"
OLD_ERA_SNAPSHOT = "2022-07"

# The newest published set with every model; where it is absent, the set with the most rows.
REFERENCE_RUN = "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"

# The fewest measured models from which the others are estimated.
FEWEST_TO_ESTIMATE_FROM = 8

# More sets than these would take seconds to read and tell little more about one device.
MOST_TO_LEARN_FROM = 32

SET_COLUMNS = (
    "device",
    "device_kind",
    "precision",
    "layout",
    "compiled",
    "torch",
    "cuda",
    "timm",
    "measured_at",
)


def results_sets(speed: pd.DataFrame) -> pd.DataFrame:
    """One row per results set, the newest id first.

    Args:
        speed: rows of SPEED_SCHEMA (samples_s may be missing).

    Returns:
        run, the columns of SET_COLUMNS, source, failures (rows without a figure), measures (a
        dictionary: `ok` rows per measure, measures without any left out).
    """
    if speed.empty:
        return pd.DataFrame(columns=["run", *SET_COLUMNS, "source", "failures", "measures"])
    sets = speed.groupby("run", sort=True)[list(SET_COLUMNS)].first()
    sets["source"] = speed.groupby("run")["source"].agg(_sources)
    is_ok = speed["outcome"] == "ok"
    counts = speed[is_ok].groupby(["run", "measure"]).size()
    sets["failures"] = (~is_ok).groupby(speed["run"]).sum().astype(int)
    measures = [
        {m: int(counts[run, m]) for m in MEASURES if (run, m) in counts.index} for run in sets.index
    ]
    sets = sets.assign(measures=pd.Series(measures, index=sets.index, dtype=object))
    return sets.iloc[::-1].reset_index()


def _sources(sources: pd.Series) -> str:
    return "; ".join(sorted(set(sources)))


def reference_run(sets: pd.DataFrame) -> str:
    """The results set that stands for all where none was chosen: the one that opens first.

    Raises InvalidRequest when there is none at all.
    """
    if sets.empty:
        raise InvalidRequest(
            "there are no results yet: `python -m bench import` or `run` adds some"
        )
    if REFERENCE_RUN in set(sets["run"]):
        return REFERENCE_RUN
    rows = sets["measures"].map(lambda measures: sum(measures.values()))
    return str(sets["run"].iloc[int(rows.argmax())])


def snapshot_for(torch: str | None, snapshots: list[str]) -> str | None:
    """The accuracy snapshot whose names a results set of this PyTorch version bears.

    None where there is no snapshot at all, or the old one is asked for and absent.
    """
    if torch == OLD_ERA_TORCH:
        return OLD_ERA_SNAPSHOT if OLD_ERA_SNAPSHOT in snapshots else None
    return max(snapshots, default=None)


# What people leave out when they name a device.
_MAKERS = re.compile(
    r"NVIDIA |GeForce |AMD |Intel\(R\) |Intel |Core\(TM\) |Core | Blackwell| Workstation Edition"
    r"|\(R\)|\(TM\)| CPU| Processor| @.*$"
)


@functools.lru_cache(maxsize=1024)
def short_device(device: str) -> str:
    """`NVIDIA GeForce RTX 5090` as people say it: `RTX 5090`. Never empty."""
    return " ".join(_MAKERS.sub("", device).split()) or device


def label(results_set: Mapping[Any, Any] | pd.Series) -> str:
    """One line for a menu: device, precision, layout where unusual, compiled, PyTorch, source."""
    parts = [short_device(results_set["device"]), results_set["precision"]]
    if results_set["layout"] != "nchw":
        parts.append(results_set["layout"])
    if results_set["compiled"] != "eager":
        parts.append("compiled")
    if pd.notna(results_set["torch"]):
        parts.append(f"PyTorch {results_set['torch']}")
    published = re.match(r"timm \d{4}-\d{2}", results_set["source"])
    if published:
        parts.append(published.group())
    elif pd.notna(results_set["measured_at"]):
        parts.append(f"measured {results_set['measured_at']:%Y-%m-%d %H:%M}")
    return " · ".join(parts)


def labels(sets: pd.DataFrame) -> pd.Series:
    """The labels of all results sets, with the id where two would be the same; indexed as sets."""
    names = pd.Series(
        [label(row) for row in sets.to_dict("records")], index=sets.index, dtype=object
    )
    twice = names.duplicated(keep=False)
    return names.mask(twice, names + " · " + sets["run"])


def to_learn_from(
    sets: pd.DataFrame, *, device: str | None = None, device_kind: str | None = None
) -> list[str]:
    """The results sets from which estimates and expectations are made: all, as long as few.

    Of more than MOST_TO_LEARN_FROM those that were published come first, then those of the same
    device, then of the same kind; the newest first. Of several in the same circumstances on the
    same device the newest alone: the others say the same again.

    Args:
        sets: results_sets, the newest first.
        device: its name, as in results sets.
        device_kind: cpu, cuda, ...
    """
    if len(sets) <= MOST_TO_LEARN_FROM:
        return list(sets["run"])
    circumstances = sets[["device", "precision", "layout", "compiled", "torch"]]
    again = circumstances.assign(measures=sets["measures"].map(tuple)).duplicated()
    sets = sets[~again | (sets["source"] != "measured")]
    alike = pd.Series(3, index=sets.index)
    alike = alike.mask(sets["device_kind"] == device_kind, 2)
    alike = alike.mask(sets["device"].map(without_cores) == without_cores(device or ""), 1)
    alike = alike.mask(sets["source"] != "measured", 0)
    order = alike.sort_values(kind="stable").index[:MOST_TO_LEARN_FROM]
    return list(sets["run"].loc[order])


def without_cores(device: str) -> str:
    """A processor's name as devices.Device has it: rows say how many of its cores were used."""
    return re.sub(r" \(\d+ cores\)$", "", device)


def is_estimated(of_set: pd.DataFrame, measure: str) -> bool:
    """Whether what a set lacks is estimated: in one's own runs, from enough measured models.

    Args:
        of_set: the rows of SPEED_SCHEMA of one results set.
        measure: throughput, latency or training.
    """
    measured = of_set[(of_set["outcome"] == "ok") & (of_set["measure"] == measure)]
    is_own = bool((measured["source"] == "measured").all())
    return is_own and len(measured) >= FEWEST_TO_ESTIMATE_FROM
