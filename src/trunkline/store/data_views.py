"""The views in schema `servicetitan`: ServiceTitan's data for whoever works with it, one view a resource.

A view is made anew where its definition changed. One that others built theirs upon is replaced where PostgreSQL can do
that, and otherwise left as it is, with a warning.
"""

from collections.abc import Sequence
from typing import Literal, LiteralString

import msgspec
import structlog
from psycopg import AsyncConnection, sql
from psycopg.errors import DependentObjectsStillExist, InvalidTableDefinition

from trunkline.store.rows import partition

log = structlog.get_logger(__name__)

_LOCK = 0x76696577  # "view"

Type = Literal["bigint", "numeric", "text", "boolean", "timestamptz", "jsonb"]
_READ: dict[Type, LiteralString] = {
    "bigint": "mirror.as_bigint(row -> {field})",
    "numeric": "mirror.as_numeric(row -> {field})",
    "text": "mirror.as_text(row -> {field})",
    "boolean": "mirror.as_boolean(row -> {field})",
    "timestamptz": "mirror.as_timestamptz(row -> {field})",
    "jsonb": "nullif(row -> {field}, 'null')",
}
# What every view of rows has besides the fields; the names cannot be fields of ServiceTitan.
_OURS = ("_modified_on", "_gone_at", "_stored_at", "_row")


class FieldColumn(msgspec.Struct, frozen=True):
    """A field of a row as a column."""

    name: str
    field: str
    type: Type


class DataView(msgspec.Struct, frozen=True):
    """A view: over a resource's rows with `fields`, or over a table of its own with `columns` (theirs, ours)."""

    name: str
    fields: tuple[FieldColumn, ...] = ()
    table: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    only: tuple[tuple[str, str], ...] = ()


async def make_views(connection: AsyncConnection, views: Sequence[DataView]) -> list[str]:
    """Make those that are not there yet or changed, in the transaction of `connection`; returns their names."""
    await connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
    cursor = await connection.execute(
        "select m.name, m.definition from mirror.views m join pg_views v"
        " on v.schemaname = 'servicetitan' and v.viewname = m.name"
    )
    there: dict[str, str] = dict(await cursor.fetchall())
    made = []
    for view in views:
        body = _body(view)
        definition = body.as_string(connection)
        if there.get(view.name) == definition or not await _make(connection, view.name, body):
            continue
        await connection.execute(
            "insert into mirror.views (name, definition) values (%s, %s)"
            " on conflict (name) do update set definition = excluded.definition",
            (view.name, definition),
        )
        made.append(view.name)
    return made


async def _make(connection: AsyncConnection, name: str, body: sql.Composed) -> bool:
    view = sql.Identifier("servicetitan", name)
    create = sql.SQL("create or replace view {} as {}").format(view, body)
    try:
        async with connection.transaction():
            await connection.execute(create)
    except InvalidTableDefinition:  # a column went, moved or has another type
        try:
            async with connection.transaction():
                await connection.execute(sql.SQL("drop view {}").format(view))
                await connection.execute(create)
        except DependentObjectsStillExist:
            log.warning("a view stays as it was, since others are built upon it; drop those first", view=name)
            return False
    return True


def _body(view: DataView) -> sql.Composed:
    comma = sql.SQL(", ")
    if view.table is not None:
        named = (sql.SQL("{} as {}").format(sql.Identifier(ours), sql.Identifier(name)) for name, ours in view.columns)
        only = sql.SQL(" and ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(value)) for column, value in view.only
        )
        where = sql.SQL(" where {}").format(only) if view.only else sql.SQL("")
        return sql.SQL("select {} from {}{}").format(comma.join(named), sql.Identifier("mirror", view.table), where)
    fields = [
        sql.SQL("{} as {}").format(
            sql.SQL(_READ[field.type]).format(field=sql.Literal(field.field)), sql.Identifier(field.name)
        )
        for field in view.fields
    ]
    ours = [sql.SQL("{} as {}").format(sql.Identifier(name.removeprefix("_")), sql.Identifier(name)) for name in _OURS]
    columns = [sql.SQL("tenant_id"), *fields, *ours]
    return sql.SQL("select {} from {}").format(comma.join(columns), partition(view.name))


async def view_columns(connection: AsyncConnection, name: str) -> list[tuple[str, str]]:
    """The columns of a view, in order, with their types."""
    cursor = await connection.execute(
        "select attname, format_type(atttypid, null) from pg_attribute"
        " where attrelid = format('servicetitan.%%I', %s::text)::regclass and attnum > 0 and not attisdropped"
        " order by attnum",
        (name,),
    )
    return [(row[0], row[1]) for row in await cursor.fetchall()]
