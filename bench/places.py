"""Which files and objects of results there are, and where: in folders, or in an object store.

`bench.store` reads and writes them; nothing else asks.
"""

import math
import os
import re
import stat
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench import object_store, state
from bench.errors import InvalidRequest, Unreachable
from bench.object_store import ObjectPath

SHIPPED = Path(__file__).resolve().parent.parent / "data"

# A file, or an object.
Place = Path | ObjectPath

_SPEED = re.compile(r"(published/speed|measured/[^/]+|runs/[^/]+/results)\.parquet")
_ACCURACY = re.compile(r"published/accuracy\.parquet")
# An object store is asked again what it holds after so long; and where it did not answer.
LISTED_FOR_S = 2.0
UNANSWERED_FOR_S = 30.0
WHILE_A_PAGE_WAITS = object_store.Patience(attempts=3, first_wait_s=0.2, within_s=5.0)


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that was left out, and why, in one sentence."""

    path: Place
    reason: str


@dataclass(frozen=True, slots=True)
class File:
    """One version of a file or object, which its place alone does not tell."""

    place: Place
    size: int
    version: str


@dataclass(frozen=True, slots=True)
class Files:
    """The files there are, shipped ones first; each file once. problems: what could not be seen."""

    speed: tuple[File, ...]
    accuracy: tuple[File, ...]
    problems: tuple[Problem, ...]


def root(data: Path) -> Place:
    """Where the results of a data folder are: in it, or in an object store (see `bench.state`).

    Raises InvalidRequest when it says so in a way that cannot be understood.
    """
    return state.remote(data) or data


def place_of_run(data: Path, run: str) -> str:
    """Where a run's results are published, for people."""
    return str(_join(root(data), "runs", run, "results.parquet"))


def published(data: Path, name: str) -> Place:
    """Where a data folder keeps one of the published tables (`speed.parquet`, ...)."""
    return _join(root(data), "published", name)


def _join(place: Place, *names: str) -> Place:
    for name in names:
        place = place / name
    return place


def why_not_writable(data: Path) -> str | None:
    """Why results cannot be published in this data folder's object store; None: they can.

    Asked once in a process, and again a while after a refusal.
    """
    try:
        place = root(data)
    except InvalidRequest as error:
        return f"{error}."
    if not isinstance(place, ObjectPath):
        return None
    refused_at_s, reason = _refusals.get(place, (-math.inf, ""))
    if time.monotonic() - refused_at_s < UNANSWERED_FOR_S:
        return reason
    try:
        object_store.check_conditions(place, patience=WHILE_A_PAGE_WAITS)
    except Unreachable as error:
        _refusals[place] = time.monotonic(), f"{error}."
        return f"{error}."
    return None


_refusals: dict[ObjectPath, tuple[float, str]] = {}


def find(data: Path) -> Files:
    """The files of speed and of accuracy rows, shipped ones first."""
    found = _in_folder(SHIPPED)
    problems: list[Problem] = []
    try:
        own = root(data)
        if isinstance(own, ObjectPath):
            objects, reason = _in_store(own)
            found += objects
            if reason:
                problems.append(Problem(own, reason))
        elif data.resolve() != SHIPPED:
            found += _in_folder(data.resolve())
    except InvalidRequest as error:
        problems.append(Problem(data / state.NOTE, str(error)))
    speed = tuple(file for kind, file in found if kind == "speed")
    return Files(speed, tuple(f for kind, f in found if kind == "accuracy"), tuple(problems))


def _in_folder(folder: Path) -> list[tuple[str, File]]:
    paths = [("speed", folder / "published" / "speed.parquet")]
    paths += [
        ("speed", folder / "measured" / name)
        for name in _names(folder / "measured")
        if name.endswith(".parquet")
    ]
    paths += [
        ("speed", folder / "runs" / name / "results.parquet") for name in _names(folder / "runs")
    ]
    paths += [("accuracy", folder / "published" / "accuracy.parquet")]
    found = []
    for kind, path in paths:
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        if stat.S_ISREG(status.st_mode):
            version = f"{status.st_mtime_ns}-{status.st_ino}"
            found.append((kind, File(path, status.st_size, version)))
    return found


def _names(folder: Path) -> list[str]:
    """What is in a folder, sorted; nothing where there is none."""
    try:
        return sorted(entry.name for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _in_store(place: ObjectPath) -> tuple[list[tuple[str, File]], str | None]:
    """What a store holds, as it said a moment ago; and why that may be out of date."""
    with _listing:
        known = _listings.get(place)
        if known is None or time.monotonic() > known.until_s:
            files, reason, good_for_s = known.files if known else [], None, LISTED_FOR_S
            try:
                files = _sorted_out(place, object_store.listed(place))
            except Unreachable as error:
                reason, good_for_s = str(error), UNANSWERED_FOR_S
            known = _Listing(files, reason, time.monotonic() + good_for_s)
            _listings[place] = known
        return known.files, known.reason


@dataclass(frozen=True, slots=True)
class _Listing:
    files: list[tuple[str, File]]
    reason: str | None
    until_s: float


_listings: dict[ObjectPath, _Listing] = {}
_listing = threading.Lock()


def forget() -> None:
    """Ask again at the next look: something was just written."""
    _listings.clear()
    _writes["seen"] += 1


def writes() -> int:
    """How often something was written; who saw the same number before has seen all of it."""
    return _writes["seen"]


_writes = {"seen": 0}


def _sorted_out(place: ObjectPath, objects: list[object_store.Found]) -> list[tuple[str, File]]:
    """The objects of speed rows and of accuracy rows, in the order in which a folder has them."""
    found = []
    for one in objects:
        name = one.path.key.removeprefix(place.key).lstrip("/")
        kind = "speed" if _SPEED.fullmatch(name) else "accuracy"
        if kind == "speed" or _ACCURACY.fullmatch(name):
            order = ("published", "measured", "runs").index(name.partition("/")[0])
            found.append((order, name.split("/"), kind, File(one.path, one.size, one.version)))
    return [(kind, file) for _, _, kind, file in sorted(found, key=lambda each: each[:2])]


def speed_files(data: Path) -> list[Place]:
    """Every file of speed rows, shipped ones first; each file once."""
    return [file.place for file in find(data).speed]


def accuracy_files(data: Path) -> list[Place]:
    """Every file of accuracy rows, shipped ones first; each file once."""
    return [file.place for file in find(data).accuracy]
