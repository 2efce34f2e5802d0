"""The worker seen from outside: start it, talk JSON lines, know how it died, leave nothing of it.

Requests go to its standard input, replies come on a descriptor of their own, and what it prints
goes to the run's log. Nothing here waits for ever.
"""

import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from bench import processes
from bench.records import dumps

ROOT = Path(__file__).resolve().parent.parent
LONGEST_REPLY_BYTES = 4 * 2**20


def command_line(device: str) -> list[str]:
    """The worker's command for a device; the number of the reply descriptor is appended."""
    return [sys.executable, "-m", "bench.worker", "--device", device, "--reply-fd"]


def _environment() -> dict[str, str]:
    """Ours without what opens an object store: a worker has no business there."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


class ProtocolError(Exception):
    """The worker said something that is not the protocol."""


class WorkerProcess:
    """One worker, from its start until nothing of it is left."""

    def __init__(
        self, command: Sequence[str], log: IO[bytes], *, dies_with_parent: bool = True
    ) -> None:
        """Start it in a process group of its own.

        Args:
            command: program and arguments; the reply descriptor's number is appended.
            log: where its standard output and error go.
            dies_with_parent: the system kills it when this process, which then must have only one
                thread, dies; otherwise it has to see the end of its standard input.
        """
        self._mark = secrets.token_hex(8)
        self._replies, theirs = os.pipe()
        os.set_blocking(self._replies, False)
        self._buffer = b""
        self._oom_kills = _kernel_oom_kills()
        try:
            self._process = subprocess.Popen(
                [*command, str(theirs)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(theirs,),
                process_group=0,
                bufsize=0,
                cwd=ROOT,
                env={**_environment(), processes.WORKER_MARK: self._mark},
                # The one way to reach a child that hangs in C.
                preexec_fn=processes.die_with_parent() if dies_with_parent else None,  # noqa: PLW1509
            )
        except BaseException:
            os.close(self._replies)
            raise
        finally:
            os.close(theirs)
        assert self._process.stdin is not None
        self._requests = self._process.stdin

    @property
    def pid(self) -> int:
        """Process id, and the id of its group."""
        return self._process.pid

    def send(self, message: dict[str, Any]) -> bool:
        """Hand over one request; False when the worker no longer reads."""
        try:
            self._requests.write(dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self, timeout_s: float) -> dict[str, Any] | None:
        """The next reply.

        Returns None when none came in time. Raises EOFError when the worker ended or closed its
        side, ProtocolError when it sent anything but one JSON object a line.
        """
        give_up = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, give_up - time.monotonic())):
                    return None
                block = os.read(self._replies, 2**16)
                if not block:
                    raise EOFError
                self._buffer += block
                if len(self._buffer) > LONGEST_REPLY_BYTES:
                    raise ProtocolError("a reply without an end")
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"what is not JSON: {line[:80]!r}") from error
        if not isinstance(reply, dict):
            raise ProtocolError(f"what is not an object: {line[:80]!r}")
        return reply

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False when it still lives."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def died_of(self) -> tuple[str, str]:
        """Outcome and sentence for a worker that ended by itself."""
        status = self._process.returncode
        if status is None:
            return "crashed", "closed its side of the conversation"
        if status >= 0:
            return "crashed", f"exited with status {status}"
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        before, now = self._oom_kills, _kernel_oom_kills()
        if -status == signal.SIGKILL and before is not None and now is not None and now > before:
            return "out_of_memory", "killed by the kernel because memory ran out"
        return "crashed", f"killed by {name}"

    def end(self, grace_s: float) -> None:
        """End it, its group and its descendants: politely, then not; leaves no process.

        Args:
            grace_s: seconds between SIGTERM and SIGKILL.
        """
        family = processes.descendants(self.pid)
        if self._process.poll() is None:
            processes.signal_group(self.pid, signal.SIGTERM)
            if not self.wait(grace_s):
                processes.signal_group(self.pid, signal.SIGKILL)
                self._process.wait()
        processes.kill(family)
        processes.sweep(lambda: processes.marked(processes.WORKER_MARK, self._mark))
        self._requests.close()
        os.close(self._replies)


def _kernel_oom_kills() -> int | None:
    """How many processes the kernel has killed for memory since it started; None: not told."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
