"""A Ray cluster: a run is a job of it, named after the run, and its supervisor that job's program.

The cluster is the one whose dashboard $RAY_ADDRESS names. A job survives whoever submitted it. The
project has to lie in the same folder on every machine, with its environment; what is measured
there and how is in `ray_sweep`.
"""

import math
import os
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from ray.exceptions import RayError
from ray.job_submission import JobStatus, JobSubmissionClient
from ray.util.state import list_nodes
from ray.util.state.exception import RayStateApiException

from bench import journal, locks, recovery
from bench.devices import Device
from bench.errors import BenchError, DeviceBusy, InvalidRequest, NotAllowed
from bench.executors import Prepare, Start
from bench.executors.local import LocalExecutor
from bench.permission import is_loopback
from bench.run_folder import RUN_ID, Request, RunFolder
from bench.worker_process import ROOT

ADDRESS = "RAY_ADDRESS"
# A page of its dashboard that only a token opens.
VERSION = "/api/version"
ANSWERS_WITHIN_S = 20
LEAVING_S = 20.0
READY_S = 20.0
# One that did not answer is not asked again for so long, or every look at a run would wait for it.
UNANSWERED_FOR_S = 30.0
UNREACHABLE = (requests.RequestException, ConnectionError, TimeoutError)

T = TypeVar("T")

# Address -> until when it is not asked how a job stands.
_silent_until_s: dict[str, float] = {}


class RayExecutor:
    """See `bench.executors.Executor`."""

    def devices(self) -> list[Device]:
        """One for each kind of GPU in the cluster, and one for the CPUs of its machines."""
        try:
            address = allowed_address()
            counts = _gpus(address)
            machines = len(_nodes(address))
        except BenchError as error:
            return [_device("cuda", "Ray cluster", reason=str(error).rstrip("."))]
        gpus = [
            _device(f"cuda:{kind}" if kind else "cuda", f"Ray cluster: {_words(kind, count)}")
            for kind, count in sorted(counts.items())
        ]
        return [*gpus, _device("cpu", f"Ray cluster: the CPUs of {machines} machines")]

    def check(self, request: Request) -> None:
        """Ray would wait silently for what the cluster does not have."""
        address = allowed_address()
        kind, _, model = request.device.partition(":")
        counts = _gpus(address)
        if kind == "cpu":
            return
        there = ", ".join(_words(name, count) for name, count in sorted(counts.items()))
        if kind != "cuda" or not counts or (model and model not in counts):
            raise InvalidRequest(
                f"the cluster at {address} has no {request.device!r}: it has "
                f"{there or 'no GPU'} on {len(_nodes(address))} machines"
            )
        if not model and len(counts) > 1:
            names = " or ".join(f"cuda:{name}" for name in sorted(counts))
            raise InvalidRequest(
                f"the cluster at {address} has {there}, which make different results sets: "
                f"ask for {names}"
            )

    def submit(
        self, folder: RunFolder, request: Request, start: Start, *, queue: bool, prepare: Prepare
    ) -> None:
        """Submit the run's job; one that is there already is not submitted again."""
        del queue, request  # Ray waits for what is busy
        address = allowed_address()
        name = f"ray-{folder.run}"
        me = locks.Holder(run=folder.run, data=str(folder.data))
        give_up = time.monotonic() + LEAVING_S
        # Resumed: a supervisor that has written its end needs a moment to leave.
        while (lock := locks.take(name, me)) is None:
            if time.monotonic() > give_up:
                raise DeviceBusy(f"run {folder.run} is being started")
            time.sleep(0.05)
        try:
            prepare(name)
            _ask(address, lambda client: _submit(client, folder, start(folder, None)))
        finally:
            # From here on the job holds it; until then the cluster knows the job.
            os.close(lock)

    def poll(self, folder: RunFolder, lock: str | None) -> bool:
        """Whether the supervisor lives here, or else the cluster says that the job does.

        Where a cluster elsewhere cannot be asked, nobody knows that the run is over.
        """
        if LocalExecutor().poll(folder, lock):
            return True
        address, began_s = os.environ.get(ADDRESS, ""), time.monotonic()
        if began_s >= _silent_until_s.get(address, -math.inf):
            try:
                return _lives(_ask(address, lambda client: _status(client, _job(folder))))
            except BenchError:
                if (now_s := time.monotonic()) - began_s >= ANSWERS_WITHIN_S:
                    _silent_until_s[address] = now_s + UNANSWERED_FOR_S
        return not is_loopback(urlsplit(address).hostname)

    def cancel(self, folder: RunFolder) -> None:
        """SIGTERM, 3 s, SIGKILL from Ray; SIGKILL from here where it is on this machine."""
        _ask(allowed_address(), lambda client: client.stop_job(_job(folder)))
        recovery.kill_supervisor(folder)

    def list(self) -> list[str]:
        """The jobs that are runs of ours."""
        jobs = _ask(allowed_address(), lambda client: client.list_jobs())
        runs = (RUN_ID.match(job.submission_id or "") for job in jobs if _lives(job.status))
        return sorted({run[0] for run in runs if run})


