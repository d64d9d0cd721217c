"""SQL of calls: their events, their keys, their folded state, and what people read of them."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg import AsyncConnection

from trunkline.domain.call import Call
from trunkline.domain.caller import CallerCard, MatchKind
from trunkline.domain.events import CallEvent, LiveCalls

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: nothing to misread
_REF_LENGTH = 10
CHANNEL = "trunkline_calls"
_WITH_KEYS = "from calls.keys where tenant_id = %(tenant)s and account = %(account)s and key = any(%(keys)s)"
_NEW_IDS: LiteralString = "select nextval('calls.calls_id_seq') from generate_series(1, %s)"
_UNCOMMITTED = 1000  # calls with lower ids may still be on their way into the table

_encode = msgspec.json.Encoder().encode
_decode_event = msgspec.json.Decoder(CallEvent).decode
decode_call = msgspec.json.Decoder(Call).decode
decode_card = msgspec.json.Decoder(CallerCard).decode


class KnownCall(msgspec.Struct, frozen=True):
    """A call as the tracker finds it."""

    id: int
    tenant_id: int
    ref: str
    version: int
    call: Call
    card: CallerCard | None


class SilentCall(msgspec.Struct, frozen=True):
    """A call in progress of which nothing has been heard since `heard_at` (UTC).

    `tenant_id` is under whom its phone system stands.
    """

    tenant_id: int
    account: str
    id: int
    call: Call
    heard_at: datetime


def new_ref() -> str:
    """A short reference that nobody can guess."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_REF_LENGTH))


async def lock_account(connection: AsyncConnection, tenant_id: int, account: str) -> None:
    """One tracker at a time works on one phone system, whatever the process; until the transaction ends."""
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended(%s, 7))", (f"{tenant_id}:{account}",), prepare=True
    )


class Known(msgspec.Struct):
    """Calls as they stand, by their ids, with all their events by event id; `owners` says whose each known key is, and
    `new_ids` are for calls that are not there yet.
    """

    calls: dict[int, KnownCall]
    events: dict[int, dict[str, CallEvent]]
    owners: dict[str, int] = {}
    new_ids: list[int] = []


async def find(
    connection: AsyncConnection, tenant_id: int, account: str, keys: Iterable[str], *, new: int = 0
) -> Known:
    """The calls that have any of these keys, and `new` ids for calls that may be missing; one round trip."""
    asked = {"tenant": tenant_id, "account": account, "keys": list(keys)}
    ids = await connection.execute(_NEW_IDS, (new,), prepare=True) if new else None
    owners = await connection.execute(f"select key, call_id {_WITH_KEYS}", asked, prepare=True)
    known = await _known(connection, f"array(select call_id {_WITH_KEYS})", asked)
    known.owners = dict(await owners.fetchall())
    known.new_ids = [call_id for (call_id,) in await ids.fetchall()] if ids else []
    return known


async def begin(connection: AsyncConnection, tenant_id: int, event: CallEvent, new_ids: list[int]) -> KnownCall:
    """A new call, as yet without state, for :func:`add` to store; its id is one of `new_ids`, while there are any."""
    if not new_ids:
        cursor = await connection.execute(_NEW_IDS, (1,), prepare=True)
        new_ids += [call_id for (call_id,) in await cursor.fetchall()]
    call = Call(system=event.system, account=event.account, call_key=event.call_key)
    return KnownCall(new_ids.pop(0), tenant_id, new_ref(), 0, call, None)


class NewKey(msgspec.Struct, frozen=True):
    """A key of a call; `original` is the call that it first belonged to."""

    key: str
    call: int
    original: int


class NewEvent(msgspec.Struct, frozen=True):
    """An event of a call, and the message in the inbox that told of it, if one did."""

    call: int
    inbox: int | None
    event: CallEvent


