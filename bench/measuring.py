"""One workload -> one measurement, on a device that is up: everything between the two.

The order: build the model (or take what was prepared, or what the workload before left), place it,
find the batch size where none is given, run one step and look at its output, time, describe. Any
exception becomes a row with an outcome; none is lost and none ends the process.
"""

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from bench import batch_size, failures, timing, watch, workloads
from bench.memory import LEAK_SHARE, Memory
from bench.preparing import Preparer
from bench.records import Measurement, Protocol, Workload, utc_now
from bench.torchvision_schemas import import_timm

_log = logging.getLogger(__name__)

# Says what happens next and for how many seconds at most nothing more will be heard.
Announce = Callable[[str, float], None]

# A model is prepared beside a measurement only where the host has half of its time left.
_SLACK = 0.5
# Longest silences. Importing timm and building the largest models takes a minute on a slow host; a
# first step chooses algorithms or compiles.
_BUILD_S = 300.0
_FIRST_STEP_S = 600.0
_COMPILE_S = 1800.0
# A trial of a batch size takes so many rounds, and so long at least.
_TRIAL_ROUNDS = 3
_TRIAL_S = 0.06
# Weights, gradients and momentum.
_COPIES_IN_TRAINING = 3


@dataclass(frozen=True, slots=True)
class Device:
    """A device that is up: its clock, its memory, who watches it, and its A/A noise (CPU)."""

    torch_device: torch.device
    clock: timing.Clock
    memory: Memory
    watch: watch.Watch
    threads: int
    noise: float | None = None

    @property
    def gpu(self) -> bool:
        """Whether the host is free while it works, and running out of memory is no death."""
        return self.torch_device.type != "cpu"


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
        torch.set_num_threads(protocol.threads or self._device.threads)
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
        self._held = None
        self._device.memory.release()

    def unfit(self) -> str | None:
        """Why this process should be replaced before the next workload; None when it is sound."""
        memory = self._device.memory
        if self._device.gpu:
            try:
                torch.cuda.synchronize()
            except RuntimeError as error:
                return f"the CUDA context is broken: {failures.sentence(error)}"
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

    def _attempt(self, run: "Run", *, ordinarily: bool) -> Measurement | Exception:
        try:
            return run.measurement(self._model(run, ordinarily=ordinarily))
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its row's outcome
            expected = failures.outcome_of(error) != "crashed"
            _log.warning("%s: %s", run.workload, error, exc_info=not expected)
            # Its frames hold tensors.
            return error.with_traceback(None)

    def _model(self, run: "Run", *, ordinarily: bool) -> workloads.Model:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One workload's way through the device."""

    workload: Workload
    protocol: Protocol
    device: Device
    announce: Announce
    prepare_next: Callable[[], None]

    @property
    def training(self) -> bool:
        """Whether steps train."""
        return self.workload.measure == "training"

    def measurement(self, model: workloads.Model) -> Measurement:
        """The workload's row. Raises what the model raises."""
        model.module.train(self.training)
        with workloads.circumstances(
            self.device.torch_device, self.protocol, training=self.training
        ):
            search = None
            size = self.workload.batch_size
            if size is None:
                search = self.saturating(model)
                size = search.batch_size
            else:
                self.check_that_it_fits(model, size)
            row = self.timed_or_none(model, size)
            if row is None:
                if size == 1:
                    raise batch_size.OutOfMemory("out of memory at batch 1")
                row = self.timed(model, size // 2)
                row = replace(
                    row, message=f"out of memory at batch {size}, measured at {size // 2}"
                )
        if search is not None:
            row.details["batch_search"] = {
                "ended_by": search.ended_by,
                "images_per_s": {str(t.batch_size): t.images_per_s for t in search.trials},
            }
        return row

    def timed_or_none(self, model: workloads.Model, size: int) -> Measurement | None:
        """As `timed`; None when memory ran out."""
        try:
            return self.timed(model, size)
        except Exception as error:
            if not failures.is_out_of_memory(error):
                raise
        # Only here, out of the handler, are the failed step's tensors free.
        model.module.zero_grad(set_to_none=True)
        self.device.memory.release()
        return None

    def timed(self, model: workloads.Model, size: int) -> Measurement:
        """The row at one batch size."""
        device, latency = self.device, self.workload.measure == "latency"
        compiles = self.protocol.compiled != "eager"
        self.announce("compile" if compiles else "first step", _first_step_s(compiles=compiles))
        work = self.work(model, size, workloads.compiled(model.module, self.protocol))
        device.memory.reset_peak()
        first = self.first_step(work)
        second = device.clock.block(work.step, 1) if compiles else first
        ratio = device.clock.host_device_ratio(work.step)
        if not latency and ratio is not None and ratio < _SLACK:
            self.prepare_next()
        seen, result = self.watched(work, second.device_s, latency=latency)
        flags = [*result.flags, *seen.flags]
        if ratio is not None and ratio > timing.LAUNCH_BOUND:
            flags.append("launch_bound")
        forward_s, backward_s, optimiser_s = result.parts_s or (None, None, None)
        return Measurement(
            workload=self.workload,
            outcome="ok",
            measured_at=utc_now(),
            flags=tuple(flags),
            batch_size=size,
            samples_s=result.samples_s,
            forward_s=forward_s,
            backward_s=backward_s,
            optimiser_s=optimiser_s,
            peak_memory_bytes=device.memory.peak_bytes(),
            parameters=model.parameters,
            compile_s=max(0.0, first.host_s - second.host_s) if compiles else None,
            energy_per_image_j=seen.energy_j,
            host_device_ratio=ratio,
            details={
                "constructed": model.constructed,
                "steps_per_sample": result.steps_per_sample,
                "stopped_by": result.stopped_by,
                "warm_up_steps": result.warm_up_steps,
                "warm_up_s": result.warm_up_s,
                "threads": torch.get_num_threads() if not device.gpu else None,
                **seen.details,
            },
        )

    def watched(
        self, work: workloads.Work, first_s: float, *, latency: bool
    ) -> tuple[watch.Seen, timing.Timing]:
        """Time it while the watch looks on; once more after a thermal or hardware slowdown."""
        self.announce("measure", self.measure_deadline_s(first_s))
        seen, result = self.look(work, first_s, latency=latency)
        if "throttled" in seen.flags:
            self.announce("cool down", watch.COOL_DOWN_S + 30)
            watch.cool_down(self.device.watch)
            self.announce("measure", self.measure_deadline_s(first_s))
            seen, result = self.look(work, first_s, latency=latency)
        return seen, result

    def look(
        self, work: workloads.Work, first_s: float, *, latency: bool
    ) -> tuple[watch.Seen, timing.Timing]:
        """Time it once while the watch looks on; energy is per image."""
        self.device.watch.start()
        try:
            result = timing.measure(
                work.step,
                self.device.clock,
                first_s=first_s,
                latency=latency,
                protocol=self.protocol,
                noise=self.device.noise or 0.0,
            )
        finally:
            seen = self.device.watch.stop()
        images = (result.steps + result.warm_up_steps - 1) * work.batch_size
        energy_j = None if seen.energy_j is None else seen.energy_j / images
        return replace(seen, energy_j=energy_j), result

    def saturating(self, model: workloads.Model) -> batch_size.Search:
        """The batch size to measure at."""
        copies = _COPIES_IN_TRAINING if self.training else 1
        return batch_size.saturating(
            lambda size: self.trial(model, size),
            first=batch_size.first_batch(training=self.training, gpu=self.device.gpu),
            protocol=self.protocol,
            model_bytes=copies * workloads.parameter_bytes(model, self.protocol),
            usable_bytes=self.device.memory.usable_bytes(),
        )

    def trial(self, model: workloads.Model, size: int) -> batch_size.Trial:
        """A few rounds at one batch size, not compiled. Raises OutOfMemory."""
        self.announce("batch size", _FIRST_STEP_S)
        clock, memory = self.device.clock, self.device.memory
        try:
            work = self.work(model, size, model.module)
            memory.reset_peak()
            step_s = self.first_step(work).device_s
            rounds: list[float] = []
            elapsed_s = 0.0
            while len(rounds) < _TRIAL_ROUNDS or elapsed_s < _TRIAL_S:
                block = clock.block(work.step, timing.steps_for(step_s, self.protocol))
                step_s = block.device_s / block.steps
                rounds.append(step_s)
                elapsed_s += block.device_s
                if elapsed_s > self.protocol.throughput_cap_s / self.protocol.min_samples:
                    break
            # The least of a few: noise only ever adds.
            return batch_size.Trial(size, min(rounds), memory.peak_bytes())
        except Exception as error:
            if not failures.is_out_of_memory(error):
                raise
        model.module.zero_grad(set_to_none=True)
        memory.release()
        raise batch_size.OutOfMemory(f"out of memory at batch {size}")

    def first_step(self, work: workloads.Work) -> timing.Block:
        """One step, after which the output must be finite."""
        block = self.device.clock.block(work.step, 1)
        if not workloads.all_finite(work.output):
            what = "the loss" if self.training else "the output"
            raise failures.NotFinite(f"{what} holds NaN or infinity")
        return block

    def work(self, model: workloads.Model, size: int, forward: workloads.Forward) -> workloads.Work:
        """What steps through a batch of this size."""
        batch = workloads.images(
            model, size, device=self.device.torch_device, protocol=self.protocol
        )
        if not self.training:
            return workloads.Inference(forward, batch)
        parameters = model.module.parameters()
        return workloads.Training(forward, batch, parameters=parameters, protocol=self.protocol)

    def check_that_parameters_fit(self, model: workloads.Model) -> None:
        """Raise OutOfMemory for a model whose weights alone are more than there is."""
        copies = _COPIES_IN_TRAINING if self.training else 1
        needed = copies * workloads.parameter_bytes(model, self.protocol)
        usable = self.device.memory.usable_bytes()
        if needed > self.protocol.memory_share * usable:
            raise batch_size.OutOfMemory(
                f"its weights need {needed / 2**30:.1f} GiB of {usable / 2**30:.1f} GiB free"
            )

    def check_that_it_fits(self, model: workloads.Model, size: int) -> None:
        """Raise OutOfMemory where two small batches predict that a given one is too large.

        On a GPU it is simply tried; on the CPU trying could end in the kernel's hands.
        """
        small = batch_size.first_batch(training=self.training, gpu=False)
        if self.device.gpu or size <= 2 * small:
            return
        usable = self.device.memory.usable_bytes()
        trials = [self.trial(model, small), self.trial(model, 2 * small)]
        predicted = batch_size.predicted_bytes(trials, size, model_bytes=0)
        if predicted is not None and predicted > self.protocol.memory_share * usable:
            raise batch_size.OutOfMemory(
                f"batch {size} is predicted to need {predicted / 2**30:.1f} GiB "
                f"of {usable / 2**30:.1f} GiB free"
            )

    def measure_deadline_s(self, first_s: float) -> float:
        """Longer than any measurement takes that has not hung."""
        cap_s = max(self.protocol.latency_cap_s, self.protocol.throughput_cap_s)
        return 60 + 5 * (self.protocol.warm_up_max_s + 2 * cap_s + 5 * first_s)


def _first_step_s(*, compiles: bool) -> float:
    return _COMPILE_S if compiles else _FIRST_STEP_S


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
