"""The desk: messages in, understood in order by one worker an account; views out, each tenant's own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from calls_kit import (
    DANA,
    NUMBER,
    OTHER_TENANT,
    START,
    TENANT,
    Room,
    answered,
    end_waiters,
    event,
    inbound,
    locked,
    message,
    refusing,
    soon,
    until,
    webhook,
)

from trunkline.calls import desk as desk_module
from trunkline.calls.account import PhoneAccount
from trunkline.calls.desk import CallDesk
from trunkline.calls.intake import StoredMessage
from trunkline.calls.views import LogView, WriteView
from trunkline.domain.call import CallState
from trunkline.domain.caller import CallerCard, MatchKind
from trunkline.phone_systems.base import LinkState, RawMessage
from trunkline.store.database import Database, DatabaseUnavailable

ACCOUNT, THEIRS = webhook(), webhook("theirs", OTHER_TENANT)


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


@pytest.fixture
async def desk(room: Room) -> AsyncIterator[CallDesk]:
    opened = CallDesk(room.database, room.inbox, room.tracker, room.identification)
    yield opened
    await soon(opened.close())


class Takes:
    """Stands before the tracker: keeps each batch, and holds back those of accounts in `held`."""

    def __init__(self, room: Room) -> None:
        self.batches: list[tuple[str, list[bytes]]] = []
        self.held: set[str] = set()
        self.error: Exception | None = None
        self._go = asyncio.Event()
        self._take = room.tracker.take

    async def __call__(self, account: PhoneAccount, messages: Sequence[StoredMessage]) -> None:
        self.batches.append((account.name, [one.message.body for one in messages]))
        if account.name in self.held:
            await self._go.wait()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        await self._take(account, messages)

    def let_go(self) -> None:
        self.held.clear()
        self._go.set()


@pytest.fixture
def takes(room: Room, monkeypatch: pytest.MonkeyPatch) -> Takes:
    spy = Takes(room)
    monkeypatch.setattr(room.tracker, "take", spy)
    monkeypatch.setattr(desk_module, "RETRY_S", 0.01)
    return spy


def bodies(messages: Sequence[RawMessage]) -> list[bytes]:
    return [one.body for one in messages]


async def drained(desk: CallDesk) -> None:
    await soon(desk.drain())


# Messages in --------------------------------------------------------------------------------------------------------


async def test_messages_received_one_by_one_become_a_call(desk: CallDesk, room: Room) -> None:
    for one in answered():
        await desk.receive(ACCOUNT, [one])
    await drained(desk)
    assert ((await room.call()).call.state, len(room.ended)) == (CallState.ENDED, 1)


async def test_on_return_messages_are_stored_though_nobody_understood_them_yet(
    desk: CallDesk, room: Room, takes: Takes
) -> None:
    takes.held.add("main")
    await desk.receive(ACCOUNT, answered())
    assert await room.rows("select count(*) from calls.inbox where processed_at is null") == [(4,)]


async def test_messages_that_come_during_a_take_share_the_next_in_their_order(desk: CallDesk, takes: Takes) -> None:
    first, *rest = (message(inbound(second, f"c{second}")) for second in range(20))
    takes.held.add("main")
    await desk.receive(ACCOUNT, [first])
    await until(lambda: bool(takes.batches))
    for one in rest:
        await desk.receive(ACCOUNT, [one])
    takes.let_go()
    await drained(desk)
    assert takes.batches == [("main", bodies([first])), ("main", bodies(rest))]


async def test_an_account_does_not_wait_for_another(desk: CallDesk, room: Room, takes: Takes) -> None:
    takes.held.add("main")
    await desk.receive(ACCOUNT, answered())
    await desk.receive(THEIRS, answered())
    await until(lambda: room.ended != [])
    assert (await room.calls(), len(await room.calls(OTHER_TENANT))) == ([], 1)
    takes.let_go()
    await drained(desk)
    assert len(await room.calls()) == 1


async def test_a_replayed_delivery_is_not_understood_twice(desk: CallDesk, takes: Takes) -> None:
    one = message(inbound(), delivery_id="d1")
    await desk.receive(ACCOUNT, [one])
    await desk.receive(ACCOUNT, [one])
    await drained(desk)
    assert takes.batches == [("main", bodies([one]))]


async def test_while_the_database_refuses_messages_wait_and_keep_their_order(
    desk: CallDesk, room: Room, takes: Takes
) -> None:
    async with refusing(room, "calls.events"):
        first, *rest = answered()
        await desk.receive(ACCOUNT, [first])
        await until(lambda: len(takes.batches) >= 3)
        for one in rest:
            await desk.receive(ACCOUNT, [one])
    await drained(desk)
    assert takes.batches[-2:] == [("main", bodies([first])), ("main", bodies(rest))]
    assert ((await room.call()).call.state, len(room.ended)) == (CallState.ENDED, 1)


async def test_messages_that_could_not_be_taken_stay_in_the_inbox_and_the_next_go_on(
    desk: CallDesk, room: Room, takes: Takes
) -> None:
    takes.error = RuntimeError("a mistake of ours")
    lost, good = message(inbound(call="c1")), message(inbound(call="c2"))
    await desk.receive(ACCOUNT, [lost])
    await drained(desk)
    await desk.receive(ACCOUNT, [good])
    await drained(desk)
    assert (await room.call()).call.call_key == "c2"
    assert await room.rows("select body from calls.inbox where processed_at is null") == [(lost.body,)]


async def test_an_impatient_sender_is_told_that_nothing_was_taken(desk: CallDesk, room: Room, takes: Takes) -> None:
    async with refusing(room, "calls.inbox"):
        with pytest.raises(DatabaseUnavailable):
            await soon(desk.receive(ACCOUNT, answered(), patient=False))
        assert "does not take messages" in str(desk.trouble)
    await drained(desk)
    assert takes.batches == []
    await desk.receive(ACCOUNT, answered(), patient=False)
    assert desk.trouble is None
    await drained(desk)


async def test_a_desk_that_closes_leaves_the_rest_in_the_inbox_for_the_next(
    desk: CallDesk, room: Room, takes: Takes
) -> None:
    takes.held.add("main")
    await desk.receive(ACCOUNT, answered("c1"))
    await until(lambda: bool(takes.batches))
    await desk.receive(ACCOUNT, answered("c2"))
    await soon(desk.close())
    takes.let_go()
    left = await room.rows("select id, received_at, body from calls.inbox where processed_at is null order by id")
    assert [body for *_, body in left] == bodies([*answered("c1"), *answered("c2")])
    await room.tracker.take(ACCOUNT, [StoredMessage(row_id, RawMessage(body, at)) for row_id, at, body in left])
    assert [call.call.state for call in await room.calls()] == [CallState.ENDED] * 2


async def test_a_desk_that_heard_nothing_drains_and_closes_at_once(desk: CallDesk) -> None:
    await drained(desk)
    await desk.close()


# Views out ----------------------------------------------------------------------------------------------------------


async def test_the_board_shows_calls_in_progress_and_just_ended_the_newest_first(desk: CallDesk, room: Room) -> None:
    now = datetime.now(UTC)
    for call, minutes, stays in (("old", 50, True), ("over", 50, False), ("just over", 20, False), ("new", 1, True)):
        begin = now - timedelta(minutes=minutes)
        messages = answered(call, start=begin)
        await room.hear(ACCOUNT, *messages[: -1 if stays else None])
    await room.hear(THEIRS, *answered("theirs", start=now)[:2])
    shown = await desk.board(TENANT)
    assert [view.call.call_key for view in shown] == ["new", "just over", "old"]
    assert [view.call.call_key for view in await desk.board(OTHER_TENANT)] == ["theirs"]
    assert await desk.board(3) == []


async def test_the_board_shows_a_merged_call_once(desk: CallDesk, room: Room) -> None:
    now = datetime.now(UTC)
    await room.hear(ACCOUNT, message(inbound(0, "c1", start=now)))
    await room.hear(ACCOUNT, message(inbound(1, "c2", start=now)))
    await room.hear(ACCOUNT, message(event("linked", 2, "c1", start=now, aliases=["c2"])))
    assert [(view.call.call_key, view.call.aliases) for view in await desk.board(TENANT)] == [("c1", ("c2",))]


async def test_the_board_of_a_busy_hour_has_an_end(desk: CallDesk, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "BOARD_LIMIT", 3)
    await room.hear(ACCOUNT, *(message(inbound(second, f"c{second}")) for second in range(5)))
    assert [view.call.call_key for view in await desk.board(TENANT)] == ["c4", "c3", "c2"]


async def test_all_calls_are_listed_page_after_page(desk: CallDesk, room: Room) -> None:
    await room.hear(ACCOUNT, *(message(inbound(second, f"c{second}")) for second in range(7)))
    await room.hear(THEIRS, message(inbound(call="theirs")))
    listed: list[str] = []
    before = None
    while page := await desk.recent(TENANT, limit=3, before_id=before):
        listed += [view.call.call_key for view in page]
        before = page[-1].id
    assert listed == [f"c{second}" for second in reversed(range(7))]


async def test_a_call_in_full_comes_with_its_events_and_writes(desk: CallDesk, room: Room) -> None:
    await room.customer(7, "Jane Example")
    await room.hear(
        ACCOUNT,
        message(inbound()),
        message(event("routed", 1, queue="dispatch")),
        message(event("ringing", 2, leg_id="b", agent=DANA)),
        message(event("ring_ended", 9, leg_id="b", agent={"email": "dana@shop.example"}, reason="no_answer")),
        message(event("sneezed", 10)),
        message(event("annotated", 11, text="asked for a quote")),
        message(event("ended", 12)),
    )
    call_id = (await room.call()).id
    await room.run(
        "insert into logbook.entries (call_id, tenant_id, state, detail) values (%s, %s, 'open', 'Waits.')",
        call_id, TENANT,
    )  # fmt: skip
    await room.run(
        "insert into logbook.intents (call_id, action, target_id, tenant_id, text, state, intended_at)"
        " values (%s, 'customer_note', 7, %s, 'A call.', 'intended', %s)",
        call_id, TENANT, START,
    )  # fmt: skip

    detail = await desk.detail(TENANT, call_id)

    assert detail is not None
    assert (detail.view.id, detail.view.call.events) == (call_id, 7)
    assert detail.view.log == LogView("open", detail="Waits.")
    assert [(one.kind, one.party, one.detail) for one in detail.events] == [
        ("started", None, None),
        ("routed", "dispatch", "dispatch"),
        ("ringing", "Dana Desk 201", None),
        ("ring_ended", "agent", "no_answer"),
        ("unknown", None, "sneezed"),
        ("annotated", None, "asked for a quote"),
        ("ended", None, None),
    ]
    assert detail.writes == (WriteView("customer_note", 7, "A call.", "intended", START),)


async def test_a_call_of_another_tenant_or_of_nobody_is_none(desk: CallDesk, room: Room) -> None:
    await room.hear(THEIRS, *answered())
    call_id = (await room.call(OTHER_TENANT)).id
    assert await desk.detail(OTHER_TENANT, call_id) is not None
    for absent in (call_id, call_id + 1, 0, -1, 2**31, 2**63, 10**30):
        assert await desk.detail(TENANT, absent) is None


async def test_a_call_merged_away_still_says_where_it_went_with_the_events_of_all_there(
    desk: CallDesk, room: Room
) -> None:
    await room.hear(ACCOUNT, message(inbound(0, "c1")))
    await room.hear(ACCOUNT, message(inbound(1, "c2")))
    (older, younger) = (call.id for call in await room.calls())
    await room.hear(ACCOUNT, message(event("linked", 2, "c1", aliases=["c2"])))
    gone, kept = await desk.detail(TENANT, younger), await desk.detail(TENANT, older)
    assert gone is not None
    assert gone.view.merged_into == older
    assert kept is not None
    assert [one.kind for one in kept.events] == ["started", "started", "linked"]


async def test_a_lookup_tells_who_has_the_number_however_it_is_written(desk: CallDesk, room: Room) -> None:
    await room.customer(7, "Jane Example")
    for text in (NUMBER, "437-555-0142", "(437) 555-0142 x12", "1 437 555 0142"):
        card = await desk.lookup(TENANT, text)
        assert (card.number, card.match.kind) == (NUMBER, MatchKind.SINGLE)
    assert (await desk.lookup(OTHER_TENANT, NUMBER)).match.kind is MatchKind.UNKNOWN
    assert msgspec.json.decode(await desk.lookup_json(TENANT, NUMBER), type=CallerCard) == card


async def test_a_lookup_reads_the_number_as_the_country_writes_it(desk: CallDesk) -> None:
    assert (await desk.lookup(TENANT, "020 7946 0018", region="GB")).number == "+442079460018"


@pytest.mark.parametrize("text", ["", " ", "201", "5550142", "Jane", "+", "+9" * 30, "1" * 5000, "437-555-01x2"])
async def test_what_is_no_number_gets_a_sentence(desk: CallDesk, text: str) -> None:
    for ask in (desk.lookup, desk.lookup_json):
        with pytest.raises(ValueError, match="is not a whole phone number; write it with its area code") as raised:
            await ask(TENANT, text)
        assert len(str(raised.value)) < 140


async def test_a_lookup_that_the_database_cannot_answer_says_so(desk: CallDesk, database_url: str) -> None:
    async with locked(database_url, "mirror.phone_index") as somebody_waits:
        asking = asyncio.create_task(desk.lookup(TENANT, NUMBER))
        await somebody_waits()
        await end_waiters(database_url)
        with pytest.raises(DatabaseUnavailable):
            await soon(asking)


async def test_the_state_of_each_connection_is_the_last_that_was_told(desk: CallDesk) -> None:
    second = webhook("second")
    await desk.set_connection(ACCOUNT, LinkState("connecting"))
    await desk.set_connection(second, LinkState("connected"))
    await desk.set_connection(THEIRS, LinkState("connected"))
    before = await desk.connections(TENANT)
    await desk.set_connection(ACCOUNT, LinkState("disconnected", "No answer in time."))
    after = await desk.connections(TENANT)
    assert [(one.account, one.state, one.detail) for one in after] == [
        ("main", "disconnected", "No answer in time."),
        ("second", "connected", None),
    ]
    assert after[0].since > before[0].since
    assert after[1] == before[1]
