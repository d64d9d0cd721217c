"""SQL of what people decided about numbers, and of its copies in ServiceTitan."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import LiteralString
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from trunkline.domain.decisions import DecisionKind, Owner, OwnerKind


class CopyState(StrEnum):
    """How the copy in ServiceTitan stands."""

    LOCAL = "local"  # nobody there has the number, so nothing can hold it
    PENDING = "pending"
    WRITTEN = "written"
    FAILED = "failed"  # ServiceTitan will never take it


class DecisionRow(msgspec.Struct, frozen=True):
    """A decision as it is stored; `problem` is one sentence. A `withdrawn` one waits for its copy to be taken away."""

    number: str
    owner_kind: OwnerKind
    owner_id: int
    kind: DecisionKind
    decided_by: str
    decided_at: datetime
    withdrawn: bool
    keeper_kind: OwnerKind | None
    keeper_id: int | None
    copy: CopyState
    problem: str | None
    attempts: int
    version: int

    @property
    def owner(self) -> Owner:
        """Whom it is about."""
        return Owner(self.owner_kind, self.owner_id)

    @property
    def keeper(self) -> Owner | None:
        """What holds the copy in ServiceTitan."""
        return Owner(self.keeper_kind, self.keeper_id) if self.keeper_kind and self.keeper_id else None


class Restored(msgspec.Struct, frozen=True):
    """A decision as it was found in ServiceTitan, at its `keeper`."""

    number: str
    owner: Owner
    kind: DecisionKind
    decided_by: str
    decided_at: datetime
    keeper: Owner


async def _rows(connection: AsyncConnection, query: LiteralString, values: Mapping[str, object]) -> list[DecisionRow]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return msgspec.convert(await cursor.fetchall(), list[DecisionRow])


def _key(tenant_id: int, number: str, owner: Owner) -> dict[str, object]:
    return {"tenant": tenant_id, "number": number, "owner_kind": owner.kind, "owner_id": owner.id}


async def put(
    connection: AsyncConnection,
    tenant_id: int,
    number: str,
    owner: Owner,
    *,
    kind: DecisionKind,
    by: str,
    keeper: Owner | None,
) -> DecisionRow:
    """Decide; an earlier decision about the same owner is replaced. A keeper stays what it was, unless it failed."""
    (row,) = await _rows(
        connection,
        "insert into calls.number_decisions as d"
        " (tenant_id, number, owner_kind, owner_id, kind, decided_by, decided_at, keeper_kind, keeper_id, copy)"
        " values (%(tenant)s, %(number)s, %(owner_kind)s, %(owner_id)s, %(kind)s, %(by)s, clock_timestamp(),"
        "  %(keeper_kind)s, %(keeper_id)s, case when %(keeper_id)s::bigint is null then 'local' else 'pending' end)"
        " on conflict (tenant_id, number, owner_kind, owner_id) do update set kind = excluded.kind,"
        "  decided_by = excluded.decided_by, decided_at = excluded.decided_at, withdrawn = false, problem = null,"
        "  keeper_kind = coalesce(case when d.copy <> 'failed' then d.keeper_kind end, excluded.keeper_kind),"
        "  keeper_id = coalesce(case when d.copy <> 'failed' then d.keeper_id end, excluded.keeper_id),"
        "  copy = case when coalesce(case when d.copy <> 'failed' then d.keeper_id end, excluded.keeper_id) is null"
        "   then 'local' else 'pending' end,"
        "  due_at = clock_timestamp(), version = d.version + 1 returning *",
        {
            **_key(tenant_id, number, owner),
            "kind": kind,
            "by": by,
            "keeper_kind": keeper.kind if keeper else None,
            "keeper_id": keeper.id if keeper else None,
        },
    )
    return row


async def withdraw(connection: AsyncConnection, tenant_id: int, number: str, owner: Owner) -> bool:
    """Undo a decision; false where there is none. What never was on its way to ServiceTitan is gone at once."""
    key = _key(tenant_id, number, owner)
    gone = await connection.execute(
        "delete from calls.number_decisions where tenant_id = %(tenant)s and number = %(number)s"
        " and owner_kind = %(owner_kind)s and owner_id = %(owner_id)s and not withdrawn and attempts = 0",
        key,
    )
    left = await connection.execute(
        "update calls.number_decisions set withdrawn = true, copy = 'pending', problem = null,"
        " due_at = clock_timestamp(), version = version + 1 where tenant_id = %(tenant)s and number = %(number)s"
        " and owner_kind = %(owner_kind)s and owner_id = %(owner_id)s and not withdrawn",
        key,
    )
    return gone.rowcount + left.rowcount > 0


async def about(connection: AsyncConnection, tenant_id: int, number: str) -> list[DecisionRow]:
    """What holds about one number, the oldest first."""
    return await _rows(
        connection,
        "select * from calls.number_decisions where tenant_id = %(tenant)s and number = %(number)s and not withdrawn"
        " order by decided_at",
        {"tenant": tenant_id, "number": number},
    )


async def latest(
    connection: AsyncConnection, tenant_id: int, *, limit: int, before: datetime | None = None
) -> list[DecisionRow]:
    """What holds about any number, the newest first; go on with the time of the last one seen."""
    return await _rows(
        connection,
        "select * from calls.number_decisions where tenant_id = %(tenant)s and not withdrawn"
        " and decided_at < coalesce(%(before)s, 'infinity'::timestamptz) order by decided_at desc limit %(limit)s",
        {"tenant": tenant_id, "before": before, "limit": limit},
    )


async def take_due(connection: AsyncConnection, tenant_id: int, *, limit: int) -> list[DecisionRow]:
    """Copies to be written now. They count as tried from here on, so that a crash leaves nobody believing otherwise."""
    return await _rows(
        connection,
        "update calls.number_decisions d set attempts = d.attempts + 1 from ("
        "  select tenant_id, number, owner_kind, owner_id from calls.number_decisions"
        "  where tenant_id = %(tenant)s and copy = 'pending' and due_at <= clock_timestamp()"
        "  order by due_at limit %(limit)s for update"
        " ) due where (d.tenant_id, d.number, d.owner_kind, d.owner_id)"
        " = (due.tenant_id, due.number, due.owner_kind, due.owner_id) returning d.*",
        {"tenant": tenant_id, "limit": limit},
    )


async def copied(connection: AsyncConnection, tenant_id: int, rows: Sequence[DecisionRow]) -> None:
    """These stand in ServiceTitan now, and those withdrawn do not; what changed meanwhile is written anew."""
    for row in rows:
        key = {**_key(tenant_id, row.number, row.owner), "version": row.version}
        await connection.execute(
            "delete from calls.number_decisions where tenant_id = %(tenant)s and number = %(number)s"
            " and owner_kind = %(owner_kind)s and owner_id = %(owner_id)s and version = %(version)s and withdrawn",
            key,
        )
        await connection.execute(
            "update calls.number_decisions set copy = 'written', problem = null"
            " where tenant_id = %(tenant)s and number = %(number)s and owner_kind = %(owner_kind)s"
            " and owner_id = %(owner_id)s and version = %(version)s",
            key,
        )


async def not_copied(
    connection: AsyncConnection, tenant_id: int, rows: Sequence[DecisionRow], problem: str, *, wait_s: float | None
) -> None:
    """These could not be written, as the sentence says: try again after `wait_s` seconds, or never."""
    for row in rows:
        await connection.execute(
            "update calls.number_decisions set problem = %(problem)s, copy = %(copy)s,"
            " due_at = clock_timestamp() + make_interval(secs => %(wait_s)s)"
            " where tenant_id = %(tenant)s and number = %(number)s and owner_kind = %(owner_kind)s"
            " and owner_id = %(owner_id)s and version = %(version)s",
            {
                **_key(tenant_id, row.number, row.owner),
                "version": row.version,
                "problem": problem,
                "copy": CopyState.FAILED if wait_s is None else CopyState.PENDING,
                "wait_s": wait_s or 0.0,
            },
        )


async def is_restored(connection: AsyncConnection, tenant_id: int, guid: UUID) -> bool:
    """Whether what stood in ServiceTitan under this GUID was read back already."""
    cursor = await connection.execute(
        "select from calls.number_restores where tenant_id = %s and application_guid = %s", (tenant_id, guid)
    )
    return await cursor.fetchone() is not None


async def restore(connection: AsyncConnection, tenant_id: int, guid: UUID, found: Sequence[Restored]) -> int:
    """Take over what was found, in one transaction; what was decided here wins. Returns how many are new.

    Where the GUID is new, what was decided here is copied to it, too.
    """
    fresh = await connection.execute(
        "insert into calls.number_restores (tenant_id, application_guid) values (%s, %s) on conflict do nothing",
        (tenant_id, guid),
    )
    if fresh.rowcount:
        await connection.execute(
            "update calls.number_decisions set copy = 'pending', due_at = clock_timestamp(), version = version + 1"
            " where tenant_id = %s and copy = 'written'",
            (tenant_id,),
        )
    new = 0
    for one in found:
        cursor = await connection.execute(
            "insert into calls.number_decisions (tenant_id, number, owner_kind, owner_id, kind, decided_by, decided_at,"
            " keeper_kind, keeper_id, copy, attempts) values (%(tenant)s, %(number)s, %(owner_kind)s, %(owner_id)s,"
            " %(kind)s, %(by)s, %(at)s, %(keeper_kind)s, %(keeper_id)s, 'written', 1) on conflict do nothing",
            {
                **_key(tenant_id, one.number, one.owner),
                "kind": one.kind,
                "by": one.decided_by,
                "at": one.decided_at,
                "keeper_kind": one.keeper.kind,
                "keeper_id": one.keeper.id,
            },
        )
        new += cursor.rowcount
    return new
