"""Workload after workload: which model is on the device, and what becomes of what goes wrong.

A model is built (or was prepared meanwhile, or is still there from the workload before), placed,
measured, and dropped when the next workload is of another kind. Any exception becomes a row with an
outcome; none is lost and none ends the process.
"""

import gc
import logging

from bench import failures, workloads
from bench.measuring import Announce, Device, Run
from bench.memory import LEAK_SHARE
from bench.preparing import Preparer
from bench.records import Measurement, Protocol, Workload, utc_now
from bench.torchvision_schemas import import_timm

_log = logging.getLogger(__name__)

# The longest silence: importing timm, or building the largest models on a slow host.
_BUILD_S = 300.0


class Measurer:
    """Measures workload after workload; inference keeps the model for the next of the same kind."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._preparer = Preparer()
        self._held: tuple[str, int, Protocol, workloads.Model] | None = None
        self._settled = False

    def measure(
        self,
        workload: Workload,
        protocol: Protocol,
        *,
        following: Workload | None,
        announce: Announce,
    ) -> Measurement:
        """Measure one workload; what a model raises becomes the outcome.

        Args:
            workload: what.
            protocol: how.
            following: what will be asked next; prepared meanwhile where that disturbs nothing.
            announce: told about every phase before it begins.
        """
        announce("build", _BUILD_S)
        self._settle()
        self._device.use_threads(protocol.threads)
        run = Run(
            workload=workload,
            protocol=protocol,
            device=self._device,
            announce=announce,
            prepare_next=lambda: self._prepare(following, workload),
        )
        row = self._attempt(run, ordinarily=False)
        if isinstance(row, Exception) and _our_values_may_be_why(row, self._held):
            _log.warning("%s: once more, as its constructor fills it", workload)
            self.forget()
            announce("build", _BUILD_S)
            row = self._attempt(run, ordinarily=True)
        if isinstance(row, Exception) or following is None or not _same(following, workload):
            self.forget()
        if isinstance(row, Exception):
            row = Measurement(
                workload=workload,
                outcome=failures.outcome_of(row),
                message=failures.sentence(row),
                measured_at=utc_now(),
                batch_size=workload.batch_size,
            )
        return row

    def forget(self) -> None:
        """Drop the model and give its memory back."""
        if self._held is not None and self._held[2].compiled != "eager":
            workloads.forget_compiled()
        self._held = None
        self._device.memory.release()

    def unfit(self) -> str | None:
        """Why this process should be replaced before the next workload; None when it is sound."""
        memory = self._device.memory
        if broken := self._device.broken():
            return f"the CUDA context is broken: {broken}"
        if self._held is None and (leaked := memory.leaked_bytes()) > (
            LEAK_SHARE * memory.total_bytes()
        ):
            return f"{leaked / 2**20:.0f} MiB were not given back"
        return None

    def _settle(self) -> None:
        if not self._settled:
            import_timm()
            # What is there now stays: collecting garbage between models need not look at it.
            gc.freeze()
            self._device.memory.settle()
            self._settled = True

    def _attempt(self, run: Run, *, ordinarily: bool) -> Measurement | Exception:
        try:
            return run.measurement(self._model(run, ordinarily=ordinarily))
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its row's outcome
            expected = failures.outcome_of(error) != "crashed"
            _log.warning("%s: %s", run.workload, error, exc_info=not expected)
            # Its frames hold tensors.
            return error.with_traceback(None)

    def _model(self, run: Run, *, ordinarily: bool) -> workloads.Model:
        """The model on the device: the held one, the prepared one, or a new one."""
        workload, protocol = run.workload, run.protocol
        key = (workload.architecture, workload.image_size, protocol)
        if self._held is not None and self._held[:3] == key and workload.measure != "training":
            return self._held[3]
        self.forget()
        model = (
            workloads.prepare_ordinarily(workload.architecture, workload.image_size)
            if ordinarily
            else self._preparer.take(workload)
        )
        run.check_that_parameters_fit(model)
        model = workloads.place(model, self._device.torch_device, protocol)
        self._held = (*key, model)
        return model

    def _prepare(self, following: Workload | None, workload: Workload) -> None:
        if following is not None and not _same(following, workload):
            self._preparer.start(following)


def _same(one: Workload, other: Workload) -> bool:
    return (one.architecture, one.image_size) == (other.architecture, other.image_size)


def _our_values_may_be_why(
    error: Exception, held: tuple[str, int, Protocol, workloads.Model] | None
) -> bool:
    """Whether the model was built on meta and failed at something but memory."""
    return (
        held is not None
        and held[3].constructed == "meta"
        and not failures.is_out_of_memory(error)
        and not isinstance(error, workloads.Unsupported)
    )
