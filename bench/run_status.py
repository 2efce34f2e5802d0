"""How runs stand: read from their journals, only what is new at each look.

A page asks every second. A finished run costs one `stat`, a living one the lines that were added.
"""

import dataclasses
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from bench import eta, executors, journal, locks, publication, run_folder, store, waiting
from bench.errors import BenchError, InvalidRequest
from bench.executors import Executor
from bench.journal import Fold, Follower
from bench.records import Measurement, Record, Workload, utc_now
from bench.run_folder import Request, RunFolder

LIVE = ("queued", "starting", "running")
MOST_NOTES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Record):
    """A run as it stands.

    state is queued, starting or running while it lives, then done, partial, failed, cancelled or
    crashed. cancelling: somebody asked to stop and it has not ended yet. failures counts rows by
    outcome, flags counts them by flag. eta_s is None while nothing is known. damaged counts lines
    of the journal that could not be read. place is the number in the queue of a run that waits for
    its device, 1 for the next one. notes are sentences about the devices that measured.
    """

    run: str
    state: str
    title: str
    device: str
    device_name: str | None
    who: str | None
    done: int
    total: int
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    current: Workload | None
    phase: str | None
    eta_s: float | None
    failures: dict[str, int]
    flags: dict[str, int]
    cancelling: bool
    error: str | None
    workers: int
    damaged: int
    published: bool
    place: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether a supervisor works on it."""
        return self.state in LIVE

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """See Record.from_json; times and the workload are restored."""
        plain = dict(values)
        for name in ("queued_at", "started_at", "ended_at"):
            if plain.get(name) is not None:
                plain[name] = datetime.fromisoformat(plain[name])
        if plain.get("current") is not None:
            plain["current"] = Workload.from_json(plain["current"])
        plain["notes"] = tuple(plain.get("notes", ()))
        return super(Status, cls).from_json(plain)


@dataclass
class _Watch:
    """What this process remembers of one run."""

    follower: Follower
    request: Request | None = None
    problem: str | None = None
    # The rows of a living run as a table, and what it was made from.
    table: pa.Table | None = None
    table_of: tuple[Fold | None, int, int] = (None, 0, 0)
    # A finished run's status, and the journal and publication that it was read from.
    finished: Status | None = None
    finished_of: tuple[int, ...] = field(default=())


_watches: dict[Path, _Watch] = {}
_lock = threading.RLock()


def status(run: str, data: Path) -> Status:
    """How one run stands. Raises InvalidRequest when there is no such run."""
    return of(run_folder.existing(run, data))


def list_runs(data: Path) -> list[Status]:
    """How every run stands, newest first."""
    folders = run_folder.every(data)
    with _lock:
        runs, known = data.resolve() / "runs", {folder.path for folder in folders}
        for path in [path for path in _watches if path.parent == runs and path not in known]:
            del _watches[path]
    return [of(folder) for folder in folders]


def of(folder: RunFolder) -> Status:
    """How the run in this folder stands."""
    try:
        with _lock:
            watch = _watch(folder)
            if watch.finished is not None and watch.finished_of == _fingerprint(folder):
                return watch.finished
        dead = _found_dead(folder)
        with _lock:
            return _look(folder, dead=dead)
    except OSError as error:
        return _unreadable(folder, error)


def _look(folder: RunFolder, *, dead: int | None) -> Status:
    """What the journal says now; see _found_dead."""
    watch, seen = _watch(folder), _fingerprint(folder)
    found = _from_last_line(folder) or _status(folder, watch, dead=dead)
    if found.ended_at is None:
        watch.finished = None
    else:
        # Its rows are read again if somebody asks for them.
        watch.finished, watch.finished_of = found, seen
        watch.follower, watch.table = Follower(folder.journal), None
    return found


def _found_dead(folder: RunFolder) -> int | None:
    """Which time that it was asked for a run died: nobody works on it, and it has no end.

    None where somebody does, or it has. Asked without the lock, since a cluster may take long to
    answer and all other runs would wait for it; and before the journal is believed, for its lock is
    freed after the end is written.
    """
    with _lock:
        if _from_last_line(folder) is not None:
            return None
        fold = _watch(folder).follower.update()
        state, lock, times = fold.state, fold.lock, fold.times_queued
    return None if state not in LIVE or executor_of(folder).poll(folder, lock) else times


def ended(folder: RunFolder, state: str, error: str | None) -> Status:
    """The status with which a run ends now, to be kept in its journal's last line."""
    return dataclasses.replace(
        of(folder),
        state=state,
        error=error,
        ended_at=utc_now(),
        current=None,
        phase=None,
        eta_s=None,
        cancelling=False,
        place=None,
        published=folder.results.exists(),
    )


