"""The process that carries out one run: holds the device, keeps the journal, publishes at the end.

It is detached: it outlives the browser tab, the server and the terminal that submitted it.
"""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import psutil

from bench import journal, locks, processes, run_folder
from bench.run_folder import RunFolder
from bench.sweep import LIMITS, Limits, Outcome, sweep


@dataclass
class _Stop:
    """Whether somebody asked this run to stop, through the marker or with a signal."""

    folder: RunFolder
    by_signal: str | None = field(default=None)

    def asked(self) -> bool:
        return self.by_signal is not None or self.folder.cancel.exists()

    def note(self, number: int, _frame: FrameType | None) -> None:
        self.by_signal = signal.Signals(number).name


def supervise(
    folder: RunFolder,
    lock: int,
    *,
    worker: Sequence[str] | None = None,
    limits: Limits = LIMITS,
) -> Outcome:
    """Carry out what is missing of a run, whatever happens, and say in the journal how it ended.

    Args:
        folder: a run that exists.
        lock: descriptor that holds the device's lock; held until the run's end is written.
        worker: the worker's command; None: bench.worker.
        limits: the deadlines.
    """
    os.set_inheritable(lock, False)
    processes.adopt_orphans()
    os.environ[processes.RUN_MARK] = folder.run
    stop = _Stop(folder)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop.note)
    events = journal.Journal(folder.journal)
    me = psutil.Process()
    before = journal.read(folder.journal)
    assert before.lock is not None
    locks.write_holder(
        before.lock,
        locks.Holder(run=folder.run, data=str(folder.data), pid=me.pid, began=me.create_time()),
    )
    events.append("starting", pid=me.pid, began=me.create_time())
    outcome = _measure(folder, events, before, stop, worker=worker, limits=limits)
    processes.sweep(processes.descendants)
    rows, outcome = _publish(folder, outcome)
    events.append("end", state=outcome.state, error=outcome.error, rows=rows)
    os.close(lock)
    return outcome


def _measure(
    folder: RunFolder,
    events: journal.Journal,
    before: journal.Fold,
    stop: _Stop,
    *,
    worker: Sequence[str] | None,
    limits: Limits,
) -> Outcome:
    """The sweep over the rows that are missing; what goes wrong in it becomes an outcome."""

    def record(event: str, **values: Any) -> None:
        events.append(event, **values)

    try:
        request = folder.request()
        missing = [workload for workload in request.workloads if workload not in before.rows]
        with folder.log.open("a+b", buffering=0) as log:
            outcome = sweep(
                missing,
                request.protocol,
                request.device,
                record=record,
                cancelled=stop.asked,
                log=log,
                command=worker,
                limits=limits,
                time_limit_s=request.time_limit_s,
                expected=before.environment,
            )
    except Exception as error:  # noqa: BLE001 - whatever it is, the run's end must be written
        traceback.print_exc(file=sys.stderr)
        return Outcome("failed", _sentence(error))
    if outcome.state == "cancelled" and stop.by_signal is not None:
        return Outcome("cancelled", f"the run was stopped by {stop.by_signal}")
    return outcome


def _publish(folder: RunFolder, outcome: Outcome) -> tuple[int, Outcome]:
    """Publish; a failure to do so is told, and does not lose the journal."""
    try:
        return run_folder.publish(folder), outcome
    except Exception as error:  # noqa: BLE001 - see _measure; recover tries again
        traceback.print_exc(file=sys.stderr)
        reasons = [outcome.error] if outcome.error else []
        reasons.append(f"the results could not be published: {_sentence(error)}")
        return 0, Outcome("failed", "; ".join(reasons))


def _sentence(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
