"""From an exception to an outcome and one sentence."""

import re

import torch

from bench.batch_size import OutOfMemory
from bench.workloads import Unsupported

_LONGEST = 300

# What PyTorch, cuDNN and cuBLAS say when memory ran out, apart from torch.OutOfMemoryError.
_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
# An operator that this device does not have at this precision, or that the compiler cannot do.
_UNSUPPORTED = re.compile(
    r"not implemented for '\w+'|Could not run '.*' with arguments from the|InvalidCxxCompiler"
)


class NotFinite(Exception):
    """The model's output holds NaN or infinity."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory is what was missing."""
    if isinstance(error, (OutOfMemory, MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY)


def outcome_of(error: BaseException) -> str:
    """The outcome that an exception stands for."""
    if is_out_of_memory(error):
        return "out_of_memory"
    if isinstance(error, NotFinite):
        return "not_finite"
    if isinstance(error, (Unsupported, NotImplementedError)) or _UNSUPPORTED.search(str(error)):
        return "unsupported"
    return "crashed"


def sentence(error: BaseException) -> str:
    """An exception as one line: its own words where they are a sentence, else with its name."""
    text = " ".join(str(error).split()) or "no message"
    if not isinstance(error, (Unsupported, NotFinite, OutOfMemory)):
        text = f"{type(error).__name__}: {text}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
