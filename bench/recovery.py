"""What is done about runs that died or no longer answer, by whoever opens their data folder."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

from bench import journal, locks, processes, publication, run_folder, run_status
from bench.errors import BenchError, Unreachable
from bench.run_folder import RunFolder
from bench.run_status import Status

# A supervisor gives a sign of life every second, but for 10 s while a worker refuses to die and
# while it publishes. Nothing is believed from one look: a machine may have slept.
SILENT_S = 120.0
SILENT_LOOKS = 20
# A cancelled run is over within 12 s.
CANCEL_S = 30.0


@dataclass(slots=True)
class _Silence:
    """Since when, by our own clock, a supervisor's last sign of life has not changed."""

    beat: int
    since_s: float
    looks: int = 0
    cancelling_since_s: float | None = None


# A store that does not take results is not asked at every look, which would keep a page waiting.
TRY_AGAIN_S = 60.0
_failed: dict[tuple[str, str], tuple[float, str]] = {}

_silences: dict[tuple[str, str], _Silence] = {}


def recover(data: Path) -> list[str]:
    """Publish the runs that died, from their journals, and end what does not answer any more.

    Cheap when there is nothing to do; a page may call it at every look.

    Returns:
        A sentence for each run where that failed.
    """
    problems = []
    for folder in run_folder.every(data):
        now = run_status.of(folder)
        try:
            if now.alive:
                end_if_silent(folder, now)
            elif needs_recovery(now):
                failed_at_s, reason = _failed.get((str(folder.data), folder.run), (-math.inf, ""))
                if time.monotonic() - failed_at_s < TRY_AGAIN_S:
                    problems.append(reason)
                    continue
                with locks.admission():
                    if needs_recovery(run_status.of(folder)):
                        publish_dead(folder)
        except (BenchError, OSError) as error:
            problems.append(f"run {folder.run} could not be published: {error}")
            if isinstance(error, Unreachable):
                _failed[str(folder.data), folder.run] = time.monotonic(), problems[-1]
    return problems


def needs_recovery(now: Status) -> bool:
    """Whether a run is over and has no end in its journal, or has rows and no published file.

    A folder without the beginning of a journal was not made by `submit`; it is left as it is.
    """
    if now.alive or now.queued_at is None:
        return False
    # Without a worker there is no device to publish rows of.
    has_rows = now.done > 0 and now.device_name is not None
    return now.ended_at is None or (has_rows and not now.published)


def publish_dead(folder: RunFolder) -> None:
    """Publish a run whose supervisor is gone, and write down that it was. Inside admission."""
    over = run_status.of(folder).ended_at is not None
    folder.reserve.unlink(missing_ok=True)
    if over:
        publication.publish(folder)
        return
    processes.sweep(lambda: processes.marked(processes.RUN_MARK, folder.run))
    events = journal.Journal(folder.journal)
    try:
        publication.publish(folder)
        status = run_status.ended(folder, "crashed", run_status.CRASHED)
        events.append("recovered", error=status.error, status=status.to_json())
    finally:
        events.close()


def end_if_silent(folder: RunFolder, now: Status) -> None:
    """Kill a supervisor that is stuck: silent for too long, or deaf to being cancelled.

    What it leaves is then a run that died. Nothing happens on the first looks.
    """
    seat = run_status.seat_of(folder)
    if seat is None:
        return
    key, clock_s, beat = (
        (str(folder.data), folder.run),
        time.monotonic(),
        locks.last_beat(seat[0]),
    )
    silence = _silences.setdefault(key, _Silence(beat, clock_s))
    if silence.beat != beat:
        silence.beat, silence.since_s, silence.looks = beat, clock_s, 0
    silence.looks += 1
    if not now.cancelling:
        silence.cancelling_since_s = None
    elif silence.cancelling_since_s is None:
        silence.cancelling_since_s = clock_s
    silent = silence.looks >= SILENT_LOOKS and clock_s - silence.since_s > SILENT_S
    deaf = (
        silence.cancelling_since_s is not None and clock_s - silence.cancelling_since_s > CANCEL_S
    )
    if silent or deaf:
        kill_supervisor(folder)
        # Another session may have found the same.
        _silences.pop(key, None)


def kill_supervisor(folder: RunFolder) -> bool:
    """SIGKILL a run's supervisor, if it is the process that took the lock; its warden cleans up.

    A run that waits for its device has a supervisor too, which holds a place in the queue.

    Returns whether there was one to kill.
    """
    seat = run_status.seat_of(folder)
    if seat is None:
        return False
    holder = seat[1]
    if holder.pid is None or holder.began is None:
        return False
    supervisor = processes.find(holder.pid, holder.began)
    return supervisor is not None and processes.kill([supervisor]) == 1
