"""A load generator that costs less than what it measures: plain HTTP/1.1 over kept-alive connections."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came of it: how long each request took (seconds), and how long all took."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds


def run(port: int, paths: Sequence[str], *, connections: int, seconds: float) -> Load:
    """Ask for `paths` in turn over so many connections, each asking again as soon as it was answered."""
    return asyncio.run(_run(port, paths, connections, seconds))


async def _run(port: int, paths: Sequence[str], connections: int, seconds: float) -> Load:
    requests = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode() for path in paths]
    turn = iter(range(10**9))
    load = Load()
    began = time.perf_counter()
    until = began + seconds

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (sent := time.perf_counter()) < until:
            writer.write(requests[next(turn) % len(requests)])
            await _answer(reader)
            load.latencies.append(time.perf_counter() - sent)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(connections)))
    load.seconds = time.perf_counter() - began
    return load


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"The server answered {head[:40]!r}.")
    start = head.index(b"content-length:") + len(b"content-length:")
    await reader.readexactly(int(head[start : head.index(b"\r", start)]))


def alternate(measures: Sequence[Callable[[], Load]], rounds: int) -> list[list[Load]]:
    """Take each measure in turn, round after round, so that a noisy machine disturbs all alike."""
    results: list[list[Load]] = [[] for _ in measures]
    for _ in range(rounds):
        for measure, kept in zip(measures, results, strict=True):
            kept.append(measure())
    return results
