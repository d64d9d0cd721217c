"""The base rows of tables that nobody wrote by hand: what they are, who owns them, and when they were changed."""

from datetime import timedelta
from itertools import islice
from uuid import UUID
from zlib import crc32

from trunkline.sandbox.servicetitan.generic.plans import Table, tables
from trunkline.sandbox.servicetitan.generic.subject import numbered
from trunkline.sandbox.servicetitan.generic.words import NAMES
from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER
from trunkline.sandbox.servicetitan.invented import Row, mix, stamp
from trunkline.sandbox.servicetitan.rows import TECHNICIANS
from trunkline.sandbox.servicetitan.world import RowId, World

CHILDREN_EACH = 2
# Tables with one row for each job, under the same id.
_TWINS = {"accounting/invoices": "jobs", "jpm/jobs/history": "jobs"}
_YEAR = timedelta(days=365)


def _link(_world: World, k: int) -> Row:
    return {"relatedEntityId": FIRST_CUSTOMER + k, "typeSlug": "customer", "typeName": "Customer"}


def _opt_out(world: World, k: int) -> Row:
    number = f"+1{world.rows.main_number(k * 20)}"
    return {"id": number, "contactNumber": number, "optOutType": "Marketing"}


def _suppression(_world: World, k: int) -> Row:
    return {"email": f"customer{k * 20}@example.com", "reason": "Unsubscribe"}


def _rating(world: World, k: int) -> Row:
    return {"technicianId": 1 + k % TECHNICIANS, "jobId": world.rows.job_id(k * 3, 0)}


def _nothing(_world: World, _k: int) -> Row:
    return {}


def _estimate(_world: World, k: int) -> Row:
    return {"status": {"value": k % 3, "name": ("Open", "Sold", "Dismissed")[k % 3]}}


def _canceled(world: World, k: int) -> Row:
    return {"jobId": world.rows.job_id(k * 3, 0)}


# Fields by which rows are found, so that it does not do to make them up when they are shown.
_FOUND_BY = {
    "crm/contacts/relationships": _link,
    "customer-interactions/technician-ratings": _rating,
    "jpm/jobs/cancel-reasons": _canceled,
    "marketing/suppressions": _suppression,
    "sales/estimates": _estimate,
    "telecom/optinouts/optouts": _opt_out,
}
# Files nobody has sent yet.
_EMPTY = frozenset({"forms/jobs/attachments"})


def base_rows(world: World, name: str, *, most: int) -> list[Row]:
    """At most so many rows, in the order of their last changes."""
    table = tables().get(name)
    if table is None or name in _EMPTY:
        return []
    names = NAMES.get(name)
    count = len(names) if names else most
    owners = _owners(world, table, count)
    found_by = _FOUND_BY.get(name, _nothing)
    ids = _ids(world, table, count)
    return [
        {
            "id": row_id,
            **(owners[k // CHILDREN_EACH % len(owners)] if owners else {}),
            **({"_name": names[k]} if names else {}),
            "active": k % 12 != 11,
            **_stamps(world, k / max(1, len(ids))),
            **({"jobId": row_id} if name in _TWINS else {}),
            **found_by(world, k),
        }
        for k, row_id in enumerate(ids)
    ]


def _ids(world: World, table: Table, count: int) -> list[RowId]:
    if table.name in _TWINS:
        return [row["id"] for row in islice(world.all_rows(_TWINS[table.name]), count)]
    if table.key == "name":
        return [f"{table.name.rpartition('/')[2]}{k}" for k in range(1, count + 1)]
    first = crc32(table.name.encode())
    if table.guid:
        seed = world.rows.seed
        return [str(UUID(int=mix(seed, k, first) << 64 | mix(seed, k, first + 1))) for k in range(count)]
    return [numbered(table.name, k) for k in range(1, count + 1)]


def _owners(world: World, table: Table, count: int) -> list[Row]:
    """What rows say of the rows above them, which are the first ones there are."""
    if not table.owners:
        return []
    nearest = table.owners[-1]
    if table.name in _TWINS:
        twins = _ids(world, table, count)
        return [{nearest.field: row_id} for row_id in twins for _ in range(CHILDREN_EACH)]
    if not nearest.table:
        return [{nearest.field: row["id"]} for row in world.all_rows("crm/booking-provider-tags")]
    above = islice(world.all_rows(nearest.table), 1 + count // CHILDREN_EACH)
    further = {owner.field for owner in table.owners[:-1]}
    return [
        {nearest.field: row["id"], **{field: value for field, value in row.items() if field in further}}
        for row in above
    ]


def _stamps(world: World, share: float) -> Row:
    text = stamp(world.rows.began + _YEAR * share)
    return {"createdOn": text, "modifiedOn": text}
