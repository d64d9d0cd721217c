"""The phone index follows contacts and colleagues; merged customers are found through those who remain."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from mirror_shop import FIRST, Shop, shop

from trunkline.domain.caller import Certainty
from trunkline.store.database import Database

LINE = "4375550142"
OTHER = "4375550143"
CONTACT = 5_000_001


def contact(**fields: Any) -> dict[str, Any]:
    """A contact of the sandbox's second customer."""
    row = {
        "id": CONTACT,
        "customerId": FIRST + 1,
        "type": "Phone",
        "value": "(437) 555-0142",
        "memo": None,
        "phoneSettings": None,
        "active": True,
    }
    return {**row, **fields}


async def test_every_number_of_an_active_contact_is_indexed_by_the_first_sync(database: Database) -> None:
    async with shop(database) as it:
        await it.sync_well()
        for i in range(60):
            expected = ("customer", FIRST + i, "known")
            assert expected in await it.owners(it.world.rows.main_number(i)), i
        places = {row["locationId"] for row in it.world.all_rows("locations/contacts")}
        indexed = await it.rows("select distinct owner_id from mirror.phone_index where owner_kind = 'location'")
        assert {row[0] for row in indexed} == places


async def test_colleagues_are_found_by_their_numbers_while_they_are_with_us(database: Database) -> None:
    async with shop(database, customers=10) as it:
        await it.sync_well()
        technician, employee = it.world.rows.staff_number(7), it.world.rows.staff_number(57)
        assert await it.owners(technician) == {("technician", 7, "known")}
        assert await it.owners(employee) == {("employee", 7, "known")}
        it.world.change("technicians", 7, active=False)
        it.world.change("employees", 7, active=False)
        await it.sync_well()
        assert (await it.owners(technician), await it.owners(employee)) == (set(), set())


CONTACTS: list[tuple[dict[str, Any], str | None]] = [
    ({"value": "(437) {}"}, "known"),
    ({"value": "+1 437 {}", "type": "MobilePhone"}, "known"),
    ({"value": "437-{} (Jane's cell)"}, "known"),
    ({"value": "437 {} x12"}, "known"),
    ({"value": "call Bob at 437 {}"}, "maybe"),
    ({"value": "call Bob", "phoneSettings": {"phoneNumber": "437{}"}}, "known"),
    ({"value": "call Bob at 437 {}", "phoneSettings": {"phoneNumber": "437{}"}}, "known"),
    ({"value": "front door", "memo": "437{}"}, "maybe"),
    ({"value": "front door", "memo": "ask for Bob, 437-{}"}, "maybe"),
    ({"value": "437 {}", "memo": "same as 437-{}"}, "known"),
    ({"value": "jane@example.com", "type": "Email", "memo": "437{}"}, None),
    ({"value": "437 {}", "type": "Fax"}, None),
    ({"value": "{}"}, None),
    ({"value": None}, None),
    ({"value": "437 {}", "active": False}, None),
    ({"value": "437 {}", "customerId": None}, None),
]


async def test_a_number_in_a_contact_is_known_or_maybe_or_not_taken(database: Database) -> None:
    async with shop(database, customers=3) as it:
        for line, (fields, _) in enumerate(CONTACTS, 10):
            text = json.dumps(contact(id=CONTACT + line, **fields))
            it.world.put("customers/contacts", json.loads(text.replace("{}", f"555-01{line}")))
        await it.sync_well()
        for line, (fields, certainty) in enumerate(CONTACTS, 10):
            expected = {("customer", FIRST + 1, certainty)} if certainty else set()
            assert await it.owners(f"43755501{line}") == expected, fields


async def test_several_numbers_of_one_contact_lead_to_its_owner_each(database: Database) -> None:
    async with shop(database, customers=3) as it:
        it.world.put("customers/contacts", contact(value=f"{LINE} / {OTHER}", memo="or 437 555 0144"))
        await it.sync_well()
        found = [await it.owners(number) for number in (LINE, OTHER, "4375550144")]
    assert found == [{("customer", FIRST + 1, certainty)} for certainty in ("known", "known", "maybe")]


async def _with_contact(it: Shop) -> None:
    it.world.put("customers/contacts", contact())
    await it.sync_well()
    assert await it.owners(LINE) == {("customer", FIRST + 1, "known")}


async def test_a_contact_that_becomes_inactive_gives_its_number_up_and_takes_it_back(database: Database) -> None:
    async with shop(database, customers=3) as it:
        await _with_contact(it)
        it.world.put("customers/contacts", contact(active=False))
        await it.sync_well()
        assert await it.owners(LINE) == set()
        it.world.put("customers/contacts", contact())
        await it.sync_well()
        assert await it.owners(LINE) == {("customer", FIRST + 1, "known")}


