"""The live feed: each change once to everyone who watches, and one word to those who missed some."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest
from calls_kit import OTHER_TENANT, TENANT, Room, answered, event, inbound, message, soon, webhook
from psycopg import AsyncConnection

from trunkline.calls import feed as feed_module
from trunkline.calls.feed import LiveFeed, Queue, Resync
from trunkline.calls.views import CallView
from trunkline.domain.call import CallState
from trunkline.store import views
from trunkline.store.database import Database, DatabaseUnavailable

ACCOUNT = webhook()


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[LiveFeed]:
    running = LiveFeed(database)
    task = asyncio.create_task(running.run())
    await soon(running.connected.wait())
    yield running
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def take(queue: Queue) -> CallView | Resync:
    return await soon(queue.get())


async def view(queue: Queue) -> CallView:
    item = await take(queue)
    assert isinstance(item, CallView)
    return item


class Reads:
    """Counts reads of changed calls; `error` is raised by the next."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.error: Exception | None = None

    async def __call__(self, connection: AsyncConnection, call_ids: Sequence[int]) -> list[views.ViewRow]:
        self.asked.append(list(call_ids))
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return await _by_ids(connection, call_ids)


_by_ids = views.by_ids


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    spy = Reads()
    monkeypatch.setattr(views, "by_ids", spy)
    return spy


async def test_who_watches_gets_each_change_of_a_call_once(feed: LiveFeed, room: Room) -> None:
    async with feed.subscribe(TENANT) as queue:
        states = []
        for version, one in enumerate(answered(), 1):
            await room.hear(ACCOUNT, one)
            changed = await view(queue)
            assert changed.version == version
            states.append(changed.call.state)
        await room.hear(ACCOUNT, *answered("c2"))
        assert (await view(queue)).call.call_key == "c2", "many events of one batch are one change"
        assert queue.empty()
    assert states == [CallState.NEW, CallState.RINGING, CallState.ANSWERED, CallState.ENDED]


async def test_a_change_is_what_the_board_shows(feed: LiveFeed, room: Room) -> None:
    await room.customer(7, "Jane Example")
    async with feed.subscribe(TENANT) as queue:
        await room.hear(ACCOUNT, message(inbound()))
        changed = await view(queue)
    shown = await room.call()
    assert (changed.id, changed.tenant_id, changed.ref, changed.call) == (shown.id, TENANT, shown.ref, shown.call)
    assert (changed.card, changed.log, changed.merged_into) == (shown.card, None, None)
    assert changed.card is not None


async def test_messages_that_change_nothing_are_not_told(feed: LiveFeed, room: Room) -> None:
    async with feed.subscribe(TENANT) as queue:
        stored = await room.hear(ACCOUNT, *answered())
        assert (await view(queue)).call.call_key == "c1"
        await room.tracker.take(ACCOUNT, stored)
        await room.hear(ACCOUNT, message(inbound(call="c2")))
        assert (await view(queue)).call.call_key == "c2"


async def test_a_call_that_was_merged_away_is_told_as_gone(feed: LiveFeed, room: Room) -> None:
    async with feed.subscribe(TENANT) as queue:
        await room.hear(ACCOUNT, message(inbound(0, "c1")), message(inbound(10, "c2")))
        assert {(await view(queue)).call.call_key, (await view(queue)).call.call_key} == {"c1", "c2"}
        await room.hear(ACCOUNT, message(event("linked", 30, "c1", aliases=["c2"])))
        changed = {one.call.call_key: one for one in (await view(queue), await view(queue))}
    assert changed["c2"].merged_into == changed["c1"].id
    assert (changed["c1"].merged_into, changed["c1"].call.events) == (None, 3)


async def test_each_tenant_hears_of_its_own_calls_alone(feed: LiveFeed, room: Room) -> None:
    async with feed.subscribe(TENANT) as mine, feed.subscribe(OTHER_TENANT) as theirs:
        await room.hear(ACCOUNT, message(inbound(call="ours")))
        await room.hear(webhook("main", OTHER_TENANT), message(inbound(call="theirs")))
        assert (await view(theirs)).call.call_key == "theirs"
        assert (await view(mine)).call.call_key == "ours"
        assert mine.empty()
        assert theirs.empty()


async def test_a_change_is_read_once_however_many_watch(feed: LiveFeed, room: Room, reads: Reads) -> None:
    async with feed.subscribe(TENANT) as first, feed.subscribe(TENANT) as second:
        await room.hear(ACCOUNT, message(inbound()))
        assert await view(first) == await view(second)
    assert len(reads.asked) == 1


