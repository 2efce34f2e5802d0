"""Work in a fork: what comes back, how it may end, and that the next starts as a new process."""

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import forks

REPOSITORY = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(not forks.POSSIBLE, reason="this system has no safe fork")


def test_the_result_comes_back_and_nothing_else() -> None:
    kept: list[int] = []

    def work() -> tuple[int, float]:
        kept.append(1)
        return os.getpid(), 0.5

    pid, share = forks.apart(work)
    assert pid != os.getpid()
    assert share == 0.5
    assert kept == []


def exit_at_once(status: int) -> Callable[[], None]:
    return lambda: os._exit(status)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise ValueError("printed there")


@pytest.mark.parametrize(
    ("work", "exit_code"),
    [
        (exit_at_once(3), 3),
        (exit_at_once(0), 0),
        (kill_itself, -signal.SIGKILL),
        (fail, 1),
    ],
)
def test_an_end_without_a_result_is_told_by_its_exit_code(
    work: Callable[[], None], exit_code: int
) -> None:
    with pytest.raises(forks.Died) as death:
        forks.apart(work)
    assert death.value.exit_code == exit_code


# Page faults a step of what makes six blocks of 8 MiB: in a process that does nothing else
# ("alone"), in one that made larger blocks before ("after"), and with both in forks of their own.
# The freed blocks of 10 MiB make glibc keep up to 20 MiB free: of the 8 MiB it gives each third one
# back with the two before it, with 4 MiB to spare on either side.
FAULTS = """
import resource, sys
import torch
from bench import forks

def larger():
    for _ in range(3):
        block = torch.ones(8 * 2**20 - 4096)
        del block

def step(mebibytes=8):
    blocks = [torch.ones(mebibytes * 2**18) for _ in range(6)]
    return sum(block.sum() for block in blocks)

def faults():
    step(10)
    for _ in range(5):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10

match sys.argv[1]:
    case "alone":
        print(faults())
    case "after":
        larger()
        print(faults())
    case "apart":
        forks.apart(larger)
        print(forks.apart(faults))
"""


def faults(order: str) -> float:
    command = [sys.executable, "-c", FAULTS, order]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library is not glibc")
def test_memory_is_taken_and_given_back_as_in_a_new_process_whatever_ran_before() -> None:
    # Now and then, in new processes as well, a block lies where none is given back.
    half = 6 * 8 * 2**20 / os.sysconf("SC_PAGE_SIZE") / 2
    assert faults("alone") > half
    assert faults("after") < half / 5, "else nothing would have to be done"
    assert faults("apart") > half
