"""Runs on disk, with real supervisors and real worker processes."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from bench import journal, locks, runs, store
from bench.errors import InvalidRequest, NotAllowed
from bench.permission import COMMAND_LINE, Asker
from bench.records import Workload
from bench.worker_process import ROOT
from tests.faults import stage

ADA = Asker(
    address="0.0.0.0",
    sign_in=True,
    email="a@example.org",
    allowed_emails=frozenset({"a@example.org"}),
)


@pytest.fixture(autouse=True)
def own_locks(tmp_path, monkeypatch):
    """Locks of our own, so that nobody else's run on this machine is in the way."""
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    yield folder
    stage.end_all(folder)


def test_a_run_measures_publishes_and_says_so(data):
    run = stage.submit(data, "test_vit", "test_resnet", title="two", by=ADA)
    end = stage.over(run, data)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d{6}Z-[0-9a-f]{4}", run)
    assert (end.state, end.done, end.total, end.published) == ("done", 2, 2, True)
    assert (end.title, end.who, end.device, end.error) == ("two", "a@example.org", "cpu", None)
    assert end.device_name == "Stand-in"
    table = store.read(data / "runs" / run / "results.parquet", store.SPEED_SCHEMA)
    assert table["architecture"].to_pylist() == ["test_vit", "test_resnet"]
    assert table["run"].to_pylist() == [run, run]
    assert table.equals(runs.live_table(run, data))
    assert [row.outcome for row in runs.measurements(run, data)] == ["ok", "ok"]
    assert runs.list_runs(data) == [end]


def test_submit_returns_before_anything_is_measured_and_the_run_is_seen_to_go_on(data):
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    now = stage.measuring(run, data, "test_resnet")
    assert (now.state, now.phase, now.done, now.total) == ("running", "measure", 1, 2)
    assert now.eta_s is not None
    assert now.published is False
    assert len(runs.live_table(run, data)) == 1


def test_a_failure_is_a_row_of_the_published_file(data):
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_vit": "segfault"})
    end = stage.over(run, data)
    assert (end.state, end.failures) == ("done", {"crashed": 1})
    table = pq.read_table(data / "runs" / run / "results.parquet")
    assert table["outcome"].to_pylist() == ["crashed", "ok"]
    assert "SIGSEGV" in table["message"][0].as_py()


def test_a_second_run_on_a_busy_device_is_refused_and_names_the_first(data):
    first = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    with pytest.raises(NotAllowed, match=first):
        stage.submit(data, "test_resnet")
    assert [now.run for now in runs.list_runs(data)] == [first]


def test_two_data_folders_exclude_each_other(data, tmp_path):
    first = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    with pytest.raises(NotAllowed, match=first):
        stage.submit(tmp_path / "another", "test_resnet")


def test_a_hundred_simultaneous_submits_make_one_run(data):
    start = stage.start_with({"test_vit": "slow:600"})

    def press(_):
        try:
            return runs.submit(stage.request("test_vit"), data, by=COMMAND_LINE, start=start)
        except NotAllowed as refusal:
            return refusal

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(press, range(100)))
    made = [answer for answer in answers if isinstance(answer, str)]
    assert len(made) == 1
    assert all(made[0] in str(a) for a in answers if not isinstance(a, str))
    assert [now.run for now in runs.list_runs(data)] == made
    assert [path.name for path in (data / "runs").iterdir()] == made


def test_cancel_keeps_what_was_measured_and_leaves_no_process(data):
    run = stage.submit(
        data, "test_vit", "test_resnet", plan={"test_resnet": "slow_with_grandchild:600"}
    )
    stage.measuring(run, data, "test_resnet")
    runs.cancel(run, data, by=COMMAND_LINE)
    assert runs.status(run, data).cancelling or not runs.status(run, data).alive
    end = stage.over(run, data, timeout_s=12)
    assert (end.state, end.done, end.cancelling) == ("cancelled", 1, False)
    assert len(pq.read_table(data / "runs" / run / "results.parquet")) == 1
    assert stage.members(run) == []


def test_who_started_and_who_cancelled_is_kept_whatever_the_request_says(data):
    run = stage.submit(
        data, "test_vit", plan={"test_vit": "slow:600"}, who="somebody@else.org", by=ADA
    )
    stage.measuring(run, data, "test_vit")
    runs.cancel(run, data, by=ADA)
    end = stage.over(run, data)
    assert (end.state, end.who, end.error) == (
        "cancelled",
        "a@example.org",
        "cancelled by a@example.org",
    )


def test_cancel_ends_a_worker_that_ignores_sigterm(data):
    run = stage.submit(data, "test_vit", plan={"test_vit": "deaf:600"})
    stage.measuring(run, data, "test_vit")
    runs.cancel(run, data, by=COMMAND_LINE)
    assert stage.over(run, data, timeout_s=12).state == "cancelled"
    assert stage.members(run) == []


