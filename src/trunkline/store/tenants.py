"""SQL of the tenants that are set up in the database, and of erasing everything of a tenant."""

from uuid import UUID

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.errors import UniqueViolation

CHANNEL = "trunkline_tenants"
_LOCK = 0x74656E616E74  # "tenant": any number that no other lock has

SECRET_FIELDS = ("client_secret", "app_key")


class TenantRow(msgspec.Struct, frozen=True):
    """One tenant; `client_secret` and `app_key` are encrypted."""

    tenant_id: int
    name: str
    timezone: str
    region: str
    links_base: str
    environment: str
    client_id: str
    client_secret: str
    app_key: str
    application_guid: UUID | None = None
    booking_provider: int | None = None
    paused: bool = False


class TenantExists(Exception):
    """There is a tenant with this id already."""


_COLUMNS = TenantRow.__struct_fields__
_NAMES = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))


async def lock(connection: AsyncConnection) -> None:
    """One process at a time changes secrets or their key; until the transaction ends."""
    await connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


async def read(connection: AsyncConnection) -> list[TenantRow]:
    """All of them, by name."""
    cursor = await connection.execute(
        sql.SQL("select {} from ops.tenants order by lower(name), tenant_id").format(_NAMES)
    )
    return [TenantRow(*row) for row in await cursor.fetchall()]


async def add(connection: AsyncConnection, row: TenantRow) -> None:
    """A new tenant.

    Raises:
        TenantExists: the id is taken.
    """
    marks = sql.SQL(", ").join([sql.Placeholder()] * len(_COLUMNS))
    try:
        await connection.execute(
            sql.SQL("insert into ops.tenants ({}) values ({})").format(_NAMES, marks), msgspec.structs.astuple(row)
        )
    except UniqueViolation:
        raise TenantExists(f"There is a tenant with the id {row.tenant_id} already.") from None


async def change(connection: AsyncConnection, row: TenantRow) -> None:
    """All of a tenant but whether it is paused."""
    await connection.execute(
        "update ops.tenants set name = %s, timezone = %s, region = %s, links_base = %s, environment = %s,"
        " client_id = %s, client_secret = %s, app_key = %s, application_guid = %s, booking_provider = %s,"
        " changed_at = now() where tenant_id = %s",
        (
            row.name, row.timezone, row.region, row.links_base, row.environment, row.client_id, row.client_secret,
            row.app_key, row.application_guid, row.booking_provider, row.tenant_id,
        ),
    )  # fmt: skip


async def set_paused(connection: AsyncConnection, tenant_id: int, *, paused: bool) -> bool:
    """Pause or resume a tenant; whether there is one."""
    cursor = await connection.execute(
        "update ops.tenants set paused = %s, changed_at = now() where tenant_id = %s", (paused, tenant_id)
    )
    return cursor.rowcount > 0


# Calls merged into another belong to whoever that one belongs to. What a network's phone system said (tenant 0) goes
# where it led to these calls and to no others.
_GATHER = (
    """create temp table erased_calls on commit drop as
    select c.id from calls.calls c left join calls.calls m on m.id = c.merged_into
    where coalesce(m.tenant_id, c.tenant_id) = %(id)s""",
    """create temp table erased_messages on commit drop as
    select distinct inbox_id as id from calls.events
    where inbox_id is not null and call_id in (select id from erased_calls)""",
)
_OF_TENANT = "tenant_id = %(id)s"
_OF_CALLS = "call_id in (select id from erased_calls)"
# In this order, since each row must go before what it points at.
_ERASED = {
    "ops.tenants": _OF_TENANT,
    "logbook.intents": _OF_CALLS,
    "logbook.entries": _OF_CALLS,
    "calls.joins": "older in (select id from erased_calls) or younger in (select id from erased_calls)",
    "calls.told": """tenant_id = %(id)s or exists (select from calls.keys k join erased_calls c on c.id = k.call_id
        where (k.tenant_id, k.account, k.key) = (erased.tenant_id, erased.account, erased.key))""",
    "calls.keys": """call_id in (select id from erased_calls)
        or original_call_id in (select id from erased_calls)""",
    "calls.events": _OF_CALLS,
    "calls.inbox": """(tenant_id = %(id)s or id in (select id from erased_messages))
        and not exists (select from calls.events e where e.inbox_id = erased.id)""",
    "calls.calls": "id in (select id from erased_calls)",
    "calls.connections": _OF_TENANT,
    **dict.fromkeys(
        (
            "mirror.customers", "mirror.locations", "mirror.contacts", "mirror.technicians", "mirror.employees",
            "mirror.phone_index", "mirror.jobs", "mirror.appointments", "mirror.appointment_assignments",
            "mirror.business_units", "mirror.job_types", "mirror.tag_types", "mirror.campaigns", "mirror.calls",
            "mirror.rows", "mirror.reading", "mirror.drift", "mirror.feeds", "ops.request_places", "ops.request_queue",
            "ops.granted_scopes", "calls.number_decisions", "calls.number_restores",
            "calls.refusals", "calls.history_checks", "calls.alarms",
        ),
        _OF_TENANT,
    ),
}  # fmt: skip


async def erase(connection: AsyncConnection, tenant_id: int) -> dict[str, int]:
    """Delete everything of a tenant, in the caller's transaction; says how many rows each table lost, if any."""
    values = {"id": tenant_id}
    for statement in _GATHER:
        await connection.execute(statement.encode(), values)
    counts: dict[str, int] = {}
    for table, condition in _ERASED.items():
        statement = f"delete from {table} erased where {condition}"  # noqa: S608 - our own words
        counts[table] = (await connection.execute(statement.encode(), values)).rowcount
    return {table: count for table, count in counts.items() if count}
