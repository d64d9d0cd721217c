"""A value that PostgreSQL cannot store stays out and is told; the rest of its row, and all other rows, come in."""

import json
from typing import Any

import pytest
from whole_servicetitan import BY_NAME, ROWS, TENANT, copy_of, rows_of

from trunkline.mirror.health import health
from trunkline.store.database import Database
from trunkline.web.words import difference

MOMENT, NUMBER = "no timestamp with time zone", "no bigint"
UNFIT: list[tuple[str, dict[str, Any], str, tuple[str, str]]] = [
    ("customers", {"createdOn": ""}, "created_on is null", ("created_on", f"{MOMENT}; it was left out")),
    ("customers", {"modifiedOn": "in spring"}, "modified_on = 'epoch'", ("modified_on", f"{MOMENT}; it was left out")),
    ("customers", {"balance": 1e30}, "balance is null", ("balance", "no numeric(14,2); it was left out")),
    ("customers", {"mergedToId": 2**70}, "merged_to_id is null", ("merged_to_id", f"{NUMBER}; it was left out")),
    ("customers", {"tagTypeIds": [2**70]}, "tag_type_ids = '{}'", ("tag_type_ids", f"{NUMBER}[]; it was left out")),
    ("jobs", {"customerId": 2**70}, "customer_id = 0", ("customer_id", f"{NUMBER}; it was left out")),
    ("appointments", {"start": "9-ish"}, "starts_at = 'epoch'", ("starts_at", f"{MOMENT}; it was left out")),
]


@pytest.mark.parametrize(("name", "fields", "stored", "told"), UNFIT)
async def test_a_value_of_a_table_stays_out_and_its_row_comes_in(
    database: Database, name: str, fields: dict[str, Any], stored: str, told: tuple[str, str]
) -> None:
    async with copy_of(database, name) as it:
        it.servicetitan.rows[name][1] |= fields
        identity = it.servicetitan.rows[name][1]["id"]
        await it.sync_well()
        assert await it.fetch(f"select count(*) from mirror.{name}") == [(ROWS,)]
        assert await it.fetch(f"select id from mirror.{name} where {stored}") == [(identity,)]
        assert await it.fetch("select field, detail, times from mirror.drift where kind = 'value'") == [(*told, 1)]


async def test_a_row_whose_id_no_column_can_hold_is_left_out_and_told(database: Database) -> None:
    async with copy_of(database, "customers", page_length=10) as it:
        it.servicetitan.rows["customers"][1]["id"] = 2**70
        await it.sync_well()
        assert await it.fetch("select id from mirror.customers order by id") == [(1,), (3,)]
        told = await it.fetch("select field, detail, times from mirror.drift where kind = 'value'")
        assert told == [("id", f"{NUMBER}; the row was left out", 1)]


async def test_a_row_that_is_no_json_to_postgresql_is_kept_as_text(database: Database) -> None:
    async with copy_of(database, "forms") as it:
        rows = json.dumps({"data": rows_of(BY_NAME["forms"]), "hasMore": False})
        sent = rows.replace('"name": "text 2"', '"name": 1e-20000').encode()
        it.servicetitan.meddle = lambda _asked: (200, sent)
        await it.sync_well()
        (kept,) = await it.fetch("select row #>> '{}' from mirror.rows_forms where jsonb_typeof(row) = 'string'")
        assert '"name": 1e-20000' in kept[0]
        assert await it.fetch("select count(*) from servicetitan.forms") == [(ROWS,)]
        told = await it.fetch("select field, kind, detail from mirror.drift where kind = 'value'")
        assert told == [("row", "value", "no jsonb; it is kept as text")]


async def test_numbers_of_a_contact_beside_one_that_cannot_be_stored_lead_to_their_owners(database: Database) -> None:
    async with copy_of(database, "customer_contacts", page_length=10) as it:
        for row, number in zip(it.servicetitan.rows["customer_contacts"], (1, 2, 3), strict=True):
            row |= {"type": "Phone", "value": f"437-555-010{number}", "memo": None, "active": True}
            row["phoneSettings"] = None
        it.servicetitan.rows["customer_contacts"][0]["createdOn"] = "?"
        it.servicetitan.rows["customer_contacts"][1]["customerId"] = 2**70
        await it.sync_well()
        numbers = await it.fetch("select number from mirror.phone_index order by number")
        assert numbers == [("+14375550101",), ("+14375550103",)]
        told = await it.fetch("select field, times from mirror.drift where kind = 'value' order by field")
        assert told == [("created_on", 1), ("owner_id", 1)]


async def test_the_feed_goes_on_by_the_newest_time_that_is_one(database: Database) -> None:
    async with copy_of(database, "job_types", page_length=2) as it:
        rows = rows_of(BY_NAME["job_types"])
        newest = max(row["modifiedOn"] for row in rows[1:])
        it.servicetitan.rows["job_types"][0]["modifiedOn"] = "in spring"
        await it.sync_well()
        stored = await it.fetch("select max_modified_on - %s::timestamptz < interval '1 ms' from mirror.feeds", newest)
        assert stored == [(True,)]


async def test_people_are_told_what_stays_out(database: Database) -> None:
    async with copy_of(database, "customers") as it:
        it.servicetitan.rows["customers"][1]["createdOn"] = ""
        await it.sync_well()
        (customers,) = [one for one in await health(database, TENANT, round_s=60) if one.name == "customers"]
    (note,) = customers.drift
    said = "has a value that cannot be stored: no timestamp with time zone; it was left out"
    assert (note.field, difference(note)) == ("created_on", said)


async def test_an_id_without_end_stops_its_feed_with_a_sentence_and_no_other(database: Database) -> None:
    async with copy_of(database, "forms", "zones") as it:
        it.servicetitan.rows["forms"][1]["id"] = "".join(map(str, range(100_000)))
        problems = await it.sync.sync_once()
        assert set(problems) == {"forms"}
        assert problems["forms"].startswith("ServiceTitan sent a value that cannot be stored (")
        assert problems["forms"].endswith(".")
        assert (await it.states())["forms"].error == problems["forms"]
        assert await it.fetch("select count(*) from servicetitan.zones") == [(ROWS,)]
