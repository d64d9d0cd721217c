"""The operations written by hand, for their speed or because Trunkline lives on their details; by their names."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

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


def _has_phone(world: World, _name: str, wanted: str) -> Keep:
    if not world.choices.phone_with_country_code and len(re.sub(r"\D", "", wanted)) != 10:
        return lambda _row: False
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
# The module's word for the resource and the table; whether it has an export feed, and whether one row can be asked for.
_TABLES = (
    ("crm.customers", "customers", True, True),
    ("crm.locations", "locations", True, True),
    ("jpm.jobs", "jobs", True, True),
    ("jpm.appointments", "appointments", True, True),
    ("dispatch.appointment_assignments", "appointment-assignments", True, False),
    ("settings.technicians", "technicians", True, True),
    ("settings.employees", "employees", True, True),
    ("settings.business_units", "business-units", True, True),
    ("settings.tag_types", "tag-types", True, False),
    ("jpm.job_types", "job-types", False, True),
    ("marketing.campaigns", "campaigns", False, True),
)
_IN_PROGRESS = "InProgress"
_EXPORTS_WITH_ACTIVE = {"appointments", "appointment-assignments"}


def _plain_job(world: World, row: Row) -> Row:
    return {name: value for name, value in _spelled(world, row).items() if name != "active"}


def _spelled(world: World, row: Row) -> Row:
    """The job with its status as this sandbox spells it."""
    return (
        {**row, "jobStatus": "In Progress"}
        if row["jobStatus"] == _IN_PROGRESS and world.choices.spaced_statuses
        else row
    )


def _one(name: str) -> Answer:
    def answer(call: Call) -> bytes:
        row = call.world.find(name, call.id)
        if row is None:
            raise Problem(404, f"There is no record with id {call.id}.")
        row = call.world.external.shown(name, row, call.query)
        return encoded(_plain_job(call.world, row) if name == "jobs" else row)

    return answer


def _export(name: str) -> Answer:
    def answer(call: Call) -> bytes:
        wanted = call.query.get("active", "Any") if name in _EXPORTS_WITH_ACTIVE else "Any"
        choice("active", wanted, ("True", "False", "Any"))
        how: dict[str, Any] = {} if wanted == "Any" else {"active": wanted == "True"}
        if name == "jobs" and call.choices.spaced_statuses:
            how["shape"] = partial(_spelled, call.world)
        try:
            return call.world.export(name, call.query.get("from"), recent=call.is_set("includeRecentChanges"), **how)
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


def _answers() -> Iterator[tuple[str, Answer]]:
    for resource, name, exported, single in _TABLES:
        module, _, word = resource.partition(".")
        shape = _plain_job if name == "jobs" else None
        yield f"{resource}.list", table(name, LISTS[name], shape=shape)
        if exported:
            yield f"{module}.export.{word}", _export(name)
        if single:
            yield f"{resource}.get", _one(name)
    for owner in ("customers", "locations"):
        yield f"crm.export.{owner}_contacts", _export(f"{owner}/contacts")
        yield f"crm.{owner}.get_contact_list", _contacts(owner)
    for kind, module in (("customer", "crm"), ("location", "crm"), ("lead", "crm"), ("job", "jpm")):
        reading, writing = writes.notes(kind, f"{kind}s", dated=kind != "job")
        yield f"{module}.{kind}s.get_notes", reading
        yield f"{module}.{kind}s.create_note", writing


ANSWERS: dict[str, Answer] = {
    **dict(_answers()),
    "telecom.calls.list": telecom.calls_v3,
    "telecom.calls.list_v2": telecom.calls_v2,
    "telecom.calls.get": telecom.call_v2,
    "telecom.export.calls": _export("calls"),
    "crm.leads.list": writes.leads,
    "crm.leads.get": writes.lead,
    "crm.leads.create": writes.add_lead,
    "taskmanagement.data.get": lambda call: encoded(task_choices(call.world.rows)),
    "taskmanagement.tasks.list": writes.tasks,
    "taskmanagement.tasks.get": writes.task,
    "taskmanagement.tasks.create": writes.add_task,
}
