"""Runs: submit, watch, cancel, resume, recover. Nothing else knows how a run is started.

Everything about a run lies in its folder; this module keeps nothing of it in memory.
"""

import contextlib
import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench import (
    journal,
    locks,
    permission,
    processes,
    recovery,
    run_checks,
    run_folder,
    run_status,
    waiting,
)
from bench.devices import Device, devices
from bench.errors import BenchError, DeviceBusy, InvalidRequest, NotAllowed
from bench.permission import COMMAND_LINE, Asker
from bench.records import dumps, utc_now
from bench.recovery import recover
from bench.run_checks import why_not
from bench.run_folder import Request, RunFolder
from bench.run_status import Status, list_runs, live_table, log_tail, measurements, status
from bench.worker_process import ROOT

__all__ = [
    "COMMAND_LINE",
    "Asker",
    "Device",
    "Request",
    "Status",
    "ahead",
    "cancel",
    "devices",
    "force_end",
    "list_runs",
    "live_table",
    "log_tail",
    "measurements",
    "recover",
    "resume",
    "status",
    "submit",
    "why_not",
]

LEAVING_S = 10.0

Start = Callable[[RunFolder, int], subprocess.Popen[bytes]]


def start_supervisor(folder: RunFolder, lock: int) -> subprocess.Popen[bytes]:
    """Start the run's supervisor; it inherits the descriptor of the device or of its place."""
    command = [sys.executable, "-m", "bench", "supervise", folder.run]
    return launch([*command, "--data", str(folder.data), "--lock-fd", str(lock)], folder, lock)


def launch(command: list[str], folder: RunFolder, lock: int) -> subprocess.Popen[bytes]:
    """Start a detached process (a session of its own) that prints into the run's log."""
    with folder.log.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
            cwd=ROOT,
        )


def submit(
    request: Request,
    data: Path,
    *,
    by: Asker,
    queue: bool = False,
    start: Start = start_supervisor,
) -> str:
    """Start a run and return its id; it goes on whatever becomes of this process.

    Args:
        request: what is asked; its `who` becomes that of by.
        data: the data folder; the run lies below data/runs.
        by: who asks; checked here, whatever the page believed.
        queue: where the device is busy, wait in line for it. Where a run that was asked the very
            same lives on it or waits for it, that run's id is returned and nothing is started.
        start: how the supervisor is started.

    Raises:
        NotAllowed: no permission; DeviceBusy: a run lives on this device (the message names it),
            or its queue is full.
        InvalidRequest: an unknown model or device, too much, no space, a read-only folder.
    """
    _refuse(permission.why_not(by))
    request = dataclasses.replace(request, who=by.who)
    device = run_checks.check(request, data)
    with locks.admission():
        if queue and (same := _the_same(request, device, data)) is not None:
            return same
        folder = RunFolder(run_folder.new_id(), data.resolve())
        name, holder, lock = _seat(device, folder, queue=queue)
        try:
            run_folder.create(folder, request, device.lock)
            _hand_over(folder, name, holder, lock, start)
        except OSError as error:
            raise InvalidRequest(f"the run cannot be started: {error}") from error
        finally:
            os.close(lock)
    return folder.run


def resume(
    run: str,
    data: Path,
    *,
    by: Asker,
    queue: bool = False,
    start: Start = start_supervisor,
) -> str:
    """Measure exactly the rows that a run lacks, in the same run; returns its id.

    Args, as in `submit`: queue, and the rest.

    Raises:
        NotAllowed: no permission; DeviceBusy: a run lives on this device, or its queue is full.
        InvalidRequest: no such run, it still lives, or nothing is missing.
    """
    _refuse(permission.why_not(by))
    folder = run_folder.existing(run, data)
    request = folder.request()
    device = run_checks.check(request, data)
    with locks.admission():
        now = run_status.of(folder)
        if now.alive:
            raise InvalidRequest(f"run {run} is {now.state}: it needs no resuming")
        if now.done >= now.total:
            raise InvalidRequest(f"run {run} has all its {now.total} rows: nothing is missing")
        name, holder, lock = _seat(device, folder, queue=queue)
        try:
            if now.ended_at is None:
                recovery.publish_dead(folder)
            folder.cancel.unlink(missing_ok=True)
            events = journal.Journal(folder.journal)
            events.append("queued", who=by.who, device=request.device, lock=device.lock)
            events.close()
            _hand_over(folder, name, holder, lock, start)
        except OSError as error:
            raise InvalidRequest(f"the run cannot be resumed: {error}") from error
        finally:
            os.close(lock)
    return run


