"""A view of ServiceTitan's data, streamed out of the database: never more than one batch of it is in memory."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import LiteralString

from psycopg import AsyncConnection, sql

BATCH_ROWS = 5000

Batch = list[tuple[object, ...]]


Columns = Sequence[tuple[str, str]]  # names and types

# As a batch hands them on: objects and lists as JSON text, amounts with ten decimals and at most 28 digits before them.
_AS: dict[str, LiteralString] = {
    "jsonb": "{0}::text as {0}",
    "numeric": "case when abs({0}) < 1e28 then round({0}, 10) end as {0}",
}


def _query(name: str, tenant_id: int, columns: Columns, since: datetime | None, *, as_sent: bool) -> sql.Composed:
    chosen = [
        sql.SQL("{0}" if as_sent else _AS.get(kind, "{0}")).format(sql.Identifier(column)) for column, kind in columns
    ]
    query = sql.SQL("select {} from {} where tenant_id = {}").format(
        sql.SQL(", ").join(chosen), sql.Identifier("servicetitan", name), tenant_id
    )
    if since is None:
        return query
    names = {column for column, _ in columns}
    told = sql.SQL("coalesce(_modified_on, _stored_at)" if "_stored_at" in names else "modified_on")
    return sql.SQL("{} and {} >= {}").format(query, told, since)


async def batches(
    connection: AsyncConnection, name: str, tenant_id: int, columns: Columns, since: datetime | None
) -> AsyncIterator[Batch]:
    """The view's rows of one tenant, in batches; inside a transaction. `since` leaves out what is older."""
    async with connection.cursor(name="export") as cursor:
        await cursor.execute(_query(name, tenant_id, columns, since, as_sent=False))
        while batch := await cursor.fetchmany(BATCH_ROWS):
            yield batch


async def csv_chunks(
    connection: AsyncConnection, name: str, tenant_id: int, columns: Columns, since: datetime | None
) -> AsyncIterator[bytes]:
    """The same as CSV with a header, as PostgreSQL writes it."""
    statement = sql.SQL("copy ({}) to stdout with (format csv, header)").format(
        _query(name, tenant_id, columns, since, as_sent=True)
    )
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        async for chunk in copy:
            yield bytes(chunk)
