"""What Trunkline writes: notes, leads and tasks."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from trunkline.sandbox.servicetitan.exchange import Answer, Call, Problem, encoded, invalid
from trunkline.sandbox.servicetitan.invented import Row, stamp
from trunkline.sandbox.servicetitan.lists import (
    COMMON,
    DATED,
    Filter,
    at_or_after,
    before,
    contains,
    kept,
    number,
    one_of,
    paged,
    phone_number,
    switch,
    text,
)

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Priority = Literal["Low", "Normal", "High", "Urgent"]


class NoteBody(msgspec.Struct, rename="camel"):
    """A note, and where else it goes."""

    text: str
    pin_to_top: bool | None = None
    add_to_locations: bool | None = None
    add_to_customer: bool | None = None


class LeadBody(msgspec.Struct, rename="camel"):
    """Somebody who may become a customer."""

    campaign_id: int
    summary: str
    call_reason_id: int | None = None
    follow_up_date: Moment | None = None
    customer_id: int | None = None
    location_id: int | None = None
    business_unit_id: int | None = None
    job_type_id: int | None = None
    priority: Priority | None = None
    tag_type_ids: list[int] | None = None
    booking_id: int | None = None
    lead_customer_name: str | None = None
    lead_phone: str | None = None
    lead_email: str | None = None
    lead_street: str | None = None
    lead_unit: str | None = None
    lead_city: str | None = None
    lead_state: str | None = None
    lead_zip: str | None = None
    lead_country: str | None = None


class TaskBody(msgspec.Struct, rename="camel"):
    """Something to do for a colleague."""

    reported_by_id: int
    assigned_to_id: int
    is_closed: bool
    name: str
    business_unit_id: int
    employee_task_type_id: int
    employee_task_source_id: int
    reported_date: Moment
    priority: Priority
    status: Literal["ToDo", "InProgress", "OnHold", "Canceled", "Completed"] | None = None
    complete_by: Moment | None = None
    started_on: Moment | None = None
    customer_id: int | None = None
    job_id: int | None = None
    project_id: int | None = None
    description: str | None = None
    involved_employee_id_list: list[int] | None = None
    employee_task_resolution_id: int | None = None


_LEADS: dict[str, Filter] = {
    **{name: read for name, read in COMMON.items() if name != "active"},
    "customerId": number("customerId"),
    "status": text("status"),
    "leadPhone": phone_number("leadPhone"),
    "leadCustomerName": contains("leadCustomerName"),
    "withoutCustomer": lambda _world, _name, wanted: lambda row: (row["customerId"] is None) is (wanted == "true"),
}
_TASKS: dict[str, Filter] = {
    **COMMON,
    "reportedOnOrAfter": at_or_after("reportedDate"),
    "reportedBefore": before("reportedDate"),
    "completeOnOrAfter": at_or_after("completeBy"),
    "completeBefore": before("completeBy"),
    "isClosed": switch("isClosed"),
    "statuses": one_of("status", str),
    "priorities": one_of("priority", str),
    "name": contains("name"),
    "businessUnitIds": one_of("businessUnitId"),
    "employeeTaskTypeIds": one_of("employeeTaskTypeId"),
    "employeeTaskSourceIds": one_of("employeeTaskSourceId"),
    "reportedById": number("reportedById"),
    "assignedToId": number("assignedToId"),
    "customerId": number("customerId"),
    "jobId": number("jobId"),
    "projectId": number("projectId"),
    "taskNumber": number("taskNumber"),
}


def notes(kind: str, owner: str, *, dated: bool = True) -> tuple[Answer, Answer]:
    """How the notes on rows of `owner` are read and written."""

    def target(call: Call) -> int:
        if call.world.find(owner, call.id) is None:
            raise Problem(404, f"There is no {kind} with id {call.id}.")
        return call.id

    def read(call: Call) -> bytes:
        newest_first = reversed(call.world.notes.get((kind, target(call)), []))
        rows, _ = kept(call, newest_first, DATED if dated else {})
        return encoded(paged(call, rows))

    def write(call: Call) -> bytes:
        body = call.body_as(NoteBody)
        if 0 < call.choices.longest_note < len(body.text):
            raise invalid("text", f"At most {call.choices.longest_note} characters.")
        note = call.world.add_note(kind, target(call), body.text, pinned=bool(body.pin_to_top))
        for other, other_id in _also(call, kind, body):
            call.world.add_note(other, other_id, body.text, pinned=bool(body.pin_to_top))
        return encoded(note)

    return read, write


def _also(call: Call, kind: str, body: NoteBody) -> list[tuple[str, int]]:
    if kind == "customer" and body.add_to_locations:
        return [("location", row["id"]) for row in call.world.locations_of(call.id)]
    if kind == "location" and body.add_to_customer and (row := call.world.find("locations", call.id)):
        return [("customer", row["customerId"])]
    return []


def leads(call: Call) -> bytes:
    """All leads."""
    rows, _ = kept(call, call.world.all_rows("leads"), _LEADS)
    page = paged(call, rows)
    page["data"] = [_plain(row) for row in page["data"]]
    return encoded(page)


def lead(call: Call) -> bytes:
    """One lead."""
    found = call.world.find("leads", call.id)
    if found is None:
        raise Problem(404, f"There is no lead with id {call.id}.")
    return encoded(_plain(found))


def add_lead(call: Call) -> bytes:
    """A new lead: it needs a reason or a day to call back."""
    body = call.body_as(LeadBody)
    if body.call_reason_id is None and body.follow_up_date is None:
        raise invalid("callReasonId", "Or a followUpDate.")
    row = {
        **_fields(body),
        "id": call.world.new_id(),
        "status": "Open",
        "priority": body.priority or "Normal",
        **_written_now(),
        "createdById": 1,
        "active": True,
    }
    return encoded(_plain(call.world.put("leads", row)))


def tasks(call: Call) -> bytes:
    """All tasks. Items differ from what writing one answers."""
    rows, _ = kept(call, call.world.all_rows("tasks"), _TASKS)
    page = paged(call, rows)
    page["data"] = [_listed_task(row) for row in page["data"]]
    return encoded(page)


def task(call: Call) -> bytes:
    """One task."""
    found = call.world.find("tasks", call.id)
    if found is None:
        raise Problem(404, f"There is no task with id {call.id}.")
    return encoded(_listed_task(found))


def add_task(call: Call) -> bytes:
    """A new task."""
    body = call.body_as(TaskBody)
    row = {
        **_fields(body),
        "id": call.world.new_id(),
        "status": body.status or "ToDo",
        "taskNumber": call.world.count("tasks") + 1,
        **_written_now(),
        "active": True,
    }
    return encoded(_plain(call.world.put("tasks", row)))


def _plain(row: Row) -> Row:
    """Only export feeds and lists of tasks show whether a row is active."""
    return {name: value for name, value in row.items() if name != "active"}


def _listed_task(row: Row) -> Row:
    left_out = {"reportedDate", "startedOn"}
    return {
        **{name: value for name, value in row.items() if name not in left_out},
        "reportedOn": row["reportedDate"],
        "employeeTaskResolutionId": row["employeeTaskResolutionId"] or 0,
        "closedOn": None,
        "comments": [],
        "attachments": [],
        "subTasksData": None,
    }


def _fields(body: LeadBody | TaskBody) -> Row:
    """What was sent, under the names on the wire, moments as ServiceTitan writes them."""
    names = zip(body.__struct_encode_fields__, body.__struct_fields__, strict=True)
    values = {name: getattr(body, field) for name, field in names}
    return {
        name: stamp(value.astimezone(UTC)) if isinstance(value, datetime) else value for name, value in values.items()
    }


def _written_now() -> Row:
    now = stamp(datetime.now(UTC))
    return {"createdOn": now, "modifiedOn": now}
