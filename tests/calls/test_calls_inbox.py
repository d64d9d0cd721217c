"""The inbox: durable on return, in order, each delivery once, and patient with a database that refuses."""

import asyncio

import psycopg
import pytest
from calls_kit import OTHER_TENANT, Room, end_waiters, inbound, locked, message, refusing, soon, until, webhook

from trunkline.calls import intake
from trunkline.phone_systems.base import RawMessage
from trunkline.store.database import Database, DatabaseUnavailable

ACCOUNT = webhook()


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(intake, "LONGEST_PAUSE_S", 0.05)


def numbered(*numbers: int) -> list[RawMessage]:
    return [message(inbound(number, f"c{number}")) for number in numbers]


async def test_what_was_appended_is_on_disk_in_the_order_it_came(room: Room, database_url: str) -> None:
    messages = numbered(*range(5))
    stored = await room.inbox.append(ACCOUNT, messages)
    async with await psycopg.AsyncConnection.connect(database_url) as another:
        cursor = await another.execute(
            "select id, tenant_id, account, received_at, body, processed_at, error from calls.inbox order by id"
        )
        found = await cursor.fetchall()
    assert [(one.id, one.message) for one in stored] == [
        (row_id, kept) for (row_id, *_), kept in zip(found, messages, strict=True)
    ]
    assert [row[1:] for row in found] == [
        (ACCOUNT.tenant_id, ACCOUNT.name, one.received_at, one.body, None, None) for one in messages
    ]


async def test_bytes_that_are_no_text_are_kept_as_they_came(room: Room) -> None:
    body = b"\x00\xff\r\n{'not json"
    await room.store(ACCOUNT, RawMessage(body, message().received_at))
    assert await room.rows("select body from calls.inbox") == [(body,)]


async def test_appends_that_come_during_a_commit_share_the_next(room: Room, database_url: str) -> None:
    async with locked(database_url, "calls.inbox") as somebody_waits:
        first = asyncio.create_task(room.store(ACCOUNT, *numbered(0)))
        await somebody_waits()
        others = [asyncio.create_task(room.store(ACCOUNT, *numbered(number))) for number in range(1, 50)]
        await until(lambda: len(room.inbox._waiting) == 49)
        assert not first.done()
    stored = [one for task in [first, *others] for one in await task]
    assert [one.id for one in stored] == sorted(one.id for one in stored)
    assert await room.rows("select count(*), count(distinct xmin::text) from calls.inbox") == [(50, 2)]


async def test_messages_handed_in_at_once_by_two_accounts_keep_their_order_and_their_owner(room: Room) -> None:
    other = webhook("other", OTHER_TENANT)
    tasks = [room.store((ACCOUNT, other)[number % 2], *numbered(number, number + 100)) for number in range(20)]
    stored = await soon(asyncio.gather(*tasks))
    for tenant_id, account, mine in ((ACCOUNT.tenant_id, "main", stored[::2]), (OTHER_TENANT, "other", stored[1::2])):
        found = await room.rows(
            "select id, body from calls.inbox where tenant_id = %s and account = %s order by id", tenant_id, account
        )
        assert found == [(one.id, one.message.body) for batch in mine for one in batch]


async def test_nothing_appended_is_nothing_stored(room: Room) -> None:
    assert await room.store(ACCOUNT) == []
    assert await room.rows("select 1 from calls.inbox") == []


async def test_a_replayed_delivery_is_left_out(room: Room) -> None:
    first, again = message(inbound(), delivery_id="d1"), message(inbound(9), delivery_id="d1")
    assert [one.message for one in await room.store(ACCOUNT, first)] == [first]
    assert await room.store(ACCOUNT, again) == []
    assert await room.rows("select body from calls.inbox") == [(first.body,)]


async def test_a_replay_among_new_deliveries_costs_them_nothing(room: Room) -> None:
    await room.store(ACCOUNT, message(inbound(0), delivery_id="d1"))
    new, twice, unnamed = (
        message(inbound(1), delivery_id="d2"),
        message(inbound(2), delivery_id="d3"),
        message(inbound(3)),
    )
    replay = message(inbound(4), delivery_id="d1")
    stored = await room.store(ACCOUNT, new, replay, twice, twice, unnamed)
    assert [one.message for one in stored] == [new, twice, unnamed]
    assert await room.rows("select id, body from calls.inbox order by id offset 1") == [
        (one.id, one.message.body) for one in stored
    ]


async def test_replays_handed_in_at_once_are_stored_once(room: Room) -> None:
    copies = [message(inbound(number), delivery_id="d1") for number in range(5)]
    stored = await asyncio.gather(*(room.store(ACCOUNT, copy) for copy in copies))
    assert sorted(map(len, stored)) == [0, 0, 0, 0, 1]


