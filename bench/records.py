"""What is measured, how, where, and what came out: frozen dataclasses, standard library only.

A `Workload` is the question and the key of a row, a `Protocol` is how it is asked, an `Environment`
is where, and a `Measurement` is the answer. All four travel between processes and into the journal
as JSON; `bench.store` turns them into Parquet rows.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from bench.errors import InvalidRequest

MEASURES = ("throughput", "latency", "training")
PRECISIONS = ("fp32", "amp-fp16", "amp-bf16", "bf16", "fp16")
LAYOUTS = ("nchw", "nhwc")
DEVICE_KINDS = ("cuda", "cpu", "mps")
OUTCOMES = ("ok", "out_of_memory", "timeout", "crashed", "not_finite", "unsupported")
# A flag qualifies a number that was obtained; an outcome says why there is none.
FLAGS = (
    "not_warm",
    "noisy",
    "launch_bound",
    "throttled",
    "busy_device",
    "drift",
)


class Record:
    """JSON there and back for a frozen dataclass; unknown keys are refused, not dropped."""

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values: tuples become lists, times ISO 8601 in UTC."""
        assert dataclasses.is_dataclass(self)
        return {name.name: _plain(getattr(self, name.name)) for name in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The record that `to_json` wrote.

        Raises InvalidRequest when a key is unknown, or one that must be there is missing.
        """
        assert dataclasses.is_dataclass(cls)
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InvalidRequest(f"{cls.__name__} has no field {', '.join(unknown)}")
        try:
            record: Self = cls(**values)
        except TypeError as error:
            raise InvalidRequest(f"{cls.__name__} is incomplete: {error}") from error
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload(Record):
    """One thing to measure: an architecture at an image size, in one of three ways.

    batch_size None means: find the saturating one (`throughput`, `training`); `latency` is batch 1.
    """

    architecture: str
    image_size: int
    measure: str
    batch_size: int | None = None

    def __post_init__(self) -> None:
        _one_of("measure", self.measure, MEASURES)
        _at_least_one("image size", self.image_size)
        if self.measure == "latency" and self.batch_size is None:
            object.__setattr__(self, "batch_size", 1)
        if self.batch_size is not None:
            _at_least_one("batch size", self.batch_size)
        if self.measure == "latency" and self.batch_size != 1:
            raise InvalidRequest(f"latency is measured at batch 1, got {self.batch_size}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol(Record):
    """How every workload of one run is measured. Defaults are those of the Method page.

    compiled is `eager` or the backend and mode of torch.compile (`inductor default`).
    Times are seconds, shares are fractions of 1.
    """

    precision: str = "fp32"
    layout: str = "nchw"
    compiled: str = "eager"
    tf32: bool = False
    threads: int | None = None  # CPU only; None: the physical cores this process may use
    warm_up_min_s: float = 0.2
    warm_up_max_s: float = 2.0
    warm_up_min_steps: int = 3
    warm_up_tolerance: float = 0.01
    block_min_s: float = 0.02
    interval_target: float = 0.005
    stall_blocks: int = 16
    min_samples: int = 7
    min_s: float = 0.3
    throughput_cap_s: float = 3.0
    latency_cap_s: float = 5.0
    saturation_gain: float = 0.03
    memory_share: float = 0.85
    max_batch_size: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("layout", self.layout, LAYOUTS)
        _at_least_one("largest batch size", self.max_batch_size)
        if self.threads is not None:
            _at_least_one("number of threads", self.threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment(Record):
    """Where a run was made. Unknown is None, never 0 or an empty text.

    details holds what has no column of its own (MEASUREMENT.md lists it): plain JSON values.
    """

    device: str
    device_kind: str
    torch: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    driver: str | None = None
    timm: str | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _one_of("device kind", self.device_kind, DEVICE_KINDS)

    @property
    def noise(self) -> float:
        """By how much two measurements of the same thing differ here, as a share.

        What the A/A test of a CPU heard; 0 where none was made."""
        heard = self.details.get("noise")
        return heard if isinstance(heard, float) and math.isfinite(heard) and heard > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Record):
    """What came out of one workload: raw step times, or an outcome that says why there are none.

    samples_s are seconds per step (one batch), as measured, never rounded; everything else about
    the distribution is derived from them when read. batch_size is the one that was used (None
    where the workload never got as far).
    """

    workload: Workload
    outcome: str
    measured_at: datetime
    message: str | None = None
    flags: tuple[str, ...] = ()
    batch_size: int | None = None
    samples_s: tuple[float, ...] = ()
    forward_s: float | None = None
    backward_s: float | None = None
    optimiser_s: float | None = None
    peak_memory_bytes: int | None = None
    parameters: int | None = None
    compile_s: float | None = None
    energy_per_image_j: float | None = None
    host_device_ratio: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _one_of("outcome", self.outcome, OUTCOMES)
        for flag in self.flags:
            _one_of("flag", flag, FLAGS)
        if self.measured_at.tzinfo is None:
            raise InvalidRequest(f"measured_at needs a time zone, got {self.measured_at}")
        if (self.outcome == "ok") != bool(self.samples_s):
            raise InvalidRequest(
                f"outcome {self.outcome} with {len(self.samples_s)} samples: "
                "a result has samples, a failure has none"
            )
        if not all(math.isfinite(s) and s > 0 for s in self.samples_s):
            raise InvalidRequest("samples must be positive finite seconds")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """See Record.from_json; nested records and tuples are restored."""
        plain = dict(values)
        try:
            plain["workload"] = Workload.from_json(plain["workload"])
            plain["measured_at"] = datetime.fromisoformat(plain["measured_at"])
        except KeyError as missing:
            raise InvalidRequest(f"Measurement is incomplete: no {missing}") from missing
        for name in ("flags", "samples_s"):
            plain[name] = tuple(plain.get(name, ()))
        return super(Measurement, cls).from_json(plain)


def latency_first(measures: Iterable[str]) -> list[str]:
    """Each measure once, in the order in which a model is measured.

    The next model is prepared while the device measures the last of them, but never during latency,
    which that would disturb.
    """
    return sorted(dict.fromkeys(measures), key=lambda measure: measure != "latency")


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def dumps(values: Mapping[str, Any]) -> str:
    """One line of strict JSON: no NaN, no line break inside."""
    return json.dumps(values, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidRequest(f"{what} must be one of {', '.join(allowed)}, got {value!r}")


def _at_least_one(what: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidRequest(f"{what} must be a whole number of at least 1, got {value!r}")
