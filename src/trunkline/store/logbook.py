"""SQL of the logbook: one entry per ended call, one intent per write into ServiceTitan."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import LiteralString

import msgspec
from psycopg import AsyncConnection

from trunkline.domain.call import Call
from trunkline.domain.caller import CallerCard
from trunkline.domain.logging_plan import LogAction, LogKind, ReviewReason
from trunkline.store import calls
from trunkline.store.calls import decode_call, decode_card

# Keeps our advisory locks apart from those of other rooms: the first of two 32-bit keys.
_LOCK_SPACE = 0x6C6F67
_INTENTS: LiteralString = (
    "select action, target_id, text, state, intended_at, extract(epoch from clock_timestamp() - intended_at)::float8"
    " from logbook.intents where call_id = %s order by action, target_id"
)

_encode = msgspec.json.Encoder().encode


class CallToLog(msgspec.Struct, frozen=True):
    """A call as the logbook reads it; `merged_into` is set where it turned out to be part of another call.

    `overtaken` means that messages which came before are not understood yet: the call may still change.
    """

    ref: str
    state: str
    call: Call
    card: CallerCard | None
    merged_into: int | None
    overtaken: bool


class IntentState(StrEnum):
    """How far a write has come. Only `INTENDED` may be tried without reading back first."""

    INTENDED = "intended"  # not tried, or tried and known not to have landed
    TRYING = "trying"  # on its way, or the reply was lost: it may still land
    DOUBTFUL = "doubtful"  # answered with a failure that does not tell whether it landed
    WRITTEN = "written"
    REFUSED = "refused"


class Intent(msgspec.Struct, frozen=True):
    """One write; `age_s` counts from the latest try."""

    action: LogKind
    target_id: int
    text: str
    state: IntentState
    intended_at: datetime
    age_s: float


class Standing(msgspec.Struct, frozen=True):
    """How far the logging of a call has come: its entry's state and its writes; `found` is the call as stored."""

    entry: str | None
    intents: list[Intent]
    found: tuple[str, str, str, str | None, int | None, bool] | None

    @property
    def call(self) -> CallToLog | None:
        """The call with the card it was shown with."""
        if self.found is None:
            return None
        ref, state, call, card, merged_into, overtaken = self.found
        return CallToLog(ref, state, decode_call(call), decode_card(card) if card else None, merged_into, overtaken)


async def take(connection: AsyncConnection, tenant_id: int, call_id: int) -> Standing | None:
    """Take this call for `connection` alone until :func:`give_back` or the connection's end, and say how its logging
    stands; `None` if it is taken. One round trip.
    """
    async with connection.pipeline():
        lock = await connection.execute("select pg_try_advisory_lock(%s, %s)", _lock_of(call_id), prepare=True)
        # Statements of their own: each sees what others committed before the lock was had.
        entry = await connection.execute(
            "select state from logbook.entries where call_id = %s", (call_id,), prepare=True
        )
        writes = await connection.execute(_INTENTS, (call_id,), prepare=True)
        call = await connection.execute(
            "select ref, state, call::text, card::text, merged_into, exists (select from calls.inbox i"
            "  where i.processed_at is null and i.tenant_id = c.tenant_id and i.account = c.account"
            "  and i.received_at <= c.updated_at) from calls.calls c where tenant_id = %s and id = %s",
            (tenant_id, call_id),
            prepare=True,
        )
    (is_ours,) = await lock.fetchone() or (False,)
    if not is_ours:
        return None
    (state,) = await entry.fetchone() or (None,)
    return Standing(state, _read_intents(await writes.fetchall()), await call.fetchone())


async def give_back(connection: AsyncConnection, call_id: int) -> None:
    """Others may take the call."""
    await connection.execute("select pg_advisory_unlock(%s, %s)", _lock_of(call_id), prepare=True)


def _lock_of(call_id: int) -> tuple[int, int]:
    return _LOCK_SPACE, call_id & 0x7FFFFFFF


async def reference(connection: AsyncConnection, call_id: int) -> str:
    """The call's short reference."""
    cursor = await connection.execute("select ref from calls.calls where id = %s", (call_id,), prepare=True)
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"There is no call {call_id}.")
    return str(row[0])


async def intents(connection: AsyncConnection, call_id: int) -> list[Intent]:
    """The call's writes, in the order in which they are to be made."""
    return _read_intents(await (await connection.execute(_INTENTS, (call_id,), prepare=True)).fetchall())


