"""All that ServiceTitan exports or lists is mirrored, with the semantics of the feeds that a phone needs."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from whole_servicetitan import BY_NAME, ROWS, TENANT, Asked, Copy, copy_of, rows_of

from trunkline.mirror.catalog import RESOURCES, Kind
from trunkline.mirror.surface import column_name
from trunkline.store.database import Database

PRIVATE = ("hourlyRate", "home", "payrollId", "burdenRate")
NEEDLE = "needle-4711"


async def test_everything_is_copied_and_stands_in_its_view(database: Database) -> None:
    async with copy_of(database) as it:
        await it.sync_well()
        for resource in RESOURCES:
            (count,) = (
                await it.fetch(f"select count(*) from servicetitan.{resource.name} where tenant_id = {TENANT}")
            )[0]
            assert count == (ROWS if resource.key else 1), resource.name
        states = await it.states()
        assert {name: state.rows_held for name, state in states.items() if state.rows_held != ROWS} == {
            one.name: 1 for one in RESOURCES if not one.key
        }
        assert all(state.complete and state.fresh_at for state in states.values())
        drift = await it.fetch("select resource, field, kind, detail from mirror.drift")
        assert drift == []


async def test_every_field_of_the_contract_is_a_column_with_its_value(database: Database) -> None:
    async with copy_of(database) as it:
        await it.sync_well()
        for resource in (one for one in RESOURCES if one.feed is None and one.item.get("properties")):
            ((row, view),) = await it.fetch(
                f"select _row, to_jsonb(v) from servicetitan.{resource.name} v order by _row->>'id' limit 1"
            )
            for name, value in row.items():
                shown = view[column_name(name)]
                if isinstance(value, str) and str(shown).endswith("+00:00"):
                    off = datetime.fromisoformat(shown) - _utc(value)  # PostgreSQL rounds the seventh digit
                    assert abs(off) <= timedelta(microseconds=1), (resource.name, name)
                else:
                    assert shown == value, (resource.name, name)


def _utc(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


async def test_inactive_rows_are_asked_for_and_pages_are_as_long_as_the_resource_bears(database: Database) -> None:
    async with copy_of(database) as it:
        await it.sync_well()
        asked = {one.resource: one.query for one in it.servicetitan.asked}
    for resource in RESOURCES:
        query = asked[resource.name]
        assert (query.get("active") == "Any") == ("active" in resource.parameters), resource.name
        if resource.kind is Kind.LIST:
            small = resource.name in {"form_submissions", "journal_entries"}
            assert query["pageSize"] == ("500" if small else "5000"), resource.name
        if resource.kind is Kind.EXPORT:
            assert query["includeRecentChanges"] == "true"
    assert asked["teams"]["includeInactive"] == "true"
    assert asked["non_job_appointments"]["activeOnly"] == "false"


async def test_a_round_with_nothing_new_costs_one_request_a_resource_and_writes_no_row(database: Database) -> None:
    async with copy_of(database, page_length=10) as it:
        await it.sync_well()
        before = await it.fetch("select resource, id, stored_at from mirror.rows order by 1, 2")
        it.servicetitan.asked.clear()
        await it.sync_well()
        assert set(it.servicetitan.times_asked().values()) == {1}
        assert len(it.servicetitan.asked) == len(RESOURCES)
        assert await it.fetch("select resource, id, stored_at from mirror.rows order by 1, 2") == before


async def test_the_next_round_goes_on_from_the_token_and_lists_from_the_newest_row(database: Database) -> None:
    async with copy_of(database, "invoices", "contacts", "form_submissions") as it:
        await it.sync_well()
        it.servicetitan.asked.clear()
        await it.sync_well()
        asked = {one.resource: one.query for one in it.servicetitan.asked}
    assert asked["invoices"]["from"] == f"token:{ROWS}"
    assert asked["contacts"]["modifiedOnOrAfter"] == "2026-01-02T02:59:03Z"
    assert asked["form_submissions"]["submittedOnOrAfter"] == "2026-01-02T02:59:03Z"


async def _invoice(it: Copy, **fields: Any) -> tuple[Any, ...]:
    row = {**rows_of(BY_NAME["invoices"], 1)[0], **fields}
    it.servicetitan.rows["invoices"].append(row)
    await it.sync_well()
    return (await it.fetch("select summary, active from servicetitan.invoices where id = 1"))[0]


async def test_an_older_row_never_wins_and_a_deleted_one_is_kept_and_marked(database: Database) -> None:
    async with copy_of(database, "invoices") as it:
        await it.sync_well()
        assert await _invoice(it, summary="newer", modifiedOn="2026-02-01T00:00:00.5Z") == ("newer", True)
        assert await _invoice(it, summary="older", modifiedOn="2026-02-01T00:00:00Z") == ("newer", True)
        assert await _invoice(it, summary="as new", modifiedOn="2026-02-01T00:00:00.50Z") == ("as new", True)
        assert await _invoice(it, active=False, modifiedOn="2026-03-01T00:00:00Z") == ("text 1", False)


async def test_of_a_row_that_is_on_one_page_twice_the_newer_counts(database: Database) -> None:
    async with copy_of(database, "invoices", page_length=10) as it:
        first = it.servicetitan.rows["invoices"][0]
        it.servicetitan.rows["invoices"] += [
            {**first, "summary": "newer", "modifiedOn": "2026-02-01T00:00:00Z"},
            {**first, "summary": "older", "modifiedOn": "2026-01-01T00:00:00Z"},
        ]
        await it.sync_well()
        assert await it.fetch("select summary from servicetitan.invoices where id = 1") == [("newer",)]


@pytest.mark.parametrize("name", ["zones", "job_types", "opt_outs"])
async def test_what_a_list_no_longer_brings_is_marked_as_gone_and_may_come_back(database: Database, name: str) -> None:
    gone = f"select id, _gone_at is not null from servicetitan.{name} order by 1"
    if name == "opt_outs":
        gone = "select contact_number, _gone_at is not null from servicetitan.opt_outs order by 1"
    async with copy_of(database, name) as it:
        await it.sync_well()
        lost = it.servicetitan.rows[name].pop(0)
        await it.sync_well()  # a round that asks for changes only must not take the others for gone
        await it.fetch("update mirror.feeds set full_at = now() - interval '25 hours'")
        await it.sync_well()
        assert [flag for _, flag in await it.fetch(gone)] == [True, False, False]
        it.servicetitan.rows[name].insert(0, lost)
        await it.fetch("update mirror.feeds set full_at = null")
        await it.sync_well()
        assert [flag for _, flag in await it.fetch(gone)] == [False, False, False]
        assert await it.fetch("select count(*) from mirror.reading") == [(0,)]


async def test_a_reading_that_broke_off_takes_nothing_for_gone(database: Database) -> None:
    async with copy_of(database, "zones") as it:
        await it.sync_well()
        await it.fetch("update mirror.feeds set full_at = null")
        it.servicetitan.meddle = lambda asked: (404, b"") if asked.query["page"] == "2" else None
        assert set(await it.sync.sync_once()) == {"zones"}
        assert await it.fetch("select count(*) from servicetitan.zones where _gone_at is not null") == [(0,)]
        it.servicetitan.meddle = lambda _: None
        it.servicetitan.rows["zones"].pop(0)
        await it.sync_well()
        assert await it.fetch("select id from servicetitan.zones where _gone_at is not null") == [(1,)]


async def test_rows_are_told_apart_by_number_guid_or_several_fields(database: Database) -> None:
    async with copy_of(database, "contacts", "opt_outs", "business_hours", "job_history") as it:
        await it.sync_well()
        found = await it.fetch("select distinct on (resource) resource, id from mirror.rows order by resource, id")
        history = await it.fetch("select id, job_id, event_type from servicetitan.job_history order by 1 limit 1")
    assert dict(found) == {
        "business_hours": "only",
        "contacts": "00000000-0000-4000-8000-000000000001",
        "job_history": "1",
        "opt_outs": dict(found)["opt_outs"],
    }
    assert dict(found)["opt_outs"].startswith("text 1:")
    assert history == [(1, 1, "text 1")]


async def test_a_refused_token_falls_back_to_the_date_of_the_newest_row(database: Database) -> None:
    async with copy_of(database, "invoices") as it:
        await it.sync_well()
        it.servicetitan.asked.clear()
        it.servicetitan.meddle = lambda asked: (400, b"{}") if asked.query.get("from") == f"token:{ROWS}" else None
        it.servicetitan.rows["invoices"][0] |= {"summary": "changed", "modifiedOn": "2026-05-01T00:00:00Z"}
        it.servicetitan.page_length = 10
        await it.sync_well()
        assert [one.query["from"] for one in it.servicetitan.asked] == [f"token:{ROWS}", "2026-01-02T02:59:03Z"]
        assert await it.fetch("select summary from servicetitan.invoices where id = 1") == [("changed",)]


@pytest.mark.parametrize("name", ["invoices", "zones", "business_hours", "customers"])
async def test_a_page_that_is_cut_off_is_asked_for_again_and_loses_nothing(database: Database, name: str) -> None:
    cut = [True, False]

    def meddle(asked: Asked) -> tuple[int, bytes] | None:
        return (200, b'{"data": [{"id": 1, "na') if cut and cut.pop(0) else None

    async with copy_of(database, name) as it:
        it.servicetitan.meddle = meddle
        await it.sync_well()
        (count,) = (await it.fetch(f"select count(*) from servicetitan.{name}"))[0]
    assert count == (ROWS if BY_NAME[name].key else 1)


async def test_a_missing_scope_stops_that_resource_only(database: Database) -> None:
    async with copy_of(database) as it:
        it.servicetitan.meddle = lambda asked: (403, b"") if asked.resource == "invoices" else None
        problems = await it.sync.sync_once()
        assert list(problems) == ["invoices"]
        assert "it needs the scope Invoices (View)" in problems["invoices"]
        states = await it.states()
        assert [name for name, state in states.items() if state.error or not state.complete] == ["invoices"]


async def test_a_revoked_secret_is_told_in_one_sentence_and_not_tried_for_each_resource(database: Database) -> None:
    async with copy_of(database) as it:
        it.servicetitan.refuse_sign_in = True
        problems = await it.sync.sync_once()
        assert set(problems) == {one.name for one in RESOURCES}
        assert len(set(problems.values())) == 1
        assert it.servicetitan.sign_ins <= 10
        it.servicetitan.refuse_sign_in = False
        await it.sync_well()


async def test_what_is_private_about_people_is_nowhere_in_the_database(database: Database) -> None:
    async with copy_of(database) as it:
        for name, rows in it.servicetitan.rows.items():
            it.servicetitan.rows[name] = [_with_private(row) for row in rows]
        await it.sync_well()
        tables = await it.fetch(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in"
            " ('pg_catalog', 'information_schema')"
        )
        names = [f'"{name.lower()}":' for name in PRIVATE]
        for (table,) in tables:
            if table == "mirror.drift":  # names new fields, and never a value
                continue
            lines = [line.lower() for (line,) in await it.fetch(f"select to_jsonb(t)::text from {table} t")]
            assert not [line for line in lines if NEEDLE in line], table
            assert not [line for line in lines if any(name in line.replace(": ", ":") for name in names)], table
        assert not await it.fetch("select 1 from mirror.drift d where d::text like %s", f"%{NEEDLE}%")
        assert len(await it.fetch("select 1 from mirror.rows")) > 200


def _with_private(value: Any) -> Any:
    """The same with private fields in every object, written in several ways."""
    if isinstance(value, list):
        return [_with_private(one) for one in value]
    if not isinstance(value, dict):
        return value
    private = dict.fromkeys(PRIVATE, NEEDLE) | {"Home": {"street": NEEDLE}, "HOURLYRATE": NEEDLE}
    return {name: _with_private(inner) for name, inner in value.items()} | private


async def test_a_private_name_that_is_spelled_with_escapes_is_found_too(database: Database) -> None:
    async with copy_of(database, "invoices", page_length=10) as it:
        body = json.dumps({"data": [{"id": 1, "xome": NEEDLE, "note": "a\0b"}], "hasMore": False, "continueFrom": "t"})
        it.servicetitan.meddle = lambda _: (200, body.replace("xome", "\\u0068o\\u006De").encode())
        await it.sync_well()
        assert await it.fetch("select row from mirror.rows") == [({"id": 1, "note": "ab"},)]
