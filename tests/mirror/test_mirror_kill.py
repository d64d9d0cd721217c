"""A sync that is killed at any point goes on where it was, and what it leaves is whole."""

from pathlib import Path

import pytest
from mirror_commands import run
from whole_servicetitan import ROWS, copy_of

from trunkline.faultpoints import FAULT_POINTS
from trunkline.store.database import Database

KILLED = -9
NAMES = ("customers", "invoices", "zones", "job_history")


@pytest.mark.parametrize("passage", [1, 4, 7])
@pytest.mark.parametrize("point", [point for point in FAULT_POINTS if point.startswith("mirror.")])
async def test_a_kill_loses_nothing_and_leaves_nothing_half(
    database: Database, database_url: str, tmp_path: Path, point: str, passage: int
) -> None:
    async with copy_of(database, *NAMES) as it:
        url = it.servicetitan.base_url
        status, _ = await run(tmp_path, database_url, url, "sync", *NAMES, fault=f"{point}@{passage}:kill")
        assert status == KILLED
        tokens = await it.fetch("select feed, continue_from from mirror.feeds where feed in ('customers', 'invoices')")
        counts = dict(await it.fetch("select 'customers', count(*) from servicetitan.customers"))
        counts |= dict(await it.fetch("select 'invoices', count(*) from servicetitan.invoices"))
        for feed, token in tokens:
            assert token == f"token:{counts[feed]}"
        it.servicetitan.asked.clear()
        assert (await run(tmp_path, database_url, url, "sync", *NAMES))[0] == 0
        first = {one.resource: one.query.get("from") for one in reversed(it.servicetitan.asked)}
        assert {name: first[name] for name, _ in tokens} == dict(tokens)
        for name in NAMES:
            assert await it.fetch(f"select count(*) from servicetitan.{name}") == [(ROWS,)]
        assert {name: state.rows_held for name, state in (await it.states()).items()} == dict.fromkeys(NAMES, ROWS)
        assert await it.fetch("select count(*) from mirror.reading") == [(0,)]
