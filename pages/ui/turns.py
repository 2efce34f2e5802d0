"""Sessions compute one after another: each is done sooner than if all did at once.

Python runs one thread at a time and changes over every few milliseconds; numpy and Arrow let go at
nearly every call and then wait for all the others. Of 100 readers with 10 s between changes half
waited longer than 2.0 s without turns, and 0.3 s with them (`python -m benchmarks.dashboard
sessions`, two cores).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Whoever is held up by a disk or by an object store holds up the others for no longer.
PATIENCE_S = 1.0

_turn = threading.RLock()  # a page and its fragments are one


@contextmanager
def turn() -> Iterator[None]:
    """Compute alone, or after PATIENCE_S with whoever does not come to an end."""
    alone = _turn.acquire(timeout=PATIENCE_S)
    try:
        yield
    finally:
        if alone:
            _turn.release()