async def test_what_nobody_watches_is_not_read(feed: LiveFeed, room: Room, reads: Reads) -> None:
    async with feed.subscribe(TENANT):
        pass
    await room.hear(ACCOUNT, message(inbound(call="unwatched")))
    async with feed.subscribe(OTHER_TENANT) as queue:
        await room.hear(webhook("main", OTHER_TENANT), message(inbound(call="watched")))
        await view(queue)
    (watched,) = await room.calls(OTHER_TENANT)
    assert [ids for ids in reads.asked if ids] == [[watched.id]]


async def test_a_call_in_progress_is_told_here_without_being_read(
    feed: LiveFeed, database: Database, reads: Reads
) -> None:
    room = Room(database, telling=feed.telling)
    await room.customer(7, "Jane Example")
    async with feed.subscribe(TENANT) as queue:
        shown = []
        for one in answered():
            await room.hear(ACCOUNT, one)
            changed = await view(queue)
            shown.append(changed)
            now = await room.call()
            assert (changed.id, changed.ref, changed.version) == (now.id, now.ref, now.version)
            assert (changed.call, changed.card) == (now.call, now.card)
        await room.hear(ACCOUNT, message(inbound(call="c2")))
        assert (await view(queue)).call.call_key == "c2", "and nothing is told a second time"
    assert [one.call.state for one in shown] == [
        CallState.NEW, CallState.RINGING, CallState.ANSWERED, CallState.ENDED,
    ]  # fmt: skip
    assert [ids for ids in reads.asked if ids] == [[shown[0].id]], "what has ended is read: the logbook may know of it"


async def test_what_was_told_but_not_committed_is_read(feed: LiveFeed, room: Room, reads: Reads) -> None:
    def told_in_vain(queue: Queue, never: CallView) -> None:
        with feed.telling() as tell:
            tell(never)
            assert queue.empty(), "nobody hears of it before it is committed"
            raise DatabaseUnavailable("the connection broke while it committed")

    async with feed.subscribe(TENANT) as queue:
        await room.hear(ACCOUNT, message(inbound()))
        now = await view(queue)
        with pytest.raises(DatabaseUnavailable):
            told_in_vain(queue, CallView(now.id, TENANT, now.ref, now.version + 1, now.call, now.card))
        assert (await view(queue)).version == now.version
        await room.hear(ACCOUNT, message(event("ringing", 1)))
        assert (await view(queue)).version == now.version + 1
    assert len(reads.asked) == 3


async def test_who_falls_far_behind_gets_one_resync_instead(
    feed: LiveFeed, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "LONGEST_QUEUE", 3)
    async with feed.subscribe(TENANT) as slow, feed.subscribe(TENANT) as brisk:
        for number in range(5):
            await room.hear(ACCOUNT, message(inbound(call=f"c{number}")))
            assert (await view(brisk)).call.call_key == f"c{number}"
        assert brisk.empty()
        # Three changes filled the queue, the fourth gave way to the word, the fifth came after it.
        assert await take(slow) == Resync()
        assert (await view(slow)).call.call_key == "c4"
        assert slow.empty()


async def test_who_watches_before_there_is_a_connection_is_told_to_read_once_there_is(database: Database) -> None:
    feed = LiveFeed(database)
    async with feed.subscribe(TENANT) as queue:
        task = asyncio.create_task(feed.run())
        assert await take(queue) == Resync()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_after_a_broken_connection_all_are_told_to_read_afresh(
    feed: LiveFeed, room: Room, database_url: str
) -> None:
    async with feed.subscribe(TENANT) as mine, feed.subscribe(OTHER_TENANT) as theirs:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as another:
            cursor = await another.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and query like 'listen%'"
            )
            assert await cursor.fetchall() == [(True,)]
        assert (await take(mine), await take(theirs)) == (Resync(), Resync())
        await room.hear(ACCOUNT, message(inbound()))
        assert (await view(mine)).call.call_key == "c1"


async def test_a_change_that_could_not_be_read_becomes_a_resync(feed: LiveFeed, room: Room, reads: Reads) -> None:
    async with feed.subscribe(TENANT) as mine, feed.subscribe(OTHER_TENANT) as theirs:
        reads.error = DatabaseUnavailable("for a test")
        await room.hear(ACCOUNT, message(inbound()))
        assert await take(mine) == Resync()
        await room.hear(ACCOUNT, message(event("ringing", 1)))
        assert (await view(mine)).call.state is CallState.RINGING
        assert theirs.empty()
