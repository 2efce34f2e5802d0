"""The process that carries out one run: holds the device, keeps the journal, publishes at the end.

It is detached: it outlives the browser tab, the server and the terminal that submitted it. Where
the device is busy, it waits for its turn first.
"""

import contextlib
import dataclasses
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from bench import executors, journal, locks, processes, waiting, warden
from bench.errors import BenchError
from bench.run_folder import RunFolder
from bench.sweep import LIMITS, Limits, Outcome

# A worker that prints without end must not fill the disk.
LARGEST_LOG_BYTES = 64 * 2**20
# Kept free for the end of the journal and the published file, should the disk fill up.
RESERVE_BYTES = 4 * 2**20
HEARTBEAT_S = 1.0
# Submitting to a cluster takes seconds, on a busy one tens of them.
SUBMITTED_WITHIN_S = 120.0


@dataclass
class _Watch:
    """What the supervisor looks at several times a second while it waits or a worker works.

    lock is what it holds: the device's, or a place in the queue.
    """

    folder: RunFolder
    lock: str
    by_signal: str | None = None
    next_beat_s: float = 0.0

    def asked_to_stop(self) -> bool:
        """Whether somebody asked this run to stop, through the marker or with a signal."""
        if time.monotonic() >= self.next_beat_s:
            self.next_beat_s = time.monotonic() + HEARTBEAT_S
            locks.beat(self.lock)
            if self.folder.log.stat().st_size > LARGEST_LOG_BYTES:
                os.truncate(self.folder.log, 0)
        return self.by_signal is not None or self.folder.cancel.exists()

    def who_stopped_it(self) -> str | None:
        """A signal, or whoever is named in the marker; None for somebody at this machine."""
        if self.by_signal is not None:
            return f"stopped by {self.by_signal}"
        try:
            who = json.loads(self.folder.cancel.read_text(encoding="utf-8"))["who"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return f"cancelled by {who}" if who else None

    def note(self, number: int, _frame: FrameType | None) -> None:
        self.by_signal = signal.Signals(number).name


def supervise(
    folder: RunFolder,
    lock: int | None,
    *,
    worker: Sequence[str] | None = None,
    limits: Limits = LIMITS,
) -> Outcome:
    """Carry out what is missing of a run, whatever happens, and say in the journal how it ended.

    Args:
        folder: a run that exists.
        lock: descriptor that holds the device's lock, or a place in its queue; held until the
            run's end is written. None: on a cluster, where the run has a lock of its own, which is
            taken here.
        worker: the worker's command; None: bench.worker.
        limits: the deadlines.
    """
    before = journal.read(folder.journal)
    if before.lock is None:
        raise BenchError(f"the journal of run {folder.run} does not say who asked for what")
    is_own = lock is None
    if lock is None:
        lock = _take_own(folder, before.lock)
    os.set_inheritable(lock, False)
    watch = _Watch(folder, waiting.place_of(lock, before.lock) or before.lock)
    _sign(watch.lock)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, watch.note)
    events = journal.Journal(folder.journal)
    if watch.lock != before.lock:
        turn = _wait_for_turn(before.lock, watch)
        if isinstance(turn, Outcome):
            _end(folder, events, turn)
            events.close()
            os.close(lock)
            return turn
        os.close(lock)
        lock, watch.lock = turn, before.lock
    guard = warden.post(folder.run, keep=lock)
    processes.adopt_orphans()
    os.environ[processes.RUN_MARK] = folder.run
    events.append("starting", pid=os.getpid())
    outcome = _measure(folder, events, before, watch, worker=worker, limits=limits)
    processes.sweep(lambda: [p for p in processes.descendants() if p.pid != guard.pid])
    folder.reserve.unlink(missing_ok=True)
    outcome = _publish(folder, outcome)
    _end(folder, events, outcome)
    # The device's lock last: whoever takes it may write the journal.
    events.close()
    if is_own:
        locks.forget(before.lock)
    os.close(lock)
    guard.relieve()
    return outcome


