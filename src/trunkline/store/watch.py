"""SQL of watching over phone systems: what their histories tell, the ledger, and alarms."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import class_row


class Told(msgspec.Struct, frozen=True):
    """A call of which a phone system's history tells: its key, when it began (UTC), on which day of the company's."""

    key: str
    began_at: datetime
    day: date


class LedgerDay(msgspec.Struct, frozen=True):
    """One day of one phone system. `told` is what its history tells of, `ours` what of that is here; `open` is not yet
    settled; `nothing_to_log` and what follows is excluded, each for its reason."""

    account: str
    day: date
    told: int
    ours: int
    missing: int
    logged: int
    open: int
    nothing_to_log: int
    unknown_caller: int
    ambiguous: int
    withheld: int
    refused: int

    @property
    def excluded(self) -> int:
        """How many are not logged, for a reason."""
        return self.nothing_to_log + self.unknown_caller + self.ambiguous + self.withheld + self.refused

    @property
    def is_balanced(self) -> bool:
        """Whether everything that was told is accounted for."""
        return self.missing == 0 and self.told == self.logged + self.open + self.excluded


class Alarm(msgspec.Struct, frozen=True):
    """Something that is wrong with a phone system since `began_at`; `detail` is one sentence."""

    account: str
    kind: str
    detail: str
    began_at: datetime


async def tell(connection: AsyncConnection, tenant_id: int, account: str, told: Sequence[Told]) -> None:
    """Write down what a history tells of."""
    await connection.execute(
        "insert into calls.told (tenant_id, account, key, began_at, day)"
        " select %s, %s, * from unnest(%s::text[], %s::timestamptz[], %s::date[])"
        " on conflict (tenant_id, account, key) do nothing",
        (tenant_id, account, [one.key for one in told], [one.began_at for one in told], [one.day for one in told]),
    )


async def unfinished(connection: AsyncConnection, tenant_id: int, account: str, keys: Sequence[str]) -> set[str]:
    """Which of these keys are of no call here, or of one whose end nobody heard."""
    cursor = await connection.execute(
        "select told.key from unnest(%s::text[]) told (key) where not exists (select from calls.keys k"
        " join calls.calls c on c.id = k.call_id where k.tenant_id = %s and k.account = %s and k.key = told.key"
        " and c.state = 'ended' and c.outcome <> 'unknown')",
        (list(keys), tenant_id, account),
    )
    return {key for (key,) in await cursor.fetchall()}


async def missing(connection: AsyncConnection, tenant_id: int, account: str) -> int:
    """How many calls the history told of that are not here."""
    cursor = await connection.execute(
        "select count(*) from calls.told t where tenant_id = %s and account = %s"
        " and not exists (select from calls.keys k"
        " where k.tenant_id = t.tenant_id and k.account = t.account and k.key = t.key)",
        (tenant_id, account),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def checked_until(connection: AsyncConnection, tenant_id: int, account: str) -> datetime | None:
    """Up to when the history has been read (UTC)."""
    cursor = await connection.execute(
        "select checked_until from calls.history_checks where tenant_id = %s and account = %s", (tenant_id, account)
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def set_checked(connection: AsyncConnection, tenant_id: int, account: str, until: datetime) -> None:
    """The history has been read up to `until`."""
    await connection.execute(
        "insert into calls.history_checks (tenant_id, account, checked_until, checked_at)"
        " values (%s, %s, %s, clock_timestamp()) on conflict (tenant_id, account)"
        " do update set checked_until = excluded.checked_until, checked_at = excluded.checked_at",
        (tenant_id, account, until),
    )


async def ledger(connection: AsyncConnection, tenant_id: int, shared: Sequence[str], *, days: int) -> list[LedgerDay]:
    """The latest days of a tenant's phone systems, and of those shared ones, the newest first."""
    async with connection.cursor(row_factory=class_row(LedgerDay)) as cursor:
        await cursor.execute(
            "select account, day, told, ours, missing, logged, open, nothing_to_log, unknown_caller, ambiguous,"
            " withheld, refused from calls.ledger where (tenant_id = %s or (tenant_id = 0 and account = any(%s)))"
            " and day > current_date - %s::int order by day desc, account",
            (tenant_id, list(shared), days),
        )
        return await cursor.fetchall()


async def begin_alarm(connection: AsyncConnection, tenant_id: int, account: str, kind: str, detail: str) -> bool:
    """Something is wrong; whether that is news. One that lasts gets its present words."""
    cursor = await connection.execute(
        "insert into calls.alarms as a (tenant_id, account, kind, detail, began_at)"
        " values (%s, %s, %s, %s, clock_timestamp()) on conflict (tenant_id, account, kind) where ended_at is null"
        " do update set detail = excluded.detail returning xmax = 0",
        (tenant_id, account, kind, detail),
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def end_alarm(connection: AsyncConnection, tenant_id: int, account: str, kind: str) -> bool:
    """It is well again; whether that is news."""
    cursor = await connection.execute(
        "update calls.alarms set ended_at = clock_timestamp()"
        " where tenant_id = %s and account = %s and kind = %s and ended_at is null",
        (tenant_id, account, kind),
    )
    return cursor.rowcount > 0


async def alarms(connection: AsyncConnection, tenant_id: int, shared: Sequence[str]) -> list[Alarm]:
    """What is wrong now with a tenant's phone systems and these shared ones, the oldest first."""
    async with connection.cursor(row_factory=class_row(Alarm)) as cursor:
        await cursor.execute(
            "select account, kind, detail, began_at from calls.alarms where ended_at is null"
            " and (tenant_id = %s or (tenant_id = 0 and account = any(%s))) order by began_at",
            (tenant_id, list(shared)),
        )
        return await cursor.fetchall()


async def last_heard(connection: AsyncConnection, tenant_id: int, account: str) -> datetime | None:
    """When the last message of a phone system came in by itself (UTC)."""
    cursor = await connection.execute(
        "select received_at from calls.inbox where tenant_id = %s and account = %s and kind <> 'history'"
        " order by id desc limit 1",
        (tenant_id, account),
    )
    row = await cursor.fetchone()
    return row[0] if row else None
