"""The isolated process that measures: one device, one conversation, as long as both are sound.

    python -m bench.worker --device cpu|cuda[:N] --reply-fd N

Requests are JSON lines on standard input, `{"measure": Workload, "protocol": Protocol, "next":
Workload|null}`; its end ends the worker. Replies are JSON lines on descriptor N:

    {"type": "ready", "environment": Environment}             once, when device and torch are up
    {"type": "phase", "workload": ..., "phase": "measure", "deadline_s": 60}
    {"type": "measurement", "measurement": Measurement}       one for each request
    {"type": "leaving", "reason": "..."}                      replace me; then it exits

On a CPU under Linux a fork measures each workload and replies by itself (see bench.forks); this
process then only imports, and dies as a fork of it died.

Phases are build, memory, batch_size, first_step, compile, measure and cool_down. No reply within
the deadline of the last phase means that the worker hangs. What a model raises becomes a
measurement with an outcome; what kills the process is for the parent to name. Standard output and
error are log text.

Nothing is fetched: the hub is set offline, weights are random, and a name that timm does not list
exactly is `unsupported`. torch is imported to open the device, timm to open a CPU or for a GPU's
first request.
"""

import argparse
import faulthandler
import functools
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, NoReturn

from bench import forks
from bench.records import Environment, Protocol, Workload, dumps

if TYPE_CHECKING:
    from bench.measurer import Measurer
    from bench.measuring import Device


def main(arguments: list[str] | None = None) -> None:
    """Open the device, say `ready`, answer requests until there are no more."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.worker", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--device", required=True, help="cpu, cuda or cuda:N")
    parser.add_argument("--reply-fd", required=True, type=int, help="where replies are written")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    faulthandler.enable()
    os.environ["HF_HUB_OFFLINE"] = "1"
    with os.fdopen(options.reply_fd, "w", encoding="utf-8") as replies:
        try:
            converse(sys.stdin, Conversation(replies), options.device)
        except forks.Died as death:
            die_of(death.exit_code)


def converse(requests: Iterable[str], conversation: "Conversation", device: str) -> None:
    """Open the device, say so, and answer. Raises forks.Died when a fork did."""
    try:
        opened, environment = open_device(device)
    except (RuntimeError, ValueError) as error:
        conversation.say("leaving", reason=f"{device} cannot be opened: {error}")
        return
    conversation.say("ready", environment=environment.to_json())
    serve(requests, conversation, opened, forking=forks.POSSIBLE and not opened.gpu)


def die_of(exit_code: int) -> NoReturn:
    """End as a fork did, for the parent to name: by the signal -exit_code, or with exit_code."""
    if exit_code < 0:
        # The fork's stack is in the log already.
        faulthandler.disable()
        with suppress(OSError):  # SIGKILL cannot be set to what it is
            signal.signal(-exit_code, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    os._exit(exit_code)


class Conversation:
    """The worker's side of the talk; every line is out when `say` returns."""

    def __init__(self, replies: IO[str]) -> None:
        self._replies = replies

    def say(self, kind: str, **values: Any) -> None:
        """Send one message."""
        self._replies.write(dumps({"type": kind, **values}) + "\n")
        self._replies.flush()


def serve(
    requests: Iterable[str], conversation: Conversation, device: "Device", *, forking: bool
) -> None:
    """Answer every request in turn; leave when the process is no longer fit for the next one.

    Args:
        requests: JSON lines.
        conversation: where replies go.
        device: where to measure.
        forking: measure each workload in a fork. Raises forks.Died when one did.
    """
    from bench.measurer import Measurer  # noqa: PLC0415

    measurer = Measurer(device)
    for line in requests:
        answer = functools.partial(_answer, json.loads(line), measurer, conversation)
        if forking:
            forks.apart(answer)
            continue
        answer()
        if reason := measurer.unfit():
            conversation.say("leaving", reason=reason)
            return


def _answer(request: dict[str, Any], measurer: "Measurer", conversation: Conversation) -> None:
    """Measure what is asked for, saying every phase and the row."""
    workload = Workload.from_json(request["measure"])
    following = request.get("next")
    row = measurer.measure(
        workload,
        Protocol.from_json(request["protocol"]),
        following=Workload.from_json(following) if following else None,
        announce=lambda phase, deadline_s: conversation.say(
            "phase", workload=workload.to_json(), phase=phase, deadline_s=deadline_s
        ),
    )
    conversation.say("measurement", measurement=row.to_json())


def open_device(name: str) -> tuple["Device", Environment]:
    """Bring a device up and look at it; torch is imported here, after the arguments were read.

    Raises RuntimeError or ValueError when it is not there.
    """
    import torch  # noqa: PLC0415

    from bench import environment, noise, nvml, timing, watch  # noqa: PLC0415
    from bench.measuring import Device  # noqa: PLC0415
    from bench.memory import CudaMemory, HostMemory  # noqa: PLC0415
    from bench.torchvision_schemas import import_timm  # noqa: PLC0415

    device = torch.device(name)
    if device.type == "cpu":
        environment.pin_to_cores()
        threads = environment.default_threads()
        torch.set_num_threads(threads)
        clock = timing.HostClock()
        heard = forks.apart(lambda: noise.measure_noise(clock))
        # What is there now is in every fork: collecting garbage need not look at it.
        import_timm()
        gc.freeze()
        bench_device = Device(device, clock, HostMemory(), watch.CpuWatch(), threads, noise=heard)
        return bench_device, environment.describe(device, noise=heard, gpu=None)
    if device.type != "cuda":
        raise ValueError("a worker measures on cpu or cuda")
    if not torch.cuda.is_available():
        raise RuntimeError(f"torch {torch.__version__} finds no GPU")
    torch.cuda.set_device(device.index or 0)
    device = torch.device("cuda", torch.cuda.current_device())
    gpu = nvml.open_gpu(str(torch.cuda.get_device_properties(device).uuid))
    before = gpu.processes() if gpu else None
    torch.zeros(1, device=device).add_(1)
    torch.cuda.synchronize()
    looking = (
        watch.GpuWatch(gpu, watch.own_pids(before, gpu.processes())) if gpu else watch.NoWatch()
    )
    bench_device = Device(
        device, timing.CudaClock(), CudaMemory(), looking, environment.default_threads()
    )
    return bench_device, environment.describe(device, noise=None, gpu=gpu)


if __name__ == "__main__":
    main()
