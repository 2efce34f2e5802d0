"""Every fault by its name, and how one is tried."""

import os
import random
from pathlib import Path

from tests.faults import kills, queues, surroundings
from tests.faults.audit import Damage

FAULTS = {
    fault.__name__: fault
    for fault in (
        kills.random_kills,
        kills.dashboard_killed,
        kills.death_before_the_first_line,
        kills.sigterm,
        kills.cancel_a_deaf_worker,
        kills.hang_in_python,
        kills.hang_in_c,
        kills.segfault,
        kills.os_exit,
        kills.setsid_grandchild,
        kills.supervisor_killed_beside_a_grandchild,
        kills.reused_pid,
        kills.stopped_supervisor,
        surroundings.full_disk,
        surroundings.disk_that_stays_full,
        surroundings.read_only_folder,
        surroundings.torn_journal,
        surroundings.damaged_parquet,
        surroundings.two_dashboards,
        queues.hundred_presses,
        queues.full_queue,
        queues.killed_in_the_queue,
        queues.server_killed_while_a_run_waits,
        queues.container_stopped,
        surroundings.clock_jump,
        surroundings.out_of_memory_kill,
        surroundings.unreadable_request,
    )
}


def attempt(name: str, seed: int, folder: Path) -> Damage:
    """Bring about a fault once, in a folder with locks of its own; the same seed does the same.

    Raises surroundings.NotPossibleHere.
    """
    folder.mkdir(parents=True)
    before = os.environ.get("BENCH_LOCKS")
    os.environ["BENCH_LOCKS"] = str(folder / "locks")
    try:
        return FAULTS[name](folder, random.Random(f"{name} {seed}"))
    finally:
        if before is None:
            del os.environ["BENCH_LOCKS"]
        else:
            os.environ["BENCH_LOCKS"] = before
