"""The sandbox's shop: what its customers are like, and how its lists, feeds and writes behave."""

import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sandbox_kit import NEW_LEAD, NEW_NOTE, NEW_TASK, SMALL, export, path, rows, sandbox

from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER
from trunkline.sandbox.servicetitan.rows import Rows
from trunkline.sandbox.servicetitan.world import World

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
HANDMADE = World(Rows(1, 1, NOW), 100)
TABLES = sorted(name for name in HANDMADE.feeds if HANDMADE.template(name))


def world(customers: int = 340, *, seed: int = 1) -> World:
    return World(Rows(customers, seed, NOW), page_size=100)


def digits(text: str) -> str:
    return re.sub(r"\D", "", text.partition(" x")[0])


# Who lives here ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_the_same_seed_gives_the_same_rows(table: str) -> None:
    assert list(world().all_rows(table)) == list(world().all_rows(table))


def test_another_seed_gives_other_people_with_the_same_numbers() -> None:
    names, others = ([row["name"] for row in world(seed=seed).all_rows("customers")] for seed in (1, 2))
    assert len(names) == len(others)
    assert sum(name != other for name, other in zip(names, others, strict=True)) > 300
    first, second = (
        [digits(row["value"]) for row in world(seed=seed).all_rows("customers/contacts")] for seed in (1, 2)
    )
    assert first == second


async def test_some_households_have_several_numbers_and_some_numbers_several_households() -> None:
    async with sandbox() as (_, http):
        contacts, _ = await export(http, "crm/export/customers/contacts")
    numbers: defaultdict[int, set[str]] = defaultdict(set)
    owners: defaultdict[str, set[int]] = defaultdict(set)
    for contact in contacts:
        if contact["type"] in {"Phone", "MobilePhone"}:
            number = digits(contact["value"])
            numbers[contact["customerId"]].add(number)
            owners[number].add(contact["customerId"])
    sizes = Counter(map(len, numbers.values()))
    assert sizes[1] > 100
    assert sizes[2] > 100
    assert owners[digits(world().rows.main_number(48))] == {FIRST_CUSTOMER + 48, FIRST_CUSTOMER + 49}
    assert sum(len(sharing) > 1 for sharing in owners.values()) == 6


async def test_numbers_are_written_in_many_ways_and_some_with_remarks() -> None:
    async with sandbox() as (_, http):
        contacts, _ = await export(http, "crm/export/customers/contacts")
    phones = [contact for contact in contacts if contact["type"] != "Email"]
    shapes = Counter(re.sub(r"\d", "9", contact["value"]) for contact in phones)
    assert {"9999999999", "(999) 999-9999", "999-999-9999", "999.999.9999 (cell)", "999-999-9999 x99"} <= shapes.keys()
    unread = [contact for contact in phones if not contact["phoneSettings"]["phoneNumber"]]
    assert 0 < len(unread) < len(phones) / 2
    assert {contact["phoneSettings"]["phoneNumber"] for contact in contacts if contact["type"] == "Email"} == {""}
    read = [contact for contact in phones if contact not in unread]
    assert all(contact["phoneSettings"]["phoneNumber"] in re.sub(r"\D", "", contact["value"]) for contact in read)


async def test_small_shops_use_numbers_kept_for_fiction() -> None:
    async with sandbox() as (_, http):
        contacts, _ = await export(http, "crm/export/customers/contacts")
        callers = (await http.get("/sandbox/callers", params={"n": 100})).json()
    numbers = [contact["value"] for contact in contacts if contact["type"] != "Email"]
    numbers += [caller["number"] for caller in callers]
    assert all(re.search(r"[2-9]\d\d.{0,2}555.?01\d\d", number) for number in numbers)


async def test_landlords_have_many_houses() -> None:
    async with sandbox() as (_, http):
        houses, _ = await export(http, "crm/export/locations")
        customers, _ = await export(http, "crm/export/customers")
    each = Counter(house["customerId"] for house in houses)
    landlords = {customer for customer, count in each.items() if count > 2}
    assert each[FIRST_CUSTOMER + 5] == 200
    assert len(landlords) == 4
    assert {row["id"] for row in customers if row["type"] == "Commercial"} == landlords


