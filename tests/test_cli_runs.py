"""run, runs and cancel, as people and programs call them."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from bench import cli_runs, runs, store
from bench.cli import main
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


def call(*arguments, data):
    return CliRunner().invoke(main, [*arguments, "--data", str(data)])


def program(*arguments, data):
    return [sys.executable, "-m", "bench", *arguments, "--data", str(data)]


@pytest.mark.parametrize("command", [c for c in cli_runs.COMMANDS if not c.hidden])
def test_each_command_explains_itself_with_an_example(command):
    result = CliRunner().invoke(main, [command.name, "--help"])
    assert result.exit_code == 0
    assert f"Example: python -m bench {command.name}" in result.output
    assert command.help.splitlines()[0] in result.output


def test_the_supervisor_is_no_command_for_people():
    assert "supervise" not in CliRunner().invoke(main, ["--help"]).output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["resnet_18"], "no model 'resnet_18'; did you mean"),
        (["hf-hub:timm/resnet18"], "no model 'hf-hub:timm/resnet18'"),
        ([], "say what to measure"),
        (["resnet18", "--device", "cuda:9"], "no device 'cuda:9' here"),
        (["resnet18", "--time-limit", "soon"], "'soon' is no duration: write 90s, 10m or 1.5h"),
        (["resnet18", "--time-limit", "0"], "is no duration"),
        (["resnet18", "--measure", "speed"], "'speed' is not one of"),
        (["resnet18", "--batch-size", "0"], "0 is not in the range x>=1"),
        (
            ["resnet18", "--measure", "latency", "--batch-size", "2"],
            "latency is measured at batch 1",
        ),
        (["resnet18", "--device", "cuda:9", "--threads", "2"], "--threads is for a CPU"),
        (["--resume", "2026-01-01T000000Z-0000"], "there is no run"),
        (["resnet18", "--resume", "2026-01-01T000000Z-0000"], "leave out PATTERN"),
        (["--device", "cpu", "--resume", "x"], "leave out --device"),
    ],
)
def test_bad_input_is_one_clear_line_and_starts_nothing(data, arguments, reason):
    result = call("run", *arguments, data=data)
    assert result.exit_code != 0
    assert reason in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert runs.list_runs(data) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("2 h", 7200)]
)
def test_a_duration_is_written_as_people_do(text, seconds):
    assert cli_runs.Duration().convert(text, None, None) == seconds


def test_a_real_model_is_measured_on_the_cpu_and_its_rows_are_printed(data):
    how = ("--measure", "latency", "--threads", "1", "--tf32", "--json")
    command = program("run", "test_vit", *how, data=data)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["state"], answer["done"], answer["total"]) == ("done", 1, 1)
    assert answer["rows"][0]["outcome"] == "ok"
    assert len(answer["rows"][0]["samples_s"]) >= 7
    line = r"test_vit 160 latency: \S+ ms ±(\S+) %, (steady|fair|noisy|few samples: \d) \(batch 1\)"
    [(percent, _)] = re.findall(line, done.stderr)
    table = store.read(data / "runs" / answer["run"] / "results.parquet", store.SPEED_SCHEMA)
    assert table["images_per_s"][0].as_py() > 0
    assert table["multiply_adds"][0].as_py() > 0
    assert table["device_kind"].to_pylist() == ["cpu"]
    [(low_s, median_s, high_s)] = zip(
        *(table[name].to_pylist() for name in ("step_low_s", "step_s", "step_high_s")), strict=True
    )
    widest = max(high_s - median_s, median_s - low_s) / median_s
    assert float(percent) == pytest.approx(100 * widest, rel=0.06)
    [details] = map(json.loads, table["details"].to_pylist())
    assert details == answer["rows"][0]["details"]
    assert details["stopped_by"]
    assert details["threads"] == 1
    [environment] = map(json.loads, table["environment"].to_pylist())
    assert (environment["protocol"]["threads"], environment["protocol"]["tf32"]) == (1, True)


def test_ctrl_c_cancels_cleanly_and_says_how_to_go_on(data):
    command = program("run", "resnet50", "test_vit", data=data)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        stage.until(lambda: [r for r in runs.list_runs(data) if r.alive], "the run to live")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Cancelling; what was measured is kept." in errors
    assert "Traceback" not in errors
    run = runs.list_runs(data)[0]
    assert run.state == "cancelled"
    assert f"python -m bench run --resume {run.run}" in output


def test_a_run_goes_on_when_its_command_is_killed_and_resume_shows_the_rest(data):
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    follower = subprocess.Popen(
        [sys.executable, "-c", FOLLOW, run, str(data)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    follower.kill()
    follower.wait()
    assert runs.status(run, data).alive


FOLLOW = (
    "import sys; from pathlib import Path; from bench.run_progress import follow;"
    "follow(sys.argv[1], Path(sys.argv[2]))"
)


def test_the_terminal_shows_model_phase_and_how_much_is_left(data):
    run = stage.submit(
        data,
        "test_vit",
        "test_nfnet",
        "test_resnet",
        plan={"test_vit": "segfault", "test_resnet": "slow:600"},
    )
    stage.measuring(run, data, "test_resnet")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.environ.update(COLUMNS="120", TERM="xterm")
        os.execv(sys.executable, [sys.executable, "-c", FOLLOW, run, str(data)])
    shown = b""

    def on_screen():
        nonlocal shown
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536)
        return b"test_resnet 160 latency: measure" in shown

    stage.until(on_screen, "the bar")
    os.write(terminal, b"\x03")

    def gone():
        nonlocal shown
        try:
            shown += os.read(terminal, 65536)
        except OSError:
            return True
        return False

    stage.until(gone, "the end of the command")
    os.waitpid(pid, 0)
    os.close(terminal)
    text = shown.decode()
    assert "2/3" in text
    assert re.search(r"\d+ s left", text)
    assert "test_vit 160 latency: crashed: killed by SIGSEGV" in text
    assert re.search(r"test_nfnet 160 latency: 11 ms", text)
    assert "Cancelling" in text
    assert runs.status(run, data).state == "cancelled"


def test_cancel_waits_for_the_end_and_says_what_was_kept(data):
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    result = call("cancel", run, data=data)
    assert result.exit_code == 0, result.output
    assert f"Run {run}: cancelled, 1 of 2 measured; 1 missing." in result.output
    assert len(pq.read_table(data / "runs" / run / "results.parquet")) == 1
    result = call("cancel", run, data=data)
    assert result.exit_code == 1
    assert "is over: cancelled" in result.output


def test_cancel_ends_a_supervisor_that_does_not_answer(data, monkeypatch):
    from bench import run_progress

    monkeypatch.setattr(run_progress, "CANCEL_TIMEOUT_S", 1.0)
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    stage.supervisor_of(data, run).suspend()
    result = call("cancel", run, data=data)
    assert result.exit_code == 0, result.output
    end = runs.status(run, data)
    assert (end.state, end.done, end.published) == ("crashed", 1, True)
    assert stage.members(run) == []


def test_runs_lists_what_there_is_for_people_and_for_programs(data):
    assert call("runs", data=data).exit_code == 0
    assert json.loads(call("runs", "--json", data=data).output) == []
    run = stage.submit(data, "test_vit", title="mine")
    stage.over(run, data)
    for wanted in (run, "done", "1/1", "Stand-in", "mine"):
        assert wanted in call("runs", data=data).output
    (listed,) = json.loads(call("runs", "--json", data=data).output)
    assert (listed["run"], listed["state"], listed["published"]) == (run, "done", True)
    assert call("runs", "--csv", data=data).output.startswith("run,state,done")


def test_runs_publishes_a_run_that_died(data):
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    stage.supervisor_of(data, run).kill()
    stage.over(run, data)
    (listed,) = json.loads(call("runs", "--json", data=data).output)
    assert (listed["state"], listed["published"], listed["done"]) == ("crashed", True, 1)


def test_a_model_s_latency_is_measured_first_so_that_the_next_model_is_prepared_meanwhile():
    pairs = [("test_vit", 160), ("test_resnet", 160)]
    asked = cli_runs._workloads(pairs, ("throughput", "latency", "throughput"), batch_size=None)
    assert [(work.architecture, work.measure) for work in asked] == [
        ("test_vit", "latency"),
        ("test_vit", "throughput"),
        ("test_resnet", "latency"),
        ("test_resnet", "throughput"),
    ]


def test_everything_of_another_timm_than_the_one_installed_is_told(data, capsys):
    cli_runs._tell_of_another_timm(data)
    assert capsys.readouterr() == ("", "")
    table = store.read(store.SHIPPED / "published" / "models.parquet", store.MODELS_SCHEMA)
    older = table.set_column(0, table.schema.field("timm"), pa.array(["0.9.0"] * len(table)))
    store.publish(older, store.published(data, "models.parquet"))
    cli_runs._tell_of_another_timm(data)
    said, told = capsys.readouterr()
    assert said == ""
    assert "The catalogue is of timm 0.9.0, here is 1.0.31: models that only the latter" in told
