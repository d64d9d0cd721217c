"""Phone lookup over HTTP, beside an endpoint of the same server that answers a constant."""

import random
from collections.abc import Iterator
from functools import partial
from statistics import median

from bench import load
from bench.report import Figure, at_least, under
from bench.stand import CALLER_ID, Served, number_of, percentile, say

CONNECTIONS = 16
DESKS = 8
ROUNDS = 3
SECONDS = 3.0


def _paths(customers: int) -> list[str]:
    dice = random.Random(5)
    return [f"/api/v1/lookup?number={number_of(dice.randrange(customers))}" for _ in range(4000)]


def _questions(port: int, customers: int) -> Iterator[bytes]:
    """What an Asterisk asks while a phone rings."""
    dice = random.Random(6)
    while True:
        number = number_of(dice.randrange(customers))
        yield (
            f"GET /caller-id/asterisk?number={number} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {CALLER_ID}\r\n\r\n"
        ).encode()


def one_by_one_p50_ms(served: Served, customers: int) -> float:
    """Median time of a lookup over one connection, in ms."""
    say(f"Looking numbers up among {customers:,} customers")
    paths = _paths(customers)
    load.run(served.port, paths, connections=1, seconds=1.0)
    loads = [load.run(served.port, paths, connections=1, seconds=SECONDS) for _ in range(ROUNDS)]
    return 1000 * median(percentile(one.latencies, 50) for one in loads)


def measure(served: Served, customers: int) -> list[Figure]:
    """Requests per second beside the constant, and the slowest hundredth, over 16 connections."""
    say(f"Looking numbers up over {CONNECTIONS} connections, beside a constant")
    paths = _paths(customers)
    load.run(served.port, paths, connections=CONNECTIONS, seconds=1.0)
    ask = partial(load.run, served.port, connections=CONNECTIONS, seconds=SECONDS)
    constants, lookups = load.alternate([partial(ask, ["/api/v1/ping"]), partial(ask, paths)], ROUNDS)
    constant, lookup = (median(one.per_second for one in kept) for kept in (constants, lookups))
    p99_ms = 1000 * median(percentile(one.latencies, 99) for one in lookups)
    asked = load.send(served.port, _questions(served.port, customers), connections=DESKS, seconds=SECONDS)
    named_ms = 1000 * percentile(asked.latencies, 99)
    return [
        under(f"a name for a phone's display, {DESKS} at a time, p99", named_ms, "ms", 10),
        at_least("phone lookup over HTTP", lookup, "requests/s", f"a constant: {constant:,.0f} requests/s",
                 ratio=lookup / constant, bar=0.5),
        under(f"phone lookup, {CONNECTIONS} connections, p99", p99_ms, "ms", 10),
    ]  # fmt: skip


def growth(small_ms: float, large_ms: float) -> Figure:
    """How much slower a lookup is in a large mirror."""
    peer = f"10,000 customers: {small_ms:.3g} ms"
    return Figure("phone lookup p50 with 1,000,000 customers", large_ms, "ms", peer, large_ms / small_ms, "<= 1.5")