async def test_merged_and_closed_customers_are_in_the_feed_but_not_in_the_list_unless_asked_for() -> None:
    async with sandbox() as (_, http):
        feed, _ = await export(http, "crm/export/customers")
        shown = await rows(http, "crm/customers")
        closed = await rows(http, "crm/customers", active="False")
        every = await rows(http, "crm/customers", active="Any")
    merged = [row for row in feed if row["mergedToId"]]
    assert [(row["id"], row["mergedToId"], row["active"]) for row in merged] == [(100_210, 100_209, False)]
    assert {row["id"] for row in closed} == {100_100, 100_201, 100_210, 100_302}
    assert {row["id"] for row in shown} == {row["id"] for row in feed if row["active"]}
    assert every == feed
    assert sum(row["doNotService"] for row in feed) == 5


async def test_visits_begin_at_the_full_or_half_hour() -> None:
    async with sandbox() as (server, http):
        visits, _ = await export(http, "jpm/export/appointments")
        now = server.world.rows.now
    starts = [datetime.fromisoformat(visit["start"]) for visit in visits]
    assert {(start.minute % 30, start.second, start.microsecond) for start in starts} == {(0, 0, 0)}
    today = [start for start in starts if abs(start - now) <= timedelta(hours=1)]
    later = [start for start in starts if start > now + timedelta(hours=1)]
    assert len(today) > 20
    assert len(later) > 20
    assert len(starts) > len(today) + len(later)


# Lists ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_counted_without_making_them(table: str) -> None:
    it = world()
    assert it.count(table) == len(list(it.all_rows(table)))
    first = next(it.all_rows(table))
    it.change(table, first["id"], active=False)
    it.put(table, {**first, "id": it.new_id()})
    it.change(table, it.new_id() - 1, active=False)
    assert it.count(table) == len(list(it.all_rows(table))) == world().count(table) + 1


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_found_by_its_id(table: str) -> None:
    it = world()
    for row in it.all_rows(table):
        assert it.find(table, row["id"]) == row
    assert it.find(table, 5) is None or "-" in table or table in {"technicians", "employees"}
    assert it.find(table, 10**15) is None


@pytest.mark.parametrize("i", [0, 3, 899_997, 999_999])
def test_ids_are_told_apart_in_the_largest_shop_too(i: int) -> None:
    it = World(Rows(1_000_000, 1, NOW), page_size=100)
    for table in ("customers", "customers/contacts", "locations", "jobs", "appointments"):
        made = it.feeds[table].of
        assert made is not None
        assert [it.find(table, row["id"]) for row in made(i)] == made(i)


async def test_pages_follow_one_another_and_count_where_asked() -> None:
    async with sandbox() as (_, http):
        answers = [
            (await http.get(path("crm/customers"), params={"page": page, "pageSize": 150, "active": "Any"})).json()
            for page in (1, 2, 3, 4)
        ]
        query = {"pageSize": 1, "includeTotal": "true"}
        counts = [
            (await http.get(path("crm/customers"), params={**query, "active": active})).json()["totalCount"]
            for active in ("Any", "True", "False")
        ]
        jobs = (await http.get(path("jpm/jobs"), params=query)).json()["totalCount"]
    assert [len(answer["data"]) for answer in answers] == [150, 150, 40, 0]
    assert [answer["hasMore"] for answer in answers] == [True, True, False, False]
    assert {answer["totalCount"] for answer in answers} == {None}
    assert len({row["id"] for answer in answers for row in answer["data"]}) == 340
    assert counts == [340, 336, 4]
    assert jobs == world().count("jobs")


