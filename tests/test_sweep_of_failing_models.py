"""The sweep over the worker that ships, whose timm has models that fail in every way they can."""

import sys
from pathlib import Path
from typing import Any

import pytest

from bench.records import Measurement, Protocol, Workload
from bench.sweep import Limits, sweep

COMMAND = [
    sys.executable,
    str(Path(__file__).parent / "failing_models.py"),
    "--device",
    "cpu",
    "--reply-fd",
]
QUICK = Protocol(
    warm_up_min_s=0.02, warm_up_max_s=0.1, min_s=0.05, throughput_cap_s=0.3, latency_cap_s=0.3
)
# Nothing that these models do, but for the hang, is silent for half as long.
LIMITS = Limits(longest_deadline_s=20, slack_s=0.1, grace_s=1, suspicious=99)
SMALL = "made_small"
FAILING = {
    "made_segfaulting": ("crashed", "killed by SIGSEGV (phase: first_step)"),
    "made_exiting": ("crashed", "exited with status 3 (phase: first_step)"),
    "made_hanging": ("timeout", "no sign of life for 20.1 s (phase: first_step)"),
    "made_exhausting": ("out_of_memory", "memory"),
    "made_not_finite": ("not_finite", "NaN"),
    "made_not_importable": ("crashed", "No module named 'a_package_that_nobody_installed'"),
}


def workload(name: str, image_size: int) -> Workload:
    return Workload(architecture=name, image_size=image_size, measure="latency")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Measurement]:
    """Each failing model and the small one right after it, at a size of its own, in one sweep."""
    asked = [
        workload(name, 32 + place)
        for place, failing in enumerate(FAILING)
        for name in (failing, SMALL)
    ]
    found = []

    def record(event: str, **values: Any) -> None:
        if event == "measurement":
            found.append(Measurement.from_json(values["measurement"]))

    with (tmp_path_factory.mktemp("sweep") / "log.txt").open("a+b") as log:
        outcome = sweep(
            asked,
            QUICK,
            "cpu",
            record=record,
            cancelled=lambda: False,
            log=log,
            command=COMMAND,
            limits=LIMITS,
        )
    assert outcome.state == "done"
    assert [row.workload for row in found] == asked
    return found


@pytest.mark.parametrize("name", FAILING)
def test_a_model_that_fails_is_one_classified_row_and_the_next_is_measured(
    rows: list[Measurement], name: str
) -> None:
    outcome, message = FAILING[name]
    (place,) = (at for at, row in enumerate(rows) if row.workload.architecture == name)
    row, following = rows[place : place + 2]
    assert row.outcome == outcome
    assert message in str(row.message)
    assert (following.workload.architecture, following.outcome) == (SMALL, "ok")
