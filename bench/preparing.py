"""Builds the next model on the meta device in a helper thread, while the device measures."""

import sys
import threading

from bench import workloads
from bench.records import Workload

# Python hands its lock over after 5 ms by default: far too long for a thread that feeds a device.
_SWITCH_INTERVAL_S = 1e-4


class Preparer:
    """Prepares one model at a time. Nothing runs between `take` and the next `start`."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._key: tuple[str, int] | None = None
        self._model: workloads.Model | None = None
        self._interval_s = sys.getswitchinterval()

    def start(self, workload: Workload) -> None:
        """Begin to build the model of a workload; does nothing while another is being built."""
        if self._thread is not None:
            return
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._key = (workload.architecture, workload.image_size)
        self._thread = threading.Thread(
            target=self._build, args=self._key, name="prepare", daemon=True
        )
        self._thread.start()

    def take(self, workload: Workload) -> workloads.Model:
        """The model of a workload: the prepared one where it is that, else built now.

        Raises what building it raises.
        """
        if self._thread is not None:
            self._thread.join()
            sys.setswitchinterval(self._interval_s)
        key, model = self._key, self._model
        self._thread = self._key = self._model = None
        if model is not None and key == (workload.architecture, workload.image_size):
            return model
        return workloads.prepare(workload.architecture, workload.image_size)

    def _build(self, architecture: str, image_size: int) -> None:
        try:
            self._model = workloads.prepare(architecture, image_size)
        except Exception:  # noqa: BLE001 - take() builds it again, and raises where it is awaited
            self._model = None
