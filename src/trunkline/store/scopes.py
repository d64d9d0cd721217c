"""The scopes that each tenant's token grants, as last seen."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import class_row


class GrantedScopes(msgspec.Struct, frozen=True):
    """`codes` as in ``tn.crm.customers:r``; `change` is one sentence about what changed at `changed_at` (UTC)."""

    codes: list[str]
    seen_at: datetime
    changed_at: datetime
    change: str | None


_READ: LiteralString = "select codes, seen_at, changed_at, change from ops.granted_scopes where tenant_id = %s"
_NOTE: LiteralString = """
    insert into ops.granted_scopes as g (tenant_id, codes, seen_at, changed_at, change)
    values (%s, %s, now(), now(), null)
    on conflict (tenant_id) do update set
        codes = excluded.codes, seen_at = now(),
        changed_at = case when g.codes = excluded.codes then g.changed_at else now() end,
        change = case when g.codes = excluded.codes then g.change else %s end
"""


async def granted_scopes(connection: AsyncConnection[Any], tenant_id: int) -> GrantedScopes | None:
    """What the tenant's token granted when it was last looked at; `None` before the first time."""
    async with connection.cursor(row_factory=class_row(GrantedScopes)) as cursor:
        await cursor.execute(_READ, (tenant_id,))
        return await cursor.fetchone()


async def note_granted(
    connection: AsyncConnection[Any], tenant_id: int, codes: Iterable[str], change: str | None
) -> None:
    """Keep what the token grants now; `change` says in what that differs from before."""
    await connection.execute(_NOTE, (tenant_id, sorted(codes), change))
