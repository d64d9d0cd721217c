"""What the settings name, made usable: the database, and each tenant's ServiceTitan.

Commands that need no more than this start without the web server and the workflows.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psycopg
import structlog

from trunkline.servicetitan.client import Environment, ServiceTitan
from trunkline.servicetitan.sign_in import Credentials
from trunkline.settings import Settings, TenantSettings
from trunkline.store.database import Database
from trunkline.store.embedded import EmbeddedPostgres
from trunkline.store.migrate import MigrationError, migrate
from trunkline.store.rate import RequestPlaces
from trunkline.tenants.probe import Finding, Outcome, probe
from trunkline.tenants.tenant import Tenant

log = structlog.get_logger(__name__)

POOL_SIZE = 20


class Refusal(Exception):
    """The service cannot start; the message says in one sentence what to mend."""


@asynccontextmanager
async def opened(settings: Settings, postgres: EmbeddedPostgres | None = None) -> AsyncIterator[Database]:
    """The database, at the present schema.

    Raises:
        Refusal: it cannot be started or reached, or was set up by a newer version.
    """
    if settings.database_url is not None:
        url, place = settings.database_url.get_secret_value(), "the database that DATABASE_URL names"
    else:
        postgres = postgres or EmbeddedPostgres(settings.postgres_dir)
        place = f"the embedded PostgreSQL in {postgres.folder}"
        try:
            url = await asyncio.to_thread(postgres.start)
        except Exception as error:
            log.debug("the embedded server did not start", exc_info=True)
            raise Refusal(f"Cannot start {place}: {_first_line(error)}") from None
    try:
        await migrate(url)
    except MigrationError as error:
        raise Refusal(str(error)) from None
    except psycopg.Error as error:
        raise Refusal(f"Cannot use {place}: {_first_line(error)}") from None
    database = await Database.open(url, max_size=POOL_SIZE)
    try:
        yield database
    finally:
        await database.close()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


async def test_connection(tenant: Tenant, *, database: Database, http: httpx.AsyncClient) -> Outcome:
    """Whether the tenant's ServiceTitan lets us in, and what is wrong if not."""
    if tenant.trouble is not None:
        return Outcome(Finding.BAD_CREDENTIALS, tenant.trouble)
    return await probe(tenant.settings.servicetitan, client_for(tenant.settings, database, http), http)


def client_for(tenant: TenantSettings, database: Database, http: httpx.AsyncClient) -> ServiceTitan:
    """One tenant's ServiceTitan, within the request limit that all processes share."""
    secrets = tenant.servicetitan
    app_key = secrets.app_key.get_secret_value()
    return ServiceTitan(
        Environment.named(secrets.environment),
        tenant.id,
        Credentials(secrets.client_id, secrets.client_secret.get_secret_value(), app_key),
        limiter=RequestPlaces(database, _hash(app_key)),
        http=http,
        allow_unregistered=secrets.allow_unregistered,
    )


def behind(client: ServiceTitan, tenant: TenantSettings, database: Database) -> ServiceTitan:
    """`client` for work that nobody waits for: its requests let those of calls go first."""
    app = _hash(tenant.servicetitan.app_key.get_secret_value())
    return client.behind(RequestPlaces(database, app, behind=True))


def _hash(app_key: str) -> str:
    return hashlib.sha256(app_key.encode()).hexdigest()[:16]
