"""Is a Parquet file what was written? Asked before its reader sees it, which may not survive it.

pyarrow ends the whole process on some damaged files ("terminate called after throwing an instance
of parquet::ParquetException", one mutant in a few hundred), and the checksums of Parquet's pages
cover neither their headers nor the footer. So each file that this project writes carries a CRC-32
of all of itself, as a value in its own metadata whose eight digits count as zeros. It stays an
ordinary Parquet file. One without the checksum was written by somebody else: it is first read by a
process that may die of it.
"""

import hashlib
import resource
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import UnreadableFile

KEY = b"file_crc32"
UNKNOWN = b"00000000"
# In Thrift's compact protocol, which a Parquet footer is in: a text of eight bytes follows.
_BEFORE_VALUE = KEY + b"\x18\x08"
# Of the processor's time: that of the day says more about who else uses the machine.
VETTING_S = 4
LONGEST_VETTING_S = 60.0
VETTING_BYTES = 2 * 2**30
# A 0.9 MB file can hold 1.6 GB of repeated values, so the footer is asked before a page is read.
LARGEST_FILE_BYTES = 512 * 2**20
LARGEST_CELLS = 100_000_000

TOO_LARGE = f"larger than {LARGEST_FILE_BYTES // 2**20} MiB"
VERDICTS_KEPT = 1024

_VET = "from bench.integrity import vet_input; vet_input()"
_TOO_MUCH_MEMORY = 3
_MAGIC = b"PAR1"
_ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def opened(content: bytes) -> Iterator[pq.ParquetFile]:
    """A Parquet file that can be read without harm, page checksums verified.

    Args:
        content: all of the file, read once: what is checked is what pyarrow gets.

    Raises:
        UnreadableFile: it is not what was written, ends a process that reads it, or is absurdly
            large.
        OSError, pa.ArrowException: it is no Parquet file.
    """
    if len(content) > LARGEST_FILE_BYTES:
        raise UnreadableFile(TOO_LARGE)
    _check(content)
    with _parse(content) as file:
        yield file


def vet(content: bytes) -> None:
    """Read all of a file that this project did not write, which may end this process.

    Raises UnreadableFile, OSError, pa.ArrowException: it will do the same elsewhere.
    """
    with _parse(content) as file:
        file.read().validate(full=True)


def vet_input() -> None:
    """Vet what comes on standard input, in a process that may use so much time and memory."""
    resource.setrlimit(resource.RLIMIT_CPU, (VETTING_S, VETTING_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (VETTING_BYTES, VETTING_BYTES))
    try:
        vet(sys.stdin.buffer.read())
    except MemoryError:  # pyarrow's is one too
        sys.exit(_TOO_MUCH_MEMORY)


def seal(file: IO[bytes]) -> None:
    """Put the checksum into a file that was just written with UNKNOWN as the value of KEY.

    Raises ValueError when there is no such value.
    """
    file.seek(0)
    content = file.read()
    at = _value_at(content)
    if at is None:
        raise ValueError(f"no {KEY.decode()} in the file's metadata")
    file.seek(at)
    file.write(_checksum(content, at))
    file.seek(0, 2)


def _check(content: bytes) -> None:
    """Let content pass that can be given to pyarrow. Raises UnreadableFile."""
    if not (content.startswith(_MAGIC) and content.endswith(_MAGIC)):
        raise UnreadableFile("not readable as Parquet: it does not begin and end as such a file")
    at = _value_at(content)
    if at is None:
        if reason := _verdict(content):
            raise UnreadableFile(reason)
    elif content[at : at + len(UNKNOWN)] != _checksum(content, at):
        raise UnreadableFile("damaged: its checksum does not match")


@contextmanager
def _parse(content: bytes) -> Iterator[pq.ParquetFile]:
    """The file, after its footer did not tell of more values than any file of ours has."""
    with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
        metadata = file.metadata
        values = sum(
            metadata.row_group(g).column(c).num_values
            for g in range(metadata.num_row_groups)
            for c in range(metadata.num_columns)
        )
        cells = max(values, metadata.num_rows * metadata.num_columns)
        if cells > LARGEST_CELLS:
            raise UnreadableFile(f"holds {cells:,} values, more than {LARGEST_CELLS:,}")
        yield file


def _value_at(content: bytes) -> int | None:
    found = content.rfind(_BEFORE_VALUE)
    return None if found < 0 else found + len(_BEFORE_VALUE)


def _checksum(content: bytes, at: int) -> bytes:
    view = memoryview(content)
    crc = zlib.crc32(view[at + len(UNKNOWN) :], zlib.crc32(UNKNOWN, zlib.crc32(view[:at])))
    return b"%08x" % crc


def _verdict(content: bytes) -> str | None:
    """_deadly, remembered: the same content is asked about once."""
    key = hashlib.blake2b(content).digest()
    if key not in _verdicts:
        if len(_verdicts) >= VERDICTS_KEPT:
            _verdicts.clear()
        _verdicts[key] = _deadly(content)
    return _verdicts[key]


_verdicts: dict[bytes, str | None] = {}


def _deadly(content: bytes) -> str | None:
    """What a file does to a process that reads it; None: at worst an exception."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _VET],
            input=content,
            capture_output=True,
            cwd=_ROOT,
            timeout=LONGEST_VETTING_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"reading it takes more than {LONGEST_VETTING_S:.0f} s"
    if done.returncode == -signal.SIGXCPU:
        return f"reading it takes more than {VETTING_S} s"
    if done.returncode == _TOO_MUCH_MEMORY:
        return f"reading it takes more than {VETTING_BYTES // 2**30} GiB of memory"
    return "damaged: reading it ends the process" if done.returncode < 0 else None
