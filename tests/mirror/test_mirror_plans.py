"""A ring's lookup reads no more than what it needs of its indexes, also while a first copy fills empty tables."""

import asyncio
from typing import Any, LiteralString

import pytest
from mirror_shop import FIRST, TENANT, shop

from trunkline.store.caller import NumberLookup
from trunkline.store.database import Database

FEW = 100  # entries of an index: a customer of the sandbox has some houses, numbers, jobs and visits


async def value(database: Database, statement: LiteralString) -> Any:
    async with database.connection() as connection:
        cursor = await connection.execute(statement, {"tenant": TENANT, "customer": FIRST + 700})
        found = await cursor.fetchone()
        return found[0] if found else None


async def sessions(database: Database) -> int:
    return int(
        await value(
            database,
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and backend_type = 'client backend'",
        )
    )


async def sync(database: Database, database_url: str) -> None:
    """A first copy. With the ends of its sessions the server has counted all that they read."""
    others = await sessions(database)
    syncing = await Database.open(database_url)
    async with shop(syncing, customers=1_500, page_size=200) as it:  # pages that are prepared here
        await it.sync_well()
    await syncing.close()
    while await sessions(database) > others:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.05)


async def entries_read(database: Database) -> dict[str, int]:
    """How many entries of each of the mirror's indexes were read since the counts began."""
    async with database.connection() as connection:
        cursor = await connection.execute(
            "select indexrelname, idx_tup_read from pg_stat_user_indexes where schemaname = 'mirror' and idx_scan > 0"
        )
        return dict(await cursor.fetchall())


@pytest.mark.parametrize("looked_at_while_empty", [True, False])
async def test_a_lookup_that_was_planned_on_empty_tables_reads_few_entries_of_full_ones(
    database: Database, database_url: str, *, looked_at_while_empty: bool
) -> None:
    if looked_at_while_empty:
        async with database.connection() as connection:
            await connection.execute("analyze")
    lookup = NumberLookup(database)
    await lookup.open()
    await sync(database, database_url)
    number = await value(
        database,
        "select min(number) from mirror.phone_index"
        " where tenant_id = %(tenant)s and owner_kind = 'customer' and owner_id = %(customer)s",
    )
    await value(database, "select pg_stat_reset()")
    asked = 0
    read: dict[str, int] = {}
    async with asyncio.timeout(20):
        while not any("phone_index" in name for name in read):  # the server counts about once a second
            facts = await lookup.facts(TENANT, [number], timezone="UTC")
            assert facts[number].customers
            asked += 1
            await asyncio.sleep(0.2)
            read = await entries_read(database)
    assert {name: times for name, times in read.items() if times > FEW * asked} == {}
