"""From an AMI event on the socket to the card in a client's stream."""

import asyncio
import random
import re
import time

import httpx

from bench.report import Figure, under
from bench.stand import Served, number_of, percentile, say
from trunkline.sandbox.asterisk import AmiServer, PlayedCall, play

CALLS = 300
CALLS_PER_S = 20
_CARD = re.compile(rb'<article[^>]*id="call-(\d+)"')


async def measure(served: Served, ami: AmiServer, customers: int) -> list[Figure]:
    """Play calls at a steady rate; each is timed from its first event to its card."""
    say(f"Playing {CALLS} calls, {CALLS_PER_S} a second, with {customers:,} customers in the mirror")
    await asyncio.wait_for(ami.logged_in.wait(), 30)
    seen: dict[int, float] = {}
    watching = asyncio.Event()
    watcher = asyncio.create_task(_watch(served.url, seen, watching))
    await watching.wait()
    await _play(ami, customers, 20)
    played = await _play(ami, customers, CALLS)
    await asyncio.sleep(2)
    watcher.cancel()
    keys = await _call_keys(served.url)
    began = {call.linkedid: call.began for call in played}
    pops = [1000 * (at - began[keys[call_id]]) for call_id, at in seen.items() if keys.get(call_id) in began]
    if len(pops) < len(played):
        raise RuntimeError(f"Only {len(pops)} of {len(played)} calls popped.")
    return [
        under(f"AMI event to SSE bytes, p{share}", percentile(pops, share), "ms", limit)
        for share, limit in ((50, 25), (99, 25))
    ]


async def _play(ami: AmiServer, customers: int, count: int) -> list[PlayedCall]:
    dice = random.Random(count)
    tasks = []
    due = time.perf_counter()
    for _ in range(count):
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        due += 1 / CALLS_PER_S
        caller = number_of(dice.randrange(customers))
        scenario = dice.choice(("direct", "queue_answered", "missed"))
        tasks.append(asyncio.create_task(play(ami, scenario, caller=caller, pace=0.3)))
    return await asyncio.gather(*tasks)


async def _watch(url: str, seen: dict[int, float], watching: asyncio.Event) -> None:
    timeout = httpx.Timeout(5.0, read=None)
    async with httpx.AsyncClient(timeout=timeout) as http, http.stream("GET", f"{url}/stream") as stream:
        rest = b""
        async for piece in stream.aiter_raw():  # no more than a socket costs: the time of this very process counts, too
            watching.set()
            at = time.perf_counter()
            rest += piece
            for found in _CARD.finditer(rest):
                seen.setdefault(int(found[1]), at)
            rest = rest[rest.rfind(b"\n") + 1 :]


async def _call_keys(url: str) -> dict[int, str]:
    keys: dict[int, str] = {}
    async with httpx.AsyncClient() as http:
        before = None
        while True:
            query = {"limit": 200} | ({"before": before} if before else {})
            page = (await http.get(f"{url}/api/v1/calls", params=query)).json()
            keys |= {call["id"]: call["call"]["call_key"] for call in page["calls"]}
            if (before := page["next"]) is None:
                return keys