async def test_a_contact_is_found_by_the_number_it_has_now_only(database: Database) -> None:
    async with shop(database, customers=3) as it:
        await _with_contact(it)
        it.world.put("customers/contacts", contact(value=OTHER))
        await it.sync_well()
        assert (await it.owners(LINE), await it.owners(OTHER)) == (set(), {("customer", FIRST + 1, "known")})
        it.world.put("customers/contacts", contact(value="ask at the door"))
        await it.sync_well()
        assert (await it.owners(LINE), await it.owners(OTHER)) == (set(), set())


async def test_a_contact_that_moves_takes_its_number_along(database: Database) -> None:
    async with shop(database, customers=3) as it:
        await _with_contact(it)
        it.world.put("customers/contacts", contact(customerId=FIRST + 2))
        await it.sync_well()
        assert await it.owners(LINE) == {("customer", FIRST + 2, "known")}


async def test_an_older_contact_leaves_the_index_as_it_is(database: Database) -> None:
    async with shop(database, customers=3) as it:
        await _with_contact(it)
        for number in (1, 2):  # a feed repeats its last two rows: now these, and not our contact
            it.world.put("customers/contacts", contact(id=CONTACT + number, value="ask at the door"))
        await it.sync_well()
        it.send("customers/contacts", contact(value=OTHER), modified=datetime.now(UTC) - timedelta(days=100))
        await it.sync_well()
        assert (await it.owners(LINE), await it.owners(OTHER)) == ({("customer", FIRST + 1, "known")}, set())


async def test_of_a_contact_that_is_on_one_page_twice_the_newer_numbers_count(database: Database) -> None:
    async with shop(database, customers=3) as it:
        await it.sync_well()
        now = datetime.now(UTC)
        it.send("customers/contacts", contact(value=OTHER), modified=now)
        it.send("customers/contacts", contact(value=LINE), modified=now - timedelta(minutes=1))
        await it.sync_well()
        assert (await it.owners(LINE), await it.owners(OTHER)) == (set(), {("customer", FIRST + 1, "known")})


async def test_contacts_of_customers_and_of_locations_may_have_the_same_id(database: Database) -> None:
    async with shop(database, customers=3) as it:
        it.world.put("customers/contacts", contact())
        it.world.put("locations/contacts", {**contact(value=OTHER), "customerId": None, "locationId": 77})
        await it.sync_well()
        it.world.put("locations/contacts", {**contact(active=False), "customerId": None, "locationId": 77})
        await it.sync_well()
        assert await it.owners(LINE) == {("customer", FIRST + 1, "known")}
        assert await it.owners(OTHER) == set()
        kinds = await it.rows("select owner_kind, active from mirror.contacts where id = %(id)s order by 1", id=CONTACT)
    assert kinds == [("customer", True), ("location", False)]


async def test_a_contact_that_comes_before_its_customer_waits_for_it(database: Database) -> None:
    async with shop(database, customers=3) as it:
        it.world.put("customers/contacts", contact(customerId=555))
        await it.sync_well()
        assert (await it.facts(LINE)).customers == ()
        it.world.put("customers", {**it.world.rows.customer(0), "id": 555, "name": "Late Example"})
        await it.sync_well()
        assert [customer.name for customer in (await it.facts(LINE)).customers] == ["Late Example"]


async def test_a_ring_of_a_merged_customers_number_shows_who_remained(database: Database) -> None:
    async with shop(database) as it:
        await it.sync_well()
        loser, middle, winner = FIRST + 3, FIRST + 7, FIRST + 11
        number = it.world.rows.main_number(3)
        assert [customer.id for customer in (await it.facts(number)).customers] == [loser]
        it.world.merge(loser, middle)
        it.world.merge(middle, winner)
        await it.sync_well()
        (customer,) = (await it.facts(number)).customers
    assert (customer.id, customer.active, customer.merged_from) == (winner, True, (loser,))
    assert customer.certainty is Certainty.KNOWN
    assert {location.id // 1000 for location in customer.locations} == {loser, middle, winner}


async def test_customers_that_were_merged_before_the_first_sync_are_found_through_who_remained(
    database: Database,
) -> None:
    async with shop(database, customers=220) as it:
        assert it.world.rows.is_merged(210)
        await it.sync_well()
        found = [customer.id for customer in (await it.facts(it.world.rows.main_number(210))).customers]
    assert found == [FIRST + 209]
