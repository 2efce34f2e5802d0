"""Runs whose results go to a bucket, with real supervisors, workers and an S3 server."""

import os

import object_server
import pytest

from bench import processes, run_checks, runs, store
from bench.errors import InvalidRequest
from bench.permission import COMMAND_LINE
from tests.faults import stage


@pytest.fixture
def data(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))
    yield bucket.data
    bucket.network.everything = None
    for now in runs.list_runs(bucket.data):
        if now.alive:
            runs.cancel(now.run, bucket.data, by=COMMAND_LINE)
            stage.over(now.run, bucket.data)
        assert stage.members(now.run) == []


def test_a_run_lives_on_this_machine_and_ends_in_the_bucket(data, bucket):
    run = stage.submit(data, "test_vit", "test_resnet")
    end = stage.over(run, data)
    assert (end.state, end.done, end.published) == ("done", 2, True)
    assert bucket.keys() == [f"runs/{run}/results.parquet"]
    path = store.root(data) / "runs" / run / "results.parquet"
    assert store.read(path, store.SPEED_SCHEMA).equals(runs.live_table(run, data))
    assert (data / "runs" / run / "journal.jsonl").is_file()
    assert store.place_of_run(data, run) == str(path)


def test_a_store_that_refuses_at_the_end_gets_the_run_later(data, bucket):
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    bucket.network.everything = 403
    runs.cancel(run, data, by=COMMAND_LINE)
    end = stage.over(run, data)
    assert (end.state, end.done, end.published) == ("failed", 1, False)
    assert "could not be published" in end.error
    assert "access denied" in end.error
    (problem,) = runs.recover(data)
    assert runs.recover(data) == [problem], "and the store is not asked at every look"
    bucket.network.everything = None
    runs.recovery._failed.clear()  # as a minute later
    assert runs.recover(data) == []
    assert runs.status(run, data).published
    assert bucket.keys() == [f"runs/{run}/results.parquet"]
    written = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    for secret in (object_server.KEY, object_server.SECRET):
        assert secret.encode() not in written


def test_a_worker_knows_nothing_of_the_store(data):
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    stage.measuring(run, data, "test_vit")
    environments = [member.environ() for member in stage.members(run)]
    assert any(processes.WORKER_MARK in one for one in environments)
    assert "AWS_ACCESS_KEY_ID" in os.environ, "there is something to know"
    assert not [name for one in environments for name in one if name.startswith("AWS_")]


def test_nothing_is_started_where_its_results_could_be_lost(data, bucket):
    bucket.network.ignores_conditions = True
    with pytest.raises(InvalidRequest, match="ignores If-None-Match"):
        stage.submit(data, "test_vit")
    assert runs.list_runs(data) == []
    assert "ignores If-None-Match" in run_checks.why_no_room(data, rows=1)
    assert list((data / "runs").iterdir()) == []
