"""Every answer that the ServiceTitan sandbox can give is one that ServiceTitan publishes."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sandbox_kit import (
    NEW_LEAD,
    NEW_NOTE,
    NEW_TASK,
    NOBODY,
    SMALL,
    TENANT,
    live_a_little,
    sandbox,
    sign_in,
)

from contract import SEEN_AS_NULL, Contract, nulls_against_the_schema
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.sandbox.servicetitan.operations import OPERATIONS, Operation

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTRACT = Contract.kept()
NAMES = [f"{operation.method} {operation.path}" for operation in OPERATIONS]

SAMPLES = {"integer": "1", "boolean": "true", "number": "1.5", "string": "a"}
SAMPLES_BY_FORMAT = {"date-time": "2026-01-15T00:00:00Z", "guid": "6f9619ff-8b86-4011-b42d-00c04fc964ff"}
SAMPLES_BY_NAME = {
    "page": "1",
    "pageSize": "5",
    "ids": "1,100000",
    "sort": "-ModifiedOn",
    "orderBy": "createdOn",
    "statuses": "ToDo",
    "from": "2026-01-15",
}
BODIES = {"notes": NEW_NOTE, "leads": NEW_LEAD, "tasks": NEW_TASK}
"""What is written, by the last part of the path."""


class World:
    """A sandbox in which something has happened, and the ids of what paths may name."""

    def __init__(self, server: SandboxServer, http: httpx.AsyncClient) -> None:
        self.server, self.http = server, http
        self.made: dict[str, int] = {}

    async def live(self) -> None:
        """Leave traces in every list."""
        self.made = live_a_little(self.server.world)
        for module, name in (("crm", "leads"), ("taskmanagement", "tasks")):
            answer = await self.http.post(f"/{module}/v2/tenant/{TENANT}/{name}", json=BODIES[name])
            self.made[name] = answer.json()["id"]
        await self.http.post(f"/crm/v2/tenant/{TENANT}/leads/{self.made['leads']}/notes", json=NEW_NOTE)

    def path(self, operation: Operation, row_id: int | None = None) -> str:
        """The path of a request for a row that is there."""
        return operation.path.replace("{tenant}", str(TENANT)).replace("{id}", str(row_id or self._id(operation)))

    def _id(self, operation: Operation) -> int:
        before, found, _ = operation.path.partition("/{id}")
        name = before.rpartition("/")[2]
        if not found or name in self.made:
            return self.made.get(name, 0)
        return int(next(self.server.world.all_rows(name))["id"])

    async def check(self, operation: Operation, **request: Any) -> Any:
        """Send a request, check it and its answer, and return the answer."""
        path = request.pop("path", None) or self.path(operation)
        answer = await self.http.request(operation.method, path, **request)
        sent = answer.request
        assert CONTRACT.request(sent.method, path, sent.url.params.multi_items(), sent.content) == []
        complain(answer)
        assert answer.status_code == 200, answer.text
        return answer.json()


def complain(answer: httpx.Response) -> None:
    """Fail with all that is wrong about an answer."""
    method, path = answer.request.method, answer.request.url.path
    kind = answer.headers["content-type"]
    assert CONTRACT.response(method, path, answer.status_code, kind, answer.content) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world() -> AsyncIterator[World]:
    async with sandbox(SandboxOptions(customers=340, page_size=100, requests_per_second=10_000)) as (server, http):
        made = World(server, http)
        await made.live()
        yield made


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """One world for all tests, which add to it at most; faults and options are put back."""
    options = shared_world.server.sandbox.options
    yield shared_world
    shared_world.server.sandbox.options = options
    shared_world.server.sandbox.faults.active = []


def body_of(operation: Operation) -> dict[str, Any]:
    return {"json": BODIES[operation.path.rpartition("/")[2]]} if operation.method == "POST" else {}


def samples(operation: Operation) -> Iterator[tuple[str, str]]:
    """One good value of every published parameter in the query, and all where there are a few to choose from."""
    published = CONTRACT.operation(operation.method, operation.path.replace("{tenant}", "1").replace("{id}", "1"))
    assert published is not None
    for name, parameter in published.parameters("query").items():
        schema = parameter["schema"]
        choices = published.module.published["schemas"].get(schema.get("$ref"), {}).get("enum")
        if choices:
            yield from ((name, choice) for choice in choices)
        elif name in SAMPLES_BY_NAME and schema["type"] != "array":
            yield name, SAMPLES_BY_NAME[name]
        elif name.lower().endswith("ids"):
            yield name, "1"
        else:
            yield name, SAMPLES_BY_FORMAT.get(schema.get("format"), SAMPLES[schema["type"]])


@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
async def test_whatever_is_asked_the_answer_is_as_published(world: World, operation: Operation) -> None:
    answer = await world.check(operation, **body_of(operation))
    assert answer.get("data") != [], "an empty list proves nothing"
    choices = list(samples(operation))
    short = {"pageSize": "5"} if "pageSize" in dict(choices) else {}
    for name, value in choices:
        await world.check(operation, params=short | {name: value})


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if "/export/" in operation.path], ids=lambda one: one.path[1:]
)
async def test_every_row_of_a_feed_is_as_published(world: World, operation: Operation) -> None:
    query, pages = {"includeRecentChanges": "true"}, 0
    while True:
        page = await world.check(operation, params=query)
        pages += 1
        query["from"] = page["continueFrom"]
        if not page["hasMore"]:
            break
    assert pages == 1 if "settings" in operation.path else pages > 3


async def test_every_call_is_as_published_in_each_of_its_four_shapes(world: World) -> None:
    by_path = {operation.path: operation for operation in OPERATIONS}
    calls = "/tenant/{tenant}/calls"
    listed = await world.check(by_path[f"/telecom/v3{calls}"], params={"pageSize": "500"})
    older = await world.check(by_path[f"/telecom/v2{calls}"], params={"pageSize": "500"})
    assert len(listed["data"]) == older["totalCount"] == world.server.world.count("calls")
    single = by_path[f"/telecom/v2{calls}/{{id}}"]
    for bundle in listed["data"]:
        detail = await world.check(single, path=world.path(single, bundle["id"]))
        assert detail["leadCall"].keys() == bundle["leadCall"].keys() - {"createdOn", "active"}
    kinds = {bundle["leadCall"]["callType"] for bundle in listed["data"]}
    assert kinds == {"Booked", "Unbooked", "Excused", "NotLead", "Abandoned", None}


async def test_nothing_is_let_pass_as_null_that_never_is(world: World) -> None:
    found: set[str] = set()
    calls = [row["id"] for row in world.server.world.all_rows("calls")]
    for operation in OPERATIONS:
        if operation.method == "GET":
            for row_id in calls if "calls/{id}" in operation.path else [None]:
                path = world.path(operation, row_id)
                published = CONTRACT.operation("GET", path)
                assert published is not None
                answer = await world.http.get(path, params={"pageSize": "500"})
                found |= nulls_against_the_schema(published, answer.json())
    assert found == SEEN_AS_NULL


@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
async def test_refusals_have_the_published_shapes(world: World, operation: Operation) -> None:
    path, body = world.path(operation), body_of(operation)
    options = world.server.sandbox.options
    refused = {
        "no token": (401, path, {"Authorization": ""}),
        "a wrong token": (401, path, {"Authorization": "Bearer worn.out.token"}),
        "a wrong app key": (401, path, {"ST-App-Key": "ak1.wrong"}),
        "another tenant": (403, path.replace(str(TENANT), "7"), {}),
    }
    for what, (status, target, headers) in refused.items():
        answer = await world.http.request(operation.method, target, headers=headers, **body)
        assert answer.status_code == status, what
        complain(answer)
    world.server.sandbox.options = SandboxOptions(
        customers=1, scopes=tuple(scope for scope in options.scopes if scope != operation.scope)
    )
    answer = await world.http.request(operation.method, path, **body)
    assert answer.status_code == 403
    complain(answer)


@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
async def test_bad_moments_have_the_published_shapes(world: World, operation: Operation) -> None:
    path, body = world.path(operation), body_of(operation)
    for fault in ("429=1", "500=1"):
        assert (await world.http.post("/sandbox/faults", json={"faults": [fault]})).status_code == 204
        answer = await world.http.request(operation.method, path, **body)
        assert answer.status_code == int(fault[:3])
        complain(answer)


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if "{id}" in operation.path], ids=lambda one: one.path[1:]
)
async def test_a_row_that_is_not_there_is_answered_as_published(world: World, operation: Operation) -> None:
    answer = await world.http.request(operation.method, world.path(operation, NOBODY), **body_of(operation))
    assert answer.status_code == 404
    complain(answer)


async def test_a_path_that_nobody_publishes_is_refused_by_the_gateway(world: World) -> None:
    for method, path in (("GET", f"/crm/v2/tenant/{TENANT}/nothing"), ("PUT", f"/crm/v2/tenant/{TENANT}/leads")):
        answer = await world.http.request(method, path)
        assert answer.status_code == 404
        complain(answer)


WRONG_QUERIES = (
    {"page": "0"},
    {"page": "first"},
    {"pageSize": "0"},
    {"pageSize": "5001"},
    {"ids": ",".join(map(str, range(51)))},
    {"ids": "Jane"},
    {"active": "Maybe"},
    {"modifiedOnOrAfter": "yesterday"},
    {"createdBefore": "2026-13-01"},
    {"from": "customers"},
    {"customerId": "Jane"},
)


@pytest.mark.parametrize("query", WRONG_QUERIES, ids="-".join)
async def test_a_wrong_query_is_refused_as_published_wherever_its_parameter_is(
    world: World, query: dict[str, str]
) -> None:
    (name,) = query
    refused = 0
    for operation in OPERATIONS:
        if operation.method == "GET" and name in dict(samples(operation)):
            answer = await world.http.get(world.path(operation), params=query)
            assert answer.status_code == 400, operation.path
            complain(answer)
            assert name.lower() in map(str.lower, answer.json()["errors"])
            refused += 1
    assert refused


def wrong_bodies(good: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Without each field, with each field of another kind, and no object at all; with the field's name."""
    for name in good:
        yield name, json.dumps({key: value for key, value in good.items() if key != name}).encode()
        yield name, json.dumps({**good, name: {"not": "this"}}).encode()
    yield from (("", body) for body in (b"", b"[]", b'"text"', b"{", b"\xff"))


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if operation.method == "POST"], ids=lambda one: one.path[1:]
)
async def test_what_is_written_wrongly_is_refused_exactly_where_the_contract_says_so(
    world: World, operation: Operation
) -> None:
    path, good = world.path(operation), body_of(operation)["json"]
    statuses = set()
    for name, body in wrong_bodies(good):
        answer = await world.http.post(path, content=body)
        wrong = CONTRACT.request("POST", path, body=body)
        needs_a_day = "leads" in path and "notes" not in path and b"followUpDate" not in body
        assert answer.status_code == (400 if wrong or needs_a_day else 200), (body, wrong)
        complain(answer)
        if wrong and name:
            assert answer.json()["errors"].keys() == {name}
        statuses.add(answer.status_code)
    assert statuses == {200, 400}


async def test_the_limit_of_requests_is_refused_as_published() -> None:
    async with sandbox(SandboxOptions(customers=1, requests_per_second=0)) as (_, http):
        answer = await http.get(f"/crm/v2/tenant/{TENANT}/customers")
        assert answer.status_code == 429
        complain(answer)


async def test_sign_in_answers_as_the_api_expects() -> None:
    async with SandboxServer(SMALL) as server, httpx.AsyncClient(base_url=server.base_url) as http:
        await sign_in(http)
        form = {"grant_type": "client_credentials", "client_id": "cid.example", "client_secret": "cs1.example-secret"}
        good = (await http.post("/connect/token", data=form)).json()
        wrong = await http.post("/connect/token", data={**form, "client_secret": "cs1.wrong"})
        other = await http.post("/connect/token", data={**form, "grant_type": "password"})
    assert good.keys() == {"access_token", "expires_in", "token_type", "scope"}
    assert (good["expires_in"], good["token_type"], set(good["scope"].split())) == (900, "Bearer", set(SMALL.scopes))
    assert (wrong.status_code, wrong.json()) == (400, {"error": "invalid_client"})
    assert (other.status_code, other.json()) == (400, {"error": "unsupported_grant_type"})
