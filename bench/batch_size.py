"""The saturating batch size: double while it pays, within predicted memory and time.

Pure decisions: the caller gives a function that tries one batch size. A doubling is tried only if

- the larger batch stays within the protocol's largest,
- its predicted memory stays below the protocol's share of the device: memory grows by the same
  amount for every image, so the peaks of the two latest sizes tell the next,
- its step is predicted to let `min_samples` of them fit into the cap of a throughput measurement.
  On two CPU cores this, and not saturation, ends the search of a large model: at batch 1.

and it is kept only if images per second grow by the protocol's gain (3 %).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.records import Protocol

# Small batches never saturate a GPU, and each size tried costs an autotuning of every convolution.
FIRST_ON_GPU = 16
# BatchNorm cannot train on a single value per channel.
FIRST_IN_TRAINING = 2


class OutOfMemory(Exception):
    """A step did not fit the device."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One batch size, tried: median step, seconds, and peak memory where it is known."""

    batch_size: int
    step_s: float
    peak_bytes: int | None

    @property
    def images_per_s(self) -> float:
        """Throughput."""
        return self.batch_size / self.step_s


@dataclass(frozen=True, slots=True)
class Search:
    """The batch size found, why the search ended there, and every trial."""

    batch_size: int
    ended_by: str
    trials: tuple[Trial, ...]


def first_batch(*, training: bool, gpu: bool) -> int:
    """Where the search starts."""
    if gpu:
        return FIRST_ON_GPU
    return FIRST_IN_TRAINING if training else 1


def saturating(
    attempt: Callable[[int], Trial],
    *,
    first: int,
    protocol: Protocol,
    model_bytes: int,
    usable_bytes: int,
) -> Search:
    """Find the batch size from which doubling gains less than protocol.saturation_gain.

    Where even the first does not fit, halves it until it does.

    Args:
        attempt: tries a batch size; raises OutOfMemory when it does not fit.
        first: the batch size to start at.
        protocol: gain, share of memory, largest batch, caps.
        model_bytes: what is held whatever the batch: a point at batch 0.
        usable_bytes: what the device has for this, the model included.

    Returns:
        ended_by is `saturated`, `memory`, `time` or `largest`.

    Raises:
        OutOfMemory: batch 1 does not fit.
    """
    best, refused = _first_that_fits(attempt, min(first, protocol.max_batch_size))
    trials = [best]
    while True:
        size = 2 * best.batch_size
        if refused:
            return Search(best.batch_size, "memory", tuple(trials))
        if size > protocol.max_batch_size:
            return Search(best.batch_size, "largest", tuple(trials))
        if 2 * best.step_s * protocol.min_samples > protocol.throughput_cap_s:
            return Search(best.batch_size, "time", tuple(trials))
        predicted = predicted_bytes(trials, size, model_bytes=model_bytes)
        if predicted is not None and predicted > protocol.memory_share * usable_bytes:
            return Search(best.batch_size, "memory", tuple(trials))
        try:
            trial = attempt(size)
        except OutOfMemory:
            return Search(best.batch_size, "memory", tuple(trials))
        trials.append(trial)
        if trial.images_per_s < (1 + protocol.saturation_gain) * best.images_per_s:
            return Search(best.batch_size, "saturated", tuple(trials))
        best = trial


def predicted_bytes(trials: Sequence[Trial], batch_size: int, *, model_bytes: int) -> int | None:
    """Peak memory at a batch size, on the line through the two latest trials.

    With one trial the line goes through the model's own memory at batch 0. None where a peak is
    unknown.
    """
    last = trials[-1]
    before = trials[-2] if len(trials) > 1 else Trial(0, 0.0, model_bytes)
    if last.peak_bytes is None or before.peak_bytes is None:
        return None
    slope = (last.peak_bytes - before.peak_bytes) / (last.batch_size - before.batch_size)
    return int(last.peak_bytes + max(0.0, slope) * (batch_size - last.batch_size))


def _first_that_fits(attempt: Callable[[int], Trial], size: int) -> tuple[Trial, bool]:
    """The first trial that fits, and whether a larger size was refused before it."""
    refused = False
    while True:
        try:
            return attempt(size), refused
        except OutOfMemory:
            if size == 1:
                raise
            size, refused = size // 2, True
