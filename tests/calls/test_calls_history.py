"""What a phone system's own history tells of is taken in where it is missing, and the ledger balances."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from calls_kit import _SECRET, TENANT, Room, answered, event, inbound, message

from trunkline.calls.account import PhoneAccount
from trunkline.calls.alarms import Alarms
from trunkline.calls.desk import CallDesk
from trunkline.calls.history import CHUNK, LONGEST_CALL, HistoryCheck
from trunkline.calls.upkeep import Quiet, Upkeep
from trunkline.domain.call import CallState, Outcome
from trunkline.domain.hours import BusinessHours
from trunkline.phone_systems.base import LinkState, RawMessage
from trunkline.phone_systems.errors import RetryLater
from trunkline.phone_systems.webhook import WebhookAdapter, WebhookOptions
from trunkline.store import watch as rows
from trunkline.store.database import Database

NOW = datetime.now(UTC)
BEGAN = NOW - timedelta(hours=1)


class Remembering(WebhookAdapter):
    """Our webhook, of a phone system that can be asked afterwards."""

    settles_s = 0.0

    def remember(self, *pages: Sequence[RawMessage] | Exception) -> None:
        self.pages = pages
        self.asked: list[tuple[datetime, datetime]] = []

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        self.asked.append((since, until))
        for page in self.pages:
            if isinstance(page, Exception):
                raise page
            yield list(page)


class Shop:
    """The room, and one phone system with a history."""

    def __init__(self, database: Database) -> None:
        self.room = Room(database)
        self.adapter = Remembering("main", WebhookOptions([_SECRET]))
        self.account = PhoneAccount(TENANT, "main", "US", self.adapter)
        self.desk = CallDesk(database, self.room.inbox, self.room.tracker, self.room.identification)
        self.alarms = Alarms(database)
        self.http = httpx.AsyncClient()
        self.check = HistoryCheck(
            database,
            self.desk,
            self.alarms,
            self.account,
            self.http,
            timezone="America/Toronto",
            is_ready=self.is_ready,
        )
        self.database = database

    async def is_ready(self) -> bool:
        return True

    async def ledger(self) -> list[rows.LedgerDay]:
        async with self.database.connection() as connection:
            return await rows.ledger(connection, TENANT, [], days=30)

    async def wrong(self) -> list[str]:
        async with self.database.connection() as connection:
            return [one.kind for one in await rows.alarms(connection, TENANT, [])]


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    made = Shop(database)
    yield made
    await made.desk.close()
    await made.http.aclose()


def record(call: str, *, began: datetime = BEGAN, delivery: str | None = None) -> RawMessage:
    """A record as a vendor's history has it: a call that nobody answered."""
    told = event("record", 0, call, start=began, direction="inbound", external_number="+14375550142")
    made = message(told, event("ended", 20, call, start=began), delivery_id=delivery or f"history:{call}:1")
    return RawMessage(made.body, NOW, made.delivery_id, kind="history")


async def test_what_is_missing_is_taken_in_once_and_what_is_known_stays_as_it_is(shop: Shop) -> None:
    await shop.room.hear(shop.account, *answered("known", start=BEGAN))
    (before,) = await shop.room.calls()
    shop.adapter.remember([record("known"), record("new-1")], [record("new-2")])
    found = await shop.check.look()
    assert (found.told, found.taken, found.missing) == (3, 2, 0)
    calls = await shop.room.calls()
    assert [call.call.outcome for call in calls] == [Outcome.ANSWERED, Outcome.MISSED, Outcome.MISSED]
    assert calls[0] == before
    again = await shop.check.look()
    assert (again.told, again.taken, again.missing) == (3, 0, 0)
    assert len(await shop.room.calls()) == 3


async def test_a_call_that_never_ended_here_is_finished_by_the_history(shop: Shop) -> None:
    await shop.room.hear(shop.account, message(inbound(0, "cut", start=BEGAN)))
    shop.adapter.remember([record("cut")])
    assert (await shop.check.look()).taken == 1
    (call,) = await shop.room.calls()
    assert (call.call.state, call.call.outcome) == (CallState.ENDED, Outcome.MISSED)


async def test_what_came_up_about_a_call_later_is_added_to_it_once(shop: Shop) -> None:
    await shop.room.hear(shop.account, *answered("known", start=BEGAN))
    said = message(event("content", 60, "known", start=BEGAN, text="The boiler drips."), delivery_id="history:said:1")
    shop.adapter.remember([record("known")], [RawMessage(said.body, NOW, said.delivery_id, kind="history")])
    for _ in range(2):
        assert (await shop.check.look()).missing == 0
        (call,) = await shop.room.calls()
        assert (call.call.outcome, call.call.contents) == (Outcome.ANSWERED, ("The boiler drips.",))


