"""Rows and the token to go on from are one thing; and what happens when a feed, or the database, does not work."""

from datetime import datetime, timedelta

import pytest
from mirror_shop import FIRST, TENANT, Shop, shop

from trunkline.sandbox.servicetitan import Fault
from trunkline.sandbox.servicetitan.clients import SCOPES
from trunkline.store.database import Database

# Ends the transaction of a page as a lost connection, or a full disk, would.
_TRIGGER = """
create function mirror.fail() returns trigger language plpgsql as $$ begin {how}; return new; end $$;
create trigger fail before insert or update on mirror.{table}
for each row when (new.tenant_id = {tenant} and {condition}) execute function mirror.fail();
"""
CONNECTION_LOST = "perform pg_terminate_backend(pg_backend_pid())"
DISK_FULL = "raise exception 'no space left' using errcode = 'disk_full'"


async def break_at(database: Database, table: str, condition: str, how: str) -> None:
    """From now on a transaction fails when it writes a row of that kind."""
    async with database.connection() as connection:
        await connection.execute(_TRIGGER.format(table=table, condition=condition, how=how, tenant=TENANT).encode())


async def mend(database: Database, table: str) -> None:
    """Writing works again."""
    async with database.connection() as connection:
        await connection.execute(f"drop trigger fail on mirror.{table}; drop function mirror.fail".encode())


async def customers(it: Shop) -> list[int]:
    """How many customers stand on each page of 20 of the sandbox, as far as they are mirrored."""
    found = await it.rows(
        "select (id - %(first)s) / 20, count(*) from mirror.customers group by 1 order by 1", first=FIRST
    )
    return [count for _, count in found]


@pytest.mark.parametrize(
    ("table", "condition", "how"),
    [
        ("feeds", "new.feed = 'customers' and new.rows_seen > 40", CONNECTION_LOST),
        ("customers", f"new.id = {FIRST + 55}", DISK_FULL),
    ],
    ids=["connection lost at the token", "disk full at a row"],
)
async def test_a_page_and_its_token_are_stored_together_or_not_at_all(
    database: Database, table: str, condition: str, how: str
) -> None:
    async with shop(database, customers=100, page_size=20) as it:
        await break_at(database, table, condition, how)
        assert await it.sync.sync_once() == {"customers": "The database does not answer."}
        assert await customers(it) == [20, 20]
        before = (await it.feeds())["customers"]
        assert (before.rows_seen, before.complete, before.continue_from) == (40, False, "customers:40:0")

        await mend(database, table)
        it.listen()
        await it.sync_well()
        assert it.asked("customers")[0] == "customers:40:0"
        assert await customers(it) == [20] * 5
        assert (await it.feeds())["customers"].complete


async def test_numbers_are_stored_together_with_the_rows_they_stand_in(database: Database) -> None:
    async with shop(database, customers=100, page_size=20) as it:
        await break_at(database, "phone_index", f"new.source_id = {(FIRST + 55) * 10}", DISK_FULL)
        assert set(await it.sync.sync_once()) == {"customer_contacts"}
        sources = "select max(source_id) / 10 from mirror.phone_index where owner_kind = 'customer'"
        assert await it.value(sources) == FIRST + 39
        assert await it.value("select max(owner_id) from mirror.contacts where owner_kind = 'customer'") == FIRST + 39


async def test_a_change_that_cannot_be_stored_comes_again_with_the_next_sync(database: Database) -> None:
    async with shop(database) as it:
        await it.sync_well()
        before = (await it.feeds())["customers"]
        it.world.put("customers", {**it.world.rows.customer(3), "name": "Jane Example"})
        await break_at(database, "feeds", "new.feed = 'customers'", CONNECTION_LOST)
        assert set(await it.sync.sync_once()) == {"customers"}
        name = "select name from mirror.customers where id = %(id)s"
        assert await it.value(name, id=FIRST + 3) == it.world.rows.customer(3)["name"]
        assert (await it.feeds())["customers"] == before

        await mend(database, "feeds")
        await it.sync_well()
        assert await it.value(name, id=FIRST + 3) == "Jane Example"


