"""A Ray cluster of some nodes on this machine, for the tests of what needs one.

    python -m tests.clusters PORT NODES     start it; `kill` on standard input kills a node

Every node has one logical GPU, stood in for by the CPU, and a lock folder of its own, as a machine
would. In a process of its own: Ray keeps a cluster's settings in the process that starts it.
"""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench import processes, station
from bench.worker_process import ROOT

STARTS_WITHIN_S = 240
# Of memory for Ray's object store: what travels are rows.
STORE_BYTES = 80 * 2**20


@dataclass
class Cluster:
    """A cluster that runs: where it is, and what a program needs in its environment to use it."""

    address: str
    locks: Path
    environment: dict[str, str]
    process: subprocess.Popen[str] = field(repr=False)

    def kill_node(self):
        """SIGKILL one of its nodes, never the head; returns when it is dead."""
        assert self.process.stdin is not None
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        self.expect("killed")

    def expect(self, word):
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return
        raise AssertionError(f"the cluster never said {word!r}; it ended: {self.process.poll()}")


@contextlib.contextmanager
def cluster(folder: Path, *, nodes=3, store=None):
    """Start a cluster with sign-in by token; end all of it afterwards.

    store: what opens an object store, for the environment of every node.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
    # A path to a socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="ray-") as temporary, (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.clusters", str(port), str(nodes)],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
                **token,
                **quiet,
                **(store or {}),
                "RAY_TMPDIR": temporary,
                "BENCH_CLUSTER_LOCKS": str(folder),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            environment = {"RAY_ADDRESS": address, **token, **quiet}
            found = Cluster(address, folder, environment, process)
            found.expect("up")
            yield found
        finally:
            _end(process)


def _end(process):
    """All of it: Ray's processes are descendants, of which some are in sessions of their own."""
    family = processes.descendants(process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
    psutil.wait_procs(family, timeout=10)


def say(words):
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main():
    # Ray reads its settings from the environment when it is imported.
    from ray.cluster_utils import Cluster as RayCluster

    port, nodes = map(int, sys.argv[1:])
    locks = Path(os.environ["BENCH_CLUSTER_LOCKS"])

    def settings(number):
        return {
            "num_cpus": 1,
            "num_gpus": 1,
            "object_store_memory": STORE_BYTES,
            "include_log_monitor": False,
            "no_monitor": True,
            # Each node of this machine needs a port of its own for its agent.
            "dashboard_agent_listen_port": 0,
            "node_name": f"node{number}",
            "env_vars": {
                "BENCH_LOCKS": str(locks / f"locks{number}"),
                station.INSTEAD: "cpu",
            },
        }

    began = time.monotonic()
    head = {**settings(0), "include_dashboard": True, "dashboard_port": port}
    found = RayCluster(initialize_head=True, head_node_args=head, shutdown_at_exit=False)
    try:
        others = [found.add_node(wait=False, **settings(number)) for number in range(1, nodes)]
        found.wait_for_nodes(timeout=STARTS_WITHIN_S)
        say(f"up after {time.monotonic() - began:.0f} s")
        for line in sys.stdin:
            if line.strip() == "kill":
                found.remove_node(others.pop(), allow_graceful=False)
                say("killed")
    finally:
        # Whoever started it is gone, or a node did not come up.
        found.shutdown()


if __name__ == "__main__":
    main()
