"""What the mirror stands on in the database: a partition for each resource, and the views for whoever uses the data."""

import re

from trunkline.contract.references import Schema, resolved
from trunkline.mirror.catalog import PRIVATE, RESOURCES, Resource
from trunkline.store.data_views import DataView, FieldColumn, Type, make_views
from trunkline.store.database import Database
from trunkline.store.rows import make_partitions

_TYPES: dict[str, Type] = {
    "integer": "bigint", "number": "numeric", "string": "text", "boolean": "boolean",
}  # fmt: skip
_WORD_ENDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Where our tables name a field otherwise than ServiceTitan does; the views go by ServiceTitan's names.
_THEIR_NAMES = {
    "customers": {"customer_type": "type"},
    "appointments": {
        "starts_at": "start", "ends_at": "end", "window_start": "arrival_window_start",
        "window_end": "arrival_window_end",
    },
    "calls": {"call_type": "type", "from_number": "from", "to_number": "to", "received_on": "created_on"},
    "campaigns": {"phone_numbers": "campaign_phone_numbers"},
    "customer_contacts": {"owner_id": "customer_id"},
    "location_contacts": {"owner_id": "location_id"},
}  # fmt: skip


async def lay_out(database: Database) -> list[str]:
    """Make partitions and views where they are missing or the contract changed; names the views that were made."""
    async with database.transaction() as connection:
        await make_partitions(connection, (resource.name for resource in RESOURCES if resource.feed is None))
        return await make_views(connection, [view_of(resource) for resource in RESOURCES])


def view_of(resource: Resource) -> DataView:
    """The view of one resource."""
    if resource.feed is not None:
        feed = resource.feed
        theirs = _THEIR_NAMES.get(resource.name, {})
        gone = ("gone_at",) if not feed.export else ()
        columns = ("tenant_id", "id", "active", *feed.columns, "modified_on", *gone)
        return DataView(
            resource.name,
            table=feed.table,
            columns=tuple((theirs.get(name, f"_{name}" if name in gone else name), name) for name in columns),
            only=feed.fixed,
        )
    properties = resource.item.get("properties", {})
    return DataView(
        resource.name,
        tuple(
            FieldColumn(column_name(name), name, _type(resolved(resource.operation.module, schema)))
            for name, schema in properties.items()
            if name.lower() not in PRIVATE
        ),
    )


def column_name(field: str) -> str:
    """``customerPONumber`` as ``customer_po_number``."""
    return _WORD_ENDS.sub("_", field).lower()


def _type(schema: Schema) -> Type:
    if schema.get("format") in {"date-time", "date"}:
        return "timestamptz"
    return _TYPES.get(schema.get("type", ""), "jsonb")
