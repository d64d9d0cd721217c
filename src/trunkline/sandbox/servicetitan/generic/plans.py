"""What an operation does to which table, as its method, its path and its answer tell; and the exceptions, as tables."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from trunkline.contract.operations import Operation, details, operations
from trunkline.contract.references import Schema
from trunkline.sandbox.servicetitan.generic.shapes import Shape, shape

Kind = Literal["feed", "list", "single", "singleton", "create", "update", "remove", "act", "custom-fields", "exported"]

# Parts of paths that name no table.
_SILENT = frozenset({"booking-provider", "export", "gps-provider", "status", "work-breakdown-structure"})
# Paths that lead to the same rows as another path. Names without a module are the tables written by hand.
_SAME_ROWS = {
    "accounting/credit-memos/credit-memo-items": "accounting/credit-memos/items",
    "accounting/inventory-bills/paginated": "accounting/inventory-bills",
    "accounting/invoice-items": "accounting/invoices/items",
    "crm/customers": "customers",
    "crm/customers/contacts": "customers/contacts",
    "crm/leads": "leads",
    "crm/locations": "locations",
    "crm/locations/contacts": "locations/contacts",
    "customer-interactions/technician-rating/technician/job": "customer-interactions/technician-ratings",
    "dispatch/appointment-assignments": "appointment-assignments",
    "forms/jobs": "jobs",
    "forms/jobs/attachment": "forms/jobs/attachments",
    "jpm/appointments": "appointments",
    "jpm/budget-codes/batch": "jpm/budget-codes",
    "jpm/budget-codes/partial": "jpm/budget-codes",
    "jpm/budget-codes/partial/batch": "jpm/budget-codes",
    "jpm/job-canceled-logs": "jpm/jobs/canceled-log",
    "jpm/job-history": "jpm/jobs/history",
    "jpm/job-notes": "jobs/notes",
    "jpm/job-types": "job-types",
    "jpm/jobs": "jobs",
    "jpm/jobs/notes": "jobs/notes",
    "jpm/project-notes": "jpm/projects/notes",
    "jpm/projects/budget-codes": "jpm/budget-codes",
    "jpm/projects/segments": "jpm/segments",
    "jpm/projects/segments/items": "jpm/segments/items",
    "jpm/projects/segments/items/children": "jpm/segments/items/children",
    "marketing/campaigns": "campaigns",
    "marketing/campaigns/costs": "marketing/costs",
    "settings/business-units": "business-units",
    "settings/employees": "employees",
    "settings/tag-types": "tag-types",
    "settings/technicians": "technicians",
    "taskmanagement/tasks": "tasks",
    "telecom/calls": "calls",
    "crm/leads/form": "leads",
}
# What a path calls the row above, where its rows call it differently or not at all.
_OWNER_FIELDS = {
    "booking_provider": "bookingProviderId",
    "gps_provider": "gpsProviderId",
}
_KINDS: dict[str, Kind] = {
    "crm.leads.create_follow_up": "act",
    "dispatch.arrival_windows.updated_configuration": "singleton",
    "dispatch.business_hours.create": "singleton",
    "jpm.jobs.create_message": "create",
    "jpm.projects.create_message": "create",
    "taskmanagement.tasks.create_subtask": "create",
}

# Last words of paths that do something to several rows at once.
_IN_BULK: dict[str, Kind] = {"custom-fields": "custom-fields", "markasexported": "exported"}


@dataclass(frozen=True)
class Owner:
    """A row above in the path: the parameter that names it, its table, and the field by which rows below name it."""

    parameter: str
    table: str
    field: str


@dataclass(frozen=True)
class Plan:
    """One operation: what it does to `table`. `own` is the parameter that names the row."""

    operation: Operation
    kind: Kind
    table: str
    own: str | None
    owners: tuple[Owner, ...]
    shape: Shape


@cache
def plan(operation: Operation) -> Plan:
    """What `operation` does."""
    words, own, owners = _walk(operation)
    kind = _kind(operation, words, own)
    if kind in {"act", "custom-fields", "exported"} and _table(operation.module, words) not in _listed():
        words = words[:-1]  # the last word is what is done to the row before it
        if own is None and owners:
            own = owners.pop().parameter
    return Plan(operation, kind, _table(operation.module, words), own, tuple(owners), shape(operation))


def _walk(operation: Operation) -> tuple[list[str], str | None, list[Owner]]:
    """The path's words, the parameter at its end, and the rows that it leads through."""
    segments = operation.path.partition("{tenant}/")[2].split("/")
    segments = segments[segments[0] in _SILENT : len(segments) - (segments[-1] == "export")]
    words: list[str] = []
    owners: list[Owner] = []
    for segment in segments[:-1]:
        if not segment.startswith("{"):
            words.append(segment)
            continue
        parameter = segment[1:-1]
        table = _table(operation.module, words) if words else ""
        shared = operation.module == "jpm" and parameter == "projectId"  # a project sees the company's budget codes
        field = "" if shared else _OWNER_FIELDS.get(parameter) or _named_after(parameter, words)
        owners.append(Owner(parameter, table, field))
    if segments[-1].startswith("{"):
        return words, segments[-1][1:-1], owners
    return [*words, segments[-1]], None, owners


