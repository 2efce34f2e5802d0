"""Two replicas of the dashboard behind nginx, as docs/nginx.conf has it, on loopback."""

import http.client
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import harness

CONFIGURATION = harness.REPOSITORY / "docs" / "nginx.conf"
# What belongs to a machine rather than to this site; nothing outside the folder is touched.
AROUND = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
STARTS_WITHIN_S = 20


@dataclass(frozen=True, slots=True)
class Site:
    """The proxy's address, and the servers behind it."""

    url: str
    replicas: tuple[harness.Server, ...]


@contextmanager
def site(
    data: Path,
    folder: Path,
    *,
    port: int | None = None,
    secrets: str | None = None,
    env: dict[str, str] | None = None,
) -> Iterator[Site]:
    """Start two replicas on one data folder and nginx before them; stop all at the end.

    Args:
        data: the data folder of both.
        folder: an empty folder for logs, locks and what nginx writes.
        port: of nginx; None: a free one.
        secrets: the secrets.toml of both; None: there is none.
        env: further environment variables of both.
    """
    with ExitStack() as stack:
        servers = []
        for name in ("one", "two"):
            home = folder / name
            home.mkdir()
            if secrets is not None:
                (home / ".streamlit").mkdir()
                (home / ".streamlit" / "secrets.toml").write_text(secrets)
            shared = (env or {}) | {
                "BENCH_LOCKS": str(folder / "locks"),
                "STREAMLIT_SERVER_COOKIE_SECRET": "the same at every replica",
            }
            # The last to stop ends the runs of both, and whatever else works on the folder.
            last = not servers
            servers.append(
                stack.enter_context(harness.serve(data, home, env=shared, stop_runs=last))
            )
        port = port or harness.free_port()
        stack.enter_context(_nginx(folder, port, [server.port for server in servers]))
        yield Site(f"http://127.0.0.1:{port}", tuple(servers))


@contextmanager
def _nginx(folder: Path, port: int, behind: list[int]) -> Iterator[None]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert program is not None, "no nginx: `make programs` installs it or says how"
    text = CONFIGURATION.read_text()
    for example, real in zip((8080, 8501, 8502), (port, *behind), strict=True):
        assert text.count(f"127.0.0.1:{example}") == 1
        text = text.replace(f"127.0.0.1:{example}", f"127.0.0.1:{real}")
    (folder / "site.conf").write_text(text)
    main = folder / "nginx.conf"
    main.write_text(AROUND.format(folder=folder))
    log = folder / "error.log"
    with log.open("wb") as said:
        process = subprocess.Popen([program, "-p", str(folder), "-c", str(main)], stderr=said)
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not _answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "nginx does not answer"
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
