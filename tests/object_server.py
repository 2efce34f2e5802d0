"""A real S3 server (moto, in a process of its own) behind a small proxy that can be a bad network.

The proxy stands between the project and the store: what it does, routers, load balancers and stores
without conditional writes do. Nothing of the project is replaced.
"""

import collections
import http.client
import http.server
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import places

STARTS_WITHIN_S = 60
# What a test looks for in everything that is printed or kept.
KEY, SECRET = "AKIDEXAMPLEXXXXXXXXX", "hush+hush/hush+hush/hush+hush/hush+hush"

NOT_FORWARDED = {"connection", "transfer-encoding", "content-length", "host", "expect"}


@dataclass
class Network:
    """What stands between the project and the store.

    faults are used up one by one by requests that write below `prefix`: a status (503, 409, 412,
    403), `cut` (the connection goes in the middle of the PUT) or `lost` (the store has it, its
    answer is lost). everything: a status with which any request is answered. gives_no_objects:
    it lists them and refuses to give them.
    """

    port: int
    prefix: str = ""
    faults: collections.deque[int | str] = field(default_factory=collections.deque)
    everything: int | None = None
    gives_no_objects: bool = False
    ignores_conditions: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The store's address, for AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What tells a process where the store is and who it is."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def new_bucket(self) -> str:
        """An empty bucket's name."""
        name = f"bench-{uuid.uuid4().hex[:12]}"
        assert ask(self.port, "PUT", f"/{name}")[0] == 200
        self.requests.clear()
        return name

    def keys(self, bucket: str) -> list[str]:
        """What the bucket holds, as the store itself says."""
        _, body = ask(self.port, "GET", f"/{bucket}?list-type=2")
        return [part.partition("</Key>")[0] for part in body.decode().split("<Key>")[1:]]

    def get(self, bucket: str, key: str) -> bytes:
        """An object's content."""
        return ask(self.port, "GET", f"/{bucket}/{key}")[1]

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object behind the project's back."""
        assert ask(self.port, "PUT", f"/{bucket}/{key}", content)[0] == 200


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """One request, without a signature: the server does not look at them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def moto(log: Path) -> Iterator[int]:
    """Start the S3 server; its port."""
    port = _free_port()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not _answers(port):
            assert time.monotonic() < deadline, log.read_text()
            try:
                code = process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"the S3 server ended with {code}:\n{log.read_text()}")
        yield port
    finally:
        process.kill()
        process.wait()


@contextmanager
def network(store: int) -> Iterator[Network]:
    """A proxy in front of the store at this port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    server.daemon_threads = True
    server.store = store  # type: ignore[attr-defined]
    server.network = found = Network(server.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self) -> None:
        self._pass_on()

    do_GET = do_HEAD = do_DELETE = do_POST = do_PUT  # noqa: N815 - http.server's names

    def _pass_on(self) -> None:
        net: Network = self.server.network  # type: ignore[attr-defined]
        key = urllib.parse.unquote(self.path.partition("?")[0])
        net.requests.append((self.command, key))
        length = int(self.headers.get("Content-Length") or 0)
        if net.everything is not None:
            self.rfile.read(length)
            self._answer(net.everything, *refusal(net.everything))
            return
        fault: int | str | None = None
        if self.command == "GET" and net.gives_no_objects and key.endswith(".parquet"):
            fault = 403
        if self.command == "PUT" and net.faults and key.startswith(net.prefix):
            fault = net.faults.popleft()
        if fault == "cut":
            self.rfile.read(length // 2)
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if isinstance(fault, int):
            self._answer(fault, *refusal(fault))
            return
        status, headers, content = self._ask_store(body, ignore=net.ignores_conditions)
        if fault == "lost":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self._answer(status, headers, content)

    def _ask_store(self, body: bytes, *, ignore: bool) -> tuple[int, dict[str, str], bytes]:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in NOT_FORWARDED}
        if ignore:
            headers = {k: v for k, v in headers.items() if k.lower() != "if-none-match"}
        headers["Content-Length"] = str(len(body))
        store = self.server.store  # type: ignore[attr-defined]
        connection = http.client.HTTPConnection("127.0.0.1", store, timeout=30)
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, dict(answer.getheaders()), content
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in NOT_FORWARDED | {"date", "server"}:
                self.send_header(name, value)
        length = len(content)
        if self.command == "HEAD":
            length = int(headers.get("Content-Length") or headers.get("content-length") or 0)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Nothing: pytest shows what failed."""


class Folder:
    """Results in a folder, and the same done to it as to a bucket."""

    def __init__(self, path: Path) -> None:
        self.data = path

    def keys(self):
        files = (p for p in self.data.rglob("*.parquet"))
        return sorted(str(file.relative_to(self.data)) for file in files)

    def get(self, key):
        return (self.data / key).read_bytes()

    def put(self, key, content):
        (self.data / key).parent.mkdir(parents=True, exist_ok=True)
        (self.data / key).write_bytes(content)


class Bucket:
    """Results in a bucket, seen from behind the project's back."""

    def __init__(self, network, name, data):
        self.network, self.name, self.data = network, name, data

    def keys(self):
        found = [key.removeprefix("team/") for key in self.network.keys(self.name)]
        return sorted(key for key in found if key.endswith(".parquet"))

    def get(self, key):
        return self.network.get(self.name, f"team/{key}")

    def put(self, key, content):
        self.network.put(self.name, f"team/{key}", content)
        places.forget()


def refusal(status: int) -> tuple[dict[str, str], bytes]:
    """What S3 says with this status; with a 403 it repeats who asked, and what was signed."""
    code = {
        403: "SignatureDoesNotMatch",
        409: "ConditionalRequestConflict",
        412: "PreconditionFailed",
        503: "SlowDown",
    }.get(status, "InternalError")
    text = (
        f"<Error><Code>{code}</Code><AWSAccessKeyId>{KEY}</AWSAccessKeyId>"
        f"<StringToSign>{KEY} {SECRET}</StringToSign></Error>"
    )
    return {"Content-Type": "application/xml"}, text.encode()


def _answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/moto-api/data.json")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