@pytest.mark.parametrize(
    ("of", "query", "expected"),
    [
        ("crm/customers", {"ids": "100003,100001"}, [100_001, 100_003]),
        ("crm/customers", {"ids": "100100"}, []),
        ("crm/customers", {"ids": "100100", "active": "Any"}, [100_100]),
        ("crm/customers", {"ids": "100001,100003", "sort": "-Id"}, [100_003, 100_001]),
        ("crm/customers", {"ids": "100001,100003", "sort": "+Id"}, [100_001, 100_003]),
        ("crm/locations", {"customerId": 100_001}, [100_001_000]),
        ("jpm/jobs", {"customerId": 100_000}, [1_000_000, 1_000_001]),
        ("jpm/jobs", {"customerId": 100_000, "jobStatus": "completed"}, [1_000_000]),
        ("jpm/jobs", {"number": "J1000000"}, [1_000_000]),
        ("jpm/appointments", {"jobId": 1_000_001}, [1_000_001]),
        ("dispatch/appointment-assignments", {"appointmentIds": "1000000,1000001"}, [1_000_000, 1_000_001]),
        ("settings/employees", {"email": "office3@example.com"}, [3]),
        ("jpm/job-types", {"name": "DRAIN"}, [1]),
        ("telecom/v3/calls", {"ids": "100003"}, [100_003]),
        ("telecom/v2/calls", {"ids": ["100003", "100043"], "orderByDirection": "desc"}, [100_043, 100_003]),
    ],
)
async def test_lists_are_filtered_and_sorted(of: str, query: dict[str, object], expected: list[int]) -> None:
    async with sandbox() as (_, http):
        assert [row["id"] for row in await rows(http, of, **query)] == expected


@pytest.mark.parametrize("of", ["crm/customers", "crm/locations", "jpm/jobs", "jpm/appointments", "telecom/v3/calls"])
async def test_dates_include_their_beginning_and_exclude_their_end(of: str) -> None:
    async with sandbox() as (server, http):
        since, until = (f"{server.world.rows.modified(i).isoformat()}" for i in (40, 123))
        for moment in ("created", "modified"):
            found = await rows(http, of, **{f"{moment}OnOrAfter": since, f"{moment}Before": until})
            every = await rows(http, of)
            stamps = [row.get("leadCall", row)[f"{moment}On"] for row in every]
            assert len(found) == sum(since[:26] <= stamp[:26] < until[:26] for stamp in stamps)
            assert 0 < len(found) < len(every)


@pytest.mark.parametrize("spelling", ["{}{}{}", "1{}{}{}", "+1{}{}{}", "({}) {}-{}"])
async def test_customers_are_found_by_phone_however_it_is_spelled(spelling: str) -> None:
    async with sandbox() as (server, http):
        for i in range(4, 20):
            number = server.world.rows.main_number(i)
            text = spelling.format(number[:3], number[3:6], number[6:])
            assert [row["id"] for row in await rows(http, "crm/customers", phone=text)] == [FIRST_CUSTOMER + i]
        assert await rows(http, "crm/customers", phone="2015550199") == []


async def test_parameters_that_nobody_publishes_are_passed_over() -> None:
    async with sandbox() as (_, http):
        assert len(await rows(http, "crm/customers", phoneNumber="4375550142")) == 336


async def test_contacts_are_those_of_one_customer_in_their_present_state() -> None:
    async with sandbox() as (server, http):
        before = await rows(http, f"crm/customers/{FIRST_CUSTOMER}/contacts")
        server.world.change("customers/contacts", before[0]["id"], value="437-555-0142")
        server.world.change("customers/contacts", before[1]["id"], active=False)
        after = await rows(http, f"crm/customers/{FIRST_CUSTOMER}/contacts")
        house = await rows(http, f"crm/locations/{FIRST_CUSTOMER + 1}000/contacts")
    assert [row["id"] for row in before] == [1_000_000, 1_000_001, 1_000_002]
    assert [(row["id"], row["value"]) for row in after] == [
        (1_000_000, "437-555-0142"),
        (1_000_002, "customer0@example.com"),
    ]
    assert [row["type"] for row in house] == ["Phone"]


# Feeds ------------------------------------------------------------------------------------------------------------


