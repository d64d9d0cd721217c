"""From messages to calls: found by their keys, folded, merged, and told of once."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from calls_kit import (
    DANA,
    NUMBER,
    OTHER_NUMBER,
    OTHER_TENANT,
    SAM,
    START,
    TENANT,
    Room,
    answered,
    asterisk,
    event,
    frame,
    inbound,
    locked,
    message,
    refusing,
    soon,
    webhook,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trunkline.calls.account import PhoneAccount
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.caller import MatchKind
from trunkline.domain.events import Direction
from trunkline.phone_systems.base import Parsed, RawMessage
from trunkline.phone_systems.webhook import WebhookAdapter
from trunkline.store import calls as call_rows
from trunkline.store import views
from trunkline.store.database import Database, DatabaseUnavailable

ACCOUNT = webhook()
BROKEN = RawMessage(b"{ not json", START)


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


async def problems(room: Room) -> list[str | None]:
    """What is noted at each processed message."""
    found = await room.rows("select processed_at is not null, error from calls.inbox order by id")
    assert all(processed for processed, _ in found)
    return [error for _, error in found]


# One call ----------------------------------------------------------------------------------------------------------


async def test_a_call_is_followed_from_message_to_message(room: Room) -> None:
    states = []
    for one in answered():
        await room.hear(ACCOUNT, one)
        states.append((await room.call()).call.state)
    assert states == [CallState.NEW, CallState.RINGING, CallState.ANSWERED, CallState.ENDED]
    shown = await room.call()
    assert (shown.tenant_id, shown.call.system, shown.call.account, shown.call.call_key) == (
        TENANT, "webhook", "main", "c1",
    )  # fmt: skip
    assert (shown.call.outcome, shown.call.talk_s, shown.call.events) == (Outcome.ANSWERED, 60.0, 4)


async def test_messages_of_one_batch_are_one_call_as_well(room: Room) -> None:
    await room.hear(ACCOUNT, *answered())
    in_a_batch = await room.call()
    assert (in_a_batch.version, in_a_batch.call.state, in_a_batch.call.events) == (1, CallState.ENDED, 4)


async def test_the_columns_say_what_the_call_says(room: Room) -> None:
    await room.customer(7, "Jane Example")
    await room.hear(ACCOUNT, *answered())
    call = (await room.call()).call
    (columns,) = await room.rows(
        "select call_key, direction, state, outcome, external_number, did, started_at, answered_at, ended_at,"
        " customer_id, match_kind from calls.calls"
    )
    assert columns == (
        "c1", "inbound", "ended", "answered", NUMBER, "+14375550100", call.started_at, call.answered_at, call.ended_at,
        7, "single",
    )  # fmt: skip
    assert (call.started_at, call.answered_at, call.ended_at) == (
        START, START + timedelta(seconds=5), START + timedelta(seconds=65),
    )  # fmt: skip


async def test_every_call_gets_a_short_reference_of_its_own_that_is_easy_to_read_out(room: Room) -> None:
    await room.hear(ACCOUNT, *(message(inbound(call=f"c{number}")) for number in range(20)))
    refs = [call.ref for call in await room.calls()]
    assert len(set(refs)) == 20
    assert all(len(ref) == 10 and not set(ref) & set("ILOU") for ref in refs)


async def test_events_of_one_message_keep_their_order_and_their_own_ids(room: Room) -> None:
    (stored,) = await room.hear(
        ACCOUNT, message(inbound(), event("ringing", 1, agent=DANA), event("ended", 2, event_id="theirs"))
    )
    found = await room.rows("select event_id, kind, inbox_id from calls.events order by occurred_at")
    assert [(kind, inbox_id) for _, kind, inbox_id in found] == [
        ("started", stored.id), ("ringing", stored.id), ("ended", stored.id),
    ]  # fmt: skip
    assert [event_id for event_id, *_ in found][:2] == [f"{stored.id}.0", f"{stored.id}.1"]


async def test_numbers_are_read_in_the_accounts_country(room: Room) -> None:
    british = PhoneAccount(TENANT, "london", "GB", webhook("london").adapter)
    await room.hear(british, message(inbound(external_number="020 7946 0018")))
    assert (await room.call()).call.external_number == "+442079460018"


async def test_calls_of_other_accounts_and_tenants_with_the_same_keys_are_other_calls(room: Room) -> None:
    accounts = [ACCOUNT, webhook("other"), webhook("main", OTHER_TENANT)]
    for account in accounts:
        await room.hear(account, *answered())
    assert [(call.tenant_id, call.call.account, call.call.events) for call in await room.calls()] == [
        (TENANT, "main", 4), (TENANT, "other", 4),
    ]  # fmt: skip
    theirs = await room.call(OTHER_TENANT)
    assert (theirs.call.account, theirs.call.events) == ("main", 4)


# Twice, and not at all -----------------------------------------------------------------------------------------------


async def test_messages_taken_twice_change_nothing_and_tell_nobody(room: Room, database_url: str) -> None:
    stored = await room.hear(ACCOUNT, *answered())
    before = await room.call()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as listener:
        await listener.execute("listen trunkline_calls")
        await room.tracker.take(ACCOUNT, stored)
        await room.tracker.take(ACCOUNT, stored[::-1])
        await room.run("notify trunkline_calls, 'the last'")
        told = [notice.payload async for notice in listener.notifies(timeout=5, stop_after=1)]
    assert told == ["the last"]
    assert await room.call() == before
    assert room.ended == [(TENANT, before.id)]


async def test_a_batch_that_the_database_refuses_leaves_nothing_behind_and_can_be_taken_later(room: Room) -> None:
    stored = await room.store(ACCOUNT, *answered())
    async with refusing(room, "calls.events"):
        with pytest.raises(DatabaseUnavailable):
            await room.tracker.take(ACCOUNT, stored)
    assert await room.calls() == []
    assert await room.rows("select 1 from calls.inbox where processed_at is not null") == []
    assert await room.rows("select 1 from calls.keys") == []
    await room.tracker.take(ACCOUNT, stored)
    assert (await room.call()).call.state is CallState.ENDED


async def test_a_message_that_cannot_be_read_keeps_its_sentence_and_the_others_are_understood(room: Room) -> None:
    start, *rest = answered()
    await room.hear(ACCOUNT, start, BROKEN, *rest)
    assert (await room.call()).call.state is CallState.ENDED
    noted = await problems(room)
    assert "JSON cannot be read" in str(noted.pop(1))
    assert noted == [None] * 4


async def test_a_batch_of_nothing_but_rubbish_is_marked_and_done_with(room: Room) -> None:
    await room.hear(ACCOUNT, BROKEN, BROKEN)
    assert await room.calls() == []
    assert all(await problems(room))


async def test_a_message_about_no_call_is_done_with(room: Room) -> None:
    await room.hear(ACCOUNT, message())
    assert (await room.calls(), await problems(room)) == ([], [None])


class _FailsOnBoom(WebhookAdapter):
    def parse(self, message: RawMessage) -> list[Parsed]:
        if message.body == b"boom":
            raise RuntimeError("a mistake in the adapter")
        return super().parse(message)


async def test_an_adapter_that_fails_on_one_message_costs_that_message_alone(room: Room) -> None:
    ours = ACCOUNT.adapter
    assert isinstance(ours, WebhookAdapter)
    failing = _FailsOnBoom.__new__(_FailsOnBoom)
    failing.__dict__.update(vars(ours))
    account = PhoneAccount(TENANT, "main", "US", failing)
    start, *rest = answered()
    await room.hear(account, start, RawMessage(b"boom", START), *rest)
    assert (await room.call()).call.state is CallState.ENDED
    noted = await problems(room)
    assert "adapter failed" in str(noted.pop(1))
    assert "mistake" not in str(noted)
    assert noted == [None] * 4


# The end --------------------------------------------------------------------------------------------------------------


async def test_the_end_of_a_call_is_told_once_whatever_comes_after_it(room: Room) -> None:
    for one in answered():
        assert room.ended == []
        await room.hear(ACCOUNT, one)
    shown = await room.call()
    assert room.ended == [(TENANT, shown.id)]
    await room.hear(ACCOUNT, message(event("ended", 66, reason="normal")))
    await room.hear(ACCOUNT, message(event("recording", 90, recording_url="https://recordings.example/1.wav")))
    assert room.ended == [(TENANT, shown.id)]
    assert (await room.call()).call.recordings == ("https://recordings.example/1.wav",)


async def test_of_several_calls_in_a_batch_those_that_ended_are_told(room: Room) -> None:
    await room.hear(ACCOUNT, *answered("c1"), message(inbound(call="c2")), *answered("c3"))
    ids = {call.call.call_key: call.id for call in await room.calls()}
    assert sorted(room.ended) == sorted([(TENANT, ids["c1"]), (TENANT, ids["c3"])])


async def test_an_end_that_could_not_be_told_leaves_the_call_ended(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_tenant_id: int, _call_id: int) -> None:
        raise RuntimeError("for a test")

    monkeypatch.setattr(room.tracker, "_on_ended", fail)
    with pytest.raises(RuntimeError):
        await room.hear(ACCOUNT, *answered())
    assert (await room.call()).call.state is CallState.ENDED
    assert await problems(room) == [None] * 4


# Two calls that are one ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(["c1", "c2"])), ids="-".join)
async def test_calls_that_turn_out_to_be_one_live_on_as_the_one_that_began_first(
    room: Room, order: tuple[str, ...]
) -> None:
    begins = {"c1": message(inbound(0, "c1")), "c2": message(event("started", 20, "c2", agent=DANA))}
    for call in order:
        await room.hear(ACCOUNT, begins[call])
    ids = {call.call.call_key: call.id for call in await room.calls()}
    await room.hear(ACCOUNT, message(event("linked", 30, "c1", aliases=["c2"])))

    shown = await room.call()
    assert (shown.id, shown.call.call_key, shown.call.aliases, shown.call.events) == (ids["c1"], "c1", ("c2",), 3)
    async with room.database.connection() as connection:
        (gone,) = await views.by_ids(connection, [ids["c2"]])
    assert (gone.merged_into, gone.version) == (ids["c1"], 2)


async def test_after_a_merge_every_key_leads_to_the_call_that_lives_on(room: Room) -> None:
    await room.hear(ACCOUNT, message(inbound(0, "c1", leg_id="a")))
    await room.hear(ACCOUNT, message(event("ringing", 20, "c2", leg_id="b", agent=SAM)))
    await room.hear(ACCOUNT, message(event("linked", 30, "c1", aliases=["c2", "c0"])))
    shown = await room.call()
    assert await room.rows("select key, call_id from calls.keys order by key") == [
        (key, shown.id) for key in ("c0", "c1", "c2", "leg:a", "leg:b")
    ]
    await room.hear(
        ACCOUNT,
        message(event("answered", 31, "c2", leg_id="b", agent=SAM)),
        message(event("held", 32, "c0")),
        message(event("resumed", 33, "c9", leg_id="b")),
    )
    shown = await room.call()
    assert (shown.call.state, shown.call.events) == (CallState.ANSWERED, 6)
    assert shown.call.aliases == ("c0", "c2", "c9")


async def test_a_chain_of_merges_ends_at_one_call_with_the_events_of_all(room: Room) -> None:
    for second, call in ((0, "c1"), (10, "c2"), (20, "c3")):
        await room.hear(ACCOUNT, message(inbound(second, call)))
    await room.hear(ACCOUNT, message(event("linked", 30, "c2", aliases=["c3"])))
    await room.hear(ACCOUNT, message(event("linked", 40, "c1", aliases=["c2"])))
    shown = await room.call()
    assert (shown.call.call_key, shown.call.aliases, shown.call.events) == ("c1", ("c2", "c3"), 5)
    assert await room.rows("select count(*) from calls.calls where merged_into = %s", shown.id) == [(2,)]
    async with room.database.connection() as connection:
        assert len(await views.events(connection, shown.id)) == 5


async def test_three_calls_can_become_one_at_one_stroke(room: Room) -> None:
    for second, call in ((20, "c3"), (0, "c1"), (10, "c2")):
        await room.hear(ACCOUNT, message(inbound(second, call)))
    await room.hear(ACCOUNT, message(event("linked", 30, "c3", aliases=["c2", "c1"])))
    shown = await room.call()
    assert (shown.call.call_key, shown.call.aliases, shown.call.events) == ("c1", ("c2", "c3"), 4)


async def test_calls_that_begin_and_merge_in_one_batch_are_one_call(room: Room) -> None:
    await room.hear(
        ACCOUNT,
        message(inbound(0, "c1")),
        message(inbound(10, "c2")),
        message(event("linked", 30, "c1", aliases=["c2"])),
        message(event("ended", 40, "c2")),
    )
    shown = await room.call()
    assert (shown.call.events, shown.call.state) == (4, CallState.ENDED)
    assert room.ended == [(TENANT, shown.id)]


async def test_a_merge_tells_of_both_calls(room: Room, database_url: str) -> None:
    await room.hear(ACCOUNT, message(inbound(0, "c1")))
    await room.hear(ACCOUNT, message(inbound(10, "c2")))
    ids = [call.id for call in await room.calls()]
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as listener:
        await listener.execute("listen trunkline_calls")
        await room.hear(ACCOUNT, message(event("linked", 30, "c1", aliases=["c2"])))
        told = [notice.payload async for notice in listener.notifies(timeout=5, stop_after=2)]
    assert sorted(told) == [f"{TENANT}:{call_id}:2" for call_id in ids]


async def test_a_merge_can_be_undone(room: Room) -> None:
    await room.hear(ACCOUNT, message(inbound(0, "c1")))
    await room.hear(ACCOUNT, message(inbound(10, "c2")))
    before = [(call.id, call.call) for call in await room.calls()]
    linking = message(event("linked", 30, "c1", aliases=["c2"]))
    await room.hear(ACCOUNT, linking)
    (older, _), (younger, _) = before
    async with room.database.transaction() as connection:
        assert await call_rows.unmerge(connection, younger) == older
        await room.tracker.fold_within(connection, ACCOUNT, [older, younger])
    first, second = await room.calls()
    assert (second.id, second.call) == before[1]
    assert (first.id, first.call.events) == (older, 2), "the event that linked them stays where it came in"
    await room.hear(ACCOUNT, message(event("ended", 40, "c2")))
    assert [call.call.state for call in await room.calls()] == [CallState.NEW, CallState.ENDED]


# The caller's card ----------------------------------------------------------------------------------------------------


async def test_the_card_is_that_of_the_ring_and_stays(room: Room) -> None:
    await room.customer(7, "Jane Example")
    start, *rest = answered()
    await room.hear(ACCOUNT, start)
    at_the_ring = (await room.call()).card
    await room.run("update mirror.customers set name = 'Another Name'")
    await room.hear(ACCOUNT, *rest)
    assert at_the_ring is not None
    assert at_the_ring.match.customer is not None
    assert at_the_ring.match.customer.name == "Jane Example"
    assert (await room.call()).card == at_the_ring


async def test_a_number_that_becomes_another_gets_another_card(room: Room) -> None:
    await room.customer(7, "Jane Example", NUMBER)
    await room.customer(8, "Robin Sample", OTHER_NUMBER)
    await room.hear(ACCOUNT, message(event("ringing", 10, direction="inbound", external_number=OTHER_NUMBER)))
    assert await room.rows("select customer_id from calls.calls") == [(8,)]
    # The first event that names a number is right; it came later.
    await room.hear(ACCOUNT, message(inbound(0)))
    assert await room.rows("select customer_id from calls.calls") == [(7,)]


async def test_a_withheld_number_has_a_card_that_says_so(room: Room) -> None:
    await room.hear(ACCOUNT, message(inbound(external_number="anonymous")))
    card = (await room.call()).card
    assert card is not None
    assert (card.number, card.match.kind) == (None, MatchKind.WITHHELD)


async def test_colleagues_among_themselves_need_no_card(room: Room) -> None:
    await room.hear(ACCOUNT, message(event("ringing", agent=DANA), event("answered", 1, agent=SAM)))
    shown = await room.call()
    assert (shown.call.direction, shown.card) == (Direction.INTERNAL, None)


async def test_the_card_shows_earlier_calls_of_the_number_but_not_the_call_itself(room: Room) -> None:
    await room.hear(ACCOUNT, *answered("c1"))
    await room.hear(ACCOUNT, *answered("c2", start=START + timedelta(hours=1)))
    first, second = await room.calls()
    assert first.card is not None
    assert first.card.past_calls == ()
    assert second.card is not None
    assert [past.started_at for past in second.card.past_calls] == [START]


# The phone system's own list ------------------------------------------------------------------------------------------

PBX = asterisk()


def rings(key: str, second: float = 0) -> RawMessage:
    """A call from outside as Asterisk tells of it."""
    body = frame(
        Event="Newchannel",
        Channel=f"PJSIP/trunk-{key}",
        Context="from-trunk",
        Exten="4375550100",
        CallerIDNum="4375550142",
        Uniqueid=key,
        Linkedid=key,
        Timestamp=f"{START.timestamp() + second:.6f}",
    )
    return RawMessage(body, START)


def live(second: float, *keys: str) -> RawMessage:
    """Asterisk's list of live calls after a reconnect."""
    return RawMessage(frame(Event="TrunklineSnapshot", Timestamp=f"{START.timestamp() + second:.6f}", Live=keys), START)


