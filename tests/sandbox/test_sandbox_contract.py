"""Every answer that the ServiceTitan sandbox can give is one that ServiceTitan publishes."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sandbox_kit import NEW_LEAD, NEW_NOTE, NEW_TASK, SMALL, TENANT, live_a_little, sandbox, sign_in
from sandbox_requests import CONTRACT, SERVED, body_of, path_of, published, query_of, samples

from company import TLS
from contract import SEEN_AS_NULL, nulls_against_the_schema
from trunkline.contract.codes import granting
from trunkline.contract.operations import Operation, details, operations
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.sandbox.servicetitan.handmade import ANSWERS
from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER

pytestmark = pytest.mark.asyncio(loop_scope="module")

READING = [operation for operation in SERVED if operation.method == "GET"]
# What removes rows comes last: the others need them.
IN_TURN = sorted(SERVED, key=lambda one: (one.method != "GET", one.method == "DELETE"))
# ServiceTitan publishes no answers of these.
UNPUBLISHED = {operation.name for operation in SERVED if operation.scope == "Opportunities"}
FILE = {"file": ("photo.txt", b"A leak under the sink.")}


def name_of(operation: Operation) -> str:
    return operation.name


class World:
    """A sandbox in which something has happened."""

    def __init__(self, server: SandboxServer, http: httpx.AsyncClient) -> None:
        self.server, self.http = server, http

    async def live(self) -> None:
        """Leave traces in every list."""
        world = self.server.world
        live_a_little(world)
        for of, body in (("crm/v2", NEW_LEAD), ("taskmanagement/v2", NEW_TASK)):
            name = "leads" if body is NEW_LEAD else "tasks"
            (await self.http.post(f"/{of}/tenant/{TENANT}/{name}", json=body)).raise_for_status()
        lead = next(world.all_rows("leads"))["id"]
        await self.http.post(f"/crm/v2/tenant/{TENANT}/leads/{lead}/notes", json=NEW_NOTE)
        job = FIRST_CUSTOMER * 10
        (await self.http.post(f"/forms/v2/tenant/{TENANT}/jobs/{job}/attachments", files=FILE)).raise_for_status()
        call = next(world.all_rows("calls"))["id"]
        world.change("calls", call, voiceMailPath="https://recordings.example.com/voicemail.mp3")

    def path(self, operation: Operation, **which: Any) -> str:
        return path_of(operation, self.server.world, **which)

    def sent(self, operation: Operation) -> dict[str, Any]:
        """The body of a good request, ready for httpx."""
        if operation.name == "forms.jobs.create_attachment":
            return {"files": FILE}
        body = body_of(operation, self.server.world)
        return {} if body is None else {"json": body}

    async def check(self, operation: Operation, **request: Any) -> Any:
        """Send a request, check it and its answer, and return the answer."""
        path = request.pop("path", None) or self.path(operation)
        answer = await self.http.request(operation.method, path, **request)
        sent = answer.request
        if "files" not in request:
            assert CONTRACT.request(sent.method, path, sent.url.params.multi_items(), sent.content) == []
        assert answer.status_code < 300, answer.text
        return fine(operation, answer)


def fine(operation: Operation, answer: httpx.Response) -> Any:
    """Fail with all that is wrong about a good answer."""
    schema = details(operation).answer
    if operation.name in UNPUBLISHED:
        return answer.json()
    assert str(answer.status_code) in details(operation).responses
    if schema is None:
        # Files are published as answers without a schema; what is not a file has no body.
        assert (answer.content != b"") is (operation.method == "GET")
        return None
    if "content" in schema:
        assert answer.headers["content-type"] == schema["content"]
        return answer.content
    complain(answer)
    return answer.json()


def complain(answer: httpx.Response) -> None:
    """Fail with all that is wrong about an answer."""
    method, path = answer.request.method, answer.request.url.path
    kind = answer.headers["content-type"]
    assert CONTRACT.response(method, path, answer.status_code, kind, answer.content) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world() -> AsyncIterator[World]:
    options = SandboxOptions(customers=340, page_size=10, table_rows=14, requests_per_second=100_000)
    async with sandbox(options) as (server, http):
        made = World(server, http)
        await made.live()
        yield made


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """One world for all tests; faults and options are put back."""
    options = shared_world.server.sandbox.options
    yield shared_world
    shared_world.server.sandbox.options = options
    shared_world.server.sandbox.faults.active = []


async def test_everything_that_the_app_is_registered_for_is_served() -> None:
    assert len(SERVED) == 387
    assert ANSWERS.keys() <= {operation.name for operation in SERVED}


@pytest.mark.parametrize("operation", IN_TURN, ids=name_of)
async def test_whatever_is_asked_the_answer_is_as_published(world: World, operation: Operation) -> None:
    needed = query_of(operation)
    answer = await world.check(operation, params=needed, **world.sent(operation))
    rows = answer.get("data") if isinstance(answer, dict) else answer
    assert rows != [], "an empty list proves nothing"
    choices = list(samples(operation))
    short = {"pageSize": "5"} if "pageSize" in dict(choices) else {}
    for name, value in choices:
        await world.check(operation, params=needed | short | {name: value}, **world.sent(operation))


@pytest.mark.parametrize("operation", [one for one in SERVED if one.exports], ids=name_of)
async def test_every_page_of_an_export_feed_is_as_published(world: World, operation: Operation) -> None:
    query, seen = {"includeRecentChanges": "true"}, 0
    while True:
        page = await world.check(operation, params=query)
        seen += len(page["data"])
        query["from"] = page["continueFrom"]
        if not page["hasMore"]:
            break
    assert seen
    assert query["from"]


async def test_every_call_is_as_published_in_each_of_its_four_shapes(world: World) -> None:
    listed = await world.check(operations()["telecom.calls.list"], params={"pageSize": "500"})
    older = await world.check(operations()["telecom.calls.list_v2"], params={"pageSize": "500"})
    assert len(listed["data"]) == older["totalCount"] == world.server.world.count("calls")
    single = operations()["telecom.calls.get"]
    for bundle in listed["data"]:
        detail = await world.check(single, path=world.path(single, row_id=bundle["id"]))
        assert detail["leadCall"].keys() == bundle["leadCall"].keys() - {"createdOn", "active"}
    kinds = {bundle["leadCall"]["callType"] for bundle in listed["data"]}
    assert {"Booked", "Unbooked", "Excused", "NotLead", "Abandoned", None} == kinds


async def test_nothing_is_let_pass_as_null_that_never_is(world: World) -> None:
    found: set[str] = set()
    calls = [row["id"] for row in world.server.world.all_rows("calls")]
    for operation in READING:
        if "application/json" not in str(details(operation).answer or {}) and details(operation).answer is None:
            continue
        for row_id in calls if operation.name == "telecom.calls.get" else [None]:
            path = world.path(operation, row_id=row_id)
            answer = await world.http.get(path, params={"pageSize": "500", **query_of(operation)})
            if answer.headers["content-type"] == "application/json":
                found |= nulls_against_the_schema(published(operation), answer.json())
    assert found == SEEN_AS_NULL


@pytest.mark.parametrize("operation", SERVED, ids=name_of)
async def test_only_the_right_scope_opens_an_operation(world: World, operation: Operation) -> None:
    clients = world.server.sandbox.clients
    path, good = world.path(operation, missing=True), dict(world.http.headers)
    other = [code[:-1] + ("w" if code.endswith("r") else "r") for code in granting(operation)]
    try:
        for scopes in ((), tuple(other), tuple(scope for scope in SMALL.scopes if scope not in granting(operation))):
            clients.grant("cid.example", *scopes)
            await sign_in(world.http)
            answer = await world.http.request(operation.method, path)
            assert answer.status_code == 403
            complain(answer)
        for code in granting(operation):
            clients.grant("cid.example", code)
            await sign_in(world.http)
            assert (await world.http.request(operation.method, path)).status_code != 403
    finally:
        clients.grant("cid.example", *SMALL.scopes)
        world.http.headers.update(good)


@pytest.mark.parametrize("operation", SERVED, ids=name_of)
async def test_refusals_and_bad_moments_have_the_published_shapes(world: World, operation: Operation) -> None:
    path = world.path(operation, missing=True)
    refused = {
        "no token": (401, path, {"Authorization": ""}),
        "a wrong token": (401, path, {"Authorization": "Bearer worn.out.token"}),
        "a wrong app key": (401, path, {"ST-App-Key": "ak1.wrong"}),
        "another tenant": (403, path.replace(str(TENANT), "7"), {}),
    }
    for what, (status, target, headers) in refused.items():
        answer = await world.http.request(operation.method, target, headers=headers)
        assert answer.status_code == status, what
        complain(answer)
    for fault in ("429=1", "500=1"):
        assert (await world.http.post("/sandbox/faults", json={"faults": [fault]})).status_code == 204
        answer = await world.http.request(operation.method, path)
        assert answer.status_code == int(fault[:3])
        complain(answer)


# Paths whose last part names something that may be new.
MAY_BE_NEW = {"crm.contacts.upsert_contact_method", "dispatch.gps_provider.create"}
NAMED = [one for one in SERVED if one.path.count("{") > 1 and one.name not in MAY_BE_NEW]


@pytest.mark.parametrize("operation", NAMED, ids=name_of)
async def test_a_row_that_is_not_there_is_answered_as_published(world: World, operation: Operation) -> None:
    path, query = world.path(operation, missing=True), query_of(operation)
    answer = await world.http.request(operation.method, path, params=query, **world.sent(operation))
    if "booking_provider" in operation.path and operation.path.endswith("bookings"):
        assert answer.status_code == 200
    else:
        assert answer.status_code == 404, answer.text
    if details(operation).responses.get("404", {}) is not None:
        complain(answer)


async def test_a_path_that_nobody_publishes_is_refused_by_the_gateway(world: World) -> None:
    for method, path in (("GET", f"/crm/v2/tenant/{TENANT}/nothing"), ("PUT", f"/crm/v2/tenant/{TENANT}/leads")):
        answer = await world.http.request(method, path)
        assert answer.status_code == 404
        complain(answer)


async def test_an_operation_that_no_scope_covers_is_unknown(world: World) -> None:
    answer = await world.http.get(f"/inventory/v2/tenant/{TENANT}/trucks")
    assert answer.status_code == 404
    complain(answer)


WRONG_QUERIES = (
    {"page": "0"},
    {"page": "first"},
    {"pageSize": "0"},
    {"pageSize": "5001"},
    {"active": "Maybe"},
    {"modifiedOnOrAfter": "yesterday"},
    {"createdBefore": "2026-13-01"},
    {"from": "customers"},
    {"customerId": "Jane"},
    {"includeTotal": "perhaps"},
)


@pytest.mark.parametrize("query", WRONG_QUERIES, ids="-".join)
async def test_a_wrong_query_is_refused_as_published_wherever_its_parameter_is(
    world: World, query: dict[str, str]
) -> None:
    (name,) = query
    refused = 0
    for operation in READING:
        # Lists written by hand take any switch that is not "true" as off.
        if name in dict(samples(operation)) and not (name == "includeTotal" and operation.name in ANSWERS):
            answer = await world.http.get(world.path(operation), params=query_of(operation) | query)
            assert answer.status_code == 400, operation.name
            complain(answer)
            assert name.lower() in map(str.lower, answer.json()["errors"])
            refused += 1
    assert refused


@pytest.mark.parametrize("ids", [",".join(map(str, range(51))), "Jane"])
async def test_wrong_ids_are_refused_wherever_rows_are_found_by_them(world: World, ids: str) -> None:
    refused = 0
    for operation in READING:
        if "ids" in dict(samples(operation)):
            answer = await world.http.get(world.path(operation), params={"ids": ids})
            assert answer.status_code == 400, operation.name
            complain(answer)
            assert {"ids"} == set(map(str.lower, answer.json()["errors"]))
            refused += 1
    assert refused > 40


def wrong_bodies(good: Any) -> Iterator[tuple[str, bytes]]:
    """Without each field, with each field of another kind, and no object at all; with the field's name."""
    for name in good if isinstance(good, dict) else ():
        yield name, json.dumps({key: value for key, value in good.items() if key != name}).encode()
        other = 7 if isinstance(good[name], dict) else {"not": "this"}
        yield name, json.dumps({**good, name: other}).encode()
    yield from (("", body) for body in (b"", b'"text"', b"{", b"\xff"))