async def test_a_delivery_id_belongs_to_its_account(room: Room) -> None:
    delivery = message(inbound(), delivery_id="d1")
    for account in (ACCOUNT, webhook("other"), webhook("main", OTHER_TENANT)):
        assert len(await room.store(account, delivery)) == 1


async def test_messages_without_a_delivery_id_are_never_taken_for_replays(room: Room) -> None:
    same = message(inbound())
    assert len(await room.store(ACCOUNT, same, same)) == 2
    assert len(await room.store(ACCOUNT, same)) == 1


async def test_an_impatient_caller_is_told_at_once_and_people_in_a_sentence(room: Room) -> None:
    assert room.inbox.trouble is None
    async with refusing(room, "calls.inbox"):
        with pytest.raises(DatabaseUnavailable):
            await soon(room.inbox.append(ACCOUNT, numbered(1), patient=False))
        assert "does not take messages" in str(room.inbox.trouble)
        assert "disk" in str(room.inbox.trouble)
    assert await room.rows("select 1 from calls.inbox") == []
    await room.inbox.append(ACCOUNT, numbered(1), patient=False)
    assert room.inbox.trouble is None


@pytest.mark.parametrize(
    "errcode",
    [
        pytest.param("53100", id="disk full"),
        pytest.param("53200", id="out of memory"),
        pytest.param("57P03", id="starting up"),
        pytest.param("40001", id="serialization failure"),
        pytest.param("58030", id="input/output error"),
    ],
)
async def test_a_patient_caller_waits_until_the_database_takes_messages_again(room: Room, errcode: str) -> None:
    async with refusing(room, "calls.inbox", errcode):
        appending = asyncio.create_task(room.inbox.append(ACCOUNT, numbered(1, 2)))
        await until(lambda: room.inbox.trouble is not None)
        assert not appending.done()
    stored = await soon(appending)
    assert [one.message for one in stored] == numbered(1, 2)
    assert await room.rows("select id from calls.inbox order by id") == [(one.id,) for one in stored]
    assert room.inbox.trouble is None


async def test_a_full_disk_loses_nothing_and_doubles_nothing(room: Room) -> None:
    before = await room.store(ACCOUNT, *numbered(0))
    async with refusing(room, "calls.inbox"):
        tasks = [asyncio.create_task(room.store(ACCOUNT, *numbered(number, number + 1))) for number in range(1, 41, 2)]
        await until(lambda: room.inbox.trouble is not None)
        with pytest.raises(DatabaseUnavailable):
            await soon(room.inbox.append(ACCOUNT, numbered(99), patient=False))
    held = [one for batch in await soon(asyncio.gather(*tasks)) for one in batch]
    assert [one.message for one in held] == numbered(*range(1, 41))
    found = await room.rows("select id, body from calls.inbox order by id")
    assert found == sorted((one.id, one.message.body) for one in before + held)


async def test_a_connection_that_breaks_during_the_commit_is_waited_out(room: Room, database_url: str) -> None:
    async with locked(database_url, "calls.inbox") as somebody_waits:
        appending = asyncio.create_task(room.store(ACCOUNT, *numbered(1)))
        await somebody_waits()
        await end_waiters(database_url)
        await until(lambda: room.inbox.trouble is not None)
    assert len(await soon(appending)) == 1
    assert await room.rows("select count(*) from calls.inbox") == [(1,)]


async def test_a_caller_that_gives_up_takes_no_other_along(room: Room, database_url: str) -> None:
    async with locked(database_url, "calls.inbox") as somebody_waits:
        first = asyncio.create_task(room.store(ACCOUNT, *numbered(0)))
        await somebody_waits()
        quitter, stayer = (asyncio.create_task(room.store(ACCOUNT, *numbered(number))) for number in (1, 2))
        await until(lambda: len(room.inbox._waiting) == 2)
        for task in (first, quitter):
            task.cancel()
        await asyncio.wait([first, quitter])
    assert [one.message for one in await soon(stayer)] == numbered(2)
    # What was handed in is stored all the same: the sweeper understands it.
    assert [body for (body,) in await room.rows("select body from calls.inbox order by id")] == [
        one.body for one in numbered(0, 1, 2)
    ]


async def test_an_error_that_waiting_does_not_mend_is_raised_and_the_next_append_works(room: Room) -> None:
    async with refusing(room, "calls.inbox", "22000"):
        for patient in (True, False):
            with pytest.raises(psycopg.DataError):
                await room.inbox.append(ACCOUNT, numbered(1), patient=patient)
    assert len(await room.store(ACCOUNT, *numbered(2))) == 1
