"""A load generator that costs far less than what it measures: plain HTTP/1.1 over kept-alive connections."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import uvloop


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
    requests = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode() for path in paths]
    return send(port, itertools.cycle(requests), connections=connections, seconds=seconds)


def send(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
    """As :func:`run`, for whole requests; there must be enough of them."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(port, requests, connections, seconds))


async def _run(port: int, requests: Iterator[bytes], connections: int, seconds: float) -> Load:
    load = Load()
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    askers = [_Asker(requests, load.latencies, began + seconds, loop.create_future()) for _ in range(connections)]
    for asker in askers:
        await loop.create_connection(lambda asker=asker: asker, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(asker.done for asker in askers))
    load.seconds = time.perf_counter() - began
    return load


class _Asker(asyncio.Protocol):
    """One connection."""

    def __init__(
        self, requests: Iterator[bytes], latencies: list[float], until: float, done: "asyncio.Future[None]"
    ) -> None:
        self._requests = requests
        self._latencies = latencies
        self._until = until
        self.done = done
        self._received = b""
        self._length = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._ask()

    def _ask(self) -> None:
        self._received, self._length = b"", 0
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._length:
            head, end, _ = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 20"):
                self.done.set_exception(RuntimeError(f"The server answered {head[:40]!r}."))
                return
            self._length = len(head) + len(end) + int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        if len(self._received) < self._length:
            return
        now = time.perf_counter()
        self._latencies.append(now - self._sent)
        if now < self._until:
            self._ask()
        else:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError("The server closed the connection."))


def alternate(measures: Sequence[Callable[[], Load]], rounds: int) -> list[list[Load]]:
    """Take each measure in turn, round after round, so that a noisy machine disturbs all alike."""
    results: list[list[Load]] = [[] for _ in measures]
    for _ in range(rounds):
        for measure, kept in zip(measures, results, strict=True):
            kept.append(measure())
    return results
