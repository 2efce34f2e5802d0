"""Faults that end processes: at random, at the worst moments, and by hanging."""

import contextlib
import signal
import subprocess
import sys
import time

import psutil

from bench import locks, recovery, runs
from bench.errors import BenchError
from bench.permission import COMMAND_LINE
from bench.run_folder import RunFolder
from bench.worker_process import ROOT
from tests.faults import stage
from tests.faults.audit import Damage, audit

VICTIMS = ("supervisor", "worker", "warden", "dashboard")
# What open pages do: look, and publish the runs that died.
LOOKS = """
import sys, time
from pathlib import Path
from bench import runs
while True:
    runs.recover(Path(sys.argv[1]))
    time.sleep(0.05)
"""
SLOW = dict.fromkeys(stage.NAMES, "slow:0.03")


def random_kills(folder, rng):
    """SIGKILL somebody at any moment, resume, kill again, until every row is there once."""
    data, answers = folder / "data", folder / "answers"
    start = stage.start_with(SLOW, options=("--answers", str(answers)))
    run = runs.submit(stage.request(*stage.NAMES), data, by=COMMAND_LINE, start=start)
    damage = Damage()
    with contextlib.ExitStack() as stack:
        dashboard = stack.enter_context(_dashboard(data))
        for _ in range(rng.randint(3, 6)):
            deadline = time.monotonic() + rng.uniform(0, 0.8)
            stage.until(lambda deadline=deadline: time.monotonic() > deadline, "the moment")
            who = rng.choice(VICTIMS)
            victim = dashboard if who == "dashboard" else _find(run, data, who)
            if victim is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.kill()
                    damage.kills += 1
            if who == "dashboard":
                dashboard = stack.enter_context(_dashboard(data))
            if not runs.status(run, data).alive:
                damage += audit(run, data, answers=answers)
                if runs.status(run, data).done == len(stage.NAMES):
                    return damage
                runs.resume(run, data, by=COMMAND_LINE, start=start)
    end = stage.over(run, data)
    if end.done < end.total:
        runs.resume(run, data, by=COMMAND_LINE, start=start)
        end = stage.over(run, data)
    damage += audit(run, data, answers=answers, in_flight=0)
    damage.lost += end.total - end.done
    return damage