async def add(
    connection: AsyncConnection,
    tenant_id: int,
    account: str,
    *,
    calls: Sequence[KnownCall],
    keys: Sequence[NewKey] = (),
    events: Sequence[NewEvent] = (),
) -> None:
    """Store new calls, and keys and events of calls, each once, in one statement."""
    await connection.execute(
        "with begun as (insert into calls.calls (id, tenant_id, account, system, call_key, ref, state, call, version)"
        " overriding system value"
        " select id, tenant_id, %(account)s, call ->> 'system', call ->> 'call_key', ref, 'new', call, 0"
        " from jsonb_to_recordset(%(calls)s::jsonb) told (id bigint, tenant_id bigint, ref text, call jsonb)),"
        " added as (insert into calls.keys (tenant_id, account, key, call_id, original_call_id)"
        " select %(tenant)s, %(account)s, key, call, original from jsonb_to_recordset(%(keys)s::jsonb)"
        " told (key text, call bigint, original bigint) on conflict do nothing)"
        " insert into calls.events (tenant_id, account, call_id, inbox_id, event_id, kind, occurred_at, event)"
        " select %(tenant)s, %(account)s, call, inbox, event ->> 'event_id', event ->> 'kind',"
        " (event ->> 'occurred_at')::timestamptz, event from jsonb_to_recordset(%(events)s::jsonb)"
        " told (call bigint, inbox bigint, event jsonb) on conflict do nothing",
        {
            "tenant": tenant_id,
            "account": account,
            "calls": _encode(calls).decode(),
            "keys": _encode(keys).decode(),
            "events": _encode(events).decode(),
        },
        prepare=True,
    )


async def merge(connection: AsyncConnection, older: int, younger: int) -> None:
    """`younger` turns out to be part of `older`. Its events and original keys stay its own, so this can be undone."""
    await connection.execute("update calls.keys set call_id = %s where call_id = %s", (older, younger))
    await connection.execute(
        "update calls.calls set merged_into = %s, version = version + 1 where id = %s or merged_into = %s",
        (older, younger, younger),
    )
    await notify(connection, [younger])


