"""Pages of long readings are prepared in a process of their own: the same way, whatever becomes of that process."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import psutil
import pytest

from trunkline.mirror import workshop
from trunkline.mirror.catalog import RESOURCES
from trunkline.mirror.workshop import LARGE_PAGE, Workshop
from trunkline.servicetitan.errors import UnexpectedAnswer
from trunkline.store.rows import Difference

TENANT = 1_000_001
CUSTOMERS = next(one for one in RESOURCES if one.name == "customers")
FORMS = next(one for one in RESOURCES if one.feed is None)


def page(rows: int) -> bytes:
    """Customers, one of them twice and one of another shape than ever."""
    known = [
        {
            "id": 100 + row,
            "active": row % 7 > 0,
            "name": f"Customer {row}\t\\",
            "type": "Residential",
            "address": {"street": f"{row} Example Street", "city": "Springfield", "state": "OH", "zip": "45501"},
            "balance": row / 4,
            "modifiedOn": f"2026-03-02T15:00:{row % 60:02}Z",
        }
        for row in range(rows)
    ]
    rows_sent = [*known, {**known[0], "name": "Renamed", "modifiedOn": "2026-03-03T15:00:00Z"}, {"id": 7, "name": 7}]
    return msgspec.json.encode(rows_sent)


LARGE = page(2_000)


_left_by_others: set[int] = set()


def children() -> list[psutil.Process]:
    """Those of the present test: other files' tests may have left theirs to whoever collects garbage."""
    return [one for one in psutil.Process().children() if _prepares_pages(one) and one.pid not in _left_by_others]


def _prepares_pages(process: psutil.Process) -> bool:
    try:
        return "trunkline.mirror.workbench" in process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


async def land_outside(shop: Workshop, resource: workshop.Resource = CUSTOMERS) -> workshop.Landed:
    """Have a page prepared by the other process, which has to come up for it."""
    while not shop.ready():  # noqa: ASYNC110 - it is asked for with every page, and tells nobody
        await asyncio.sleep(0.01)
    return await shop.land(resource, LARGE, more=True)


def stored(landed: workshop.Landed) -> tuple[object, ...]:
    """What is stored of a page, whether or not it was compared with the contract."""
    return landed.staged, landed.read


def until_gone(process: psutil.Process) -> None:
    process.wait(10)


@pytest.fixture
def shop() -> Iterator[Workshop]:
    _left_by_others.update(one.pid for one in children())
    with closing(Workshop(TENANT, "US")) as made:
        yield made
    for process in children():
        until_gone(process)


@pytest.mark.parametrize("resource", [CUSTOMERS, FORMS], ids=lambda one: one.name)
async def test_a_page_is_the_same_wherever_it_was_prepared(shop: Workshop, resource: workshop.Resource) -> None:
    here = await shop.land(resource, LARGE, more=False)
    assert not children()
    assert stored(await shop.land(resource, LARGE, more=True)) == stored(here)  # the process is on its way
    assert await land_outside(shop, resource) == here
    assert len(children()) == 1
    assert here.staged.rows == 2_001
    assert here.drift


async def test_what_is_small_or_the_last_of_its_reading_stays_here(shop: Workshop) -> None:
    small = page(20)
    assert len(small) < LARGE_PAGE < len(LARGE)
    assert (await shop.land(CUSTOMERS, small, more=True)).staged.rows == 21
    assert (await shop.land(CUSTOMERS, LARGE, more=False)).staged.rows == 2_001
    assert not children()


async def test_a_page_that_is_cut_off_is_told_of_over_there_too(shop: Workshop) -> None:
    await land_outside(shop)
    with pytest.raises(UnexpectedAnswer, match="cannot be read"):
        await shop.land(CUSTOMERS, LARGE[:-9], more=True)
    assert await land_outside(shop)
    assert len(children()) == 1


async def test_of_large_pages_the_first_is_compared_with_the_contract_and_then_every_tenth(shop: Workshop) -> None:
    pages = [await land_outside(shop) for _ in range(12)]
    assert [number for number, landed in enumerate(pages) if landed.drift] == [0, 10]
    assert pages[0].drift[Difference("createdOn", "missing")] == 201  # every tenth row of 2,002
    small = await shop.land(CUSTOMERS, page(20), more=True)
    assert small.drift[Difference("createdOn", "missing")] == 22


async def test_where_the_process_was_killed_the_page_is_prepared_all_the_same(shop: Workshop) -> None:
    whole = await land_outside(shop)
    (process,) = children()
    process.kill()
    until_gone(process)
    assert stored(await shop.land(CUSTOMERS, LARGE, more=True)) == stored(whole)
    assert await land_outside(shop) == whole
    assert [one.pid for one in children()] != [process.pid]


async def test_where_the_process_was_killed_while_it_came_up_another_does(shop: Workshop) -> None:
    whole = await shop.land(CUSTOMERS, LARGE, more=True)
    while not children():  # noqa: ASYNC110 - it is begun by a thread
        await asyncio.sleep(0.01)
    (process,) = children()
    process.kill()
    assert stored(await land_outside(shop)) == stored(whole)  # by nobody else, since there was none
    assert await land_outside(shop) == whole
    assert [one.pid for one in children()] != [process.pid]


async def test_after_a_while_without_pages_the_process_ends(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    await land_outside(shop)
    (process,) = children()
    monkeypatch.setattr(workshop, "IDLE_S", 0.1)
    await land_outside(shop)
    await asyncio.to_thread(until_gone, process)
    assert (await land_outside(shop)).staged.rows == 2_001


_LEFT_ALONE = f"""
import asyncio, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_mirror_workshop import children, land_outside
from trunkline.mirror.workshop import Workshop
if __name__ == "__main__":
    asyncio.run(land_outside(Workshop(1, "US")))
    print(children()[0].pid, flush=True)
    time.sleep(60)
"""


def test_it_ends_with_the_process_that_began_it_however_that_ends(tmp_path_factory: pytest.TempPathFactory) -> None:
    script = tmp_path_factory.mktemp("alone") / "alone.py"
    script.write_text(_LEFT_ALONE)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        assert process.nice() > psutil.Process().nice()
        parent.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.05)
