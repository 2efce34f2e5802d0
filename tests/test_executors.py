"""One suite for every executor: the same supervisor, the same worker, the same promises.

Where results are published, a folder or a bucket, is the supervisor's business under each of them.
"""

import dataclasses

import object_server
import pytest

from bench import executors, runs, store
from bench.errors import InvalidRequest, NotAllowed
from bench.permission import COMMAND_LINE
from bench.worker_process import ROOT
from tests.faults import stage

# What each executor measures on in these tests.
DEVICES = {"local": "cpu", "ray": "cuda"}
# Ray starts a job, a driver and an actor for each device before anything is measured.
PATIENCE_S = 150.0


@pytest.fixture(params=executors.NAMES)
def place(request, tmp_path, monkeypatch):
    """An executor's name, with locks of our own."""
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return request.param


@pytest.fixture
def results(request, tmp_path):
    """A folder; where a test asks for it, a bucket."""
    if getattr(request, "param", "folder") == "folder":
        return object_server.Folder(tmp_path / "data")
    return request.getfixturevalue("bucket")


on_folder_and_bucket = pytest.mark.parametrize("results", ["folder", "bucket"], indirect=True)


@pytest.fixture
def data(results):
    folder = results.data
    yield folder
    for now in runs.list_runs(folder):
        if now.alive:
            runs.cancel(now.run, folder, by=COMMAND_LINE)
            over(now.run, folder)
        until(lambda now=now: stage.members(now.run) == [], f"nothing is left of {now.run}")


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


def over(run, data, within_s=PATIENCE_S):
    return stage.over(run, data, timeout_s=within_s)


def until(condition, what, within_s=PATIENCE_S):
    return stage.until(condition, what, timeout_s=within_s)


def one_of_two(run, data):
    """Wait until test_vit has its row and the other is being measured."""
    stage.measuring(run, data, "test_resnet", timeout_s=PATIENCE_S)
    until(lambda: runs.status(run, data).done == 1, "the other one is measured")


def rows(run, data):
    """The models that have a row in the journal, once for each."""
    events = stage.events(data, run)
    measured = [e["measurement"]["workload"] for e in events if e["event"] == "measurement"]
    return sorted(workload["architecture"] for workload in measured)


@on_folder_and_bucket
def test_a_run_is_polled_and_listed_until_each_model_has_one_row(place, results, data, tmp_path):
    gate = tmp_path / "gate"
    plan = {"test_nfnet": "segfault", "test_resnet": "not_finite", "test_vit": f"gate:{gate}"}
    run = submit(place, data, "test_convnext", *plan, plan=plan)
    assert poll(run, data)
    until(lambda: runs.status(run, data).done, "it has begun")
    assert poll(run, data)
    assert run in executors.of(place).list()
    gate.touch()
    end = over(run, data)
    assert (end.state, end.done, end.total, end.published) == ("done", 4, 4, True)
    assert end.failures == {"crashed": 1, "not_finite": 1}
    assert results.keys() == [f"runs/{run}/results.parquet"]
    place_of_run = store.root(data) / "runs" / run / "results.parquet"
    table = store.read(place_of_run, store.SPEED_SCHEMA)
    assert sorted(table["architecture"].to_pylist()) == sorted([*plan, "test_convnext"])
    assert set(table["run"].to_pylist()) == {run}
    assert rows(run, data) == sorted([*plan, "test_convnext"])
    until(lambda: not poll(run, data), "nobody works on it")
    until(lambda: run not in executors.of(place).list(), "it is off the list")


def test_cancel_keeps_what_was_measured_and_leaves_no_process_after_15_s(place, data):
    asked = request(place, "test_vit", "test_resnet")
    start = stage.start_with({"test_resnet": "slow_with_grandchild:600"})
    run = runs.submit(asked, data, by=COMMAND_LINE, queue=True, start=start)
    # The very same request is the same run.
    assert runs.submit(asked, data, by=COMMAND_LINE, queue=True, start=start) == run
    assert [now.run for now in runs.list_runs(data)] == [run]
    one_of_two(run, data)
    runs.cancel(run, data, by=COMMAND_LINE)
    end = over(run, data, within_s=12)
    assert (end.state, end.done, end.published) == ("cancelled", 1, True)
    until(lambda: stage.members(run) == [], "no process is left", within_s=15)
    assert runs.resume(run, data, by=COMMAND_LINE, start=stage.start_with()) == run
    end = over(run, data)
    assert (end.state, end.done, end.published) == ("done", 2, True)
    assert rows(run, data) == ["test_resnet", "test_vit"]


@on_folder_and_bucket
def test_a_killed_supervisor_is_seen_and_its_run_is_resumed_without_duplicates(
    place, results, data
):
    run = submit(place, data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    one_of_two(run, data)
    stage.supervisor_of(data, run).kill()
    assert over(run, data).state == "crashed"
    until(lambda: stage.members(run) == [], "no process is left", within_s=15)
    assert runs.recover(data) == []
    assert results.keys() == [f"runs/{run}/results.parquet"], "what was measured is published"
    assert runs.resume(run, data, by=COMMAND_LINE, start=stage.start_with()) == run
    assert over(run, data).state == "done"
    assert rows(run, data) == ["test_resnet", "test_vit"]
    files = [file for file in store.speed_files(data) if run in str(file)]
    published, problems = store.load(files, store.SPEED_SCHEMA, replaces="run")
    assert not problems
    assert sorted(published["architecture"]) == ["test_resnet", "test_vit"]


def test_a_run_is_ended_by_force(place, data):
    run = submit(place, data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    one_of_two(run, data)
    runs.force_end(run, data, by=COMMAND_LINE)
    end = runs.status(run, data)
    assert end.state in ("crashed", "cancelled")
    assert (end.done, end.published) == (1, True)
    until(lambda: stage.members(run) == [], "no process is left", within_s=15)


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
