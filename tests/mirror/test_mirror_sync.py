"""The mirror follows ServiceTitan: everything at first, then what changed, and never back to what is older."""

import itertools
from datetime import UTC, datetime, timedelta

from mirror_shop import FEEDS, FIRST, TENANT, shop
from psycopg import sql

from trunkline.store.database import Database

NOW = datetime.now(UTC)
NAME = 'Jane "JJ" Example, \\N \\\\ Sons;\tand\r\nDaughters\n\\.\n {"Ünïque \U0001f600"}'


async def test_a_first_sync_fills_every_table_with_as_many_rows_as_servicetitan_has(database: Database) -> None:
    async with shop(database, customers=230, page_size=100) as it:
        await it.sync_well()
        assert set(FEEDS) == set(it.world.feeds)
        for theirs, (_, table, condition) in FEEDS.items():
            statement = sql.SQL("select id from mirror.{} where tenant_id = {} and {}").format(
                sql.Identifier(table),
                TENANT,
                sql.SQL(condition),  # type: ignore[arg-type]
            )
            async with database.connection() as connection:
                mirrored = {row[0] for row in await (await connection.execute(statement)).fetchall()}
            assert mirrored == {row["id"] for row in it.world.all_rows(theirs)}, theirs


async def test_a_first_sync_brings_every_feed_to_its_end(database: Database) -> None:
    async with shop(database, customers=230, page_size=100) as it:
        progress: list[tuple[str, int]] = []

        def note(feed: str, rows: int, *_: object, **__: object) -> None:
            progress.append((feed, rows))

        assert await it.sync.sync_once(note) == {}
        states = await it.feeds()
        assert set(states) == set(it.sync.feed_names) == {ours for ours, _, _ in FEEDS.values()}
        for theirs, (ours, _, _) in FEEDS.items():
            state, rows = states[ours], list(it.world.all_rows(theirs))
            assert (state.complete, state.error, state.rows_seen) == (True, None, len(rows)), ours
            assert sum(count for feed, count in progress if feed == ours) == len(rows)
            assert (state.continue_from is None) == (ours in {"job_types", "campaigns"})
            assert state.max_modified_on == max(datetime.fromisoformat(row["modifiedOn"]) for row in rows)


async def test_a_customer_is_mirrored_field_by_field(database: Database) -> None:
    async with shop(database, customers=10) as it:
        row = {
            **it.world.rows.customer(0),
            "name": NAME,
            "type": "Commercial",
            "address": {"street": "1 Mill Street", "unit": "Unit 2", "city": "Northfield", "state": "ON", "zip": "A1A"},
            "balance": 1234.56,
            "doNotService": True,
            "tagTypeIds": [1, 3],
            "createdOn": "2026-01-02T03:04:05.1234567Z",
        }
        it.world.put("customers", row)
        await it.sync_well()
        (found,) = await it.rows(
            "select name, customer_type, address, balance::text, do_not_service, tag_type_ids, active,"
            " to_char(created_on, 'YYYY-MM-DD HH24:MI:SS') from mirror.customers"
            " where tenant_id = %(tenant)s and id = %(id)s",
            id=FIRST,
        )
    assert found == (
        NAME, "Commercial", "1 Mill Street Unit 2, Northfield, ON A1A", "1234.56",
        True, [1, 3], True, "2026-01-02 03:04:05",
    )  # fmt: skip


async def test_a_row_of_which_nearly_everything_is_missing_is_mirrored_too(database: Database) -> None:
    async with shop(database, customers=10) as it:
        it.world.put("customers", {"id": 7, "name": None, "address": None})
        it.world.put("jobs", {"id": 8, "customerId": 7})
        it.world.put("customers/contacts", {"id": 9, "type": "Phone", "value": None})
        await it.sync_well()
        customer = await it.rows("select name, address, active from mirror.customers where id = 7")
        job = await it.rows("select job_number, job_status, is_open from mirror.jobs where id = 8")
        contact = await it.rows("select owner_id, value from mirror.contacts where id = 9")
    assert (customer, job, contact) == ([("", "", True)], [("8", "", True)], [(0, None)])


async def test_nul_signs_which_postgresql_cannot_hold_are_left_out(database: Database) -> None:
    async with shop(database, customers=10) as it:
        it.world.put("customers", {**it.world.rows.customer(0), "name": "Jane\0 Example"})
        await it.sync_well()
        assert await it.value("select name from mirror.customers where id = %(id)s", id=FIRST) == "Jane Example"


async def test_what_is_private_about_colleagues_has_no_place(database: Database) -> None:
    columns = "select column_name from information_schema.columns where table_schema = 'mirror'"
    async with database.connection() as connection:
        names = {row[0].replace("_", "") for row in await (await connection.execute(columns)).fetchall()}
    assert not [name for name in names if name in {"hourlyrate", "home", "payrollid", "burdenrate"}]


async def test_a_job_is_open_until_it_is_completed_or_cancelled(database: Database) -> None:
    statuses = {
        "Scheduled": True, "InProgress": True, "Hold": True, "New In 2027": True, "": True,
        "Completed": False, "completed": False, "Canceled": False, "Cancelled": False,
    }  # fmt: skip
    async with shop(database, customers=3) as it:
        for number, status in enumerate(statuses, 1):
            it.world.put("jobs", {**it.world.rows.jobs(0)[0], "id": number, "jobStatus": status})
        await it.sync_well()
        found = await it.rows("select job_status, is_open from mirror.jobs where id <= %(n)s", n=len(statuses))
    assert dict(found) == statuses


