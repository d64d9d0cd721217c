"""SQL for a page that holds values which PostgreSQL cannot store: they stay out and are told, the rest comes in."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from psycopg import AsyncConnection, sql

from trunkline.store.rows import TEXT, Difference, copy

_SIEVE = sql.Identifier("sieve")
_TELL_APART = frozenset({"id", "owner_id", "source_id"})  # without these a row says nothing: it stays out, whole
# What a column holds that may not be empty.
_INSTEAD = {
    "timestamp with time zone": "'epoch'",
    "bigint": "0",
    "bigint[]": "'{{}}'",
    "jsonb": "to_jsonb({column})",
}
_KEPT = {"jsonb": "it is kept as text"}


class _Column(NamedTuple):
    name: str
    kind: str
    required: bool

    @property
    def valid(self) -> sql.Composed:
        return sql.SQL("pg_input_is_valid({}, {})").format(sql.Identifier(self.name), sql.Literal(self.kind))

    @property
    def value(self) -> sql.Composed:
        column = sql.Identifier(self.name)
        instead = sql.SQL(_INSTEAD.get(self.kind, "null") if self.required else "null")
        return sql.SQL("case when {valid} then {column}::{kind} else {instead} end").format(
            valid=self.valid,
            column=column,
            kind=sql.SQL(self.kind),
            instead=instead.format(column=column),
        )

    def told(self) -> Difference:
        """What is told of its values that cannot be stored."""
        done = "the row was left out" if self.name in _TELL_APART else "it was left out"
        return Difference(self.name, "value", f"no {self.kind}; {_KEPT.get(self.kind, done)}")


class Sieve:
    """Fills staging tables as :func:`trunkline.store.rows.copy` does, and counts in `found` what stayed out."""

    def __init__(self) -> None:
        self.found: Counter[Difference] = Counter()

    async def copy(
        self, connection: AsyncConnection, into: sql.Identifier, columns: Sequence[str], lines: bytes, *,
        form: str = TEXT,
    ) -> None:  # fmt: skip
        """Append those lines whose ids can be stored, with as much of them as can."""
        await connection.execute(
            sql.SQL("create temp table {} ({})").format(
                _SIEVE, sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in columns)
            )
        )
        await copy(connection, _SIEVE, columns, lines, form=form)
        kinds = await _columns(connection, into, columns)
        if not self.found:  # the numbers of a page follow its rows, and say their ids again
            await self._count(connection, kinds)
        await connection.execute(
            sql.SQL("insert into {} ({}) select {} from {} where {}").format(
                into,
                sql.SQL(", ").join(sql.Identifier(column.name) for column in kinds),
                sql.SQL(", ").join(column.value for column in kinds),
                _SIEVE,
                sql.SQL(" and ").join(column.valid for column in kinds if column.name in _TELL_APART),
            )
        )
        await connection.execute(sql.SQL("drop table {}").format(_SIEVE))

    async def _count(self, connection: AsyncConnection, columns: Sequence[_Column]) -> None:
        invalid = (sql.SQL("count(*) filter (where not {})").format(column.valid) for column in columns)
        cursor = await connection.execute(sql.SQL("select {} from {}").format(sql.SQL(", ").join(invalid), _SIEVE))
        for column, times in zip(columns, await cursor.fetchone() or (), strict=True):
            if times:
                self.found[column.told()] += times


async def _columns(connection: AsyncConnection, table: sql.Identifier, names: Sequence[str]) -> list[_Column]:
    cursor = await connection.execute(
        "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute"
        " where attrelid = %s::regclass and attname = any(%s)",
        (table.as_string(connection), list(names)),
    )
    return [_Column(*row) for row in await cursor.fetchall()]