async def test_calls_missing_from_the_phone_systems_list_are_over(room: Room) -> None:
    other = asterisk("pbx2")
    await room.hear(PBX, rings("1.1"), rings("1.2"), rings("1.3", 100))
    await room.hear(other, rings("7.7"))
    await room.hear(PBX, live(60, "1.2", "9.9"))
    shown = {(call.call.account, call.call.call_key): call.call for call in await room.calls()}
    assert {place: call.state for place, call in shown.items()} == {
        ("pbx", "1.1"): CallState.ENDED,
        ("pbx", "1.2"): CallState.NEW,
        ("pbx", "1.3"): CallState.NEW,  # it began after the list was made
        ("pbx2", "7.7"): CallState.NEW,
    }
    gone = shown["pbx", "1.1"]
    assert (gone.outcome, gone.ended_at) == (Outcome.UNKNOWN, START + timedelta(seconds=60))
    assert len(room.ended) == 1


async def test_a_second_list_ends_nothing_twice(room: Room) -> None:
    await room.hear(PBX, rings("1.1"))
    await room.hear(PBX, live(60))
    before = await room.call()
    await room.hear(PBX, live(120))
    assert await room.call() == before
    assert room.ended == [(TENANT, before.id)]


async def test_a_call_on_the_list_under_any_of_its_keys_lives_on(room: Room) -> None:
    await room.hear(PBX, rings("1.1"), rings("1.5", 5))
    link = frame(
        Event="AttendedTransfer",
        Result="Success",
        OrigTransfererChannel="PJSIP/201-01",
        OrigTransfererUniqueid="1.4",
        OrigTransfererLinkedid="1.1",
        SecondTransfererChannel="PJSIP/201-02",
        SecondTransfererUniqueid="1.5",
        SecondTransfererLinkedid="1.5",
        Timestamp=f"{START.timestamp() + 9}",
    )
    await room.hear(PBX, RawMessage(link, START))
    assert (await room.call()).call.aliases == ("1.5",)
    await room.hear(PBX, live(60, "1.5"))
    assert (await room.call()).call.state is not CallState.ENDED
    await room.hear(PBX, live(90))
    assert (await room.call()).call.state is CallState.ENDED


