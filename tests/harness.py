"""What tests stand on: the real server as a process, the installed Chromium, installed packages.

conftest.py hands these out as fixtures.
"""

import http.client
import importlib.metadata
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parent.parent

STARTS_WITHIN_S = 60
STOPS_WITHIN_S = 10

CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What a healthy server never logs; the level is in front of each line of Streamlit's own log.
TROUBLE = re.compile(
    r"Traceback|Uncaught|^\w*(?:Error|Exception|Warning)\b|^(?:WARNING|ERROR|CRITICAL)\b",
    re.MULTILINE,
)


@dataclass
class Server:
    """A running dashboard: where it is, what data it shows, what it logs."""

    url: str
    port: int
    data: Path
    log_path: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    # Lines with one of these texts are not trouble: the test provokes them.
    provoked: list[str] = field(default_factory=list)
    # A server that dies by itself fails its test.
    killed: bool = False
    _checked: int = 0

    @property
    def log(self) -> str:
        """All that the server has printed so far."""
        return self.log_path.read_text(errors="replace")

    def check_log(self) -> None:
        """Fail when what was logged since the last check tells of trouble."""
        log = self.log
        lines = log[self._checked :].splitlines()
        self._checked = len(log)
        new = "\n".join(line for line in lines if not any(text in line for text in self.provoked))
        assert not TROUBLE.search(new), f"the server's log tells of trouble:\n{new}"

    def kill(self) -> None:
        """SIGKILL: what becomes of its readers?"""
        self.killed = True
        self.process.kill()
        self.process.wait()

    def is_healthy(self) -> bool:
        """Whether the server answers its own health check."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/_stcore/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@contextmanager
def serve(
    data: Path,
    home: Path,
    *,
    python: str | Path = sys.executable,
    env: dict[str, str] | None = None,
    stop_runs: bool = True,
    script: str = "app.py",
) -> Iterator[Server]:
    """Start the dashboard on a free loopback port; stop it, and every run it started, at the end.

    Args:
        data: the data folder (BENCH_DATA).
        home: an empty folder for the log, the device locks and what Streamlit keeps in $HOME, so
            that neither a developer's settings nor their runs meet the test's.
        python: the interpreter, and with it the packages.
        env: further environment variables.
        stop_runs: end its runs too; otherwise they go on, as they do when a server is restarted.
        script: what Streamlit runs, as seen from the project's folder.
    """
    port = free_port()
    log_path = home / "server.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [str(python), "-m", "streamlit", "run", script],
            cwd=REPOSITORY,
            env=_server_environment(data, home, port) | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", port, data, log_path, process)
    try:
        _wait_until_healthy(server)
        yield server
        assert server.killed or process.poll() is None, f"the server died:\n{server.log}"
    finally:
        _stop_group(process)
        if stop_runs:
            _stop_runs(data)
    server.check_log()


def chromium() -> str:
    """The Chromium to drive: $CHROMIUM, or one on the PATH (programs.sh looks in the same places).

    Raises FileNotFoundError, with what to do, when there is none.
    """
    wanted = os.environ.get("CHROMIUM")
    names = [wanted] if wanted else ["chromium", "chromium-browser", "google-chrome"]
    for name in names:
        if path := shutil.which(name):
            return path
    looked_for = ", ".join(names)
    raise FileNotFoundError(f"no Chromium ({looked_for}): `make programs` installs it or says how")


def pinned(path: Path) -> dict[str, str]:
    """Package name -> version of the `name==version` lines of a requirements file."""
    return {name: version for name, _, version in _pins(path)}


def extras(path: Path) -> set[tuple[str, str]]:
    """(package, extra) of the `name[extra]==version` lines of a requirements file."""
    return {(name, extra) for name, given, _ in _pins(path) for extra in given}


def _pins(path: Path) -> list[tuple[str, list[str], str]]:
    lines = re.findall(r"^([\w.-]+)(?:\[([\w,]+)\])?==(\S+)", path.read_text(), flags=re.MULTILINE)
    return [(canonicalize_name(name), e.split(",") if e else [], v) for name, e, v in lines]


def with_dependencies(
    names: set[str], extras: set[tuple[str, str]] = frozenset()
) -> dict[str, importlib.metadata.Distribution]:
    """The installed distributions of these names (and extras) and of all that they require."""
    found: dict[str, importlib.metadata.Distribution] = {}
    to_do = {(name, "") for name in names} | extras
    done: set[tuple[str, str]] = set()
    while to_do:
        name, extra = to_do.pop()
        done.add((name, extra))
        found[name] = importlib.metadata.distribution(name)
        for line in found[name].requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                key = canonicalize_name(needed.name)
                to_do |= {(key, ""), *((key, more) for more in needed.extras)} - done
    return found


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _server_environment(data: Path, home: Path, port: int) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("STREAMLIT_", "BENCH_", "PYTHON"))
    }
    return inherited | {
        "HOME": str(home),
        "BENCH_DATA": str(data),
        "BENCH_LOCKS": str(home / "locks"),
        "STREAMLIT_SERVER_PORT": str(port),
        "STREAMLIT_SERVER_HEADLESS": "true",
        "STREAMLIT_LOGGER_MESSAGE_FORMAT": "%(levelname)s %(name)s %(message)s",
    }


def _wait_until_healthy(server: Server) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not server.is_healthy():
        try:
            # Waiting for its death is a pause that ends at once when there is nothing to wait for.
            code = server.process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            code = None
        assert code is None, f"the server ended with {code}:\n{server.log}"
        assert time.monotonic() < deadline, f"no server in {STARTS_WITHIN_S} s:\n{server.log}"


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=STOPS_WITHIN_S)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue


def _stop_runs(data: Path) -> None:
    """End what outlives a server by design: supervisors and workers on this test's data folder."""
    ours = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BENCH_DATA") == str(data) and process.pid != os.getpid():
                ours.append(process)
                process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(ours, timeout=STOPS_WITHIN_S)
