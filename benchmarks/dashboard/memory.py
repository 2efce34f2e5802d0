"""One reader who does not go away: the server's memory over a thousand changes."""

import random
from dataclasses import dataclass

import psutil

from benchmarks.dashboard import figures
from benchmarks.dashboard.sessions import open_reader

SAMPLE_EVERY = 25
# Until then caches fill up to their limits and the allocator finds its size.
SETTLING_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Growth:
    """A server's memory over the reruns of one session.

    Attributes:
        reruns: after how many reruns each sample was taken.
        resident_bytes: the samples.
    """

    reruns: list[int]
    resident_bytes: list[int]

    @property
    def settled(self) -> tuple[list[int], list[int]]:
        """The samples after the server has settled."""
        first = int(len(self.reruns) * SETTLING_SHARE)
        return self.reruns[first:], self.resident_bytes[first:]

    @property
    def bytes_per_rerun(self) -> tuple[float, float]:
        """The slope after settling, with its standard error."""
        return figures.slope(*self.settled)

    @property
    def share(self) -> float:
        """How much larger the server was at the end than settled, as a share."""
        slope, _ = self.bytes_per_rerun
        reruns, resident = self.settled
        return slope * (reruns[-1] - reruns[0]) / resident[0]


async def watch(url: str, pid: int, reruns: int, seed: int = 1) -> Growth:
    """Let one session change controls without a pause, and note its server's memory.

    Raises what `sessions.Reader.run` raises.
    """
    server = psutil.Process(pid)
    reader = await open_reader(url, random.Random(seed))  # noqa: S311 - a reader, not a secret
    growth = Growth([], [])
    try:
        await reader.run()
        for number in range(1, reruns + 1):
            await reader.run(reader.change())
            if number % SAMPLE_EVERY == 0:
                growth.reruns.append(number)
                growth.resident_bytes.append(server.memory_info().rss)
    finally:
        await reader.connection.close()
    return growth