async def test_a_feed_is_read_to_its_end_and_goes_on_with_what_changes_later() -> None:
    async with sandbox() as (server, http):
        first = (await http.get(path("crm/export/customers"))).json()
        assert (len(first["data"]), first["hasMore"]) == (SMALL.page_size, True)
        everybody, end = await export(http, "crm/export/customers")
        assert [row["id"] for row in everybody] == [FIRST_CUSTOMER + i for i in range(340)]
        assert await export(http, "crm/export/customers", **{"from": end}) == ([], end)
        server.world.merge(FIRST_CUSTOMER + 1, FIRST_CUSTOMER)
        fresh = {"from": end, "includeRecentChanges": "true"}
        (loser,), after = await export(http, "crm/export/customers", **fresh)
        assert (loser["id"], loser["active"], loser["mergedToId"]) == (FIRST_CUSTOMER + 1, False, FIRST_CUSTOMER)
        assert await export(http, "crm/export/customers", **{**fresh, "from": after}) == ([], after)
        again, _ = await export(http, "crm/export/customers", includeRecentChanges="true")
    assert len(again) == 341
    assert again[-1] == loser


async def test_changes_are_held_back_for_a_quarter_of_an_hour_unless_asked_for() -> None:
    async with sandbox() as (server, http):
        _, end = await export(http, "crm/export/customers")
        row = server.world.change("customers", FIRST_CUSTOMER, name="Jane Example")
        assert await export(http, "crm/export/customers", **{"from": end}) == ([], end)
        changes = server.world.feeds["customers"].changes
        changes[0] = (changes[0][0] - timedelta(minutes=16), row)
        assert await export(http, "crm/export/customers", **{"from": end}) == ([row], end.replace(":0", ":1"))


async def test_recent_changes_come_with_repeats() -> None:
    async with sandbox() as (server, http):
        _, end = await export(http, "crm/export/customers")
        seen = []
        for i in range(4):
            server.world.change("customers", FIRST_CUSTOMER + i, name=f"Jane Example {i}")
            found, end = await export(http, "crm/export/customers", **{"from": end, "includeRecentChanges": "true"})
            seen.append([row["id"] - FIRST_CUSTOMER for row in found])
    assert seen == [[0], [0, 1], [0, 1, 2], [1, 2, 3]]


async def test_many_changes_come_in_pages() -> None:
    async with sandbox(SandboxOptions(customers=10, page_size=4)) as (server, http):
        _, end = await export(http, "crm/export/customers")
        for i in range(10):
            server.world.change("customers", FIRST_CUSTOMER + i, name="Jane Example")
        found, _ = await export(http, "crm/export/customers", **{"from": end, "includeRecentChanges": "true"})
    assert {row["id"] for row in found} == {FIRST_CUSTOMER + i for i in range(10)}


async def test_a_feed_begins_at_a_date_and_knows_later_changes() -> None:
    async with sandbox() as (server, http):
        server.world.change("customers", FIRST_CUSTOMER, name="Jane Example")
        recent = {"includeRecentChanges": "true"}
        since = server.world.rows.modified(300).isoformat().replace("+00:00", "Z")
        found, _ = await export(http, "crm/export/customers", **recent, **{"from": since})
        assert [row["id"] - FIRST_CUSTOMER for row in found] == [*range(300, 340), 0]
        later, _ = await export(http, "crm/export/customers", **recent, **{"from": "2999-01-01"})
        assert later == []
        units, _ = await export(http, "settings/export/business-units", **{"from": "2000-01-01"})
        assert len(units) == 3


async def test_visits_can_be_exported_by_whether_they_are_active() -> None:
    async with sandbox() as (server, http):
        visit = next(server.world.all_rows("appointments"))
        server.world.change("appointments", visit["id"], active=False)
        query = {"includeRecentChanges": "true"}
        every, _ = await export(http, "jpm/export/appointments", **query)
        gone, _ = await export(http, "jpm/export/appointments", **query, active="False")
        there, _ = await export(http, "jpm/export/appointments", **query, active="True")
    assert [row["id"] for row in gone] == [visit["id"]]
    assert len(every) == len(gone) + len(there)


# Writes -----------------------------------------------------------------------------------------------------------


async def post(http: httpx.AsyncClient, of: str, body: object) -> Any:
    answer = await http.post(path(of), json=body)
    answer.raise_for_status()
    return answer.json()


