"""A good request for every operation that a scope of the app covers, made from the contract and the sandbox's rows."""

from collections.abc import Iterator
from typing import Any

from sandbox_kit import NEW_LEAD, NEW_TASK, NOBODY, TENANT, Json

from contract import Contract, Operation
from trunkline.contract.operations import Operation as Named
from trunkline.contract.operations import operations
from trunkline.sandbox.servicetitan.generic.plans import Plan, plan
from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER
from trunkline.sandbox.servicetitan.world import World

CONTRACT = Contract.kept()
SERVED = [operation for operation in operations().values() if operation.scope]

NEVER = "ffffffff-ffff-4fff-bfff-ffffffffffff"

SAMPLES: dict[str, Any] = {"integer": 1, "boolean": True, "number": 1.5, "string": "a"}
BY_FORMAT: dict[str, Any] = {
    "date-time": "2026-01-15T00:00:00Z",
    "date": "2026-01-15",
    "duration": "02:00:00",
    "guid": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
}
BY_NAME: dict[str, Any] = {
    "color": "#336699",
    "contactNumbers": "4375550142",
    "customerId": FIRST_CUSTOMER,
    "customerIds": FIRST_CUSTOMER,
    "end": "2026-01-15T02:00:00Z",
    "endsOnOrBefore": "2026-01-17T00:00:00Z",
    "jobAppointmentId": FIRST_CUSTOMER * 10,
    "jobId": FIRST_CUSTOMER * 10,
    "leadId": None,
    "locationId": FIRST_CUSTOMER * 1000,
    "page": 1,
    "pageSize": 5,
}
# Rows that requests name in their bodies, by the operation.
BODY_ROWS = {
    "accounting.payments.update_status": ("paymentIds", "accounting/payments"),
    "accounting.invoices.update_invoice_items": ("id", "accounting/invoices/items"),
    "sales.estimates.put_item": ("id", "sales/estimates/items"),
}
ADDRESS = {"street": "1 Mill Street", "unit": "", "city": "Milltown", "state": "OH", "zip": "10001", "country": "USA"}
IDS = {
    "accounting.journal_entries.list": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
    "jpm.jobs.get_cancel_reasons": f"{FIRST_CUSTOMER}0",
}
BODIES: dict[str, Json] = {
    "crm.leads.create": NEW_LEAD,
    "taskmanagement.tasks.create": NEW_TASK,
    "telecom.calls.update": {
        "callType": "Unbooked",
        "excuseMemo": "",
        "campaignId": 2,
        "reason": {"name": "Complaint", "lead": False},
        "customer": {"id": FIRST_CUSTOMER, "name": "Jane", "address": ADDRESS, "contacts": []},
        "location": {"id": FIRST_CUSTOMER * 1000, "name": "Jane", "address": ADDRESS, "contacts": []},
        "tag": "",
    },
}
# Parameters in paths that name no row of the operation's own table.
ELSEWHERE = {
    "jobId": "jobs",
    "booking_provider": "crm/booking-provider-tags",
    "gps_provider": "crm/booking-provider-tags",
    "preferredTechnicianId": "technicians",
    "tagTypeId": "tag-types",
    "technicianId": "technicians",
}


def published(operation: Named) -> Operation:
    """The operation as the checks of the contract know it."""
    return next(one for one in CONTRACT.operations if one.name == f"{operation.method} /{operation.path}")


def path_of(operation: Named, world: World, *, row_id: object = None, missing: bool = False) -> str:
    """The path of a request: for a row that is there, for that one, or for one that is `missing`."""
    how = plan(operation)
    rows = (row for row in world.all_rows(how.table) if row["active"] and row_id in {None, row["id"]})
    if operation.name == "jpm.appointments.delete" and row_id is None:  # a job keeps its only one
        rows = (row for row in rows if world.find("jobs", row["jobId"])["appointmentCount"] > 1)
    row = next((row for row in rows if _hangs_on_something(how, world, row)), {})
    path = f"/{operation.path}".replace("{tenant}", str(TENANT))
    for name in published(operation).parameters("path").keys() - {"tenant"}:
        value = _nobody(operation, name) if missing else _in_path(how, world, row, name)
        path = path.replace(f"{{{name}}}", str(value))
    return path


def _hangs_on_something(how: Plan, world: World, row: Json) -> bool:
    above = ((owner, row.get(owner.field)) for owner in how.owners if owner.table != how.table and owner.field)
    found = [world.find(owner.table, key) for owner, key in above if key]
    return all(parent and parent["active"] for parent in found)


