"""The sweep of one run over the devices of a Ray cluster; runs in the run's supervisor, a Ray job.

Each device gets one actor, as long as the sweep lasts, and the actor one `bench.station` process:
Ray places, and tells of a machine that is gone; everything that is measured, timed out, retried or
ended happens in the station as on one machine. Ray retries nothing, for a retried crash would be
measured four times.
"""

import dataclasses
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from bench import processes
from bench.executors.dispatch import Dispatch, Station, TurnedAway
from bench.records import Environment, Protocol, Workload
from bench.sweep import LIMITS, Limits, Outcome
from bench.worker_process import ProtocolError, WorkerProcess

POLL_S = 0.1
# How often the cluster is asked for machines that joined.
LOOK_EVERY_S = 5.0
# A device that others use may take days to become free; then the run's supervisor gives up.
LONGEST_WAIT_S = 5 * 24 * 3600.0
# A device on which stations were lost so often is left alone.
MOST_LOSSES = 3
FINISH_S = 120.0
GRACE_S = 10.0


class Relay:
    """The actor: one station's process, and the talk with it."""

    def __init__(self, task: dict[str, Any]) -> None:
        # Ray sets it to the number of CPUs that the actor asked for; the worker counts for itself.
        os.environ.pop("OMP_NUM_THREADS", None)
        os.environ[processes.RUN_MARK] = task["run"]
        command = [sys.executable, "-m", "bench.station", "--reply-fd"]
        with tempfile.TemporaryFile() as log:
            # This process has many threads. The station sees the end of its standard input.
            self._station = WorkerProcess(command, log, dies_with_parent=False)
        self._station.send(task)

    def talk(self, request: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Send a request, if any, and pass on what the station says until it waits or ends."""
        if request is not None:
            self._station.send(request)
        while True:
            try:
                message = self._station.receive(60.0)
            except (EOFError, ProtocolError) as error:
                self._station.wait(1.0)
                reason = str(error) or f"the station {self._station.died_of()[1]}"
                message = {"type": "ended", "state": "failed", "error": reason}
            if message is not None:
                yield message
                if message["type"] in ("idle", "ended"):
                    return


@dataclasses.dataclass(frozen=True)
class Place:
    """One device of the cluster: which machine, and what an actor has to ask for to have it."""

    name: str
    node: str
    needs: tuple[tuple[str, float], ...]


@dataclasses.dataclass(eq=False)
class _Worker:
    """A station as seen through Ray. replies is None while it has nothing to do."""

    station: Station
    place: Place
    actor: Any
    replies: Any
    deadline: float


def sweep_on_ray(
    workloads: Sequence[Workload],
    protocol: Protocol,
    device: str,
    *,
    record: Callable[..., None],
    cancelled: Callable[[], bool],
    log: IO[bytes],
    command: Sequence[str] | None = None,
    limits: Limits = LIMITS,
    time_limit_s: float | None = None,
    expected: Environment | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Measure every workload once, on all devices of one kind; see `bench.sweep.sweep`.

    Args: those of `bench.sweep.sweep`, but for device: `cuda`, `cuda:A100`, `cpu` (each machine).
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    ray.init(log_to_driver=False, logging_level=logging.WARNING)
    for number, handler in handlers.items():
        # Ray took them.
        signal.signal(number, handler)
    task = {
        "run": os.environ.get(processes.RUN_MARK, ""),
        "data": "",
        "device": "cpu" if device == "cpu" else "cuda:0",
        "protocol": protocol.to_json(),
        "command": None if command is None else list(command),
        "limits": dataclasses.asdict(limits),
    }
    sweep = _RaySweep(
        dispatch=Dispatch(workloads, record=record, expected=expected),
        device=device,
        task=task,
        cancelled=cancelled,
        log=log,
        limits=limits,
        clock=clock,
        ends_at=None if time_limit_s is None else clock() + time_limit_s,
    )
    try:
        return sweep.run()
    finally:
        sweep.close()
        ray.shutdown()


@dataclasses.dataclass(kw_only=True)
class _RaySweep:
    dispatch: Dispatch
    device: str
    task: dict[str, Any]
    cancelled: Callable[[], bool]
    log: IO[bytes]
    limits: Limits
    clock: Callable[[], float]
    ends_at: float | None
    workers: list[_Worker] = dataclasses.field(default_factory=list)
    losses: dict[Place, int] = dataclasses.field(default_factory=dict)
    reasons: list[str] = dataclasses.field(default_factory=list)
    next_look: float = 0.0

    def run(self) -> Outcome:
        """Hand out models until each has its row, or somebody or something ends it."""
        while not self.dispatch.is_done:
            if self.cancelled():
                return Outcome("cancelled")
            if self.ends_at is not None and self.clock() >= self.ends_at:
                return Outcome("partial", "the time limit was reached")
            if self.clock() >= self.next_look:
                self.open_stations()
                self.next_look = self.clock() + LOOK_EVERY_S
            if not self.workers:
                why = "; ".join(dict.fromkeys(self.reasons[-3:])) or f"none is {self.device}"
                state = "partial" if self.dispatch.rows else "failed"
                return Outcome(state, f"no device of the cluster can be used: {why}")
            for worker in self.workers:
                if worker.replies is None and (models := self.dispatch.hand_over(worker.station)):
                    self.ask(worker, {"measure": [workload.to_json() for workload in models]})
            self.listen(POLL_S)
        return self.finish()

    def finish(self) -> Outcome:
        """Let every station look for drift and put its device down."""
        # One that still waits for a device that others use, or starts, has nothing to say.
        for worker in [one for one in self.workers if one.station.environment is None]:
            self.part(worker)
        give_up = self.clock() + FINISH_S
        while self.workers and self.clock() < give_up and not self.cancelled():
            for worker in self.workers:
                if worker.replies is None:
                    self.ask(worker, {"finish": True})
            self.listen(POLL_S)
        return Outcome("done")

    def close(self) -> None:
        """End every actor; its station sees that and leaves nothing behind."""
        for worker in self.workers:
            ray.kill(worker.actor)
        self.workers.clear()

    def open_stations(self) -> None:
        """A station on each device of the cluster that has none."""
        for place in places(self.device, ray.nodes()):  # type: ignore[no-untyped-call]
            if self.losses.get(place, 0) >= MOST_LOSSES:
                continue
            if all(worker.place != place for worker in self.workers):
                self.open(place)

    def open(self, place: Place) -> None:
        """Ask Ray for this device; the station talks as soon as it has it."""
        expected = self.dispatch.expected
        actor = (
            ray.remote(Relay)
            .options(
                **dict(place.needs),
                max_restarts=0,
                max_task_retries=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=False),
            )
            .remote({**self.task, "expected": expected.to_json() if expected else None})
        )
        worker = _Worker(Station(place.name), place, actor, None, 0.0)
        self.workers.append(worker)
        self.ask(worker, None)
        worker.deadline = self.clock() + LONGEST_WAIT_S

    def ask(self, worker: _Worker, request: dict[str, Any] | None) -> None:
        """Begin a conversation."""
        worker.replies = worker.actor.talk.options(num_returns="streaming").remote(request)
        worker.deadline = self.clock() + self.patience_s

    @property
    def patience_s(self) -> float:
        """How long a station may be silent that has not said when it will speak again."""
        ending_s = self.limits.grace_s + self.limits.leave_s
        return self.limits.starts * (self.limits.start_s + ending_s) + self.limits.first_phase_s

    def listen(self, timeout_s: float) -> None:
        """Take in what the stations say, and lose those that say nothing for too long."""
        talking = {worker.replies: worker for worker in self.workers if worker.replies is not None}
        if not talking:
            time.sleep(timeout_s)
            return
        ready, _ = ray.wait(list(talking), num_returns=1, timeout=timeout_s)
        for replies in ready:
            self.hear(talking[replies])
        for worker in list(self.workers):
            if worker.replies is not None and self.clock() > worker.deadline:
                self.lose(worker, "it gave no sign of life in time")

    def hear(self, worker: _Worker) -> None:
        """One message of a station, or its end."""
        try:
            message = ray.get(next(worker.replies))
        except StopIteration:
            worker.replies = None
            return
        except RayError as error:
            self.lose(worker, _first_line(error))
            return
        worker.deadline = self.clock() + self.patience_s
        match message["type"]:
            case "log":
                self.log.write(message["text"].encode())
            case "event":
                self.take(worker, message["event"], message["values"])
            case "ended" if message["state"] == "done":
                self.part(worker)
            case "ended":
                self.lose(worker, str(message["error"]), for_good=message["state"] == "refused")

    def take(self, worker: _Worker, event: str, values: dict[str, Any]) -> None:
        """One event for the journal."""
        if event == "phase":
            worker.deadline += float(values["deadline_s"])
        try:
            self.dispatch.hear(worker.station, event, values)
        except TurnedAway as reason:
            self.lose(worker, str(reason), for_good=True)

    def lose(self, worker: _Worker, reason: str, *, for_good: bool = False) -> None:
        """A station that is of no more use."""
        self.part(worker)
        self.losses[worker.place] = (
            MOST_LOSSES if for_good else 1 + self.losses.get(worker.place, 0)
        )
        self.reasons.append(f"{worker.place.name}: {reason}")
        self.dispatch.lose(worker.station, reason)

    def part(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        ray.kill(worker.actor)


def places(device: str, nodes: Sequence[dict[str, Any]]) -> list[Place]:
    """The devices of a cluster that a request names.

    Args:
        device: `cuda`, `cuda:A100`, or `cpu`, which is one for each machine.
        nodes: what `ray.nodes()` says.
    """
    kind, _, model = device.partition(":")
    found = []
    for node in nodes:
        have = node["Resources"]
        if not node["Alive"] or (model and f"accelerator_type:{model}" not in have):
            continue
        if kind == "cpu":
            # All of them, so that Ray lets nothing else run beside a measurement.
            count, needs = 1, {"num_cpus": have.get("CPU", 0.0)}
        else:
            count, needs = int(have.get("GPU", 0)), {"num_gpus": 1.0, "num_cpus": 0.0}
        name = f"{node['NodeName']} ({node['NodeID'][:6]})"
        found += [
            Place(name if count == 1 else f"{name} {number}", node["NodeID"], tuple(needs.items()))
            for number in range(count)
        ]
    return found


def _first_line(error: Exception) -> str:
    """What Ray says in the first line; the rest is a traceback of its own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
