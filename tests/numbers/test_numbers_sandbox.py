"""The whole way, with a look-alike of ServiceTitan: decided, copied, the database lost, and everything read back."""

from collections.abc import AsyncIterator

import httpx
import pytest
from numbers_kit import GUID, NUMBER, OTHER_NUMBER, TENANT, Room

from company import TLS, Unlimited
from trunkline.domain.decisions import DecisionKind, Owner, OwnerKind
from trunkline.numbers.keeper import Keeper
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.servicetitan import Credentials, Environment, ServiceTitan
from trunkline.servicetitan.external_data import Record, find, merge, read
from trunkline.store.database import Database


@pytest.fixture
async def client() -> AsyncIterator[ServiceTitan]:
    """A client of a sandbox that keeps external data."""
    options = SandboxOptions(customers=40, tenant_id=TENANT)
    async with SandboxServer(options) as server, httpx.AsyncClient(verify=TLS) as http:
        credentials = Credentials("cid.example", "cs1.example-secret", "ak1.example")
        yield ServiceTitan(Environment.at(server.base_url), TENANT, credentials, limiter=Unlimited(), http=http)


async def _ids(client: ServiceTitan, record: Record, count: int) -> list[int]:
    rows = (await client.call(f"{record}.list", page=1, pageSize=count))["data"]
    return [row["id"] for row in rows]


@pytest.mark.parametrize("record", list(Record))
async def test_what_is_merged_is_read_found_and_taken_away_again(client: ServiceTitan, record: Record) -> None:
    first, second = await _ids(client, record, 2)
    await merge(client, GUID, record, first, {"k": "v", "other": "1"})
    await merge(client, GUID, record, first, {"other": "2"})
    await merge(client, GUID, record, second, {"k": "w"})
    held = await read(client, GUID, record, [first, second])
    assert {key: held[first][key] for key in ("k", "other")} == {"k": "v", "other": "2"}
    assert held[second] == {"k": "w"}
    found = [row_id async for page in find(client, GUID, record, "k", ["v"]) for row_id in page]
    assert found == [first]
    await merge(client, GUID, record, first, {"k": None})
    assert "k" not in (await read(client, GUID, record, [first]))[first]
    assert (await read(client, GUID, record, [second]))[second] == {"k": "w"}


async def test_decisions_survive_the_loss_of_the_database(client: ServiceTitan, database: Database) -> None:
    room = Room(database)
    jane, john = await _ids(client, Record.CUSTOMER, 2)
    (site,) = await _ids(client, Record.LOCATION, 1)
    await room.customer(jane)
    await room.customer(john)
    landlord = max(jane, john) + 1
    await room.customer(landlord, OTHER_NUMBER, location=site)
    for number, kind, owner in (
        (NUMBER, DecisionKind.MOVED_AWAY, Owner(OwnerKind.CUSTOMER, jane)),
        (NUMBER, DecisionKind.DIRECT_LINE, Owner(OwnerKind.CUSTOMER, john)),
        (NUMBER, DecisionKind.SPAM, None),
        (OTHER_NUMBER, DecisionKind.SHARED, None),
        (OTHER_NUMBER, DecisionKind.DIRECT_LINE, Owner(OwnerKind.LOCATION, site)),
    ):
        await room.book.mark(TENANT, number, kind, owner, by="Dana")
    keeper = Keeper(database, client, GUID)
    assert await keeper.copy_due() == 5
    before = await room.book.latest(TENANT, limit=10), await room.match(), await room.match(OTHER_NUMBER)

    await room.run("delete from calls.number_decisions")
    assert (await room.match()).decisions == ()
    assert await keeper.restore_once() == 5

    assert (await room.book.latest(TENANT, limit=10), await room.match(), await room.match(OTHER_NUMBER)) == before
    await room.book.forget(TENANT, NUMBER)
    await keeper.copy_due()
    await room.run("delete from calls.number_decisions")
    assert await keeper.restore() == 4, "what was undone does not come back"
