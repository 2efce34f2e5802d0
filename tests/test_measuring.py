"""One measurement on a device of which every answer is injected."""

import itertools
from collections.abc import Iterable, Iterator

import pytest
import torch
from torch import nn

from bench import measuring, timing, watch, workloads
from bench.memory import HostMemory
from bench.records import Measurement, Protocol, Workload


class Clock:
    """Runs the step once a block, and says that each took the next of the given times."""

    def __init__(self, times_s: Iterable[float], ratio: float | None = None) -> None:
        self._times = iter(times_s)
        self._ratio = ratio
        self.blocks = 0

    def block(self, step: timing.Step, steps: int) -> timing.Block:
        marks = []
        step(lambda: marks.append(1))
        self.blocks += 1
        step_s = next(self._times)
        parts = ((0.2 * step_s, 0.7 * step_s, 0.1 * step_s),) if marks else ()
        return timing.Block(steps, steps * step_s, steps * step_s, parts)

    def latency(self, step: timing.Step) -> float:
        return self.block(step, 1).host_s

    def host_device_ratio(self, step: timing.Step) -> float | None:
        return self._ratio


class Watch:
    """Sees what it is told to, look after look; the last for ever."""

    def __init__(self, *seen: watch.Seen) -> None:
        self._seen: Iterator[watch.Seen] = itertools.chain(seen, itertools.repeat(seen[-1]))
        self.looks = 0

    def start(self) -> None:
        self.looks += 1

    def stop(self) -> watch.Seen:
        return next(self._seen)

    def slowed_down(self) -> bool:
        return False


CLEAN = watch.Seen()
THROTTLED = watch.Seen(("throttled",))