def _named_after(parameter: str, words: list[str]) -> str:
    """``{id}`` after ``credit-memos`` is the ``creditMemoId`` of rows below."""
    if parameter != "id":
        return parameter
    if words == ["tasks"]:
        return "parentTaskId"
    singular = re.sub(r"s$", "", re.sub(r"ies$", "y", words[-1]))
    first, *rest = singular.split("-")
    return first + "".join(map(str.title, rest)) + "Id"


def _table(module: str, words: list[str]) -> str:
    path = "/".join((module, *words))
    return _SAME_ROWS.get(path, path)


@cache
def _listed() -> frozenset[str]:
    """The tables of which rows can be read."""
    found = set()
    for operation in operations().values():
        if operation.scope and operation.method == "GET" and shape(operation).wrapping not in {"one", "nothing"}:
            found.add(_table(operation.module, _walk(operation)[0]))
    return frozenset(found | {"forms/jobs/attachments"})


def _kind(operation: Operation, words: list[str], own: str | None) -> Kind:
    method, wrapping = operation.method, shape(operation).wrapping
    if operation.name in _KINDS:
        return _KINDS[operation.name]
    if operation.exports:
        return "feed"
    if method == "GET":
        return "list" if wrapping not in {"one", "nothing"} else "single" if own else "singleton"
    if words[-1] in _IN_BULK:
        return _IN_BULK[words[-1]]
    if own:
        return "remove" if method == "DELETE" else "update"
    return "create" if method == "POST" and _table(operation.module, words) in _listed() else "act"


@dataclass(frozen=True)
class Table:
    """What is known about a table: the field that is the id of its rows, whose rows they are, and all their fields."""

    name: str
    module: str
    key: str
    owners: tuple[Owner, ...]
    fields: dict[str, Schema]

    @property
    def guid(self) -> bool:
        """Whether ids are GUIDs."""
        return self.fields.get(self.key, {}).get("format") == "guid"


_KEYS = {"accounting/invoices/tasks": "taskId", "crm/contacts/contact-methods/preferences": "name"}


@cache
def tables() -> dict[str, Table]:
    """Every table that some operation reads, by name."""
    found: dict[str, Table] = {}
    for operation in operations().values():
        if operation.scope and operation.method == "GET":
            how = plan(operation)
            known = found.get(how.table)
            owners = max(known.owners if known else (), tuple(one for one in how.owners if one.field), key=len)
            fields = {**(known.fields if known else {}), **how.shape.names}
            key = _KEYS.get(how.table, "id")
            found[how.table] = Table(how.table, operation.module, key, owners, fields)
    return found


def table_of(name: str) -> Table:
    """What is known about a table, which is little where its rows are only written."""
    return tables().get(name) or Table(name, name.partition("/")[0], "id", (), {})


def parameter_schema(operation: Operation, name: str) -> dict[str, object]:
    """The published schema of a parameter in the path."""
    return next(each.schema for each in details(operation).parameters if each.place == "path" and each.name == name)
