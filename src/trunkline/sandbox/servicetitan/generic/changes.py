"""What clients may do to rows, by kind of operation; and what single operations do beside, as tables."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from trunkline.contract.operations import Operation, details
from trunkline.contract.references import resolved
from trunkline.sandbox.servicetitan.exchange import Call
from trunkline.sandbox.servicetitan.generic.bodies import body_of
from trunkline.sandbox.servicetitan.generic.plans import Plan, table_of
from trunkline.sandbox.servicetitan.generic.render import render
from trunkline.sandbox.servicetitan.generic.rows import (
    changed,
    existing,
    new_row,
    own_row,
    owner_fields,
    removed,
    shown,
    write_external,
)
from trunkline.sandbox.servicetitan.generic.shapes import properties
from trunkline.sandbox.servicetitan.generic.subject import Subject
from trunkline.sandbox.servicetitan.invented import Row, stamp

# What requests call otherwise than answers, by table or by operation.
_RENAMED = {
    "accounting/invoices": {
        "number": "referenceNumber", "invoicedOn": "invoiceDate", "subtotal": "subTotal", "tax": "salesTax",
    },
    "accounting/invoices/items": {"unitPrice": "price"},
    "campaigns": {"dnis": "campaignPhoneNumbers"},
    "crm.leads.submit_lead_form": {"name": "leadCustomerName", "email": "leadEmail", "phoneNumber": "leadPhone"},
    "customer-interactions/technician-ratings": {"value": "rating"},
    "employees": {"login": "loginName"},
    "sales/estimates/items": {"quantity": "qty", "unitPrice": "unitRate"},
    "technicians": {"login": "loginName"},
}  # fmt: skip


def _estimate_status(name: str) -> Row:
    return {"status": {"value": ("Open", "Sold", "Dismissed").index(name), "name": name}}


def _account(body: Row) -> Row:
    return {"active": body["action"] != "Deactivate"} if body["action"] in {"Activate", "Deactivate"} else {}


# What an operation sets beside what its request says.
_EFFECTS: dict[str, Callable[[Row], Row]] = {
    "accounting.journal_entries.create": lambda body: {"number": 1, "syncStatus": "NotSynced"},
    "crm.booking_provider.create": lambda body: {"status": "New"},
    "crm.booking_provider.dismiss_booking": lambda body: {"status": "Dismissed"},
    "crm.leads.dismiss": lambda body: {"status": "Dismissed"},
    "crm.leads.submit_lead_form": lambda body: {"status": "Open", "priority": "Normal", "campaignId": 1},
    "dispatch.arrival_windows.activated": lambda body: {"active": body["isActive"]},
    "inventory.purchase_orders.approve_request": lambda body: {"requestStatus": "Approved"},
    "inventory.purchase_orders.cancel": lambda body: {"status": "Canceled"},
    "inventory.purchase_orders.create": lambda body: {"status": "Pending"},
    "inventory.purchase_orders.reject_request": lambda body: {"requestStatus": "Rejected"},
    "inventory.receipts.cancel_receipts": lambda body: {"active": False, "status": "Canceled"},
    "inventory.returns.cancel": lambda body: {"active": False, "status": "Canceled"},
    "jpm.appointments.confirm": lambda body: {"isConfirmed": True},
    "jpm.appointments.hold": lambda body: {"status": "Hold"},
    "jpm.appointments.remove_confirmation": lambda body: {"isConfirmed": False},
    "jpm.appointments.remove_hold": lambda body: {"status": "Scheduled"},
    "jpm.jobs.complete": lambda body: {"jobStatus": "Completed"},
    "jpm.jobs.hold": lambda body: {"jobStatus": "Hold"},
    "jpm.jobs.remove_cancellation": lambda body: {"jobStatus": "Scheduled"},
    "jpm.projects.create_note": lambda body: {"isPinned": bool(body.get("pinToTop"))},
    "sales.estimates.create": lambda body: _estimate_status(body.get("status") or "Open"),
    "sales.estimates.dismiss": lambda body: _estimate_status("Dismissed"),
    "sales.estimates.sell": lambda body: {**_estimate_status("Sold"), "soldOn": stamp(datetime.now(UTC))},
    "sales.estimates.unsell": lambda body: {**_estimate_status("Open"), "soldOn": None, "soldBy": None},
    "sales.estimates.update": lambda body: _estimate_status(body["status"]) if body.get("status") else {},
    "settings.employees.account_actions": _account,
    "settings.technicians.account_actions": _account,
}


def create(how: Plan, call: Call) -> Any:
    """A new row from the request's body."""
    above = owner_fields(how, call)
    return answered(how, call, made(how, call, {**body_of(call, how.operation), **above}))


