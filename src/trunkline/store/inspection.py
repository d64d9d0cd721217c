"""SQL of looking at raw messages, and of taking calls apart to build them anew."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import class_row


class StoredRow(msgspec.Struct, frozen=True):
    """A raw message: `error` is why it was not understood."""

    id: int
    received_at: datetime
    kind: str
    delivery_id: str | None
    body: bytes
    processed_at: datetime | None
    error: str | None


_COLUMNS = "select id, received_at, kind, delivery_id, body, processed_at, error from calls.inbox"


async def messages(
    connection: AsyncConnection, tenant_id: int, account: str, *, unread: bool, before: int | None, limit: int
) -> list[StoredRow]:
    """Messages of one phone system, the newest first; `unread` are those that were not understood."""
    async with connection.cursor(row_factory=class_row(StoredRow)) as cursor:
        await cursor.execute(
            f"{_COLUMNS} where tenant_id = %s and account = %s and id < coalesce(%s, 9223372036854775807)"
            f"{' and error is not null' if unread else ''} order by id desc limit %s",
            (tenant_id, account, before, limit),
        )
        return await cursor.fetchall()


async def message(connection: AsyncConnection, tenant_id: int, account: str, message_id: int) -> StoredRow | None:
    """One message."""
    async with connection.cursor(row_factory=class_row(StoredRow)) as cursor:
        await cursor.execute(
            f"{_COLUMNS} where tenant_id = %s and account = %s and id = %s", (tenant_id, account, message_id)
        )
        return await cursor.fetchone()


async def calls_of_message(connection: AsyncConnection, message_id: int) -> list[int]:
    """The calls that a message told of."""
    cursor = await connection.execute(
        "select distinct coalesce(c.merged_into, c.id) from calls.events e join calls.calls c on c.id = e.call_id"
        " where e.inbox_id = %s order by 1",
        (message_id,),
    )
    return [call_id for (call_id,) in await cursor.fetchall()]


async def counts(
    connection: AsyncConnection, tenant_id: int, account: str, *, days: int
) -> tuple[int, int, str | None, datetime | None]:
    """How many messages of the last days were not understood, how many deliveries refused, why the latest of them; and
    when a message came last."""
    cursor = await connection.execute(
        "select (select count(*) from calls.inbox where tenant_id = %(tenant)s and account = %(account)s"
        " and error is not null and received_at > clock_timestamp() - make_interval(days => %(days)s)),"
        " (select coalesce(sum(refused), 0)::bigint from calls.refusals where tenant_id = %(tenant)s"
        " and account = %(account)s and day > current_date - %(days)s),"
        " (select reason from calls.refusals where tenant_id = %(tenant)s and account = %(account)s"
        " and day > current_date - %(days)s order by day desc limit 1),"
        " (select received_at from calls.inbox where tenant_id = %(tenant)s and account = %(account)s"
        " order by id desc limit 1)",
        {"tenant": tenant_id, "account": account, "days": days},
    )
    row = await cursor.fetchone()
    return (int(row[0]), int(row[1]), row[2], row[3]) if row else (0, 0, None, None)


async def messages_of_call(connection: AsyncConnection, call_id: int) -> list[tuple[int, str, StoredRow]]:
    """(tenant, account, message) for every message that told of a call, those of calls merged into it included."""
    cursor = await connection.execute(
        "select distinct i.tenant_id, i.account, i.id, i.received_at, i.kind, i.delivery_id, i.body, i.processed_at,"
        " i.error from calls.calls c join calls.events e on e.call_id = c.id join calls.inbox i on i.id = e.inbox_id"
        " where c.id = %(id)s or c.merged_into = %(id)s order by i.id",
        {"id": call_id},
    )
    return [(tenant_id, account, StoredRow(*row)) for tenant_id, account, *row in await cursor.fetchall()]


async def forget_events(connection: AsyncConnection, call_id: int, message_ids: Sequence[int]) -> None:
    """Take out what these messages told of a call; what nobody's message told - that it fell silent - stays."""
    await connection.execute(
        "delete from calls.events where inbox_id = any(%s)"
        " and call_id in (select id from calls.calls where id = %s or merged_into = %s)",
        (list(message_ids), call_id, call_id),
    )


async def keep_keys(
    connection: AsyncConnection, tenant_id: int, account: str, call_id: int, keys: Sequence[str]
) -> None:
    """These keys are the call's, unless they are another's already."""
    await connection.execute(
        "insert into calls.keys (tenant_id, account, key, call_id, original_call_id)"
        " select %s, %s, key, %s, %s from unnest(%s::text[]) told (key) on conflict do nothing",
        (tenant_id, account, call_id, call_id, list(keys)),
    )
