"""What the tests of decisions share: a database with customers, a book, and external data at the network boundary."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from company import Unlimited
from trunkline.calls.identify import Identification
from trunkline.domain.caller import Match
from trunkline.numbers.book import NumberBook
from trunkline.numbers.keeper import Keeper
from trunkline.servicetitan import Credentials, Environment, ServiceTitan
from trunkline.store.database import Database

TENANT = 1_000_001
GUID = UUID("11111111-2222-4333-8444-555555555555")
NUMBER, OTHER_NUMBER = "+14375550142", "+14375550143"
_LISTS = {"customers": "customers", "locations": "locations"}


class Shelf:
    """Remembers external data as ServiceTitan does. `trouble` are the answers to the next writes, before or after they
    are carried out; `writes` what came in.
    """

    def __init__(self) -> None:
        self.held: dict[tuple[str, int], dict[str, str]] = {}
        self.writes: list[tuple[str, int, dict[str, str | None]]] = []
        self.trouble: list[tuple[str, int]] = []
        self.lists_fail = 0
        self.patch_modes: set[str] = set()

    def put(self, kind: str, row_id: int, **values: str) -> None:
        """Something that stands there already."""
        self.held.setdefault((kind, row_id), {}).update(values)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, as a handler of httpx."""
        if request.url.path == "/connect/token":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 900, "token_type": "Bearer"})
        if request.method == "PATCH":
            return self._patched(request)
        if self.lists_fail:
            self.lists_fail -= 1
            return httpx.Response(403, json={"title": "No.", "status": 403})
        kind = request.url.path.rpartition("/")[2]
        query = dict(request.url.params)
        rows = [
            {"id": row_id, "externalData": [{"key": key, "value": value} for key, value in held.items()]}
            for (where, row_id), held in sorted(self.held.items())
            if where == kind and held.get(query["externalDataKey"]) in query["externalDataValues"].split(",")
        ]
        return httpx.Response(200, json={"data": rows, "hasMore": False})

    def _patched(self, request: httpx.Request) -> httpx.Response:
        when, status = self.trouble.pop(0) if self.trouble else ("", 200)
        kind, _, row_id = request.url.path.rpartition("tenant/")[2].partition("/")[2].partition("/")
        if when != "before":
            body = json.loads(request.content)["externalData"]
            self.patch_modes.add(body["patchMode"])
            values = {one["key"]: one["value"] for one in body["externalData"]}
            self.writes.append((kind, int(row_id), values))
            held = self.held.setdefault((kind, int(row_id)), {})
            held.update({key: value for key, value in values.items() if value is not None})
            for key in [key for key, value in values.items() if value is None]:
                held.pop(key, None)
        if status == 0:
            raise httpx.ReadError("the reply was lost", request=request)
        return httpx.Response(status, json={"title": f"Status {status}.", "status": status})

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ServiceTitan]:
        """A client that reaches this and nothing else."""
        credentials = Credentials("cid.example", "cs1.example-secret", "ak1.example")
        async with httpx.AsyncClient(transport=httpx.MockTransport(self.answer)) as http:
            where = Environment.at("http://servicetitan.example")
            yield ServiceTitan(where, TENANT, credentials, limiter=Unlimited(), http=http)

    @asynccontextmanager
    async def keeper(self, database: Database, guid: UUID = GUID) -> AsyncIterator[Keeper]:
        """A keeper of copies there."""
        async with self.client() as client:
            yield Keeper(database, client, guid)


class Room:
    """A book on a database with as many customers as a test asks for."""

    def __init__(self, database: Database, *, remembering: bool = True) -> None:
        self.database = database
        self.identification = Identification(database, {TENANT: "America/Toronto"})
        self.book = NumberBook(database, self.identification.card, lambda _tenant_id: remembering)

    async def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask or change something behind the book's back."""
        async with self.database.connection() as connection:
            cursor = await connection.execute(statement.encode(), values)
            return await cursor.fetchall() if cursor.description else []

    async def customer(self, id_: int, number: str = NUMBER, *, location: int | None = None) -> None:
        """A mirrored customer who has the number, or whose location has it."""
        await self.run(
            "insert into mirror.customers (tenant_id, id, name, active, modified_on) values (%s, %s, %s, true, %s)",
            TENANT, id_, f"Customer {id_}", datetime.now(UTC),
        )  # fmt: skip
        if location is not None:
            await self.run(
                "insert into mirror.locations (tenant_id, id, customer_id, name, active, modified_on)"
                " values (%s, %s, %s, 'Site', true, %s)",
                TENANT, location, id_, datetime.now(UTC),
            )  # fmt: skip
        await self.run(
            "insert into mirror.phone_index (tenant_id, number, owner_kind, owner_id, source_id, certainty)"
            " values (%s, %s, %s, %s, %s, 'known')",
            TENANT, number, "location" if location else "customer", location or id_, id_,
        )  # fmt: skip

    async def match(self, number: str = NUMBER) -> Match:
        """Who is calling, as the next ring would say."""
        return (await self.identification.card(TENANT, number)).match
