"""Every request that Trunkline sends to ServiceTitan is one that ServiceTitan publishes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import httpx
import pytest
from sandbox_kit import SMALL, TENANT

from company import TLS, Unlimited
from contract import Contract
from trunkline.domain.logging_plan import LogKind
from trunkline.logbook.notes import ServiceTitanNotes
from trunkline.mirror.catalog import RESOURCES, TYPED
from trunkline.mirror.feeds import FEEDS
from trunkline.mirror.sync import MirrorSync
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER
from trunkline.servicetitan import Credentials, Environment, ServiceTitan
from trunkline.servicetitan.client import ExportPage
from trunkline.servicetitan.errors import NotFound
from trunkline.servicetitan.models import Customer
from trunkline.store.database import Database

CONTRACT = Contract.kept()
CUSTOMERS = "crm/v2/tenant/{tenant}/customers"


class Wiretap:
    """Trunkline's client and a sandbox, and all that goes between them but the sign-in."""

    def __init__(self, server: SandboxServer, http: httpx.AsyncClient) -> None:
        self.server = server
        self.sent: list[httpx.Request] = []
        self.sign_ins: list[httpx.Request] = []
        http.event_hooks["request"].append(self._note)
        credentials = Credentials("cid.example", "cs1.example-secret", "ak1.example")
        environment = Environment.at(server.base_url)
        self.client = ServiceTitan(environment, TENANT, credentials, limiter=Unlimited(), http=http)

    async def _note(self, request: httpx.Request) -> None:
        (self.sign_ins if request.url.path == "/connect/token" else self.sent).append(request)

    def wrong(self) -> list[str]:
        """What breaks the contract in all that was sent."""
        return [complaint for request in self.sent for complaint in complaints(request)]

    def asked(self) -> set[str]:
        """The operations that were asked for."""
        found = [CONTRACT.operation(request.method, request.url.path) for request in self.sent]
        return {operation.name for operation in found if operation}


def complaints(request: httpx.Request) -> list[str]:
    """What is wrong about a request, its headers included."""
    body = request.content
    found = CONTRACT.request(request.method, request.url.path, request.url.params.multi_items(), body)
    if not request.headers["authorization"].startswith("Bearer ") or request.headers["st-app-key"] != "ak1.example":
        found.append("a request without token or app key")
    if body and request.headers["content-type"] != "application/json":
        found.append("a body that does not say what it is")
    return [f"{request.method} {request.url}: {complaint}" for complaint in found]


@asynccontextmanager
async def wiretapped(options: SandboxOptions = SMALL) -> AsyncIterator[Wiretap]:
    async with SandboxServer(options) as server, httpx.AsyncClient(verify=TLS) as http:
        yield Wiretap(server, http)


@pytest.fixture
async def tap() -> AsyncIterator[Wiretap]:
    async with wiretapped(SandboxOptions(customers=340, page_size=100, requests_per_second=10_000)) as it:
        yield it


async def test_signing_in_asks_as_oauth_does(tap: Wiretap) -> None:
    await tap.client.get(CUSTOMERS, dict)
    (request,) = tap.sign_ins
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(request.content.decode())) == {
        "grant_type": "client_credentials",
        "client_id": "cid.example",
        "client_secret": "cs1.example-secret",
    }


async def test_all_that_a_sync_asks_for_is_published(tap: Wiretap, database: Database) -> None:
    sync = MirrorSync(database, tap.client)
    needed = {feed.name for feed in FEEDS}
    assert not needed & (await sync.sync_once()).keys()
    first = len(tap.sent)
    tap.server.world.change("customers", FIRST_CUSTOMER, name="Jane Example")
    tap.server.world.put("campaigns", next(tap.server.world.all_rows("campaigns")))
    assert not needed & (await sync.sync_once()).keys()
    second = tap.sent[first:]
    assert {operation.partition("{tenant}/")[2] for operation in tap.asked()} >= {
        resource.operation.path.partition("{tenant}/")[2] for resource in RESOURCES
    }
    assert [request.url.params["modifiedOnOrAfter"] for request in second if request.url.path.endswith("/campaigns")]
    assert [request.url.params["from"] for request in second if request.url.path.endswith("/export/customers")]
    assert tap.wrong() == []


async def test_going_on_by_date_is_published_too(tap: Wiretap, database: Database) -> None:
    sync = MirrorSync(database, tap.client, resources=TYPED)
    assert await sync.sync_once() == {}
    async with database.connection() as connection:
        await connection.execute("update mirror.feeds set continue_from = 'worn out'")
    tap.sent.clear()
    assert await sync.sync_once() == {}
    asked = [request.url.params["from"] for request in tap.sent if "/export/" in request.url.path]
    dates = [text for text in asked if text.startswith("20")]
    assert len(dates) == sum(feed.export for feed in FEEDS)
    assert all(datetime.fromisoformat(date).tzinfo for date in dates)
    assert tap.wrong() == []


@pytest.mark.parametrize(
    ("kind", "target"),
    [(LogKind.CUSTOMER_NOTE, FIRST_CUSTOMER), (LogKind.JOB_NOTE, FIRST_CUSTOMER * 10), (LogKind.BOOKING, 1)],
)
async def test_writing_a_call_down_is_published(tap: Wiretap, kind: LogKind, target: int) -> None:
    notes = ServiceTitanNotes(tap.client)
    text = 'Jane Example, +14375550142\nJane said "a leak",\nfloor −1. [call:REF0000001]'
    note_id = await notes.add(kind, target, text)
    note = await notes.find(kind, target, "REF0000001", since=datetime.now(UTC) - timedelta(minutes=1))
    assert note is not None
    assert (note.id, note.text) == (note_id, text)
    assert await notes.find(kind, target, "REF0000002", since=datetime.now(UTC) - timedelta(minutes=1)) is None
    assert {request.method for request in tap.sent} == {"GET", "POST"}
    assert tap.wrong() == []


async def test_reading_lists_and_feeds_is_published(tap: Wiretap) -> None:
    pages = [page async for page in tap.client.pages(CUSTOMERS, Customer, {"active": "Any"}, page_size=200)]
    export = "crm/v2/tenant/{tenant}/export/customers"
    page = await tap.client.export(export, ExportPage[Customer])
    await tap.client.export(export, ExportPage[Customer], continue_from=page.continue_from, include_recent_changes=True)
    with pytest.raises(NotFound):
        await tap.client.get("crm/v2/tenant/{tenant}/customers/1", Customer)
    assert [len(page) for page in pages] == [200, 140]
    assert tap.asked() == {
        "GET /crm/v2/tenant/{tenant}/customers",
        "GET /crm/v2/tenant/{tenant}/customers/{id}",
        "GET /crm/v2/tenant/{tenant}/export/customers",
    }
    assert tap.wrong() == []


async def test_what_nobody_publishes_would_be_found(tap: Wiretap) -> None:
    await tap.client.get(CUSTOMERS, dict, {"phoneNumber": "4375550142"})
    await tap.client.post("crm/v2/tenant/{tenant}/customers/100000/notes", {"text": "x", "colour": "red"}, dict)
    assert [complaint.partition(": ")[2] for complaint in tap.wrong()] == [
        "GET /crm/v2/tenant/{tenant}/customers has no parameter 'phoneNumber'",
        "all of it: Additional properties are not allowed ('colour' was unexpected)",
    ]