def cancel(run: str, data: Path, *, by: Asker) -> None:
    """Ask a run to stop; returns at once. What was measured stays and is published.

    Raises:
        NotAllowed: no permission.
        InvalidRequest: no such run, or it is over.
    """
    _refuse(permission.why_not(by))
    folder = run_folder.existing(run, data)
    now = run_status.of(folder)
    if not now.alive:
        raise InvalidRequest(f"run {run} is over: {now.state}")
    try:
        folder.cancel.write_text(
            dumps({"who": by.who, "at": utc_now().isoformat()}) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise BenchError(f"run {run} cannot be told to stop: {error.strerror}") from error


def force_end(run: str, data: Path, *, by: Asker) -> None:
    """Kill the supervisor of a run that does not answer to `cancel`, and publish what is there.

    Raises:
        NotAllowed: no permission.
        BenchError: it still lives after that; it may be on another machine or in a container.
    """
    _refuse(permission.why_not(by))
    folder = run_folder.existing(run, data)
    recovery.kill_supervisor(folder)
    give_up = time.monotonic() + LEAVING_S
    while run_status.of(folder).alive:
        if time.monotonic() > give_up:
            raise BenchError(f"run {run} does not end: is it in a container or on another machine?")
        time.sleep(0.05)
    recover(data)


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise NotAllowed(reason)


def ahead(device: Device) -> int:
    """How many runs a new one would have to wait for: the one on the device, and its queue."""
    holders = [locks.holder(device.lock), *(holder for _, holder in waiting.line(device.lock))]
    return sum(holder is not None and not _is_over(holder) for holder in holders)


def _the_same(request: Request, device: Device, data: Path) -> str | None:
    """The run of this data folder, on this device or waiting for it, that was asked the same."""
    holders = [locks.holder(device.lock), *(holder for _, holder in waiting.line(device.lock))]
    for holder in holders:
        if holder is None or holder.data != str(data.resolve()):
            continue
        folder = RunFolder(holder.run, data.resolve())
        with contextlib.suppress(InvalidRequest):
            now = run_status.of(folder)
            if now.alive and not now.cancelling and _asks_the_same(folder.request(), request):
                return holder.run
    return None


def _asks_the_same(one: Request, other: Request) -> bool:
    """Whether two requests want the same, whoever asked and whatever they called it."""
    nameless = [dataclasses.replace(request, who=None, title="-") for request in (one, other)]
    return nameless[0] == nameless[1]


def _seat(device: Device, folder: RunFolder, *, queue: bool) -> tuple[str, locks.Holder, int]:
    """The device's lock or, where it is busy and queue, a place in its queue: held for this run.

    Returns its name, what is written beside it, and the descriptor that holds it.
    """
    holder = locks.Holder(run=folder.run, data=str(folder.data))
    line = waiting.line(device.lock)
    if not line and (lock := _take(device, holder)) is not None:
        return device.lock, holder, lock
    if not queue:
        others = [locks.holder(device.lock), *(holder for _, holder in line)]
        # One that has ended and is about to leave is in nobody's way.
        in_the_way = next((o for o in others if o is not None and not _is_over(o)), None)
        raise DeviceBusy(run_checks.busy(device, in_the_way))
    seat = waiting.take_place(device.lock, holder)
    if seat is None:
        raise DeviceBusy(run_checks.queue_is_full(device))
    return seat


def _take(device: Device, holder: locks.Holder) -> int | None:
    """The descriptor that holds a device's lock; None when a run lives on it.

    A supervisor that has written its end needs a moment to leave.
    """
    give_up = time.monotonic() + LEAVING_S
    while (lock := locks.take(device.lock, holder)) is None:
        now = locks.holder(device.lock)
        if (now is not None and not _is_over(now)) or time.monotonic() > give_up:
            return None
        time.sleep(0.02)
    return lock


def _is_over(holder: locks.Holder) -> bool:
    """Whether the run of this holder has ended, so that its supervisor is about to."""
    return bool(holder.run) and not run_status.of(RunFolder(holder.run, Path(holder.data))).alive


def _hand_over(folder: RunFolder, name: str, holder: locks.Holder, lock: int, start: Start) -> None:
    """Start the supervisor with the lock, and see to it that its end leaves no zombie."""
    supervisor = start(folder, lock)
    # So that a supervisor that never gets to its first line can be found.
    began = processes.began(supervisor.pid)
    locks.write_holder(name, dataclasses.replace(holder, pid=supervisor.pid, began=began))
    threading.Thread(target=supervisor.wait, daemon=True, name=f"reap {folder.run}").start()