async def test_a_refused_token_is_forgotten_and_the_feed_goes_on_by_date(database: Database) -> None:
    async with shop(database) as it:
        await it.sync_well()
        newest = (await it.feeds())["customers"].max_modified_on
        await it.rows("update mirror.feeds set continue_from = 'worn out' where feed = 'customers'")
        it.world.put("customers", {**it.world.rows.customer(3), "name": "Jane Example"})
        it.listen()
        await it.sync_well()
        refused, date = it.asked("customers")[:2]
        assert refused == "worn out"
        assert newest is not None
        assert timedelta(0) <= newest - datetime.fromisoformat(str(date)) < timedelta(hours=1)
        assert await it.value("select name from mirror.customers where id = %(id)s", id=FIRST + 3) == "Jane Example"
        state = (await it.feeds())["customers"]
        assert state.error is None
        assert state.continue_from not in {None, "worn out"}
        assert await it.value("select count(*) from mirror.customers") == 60


async def test_a_refused_date_is_told_and_not_asked_again_and_again(database: Database) -> None:
    async with shop(database) as it:
        await it.sync_well()
        await it.rows("update mirror.feeds set continue_from = 'worn out' where feed = 'customers'")
        export = it.world.export
        it.world.export = lambda name, token, *, recent: export(  # type: ignore[method-assign]
            name, "never" if name == "customers" else token, recent=recent
        )
        it.listen()
        problems = await it.sync.sync_once()
        assert list(problems) == ["customers"]
        assert "The token is not valid." in problems["customers"]
        assert len(it.asked("customers")) == 2


async def test_a_feed_that_fails_stops_no_other_and_says_why(database: Database) -> None:
    async with shop(database) as it:
        it.allow(*(scope for scope in SCOPES if scope not in {"tn.crm.customers:r", "tn.tlc.calls:r"}))
        problems = await it.sync.sync_once()
        assert set(problems) == {"customers", "customer_contacts", "calls"}
        states = await it.feeds()
        for name, state in states.items():
            assert state.error == problems.get(name), name
            assert state.complete is (name not in problems)
        assert "it needs the scope Customers (View)" in problems["customers"]
        assert problems["customers"].endswith(".")
        assert await it.value("select count(*) from mirror.customers") == 0
        assert await it.value("select count(*) from mirror.locations") > 0


async def test_what_failed_is_caught_up_and_its_sentence_goes(database: Database) -> None:
    async with shop(database) as it:
        it.allow()
        assert set(await it.sync.sync_once()) == set(it.sync.feed_names)
        it.allow(*SCOPES)
        await it.sync_well()
        assert {state.error for state in (await it.feeds()).values()} == {None}
        assert await it.value("select count(*) from mirror.customers") == 60


async def test_a_sentence_stands_beside_what_the_feed_had_reached(database: Database) -> None:
    async with shop(database) as it:
        await it.sync_well()
        before = await it.feeds()
        it.server.sandbox.faults.active = [Fault("html", 1.0)]
        problems = await it.sync.sync_once()
        after = await it.feeds()
    assert set(problems) == set(before)
    for name, state in after.items():
        assert state.error == "ServiceTitan has trouble (status 502)."
        assert (state.continue_from, state.rows_seen) == (before[name].continue_from, before[name].rows_seen)


async def test_a_flaky_servicetitan_costs_no_row(database: Database) -> None:
    async with shop(database, customers=100, page_size=10) as it:
        it.server.sandbox.faults.active = [Fault("500", 0.1), Fault("lost-reply", 0.1), Fault("expired-token", 0.05)]
        while await it.sync.sync_once():
            pass
        assert await customers(it) == [20] * 5
        assert await it.value("select count(*) from mirror.locations") == len(list(it.world.all_rows("locations")))


async def test_what_the_token_does_not_grant_is_not_asked_for(database: Database) -> None:
    async with shop(database) as it:
        it.allow(*(scope for scope in SCOPES if scope != "tn.jpm.jobs:r"))
        it.listen()
        problems = await it.sync.sync_once()
        assert problems == {"jobs": "Off: it needs the scope Jobs (View), which this tenant has not approved."}
        assert it.asked("jobs") == []
        assert it.asked("appointments") == [None]
