"""What the warden does last: the device is free when nothing of the run holds anything else."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import locks
from bench.worker_process import ROOT

# As a supervisor does: the journal and the device are locked, the warden is posted, all ends.
SUPERVISOR = """
import os, sys
from bench import locks, warden
device, journal = (os.open(path, os.O_RDWR | os.O_CREAT) for path in sys.argv[1:])
assert locks.lock_file(device, sys.argv[1]) and locks.lock_file(journal, sys.argv[2])
warden.post("nobody's run", keep=device)
print("posted", flush=True)
sys.stdin.read(1)
os._exit(1)
"""


@pytest.mark.parametrize("attempt", range(10))
def test_whoever_sees_the_device_free_can_write_the_journal(tmp_path: Path, attempt: int) -> None:
    device, journal = tmp_path / "device.lock", tmp_path / "journal.jsonl"
    command = [sys.executable, "-c", SUPERVISOR, str(device), str(journal)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout.readline() == "posted\n"
        assert locks.is_locked(device)
        supervisor.stdin.write("x")
        supervisor.stdin.flush()
        # Without a pause, which would hide what comes after: some tenths of a second.
        while locks.is_locked(device):
            pass
        assert not locks.is_locked(journal)
