"""Sessions compute one after another: each is done sooner than if all did at once.

Python runs one thread at a time and changes over every few milliseconds; numpy and Arrow let go at
nearly every call and then wait for all the others. Of 100 readers with 10 s between changes half
waited longer than 2.0 s without turns, and 0.3 s with them (`python -m benchmarks.dashboard
sessions`, two cores).
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

# Whoever is held up for longer, by a disk or by an object store, no longer holds up the others.
PATIENCE_S = 1.0


class _Turns:
    """Who computes, since when, and who waits, in the order in which they came."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._holder: int | None = None
        self._began_s = 0.0
        self._waiting: deque[tuple[int, threading.Event]] = deque()

    def take(self) -> bool:
        """Wait for a turn; false where it is ours already, or the holder has been held up."""
        me = threading.get_ident()
        come = threading.Event()
        with self._changing:
            if self._holder == me:
                return False
            if self._holder is None:
                self._give(me)
                return True
            self._waiting.append((me, come))
        while not come.wait(self._patience_s()):
            with self._changing:
                if not come.is_set() and self._patience_s() == 0.0:
                    self._waiting.remove((me, come))
                    return False
        return True

    def pass_on(self) -> None:
        """The end of a turn: to whoever waits longest."""
        with self._changing:
            if self._waiting:
                next_one, come = self._waiting.popleft()
                self._give(next_one)
                come.set()
            else:
                self._holder = None

    def _give(self, thread: int) -> None:
        self._holder, self._began_s = thread, time.monotonic()

    def _patience_s(self) -> float:
        return max(0.0, self._began_s + PATIENCE_S - time.monotonic())


_turns = _Turns()


@contextmanager
def turn() -> Iterator[None]:
    """Compute alone, or beside whoever does not come to an end; turns may lie within turns."""
    ours = _turns.take()
    try:
        yield
    finally:
        if ours:
            _turns.pass_on()