async def ledger(server: SandboxServer) -> list[tuple[str, int, str]]:
    return [(note["kind"], note["target_id"], note["text"]) for note in server.sandbox.ledger()["notes"]]


async def test_notes_are_kept_newest_first_and_stand_in_the_ledger() -> None:
    async with sandbox() as (server, http):
        for text in ("Called about a leak.", "Called again."):
            await post(http, f"crm/customers/{FIRST_CUSTOMER}/notes", {"text": text})
        job = await post(http, f"jpm/jobs/{FIRST_CUSTOMER}0/notes", NEW_NOTE)
        read = await rows(http, f"crm/customers/{FIRST_CUSTOMER}/notes")
        assert [note["text"] for note in read] == ["Called again.", "Called about a leak."]
        assert "id" not in job
        assert job["isPinned"] is True
        assert await ledger(server) == [
            ("customer", FIRST_CUSTOMER, "Called about a leak."),
            ("customer", FIRST_CUSTOMER, "Called again."),
            ("job", FIRST_CUSTOMER * 10, "Called about a leak."),
        ]


async def test_a_note_goes_to_the_houses_or_the_customer_where_asked() -> None:
    async with sandbox() as (server, http):
        await post(http, f"crm/customers/{FIRST_CUSTOMER + 1}/notes", {"text": "Gate is open.", "addToLocations": True})
        await post(http, f"crm/locations/{FIRST_CUSTOMER}000/notes", {"text": "Dog inside.", "addToCustomer": True})
        assert await ledger(server) == [
            ("customer", FIRST_CUSTOMER + 1, "Gate is open."),
            ("location", (FIRST_CUSTOMER + 1) * 1000, "Gate is open."),
            ("location", FIRST_CUSTOMER * 1000, "Dog inside."),
            ("customer", FIRST_CUSTOMER, "Dog inside."),
        ]


async def test_a_lead_is_kept_and_found() -> None:
    async with sandbox() as (_, http):
        lead = await post(http, "crm/leads", NEW_LEAD)
        await post(http, f"crm/leads/{lead['id']}/notes", NEW_NOTE)
        assert await rows(http, "crm/leads", leadPhone="+1 437 555 0142") == [lead]
        assert await rows(http, "crm/leads", customerId=1) == []
        assert (await http.get(path(f"crm/leads/{lead['id']}"))).json() == lead
        assert [note["text"] for note in await rows(http, f"crm/leads/{lead['id']}/notes")] == [NEW_NOTE["text"]]
    assert lead["status"] == "Open"
    assert {name: lead[name] for name in NEW_LEAD} == {**NEW_LEAD, "followUpDate": "2026-03-02T15:00:00.0000000Z"}


async def test_a_task_is_listed_under_other_names_than_it_was_written() -> None:
    async with sandbox() as (_, http):
        task = await post(http, "taskmanagement/tasks", NEW_TASK)
        (listed,) = await rows(http, "taskmanagement/tasks", customerId=FIRST_CUSTOMER, statuses="ToDo,OnHold")
        assert await rows(http, "taskmanagement/tasks", statuses="Completed") == []
        assert (await http.get(path(f"taskmanagement/tasks/{task['id']}"))).json() == listed
    assert (task["status"], task["taskNumber"], task["reportedDate"]) == ("ToDo", 1, "2026-03-02T15:00:00.0000000Z")
    assert listed["reportedOn"] == task["reportedDate"]
    assert "reportedDate" not in listed


# Callers for demos ------------------------------------------------------------------------------------------------


async def test_callers_are_known_to_the_customers_that_they_are_said_to_be() -> None:
    async with sandbox(SandboxOptions(customers=340, requests_per_second=1_000)) as (_, http):
        callers = (await http.get("/sandbox/callers", params={"n": 60})).json()
        for caller in callers:
            found = [row["id"] for row in await rows(http, "crm/customers", phone=caller["number"])]
            assert found == caller["customer_ids"], caller
    kinds = Counter(caller["kind"] for caller in callers)
    assert len(callers) == 60
    assert kinds.keys() == {"single", "shared", "staff", "unknown"}
    assert kinds["single"] > 30
