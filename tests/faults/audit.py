"""What a fault did to a run: nothing may be lost, doubled, left running or unreadable."""

import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import journal, processes, runs, store
from bench.errors import UnreadableFile
from tests.faults import stage

ORPHAN_S = 15.0


@dataclass
class Damage:
    """lost: rows that the worker answered and that are gone, but for the one under way."""

    lost: int = 0
    duplicated: int = 0
    orphaned: int = 0
    corrupt: int = 0
    kills: int = 0

    def __add__(self, other):
        return Damage(*(a + b for a, b in zip(self.counts(), other.counts(), strict=True)))

    def counts(self):
        return self.lost, self.duplicated, self.orphaned, self.corrupt, self.kills

    @property
    def harmless(self):
        return self.counts()[:4] == (0, 0, 0, 0)


def audit(run, data: Path, *, answers: Path | None = None, in_flight=1) -> Damage:
    """Look at a run that is over, publish it where that is due, and look at what is published.

    answers: names of the models that the worker answered for; of these `in_flight` may be missing.
    """
    damage = Damage(orphaned=_orphans(run))
    folder = data / "runs" / run
    before = journal.read(folder / "journal.jsonl")
    damage.duplicated += before.duplicates
    damage.corrupt += before.damaged
    if answers is not None and answers.exists():
        known = {workload.architecture for workload in before.rows}
        missing = [name for name in answers.read_text().split() if name not in known]
        damage.lost += max(0, len(missing) - in_flight)
    [problems] = stage.until(lambda: _recovered(run, data), "its recovery")
    damage.corrupt += len(problems)
    after = journal.read(folder / "journal.jsonl")
    damage.lost += len(before.rows.keys() - after.rows.keys())
    published = folder / "results.parquet"
    if not published.exists():
        damage.lost += len(before.rows)
        return damage
    try:
        table = store.read(published, store.SPEED_SCHEMA)
    except UnreadableFile:
        return damage + Damage(corrupt=1)
    keys = Counter(
        zip(*(table[c].to_pylist() for c in ("architecture", "image_size", "measure")), strict=True)
    )
    damage.duplicated += sum(keys.values()) - len(keys)
    wanted = {(w.architecture, w.image_size, w.measure) for w in before.rows}
    damage.lost += len(wanted - keys.keys())
    damage.corrupt += len(keys.keys() - wanted)
    return damage


def _recovered(run, data):
    """The problems of recovering runs, in a list; None while another process recovers this one.

    Whoever does writes its journal, and so it looks alive meanwhile.
    """
    problems = runs.recover(data)
    return None if runs.status(run, data).alive else [problems]


def _orphans(run):
    try:
        stage.until(lambda: not _left(run), "the end of all processes", timeout_s=ORPHAN_S)
    except AssertionError:
        return len(_left(run))
    return 0


def _left(run):
    """What bears the run's mark, and its supervisors and wardens, whose command names it."""
    found = {process.pid for process in stage.members(run)}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if run in process.cmdline() and processes.is_alive(process):
                found.add(process.pid)
    return found
