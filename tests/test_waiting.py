"""The queue of a device, with real supervisors that wait in it."""

import json
import os
import time

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from bench import locks, recovery, runs, waiting
from bench.cli import main
from bench.errors import BenchError, DeviceBusy, InvalidRequest
from bench.permission import COMMAND_LINE
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
def busy(data):
    """A run that measures until it is cancelled."""
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    stage.measuring(run, data, "test_vit")
    return run


def places(data):
    """run -> its number in line."""
    return {now.run: now.place for now in runs.list_runs(data) if now.state == "queued"}


def test_a_queued_run_waits_says_so_and_starts_when_the_device_is_free(data, busy):
    second = stage.submit(data, "test_resnet", queue=True)
    third = stage.submit(data, "test_nfnet", queue=True)
    assert places(data) == {second: 1, third: 2}
    now = runs.status(second, data)
    assert (now.state, now.alive, now.done, now.started_at, now.eta_s) == (
        "queued",
        True,
        0,
        None,
        None,
    )
    runs.cancel(busy, data, by=COMMAND_LINE)
    for run in (second, third):
        end = stage.over(run, data)
        assert (end.state, end.done, end.place, end.published) == ("done", 1, None, True)
    began = [runs.status(run, data).started_at for run in (busy, second, third)]
    ended = [runs.status(run, data).ended_at for run in (busy, second, third)]
    assert began[0] < ended[0] <= began[1] < ended[1] <= began[2], "one at a time, in order"


def test_the_queue_has_a_bound_and_a_place_is_free_again_when_its_run_is_cancelled(data, busy):
    line = [stage.submit(data, name, queue=True) for name in stage.NAMES[: waiting.PLACES]]
    assert places(data) == {run: number for number, run in enumerate(line, start=1)}
    with pytest.raises(DeviceBusy, match="4 runs wait for it"):
        stage.submit(data, "test_vit2", queue=True)
    assert len(runs.list_runs(data)) == 5
    runs.cancel(line[1], data, by=COMMAND_LINE)
    end = stage.over(line[1], data, timeout_s=12)
    assert (end.state, end.done, end.started_at, end.published) == ("cancelled", 0, None, False)
    last = stage.submit(data, "test_vit2", queue=True)
    assert places(data) == {line[0]: 1, line[2]: 2, line[3]: 3, last: 4}


def test_without_being_asked_to_nothing_waits_and_nobody_is_overtaken(data, busy):
    second = stage.submit(data, "test_resnet", queue=True, plan={"test_resnet": "slow:600"})
    with pytest.raises(DeviceBusy, match=busy):
        stage.submit(data, "test_nfnet")
    runs.cancel(busy, data, by=COMMAND_LINE)
    stage.over(busy, data)
    # Between the two the device may look free; the one that waits has it.
    with pytest.raises(DeviceBusy, match=second):
        stage.submit(data, "test_nfnet")
    stage.measuring(second, data, "test_resnet")


def test_the_very_same_request_is_the_run_that_lives_or_waits(data, busy):
    plan = {"test_vit": "slow:600"}
    assert stage.submit(data, "test_vit", queue=True, plan=plan, title="again") == busy
    second = stage.submit(data, "test_vit", "test_resnet", queue=True)
    assert second != busy
    assert stage.submit(data, "test_vit", "test_resnet", queue=True) == second
    assert stage.submit(data, "test_vit", queue=True, time_limit_s=60.0) not in (busy, second)
    assert len(runs.list_runs(data)) == 3
    # One that is about to end is none to wait for.
    runs.cancel(second, data, by=COMMAND_LINE)
    assert stage.submit(data, "test_vit", "test_resnet", queue=True) != second


def test_the_queue_of_two_data_folders_is_one(data, busy, tmp_path):
    other = tmp_path / "other"
    first = stage.submit(other, "test_vit", queue=True)
    second = stage.submit(data, "test_resnet", queue=True)
    assert places(other) == {first: 1}
    assert places(data) == {second: 2}
    runs.cancel(busy, data, by=COMMAND_LINE)
    assert stage.over(first, other).state == "done"
    assert stage.over(second, data).state == "done"


def test_a_killed_run_that_waited_is_a_crash_and_can_be_resumed_into_the_queue(data, busy):
    second = stage.submit(data, "test_resnet", queue=True)
    third = stage.submit(data, "test_nfnet", queue=True)
    waiter(second).kill()
    assert stage.over(second, data, timeout_s=5).state == "crashed"
    assert places(data) == {third: 1}
    assert runs.recover(data) == []
    assert runs.resume(second, data, by=COMMAND_LINE, queue=True, start=stage.start_with())
    assert places(data) == {third: 1, second: 2}
    with pytest.raises(InvalidRequest, match="is queued: it needs no resuming"):
        runs.resume(second, data, by=COMMAND_LINE, queue=True)
    runs.cancel(busy, data, by=COMMAND_LINE)
    end = stage.over(second, data)
    assert (end.state, end.done, end.error) == ("done", 1, None)
    assert runs.status(third, data).ended_at <= end.started_at
    assert len(pq.read_table(data / "runs" / second / "results.parquet")) == 1


