"""What Trunkline does with ServiceTitan, and what that needs of the tenant's scopes."""

import structlog

from trunkline.mirror.catalog import RESOURCES
from trunkline.servicetitan.client import ServiceTitan
from trunkline.servicetitan.external_data import Record
from trunkline.servicetitan.scopes import Feature, ScopeReport, changed
from trunkline.settings import TenantSettings
from trunkline.store.database import Database
from trunkline.store.scopes import GrantedScopes, granted_scopes, note_granted

log = structlog.get_logger(__name__)

ALWAYS = (
    Feature("Who is calling", tuple(one.operation_name for one in RESOURCES if one.feed is not None)),
    Feature(
        "Calls in ServiceTitan",
        ("crm.customers.create_note", "crm.customers.get_notes", "jpm.jobs.create_note", "jpm.jobs.get_notes"),
    ),
    Feature("All data for SQL", tuple(one.operation_name for one in RESOURCES if one.feed is None)),
)


WITH_GUID = Feature(
    "Decisions about numbers kept in ServiceTitan",
    tuple(f"{record}.{verb}" for record in (Record.CUSTOMER, Record.LOCATION) for verb in ("list", "update")),
)


WITH_PROVIDER = Feature("Bookings for new callers", ("crm.booking_provider.create", "crm.booking_provider.list"))


def features_of(tenant: TenantSettings) -> tuple[Feature, ...]:
    """What is done for a tenant: decisions are kept in ServiceTitan under the app's GUID only, new callers are booked
    under a booking provider only.
    """
    own = tenant.servicetitan
    chosen = ((own.application_guid, WITH_GUID), (own.booking_provider, WITH_PROVIDER))
    return (*ALWAYS, *(feature for needed, feature in chosen if needed))


async def look_at_scopes(client: ServiceTitan, database: Database) -> None:
    """Notice what the tenant's present token grants, and tell once what changed since the one before.

    Raises:
        BadCredentials, RetryLater: there is no token.
        DatabaseUnavailable: it cannot be kept.
    """
    granted = await client.granted()
    async with database.transaction() as connection:
        known = await granted_scopes(connection, client.tenant_id)
        change = changed(known.codes, granted) if known else None
        await note_granted(connection, client.tenant_id, granted, change)
    if change is not None:
        log.warning("the scopes of a tenant have changed", tenant=client.tenant_id, change=change)


async def scope_report(database: Database, tenant: TenantSettings) -> tuple[ScopeReport, GrantedScopes | None]:
    """Its features against what the tenant's token granted when it was last looked at."""
    async with database.connection() as connection:
        known = await granted_scopes(connection, tenant.id)
    return ScopeReport(features_of(tenant), frozenset(known.codes if known else ())), known
