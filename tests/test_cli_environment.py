"""`python -m bench environment`: the devices here, and what a worker says of one of them."""

import json
import os

import pytest
from click.testing import CliRunner

from bench import cli_environment, devices, locks, processes
from bench.cli import main
from bench.errors import BenchError
from bench.records import Environment


def call(*arguments):
    result = CliRunner().invoke(main, ["environment", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def own_locks(tmp_path, monkeypatch):
    """A machine on which no run measures, whatever else goes on here."""
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))


def test_it_explains_itself_with_an_example():
    status, said, _ = call("--help")
    assert status == 0
    assert "Example: python -m bench environment" in said


def test_it_names_the_devices_and_what_a_run_would_store(own_locks):
    status, said, _ = call("--device", "cpu", "--json")
    assert status == 0
    (cpu,) = (device for device in json.loads(said) if device["id"] == "cpu")
    assert cpu["reason"] is None
    stored = Environment.from_json(cpu["environment"])
    assert stored.device_kind == "cpu"
    assert stored.torch
    assert stored.details["noise"] >= 0


def test_people_see_the_same_as_a_table_in_which_nothing_is_left_out(own_locks):
    status, said, _ = call("--device", "cpu")
    assert status == 0
    assert "stored with a run on cpu" in said
    for fact in ("torch", "timm", "driver", "noise", "python", "commit"):
        assert f"\n{fact} " in said
    assert "unknown" in said


def test_a_device_on_which_a_run_measures_is_left_alone(own_locks):
    pid = os.getpid()
    me = locks.Holder(run="2026-01-01T000000Z-0000", data="", pid=pid, began=processes.began(pid))
    held = locks.take("cpu", me)
    try:
        status, said, told = call("--device", "cpu", "--json")
    finally:
        os.close(held)
    assert status == 0
    assert "is busy with run 2026-01-01T000000Z-0000" in told
    assert all(device["environment"] is None for device in json.loads(said))


def test_a_device_that_is_not_there_is_one_clear_line():
    status, _, told = call("--device", "cuda:9")
    assert status != 0
    assert "there is no device 'cuda:9' here" in told


def test_a_worker_that_cannot_open_its_device_says_why():
    assert devices.devices()
    with pytest.raises(BenchError, match="a worker on mps does not start: mps cannot be opened"):
        cli_environment.of_a_worker("mps")
