"""SQL of joining calls of phone systems that stand one in front of the other, and of parting them again."""

from collections.abc import Sequence

from psycopg import AsyncConnection

from trunkline.domain.call import Call
from trunkline.store.calls import decode_call

_AMONG = 5000  # of the newest calls: looking must not take longer with every call there ever was


async def lately(
    connection: AsyncConnection, tenant_ids: Sequence[int], accounts: Sequence[str], *, minutes: int
) -> list[tuple[int, int, str, Call]]:
    """(tenant, call id, account, call) of calls of these phone systems that changed lately and are joined to none."""
    cursor = await connection.execute(
        "select tenant_id, id, account, call::text from calls.calls where tenant_id = any(%s) and account = any(%s)"
        " and merged_into is null and updated_at > clock_timestamp() - make_interval(mins => %s)"
        " and id > (select max(id) - %s from calls.calls)"
        " and not exists (select from calls.joins j where j.older = calls.id and j.parted_at is null)",
        (list(tenant_ids), list(accounts), minutes, _AMONG),
    )
    return [(tenant_id, call_id, name, decode_call(call)) for tenant_id, call_id, name, call in await cursor.fetchall()]


async def parted(connection: AsyncConnection, call_ids: Sequence[int]) -> set[tuple[int, int]]:
    """Pairs of these calls, the smaller id first, that a person parted: they are not joined again."""
    cursor = await connection.execute(
        "select older, younger from calls.joins where parted_at is not null and (older = any(%s) or younger = any(%s))",
        (list(call_ids), list(call_ids)),
    )
    return {(min(pair), max(pair)) for pair in await cursor.fetchall()}


async def are_apart(connection: AsyncConnection, first: int, second: int) -> bool:
    """Whether both calls still stand on their own."""
    cursor = await connection.execute(
        "select count(*) = 2 from calls.calls where id in (%s, %s) and merged_into is null", (first, second)
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def note_join(connection: AsyncConnection, older: int, younger: int) -> None:
    """Two calls of different phone systems are one."""
    await connection.execute(
        "insert into calls.joins (older, younger, joined_at) values (%s, %s, clock_timestamp()) on conflict do nothing",
        (older, younger),
    )


async def part(connection: AsyncConnection, older: int) -> list[tuple[int, str]]:
    """(call id, account) of what was joined to this call; it is to be parted, and noted as that."""
    cursor = await connection.execute(
        "update calls.joins j set parted_at = clock_timestamp() from calls.calls c"
        " where j.older = %s and j.parted_at is null and c.id = j.younger returning c.id, c.account",
        (older,),
    )
    return [(call_id, account) for call_id, account in await cursor.fetchall()]


async def joined_to(connection: AsyncConnection, call_id: int) -> list[str]:
    """The phone systems whose calls are joined to this one."""
    cursor = await connection.execute(
        "select c.account from calls.joins j join calls.calls c on c.id = j.younger"
        " where j.older = %s and j.parted_at is null order by 1",
        (call_id,),
    )
    return [account for (account,) in await cursor.fetchall()]
