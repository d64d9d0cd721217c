"""What one round trip tells about a number, on hand-made rows in a real database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection, sql
from psycopg.types.json import Jsonb

from trunkline.domain.caller import Certainty, CustomerFacts, Job, Location, NumberFacts, PastCall, StaffKind
from trunkline.store.caller import NumberLookup
from trunkline.store.database import Database

TENANT, OTHER_TENANT = 1000001, 1000002
NUMBER, OTHER_NUMBER = "+14375550142", "+14375550143"
ZONE = "America/Toronto"
NOW = datetime(2026, 6, 10, 15, 0, tzinfo=UTC)  # eleven in the morning in Toronto


class Rows:
    """Writes mirrored rows with as few words as a test needs."""

    def __init__(self, connection: AsyncConnection, lookup: NumberLookup, tenant_id: int = TENANT) -> None:
        self.connection = connection
        self.lookup = lookup
        self.tenant_id = tenant_id

    async def insert(self, table: str, **values: Any) -> None:
        values = {"tenant_id": self.tenant_id, **values}
        schema, _, name = table.rpartition(".")
        await self.connection.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(schema or "mirror", name),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
            ),
            list(values.values()),
        )

    async def mirrored(self, table: str, **values: Any) -> None:
        await self.insert(table, **{"active": True, "modified_on": NOW, **values})

    async def customer(self, id_: int, *numbers: str, **values: Any) -> None:
        await self.mirrored("customers", **{"id": id_, "name": f"Customer {id_}", **values})
        for number in numbers:
            await self.owner(number, "customer", id_)

    async def location(self, id_: int, customer_id: int, *numbers: str, **values: Any) -> None:
        await self.mirrored("locations", **{"id": id_, "customer_id": customer_id, "name": f"Site {id_}", **values})
        for number in numbers:
            await self.owner(number, "location", id_)

    async def owner(
        self, number: str, kind: str, id_: int, certainty: str = "known", *, source_id: int | None = None,
        note: str | None = None,
    ) -> None:  # fmt: skip
        await self.insert(
            "phone_index",
            number=number,
            owner_kind=kind,
            owner_id=id_,
            source_id=source_id or id_,
            certainty=certainty,
            note=note,
        )

    async def job(self, id_: int, customer_id: int, **values: Any) -> None:
        status = values.setdefault("job_status", "Scheduled")
        values = {"is_open": status not in {"Completed", "Canceled"}, "job_number": f"J{id_}", **values}
        await self.mirrored("jobs", id=id_, customer_id=customer_id, **values)

    async def appointment(self, id_: int, job_id: int, starts_at: datetime, **values: Any) -> None:
        values = {"status": "Scheduled", "starts_at": starts_at, "ends_at": starts_at + timedelta(hours=2), **values}
        await self.mirrored("appointments", id=id_, job_id=job_id, **values)

    async def call(self, key: str, number: str, started_at: datetime, **values: Any) -> None:
        values = {"state": "ended", "direction": "inbound", "call": Jsonb({}), **values}
        await self.insert(
            "calls.calls",
            account="pbx",
            system="asterisk",
            call_key=key,
            ref=f"{self.tenant_id}-{key}",
            external_number=number,
            started_at=started_at,
            **values,
        )

    async def facts(self, number: str = NUMBER, *, timezone: str = ZONE, now: datetime = NOW) -> NumberFacts:
        found = await self.lookup.facts(self.tenant_id, [number], timezone=timezone, now=now)
        assert list(found) == [number]
        return found[number]

    async def only(self, number: str = NUMBER, *, timezone: str = ZONE, now: datetime = NOW) -> CustomerFacts:
        (customer,) = (await self.facts(number, timezone=timezone, now=now)).customers
        return customer


@pytest.fixture
async def rows(database: Database) -> Any:
    async with database.connection() as connection:
        yield Rows(connection, NumberLookup(database))


async def test_an_unknown_number_has_no_customers(rows: Rows) -> None:
    assert await rows.facts() == NumberFacts(number=NUMBER)


async def test_a_customer_comes_with_all_that_the_card_shows(rows: Rows) -> None:
    await rows.customer(
        1,
        name="Robin Sample",
        customer_type="Residential",
        address="1 Main St, Springfield",
        balance=Decimal("120.50"),
        do_not_service=True,
        tag_type_ids=[8, 7],
    )
    await rows.owner(NUMBER, "customer", 1, source_id=5, note=" spouse's cell ")
    await rows.mirrored("tag_types", id=7, name="Gate code")
    await rows.mirrored("tag_types", id=8, name="VIP")
    await rows.mirrored("job_types", id=3, name="Water heater")
    await rows.mirrored("business_units", id=4, name="Plumbing")
    await rows.location(11, 1, address="1 Main St, Springfield")
    await rows.job(21, 1, location_id=11, job_type_id=3, business_unit_id=4, summary="No hot water", membership_id=9)
    await rows.job(22, 1, job_status="Completed", completed_on=NOW - timedelta(days=30))
    await rows.job(23, 1, job_status="Canceled", completed_on=NOW - timedelta(days=3))
    await rows.appointment(31, 21, NOW + timedelta(hours=2), window_start=NOW, window_end=NOW + timedelta(hours=4))
    await rows.mirrored("technicians", id=41, name="Sam Example")
    await rows.mirrored(
        "appointment_assignments", id=51, appointment_id=31, job_id=21, technician_id=41, technician_name="S. Example"
    )

    customer = await rows.only()

    appointment = customer.next_appointment
    assert appointment is not None
    assert (appointment.id, appointment.job_id, appointment.status) == (31, 21, "Scheduled")
    assert (appointment.starts_at, appointment.window_end) == (NOW + timedelta(hours=2), NOW + timedelta(hours=4))
    assert appointment.technicians == ("Sam Example",)
    assert msgspec.structs.replace(customer, next_appointment=None) == CustomerFacts(
        id=1,
        name="Robin Sample",
        customer_type="Residential",
        address="1 Main St, Springfield",
        balance=Decimal("120.50"),
        do_not_service=True,
        certainty=Certainty.KNOWN,
        contact_note="spouse's cell",
        tags=("Gate code", "VIP"),
        locations=(Location(11, "Site 11", "1 Main St, Springfield"),),
        location_count=1,
        open_jobs=(Job(21, "J21", "Scheduled", 11, "Water heater", "Plumbing", "No hot water"),),
        today_job_id=21,
        last_visit_at=NOW - timedelta(days=30),
        has_membership=True,
    )


async def test_a_shared_number_lists_every_owner_once_active_ones_first(rows: Rows) -> None:
    await rows.customer(1, NUMBER, active=False)
    await rows.customer(2)
    await rows.owner(NUMBER, "customer", 2, "maybe")
    await rows.customer(3, NUMBER)
    await rows.owner(NUMBER, "customer", 3, "maybe", source_id=77)
    await rows.location(31, 3, NUMBER)

    facts = await rows.facts()

    assert [(c.id, c.active, c.certainty) for c in facts.customers] == [
        (3, True, Certainty.KNOWN),
        (2, True, Certainty.MAYBE),
        (1, False, Certainty.KNOWN),
    ]
    assert facts.customer_count == 3
    assert facts.customers[0].number_location_id is None, "the number is the customer's own as well"


async def test_of_many_owners_ten_are_shown_and_those_with_open_jobs_first(rows: Rows) -> None:
    for id_ in range(1, 16):
        await rows.customer(id_, NUMBER)
    await rows.job(1, 14)

    facts = await rows.facts()

    assert [c.id for c in facts.customers] == [14, *range(1, 10)]
    assert facts.customer_count == 15


async def test_a_number_of_one_location_names_it_and_its_customer(rows: Rows) -> None:
    await rows.customer(1)
    await rows.location(11, 1)
    await rows.location(12, 1, NUMBER)

    customer = await rows.only()

    assert (customer.id, customer.number_location_id) == (1, 12)
    assert [location.id for location in customer.locations] == [12, 11]


async def test_a_landlord_with_200_locations_is_one_customer(rows: Rows) -> None:
    await rows.customer(1)
    for id_ in range(1, 201):
        await rows.location(id_, 1, NUMBER)
    await rows.location(201, 1, active=False)

    facts = await rows.facts()

    (customer,) = facts.customers
    assert facts.customer_count == 1
    assert (len(customer.locations), customer.location_count) == (10, 200)
    assert customer.number_location_id is None, "the number belongs to more than one of them"


async def test_a_merged_record_leads_to_its_survivor_with_the_jobs_of_both(rows: Rows) -> None:
    await rows.customer(1, NUMBER, active=False, merged_to_id=2)
    await rows.customer(2, active=False, merged_to_id=3)
    await rows.customer(3, OTHER_NUMBER)
    await rows.location(11, 1)
    await rows.job(21, 1, created_on=NOW - timedelta(days=2))
    await rows.job(22, 3, created_on=NOW - timedelta(days=1))
    await rows.job(23, 2, job_status="Completed", completed_on=NOW - timedelta(days=9), membership_id=4)

    customer = await rows.only()

    assert (customer.id, customer.merged_from) == (3, (1,))
    assert [job.id for job in customer.open_jobs] == [22, 21]
    assert [location.id for location in customer.locations] == [11]
    assert customer.last_visit_at == NOW - timedelta(days=9)
    assert customer.has_membership
    assert (await rows.only(OTHER_NUMBER)).merged_from == ()


async def test_a_loser_and_its_survivor_with_the_same_number_are_one_customer(rows: Rows) -> None:
    await rows.customer(1, NUMBER, active=False, merged_to_id=2)
    await rows.customer(2, NUMBER)
    facts = await rows.facts()
    assert [(c.id, c.merged_from) for c in facts.customers] == [(2, (1,))]
    assert facts.customer_count == 1


async def test_a_merged_location_leads_to_the_customer_of_its_survivor(rows: Rows) -> None:
    await rows.customer(1)
    await rows.customer(2)
    await rows.location(11, 1, NUMBER, active=False, merged_to_id=12)
    await rows.location(12, 2)
    customer = await rows.only()
    assert (customer.id, customer.number_location_id) == (2, 12)


async def test_a_circle_of_merges_ends_at_one_customer(rows: Rows) -> None:
    await rows.customer(1, NUMBER, merged_to_id=3)
    await rows.customer(2, NUMBER, merged_to_id=3)
    await rows.customer(3, NUMBER, merged_to_id=2)
    await rows.customer(4, NUMBER, merged_to_id=4)
    facts = await rows.facts()
    assert [(c.id, c.merged_from) for c in facts.customers] == [(2, (1, 3)), (4, ())]


async def test_a_merge_into_a_customer_not_mirrored_yet_shows_the_loser(rows: Rows) -> None:
    await rows.customer(1, NUMBER, active=False, merged_to_id=99)
    customer = await rows.only()
    assert (customer.id, customer.active) == (1, False)


async def test_a_contact_of_a_customer_not_mirrored_yet_is_left_out(rows: Rows) -> None:
    await rows.owner(NUMBER, "customer", 98)
    await rows.owner(NUMBER, "location", 99)
    assert await rows.facts() == NumberFacts(number=NUMBER)


async def test_open_jobs_are_the_ten_newest(rows: Rows) -> None:
    await rows.customer(1, NUMBER)
    for id_ in range(1, 13):
        await rows.job(id_, 1, created_on=NOW - timedelta(days=id_))
    await rows.job(13, 1, active=False, created_on=NOW)
    await rows.job(14, 1, job_status="Completed", completed_on=NOW)
    assert [job.id for job in (await rows.only()).open_jobs] == list(range(1, 11))


async def test_the_next_appointment_is_the_soonest_that_is_neither_over_nor_cancelled(rows: Rows) -> None:
    await rows.customer(1, NUMBER)
    await rows.job(21, 1)
    await rows.appointment(31, 21, NOW - timedelta(hours=3))
    await rows.appointment(32, 21, NOW + timedelta(hours=1), status="Canceled")
    await rows.appointment(33, 21, NOW + timedelta(hours=2), active=False)
    await rows.appointment(34, 21, NOW + timedelta(days=2))
    await rows.appointment(35, 21, NOW - timedelta(hours=1), status="Working")
    appointment = (await rows.only()).next_appointment
    assert appointment is not None
    assert appointment.id == 35


async def test_a_visit_finished_today_still_counts_as_todays_job(rows: Rows) -> None:
    await rows.customer(1, NUMBER)
    await rows.job(21, 1, job_status="Completed", completed_on=NOW - timedelta(hours=1))
    await rows.appointment(31, 21, NOW - timedelta(hours=3), status="Done")
    await rows.job(22, 1, job_status="Canceled", completed_on=NOW)
    await rows.appointment(32, 22, NOW, status="Scheduled")
    assert (await rows.only()).today_job_id == 21
    await rows.job(23, 1)
    await rows.appointment(33, 23, NOW + timedelta(hours=5))
    assert (await rows.only()).today_job_id == 23, "the one to come goes first"


@pytest.mark.parametrize(
    ("zone", "now", "starts_at", "is_today"),
    [
        # 22:30 in Toronto is tomorrow in UTC already.
        ("America/Toronto", "2026-06-11T02:30:00Z", "2026-06-10T13:00:00Z", True),
        ("America/Toronto", "2026-06-11T02:30:00Z", "2026-06-11T03:59:00Z", True),
        ("America/Toronto", "2026-06-11T02:30:00Z", "2026-06-11T04:00:00Z", False),
        ("America/Los_Angeles", "2026-06-11T02:30:00Z", "2026-06-11T04:00:00Z", True),
        # 1 November 2026 has 25 hours in Toronto: from 04:00 UTC to 05:00 UTC.
        ("America/Toronto", "2026-11-01T12:00:00Z", "2026-11-02T04:30:00Z", True),
        ("America/Toronto", "2026-11-01T12:00:00Z", "2026-11-02T05:00:00Z", False),
        # 8 March 2026 has 23: from 05:00 UTC to 04:00 UTC.
        ("America/Toronto", "2026-03-08T12:00:00Z", "2026-03-09T03:59:00Z", True),
        ("America/Toronto", "2026-03-08T12:00:00Z", "2026-03-09T04:00:00Z", False),
        # Where clocks jump at midnight the day begins at one o'clock.
        ("America/Havana", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", True),
        ("America/Havana", "2026-03-08T12:00:00Z", "2026-03-08T04:59:00Z", False),
    ],
)
async def test_today_is_the_tenants_day(rows: Rows, zone: str, now: str, starts_at: str, *, is_today: bool) -> None:
    await rows.customer(1, NUMBER)
    await rows.job(21, 1)
    await rows.appointment(31, 21, datetime.fromisoformat(starts_at))
    customer = await rows.only(timezone=zone, now=datetime.fromisoformat(now))
    assert customer.today_job_id == (21 if is_today else None)


async def test_a_technician_comes_with_the_job_at_hand(rows: Rows) -> None:
    await rows.mirrored("technicians", id=41, name="Sam Example")
    await rows.owner(NUMBER, "technician", 41)
    await rows.customer(1, name="Robin Sample")
    for number, (status, start) in enumerate(
        [("Done", -6), ("Working", -2), ("Dispatched", -1), ("Scheduled", 2), ("Working", -50)]
    ):
        await rows.job(20 + number, 1)
        await rows.appointment(30 + number, 20 + number, NOW + timedelta(hours=start))
        await rows.mirrored(
            "appointment_assignments",
            id=50 + number,
            appointment_id=30 + number,
            job_id=20 + number,
            technician_id=41,
            status=status,
        )

    facts = await rows.facts()

    (colleague,) = facts.staff
    assert (colleague.id, colleague.name, colleague.kind) == (41, "Sam Example", StaffKind.TECHNICIAN)
    assert colleague.current_customer == "Robin Sample"
    assert colleague.current_job is not None
    assert colleague.current_job.id == 21
    assert facts.customers == ()


async def test_employees_are_listed_while_active_beside_customers(rows: Rows) -> None:
    await rows.mirrored("employees", id=41, name="Kim Example")
    await rows.mirrored("employees", id=42, name="Lee Example", active=False)
    for id_ in (41, 42):
        await rows.owner(NUMBER, "employee", id_)
    await rows.customer(41, NUMBER)
    facts = await rows.facts()
    assert [(person.id, person.kind) for person in facts.staff] == [(41, StaffKind.EMPLOYEE)]
    assert facts.staff[0].current_job is None
    assert [customer.id for customer in facts.customers] == [41]


async def test_earlier_calls_are_the_five_newest_that_ended(rows: Rows) -> None:
    for day in range(1, 8):
        await rows.call(f"k{day}", NUMBER, NOW - timedelta(days=day))
    await rows.call(
        "agent", NUMBER, NOW, outcome="answered", customer_id=1, call=Jsonb({"answered_by": {"name": "Jo"}})
    )
    await rows.call("ringing", NUMBER, NOW, state="ringing")
    await rows.call("other", OTHER_NUMBER, NOW)
    cursor = await rows.connection.execute("select id from calls.calls where call_key = 'agent'")
    await rows.call("merged", NUMBER, NOW, merged_into=(await cursor.fetchall())[0][0])

    calls = (await rows.facts()).past_calls

    assert calls[0] == PastCall(NOW, "inbound", "answered", "Jo", 1)
    assert [call.started_at for call in calls] == [NOW - timedelta(days=day) for day in range(5)]


async def test_many_numbers_are_answered_in_one_statement(rows: Rows) -> None:
    await rows.customer(1, NUMBER)
    await rows.customer(2, OTHER_NUMBER)
    numbers = [NUMBER, OTHER_NUMBER, "+14375550144", NUMBER]
    found = await rows.lookup.facts(TENANT, numbers, timezone=ZONE)
    assert {number: [c.id for c in facts.customers] for number, facts in found.items()} == {
        NUMBER: [1],
        OTHER_NUMBER: [2],
        "+14375550144": [],
    }
    assert await rows.lookup.facts(TENANT, [], timezone=ZONE) == {}


_ID = st.integers(1, 3)
_NUMBER = st.sampled_from([NUMBER, OTHER_NUMBER])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(owners=st.sets(st.tuples(st.sampled_from([TENANT, OTHER_TENANT]), _ID, _NUMBER)))
async def test_no_tenant_sees_anything_of_another(database: Database, owners: set[tuple[int, int, str]]) -> None:
    """The same ids and numbers exist at both tenants; every name and number of a row tells whose it is."""
    lookup = NumberLookup(database)
    async with database.connection() as connection:
        for tenant_id in (TENANT, OTHER_TENANT):
            rows = Rows(connection, lookup, tenant_id)
            whose = str(tenant_id)
            await rows.mirrored("technicians", id=1, name=whose)
            await rows.owner(NUMBER, "technician", 1)
            for table in ("tag_types", "job_types", "business_units"):
                await rows.mirrored(table, id=1, name=whose)
            for id_ in (1, 2, 3):
                numbers = [number for tenant, owner, number in owners if (tenant, owner) == (tenant_id, id_)]
                await rows.customer(id_, *numbers, name=whose, tag_type_ids=[1], merged_to_id=1 if id_ == 3 else None)
                await rows.location(id_, id_, name=whose, address=whose)
                await rows.job(id_, id_, job_number=whose, job_type_id=1, business_unit_id=1)
                await rows.appointment(id_, id_, NOW, status="Working")
                await rows.mirrored(
                    "appointment_assignments",
                    id=id_,
                    appointment_id=id_,
                    job_id=id_,
                    technician_id=1,
                    status="Working",
                )
            await rows.call(whose, NUMBER, NOW, call=Jsonb({"answered_by": {"name": whose}}))
        for tenant_id, stranger in ((TENANT, OTHER_TENANT), (OTHER_TENANT, TENANT)):
            found = await lookup.facts(tenant_id, [NUMBER, OTHER_NUMBER], timezone=ZONE, now=NOW)
            for number, facts in found.items():
                expected = {
                    1 if id_ == 3 else id_ for tenant, id_, owned in owners if (tenant, owned) == (tenant_id, number)
                }
                assert {customer.id for customer in facts.customers} == expected
                assert str(stranger) not in msgspec.json.encode(facts).decode()
        await connection.execute(
            "truncate mirror.phone_index, mirror.customers, mirror.locations, mirror.jobs, mirror.appointments,"
            " mirror.appointment_assignments, mirror.technicians, mirror.tag_types, mirror.job_types,"
            " mirror.business_units, calls.calls cascade"
        )