def _from_last_line(folder: RunFolder) -> Status | None:
    """The status of a run that is over, from its end; None when it has none or not a sound one."""
    event = journal.last(folder.journal)
    if event is None or event.get("event") not in ("end", "recovered"):
        return None
    try:
        found = Status.from_json(event["status"])
    except (BenchError, KeyError, TypeError, ValueError):
        return None
    return dataclasses.replace(found, run=folder.run, published=folder.results.exists())


def measurements(run: str, data: Path) -> list[Measurement]:
    """What a run has measured so far, in the order measured."""
    with _lock:
        watch = _watch(run_folder.existing(run, data))
        return list(watch.follower.update().rows.values())


def noise(run: str, data: Path) -> float:
    """By how much two measurements of the same thing differ in a run, see Environment.noise."""
    with _lock:
        environment = _watch(run_folder.existing(run, data)).follower.update().environment
    return 0.0 if environment is None else environment.noise


def live_table(run: str, data: Path) -> pa.Table:
    """What a run has measured so far, as rows of SPEED_SCHEMA.

    Empty where the run's request cannot be read, which `status` tells.
    """
    folder = run_folder.existing(run, data)
    with _lock:
        watch = _watch(folder)
        fold = watch.follower.update()
        request = _request(folder, watch)
        if request is None:
            return store.SPEED_SCHEMA.empty_table()
        before, rows, revision = watch.table_of
        if (
            watch.table is None
            or before is not fold
            or (rows, revision)
            != (
                len(fold.rows),
                fold.revision,
            )
        ):
            known = watch.table if before is fold and revision == fold.revision else None
            fresh = publication.table(
                folder, fold, request.protocol, skip=0 if known is None else len(known)
            )
            watch.table = fresh if known is None else pa.concat_tables([known, fresh])
            watch.table_of = fold, len(fold.rows), fold.revision
        return watch.table


def log_tail(run: str, data: Path, lines: int = 50) -> list[str]:
    """The last lines that supervisor and worker printed; control characters are replaced."""
    path = run_folder.existing(run, data).log
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 400 * lines))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [
        "".join(c if c.isprintable() or c == "\t" else "�" for c in line)
        for line in text.splitlines()[-lines:]
    ]


def lock_of(folder: RunFolder) -> str | None:
    """The name of the lock of the device that a run asked for; None where no journal says it."""
    with _lock:
        return _watch(folder).follower.update().lock


def executor_of(folder: RunFolder) -> Executor:
    """What carries a run out: this machine, where that is not known or not installed here."""
    with _lock:
        request = _request(folder, _watch(folder))
    name = "local" if request is None else request.executor
    return executors.of(name if executors.why_absent(name) is None else "local")


def seat_of(folder: RunFolder) -> tuple[str, locks.Holder] | None:
    """The lock that a run holds here, its own or a place in a queue, and its holder; None: none."""
    lock = lock_of(folder)
    return None if lock is None else waiting.seat(lock, folder.run, str(folder.data))


def _watch(folder: RunFolder) -> _Watch:
    if folder.path not in _watches:
        _watches[folder.path] = _Watch(Follower(folder.journal))
    return _watches[folder.path]