def test_a_run_that_is_over_cannot_be_cancelled(data):
    run = stage.submit(data, "test_vit")
    stage.over(run, data)
    with pytest.raises(InvalidRequest, match="is over: done"):
        runs.cancel(run, data, by=COMMAND_LINE)


def test_a_terminated_supervisor_ends_its_run_and_publishes(data):
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    stage.supervisor_of(data, run).terminate()
    end = stage.over(run, data)
    assert (end.state, end.done, end.published) == ("cancelled", 1, True)
    assert "SIGTERM" in end.error


def test_a_killed_supervisor_is_seen_as_a_crash_and_published_by_whoever_looks(data):
    run = stage.submit(
        data, "test_vit", "test_resnet", plan={"test_resnet": "slow_with_grandchild:600"}
    )
    stage.measuring(run, data, "test_resnet")
    stage.supervisor_of(data, run).kill()
    end = stage.over(run, data, timeout_s=5)
    assert (end.state, end.done, end.published) == ("crashed", 1, False)
    assert runs.recover(data) == []
    end = runs.status(run, data)
    assert (end.state, end.done, end.published) == ("crashed", 1, True)
    assert len(pq.read_table(data / "runs" / run / "results.parquet")) == 1
    assert stage.members(run) == []
    before = (data / "runs" / run / "journal.jsonl").read_bytes()
    assert runs.recover(data) == []
    assert (data / "runs" / run / "journal.jsonl").read_bytes() == before


def test_resume_measures_exactly_the_missing_rows(data):
    names = stage.NAMES[:4]
    run = stage.submit(data, *names, plan={names[1]: "exit:1", names[2]: "slow:600"})
    stage.measuring(run, data, names[2])
    stage.supervisor_of(data, run).kill()
    stage.over(run, data)
    with (data / "runs" / run / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"event":"measurement","at":"2026-')
    assert runs.resume(run, data, by=COMMAND_LINE, start=stage.start_with()) == run
    end = stage.over(run, data)
    assert (end.state, end.done, end.damaged, end.error) == ("done", 4, 0, None)
    asked = [
        event["measurement"]["workload"]["architecture"]
        for event in stage.events(data, run)
        if event["event"] == "measurement"
    ]
    assert asked == list(names)
    table = pq.read_table(data / "runs" / run / "results.parquet")
    assert table["architecture"].to_pylist() == list(names)
    assert table["outcome"].to_pylist() == ["ok", "crashed", "ok", "ok"]
    with pytest.raises(InvalidRequest, match="nothing is missing"):
        runs.resume(run, data, by=COMMAND_LINE)


def test_a_cancelled_run_can_be_resumed(data):
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    runs.cancel(run, data, by=COMMAND_LINE)
    stage.over(run, data)
    runs.resume(run, data, by=COMMAND_LINE, start=stage.start_with())
    end = stage.over(run, data)
    assert (end.state, end.done) == ("done", 2)


def test_a_living_run_is_not_resumed(data):
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    with pytest.raises(InvalidRequest, match="needs no resuming"):
        runs.resume(run, data, by=COMMAND_LINE)


def test_a_supervisor_that_dies_before_its_first_line_is_a_crash(data):
    def start(folder, lock):
        return [sys.executable, "-c", "raise SystemExit(3)"]

    run = runs.submit(stage.request("test_vit"), data, by=COMMAND_LINE, start=start)
    end = stage.over(run, data, timeout_s=5)
    assert (end.state, end.done) == ("crashed", 0)
    assert runs.recover(data) == []
    assert runs.status(run, data).ended_at is not None
    stage.over(stage.submit(data, "test_vit"), data)


def test_a_worker_that_never_starts_fails_the_run_with_the_reason(data):
    start = stage.start_with(options=("--start", "die"))
    run = runs.submit(stage.request("test_vit"), data, by=COMMAND_LINE, start=start)
    end = stage.over(run, data)
    assert (end.state, end.published) == ("failed", False)
    assert "no module named torch" in end.error
    assert "no module named torch" in "\n".join(runs.log_tail(run, data))


def test_without_permission_nothing_is_started_resumed_or_cancelled(data):
    stranger = Asker(address="0.0.0.0")
    with pytest.raises(NotAllowed, match="reached from other machines"):
        runs.submit(stage.request("test_vit"), data, by=stranger)
    assert not data.exists()
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    for action in (runs.cancel, runs.resume):
        with pytest.raises(NotAllowed):
            action(run, data, by=stranger)
    assert runs.status(run, data).cancelling is False


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hf-hub:timm/resnet18", "no ':' and no '/'"),
        ("local-dir:/etc", "no ':' and no '/'"),
        ("../resnet18", "no ':' and no '/'"),
        ("resnet18.a1_in1k", "timm has no model"),
        ("RESNET18", "timm has no model"),
        ("resnet181", "did you mean resnet18"),
    ],
)
def test_only_exact_names_of_timm_are_taken(data, name, reason):
    with pytest.raises(InvalidRequest, match=re.escape(reason)):
        runs.submit(stage.request(name), data, by=COMMAND_LINE)
    assert runs.list_runs(data) == []


