"""Decisions come along with a number's facts: in the same statement, by an index, whatever else there is."""

from datetime import UTC, datetime

import pytest
from psycopg import AsyncConnection

from trunkline.domain.decisions import DecisionKind, Owner, OwnerKind
from trunkline.store import decisions as rows
from trunkline.store.caller import NumberLookup
from trunkline.store.database import Database

TENANT = 1_000_001
NUMBERS = [f"+1437555{n:04}" for n in range(100, 140)]
SITE, JANE = Owner(OwnerKind.LOCATION, 70), Owner(OwnerKind.CUSTOMER, 7)


async def decide(connection: AsyncConnection, number: str, owner: Owner, kind: DecisionKind) -> None:
    await rows.put(connection, TENANT, number, owner, kind=kind, by="Dana", keeper=None)


async def test_each_of_many_numbers_gets_its_own_decisions_the_oldest_first(database: Database) -> None:
    async with database.connection() as connection:
        await decide(connection, NUMBERS[3], JANE, DecisionKind.DIRECT_LINE)
        await decide(connection, NUMBERS[3], SITE, DecisionKind.MOVED_AWAY)
        await decide(connection, NUMBERS[5], JANE, DecisionKind.MOVED_AWAY)
        await rows.withdraw(connection, TENANT, NUMBERS[5], JANE)
    facts = await NumberLookup(database).facts(TENANT, NUMBERS, timezone="UTC")
    assert [decision.owner for decision in facts[NUMBERS[3]].decisions] == [JANE, SITE]
    assert {number for number, found in facts.items() if found.decisions} == {NUMBERS[3]}


async def test_a_location_leads_to_the_customer_it_belongs_to_today(database: Database) -> None:
    async with database.connection() as connection:
        for customer_id, merged_to in ((7, 8), (8, None)):
            await connection.execute(
                "insert into mirror.customers (tenant_id, id, name, active, merged_to_id, modified_on)"
                " values (%s, %s, 'x', true, %s, now())",
                (TENANT, customer_id, merged_to),
            )
        await connection.execute(
            "insert into mirror.locations (tenant_id, id, customer_id, name, active, modified_on)"
            " values (%s, 70, 7, 'x', true, now())",
            (TENANT,),
        )
        for owner in (SITE, JANE, Owner(OwnerKind.LOCATION, 71), Owner(OwnerKind.NUMBER, 0)):
            await decide(connection, NUMBERS[0], owner, DecisionKind.SPAM)
    facts = await NumberLookup(database).facts(TENANT, NUMBERS[:1], timezone="UTC")
    assert [decision.customer_id for decision in facts[NUMBERS[0]].decisions] == [8, 8, None, None]


async def test_a_number_without_decisions_costs_one_probe_of_an_index(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "insert into calls.number_decisions"
            " (tenant_id, number, owner_kind, owner_id, kind, decided_by, decided_at, copy)"
            " select %s, '+1' || n, 'number', 0, 'spam', 'Dana', %s, 'local' from generate_series(1, 5000) n",
            (TENANT, datetime.now(UTC)),
        )
        await connection.execute("analyze calls.number_decisions")
        before = await _scans(connection)
        cursor = await connection.execute("select calls.decisions_about(%s, %s)", (TENANT, NUMBERS[:1]))
        assert await cursor.fetchone() == (None,)
        after = await _scans(connection)
    assert tuple(now - then for now, then in zip(after, before, strict=True)) == (0, 1, 0)


async def _scans(connection: AsyncConnection) -> tuple[int, int, int]:
    """How often the table was read through, probed by an index, and how many of its rows were looked at."""
    await connection.execute("select pg_stat_force_next_flush()")
    cursor = await connection.execute(
        "select seq_scan, idx_scan, idx_tup_fetch from pg_stat_user_tables where relname = 'number_decisions'"
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("copy", ["pending", "written", "failed"])
async def test_undoing_what_may_stand_in_servicetitan_keeps_the_row_until_it_is_gone(
    database: Database, copy: str
) -> None:
    async with database.connection() as connection:
        await rows.put(connection, TENANT, NUMBERS[0], JANE, kind=DecisionKind.DIRECT_LINE, by="Dana", keeper=JANE)
        await connection.execute("update calls.number_decisions set attempts = 1, copy = %s", (copy,))
        assert await rows.withdraw(connection, TENANT, NUMBERS[0], JANE)
        assert await rows.about(connection, TENANT, NUMBERS[0]) == []
        (due,) = await rows.take_due(connection, TENANT, limit=10)
        assert due.withdrawn
        await rows.copied(connection, TENANT, [due])
        cursor = await connection.execute("select count(*) from calls.number_decisions")
        assert await cursor.fetchone() == (0,)
