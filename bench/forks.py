"""Work done in a fork of this process: everything is imported, nothing was computed before.

What a process has run changes how fast the next model runs on a CPU. glibc gives freed blocks back
to the system by thresholds that grow with the blocks that a process has freed, and what still lies
above a block keeps it from being given back; the same model takes up to a quarter more or less
time. A fork of a process that only imported starts as a new process does, 20 ms later instead of
3 s, and takes with it whatever it held.

The process that forks must have computed nothing: the threads that OpenMP started there do not
exist in its forks, and GNU's OpenMP waits for them for ever.
"""

import multiprocessing
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from bench import processes

Result = TypeVar("Result")

# macOS's libraries do not survive a fork, Windows has none.
POSSIBLE = sys.platform == "linux"


class Died(Exception):
    """A fork ended without its result; a negative exit code is the signal that ended it."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"the fork ended with {exit_code}")
        self.exit_code = exit_code


def apart(work: Callable[[], Result]) -> Result:
    """What work returns, done in a fork; here where there are none.

    Raises Died where the fork ended without a result: what work raises is printed there.
    """
    if not POSSIBLE:
        return work()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    die_with_this_process = processes.die_with_parent()

    def run() -> None:
        die_with_this_process()
        sender.send(work())

    with receiver:
        process = context.Process(target=run)
        process.start()
        sender.close()
        process.join()
        # The end of the pipe is there to be read as well.
        with suppress(EOFError):
            if receiver.poll():
                result: Result = receiver.recv()
                return result
    assert process.exitcode is not None
    raise Died(process.exitcode)