def model() -> workloads.Model:
    """A classifier of 8 x 8 images."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10))
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return workloads.Model(module=module, architecture="made", image_size=8, parameters=parameters)


def measured(
    measure: str = "throughput",
    *,
    times_s: Iterable[float] | None = None,
    ratio: float | None = None,
    watching: Watch | None = None,
    batch_size: int | None = 1,
    noise: float | None = None,
) -> tuple[Measurement, list[str]]:
    """The row, and what was announced and asked on the way."""
    heard: list[str] = []
    device = measuring.Device(
        torch.device("cpu"),
        Clock(times_s or itertools.repeat(0.005), ratio),
        HostMemory(),
        watching or Watch(CLEAN),
        threads=1,
        noise=noise,
    )
    run = measuring.Run(
        workload=Workload(
            architecture="made", image_size=8, measure=measure, batch_size=batch_size
        ),
        protocol=Protocol(max_batch_size=8),
        device=device,
        announce=lambda phase, _deadline_s: heard.append(phase),
        prepare_next=lambda: heard.append("prepared the next"),
    )
    return run.measurement(model()), heard


@pytest.mark.parametrize("measure", ["latency", "throughput", "training"])
def test_a_clean_run_has_no_flags(measure: str) -> None:
    row, heard = measured(measure)
    assert (row.outcome, row.flags, row.message) == ("ok", (), None)
    assert row.samples_s[0] == pytest.approx(0.005)
    assert heard == ["first_step", "measure"]


def test_a_noisy_host_is_flagged() -> None:
    row, _ = measured(times_s=itertools.cycle([0.02, 0.02, 0.05]))
    assert "noisy" in row.flags


def test_a_busy_device_is_flagged() -> None:
    busy = watch.Seen(("busy_device",), details={"others_share": 0.4})
    row, _ = measured(watching=Watch(busy))
    assert row.flags == ("busy_device",)
    assert row.details["others_share"] == 0.4


def test_a_throttle_is_measured_once_more_and_forgotten_when_it_is_gone() -> None:
    watching = Watch(THROTTLED, CLEAN)
    row, heard = measured(watching=watching)
    assert row.flags == ()
    assert watching.looks == 2
    assert heard == ["first_step", "measure", "cool_down", "measure"]


def test_a_throttle_that_stays_is_kept_and_flagged() -> None:
    watching = Watch(THROTTLED)
    row, _ = measured(watching=watching)
    assert row.flags == ("throttled",)
    assert watching.looks == 2


def test_a_host_slower_than_the_device_is_launch_bound() -> None:
    row, _ = measured(ratio=1.2)
    assert row.flags == ("launch_bound",)
    assert row.host_device_ratio == 1.2
    assert measured(ratio=1.05)[0].flags == ()


@pytest.mark.parametrize(
    ("measure", "ratio", "prepared"),
    [
        ("throughput", 0.1, True),
        ("training", 0.1, True),
        ("latency", 0.1, False),  # never beside a latency measurement
        ("throughput", 0.8, False),  # the host has no time left
        ("throughput", None, False),  # on the CPU host and device are one
    ],
)
def test_the_next_model_is_prepared_only_where_it_disturbs_nothing(
    measure, ratio, prepared
) -> None:
    _, heard = measured(measure, ratio=ratio)
    assert ("prepared the next" in heard) is prepared


def test_training_is_split_and_inference_is_not() -> None:
    row, _ = measured("training", batch_size=2)
    assert (row.forward_s, row.backward_s, row.optimiser_s) == pytest.approx(
        (0.001, 0.0035, 0.0005)
    )
    assert measured("throughput")[0].forward_s is None


def test_energy_is_told_per_image() -> None:
    row, _ = measured(watching=Watch(watch.Seen(energy_j=100.0)), batch_size=4)
    steps = row.details["warm_up_steps"] - 1 + row.details["steps"]
    assert row.energy_per_image_j == pytest.approx(100.0 / (4 * steps))
    assert measured()[0].energy_per_image_j is None


def test_the_saturating_batch_is_searched_where_none_is_given_and_its_trials_are_kept() -> None:
    row, heard = measured(batch_size=None, times_s=itertools.repeat(0.005))
    assert row.batch_size == 8
    assert row.details["batch_search"]["ended_by"] == "largest"
    assert list(row.details["batch_search"]["images_per_s"]) == ["1", "2", "4", "8"]
    assert heard[:4] == ["batch_size"] * 4


def test_a_given_batch_that_fits_for_sure_is_measured_without_a_trial_before() -> None:
    assert measured(batch_size=8)[1] == ["first_step", "measure"]
    training = measured("training", batch_size=8)[1]
    assert training == ["memory", "first_step", "measure"]


def test_a_given_batch_whose_predicted_memory_is_too_much_is_halved_or_refused() -> None:
    class Small(HostMemory):
        """A machine of 100 bytes, on which an image takes ten."""

        def usable_bytes(self) -> int:
            return 100

        def peak_bytes(self) -> int | None:
            return next(peaks)

    def row(size: int) -> Measurement:
        run = measuring.Run(
            workload=Workload(
                architecture="made", image_size=8, measure="throughput", batch_size=size
            ),
            protocol=Protocol(),
            device=measuring.Device(
                torch.device("cpu"), Clock(itertools.repeat(0.005)), Small(), Watch(CLEAN), 1
            ),
            announce=lambda _phase, _deadline_s: None,
            prepare_next=lambda: None,
        )
        return run.measurement(model())

    peaks = itertools.chain([10, 20], itertools.repeat(80))
    halved = row(16)
    assert halved.batch_size == 8
    assert halved.message is not None
    assert "batch 16 is predicted to need" in halved.message
    assert "measured at 8" in halved.message
    peaks = itertools.chain([10, 20], itertools.repeat(80))
    with pytest.raises(Exception, match="batch 64 is predicted to need"):
        row(64)
    # Eight times what one image takes are within 85 bytes: no second trial.
    peaks = iter([10, 80])
    assert row(8).batch_size == 8


@pytest.mark.parametrize(
    ("parameters", "size", "batch_size", "measure", "least_s", "most_s"),
    [
        (0.3e6, 160, 1, "latency", 60, 70),
        (25.6e6, 224, 1, "latency", 120, 600),
        (25.6e6, 224, 2, "training", 600, 1800),
        (1e9, 560, 1, "latency", 1800, 1800),
    ],
)
def test_a_hang_is_told_from_a_large_model(
    parameters, size, batch_size, measure, least_s, most_s
) -> None:
    run = measuring.Run(
        workload=Workload(
            architecture="made", image_size=size, measure=measure, batch_size=batch_size
        ),
        protocol=Protocol(),
        device=measuring.Device(
            torch.device("cpu"), Clock(itertools.repeat(1.0)), HostMemory(), Watch(CLEAN), 1
        ),
        announce=lambda _phase, _deadline_s: None,
        prepare_next=lambda: None,
    )
    large = workloads.Model(
        module=nn.Identity(), architecture="made", image_size=size, parameters=int(parameters)
    )
    assert least_s <= run.step_deadline_s(large, batch_size) <= most_s
