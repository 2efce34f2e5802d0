"""Work in a fork: what comes back, how it may end, and that the next starts as a new process."""

import ctypes
import os
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


# Whether glibc maps a block of 16 MiB by itself, to give it back when it is freed: in a process
# that did nothing else ("alone"), in one that freed a larger block before, which raises the size
# from which it does so ("after"), and with both in forks of their own ("apart").
MAPPED = """
import ctypes, sys
import torch
from bench import forks

class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd",
        "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Counts

def larger():
    torch.ones(8 * 2**20 - 4096)

def mapped():
    before = mallinfo2().hblks
    block = torch.ones(4 * 2**20)
    return mallinfo2().hblks - before

match sys.argv[1]:
    case "alone":
        print(mapped())
    case "after":
        larger()
        print(mapped())
    case "apart":
        forks.apart(larger)
        print(forks.apart(mapped))
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="this C library is not glibc from 2.33 on"
)
@pytest.mark.parametrize(("order", "mapped"), [("alone", 1), ("after", 0), ("apart", 1)])
def test_memory_is_taken_as_in_a_new_process_whatever_ran_before(order: str, mapped: int) -> None:
    command = [sys.executable, "-c", MAPPED, order]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert int(done.stdout) == mapped
