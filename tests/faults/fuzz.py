"""Mutated files: none may crash the reader, hang it, or be read as something else than it was.

python -m tests.faults.fuzz parquet SEED COUNT      reads COUNT mutants, in this process, and says
                                                    each one's number first
"""

import io
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from bench import journal, store
from bench.errors import UnreadableFile
from bench.records import Environment, Measurement, Protocol, Workload
from bench.worker_process import ROOT

HANG_S = 5.0
ENVIRONMENT = Environment(device="GPU", device_kind="cuda", torch="2.13.0", timm="1.0.31")


def rows(count=40):
    """Rows that look like a run's."""
    began = datetime(2026, 11, 23, tzinfo=UTC)
    for n in range(count):
        outcome = "ok" if n % 7 else "out_of_memory"
        yield Measurement(
            workload=Workload(architecture=f"model_{n}", image_size=224, measure="throughput"),
            outcome=outcome,
            measured_at=began + timedelta(seconds=n),
            batch_size=64,
            samples_s=tuple(0.01 + n * 1e-4 + k * 1e-6 for k in range(20)) if n % 7 else (),
            message=None if n % 7 else "too large",
        )


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Damage as disks, networks and people do it; half of it near the end, where a footer lies."""
    data = bytearray(content)

    def place():
        near_end = len(data) > 2048 and rng.random() < 0.5
        return rng.randrange(len(data) - 2048 if near_end else 0, len(data))

    for _ in range(rng.randint(1, 3)):
        at = place()
        match rng.randrange(6):
            case 0 | 1:
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                data[at] = rng.randrange(256)
            case 3:
                del data[at : at + rng.randint(1, 64)]
            case 4:
                data[at:at] = data[at : at + rng.randint(1, 64)]
            case _:
                size = min(rng.randint(1, 64), len(data) - at)
                data[at : at + size] = bytes(size)
        if len(data) < 16:
            break
    return bytes(data if rng.random() < 0.9 else data[: place()])


class ParquetReader:
    def __init__(self, folder):
        self.path = folder / "mutant.parquet"
        self.table = store.speed_table("fuzz", rows(), Protocol(), ENVIRONMENT, {})
        store.publish(self.table, self.path)
        self.content = self.path.read_bytes()
        self.metadata = pq.read_schema(io.BytesIO(self.content)).metadata

    def is_wrong(self, mutant):
        self.path.write_bytes(mutant)
        try:
            return not store.read(self.path, store.SPEED_SCHEMA).equals(self.table)
        except UnreadableFile:
            return False


class JournalReader:
    def __init__(self, folder):
        path = folder / "journal.jsonl"
        events = journal.Journal(path)
        events.append("ready", environment=ENVIRONMENT.to_json(), pid=1)
        for row in rows():
            events.append("measurement", measurement=row.to_json(), duration_s=1.0)
        events.append("end", state="done", error=None)
        events.close()
        self.path = path
        self.content = path.read_bytes()
        self.rows = journal.read(path).rows

    def is_wrong(self, mutant):
        self.path.write_bytes(mutant)
        found = journal.read(self.path)
        journal.last(self.path)
        return any(self.rows.get(work) != row for work, row in found.rows.items())


READERS = {"parquet": ParquetReader, "journal": JournalReader}


def survey(kind, seed, count):
    """Read mutants in other processes. Returns (crashed, hung, wrong), each with its seeds."""
    crashed, hung, wrong = [], [], []
    end = seed + count
    while seed < end:
        command = [sys.executable, "-m", "tests.faults.fuzz", kind, str(seed), str(end - seed)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        lines = done.stdout.splitlines()
        hung += [int(line.split()[1]) for line in lines if line.startswith("hang")]
        wrong += [int(line.split()[1]) for line in lines if line.startswith("wrong")]
        if lines and lines[-1] == "end":
            break
        # The process died of the last one that it told of.
        last = next((int(line) for line in reversed(lines) if line.isdigit()), seed)
        crashed.append(last)
        seed = last + 1
    return crashed, hung, wrong


def main():
    kind, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        reader = READERS[kind](Path(folder))
        for number in range(seed, seed + count):
            # Told first, so that whoever watches knows which one this process died of.
            _say(number)
            mutant = mutate(reader.content, random.Random(number))
            began = time.monotonic()
            if reader.is_wrong(mutant):
                _say(f"wrong {number}")
            if time.monotonic() - began > HANG_S:
                _say(f"hang {number}")
    _say("end")


def _say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