def allowed_address() -> str:
    """The cluster's dashboard. Raises NotAllowed: none is named, or anybody could use it.

    Whoever reaches a cluster without a token runs any program on it.
    """
    address = os.environ.get(ADDRESS, "").rstrip("/")
    if urlsplit(address).scheme not in ("http", "https"):
        raise NotAllowed(
            f"no cluster is named: set {ADDRESS} to its dashboard, as http://127.0.0.1:8265"
        )
    if is_loopback(urlsplit(address).hostname):
        return address
    if os.environ.get("RAY_AUTH_MODE") != "token":
        raise NotAllowed(
            f"the cluster at {address} is on the network: set RAY_AUTH_MODE=token here and on "
            "every machine of it, and its token"
        )
    try:
        answer = requests.get(f"{address}{VERSION}", timeout=ANSWERS_WITHIN_S)
    except UNREACHABLE as error:
        raise BenchError(_unreachable(address, error)) from error
    if answer.status_code not in (401, 403):
        raise NotAllowed(
            f"the cluster at {address} answers without a token, so that anybody can run any "
            "program on it: start it with RAY_AUTH_MODE=token"
        )
    return address


class _Client(JobSubmissionClient):
    """Ray's client, which would wait for ever for an answer."""

    def _do_request(self, method: str, endpoint: str, **rest: Any) -> Any:
        return super()._do_request(method, endpoint, **{"timeout": ANSWERS_WITHIN_S, **rest})


def _ask(address: str, question: Callable[[JobSubmissionClient], T]) -> T:
    """What the cluster answers. Raises BenchError where it does not."""
    try:
        return question(_Client(address))
    except UNREACHABLE as error:
        raise BenchError(_unreachable(address, error)) from error
    except (RuntimeError, RayError, ValueError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise BenchError(f"the cluster at {address} says: {lines[-1][:300]}") from error


def _unreachable(address: str, error: Exception) -> str:
    return f"the cluster at {address} cannot be reached ({type(error).__name__})"


def _submit(client: JobSubmissionClient, folder: RunFolder, command: list[str]) -> None:
    job = _job(folder)
    if _lives(_status(client, job)):
        return
    # Its output goes where that of a run on this machine goes.
    settings = [f"{name}={os.environ[name]}" for name in ("BENCH_LOCKS",) if name in os.environ]
    line = shlex.join(["env", *settings, *command])
    log = shlex.quote(str(folder.log))
    give_up = time.monotonic() + READY_S
    while True:
        try:
            client.submit_job(
                entrypoint=f"cd {shlex.quote(str(ROOT))} && exec {line} >> {log} 2>&1",
                submission_id=job,
            )
            return
        except RuntimeError as error:
            # A cluster that has just started; Ray says itself to try again.
            if "No available agent" not in str(error) or time.monotonic() > give_up:
                raise
        time.sleep(1.0)


def _job(folder: RunFolder) -> str:
    """The run's id; that of a resumed one bears a number, for Ray still watches the job before."""
    times = journal.read(folder.journal).times_queued
    return folder.run if times < 2 else f"{folder.run}-{times}"


def _status(client: JobSubmissionClient, run: str) -> JobStatus | None:
    """How a job stands; None: the cluster knows no such job."""
    try:
        return client.get_job_status(run)
    except RuntimeError as error:
        if "404" in str(error):
            return None
        raise


def _lives(status: JobStatus | None) -> bool:
    return status is not None and not status.is_terminal()


def _nodes(address: str) -> list[Any]:
    """The machines of the cluster that are alive. Raises BenchError."""
    try:
        found = list_nodes(address=address, detail=True, timeout=ANSWERS_WITHIN_S)
    except (RayStateApiException, RayError, RuntimeError, *UNREACHABLE) as error:
        raise BenchError(_unreachable(address, error)) from error
    return [node for node in found if node.state == "ALIVE"]


def _gpus(address: str) -> dict[str, int]:
    """Number of GPUs by the accelerator type that Ray gives them; "" where it knows none."""
    counts: Counter[str] = Counter()
    for node in _nodes(address):
        have = node.resources_total or {}
        if number := int(have.get("GPU", 0)):
            counts[_accelerator(have)] += number
    return dict(counts)


def _accelerator(resources: Iterable[str]) -> str:
    names = (name.partition(":") for name in resources)
    return next((model for label, _, model in names if label == "accelerator_type"), "")


def _words(kind: str, count: int) -> str:
    return f"{count} x {kind or 'GPU'}"


def _device(name: str, words: str, *, reason: str | None = None) -> Device:
    kind = name.partition(":")[0]
    return Device(id=name, kind=kind, name=words, lock=f"ray-{name}", reason=reason, executor="ray")
