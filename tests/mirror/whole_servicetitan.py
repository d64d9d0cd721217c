"""A tiny ServiceTitan on a real socket: answers every export feed, list and plain answer with rows made up from the
contract's schemas."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx

from company import Unlimited
from trunkline.contract.references import Schema, resolved
from trunkline.mirror.catalog import RESOURCES, Kind, Resource
from trunkline.mirror.sync import MirrorSync
from trunkline.servicetitan.client import Credentials, Environment, ServiceTitan
from trunkline.store.database import Database
from trunkline.store.mirror import FeedState, feed_states

TENANT = 1_000_001
ROWS = 3
DEEPEST = 5
BY_NAME = {one.name: one for one in RESOURCES}
_OF_PATH = {one.operation.path.format(tenant=TENANT): one for one in RESOURCES}
_TEXTS = {"date-time": "2026-01-02T03:04:{:02d}.1234567Z", "date": "2026-01-{:02d}", "duration": "01:02:{:02d}"}

Row = dict[str, Any]


def made_up(schema: Schema, module: str, number: int, depth: int = 0) -> Any:
    """A value that fits the schema, another one for each number up to 59."""
    schema = resolved(module, schema)
    kind = schema.get("type")
    if "properties" in schema:
        below = {} if depth == DEEPEST else schema["properties"]
        return {name: made_up(inner, module, number, depth + 1) for name, inner in below.items()}
    if kind == "array":
        return [] if depth >= DEEPEST - 1 else [made_up(schema["items"], module, number, depth + 1)]
    if kind == "string":
        words = schema.get("enum")
        return words[number % len(words)] if words else _text(schema.get("format"), number)
    return {"integer": number, "number": number + 0.25, "boolean": True}.get(kind or "", {})


def _text(kind: str | None, number: int) -> str:
    if kind == "guid":
        return f"00000000-0000-4000-8000-{number:012d}"
    return _TEXTS.get(kind or "", "text {}").format(number)


def rows_of(resource: Resource, count: int = ROWS) -> list[Row]:
    """So many rows as ServiceTitan sends them; the resource's only one where there can be no more."""
    module = resource.operation.module
    numbers = range(1, 1 + (count if resource.key else 1))
    rows = [made_up(resource.item, module, number) or {"id": number} for number in numbers]
    if resource.nested is None:
        return rows
    outer = [name for name in resource.item["properties"] if name == "jobId"]
    return [{name: row.pop(name) for name in outer} | {resource.nested: [row]} for row in rows]


@dataclass
class Asked:
    """A request for a resource."""

    resource: str
    query: dict[str, str]


@dataclass
class WholeServiceTitan:
    """Holds rows by resource; pages have `page_length` rows. `meddle` may answer instead: status and body. A resource
    in `hold` is answered only once its event is set."""

    page_length: int = 2
    rows: dict[str, list[Row]] = field(default_factory=lambda: {one.name: rows_of(one) for one in RESOURCES})
    asked: list[Asked] = field(default_factory=list)
    sign_ins: int = 0
    meddle: Callable[[Asked], tuple[int, bytes] | None] = lambda _: None
    refuse_sign_in: bool = False
    hold: dict[str, asyncio.Event] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    base_url: str = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def times_asked(self) -> Counter[str]:
        """How often each resource was asked for."""
        return Counter(one.resource for one in self.asked)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((line.split(":")[1] for line in head.splitlines() if line.lower().startswith("content-l")), "0")
        await reader.readexactly(int(length))
        target = head.split(" ")[1]
        status, body = self._answer(target)
        resource = _OF_PATH.get(urlsplit(target).path.removeprefix("/"))
        if resource and resource.name in self.hold:
            await self.hold[resource.name].wait()
        writer.write(b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)))
        writer.write(body)
        await writer.drain()
        writer.close()

    def _answer(self, target: str) -> tuple[int, bytes]:
        address = urlsplit(target)
        if address.path == "/connect/token":
            self.sign_ins += 1
            if self.refuse_sign_in:
                return 400, b'{"error": "invalid_client"}'
            return 200, b'{"access_token": "token-1", "expires_in": 900, "token_type": "Bearer"}'
        resource = _OF_PATH.get(address.path.removeprefix("/"))
        if resource is None:  # the totals that a first copy asks for
            return 200, b'{"data": [], "hasMore": false, "totalCount": null}'
        asked = Asked(resource.name, dict(parse_qsl(address.query)))
        self.asked.append(asked)
        return self.meddle(asked) or (200, json.dumps(self._page(resource, asked.query)).encode())

    def _page(self, resource: Resource, query: dict[str, str]) -> Any:
        rows = self.rows[resource.name]
        if resource.kind is Kind.PLAIN:
            return rows if resource.key else rows[0]
        if resource.kind is Kind.LIST:
            if since := query.get(resource.since):
                rows = [row for row in rows if str(row[resource.modified]) >= since]
            begin = (int(query["page"]) - 1) * self.page_length
            end = begin + self.page_length
            return {"data": rows[begin:end], "page": 1, "hasMore": end < len(rows)}
        begin = int(query.get("from", "0").partition(":")[2] or 0) if ":" in query.get("from", "")[:8] else 0
        end = min(begin + self.page_length, len(rows))
        return {"data": rows[begin:end], "hasMore": end < len(rows), "continueFrom": f"token:{end}"}


@dataclass
class Copy:
    """A mirror of all that the tiny ServiceTitan has."""

    servicetitan: WholeServiceTitan
    database: Database
    sync: MirrorSync

    async def sync_well(self) -> None:
        """Sync, and see that nothing had trouble."""
        assert await self.sync.sync_once() == {}

    async def fetch(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a statement gives."""
        async with self.database.connection() as connection:
            cursor = await connection.execute(statement.encode(), values or None)
            return await cursor.fetchall() if cursor.description else []

    async def states(self) -> dict[str, FeedState]:
        """How far each resource has come."""
        async with self.database.connection() as connection:
            return await feed_states(connection, TENANT)


@asynccontextmanager
async def copy_of(database: Database, *names: str, page_length: int = 2) -> AsyncIterator[Copy]:
    """A mirror of the resources of these names, or of all."""
    resources = [BY_NAME[name] for name in names] or list(RESOURCES)
    async with WholeServiceTitan(page_length=page_length) as server, httpx.AsyncClient() as http:
        credentials = Credentials("cid.example", "cs1.example-secret", "ak1.example")
        client = ServiceTitan(Environment.at(server.base_url), TENANT, credentials, limiter=Unlimited(), http=http)
        yield Copy(server, database, MirrorSync(database, client, resources=resources))
