"""SQL of what people read: the board, the list of calls, and one call in full."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from psycopg import AsyncConnection

from trunkline.domain.call import Call
from trunkline.domain.caller import CallerCard
from trunkline.domain.events import CallEvent
from trunkline.store.calls import decode_call, decode_card


class ViewRow(msgspec.Struct, frozen=True):
    """A call with its logbook entry (`log_state` is `None` before there is one)."""

    id: int
    tenant_id: int
    ref: str
    version: int
    merged_into: int | None
    call: Call
    card: CallerCard | None
    log_state: str | None
    review_reason: str | None
    detail: str | None
    finished_at: datetime | None


class WriteRow(msgspec.Struct, frozen=True):
    """A write into ServiceTitan, as the call page shows it."""

    action: str
    target_id: int
    text: str
    state: str
    intended_at: datetime
    remote_id: int | None
    finished_at: datetime | None


_COLUMNS = (
    "select c.id, c.tenant_id, c.ref, c.version, c.merged_into, c.call::text, c.card::text, e.state, e.review_reason,"
    " e.detail, e.finished_at from calls.calls c left join logbook.entries e on e.call_id = c.id"
)


def _view(row: Sequence[object]) -> ViewRow:
    call_id, tenant_id, ref, version, merged_into, call, card, *entry = row
    values = (
        call_id,
        tenant_id,
        ref,
        version,
        merged_into,
        decode_call(str(call)),
        decode_card(str(card)) if card else None,
    )
    return ViewRow(*values, *entry)  # type: ignore[arg-type]


async def by_ids(connection: AsyncConnection, call_ids: Sequence[int]) -> list[ViewRow]:
    """These calls."""
    cursor = await connection.execute(f"{_COLUMNS} where c.id = any(%s)", (list(call_ids),), prepare=True)
    return [_view(row) for row in await cursor.fetchall()]


async def board(connection: AsyncConnection, tenant_id: int, *, ended_within_s: float, limit: int) -> list[ViewRow]:
    """Calls in progress, and those that just ended, the newest first."""
    cursor = await connection.execute(
        f"{_COLUMNS} where c.tenant_id = %s and c.merged_into is null and c.started_at is not null"
        " and (c.state <> 'ended' or c.ended_at > clock_timestamp() - make_interval(secs => %s))"
        " order by c.started_at desc, c.id desc limit %s",
        (tenant_id, ended_within_s, limit),
        prepare=True,
    )
    return [_view(row) for row in await cursor.fetchall()]


async def recent(connection: AsyncConnection, tenant_id: int, *, before_id: int | None, limit: int) -> list[ViewRow]:
    """All calls, the newest first; `before_id` goes on after the last one seen."""
    cursor = await connection.execute(
        f"{_COLUMNS} where c.tenant_id = %s and c.merged_into is null and (%s::bigint is null or c.id < %s)"
        " order by c.id desc limit %s",
        (tenant_id, before_id, before_id, limit),
    )
    return [_view(row) for row in await cursor.fetchall()]


async def events(connection: AsyncConnection, call_id: int) -> list[CallEvent]:
    """A call's events in the order of the phone system's clock, those of merged calls included."""
    cursor = await connection.execute(
        "select event::text from calls.events where call_id in"
        " (select %s::bigint union all select id from calls.calls where merged_into = %s)"
        " order by occurred_at, inbox_id, event_id",
        (call_id, call_id),
    )
    return [msgspec.json.decode(row[0], type=CallEvent) for row in await cursor.fetchall()]


async def writes(connection: AsyncConnection, call_id: int) -> list[WriteRow]:
    """What the logbook wrote, or means to write, for a call."""
    cursor = await connection.execute(
        "select action, target_id, text, state, intended_at, remote_id, finished_at from logbook.intents"
        " where call_id = %s order by intended_at",
        (call_id,),
    )
    return [WriteRow(*row) for row in await cursor.fetchall()]
