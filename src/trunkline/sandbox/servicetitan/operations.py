"""The operations that the sandbox serves: path, method, scope and what answers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from trunkline.sandbox.servicetitan import telecom, writes
from trunkline.sandbox.servicetitan.exchange import Answer, Call, Problem, choice, encoded, invalid
from trunkline.sandbox.servicetitan.invented import Row
from trunkline.sandbox.servicetitan.lists import (
    COMMON,
    Filter,
    Keep,
    at_or_after,
    before,
    contains,
    digits,
    number,
    one_of,
    paged,
    switch,
    table,
    text,
)
from trunkline.sandbox.servicetitan.tables import task_choices
from trunkline.sandbox.servicetitan.world import World


@dataclass(frozen=True)
class Operation:
    """`path` is as ServiceTitan publishes it, with ``{tenant}`` and ``{id}``."""

    method: str
    path: str
    scope: str
    answer: Answer

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What paths of requests look like."""
        return re.compile(self.path.replace("{tenant}", r"(?P<tenant>[0-9]+)").replace("{id}", r"(?P<id>[0-9]{1,18})"))


def _has_phone(world: World, _name: str, wanted: str) -> Keep:
    owners = {
        contact["customerId"]
        for contact in world.all_rows("customers/contacts")
        if contact["active"] and contact["type"] != "Email" and digits(wanted) in _numbers(contact)
    }
    return lambda row: row["id"] in owners


def _numbers(contact: Row) -> set[str]:
    return {digits(contact["value"]), digits(contact["phoneSettings"]["phoneNumber"])}


def _has_campaign_number(_world: World, _name: str, wanted: str) -> Keep:
    return lambda row: digits(wanted) in map(digits, row["campaignPhoneNumbers"])


def _without(*names: str) -> Mapping[str, Filter]:
    return {name: read for name, read in COMMON.items() if name not in names}


_PLACE = {part: contains("address", part) for part in ("street", "unit", "city", "state", "zip", "country")}
_PERSON = {**COMMON, "name": contains("name"), "userIds": one_of("userId")}
_IDS = {
    name: number(name)
    for name in (
        "projectId", "bookingId", "customerId", "locationId", "soldById", "jobTypeId", "campaignId", "businessUnitId",
        "invoiceId", "createdFromEstimateId",
    )
}  # fmt: skip

LISTS: dict[str, Mapping[str, Filter]] = {
    "customers": {**COMMON, **_PLACE, "name": contains("name"), "phone": _has_phone},
    "locations": {**COMMON, **_PLACE, "name": contains("name"), "customerId": number("customerId")},
    "jobs": {
        **_without("active"),
        **_IDS,
        "number": text("jobNumber"),
        "jobStatus": text("jobStatus"),
        "priority": text("priority"),
        "completedOnOrAfter": at_or_after("completedOn"),
        "completedBefore": before("completedOn"),
    },
    "appointments": {
        **COMMON,
        "jobId": number("jobId"),
        "customerId": number("customerId"),
        "number": text("appointmentNumber"),
        "status": text("status"),
        "startsOnOrAfter": at_or_after("start"),
        "startsBefore": before("start"),
        "unused": switch("unused"),
    },
    "appointment-assignments": {**COMMON, "appointmentIds": one_of("appointmentId"), "jobId": number("jobId")},
    "technicians": _PERSON,
    "employees": {**_PERSON, "email": text("email")},
    "business-units": {**COMMON, "name": contains("name")},
    "tag-types": _without("ids"),
    "job-types": {**COMMON, "name": contains("name"), "priority": text("priority")},
    "campaigns": {**COMMON, "name": contains("name"), "campaignPhoneNumber": _has_campaign_number},
}
# Module, table, scope; whether it has an export feed, and whether one row can be asked for.
_TABLES = (
    ("crm", "customers", "crm.customers", True, True),
    ("crm", "locations", "crm.locations", True, True),
    ("jpm", "jobs", "jpm.jobs", True, True),
    ("jpm", "appointments", "jpm.appointments", True, True),
    ("dispatch", "appointment-assignments", "dis.appointmentassignments", True, False),
    ("settings", "technicians", "stt.technicians", True, True),
    ("settings", "employees", "stt.employees", True, True),
    ("settings", "business-units", "stt.businessunits", True, True),
    ("settings", "tag-types", "stt.tagtypes", True, False),
    ("jpm", "job-types", "jpm.jobtypes", False, True),
    ("marketing", "campaigns", "mrk.campaigns", False, True),
)
_EXPORTS_WITH_ACTIVE = {"appointments", "appointment-assignments"}


