"""An unknown caller whom somebody named is booked once, whatever becomes of the reply: against the sandbox."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest
from logbook_doubles import ENDED, TENANT, add_call

from company import TLS, Unlimited
from trunkline.domain.logging_plan import plan
from trunkline.logbook.notes import ServiceTitanNotes
from trunkline.logbook.writer import DONE, Writer
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.sandbox.servicetitan.choices import choose
from trunkline.sandbox.servicetitan.faults import parse_fault
from trunkline.servicetitan import Credentials, Environment, ServiceTitan
from trunkline.store.database import Database

PROVIDER, REF = 7, "REF0000001"
NAMED = msgspec.structs.replace(ENDED, contact_name="Jane Example")


@dataclass
class Shop:
    """A sandbox, and who writes into it."""

    server: SandboxServer
    writer: Writer
    database: Database

    def fails(self, *faults: str) -> None:
        self.server.sandbox.faults.active = [parse_fault(text) for text in faults]

    def booked(self) -> list[dict[str, Any]]:
        return [row for row in self.server.world.all_rows("crm/bookings") if row["bookingProviderId"] == PROVIDER]

    async def until_done(self, call_id: int) -> int:
        for attempts in range(1, 11):
            if await self.writer.attempt(TENANT, call_id) == DONE:
                return attempts
        raise AssertionError("not done after ten attempts")

    async def entry(self, call_id: int) -> tuple[Any, ...] | None:
        async with self.database.connection() as connection:
            query = "select state, detail from logbook.entries where call_id = %s"
            return await (await connection.execute(query, (call_id,))).fetchone()

    async def intent(self, call_id: int) -> tuple[Any, ...] | None:
        async with self.database.connection() as connection:
            query = "select action, target_id, state, remote_id from logbook.intents where call_id = %s"
            return await (await connection.execute(query, (call_id,))).fetchone()


@pytest.fixture(params=["lenient", "strict"])
async def shop(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Shop]:
    """The strict sandbox refuses an external id that comes twice, the lenient one takes it."""
    options = SandboxOptions(customers=1, tenant_id=TENANT, choices=choose(request.param))
    async with SandboxServer(options) as server, httpx.AsyncClient(verify=TLS) as http:
        credentials = Credentials(options.client_id, options.client_secret, options.app_key)
        client = ServiceTitan(Environment.at(server.base_url), TENANT, credentials, limiter=Unlimited(), http=http)
        notes, planner = ServiceTitanNotes(client), partial(plan, timezone="UTC", booking_provider=PROVIDER)
        writer = Writer(database, lambda _: notes, lambda _: planner, followed={"main"}, settle_s=0.0)
        yield Shop(server, writer, database)


async def test_a_named_caller_is_booked_once(shop: Shop) -> None:
    call_id = await add_call(shop.database, REF, NAMED, card=None)
    assert [await shop.writer.attempt(TENANT, call_id) for _ in range(2)] == [DONE, DONE]
    (booking,) = shop.booked()
    assert (booking["name"], booking["externalId"], booking["source"]) == ("Jane Example", REF, "Trunkline")
    assert booking["summary"].endswith(f"[call:{REF}]")
    contacts = [one for one in shop.server.world.all_rows("crm/bookings/contacts") if one["bookingId"] == booking["id"]]
    assert [(one["type"], one["value"]) for one in contacts] == [("Phone", "4375550142")]
    assert await shop.entry(call_id) == ("logged", None)
    assert await shop.intent(call_id) == ("booking", PROVIDER, "written", booking["id"])


@pytest.mark.parametrize("fault", ["lost-reply=1@POST#1", "truncated=1@POST#1", "500=1@/bookings#1"])
async def test_after_a_reply_that_does_not_tell_the_booking_is_looked_for_and_not_doubled(
    shop: Shop, fault: str
) -> None:
    call_id = await add_call(shop.database, REF, NAMED, card=None)
    shop.fails(fault)
    assert await shop.until_done(call_id) > 1
    (booking,) = shop.booked()
    assert await shop.intent(call_id) == ("booking", PROVIDER, "written", booking["id"])


async def test_another_calls_booking_is_not_taken_for_this_ones(shop: Shop) -> None:
    first = await add_call(shop.database, REF, NAMED, card=None)
    second = await add_call(shop.database, "REF0000002", NAMED, card=None)
    await shop.until_done(first)
    shop.fails("lost-reply=1@POST#1")
    await shop.until_done(second)
    assert sorted(booking["externalId"] for booking in shop.booked()) == [REF, "REF0000002"]


async def test_a_booking_whose_scope_is_missing_waits_and_says_so(shop: Shop) -> None:
    call_id = await add_call(shop.database, REF, NAMED, card=None)
    options = shop.server.sandbox.options
    shop.server.sandbox.clients.grant(options.client_id, "tn.crm.customers:r")
    assert (await shop.writer.attempt(TENANT, call_id)).retry_in_s == 60.0
    state, detail = await shop.entry(call_id) or ("", "")
    assert state == "open"
    assert "Bookings" in detail
    assert shop.booked() == []
