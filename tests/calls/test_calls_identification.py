"""Looking callers up: several at once share a statement, and a ring never waits for one."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from calls_kit import (
    NUMBER,
    OTHER_NUMBER,
    OTHER_TENANT,
    TENANT,
    Room,
    answered,
    end_waiters,
    event,
    inbound,
    locked,
    message,
    soon,
    until,
    webhook,
)

from trunkline.calls import identify
from trunkline.domain.caller import CallerCard, MatchKind, NumberFacts
from trunkline.store.caller import LANES, NumberLookup
from trunkline.store.database import Database, DatabaseUnavailable

NUMBERS = [f"+1437555{n:04}" for n in range(100, 130)]


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


class Statements:
    """Keeps which numbers each statement asked for; holds statements back while `open` is not set."""

    def __init__(self) -> None:
        self.real = NumberLookup.facts
        self.asked: list[tuple[int, list[str]]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def facts(self, lookup: NumberLookup, tenant_id: int, numbers: Sequence[str], **more: Any) -> Any:
        self.asked.append((tenant_id, list(numbers)))
        await self.open.wait()
        return await self.real(lookup, tenant_id, numbers, **more)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    spy = Statements()

    async def facts(lookup: NumberLookup, *asked: Any, **more: Any) -> Any:
        return await spy.facts(lookup, *asked, **more)

    monkeypatch.setattr(NumberLookup, "facts", facts)
    monkeypatch.setattr(identify, "LONG_QUEUE", 1)
    return spy


def name_on(card: CallerCard | None) -> str | None:
    return card.match.customer.name if card and card.match.customer else None


def ask(room: Room, *numbers: str, tenant_id: int = TENANT) -> list[asyncio.Task[CallerCard]]:
    return [asyncio.create_task(room.identification.card(tenant_id, number)) for number in numbers]


async def occupy(room: Room, statements: Statements) -> list[asyncio.Task[CallerCard]]:
    """Get as many statements under way as may be at once, and hold them."""
    statements.open.clear()
    tasks = []
    for count in range(LANES):
        tasks += ask(room, f"+1437555019{count}")
        await until(lambda wanted=count + 1: len(statements.asked) == wanted)  # type: ignore[misc]
    return tasks


async def test_the_card_names_the_customer_who_has_the_number(room: Room) -> None:
    await room.customer(7, "Jane Example")
    card = await room.identification.card(TENANT, NUMBER)
    assert (card.number, card.match.kind, name_on(card)) == (NUMBER, MatchKind.SINGLE, "Jane Example")
    assert (await room.identification.card(TENANT, OTHER_NUMBER)).match.kind is MatchKind.UNKNOWN


async def test_the_card_as_json_is_the_card(room: Room) -> None:
    await room.customer(7, "Jane Example")
    card = await room.identification.card(TENANT, NUMBER)
    assert msgspec.json.decode(await room.identification.card_json(TENANT, NUMBER), type=CallerCard) == card


async def test_a_withheld_number_is_not_looked_up(room: Room, statements: Statements) -> None:
    card = await room.identification.card(TENANT, None)
    assert (card.number, card.match.kind, statements.asked) == (None, MatchKind.WITHHELD, [])


async def test_lookups_during_a_lookup_share_the_next_statement(room: Room, statements: Statements) -> None:
    for place, number in enumerate(NUMBERS, 1):
        await room.customer(place, f"Customer {number}", number)
    held = await occupy(room, statements)
    tasks = ask(room, *NUMBERS)
    await until(lambda: len(room.identification._waiting.get(TENANT, ())) == len(NUMBERS))
    statements.open.set()
    assert [name_on(card) for card in await soon(asyncio.gather(*tasks))] == [
        f"Customer {number}" for number in NUMBERS
    ]
    assert statements.asked[len(held) :] == [(TENANT, NUMBERS)]
    await soon(asyncio.gather(*held))


async def test_very_many_lookups_are_cut_into_statements_of_bounded_size(
    room: Room, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identify, "LARGEST_BATCH", 8)
    cards = await soon(asyncio.gather(*ask(room, *NUMBERS)))
    assert [card.number for card in cards] == NUMBERS
    assert sorted(len(numbers) for _, numbers in statements.asked) == [6, 8, 8, 8]


async def test_a_number_asked_for_twice_at_once_is_looked_up_once(room: Room, statements: Statements) -> None:
    await room.customer(7, "Jane Example")
    cards = await soon(asyncio.gather(*ask(room, NUMBER, NUMBER, NUMBER)))
    assert [name_on(card) for card in cards] == ["Jane Example"] * 3
    assert statements.asked == [(TENANT, [NUMBER])]


async def test_a_number_asked_for_again_is_looked_up_afresh(room: Room) -> None:
    assert name_on(await room.identification.card(TENANT, NUMBER)) is None
    await room.customer(7, "Jane Example")
    assert name_on(await room.identification.card(TENANT, NUMBER)) == "Jane Example"


async def test_two_tenants_asking_for_one_number_at_once_see_each_their_own(room: Room, statements: Statements) -> None:
    await room.customer(7, "Jane Example")
    await room.customer(7, "Robin Sample", tenant_id=OTHER_TENANT)
    held = await occupy(room, statements)
    mine, theirs = ask(room, NUMBER), ask(room, NUMBER, tenant_id=OTHER_TENANT)
    await until(lambda: len(room.identification._waiting) == 2)
    statements.open.set()
    assert (name_on(await mine[0]), name_on(await theirs[0])) == ("Jane Example", "Robin Sample")
    assert sorted(statements.asked[len(held) :]) == [(TENANT, [NUMBER]), (OTHER_TENANT, [NUMBER])]
    await soon(asyncio.gather(*held))


async def test_no_more_statements_run_at_once_than_may(room: Room, statements: Statements) -> None:
    held = await occupy(room, statements)
    tasks = ask(room, *NUMBERS)
    await until(lambda: len(room.identification._waiting.get(TENANT, ())) == len(NUMBERS))
    assert len(statements.asked) == LANES
    statements.open.set()
    await soon(asyncio.gather(*held, *tasks))


async def test_a_second_statement_starts_for_a_long_queue_only(
    room: Room, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identify, "LONG_QUEUE", 5)
    statements.open.clear()
    tasks = ask(room, NUMBER)
    await until(lambda: len(statements.asked) == 1)
    tasks += ask(room, *NUMBERS[:4])
    await until(lambda: len(room.identification._waiting.get(TENANT, ())) == 4)
    assert len(statements.asked) == 1
    tasks += ask(room, NUMBERS[4])
    await until(lambda: len(statements.asked) == 2)
    statements.open.set()
    await soon(asyncio.gather(*tasks))


async def test_a_caller_that_gives_up_takes_no_other_along(room: Room, statements: Statements) -> None:
    statements.open.clear()
    quitter, stayer = ask(room, NUMBER, NUMBER)
    await until(lambda: bool(statements.asked))
    quitter.cancel()
    await asyncio.wait([quitter])
    statements.open.set()
    assert (await soon(stayer)).number == NUMBER


async def test_a_database_that_fails_is_told_to_all_who_wait_and_asked_again_by_the_next(
    room: Room, database_url: str
) -> None:
    await room.customer(7, "Jane Example")
    async with locked(database_url, "mirror.phone_index") as somebody_waits:
        tasks = ask(room, NUMBER, OTHER_NUMBER, NUMBER)
        await somebody_waits()
        await end_waiters(database_url)
        results = await soon(asyncio.gather(*tasks, return_exceptions=True))
    assert [type(result) for result in results] == [DatabaseUnavailable] * 3
    assert name_on(await room.identification.card(TENANT, NUMBER)) == "Jane Example"


async def test_a_ring_does_not_wait_for_a_slow_database(
    room: Room, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.customer(7, "Jane Example")
    monkeypatch.setattr(identify, "RING_DEADLINE_S", 0.05)
    async with locked(database_url, "mirror.phone_index"):
        assert await soon(room.identification.card_at_ring(TENANT, NUMBER)) is None
    monkeypatch.setattr(identify, "RING_DEADLINE_S", 20.0)
    assert name_on(await room.identification.card_at_ring(TENANT, NUMBER)) == "Jane Example"


async def test_a_ring_does_not_fail_over_an_error(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> dict[str, NumberFacts]:
        raise RuntimeError("for a test")

    monkeypatch.setattr(NumberLookup, "facts", fail)
    assert await room.identification.card_at_ring(TENANT, NUMBER) is None


async def test_a_call_whose_caller_was_not_found_in_time_is_tracked_and_gets_its_card_with_its_next_event(
    room: Room, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.customer(7, "Jane Example")
    account = webhook()
    monkeypatch.setattr(identify, "RING_DEADLINE_S", 0.05)
    async with locked(database_url, "mirror.phone_index"):
        await room.hear(account, message(inbound()))
    assert ((await room.call()).call.external_number, (await room.call()).card) == (NUMBER, None)
    monkeypatch.setattr(identify, "RING_DEADLINE_S", 20.0)
    await room.hear(account, message(event("ringing", 1)))
    assert name_on((await room.call()).card) == "Jane Example"
    assert await room.rows("select customer_id, match_kind from calls.calls") == [(7, "single")]


async def test_no_call_ends_without_its_card_however_slow_the_database(
    room: Room, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.customer(7, "Jane Example")
    account = webhook()
    monkeypatch.setattr(identify, "RING_DEADLINE_S", 0.05)
    async with locked(database_url, "mirror.phone_index"):
        hearing = asyncio.create_task(room.hear(account, message(inbound()), message(event("ended", 9))))
        await asyncio.wait([hearing], timeout=0.3)
        assert not hearing.done()
    await soon(hearing)
    assert name_on((await room.call()).card) == "Jane Example"


async def decide(room: Room, kind: str, owner_kind: str = "number", owner_id: int = 0, number: str = NUMBER) -> None:
    await room.run(
        "insert into calls.number_decisions"
        " (tenant_id, number, owner_kind, owner_id, kind, decided_by, decided_at, copy)"
        " values (%s, %s, %s, %s, %s, 'Dana', now(), 'local')",
        TENANT, number, owner_kind, owner_id, kind,
    )  # fmt: skip


async def test_a_call_in_progress_follows_a_decision_and_one_that_is_over_does_not(room: Room) -> None:
    await room.customer(7, "Jane Example")
    await room.customer(8, "John Example")
    account = webhook()
    await room.hear(account, *answered("over"), message(inbound(90, "now")), message(inbound(91, "elsewhere",
        external_number=OTHER_NUMBER)))  # fmt: skip
    before = {row.call.call_key: row for row in await room.calls()}
    await decide(room, "direct_line", "customer", 8)
    await room.tracker.identify_anew(TENANT, NUMBER)
    after = {row.call.call_key: row for row in await room.calls()}
    assert after["over"] == before["over"]
    assert after["elsewhere"] == before["elsewhere"]
    now = after["now"]
    assert now.card is not None
    assert now.card.match.kind is MatchKind.SINGLE
    assert now.version == before["now"].version + 1
    await room.hear(account, message(event("ended", 95, "now", reason="normal")))
    assert await room.rows("select customer_id from calls.calls where call_key = 'now'") == [(8,)]


async def test_the_next_call_follows_what_was_decided_meanwhile(room: Room) -> None:
    await room.customer(7, "Jane Example")
    await room.customer(8, "John Example")
    account = webhook()
    await room.hear(account, message(inbound(0, "first")))
    await decide(room, "direct_line", "customer", 8)
    await room.hear(account, message(inbound(60, "second")))
    await decide(room, "spam")
    await room.hear(account, message(inbound(120, "third")))
    cards = [row.card for row in await room.calls()]
    assert [card.match.kind for card in cards if card] == [MatchKind.AMBIGUOUS, MatchKind.SINGLE, MatchKind.SPAM]
    rows = await room.rows("select customer_id, match_kind from calls.calls order by id")
    assert rows == [(None, "ambiguous"), (8, "single"), (None, "spam")]
