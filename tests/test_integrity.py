"""A damaged Parquet file is found before pyarrow sees it: some end the process that reads them."""

import contextlib
import random
import zlib

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import integrity, store
from bench.errors import UnreadableFile
from bench.records import Protocol
from tests.faults.fuzz_files import ENVIRONMENT, mutate, rows


@pytest.fixture(scope="module")
def table():
    return store.speed_table("run", rows(), Protocol(), ENVIRONMENT, {})


@pytest.fixture
def path(tmp_path, table):
    store.publish(table, tmp_path / "results.parquet")
    return tmp_path / "results.parquet"


def test_a_published_file_is_an_ordinary_parquet_file(path, table):
    assert store.read(path, store.SPEED_SCHEMA).equals(table)
    assert len(pd.read_parquet(path)) == len(table)


def test_the_checksum_is_that_of_the_file_with_zeros_in_its_place(path):
    content = path.read_bytes()
    at = content.rindex(integrity.KEY) + len(integrity.KEY) + 2
    kept = content[at : at + 8]
    assert int(kept, 16) == zlib.crc32(content[:at] + b"00000000" + content[at + 8 :])


def test_a_change_of_any_single_bit_is_found(path):
    content = path.read_bytes()
    for at in random.Random(0).sample(range(len(content)), 300):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        with pytest.raises(UnreadableFile):
            store.read(path, store.SPEED_SCHEMA)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"model,speed\n", bytes(1000)])
def test_what_is_no_parquet_is_refused_with_a_sentence(path, content):
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match="not readable as Parquet"):
        store.read(path, store.SPEED_SCHEMA)


def test_a_sound_file_that_somebody_else_wrote_is_read(path, table):
    pq.write_table(table, path)
    assert store.read(path, store.SPEED_SCHEMA).equals(table)


def test_a_damaged_file_that_somebody_else_wrote_never_ends_this_process(path, table):
    pq.write_table(table, path, write_page_checksum=True)
    content = path.read_bytes()
    for seed in range(12):
        path.write_bytes(mutate(content, random.Random(seed))[:-4] + b"PAR1")
        with contextlib.suppress(UnreadableFile):
            assert store.read(path, store.SPEED_SCHEMA).num_columns == table.num_columns


def test_a_small_file_that_unpacks_to_very_much_is_refused(path):
    column = pa.nulls(20_000_000, pa.int8())
    pq.write_table(pa.table({str(n): column for n in range(6)}), path, compression="zstd")
    assert path.stat().st_size < 2**20
    with pytest.raises(UnreadableFile, match="holds 120,000,000 values"):
        store.read(path, store.SPEED_SCHEMA)


def test_few_values_that_take_very_much_memory_are_refused(path):
    long_text = pa.array(["x" * 2000])
    column = pa.DictionaryArray.from_arrays(pa.nulls(2_000_000, pa.int32()).fill_null(0), long_text)
    pq.write_table(pa.table({"model": column}), path, store_schema=False)
    assert path.stat().st_size < 2**20
    # Where a thread of the reader wants the memory, the process ends.
    refusal = r"reading it (takes more than (2 GiB of memory|4 s)|ends the process)"
    with pytest.raises(UnreadableFile, match=refusal):
        store.read(path, store.SPEED_SCHEMA)


def test_a_file_without_a_place_for_its_checksum_cannot_be_sealed(path, table):
    pq.write_table(table, path)
    with path.open("r+b") as file, pytest.raises(ValueError, match="no file_crc32"):
        integrity.seal(file)


def test_what_ships_is_sealed():
    for file in (store.SHIPPED / "published").glob("*.parquet"):
        assert integrity.KEY + b"\x18\x08" in file.read_bytes(), file.name