async def test_the_ledger_balances_and_says_why_calls_are_not_logged(shop: Shop) -> None:
    shop.adapter.remember([record(f"c{place}") for place in range(CHUNK + 3)])
    await shop.check.look()
    (day,) = await shop.ledger()
    assert (day.told, day.ours, day.missing, day.open) == (CHUNK + 3, CHUNK + 3, 0, CHUNK + 3)
    assert day.is_balanced
    settled = "insert into logbook.entries (call_id, tenant_id, state, review_reason) select id, tenant_id, %s, %s"
    await shop.room.run(f"{settled} from calls.calls order by id limit 2", "logged", None)
    await shop.room.run(f"{settled} from calls.calls order by id offset 2 limit 3", "review", "unknown_caller")
    await shop.room.run(f"{settled} from calls.calls order by id offset 5 limit 1", "nothing", None)
    (day,) = await shop.ledger()
    assert (day.logged, day.unknown_caller, day.nothing_to_log, day.open) == (2, 3, 1, CHUNK - 3)
    assert (day.excluded, day.is_balanced) == (4, True)


async def test_a_call_that_cannot_be_taken_in_is_missing_and_an_alarm_until_it_is_there(shop: Shop) -> None:
    shop.adapter.remember([record("lost")])
    await shop.room.run(
        "insert into calls.told (tenant_id, account, key, began_at, day) values (%s, 'main', 'gone', %s, %s)",
        TENANT,
        BEGAN,
        BEGAN.astimezone(ZoneInfo("America/Toronto")).date(),
    )
    running = asyncio.create_task(shop.check.run(3600))
    for _ in range(200):
        if await shop.wrong():
            break
        await asyncio.sleep(0.02)
    assert await shop.wrong() == ["missing"]
    assert [day.is_balanced for day in await shop.ledger()] == [False]
    shop.adapter.remember([record("gone")])
    shop.check.look_soon()
    for _ in range(200):
        if not await shop.wrong():
            break
        await asyncio.sleep(0.02)
    assert await shop.wrong() == []
    assert all(day.is_balanced for day in await shop.ledger())
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_broken_record_is_listed_and_the_rest_goes_on(shop: Shop) -> None:
    broken = RawMessage(b"{ half a rec", NOW, "history:broken:1", kind="history")
    shop.adapter.remember([record("c1"), broken, record("c2")])
    found = await shop.check.look()
    assert (found.told, found.taken, len(await shop.room.calls())) == (2, 3, 2)
    unread = await shop.room.rows("select delivery_id, kind from calls.inbox where error is not null")
    assert unread == [("history:broken:1", "history")]


async def test_a_history_that_fails_in_the_middle_is_read_from_the_same_day_again(shop: Shop) -> None:
    shop.adapter.remember([record("c1")], RetryLater("Example has trouble (500)."), [record("c2")])
    with pytest.raises(RetryLater):
        await shop.check.look()
    (first,) = shop.adapter.asked
    shop.adapter.remember([record("c1")], [record("c2")])
    assert (await shop.check.look()).taken == 1
    ((begin, until),) = shop.adapter.asked
    assert begin == first[0]
    await shop.check.look()
    zone = ZoneInfo("America/Toronto")
    begin = shop.adapter.asked[-1][0].astimezone(zone)
    assert (begin.hour, begin.minute) == (0, 0)
    assert begin.date() == (until - LONGEST_CALL).astimezone(zone).date()


# Upkeep -----------------------------------------------------------------------------------------------------------


def upkeep(shop: Shop, *, quiet: Quiet | None = None, address: str | None = None) -> Upkeep:
    return Upkeep(shop.database, shop.alarms, shop.account, shop.http, address=address, quiet=quiet, history=shop.check)


async def test_a_lost_connection_is_told_once_and_once_again_when_well(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = upkeep(shop)
    for _ in range(3):
        await kept.heard(LinkState("disconnected", "The PBX does not answer."))
        await kept.heard(LinkState("connecting"))
    assert await shop.wrong() == ["connection"]
    for _ in range(2):
        await kept.heard(LinkState("connected"))
    assert await shop.wrong() == []
    said = capsys.readouterr().out
    assert (said.count("needs attention"), said.count("is well again")) == (1, 1)


async def test_silence_is_wrong_in_business_hours_only(shop: Shop) -> None:
    always = Quiet(BusinessHours.parse("mon-sun 00:00-23:59"), 30, "UTC")
    kept = upkeep(shop, quiet=always)
    noon = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    await shop.room.store(shop.account, message(inbound(), received_at=noon))
    assert await kept._silence(noon + timedelta(minutes=29)) is None
    assert "Nothing was heard for 30 minutes" in str(await kept._silence(noon + timedelta(minutes=31)))
    shut = Quiet(BusinessHours.parse("mon 08:00-12:15"), 30, "UTC")
    assert await upkeep(shop, quiet=shut)._silence(noon + timedelta(minutes=31)) is None
    early = Quiet(BusinessHours.parse("mon-fri 13:00-17:00"), 30, "UTC")
    assert await upkeep(shop, quiet=early)._silence(noon + timedelta(minutes=70)) is None
    assert await upkeep(shop, quiet=early)._silence(noon + timedelta(minutes=91)) is not None
