"""Copies in ServiceTitan: written when that is possible, however often it fails, and read back afresh."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from numbers_kit import NUMBER, OTHER_NUMBER, TENANT, Room, Shelf

from trunkline.domain.decisions import DecisionKind, Owner, OwnerKind
from trunkline.numbers.wire import MARK, MARKED
from trunkline.store import decisions as rows
from trunkline.store.database import Database

JANE, JOHN = Owner(OwnerKind.CUSTOMER, 7), Owner(OwnerKind.CUSTOMER, 8)
OWN_KEY, NUMBER_KEY = f"trunkline.owner.{NUMBER}", f"trunkline.number.{NUMBER}"


@pytest.fixture
async def room(database: Database) -> Room:
    made = Room(database)
    await made.customer(7)
    await made.customer(8)
    return made


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


async def mark(room: Room, kind: DecisionKind = DecisionKind.DIRECT_LINE, owner: Owner | None = JANE) -> None:
    await room.book.mark(TENANT, NUMBER, kind, owner, by="Dana")


async def copies(room: Room) -> list[tuple[str, str | None]]:
    return [(entry.copy, entry.problem) for entry in await room.book.about(TENANT, NUMBER)]


async def all_due(room: Room) -> None:
    await room.run("update calls.number_decisions set due_at = now() - interval '1 s'")


async def test_a_decision_is_merged_into_its_owner_with_a_mark_to_find_it_by(room: Room, shelf: Shelf) -> None:
    shelf.put("customers", 7, **{"somebody.elses": "kept"})
    await mark(room)
    (entry,) = await room.book.about(TENANT, NUMBER)
    async with shelf.keeper(room.database) as keeper:
        assert await keeper.copy_due() == 1
        assert await keeper.copy_due() == 0
    held = shelf.held["customers", 7]
    assert held["somebody.elses"] == "kept"
    assert held[MARK] == MARKED
    assert json.loads(held[OWN_KEY])["kind"] == "direct_line"
    assert json.loads(held[OWN_KEY])["by"] == "Dana"
    assert len(held[OWN_KEY]) < 150
    assert shelf.patch_modes == {"Merge"}
    assert await copies(room) == [("written", None)]
    assert entry.copy == "pending"


async def test_what_is_about_the_number_itself_stands_at_the_likeliest_owner(room: Room, shelf: Shelf) -> None:
    await mark(room, DecisionKind.SHARED, None)
    await mark(room, DecisionKind.MOVED_AWAY, JANE)
    async with shelf.keeper(room.database) as keeper:
        await keeper.copy_due()
    assert len(shelf.writes) == 1, "what goes to one record goes in one request"
    assert set(shelf.held["customers", 7]) == {MARK, OWN_KEY, NUMBER_KEY}


async def test_a_location_keeps_its_own(room: Room, shelf: Shelf) -> None:
    await room.customer(9, OTHER_NUMBER, location=90)
    await room.book.mark(TENANT, OTHER_NUMBER, DecisionKind.DIRECT_LINE, Owner(OwnerKind.LOCATION, 90), by="Dana")
    async with shelf.keeper(room.database) as keeper:
        await keeper.copy_due()
    assert list(shelf.held) == [("locations", 90)]


async def test_undoing_takes_the_key_away_and_the_row_with_it(room: Room, shelf: Shelf) -> None:
    await mark(room)
    async with shelf.keeper(room.database) as keeper:
        await keeper.copy_due()
        await room.book.forget(TENANT, NUMBER, JANE)
        assert await room.book.about(TENANT, NUMBER) == []
        assert await keeper.copy_due() == 1
    assert shelf.held["customers", 7] == {MARK: MARKED}
    assert await room.run("select from calls.number_decisions") == []


@pytest.mark.parametrize("trouble", [("after", 0), ("after", 500), ("before", 503), ("before", 429)])
async def test_a_write_that_may_or_may_not_have_happened_is_done_again(
    room: Room, shelf: Shelf, trouble: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.trouble = [trouble] * (5 if trouble[1] == 429 else 1)
    await mark(room)
    async with shelf.keeper(room.database) as keeper:
        assert await keeper.copy_due() == 0
        ((copy, problem),) = await copies(room)
        assert copy == "pending"
        assert problem
        assert await keeper.copy_due() == 0, "not before its time"
        await all_due(room)
        assert await keeper.copy_due() == 1
    assert await copies(room) == [("written", None)]
    assert json.loads(shelf.held["customers", 7][OWN_KEY])["kind"] == "direct_line"


async def test_what_a_person_must_mend_stays_to_be_written_and_says_why(room: Room, shelf: Shelf) -> None:
    shelf.trouble = [("before", 403)]
    await mark(room)
    async with shelf.keeper(room.database) as keeper:
        await keeper.copy_due()
        ((copy, problem),) = await copies(room)
        assert (copy, "scope" in str(problem)) == ("pending", True)
        await all_due(room)
        assert await keeper.copy_due() == 1


async def test_what_servicetitan_refuses_for_good_fails_and_does_not_hold_up_the_rest(room: Room, shelf: Shelf) -> None:
    shelf.trouble = [("before", 404)]
    await mark(room)
    await room.book.mark(TENANT, NUMBER, DecisionKind.MOVED_AWAY, JOHN, by="Dana")
    async with shelf.keeper(room.database) as keeper:
        assert await keeper.copy_due() == 1
        assert sorted(copy for copy, _ in await copies(room)) == ["failed", "written"]
        await all_due(room)
        assert await keeper.copy_due() == 0, "it is not tried again"
        await room.book.mark(TENANT, NUMBER, DecisionKind.DIRECT_LINE, JANE, by="Dana")
        assert await keeper.copy_due() == 1, "unless somebody decides again"


async def test_a_crash_between_write_and_outcome_writes_the_same_again(room: Room, shelf: Shelf) -> None:
    await mark(room)
    async with room.database.connection() as connection:
        (taken,) = await rows.take_due(connection, TENANT, limit=10)
    assert taken.attempts == 1
    await room.book.forget(TENANT, NUMBER, JANE)
    async with shelf.keeper(room.database) as keeper:
        assert await keeper.copy_due() == 1
    assert shelf.writes == [("customers", 7, {MARK: MARKED, OWN_KEY: None})], "what may stand there is taken away"


async def test_a_decision_that_changed_while_it_was_written_is_written_anew(room: Room, shelf: Shelf) -> None:
    await mark(room)
    async with room.database.connection() as connection:
        taken = await rows.take_due(connection, TENANT, limit=10)
        await mark(room, DecisionKind.MOVED_AWAY)
        await rows.copied(connection, TENANT, taken)
    assert await copies(room) == [("pending", None)]
    async with shelf.keeper(room.database) as keeper:
        assert await keeper.copy_due() == 1
    assert json.loads(shelf.held["customers", 7][OWN_KEY])["kind"] == "moved_away"


async def test_a_fresh_installation_reads_everything_back(room: Room, shelf: Shelf) -> None:
    await room.customer(9, OTHER_NUMBER, location=90)
    await mark(room, DecisionKind.MOVED_AWAY, JANE)
    await mark(room, DecisionKind.DIRECT_LINE, JOHN)
    await mark(room, DecisionKind.SHARED, None)
    await room.book.mark(TENANT, OTHER_NUMBER, DecisionKind.DIRECT_LINE, Owner(OwnerKind.LOCATION, 90), by="Sam")
    async with shelf.keeper(room.database) as keeper:
        assert await keeper.restore_once() == 0
        assert await keeper.copy_due() == 4
        before = await room.book.latest(TENANT, limit=10), await room.match(), await room.match(OTHER_NUMBER)
        await room.run("delete from calls.number_decisions")
        await room.run("delete from calls.number_restores")
        assert await keeper.restore_once() == 4
        assert await keeper.restore_once() == 0
        assert await keeper.copy_due() == 0, "what was read back need not be written"
    assert (await room.book.latest(TENANT, limit=10), await room.match(), await room.match(OTHER_NUMBER)) == before


async def test_what_was_decided_here_wins_over_what_is_read_back(room: Room, shelf: Shelf) -> None:
    await mark(room)
    async with shelf.keeper(room.database) as keeper:
        await keeper.copy_due()
        await mark(room, DecisionKind.MOVED_AWAY)
        await room.book.mark(TENANT, NUMBER, DecisionKind.SPAM, None, by="Dana")
        assert await keeper.restore() == 0
    kinds = {entry.kind for entry in await room.book.about(TENANT, NUMBER)}
    assert kinds == {DecisionKind.MOVED_AWAY, DecisionKind.SPAM}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (OWN_KEY, "direct_line"),
        (OWN_KEY, '{"kind":"mine","at":"2026-03-02T15:00:00Z","by":"x"}'),
        (OWN_KEY, '{"kind":"direct_line","at":"2026-03-02T15:00:00","by":"x"}'),
        (OWN_KEY, '{"kind":"spam","at":"2026-03-02T15:00:00Z","by":"x"}'),
        ("trunkline.owner.437", '{"kind":"direct_line","at":"2026-03-02T15:00:00Z","by":"x"}'),
        ("trunkline.later", "whatever"),
    ],
)
async def test_what_cannot_be_understood_is_passed_over(room: Room, shelf: Shelf, key: str, value: str) -> None:
    good = '{"kind":"spam","at":"2026-03-02T15:00:00Z","by":"Dana"}'
    shelf.put("customers", 7, **{MARK: MARKED, key: value, NUMBER_KEY: good})
    async with shelf.keeper(room.database) as keeper:
        assert await keeper.restore() == 1
    (entry,) = await room.book.about(TENANT, NUMBER)
    assert entry.kind is DecisionKind.SPAM


async def test_of_several_copies_the_latest_counts(room: Room, shelf: Shelf) -> None:
    for row_id, kind, day in ((7, "shared", 2), (8, "spam", 3)):
        value = json.dumps({"kind": kind, "at": f"2026-03-0{day}T15:00:00Z", "by": "Dana"})
        shelf.put("customers", row_id, **{MARK: MARKED, NUMBER_KEY: value})
    async with shelf.keeper(room.database) as keeper:
        assert await keeper.restore() == 1
    (entry,) = await room.book.about(TENANT, NUMBER)
    assert entry.kind is DecisionKind.SPAM


async def test_another_application_guid_gets_copies_of_its_own(room: Room, shelf: Shelf) -> None:
    await mark(room)
    async with shelf.keeper(room.database) as keeper:
        await keeper.restore_once()
        await keeper.copy_due()
    other = Shelf()
    async with other.keeper(room.database, UUID(int=7)) as keeper:
        assert await keeper.restore_once() == 0
        assert await keeper.copy_due() == 1
    assert OWN_KEY in other.held["customers", 7]


async def test_the_keeper_copies_as_soon_as_something_was_decided(room: Room, shelf: Shelf) -> None:
    changed: Any = room.book.changed(TENANT)
    shelf.lists_fail = 1  # that nothing can be read back keeps nothing from being written
    async with shelf.keeper(room.database) as keeper:
        running = asyncio.create_task(keeper.run(changed))
        await mark(room)
        async with asyncio.timeout(20):
            while await copies(room) != [("written", None)]:  # noqa: ASYNC110 - PostgreSQL tells nobody
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(shelf.writes) == 1