async def unmerge(connection: AsyncConnection, call_id: int) -> int | None:
    """Make a call that was merged away stand on its own again, with what was told under its own keys since; returns
    the call that it was part of. Fold both anew afterwards."""
    cursor = await connection.execute(
        "with own as (update calls.keys set call_id = original_call_id where original_call_id = %(id)s"
        " returning tenant_id, account, key),"
        " apart as (update calls.calls c set merged_into = null, version = c.version + 1 from calls.calls before"
        " where c.id = %(id)s and before.id = c.id returning before.merged_into),"
        " moved as (update calls.events e set call_id = %(id)s from apart, own where e.call_id = apart.merged_into"
        " and e.tenant_id = own.tenant_id and e.account = own.account and e.event ->> 'call_key' = own.key)"
        " select merged_into from apart",
        {"id": call_id},
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def older_of(connection: AsyncConnection, call_ids: Sequence[int]) -> int:
    """The call among `call_ids` that began first."""
    cursor = await connection.execute(
        "select id from calls.calls where id = any(%s) order by started_at nulls last, id limit 1", (list(call_ids),)
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("none of these calls exists")
    return int(row[0])


async def load(connection: AsyncConnection, call_ids: Sequence[int]) -> Known:
    """These calls with all their events, those of calls merged into them included."""
    return await _known(connection, "%(ids)s::bigint[]", {"ids": list(call_ids)})


async def _known(connection: AsyncConnection, ids: str, asked: dict[str, object]) -> Known:
    """What there is of the calls whose ids the expression `ids` gives; both statements go out before any answer."""
    calls = await connection.execute(
        f"select id, tenant_id, ref, version, call::text, card::text from calls.calls where id = any({ids})",  # noqa: S608 - our own words
        asked,
        prepare=True,
    )
    # Lateral, so that events are reached through their index whatever the planner thinks of how many there are.
    events = await connection.execute(
        "select c.target, e.event_id, e.event from ("  # noqa: S608 - our own words
        f"  select id, id as target from unnest({ids}) id"
        f"  union all select id, merged_into from calls.calls where merged_into = any({ids})"
        ") c cross join lateral (select event_id, event::text from calls.events where call_id = c.id offset 0) e",
        asked,
        prepare=True,
    )
    known = Known(
        {
            call_id: KnownCall(call_id, tenant_id, ref, version, decode_call(call), decode_card(card) if card else None)
            for call_id, tenant_id, ref, version, call, card in await calls.fetchall()
        },
        {},
    )
    for call_id, event_id, event in await events.fetchall():
        known.events.setdefault(call_id, {})[event_id] = _decode_event(event)
    return known


class Folded(msgspec.Struct, frozen=True):
    """A call as folded, with its card and whose it is."""

    id: int
    tenant: int
    call: Call
    card: CallerCard | None
    customer: int | None
    match: MatchKind | None


def folded(call_id: int, tenant_id: int, call: Call, card: CallerCard | None) -> Folded:
    """What :func:`save` stores."""
    match = card.match if card else None
    customer = match.customer.id if match and match.customer else None
    return Folded(call_id, tenant_id, call, card, customer, match.kind if match else None)


async def save(connection: AsyncConnection, calls: Sequence[Folded]) -> None:
    """Store calls as folded, in one statement; every process is told when the transaction commits."""
    await connection.execute(
        "with saved as (update calls.calls c set tenant_id = tenant, call_key = told.call ->> 'call_key',"
        " direction = told.call ->> 'direction', state = coalesce(told.call ->> 'state', 'new'),"
        " outcome = told.call ->> 'outcome', external_number = told.call ->> 'external_number',"
        " did = told.call ->> 'did', started_at = (told.call ->> 'started_at')::timestamptz,"
        " answered_at = (told.call ->> 'answered_at')::timestamptz,"
        " ended_at = (told.call ->> 'ended_at')::timestamptz, customer_id = customer, match_kind = match,"
        " call = told.call, card = told.card, version = c.version + 1, updated_at = clock_timestamp()"
        " from jsonb_to_recordset(%(calls)s::jsonb)"
        " told (id bigint, tenant bigint, call jsonb, card jsonb, customer bigint, match text)"
        " where c.id = told.id returning c.tenant_id, c.id, c.version)"
        " select pg_notify(%(channel)s, tenant_id || ':' || id || ':' || version) from saved",
        {"channel": CHANNEL, "calls": _encode(calls).decode()},
        prepare=True,
    )


async def notify(connection: AsyncConnection, call_ids: Sequence[int]) -> None:
    """Tell every process which calls changed, when the transaction commits."""
    await connection.execute(
        "select pg_notify(%s, tenant_id || ':' || id || ':' || version) from calls.calls where id = any(%s)",
        (CHANNEL, list(call_ids)),
        prepare=True,
    )


async def notify_moved(connection: AsyncConnection, tenant_id: int, call_id: int) -> None:
    """Tell whoever watches `tenant_id` that the call is another tenant's now."""
    await connection.execute("select pg_notify(%s, %s)", (CHANNEL, f"{tenant_id}:{call_id}:0"))


async def open_calls_not_in(
    connection: AsyncConnection, tenant_ids: Sequence[int], live: LiveCalls
) -> list[tuple[int, Call]]:
    """Open calls of the account that the list speaks of, that began before it was taken and are not on it."""
    cursor = await connection.execute(
        "select c.id, c.call::text from calls.calls c where c.tenant_id = any(%s) and c.account = %s"
        " and c.state <> 'ended' and c.merged_into is null and c.started_at < %s and not exists"
        " (select from calls.keys k where k.call_id = c.id and k.key = any(%s)) and exists"
        " (select from calls.keys k where k.call_id = c.id and starts_with(k.key, %s))",
        (list(tenant_ids), live.account, live.as_of, sorted(live.call_keys), live.among),
    )
    return [(call_id, decode_call(call)) for call_id, call in await cursor.fetchall()]


async def open_calls_with(
    connection: AsyncConnection, tenant_id: int, number: str
) -> list[tuple[tuple[int, str], int]]:
    """Calls in progress with this number outside, each with what :func:`lock_account` locks for it, sorted by that."""
    cursor = await connection.execute(
        "select coalesce((select k.tenant_id from calls.keys k where k.call_id = c.id limit 1), c.tenant_id),"
        " account, id from calls.calls c where tenant_id = %s and external_number = %s and merged_into is null"
        " and state <> 'ended' order by 1, 2, 3",
        (tenant_id, number),
    )
    return [((holder, account), call_id) for holder, account, call_id in await cursor.fetchall()]


async def silent_calls(
    connection: AsyncConnection, tenants: Iterable[int], *, unanswered_s: float, answered_s: float, limit: int
) -> list[SilentCall]:
    """Calls in progress of these tenants that nobody spoke of for so many seconds."""
    cursor = await connection.execute(
        "select coalesce((select k.tenant_id from calls.keys k where k.call_id = c.id limit 1), c.tenant_id),"
        " account, id, call::text, updated_at from calls.calls c where tenant_id = any(%s) and state <> 'ended'"
        " and merged_into is null and updated_at < clock_timestamp() - make_interval(secs =>"
        " case when answered_at is null then %s::float8 else %s end) order by id limit %s",
        (list(tenants), unanswered_s, answered_s, limit),
    )
    return [
        SilentCall(tenant_id, account, call_id, decode_call(call), heard_at)
        for tenant_id, account, call_id, call, heard_at in await cursor.fetchall()
    ]


async def first_unsettled(connection: AsyncConnection, since_id: int) -> int:
    """The first call from `since_id` on that lives or has no entry in the logbook; all before it are settled."""
    cursor = await connection.execute(
        "select coalesce(min(c.id) filter (where c.state <> 'ended' or e.call_id is null), max(c.id) - %s)"
        " from calls.calls c left join logbook.entries e on e.call_id = c.id"
        " where c.id >= %s and c.merged_into is null",
        (_UNCOMMITTED, since_id),
    )
    row = await cursor.fetchone()
    return max(since_id, row[0]) if row and row[0] is not None else since_id


async def ended_without_entry(
    connection: AsyncConnection, since_id: int, *, older_than_s: float, limit: int
) -> list[tuple[int, int]]:
    """(tenant, call) of ended calls from `since_id` on that the logbook does not know yet."""
    cursor = await connection.execute(
        "select c.tenant_id, c.id from calls.calls c left join logbook.entries e on e.call_id = c.id"
        " where c.id >= %s and c.state = 'ended' and c.merged_into is null and e.call_id is null"
        " and c.updated_at < clock_timestamp() - make_interval(secs => %s) order by c.id limit %s",
        (since_id, older_than_s, limit),
    )
    return [(tenant_id, call_id) for tenant_id, call_id in await cursor.fetchall()]


async def set_connection(
    connection: AsyncConnection, tenant_id: int, account: str, state: str, detail: str | None
) -> None:
    """How a phone system's connection stands."""
    await connection.execute(
        "insert into calls.connections (tenant_id, account, state, since, detail)"
        " values (%s, %s, %s, clock_timestamp(), %s)"
        " on conflict (tenant_id, account) do update set state = excluded.state, since = excluded.since,"
        " detail = excluded.detail",
        (tenant_id, account, state, detail),
    )


async def connections(
    connection: AsyncConnection, tenant_id: int, shared: Sequence[str] = ()
) -> list[tuple[str, str, datetime, str | None]]:
    """(account, state, since, detail) of every phone system of the tenant, and of these that networks share."""
    cursor = await connection.execute(
        "select account, state, since, detail from calls.connections where tenant_id = %s"
        " or (tenant_id = 0 and account = any(%s)) order by account",
        (tenant_id, list(shared)),
    )
    return [(account, state, since, detail) for account, state, since, detail in await cursor.fetchall()]
