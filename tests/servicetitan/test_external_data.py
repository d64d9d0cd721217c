"""External data: what goes over the wire, what is made of the answers, and what is never sent."""

import json
from uuid import UUID

import pytest
from servicetitan_doubles import LOST, TENANT, reply, scripted

from trunkline.servicetitan.errors import GivenUp, InvalidRequest, NotFound, OutcomeUnknown, UnexpectedAnswer
from trunkline.servicetitan.external_data import Record, find, merge, read

GUID = UUID("11111111-2222-4333-8444-555555555555")


def row(row_id: int, *pairs: tuple[str, str]) -> dict[str, object]:
    return {"id": row_id, "name": "x", "externalData": [{"key": key, "value": value} for key, value in pairs]}


def page(*rows: object, more: bool = False) -> bytes:
    return reply(200, {"data": list(rows), "hasMore": more, "page": 1, "pageSize": 5000})


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (Record.CUSTOMER, f"/crm/v2/tenant/{TENANT}/customers/7"),
        (Record.LOCATION, f"/crm/v2/tenant/{TENANT}/locations/7"),
        (Record.JOB, f"/jpm/v2/tenant/{TENANT}/jobs/7"),
    ],
)
async def test_values_are_merged_and_an_empty_one_takes_its_key_away(record: Record, path: str) -> None:
    async with scripted(reply(200, {"id": 7})) as (server, client):
        await merge(client, GUID, record, 7, {"trunkline.a": "1", "trunkline.b": None})
    (request,) = server.requests
    assert (request.method, request.path) == ("PATCH", path)
    assert json.loads(request.body) == {
        "externalData": {
            "patchMode": "Merge",
            "applicationGuid": str(GUID),
            "externalData": [{"key": "trunkline.a", "value": "1"}, {"key": "trunkline.b", "value": None}],
        }
    }


async def test_no_key_and_no_value_turns_a_merge_into_a_replacement() -> None:
    async with scripted(reply(200, {"id": 7})) as (server, client):
        await merge(client, GUID, Record.CUSTOMER, 7, {"patchMode": "Replace", "Replace": None})
    assert json.loads(server.requests[0].body)["externalData"]["patchMode"] == "Merge"


@pytest.mark.parametrize("values", [{"k" * 101: "1"}, {"": "1"}, {"k": "v" * 501}])
async def test_what_may_be_too_long_is_not_sent(values: dict[str, str | None]) -> None:
    async with scripted() as (server, client):
        with pytest.raises(InvalidRequest, match="takes keys of up to 100 characters"):
            await merge(client, GUID, Record.CUSTOMER, 7, values)
    assert server.requests == []


async def test_a_write_whose_reply_was_lost_says_so() -> None:
    async with scripted(LOST) as (_, client):
        with pytest.raises(OutcomeUnknown):
            await merge(client, GUID, Record.CUSTOMER, 7, {"k": "1"})


async def test_a_record_that_is_gone_is_given_up() -> None:
    async with scripted(reply(404, {"title": "There is no record with id 7.", "status": 404})) as (_, client):
        with pytest.raises(NotFound) as refused:
            await merge(client, GUID, Record.CUSTOMER, 7, {"k": "1"})
    assert isinstance(refused.value, GivenUp)


async def test_keys_are_read_fifty_records_at_a_time_under_the_guid() -> None:
    ids = list(range(1, 61))
    async with scripted(page(row(1, ("a", "1"), ("b", "2"))), page(row(60))) as (server, client):
        found = await read(client, GUID, Record.LOCATION, ids)
    assert found == {1: {"a": "1", "b": "2"}, 60: {}}
    assert [len(request.query["ids"].split(",")) for request in server.requests] == [50, 10]
    for request in server.requests:
        assert request.query["externalDataApplicationGuid"] == str(GUID)
        assert request.query["active"] == "Any"


async def test_jobs_are_asked_for_without_the_word_that_their_list_does_not_know() -> None:
    async with scripted(page(row(1))) as (server, client):
        await read(client, GUID, Record.JOB, [1])
    assert "active" not in server.requests[0].query


@pytest.mark.parametrize("value", [None, [], [{"key": "a"}], [{"key": None, "value": "1"}]])
async def test_a_record_without_values_holds_none_however_that_is_written(value: object) -> None:
    async with scripted(page({"id": 1, "externalData": value}, {"id": 2})) as (_, client):
        assert await read(client, GUID, Record.CUSTOMER, [1, 2]) == {1: {}, 2: {}}


async def test_records_are_found_by_a_key_and_its_value_on_every_page() -> None:
    pages = [page(row(1, ("k", "v"), ("other", "x")), more=True), page(row(2, ("k", "v")), row(3, ("k", "w")))]
    async with scripted(*pages) as (server, client):
        found = [one async for one in find(client, GUID, Record.CUSTOMER, "k", ["v", "u"])]
    assert found == [{1: {"k": "v", "other": "x"}}, {2: {"k": "v"}}], "a filter that was ignored leaks nothing"
    query = server.requests[0].query
    assert (query["externalDataKey"], query["externalDataValues"], query["active"]) == ("k", "v,u", "Any")
    assert [request.query["page"] for request in server.requests] == ["1", "2"]


async def test_more_values_than_fifty_are_refused_before_anything_is_sent() -> None:
    async with scripted() as (server, client):
        with pytest.raises(InvalidRequest, match="at most 50 values at once, not 51"):
            _ = [one async for one in find(client, GUID, Record.CUSTOMER, "k", ["v"] * 51)]
    assert server.requests == []


async def test_an_answer_of_another_shape_is_named() -> None:
    async with scripted(page({"id": "seven"})) as (_, client):
        with pytest.raises(UnexpectedAnswer, match="external data cannot be read"):
            await read(client, GUID, Record.CUSTOMER, [7])