# Side by side -------------------------------------------------------------------------------------------------------


async def test_two_trackers_that_take_the_same_messages_neither_deadlock_nor_double(
    room: Room, database_url: str
) -> None:
    """As after a restart: the sweeper of one process and the worker of another take up the same."""
    messages = [one for number in range(8) for one in answered(f"c{number}", start=START + timedelta(minutes=number))]
    messages += [BROKEN, message(event("linked", 600, "c0", aliases=["c1"]))]
    stored = await room.store(ACCOUNT, *messages)
    second = await Database.open(database_url, min_size=1, max_size=4)
    try:
        rooms = [room, Room(second)]
        batches = [list(part) for part in (stored, stored[::-1], stored[10:] + stored[:10], stored[::3])]
        takes = (rooms[place % 2].tracker.take(ACCOUNT, batch) for place, batch in enumerate(batches * 2))
        await soon(asyncio.gather(*takes))
    finally:
        await second.close()
    shown = await room.calls()
    assert sorted((call.call.call_key, call.call.events) for call in shown) == [
        ("c0", 9), *((f"c{number}", 4) for number in range(2, 8)),
    ]  # fmt: skip
    told = [call_id for one in rooms for _, call_id in one.ended]
    assert len(told) == len(set(told)), "an end was told twice"
    assert {call.id for call in shown} <= set(told)


