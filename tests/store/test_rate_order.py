"""One budget of requests for three processes: what a call waits for goes before the mirror, and neither starves."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process

from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.store.rate import KEPT_BEHIND, PLACES

URGENT = 200

# One process: tasks that ask ServiceTitan for a row, one after the other, as many as it is to make or until the process
# is killed.
_WORKER = """
import asyncio, sys
import httpx
from trunkline.servicetitan import Credentials, Environment, ServiceTitan
from trunkline.store.database import Database
from trunkline.store.rate import RequestPlaces

async def main(url, sandbox, behind, most):
    database = await Database.open(url, min_size=2, max_size=4)
    places = RequestPlaces(database, "app", behind=behind)
    async with httpx.AsyncClient() as http:
        credentials = Credentials("cid.example", "cs1.example-secret", "ak1.example")
        client = ServiceTitan(Environment.at(sandbox), 1000001, credentials, limiter=places, http=http)
        left = iter(range(most))
        async def ask():
            for _ in left:
                await client.call("crm.customers.list", pageSize=1)
        await client.granted()
        print("ready", flush=True)
        await asyncio.gather(*(ask() for _ in range(16)))
    await database.close()

asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3] == "behind", int(sys.argv[4])))
"""


async def _started(database_url: str, server: SandboxServer, order: str, most: int) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WORKER, database_url, server.base_url, order, str(most), stdout=PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def _answered(server: SandboxServer, number: int) -> None:
    while server.sandbox.statuses[200] < number:  # noqa: ASYNC110 - the sandbox counts, it does not tell
        await asyncio.sleep(0.01)


async def test_three_processes_share_one_budget_and_the_mirror_stands_behind(database_url: str) -> None:
    async with SandboxServer(SandboxOptions(customers=10)) as server:
        mirrors = [await _started(database_url, server, "behind", 1_000_000) for _ in range(2)]
        await _answered(server, 2 * PLACES)  # they have taken all there is, and want more
        logbook = await _started(database_url, server, "first", URGENT)
        before = server.sandbox.statuses[200]
        assert await logbook.wait() == 0
        of_mirrors = server.sandbox.statuses[200] - before - URGENT
        after = server.sandbox.statuses[200]
        await _answered(server, after + PLACES)  # alone again, they have all
        assert [mirror.returncode for mirror in mirrors] == [None, None], "a request was refused"
        for mirror in mirrors:
            mirror.kill()
            await mirror.wait()
    # In turn, the two had made twice as many requests as the one meanwhile.
    assert KEPT_BEHIND <= of_mirrors <= PLACES + URGENT * KEPT_BEHIND / (PLACES - KEPT_BEHIND) * 3
    assert server.sandbox.statuses[429] == 0
    assert server.sandbox.most_per_second <= PLACES
