"""The sweep with real worker processes that crash, hang, lie and leave."""

import dataclasses
import json
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.errors import BenchError
from bench.processes import WORKER_MARK
from bench.records import Environment, Measurement, Protocol, Workload
from bench.sweep import CANARY, SENTINEL, SENTINEL_ON_CPU, Limits, sweep

WORKER = Path(__file__).parent / "faults" / "worker.py"
LIMITS = Limits(
    start_s=20, first_phase_s=20, slack_s=0.1, grace_s=0.3, leave_s=2, poll_s=0.02, suspicious=99
)


def workload(architecture, measure="latency"):
    return Workload(architecture=architecture, image_size=160, measure=measure)


def command(plan=None, **options):
    line = [sys.executable, str(WORKER), "--plan", json.dumps(plan or {})]
    for name, value in options.items():
        line += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
    return [*line, "--reply-fd"]


class Run:
    """A sweep that keeps its events."""

    def __init__(self, tmp_path):
        self.log = tmp_path / "log.txt"
        self.events = []

    def __call__(self, workloads, *, cancelled=lambda: False, plan=None, options=None, **rest):
        rest.setdefault("limits", LIMITS)
        with self.log.open("a+b") as log:
            return sweep(
                workloads,
                Protocol(),
                "cpu",
                record=lambda event, **values: self.events.append((event, values)),
                cancelled=cancelled,
                log=log,
                command=command(plan, **(options or {})),
                **rest,
            )

    def of(self, kind):
        return [values for event, values in self.events if event == kind]

    @property
    def rows(self):
        return [Measurement.from_json(event["measurement"]) for event in self.of("measurement")]


@pytest.fixture
def run(tmp_path):
    found = Run(tmp_path)
    yield found
    left = [p for p in psutil.Process().children(recursive=True) if WORKER_MARK in _environ(p)]
    assert left == []


def _environ(process):
    try:
        return process.environ()
    except psutil.Error:
        return {}


def test_every_workload_ends_in_one_row_measured_by_one_worker(run):
    asked = [workload(name) for name in ("a", "b", "c")]
    assert run(asked).state == "done"
    assert [row.workload for row in run.rows] == asked
    assert all(row.outcome == "ok" for row in run.rows)
    assert len(run.of("ready")) == 1
    assert [event["phase"] for event in run.of("phase")] == ["build", "measure"] * 3
    assert all(event["duration_s"] >= 0 for event in run.of("measurement"))


@pytest.mark.parametrize(
    ("behaviour", "outcome", "message"),
    [
        ("segfault", "crashed", "killed by SIGSEGV (phase: build)"),
        ("exit:7", "crashed", "exited with status 7 (phase: build): RuntimeError: out of ideas"),
        ("exit:0", "crashed", "exited with status 0 (phase: build): RuntimeError: out of ideas"),
        ("killed", "crashed", "killed by SIGKILL (phase: measure)"),
        ("hang_in_python:0.3", "timeout", "no sign of life for 0.4 s (phase: warm_up)"),
        ("hang_in_c:0.3", "timeout", "no sign of life for 0.4 s (phase: warm_up)"),
        ("deaf:0.3", "timeout", "no sign of life for 0.4 s (phase: warm_up)"),
        ("garbage", "crashed", "the worker sent what is not JSON"),
        ("endless", "crashed", "a reply without an end"),
        ("list_reply", "crashed", "what is not an object"),
        ("wrong_answer", "crashed", "answered for another"),
        ("no_samples", "crashed", "outcome ok with 0 samples"),
        ("wrong_type", "crashed", "batch_size is '8'"),
        ("out_of_memory", "out_of_memory", "4 GiB too little"),
        ("not_finite", "not_finite", "the output has a NaN"),
        ("leaving_without", "crashed", "the CUDA context is poisoned"),
        ("closes", "crashed", "closed its side"),
    ],
)
def test_what_goes_wrong_is_one_classified_row_and_the_sweep_goes_on(
    run, behaviour, outcome, message
):
    asked = [workload(name) for name in ("before", "bad", "after")]
    assert run(asked, plan={"bad": behaviour}).state == "done"
    assert [row.outcome for row in run.rows] == ["ok", outcome, "ok"]
    assert [row.workload for row in run.rows] == asked
    assert message in run.rows[1].message


def test_a_process_that_escaped_its_group_ends_with_its_worker(run):
    assert run([workload("bad"), workload("after")], plan={"bad": "grandchild"}).state == "done"
    assert [row.outcome for row in run.rows] == ["crashed", "ok"]


def test_a_worker_that_leaves_after_its_answer_costs_no_row(run):
    asked = [workload(name) for name in ("a", "leaver", "b")]
    assert run(asked, plan={"leaver": "leaving"}).state == "done"
    assert [row.outcome for row in run.rows] == ["ok", "ok", "ok"]
    assert len(run.of("ready")) == 2
    assert "kept 3 %" in run.of("worker_ended")[0]["reason"]


def test_cancel_does_not_wait_for_a_worker_that_says_that_it_leaves_and_stays(run):
    limits = dataclasses.replace(LIMITS, leave_s=60)
    began = time.monotonic()
    outcome = run(
        [workload("stays")],
        plan={"stays": "leaving_but_stays"},
        cancelled=lambda: time.monotonic() - began > 1.0,
        limits=limits,
    )
    assert outcome.state == "cancelled"
    assert time.monotonic() - began < 30


def test_last_words_are_found_in_a_log_that_was_emptied_meanwhile(run):
    run.log.write_bytes(b"x" * 10_000)
    plan = {"bad": f"empties_the_log:{run.log}"}
    assert run([workload("bad")], plan=plan).state == "done"
    (row,) = run.rows
    assert row.outcome == "crashed"
    assert "RuntimeError: all that is left" in row.message


