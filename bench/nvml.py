"""NVIDIA's management library, as far as a measurement needs it. No torch.

Every figure is None where the driver, the card or a container does not give it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Why the clocks are lower than they could be (nvml.h, nvmlClocksEventReasons).
POWER_CAP = 0x04
SLOWDOWNS = 0x08 | 0x20 | 0x40 | 0x80  # hardware, software thermal, hardware thermal, power brake


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A GPU's state at one moment."""

    sm_clock_hz: float | None = None
    memory_clock_hz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    reasons: int | None = None


class Gpu:
    """One NVIDIA GPU, by NVML."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._nvml = library
        self._handle = handle

    def _ask(self, function: str, *arguments: int) -> Any:
        """What NVML answers about this GPU; None where it cannot."""
        ask: Callable[..., Any] = getattr(self._nvml, function)
        try:
            return ask(self._handle, *arguments)
        except self._nvml.NVMLError:
            return None

    def facts(self) -> dict[str, Any]:
        """What does not change while a run lasts; None where unknown. SI units."""
        ecc = self._ask("nvmlDeviceGetEccMode")
        mig = self._ask("nvmlDeviceGetMigMode")
        persistence = self._ask("nvmlDeviceGetPersistenceMode")
        limit = self._ask("nvmlDeviceGetPowerManagementLimit")
        try:
            driver = self._nvml.nvmlSystemGetDriverVersion()
        except self._nvml.NVMLError:
            driver = None
        return {
            "driver": driver,
            "power_limit_w": _scaled(limit, 1e-3),
            "max_sm_clock_hz": self._clock("nvmlDeviceGetMaxClockInfo", "NVML_CLOCK_SM"),
            "max_memory_clock_hz": self._clock("nvmlDeviceGetMaxClockInfo", "NVML_CLOCK_MEM"),
            "ecc": None if ecc is None else bool(ecc[0]),
            "mig": None if mig is None else bool(mig[0]),
            "persistence_mode": None if persistence is None else bool(persistence),
        }

    def reading(self) -> Reading:
        """The GPU's state now."""
        return Reading(
            sm_clock_hz=self._clock("nvmlDeviceGetClockInfo", "NVML_CLOCK_SM"),
            memory_clock_hz=self._clock("nvmlDeviceGetClockInfo", "NVML_CLOCK_MEM"),
            power_w=_scaled(self._ask("nvmlDeviceGetPowerUsage"), 1e-3),
            temperature_c=self._ask("nvmlDeviceGetTemperature", self._nvml.NVML_TEMPERATURE_GPU),
            # The name that drivers before 535 have as well.
            reasons=self._ask("nvmlDeviceGetCurrentClocksThrottleReasons"),
        )

    def energy_j(self) -> float | None:
        """Energy since the driver was loaded (Volta and newer)."""
        return _scaled(self._ask("nvmlDeviceGetTotalEnergyConsumption"), 1e-3)

    def processes(self) -> frozenset[int] | None:
        """Process ids that compute on this GPU, as the host numbers them."""
        found = self._ask("nvmlDeviceGetComputeRunningProcesses")
        return None if found is None else frozenset(process.pid for process in found)

    def _clock(self, function: str, which: str) -> float | None:
        return _scaled(self._ask(function, getattr(self._nvml, which)), 1e6)


def open_gpu(uuid: str) -> Gpu | None:
    """The GPU of this UUID (`GPU-...`, as torch or NVML writes it).

    None where NVML is not installed, finds no driver, or does not know the GPU.
    """
    try:
        import pynvml  # noqa: PLC0415 - not there on machines without NVIDIA's tools
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        name = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        return Gpu(pynvml, pynvml.nvmlDeviceGetHandleByUUID(name))
    except pynvml.NVMLError:
        return None


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
