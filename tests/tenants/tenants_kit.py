"""What the tests of tenants pass one another."""

import msgspec

from trunkline.store.database import Database
from trunkline.tenants.form import TenantForm

TENANT, OTHER = 1_000_001, 1_000_002
FORM = TenantForm(
    tenant_id=str(TENANT),
    name="Example Plumbing",
    timezone="America/Toronto",
    region="CA",
    environment="integration",
    client_id="cid.example",
    client_secret="cs1.example-secret",
    app_key="ak1.example-app-key",
    application_guid="11111111-2222-4333-8444-555555555555",
    booking_provider="1234",
)


def changed(**fields: str) -> TenantForm:
    """The form, typed otherwise."""
    return msgspec.structs.replace(FORM, **fields)


async def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    """What stands in the database."""
    async with database.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()
