"""What a worker's messages say. A worker that broke may send anything, so nothing is believed."""

import math
from collections.abc import Mapping
from typing import Any

from bench.errors import BenchError
from bench.records import Environment, Measurement, Workload


class NotAnAnswer(Exception):
    """A message that is not what was due; the sentence says what is wrong with it."""


def environment(message: Mapping[str, Any]) -> Environment:
    """What `ready` tells. Raises NotAnAnswer, with the worker's reason where it cannot start."""
    if message.get("type") == "leaving":
        raise NotAnAnswer(str(message.get("reason")))
    try:
        return Environment.from_json(message["environment"])
    except (BenchError, KeyError, TypeError) as error:
        raise NotAnAnswer(f"no environment from the worker: {error}") from error


def deadline_s(message: Mapping[str, Any]) -> float:
    """By when `phase` promises the next message, seconds from now. Raises NotAnAnswer."""
    value: Any = message.get("deadline_s")
    if not _is_number(value) or not value > 0:
        raise NotAnAnswer(f"a phase without a deadline: {message}")
    return float(value)


def measurement(message: Mapping[str, Any], workload: Workload) -> Measurement:
    """The row in `measurement`. Raises NotAnAnswer when it is not a sound one of this workload."""
    try:
        row = Measurement.from_json(message["measurement"])
    except (BenchError, KeyError, TypeError, ValueError) as error:
        raise NotAnAnswer(f"not a measurement: {error}") from error
    if wrong := _does_not_fit(row):
        raise NotAnAnswer(f"not a measurement: {wrong}")
    if row.workload != workload:
        raise NotAnAnswer(f"answered for another workload: {row.workload}")
    return row


def what_changed(before: Environment, now: Environment) -> str | None:
    """What of the software or the device is not what it was; None when nothing is."""
    for name in ("device", "torch", "cuda", "cudnn", "driver", "timm"):
        was, is_now = getattr(before, name), getattr(now, name)
        if was != is_now:
            return f"{name} was {was} and is now {is_now}"
    return None


def _does_not_fit(row: Measurement) -> str | None:
    """What the published columns could not hold; None when everything fits."""
    for name, largest in _COUNTS.items():
        value = getattr(row, name)
        if value is not None and (type(value) is not int or not 0 <= value < largest):
            return f"{name} is {value!r}"
    for name in _NUMBERS:
        value = getattr(row, name)
        if value is not None and not _is_number(value):
            return f"{name} is {value!r}"
    if not isinstance(row.message, str | None):
        return f"message is {row.message!r}"
    return None


_COUNTS = {"batch_size": 2**31, "peak_memory_bytes": 2**63, "parameters": 2**63}
_NUMBERS = (
    "forward_s",
    "backward_s",
    "optimiser_s",
    "compile_s",
    "energy_per_image_j",
    "host_device_ratio",
)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
