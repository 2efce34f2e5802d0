"""Runs: submit, watch, cancel, resume, recover. Nothing else starts a run; see `executors` for how.

Everything about a run lies in its folder; this module keeps nothing of it in memory.
"""

import contextlib
import dataclasses
import logging
import sys
import time
from functools import partial
from pathlib import Path

from bench import (
    executors,
    journal,
    locks,
    permission,
    recovery,
    run_checks,
    run_folder,
    run_status,
    waiting,
)
from bench.devices import Device, devices
from bench.errors import BenchError, InvalidRequest, NotAllowed
from bench.executors import Start, local
from bench.permission import COMMAND_LINE, Asker
from bench.records import dumps, utc_now
from bench.recovery import recover
from bench.run_checks import why_not
from bench.run_folder import Request, RunFolder
from bench.run_status import Status, list_runs, live_table, log_tail, measurements, noise, status

__all__ = [
    "COMMAND_LINE",
    "Asker",
    "Device",
    "Request",
    "Status",
    "ahead",
    "cancel",
    "cluster_devices",
    "devices",
    "force_end",
    "list_runs",
    "live_table",
    "log_tail",
    "measurements",
    "noise",
    "recover",
    "resume",
    "status",
    "submit",
    "why_not",
]

LEAVING_S = 10.0

_log = logging.getLogger(__name__)


def supervisor_command(folder: RunFolder, lock: int | None) -> list[str]:
    """The command line of a run's supervisor; see bench.executors.Start."""
    command = [sys.executable, "-m", "bench", "supervise", folder.run, "--data", str(folder.data)]
    return command if lock is None else [*command, "--lock-fd", str(lock)]


def submit(
    request: Request,
    data: Path,
    *,
    by: Asker,
    queue: bool = False,
    start: Start = supervisor_command,
) -> str:
    """Start a run and return its id; it goes on whatever becomes of this process.

    Args:
        request: what is asked, and where; its `who` becomes that of by.
        data: the data folder; the run lies below data/runs.
        by: who asks; checked here, whatever the page believed.
        queue: where the device is busy, wait in line for it. Where a run that was asked the very
            same lives or waits, that run's id is returned and nothing is started. On a cluster,
            which always waits, it is so too.
        start: the supervisor's command line.

    Raises:
        NotAllowed: no permission, or the executor is absent; DeviceBusy: a run lives on this device
            (the message names it), or its queue is full.
        InvalidRequest: an unknown model or device, too much, no space, a read-only folder.
    """
    _refuse(permission.why_not(by))
    request = dataclasses.replace(request, who=by.who)
    executor = executors.of(request.executor)
    run_checks.check(request, data)
    executor.check(request)
    with locks.admission():
        wait = queue or request.executor != "local"
        if wait and (same := _the_same(request, data)) is not None:
            return same
        folder = RunFolder(run_folder.new_id(), data.resolve())
        prepare = partial(run_folder.create, folder, request)
        try:
            executor.submit(folder, request, start, queue=queue, prepare=prepare)
        except OSError as error:
            raise InvalidRequest(f"the run cannot be started: {error}") from error
    _tell("submitted", folder.run, by, device=request.device, workloads=len(request.workloads))
    return folder.run


def resume(
    run: str,
    data: Path,
    *,
    by: Asker,
    queue: bool = False,
    start: Start = supervisor_command,
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
    executor = executors.of(request.executor)
    run_checks.check(request, data)
    executor.check(request)

    def prepare(lock: str) -> None:
        if run_status.of(folder).ended_at is None:
            recovery.publish_dead(folder)
        folder.cancel.unlink(missing_ok=True)
        events = journal.Journal(folder.journal)
        events.append("queued", who=by.who, device=request.device, lock=lock)
        events.close()

    with locks.admission():
        now = run_status.of(folder)
        if now.alive:
            raise InvalidRequest(f"run {run} is {now.state}: it needs no resuming")
        if now.done >= now.total:
            raise InvalidRequest(f"run {run} has all its {now.total} rows: nothing is missing")
        try:
            executor.submit(folder, request, start, queue=queue, prepare=prepare)
        except OSError as error:
            raise InvalidRequest(f"the run cannot be resumed: {error}") from error
    _tell("resumed", run, by, device=request.device, workloads=now.total - now.done)
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
    _tell("cancelled", run, by)


def force_end(run: str, data: Path, *, by: Asker) -> None:
    """Kill the supervisor of a run that does not answer to `cancel`, and publish what is there.

    Raises:
        NotAllowed: no permission.
        BenchError: it still lives after that; it may be on another machine or in a container.
    """
    _refuse(permission.why_not(by))
    folder = run_folder.existing(run, data)
    run_status.executor_of(folder).cancel(folder)
    give_up = time.monotonic() + LEAVING_S
    while run_status.of(folder).alive:
        if time.monotonic() > give_up:
            raise BenchError(f"run {run} does not end: is it in a container or on another machine?")
        time.sleep(0.05)
    recover(data)
    _tell("ended by force", run, by)


def _tell(what: str, run: str, by: Asker, **facts: object) -> None:
    """A line for whoever runs the server; its journal tells the rest of the run."""
    _log.info("run %s", what, extra={"run": run, "who": by.who, **facts})


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise NotAllowed(reason)


def cluster_devices() -> list[Device]:
    """What can be asked for on the cluster that is set up, if any; it is asked."""
    return [] if executors.why_no_cluster() else executors.of("ray").devices()


def ahead(device: Device) -> int:
    """How many runs a new one would have to wait for: the one on the device, and its queue."""
    holders = [locks.holder(device.lock), *(holder for _, holder in waiting.line(device.lock))]
    return sum(holder is not None and not local.is_over(holder) for holder in holders)


def _the_same(request: Request, data: Path) -> str | None:
    """The run of this data folder that lives or waits and was asked the same."""
    for now in run_status.list_runs(data):
        if now.alive and not now.cancelling:
            with contextlib.suppress(InvalidRequest):
                folder = run_folder.existing(now.run, data)
                if _asks_the_same(folder.request(), request):
                    return now.run
    return None


def _asks_the_same(one: Request, other: Request) -> bool:
    """Whether two requests want the same, whoever asked and whatever they called it."""
    nameless = [dataclasses.replace(request, who=None, title="-") for request in (one, other)]
    return nameless[0] == nameless[1]
