"""SQL of the inbox: raw messages, in order, each delivery once."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import date, datetime

import msgspec
from psycopg import AsyncConnection


class InboxRow(msgspec.Struct, frozen=True):
    """A message as stored; `id` grows in the order of receipt."""

    id: int
    tenant_id: int
    account: str
    received_at: datetime
    body: bytes
    kind: str


async def append(
    connection: AsyncConnection, rows: Sequence[tuple[int, str, str | None, datetime, bytes, str]]
) -> list[int | None]:
    """Store (tenant, account, delivery id, received at, body, kind) rows; returns their ids, `None` for a replay.

    One statement, so that it is its own transaction, and all of it one round trip.
    """
    cursor = await connection.execute(
        "insert into calls.inbox (tenant_id, account, delivery_id, received_at, body, kind)"
        " select tenant_id, account, delivery_id, received_at, body, kind"
        " from unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %b::bytea[], %s::text[])"
        " with ordinality told (tenant_id, account, delivery_id, received_at, body, kind, place) order by place"
        " on conflict (tenant_id, account, delivery_id) where delivery_id is not null do nothing"
        " returning id, tenant_id, account, delivery_id",
        [list(column) for column in zip(*rows, strict=True)],
        prepare=True,
    )
    stored = deque(await cursor.fetchall())
    # Rows come back in their order, without those left out. What comes next has another key than what was left out: a
    # delivery is stored once.
    return [stored.popleft()[0] if stored and stored[0][1:] == row[:3] else None for row in rows]


async def unprocessed(
    connection: AsyncConnection, accounts: Iterable[tuple[int, str]], *, older_than_s: float, limit: int
) -> list[InboxRow]:
    """What a crash left behind of these (tenant, account), oldest first."""
    tenants, names = zip(*accounts, strict=True) if (accounts := list(accounts)) else ((), ())
    cursor = await connection.execute(
        "select id, tenant_id, account, received_at, body, kind from calls.inbox where processed_at is null"
        " and (tenant_id, account) in (select * from unnest(%s::bigint[], %s::text[]))"
        " and received_at < clock_timestamp() - make_interval(secs => %s) order by id limit %s",
        (list(tenants), list(names), older_than_s, limit),
    )
    return [InboxRow(*row) for row in await cursor.fetchall()]


async def mark_processed(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """These messages are understood, or never will be."""
    await connection.execute(
        "update calls.inbox set processed_at = clock_timestamp() where id = any(%s)", (list(ids),), prepare=True
    )


async def mark_understood(connection: AsyncConnection, row_id: int, problem: str | None) -> None:
    """A message was read again; `problem` is why it still could not be understood."""
    await connection.execute("update calls.inbox set error = %s where id = %s", (problem, row_id))


async def mark_unreadable(connection: AsyncConnection, row_id: int, sentence: str) -> None:
    """Keep why a message could not be understood."""
    await connection.execute(
        "update calls.inbox set processed_at = clock_timestamp(), error = %s where id = %s", (sentence, row_id)
    )


async def add_refusals(connection: AsyncConnection, counted: Sequence[tuple[int, str, date, int, str]]) -> None:
    """Add to what was refused of these (tenant, account, UTC day, how many, why the latest)."""
    await connection.execute(
        "insert into calls.refusals (tenant_id, account, day, refused, reason)"
        " select * from unnest(%s::bigint[], %s::text[], %s::date[], %s::bigint[], %s::text[])"
        " on conflict (tenant_id, account, day)"
        " do update set refused = refusals.refused + excluded.refused, reason = excluded.reason",
        [list(column) for column in zip(*counted, strict=True)],
    )
