"""SQL of the inbox: raw messages, in order, each delivery once."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from psycopg import AsyncConnection


class InboxRow(msgspec.Struct, frozen=True):
    """A message as stored; `id` grows in the order of receipt."""

    id: int
    tenant_id: int
    account: str
    received_at: datetime
    body: bytes


async def append(
    connection: AsyncConnection, rows: Sequence[tuple[int, str, str | None, datetime, bytes]]
) -> list[int | None]:
    """Store (tenant, account, delivery id, received at, body) rows; returns their ids, `None` for a replay."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "insert into calls.inbox (tenant_id, account, delivery_id, received_at, body) values (%s, %s, %s, %s, %s)"
            " on conflict (tenant_id, account, delivery_id) where delivery_id is not null do nothing returning id",
            rows,
            returning=True,
        )
        ids: list[int | None] = []
        while True:
            row = await cursor.fetchone()
            ids.append(row[0] if row else None)
            if not cursor.nextset():
                return ids


async def unprocessed(
    connection: AsyncConnection, accounts: Iterable[tuple[int, str]], *, older_than_s: float, limit: int
) -> list[InboxRow]:
    """What a crash left behind of these (tenant, account), oldest first."""
    tenants, names = zip(*accounts, strict=True) if (accounts := list(accounts)) else ((), ())
    cursor = await connection.execute(
        "select id, tenant_id, account, received_at, body from calls.inbox where processed_at is null"
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


async def mark_unreadable(connection: AsyncConnection, row_id: int, sentence: str) -> None:
    """Keep why a message could not be understood."""
    await connection.execute(
        "update calls.inbox set processed_at = clock_timestamp(), error = %s where id = %s", (sentence, row_id)
    )
