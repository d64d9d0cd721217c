"""Operations by name: what goes out, what comes back, and what is refused before it is sent."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from servicetitan_doubles import TENANT, cut_off, reply, sandboxed, scripted

from trunkline.contract.operations import operations
from trunkline.servicetitan import ServiceTitan
from trunkline.servicetitan.catalog import find, meant_by
from trunkline.servicetitan.client import RawPage
from trunkline.servicetitan.errors import (
    InvalidRequest,
    NotRegistered,
    OutcomeUnknown,
    ScopeMissing,
    UnexpectedAnswer,
    UnknownOperation,
)

CUSTOMERS = f"/crm/v2/tenant/{TENANT}/customers"
FORBIDDEN = {"statusCode": 403, "message": "Access to this resource is not allowed."}


async def test_an_operation_is_called_by_its_name_and_its_published_parameters() -> None:
    async with scripted(reply(200, {"data": [{"id": 7, "name": "Jane Doe"}], "hasMore": False})) as (server, client):
        found = await client.call(
            "crm.customers.list",
            phone="437-555-0142",
            ids=[7, 8],
            active="Any",
            includeTotal=True,
            modifiedOnOrAfter=datetime(2026, 3, 2, 15, tzinfo=UTC),
        )
    assert found["data"][0]["name"] == "Jane Doe"
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", CUSTOMERS)
    assert request.query == {
        "phone": "437-555-0142",
        "ids": "7,8",
        "active": "Any",
        "includeTotal": "true",
        "modifiedOnOrAfter": "2026-03-02T15:00:00Z",
    }


async def test_money_comes_back_as_it_was_written_and_strange_answers_are_taken_as_they_are() -> None:
    answer = b'{"data":[{"id":null,"balance":0.10,"colour":"red","type":"Martian"}],"hasMore":false}'
    async with scripted(reply(200, answer)) as (_, client):
        (row,) = (await client.call("crm.customers.list"))["data"]
    assert row == {"id": None, "balance": Decimal("0.10"), "colour": "red", "type": "Martian"}


async def test_a_write_sends_its_body_and_an_empty_answer_is_nothing() -> None:
    async with scripted(reply(200, {"id": 5}), reply(200), reply(200)) as (server, client):
        note = await client.call("crm.customers.create_note", {"text": "Called about a leak."}, id=7)
        gone = await client.call("crm.customers.delete_note", id=7, noteId=5)
        held = await client.call("jpm.jobs.hold", {"reasonId": 1, "memo": "Parts"}, id=9)
    assert (note, gone, held) == ({"id": 5}, None, None)
    assert [(request.method, request.path) for request in server.requests] == [
        ("POST", f"{CUSTOMERS}/7/notes"),
        ("DELETE", f"{CUSTOMERS}/7/notes/5"),
        ("PUT", f"/jpm/v2/tenant/{TENANT}/jobs/9/hold"),
    ]
    assert server.requests[0].body == b'{"text":"Called about a leak."}'


async def test_a_file_comes_back_as_bytes_and_a_missing_one_as_nothing() -> None:
    answers = (reply(200, b"ID3 sound", content_type="application/octet-stream"), reply(200))
    async with scripted(*answers) as (_, client):
        assert await client.call("telecom.calls.get_recording", id=7) == b"ID3 sound"
        assert await client.call("telecom.calls.get_recording", id=8) is None


async def test_a_file_goes_out_as_a_form(tmp_path: Path) -> None:
    photo = tmp_path / "boiler.jpg"
    photo.write_bytes(b"a photo")
    async with scripted(reply(200, {"fileName": "boiler.jpg"})) as (server, client):
        await client.call("forms.jobs.create_attachment", {"file": photo}, id=7)
    (request,) = server.requests
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="boiler.jpg"' in request.body
    assert b"a photo" in request.body


@pytest.mark.parametrize(
    ("name", "body", "parameters", "sentence"),
    [
        ("crm.customers.list", None, {"phoneNumber": "x"}, "has no parameter phoneNumber; did you mean phone"),
        ("crm.customers.list", None, {"page_size": 5}, "did you mean pageSize"),
        ("crm.customers.list", None, {"page": "one"}, "page takes a whole number, not 'one'"),
        ("crm.customers.list", None, {"page": True}, "page takes a whole number, not True"),
        ("crm.customers.list", None, {"page": [1, 2]}, "page takes one value, not several"),
        ("crm.customers.list", None, {"active": "any"}, "active is one of True, Any, False, not any"),
        ("crm.customers.list", None, {"includeTotal": "yes"}, "includeTotal is true or false"),
        ("crm.customers.list", None, {"ids": list(range(51))}, "at most 50 ids"),
        ("crm.customers.list", None, {"createdBefore": "tomorrow"}, "createdBefore takes a moment like"),
        ("crm.customers.list", None, {"createdBefore": datetime(2026, 3, 2)}, "needs a time zone"),  # noqa: DTZ001
        ("crm.customers.list", None, {"externalDataApplicationGuid": "x"}, "takes a GUID"),
        ("crm.customers.list", None, {"name": ""}, "name is empty"),
        ("crm.customers.get", None, {}, "crm.customers.get needs id"),
        ("crm.customers.get", {"id": 7}, {"id": 7}, "takes no body"),
        ("crm.customers.create_note", None, {"id": 7}, "needs a body"),
        ("crm.customers.create_note", {}, {"id": 7}, "The body needs text"),
        ("crm.customers.create_note", {"text": 7}, {"id": 7}, "text is to be of type string"),
        ("crm.customers.create_note", {"text": "x", "pinTop": True}, {"id": 7}, "no field pinTop; did you mean"),
        ("crm.customers.create_note", {"text": object()}, {"id": 7}, "nothing that JSON can hold"),
        ("crm.leads.create", {"campaignId": 1, "summary": "x", "priority": "Soon"}, {}, "priority is one of Low"),
        ("crm.leads.create_follow_up", {"followUpDate": "soon"}, {"id": 7}, "followUpDate does not fit format"),
        ("crm.customers.list", None, {"externalDataValues": {"a": 1}}, "externalDataValues takes text"),
    ],
)  # fmt: skip
async def test_what_is_not_published_is_refused_with_one_sentence_and_nothing_is_sent(
    name: str, body: Any, parameters: dict[str, Any], sentence: str
) -> None:
    async with scripted() as (server, client):
        with pytest.raises(InvalidRequest, match=r"Nothing was sent\.$") as caught:
            await client.call(name, body, **parameters)
    assert sentence in str(caught.value)
    assert server.requests == []


async def test_all_that_is_wrong_is_said_at_once() -> None:
    async with scripted() as (_, client):
        with pytest.raises(InvalidRequest, match=r"And 2 more\. Nothing was sent\.") as caught:
            await client.call("crm.leads.create", {"priority": "Soon", "colour": "red", "summary": "x"})
    assert caught.value.errors.keys() == {"campaignId", "priority", "colour"}


async def test_an_operation_that_nobody_publishes_is_refused_and_what_was_meant_is_named() -> None:
    async with scripted() as (_, client):
        with pytest.raises(UnknownOperation, match=r"crm\.customer\.list; did you mean crm\.customers\.list"):
            await client.call("crm.customer.list")
        with pytest.raises(UnknownOperation, match=r"has no operation called nonsense\.$"):
            await client.call("nonsense")


async def test_what_no_scope_covers_is_refused_unless_switched_on() -> None:
    async with scripted(reply(200, {"data": [], "hasMore": False})) as (server, client):
        with pytest.raises(NotRegistered, match=r"inventory\.trucks\.list is covered by no scope"):
            await client.call("inventory.trucks.list")
        assert server.requests == []
        daring = ServiceTitan(
            client._environment, TENANT, client._credentials, limiter=client._limiter, http=client._http,
            allow_unregistered=True,
        )  # fmt: skip
        assert (await daring.call("inventory.trucks.list"))["data"] == []


async def test_a_missing_scope_is_named_with_its_right() -> None:
    async with scripted(*(reply(403, FORBIDDEN) for _ in range(3))) as (_, client):
        with pytest.raises(
            ScopeMissing, match=r"crm\.customers\.list: it needs the scope Customers \(View\)"
        ) as caught:
            await client.call("crm.customers.list")
        assert (caught.value.scope, caught.value.right) == ("Customers", "View")
        with pytest.raises(ScopeMissing, match=r"jpm\.jobs\.create_note: it needs the scope Jobs \(Modify\)"):
            await client.call("jpm.jobs.create_note", {"text": "x"}, id=7)
        with pytest.raises(ScopeMissing, match=r"Customers \(View\)"):  # not only what is called by name
            await client.export("crm/v2/tenant/{tenant}/export/customers", RawPage)


def test_every_path_means_the_operation_that_publishes_it() -> None:
    for operation in operations().values():
        path = operation.path.replace("{id}", "7").replace("{tenant}", str(TENANT))
        found = meant_by(operation.method, path)
        assert found is not None
        assert found.path.count("/") == operation.path.count("/")
        assert found == operation or "{" in path  # where an id is still a name, a literal path may be as good
    assert meant_by("GET", "crm/v2/tenant/{tenant}/customers/contacts") == find(
        "crm.customers.get_modified_contacts_list"
    )
    assert meant_by("GET", "crm/v2/tenant/{tenant}/strangers") is None


async def test_all_pages_of_a_list_and_of_a_feed_are_read() -> None:
    pages = [reply(200, {"data": [{"id": 1}], "hasMore": True}), reply(200, {"data": [{"id": 2}], "hasMore": False})]
    async with scripted(*pages) as (server, client):
        rows = [row async for page in client.call_pages("crm.customers.list", active="Any") for row in page]
    assert rows == [{"id": 1}, {"id": 2}]
    assert [request.query["page"] for request in server.requests] == ["1", "2"]
    assert {request.query["pageSize"] for request in server.requests} == {"5000"}
    pages = [
        reply(200, {"data": [{"id": 1}], "hasMore": True, "continueFrom": "token 1"}),
        reply(200, {"data": [{"id": 2}], "hasMore": False, "continueFrom": "token 2"}),
    ]
    async with scripted(*pages) as (server, client):
        rows = [row async for page in client.call_pages("crm.export.customers") for row in page]
    assert rows == [{"id": 1}, {"id": 2}]
    assert [request.query.get("from") for request in server.requests] == [None, "token 1"]


async def test_lists_with_smaller_pages_are_asked_for_these() -> None:
    async with scripted(reply(200, {"data": [], "hasMore": False})) as (server, client):
        assert [page async for page in client.call_pages("forms.submissions.list")] == [[]]
    assert server.requests[0].query["pageSize"] == "500"


async def test_what_has_no_pages_says_so_and_what_is_no_page_too() -> None:
    async with scripted(reply(200, {"rows": []})) as (_, client):
        with pytest.raises(InvalidRequest, match=r"jpm\.jobs\.get_cancel_reasons has no pages"):
            await anext(client.call_pages("jpm.jobs.get_cancel_reasons"))
        with pytest.raises(UnexpectedAnswer, match="is no page of rows"):
            await anext(client.call_pages("crm.customers.list"))


async def test_a_page_that_was_cut_off_is_asked_for_again() -> None:
    async with scripted(cut_off(), reply(200, {"data": [{"id": 1}], "hasMore": False})) as (server, client):
        assert (await client.call("crm.customers.list"))["data"] == [{"id": 1}]
    assert len(server.requests) == 2


async def test_a_write_whose_reply_was_lost_may_have_happened() -> None:
    async with scripted(cut_off()) as (server, client):
        with pytest.raises(OutcomeUnknown):
            await client.call("crm.customers.create_note", {"text": "x"}, id=7)
    assert len(server.requests) == 1


async def test_a_text_in_the_path_cannot_lead_elsewhere() -> None:
    async with scripted(reply(200, {"email": "x"})) as (server, client):
        await client.call("marketing.suppressions.get", email="../campaigns?x=1")
    assert server.requests[0].path == f"/marketing/v2/tenant/{TENANT}/suppressions/..%2Fcampaigns%3Fx%3D1"


async def test_the_sandbox_is_called_by_name() -> None:
    async with sandboxed() as (_, client):
        found = await client.call("crm.customers.list", pageSize=3, includeTotal=True)
        one = await client.call("crm.customers.get", id=found["data"][0]["id"])
    assert found["totalCount"] == 10
    assert one["name"] == found["data"][0]["name"]
