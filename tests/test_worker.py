"""The worker as its parent knows it: a real process, real small models, on the CPU."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench import catalogue, forks
from bench.records import Environment, Measurement, Protocol, Workload, dumps

ROOT = Path(__file__).resolve().parent.parent
# As the real rules, but quick: what a rule does is tested with a clock that needs no waiting.
QUICK = Protocol(
    warm_up_min_s=0.02,
    warm_up_max_s=0.1,
    min_s=0.05,
    throughput_cap_s=0.3,
    latency_cap_s=0.3,
    max_batch_size=8,
)


needs_forks = pytest.mark.skipif(not forks.POSSIBLE, reason="measures in the worker itself here")


class Worker:
    """A worker process and the talk with it."""

    def __init__(self, *command: str) -> None:
        replies, theirs = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, *command, "--device", "cpu", "--reply-fd", str(theirs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs,),
            cwd=ROOT,
        )
        os.close(theirs)
        self.replies = os.fdopen(replies)

    def hear(self) -> dict[str, Any] | None:
        line = self.replies.readline()
        return json.loads(line) if line else None

    def ask(
        self, workload: Workload, *, protocol: Protocol = QUICK, following: Workload | None = None
    ) -> None:
        request = {
            "measure": workload.to_json(),
            "protocol": protocol.to_json(),
            "next": following.to_json() if following else None,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def measure(self, workload: Workload, **how: Any) -> tuple[Measurement, list[dict[str, Any]]]:
        """The row of a workload and the phases on the way."""
        self.ask(workload, **how)
        phases = []
        while (message := self.hear()) is not None:
            if message["type"] == "measurement":
                return Measurement.from_json(message["measurement"]), phases
            assert message["type"] == "phase", message
            phases.append(message)
        raise AssertionError(f"the worker ended with status {self.process.wait()}")

    def close(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.replies.close()
        return self.process.wait()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One worker that knows the models made for failing; it outlives them all."""
    worker = Worker("tests/failing_models.py")
    ready = worker.hear()
    assert ready is not None
    assert ready["type"] == "ready"
    yield worker
    assert worker.close() == 0


def made(name: str, measure: str = "latency", batch_size: int | None = None) -> Workload:
    return Workload(
        architecture=f"made_{name}", image_size=32, measure=measure, batch_size=batch_size
    )


def test_the_worker_that_ships_says_ready_measures_and_ends_with_its_input() -> None:
    worker = Worker("-m", "bench.worker")
    ready = worker.hear()
    assert ready is not None
    assert ready["type"] == "ready"
    environment = Environment.from_json(ready["environment"])
    assert environment.device_kind == "cpu"
    assert environment.details["noise"] >= 0
    row, _ = worker.measure(Workload(architecture="test_vit", image_size=160, measure="latency"))
    assert row.outcome == "ok"
    assert worker.close() == 0


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
@pytest.mark.parametrize("measure", ["latency", "throughput", "training"])
def test_a_small_model_is_measured(worker: Worker, name: str, measure: str) -> None:
    workload = Workload(architecture=name, image_size=160, measure=measure)
    row, phases = worker.measure(workload)
    assert (row.outcome, row.message) == ("ok", None)
    assert row.workload == workload
    assert len(row.samples_s) >= 3
    assert row.parameters is not None
    assert row.parameters > 300_000
    assert row.batch_size == 1 if measure == "latency" else row.batch_size in (1, 2, 4, 8)
    assert row.peak_memory_bytes is None or row.peak_memory_bytes > 4 * row.parameters / 2
    parts = (row.forward_s, row.backward_s, row.optimiser_s)
    if measure == "training":
        assert all(part is not None and part > 0 for part in parts)
    else:
        assert parts == (None, None, None)
    assert row.details["constructed"] == "meta"
    names = [phase["phase"] for phase in phases]
    assert names[0] == "build"
    assert names[-1] == "measure"
    assert ("batch_size" in names) == (measure != "latency")
    assert all(phase["deadline_s"] > 0 for phase in phases)
    assert all(Workload.from_json(phase["workload"]) == workload for phase in phases)


def test_a_batch_size_that_was_asked_for_is_the_one_measured(worker: Worker) -> None:
    row, phases = worker.measure(made("small", "throughput", 3))
    assert (row.outcome, row.batch_size) == ("ok", 3)
    assert "batch_size" not in [phase["phase"] for phase in phases]


@pytest.mark.parametrize(
    ("workload", "outcome", "message"),
    [
        (made("raising"), "crashed", "ValueError: this model always raises"),
        (made("raising", "training"), "crashed", "ValueError: this model always raises"),
        (made("not_finite"), "not_finite", "the output holds NaN or infinity"),
        (made("not_finite", "training"), "not_finite", "the loss holds NaN or infinity"),
        (made("exhausting"), "out_of_memory", "out of memory at batch 1"),
        (made("exhausting", "throughput"), "out_of_memory", "out of memory at batch 1"),
        (made("enormous"), "out_of_memory", "its weights need 4096.0 GiB"),
        (made("missing"), "unsupported", "not implemented for 'Half'"),
        (made("not_importable"), "crashed", "ModuleNotFoundError: No module named"),
        (made("nowhere"), "unsupported", "lists no model named 'made_nowhere'"),
        (
            Workload(architecture="resnet18.a1_in1k", image_size=224, measure="latency"),
            "unsupported",
            "lists no model named",
        ),
        (
            Workload(architecture="hf-hub:timm/resnet18", image_size=224, measure="latency"),
            "unsupported",
            "lists no model named",
        ),
    ],
)
def test_a_failure_is_one_row_and_the_next_model_is_measured_right_after(
    worker: Worker, workload: Workload, outcome: str, message: str
) -> None:
    row, _ = worker.measure(workload)
    assert row.outcome == outcome
    assert row.message is not None
    assert message in row.message
    assert "\n" not in row.message
    assert row.workload == workload
    after, _ = worker.measure(made("small"))
    assert after.outcome == "ok"


