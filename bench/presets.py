"""Ready-made choices of what to measure that need more than timm's registry to make."""

from importlib import metadata, util
from types import ModuleType

import pandas as pd

from bench import points
from bench.errors import InvalidRequest
from bench.records import Protocol
from bench.results import reference_run

Pairs = list[tuple[str, int]]


def best_of_each_family(sets: pd.DataFrame, speed: pd.DataFrame, accuracy: pd.DataFrame) -> Pairs:
    """The best trade-off of each family as (architecture, image size), the fastest first.

    By the published reference set, for what this machine makes of them is not known yet.

    Args:
        sets: results.results_sets.
        speed: rows of SPEED_SCHEMA.
        accuracy: rows of ACCURACY_SCHEMA.

    Raises InvalidRequest when nothing has been published here.
    """
    run = reference_run(sets)
    measures: dict[str, int] = sets.set_index("run")["measures"][run]
    joined = points.points(speed, accuracy, run=run, measure=next(iter(measures)))
    best = points.best_of_each_family(joined)
    pairs = zip(best["architecture"], best["image_size"], strict=True)
    return list(dict.fromkeys((str(architecture), int(size)) for architecture, size in pairs))


def measure_of_a_minute(device_kind: str) -> str:
    """What a device is asked first: on a CPU single images, as in all published CPU results."""
    return "latency" if device_kind == "cpu" else "throughput"


def minute(
    speed: pd.DataFrame,
    operations: pd.DataFrame,
    listed: Pairs,
    *,
    device: str,
    device_kind: str,
    protocol: Protocol,
    measure: str,
) -> Pairs:
    """The few models from whose speeds all others' can be estimated, see `bench.estimate`.

    Args:
        speed: rows of SPEED_SCHEMA.
        operations: rows of OPERATIONS_SCHEMA.
        listed: what can be measured.
        device: its name, as in results sets.
        device_kind: cpu, cuda, ...
        protocol: how it will be measured.
        measure: what.

    Raises InvalidRequest where scikit-learn is not installed.
    """
    estimate = estimating()
    known = estimate.knowledge(speed, operations)
    target = _target(device, device_kind, protocol, measure)
    chosen: Pairs = estimate.probes(known, target, listed=pd.MultiIndex.from_tuples(listed))
    return chosen


def most_telling_first(
    speed: pd.DataFrame,
    operations: pd.DataFrame,
    pairs: Pairs,
    *,
    device: str,
    device_kind: str,
    protocol: Protocol,
    measure: str,
) -> Pairs:
    """The same pairs in the order in which a full sweep tells most soonest.

    As they are where scikit-learn is not installed, or nothing was ever measured. Args as `minute`.
    """
    try:
        estimate = estimating()
        known = estimate.knowledge(speed, operations)
    except InvalidRequest:
        return pairs
    target = _target(device, device_kind, protocol, measure)
    ordered: Pairs = estimate.most_telling_first(known, target, pairs)
    return ordered


def estimating() -> ModuleType:
    """The module `estimate`. Raises InvalidRequest where scikit-learn, which it needs, is not."""
    if util.find_spec("sklearn") is None:
        raise InvalidRequest("estimates need scikit-learn: pip install -r requirements.txt")
    from bench import estimate  # noqa: PLC0415 - takes a second, and is rarely needed

    return estimate


def _target(device: str, device_kind: str, protocol: Protocol, measure: str) -> pd.Series:
    """What a run is going to be, as `estimate.CIRCUMSTANCES`."""
    try:
        torch = metadata.version("torch").partition("+")[0]
    except metadata.PackageNotFoundError:
        torch = None
    return pd.Series(
        {
            "device": device,
            "device_kind": device_kind,
            "measure": measure,
            "precision": protocol.precision,
            "layout": protocol.layout,
            "compiled": protocol.compiled,
            "torch": torch,
        }
    )
