"""Decisions are made, take effect at once, are undone, and leave no trace where nothing could be copied."""

import pytest
from numbers_kit import NUMBER, OTHER_NUMBER, TENANT, Room

from trunkline.domain.caller import MatchKind
from trunkline.domain.decisions import DecisionKind, Owner, OwnerKind
from trunkline.numbers.book import DecisionRefused
from trunkline.store.database import Database

JANE, JOHN = Owner(OwnerKind.CUSTOMER, 7), Owner(OwnerKind.CUSTOMER, 8)
SITE = Owner(OwnerKind.LOCATION, 90)


@pytest.fixture
async def room(database: Database) -> Room:
    made = Room(database)
    await made.customer(7)
    await made.customer(8)
    return made


async def test_a_decision_changes_the_next_lookup_and_undoing_it_restores_the_match(room: Room) -> None:
    before = await room.match()
    assert before.kind is MatchKind.AMBIGUOUS
    entry = await room.book.mark(TENANT, NUMBER, DecisionKind.DIRECT_LINE, JOHN, by="Dana")
    assert (entry.owner, entry.decided_by, entry.copy) == (JOHN, "Dana", "pending")
    after = await room.match()
    assert after.customer is not None
    assert after.customer.id == 8
    assert await room.book.forget(TENANT, NUMBER, JOHN)
    assert await room.match() == before
    assert not await room.book.forget(TENANT, NUMBER, JOHN), "twice is once"


@pytest.mark.parametrize("kind", list(DecisionKind))
async def test_every_kind_is_kept_with_who_and_when(room: Room, kind: DecisionKind) -> None:
    entry = await room.book.mark(TENANT, NUMBER, kind, JANE if kind.is_about_owner else None, by="Dana")
    assert await room.book.about(TENANT, NUMBER) == [entry]
    assert await room.book.latest(TENANT, limit=5) == [entry]
    (decision,) = (await room.match()).decisions
    assert (decision.kind, decision.owner, decision.decided_by) == (kind, entry.owner, "Dana")
    assert decision.decided_at == entry.decided_at
    assert (await room.match(OTHER_NUMBER)).decisions == ()


async def test_a_later_decision_about_the_same_owner_replaces_the_earlier(room: Room) -> None:
    await room.book.mark(TENANT, NUMBER, DecisionKind.DIRECT_LINE, JANE, by="Dana")
    await room.book.mark(TENANT, NUMBER, DecisionKind.MOVED_AWAY, JANE, by="Sam")
    (entry,) = await room.book.about(TENANT, NUMBER)
    assert (entry.kind, entry.decided_by) == (DecisionKind.MOVED_AWAY, "Sam")
    match = await room.match()
    assert ([one.id for one in match.former], match.kind) == ([7], MatchKind.AMBIGUOUS)


async def test_decisions_about_other_owners_and_the_number_stand_beside_one_another(room: Room) -> None:
    for kind, owner in ((DecisionKind.MOVED_AWAY, JANE), (DecisionKind.DIRECT_LINE, JOHN), (DecisionKind.SPAM, None)):
        await room.book.mark(TENANT, NUMBER, kind, owner, by="Dana")
    assert (await room.match()).kind is MatchKind.SPAM
    await room.book.forget(TENANT, NUMBER)
    assert (await room.match()).kind is MatchKind.SINGLE
    assert [entry.owner for entry in await room.book.about(TENANT, NUMBER)] == [JANE, JOHN]


async def test_the_location_that_has_the_number_stands_for_its_customer(room: Room) -> None:
    await room.customer(9, OTHER_NUMBER, location=90)
    entry = await room.book.mark(TENANT, OTHER_NUMBER, DecisionKind.MOVED_AWAY, Owner(OwnerKind.CUSTOMER, 9), by="Dana")
    assert entry.owner == SITE
    assert [customer.id for customer in (await room.match(OTHER_NUMBER)).former] == [9]
    again = await room.book.mark(TENANT, OTHER_NUMBER, DecisionKind.DIRECT_LINE, SITE, by="Dana")
    assert again.owner == SITE
    assert (await room.match(OTHER_NUMBER)).kind is MatchKind.SINGLE


async def test_a_decision_follows_a_merger(room: Room) -> None:
    await room.book.mark(TENANT, NUMBER, DecisionKind.DIRECT_LINE, JANE, by="Dana")
    await room.customer(6, OTHER_NUMBER)
    await room.run("update mirror.customers set merged_to_id = 6 where id = 7")
    match = await room.match()
    assert match.customer is not None
    assert (match.customer.id, match.customer.merged_from) == (6, (7,))


@pytest.mark.parametrize(
    ("owner", "sentence"),
    [
        (None, "Say whose number it is"),
        (Owner(OwnerKind.CUSTOMER, 99), "customer 99 does not have this number in ServiceTitan"),
        (Owner(OwnerKind.LOCATION, 7), "location 7 does not have this number in ServiceTitan"),
    ],
)
async def test_a_decision_about_nobody_who_has_the_number_is_refused(
    room: Room, owner: Owner | None, sentence: str
) -> None:
    with pytest.raises(DecisionRefused, match=sentence):
        await room.book.mark(TENANT, NUMBER, DecisionKind.DIRECT_LINE, owner, by="Dana")
    assert await room.book.about(TENANT, NUMBER) == []


async def test_spam_of_nobody_is_kept_here_only_and_gone_when_undone(room: Room) -> None:
    entry = await room.book.mark(TENANT, OTHER_NUMBER, DecisionKind.SPAM, None, by="Dana")
    assert entry.copy == "local"
    assert (await room.match(OTHER_NUMBER)).kind is MatchKind.SPAM
    await room.book.forget(TENANT, OTHER_NUMBER)
    assert await room.run("select from calls.number_decisions") == []


async def test_another_company_sees_nothing_of_it(room: Room) -> None:
    await room.book.mark(TENANT, NUMBER, DecisionKind.SPAM, None, by="Dana")
    assert await room.book.about(TENANT + 1, NUMBER) == []
    assert (await room.identification.card(TENANT + 1, NUMBER)).match.kind is MatchKind.UNKNOWN
    assert not await room.book.forget(TENANT + 1, NUMBER)


async def test_the_list_goes_on_where_it_ended(room: Room) -> None:
    numbers = [f"+1437555014{digit}" for digit in range(5)]
    for number in numbers:
        await room.book.mark(TENANT, number, DecisionKind.SPAM, None, by="Dana")
    first = await room.book.latest(TENANT, limit=3)
    rest = await room.book.latest(TENANT, limit=3, before=first[-1].decided_at)
    assert [entry.number for entry in first + rest] == numbers[::-1]


async def test_whoever_copies_is_told_of_every_change(room: Room) -> None:
    changed = room.book.changed(TENANT)
    await room.book.mark(TENANT, NUMBER, DecisionKind.SHARED, None, by="Dana")
    assert changed.is_set()
    changed.clear()
    await room.book.forget(TENANT, NUMBER)
    assert changed.is_set()
    assert not Room(room.database, remembering=False).book.is_remembering(TENANT)