def test_a_death_before_the_first_sign_is_not_blamed_on_the_next_workload(run):
    plan = {"innocent": "exit_before_phase"}
    assert run([workload("a"), workload("innocent")], plan=plan).state == "done"
    assert [row.outcome for row in run.rows] == ["ok", "ok"]


def test_a_worker_that_never_comes_up_fails_the_run_with_its_last_words(run):
    outcome = run([workload("a")], options={"start": "die"})
    assert outcome.state == "failed"
    assert "no module named torch" in outcome.error
    assert run.rows == []
    assert len(run.of("worker_ended")) == LIMITS.starts


def test_a_worker_that_hangs_while_starting_fails_the_run(run):
    limits = Limits(start_s=0.2, grace_s=0.2, poll_s=0.02)
    outcome = run([workload("a")], options={"start": "hang"}, limits=limits)
    assert outcome.state == "failed"
    assert "no sign of life" in outcome.error


def test_a_device_that_fails_even_the_canary_ends_the_run(run):
    asked = [workload(f"bad{n}") for n in range(9)]
    plan = {work.architecture: "segfault" for work in asked} | {CANARY.architecture: "segfault"}
    outcome = run([workload("good"), *asked], plan=plan, limits=Limits(grace_s=0.3, suspicious=3))
    assert outcome.state == "partial"
    assert "no longer measures even test_resnet" in outcome.error
    assert [row.outcome for row in run.rows] == ["ok", *["crashed"] * 3]


def test_models_that_all_crash_do_not_end_the_run_while_the_canary_sings(run):
    asked = [workload(f"bad{n}") for n in range(7)]
    plan = {work.architecture: "segfault" for work in asked}
    outcome = run(asked, plan=plan, limits=Limits(grace_s=0.3, suspicious=3))
    assert outcome.state == "done"
    assert [row.outcome for row in run.rows] == ["crashed"] * 7


def test_cancel_stops_at_once_and_the_workload_under_way_has_no_row(run):
    asked = [workload("a"), workload("slow"), workload("b")]
    outcome = run(
        asked,
        plan={"slow": "slow:600"},
        cancelled=lambda: [e["workload"]["architecture"] for e in run.of("phase")][-1:] == ["slow"],
    )
    assert outcome.state == "cancelled"
    assert [row.workload.architecture for row in run.rows] == ["a"]


def test_the_time_limit_bounds_the_run_and_keeps_what_was_measured(run):
    began = time.monotonic()
    outcome = run([workload("a"), workload("slow")], plan={"slow": "slow:600"}, time_limit_s=2.0)
    assert outcome.state == "partial"
    assert "time limit" in outcome.error
    assert [row.workload.architecture for row in run.rows] == ["a"]
    assert time.monotonic() - began < 10


def test_rows_of_another_torch_are_not_mixed_in(run):
    expected = Environment(device="Stand-in", device_kind="cpu", torch="0.1", timm="0.0")
    outcome = run([workload("a")], expected=expected)
    assert outcome.state == "failed"
    assert "torch was 0.1 and is now 0.0" in outcome.error
    assert run.rows == []


def test_a_long_run_on_a_gpu_measures_the_sentinel_every_fifty_models(run):
    asked = [workload(f"m{n}") for n in range(120)]
    outcome = run(asked, options={"environment": {"device_kind": "cuda"}})
    assert outcome.state == "done"
    sentinels = [Measurement.from_json(e["measurement"]) for e in run.of("sentinel")]
    assert [row.workload for row in sentinels] == [SENTINEL] * 4
    order = [event for event, _ in run.events if event in ("measurement", "sentinel")]
    assert [n for n, event in enumerate(order) if event == "sentinel"] == [0, 51, 102, 123]
    assert run.of("drift") == []


def test_a_long_run_on_a_cpu_measures_a_small_sentinel_and_a_short_run_none(run):
    assert run([workload(f"m{n}") for n in range(51)]).state == "done"
    sentinels = [Measurement.from_json(e["measurement"]) for e in run.of("sentinel")]
    assert [row.workload for row in sentinels] == [SENTINEL_ON_CPU] * 3
    run.events.clear()
    assert run([workload(f"m{n}") for n in range(50)]).state == "done"
    assert run.of("sentinel") == []


@pytest.mark.parametrize(("noise", "drifts"), [(0.0, 2), (0.05, 2), (0.15, 0)])
def test_on_a_cpu_a_drift_is_what_exceeds_the_noise_as_well(run, noise, drifts):
    asked = [workload(f"m{n}") for n in range(60)]
    options = {"environment": {"details": {"noise": noise}}, "slower": "1.1"}
    assert run(asked, options=options).state == "done"
    assert len(run.of("drift")) == drifts


def test_drift_marks_the_rows_since_the_sentinel_last_agreed(run):
    asked = [workload(f"m{n}") for n in range(60)]
    options = {"environment": {"device_kind": "cuda"}, "slower": "1.1"}
    assert run(asked, options=options).state == "done"
    assert [event["rows"] for event in run.of("drift")] == [50, 60]
    assert run.of("drift")[0]["relative"] == pytest.approx(1.1)


def test_a_record_that_fails_ends_the_worker_and_is_told(run):
    def full(event, **values):
        if event == "measurement":
            raise OSError(28, "No space left on device")

    with run.log.open("a+b") as log, pytest.raises(OSError, match="No space"):
        sweep(
            [workload("a")],
            Protocol(),
            "cpu",
            record=full,
            cancelled=lambda: False,
            log=log,
            command=command(),
            limits=LIMITS,
        )


def test_the_sweep_does_not_import_torch():
    assert BenchError
    program = "import sys, bench.sweep; sys.exit('torch' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", program]) == 0