async def test_the_next_sync_brings_what_changed_and_asks_for_nothing_else(database: Database) -> None:
    async with shop(database) as it:
        await it.sync_well()
        tokens = {name: state.continue_from for name, state in (await it.feeds()).items()}
        it.listen()
        it.world.put("customers", {**it.world.rows.customer(3), "name": "Jane Example"})
        new = it.world.put("locations", {**it.world.rows.locations(3)[0], "id": 77, "name": "New house"})
        await it.sync_well()
        assert await it.value("select name from mirror.customers where id = %(id)s", id=FIRST + 3) == "Jane Example"
        assert await it.value("select name from mirror.locations where id = 77") == new["name"]
        assert it.asked("customers")[0] == tokens["customers"]
        assert it.asked("jobs") == [tokens["jobs"]]
        assert None not in it.asked("customers") + it.asked("locations")


async def test_lists_without_tokens_are_asked_for_what_changed_since_the_newest_row(database: Database) -> None:
    async with shop(database) as it:
        await it.sync_well()
        newest = (await it.feeds())["job_types"].max_modified_on
        assert newest is not None
        it.listen()
        it.world.put("job-types", {"id": 1, "active": False, "name": "Drains and sewers"})
        await it.sync_well()
        (query,) = [one.query for one in it.server.sandbox.requests or [] if one.path.endswith("/job-types")]
        asked = datetime.fromisoformat(query["modifiedOnOrAfter"])
        assert timedelta(minutes=4) < newest - asked < timedelta(minutes=6)
        assert query["active"] == "Any"
        found = await it.rows("select id, name, active from mirror.job_types order by id")
    assert found[0] == (1, "Drains and sewers", False)
    assert len(found) == 5


async def test_rows_that_come_again_change_nothing(database: Database) -> None:
    async with shop(database) as it:
        for round_ in range(3):
            it.world.put("customers", {**it.world.rows.customer(3), "name": f"Round {round_}"})
            await it.sync_well()
        assert await it.value("select count(*) from mirror.customers") == 60
        assert await it.value("select name from mirror.customers where id = %(id)s", id=FIRST + 3) == "Round 2"


async def test_an_older_row_never_wins(database: Database) -> None:
    async with shop(database) as it:
        for i in (3, 7):  # the first comes within the first sync, the second with a later one
            row = {**it.world.rows.customer(i), "name": "Older"}
            it.send("customers", row, modified=NOW - timedelta(days=4000))
            await it.sync_well()
        assert await it.value("select count(*) from mirror.customers where name = 'Older'") == 0
        assert await it.value("select count(*) from mirror.customers") == 60


async def test_of_a_row_that_is_on_one_page_several_times_the_newest_wins(database: Database) -> None:
    orders = list(enumerate(itertools.permutations((1, 2, 3)), 1))
    async with shop(database) as it:
        for first in (0, 30):  # the first come within the first sync, the others with a later one
            for i, hours in orders:
                for hour in hours:
                    row = {**it.world.rows.customer(first + i), "name": f"Hour {hour}"}
                    it.send("customers", row, modified=NOW + timedelta(hours=hour))
            await it.sync_well()
        found = await it.rows("select id - %(first)s, name from mirror.customers where name like 'Hour%%'", first=FIRST)
        assert dict(found) == {first + i: "Hour 3" for first in (0, 30) for i, _ in orders}
        assert await it.value("select count(*) from mirror.customers") == 60


async def test_a_row_that_moves_between_pages_of_a_first_sync_is_there_once_and_at_its_newest(
    database: Database,
) -> None:
    async with shop(database, customers=50, page_size=10) as it:
        for i in (1, 12, 49):
            it.world.put("customers", {**it.world.rows.customer(i), "name": f"Moved {i}"})
        await it.sync_well()
        moved = await it.rows("select id, name from mirror.customers where name like 'Moved%%' order by id")
        assert moved == [(FIRST + i, f"Moved {i}") for i in (1, 12, 49)]
        assert await it.value("select count(*) from mirror.customers") == 50


async def test_a_row_becomes_inactive_but_stays(database: Database) -> None:
    async with shop(database) as it:
        await it.sync_well()
        it.world.change("customers", FIRST + 3, active=False)
        await it.sync_well()
        assert await it.value("select active from mirror.customers where id = %(id)s", id=FIRST + 3) is False


async def test_tenants_do_not_see_each_others_rows(database: Database) -> None:
    async with shop(database, customers=5) as it:
        async with database.connection() as connection:
            await connection.execute(
                "insert into mirror.customers (tenant_id, id, active, name, modified_on)"
                " values (1000002, %s, true, 'Theirs', now() + interval '1 year')",
                (FIRST,),
            )
        await it.sync_well()
        found = await it.rows("select tenant_id, name from mirror.customers where id = %(id)s order by 1", id=FIRST)
    assert found == [(TENANT, it.world.rows.customer(0)["name"]), (1000002, "Theirs")]
