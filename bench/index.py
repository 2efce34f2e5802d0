"""Which results sets there are, told without reading their rows.

Each file that this project writes says in its footer which sets it holds; of another one the rows
are read for that, once. What was found out is kept, in memory and, where there are many files, in
one small file of this machine's. That file is never believed about anything else than the very
version of a file that it names, and is written anew whenever it is missing, damaged or out of date:
it may be deleted at any time.
"""

import hashlib
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench import atomic, object_store, places, points, results, state, store
from bench.errors import InvalidRequest, Unreachable, UnreadableFile
from bench.places import File, Place, Problem
from bench.records import MEASURES
from bench.schemas import INDEX_SCHEMA, SETS_SCHEMA, SPEED_SCHEMA

# Fewer files are looked into faster than a file about them is kept.
WORTH_KEEPING = 200
# Objects are waited for; files are computed on, and threads would only wait for each other.
OBJECTS_AT_A_TIME = 16
# Where looking takes long, it is done so seldom that it takes a twentieth of the time.
QUICK_S = 0.1
REST = 20.0

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Index:
    """The results sets of a data folder as they were at one look.

    sets: as results.results_sets; not to be changed. signature and accuracy_signature name the
    versions of all files of speeds and of accuracies. problems: what was left out.
    """

    sets: pd.DataFrame
    signature: str
    accuracy: tuple[File, ...]
    accuracy_signature: str
    problems: tuple[Problem, ...]
    places: dict[str, Place] = field(repr=False)

    def rows(
        self,
        runs: Iterable[str],
        columns: Sequence[str] = points.SPEED_COLUMNS,
        *,
        lenient: bool = False,
    ) -> pa.Table:
        """The rows of these results sets; each file that holds some of them is read once.

        Args:
            runs: ids.
            columns: of SPEED_SCHEMA, run among them.
            lenient: leave out a file that was damaged, or went, since the look.

        Raises:
            InvalidRequest: there is no such set.
            UnreadableFile: a file was damaged, or went, since the look.
        """
        wanted: dict[Place, list[str]] = {}
        for run in runs:
            if run not in self.places:
                raise InvalidRequest(
                    f"no results set {run!r}; `python -m bench results` lists them"
                )
            wanted.setdefault(self.places[run], []).append(run)
        tables = []
        for place, held in wanted.items():
            try:
                table = store.read(place, SPEED_SCHEMA, columns)
            except UnreadableFile as error:
                if lenient:
                    continue
                raise UnreadableFile(f"{place}: {error}") from error
            tables.append(table.filter(pc.is_in(table["run"], value_set=pa.array(held))))
        empty = pa.schema([SPEED_SCHEMA.field(name) for name in columns]).empty_table()
        return pa.concat_tables([empty, *tables])

    def known_speeds(
        self, *, device: str | None = None, device_kind: str | None = None
    ) -> pa.Table:
        """The rows of the sets from which a device's are foretold, see results.to_learn_from."""
        runs = results.to_learn_from(self.sets, device=device, device_kind=device_kind)
        return self.rows(runs, lenient=True)


@dataclass(slots=True)
class _Memory:
    """What this process knows of a data folder."""

    entries: dict[File, list[Entry]] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    index: Index | None = None
    # What an object store did not give is asked for again, a while later.
    unanswered: set[File] = field(default_factory=set)
    ask_again_s: float = 0.0
    written: int = -1
    rests_until_s: float = 0.0
    busy: threading.Lock = field(default_factory=threading.Lock)


_memories: dict[Path, _Memory] = {}


def of(data: Path) -> Index:
    """The results sets of a data folder now, or as they were a moment ago where there are many."""
    memory = _memories.setdefault(data.resolve(), _Memory())
    known = memory.index
    rests = time.monotonic() < memory.rests_until_s and memory.written == places.writes()
    # Whoever looks at the moment looks for all.
    if known is not None and (rests or not memory.busy.acquire(blocking=False)):
        return known
    if known is None:
        memory.busy.acquire()
    try:
        began_s, written = time.monotonic(), places.writes()
        files = places.find(data)
        took_s = time.monotonic() - began_s
        memory.index, memory.written = _look(data, files, memory), written
        memory.rests_until_s = time.monotonic() + (REST * took_s if took_s > QUICK_S else 0.0)
        return memory.index
    finally:
        memory.busy.release()


def is_known(data: Path) -> bool:
    """Whether this process has looked before, so that looking is quick."""
    return data.resolve() in _memories