async def test_accounts_do_not_wait_for_one_another(room: Room, database_url: str) -> None:
    other = webhook("other")
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await call_rows.lock_account(holder, TENANT, "main")
        waiting = asyncio.create_task(room.hear(ACCOUNT, *answered()))
        await soon(room.hear(other, *answered()))
        assert not waiting.done()
    await waiting
    assert len(await room.calls()) == 2


async def test_one_accounts_trackers_take_turns(room: Room, database_url: str) -> None:
    """The second must see what the first committed, or both would make the same call."""
    async with locked(database_url, "calls.calls") as somebody_waits:
        first = asyncio.create_task(room.hear(ACCOUNT, message(inbound())))
        await somebody_waits()
        second = asyncio.create_task(room.hear(ACCOUNT, message(event("ringing", 1))))
    await soon(asyncio.gather(first, second))
    assert (await room.call()).call.events == 2


# Any order ----------------------------------------------------------------------------------------------------------

_TRANSFERRED = [
    inbound(0, "t1", leg_id="a"),
    event("ringing", 1, "t1", leg_id="b", agent=DANA),
    event("answered", 5, "t1", leg_id="b", agent=DANA),
    event("held", 19, "t1"),
    event("started", 20, "t2", leg_id="x", agent=DANA),
    event("ringing", 21, "t2", leg_id="y", agent=SAM),
    event("answered", 25, "t2", leg_id="y", agent=SAM),
    event("transferred", 30, "t1", agent=SAM),
    event("linked", 30, "t3", aliases=["t1", "t2"]),
    event("left", 30, "t1", leg_id="b"),
    event("left", 31, "t2", leg_id="x"),
    event("left", 60, "t2", leg_id="y"),
    event("left", 60, "t1", leg_id="a"),
]
_MISSED = [
    inbound(2, "m1", leg_id="m-a", external_number=OTHER_NUMBER),
    event("ringing", 3, "m1", leg_id="m-b", agent=DANA),
    event("ended", 9, "m1", reason="cancelled"),
]
_RINGING = [inbound(7, "r1", leg_id="r-a"), event("ringing", 8, "r1", leg_id="r-b", agent=SAM)]
STORY = [
    *(message({**one, "event_id": f"e{place}"}) for place, one in enumerate(_TRANSFERRED + _MISSED + _RINGING)),
    BROKEN,
]
_names = (f"main-{number}" for number in itertools.count())


