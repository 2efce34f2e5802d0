"""The loop: workloads -> worker process -> events for the journal.

A crash, a hang or a kill ends the worker and never the sweep: the workload gets its outcome, a new
worker takes the next. Nothing here imports torch, and every wait has an end.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from bench import answers, statistics
from bench.answers import NotAnAnswer
from bench.records import Environment, Measurement, Protocol, Workload, utc_now
from bench.worker_process import ProtocolError, WorkerProcess, command_line

# Measured again every SENTINEL_EVERY models: does the device still do what it did?
SENTINEL = Workload(architecture="resnet50", image_size=224, measure="throughput", batch_size=64)
# On a CPU the sentinel of the GPUs would take a minute.
SENTINEL_ON_CPU = Workload(
    architecture="resnet18", image_size=160, measure="throughput", batch_size=4
)
SENTINELS = {"cuda": SENTINEL, "cpu": SENTINEL_ON_CPU}
SENTINEL_EVERY = 50
# A model of timm's own tests: a device that cannot do this after several deaths in a row is lost.
CANARY = Workload(architecture="test_resnet", image_size=160, measure="latency")
LONGEST_WORDS = 300
ERROR_LINE = re.compile(r"[\w.]*(Error|Exception)\b|Fatal Python error|terminate called")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long the parent waits, in seconds, and how often it tries."""

    start_s: float = 180.0  # importing torch and opening a GPU on a busy machine
    first_phase_s: float = 60.0
    longest_deadline_s: float = 1800.0  # whatever the worker asks for
    slack_s: float = 2.0  # for a message under way
    grace_s: float = 10.0  # between SIGTERM and SIGKILL
    leave_s: float = 10.0  # for a worker that said that it leaves
    poll_s: float = 0.1
    starts: int = 2  # workers in a row that never became ready
    suspicious: int = 3  # deaths in a row before the canary is asked


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sweep ended: done, partial, failed or cancelled; error says why where it matters."""

    state: str
    error: str | None = None


Record = Callable[..., None]

LIMITS = Limits()


def sweep(
    workloads: Sequence[Workload],
    protocol: Protocol,
    device: str,
    *,
    record: Record,
    cancelled: Callable[[], bool],
    log: IO[bytes],
    command: Sequence[str] | None = None,
    limits: Limits = LIMITS,
    time_limit_s: float | None = None,
    expected: Environment | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Measure every workload in order, whatever happens to the workers.

    Args:
        workloads: what to measure; each ends in exactly one `measurement` event, unless the sweep
            was cancelled, ran out of time or lost its device before.
        protocol: how.
        device: `cpu`, `cuda:0`.
        record: takes an event's name and its values (see bench.journal); a measurement is safe
            when it returns.
        cancelled: asked several times a second.
        log: where workers print; opened for appending and reading.
        command: the worker's command without its reply descriptor; None: bench.worker.
        limits: the deadlines.
        time_limit_s: bounds the sweep; the workload under way is given up.
        expected: where the rows so far were measured; another place ends the sweep.
        clock: seconds that never jump.

    Returns:
        done: every workload has its row. partial, failed: with and without rows of this sweep.
    """
    models = len({_model(workload) for workload in workloads})
    state = Sweep(
        protocol=protocol,
        command=list(command or command_line(device)),
        record=record,
        cancelled=cancelled,
        log=log,
        limits=limits,
        ends_at=None if time_limit_s is None else clock() + time_limit_s,
        clock=clock,
        expected=expected,
        sentinels=SENTINELS if models > SENTINEL_EVERY else {},
    )
    try:
        return state.run(with_following(workloads))
    finally:
        state.end_worker("the sweep ended")


class Stopped(Exception):
    """The sweep ends here."""

    def __init__(self, state: str, error: str | None = None) -> None:
        super().__init__(error)
        self.state = state
        self.error = error