def _plain_job(_world: World, row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "active"}


def _one(name: str) -> Answer:
    def answer(call: Call) -> bytes:
        row = call.world.find(name, call.id)
        if row is None:
            raise Problem(404, f"There is no record with id {call.id}.")
        return encoded(_plain_job(call.world, row) if name == "jobs" else row)

    return answer


def _export(name: str) -> Answer:
    def answer(call: Call) -> bytes:
        wanted = call.query.get("active", "Any") if name in _EXPORTS_WITH_ACTIVE else "Any"
        choice("active", wanted, ("True", "False", "Any"))
        only = {} if wanted == "Any" else {"active": wanted == "True"}
        try:
            return call.world.export(name, call.query.get("from"), recent=call.is_set("includeRecentChanges"), **only)
        except ValueError:
            raise invalid("from", "The token is not valid.") from None

    return answer


def _contacts(owner: str) -> Answer:
    def answer(call: Call) -> bytes:
        if call.world.find(owner, call.id) is None:
            raise Problem(404, f"There is no record with id {call.id}.")
        rows = [
            {name: value for name, value in row.items() if name not in {"customerId", "locationId", "active"}}
            for row in call.world.contacts_of(owner, call.id)
        ]
        return encoded(paged(call, rows))

    return answer


def _operations() -> Iterator[Operation]:
    for module, name, scope, exported, single in _TABLES:
        path, read = f"/{module}/v2/tenant/{{tenant}}", f"tn.{scope}:r"
        shape = _plain_job if name == "jobs" else None
        yield Operation("GET", f"{path}/{name}", read, table(name, LISTS[name], shape=shape))
        if exported:
            yield Operation("GET", f"{path}/export/{name}", read, _export(name))
        if single:
            yield Operation("GET", f"{path}/{name}/{{id}}", read, _one(name))
    for owner in ("customers", "locations"):
        path, read = "/crm/v2/tenant/{tenant}", f"tn.crm.{owner}:r"
        yield Operation("GET", f"{path}/export/{owner}/contacts", read, _export(f"{owner}/contacts"))
        yield Operation("GET", f"{path}/{owner}/{{id}}/contacts", read, _contacts(owner))
    yield Operation("GET", "/telecom/v3/tenant/{tenant}/calls", "tn.tlc.calls:r", telecom.calls_v3)
    yield Operation("GET", "/telecom/v2/tenant/{tenant}/calls", "tn.tlc.calls:r", telecom.calls_v2)
    yield Operation("GET", "/telecom/v2/tenant/{tenant}/calls/{id}", "tn.tlc.calls:r", telecom.call_v2)
    yield Operation("GET", "/telecom/v2/tenant/{tenant}/export/calls", "tn.tlc.calls:r", _export("calls"))
    for kind, module in (("customer", "crm"), ("location", "crm"), ("lead", "crm"), ("job", "jpm")):
        reading, writing = writes.notes(kind, f"{kind}s", dated=kind != "job")
        path, scope = f"/{module}/v2/tenant/{{tenant}}/{kind}s/{{id}}/notes", f"tn.{module}.{kind}s"
        yield Operation("GET", path, f"{scope}:r", reading)
        yield Operation("POST", path, f"{scope}:w", writing)
    yield Operation("GET", "/crm/v2/tenant/{tenant}/leads", "tn.crm.leads:r", writes.leads)
    yield Operation("GET", "/crm/v2/tenant/{tenant}/leads/{id}", "tn.crm.leads:r", writes.lead)
    yield Operation("POST", "/crm/v2/tenant/{tenant}/leads", "tn.crm.leads:w", writes.add_lead)
    yield Operation(
        "GET",
        "/taskmanagement/v2/tenant/{tenant}/data",
        "tn.tsm.data:r",
        lambda call: encoded(task_choices(call.world.rows)),
    )
    yield Operation("GET", "/taskmanagement/v2/tenant/{tenant}/tasks", "tn.tsm.tasks:r", writes.tasks)
    yield Operation("GET", "/taskmanagement/v2/tenant/{tenant}/tasks/{id}", "tn.tsm.tasks:r", writes.task)
    yield Operation("POST", "/taskmanagement/v2/tenant/{tenant}/tasks", "tn.tsm.tasks:w", writes.add_task)


OPERATIONS = tuple(_operations())
SCOPES = tuple(sorted({operation.scope for operation in OPERATIONS}))


def find(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation that serves `path`, with the path's parameters."""
    for operation in OPERATIONS:
        if operation.method == method and (match := operation.pattern.fullmatch(path)):
            return operation, match.groupdict()
    return None
