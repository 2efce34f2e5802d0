"""One suite for every executor: the same supervisor, the same worker, the same promises."""

import dataclasses

import pytest

from bench import executors, runs, store
from bench.errors import InvalidRequest, NotAllowed
from bench.permission import COMMAND_LINE
from bench.worker_process import ROOT
from tests.faults import stage

# What each executor measures on in these tests.
DEVICES = {"local": "cpu"}


@pytest.fixture(params=executors.NAMES)
def place(request, tmp_path, monkeypatch):
    """An executor's name, with locks of our own."""
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))
    return request.param


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    yield folder
    for now in runs.list_runs(folder):
        if now.alive:
            runs.cancel(now.run, folder, by=COMMAND_LINE)
            stage.over(now.run, folder)
        stage.until(lambda now=now: stage.members(now.run) == [], f"nothing is left of {now.run}")


def request(place, *names, **rest):
    plain = stage.request(*names, **rest)
    return dataclasses.replace(plain, executor=place, device=DEVICES[place])


def submit(place, data, *names, plan=None, limits=None, **rest):
    start = stage.start_with(plan, limits=limits)
    return runs.submit(request(place, *names, **rest), data, by=COMMAND_LINE, start=start)


def poll(run, data):
    """What the executor itself says."""
    folder = runs.run_folder.existing(run, data)
    return executors.of(folder.request().executor).poll(folder, runs.run_status.lock_of(folder))


def test_a_run_ends_with_each_row_once_and_is_published(place, data):
    run = submit(place, data, "test_vit", "test_resnet", "test_nfnet")
    end = stage.over(run, data)
    assert (end.state, end.done, end.total, end.published) == ("done", 3, 3, True)
    table = store.read(data / "runs" / run / "results.parquet", store.SPEED_SCHEMA)
    assert sorted(table["architecture"].to_pylist()) == ["test_nfnet", "test_resnet", "test_vit"]
    assert set(table["run"].to_pylist()) == {run}
    assert not poll(run, data)


def test_what_crashes_hangs_or_fails_is_one_row_and_the_sweep_goes_on(place, data):
    plan = {"test_vit": "segfault", "test_resnet": "hang_in_c:0.3", "test_nfnet": "not_finite"}
    run = submit(place, data, *plan, "test_convnext", plan=plan)
    end = stage.over(run, data)
    assert end.failures == {"crashed": 1, "timeout": 1, "not_finite": 1}
    assert (end.state, end.done) == ("done", 4)


def test_a_living_run_is_polled_and_listed_until_it_is_over(place, data, tmp_path):
    gate = tmp_path / "gate"
    run = submit(place, data, "test_vit", plan={"test_vit": f"gate:{gate}"})
    assert poll(run, data)
    stage.measuring(run, data, "test_vit")
    assert run in executors.of(place).list()
    gate.touch()
    assert stage.over(run, data).state == "done"
    stage.until(lambda: not poll(run, data), "nobody works on it")
    stage.until(lambda: run not in executors.of(place).list(), "it is off the list")


def test_the_very_same_request_is_the_same_run(place, data):
    asked = request(place, "test_vit")
    start = stage.start_with({"test_vit": "slow:600"})
    first = runs.submit(asked, data, by=COMMAND_LINE, queue=True, start=start)
    assert runs.submit(asked, data, by=COMMAND_LINE, queue=True, start=start) == first
    assert [now.run for now in runs.list_runs(data)] == [first]


def test_cancel_keeps_what_was_measured_and_leaves_no_process_after_15_s(place, data):
    plan = {"test_resnet": "slow_with_grandchild:600"}
    run = submit(place, data, "test_vit", "test_resnet", plan=plan)
    stage.measuring(run, data, "test_resnet")
    stage.until(lambda: runs.status(run, data).done == 1, "the other one is measured")
    runs.cancel(run, data, by=COMMAND_LINE)
    end = stage.over(run, data, timeout_s=12)
    assert (end.state, end.done, end.published) == ("cancelled", 1, True)
    stage.until(lambda: stage.members(run) == [], "no process is left", timeout_s=15)


def test_a_run_is_ended_by_force_and_resumed(place, data):
    run = submit(place, data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    stage.until(lambda: runs.status(run, data).done == 1, "the other one is measured")
    executors.of(place).cancel(runs.run_folder.existing(run, data))
    end = stage.over(run, data)
    assert end.state in ("crashed", "cancelled")
    assert runs.recover(data) == []
    stage.until(lambda: stage.members(run) == [], "no process is left", timeout_s=15)
    assert runs.resume(run, data, by=COMMAND_LINE, start=stage.start_with()) == run
    end = stage.over(run, data)
    assert (end.state, end.done, end.published) == ("done", 2, True)
    rows = [e["measurement"] for e in stage.events(data, run) if e["event"] == "measurement"]
    names = [row["workload"]["architecture"] for row in rows]
    assert names == ["test_vit", "test_resnet"]


def test_a_killed_supervisor_is_seen_and_its_run_is_resumed_without_duplicates(place, data):
    run = submit(place, data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    stage.until(lambda: runs.status(run, data).done == 1, "the other one is measured")
    stage.supervisor_of(data, run).kill()
    assert stage.over(run, data).state == "crashed"
    stage.until(lambda: stage.members(run) == [], "no process is left", timeout_s=15)
    runs.recover(data)
    assert runs.resume(run, data, by=COMMAND_LINE, start=stage.start_with()) == run
    end = stage.over(run, data)
    assert (end.state, end.done) == ("done", 2)
    rows = [event for event in stage.events(data, run) if event["event"] == "measurement"]
    assert len(rows) == 2


def test_the_time_limit_ends_a_run_with_what_it_has(place, data):
    plan = {"test_resnet": "slow:600"}
    run = submit(place, data, "test_vit", "test_resnet", plan=plan, time_limit_s=5.0)
    end = stage.over(run, data)
    assert (end.state, end.error) == ("partial", "the time limit was reached")


def test_a_device_that_is_not_there_is_refused_and_said(place, data):
    asked = dataclasses.replace(request(place, "test_vit"), device="cuda:nine")
    with pytest.raises(InvalidRequest, match="cuda:nine"):
        runs.submit(asked, data, by=COMMAND_LINE)
    assert runs.list_runs(data) == []


def test_an_executor_that_is_absent_is_refused_with_the_reason(data):
    asked = dataclasses.replace(stage.request("test_vit"), executor="elsewhere")
    with pytest.raises(NotAllowed, match="there is no executor 'elsewhere'"):
        runs.submit(asked, data, by=COMMAND_LINE)


def test_nothing_but_runs_knows_the_supervisor_s_command():
    files = [file for folder in ("bench", "pages") for file in (ROOT / folder).rglob("*.py")]
    assert [file.name for file in files if '"supervise"' in file.read_text()] == ["runs.py"]
