"""What a Ray cluster adds: nodes that die, devices that differ, and who may use it."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner
from ray.job_submission import JobStatus, JobSubmissionClient

from bench import executors, locks, run_folder, runs
from bench.cli import main
from bench.errors import InvalidRequest, NotAllowed
from bench.executors import ray_jobs
from bench.executors.ray_sweep import FINISH_S
from bench.permission import COMMAND_LINE
from bench.run_folder import RunFolder
from bench.sweep import SENTINEL_ON_CPU
from bench.worker_process import ROOT
from tests.faults import stage

PATIENCE_S = 150.0


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "data"


def request(*names, device="cuda", **rest):
    return dataclasses.replace(stage.request(*names, **rest), executor="ray", device=device)


def test_an_impossible_request_is_refused_with_what_there_is(cluster, data):
    with pytest.raises(InvalidRequest, match=r"has no 'cuda:A100': it has 2 x GPU on 2 machines"):
        runs.submit(request("test_vit", device="cuda:A100"), data, by=COMMAND_LINE)
    assert runs.list_runs(data) == []
    assert [device.id for device in executors.of("ray").devices()] == ["cuda", "cpu"]


def test_a_cluster_asks_for_its_token(cluster, data, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    ask = "from bench import executors; print(executors.of('ray').list())"
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "BenchError" in done.stderr


def of(data, run, kind):
    return [event for event in stage.events(data, run) if event["event"] == kind]


def at_work(data, run):
    """The stations that measure one of the models that wait for their gate."""
    gated = ("test_vit", "test_resnet")
    return {
        event["station"]
        for event in of(data, run, "phase")
        if event["workload"]["architecture"] in gated
    }


@pytest.fixture
def silent(monkeypatch):
    """What listens where a cluster is said to be, and never says anything."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        monkeypatch.setenv("RAY_ADDRESS", f"http://127.0.0.1:{listening.getsockname()[1]}")
        yield listening


def queued(data, asked, lock):
    """A run that waits to be started."""
    folder = RunFolder(run_folder.new_id(), data.resolve())
    run_folder.create(folder, asked, lock)
    return folder.run


def test_no_other_run_waits_for_a_cluster_that_does_not_answer(data, silent):
    on_ray, here = queued(data, request("test_vit"), "ray"), queued(data, stage.request(), "cpu")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(runs.status, on_ray, data)
        connection, _ = silent.accept()
        assert runs.status(here, data).total == 3
        assert not asking.done()
        connection.close()


def test_a_cluster_that_does_not_answer_is_not_asked_at_every_look(data, silent, monkeypatch):
    monkeypatch.setattr(ray_jobs, "ANSWERS_WITHIN_S", 0.5)
    run = queued(data, request("test_vit"), "ray")
    first = runs.status(run, data)
    silent.accept()[0].close()
    assert runs.status(run, data) == first
    silent.setblocking(False)
    with pytest.raises(BlockingIOError):
        silent.accept()


@pytest.mark.parametrize(
    ("address", "mode", "reason"),
    [
        ("", "", "no cluster is named: set RAY_ADDRESS"),
        ("ray://127.0.0.1:10001", "", "no cluster is named"),
        ("http://192.0.2.1:8265", "", "set RAY_AUTH_MODE=token"),
    ],
)
def test_without_an_address_or_without_a_token_for_a_remote_one_it_is_refused(
    data, monkeypatch, address, mode, reason
):
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(NotAllowed, match=reason):
        runs.submit(request("test_vit"), data, by=COMMAND_LINE)
    [device] = executors.of("ray").devices()
    assert reason in device.reason


def test_a_remote_cluster_that_answers_without_a_token_is_refused(cluster, data, monkeypatch):
    # The dashboard's own page stands for a cluster that anybody may ask.
    monkeypatch.setattr(ray_jobs, "is_loopback", lambda host: False)
    assert ray_jobs.allowed_address() == cluster.address
    monkeypatch.setattr(ray_jobs, "VERSION", "/")
    with pytest.raises(NotAllowed, match="anybody can run any program"):
        ray_jobs.allowed_address()


def test_without_ray_it_is_no_choice_and_the_reason_is_said(data, tmp_path):
    """In a process that does not find the package, as where it is not installed."""
    program = (
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'ray' else found(name, *a)\n"
        "from bench.cli import main\n"
        "main(sys.argv[1:])\n"
    )

    def bench(*arguments):
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    assert "[local]" in bench("run", "--help").stdout
    refused = bench("run", "test_vit", "--executor", "ray", "--data", str(data))
    assert refused.returncode == 2
    assert "pip install -r requirements-ray.txt" in refused.stderr


