"""One device of a cluster: holds its lock and measures what the run's supervisor hands over.

    python -m bench.station --reply-fd N

The same loop as on one machine (`bench.sweep`), over models that come one at a time. Requests are
JSON lines on standard input, the first one with what holds for all:

    {"run", "data", "device", "protocol", "expected", "command", "limits"}
    {"measure": [Workload, ...]}     one model, in all its measures
    {"finish": true}                 there are no more

Its end, without `finish`, ends everything here. Replies are JSON lines on descriptor N:

    {"type": "event", "event": ..., "values": {...}}    for the run's journal
    {"type": "log", "text": ...}                        what the worker printed
    {"type": "idle"}                                    the next model, please
    {"type": "ended", "state": ..., "error": ...}       refused (busy), or a sweep's outcome
"""

import argparse
import json
import os
import secrets
import select
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import IO, Any

from bench import devices, locks, processes, warden
from bench.errors import BenchError
from bench.records import Environment, Protocol, Workload, dumps
from bench.sweep import SENTINELS, Limits, Outcome, Sweep, with_following
from bench.worker_process import command_line

# What a station measures on instead of its GPU: to try a cluster on machines without any.
INSTEAD = "BENCH_STATION_DEVICE"
LONGEST_TEXT_BYTES = 16 * 2**10


def main(arguments: list[str] | None = None) -> None:
    """Take the device, measure what comes, and say how it ended."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.station", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--reply-fd", required=True, type=int, help="where replies are written")
    options = parser.parse_args(arguments)
    with os.fdopen(options.reply_fd, "w", encoding="utf-8") as replies:
        talk = Talk(sys.stdin, replies)
        try:
            outcome = serve(talk, json.loads(talk.requests.readline()))
        except (BenchError, OSError) as error:
            outcome = Outcome("failed", str(error))
        talk.say("ended", state=outcome.state, error=outcome.error)


class Talk:
    """The station's side of the conversation."""

    def __init__(self, requests: IO[str], replies: IO[str]) -> None:
        self.requests = requests
        self._replies = replies
        self._end = select.poll()
        self._end.register(requests, select.POLLHUP)

    def say(self, kind: str, **values: Any) -> None:
        """Send one message; where nobody listens any more, `is_over` tells."""
        try:
            self._replies.write(dumps({"type": kind, **values}) + "\n")
            self._replies.flush()
        except BrokenPipeError:
            # What is left in the buffer would be tried again when the file is closed.
            self._replies = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123

    def is_over(self) -> bool:
        """Whether the other side is gone."""
        return bool(self._end.poll(0))

    def models(self) -> Iterator[tuple[Workload, Workload | None]]:
        """The workloads that are handed over, each with the next one of the same model."""
        while True:
            self.say("idle")
            line = self.requests.readline()
            message: dict[str, Any] = json.loads(line) if line else {"finish": True}
            if "finish" in message:
                return
            yield from with_following([Workload.from_json(w) for w in message["measure"]])


def serve(talk: Talk, task: Mapping[str, Any]) -> Outcome:
    """Hold the device as long as models come. Raises BenchError where it cannot be had."""
    device = devices.check_device(os.environ.get(INSTEAD) or task["device"])
    pid = os.getpid()
    me = locks.Holder(run=task["run"], data=task["data"], pid=pid, began=processes.began(pid))
    lock = locks.take(device.lock, me)
    if lock is None:
        return Outcome("refused", devices.busy(device, locks.holder(device.lock)))
    mark = secrets.token_hex(8)
    guard = warden.post(mark, keep=lock, mark=processes.STATION_MARK)
    processes.adopt_orphans()
    os.environ[processes.STATION_MARK] = mark
    with tempfile.TemporaryFile("a+b", buffering=0) as log:
        outcome = _sweep(talk, task, device.id, log)
    processes.sweep(lambda: [p for p in processes.descendants() if p.pid != guard.pid])
    os.close(lock)
    guard.relieve()
    return outcome


def _sweep(talk: Talk, task: Mapping[str, Any], device: str, log: IO[bytes]) -> Outcome:
    expected = task["expected"]
    told = 0

    def record(event: str, **values: Any) -> None:
        nonlocal told
        talk.say("event", event=event, values=values)
        if event != "phase" and (size := os.fstat(log.fileno()).st_size) > told:
            told = max(told, size - LONGEST_TEXT_BYTES)
            text = os.pread(log.fileno(), size - told, told).decode("utf-8", "replace")
            told = size
            talk.say("log", text=text)

    sweep = Sweep(
        protocol=Protocol.from_json(task["protocol"]),
        command=list(task["command"] or command_line(device)),
        record=record,
        cancelled=talk.is_over,
        log=log,
        limits=Limits(**task["limits"]),
        ends_at=None,
        clock=time.monotonic,
        expected=Environment.from_json(expected) if expected else None,
        sentinels=SENTINELS,
    )
    try:
        return sweep.run(talk.models())
    finally:
        sweep.end_worker("the station ended")


if __name__ == "__main__":
    main()
