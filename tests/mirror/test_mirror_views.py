"""The views for whoever works with the data: made at the start, made anew when the contract changed."""

from typing import Any

import msgspec
import pytest

from trunkline.mirror.catalog import PRIVATE, RESOURCES
from trunkline.mirror.surface import column_name, lay_out, view_of
from trunkline.store.data_views import DataView, FieldColumn, make_views, view_columns
from trunkline.store.database import Database

ZONES = next(view_of(resource) for resource in RESOURCES if resource.name == "zones")


async def _made(database: Database, *views: DataView) -> list[str]:
    async with database.transaction() as connection:
        return await make_views(connection, views)


def _with(*fields: FieldColumn) -> DataView:
    return msgspec.structs.replace(ZONES, fields=fields)


async def test_there_is_a_view_for_every_resource_and_nothing_is_made_twice(database: Database) -> None:
    async with database.connection() as connection:
        cursor = await connection.execute("select viewname from pg_views where schemaname = 'servicetitan'")
        assert {row[0] for row in await cursor.fetchall()} == {resource.name for resource in RESOURCES}
    assert await lay_out(database) == []


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_the_columns_of_a_view_have_names_of_their_own_and_nothing_private(resource: Any) -> None:
    view = view_of(resource)
    names = [field.name for field in view.fields] or [name for name, _ in view.columns]
    assert len(set(names)) == len(names)
    assert not {name.replace("_", "") for name in names} & PRIVATE
    assert not {"tenant_id", "_modified_on", "_gone_at", "_stored_at", "_row"} & {field.name for field in view.fields}


def test_a_column_is_named_as_the_field_in_snake_case() -> None:
    names = ("id", "createdOn", "customerPo", "isACHPayment", "item2Name", "URL")
    assert [column_name(name) for name in names] == [
        "id", "created_on", "customer_po", "is_ach_payment", "item2_name", "url",
    ]  # fmt: skip


async def test_a_view_is_made_anew_when_the_contract_changed(database: Database) -> None:
    changed = _with(FieldColumn("name", "name", "text"), FieldColumn("id", "id", "text"))
    assert await _made(database, changed) == ["zones"]
    async with database.connection() as connection:
        columns = await view_columns(connection, "zones")
    assert columns[:3] == [("tenant_id", "bigint"), ("name", "text"), ("id", "text")]
    assert await lay_out(database) == ["zones"]


async def test_a_view_that_others_build_upon_stays_as_it_is_and_the_rest_is_made(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("create view public.theirs as select id from servicetitan.zones")
    teams = msgspec.structs.replace(ZONES, name="teams")
    assert await _made(database, _with(FieldColumn("name", "name", "text")), teams) == ["teams"]
    async with database.connection() as connection:
        assert len(await view_columns(connection, "zones")) == len(ZONES.fields) + 5
        await connection.execute("select * from public.theirs")


async def test_a_view_that_somebody_dropped_is_there_again_after_the_next_start(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("drop view servicetitan.zones")
    assert await lay_out(database) == ["zones"]
