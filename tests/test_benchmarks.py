"""The comparison with timm, against a stand-in for timm's script that says what it was asked."""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pandas as pd
import psutil
import pytest
from click.testing import CliRunner, Result

from bench import runs
from bench.permission import COMMAND_LINE
from bench.processes import WORKER_MARK
from bench.records import Measurement, Protocol, Workload
from tests.faults import stage

ROOT = Path(__file__).resolve().parent.parent

# What timm's benchmark.py prints last, for the model and batch that it is asked for.
STAND_IN = """
import argparse, json
parser = argparse.ArgumentParser()
for name in ("--device", "--bench", "--precision", "--model", "--img-size", "--results-file"):
    parser.add_argument(name)
parser.add_argument("-b", type=int)
parser.add_argument("--no-retry", action="store_true")
asked = parser.parse_args()
assert (asked.device, asked.bench, asked.precision) == ("cpu", "inference", "float32")
print("some log line")
print("--result\\n" + json.dumps({"model": asked.model, "infer_samples_per_sec": 50.0 * asked.b}))
"""


def script(name: str) -> ModuleType:
    """A file of `benchmarks/`, imported."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look for their module by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def against_timm() -> ModuleType:
    return script("against_timm")


def told(result: Result, log: Path) -> str:
    """All that a comparison which failed has said: it, the error that ended it, and its worker."""
    worker = log.read_text(errors="replace") if log.exists() else "no log"
    return f"{result.output}\n{result.exception!r}\n{worker}"


def row(*samples_s: float) -> Measurement:
    return Measurement(
        workload=Workload(
            architecture="test_vit", image_size=160, measure="throughput", batch_size=2
        ),
        outcome="ok",
        measured_at=datetime(2026, 1, 1, tzinfo=UTC),
        batch_size=2,
        samples_s=samples_s,
    )


# Five processes, four of which import torch: a minute beside another test, and much more where the
# machine has other work as well.
@pytest.mark.long
@pytest.mark.timeout(900)
def test_both_are_run_on_the_same_list_and_printed_side_by_side(
    against_timm: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "benchmark.py").write_text(STAND_IN)
    log = tmp_path / "log"
    asked = [str(tmp_path), "test_vit", "-b", "2", "--repeats", "2", "--log", str(log)]
    result = CliRunner().invoke(against_timm.main, asked)
    assert result.exit_code == 0, told(result, log)
    lines = result.output.splitlines()
    (line,) = [line for line in lines if line.startswith("test_vit ")]
    name, timm_ms, spread, ours_ms, *_ = line.split()
    assert (name, timm_ms, spread) == ("test_vit", "20.00", "0.0%")
    assert float(ours_ms) > 0
    assert any(line.startswith("A/A noise") for line in lines)
    assert any(line.startswith("wall time") for line in lines)
    (verdict,) = [line for line in lines if line.startswith("verdict")]
    assert "the A/A noise" in verdict


def test_the_verdict_is_whether_the_difference_exceeds_the_noise(against_timm: ModuleType) -> None:
    within = "the median difference, 2.0%, is within the A/A noise, 3.0%"
    assert against_timm.verdict(0.02, 0.03) == within
    assert "4.0%, is beyond the A/A noise, 3.0%" in against_timm.verdict(0.04, 0.03)
    assert "unknown" in against_timm.verdict(0.02, None)


@pytest.fixture
def ours(
    against_timm: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[dict[str, str]], Any]]:
    """Our side of a comparison, with a worker that does what a plan says."""
    started = []

    def start(plan: dict[str, str], **options: str) -> Any:
        line = [sys.executable, str(ROOT / "tests/faults/worker.py"), "--plan", json.dumps(plan)]
        for name, value in options.items():
            line += [f"--{name}", value]
        monkeypatch.setattr(against_timm, "command_line", lambda _device: [*line, "--reply-fd"])
        settings = against_timm.Settings(
            folder=tmp_path, device="cpu", batch_size=2, training=False, protocol=Protocol()
        )
        started.append(against_timm.Ours(settings, (tmp_path / "log").open("w+b")))
        return started[-1]

    yield start
    for one in started:
        one.end()
    # Other children are a browser's, which other tests in this process use.
    assert [p for p in psutil.Process().children(recursive=True) if is_worker(p)] == []


def is_worker(process: psutil.Process) -> bool:
    try:
        return WORKER_MARK in process.environ()
    except psutil.Error:  # it ended meanwhile
        return False


def outcomes(ours: Any, *names: str) -> list[str]:
    asked = [
        Workload(architecture=name, image_size=160, measure="throughput", batch_size=2)
        for name in names
    ]
    return [ours.measure(workload).outcome for workload in asked]


@pytest.mark.parametrize(
    ("behaviour", "outcome"), [("leaving", "ok"), ("exit:3", "crashed"), ("segfault", "crashed")]
)
def test_a_worker_that_leaves_or_dies_is_replaced_and_the_comparison_goes_on(
    ours: Callable[[dict[str, str]], Any], behaviour: str, outcome: str
) -> None:
    found = outcomes(ours({"middle": behaviour}), "before", "middle", "after")
    assert found == ["ok", outcome, "ok"]


def test_a_worker_that_does_not_come_up_ends_the_comparison_and_leaves_nothing(
    ours: Callable[..., Any],
) -> None:
    with pytest.raises(click.ClickException, match="the device cannot be used"):
        ours({}, start="die")


def test_what_went_wrong_in_a_later_turn_is_printed(
    against_timm: ModuleType,
    ours: Callable[[dict[str, str]], Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    compared = against_timm.Compared("test_vit", 160, timm_s=[1.0], problem="timm: no result")
    compared.ours = [row(1.0, 1.1, 1.2)]
    against_timm.report([compared], ours({}))
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("test_vit ")]
    assert line.endswith("then timm: no result")


def test_ratio_and_coverage_are_worked_by_hand(against_timm: ModuleType) -> None:
    compared = against_timm.Compared("test_vit", 160, timm_s=[0.9, 1.0, 1.1])
    compared.ours = [row(1.0, 1.1, 1.2), row(1.15, 1.2, 1.25), row(1.3, 1.4, 1.5)]
    assert compared.ratio == pytest.approx(1.2)
    assert compared.covered(0.0) == [True, False]
    assert compared.covered(0.2) == [True, True]


def test_a_folder_without_timm_is_refused_in_one_line(
    against_timm: ModuleType, tmp_path: Path
) -> None:
    result = CliRunner().invoke(against_timm.main, [str(tmp_path), "test_vit"])
    assert result.exit_code == 1
    assert "has no benchmark.py" in result.output


@pytest.mark.long
def test_repeats_are_counted(
    against_timm: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    log = tmp_path / "log"
    asked = ["test_vit", "--repeats", "3", "--log", str(log)]
    result = CliRunner().invoke(script("repeats").main, asked)
    assert result.exit_code == 0, told(result, log)
    (line,) = [line for line in result.output.splitlines() if line.startswith("test_vit ")]
    assert line.count(" of    2") == 2
    (total,) = [line for line in result.output.splitlines() if line.startswith("all ")]
    assert total.split()[1:] == line.split()[-8:]


@pytest.mark.long
def test_what_waiting_gains_is_told_by_target(
    against_timm: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    log = tmp_path / "log"
    asked = ["test_vit", "-b", "2", "--repeats", "2", "--log", str(log)]
    result = CliRunner().invoke(script("waiting").main, asked)
    assert result.exit_code == 0, told(result, log)
    lines = [line.split() for line in result.output.splitlines() if " of 1" in line]
    seconds = [float(line[line.index("s") - 1]) for line in lines]
    assert seconds == sorted(seconds, reverse=True)
    assert seconds[0] <= 1.1 * Protocol().throughput_cap_s
    assert sum(line[0] == "ours" for line in lines) == 1


def test_samples_are_stopped_again_where_a_target_is_reached(
    against_timm: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    workload = Workload(architecture="test_vit", image_size=160, measure="throughput", batch_size=2)
    # Seven samples within ±10 %; then all the same, so that the interval narrows.
    samples = (0.09, 0.1, 0.1, 0.1, 0.1, 0.1, 0.11, *[0.1] * 43)
    row = Measurement(
        workload=workload,
        outcome="ok",
        measured_at=datetime(2026, 11, 1, tzinfo=UTC),
        samples_s=samples,
        details={"steps_per_sample": 1},
    )
    waiting = script("waiting")
    cut, elapsed_s = waiting.stopped(row, 0.11)
    assert (len(cut), elapsed_s) == (7, pytest.approx(0.7))
    tight, _ = waiting.stopped(row, 0.005)
    assert 7 < len(tight) < 20
    # No progress for 16 samples more.
    assert len(waiting.stopped(row, -1.0)[0]) == len(tight) + 16


@pytest.mark.parametrize("name", ["against_timm", "against_itself", "repeats", "waiting"])
def test_every_comparison_explains_itself(
    name: str, against_timm: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    result = CliRunner().invoke(script(name).main, ["--help"])
    assert result.exit_code == 0
    assert "--repeats" in result.output


def test_estimates_are_compared_with_what_was_measured_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    minute = script("minute")
    models = pd.DataFrame({"architecture": list("abcd"), "image_size": 224})
    estimated = models.assign(
        seconds_per_image=[1.0, 2.0, 3.0, 4.0],
        seconds_low=[0.95, 1.9, 2.9, 3.9],
        seconds_high=[1.05, 2.1, 3.1, 4.1],
    )
    # Of the last one nothing was measured; the first two are 10 % off, one either way.
    measured = models[:3].assign(
        images_per_s=[1.1, 1 / 2.2, 1 / 3.0],
        environment=json.dumps({"details": {"noise": 0.05}}),
    )
    minute.compare(estimated, measured)
    said = capsys.readouterr().out
    assert "3 models, A/A noise 5.0%" in said
    assert "median 10.0%, 90th percentile 10.0%" in said
    assert "1 of 3, 33%\n" in said
    assert "3 of 3, 100% and A/A noise" in said


def test_the_others_are_drawn_from_what_was_estimated_and_is_small_enough(
    repository: Path,
) -> None:
    minute = script("minute")
    known = minute.knowledge_elsewhere("AMD EPYC (2 cores)")
    assert "AMD EPYC (2 cores)" not in set(known.sets["device"])
    pairs = [
        ("resnet18", 224),
        ("tinynet_e", 106),
        ("vit_giant_patch14_224", 224),
        ("test_vit", 160),
    ]
    estimated = pd.DataFrame(pairs, columns=minute.POINT)
    found = minute.draw(estimated, known, "cpu", count=2, seed=0)
    assert sorted(found) == pairs[:2]
    with pytest.raises(click.ClickException, match="3 others asked, 2 can be measured"):
        minute.draw(estimated, known, "cpu", count=3, seed=0)


@pytest.mark.long
def test_what_wants_a_gpu_goes_on_where_its_time_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))
    on_a_gpu = script("on_a_gpu")
    step = on_a_gpu.SweepStep("some", ("test_vit", "test_resnet", "--measure", "latency"))
    place = ("--device", "cpu", "--precision", "fp32")
    named = tmp_path / "steps" / "some.run"
    named.parent.mkdir()
    assert not on_a_gpu.sweep(step, tmp_path, place, 1.0)
    assert runs.list_runs(tmp_path) == [], "too little time to begin"
    assert on_a_gpu.sweep(step, tmp_path, place, 280)
    (first,) = runs.list_runs(tmp_path)
    assert (first.run, first.state, first.done) == (named.read_text().strip(), "done", 2)
    # One that the end of the time had ended.
    run = stage.submit(tmp_path, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, tmp_path, "test_resnet")
    runs.cancel(run, tmp_path, by=COMMAND_LINE)
    stage.over(run, tmp_path)
    named.write_text(run)
    refused = "rows of one run come from one place"
    assert not on_a_gpu.sweep(step, tmp_path, place, 280)
    assert refused in str(runs.status(run, tmp_path).error)
