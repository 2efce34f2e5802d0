"""What only a CUDA GPU can show; skipped where there is none."""

import itertools

import pytest
import torch

from bench import timing, worker
from bench.measurer import Measurer
from bench.memory import CudaMemory
from bench.records import Protocol, Workload

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")

SQUARE = 4096


def multiply(times: int):
    """A step that multiplies so often, and marks after each but the last."""
    square = torch.randn(SQUARE, SQUARE, device="cuda")

    def step(mark: timing.Mark) -> None:
        for turn in range(times):
            square @ square
            if turn < times - 1:
                mark()

    return step


def test_events_time_the_device_and_the_parts_make_up_the_whole() -> None:
    clock = timing.CudaClock()
    step = multiply(3)
    clock.block(step, 10)
    block = clock.block(step, 10)
    assert block.device_s > 0
    assert block.host_s >= 0.9 * block.device_s
    assert len(block.parts_s) == 10
    assert sum(map(sum, block.parts_s)) == pytest.approx(block.device_s, rel=0.05)


def test_a_latency_is_not_shorter_than_the_devices_time() -> None:
    clock = timing.CudaClock()
    step = multiply(1)
    clock.block(step, 10)
    assert clock.latency(step) > 0.8 * clock.block(step, 10).device_s / 10


def test_large_work_is_not_launch_bound_and_tiny_work_is() -> None:
    clock = timing.CudaClock()
    large = multiply(3)
    tiny = torch.zeros(1, device="cuda")

    def launches(mark: timing.Mark) -> None:
        for _ in range(100):
            tiny.add_(1)

    for step in (large, launches):
        clock.block(step, 3)
    small, great = clock.host_device_ratio(large), clock.host_device_ratio(launches)
    assert small is not None
    assert great is not None
    assert small < 0.5
    assert great > 1.0


def test_the_peak_of_device_memory_is_that_of_the_tensors() -> None:
    memory = CudaMemory()
    memory.settle()
    memory.reset_peak()
    before = memory.peak_bytes()
    block = torch.empty(64 * 2**20, dtype=torch.uint8, device="cuda")
    after = memory.peak_bytes()
    assert before is not None
    assert after is not None
    assert after - before == block.numel()
    del block
    memory.trim()
    assert memory.leaked_bytes() == 0
    assert memory.usable_bytes() <= memory.total_bytes()


@pytest.mark.parametrize("precision", ["fp32", "amp-fp16", "bf16"])
@pytest.mark.parametrize("measure", ["latency", "throughput", "training"])
def test_a_model_is_measured_on_the_gpu(measure: str, precision: str) -> None:
    device, environment = worker.open_device("cuda")
    assert environment.device_kind == "cuda"
    assert environment.driver or environment.cuda
    row = Measurer(device).measure(
        Workload(architecture="resnet18", image_size=224, measure=measure),
        Protocol(precision=precision, max_batch_size=64),
        following=Workload(architecture="resnet34", image_size=224, measure=measure),
        announce=lambda _phase, _deadline_s: None,
    )
    assert (row.outcome, row.message) == ("ok", None)
    assert row.host_device_ratio is not None
    assert row.peak_memory_bytes is not None
    assert row.peak_memory_bytes > 0


def test_repeats_agree_within_two_percent() -> None:
    device, _ = worker.open_device("cuda")
    measurer = Measurer(device)
    medians = []
    for _ in range(3):
        row = measurer.measure(
            Workload(architecture="resnet50", image_size=224, measure="throughput", batch_size=64),
            Protocol(precision="amp-fp16"),
            following=None,
            announce=lambda _phase, _deadline_s: None,
        )
        medians.append(sorted(row.samples_s)[len(row.samples_s) // 2])
    assert all(a == pytest.approx(b, rel=0.02) for a, b in itertools.pairwise(medians))
