"""A real worker process that speaks the protocol and misbehaves where its plan says so.

    python tests/faults/worker.py --plan '{"test_vit": "segfault"}' --reply-fd N

The plan names a behaviour for each architecture; the others are measured at once. Standard library
only, so that it starts in a twentieth of a second.
"""

import argparse
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

ENVIRONMENT = {"device": "Stand-in", "device_kind": "cpu", "torch": "0.0", "timm": "0.0"}
SENTINELS = {("resnet50", 64), ("resnet18", 4)}  # of a GPU, of a CPU
FOR_EVER = "import time\nwhile True: time.sleep(60)"


class Worker:
    def __init__(self, reply_fd, plan, environment, slower, answers):
        self.replies = os.fdopen(reply_fd, "w", encoding="utf-8")
        self.plan = plan
        self.environment = environment
        self.slower = slower
        self.answers = answers
        self.asked = 0

    def say(self, **message):
        self.replies.write(json.dumps(message) + "\n")
        self.replies.flush()

    def raw(self, text):
        self.replies.write(text)
        self.replies.flush()

    def ready(self):
        self.say(type="ready", environment=self.environment)

    def phase(self, workload, name, deadline_s=60.0):
        self.say(type="phase", workload=workload, phase=name, deadline_s=deadline_s)

    def answer(self, workload, **values):
        row = {
            "workload": workload,
            "outcome": "ok",
            "measured_at": datetime.now(UTC).isoformat(),
            "batch_size": workload["batch_size"] or 8,
            "samples_s": [0.01, 0.011, 0.012],
        }
        if self.answers:
            with Path(self.answers).open("a", encoding="utf-8") as file:
                file.write(workload["architecture"] + "\n")
        self.say(type="measurement", measurement={**row, **values})

    def serve(self):
        for line in sys.stdin:
            workload = json.loads(line)["measure"]
            self.asked += 1
            is_sentinel = (workload["architecture"], workload["batch_size"]) in SENTINELS
            if is_sentinel and workload["architecture"] not in self.plan:
                # As fast as the first time, or slower.
                self.answer(workload, samples_s=[0.01 * (self.slower if self.asked > 1 else 1)])
                continue
            behaviour = self.plan.get(workload["architecture"], "ok")
            name, _, argument = behaviour.partition(":")
            getattr(self, name)(workload, argument)

    # What a workload may do.

    def ok(self, workload, _):
        self.phase(workload, "build")
        self.phase(workload, "measure")
        self.answer(workload)

    def slow(self, workload, seconds):
        self.phase(workload, "measure")
        time.sleep(float(seconds))
        self.answer(workload)

    def gate(self, workload, path):
        """Wait until somebody makes a file."""
        self.phase(workload, "measure", 600.0)
        while not Path(path).exists():
            time.sleep(0.01)
        self.answer(workload)

    def stop_parent_once(self, workload, path):
        """The first time, whoever started this worker is stopped, and says nothing any more."""
        if not Path(path).exists():
            Path(path).touch()
            os.kill(os.getppid(), signal.SIGSTOP)
        self.ok(workload, "")

    def slower_elsewhere(self, workload, path):
        """Half as fast on every device but the one that measured it first."""
        with contextlib.suppress(FileExistsError):
            Path(path).symlink_to(str(os.getpid()))
        is_first = str(Path(path).readlink()) == str(os.getpid())
        self.phase(workload, "measure")
        self.answer(workload, samples_s=[0.01 if is_first else 0.02] * 3)

    def segfault(self, workload, _):
        self.phase(workload, "build")
        ctypes.string_at(0)

    def exit(self, workload, status):
        self.phase(workload, "build")
        sys.stderr.write("RuntimeError: out of ideas\n")
        os._exit(int(status))

    def exit_before_phase(self, workload, _):
        if self.asked > 1:
            os._exit(1)
        self.ok(workload, _)

    def killed(self, workload, _):
        self.phase(workload, "measure")
        os.kill(os.getpid(), signal.SIGKILL)

    def hang_in_python(self, workload, deadline_s):
        self.phase(workload, "warm_up", float(deadline_s))
        while True:
            pass

    def hang_in_c(self, workload, deadline_s):
        self.phase(workload, "warm_up", float(deadline_s))
        # A PyDLL call keeps the interpreter's lock, so no Python signal handler could ever run.
        ctypes.PyDLL(None).pause()
        ctypes.PyDLL(None).sleep(3600)

    def deaf(self, workload, deadline_s):
        """Hang, and ignore SIGTERM."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.hang_in_python(workload, deadline_s)

    def garbage(self, workload, _):
        self.phase(workload, "build")
        self.raw("\x00\xff this is not JSON\n")
        time.sleep(3600)

    def endless(self, workload, _):
        self.phase(workload, "build")
        while True:
            self.raw("x" * 65536)

    def list_reply(self, workload, _):
        self.raw("[1, 2]\n")
        time.sleep(3600)

    def wrong_answer(self, workload, _):
        self.phase(workload, "build")
        self.answer({**workload, "architecture": "another"})

    def no_samples(self, workload, _):
        self.phase(workload, "build")
        self.answer(workload, samples_s=[])

    def wrong_type(self, workload, _):
        self.phase(workload, "build")
        self.answer(workload, batch_size="8")

    def out_of_memory(self, workload, _):
        self.phase(workload, "batch_size")
        self.answer(workload, outcome="out_of_memory", samples_s=[], message="4 GiB too little")

    def eat(self, workload, group):
        """Join a control group with little memory, and want more than it has."""
        self.phase(workload, "warm_up")
        Path(group, "cgroup.procs").write_text(str(os.getpid()))
        hoard = [os.urandom(2**20) for _ in range(512)]
        os._exit(len(hoard) % 256)

    def not_finite(self, workload, _):
        self.answer(workload, outcome="not_finite", samples_s=[], message="the output has a NaN")

    def leaving(self, workload, _):
        """Measure, and ask to be replaced."""
        self.ok(workload, _)
        self.say(type="leaving", reason="kept 3 % of the device's memory")
        sys.exit(0)

    def leaving_without(self, workload, _):
        self.phase(workload, "measure")
        self.say(type="leaving", reason="the CUDA context is poisoned")
        sys.exit(0)

    def leaving_but_stays(self, workload, _):
        self.phase(workload, "measure")
        self.say(type="leaving", reason="so it says")
        time.sleep(3600)

    def empties_the_log(self, workload, path):
        """Die with a log that is shorter than it was before, as when it had grown too long."""
        self.phase(workload, "measure")
        os.truncate(path, 0)
        sys.stderr.write("RuntimeError: all that is left\n")
        os._exit(1)

    def closes(self, workload, _):
        """Close the conversation and stay."""
        self.phase(workload, "measure")
        self.replies.close()
        time.sleep(3600)

    def grandchild(self, workload, _):
        """Leave a process in a session of its own behind, one in the group, and die."""
        self.phase(workload, "compile")
        for session in (True, False):
            subprocess.Popen(
                [sys.executable, "-c", FOR_EVER],
                start_new_session=session,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        os._exit(1)

    def slow_with_grandchild(self, workload, seconds):
        subprocess.Popen(
            [sys.executable, "-c", FOR_EVER], start_new_session=True, stdin=subprocess.DEVNULL
        )
        self.slow(workload, seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reply-fd", type=int, required=True)
    parser.add_argument("--plan", type=json.loads, default={})
    parser.add_argument("--environment", type=json.loads, default={})
    parser.add_argument("--slower", type=float, default=1.0)
    parser.add_argument("--answers", help="A file that gets the name of each model answered for.")
    parser.add_argument("--start", default="ready")
    options = parser.parse_args()
    environment = {**ENVIRONMENT, **options.environment}
    worker = Worker(options.reply_fd, options.plan, environment, options.slower, options.answers)
    if options.start == "die":
        sys.stderr.write("ImportError: no module named torch\n")
        os._exit(1)
    if options.start == "hang":
        time.sleep(3600)
    worker.ready()
    worker.serve()


if __name__ == "__main__":
    main()
