"""How a run is started, looked at and ended: on this machine, or on a cluster.

An executor starts the supervisor (`bench.supervisor`) and knows whether it lives; the supervisor,
the journal and the worker are the same under every executor:

    local     a detached process of this machine, which measures on one of its devices
    ray       a job of a Ray cluster, which measures on all devices of one kind at once

`runs` starts, polls and ends runs through this interface, and nothing else starts any. What a
cluster adds to the sweep itself is in `dispatch` (who measures what) and `ray_sweep` (Ray's part).
"""

import importlib.util
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from bench.errors import NotAllowed

if TYPE_CHECKING:
    from bench.devices import Device
    from bench.run_folder import Request, RunFolder
    from bench.sweep import Outcome

NAMES = ("local", "ray")

# The supervisor's command line for a run's folder and the descriptor of the lock that it inherits;
# None: it takes the lock itself.
Start = Callable[["RunFolder", int | None], list[str]]
# Makes the run ready to be started, given the name of the lock that its supervisor holds.
Prepare = Callable[[str], None]


class Executor(Protocol):
    """One way to carry out runs."""

    def devices(self) -> "list[Device]":
        """What a request can name; a reason stands where it cannot be used."""

    def check(self, request: "Request") -> None:
        """Find out, before anything is made, whether this request can be carried out.

        Raises InvalidRequest: there is no such device, and what there is; NotAllowed: it is there
        and cannot be used.
        """

    def submit(
        self,
        folder: "RunFolder",
        request: "Request",
        start: Start,
        *,
        queue: bool,
        prepare: Prepare,
    ) -> None:
        """Take what the run needs, prepare it, and start its supervisor. Only inside admission.

        Raises DeviceBusy: a run lives there, and this one may not wait; OSError, BenchError: it
        cannot be started.
        """

    def poll(self, folder: "RunFolder", lock: str | None) -> bool:
        """Whether somebody works on this run, or is on the way to it. Asked every second.

        lock is the one that the run's journal names.
        """

    def cancel(self, folder: "RunFolder") -> None:
        """End a run's supervisor by force; `runs.cancel` asks it politely before.

        Raises BenchError when the executor cannot be reached.
        """

    def list(self) -> list[str]:
        """The ids of all runs that this executor carries out now, whatever their data folder."""


def of(name: str) -> Executor:
    """The executor of this name. Raises NotAllowed, with the reason, where it is absent."""
    if reason := why_absent(name):
        raise NotAllowed(reason)
    if name == "ray":
        from bench.executors.ray_jobs import RayExecutor  # noqa: PLC0415 - needs the extra

        return RayExecutor()
    from bench.executors.local import LocalExecutor  # noqa: PLC0415 - as the other one

    return LocalExecutor()


def sweep_of(name: str) -> "Callable[..., Outcome]":
    """What the supervisor calls to measure; takes and returns what `bench.sweep.sweep` does."""
    if name == "ray":
        from bench.executors.ray_sweep import sweep_on_ray  # noqa: PLC0415 - see `of`

        return sweep_on_ray
    from bench.sweep import sweep  # noqa: PLC0415 - see `of`

    return sweep


def available() -> list[str]:
    """The executors that can be chosen here."""
    return [name for name in NAMES if why_absent(name) is None]


def why_no_cluster() -> str | None:
    """Why no cluster is offered on a page, in one sentence; None: there is one to be asked."""
    if reason := why_absent("ray"):
        return reason
    if not os.environ.get("RAY_ADDRESS"):
        return "no Ray cluster is named: set RAY_ADDRESS to its dashboard"
    return None


def why_absent(name: str) -> str | None:
    """Why this executor cannot be chosen here, in one sentence; None: it can."""
    if name not in NAMES:
        return f"there is no executor {name!r}: {', '.join(NAMES)} can be asked for"
    if name == "ray" and importlib.util.find_spec("ray") is None:
        return "Ray is not installed: pip install -r requirements-ray.txt"
    return None
