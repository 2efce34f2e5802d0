"""What the tests of runs share: submitting real runs whose worker is `tests/faults/worker.py`."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil

from bench import processes, runs
from bench.permission import COMMAND_LINE
from bench.records import Workload
from bench.worker_process import ROOT

WORKER = ROOT / "tests" / "faults" / "worker.py"
LIMITS = {"grace_s": 0.5, "leave_s": 2.0, "poll_s": 0.02, "suspicious": 99}
# timm's own tiny models: real names, so that a request passes.
NAMES = (
    "test_byobnet",
    "test_convnext",
    "test_efficientnet",
    "test_mambaout",
    "test_nfnet",
    "test_resnet",
    "test_vit",
    "test_vit2",
)


def start_with(plan=None, *, limits=None, options=()):
    """A `start` for runs.submit: the real supervisor, with a worker that follows the plan."""
    worker = [sys.executable, str(WORKER), "--plan", json.dumps(plan or {}), *options]
    worker.append("--reply-fd")

    def start(folder, lock):
        command = [sys.executable, "-m", "tests.faults.supervise", folder.run, str(folder.data)]
        return [*command, str(lock), json.dumps(worker), json.dumps({**LIMITS, **(limits or {})})]

    return start


def request(*names, measure="latency", **rest):
    names = names or NAMES[:3]
    workloads = tuple(Workload(architecture=n, image_size=160, measure=measure) for n in names)
    return runs.Request(workloads=workloads, device="cpu", **rest)


def submit(data, *names, plan=None, limits=None, by=COMMAND_LINE, queue=False, **rest):
    start = start_with(plan, limits=limits)
    return runs.submit(request(*names, **rest), data, by=by, queue=queue, start=start)


def press_and_die(data, plan, *, times, lives_s):
    """Submit from a process of its own (see press.py), and SIGKILL that after so many seconds."""
    command = [sys.executable, "-m", "tests.faults.press", str(data), json.dumps(plan), str(times)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as press:
        with contextlib.suppress(subprocess.TimeoutExpired):
            press.wait(lives_s)
        press.kill()


def end_all(data: Path):
    """Cancel every run that lives, the last in line first; nothing of any may be left."""
    # The other way round each would begin as the one before it ends.
    for now in sorted(runs.list_runs(data), key=lambda now: now.place or 0, reverse=True):
        if runs.status(now.run, data).alive:
            runs.cancel(now.run, data, by=COMMAND_LINE)
            over(now.run, data)
        assert members(now.run) == []


def until(condition, what, *, timeout_s=30.0):
    """Wait until condition() is true and return what it returned; fail with `what` otherwise."""
    give_up = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.01)
    return found


def over(run, data: Path, *, timeout_s=30.0):
    """The run's status once it is over."""

    def ended():
        now = runs.status(run, data)
        return None if now.alive else now

    return until(ended, f"the end of {run}", timeout_s=timeout_s)


def measuring(run, data: Path, name, *, timeout_s=30.0):
    """The run's status once the worker measures this model."""

    def reached():
        now = runs.status(run, data)
        return now if now.current and now.current.architecture == name else None

    return until(reached, f"{run} measures {name}", timeout_s=timeout_s)


def members(run):
    """Every living process that belongs to a run, but its supervisor."""
    return processes.marked(processes.RUN_MARK, run)


def supervisor_of(data: Path, run):
    """The supervisor's process, from the journal's last `starting`."""
    found = [event for event in events(data, run) if event["event"] == "starting"]
    return psutil.Process(found[-1]["pid"])


def events(data: Path, run):
    """The journal's whole lines."""
    text = (data / "runs" / run / "journal.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
