"""What can be measured on here. Asks torch in a process of its own, so that this one needs none."""

import importlib.util
import json
import platform
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import InvalidRequest, NotAllowed
from bench.worker_process import ROOT

if TYPE_CHECKING:
    from bench import locks

# What an NVIDIA driver (on Linux, in WSL, on Jetson) or an AMD driver leaves for programs to find.
GPU_TRACES = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg", "/dev/nvhost-ctrl", "/dev/kfd")
PROBE_TIMEOUT_S = 180.0
# A failed look is worth repeating: somebody may have installed torch since.
FAILURE_HOLDS_S = 30.0

_PROBE = """
import json, torch
gpus = []
for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
    gpu = torch.cuda.get_device_properties(index)
    gpus.append({"index": index, "name": gpu.name, "uuid": str(gpu.uuid),
                 "memory_bytes": gpu.total_memory})
print(json.dumps({"torch": torch.__version__, "built_for": torch.version.cuda, "gpus": gpus}))
"""

_TIMM_NAMES = """
import json
from bench.torchvision_schemas import import_timm
print(json.dumps(import_timm().list_models()))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device. id is what a request names; lock is what excludes two runs on it.

    reason says in one sentence why it cannot be used, None when it can. executor is what measures
    on it (see bench.executors).
    """

    id: str
    kind: str
    name: str
    lock: str
    memory_bytes: int | None = None
    reason: str | None = None
    executor: str = "local"

    @property
    def usable(self) -> bool:
        """Whether a run can be started on it."""
        return self.reason is None


def devices(*, refresh: bool = False) -> list[Device]:
    """Everything here that could measure, the first one that can first: GPUs, then the CPU.

    The first call takes some seconds, for torch is imported in another process; what it found is
    kept as long as this process lives, unless refresh.
    """
    with _lock:
        known = _memory.get("devices")
        if known is None or refresh or time.monotonic() > known[0]:
            found, holds_s = _look()
            known = _memory["devices"] = (time.monotonic() + holds_s, found)
        return list(known[1])


_memory: dict[str, tuple[float, list[Device]]] = {}
_names: set[str] = set()
_lock = threading.Lock()


def check_device(name: str) -> Device:
    """The device of this id. Raises InvalidRequest: there is none; NotAllowed: it is not usable."""
    found = devices()
    device = next((d for d in found if d.id == name), None)
    if device is None:
        raise InvalidRequest(
            f"there is no device {name!r} here: {', '.join(d.id for d in found)} can be asked for"
        )
    if device.reason:
        raise NotAllowed(f"{device.name} cannot be used: {device.reason}.")
    return device


def busy(device: Device, holder: "locks.Holder | None") -> str:
    """The sentence for a device that a run holds."""
    run = holder.run if holder and holder.run else "another run"
    return f"{device.name} is busy with run {run}: wait for it, or cancel it."


def _look() -> tuple[list[Device], float]:
    """The devices, and for how many seconds this answer holds."""
    missing = [name for name in ("torch", "timm") if importlib.util.find_spec(name) is None]
    if missing:
        return [_cpu(f"{' and '.join(missing)} not installed: see requirements.txt")], (
            FAILURE_HOLDS_S
        )
    if not _gpu_is_possible():
        return [_cpu(None)], float("inf")
    answer = _ask(_PROBE)
    if isinstance(answer, str):
        return [_cpu(f"torch cannot be imported: {answer}")], FAILURE_HOLDS_S
    gpus = [
        Device(
            id=f"cuda:{gpu['index']}",
            kind="cuda",
            name=gpu["name"],
            lock=gpu["uuid"],
            memory_bytes=gpu["memory_bytes"],
        )
        for gpu in answer["gpus"]
    ]
    if gpus:
        return [*gpus, _cpu(None)], float("inf")
    return [_cpu(None), *_unused_gpus(answer)], float("inf")


def _gpu_is_possible() -> bool:
    """Whether torch is worth asking: importing it takes seconds and 300 MB."""
    return sys.platform != "linux" or any(Path(trace).exists() for trace in GPU_TRACES)


def _cpu(reason: str | None) -> Device:
    return Device(id="cpu", kind="cpu", name=_cpu_name(), lock="cpu", reason=reason)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _unused_gpus(answer: dict[str, Any]) -> list[Device]:
    """NVIDIA GPUs whose driver is there and that torch does not see, with the likely reason."""
    reason = (
        f"torch {answer['torch']} was built without CUDA: install the CUDA build"
        if answer["built_for"] is None
        else f"torch {answer['torch']} (CUDA {answer['built_for']}) finds no GPU: is the driver "
        "new enough, and is CUDA_VISIBLE_DEVICES set?"
    )
    found = []
    for index, file in enumerate(sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        facts = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
        found.append(
            Device(
                id=f"cuda:{index}",
                kind="cuda",
                name=facts.get("Model", "NVIDIA GPU"),
                lock=facts.get("GPU UUID", f"cuda:{index}"),
                reason=reason,
            )
        )
    return found


def timm_names() -> frozenset[str]:
    """Every architecture that the installed timm has; empty when it cannot be asked."""
    with _lock:
        if not _names:
            answer = _ask(_TIMM_NAMES)
            _names.update(() if isinstance(answer, str) else answer)
        return frozenset(_names)


def _ask(program: str) -> Any:
    """The JSON that a Python program prints; its last line of error as a text when it fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_TIMEOUT_S,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        return (error.stderr.strip().splitlines() or [f"exit status {error.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        return f"no answer in {PROBE_TIMEOUT_S:.0f} s"
    except (ValueError, IndexError):
        return "it printed something unexpected"
