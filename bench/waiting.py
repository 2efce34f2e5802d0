"""The queue of a device: runs that wait for its lock, in the order in which they were asked for.

A place in the queue is a lock file like the device's own. Whoever submits hands it to the run's
supervisor, which holds it until it has the device: a held place is a run that waits, and it is free
again however that supervisor dies. There are PLACES of them, which bounds the queue.
"""

import dataclasses
import os
import time
from collections.abc import Callable

from bench import locks, processes
from bench.errors import BenchError
from bench.locks import Holder

PLACES = 4
LOOK_EVERY_S = 0.25
# A run that waits gives a sign of life every second; one that gives none keeps nobody behind it.
SILENT_S = 30.0
# A run from the dashboard ends within a day; four of them are behind it at most.
LONGEST_WAIT_S = 5 * 24 * 3600.0


def places(device: str) -> list[str]:
    """The names of the locks that are the places in a device's queue."""
    return [f"{device}-place-{number}" for number in range(PLACES)]


def line(device: str) -> list[tuple[str, Holder]]:
    """Who waits for a device, the next one first: the place's lock and who holds it."""
    found = [(place, locks.holder(place)) for place in places(device)]
    waiting = [(place, holder) for place, holder in found if holder is not None and holder.run]
    return sorted(waiting, key=lambda one: one[1].ticket)


def seat(device: str, run: str, data: str) -> tuple[str, Holder] | None:
    """The lock that this run holds, the device's or a place in its queue, and its holder.

    None where it holds none that can be seen from here.
    """
    # The places first: a run whose turn has come holds both for a moment.
    for name in (*places(device), device):
        found = locks.holder(name)
        if found is not None and (found.run, found.data) == (run, data):
            return name, found
    return None


def take_place(device: str, holder: Holder) -> tuple[str, Holder, int] | None:
    """Join the end of the queue. Only inside admission.

    Returns:
        The place, the holder with its ticket, and a descriptor that holds the place; None: full.
    """
    last = max((other.ticket for _, other in line(device)), default=0)
    holder = dataclasses.replace(holder, ticket=last + 1)
    for place in places(device):
        if (lock := locks.take(place, holder)) is not None:
            return place, holder, lock
    return None


def place_of(lock: int, device: str) -> str | None:
    """Which place in the queue this descriptor holds; None: it holds the device itself."""
    return next((place for place in places(device) if locks.is_of(lock, place)), None)


def wait_for_turn(device: str, place: str, asked_to_stop: Callable[[], bool]) -> int | None:
    """Wait until everybody before this run is gone and the device is free, and take it.

    Args:
        device: the name of its lock.
        place: the place that this process holds.
        asked_to_stop: asked at every look.

    Returns:
        A descriptor that holds the device; None: asked to stop.

    Raises BenchError after LONGEST_WAIT_S.
    """
    me = locks.holder(place)
    assert me is not None  # this process holds it
    me = dataclasses.replace(me, pid=os.getpid(), began=processes.began(os.getpid()))
    silences = _Silences()
    give_up = time.monotonic() + LONGEST_WAIT_S
    while not asked_to_stop():
        before = [other for other in line(device) if other[1].ticket < me.ticket]
        if all(silences.is_silent(*other) for other in before):
            lock = locks.take(device, me)
            if lock is not None:
                return lock
        if time.monotonic() > give_up:
            raise BenchError(f"the device was busy for {LONGEST_WAIT_S / 3600:.0f} hours")
        time.sleep(LOOK_EVERY_S)
    return None


class _Silences:
    """Since when, by our own clock, others have given no sign of life."""

    def __init__(self) -> None:
        self._beats: dict[str, tuple[int, float]] = {}

    def is_silent(self, place: str, holder: Holder) -> bool:
        now_s, beat = time.monotonic(), locks.last_beat(place)
        before, since_s = self._beats.get(holder.run, (None, now_s))
        if beat != before:
            since_s = now_s
        self._beats[holder.run] = beat, since_s
        return now_s - since_s > SILENT_S