def _fingerprint(folder: RunFolder) -> tuple[int, ...]:
    marks: list[int] = []
    for path in (folder.journal, folder.results):
        try:
            found = path.stat()
            marks += [found.st_ino, found.st_size, found.st_mtime_ns]
        except FileNotFoundError:
            marks += [0, 0, 0]
    return tuple(marks)


def _request(folder: RunFolder, watch: _Watch) -> Request | None:
    if watch.request is None:
        try:
            watch.request, watch.problem = folder.request(), None
        except InvalidRequest as error:
            watch.problem = str(error)
    return watch.request


def _unreadable(folder: RunFolder, error: OSError) -> Status:
    """What is said of a run that this user may not read, or this disk no longer gives."""
    return Status(
        run=folder.run,
        state="failed",
        title="",
        device="",
        device_name=None,
        who=None,
        done=0,
        total=0,
        queued_at=None,
        started_at=None,
        ended_at=None,
        current=None,
        phase=None,
        eta_s=None,
        failures={},
        flags={},
        cancelling=False,
        error=f"the run's files cannot be read: {error.strerror}",
        workers=0,
        damaged=0,
        published=False,
    )


def _status(folder: RunFolder, watch: _Watch, *, dead: int | None) -> Status:
    fold, request = watch.follower.update(), _request(folder, watch)
    # One that was resumed since it was looked for is not the one that died.
    state = "crashed" if fold.state in LIVE and fold.times_queued == dead else fold.state
    alive = state in LIVE
    rows = fold.rows.values()
    environment = fold.environment
    current, phase = (fold.current if alive else None) or (None, None)
    return Status(
        run=folder.run,
        state=state,
        title=request.title if request else "",
        device=request.device if request else "",
        device_name=environment.device if environment else None,
        who=fold.who,
        done=len(fold.rows),
        total=len(request.workloads) if request else len(fold.rows),
        queued_at=fold.queued_at,
        started_at=fold.started_at,
        ended_at=fold.ended_at,
        current=current,
        phase=phase,
        eta_s=_eta_s(request, fold) if alive and request else None,
        failures=dict(Counter(row.outcome for row in rows if row.outcome != "ok")),
        flags=dict(Counter(flag for row in rows for flag in row.flags)),
        cancelling=alive and folder.cancel.exists(),
        error=watch.problem or fold.error or (CRASHED if state == "crashed" else None),
        workers=fold.workers,
        damaged=fold.damaged,
        published=folder.results.exists(),
        place=_place(folder, fold) if state == "queued" else None,
        notes=tuple(fold.notes[-MOST_NOTES:]),
    )


CRASHED = "the run's supervisor ended without a word; what was measured is kept"


def _place(folder: RunFolder, fold: Fold) -> int | None:
    """Number in the device's queue, 1 for the next one; None: not in it, or not seen from here."""
    line = [] if fold.lock is None else waiting.line(fold.lock)
    runs = [(holder.run, holder.data) for _, holder in line]
    me = folder.run, str(folder.data)
    return runs.index(me) + 1 if me in runs else None


def _eta_s(request: Request, fold: Fold) -> float | None:
    """Seconds until the run ends; None while nothing is known."""
    operations, refused = publication.operations(), publication.refused()

    def cost(workload: Workload) -> int | None:
        return operations.get((workload.architecture, workload.image_size), (None, None))[0]

    eta_s = eta.remaining_s(
        [
            (w.measure, cost(w), seconds)
            for w, seconds in fold.durations_s.items()
            # Refused at once, which tells nothing about those that are measured.
            if fold.rows[w].outcome != "unsupported"
        ],
        [
            (w.measure, cost(w))
            for w in request.workloads
            if w not in fold.rows and w.architecture not in refused
        ],
    )
    if eta_s is None or fold.started_at is None:
        return eta_s
    eta_s /= max(1, len(fold.stations))
    if request.time_limit_s is not None:
        gone_s = (utc_now() - fold.started_at).total_seconds()
        return min(eta_s, max(0.0, request.time_limit_s - gone_s))
    return eta_s
