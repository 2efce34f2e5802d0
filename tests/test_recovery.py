"""What is done about runs that do not answer any more, and about runs that live elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import journal, locks, recovery, runs
from bench.errors import BenchError, NotAllowed
from bench.executors import local
from bench.permission import COMMAND_LINE, Asker
from bench.worker_process import ROOT
from tests.faults import stage


@pytest.fixture(autouse=True)
def own_locks(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    yield folder
    stage.end_all(folder)


@pytest.fixture
def stuck(data):
    """A run whose supervisor was stopped while the second model is measured."""
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    stage.supervisor_of(data, run).suspend()
    return run


def crashed_after_looking(run, data):
    def looked():
        assert runs.recover(data) == []
        return not runs.status(run, data).alive

    stage.until(looked, "the end of a supervisor that does not answer")
    assert runs.recover(data) == []
    return runs.status(run, data)


def test_a_supervisor_that_is_silent_for_long_is_ended_and_its_rows_published(
    data, stuck, monkeypatch
):
    monkeypatch.setattr(recovery, "SILENT_S", 0.5)
    end = crashed_after_looking(stuck, data)
    assert (end.state, end.done, end.published) == ("crashed", 1, True)


# Takes the device and stops before it has signed: what it writes into is a pipe without a reader.
TAKES_UNSIGNED = """
import os, sys
from bench import locks
os.mkfifo(locks.folder() / f"cpu.{os.getpid()}.tmp")
locks.take("cpu", locks.Holder(run="2026-01-01T000000Z-0000", data=sys.argv[1]))
"""


def test_a_run_that_died_is_published_though_the_next_holder_of_the_device_has_not_signed_yet(data):
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    stage.supervisor_of(data, run).kill()
    stage.over(run, data)
    command = [sys.executable, "-c", TAKES_UNSIGNED, str(data)]
    with subprocess.Popen(command, cwd=ROOT) as following:
        try:
            stage.until(lambda: locks.holder("cpu") is not None, "the next one has the device")
            assert locks.holder("cpu").run == run, "its name is still there"
            assert runs.recover(data) == []
            now = runs.status(run, data)
            assert (now.state, now.done, now.published) == ("crashed", 1, True)
        finally:
            following.kill()


def test_a_run_whose_files_cannot_be_read_is_listed_with_the_reason_beside_the_others(data):
    good = stage.submit(data, "test_vit")
    stage.over(good, data)
    (data / "runs" / "2026-11-02T120000Z-bbbb" / "journal.jsonl").mkdir(parents=True)
    states = {now.run: now for now in runs.list_runs(data)}
    assert states[good].state == "done"
    assert states["2026-11-02T120000Z-bbbb"].state == "failed"
    assert "cannot be read: Is a directory" in states["2026-11-02T120000Z-bbbb"].error
    assert runs.recover(data) == []


def test_a_run_that_begins_between_two_looks_at_it_lives(data, monkeypatch):
    def start(run_folder, lock):
        return [sys.executable, "-c", "input()"]

    run = runs.submit(stage.request("test_vit"), data, by=COMMAND_LINE, start=start)
    path = data / "runs" / run / "journal.jsonl"
    last, begun = journal.last, []

    def begins_now(looked_at):
        begun.append(journal.Journal(path))
        begun[0].append("starting", pid=os.getpid())
        return last(looked_at)

    with monkeypatch.context() as patched:
        patched.setattr(journal, "last", begins_now)
        folder = runs.run_folder.existing(run, data)
        assert local.LocalExecutor().poll(folder, "cpu")
    begun[0].close()
    stage.over(run, data)


def test_a_cancelled_supervisor_that_does_not_react_is_ended(data, stuck, monkeypatch):
    monkeypatch.setattr(recovery, "CANCEL_S", 0.5)
    runs.cancel(stuck, data, by=COMMAND_LINE)
    assert runs.status(stuck, data).cancelling
    end = crashed_after_looking(stuck, data)
    assert (end.state, end.done, end.published) == ("crashed", 1, True)


def test_one_look_at_a_silent_supervisor_ends_nothing(data, stuck, monkeypatch):
    monkeypatch.setattr(recovery, "SILENT_S", 0.0)
    runs.recover(data)
    assert runs.status(stuck, data).alive
    runs.force_end(stuck, data, by=COMMAND_LINE)


def test_a_supervisor_that_beats_is_left_alone(data, monkeypatch):
    monkeypatch.setattr(recovery, "SILENT_S", 2.5)
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    stage.measuring(run, data, "test_vit")
    first = locks.last_beat("cpu")

    def beaten_often():
        runs.recover(data)
        return locks.last_beat("cpu") - first > 4e9

    stage.until(beaten_often, "four seconds of signs of life")
    assert runs.status(run, data).alive


def test_a_run_that_lives_where_its_lock_is_not_seen_is_left_alone(data, tmp_path, monkeypatch):
    """Another container sees the data folder, and has locks of its own."""
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    stage.measuring(run, data, "test_vit")
    here = (tmp_path / "locks", tmp_path / "elsewhere")
    monkeypatch.setenv("BENCH_LOCKS", str(here[1]))
    assert runs.status(run, data).alive
    assert runs.recover(data) == []
    monkeypatch.setattr(runs, "LEAVING_S", 0.1)
    with pytest.raises(BenchError, match="in a container or on another machine"):
        runs.force_end(run, data, by=COMMAND_LINE)
    monkeypatch.setenv("BENCH_LOCKS", str(here[0]))
    assert runs.status(run, data).state == "running"


def test_force_needs_permission_too(data, stuck):
    with pytest.raises(NotAllowed):
        runs.force_end(stuck, data, by=Asker(address="0.0.0.0"))
    runs.force_end(stuck, data, by=COMMAND_LINE)


def test_the_lock_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    theirs = Path("/")
    if os.getuid() == 0:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        os.chown(theirs, 65534, 65534)
    monkeypatch.setenv("BENCH_LOCKS", str(theirs))
    with pytest.raises(NotAllowed, match="belongs to user"):
        runs.submit(stage.request("test_vit"), tmp_path / "data", by=COMMAND_LINE)
