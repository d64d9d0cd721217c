"""Removing a tenant erases all there is of it, and nothing of anybody else."""

import asyncio

import psycopg
import pytest
from tenants_kit import FORM, OTHER, TENANT, changed, rows

from trunkline.settings import Settings
from trunkline.store.database import Database
from trunkline.tenants.registry import TenantRegistry, mirror_lock

_TABLES = (
    "select table_schema || '.' || table_name from information_schema.columns"
    " where column_name = 'tenant_id' and table_schema in ('mirror', 'calls', 'logbook', 'ops')"
    " and (select relkind in ('r', 'p') and not relispartition from pg_class"
    " where oid = (table_schema || '.' || table_name)::regclass)"
)


_NAMED = ("customers", "technicians", "employees", "business_units", "job_types", "tag_types", "campaigns")
_ROWS = {
    **{f"mirror.{table}": "id, active, name, modified_on: 1, true, 'x', now()" for table in _NAMED},
    "mirror.locations": "id, customer_id, active, name, modified_on: 1, 1, true, 'x', now()",
    "mirror.contacts": "owner_kind, id, owner_id, active, type, modified_on: 'customer', 1, 1, true, 'Phone', now()",
    "mirror.phone_index": (
        "number, owner_kind, owner_id, source_id, certainty: "
        "'+14375550142', 'customer', 1, 1, 'known'"
    ),
    "mirror.jobs": (
        "id, active, job_number, customer_id, job_status, is_open, modified_on: "
        "1, true, '1', 1, '', true, now()"
    ),
    "mirror.appointments": (
        "id, job_id, active, status, starts_at, ends_at, modified_on: "
        "1, 1, true, '', now(), now(), now()"
    ),
    "mirror.appointment_assignments": (
        "id, active, appointment_id, job_id, technician_id, modified_on: "
        "1, true, 1, 1, 1, now()"
    ),
    "mirror.calls": "id, active, modified_on: 1, true, now()",
    "mirror.feeds": "feed: 'customers'",
    "mirror.rows": "resource, id, active, row: 'leads', '1', true, '{}'",
    "mirror.reading": "resource, id: 'leads', '1'",
    "mirror.drift": (
        "resource, field, kind, detail, first_seen, last_seen, times: "
        "'leads', 'x', 'field', '', now(), now(), 1"
    ),
    "ops.request_queue": "app, behind, until: 'x', true, now()",
    "ops.granted_scopes": "codes, seen_at, changed_at: '{}', now(), now()",
    "ops.request_places": "app, place, free_at: 'x', 1, now()",
    "calls.number_decisions": (
        "number, owner_kind, owner_id, kind, decided_by, decided_at, copy: "
        "'+14375550142', 'number', 0, 'spam', 'Dana', now(), 'local'"
    ),
    "calls.number_restores": "application_guid: gen_random_uuid()",
    "calls.refusals": "account, day, refused, reason: 'main', current_date, 1, 'x'",
    "calls.told": "account, key, began_at, day: 'main', 'k', now(), current_date",
    "calls.history_checks": "account, checked_until, checked_at: 'main', now(), now()",
    "calls.alarms": "account, kind, detail, began_at: 'main', 'silence', 'x', now()",
    "calls.connections": "account, state, since: 'main', 'connected', now()",
    "calls.inbox": "account, received_at, body: 'main', now(), 'not understood'",
}  # fmt: skip


async def _fill(database: Database, tenant_id: int) -> None:
    """Something of a tenant in every table that can hold something of one."""
    async with database.connection() as connection:
        for table, row in _ROWS.items():
            columns, _, values = row.partition(": ")
            statement = f"insert into {table} (tenant_id, {columns}) values ({tenant_id}, {values})"
            await connection.execute(statement.encode())
    await _call(database, tenant_id, heard_under=tenant_id)


async def _call(database: Database, tenant_id: int, *, heard_under: int) -> None:
    """A call, another that was merged into it, and what the logbook has of it."""
    async with database.transaction() as connection:
        older, younger = [
            (await (await connection.execute(
                "insert into calls.calls (tenant_id, account, system, call_key, ref, state, call)"
                " values (%s, 'main', 'webhook', 'k', gen_random_uuid(), 'ended', '{}') returning id", (tenant_id,),
            )).fetchone() or (0,))[0]
            for _ in range(2)
        ]  # fmt: skip
        await connection.execute("update calls.calls set merged_into = %s where id = %s", (older, younger))
        for call_id, key in ((older, f"k{older}"), (younger, f"k{younger}")):
            await connection.execute(
                "with told as (insert into calls.inbox (tenant_id, account, received_at, body, processed_at)"
                " values (%(u)s, 'main', now(), 'told', now()) returning id)"
                " insert into calls.events (call_id, tenant_id, account, event_id, inbox_id, kind, occurred_at, event)"
                " select %(c)s, %(u)s, 'main', %(k)s, id, 'started', now(), '{}' from told",
                {"u": heard_under, "c": call_id, "k": key},
            )
            await connection.execute(
                "insert into calls.keys (tenant_id, account, key, call_id, original_call_id)"
                " values (%s, 'main', %s, %s, %s)",
                (heard_under, key, older, call_id),
            )
        await connection.execute(
            "insert into logbook.entries (call_id, tenant_id, state) values (%s, %s, 'logged')", (older, tenant_id)
        )
        await connection.execute(
            "insert into logbook.intents (call_id, action, target_id, tenant_id, text, state)"
            " values (%s, 'customer_note', 1, %s, 'x', 'written')",
            (older, tenant_id),
        )