def test_out_of_memory_at_a_given_batch_is_tried_once_at_half_and_says_so(worker: Worker) -> None:
    row, _ = worker.measure(made("large_batch_exhausting", "throughput", 8))
    assert (row.outcome, row.batch_size) == ("ok", 4)
    assert row.message == "out of memory at batch 8, measured at 4"
    row, _ = worker.measure(made("large_batch_exhausting", "throughput", 16))
    assert (row.outcome, row.samples_s) == ("out_of_memory", ())
    assert row.message == "out of memory at batch 16 and at 8"


def test_the_search_for_a_batch_size_ends_below_what_does_not_fit(worker: Worker) -> None:
    row, _ = worker.measure(made("large_batch_exhausting", "throughput"))
    assert row.outcome == "ok"
    assert row.batch_size is not None
    assert row.batch_size <= 4


def test_a_model_that_needs_its_own_values_gets_them(worker: Worker) -> None:
    row, _ = worker.measure(made("only_ordinary"))
    assert row.outcome == "ok"
    assert row.details["constructed"] == "ordinary"


def test_nan_is_not_hidden_by_the_workload_before(worker: Worker) -> None:
    following = made("not_finite", "throughput", 2)
    row, _ = worker.measure(made("small"), following=following)
    assert row.outcome == "ok"
    row, _ = worker.measure(following)
    assert row.outcome == "not_finite"


def test_without_forks_a_model_is_kept_for_the_next_workload_of_the_same_kind() -> None:
    worker = Worker("tests/failing_models.py", "--no-forks")
    worker.hear()
    latency = Workload(architecture="test_vit", image_size=160, measure="latency")
    throughput = Workload(
        architecture="test_vit", image_size=160, measure="throughput", batch_size=2
    )
    training = Workload(architecture="test_vit", image_size=160, measure="training", batch_size=2)
    for workload, following in (
        (latency, throughput),
        (throughput, training),
        (training, latency),
        (latency, None),
    ):
        row, _ = worker.measure(workload, following=following)
        assert row.outcome == "ok"
    assert psutil.Process(worker.process.pid).children() == []
    assert worker.close() == 0


def test_without_forks_a_model_that_leaks_is_measured_and_the_worker_asks_to_be_replaced() -> None:
    worker = Worker("tests/failing_models.py", "--no-forks")
    worker.hear()
    row, _ = worker.measure(made("leaking"))
    assert row.outcome == "ok"
    leaving = worker.hear()
    assert leaving is not None
    assert leaving["type"] == "leaving"
    assert "MiB were not given back" in leaving["reason"]
    assert worker.hear() is None
    assert worker.close() == 0


@needs_forks
def test_a_model_that_leaks_takes_its_leak_with_it(worker: Worker) -> None:
    row, _ = worker.measure(made("leaking"))
    assert row.outcome == "ok"
    after, _ = worker.measure(made("small"))
    assert after.outcome == "ok"
    assert psutil.Process(worker.process.pid).memory_info().rss < 2**30


@needs_forks
def test_a_fork_that_left_without_an_answer_ends_the_worker_as_well() -> None:
    # By a signal or a status, as the parent names it: test_sweep_of_failing_models.py.
    worker = Worker("tests/failing_models.py")
    worker.hear()
    worker.ask(made("leaving"))
    assert [message["phase"] for message in iter(worker.hear, None)] == ["build", "first_step"]
    assert worker.close() == 0


@needs_forks
def test_killing_the_worker_kills_the_fork_that_measures() -> None:
    worker = Worker("tests/failing_models.py")
    worker.hear()
    worker.ask(made("hanging"))
    assert [worker.hear()["phase"] for _ in range(2)] == ["build", "first_step"]  # type: ignore[index]
    (fork,) = psutil.Process(worker.process.pid).children()
    worker.process.kill()
    fork.wait(10)
    # Nobody is left who could write.
    assert worker.hear() is None
    assert worker.close() == -signal.SIGKILL


def test_a_device_that_is_not_there_is_said_before_anything_is_asked() -> None:
    replies, theirs = os.pipe()
    done = subprocess.run(
        [sys.executable, "-m", "bench.worker", "--device", "cuda:7", "--reply-fd", str(theirs)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        pass_fds=(theirs,),
        cwd=ROOT,
        check=False,
    )
    os.close(theirs)
    with os.fdopen(replies) as answer:
        message = json.loads(answer.readline())
    assert done.returncode == 0
    assert message["type"] == "leaving"
    assert "cuda:7 cannot be opened" in message["reason"]


def test_an_input_that_is_not_square_is_unsupported_with_the_catalogues_reason(
    worker: Worker,
) -> None:
    name, reason = next(iter(catalogue.refused().items()))
    row, _ = worker.measure(Workload(architecture=name, image_size=1024, measure="throughput"))
    assert (row.outcome, row.message) == ("unsupported", reason)


def test_the_worker_imports_neither_torch_nor_timm_before_it_has_read_its_arguments() -> None:
    program = (
        "import bench.worker, sys; print(sorted({'torch', 'timm', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