WRITING = [one for one in SERVED if details(one).body and one.name != "forms.jobs.create_attachment"]


@pytest.mark.parametrize("operation", WRITING, ids=name_of)
async def test_what_is_written_wrongly_is_refused_exactly_where_the_contract_says_so(
    world: World, operation: Operation
) -> None:
    good = body_of(operation, world.server.world)
    for name, body in wrong_bodies(good):
        answer = await world.http.request(operation.method, world.path(operation), content=body)
        wrong = CONTRACT.request(operation.method, world.path(operation), body=body)
        if wrong and not (operation.name == "telecom.calls.update" and "required" in str(wrong)):
            assert answer.status_code == 400, (body, wrong)
            complain(answer)
            if name and isinstance(answer.json(), str):
                assert answer.json().startswith(name)
            elif name:
                assert {key.partition(".")[0].partition("[")[0] for key in answer.json()["errors"]} == {name}
        else:
            assert answer.status_code < 500, (body, answer.text)


async def test_the_limit_of_requests_is_refused_as_published() -> None:
    async with sandbox(SandboxOptions(customers=1, requests_per_second=0)) as (_, http):
        answer = await http.get(f"/crm/v2/tenant/{TENANT}/customers")
        assert answer.status_code == 429
        complain(answer)


async def test_sign_in_answers_as_the_api_expects() -> None:
    async with SandboxServer(SMALL) as server, httpx.AsyncClient(base_url=server.base_url, verify=TLS) as http:
        await sign_in(http)
        form = {"grant_type": "client_credentials", "client_id": "cid.example", "client_secret": "cs1.example-secret"}
        good = (await http.post("/connect/token", data=form)).json()
        wrong = await http.post("/connect/token", data={**form, "client_secret": "cs1.wrong"})
        other = await http.post("/connect/token", data={**form, "grant_type": "password"})
    assert good.keys() == {"access_token", "expires_in", "token_type", "scope"}
    assert (good["expires_in"], good["token_type"], set(good["scope"].split())) == (900, "Bearer", set(SMALL.scopes))
    assert (wrong.status_code, wrong.json()) == (400, {"error": "invalid_client"})
    assert (other.status_code, other.json()) == (400, {"error": "unsupported_grant_type"})
