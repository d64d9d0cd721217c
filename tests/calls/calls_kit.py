"""What the tests of calls share: accounts, messages in our own webhook format, and the room put together."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
import psycopg

from trunkline.calls.account import PhoneAccount
from trunkline.calls.identify import Identification
from trunkline.calls.intake import Inbox, StoredMessage
from trunkline.calls.tracker import Tracker
from trunkline.phone_systems.base import RawMessage
from trunkline.phone_systems.registry import adapter
from trunkline.store import views
from trunkline.store.database import Database
from trunkline.store.views import ViewRow

T = TypeVar("T")

TENANT, OTHER_TENANT = 1000001, 1000002
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
NUMBER, OTHER_NUMBER = "+14375550142", "+14375550143"
_SECRET = "whsec_" + base64.b64encode(b"cs1.example-secret").decode()
DANA = {"extension": "201", "name": "Dana Desk"}
SAM = {"extension": "202", "name": "Sam Second"}


def webhook(name: str = "main", tenant_id: int = TENANT) -> PhoneAccount:
    """An account that calls us; its events can say anything."""
    return PhoneAccount(tenant_id, name, "US", adapter("webhook", name, {"secrets": [_SECRET]}))


def asterisk(name: str = "pbx", tenant_id: int = TENANT) -> PhoneAccount:
    """An Asterisk: the one that sends lists of live calls."""
    options = {"host": "pbx.example", "username": "trunkline", "secret": "cs1.example-secret"}
    return PhoneAccount(tenant_id, name, "US", adapter("asterisk", name, options))


def event(kind: str, second: float = 0, call: str = "c1", *, start: datetime = START, **more: Any) -> dict[str, Any]:
    """One event of our webhook format, `second` seconds into the story."""
    return {"kind": kind, "call_id": call, "occurred_at": start + timedelta(seconds=second), **more}


def inbound(second: float = 0, call: str = "c1", **more: Any) -> dict[str, Any]:
    """The event that begins a call from outside."""
    values = {"direction": "inbound", "external_number": NUMBER, "did": "+14375550100", **more}
    return event("started", second, call, **values)


def message(*events: dict[str, Any], delivery_id: str | None = None, received_at: datetime = START) -> RawMessage:
    """One delivery."""
    return RawMessage(msgspec.json.encode({"events": events}), received_at, delivery_id)


def answered(call: str = "c1", *, start: datetime = START, **more: Any) -> list[RawMessage]:
    """A call that rings, is answered and ends, in four deliveries."""
    return [
        message(inbound(0, call, start=start, **more)),
        message(event("ringing", 1, call, start=start, agent=DANA)),
        message(event("answered", 5, call, start=start, agent=DANA)),
        message(event("ended", 65, call, start=start, reason="normal")),
    ]


def frame(**fields: str | Sequence[str]) -> bytes:
    """An AMI frame; a list of values repeats its key."""
    lines = [
        f"{key}: {value}"
        for key, values in fields.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return "\r\n".join(lines).encode()


class Room:
    """Inbox, identification and tracker on one database; `ended` lists what `on_ended` was told."""

    def __init__(self, database: Database, **how: Any) -> None:
        self.database = database
        self.inbox = Inbox(database)
        self.identification = Identification(database, {TENANT: "America/Toronto"})
        self.tracker = Tracker(database, self.identification, self.on_ended, **how)
        self.ended: list[tuple[int, int]] = []

    async def on_ended(self, tenant_id: int, call_id: int) -> None:
        self.ended.append((tenant_id, call_id))

    async def store(self, account: PhoneAccount, *messages: RawMessage) -> list[StoredMessage]:
        """Put messages into the inbox, and leave them there."""
        return await self.inbox.append(account, messages)

    async def hear(self, account: PhoneAccount, *messages: RawMessage) -> list[StoredMessage]:
        """Store messages and bring them into the calls, in one batch."""
        stored = await self.store(account, *messages)
        await self.tracker.take(account, stored)
        return stored

    async def calls(self, tenant_id: int = TENANT) -> list[ViewRow]:
        """The calls that people see, the oldest row first."""
        async with self.database.connection() as connection:
            return (await views.recent(connection, tenant_id, before_id=None, limit=1000))[::-1]

    async def call(self, tenant_id: int = TENANT) -> ViewRow:
        """The only call there is."""
        (only,) = await self.calls(tenant_id)
        return only

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query finds."""
        async with self.database.connection() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def run(self, statement: str, *values: object) -> None:
        """Change something behind the room's back."""
        async with self.database.connection() as connection:
            await connection.execute(statement, values)

    async def customer(self, id_: int, name: str, number: str = NUMBER, tenant_id: int = TENANT) -> None:
        """A mirrored customer with one number."""
        await self.run(
            "insert into mirror.customers (tenant_id, id, name, active, modified_on) values (%s, %s, %s, true, %s)",
            tenant_id, id_, name, START,
        )  # fmt: skip
        await self.run(
            "insert into mirror.phone_index (tenant_id, number, owner_kind, owner_id, source_id, certainty)"
            " values (%s, %s, 'customer', %s, %s, 'known')",
            tenant_id, number, id_, id_,
        )  # fmt: skip


@asynccontextmanager
async def refusing(room: Room, table: str, errcode: str = "53100") -> AsyncIterator[None]:
    """PostgreSQL takes no row into `table` while the body runs; 53100 is what it says when the disk is full."""
    await room.run(
        "create function refuse() returns trigger language plpgsql as"
        f" $$ begin raise exception 'refused for a test' using errcode = '{errcode}'; end $$"
    )
    await room.run(f"create trigger refuse before insert on {table} for each statement execute function refuse()")
    try:
        yield
    finally:
        await room.run("drop function refuse() cascade")


@asynccontextmanager
async def locked(url: str, table: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Nobody else gets at `table` while the body runs; gives a function that waits until somebody tries."""
    async with (
        await psycopg.AsyncConnection.connect(url) as holder,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as watcher,
    ):
        await holder.execute(f"lock table {table} in access exclusive mode")

        async def somebody_waits() -> None:
            query = "select exists (select from pg_locks where not granted and relation = %s::regclass)"
            async with asyncio.timeout(10):
                while await (await watcher.execute(query, (table,))).fetchone() != (True,):  # noqa: ASYNC110 - PostgreSQL tells nobody
                    await asyncio.sleep(0.01)

        yield somebody_waits


async def end_waiters(url: str) -> None:
    """Break the connections that wait for a lock."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("select pg_terminate_backend(pid) from pg_locks where not granted")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that no event tells of."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.01)


async def soon(awaitable: Awaitable[T]) -> T:
    """The result of what must not hang."""
    return await asyncio.wait_for(awaitable, 20)
