"""The sweeper: what a crash left between inbox and logbook is taken up, once it is old enough."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from calls_kit import OTHER_TENANT, START, TENANT, Room, answered, event, inbound, message, soon, webhook

from trunkline.calls import sweeper as sweeper_module
from trunkline.calls.account import PhoneAccount
from trunkline.calls.sweeper import Sweeper
from trunkline.domain.call import CallState, Outcome
from trunkline.phone_systems.base import RawMessage
from trunkline.store.database import Database

ACCOUNT, OTHER, GONE = webhook(), webhook("main", OTHER_TENANT), webhook("gone")


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


def sweeper(room: Room, *accounts: PhoneAccount) -> Sweeper:
    known = {(account.tenant_id, account.name): account for account in accounts}
    return Sweeper(room.database, room.tracker, known, {TENANT: "CA", OTHER_TENANT: "CA"}, room.on_ended)


async def unprocessed(room: Room) -> list[tuple[str, bytes]]:
    return [
        (account, bytes(body))
        for account, body in await room.rows(
            "select account, body from calls.inbox where processed_at is null order by id"
        )
    ]


async def test_messages_that_nobody_understood_are_taken_up(room: Room) -> None:
    await room.store(ACCOUNT, *answered())
    assert await sweeper(room, ACCOUNT).sweep() == 4
    shown = await room.call()
    assert (shown.call.state, shown.call.events) == (CallState.ENDED, 4)
    assert await unprocessed(room) == []
    assert room.ended == [(TENANT, shown.id)]


async def test_where_nothing_is_left_nothing_is_done(room: Room) -> None:
    subject = sweeper(room, ACCOUNT)
    assert await subject.sweep(older_than_s=0) == 0
    await room.hear(ACCOUNT, message(inbound()))
    assert await subject.sweep(older_than_s=0) == 0


async def test_messages_still_young_are_left_to_their_worker(room: Room) -> None:
    now = datetime.now(UTC)
    young = message(inbound(call="young"), received_at=now)
    await room.store(ACCOUNT, young, message(inbound(call="old"), received_at=now - timedelta(seconds=700)))
    subject = sweeper(room, ACCOUNT)
    assert await subject.sweep(older_than_s=600) == 1
    assert (await room.call()).call.call_key == "old"
    assert await unprocessed(room) == [("main", young.body)]
    assert await subject.sweep(older_than_s=0) == 1


async def test_each_message_goes_to_its_own_account(room: Room) -> None:
    await room.store(ACCOUNT, *answered("ours"))
    await room.store(OTHER, *answered("theirs"))
    await sweeper(room, ACCOUNT, OTHER).sweep()
    assert ((await room.call()).call.call_key, (await room.call(OTHER_TENANT)).call.call_key) == ("ours", "theirs")


async def test_more_than_a_batch_is_taken_up_in_the_order_of_receipt(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper_module, "BATCH", 3)
    stored = await room.store(ACCOUNT, *(message(inbound(second, f"c{second}")) for second in range(8)))
    assert await sweeper(room, ACCOUNT).sweep() == 8
    assert [call.call.call_key for call in await room.calls()] == [f"c{second}" for second in range(8)]
    found = await room.rows("select inbox_id from calls.events order by inbox_id")
    assert [inbox_id for (inbox_id,) in found] == [one.id for one in stored]


async def test_messages_of_an_account_that_is_no_longer_configured_are_left_alone_and_block_nobody(
    room: Room,
) -> None:
    left = answered("gone")
    await room.store(GONE, *left[:2])
    await room.store(ACCOUNT, *answered("ours"))
    await room.store(GONE, *left[2:])
    subject = sweeper(room, ACCOUNT)
    await subject.sweep()
    assert (await room.call()).call.call_key == "ours"
    assert await unprocessed(room) == [("gone", one.body) for one in left]
    await sweeper(room, ACCOUNT, GONE).sweep()
    assert [call.call.state for call in await room.calls()] == [CallState.ENDED] * 2, "configured again, taken up again"


async def quiet_for(room: Room, hours: float) -> None:
    """Turn the clock on: nothing was heard of any call since."""
    await room.run("update calls.calls set updated_at = updated_at - make_interval(secs => %s)", hours * 3600)


@pytest.mark.parametrize("account", [ACCOUNT, GONE], ids=["configured", "no longer configured"])
async def test_a_call_whose_end_nobody_told_is_over_an_hour_later(room: Room, account: PhoneAccount) -> None:
    await room.hear(account, message(inbound()))
    subject = sweeper(room, ACCOUNT)
    await quiet_for(room, 0.9)
    assert await subject.sweep() == 0
    await quiet_for(room, 0.2)
    assert await subject.sweep() == 1
    shown = await room.call()
    assert (shown.call.state, shown.call.outcome) == (CallState.ENDED, Outcome.UNKNOWN)
    assert room.ended == [(TENANT, shown.id)]
    assert await subject.sweep(older_than_s=600) == 0


async def test_people_may_talk_for_half_a_day_and_how_long_they_did_is_not_made_up(room: Room) -> None:
    await room.hear(ACCOUNT, *answered()[:3])
    subject = sweeper(room, ACCOUNT)
    await quiet_for(room, 11.9)
    assert await subject.sweep() == 0
    await quiet_for(room, 0.2)
    assert await subject.sweep() == 1
    call = (await room.call()).call
    assert (call.state, call.outcome, call.talk_s) == (CallState.ENDED, Outcome.ANSWERED, None)


async def test_calls_of_a_company_that_is_no_longer_configured_are_left_as_they_are(room: Room) -> None:
    await room.hear(webhook("elsewhere", OTHER_TENANT + 1), message(inbound()))
    await quiet_for(room, 100)
    await sweeper(room, ACCOUNT).sweep()
    assert await room.rows("select state from calls.calls") == [("new",)]


async def test_rubbish_among_what_is_left_costs_nothing_but_itself(room: Room) -> None:
    start, *rest = answered()
    await room.store(ACCOUNT, start, RawMessage(b"rubbish", START), *rest)
    await sweeper(room, ACCOUNT).sweep()
    assert (await room.call()).call.state is CallState.ENDED
    assert await unprocessed(room) == []


async def test_ended_calls_that_the_logbook_does_not_know_are_handed_to_it(room: Room) -> None:
    await room.hear(ACCOUNT, *answered("lost"))
    await room.hear(ACCOUNT, *answered("logged"))
    await room.hear(ACCOUNT, message(inbound(call="ringing")))
    await room.hear(OTHER, *answered("theirs"))
    ids = {
        call.call.call_key: (call.tenant_id, call.id) for t in (TENANT, OTHER_TENANT) for call in await room.calls(t)
    }
    await room.run(
        "insert into logbook.entries (call_id, tenant_id, state) values (%s, %s, 'open')", ids["logged"][1], TENANT
    )
    room.ended.clear()
    assert await sweeper(room, ACCOUNT).sweep(older_than_s=0) == 2
    assert room.ended == [ids["lost"], ids["theirs"]]


async def test_calls_that_ended_just_now_are_left_to_who_saw_them_end(room: Room) -> None:
    await room.hear(ACCOUNT, *answered())
    told = list(room.ended)
    assert await sweeper(room, ACCOUNT).sweep(older_than_s=600) == 0
    assert room.ended == told


async def test_calls_that_were_merged_away_are_not_handed_to_the_logbook(room: Room) -> None:
    await room.hear(ACCOUNT, *answered("c1"))
    await room.hear(ACCOUNT, *answered("c2"))
    await room.hear(ACCOUNT, message(event("linked", 90, "c1", aliases=["c2"])))
    room.ended.clear()
    await sweeper(room, ACCOUNT).sweep(older_than_s=0)
    assert room.ended == [(TENANT, (await room.call()).id)]


async def test_two_sweepers_at_once_double_nothing(room: Room) -> None:
    await room.store(ACCOUNT, *(one for number in range(10) for one in answered(f"c{number}")))
    first, second = sweeper(room, ACCOUNT), sweeper(room, ACCOUNT)
    await soon(asyncio.gather(first.sweep(), second.sweep()))
    assert [(call.call.state, call.call.events) for call in await room.calls()] == [(CallState.ENDED, 4)] * 10
    assert len(room.ended) == len(set(room.ended)) == 10