def test_a_run_that_was_killed_while_it_measured_lets_the_next_one_in(data, busy):
    second = stage.submit(data, "test_resnet", queue=True)
    stage.supervisor_of(data, busy).kill()
    assert stage.over(second, data).state == "done"
    assert runs.status(busy, data).state == "crashed"


def test_a_waiting_run_that_does_not_answer_is_passed_and_ended_by_force(data, busy, monkeypatch):
    second = stage.submit(data, "test_resnet", queue=True)
    waiter(second).suspend()
    # This test waits behind it, in a process whose patience can be set.
    monkeypatch.setattr(waiting, "SILENT_S", 0.5)
    holder = locks.Holder(run="2026-01-01T000000Z-0000", data=str(data))
    with locks.admission():
        place, _, lock = waiting.take_place("cpu", holder)
    runs.cancel(busy, data, by=COMMAND_LINE)
    give_up = time.monotonic() + 30
    device = waiting.wait_for_turn("cpu", place, lambda: time.monotonic() > give_up)
    assert device is not None
    os.close(device)
    os.close(lock)
    runs.force_end(second, data, by=COMMAND_LINE)
    assert runs.status(second, data).state == "crashed"


def test_nobody_who_gives_signs_of_life_is_passed(data, busy, monkeypatch):
    second = stage.submit(data, "test_resnet", queue=True, plan={"test_resnet": "slow:600"})
    monkeypatch.setattr(waiting, "SILENT_S", 2.5)
    silences = waiting._Silences()
    ((place, holder),) = waiting.line("cpu")
    first = locks.last_beat(place)

    def beaten_often():
        assert not silences.is_silent(place, holder)
        return locks.last_beat(place) - first > 4e9

    stage.until(beaten_often, "four seconds of signs of life")
    assert places(data) == {second: 1}


def test_a_cancelled_waiting_run_that_does_not_answer_is_ended(data, busy, monkeypatch):
    monkeypatch.setattr(recovery, "CANCEL_S", 0.5)
    second = stage.submit(data, "test_resnet", queue=True)
    waiter(second).suspend()
    runs.cancel(second, data, by=COMMAND_LINE)

    def looked():
        assert runs.recover(data) == []
        return not runs.status(second, data).alive

    stage.until(looked, "the end of a supervisor that does not answer")
    assert runs.status(busy, data).state == "running"


def test_whoever_waits_too_long_ends_and_says_so(data, busy, monkeypatch):
    monkeypatch.setattr(waiting, "LONGEST_WAIT_S", 0.0)
    with locks.admission():
        place, _, lock = waiting.take_place("cpu", locks.Holder(run="r", data="d"))
    with pytest.raises(BenchError, match="was busy for 0 hours"):
        waiting.wait_for_turn("cpu", place, lambda: False)
    os.close(lock)
    assert waiting.line("cpu") == []


def test_a_run_that_waits_is_left_alone_where_its_place_is_not_seen(data, busy, tmp_path):
    """Another container sees the data folder, and has locks of its own."""
    second = stage.submit(data, "test_resnet", queue=True)
    stage.until(lambda: locks.is_locked(data / "runs" / second / "journal.jsonl"), "its supervisor")
    os.environ["BENCH_LOCKS"] = str(tmp_path / "elsewhere")
    now = runs.status(second, data)
    assert (now.state, now.place) == ("queued", None)
    assert runs.recover(data) == []
    os.environ["BENCH_LOCKS"] = str(tmp_path / "locks")
    assert places(data) == {second: 1}


def test_the_command_line_refuses_unless_asked_to_wait_and_lists_who_does(data, busy):
    def call(*arguments):
        return CliRunner().invoke(main, [*arguments, "--data", str(data)])

    refused = call("run", "test_resnet", "--device", "cpu")
    assert refused.exit_code == 1
    assert "With --queue this one waits in line." in " ".join(refused.output.split())
    second = stage.submit(data, "test_resnet", queue=True)
    shown = call("runs").output
    assert "in line" in shown
    listed = {one["run"]: one for one in json.loads(call("runs", "--json").output)}
    assert (listed[second]["state"], listed[second]["place"]) == ("queued", 1)
    assert listed[busy]["place"] is None
    ended = call("cancel", second)
    assert f"Run {second}: cancelled, 0 of 1 measured; 1 missing." in ended.output


def waiter(run):
    """The supervisor of a run that waits."""
    import psutil

    (pid,) = [holder.pid for _, holder in waiting.line("cpu") if holder.run == run]
    return psutil.Process(pid)