def test_an_unknown_device_is_refused(data):
    request = runs.Request(workloads=stage.request("test_vit").workloads, device="cuda:7")
    with pytest.raises(InvalidRequest, match="no device 'cuda:7' here"):
        runs.submit(request, data, by=COMMAND_LINE)


def test_an_empty_and_an_absurd_request_are_refused(data):
    with pytest.raises(InvalidRequest, match="1 to 10,000 things, got 0"):
        runs.submit(runs.Request(workloads=(), device="cpu"), data, by=COMMAND_LINE)
    many = tuple(
        Workload(architecture="test_vit", image_size=n + 1, measure="latency")
        for n in range(10_001)
    )
    with pytest.raises(InvalidRequest, match="got 10,001"):
        runs.submit(runs.Request(workloads=many, device="cpu"), data, by=COMMAND_LINE)
    for size, batch in ((5000, 1), (160, 100_000)):
        large = Workload(
            architecture="test_vit", image_size=size, measure="throughput", batch_size=batch
        )
        with pytest.raises(InvalidRequest, match="must be at most"):
            runs.submit(runs.Request(workloads=(large,), device="cpu"), data, by=COMMAND_LINE)


@pytest.mark.parametrize("run", ["", "..", "../runs", "2026-11-23T152000Z-3f9a", "a/b", "\0"])
def test_a_run_that_does_not_exist_is_said_not_to(data, run):
    for ask in (runs.status, runs.measurements, runs.live_table, runs.log_tail):
        with pytest.raises(InvalidRequest, match="there is no run"):
            ask(run, data)


def test_a_finished_run_is_read_from_its_last_line_as_from_all_of_them(data):
    run = stage.submit(data, *stage.NAMES[:3], plan={stage.NAMES[1]: "segfault"}, by=ADA)
    stage.over(run, data)
    path = data / "runs" / run / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[-1])
    short = runs.status(run, data)
    # An older version's end says less; then everything is read.
    end = {key: value for key, value in json.loads(lines[-1]).items() if key != "crc"}
    del end["status"]
    path.write_bytes(b"".join(lines[:-1]) + journal.seal(json.dumps(end).encode()) + b"\n")
    long = runs.status(run, data)
    assert dataclasses.replace(short, ended_at=long.ended_at) == long
    assert (long.done, long.total, long.failures) == (3, 3, {"crashed": 1})


def test_a_folder_that_no_run_made_is_listed_and_left_alone(data):
    folder = data / "runs" / "2026-11-02T120000Z-bbbb"
    folder.mkdir(parents=True)
    (folder / "results.parquet").write_text("model,speed")
    (now,) = runs.list_runs(data)
    assert (now.state, now.done, now.total) == ("crashed", 0, 0)
    assert "cannot be read" in now.error
    assert len(runs.live_table(now.run, data)) == 0
    assert runs.recover(data) == []
    assert [path.name for path in folder.iterdir()] == ["results.parquet"]


def test_a_request_survives_its_journey(data):
    request = stage.request("test_vit", "test_resnet", who="a@b.c", time_limit_s=3.5)
    assert runs.Request.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_a_request_of_which_a_digit_changed_is_not_carried_out(data):
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    stage.supervisor_of(data, run).kill()
    stage.over(run, data)
    path = data / "runs" / run / "request.json"
    path.write_bytes(path.read_bytes().replace(b"160", b"161"))
    with pytest.raises(InvalidRequest, match="cannot be read: a wrong checksum"):
        runs.resume(run, data, by=COMMAND_LINE)


def test_the_time_limit_ends_a_run_as_partial(data):
    run = stage.submit(
        data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"}, time_limit_s=3.0
    )
    end = stage.over(run, data)
    assert (end.state, end.done, end.published) == ("partial", 1, True)
    assert "time limit" in end.error


def test_devices_are_found_without_importing_torch():
    program = (
        "import sys; from bench import runs; found = runs.devices();"
        "assert 'torch' not in sys.modules; print([d.id for d in found if d.usable])"
    )
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", program]) == 0


def test_without_torch_the_cpu_is_listed_with_the_reason(tmp_path):
    (tmp_path / "psutil").symlink_to(Path(psutil.__file__).parent)
    program = (
        f"import sys; sys.path += [{str(ROOT)!r}, {str(tmp_path)!r}]; from bench import devices;"
        "print([(d.id, d.usable, d.reason) for d in devices.devices()])"
    )
    command = [sys.executable, "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "('cpu', False, 'torch and timm not installed" in done.stdout


def test_a_lock_whose_file_names_a_reused_pid_is_not_a_live_run(data):
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    stage.measuring(run, data, "test_vit")
    supervisor = stage.supervisor_of(data, run)
    supervisor.send_signal(signal.SIGKILL)
    stage.over(run, data)
    holder = locks.Holder(run=run, data=str(data), pid=os.getpid(), began=1.0)
    locks.write_holder("cpu", holder)
    assert runs.status(run, data).state == "crashed"
    assert runs.recover(data) == []
    assert psutil.Process().is_running()
