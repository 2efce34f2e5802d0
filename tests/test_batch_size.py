"""The saturating batch size on devices that are described, not owned."""

import pytest

from bench import batch_size
from bench.batch_size import OutOfMemory, Trial
from bench.records import Protocol

GIB = 2**30


def device(
    *, step_s=lambda size: 0.001 + 0.0001 * size, image_bytes=2**20, model_bytes=GIB, fits=10**9
):
    """A device with a step time and a linear memory; beyond `fits` images memory runs out."""
    tried: list[int] = []

    def attempt(size: int) -> Trial:
        tried.append(size)
        if size > fits:
            raise OutOfMemory(f"out of memory at batch {size}")
        return Trial(size, step_s(size), model_bytes + image_bytes * size)

    return attempt, tried


DEFAULT = Protocol()


def search(attempt, *, first=1, protocol=DEFAULT, usable_bytes=1000 * GIB, model_bytes=GIB):
    return batch_size.saturating(
        attempt,
        first=first,
        protocol=protocol,
        model_bytes=model_bytes,
        usable_bytes=usable_bytes,
    )


def test_it_doubles_until_the_gain_is_under_three_percent() -> None:
    # images/s = b / (0.001 + 0.0001 b): from 256 to 512 it grows by 1.9 %, from 128 by 3.8 %
    attempt, tried = device()
    found = search(attempt)
    assert (found.batch_size, found.ended_by) == (256, "saturated")
    assert tried == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


def test_a_device_that_gains_nothing_stays_at_the_first_batch() -> None:
    attempt, tried = device(step_s=lambda size: 0.01 * size)
    assert search(attempt).batch_size == 1
    assert tried == [1, 2]


def test_predicted_memory_ends_it_before_memory_does() -> None:
    # 1 GiB of model and 1 GiB an image: 8 images need 9 GiB of 10, more than 85 %
    attempt, tried = device(step_s=lambda _: 0.001, image_bytes=GIB)
    found = search(attempt, usable_bytes=10 * GIB)
    assert (found.batch_size, found.ended_by) == (4, "memory")
    assert tried == [1, 2, 4]


def test_running_out_after_all_keeps_the_last_batch_that_fitted() -> None:
    attempt, tried = device(step_s=lambda _: 0.001, fits=10)
    found = search(attempt)
    assert (found.batch_size, found.ended_by) == (8, "memory")
    assert tried[-1] == 16


def test_a_first_batch_that_does_not_fit_is_halved_until_it_does_and_not_doubled_again() -> None:
    attempt, tried = device(step_s=lambda _: 0.001, fits=5)
    found = search(attempt, first=16)
    assert (found.batch_size, found.ended_by) == (4, "memory")
    assert tried == [16, 8, 4]


def test_batch_one_that_does_not_fit_is_out_of_memory() -> None:
    attempt, _ = device(fits=0)
    with pytest.raises(OutOfMemory):
        search(attempt, first=16)


def test_a_step_too_slow_for_seven_samples_within_the_cap_is_not_doubled() -> None:
    # 7 steps of twice 0.3 s are more than 3 s; no gain is even asked for
    attempt, tried = device(step_s=lambda _: 0.3)
    found = search(attempt)
    assert (found.batch_size, found.ended_by) == (1, "time")
    assert tried == [1]


def test_the_largest_batch_of_the_protocol_is_kept() -> None:
    attempt, tried = device(step_s=lambda _: 0.001)
    found = search(attempt, protocol=Protocol(max_batch_size=24))
    assert (found.batch_size, found.ended_by) == (16, "largest")
    assert max(tried) == 16
    attempt, tried = device(step_s=lambda _: 0.001)
    assert search(attempt, first=16, protocol=Protocol(max_batch_size=5)).batch_size == 5


def test_memory_is_predicted_on_the_line_through_the_two_latest_trials() -> None:
    trials = [Trial(1, 0.1, 500), Trial(2, 0.1, 600), Trial(4, 0.1, 800)]
    assert batch_size.predicted_bytes(trials, 8, model_bytes=0) == 1200
    assert batch_size.predicted_bytes(trials[:1], 3, model_bytes=400) == 700


def test_unknown_memory_predicts_nothing_and_stops_nothing() -> None:
    assert batch_size.predicted_bytes([Trial(1, 0.1, None)], 2, model_bytes=0) is None
    found = batch_size.saturating(
        lambda size: Trial(size, 0.001 + 0.0001 * size, None),
        first=1,
        protocol=Protocol(),
        model_bytes=0,
        usable_bytes=1,
    )
    assert found.ended_by == "saturated"


def test_memory_that_shrinks_between_trials_is_not_extrapolated_downwards() -> None:
    trials = [Trial(1, 0.1, 900), Trial(2, 0.1, 600)]
    assert batch_size.predicted_bytes(trials, 64, model_bytes=0) == 600


def test_a_gpu_starts_at_sixteen_and_training_never_at_one() -> None:
    assert batch_size.first_batch(training=False, gpu=True) == 16
    assert batch_size.first_batch(training=True, gpu=False) == 2
    assert batch_size.first_batch(training=False, gpu=False) == 1
