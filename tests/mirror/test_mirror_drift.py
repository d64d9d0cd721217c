"""Rows that differ from the published contract are kept, and the difference is told."""

from typing import Any

import pytest
from whole_servicetitan import BY_NAME, ROWS, Copy, copy_of, rows_of

from trunkline.store.database import Database


async def _told(it: Copy) -> set[tuple[Any, ...]]:
    return set(await it.fetch("select field, kind, detail, times from mirror.drift"))


DIFFERENCES: list[tuple[str, dict[str, Any], tuple[str, str, str]]] = [
    ("invoices", {"sinceYesterday": 1}, ("sinceYesterday", "field", "")),
    ("invoices", {"createdOn": None}, ("createdOn", "null", "")),
    ("invoices", {"summary": 5}, ("summary", "type", "integer instead of string")),
    ("invoices", {"items": {}}, ("items", "type", "object instead of array")),
    ("technician_shifts", {"shiftType": "Sabbatical"}, ("shiftType", "word", "Sabbatical")),
    ("technician_shifts", {"modifiedOn": 7}, ("modifiedOn", "type", "integer instead of string")),
    # those that a ringing phone needs have tables and types of their own
    ("customers", {"sinceYesterday": 1}, ("sinceYesterday", "field", "")),
    ("customers", {"name": 5}, ("name", "type", "integer instead of string")),
    ("customers", {"balance": "much"}, ("balance", "type", "text instead of number")),
    ("customers", {"address": "1 Mill Street"}, ("address", "type", "text instead of object")),
    ("customers", {"active": "yes"}, ("active", "type", "text instead of boolean")),
    ("customers", {"type": "Municipal"}, ("type", "word", "Municipal")),
    ("job_types", {"name": None}, ("name", "null", "")),
]


@pytest.mark.parametrize(("name", "fields", "told"), DIFFERENCES)
async def test_a_row_that_differs_is_kept_and_the_difference_told(
    database: Database, name: str, fields: dict[str, Any], told: tuple[str, str, str]
) -> None:
    async with copy_of(database, name) as it:
        it.servicetitan.rows[name][1] |= fields
        await it.sync_well()
        assert await it.fetch(f"select count(*) from servicetitan.{name}") == [(ROWS,)]
        assert await _told(it) == {(*told, 1)}


async def test_differences_are_found_within_objects_and_lists_and_counted(database: Database) -> None:
    async with copy_of(database, "invoices", page_length=10) as it:
        for row in it.servicetitan.rows["invoices"]:
            row["items"] = [{**row["items"][0], "quantity": 2}] * 2
            del row["customer"]["id"]
        await it.sync_well()
        told = await _told(it)
    assert told == {
        ("items[].quantity", "type", "integer instead of string", 2 * ROWS),
        ("customer.id", "missing", "", ROWS),
    }


async def test_a_row_without_its_id_is_left_out_and_told(database: Database) -> None:
    async with copy_of(database, "invoices", "customers") as it:
        for name in ("invoices", "customers"):
            it.servicetitan.rows[name][1]["id"] = None
        await it.sync_well()
        assert await it.fetch("select count(*) from servicetitan.invoices") == [(ROWS - 1,)]
        assert await it.fetch("select count(*) from servicetitan.customers") == [(ROWS - 1,)]
        assert ("id", "key", "", 1) in await _told(it)


async def test_the_first_time_stays_and_the_last_time_moves(database: Database) -> None:
    async with copy_of(database, "business_hours") as it:
        it.servicetitan.rows["business_hours"][0]["holidays"] = []
        await it.sync_well()
        await it.sync_well()
        ((first_is_older, times),) = await it.fetch("select first_seen < last_seen, times from mirror.drift")
    assert (first_is_older, times) == (True, 2)


async def test_a_list_keyed_by_ids_does_not_fill_the_database(database: Database) -> None:
    async with copy_of(database, "invoices") as it:
        it.servicetitan.rows["invoices"][0] |= {f"field{number}": 1 for number in range(500)}
        await it.sync_well()
        assert len(await _told(it)) == 50


async def test_a_value_that_does_not_fit_its_column_is_null_and_all_others_are_there(database: Database) -> None:
    unfit: dict[str, Any] = {
        "id": 1, "summary": {"a": 1}, "createdOn": "2026-02-30T00:00:00Z", "dueDate": "soon", "active": "yes",
        "projectId": 2**70, "businessUnit": None,
    }  # fmt: skip
    async with copy_of(database, "invoices", "credit_memos") as it:
        it.servicetitan.rows["invoices"].append({**rows_of(BY_NAME["invoices"], 1)[0], **unfit})
        await it.sync_well()
        found = await it.fetch(
            "select summary, created_on, due_date, active, project_id, business_unit, modified_on is not null"
            " from servicetitan.invoices where id = 1"
        )
        assert await it.fetch("select count(created_on) from servicetitan.invoices") == [(ROWS - 1,)]
    assert found == [(None, None, None, None, None, None, True)]


async def test_times_without_a_zone_are_utc_in_whatever_session(database: Database) -> None:
    async with copy_of(database, "journal_entries") as it:
        it.servicetitan.rows["journal_entries"][0]["postDate"] = "2026-07-01T00:00:00"
        await it.sync_well()
        async with database.transaction() as connection:
            await connection.execute("set local timezone = 'America/Toronto'")
            cursor = await connection.execute(
                "select extract(epoch from post_date)::bigint from servicetitan.journal_entries order by _row->>'id'"
            )
            assert await cursor.fetchone() == (1782864000,)
