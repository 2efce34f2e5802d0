"""One run's folder: what was asked, and where its files lie."""

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from bench import journal
from bench.errors import InvalidRequest
from bench.records import Protocol, Record, Workload, dumps, utc_now

RUN_ID = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}Z-[0-9a-f]{4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Record):
    """What is asked of a run; written once.

    who is the signed-in user's e-mail address, None for somebody at this machine. time_limit_s
    bounds the whole run: what it does not reach is not measured, and has no row. What has more than
    largest_multiply_adds gets an `unsupported` row at once. executor says where it is carried out
    (see bench.executors), and with it what device names.
    """

    workloads: tuple[Workload, ...]
    device: str
    protocol: Protocol = field(default_factory=Protocol)
    who: str | None = None
    title: str = ""
    time_limit_s: float | None = None
    largest_multiply_adds: int | None = None
    executor: str = "local"

    def __post_init__(self) -> None:
        if self.largest_multiply_adds is not None and self.largest_multiply_adds < 1:
            raise InvalidRequest(
                f"the limit on multiply-adds must be positive, got {self.largest_multiply_adds}"
            )
        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise InvalidRequest(f"the time limit must be positive, got {self.time_limit_s} s")
        # The same question twice is one row.
        object.__setattr__(self, "workloads", tuple(dict.fromkeys(self.workloads)))
        if not self.title:
            object.__setattr__(self, "title", _title(self.workloads))

    def to_json(self) -> dict[str, Any]:
        """See Record.to_json."""
        return {
            **super(Request, self).to_json(),
            "workloads": [workload.to_json() for workload in self.workloads],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """See Record.from_json; nested records are restored."""
        plain = dict(values)
        try:
            plain["workloads"] = tuple(Workload.from_json(w) for w in plain["workloads"])
            plain["protocol"] = Protocol.from_json(plain["protocol"])
        except (KeyError, TypeError) as error:
            raise InvalidRequest(f"Request is incomplete: {error}") from error
        return super(Request, cls).from_json(plain)


def _title(workloads: tuple[Workload, ...]) -> str:
    names = list(dict.fromkeys(workload.architecture for workload in workloads))
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return ", ".join(names)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run."""

    run: str
    data: Path

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.data / "runs" / self.run

    @property
    def journal(self) -> Path:
        """The journal of events."""
        return self.path / "journal.jsonl"

    @property
    def log(self) -> Path:
        """What the worker printed."""
        return self.path / "log.txt"

    @property
    def cancel(self) -> Path:
        """Present when somebody asked to stop."""
        return self.path / "cancel"

    @property
    def results(self) -> Path:
        """The published rows."""
        return self.path / "results.parquet"

    @property
    def reserve(self) -> Path:
        """Space kept while the run lives, for writing down its end on a disk that is full."""
        return self.path / "reserve"

    def request(self) -> Request:
        """What was asked.

        Raises InvalidRequest when the file is missing or damaged.
        """
        try:
            line = (self.path / "request.json").read_bytes().rstrip(b"\n")
            return Request.from_json(json.loads(journal.unseal(line)))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InvalidRequest(f"the request of {self.run} cannot be read: {error}") from error


def existing(run: str, data: Path) -> RunFolder:
    """The folder of a run that exists.

    Raises InvalidRequest: there is no such run (which any odd text is, too).
    """
    folder = RunFolder(run, data.resolve())
    if not RUN_ID.fullmatch(run) or not folder.path.is_dir():
        raise InvalidRequest(f"there is no run {run!r} in {data / 'runs'}")
    return folder


def every(data: Path) -> list[RunFolder]:
    """All runs of a data folder, newest first."""
    try:
        names = [entry.name for entry in os.scandir(data / "runs") if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        # run_checks.why_no_room says why nothing can be kept there.
        return []
    data = data.resolve()
    return [RunFolder(n, data) for n in sorted(names, reverse=True) if RUN_ID.fullmatch(n)]


def new_id(now: datetime | None = None) -> str:
    """A run id: sorts by time, and never made from what a user typed."""
    return f"{now or utc_now():%Y-%m-%dT%H%M%SZ}-{secrets.token_hex(2)}"


def create(folder: RunFolder, request: Request, lock: str) -> None:
    """Make a run's folder with its request and the journal's first line, in one step.

    Args:
        folder: a new one.
        request: what is asked.
        lock: name of the device's lock.

    Raises OSError when the folder cannot be written, or is there.
    """
    runs = folder.path.parent
    runs.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=runs, prefix=f".{folder.run}-"))
    try:
        unfinished.chmod(0o755)
        with (unfinished / "request.json").open("xb") as file:
            file.write(journal.seal(dumps(request.to_json()).encode()) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        first = journal.Journal(unfinished / "journal.jsonl")
        first.append("queued", who=request.who, device=request.device, lock=lock)
        first.close()
        (unfinished / "log.txt").touch()
        # A folder that is there has files in it, so this fails.
        unfinished.rename(folder.path)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
