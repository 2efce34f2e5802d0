"""The comparison with timm, against a stand-in for timm's script that says what it was asked."""

import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from bench.records import Measurement, Workload

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


@pytest.mark.parametrize("name", ["against_timm", "against_itself", "repeats"])
def test_every_comparison_explains_itself(
    name: str, against_timm: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    result = CliRunner().invoke(script(name).main, ["--help"])
    assert result.exit_code == 0
    assert "--repeats" in result.output
