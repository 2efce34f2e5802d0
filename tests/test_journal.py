"""The journal: what was appended is there, what is torn or damaged is not believed."""

import dataclasses
import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import journal
from bench.errors import BenchError
from bench.records import Environment, Measurement, Workload

ENVIRONMENT = Environment(device="GPU", device_kind="cuda", torch="2.13.0")


def row(name, **values):
    work = Workload(architecture=name, image_size=224, measure="latency")
    values = {"outcome": "ok", "samples_s": (0.1, 0.2), "batch_size": 1} | values
    return Measurement(workload=work, measured_at=datetime.now(UTC), **values)


def write(path, names=("a", "b"), *, end=True):
    events = journal.Journal(path)
    events.append("queued", who="a@b.c", device="cpu", lock="cpu")
    events.append("starting", pid=1)
    events.append("ready", environment=ENVIRONMENT.to_json(), pid=2)
    for name in names:
        work = row(name).workload.to_json()
        events.append("phase", workload=work, phase="measure", deadline_s=9.0)
        events.append("measurement", measurement=row(name).to_json(), duration_s=2.0)
    if end:
        events.append("end", state="done", error=None, rows=len(names))
    events.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def test_what_was_appended_is_folded(path):
    write(path)
    fold = journal.read(path)
    assert [work.architecture for work in fold.rows] == ["a", "b"]
    assert (fold.state, fold.who, fold.lock, fold.damaged) == ("done", "a@b.c", "cpu", 0)
    assert fold.environment == ENVIRONMENT
    assert fold.ended_at >= fold.started_at >= fold.queued_at
    assert list(fold.durations_s.values()) == [2.0, 2.0]


def test_a_machine_s_noise_is_said_once_whatever_worker_says_it(path):
    noisy = dataclasses.replace(ENVIRONMENT, details={"noise": 0.436})
    events = journal.Journal(path)
    for pid in (1, 2):
        events.append("ready", environment=noisy.to_json(), pid=pid)
    events.close()
    [note] = journal.read(path).notes
    assert "differed by up to 44% on this machine" in note


def test_the_noisiest_worker_of_a_run_is_the_one_that_counts(path):
    events = journal.Journal(path)
    for noise in (0.01, 0.436, 0.05):
        worker = dataclasses.replace(ENVIRONMENT, details={"noise": noise, "threads": 2})
        events.append("ready", environment=worker.to_json(), pid=1)
    events.close()
    fold = journal.read(path)
    assert fold.environment.details == {"noise": 0.436, "threads": 2}
    assert fold.revision == 1
    [note] = fold.notes
    assert "differed by up to 44% on this machine" in note


def test_a_journal_that_is_not_there_is_a_run_not_yet_submitted(path):
    assert journal.read(path) == journal.Fold()


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_torn_last_line_is_dropped_and_written_over(path, cut):
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    fold = journal.read(path)
    assert (fold.state, len(fold.rows), fold.damaged) == ("running", 2, 0)
    events = journal.Journal(path)
    events.append("end", state="failed", error="torn")
    events.close()
    fold = journal.read(path)
    assert (fold.state, fold.error, len(fold.rows), fold.damaged) == ("failed", "torn", 2, 0)


def test_a_journal_torn_in_its_first_line_starts_empty(path):
    path.write_bytes(b'{"event":"queu')
    journal.Journal(path).close()
    assert path.read_bytes() == b""


def test_the_last_line_break_is_found_behind_a_long_torn_line(path):
    path.write_bytes(b"{}\n" + b"x" * 200_000)
    journal.Journal(path).close()
    assert path.read_bytes() == b"{}\n"


def test_a_follower_reads_only_what_is_new(path):
    write(path, ["a"], end=False)
    follower = journal.Follower(path)
    first = follower.update()
    assert len(first.rows) == 1
    events = journal.Journal(path)
    events.append("measurement", measurement=row("b").to_json(), duration_s=1.0)
    second = follower.update()
    assert second is first
    assert len(second.rows) == 2
    with path.open("ab") as file:
        file.write(b'{"event":"end"')
    assert follower.update().state == "running"
    events.close()


