"""Faults of the button and of the queue: many presses at once, and deaths of those that wait."""

import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from bench import locks, runs, waiting
from bench.errors import DeviceBusy
from bench.permission import COMMAND_LINE
from bench.worker_process import ROOT
from tests.faults import stage
from tests.faults.audit import Damage, audit
from tests.faults.surroundings import NotPossibleHere

SLOW = dict.fromkeys(stage.NAMES, "slow:0.05")
ENDLESS = {stage.NAMES[0]: "slow:600"}
PRESSES, PROCESSES = 100, 5


def hundred_presses(folder, rng):
    """A hundred presses in the same instant, from five processes, half of them patient: one run."""
    data = folder / "data"
    # It lives until it is cancelled, so that a press that comes late meets it too.
    command = [sys.executable, "-m", "tests.faults.press", str(data), json.dumps(ENDLESS)]
    moment = time.monotonic() + 2.0
    presses = [
        subprocess.Popen(
            [*command, str(PRESSES // PROCESSES), str(moment)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    shown = [line for press in presses for line in press.communicate(timeout=120)[0].split()]
    made = sorted(set(shown))
    damage = Damage(duplicated=abs(len(made) - 1))
    damage.duplicated += [now.run for now in runs.list_runs(data)] != made
    # Whoever would have waited is shown the run that lives.
    damage.lost += max(0, PRESSES // 2 - len(shown))
    for run in made:
        stage.measuring(run, data, stage.NAMES[0])
        damage.duplicated += sum(e["event"] == "starting" for e in stage.events(data, run)) - 1
        runs.cancel(run, data, by=COMMAND_LINE)
        stage.over(run, data)
        damage += audit(run, data)
    return damage


def full_queue(folder, rng):
    """Twelve different requests at once: one runs, four wait, seven are told why not."""
    data = folder / "data"

    def press(number):
        try:
            return stage.submit(data, *stage.NAMES, plan=SLOW, queue=True, time_limit_s=60 + number)
        except DeviceBusy:
            return None

    first = stage.submit(data, stage.NAMES[0], plan=ENDLESS)
    with ThreadPoolExecutor(12) as pool:
        made = [run for run in pool.map(press, range(12)) if run is not None]
    damage = Damage(corrupt=abs(len(made) - waiting.PLACES))
    line = [holder.run for _, holder in waiting.line("cpu")]
    damage.lost += len(set(made) - set(line))
    runs.cancel(first, data, by=COMMAND_LINE)
    for run in (first, *line):
        end = stage.over(run, data)
        damage.lost += 0 if run == first else end.total - end.done
        damage += audit(run, data, in_flight=0)
    return damage + _out_of_order(line, data)


def killed_in_the_queue(folder, rng):
    """SIGKILL whoever measures or waits, at any moment; the others go on in order."""
    data = folder / "data"
    line = [
        stage.submit(data, *stage.NAMES, plan=SLOW, queue=True, time_limit_s=60 + number)
        for number in range(1 + waiting.PLACES)
    ]
    damage, killed = Damage(), set()
    for run in rng.sample(line, rng.randint(1, 3)):
        deadline = time.monotonic() + rng.uniform(0, 0.8)
        stage.until(lambda deadline=deadline: time.monotonic() > deadline, "the moment")
        with contextlib.suppress(psutil.NoSuchProcess, LookupError):
            _supervisor(run).kill()
            damage.kills += 1
            killed.add(run)
    for run in line:
        end = stage.over(run, data, timeout_s=60)
        # Killed as it was about to leave, it has an end all the same.
        damage.lost += 0 if run in killed else end.total - end.done
        damage += audit(run, data)
    damage += _out_of_order([run for run in line if run not in killed], data)
    again = [run for run in line if runs.status(run, data).done < len(stage.NAMES)]
    for run in again:
        runs.resume(run, data, by=COMMAND_LINE, queue=True, start=stage.start_with())
    for run in again:
        end = stage.over(run, data, timeout_s=60)
        damage.lost += end.total - end.done
        damage += audit(run, data, in_flight=0)
    return damage


def server_killed_while_a_run_waits(folder, rng):
    """SIGKILL the process that put a run into the queue, before, while and after it does."""
    data = folder / "data"
    first = stage.submit(data, stage.NAMES[0], plan=ENDLESS)
    stage.measuring(first, data, stage.NAMES[0])
    stage.press_and_die(data, SLOW, times=2, lives_s=rng.uniform(0.2, 1.5))
    damage = Damage(kills=1, duplicated=max(0, len(runs.list_runs(data)) - 2))
    runs.cancel(first, data, by=COMMAND_LINE)
    for now in runs.list_runs(data):
        end = stage.over(now.run, data)
        damage += audit(now.run, data)
        # Died before its supervisor had its place, or it was measured.
        damage.lost += now.run != first and end.state not in ("done", "crashed")
    # The device is free again.
    run = stage.submit(data, "test_vit")
    stage.over(run, data)
    return damage + audit(run, data)


def _supervisor(run):
    """The process that measures or waits for this run; LookupError when there is none."""
    holders = [locks.holder("cpu"), *(holder for _, holder in waiting.line("cpu"))]
    pids = [holder.pid for holder in holders if holder is not None and holder.run == run]
    return psutil.Process(pids[0])


def _out_of_order(line, data):
    """Runs that began before the one before them had ended."""
    damage = Damage()
    for before, after in itertools.pairwise(line):
        damage.corrupt += runs.status(before, data).ended_at > runs.status(after, data).started_at
    return damage


_CONTAINER = """
import sys, time
from pathlib import Path
from tests.faults import stage
data, (first, second) = Path(sys.argv[1]), stage.NAMES[:2]
print(stage.submit(data, first, second, plan={second: "slow_with_grandchild:600"}))
print(stage.submit(data, first, queue=True), flush=True)
time.sleep(600)
"""


def container_stopped(folder, rng):
    """All processes of a container end at once, wardens too; another container waits for it."""
    if shutil.which("unshare") is None:
        raise NotPossibleHere("a process namespace takes unshare, which Linux has")
    data = folder / "data"
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with subprocess.Popen(
        [*command, sys.executable, "-c", _CONTAINER, str(data)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as container:
        inside = [container.stdout.readline().strip() for _ in range(2)]
        if not all(inside):
            raise NotPossibleHere("a process namespace takes an administrator")
        stage.measuring(inside[0], data, stage.NAMES[1])
        outside = stage.submit(data, "test_vit", queue=True)
        stage.until(lambda: locks.is_locked(data / "runs" / outside / "journal.jsonl"), "it waits")
        deadline = time.monotonic() + rng.uniform(0, 0.5)
        stage.until(lambda: time.monotonic() > deadline, "the moment")
        container.kill()
    damage = Damage(kills=1)
    for run in inside:
        damage.corrupt += stage.over(run, data, timeout_s=5).state != "crashed"
        damage += audit(run, data)
    damage.corrupt += stage.over(outside, data).state != "done"
    for run in inside:
        runs.resume(run, data, by=COMMAND_LINE, queue=True, start=stage.start_with())
    for run in inside:
        end = stage.over(run, data)
        damage.lost += end.total - end.done
        damage += audit(run, data, in_flight=0)
    return damage
