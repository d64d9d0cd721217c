"""What the mirror's tests share: a sandbox, a database, and the sync between them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import httpx

from company import TLS, Unlimited
from trunkline.domain.caller import NumberFacts
from trunkline.mirror.catalog import TYPED
from trunkline.mirror.sync import MirrorSync
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.sandbox.servicetitan.world import World
from trunkline.servicetitan import Credentials, Environment, ServiceTitan
from trunkline.store.caller import NumberLookup
from trunkline.store.database import Database
from trunkline.store.mirror import FeedState, feed_states

TENANT = 1_000_001
FIRST = 100_000  # the sandbox's first customer
# Each feed by the sandbox's name of it and the mirror's, with the table it fills and what tells its rows from others'.
FEEDS = {
    "business-units": ("business_units", "business_units", "true"),
    "job-types": ("job_types", "job_types", "true"),
    "tag-types": ("tag_types", "tag_types", "true"),
    "campaigns": ("campaigns", "campaigns", "true"),
    "technicians": ("technicians", "technicians", "true"),
    "employees": ("employees", "employees", "true"),
    "customers": ("customers", "customers", "true"),
    "locations": ("locations", "locations", "true"),
    "customers/contacts": ("customer_contacts", "contacts", "owner_kind = 'customer'"),
    "locations/contacts": ("location_contacts", "contacts", "owner_kind = 'location'"),
    "jobs": ("jobs", "jobs", "true"),
    "appointments": ("appointments", "appointments", "true"),
    "appointment-assignments": ("appointment_assignments", "appointment_assignments", "true"),
    "calls": ("calls", "calls", "true"),
}


@dataclass
class Shop:
    """One tenant with a ServiceTitan and a mirror of it."""

    server: SandboxServer
    database: Database
    sync: MirrorSync

    @property
    def world(self) -> World:
        """What ServiceTitan holds."""
        return self.server.world

    async def sync_well(self) -> None:
        """Sync, and see that no feed had trouble."""
        assert await self.sync.sync_once() == {}

    async def rows(self, statement: LiteralString, **values: object) -> list[tuple[Any, ...]]:
        """What a statement gives; `%(tenant)s` is there already."""
        async with self.database.connection() as connection:
            cursor = await connection.execute(statement, {"tenant": TENANT, **values})
            return await cursor.fetchall() if cursor.description else []

    async def value(self, statement: LiteralString, **values: object) -> Any:
        """The one value that a statement gives; `None` where it gives no row."""
        rows = await self.rows(statement, **values)
        return rows[0][0] if rows else None

    async def feeds(self) -> dict[str, FeedState]:
        """How far each feed has come."""
        async with self.database.connection() as connection:
            return await feed_states(connection, TENANT)

    async def owners(self, number: str) -> set[tuple[str, int, str]]:
        """Whom the phone index names for ten digits: kind, id, certainty."""
        found = await self.rows(
            "select owner_kind, owner_id, certainty from mirror.phone_index"
            " where tenant_id = %(tenant)s and number = %(number)s",
            number=f"+1{number}",
        )
        return {(kind, owner, certainty) for kind, owner, certainty in found}

    async def facts(self, number: str) -> NumberFacts:
        """What a ring with these ten digits would show."""
        found = await NumberLookup(self.database).facts(TENANT, [f"+1{number}"], timezone="UTC")
        return found[f"+1{number}"]

    def allow(self, *scopes: str) -> None:
        """From now on the app has these scopes only; its next request signs in anew."""
        self.server.sandbox.clients.grant(self.server.sandbox.options.client_id, *scopes)
        self.server.sandbox._tokens.clear()

    def send(self, feed: str, row: dict[str, Any], *, modified: datetime) -> None:
        """Let a feed bring `row` as the next one, with whatever modification time."""
        row = {**row, "modifiedOn": stamp(modified)}
        self.world.feeds[feed].changes.append((datetime.now(UTC) - timedelta(seconds=1), row))
        self.world._pages.clear()

    def asked(self, feed: str) -> list[str | None]:
        """The `from` of each request to an export feed since `listen`."""
        requests = self.server.sandbox.requests or []
        return [request.query.get("from") for request in requests if request.path.endswith(f"/export/{feed}")]

    def listen(self) -> None:
        """Note the requests from now on."""
        self.server.sandbox.requests = []


def stamp(moment: datetime) -> str:
    """A time as ServiceTitan writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"


@asynccontextmanager
async def shop(database: Database, *, customers: int = 60, page_size: int = 5000) -> AsyncIterator[Shop]:
    """A shop with so many customers, whose feeds have pages of so many."""
    options = SandboxOptions(customers=customers, page_size=page_size, tenant_id=TENANT, requests_per_second=10_000)
    credentials = Credentials(options.client_id, options.client_secret, options.app_key)
    async with SandboxServer(options) as server, httpx.AsyncClient(verify=TLS) as http:
        client = ServiceTitan(Environment.at(server.base_url), TENANT, credentials, limiter=Unlimited(), http=http)
        yield Shop(server, database, MirrorSync(database, client, region="US", resources=TYPED))
