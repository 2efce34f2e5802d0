"""What is stored about the place of a run; unknown is null."""

import json
import os
import subprocess
from pathlib import Path

import psutil
import pytest
import torch

from bench import environment, memory, nvml
from bench.records import Environment, dumps


def test_the_cpu_environment_has_everything_that_was_asked_for_and_travels_as_json() -> None:
    found = environment.describe(torch.device("cpu"), noise=0.03, gpu=None)
    assert found.device_kind == "cpu"
    assert found.device
    assert found.torch == torch.__version__
    assert found.timm
    assert (found.cuda, found.cudnn, found.driver) == (None, None, None)
    assert found.details["noise"] == 0.03
    for name in ("cpu", "cpu_cores", "threads", "cpu_affinity", "system", "python"):
        assert found.details[name], name
    assert Environment.from_json(json.loads(dumps(found.to_json()))) == found


def test_the_device_name_says_how_many_cores_are_used() -> None:
    found = environment.describe(torch.device("cpu"), noise=None, gpu=None)
    assert f"({found.details['cpu_cores']} cores)" in found.device


def test_two_hardware_threads_of_a_core_count_once() -> None:
    allowed = [0, 1, 2, 3, 8, 9]
    siblings = ["0,8", "1,9", "2,10", "3,11", "0,8", "1,9"]
    assert environment.first_siblings(allowed, siblings) == [0, 1, 2, 3]
    assert environment.first_siblings([9], ["1,9"]) == [9]


def test_threads_are_the_physical_cores_of_the_affinity_mask() -> None:
    cores = environment.own_cores()
    assert set(cores) <= set(environment.affinity() or cores)
    assert 1 <= environment.default_threads() <= len(cores) <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("text", "quota"), [("max 100000\n", None), ("150000 100000\n", 1.5), ("nonsense", None)]
)
def test_the_processor_quota_of_a_container_is_read(
    tmp_path: Path, text: str, quota: float | None
) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert environment.cpu_quota(tmp_path) == quota


def test_without_a_control_group_there_is_no_quota(tmp_path: Path) -> None:
    assert environment.cpu_quota(tmp_path) is None


def test_the_commit_says_whether_files_were_changed(tmp_path: Path) -> None:
    assert environment.commit(tmp_path) is None

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        return subprocess.run(
            ["git", *who, "-C", str(tmp_path), *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    assert environment.commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("two")
    assert environment.commit(tmp_path) == git("rev-parse", "HEAD") + "+"


class Error(Exception):
    """What NVML raises for what a card does not have."""


class Library:
    """NVIDIA's library on a card that knows some answers only."""

    NVMLError = Error
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802 - NVIDIA's name
        return "580.65"

    def __getattr__(self, name: str):
        answers = {
            "nvmlDeviceGetPowerManagementLimit": 700_000,
            "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetClockInfo": 1755,
            "nvmlDeviceGetEccMode": [1, 1],
            "nvmlDeviceGetPowerUsage": 350_500,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetCurrentClocksThrottleReasons": 4,
            "nvmlDeviceGetTotalEnergyConsumption": 12_500,
        }

        def ask(*_arguments: object) -> object:
            if name not in answers:
                raise Error(name)
            return answers[name]

        return ask


def test_nvml_answers_in_si_units_and_none_where_a_card_has_no_answer() -> None:
    gpu = nvml.Gpu(Library(), object())
    assert gpu.facts() == {
        "driver": "580.65",
        "power_limit_w": 700.0,
        "max_sm_clock_hz": 1.98e9,
        "max_memory_clock_hz": 1.98e9,
        "ecc": True,
        "mig": None,
        "persistence_mode": None,
    }
    assert gpu.reading() == nvml.Reading(
        sm_clock_hz=1.755e9,
        memory_clock_hz=1.755e9,
        power_w=350.5,
        temperature_c=61,
        reasons=4,
    )
    assert gpu.energy_j() == 12.5
    assert gpu.processes() is None


def test_every_nvml_function_used_exists_in_the_installed_library() -> None:
    pynvml = pytest.importorskip("pynvml")
    source = Path(nvml.__file__).read_text()
    names = {word for word in source.replace('"', " ").replace("(", " ").split() if "nvml" in word}
    functions = {name.rpartition(".")[2] for name in names if "nvmlDevice" in name}
    assert len(functions) >= 8
    for name in functions:
        assert callable(getattr(pynvml, name)), name


def test_a_gpu_that_nvml_does_not_know_is_none() -> None:
    assert nvml.open_gpu("GPU-00000000-0000-0000-0000-000000000000") is None


def test_the_peak_of_host_memory_belongs_to_what_ran_since_the_reset() -> None:
    own = memory.HostMemory()
    own.settle()
    own.reset_peak()
    block = torch.ones(64 * 2**20, dtype=torch.uint8)
    del block
    peak = own.peak_bytes()
    if peak is None:
        pytest.skip("this system does not tell the peak")
    assert 50 * 2**20 < peak < 200 * 2**20
    own.release()
    own.reset_peak()
    after = own.peak_bytes()
    assert after is not None
    assert after < 50 * 2**20


def test_usable_memory_is_what_is_free_and_what_is_held_already() -> None:
    own = memory.HostMemory()
    own.settle()
    before = own.usable_bytes()
    block = torch.ones(256 * 2**20, dtype=torch.uint8)
    assert own.leaked_bytes() > 200 * 2**20
    assert abs(own.usable_bytes() - before) < 0.2 * before
    assert own.total_bytes() <= psutil.virtual_memory().total
    del block