def test_the_command_line_runs_a_sweep_on_the_cluster_but_not_on_a_busy_device(
    cluster, data, monkeypatch
):
    """With the real worker; a device's lock is held, as by a run on that machine alone."""
    with monkeypatch.context() as there:
        there.setenv("BENCH_LOCKS", str(cluster.locks / "locks1"))
        held = locks.take("cpu", locks.Holder(run="another", data="elsewhere"))
    words = ["run", "test_vit", "--executor", "ray", "--precision", "fp32"]
    words += ["--measure", "latency", "--json", "--data", str(data)]
    done = CliRunner().invoke(main, words)
    os.close(held)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["state"], found["done"], found["failures"]) == ("done", 1, {})
    assert found["rows"][0]["outcome"] == "ok"
    assert "node0" in found["rows"][0]["details"]["station"]
    assert any("is busy with run another" in note for note in found["notes"])


def test_the_end_does_not_wait_for_a_device_that_others_use(cluster, data):
    """Somebody else's job has one of the two GPUs, so that Ray never places our actor there."""
    client = JobSubmissionClient(cluster.address)
    other = client.submit_job(entrypoint="sleep 600", entrypoint_num_gpus=1)

    def has_it():
        return client.get_job_status(other) == JobStatus.RUNNING

    try:
        stage.until(has_it, "the other job has its GPU", timeout_s=PATIENCE_S)
        run = runs.submit(request("test_vit"), data, by=COMMAND_LINE, start=stage.start_with())
        end = stage.over(run, data, timeout_s=PATIENCE_S)
    finally:
        client.stop_job(other)
    assert (end.state, end.done) == ("done", 1)
    assert len(of(data, run, "ready")) == 1
    [row] = of(data, run, "measurement")
    took = end.ended_at - datetime.fromisoformat(row["at"])
    assert took < timedelta(seconds=FINISH_S / 4)


def test_a_station_that_falls_silent_is_lost_and_ended_and_gives_back_its_model(
    cluster, data, tmp_path
):
    limits = {"starts": 1, "start_s": 10.0, "first_phase_s": 5.0}
    plan = {"test_vit": f"stop_parent_once:{tmp_path / 'stopped'}"}
    start = stage.start_with(plan, limits=limits)
    run = runs.submit(request("test_vit", "test_resnet"), data, by=COMMAND_LINE, start=start)
    end = stage.over(run, data, timeout_s=PATIENCE_S)
    assert (end.state, end.done, end.failures) == ("done", 2, {})
    [lost] = of(data, run, "station_lost")
    assert lost["reason"] == "it gave no sign of life in time"
    assert [workload["architecture"] for workload in lost["given_back"]] == ["test_vit"]
    stage.until(lambda: not stage.members(run), "no process is left", timeout_s=15)


def test_devices_that_differ_by_more_than_the_noise_are_named(cluster, data, tmp_path):
    """Every station measures the reference model before it is given anything."""
    gates = {name: tmp_path / name for name in ("test_vit", "test_resnet")}
    plan = {name: f"gate:{gate}" for name, gate in gates.items()}
    plan[SENTINEL_ON_CPU.architecture] = f"slower_elsewhere:{tmp_path / 'first'}"
    start = stage.start_with(plan)
    run = runs.submit(request(*gates), data, by=COMMAND_LINE, start=start)
    stage.until(lambda: len(at_work(data, run)) == 2, "both work", timeout_s=PATIENCE_S)
    for gate in gates.values():
        gate.touch()
    end = stage.over(run, data, timeout_s=PATIENCE_S)
    assert (end.state, end.done, end.failures) == ("done", 2, {})
    stations = {event["station"] for event in of(data, run, "sentinel")}
    assert len(stations) == 2
    [told] = of(data, run, "disagreement")
    assert told["station"] in stations
    assert told["slower"] == 2.0
    assert any(told["station"] in note for note in end.notes)


def test_a_node_that_dies_gives_back_what_it_measured_once(cluster, data, tmp_path):
    """The last test here: from now on the cluster has only its head."""
    gates = {name: tmp_path / name for name in ("test_vit", "test_resnet")}
    start = stage.start_with({name: f"gate:{gate}" for name, gate in gates.items()})
    run = runs.submit(request(*gates, "test_nfnet"), data, by=COMMAND_LINE, start=start)
    stage.until(lambda: len(at_work(data, run)) == 2, "both work", timeout_s=PATIENCE_S)
    cluster.kill_node()
    stage.until(lambda: of(data, run, "station_lost"), "one is lost", timeout_s=PATIENCE_S)
    for gate in gates.values():
        gate.touch()
    end = stage.over(run, data, timeout_s=PATIENCE_S)
    assert (end.state, end.done, end.failures) == ("done", 3, {})
    rows = [event["measurement"]["workload"] for event in of(data, run, "measurement")]
    assert Counter(row["architecture"] for row in rows) == dict.fromkeys([*gates, "test_nfnet"], 1)
    [lost] = of(data, run, "station_lost")
    assert len(lost["given_back"]) == 1
    [note] = end.notes
    assert lost["station"] in note