def made(how: Plan, call: Call, body: Row) -> Row:
    """Store a new row."""
    fields = {name: value for name, value in body.items() if name != "externalData"}
    row = new_row(call.world, how.table, _meant(how, fields))
    write_external(call.world, how.table, row["id"], body)
    return row


def update(how: Plan, call: Call) -> Any:
    """Change a row; what PUT leaves out is emptied where it may be empty, what PATCH leaves out stays."""
    row = own_row(how, call)
    body = body_of(call, how.operation)
    return answered(how, call, written(how, call, row, {**_emptied(how.operation, body), **body}))


def _emptied(operation: Operation, body: Row) -> Row:
    if operation.method != "PUT":
        return {}
    known = properties(operation.module, details(operation).body or {})
    return {name: None for name, inner in known.items() if name not in body and inner.get("nullable")}


def written(how: Plan, call: Call, row: Row, body: Row | None = None) -> Row:
    """Store what the request's body says about a row."""
    body = body_of(call, how.operation) if body is None else body
    rest = write_external(call.world, how.table, row["id"], body)
    return changed(call.world, how.table, row, _meant(how, rest))


def _meant(how: Plan, body: Row) -> Row:
    """The body under the names that rows have, and what the operation does beside."""
    names = _RENAMED.get(how.operation.name) or _RENAMED.get(how.table, {})
    effect = _EFFECTS.get(how.operation.name)
    fields: Row = {names.get(name, name): value for name, value in body.items()}
    if effect:
        fields |= effect(body)
    if isinstance(fields.get("campaignPhoneNumbers"), str):
        fields["campaignPhoneNumbers"] = [fields["campaignPhoneNumbers"]]
    return fields


def remove(how: Plan, call: Call) -> Any:
    """Delete a row: it becomes inactive, or is not there any more."""
    row = removed(call.world, how.table, own_row(how, call))
    return answered(how, call, {**row, "message": "Deleted."})


def act(how: Plan, call: Call) -> Any:
    """Do something to a row."""
    return answered(how, call, written(how, call, own_row(how, call)))


def answered(how: Plan, call: Call, row: Row) -> Any:
    """What the operation answers about a row: the row, its id, or an object or a list around it."""
    if how.shape.wrapping == "nothing":
        return None
    if how.shape.wrapping == "bare":
        return [shown(how, call, row)]
    names = how.shape.names
    if not names:
        return row["id"]
    key = table_of(how.table).key
    around = {} if {key, "id"} & names.keys() else _around(how, row, key)
    return render(how.shape.module, how.shape.item, Subject(call.world, how.table, row), {**row, **around})


def _around(how: Plan, row: Row, key: str) -> Row:
    """The row under the names at which the answer has rows of this kind."""
    found = {}
    for name, inner in how.shape.names.items():
        inside = resolved(how.shape.module, inner)
        many = inside.get("type") == "array"
        one = properties(how.shape.module, inside["items"] if many else inside)
        if key in one:
            whole = {**row, key: row["id"]}
            found[name] = [whole] if many else whole
    return found


@cache
def query_names(operation: Operation) -> frozenset[str]:
    """The names of the parameters in the query."""
    return frozenset(each.name for each in details(operation).parameters if each.place == "query")


def custom_fields(how: Plan, call: Call) -> Any:
    """Write custom fields of several rows at once."""
    for each in body_of(call, how.operation)["operations"]:
        row = existing(call.world, how.table, each["objectId"])
        before = {field["name"]: field for field in row.get("customFields") or ()}
        after = before | {field["name"]: field for field in each["customFields"]}
        changed(call.world, how.table, row, {"customFields": list(after.values())})


def mark_exported(how: Plan, call: Call) -> Any:
    """Note that rows have been taken over by an accounting system; says of each whether it is there."""
    body = body_of(call, how.operation)
    marks = body if isinstance(body, list) else [{"id": row_id} for row_id in next(iter(body.values()), ()) or ()]
    return [_marked(how, call, mark) for mark in marks]


def _marked(how: Plan, call: Call, mark: Row) -> Row:
    row_id = next(value for name, value in mark.items() if name.lower().endswith("id") and name != "externalId")
    row = call.world.find(how.table, row_id)
    if row:
        changed(call.world, how.table, row, {"syncStatus": "Exported", "exportId": mark.get("externalId")})
    key = next((name for name in how.shape.names if name.endswith("Id")), "id")
    trouble = None if row else f"There is no record with id {row_id}."
    return {key: row_id, "success": row is not None, "errorMessage": trouble}