async def final(room: Room, account: PhoneAccount) -> list[tuple[Call, list[tuple[Any, ...]], list[tuple[Any, ...]]]]:
    """All that must not depend on arrival: the calls with their columns, and keys."""
    shown = [call for call in await room.calls() if call.call.account == account.name]
    found = []
    for call in shown:
        columns = await room.rows(
            "select call_key, direction, state, outcome, external_number, did, started_at, answered_at, ended_at,"
            " match_kind from calls.calls where id = %s",
            call.id,
        )
        keys = await room.rows("select key from calls.keys where call_id = %s order by key", call.id)
        found.append((msgspec.structs.replace(call.call, account=""), columns, keys))
    return sorted(found, key=lambda one: one[0].call_key)


_PLACES = range(len(STORY))
_ARRIVALS = st.lists(st.sampled_from(_PLACES), max_size=8).flatmap(lambda twice: st.permutations([*_PLACES, *twice]))
_CUTS = st.sets(st.integers(1, len(STORY) - 1), max_size=8).map(sorted)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=_ARRIVALS, cuts=_CUTS)
async def test_any_order_and_duplication_over_any_batches_gives_the_same_calls(
    database: Database, arrivals: list[int], cuts: list[int]
) -> None:
    room = Room(database)
    reference, account = webhook(next(_names)), webhook(next(_names))
    await room.hear(reference, *STORY)

    stored = await room.store(account, *STORY)
    for begin, end in itertools.pairwise([0, *cuts, len(arrivals)]):
        await room.tracker.take(account, [stored[place] for place in arrivals[begin:end]])

    expected = await final(room, reference)
    assert [(call.call_key, call.state) for call, *_ in expected] == [
        ("m1", "ended"), ("r1", "ringing"), ("t1", "ended"),
    ]  # fmt: skip
    assert await final(room, account) == expected
    ended = await room.rows("select id from calls.calls where account = %s and state = 'ended'", account.name)
    assert {(TENANT, call_id) for (call_id,) in ended} <= set(room.ended)
    left = "select body from calls.inbox where account = %s and processed_at is null"
    assert await room.rows(left, account.name) == []
