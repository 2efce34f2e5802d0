"""Mutated Parquet files and journals: a reader of each, and the damage that is done to a file.

A reader makes a good file, `mutant` damages it, and `is_wrong` reads the mutant: True where it
reads as something else than it was, and nobody is told.
"""

import io
import random
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq

from bench import journal, store
from bench.errors import UnreadableFile
from bench.records import Environment, Measurement, Protocol, Workload

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


class FileReader:
    """A file that is read as it was or not at all."""

    content: bytes

    def mutant(self, rng):
        return mutate(self.content, rng)


class ParquetReader(FileReader):
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


class JournalReader(FileReader):
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
