"""The isolated process that measures: one device, one conversation, as long as both are sound.

    python -m bench.worker --device cpu|cuda[:N] --reply-fd N

Requests are JSON lines on standard input, `{"measure": Workload, "protocol": Protocol, "next":
Workload|null}`; its end ends the worker. Replies are JSON lines on descriptor N:

    {"type": "ready", "environment": Environment}             once, when device and torch are up
    {"type": "phase", "workload": ..., "phase": "measure", "deadline_s": 60}
    {"type": "measurement", "measurement": Measurement}       one for each request
    {"type": "leaving", "reason": "..."}                      replace me; then it exits

Phases are build, memory, batch_size, first_step, compile, measure and cool_down. No reply within
the deadline of the last phase means that the worker hangs. What a model raises becomes a
measurement with an outcome; what kills the process is for the parent to name. Standard output and
error are log text.

Nothing is fetched: the hub is set offline, weights are random, and a name that timm does not list
exactly is `unsupported`. torch is imported to open the device, timm for the first request.
"""

import argparse
import faulthandler
import json
import logging
import os
import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

from bench.records import Environment, Protocol, Workload, dumps

if TYPE_CHECKING:
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
        conversation = Conversation(replies)
        try:
            device, environment = open_device(options.device)
        except (RuntimeError, ValueError) as error:
            conversation.say("leaving", reason=f"{options.device} cannot be opened: {error}")
            return
        conversation.say("ready", environment=environment.to_json())
        serve(sys.stdin, conversation, device)


class Conversation:
    """The worker's side of the talk; every line is out when `say` returns."""

    def __init__(self, replies: IO[str]) -> None:
        self._replies = replies

    def say(self, kind: str, **values: Any) -> None:
        """Send one message."""
        self._replies.write(dumps({"type": kind, **values}) + "\n")
        self._replies.flush()


def serve(requests: Iterable[str], conversation: Conversation, device: "Device") -> None:
    """Answer every request in turn; leave when the process is no longer fit for the next one."""
    from bench.measurer import Measurer  # noqa: PLC0415

    measurer = Measurer(device)
    for line in requests:
        request = json.loads(line)
        workload = Workload.from_json(request["measure"])
        following = request.get("next")
        row = measurer.measure(
            workload,
            Protocol.from_json(request["protocol"]),
            following=Workload.from_json(following) if following else None,
            announce=lambda phase, deadline_s, workload=workload: conversation.say(  # type: ignore[misc]
                "phase", workload=workload.to_json(), phase=phase, deadline_s=deadline_s
            ),
        )
        conversation.say("measurement", measurement=row.to_json())
        if reason := measurer.unfit():
            conversation.say("leaving", reason=reason)
            return


def open_device(name: str) -> tuple["Device", Environment]:
    """Bring a device up and look at it; torch is imported here, after the arguments were read.

    Raises RuntimeError or ValueError when it is not there.
    """
    import torch  # noqa: PLC0415

    from bench import environment, noise, nvml, timing, watch  # noqa: PLC0415
    from bench.measuring import Device  # noqa: PLC0415
    from bench.memory import CudaMemory, HostMemory  # noqa: PLC0415

    device = torch.device(name)
    if device.type == "cpu":
        environment.pin_to_cores()
        threads = environment.default_threads()
        torch.set_num_threads(threads)
        clock = timing.HostClock()
        heard = noise.measure_noise(clock)
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
