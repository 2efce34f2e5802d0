"""A run's journal: one JSON line per event, appended and synced; its state is folded from it.

Events (each with `event` and `at`):

    queued       who asked, on which device, with which lock
    starting     a supervisor began: pid, which attempt
    ready        a worker is up: its pid and the environment
    phase        what the worker does now, and by when it must say something again
    measurement  a finished row
    sentinel     the same model measured again, to see the device drift
    drift        the last `rows` rows bear the flag `drift`
    worker_ended why a worker was replaced
    station_lost on a cluster: a device is gone or was turned away, why, and what it gave back
    disagreement on a cluster: the sentinel's times on two devices differ by more than the noise
    end          done, partial, failed or cancelled, with the reason and the run's whole status
    recovered    somebody found that the run had died, and published it; the same

A torn last line is dropped: nobody was told that it had been written. Each line carries a checksum
of itself, so that a damaged one is left out and never believed.
"""

import dataclasses
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import locks, statistics
from bench.errors import BenchError, InvalidRequest
from bench.records import Environment, Measurement, Workload, dumps, utc_now

# Nothing waits for these: they are news for whoever watches, and the next one replaces them.
NOT_SYNCED = ("phase",)
ENDS = ("done", "partial", "failed", "cancelled")
# A line holds one measurement; a thousand samples are 20 kB.
LONGEST_LINE_BYTES = 4 * 2**20
# The line that ends a run is short.
LAST_LINE_BYTES = 64 * 2**10


class Journal:
    """The writing side. There is one writer at a time: the file itself is locked.

    That also tells a run that lives in another container, where the device's lock is not seen.
    """

    def __init__(self, path: Path) -> None:
        """Open for appending; what follows the last line break is cut off.

        Raises BenchError when another process writes it.
        """
        self._handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not locks.lock_file(self._handle, path):
            os.close(self._handle)
            raise BenchError(f"another process writes {path}: its run is alive")
        self._size = _whole_lines(self._handle)
        os.ftruncate(self._handle, self._size)

    def append(self, event: str, **values: Any) -> None:
        """Write one event; a finished row is on the disk when this returns.

        Raises OSError (no space): the journal then ends where it ended before.
        """
        body = dumps({"event": event, "at": utc_now().isoformat(), **values}).encode()
        line = seal(body) + b"\n"
        try:
            written = os.write(self._handle, line)
            if written < len(line):
                written += os.write(self._handle, line[written:])
            if event not in NOT_SYNCED:
                os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, self._size)
            raise
        self._size += len(line)

    def close(self) -> None:
        """Close the file; what was appended stays."""
        os.close(self._handle)


def seal(body: bytes) -> bytes:
    """A JSON object with its checksum as first member; still JSON."""
    return b'{"crc":"%08x",' % zlib.crc32(body) + body[1:]


def unseal(line: bytes) -> bytes:
    """The object that `seal` was given. Raises ValueError when the checksum is not its own."""
    body = b"{" + line[_SEAL_BYTES:]
    if seal(body) != line:
        raise ValueError("a wrong checksum")
    return body


_SEAL_BYTES = len(seal(b"{"))


def _whole_lines(handle: int) -> int:
    """Size of the file up to and with its last line break."""
    end = os.fstat(handle).st_size
    while end > 0:
        start = max(0, end - 65536)
        block = os.pread(handle, end - start, start)
        if (at := block.rfind(b"\n")) >= 0:
            return start + at + 1
        end = start
    return 0


