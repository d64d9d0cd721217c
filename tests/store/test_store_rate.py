"""The request limit, with real processes on one database."""

import asyncio
import json
import subprocess
import sys
import time

import pytest

from trunkline.store.database import Database, DatabaseUnavailable
from trunkline.store.rate import RequestSlots

_LIMIT = 60

# One process: 16 tasks that take slots as fast as they get them until the given time, then print when each was let go.
_HAMMER = """
import asyncio, json, sys, time
from trunkline.store.database import Database
from trunkline.store.rate import RequestSlots

async def main(url, start, seconds):
    database = await Database.open(url, min_size=2, max_size=4)
    slots, times = RequestSlots(database, "app"), []
    async def take():
        while True:
            await slots.acquire(1000001)
            if (now := time.time()) >= start + seconds:
                return
            times.append(now)
    await asyncio.sleep(max(0, start - time.time()))
    await asyncio.gather(*(take() for _ in range(16)))
    await database.close()
    print(json.dumps(times))

asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
"""


def _most_in_a_second(times: list[float]) -> int:
    times = sorted(times)
    first, most = 0, 0
    for last, moment in enumerate(times):
        while moment - times[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_no_second_holds_more_than_the_limit_whatever_the_number_of_processes(database_url: str) -> None:
    seconds = 2.5
    start = time.time() + 1.0
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _HAMMER, database_url, str(start), str(seconds)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=30)[0] for process in processes]
    times = [moment for answer in answers for moment in json.loads(answer)]

    assert all(process.returncode == 0 for process in processes)
    assert all(json.loads(answer) for answer in answers), "a process was starved"
    assert _most_in_a_second(times) <= _LIMIT
    # Nearly every slot is used, also on a machine that is busy with other things.
    assert len(times) - 1 >= 0.8 * 58 * (max(times) - min(times))


async def test_apps_and_tenants_have_slots_of_their_own(database: Database) -> None:
    apps = [RequestSlots(database, f"app-{number}", per_second=0.01) for number in range(2)]
    async with asyncio.timeout(5):
        for app in apps:
            await app.acquire(1000001)
            await app.acquire(1000002)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await apps[0].acquire(1000001)


async def test_a_request_that_missed_its_slot_takes_another(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = RequestSlots(database, "app", per_second=5)
    await slots.acquire(1000001)
    sleep = asyncio.sleep
    waits: list[float] = []

    async def late_once(seconds: float) -> None:
        waits.append(seconds)
        await sleep(seconds + (0.05 if len(waits) == 1 else 0))

    monkeypatch.setattr("trunkline.store.rate.asyncio.sleep", late_once)
    await slots.acquire(1000001)
    assert len(waits) >= 2


async def test_without_a_database_no_request_goes(database_url: str) -> None:
    database = await Database.open(database_url.replace("/test_", "/absent_"), min_size=0, max_size=1)
    database._pool.timeout = 0.2
    with pytest.raises(DatabaseUnavailable):
        await RequestSlots(database, "app").acquire(1000001)
    await database.close()