def _sign(lock: str) -> None:
    """Say that this process holds it: whoever submitted may have died before it could."""
    holder = locks.holder(lock)
    if holder is not None:
        pid = os.getpid()
        signed = dataclasses.replace(holder, pid=pid, began=processes.began(pid))
        locks.write_holder(lock, signed)


def _take_own(folder: RunFolder, name: str) -> int:
    """The lock of this run alone, which whoever submitted it held until the cluster had it."""
    pid = os.getpid()
    me = locks.Holder(run=folder.run, data=str(folder.data), pid=pid, began=processes.began(pid))
    give_up = time.monotonic() + SUBMITTED_WITHIN_S
    while (lock := locks.take(name, me)) is None:
        if time.monotonic() > give_up:
            raise BenchError(f"another process carries out run {folder.run}")
        time.sleep(0.05)
    return lock


def _wait_for_turn(device: str, watch: _Watch) -> int | Outcome:
    """The descriptor that holds the device, or how the run ended before its turn came."""
    try:
        lock = waiting.wait_for_turn(device, watch.lock, watch.asked_to_stop)
    except (BenchError, OSError) as error:
        _log_traceback()
        return Outcome("failed", _sentence(error))
    return Outcome("cancelled", watch.who_stopped_it()) if lock is None else lock


def _measure(
    folder: RunFolder,
    events: journal.Journal,
    before: journal.Fold,
    watch: _Watch,
    *,
    worker: Sequence[str] | None,
    limits: Limits,
) -> Outcome:
    """The sweep over the rows that are missing; what goes wrong in it becomes an outcome."""
    measured = 0

    def record(event: str, **values: Any) -> None:
        nonlocal measured
        events.append(event, **values)
        measured += event == "measurement"

    try:
        with folder.reserve.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        request = folder.request()
        missing = [workload for workload in request.workloads if workload not in before.rows]
        if request.largest_multiply_adds is not None:
            # pandas is wanted for this alone; see _publish.
            from bench import refusal  # noqa: PLC0415

            for row in refusal.too_large(missing, request.largest_multiply_adds):
                record("measurement", measurement=row.to_json(), duration_s=0.0)
                missing.remove(row.workload)
        with folder.log.open("a+b", buffering=0) as log:
            outcome = executors.sweep_of(request.executor)(
                missing,
                request.protocol,
                request.device,
                record=record,
                cancelled=watch.asked_to_stop,
                log=log,
                command=worker,
                limits=limits,
                time_limit_s=request.time_limit_s,
                expected=before.environment,
            )
    except Exception as error:  # noqa: BLE001 - whatever it is, the run's end must be written
        folder.reserve.unlink(missing_ok=True)
        _log_traceback()
        return Outcome("partial" if measured else "failed", _sentence(error))
    if outcome.state == "cancelled":
        return Outcome("cancelled", watch.who_stopped_it())
    return outcome


def _publish(folder: RunFolder, outcome: Outcome) -> Outcome:
    """Publish; a failure to do so is told, and does not lose the journal."""
    # pandas and Parquet are wanted only now: the worker was up half a second earlier.
    from bench import publication  # noqa: PLC0415

    try:
        publication.publish(folder)
    except Exception as error:  # noqa: BLE001 - see _measure; recover tries again
        _log_traceback()
        reasons = [outcome.error] if outcome.error else []
        reasons.append(f"the results could not be published: {_sentence(error)}")
        return Outcome("failed", "; ".join(reasons))
    return outcome


def _end(folder: RunFolder, events: journal.Journal, outcome: Outcome) -> None:
    """The journal's last line."""
    from bench import run_status  # noqa: PLC0415 - see _publish

    status = run_status.ended(folder, outcome.state, outcome.error)
    events.append("end", state=outcome.state, error=outcome.error, status=status.to_json())


def _log_traceback() -> None:
    """Into the log; a disk that is too full for that must not hide what happened."""
    with contextlib.suppress(OSError):
        traceback.print_exc(file=sys.stderr)


def _sentence(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