def last(path: Path) -> dict[str, Any] | None:
    """The last event, read from the end of the file; None when it is torn, damaged or absent."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LAST_LINE_BYTES))
            *lines, torn = file.read().split(b"\n")
        values = json.loads(unseal(lines[-1])) if lines and not torn else None
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


@dataclass(slots=True)
class Fold:
    """What a journal says so far. Never raises on what it reads: damaged lines are counted."""

    rows: dict[Workload, Measurement] = field(default_factory=dict)
    durations_s: dict[Workload, float] = field(default_factory=dict)
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    who: str | None = None
    lock: str | None = None
    state: str = "queued"
    error: str | None = None
    times_queued: int = 0
    attempt: int = 0
    environment: Environment | None = None
    # What each device measures, and its phase; the one that spoke last stands last. On one machine
    # the device has no name.
    at_work: dict[str | None, tuple[Workload, str]] = field(default_factory=dict)
    workers: int = 0
    # On a cluster: the devices at work.
    stations: set[str] = field(default_factory=set)
    # What is to be said of the devices that measured.
    notes: list[str] = field(default_factory=list)
    duplicates: int = 0
    damaged: int = 0
    # Counts up when rows that were there before change.
    revision: int = 0

    @property
    def current(self) -> tuple[Workload, str] | None:
        """What is being measured and its phase: of several, what was heard of last."""
        return next(reversed(self.at_work.values()), None)

    def take(self, line: bytes) -> None:
        """Fold one line, with or without its line break."""
        try:
            values = json.loads(unseal(line.rstrip(b"\n")))
            values["at"] = datetime.fromisoformat(values["at"])
            if values["at"].tzinfo is None:
                raise ValueError("a time without a zone")
            if values["event"] in _FOLDS:
                _FOLDS[values["event"]](self, values)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, BenchError):
            self.damaged += 1


def _queued(fold: Fold, values: Mapping[str, Any]) -> None:
    who, lock = values["who"], values["lock"]
    if not isinstance(lock, str) or not (who is None or isinstance(who, str)):
        raise InvalidRequest("who and lock are text")
    fold.who, fold.lock = who, lock
    fold.queued_at = fold.queued_at or values["at"]
    fold.times_queued += 1
    # Resuming a run that had ended opens it again.
    fold.state, fold.error, fold.ended_at = "queued", None, None


def _starting(fold: Fold, values: Mapping[str, Any]) -> None:
    fold.state = "starting"
    fold.stations.clear()
    fold.started_at = values["at"]
    fold.attempt += 1
    fold.at_work.clear()


_NOISE = "Two measurements of the same thing differed by up to"


def _ready(fold: Fold, values: Mapping[str, Any]) -> None:
    environment = Environment.from_json(values["environment"])
    known = fold.environment
    if known is None:
        fold.environment = environment
    elif environment.noise > known.noise:
        # A calm start may not hide a noisy later worker: the intervals of all rows widen.
        details = {**known.details, "noise": environment.noise}
        fold.environment = dataclasses.replace(known, details=details)
        fold.revision += 1
    if environment.noise > max(statistics.FAIR, known.noise if known else 0.0):
        fold.notes = [note for note in fold.notes if not note.startswith(_NOISE)]
        fold.notes.append(
            f"{_NOISE} {environment.noise:.0%} on this machine: a smaller difference between "
            "models ranks nothing"
        )
    fold.state = "running"
    fold.workers += 1
    if (station := _text(values.get("station"))) is not None:
        fold.stations.add(station)


def _phase(fold: Fold, values: Mapping[str, Any]) -> None:
    workload, phase = Workload.from_json(values["workload"]), str(values["phase"])
    station = _text(values.get("station"))
    fold.at_work.pop(station, None)
    fold.at_work[station] = (workload, phase)


def _measurement(fold: Fold, values: Mapping[str, Any]) -> None:
    row = Measurement.from_json(values["measurement"])
    duration_s = float(values["duration_s"])
    fold.at_work.pop(_text(values.get("station")), None)
    if row.workload in fold.rows:
        fold.duplicates += 1
        return
    fold.rows[row.workload] = row
    fold.durations_s[row.workload] = duration_s


def _drift(fold: Fold, values: Mapping[str, Any]) -> None:
    count = int(values["rows"])
    station = values.get("station")
    there = [item for item in fold.rows.items() if item[1].details.get("station") == station]
    for workload, row in there[-count:] if count > 0 else []:
        if row.outcome == "ok" and "drift" not in row.flags:
            fold.rows[workload] = dataclasses.replace(row, flags=(*row.flags, "drift"))
    fold.revision += 1


def _station_lost(fold: Fold, values: Mapping[str, Any]) -> None:
    station = str(values["station"])
    fold.stations.discard(station)
    fold.at_work.pop(station, None)
    fold.notes.append(f"{station}: {values['reason']}")


def _disagreement(fold: Fold, values: Mapping[str, Any]) -> None:
    slower, noise = float(values["slower"]), float(values["noise"])
    fold.notes.append(
        f"{values['station']} takes {slower:.2f} times as long as the others for "
        f"{values['architecture']}, and the noise is {noise:.0%}"
    )


def _end(fold: Fold, values: Mapping[str, Any]) -> None:
    if values["state"] not in ENDS:
        raise InvalidRequest(f"a run cannot end as {values['state']!r}")
    fold.state, fold.error, fold.ended_at = (
        values["state"],
        _text(values.get("error")),
        values["at"],
    )
    fold.at_work.clear()


def _recovered(fold: Fold, values: Mapping[str, Any]) -> None:
    fold.state, fold.error, fold.ended_at = "crashed", _text(values.get("error")), values["at"]
    fold.at_work.clear()


_FOLDS = {
    "queued": _queued,
    "starting": _starting,
    "ready": _ready,
    "phase": _phase,
    "measurement": _measurement,
    "drift": _drift,
    "station_lost": _station_lost,
    "disagreement": _disagreement,
    "end": _end,
    "recovered": _recovered,
}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


class Follower:
    """A journal's state, kept up to date by reading only what is new. Not for several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fold = Fold()
        self._identity = (0, 0)
        self._offset = 0

    def update(self) -> Fold:
        """The state now. A journal that does not exist is that of a run not yet submitted.

        Raises OSError when the file cannot be read.
        """
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return self.fold
        try:
            found = os.fstat(handle)
            identity = (found.st_dev, found.st_ino)
            if identity != self._identity or found.st_size < self._offset:
                self.fold, self._identity, self._offset = Fold(), identity, 0
            if found.st_size > self._offset:
                self._read(handle)
        finally:
            os.close(handle)
        return self.fold

    def _read(self, handle: int) -> None:
        tail = b""
        position = self._offset
        while block := os.pread(handle, 2**20, position):
            position += len(block)
            *lines, tail = (tail + block).split(b"\n")
            for line in lines:
                self.fold.take(line)
                self._offset += len(line) + 1
            if len(tail) > LONGEST_LINE_BYTES:
                # Not a line that this project writes; what follows it cannot be trusted.
                self.fold.damaged += 1
                return


def read(path: Path) -> Fold:
    """The state that a journal tells, read whole."""
    return Follower(path).update()
