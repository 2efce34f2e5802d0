"""Sessions compute one after another: each is done sooner than if all did at once.

Python runs one thread at a time and changes over every few milliseconds; numpy and Arrow let go at
nearly every call and then wait for all the others. Of 100 readers with 10 s between changes half
waited longer than 2.0 s without turns, and 0.3 s with them (`python -m benchmarks.dashboard
sessions`, two cores).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Whoever is held up for longer, by a disk or by an object store, no longer holds up the others.
PATIENCE_S = 1.0

_turn = threading.RLock()  # a page and the fragments in it are one
_began_s = 0.0  # when the present turn began


@contextmanager
def turn() -> Iterator[None]:
    """Compute alone, or beside whoever does not come to an end."""
    alone = _take()
    try:
        yield
    finally:
        if alone:
            _turn.release()


def _take() -> bool:
    """Wait for a turn; false where the present one has lasted too long."""
    global _began_s  # noqa: PLW0603 - of the one lock there is
    while not _turn.acquire(timeout=max(0.0, _began_s + PATIENCE_S - time.monotonic())):
        if time.monotonic() >= _began_s + PATIENCE_S:
            return False
    _began_s = time.monotonic()
    return True