async def _counts(database: Database, tenant_id: int) -> dict[str, int]:
    found = {}
    for (table,) in await rows(database, _TABLES):
        (count,) = (await rows(database, f"select count(*) from {table} where tenant_id = {tenant_id}"))[0]
        found[str(table)] = int(str(count))
    return found


async def test_removing_a_tenant_erases_all_of_it_in_every_table_and_says_how_much(
    settings: Settings, database: Database
) -> None:
    registry = TenantRegistry(settings, database)
    for tenant_id in (TENANT, OTHER):
        await registry.add(changed(tenant_id=str(tenant_id), name=f"Example {tenant_id}"))
        await _fill(database, tenant_id)
    before, others = await _counts(database, TENANT), await _counts(database, OTHER)
    assert 0 not in before.values(), "a table that this test does not fill"
    told = await registry.remove(TENANT)
    assert told == before
    assert set((await _counts(database, TENANT)).values()) == {0}
    assert await _counts(database, OTHER) == others
    assert list(await registry.read()) == [OTHER]


async def test_what_a_networks_phone_system_said_goes_with_the_calls_it_led_to(
    settings: Settings, database: Database
) -> None:
    registry = TenantRegistry(settings, database)
    for tenant_id in (TENANT, OTHER):
        await registry.add(changed(tenant_id=str(tenant_id), name=f"Example {tenant_id}"))
        await _call(database, tenant_id, heard_under=0)
    told = await registry.remove(TENANT)
    assert told == {
        "ops.tenants": 1, "logbook.intents": 1, "logbook.entries": 1, "calls.keys": 2, "calls.events": 2,
        "calls.inbox": 2, "calls.calls": 2,
    }  # fmt: skip
    assert await _counts(database, 0) == {**dict.fromkeys(await _counts(database, 0), 0)} | {
        "calls.keys": 2, "calls.events": 2, "calls.inbox": 2,
    }  # fmt: skip


async def test_an_erasing_that_is_broken_off_erases_nothing(settings: Settings, database: Database) -> None:
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    await _fill(database, TENANT)
    before = await _counts(database, TENANT)
    async with database.connection() as connection:
        await connection.execute(
            "create function refuse() returns trigger language plpgsql as"
            " $$ begin raise exception 'refused for a test'; end $$"
        )
        await connection.execute(
            "create trigger refuse before delete on mirror.feeds for each statement execute function refuse()"
        )
    with pytest.raises(psycopg.errors.RaiseException):
        await registry.remove(TENANT)
    assert await _counts(database, TENANT) == before
    assert (await registry.read())[TENANT].paused


async def test_a_tenant_whose_data_is_being_copied_is_not_erased_before_that_has_stopped(
    settings: Settings, database: Database
) -> None:
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    async with mirror_lock(database, TENANT).held():
        removing = asyncio.create_task(registry.remove(TENANT))
        paused = asyncio.create_task(_until_paused(registry))
        await asyncio.wait([removing, paused], return_when=asyncio.FIRST_COMPLETED)
        assert not removing.done()
    assert (await removing)["ops.tenants"] == 1
    paused.cancel()


async def _until_paused(registry: TenantRegistry) -> None:
    while not (await registry.read())[TENANT].paused:  # noqa: ASYNC110 - asked as another process would
        await asyncio.sleep(0.01)


async def test_what_arrived_during_an_erasing_goes_too_unless_the_tenant_was_added_again(
    settings: Settings, database: Database
) -> None:
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    await _fill(database, TENANT)
    before = await _counts(database, TENANT)
    await registry.erase_rest(TENANT)
    assert await _counts(database, TENANT) == before
    await registry.remove(TENANT)
    await _call(database, TENANT, heard_under=TENANT)
    await registry.erase_rest(TENANT)
    assert set((await _counts(database, TENANT)).values()) == {0}
