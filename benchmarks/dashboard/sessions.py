"""Many readers at once, as websocket clients that say what browsers say.

Each has a session of its own, changes a control, waits for the run to end, thinks, and goes on.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from benchmarks.dashboard.messages import Conversation, SessionFailed, Value

PATIENCE_S = 60.0
# What a server loads once counts as nobody's memory. A proxy deals readers out by a cookie: of so
# many, each of two servers has one, but for one time in 128.
WARM_UP_READERS = 8
# What readers change, and to what; of a menu or a row of buttons any other option.
CHANGES: dict[str, tuple[Value, ...]] = {
    "show": (),
    "search": ("", "resnet", "convnext", "vit_", "eva02", "mobilenet", "efficientnet"),
    "max_ms": (None, 0.1, 0.2, 0.5, 1.0, 2.0),
    "min_top1": (None, 70.0, 75.0, 80.0, 85.0),
}
# Of ten changes that a reader makes, one is to another results set.
ANOTHER_SET = 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the servers.

    Attributes:
        sessions: readers at a time, dealt out over the addresses in turn.
        think_s: mean pause between the end of a run and the next change; even between half and
            one and a half of it.
        duration_s: how long changes are made, once every session is open.
        seed: of what readers choose.
    """

    sessions: int = 100
    think_s: float = 10.0
    duration_s: float = 120.0
    seed: int = 1


@dataclass
class Outcome:
    """What the readers saw.

    Attributes:
        opened_s: first runs: from the request to the end of the script.
        rerun_s: the same of every change, in seconds.
        failures: why sessions ended early.
        bytes_per_rerun: mean size of what the server sent for a change.
    """

    opened_s: list[float] = field(default_factory=list)
    rerun_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    received_bytes: int = 0
    held: int = 0
    server_cpu_share: float | None = None
    bytes_per_session: float | None = None

    @property
    def bytes_per_rerun(self) -> float:
        """Mean size of what came for a change."""
        return self.received_bytes / max(1, len(self.rerun_s))


class Reader:
    """One open session: its connection, and what its controls say."""

    def __init__(self, connection: ClientConnection, url: str, choice: random.Random) -> None:
        self.connection = connection
        self.conversation = Conversation(url)
        self.choice = choice

    async def run(self, changes: Mapping[str, Value] | None = None) -> float:
        """Ask for the page with these changes; returns seconds until its script ended."""
        start = time.perf_counter()
        await self.connection.send(self.conversation.rerun(changes or {}))
        async with asyncio.timeout(PATIENCE_S):
            while not self.conversation.hear(_binary(await self.connection.recv())):
                pass
        return time.perf_counter() - start

    def change(self) -> dict[str, Value]:
        """One control set to another value, as a reader would."""
        key = "set" if self.choice.random() < ANOTHER_SET else self.choice.choice(list(CHANGES))
        control = self.conversation.controls[key]
        values: Sequence[Value] = CHANGES.get(key, ()) or control.options
        if control.kind == "button_group":
            values = [[str(value)] for value in values]
        return {key: self.choice.choice([value for value in values if value != control.value])}


def _binary(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


async def open_reader(url: str, choice: random.Random) -> Reader:
    """A connection to the page's server, with the cookies that its front page sets.

    A proxy that keeps a reader on one server does so by a cookie.
    """
    address = urlsplit(url)
    cookies = await asyncio.to_thread(_cookies, url)
    secure = "wss" if address.scheme == "https" else "ws"
    connection = await connect(
        f"{secure}://{address.netloc}{address.path.rstrip('/')}/_stcore/stream",
        origin=f"{address.scheme}://{address.netloc}",  # type: ignore[arg-type]
        subprotocols=["streamlit"],  # type: ignore[list-item]
        additional_headers={"Cookie": cookies} if cookies else None,
        compression=None,
        max_size=None,
        open_timeout=PATIENCE_S,
    )
    return Reader(connection, url, choice)


def _cookies(url: str) -> str:
    jar = CookieJar()
    with build_opener(HTTPCookieProcessor(jar)).open(url, timeout=PATIENCE_S) as answer:
        answer.read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


async def hold(urls: Sequence[str], load: Load, pids: Sequence[int] = ()) -> Outcome:
    """Open the sessions one after another, then let all change controls for the duration.

    Args:
        urls: where the dashboard is; several are dealt out in turn.
        load: how much.
        pids: of the servers, where they are on this machine, for memory and processor time.
    """
    outcome = Outcome()
    servers = [psutil.Process(pid) for pid in pids]
    async with AsyncExitStack() as stack:
        readers, before, warm = await _open(urls, load, outcome, servers, stack)
        cpu_before, start = _cpu_s(servers), time.perf_counter()
        outcome.received_bytes = -sum(one.conversation.received_bytes for one in readers)
        await asyncio.gather(*(_read(one, load, outcome) for one in readers))
        outcome.received_bytes += sum(one.conversation.received_bytes for one in readers)
        if servers:
            wall_s = time.perf_counter() - start
            outcome.server_cpu_share = (_cpu_s(servers) - cpu_before) / wall_s
            if len(readers) > warm:
                others = len(readers) - warm
                outcome.bytes_per_session = (_memory_bytes(servers) - before) / others
    return outcome


async def _open(
    urls: Sequence[str],
    load: Load,
    outcome: Outcome,
    servers: Sequence[psutil.Process],
    stack: AsyncExitStack,
) -> tuple[list[Reader], int, int]:
    """Open every session.

    Returns them, and the servers' memory once they were warm, with how many were open then.
    """
    readers: list[Reader] = []
    before = warm = 0
    seeds = random.Random(load.seed)  # noqa: S311 - readers, not secrets
    for number in range(load.sessions):
        if number == max(len(urls), WARM_UP_READERS):
            before, warm = _memory_bytes(servers), len(readers)
        choice = random.Random(seeds.random())  # noqa: S311 - as above
        try:
            reader = await open_reader(urls[number % len(urls)], choice)
            stack.push_async_callback(reader.connection.close)
            outcome.opened_s.append(await reader.run())
        except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake, SessionFailed) as error:
            outcome.failures.append(f"not opened: {type(error).__name__}: {error}")
            continue
        readers.append(reader)
    return readers, before, warm or len(readers)


async def _read(reader: Reader, load: Load, outcome: Outcome) -> None:
    """One reader's time: think, change, wait, until the time is up."""
    end = time.monotonic() + load.duration_s
    # Nobody starts in step with the others.
    pause = reader.choice.random() * load.think_s
    try:
        while time.monotonic() + pause < end:
            await asyncio.sleep(pause)
            outcome.rerun_s.append(await reader.run(reader.change()))
            pause = (0.5 + reader.choice.random()) * load.think_s
    except (OSError, TimeoutError, ConnectionClosed, SessionFailed) as error:
        outcome.failures.append(f"{type(error).__name__}: {error}")
        return
    outcome.held += 1


def _cpu_s(servers: Sequence[psutil.Process]) -> float:
    times = [server.cpu_times() for server in servers]
    return sum(one.user + one.system for one in times)


def _memory_bytes(servers: Sequence[psutil.Process]) -> int:
    return sum(server.memory_info().rss for server in servers)
