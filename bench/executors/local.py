"""This machine: a detached process that holds the device's lock, or a place in its queue."""

import dataclasses
import os
import subprocess
import threading
import time
from pathlib import Path

from bench import devices, journal, locks, processes, recovery, run_checks, run_status, waiting
from bench.devices import Device
from bench.errors import DeviceBusy
from bench.executors import Prepare, Start
from bench.run_folder import Request, RunFolder
from bench.worker_process import ROOT

LEAVING_S = 10.0


class LocalExecutor:
    """See `bench.executors.Executor`. A held lock is a live run."""

    def devices(self) -> list[Device]:
        """The GPUs and the CPU of this machine."""
        return devices.devices()

    def check(self, request: Request) -> None:
        """The device must be here and usable."""
        devices.check_device(request.device)

    def submit(
        self, folder: RunFolder, request: Request, start: Start, *, queue: bool, prepare: Prepare
    ) -> None:
        """Take the device or a place in its queue, and hand it to a new supervisor."""
        device = devices.check_device(request.device)
        name, holder, lock = _seat(device, folder, queue=queue)
        try:
            prepare(device.lock)
            supervisor = _launch(start(folder, lock), folder, lock)
            # So that a supervisor that never gets to its first line can be found.
            began = processes.began(supervisor.pid)
            locks.write_holder(name, dataclasses.replace(holder, pid=supervisor.pid, began=began))
        finally:
            os.close(lock)
        # Its end leaves no zombie.
        threading.Thread(target=supervisor.wait, daemon=True, name=f"reap {folder.run}").start()

    def poll(self, folder: RunFolder, lock: str | None) -> bool:
        """Whether the run's journal is being written, or the run is on the way to that.

        A supervisor keeps the journal locked from its first step to its end, and after its death
        its warden does until nothing is left of the run. In another container that is all that can
        be seen of it.
        """
        if locks.is_locked(folder.journal):
            return True
        # Only on the way there is it the name beside a lock that counts: when the next run takes
        # the device, that of a run that died stays there for a moment, and would revive it.
        event = journal.last(folder.journal)
        if (
            lock is not None
            and event is not None
            and event.get("event") == "queued"
            and waiting.seat(lock, folder.run, str(folder.data)) is not None
        ):
            return True
        # It may have begun since the first look.
        return locks.is_locked(folder.journal)

    def cancel(self, folder: RunFolder) -> None:
        """SIGKILL; the warden ends what is left."""
        recovery.kill_supervisor(folder)

    def list(self) -> list[str]:
        """The runs that hold a device here or wait for one."""
        return sorted({holder.run for holder in locks.holders() if holder.run})


def _launch(command: list[str], folder: RunFolder, lock: int) -> subprocess.Popen[bytes]:
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
        in_the_way = next((o for o in others if o is not None and not is_over(o)), None)
        raise DeviceBusy(devices.busy(device, in_the_way))
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
        if (now is not None and not is_over(now)) or time.monotonic() > give_up:
            return None
        time.sleep(0.02)
    return lock


def is_over(holder: locks.Holder) -> bool:
    """Whether the run of this holder has ended, so that its supervisor is about to."""
    return bool(holder.run) and not run_status.of(RunFolder(holder.run, Path(holder.data))).alive