def test_a_follower_notices_that_the_file_was_replaced_or_cut(path):
    write(path, ["a", "b"])
    follower = journal.Follower(path)
    follower.update()
    path.write_bytes(path.read_bytes()[:200])
    assert len(follower.update().rows) == 0
    path.unlink()
    write(path, ["c"])
    assert [work.architecture for work in follower.update().rows] == ["c"]


def test_the_last_event_is_read_without_the_rest(path):
    assert journal.last(path) is None
    write(path, [f"m{n}" for n in range(300)], end=False)
    assert path.stat().st_size > journal.LAST_LINE_BYTES
    events = journal.Journal(path)
    events.append("end", state="done", error=None)
    events.close()
    assert journal.last(path)["state"] == "done"
    with path.open("ab") as file:
        file.write(b'{"event":')
    assert journal.last(path) is None
    path.write_bytes(b"x\n")
    assert journal.last(path) is None


def test_a_row_that_is_there_twice_counts_once(path):
    write(path, ["a", "a"])
    fold = journal.read(path)
    assert (len(fold.rows), fold.duplicates) == (1, 1)


def test_drift_flags_the_last_rows_that_have_a_figure(path):
    events = journal.Journal(path)
    for measured in (row("a"), row("b"), row("c", outcome="crashed", samples_s=()), row("d")):
        events.append("measurement", measurement=measured.to_json(), duration_s=1.0)
    events.append("drift", rows=3, relative=1.1)
    events.close()
    fold = journal.read(path)
    assert [measured.flags for measured in fold.rows.values()] == [(), ("drift",), (), ("drift",)]
    assert fold.revision == 1


def test_of_several_devices_the_one_at_work_is_shown_when_another_has_its_row(path):
    events = journal.Journal(path)
    follower = journal.Follower(path)

    def phase(name, station):
        work = row(name).workload.to_json()
        events.append("phase", workload=work, phase="measure", deadline_s=9.0, station=station)

    def shown():
        current = follower.update().current
        return current and current[0].architecture

    phase("slow", "one")
    phase("quick", "two")
    assert shown() == "quick"
    events.append("measurement", measurement=row("quick").to_json(), duration_s=1.0, station="two")
    assert shown() == "slow"
    phase("next", "two")
    events.append("station_lost", station="one", reason="gone", given_back=[])
    assert shown() == "next"
    events.append("measurement", measurement=row("next").to_json(), duration_s=1.0, station="two")
    assert shown() is None
    events.close()


def test_resuming_opens_a_run_that_had_ended(path):
    write(path)
    events = journal.Journal(path)
    events.append("queued", who=None, device="cpu", lock="cpu")
    assert journal.read(path).state == "queued"
    assert journal.read(path).ended_at is None
    events.append("starting", pid=3)
    events.close()
    fold = journal.read(path)
    assert (fold.state, fold.attempt, len(fold.rows)) == ("starting", 2, 2)


def test_a_journal_has_one_writer(path):
    first = journal.Journal(path)
    with pytest.raises(BenchError, match="its run is alive"):
        journal.Journal(path)
    first.close()
    journal.Journal(path).close()


