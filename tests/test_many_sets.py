"""The benchmark of many results sets, tried in short: the command, its timings and its watch."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness import REPOSITORY


def run_script(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.many_sets", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_a_store_is_made_listed_shown_and_watched(tmp_path: Path) -> None:
    folder = str(tmp_path / "many")
    run_script(folder, "--sets", "40", "--rows", "60")
    assert len(list((tmp_path / "many" / "measured").iterdir())) == 40
    timed = run_script(folder, "--time", "--rounds", "2")
    listed = [int(count) for count in re.findall(r"list of (\d+) sets", timed)]
    assert len(listed) == 3
    assert min(listed) > 40, "the shipped ones as well"
    assert re.search(r"a set on the chart, 40 sets: median \d+\.\d\d s", timed)
    watched = run_script(folder, "--memory", "200")
    for name in ("30 sets", "40 sets"):
        sizes = re.search(rf"{name}, every 25 changes, MiB: ([\d ]+)", watched)
        assert sizes
        assert len(sizes[1].split()) == 8
        assert re.search(rf"{name}, once settled: [+-]\d", watched)
    assert "load average" in watched