@contextlib.contextmanager
def _dashboard(data):
    """A process that looks at the runs as open pages do, until it is killed."""
    with subprocess.Popen([sys.executable, "-c", LOOKS, str(data)], cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def _find(run, data, who):
    """The process to kill; None while there is none."""
    holder = locks.holder("cpu")
    if holder is None or holder.pid is None or holder.run != run:
        return None
    members = stage.members(run)
    if who == "worker":
        return members[0] if members else None
    try:
        supervisor = psutil.Process(holder.pid)
        if who == "supervisor":
            return supervisor
        taken = {member.pid for member in members}
        return next((c for c in supervisor.children() if c.pid not in taken), None)
    except psutil.NoSuchProcess:
        return None


def dashboard_killed(folder, rng):
    """SIGKILL the process that submits, before, while and after it does."""
    data = folder / "data"
    stage.press_and_die(data, SLOW, times=1, lives_s=rng.uniform(0.2, 1.2))
    damage = Damage(kills=1)
    for now in runs.list_runs(data):
        stage.over(now.run, data)
        damage += audit(now.run, data)
    damage.duplicated += max(0, len(runs.list_runs(data)) - 1)
    # The device is free again.
    run = stage.submit(data, "test_vit")
    stage.over(run, data)
    return damage + audit(run, data)


def death_before_the_first_line(folder, rng):
    """The supervisor dies before it writes anything."""
    data = folder / "data"

    def start(run_folder, lock):
        program = f"import os, signal; os.kill(os.getpid(), {rng.choice([9, 11, 15])})"
        return [sys.executable, "-c", program]

    run = runs.submit(stage.request("test_vit"), data, by=COMMAND_LINE, start=start)
    stage.over(run, data, timeout_s=5)
    damage = audit(run, data)
    runs.resume(run, data, by=COMMAND_LINE, start=stage.start_with())
    end = stage.over(run, data)
    damage.lost += end.total - end.done
    return damage + audit(run, data)


def sigterm(folder, rng):
    """A polite end at any moment: the run says so and publishes."""
    data, answers = folder / "data", folder / "answers"
    start = stage.start_with(SLOW, options=("--answers", str(answers)))
    run = runs.submit(stage.request(*stage.NAMES), data, by=COMMAND_LINE, start=start)
    stage.until(lambda: runs.status(run, data).state == "running", "a worker")
    deadline = time.monotonic() + rng.uniform(0, 0.4)
    stage.until(lambda: time.monotonic() > deadline, "the moment")
    with contextlib.suppress(psutil.NoSuchProcess):
        stage.supervisor_of(data, run).send_signal(rng.choice([signal.SIGTERM, signal.SIGINT]))
    end = stage.over(run, data, timeout_s=12)
    if end.state not in ("cancelled", "done"):
        return Damage(corrupt=1)
    return audit(run, data, answers=answers)


def cancel_a_deaf_worker(folder, rng):
    """A worker that ignores SIGTERM, with a grandchild that left its session."""
    data = folder / "data"
    run = stage.submit(
        data,
        "test_resnet",
        "test_vit",
        plan={"test_resnet": "grandchild", "test_vit": "deaf:600"},
        limits={"grace_s": 2.0},
    )
    stage.measuring(run, data, "test_vit")
    began = time.monotonic()
    runs.cancel(run, data, by=COMMAND_LINE)
    if not (runs.status(run, data).cancelling or not runs.status(run, data).alive):
        return Damage(corrupt=1)
    stage.over(run, data, timeout_s=12)
    damage = audit(run, data)
    damage.orphaned += time.monotonic() - began > 12
    return damage


def hang_in_python(folder, rng):
    """A worker that loops for ever."""
    return _one_bad_row(folder, "hang_in_python:0.2", "timeout")


def hang_in_c(folder, rng):
    """A worker that never comes back from a C function."""
    return _one_bad_row(folder, "hang_in_c:0.2", "timeout")


def segfault(folder, rng):
    """A worker that reads address 0."""
    return _one_bad_row(folder, "segfault", "crashed")


def os_exit(folder, rng):
    """A worker that leaves without a word."""
    return _one_bad_row(folder, f"exit:{rng.randint(0, 255)}", "crashed")


def setsid_grandchild(folder, rng):
    """A worker that dies and leaves processes inside and outside of its session."""
    return _one_bad_row(folder, "grandchild", "crashed")


def _one_bad_row(folder, behaviour, outcome):
    data = folder / "data"
    run = stage.submit(
        data, "test_vit", "test_resnet", "test_nfnet", plan={"test_resnet": behaviour}
    )
    end = stage.over(run, data)
    damage = audit(run, data, in_flight=0)
    damage.lost += end.total - end.done
    damage.corrupt += end.failures != {outcome: 1}
    return damage


def supervisor_killed_beside_a_grandchild(folder, rng):
    """Nobody is left to clean up but the warden."""
    data = folder / "data"
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow_with_grandchild:600"})
    stage.measuring(run, data, "test_vit")
    stage.until(lambda: len(stage.members(run)) > 1, "the grandchild")
    stage.supervisor_of(data, run).kill()
    stage.over(run, data, timeout_s=5)
    damage = audit(run, data)
    damage.kills = 1
    return damage


def reused_pid(folder, rng):
    """The holder's process id belongs to somebody else by now: that one must live."""
    data = folder / "data"
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    stage.measuring(run, data, "test_vit")
    supervisor = stage.supervisor_of(data, run)
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as stranger:
        holder = locks.holder("cpu")
        locks.write_holder(
            "cpu",
            locks.Holder(run=run, data=holder.data, pid=stranger.pid, began=holder.began - 60),
        )
        with contextlib.suppress(BenchError):
            recovery.kill_supervisor(RunFolder(run, data.resolve()))
        survived = stranger.poll() is None
    supervisor.kill()
    stage.over(run, data)
    damage = audit(run, data)
    damage.corrupt += not survived
    return damage


def stopped_supervisor(folder, rng):
    """A supervisor that hangs is ended by force, on request."""
    data = folder / "data"
    run = stage.submit(data, "test_vit", "test_nfnet", plan={"test_nfnet": "slow:600"})
    stage.measuring(run, data, "test_nfnet")
    stage.supervisor_of(data, run).suspend()
    runs.cancel(run, data, by=COMMAND_LINE)
    runs.force_end(run, data, by=COMMAND_LINE)
    return audit(run, data)
