"""One workload -> one measurement, on a device that is up and with its model in place.

The order: find the batch size where none is given, run one step and look at its output, time,
describe.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from bench import batch_size, failures, timing, watch, workloads
from bench.memory import Memory
from bench.records import Measurement, Protocol, Workload, utc_now

# Says what happens next and for how many seconds at most nothing more will be heard.
Announce = Callable[[str, float], None]

# A model is prepared beside a measurement only where the host has half of its time left.
_SLACK = 0.5
# Longest silences, seconds: choosing algorithms for every convolution; compiling; anything.
_CHOOSING_S = 60.0
_LONGEST_S = 1800.0
# Multiply-adds a second that even the slowest device manages: one busy core, a small GPU.
_SLOWEST_CPU = 1e9
_SLOWEST_GPU = 1e11
# A trial of a batch size takes so many rounds, and so long at least.
_TRIAL_ROUNDS = 3
_TRIAL_S = 0.06
# Weights, gradients and momentum.
_COPIES_IN_TRAINING = 3
# Inference holds less than this for each pixel of its input, besides the weights: the most that the
# measured rows show is 9,900 bytes (vgg19_bn).
_INFERENCE_BYTES_PER_PIXEL = 16 * 2**10


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

    def use_threads(self, wanted: int | None) -> None:
        """Let operators on the CPU use so many threads; None: the device's own number."""
        torch.set_num_threads(wanted or self.threads)

    def broken(self) -> str | None:
        """What makes a CUDA context useless from now on, such as an illegal memory access."""
        if not self.gpu:
            return None
        try:
            torch.cuda.synchronize()
        except RuntimeError as error:
            return failures.sentence(error)
        return None


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
            if self.workload.batch_size is not None:
                return self.at_given_size(model, self.workload.batch_size)
            search = self.saturating(model)
            row = self.timed_or_half(model, search.batch_size)
        row.details["batch_search"] = {
            "ended_by": search.ended_by,
            "images_per_s": {str(t.batch_size): t.images_per_s for t in search.trials},
        }
        return row

    def at_given_size(self, model: workloads.Model, size: int) -> Measurement:
        """The row at the batch size that was asked for, or at half of it, saying so."""
        limit = self.protocol.memory_share * self.device.memory.usable_bytes()
        predicted = self.predict(model, size, limit)
        if predicted is None or predicted(size) <= limit:
            return self.timed_or_half(model, size)
        problem = (
            f"batch {size} is predicted to need {predicted(size) / 2**30:.1f} GiB "
            f"of {limit / 2**30:.1f} GiB"
        )
        if predicted(size // 2) > limit:
            raise batch_size.OutOfMemory(problem)
        return replace(self.timed(model, size // 2), message=f"{problem}, measured at {size // 2}")

    def timed_or_half(self, model: workloads.Model, size: int) -> Measurement:
        """The row at a batch size; where memory runs out, once more at half of it, saying so."""
        row = self.timed_or_none(model, size)
        if row is not None:
            return row
        if size == 1:
            raise batch_size.OutOfMemory("out of memory at batch 1")
        row = self.timed_or_none(model, size // 2)
        if row is None:
            raise batch_size.OutOfMemory(f"out of memory at batch {size} and at {size // 2}")
        return replace(row, message=f"out of memory at batch {size}, measured at {size // 2}")

    def timed_or_none(self, model: workloads.Model, size: int) -> Measurement | None:
        """As `timed`; None when memory ran out."""
        try:
            return self.timed(model, size)
        except Exception as error:
            if not failures.is_out_of_memory(error):
                raise
        # Only here, out of the handler, are the failed step's tensors free.
        model.module.zero_grad(set_to_none=True)
        self.device.memory.trim()
        return None

    def timed(self, model: workloads.Model, size: int) -> Measurement:
        """The row at one batch size."""
        device, latency = self.device, self.workload.measure == "latency"
        compiles = self.protocol.compiled != "eager"
        if compiles:
            self.announce("compile", _LONGEST_S)
        else:
            self.announce("first_step", self.step_deadline_s(model, size))
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
                "steps": result.steps,
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
            self.announce("cool_down", watch.COOL_DOWN_S + 30)
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
        self.announce("batch_size", self.step_deadline_s(model, size))
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
        memory.trim()
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

    def predict(
        self, model: workloads.Model, size: int, limit: float
    ) -> Callable[[int], int] | None:
        """Peak memory by batch size, from the peaks of two small batches.

        Only on the CPU, where trying a batch that is too large could end in the kernel's hands; a
        GPU says so and goes on. None there, for small batches, where the peak is unknown, and where
        the batch fits for sure: by what any model holds for a pixel, or because even as many times
        the first batch with its weights are within the limit.
        """
        small = batch_size.first_batch(training=self.training, gpu=False)
        if self.device.gpu or size <= 2 * small:
            return None
        held = size * model.image_size**2 * _INFERENCE_BYTES_PER_PIXEL
        if not self.training and workloads.parameter_bytes(model, self.protocol) + held <= limit:
            return None
        trials = []
        for probe in (small, 2 * small):
            self.announce("memory", self.step_deadline_s(model, probe))
            work = self.work(model, probe, model.module)
            self.device.memory.reset_peak()
            step_s = self.first_step(work).device_s
            peak = self.device.memory.peak_bytes()
            if peak is not None and peak * size / probe <= limit:
                return None
            trials.append(batch_size.Trial(probe, step_s, peak))

        if batch_size.predicted_bytes(trials, size, model_bytes=0) is None:
            return None
        return lambda batch: batch_size.predicted_bytes(trials, batch, model_bytes=0) or 0

    def step_deadline_s(self, model: workloads.Model, size: int) -> float:
        """Longer than a first step and a few more take, unless they hang.

        A weight is used at most once for every fourth pixel each way: no stem keeps more.
        """
        work = size * model.parameters * (model.image_size / 4) ** 2 * (3 if self.training else 1)
        rate = _SLOWEST_GPU if self.device.gpu else _SLOWEST_CPU
        return min(_LONGEST_S, _CHOOSING_S + 4 * work / rate)

    def measure_deadline_s(self, first_s: float) -> float:
        """Longer than any measurement takes that has not hung."""
        cap_s = max(self.protocol.latency_cap_s, self.protocol.throughput_cap_s)
        return 60 + 5 * (self.protocol.warm_up_max_s + 2 * cap_s + 5 * first_s)