def _look(data: Path, files: places.Files, memory: _Memory) -> Index:
    before = memory.index
    is_due = bool(memory.unanswered) and time.monotonic() > memory.ask_again_s
    if before is not None and memory.files == files.speed and not is_due:
        sets, held, left_out = before.sets, before.places, _problems(memory.entries)
    else:
        _learn(data, files.speed, memory)
        memory.files = files.speed
        sets, held = _sets(memory.entries)
        left_out = _problems(memory.entries)
    return Index(
        sets,
        # With what is missing for now, or its coming would not be noticed.
        _signature([*files.speed, *(f for f in files.speed if f in memory.unanswered)]),
        files.accuracy,
        _signature(files.accuracy),
        (*files.problems, *left_out),
        held,
    )


def _signature(files: Iterable[File]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(f"{file.place}\0{file.size}\0{file.version}\n".encode())
    return digest.hexdigest()


def _learn(data: Path, files: Sequence[File], memory: _Memory) -> None:
    """Find out what is not known yet of these files, in their order, and keep it."""
    known = {f: found for f, found in memory.entries.items() if f not in memory.unanswered}
    kept_at = _kept_at(data) if len(files) >= WORTH_KEEPING else None
    kept = False
    if kept_at is not None and not known:
        known = _read_kept(kept_at, files)
        kept = len(known) == len(files)
    unknown = [file for file in files if file not in known]
    if len(unknown) > 1:
        at_a_time = OBJECTS_AT_A_TIME if state.remote(data) else 1
        with ThreadPoolExecutor(min(at_a_time, len(unknown))) as pool:
            fresh = dict(zip(unknown, pool.map(_examined, unknown), strict=True))
    else:
        fresh = {file: _examined(file) for file in unknown}
    memory.entries = {
        file: known[file] if file in known else _entries(fresh[file]) for file in files
    }
    memory.unanswered = {file for file, one in fresh.items() if isinstance(one, Unreachable)}
    memory.ask_again_s = time.monotonic() + places.UNANSWERED_FOR_S
    if kept_at is not None and not kept:
        _keep(kept_at, memory.entries)


def _examined(file: File) -> list[Entry] | UnreadableFile:
    """The results sets of a file, or why it is left out."""
    try:
        return store.sets_in(file.place)
    except UnreadableFile as error:
        return error


def _entries(examined: list[Entry] | UnreadableFile) -> list[Entry]:
    return [{"problem": str(examined)}] if isinstance(examined, UnreadableFile) else examined


def _sets(entries: dict[File, list[Entry]]) -> tuple[pd.DataFrame, dict[str, Place]]:
    """As results.results_sets, and where each set is; the later of two of one name counts."""
    by_run = {
        entry["run"]: (entry, file.place)
        for file, several in entries.items()
        for entry in several
        if entry.get("run") is not None
    }
    rows = [by_run[run][0] for run in sorted(by_run, reverse=True)]
    if not rows:
        return results.results_sets(pd.DataFrame()), {}
    frame = store.to_frame(pa.Table.from_pylist(rows, SETS_SCHEMA))
    frame["measures"] = pd.Series(
        [{m: row[m] for m in MEASURES if row.get(m)} for row in rows],
        index=frame.index,
        dtype=object,
    )
    frame["failures"] = frame["failures"].astype(int)
    columns = ["run", *results.SET_COLUMNS, "source", "failures", "measures"]
    return frame[columns], {run: place for run, (_, place) in by_run.items()}


def _problems(entries: dict[File, list[Entry]]) -> list[Problem]:
    return [
        Problem(file.place, entry["problem"])
        for file, several in entries.items()
        for entry in several
        if entry.get("problem") is not None
    ]


def _kept_at(data: Path) -> Path:
    where = f"{object_store.endpoint()} {places.root(data)}" if state.remote(data) else ""
    digest = hashlib.sha256((where or str(data.resolve())).encode()).hexdigest()[:16]
    return state.home() / "index" / f"{digest}.parquet"


def _read_kept(path: Path, files: Sequence[File]) -> dict[File, list[Entry]]:
    """What was kept of these very versions of files; nothing where it cannot be trusted."""
    try:
        rows = store.read(path, INDEX_SCHEMA).to_pylist()
    except UnreadableFile:
        return {}
    by_name = {(str(file.place), file.size, file.version): file for file in files}
    found: dict[File, list[Entry]] = {}
    for row in rows:
        file = by_name.get((row.pop("file"), row.pop("size"), row.pop("version")))
        if file is not None:
            is_empty = row["run"] is None and row["problem"] is None
            found.setdefault(file, []).extend([] if is_empty else [row])
    return found


def _keep(path: Path, entries: dict[File, list[Entry]]) -> None:
    """Write what is known down; where that is not possible it is found out again next time."""
    rows = [
        {"file": str(file.place), "size": file.size, "version": file.version, **entry}
        for file, several in entries.items()
        for entry in several or [{}]
        # A file that was left out is looked at again by the next process: it may be mended.
        if entry.get("problem") is None
    ]
    content = store.serialised(pa.Table.from_pylist(rows, INDEX_SCHEMA))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic.new_file(path, replace=True) as file:
            file.write(content)
    except OSError:
        return
