"""A second pair of eyes: when the supervisor is gone, whatever its run left behind is ended.

The warden is a fork of the supervisor that does nothing but wait for it. It holds a copy of the
device's lock, so a run that died looks alive until its last process is dead, and the next run never
meets them on the device.
"""

import contextlib
import os
import signal
from dataclasses import dataclass

from bench import processes


@dataclass(frozen=True, slots=True)
class Warden:
    """The warden seen from the supervisor: its process, and the pipe whose end it waits for."""

    pid: int
    pipe: int

    def relieve(self) -> None:
        """Let it look for what is left, and wait until it is gone: nobody else may reap it."""
        os.close(self.pipe)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def post(value: str, *, keep: int, mark: str = processes.RUN_MARK) -> Warden:
    """Start the warden of this process; it acts when this process ends, however that happens.

    Args:
        value: of the mark in the environment of the processes that it ends: a run's id.
        keep: descriptor of the device's lock, which it holds until they are gone.
        mark: name of that mark.
    """
    watched, held = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(held)
        _watch(mark, value, watched, keep)
    os.close(watched)
    return Warden(pid, held)


def _watch(mark: str, value: str, watched: int, keep: int) -> None:
    """Wait for the end of the pipe, end what bears the mark, and leave; never returns."""
    status = 1
    try:
        # What is sent to the supervisor's group or session is not for the warden.
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.read(watched, 1)
        processes.sweep(lambda: processes.marked(mark, value), patience_s=60.0)
        # The device's lock last, as the supervisor does: whoever takes it may write the journal,
        # which this copy has open too.
        os.closerange(3, keep)
        os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
        os.close(keep)
        status = 0
    finally:
        # Without the clean-up of a process that this one is only a copy of.
        os._exit(status)
