"""One phone system, several companies: each call is found its own, and stays with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from calls_kit import (
    DANA,
    NUMBER,
    OTHER_NUMBER,
    OTHER_TENANT,
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

from trunkline.calls.account import Network, PhoneAccount
from trunkline.calls.feed import LiveFeed, Resync
from trunkline.calls.sweeper import Sweeper
from trunkline.calls.views import CallView
from trunkline.domain.call import CallState
from trunkline.domain.caller import MatchKind
from trunkline.phone_systems.base import RawMessage
from trunkline.store.database import Database

MAPPED = "+14375550101"
NETWORK = Network(
    "Example Group", {TENANT: "Example Plumbing", OTHER_TENANT: "Other Example"}, {MAPPED: OTHER_TENANT}
)  # fmt: skip


def shared(account: PhoneAccount) -> PhoneAccount:
    """The network's, not a tenant's."""
    return replace(account, tenant_id=0, network=NETWORK)


ACCOUNT, PBX = shared(webhook()), shared(asterisk())


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[LiveFeed]:
    """A live feed while the body runs."""
    feed = LiveFeed(database)
    task = asyncio.create_task(feed.run())
    await soon(feed.connected.wait())
    yield feed
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


async def test_a_call_in_progress_follows_a_decision_of_its_company_and_still_names_the_others(room: Room) -> None:
    for id_, tenant_id in ((7, TENANT), (8, TENANT), (9, OTHER_TENANT), (10, OTHER_TENANT)):
        await room.customer(id_, f"Example {id_}", tenant_id=tenant_id)
    await room.hear(ACCOUNT, message(inbound(did="+14375550100")))
    await room.run(
        "insert into calls.number_decisions"
        " (tenant_id, number, owner_kind, owner_id, kind, decided_by, decided_at, copy)"
        " values (%s, %s, 'customer', 8, 'direct_line', 'Dana', now(), 'local')",
        TENANT, NUMBER,
    )  # fmt: skip
    (mine,) = await room.rows("select id from calls.calls where state <> 'ended'")
    await room.tracker.identify_anew(TENANT, NUMBER)
    (call,) = [*await room.calls(TENANT), *await room.calls(OTHER_TENANT)]
    assert (call.id, call.tenant_id) == (mine[0], TENANT)
    assert call.card is not None
    assert call.card.match.kind is MatchKind.SINGLE
    assert [one.company for one in call.card.elsewhere] == ["Other Example"]


async def test_a_call_goes_to_the_company_that_knows_the_caller_for_certain(room: Room) -> None:
    await room.customer(7, "Jane Example", tenant_id=OTHER_TENANT)
    for told in answered():  # the first message decides, the later ones find the call again
        await room.hear(ACCOUNT, told)
    call = await room.call(OTHER_TENANT)
    assert await room.calls(TENANT) == []
    assert (call.call.state, call.call.events) == (CallState.ENDED, 4)
    assert call.card is not None
    assert (call.card.match.kind, call.card.elsewhere) == (MatchKind.SINGLE, ())
    assert room.ended == [(OTHER_TENANT, call.id)]
    assert await room.rows("select distinct tenant_id from calls.keys") == [(0,)]


async def test_the_number_dialled_decides_before_that_and_the_card_names_the_others(room: Room) -> None:
    await room.customer(7, "Jane Example")
    await room.hear(ACCOUNT, message(inbound(did="(437) 555-0101")))
    call = await room.call(OTHER_TENANT)
    assert call.card is not None
    assert call.card.match.kind is MatchKind.UNKNOWN
    (other,) = call.card.elsewhere
    assert (other.tenant_id, other.company) == (TENANT, "Example Plumbing")
    assert [one.customer.name for one in other.match.candidates] == ["Jane Example"]


async def test_a_caller_whom_both_know_is_the_first_companys_and_shown_with_the_others_name(room: Room) -> None:
    await room.customer(7, "Jane Example")
    await room.customer(8, "Janet Example", tenant_id=OTHER_TENANT)
    await room.hear(ACCOUNT, message(inbound()))
    call = await room.call(TENANT)
    assert call.card is not None
    assert call.card.match.kind is MatchKind.SINGLE
    assert [one.company for one in call.card.elsewhere] == ["Other Example"]


@pytest.mark.parametrize("number", [NUMBER, None])
async def test_a_caller_whom_nobody_knows_is_the_first_companys(room: Room, number: str | None) -> None:
    await room.hear(ACCOUNT, message(inbound(external_number=number)))
    assert (await room.call(TENANT)).call.external_number == number


async def test_a_call_whose_number_comes_late_moves_once_and_its_first_board_hears_of_it(
    room: Room, database: Database
) -> None:
    await room.customer(7, "Jane Example", tenant_id=OTHER_TENANT)
    await room.customer(8, "Sam Example", OTHER_NUMBER)
    async with listening(database) as feed, feed.subscribe(TENANT) as first, feed.subscribe(OTHER_TENANT) as second:
        await room.hear(ACCOUNT, message(inbound(external_number=None)))
        item = await soon(first.get())
        assert isinstance(item, CallView)
        await room.hear(ACCOUNT, message(event("annotated", 1, external_number=NUMBER)))
        assert isinstance(await soon(first.get()), Resync)
        moved = await soon(second.get())
        assert isinstance(moved, CallView)
        assert (moved.id, moved.tenant_id) == (item.id, OTHER_TENANT)
    # Another number later on changes the card, not whose call it is.
    await room.hear(ACCOUNT, message(event("annotated", 2, external_number=OTHER_NUMBER)))
    call = await room.call(OTHER_TENANT)
    assert call.id == item.id


def rings(key: str, caller: str) -> RawMessage:
    """A channel of the PBX that begins to ring."""
    body = frame(
        Event="Newchannel",
        Channel=f"PJSIP/trunk-{key}",
        ChannelState="4",
        CallerIDNum=caller,
        Context="from-trunk",
        Exten="4375550100",
        Uniqueid=key,
        Linkedid=key,
        Timestamp=f"{START.timestamp():.6f}",
    )
    return RawMessage(body, START)


async def test_calls_of_every_company_end_that_are_not_on_the_phone_systems_list(room: Room) -> None:
    await room.customer(7, "Jane Example", tenant_id=OTHER_TENANT)
    await room.hear(PBX, rings("1.1", OTHER_NUMBER.removeprefix("+1")), rings("1.2", NUMBER.removeprefix("+1")))
    stamp = f"{START.timestamp() + 60:.6f}"
    await room.hear(PBX, RawMessage(frame(Event="TrunklineSnapshot", Timestamp=stamp, Live=()), START))
    first, second = await room.call(TENANT), await room.call(OTHER_TENANT)
    assert {first.call.state, second.call.state} == {CallState.ENDED}
    assert sorted(room.ended) == [(TENANT, first.id), (OTHER_TENANT, second.id)]


async def test_a_call_of_a_network_that_falls_silent_ends_under_the_company_it_is_for(room: Room) -> None:
    await room.customer(7, "Jane Example", tenant_id=OTHER_TENANT)
    await room.hear(ACCOUNT, message(inbound()))
    await room.run("update calls.calls set updated_at = now() - interval '13 hours'")
    regions = {TENANT: "CA", OTHER_TENANT: "CA"}
    for accounts in ({(0, ACCOUNT.name): ACCOUNT}, {}):  # the second time it is not configured any more
        sweeper = Sweeper(room.database, room.tracker, accounts, regions, room.on_ended)
        await sweeper.sweep(older_than_s=0)
        call = await room.call(OTHER_TENANT)
        assert call.call.state is CallState.ENDED
        assert (OTHER_TENANT, call.id) in room.ended


async def test_a_call_that_is_handled_by_an_agent_keeps_its_company(room: Room) -> None:
    await room.customer(7, "Jane Example", tenant_id=OTHER_TENANT)
    await room.hear(ACCOUNT, message(inbound()), message(event("ringing", 1, agent=DANA)))
    await room.run("delete from mirror.phone_index")
    await room.hear(ACCOUNT, message(event("answered", 2, agent=DANA)))
    assert (await room.call(OTHER_TENANT)).call.state is CallState.ANSWERED
