"""Calls go on, whatever one message, one sender or one broken connection brings."""

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from calls_kit import (
    START,
    TENANT,
    Room,
    answered,
    asterisk,
    event,
    frame,
    inbound,
    message,
    soon,
    webhook,
)

from trunkline.calls import sweeper as sweeper_module
from trunkline.calls.sweeper import Sweeper
from trunkline.domain.call import CallState
from trunkline.phone_systems.base import RawMessage
from trunkline.phone_systems.delivery import Delivery, Refused
from trunkline.store.caller import NumberLookup
from trunkline.store.database import Database, DatabaseUnavailable

ACCOUNT = webhook()
POISON = {
    "a zero character in a name": message(inbound(call="bad", external_name="a\x00b")),
    "a zero character in a key": message(inbound(call="bad\x00")),
    "an endless key": message(inbound(call=secrets.token_hex(6000))),
    "a time without a zone": RawMessage(b'{"kind":"ended","call_id":"c1","occurred_at":"2026-03-02T15:00:10"}', START),
}


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
async def test_a_message_that_cannot_be_stored_costs_itself_alone(room: Room, poison: RawMessage) -> None:
    start, *rest = answered("c1")
    await soon(room.hear(ACCOUNT, start, poison, *rest))
    assert (await room.call()).call.state is CallState.ENDED
    errors = await room.rows("select error is not null from calls.inbox where processed_at is not null order by id")
    assert [error for (error,) in errors] == [False, True, False, False, False]


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
async def test_the_sweeper_is_not_held_up_by_a_message_that_cannot_be_stored(room: Room, poison: RawMessage) -> None:
    await room.store(ACCOUNT, poison)
    await room.store(webhook("other"), *answered())
    known = {(TENANT, name): webhook(name) for name in ("main", "other")}
    await soon(Sweeper(room.database, room.tracker, known, {}, room.on_ended).sweep())
    assert (await room.call()).call.account == "other"


async def test_event_ids_need_be_unique_within_their_call_only(room: Room) -> None:
    await room.hear(ACCOUNT, message(inbound(call="c1", event_id="1")))
    await room.hear(ACCOUNT, message(inbound(call="c2", event_id="1")))
    assert [call.call.call_key for call in await room.calls()] == ["c1", "c2"]


async def test_event_ids_of_senders_are_not_taken_for_our_own(room: Room) -> None:
    (first,) = await room.hear(ACCOUNT, message(inbound()))
    await room.hear(ACCOUNT, message(event("ended", 5, event_id=f"{first.id}.0")))
    assert (await room.call()).call.state is CallState.ENDED


async def test_a_list_of_live_calls_ends_calls_of_its_own_batch(room: Room) -> None:
    pbx = asterisk()
    begins = RawMessage(
        frame(
            Event="Newchannel",
            Channel="PJSIP/trunk-01",
            Context="from-trunk",
            Exten="4375550100",
            CallerIDNum="4375550142",
            Uniqueid="1.1",
            Linkedid="1.1",
            Timestamp=str(START.timestamp()),
        ),
        START,
    )
    snapshot = RawMessage(frame(Event="TrunklineSnapshot", Timestamp=str(START.timestamp() + 60)), START)
    await room.hear(pbx, begins, snapshot)
    shown = await room.call()
    assert shown.call.state is CallState.ENDED
    assert room.ended == [(TENANT, shown.id)]


async def test_a_whole_batch_of_an_unknown_account_blocks_nobody(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper_module, "BATCH", 3)
    await room.store(webhook("gone"), *(message(inbound(call=f"c{number}")) for number in range(4)))
    await room.store(ACCOUNT, *answered())
    await Sweeper(room.database, room.tracker, {(TENANT, "main"): ACCOUNT}, {}, room.on_ended).sweep()
    assert (await room.call()).call.account == "main"


async def test_a_read_only_database_is_waited_out(room: Room) -> None:
    (name,) = (await room.rows("select current_database()"))[0]
    await room.run(f'alter database "{name}" set default_transaction_read_only = on')
    reading = await Database.open(room.database.url, min_size=1, max_size=2)
    try:
        with pytest.raises(DatabaseUnavailable):
            await soon(Room(reading).inbox.append(ACCOUNT, answered(), patient=False))
    finally:
        await reading.close()
        await room.run(f'alter database "{name}" reset default_transaction_read_only')


async def test_after_a_restart_of_the_database_not_every_broken_connection_costs_an_attempt(database_url: str) -> None:
    database = await Database.open(database_url, min_size=6, max_size=8)
    await database._pool.wait()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as another:
        await another.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    failures = 0
    while True:
        try:
            await Room(database).inbox.append(ACCOUNT, [message(inbound())], patient=False)
            break
        except DatabaseUnavailable:
            failures += 1
            await asyncio.sleep(0.1)
    await database.close()
    assert failures <= 2


async def test_the_new_calls_of_a_batch_are_looked_up_together(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = NumberLookup.facts

    async def count(lookup: NumberLookup, tenant_id: int, numbers: Any, **more: Any) -> Any:
        asked.append(len(numbers))
        return await real(lookup, tenant_id, numbers, **more)

    monkeypatch.setattr(NumberLookup, "facts", count)
    batch = (message(inbound(call=f"c{n}", external_number=f"+1437555{n:04}")) for n in range(100, 130))
    await room.hear(ACCOUNT, *batch)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"webhook-id": secrets.token_hex(6000)},
        {"webhook-signature": "v1,x"},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,a,b"},
        {"webhook-timestamp": "\u00b2"},
        {"webhook-timestamp": "1" * 5000},
    ],
    ids=["endless id", "no base64", "no comma", "two commas", "superscript", "endless time"],
)
def test_absurd_headers_are_refused_not_a_crash(given: dict[str, str]) -> None:
    now = datetime.now(UTC)
    headers = {"webhook-id": "d1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": "v1,", **given}
    with pytest.raises(Refused):
        ACCOUNT.adapter.verify(Delivery(b"{}", now, tuple(headers.items())))  # type: ignore[attr-defined]
