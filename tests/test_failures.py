"""From what a model raises to the outcome of its row."""

import pytest
import torch

from bench import failures
from bench.batch_size import OutOfMemory
from bench.workloads import Unsupported


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (MemoryError(), "out_of_memory"),
        (OutOfMemory("out of memory at batch 1"), "out_of_memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_memory"),
        (RuntimeError("CUDA error: out of memory"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "out_of_memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "out_of_memory"),
        (failures.NotFinite("the output holds NaN or infinity"), "not_finite"),
        (Unsupported("no such thing"), "unsupported"),
        (NotImplementedError("later"), "unsupported"),
        (RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'"), "unsupported"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "crashed"),
        (AssertionError("Input height (10) doesn't match model (224)."), "crashed"),
        (KeyError("x"), "crashed"),
    ],
)
def test_every_exception_has_one_outcome(error: Exception, outcome: str) -> None:
    assert failures.outcome_of(error) == outcome


def test_a_message_is_one_bounded_line_that_names_what_others_raised() -> None:
    assert failures.sentence(ValueError("first\n  second")) == "ValueError: first second"
    assert failures.sentence(KeyError()) == "KeyError: no message"
    assert failures.sentence(Unsupported("not here")) == "not here"
    assert len(failures.sentence(RuntimeError("x" * 10_000))) == 300