def test_a_line_that_does_not_fit_on_the_disk_leaves_the_journal_whole(path):
    """A file size limit stands in for a full disk; both end a write half way."""
    write(path, ["a"], end=False)
    before = path.read_bytes()
    program = (
        "import resource, signal, sys; from bench import journal; from pathlib import Path;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 20},) * 2);"
        "events = journal.Journal(Path(sys.argv[1]))\n"
        "try: events.append('end', state='done', error='x' * 100)\n"
        "except OSError as error: sys.exit(0 if error.errno == 27 else 3)\n"
        "sys.exit(4)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"event":"end"}',
        b'{"event":"end","at":"yesterday","state":"done"}',
        b'{"event":"end","at":"2026-01-01T00:00:00","state":"done"}',
        b'{"event":"end","at":"2026-01-01T00:00:00+00:00","state":"splendid"}',
        b'{"event":["end"],"at":"2026-01-01T00:00:00+00:00"}',
        b'{"event":"measurement","at":"2026-01-01T00:00:00+00:00","measurement":{}}',
        b'{"event":"measurement","at":"2026-01-01T00:00:00+00:00","measurement":7}',
        b'{"event":"drift","at":"2026-01-01T00:00:00+00:00","rows":"many"}',
        b'{"event":"queued","at":"2026-01-01T00:00:00+00:00","who":{},"lock":"cpu"}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_line_is_counted_and_the_rest_is_read(path, line):
    write(path)
    sealed = journal.seal(line) if line.startswith(b"{") else line
    path.write_bytes(sealed + b"\n" + path.read_bytes())
    fold = journal.read(path)
    assert (fold.damaged, fold.state, len(fold.rows)) == (1, "done", 2)


def test_a_line_without_its_checksum_or_with_a_wrong_one_is_damaged(path):
    write(path, ["a"])
    with path.open("ab") as file:
        file.write(b'{"event":"end","at":"2026-01-01T00:00:00+00:00","state":"failed"}\n')
    assert (journal.read(path).damaged, journal.read(path).state) == (1, "done")


def test_a_digit_that_changed_is_not_believed(path):
    write(path, ["a", "b"])
    first, *rest = path.read_bytes().partition(b"0.2]")
    path.write_bytes(first + b"0.3]" + rest[1])
    fold = journal.read(path)
    assert (fold.damaged, [work.architecture for work in fold.rows]) == (1, ["b"])


def test_an_event_of_a_later_version_is_passed_over(path):
    write(path)
    with path.open("ab") as file:
        file.write(journal.seal(b'{"event":"applause","at":"2026-01-01T00:00:00+00:00"}') + b"\n")
    assert (journal.read(path).damaged, journal.read(path).state) == (0, "done")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of a whole journal, and its rows."""
    path = tmp_path_factory.mktemp("sound") / "journal.jsonl"
    write(path, ["a", "b", "c"])
    return path.read_bytes(), journal.read(path).rows


@settings(max_examples=500, deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 7)), min_size=1, max_size=4),
    cut=st.integers(0, 10_000),
)
def test_a_mutated_journal_never_raises_and_shows_no_wrong_row(sound, flips, cut):
    content, written = sound
    data = bytearray(content)
    for position, bit in flips:
        data[position % len(data)] ^= 1 << bit
    fold = journal.Fold()
    for line in data[: len(data) - cut % len(data)].split(b"\n")[:-1]:
        fold.take(bytes(line))
    assert all(written.get(work) == measured for work, measured in fold.rows.items())
    assert fold.state in {"queued", "starting", "running", "done"}


@settings(max_examples=200, deadline=None)
@given(
    values=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    kind=st.sampled_from(
        ["queued", "starting", "ready", "phase", "measurement", "drift", "end", "recovered"]
    ),
    key=st.sampled_from(
        ["measurement", "workload", "environment", "state", "rows", "who", "lock", "phase", "error"]
    ),
)
def test_any_json_in_any_event_is_folded_or_counted_as_damaged(values, kind, key):
    fold = journal.Fold()
    event = {"event": kind, "at": "2026-01-01T00:00:00+00:00", key: values}
    fold.take(journal.seal(json.dumps(event).encode()))
    assert fold.damaged in {0, 1}
    assert fold.rows == {}


def test_reading_a_long_journal_costs_less_than_a_page_may_take(path):
    """A sweep of all of timm: a look at what is new must not read the rest again."""
    write(path, [f"m{n}" for n in range(1500)], end=False)
    follower = journal.Follower(path)
    assert len(follower.update().rows) == 1500
    events = journal.Journal(path)
    before = os.times()
    for n in range(100):
        events.append("phase", workload=row(f"x{n}").workload.to_json(), phase="measure")
        follower.update()
    after = os.times()
    events.close()
    assert after.user + after.system - before.user - before.system < 1.0
