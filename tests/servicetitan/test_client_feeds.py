"""Pages of lists, export feeds with their tokens, and notes as they are read back."""

from datetime import UTC, datetime, timedelta

import pytest
from servicetitan_doubles import THINGS, reply, sandboxed, scripted

from trunkline.sandbox.servicetitan import SandboxOptions
from trunkline.servicetitan.client import ExportPage
from trunkline.servicetitan.errors import InvalidRequest, NotFound
from trunkline.servicetitan.models import Customer, Row
from trunkline.servicetitan.notes import add_customer_note, add_job_note, customer_notes, job_notes

CUSTOMERS = "crm/v2/tenant/{tenant}/customers"
EXPORT = "crm/v2/tenant/{tenant}/export/customers"
FIRST = 100_000


async def test_all_pages_of_a_list_are_read_in_order() -> None:
    async with sandboxed(SandboxOptions(customers=25)) as (_, client):
        pages = [page async for page in client.pages(CUSTOMERS, Customer, {"active": "Any"}, page_size=10)]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [row.id for page in pages for row in page] == list(range(FIRST, FIRST + 25))


async def test_pages_ask_for_a_number_and_a_size() -> None:
    script = (reply(200, {"data": [{"id": 1}], "hasMore": True}), reply(200, {"data": [], "hasMore": False}))
    async with scripted(*script) as (server, client):
        pages = [page async for page in client.pages(THINGS, Row, {"ids": "1,2"}, page_size=1)]
    assert [[row.id for row in page] for page in pages] == [[1], []]
    assert [request.query for request in server.requests] == [
        {"ids": "1,2", "page": "1", "pageSize": "1"},
        {"ids": "1,2", "page": "2", "pageSize": "1"},
    ]


async def test_a_page_that_fails_is_read_again_and_no_row_is_lost() -> None:
    more, last = ({"data": [{"id": number}], "hasMore": number == 1} for number in (1, 2))
    async with scripted(reply(200, more), reply(500), reply(200, last)) as (_, client):
        assert [row.id async for page in client.pages(THINGS, Row) for row in page] == [1, 2]


async def test_an_export_feed_is_followed_by_its_tokens() -> None:
    async with sandboxed(SandboxOptions(customers=25, page_size=10)) as (server, client):
        server.sandbox.requests = []
        pages = [await client.export(EXPORT, ExportPage[Customer])]
        while pages[-1].has_more:
            pages.append(await client.export(EXPORT, ExportPage[Customer], continue_from=pages[-1].continue_from))
        asked = [request.query for request in server.sandbox.requests]
    assert [len(page.data) for page in pages] == [10, 10, 5]
    assert [query.get("from") for query in asked] == [None, *(page.continue_from for page in pages[:-1])]
    assert {query["includeRecentChanges"] for query in asked} == {"false"}


async def test_the_last_token_of_a_feed_leads_to_what_changes_later() -> None:
    async with sandboxed() as (server, client):
        end = await client.export(EXPORT, ExportPage[Customer])
        assert (end.has_more, len(end.data)) == (False, 10)
        server.world.put("customers", {**server.world.rows.customer(0), "name": "Jane Example"})
        held_back = await client.export(EXPORT, ExportPage[Customer], continue_from=end.continue_from)
        recent = await client.export(
            EXPORT, ExportPage[Customer], continue_from=end.continue_from, include_recent_changes=True
        )
    assert held_back.data == []
    assert [(row.id, row.name) for row in recent.data] == [(FIRST, "Jane Example")]


async def test_a_feed_begins_at_a_date() -> None:
    async with sandboxed() as (server, client):
        since = server.world.rows.modified(5)
        page = await client.export(EXPORT, ExportPage[Customer], continue_from=f"{since:%Y-%m-%dT%H:%M:%S.%fZ}")
    assert [row.id for row in page.data] == list(range(FIRST + 5, FIRST + 10))


async def test_a_token_of_another_feed_is_refused_by_name() -> None:
    async with sandboxed() as (_, client):
        with pytest.raises(InvalidRequest) as caught:
            await client.export(EXPORT, ExportPage[Customer], continue_from="locations:3:0")
    assert caught.value.errors == {"from": ["The token is not valid."]}


async def test_a_customers_note_is_written_with_an_id_and_read_back() -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    async with sandboxed() as (_, client):
        note_id = await add_customer_note(client, FIRST, "Called about a leak.")
        (note,) = await customer_notes(client, FIRST, since=before)
        later = await customer_notes(client, FIRST, since=datetime.now(UTC) + timedelta(minutes=1))
    assert note_id is not None
    assert (note.id, note.text) == (note_id, "Called about a leak.")
    assert later == []


async def test_a_jobs_note_has_no_id_and_is_found_by_its_text() -> None:
    async with sandboxed() as (server, client):
        job = server.world.rows.jobs(0)[0]["id"]
        await add_job_note(client, job, "Called about a leak.")
        notes = await job_notes(client, job, since=datetime.now(UTC) - timedelta(seconds=10))
    assert [(note.id, note.text) for note in notes] == [(None, "Called about a leak.")]


async def test_notes_are_found_on_whichever_page_they_stand() -> None:
    async with sandboxed() as (server, client):
        for number in range(450):
            server.world.add_note("customer", FIRST, f"Note {number}", pinned=False)
        notes = await customer_notes(client, FIRST, since=datetime.now(UTC) - timedelta(minutes=5))
    assert {note.text for note in notes} == {f"Note {number}" for number in range(450)}


async def test_a_note_on_an_unknown_customer_is_refused() -> None:
    async with sandboxed() as (_, client):
        with pytest.raises(NotFound):
            await add_customer_note(client, 5, "Called about a leak.")
