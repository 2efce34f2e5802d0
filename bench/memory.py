"""How much memory a workload takes, how much there is, and giving it back.

The host's own figures come from Linux: the peak of the resident set can be reset there, so that it
belongs to one workload. Where that is not possible the peak is None, never a guess.
"""

import ctypes
import gc
from contextlib import suppress
from pathlib import Path
from typing import Protocol as Interface

import psutil
import torch

# A process that keeps this share of the device after a model is gone should be replaced.
LEAK_SHARE = 0.02

_OWN = Path("/proc/self")
_CGROUP = Path("/sys/fs/cgroup")


class Memory(Interface):
    """The memory of one device, as one process sees it."""

    def total_bytes(self) -> int:
        """All there is."""

    def usable_bytes(self) -> int:
        """What workloads may take: free now, and what they hold already."""

    def settle(self) -> None:
        """Take what is held now for this process's own: code, libraries, contexts."""

    def leaked_bytes(self) -> int:
        """What is held above that; asked when no model is there."""

    def reset_peak(self) -> None:
        """Let the next `peak_bytes` speak of what follows."""

    def peak_bytes(self) -> int | None:
        """The most that the model held since `reset_peak`; None where unknown."""

    def trim(self) -> None:
        """Give back what no tensor uses."""

    def release(self) -> None:
        """As `trim`, when no model is there: what follows belongs to the next one."""


class HostMemory:
    """Main memory: the resident set of this process."""

    def __init__(self) -> None:
        self._settled = self._released = _resident_bytes()
        self._was_reset = False

    def total_bytes(self) -> int:
        """See Memory; a container's limit where that is less."""
        return min([psutil.virtual_memory().total, *_container_limits()])

    def usable_bytes(self) -> int:
        """See Memory."""
        own = _resident_bytes()
        free = psutil.virtual_memory().available
        for limit in _container_limits():
            free = min(free, limit - own)
        return max(0, free) + max(0, own - self._released)

    def settle(self) -> None:
        """See Memory."""
        self.release()
        self._settled = self._released

    def leaked_bytes(self) -> int:
        """See Memory."""
        return max(0, _resident_bytes() - self._settled)

    def reset_peak(self) -> None:
        """See Memory."""
        self._was_reset = False
        # Linux: "5" resets the peak of the resident set (man 5 proc_pid_clear_refs).
        with suppress(OSError):
            (_OWN / "clear_refs").write_text("5")
            self._was_reset = True

    def peak_bytes(self) -> int | None:
        """See Memory."""
        if not self._was_reset:
            return None
        for line in (_OWN / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return max(0, int(line.split()[1]) * 1024 - self._released)
        return None

    def trim(self) -> None:
        """See Memory."""
        gc.collect()
        # glibc keeps freed blocks; other C libraries have no such function and keep less.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)

    def release(self) -> None:
        """See Memory."""
        self.trim()
        self._released = _resident_bytes()


class CudaMemory:
    """A CUDA device's memory, through PyTorch's caching allocator."""

    def __init__(self) -> None:
        self._settled = torch.cuda.memory_reserved()

    def total_bytes(self) -> int:
        """See Memory."""
        return int(torch.cuda.mem_get_info()[1])

    def usable_bytes(self) -> int:
        """See Memory."""
        return int(torch.cuda.mem_get_info()[0]) + torch.cuda.memory_reserved()

    def settle(self) -> None:
        """See Memory."""
        self.release()
        self._settled = torch.cuda.memory_reserved()

    def leaked_bytes(self) -> int:
        """See Memory; what other processes take is not asked."""
        return max(0, torch.cuda.memory_reserved() - self._settled)

    def reset_peak(self) -> None:
        """See Memory."""
        torch.cuda.reset_peak_memory_stats()

    def peak_bytes(self) -> int | None:
        """See Memory."""
        return torch.cuda.max_memory_allocated()

    def trim(self) -> None:
        """See Memory."""
        gc.collect()
        torch.cuda.empty_cache()

    def release(self) -> None:
        """See Memory."""
        self.trim()


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def _container_limits() -> list[int]:
    """The memory limit of this process's control group (version 2), if there is one."""
    limits = []
    with suppress(OSError):
        for line in (_OWN / "cgroup").read_text().splitlines():
            path = _CGROUP / line.rpartition("::")[2].lstrip("/") / "memory.max"
            with suppress(OSError, ValueError):
                limits.append(int(path.read_text()))
    return limits
