"""SQL of the mirrored rows that have no table of their own, of complete readings of lists, and of drift."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.errors import UniqueViolation

_LOCK = 0x726F7773  # "rows"
TEXT = "format text"
JSON_LIKE = r"format csv, escape '\', null 'null'"  # text in quotes as JSON has it, everything else bare
COLUMNS = ("tenant_id", "resource", "id", "active", "modified_on", "row")


class StagedRows(msgspec.Struct, frozen=True):
    """One page of a resource without a table of its own, ready for COPY in text format; columns are :data:`COLUMNS`."""

    resource: str
    lines: bytes
    rows: int
    newest: str | None


class Difference(NamedTuple):
    """How a row differs from the contract: `field` is a path like ``items[].sku``; `kind` is one of field, missing,
    null, type, word, key and value; `detail` says more."""

    field: str
    kind: str
    detail: str = ""


class DriftRow(msgspec.Struct, frozen=True):
    """One way in which a resource differs from the contract, since when, and how often it was seen."""

    resource: str
    field: str
    kind: str
    detail: str
    first_seen: datetime
    last_seen: datetime
    times: int


def partition(resource: str) -> sql.Identifier:
    """Where the rows of a resource lie."""
    return sql.Identifier("mirror", f"rows_{resource}")


async def make_partitions(connection: AsyncConnection, resources: Iterable[str]) -> None:
    """Make those that are not there yet, in the transaction of `connection`; processes take turns."""
    await connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
    cursor = await connection.execute(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = 'mirror.rows'::regclass"
    )
    there = {row[0] for row in await cursor.fetchall()}
    for resource in resources:
        if f"rows_{resource}" not in there:
            await connection.execute(
                sql.SQL("create table {} partition of mirror.rows for values in ({})").format(
                    partition(resource), resource
                )
            )


class Copy(Protocol):
    """How lines come into a staging table: as :func:`copy`, or sieved."""

    async def __call__(
        self, connection: AsyncConnection, into: sql.Identifier, columns: Sequence[str], lines: bytes, *,
        form: str = TEXT,
    ) -> None:  # fmt: skip
        """Append lines in COPY's text format, or in that of `form`."""


async def land(connection: AsyncConnection, page: StagedRows, copy: Copy, *, fresh: bool) -> int:
    """Lay a page over the mirror, inside one transaction, and return how many rows are new.

    A row gives way to newer ones only. `fresh` says that most likely none of them was there before.
    """
    if fresh and await _copy_new(connection, page):
        return page.rows
    await connection.execute(
        "create temp table if not exists stage_rows (like mirror.rows including defaults) on commit delete rows"
    )
    await copy(connection, sql.Identifier("stage_rows"), COLUMNS, page.lines)
    cursor = await connection.execute(
        sql.SQL(
            "with landed as (insert into {rows} as mine ({columns}) select {columns} from stage_rows"
            " on conflict (resource, tenant_id, id) do update set active = excluded.active,"
            " modified_on = excluded.modified_on, row = excluded.row, gone_at = null, stored_at = clock_timestamp()"
            " where (excluded.modified_on >= mine.modified_on) is not false"
            " and (mine.row <> excluded.row or mine.active <> excluded.active or mine.gone_at is not null)"
            " returning xmax = 0 as new) select count(*) filter (where new) from landed"
        ).format(rows=partition(page.resource), columns=sql.SQL(", ").join(map(sql.Identifier, COLUMNS)))
    )
    found = await cursor.fetchone()
    return int(found[0]) if found else 0


async def _copy_new(connection: AsyncConnection, page: StagedRows) -> bool:
    """Copy a page straight into its partition; false, with nothing changed, where a row was there already."""
    try:
        async with connection.transaction():
            await copy(connection, partition(page.resource), COLUMNS, page.lines)
    except UniqueViolation:
        return False
    return True


async def copy(
    connection: AsyncConnection, into: sql.Identifier, columns: Sequence[str], lines: bytes, *, form: str = TEXT
) -> None:
    """Append lines in COPY's text format, or in that of `form`."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("copy {} ({}) from stdin with ({})").format(into, names, sql.SQL(form))
    async with connection.cursor() as cursor, cursor.copy(statement) as written:
        await written.write(lines)


async def begin_reading(connection: AsyncConnection, tenant_id: int, resource: str) -> None:
    """A list is read completely from here on: forget what an earlier reading had brought before it broke off."""
    await connection.execute(
        "delete from mirror.reading where tenant_id = %s and resource = %s", (tenant_id, resource), prepare=True
    )


async def note_read(connection: AsyncConnection, lines: bytes) -> None:
    """These rows are still there: lines of tenant, resource and id, for COPY in text format."""
    await copy(connection, sql.Identifier("mirror", "reading"), ("tenant_id", "resource", "id"), lines)


async def end_reading(connection: AsyncConnection, tenant_id: int, resource: str, table: str | None) -> int:
    """The list was read to its end: mark what it did not bring as gone, unmark what came back; how many went.

    `table` is the resource's own table, where it has one.
    """
    rows = sql.Identifier("mirror", table) if table else partition(resource)
    values = {"tenant": tenant_id, "resource": resource}
    there = sql.SQL(
        "exists (select from mirror.reading r where r.tenant_id = %(tenant)s and r.resource = %(resource)s"
        " and r.id = mine.id::text)"
    )
    if table:
        await connection.execute(
            sql.SQL(
                "update {} mine set gone_at = null where tenant_id = %(tenant)s and gone_at is not null and {}"
            ).format(rows, there),
            values,
        )
    cursor = await connection.execute(
        sql.SQL(
            "update {} mine set gone_at = clock_timestamp(), active = false"
            " where tenant_id = %(tenant)s and gone_at is null and not {}"
        ).format(rows, there),
        values,
    )
    await begin_reading(connection, tenant_id, resource)
    return cursor.rowcount


async def note_drift(
    connection: AsyncConnection, tenant_id: int, resource: str, found: Mapping[Difference, int]
) -> None:
    """Add what differed on one page: times seen, by field, kind and detail."""
    rows = [(*difference, times) for difference, times in sorted(found.items())]
    await connection.execute(
        "insert into mirror.drift as d (tenant_id, resource, field, kind, detail, first_seen, last_seen, times)"
        " select %s, %s, field, kind, detail, clock_timestamp(), clock_timestamp(), times"
        " from unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) found (field, kind, detail, times)"
        " on conflict (tenant_id, resource, field, kind, detail) do update set"
        " last_seen = excluded.last_seen, times = d.times + excluded.times",
        (tenant_id, resource, *(list(column) for column in zip(*rows, strict=True))),
        prepare=True,
    )


async def drift_of(connection: AsyncConnection, tenant_id: int) -> list[DriftRow]:
    """All that differed up to now, the latest first."""
    cursor = await connection.execute(
        "select resource, field, kind, detail, first_seen, last_seen, times from mirror.drift where tenant_id = %s"
        " order by last_seen desc, resource, field, kind, detail",
        (tenant_id,),
    )
    return [DriftRow(*row) for row in await cursor.fetchall()]