class _WorkerLost(Exception):
    """This worker is of no more use; outcome and message are for the workload in flight."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message


@dataclass(kw_only=True)
class Sweep:
    """The state of one sweep; see `sweep` for what its fields are.

    sentinels: the workload that tells whether a device of this kind still does what it did, by
    kind; where there is none, nobody looks.
    """

    protocol: Protocol
    command: list[str]
    record: Record
    cancelled: Callable[[], bool]
    log: IO[bytes]
    limits: Limits
    ends_at: float | None
    clock: Callable[[], float]
    expected: Environment | None
    sentinels: Mapping[str, Workload] = field(default_factory=dict)
    worker: WorkerProcess | None = None
    rows: int = 0
    models: int = 0
    deaths_in_a_row: int = 0
    # The first sentinel's step time, and the number of rows when it last agreed.
    reference_s: float | None = None
    # The largest that any worker of this sweep heard.
    noise: float = 0.0
    good_rows: int = 0
    phase: str | None = None

    def run(self, pairs: Iterable[tuple[Workload, Workload | None]]) -> Outcome:
        """Measure each workload; its follower, where it is known already, may be prepared."""
        try:
            self.look_for_drift()
            for workload, following in pairs:
                self.one(workload, following)
                if following is not None and _model(following) == _model(workload):
                    continue
                self.models += 1
                if self.models % SENTINEL_EVERY == 0:
                    self.look_for_drift()
            if self.models % SENTINEL_EVERY:
                self.look_for_drift()
        except Stopped as stop:
            state = "partial" if stop.state == "failed" and self.rows else stop.state
            return Outcome(state, stop.error)
        return Outcome("done")

    def one(self, workload: Workload, following: Workload | None) -> None:
        """Measure one workload and record its row, whatever it is."""
        if self.deaths_in_a_row >= self.limits.suspicious:
            self.ask_the_canary()
        began = self.clock()
        row = self.measure(workload, following)
        self.rows += 1
        self.record(
            "measurement", measurement=row.to_json(), duration_s=round(self.clock() - began, 3)
        )

    def measure(self, workload: Workload, following: Workload | None) -> Measurement:
        """The worker's answer, or the outcome that its death gives."""
        for last_try in (False, True):
            worker = self.ready_worker()
            self.phase = None
            printed = os.fstat(self.log.fileno()).st_size
            try:
                answer = self.ask(worker, workload, following)
            except _WorkerLost as lost:
                self.end_worker(lost.message)
                if self.phase is None and not last_try:
                    # It never began with this workload: the one before may be to blame.
                    continue
                self.deaths_in_a_row += 1
                words = self.last_words(printed) if lost.outcome != "timeout" else ""
                return Measurement(
                    workload=workload,
                    outcome=lost.outcome,
                    message=f"{lost.message} (phase: {self.phase or 'none'}){words}",
                    measured_at=utc_now(),
                    batch_size=workload.batch_size,
                )
            self.deaths_in_a_row = 0
            return answer
        raise AssertionError  # the last try returns

    def ask(
        self, worker: WorkerProcess, workload: Workload, following: Workload | None
    ) -> Measurement:
        """One request and its answer. Raises _WorkerLost."""
        sent = worker.send(
            {
                "measure": workload.to_json(),
                "protocol": self.protocol.to_json(),
                "next": following.to_json() if following else None,
            }
        )
        if not sent:
            raise self.death(worker)
        patience_s = self.limits.first_phase_s
        while True:
            message = self.receive(worker, patience_s)
            try:
                match message.get("type"):
                    case "phase":
                        patience_s = self.began_phase(workload, message)
                    case "measurement":
                        return answers.measurement(message, workload)
                    case "leaving":
                        self.let_leave(worker)
                        raise _WorkerLost("crashed", f"the worker left: {message.get('reason')}")
                    case other:
                        raise NotAnAnswer(f"unknown message {other!r} from the worker")
            except NotAnAnswer as error:
                raise _WorkerLost("crashed", str(error)) from error

    def let_leave(self, worker: WorkerProcess) -> None:
        """Wait until a worker that said that it leaves is gone. Raises _Stopped."""
        give_up = self.clock() + self.limits.leave_s
        while not worker.wait(self.limits.poll_s) and self.clock() < give_up:
            self.check_stop()

    def began_phase(self, workload: Workload, message: dict[str, Any]) -> float:
        """Note what the worker does; returns how long it may be silent."""
        deadline_s = min(answers.deadline_s(message), self.limits.longest_deadline_s)
        self.phase = str(message.get("phase"))
        self.record("phase", workload=workload.to_json(), phase=self.phase, deadline_s=deadline_s)
        return deadline_s + self.limits.slack_s

    def receive(self, worker: WorkerProcess, patience_s: float) -> dict[str, Any]:
        """The next message. Raises Stopped, or _WorkerLost for a death or a hang."""
        give_up = self.clock() + patience_s
        while True:
            self.check_stop()
            try:
                reply = worker.receive(min(self.limits.poll_s, max(0.0, give_up - self.clock())))
            except EOFError:
                raise self.death(worker) from None
            except ProtocolError as error:
                raise _WorkerLost("crashed", f"the worker sent {error}") from error
            if reply is not None:
                return reply
            if self.clock() >= give_up:
                raise _WorkerLost("timeout", f"no sign of life for {patience_s:g} s")

    def death(self, worker: WorkerProcess) -> _WorkerLost:
        """What a worker died of that closed its side; one that only closed it is not dead yet."""
        worker.wait(1.0)
        return _WorkerLost(*worker.died_of())

    def check_stop(self) -> None:
        """Raise Stopped when somebody cancelled or the time is up."""
        if self.cancelled():
            raise Stopped("cancelled")
        if self.ends_at is not None and self.clock() >= self.ends_at:
            raise Stopped("partial", "the time limit was reached")

    def ready_worker(self) -> WorkerProcess:
        """A worker that is up, started when there is none. Raises Stopped when none comes up."""
        reason = ""
        for _ in range(self.limits.starts):
            self.check_stop()
            if self.worker is not None:
                return self.worker
            printed = os.fstat(self.log.fileno()).st_size
            try:
                return self.start_worker()
            except _WorkerLost as lost:
                reason = lost.message + self.last_words(printed)
                self.end_worker(reason)
        raise Stopped("failed", f"the device cannot be used: {reason}; the log says more")

    def start_worker(self) -> WorkerProcess:
        """Start a worker and wait until it is up. Raises _WorkerLost, Stopped."""
        self.worker = worker = WorkerProcess(self.command, self.log)
        try:
            environment = answers.environment(self.receive(worker, self.limits.start_s))
        except NotAnAnswer as error:
            raise _WorkerLost("crashed", str(error)) from error
        if self.expected is not None:
            changed = answers.what_changed(self.expected, environment)
            if changed is not None:
                raise Stopped(
                    "failed", f"rows of one run come from one place, but {changed}: start a new run"
                )
        self.expected = environment
        self.noise = max(self.noise, noise(environment))
        self.record("ready", environment=environment.to_json(), pid=worker.pid)
        return worker

    def end_worker(self, reason: str) -> None:
        """End the worker, if there is one, and everything that it started."""
        if self.worker is None:
            return
        worker, self.worker = self.worker, None
        worker.end(self.limits.grace_s)
        self.record("worker_ended", pid=worker.pid, reason=reason)

    def last_words(self, since: int) -> str:
        """What was printed last after this position of the log, as the end of a message.

        The last line that names an error, else the last line: a stack follows some of them.
        """
        size = os.fstat(self.log.fileno()).st_size
        # A log that grew too long was emptied meanwhile: all of it is new.
        since = max(since if since <= size else 0, size - 4096)
        text = os.pread(self.log.fileno(), size - since, since).decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        named = [line for line in lines if ERROR_LINE.match(line)]
        return f": {(named or lines)[-1][:LONGEST_WORDS]}" if lines else ""

    def ask_the_canary(self) -> None:
        """After several deaths in a row: does the device still do anything?"""
        self.deaths_in_a_row = 0
        row = self.measure(CANARY, None)
        self.deaths_in_a_row = 0
        if row.outcome in ("crashed", "timeout"):
            raise Stopped(
                "failed",
                f"the device no longer measures even {CANARY.architecture}: {row.message}",
            )

    def look_for_drift(self) -> None:
        """Measure the sentinel; when it moved, flag the rows since it last agreed."""
        if not self.sentinels:
            return
        self.ready_worker()
        sentinel = self.sentinels.get(self.expected.device_kind) if self.expected else None
        if self.expected is None or sentinel is None:
            return
        row = self.measure(sentinel, None)
        self.record("sentinel", measurement=row.to_json())
        if row.outcome != "ok":
            return
        now_s = statistics.median_interval(row.samples_s)[0]
        if self.reference_s is None:
            self.reference_s = now_s
        if statistics.drifted(self.reference_s, now_s, self.noise):
            self.record("drift", rows=self.rows - self.good_rows, relative=now_s / self.reference_s)
        else:
            self.good_rows = self.rows


def with_following(workloads: Sequence[Workload]) -> Iterable[tuple[Workload, Workload | None]]:
    """Each workload with the one after it."""
    return zip(workloads, [*workloads[1:], None], strict=False)


def noise(environment: Environment) -> float:
    """The relative difference that says nothing: what the A/A test heard, 2 % at least."""
    return max(0.02, environment.noise)


def _model(workload: Workload) -> tuple[str, int]:
    return workload.architecture, workload.image_size
