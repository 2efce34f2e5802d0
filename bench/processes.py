"""Ending processes so that nothing is left: groups, descendants, and those that slipped away.

A worker may start processes of its own (torch.compile does), and one that calls `setsid` escapes
its group. So what a run starts carries a mark in its environment, and the supervisor adopts what
its descendants orphan.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable

import psutil

# In the environment of everything that a run, one of its stations on a cluster, and one worker
# starts.
RUN_MARK = "BENCH_RUN"
STATION_MARK = "BENCH_STATION_OF"
WORKER_MARK = "BENCH_WORKER"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs (Linux), so that they are found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> Callable[[], None]:
    """What a child runs before its program starts, to be killed when its parent dies (Linux).

    A worker that hangs in C never sees that its standard input was closed.
    """
    parent = os.getpid()
    library = ctypes.CDLL(None) if sys.platform == "linux" else None

    def prepare() -> None:
        if library is not None:
            library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def descendants(pid: int | None = None) -> list[psutil.Process]:
    """All living descendants of a process, of this one when pid is None."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if is_alive(child)]


def marked(mark: str, value: str) -> list[psutil.Process]:
    """All living processes of this user with this mark in their environment, but this one."""
    found = []
    for process in psutil.process_iter():
        # It ended while we looked, or it is none of ours.
        with contextlib.suppress(psutil.Error, OSError):
            if (
                process.pid != os.getpid()
                and process.uids().real == os.getuid()
                and process.environ().get(mark) == value
                and is_alive(process)
            ):
                found.append(process)
    return found


def is_alive(process: psutil.Process) -> bool:
    """Whether the process runs; a zombie has ended, and another with its old id is not it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def began(pid: int) -> float | None:
    """When a process was created, in seconds since the system started; None when there is none.

    Not the time of day: that jumps.
    """
    try:
        return psutil.Process(pid).create_time() - psutil.boot_time()
    except psutil.NoSuchProcess:
        return None


def find(pid: int, began_s: float) -> psutil.Process | None:
    """The process of this id and creation time; None when it ended, whoever has its id now."""
    now_s = began(pid)
    # The system's start is known to the second.
    if now_s is None or abs(now_s - began_s) > 2.0:
        return None
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
    return process if is_alive(process) else None


def kill(processes: Iterable[psutil.Process]) -> int:
    """SIGKILL each; returns how many were there to kill."""
    killed = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            killed += 1
    return killed


def sweep(find_them: Callable[[], list[psutil.Process]], *, patience_s: float = 5.0) -> int:
    """Kill until nobody is found: one that is killed may have just started another.

    Returns how many processes were killed.
    """
    give_up = time.monotonic() + patience_s
    killed = 0
    while (found := find_them()) and time.monotonic() < give_up:
        killed += kill(found)
        psutil.wait_procs(found, timeout=0.5)
    return killed


def signal_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to a process group that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)