def _read_intents(found: Iterable[tuple[str, int, str, str, datetime, float]]) -> list[Intent]:
    return [
        Intent(LogKind(action), target_id, text, IntentState(state), intended_at, age_s)
        for action, target_id, text, state, intended_at, age_s in found
    ]


async def open_entry(
    connection: AsyncConnection, tenant_id: int, call_id: int, actions: Sequence[LogAction]
) -> list[Intent]:
    """Open the entry and commit to `actions` before the first of them is tried: one statement, all of it or nothing."""
    cursor = await connection.execute(
        "with opened as (insert into logbook.entries (call_id, tenant_id, state)"
        " values (%(call)s, %(tenant)s, 'open') on conflict (call_id) do nothing)"
        " insert into logbook.intents (call_id, action, target_id, tenant_id, text, state)"
        " select %(call)s, kind, target_id, %(tenant)s, text, 'intended'"
        " from jsonb_to_recordset(%(actions)s::jsonb) decided (kind text, target_id bigint, text text)"
        " on conflict do nothing returning action, target_id, text, state, intended_at, 0::float8",
        {"call": call_id, "tenant": tenant_id, "actions": _encode(actions).decode()},
        prepare=True,
    )
    return sorted(_read_intents(await cursor.fetchall()), key=lambda intent: (intent.action, intent.target_id))


async def begin_try(connection: AsyncConnection, call_id: int, intent: Intent) -> None:
    """The write is about to be tried; its age starts anew."""
    await connection.execute(
        "update logbook.intents set state = 'trying', intended_at = clock_timestamp()"
        " where call_id = %s and action = %s and target_id = %s",
        (call_id, intent.action.value, intent.target_id),
        prepare=True,
    )


async def set_intent(
    connection: AsyncConnection, call_id: int, intent: Intent, state: IntentState, remote_id: int | None = None
) -> None:
    """Record how the try went; `remote_id` is the note's id, where ServiceTitan gives one."""
    await connection.execute(
        "update logbook.intents set state = %(state)s, remote_id = %(remote)s,"
        " finished_at = case when %(state)s in ('written', 'refused') then clock_timestamp() end"
        " where call_id = %(call)s and action = %(action)s and target_id = %(target)s",
        {
            "state": state.value,
            "remote": remote_id,
            "call": call_id,
            "action": intent.action.value,
            "target": intent.target_id,
        },
        prepare=True,
    )


async def close_entry(
    connection: AsyncConnection,
    tenant_id: int,
    call_id: int,
    state: str,
    *,
    review: ReviewReason | None = None,
    detail: str | None = None,
) -> None:
    """Finish the entry as logged, nothing or review, and tell the live feed."""
    await connection.execute(
        "with closed as ("
        " insert into logbook.entries (call_id, tenant_id, state, review_reason, detail, attempts, finished_at)"
        " values (%(call)s, %(tenant)s, %(state)s, %(review)s, %(detail)s, 1, clock_timestamp())"
        " on conflict (call_id) do update set state = excluded.state, review_reason = excluded.review_reason,"
        " detail = excluded.detail, attempts = entries.attempts + 1, finished_at = excluded.finished_at"
        " returning call_id)"
        " select pg_notify(%(channel)s, tenant_id || ':' || id || ':' || version) from calls.calls"
        " where id in (select call_id from closed)",
        {
            "channel": calls.CHANNEL,
            "call": call_id,
            "tenant": tenant_id,
            "state": state,
            "review": review.value if review else None,
            "detail": detail,
        },
        prepare=True,
    )


async def keep_open(connection: AsyncConnection, tenant_id: int, call_id: int, detail: str) -> None:
    """Tell people why the call is not logged yet; says so once, not at every try."""
    cursor = await connection.execute(
        "with before as (select detail from logbook.entries where call_id = %(call)s)"
        " insert into logbook.entries as mine (call_id, tenant_id, state, detail, attempts)"
        " values (%(call)s, %(tenant)s, 'open', %(detail)s, 1)"
        " on conflict (call_id) do update set detail = excluded.detail, attempts = mine.attempts + 1"
        " returning (select detail from before) is distinct from %(detail)s",
        {"call": call_id, "tenant": tenant_id, "detail": detail},
    )
    row = await cursor.fetchone()
    if row and row[0]:
        await calls.notify(connection, [call_id])