def _in_path(how: Plan, world: World, row: Json, name: str) -> object:
    """What a parameter of the path says."""
    owner = next((owner for owner in how.owners if owner.parameter == name), None)
    kind = how.operation.path.split("/")[4][:-1]
    noted = [(target, notes[0].get("id")) for (of, target), notes in world.notes.items() if of == kind and notes]
    if noted and how.operation.name.endswith(("delete_note", "get_notes")):
        return noted[0][name == "noteId"]
    by_name: Json = {"typeSlug": "customer", "relationshipId": row.get("relatedEntityId"), "email": row.get("email")}
    if how.operation.method == "POST":
        by_name["relatedEntityId"] = FIRST_CUSTOMER + 300
    if how.own:
        by_name.setdefault(how.own, None if how.own in ELSEWHERE else row.get("id"))
    known = by_name.get(name) or (row.get(owner.field) if owner else None) or row.get(name if name in ELSEWHERE else "")
    return known or _first(world, ELSEWHERE.get(name) or (owner.table if owner else how.table))


def _nobody(operation: Named, name: str) -> object:
    """What no row has for an id."""
    schema = published(operation).parameters("path")[name]["schema"]
    return NEVER if schema.get("format") == "guid" else NOBODY


def _first(world: World, table: str) -> object:
    return next(world.all_rows(table))["id"]


def body_of(operation: Named, world: World) -> Json | list[Any] | None:
    """A whole body, of which every field is published."""
    found = published(operation)
    schema = found.published.get("body")
    if schema is None or "file" in schema.get("properties", {}):
        return None
    if operation.name in BODIES:
        return BODIES[operation.name]
    body = _value(found, schema, "")
    if operation.name in BODY_ROWS:
        field, table = BODY_ROWS[operation.name]
        row_id = _first(world, table)
        body[field] = [row_id] if isinstance(body.get(field), list) else row_id
    _name_rows(plan(operation), world, body)
    return body


def _name_rows(how: Plan, world: World, body: Any) -> None:
    """Let bodies that are about many rows of a table name one that is there."""
    if how.kind == "custom-fields":
        body["operations"][0]["objectId"] = _first(world, how.table)
    if how.kind == "exported":
        for mark in body if isinstance(body, list) else [body]:
            name = next(key for key in mark if key.lower().endswith(("id", "ids")) and key != "externalId")
            row_id = _first(world, how.table)
            mark[name] = [row_id] if isinstance(mark[name], list) else row_id


def _value(operation: Operation, schema: Json, name: str, depth: int = 0) -> Any:
    if "$ref" in schema:
        schema = operation.module.published["schemas"][schema["$ref"]]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        inner = schema.get("properties", {}) if depth < 9 else {}
        return {key: _value(operation, value, key, depth + 1) for key, value in inner.items()}
    if kind == "array":
        return [_value(operation, schema["items"], name, depth + 1)]
    if name in BY_NAME:
        return BY_NAME[name] if kind != "string" or isinstance(BY_NAME[name], str) else str(BY_NAME[name])
    return BY_FORMAT.get(schema.get("format", ""), SAMPLES[kind])


def query_of(operation: Named) -> dict[str, str]:
    """The parameters that the query needs, be it that the contract does not say so."""
    known = published(operation).parameters("query")
    needed = {name: value for name, value in samples(operation) if known[name].get("required")}
    if operation.exports:
        needed["includeRecentChanges"] = "true"
    if operation.name.endswith("get_modified_contacts_list"):
        needed["modifiedOnOrAfter"] = "2020-01-01T00:00:00Z"
    return needed


def samples(operation: Named) -> Iterator[tuple[str, str]]:
    """One good value of every published parameter in the query, and all where there are a few to choose from."""
    found = published(operation)
    for name, parameter in found.parameters("query").items():
        schema = parameter["schema"]
        choices = found.module.published["schemas"].get(schema.get("$ref"), {}).get("enum")
        if choices:
            yield from ((name, str(choice)) for choice in choices)
        elif name == "ids" and schema["type"] == "string":
            yield name, IDS.get(operation.name, "1,100000")
        elif name in {"sort", "orderBy"}:
            yield name, "-ModifiedOn" if name == "sort" else "createdOn"
        elif name == "from" and not schema.get("format"):
            yield name, "2026-01-15"
        elif schema.get("type") == "object" or schema.get("items", {}).keys() & {"$ref", "properties"}:
            continue  # no client sends objects in a query
        elif name == "isArchived":
            yield name, "false"
        elif name.lower().endswith("ids"):
            yield name, "1"
        else:
            value = _value(found, schema, name)
            yield name, str(value[0] if isinstance(value, list) else value).replace("True", "true")
