"""Jobs, visits, shifts and projects: what is booked, assigned, rated or planned."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from trunkline.sandbox.servicetitan.exchange import Call, Content, Problem, invalid
from trunkline.sandbox.servicetitan.generic.bodies import body_of
from trunkline.sandbox.servicetitan.generic.plans import Plan
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
from trunkline.sandbox.servicetitan.invented import Row, stamp
from trunkline.sandbox.servicetitan.lists import paged
from trunkline.sandbox.servicetitan.rows import TECHNICIANS
from trunkline.sandbox.servicetitan.world import World

_RATINGS = "customer-interactions/technician-ratings"
_ATTACHMENTS = "forms/jobs/attachments"


def _create_job(how: Plan, call: Call) -> Any:
    """A job is booked with its first visits; a lead that it came of is converted."""
    if call.choices.missing_campaign != 400 and b'"campaignId"' not in call.body:
        raise Problem(call.choices.missing_campaign, "A job needs a campaign.")
    body = body_of(call, how.operation)
    location = existing(call.world, "locations", body["locationId"])
    if location["customerId"] != body["customerId"]:
        raise invalid("locationId", "The location belongs to another customer.")
    if not body["appointments"]:
        raise invalid("appointments", "At least one is needed.")
    job = new_row(call.world, "jobs", {**_plain(body), "jobStatus": "Scheduled", "notificationsEnabled": True})
    write_external(call.world, "jobs", job["id"], body)
    visits = [_new_visit(call.world, job, each, k) for k, each in enumerate(body["appointments"], 1)]
    fields = {
        "jobNumber": f"J{job['id']}",
        "invoiceId": job["id"],
        "appointmentCount": len(visits),
        "firstAppointmentId": visits[0]["id"],
        "lastAppointmentId": visits[-1]["id"],
    }
    lead = call.world.find("leads", body["leadId"]) if body.get("leadId") else None
    if lead:
        changed(call.world, "leads", lead, {"status": "Converted"})
    return shown(how, call, changed(call.world, "jobs", job, fields))


def _plain(body: Row) -> Row:
    return {name: value for name, value in body.items() if name not in {"appointments", "externalData"}}


def _new_visit(world: World, job: Row, body: Row, turn: int) -> Row:
    fields = {
        **{name: value for name, value in body.items() if name != "technicianIds"},
        "jobId": job["id"],
        "customerId": job["customerId"],
        "appointmentNumber": f"J{job['id']}-{turn}",
        "status": "Scheduled",
    }
    visit = new_row(world, "appointments", fields)
    _assign(world, visit, body.get("technicianIds") or ())
    return visit


def _add_visit(how: Plan, call: Call) -> Any:
    body = body_of(call, how.operation)
    job = existing(call.world, "jobs", body["jobId"])
    count = job["appointmentCount"] + 1
    visit = _new_visit(call.world, job, body, count)
    changed(call.world, "jobs", job, {"appointmentCount": count, "lastAppointmentId": visit["id"]})
    return shown(how, call, visit)


def _assignment(how: Plan, call: Call) -> Any:
    """Send technicians to a visit, or take them off it."""
    body = body_of(call, how.operation)
    visit = existing(call.world, "appointments", body["jobAppointmentId"])
    if how.operation.name.endswith("unassign_technicians"):
        for row in _assignments(call.world, visit):
            if row["technicianId"] in body["technicianIds"]:
                removed(call.world, "appointment-assignments", row)
    else:
        _assign(call.world, visit, body["technicianIds"])
    return shown(how, call, visit)


def _assignments(world: World, visit: Row) -> list[Row]:
    """Those in force; base rows have the id of their visit."""
    own = world.find("appointment-assignments", visit["id"])
    later = world.feed("appointment-assignments").latest.values()
    rows = {row["id"]: row for row in (*((own,) if own else ()), *later)}
    return [row for row in rows.values() if row["appointmentId"] == visit["id"] and row["active"]]


def _assign(world: World, visit: Row, technicians: Any) -> None:
    there = {row["technicianId"] for row in _assignments(world, visit)}
    for technician in (existing(world, "technicians", row_id) for row_id in technicians):
        if technician["id"] not in there:
            fields = {
                "technicianId": technician["id"],
                "technicianName": technician["name"],
                "assignedById": 1,
                "assignedOn": stamp(datetime.now(UTC)),
                "status": "Scheduled",
                "jobId": visit["jobId"],
                "appointmentId": visit["id"],
            }
            new_row(world, "appointment-assignments", fields)


def _cancel_job(how: Plan, call: Call) -> Any:
    """The reason goes into the log of canceled jobs."""
    job = own_row(how, call)
    body = body_of(call, how.operation)
    changed(call.world, "jobs", job, {"jobStatus": "Canceled"})
    new_row(call.world, "jpm/jobs/canceled-log", {**body, "jobId": job["id"]})


def _complete_job(how: Plan, call: Call) -> Any:
    job = own_row(how, call)
    completed = body_of(call, how.operation)["completedOn"]
    changed(call.world, "jobs", job, {"jobStatus": "Completed", "completedOn": completed})


def _delete_visit(how: Plan, call: Call) -> Any:
    """The only visit of a job stays."""
    visit = own_row(how, call)
    job = existing(call.world, "jobs", visit["jobId"])
    if job["appointmentCount"] < 2:
        raise Problem(409, "The only appointment of a job cannot be deleted.")
    removed(call.world, "appointments", visit)
    changed(call.world, "jobs", job, {"appointmentCount": job["appointmentCount"] - 1})


def _attach_job(how: Plan, call: Call) -> Any:
    project = existing(call.world, "jpm/projects", call.id)
    changed(call.world, "jobs", existing(call.world, "jobs", int(call.path["jobId"])), {"projectId": project["id"]})


def _detach_job(how: Plan, call: Call) -> Any:
    changed(call.world, "jobs", existing(call.world, "jobs", int(call.path["jobId"])), {"projectId": None})


def _rate(how: Plan, call: Call) -> Any:
    """There is one rating of a technician for a job: a new one takes its place."""
    body = body_of(call, how.operation)
    wanted = {name: int(call.path.get(name) or body[name]) for name in ("technicianId", "jobId")}
    existing(call.world, "technicians", wanted["technicianId"])
    existing(call.world, "jobs", wanted["jobId"])
    rating = {"rating": float(body.get("rating", body.get("value", 0)))}
    before = next((row for row in call.world.all_rows(_RATINGS) if wanted.items() <= row.items()), None)
    if before:
        row = changed(call.world, _RATINGS, before, rating)
    else:
        row = new_row(call.world, _RATINGS, {**wanted, **rating})
    return shown(how, call, row) if how.shape.names else None


def _capacity(how: Plan, call: Call) -> Any:
    """Eight hours of every technician on each day asked for; nobody is booked."""
    body = body_of(call, how.operation)
    start, end = (datetime.fromisoformat(body[name]) for name in ("startsOnOrAfter", "endsOnOrBefore"))
    days = max(0, min(60, (end - start).days + (end > start)))
    units = body.get("businessUnitIds") or [row["id"] for row in call.world.all_rows("business-units")]
    slots = []
    for day in (start + timedelta(days=k) for k in range(days)):
        hours = {"start": stamp(day), "end": stamp(day + timedelta(hours=8))}
        slots.append(
            {
                **hours,
                "startUtc": hours["start"],
                "endUtc": hours["end"],
                "businessUnitIds": units,
                "totalAvailability": 8.0 * TECHNICIANS,
                "openAvailability": 8.0 * TECHNICIANS,
                "technicians": [],
                "isAvailable": True,
                "isExceedingIdealBookingPercentage": False,
            }
        )
    return {"timeStamp": stamp(datetime.now(UTC)), "availabilities": slots}


def _gps_pings(how: Plan, call: Call) -> Any:
    pings = body_of(call, how.operation)
    return [{"externalId": ping["externalId"], "status": "Success", "message": ""} for ping in pings]


def _create_shifts(how: Plan, call: Call) -> Any:
    """One for each technician."""
    body = body_of(call, how.operation)
    technicians = [existing(call.world, "technicians", row_id) for row_id in body.pop("technicianIds")]
    rows = [new_row(call.world, how.table, {**body, "technicianId": row["id"]}) for row in technicians]
    return {"created": bool(rows), "technicianShifts": [_shift(how, call, row) for row in rows]}


def _shift(how: Plan, call: Call, row: Row) -> Any:
    inner = how.shape.names["technicianShifts"]["items"]
    return shown(how, call, row, inner)


def _delete_shifts(how: Plan, call: Call) -> Any:
    """All that begin in some time."""
    body = body_of(call, how.operation)
    rows = list(call.world.all_rows(how.table))
    found = [row for row in rows if row["active"] and body["start"] <= row.get("start", "") < body["end"]]
    for row in found:
        removed(call.world, how.table, row)
    return {"message": f"{len(found)} shifts deleted.", "deletedIds": [row["id"] for row in found]}


def _match_budget_codes(how: Plan, call: Call) -> Any:
    """A code is valid that some budget code has."""
    owner_fields(how, call)
    inner = how.shape.names["matches"]["items"]
    one = properties(how.shape.module, inner)["budgetCodes"]["items"]
    codes = [shown(how, call, row, one) for row in call.world.all_rows("jpm/budget-codes")]
    matches = []
    for text in (part.strip() for part in call.query["codes"].split(",")):
        same = [code for code in codes if code["code"] == text]
        matches.append({"code": text, "isValid": bool(same), "budgetCodes": same})
    return {"matches": matches}


# Attachments of jobs, which are files.


def _attach_file(how: Plan, call: Call) -> Any:
    existing(call.world, "jobs", call.id)
    name, content = _file_in(call)
    new_row(call.world, _ATTACHMENTS, {"jobId": call.id, "fileName": name, "content": content})
    return {"fileName": name}


def _file_in(call: Call) -> tuple[str, bytes]:
    """The file in a form with several parts.

    Raises:
        Problem: 400, there is none.
    """
    _, found, boundary = call.content_type.partition("boundary=")
    for part in call.body.split(b"--" + boundary.strip('"').encode()) if found else ():
        head, _, content = part.partition(b"\r\n\r\n")
        _, named, rest = head.partition(b'filename="')
        if named:
            return rest.partition(b'"')[0].decode("utf-8", "replace"), content.removesuffix(b"\r\n")
    raise invalid("file", "A file is expected.")


def _attachments(how: Plan, call: Call) -> Any:
    job_id = int(call.path["jobId"])
    existing(call.world, "jobs", job_id)
    rows = [row for row in call.world.all_rows(_ATTACHMENTS) if row["jobId"] == job_id]
    data = [{"id": row["id"], "fileName": row["fileName"], "createdOn": row["createdOn"]} for row in rows]
    return Content(msgspec.json.encode(paged(call, data)), "application/json")


def _attachment(how: Plan, call: Call) -> Any:
    return Content(existing(call.world, _ATTACHMENTS, call.id)["content"])


ANSWERS: dict[str, Callable[[Plan, Call], Any]] = {
    "customer_interactions.technician_rating.update": _rate,
    "customer_interactions.technician_ratings.update": _rate,
    "dispatch.appointment_assignments.assign_technicians": _assignment,
    "dispatch.appointment_assignments.unassign_technicians": _assignment,
    "dispatch.capacity.list": _capacity,
    "dispatch.gps_provider.create": _gps_pings,
    "dispatch.technician_shifts.bulk_delete": _delete_shifts,
    "dispatch.technician_shifts.create": _create_shifts,
    "forms.jobs.create_attachment": _attach_file,
    "forms.jobs.get_attachment": _attachment,
    "forms.jobs.get_job_attachments": _attachments,
    "jpm.appointments.add": _add_visit,
    "jpm.appointments.delete": _delete_visit,
    "jpm.budget_codes.match_company_budget_codes": _match_budget_codes,
    "jpm.budget_codes.match_project_budget_codes": _match_budget_codes,
    "jpm.jobs.cancel": _cancel_job,
    "jpm.jobs.complete": _complete_job,
    "jpm.jobs.create": _create_job,
    "jpm.projects.attach_job": _attach_job,
    "jpm.projects.detach_job": _detach_job,
}
