"""Where a run is made: everything that MEASUREMENT.md asks for. Unknown is None, never 0.

Precision, TF32, layout and compilation are the run's protocol, stored beside this.
"""

import math
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

from bench import nvml
from bench.records import Environment

_PROJECT = Path(__file__).resolve().parent.parent


def describe(device: torch.device, *, noise: float | None, gpu: nvml.Gpu | None) -> Environment:
    """The environment of measurements on a device.

    Args:
        device: a CPU, or a CUDA device that is up.
        noise: what the A/A test found (CPU), see bench.noise.
        gpu: NVML's view of a CUDA device, None where there is none.
    """
    cuda = device.type == "cuda"
    facts = gpu.facts() if gpu else {}
    cudnn = torch.backends.cudnn.version() if cuda else None
    properties = torch.cuda.get_device_properties(device) if cuda else None
    driver = facts.pop("driver", None)
    details: dict[str, Any] = {
        "python": platform.python_version(),
        "torchvision": _installed("torchvision"),
        "system": platform.platform(),
        "commit": commit(_PROJECT),
        "noise": noise,
        **_cpu_details(),
    }
    if properties is not None:
        details |= {
            "memory_bytes": properties.total_memory,
            "compute_capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            **facts,
        }
    return Environment(
        device=properties.name if properties else f"{cpu_name()} ({len(own_cores())} cores)",
        device_kind=device.type,
        torch=torch.__version__,
        cuda=torch.version.cuda if cuda else None,
        cudnn=None if cudnn is None else str(cudnn),
        driver=driver,
        timm=_installed("timm"),
        details=details,
    )


def cpu_name() -> str:
    """The processor's name for people."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "CPU"


def affinity() -> list[int] | None:
    """Logical processors that this process may use; None where the system does not say."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return None


def own_cores() -> list[int]:
    """The first logical processor of each physical core that this process may use."""
    allowed = affinity()
    if allowed is None:
        return list(range(psutil.cpu_count(logical=False) or os.cpu_count() or 1))
    return first_siblings(allowed, [_siblings(cpu) for cpu in allowed])


def first_siblings(allowed: Sequence[int], siblings: Sequence[str]) -> list[int]:
    """One logical processor for each group of siblings, the lowest.

    Args:
        allowed: logical processors, ascending.
        siblings: what names the core of each: the same text, the same core.
    """
    first: dict[str, int] = {}
    for cpu, core in zip(allowed, siblings, strict=True):
        first.setdefault(core, cpu)
    return sorted(first.values())


def default_threads() -> int:
    """Physical cores of the affinity mask, less where a container may use less than they give."""
    quota = cpu_quota()
    cores = len(own_cores())
    return cores if quota is None else max(1, min(cores, math.floor(quota)))


def cpu_quota(group: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Processors' worth of time that the control group allows; None without a limit."""
    with suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        if quota != "max":
            return int(quota) / int(period)
    return None


def pin_to_cores() -> None:
    """Keep this process off second hardware threads, before any library starts its own threads."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, own_cores())


def commit(folder: Path) -> str | None:
    """The commit of this project, with `+` where files differ from it; None outside of git."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+" if changed else head


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # git is found on the path, wherever it is installed
        ["git", "-C", str(folder), *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return done.stdout.strip()


def _cpu_details() -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "cpu_cores": len(own_cores()),
        "cpu_affinity": affinity(),
        "cpu_quota": cpu_quota(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "host_memory_bytes": psutil.virtual_memory().total,
    }


def _siblings(cpu: int) -> str:
    file = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return file.read_text().strip()
    except OSError:
        return str(cpu)


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
