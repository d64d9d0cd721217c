"""The feeds of the mirror, as a table: where each comes from, which table it fills, and how a row becomes columns."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trunkline.domain import phone
from trunkline.domain.caller import Certainty
from trunkline.servicetitan import models

Columns = tuple[object, ...]
Number = tuple[str, Certainty]
Numbers = Callable[[Any, str], list[Number]]

EPOCH = "1970-01-01T00:00:00Z"
_PHONES = frozenset({"Phone", "MobilePhone"})
_CLOSED = {"completed", "canceled", "cancelled"}
_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Feed:
    """One feed. `columns` are those of `table` after tenant_id, in the order in which `row` gives them.

    `counted` is a list, with its query, whose total tells about how many rows to expect. `owner_kind` marks feeds whose
    rows own phone numbers: `numbers` finds them, `owner` says whose they are, `note` what people wrote beside them.
    """

    name: str
    path: str
    item: type[models.Row]
    table: str
    columns: tuple[str, ...]
    row: Callable[[Any], Columns]
    export: bool = True
    counted: tuple[str, dict[str, str]] | None = None
    fixed: tuple[tuple[str, str], ...] = ()
    owner_kind: str | None = None
    numbers: Numbers | None = None
    owner: Callable[[Any], int | None] = lambda row: int(row.id)
    note: Callable[[Any], str | None] = lambda _row: None


def _address(address: models.Address | None) -> str:
    if address is None:
        return ""
    street = _joined(address.street, " ", address.unit)
    town = _joined(address.state, " ", address.zip)
    return _joined(_joined(street, ", ", address.city), ", ", town)


def _joined(first: str | None, between: str, second: str | None) -> str:
    return f"{first}{between}{second}" if first and second else first or second or ""


def _ids(ids: Sequence[int] | None) -> str:
    """PostgreSQL's text of an array of numbers."""
    return "{" + ",".join(map(str, ids)) + "}" if ids else "{}"


def _texts(items: Sequence[str] | None) -> str:
    """PostgreSQL's text of an array of texts."""
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items or ())
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"


def _customer(row: models.Customer) -> Columns:
    return (
        row.name or "", row.type, _address(row.address), row.balance, bool(row.do_not_service),
        _ids(row.tag_type_ids), row.merged_to_id, row.created_on,
    )  # fmt: skip


def _location(row: models.Location) -> Columns:
    return (
        row.customer_id, row.name or "", _address(row.address), _ids(row.tag_type_ids), row.merged_to_id,
        row.created_on,
    )  # fmt: skip


def _contact(owner: Callable[[models.Contact], int | None]) -> Callable[[models.Contact], Columns]:
    def columns(row: models.Contact) -> Columns:
        settings = row.phone_settings
        return (
            owner(row) or 0, row.type or "", row.value, row.memo, settings.phone_number if settings else None,
            settings.do_not_text if settings else None, row.created_on,
        )  # fmt: skip

    return columns


def _contact_numbers(row: models.Contact, region: str) -> list[Number]:
    if row.type not in _PHONES:
        return []
    text = row.phone_settings.phone_number if row.phone_settings else None
    found = phone.extract(row.value, region)
    # ServiceTitan's own reading goes first; most often it says nothing new.
    if text and text != row.value and (stated := phone.parse(text, region)):
        first = (stated, Certainty.KNOWN)
        found = found if found == [first] else [first, *(pair for pair in found if pair[0] != stated)]
    if not row.memo:
        return found
    known = {number for number, _ in found}
    noted = (number for number, _ in phone.extract(row.memo, region) if number not in known)
    return [*found, *((number, Certainty.MAYBE) for number in noted)]


def _staff_numbers(row: models.Technician | models.Employee, region: str) -> list[Number]:
    texts = (row.phone_number, getattr(row, "mobile_phone", None))
    numbers = {number for text in texts if (number := phone.parse(text, region))}
    return [(number, Certainty.KNOWN) for number in sorted(numbers)]


def _job(row: models.Job) -> Columns:
    status = row.job_status or ""
    return (
        row.job_number or str(row.id), row.customer_id, row.location_id, status,
        row.active and status.replace(" ", "").lower() not in _CLOSED, row.business_unit_id, row.job_type_id,
        row.campaign_id, row.summary, row.membership_id, _ids(row.tag_type_ids), row.created_on, row.completed_on,
    )  # fmt: skip


def _appointment(row: models.Appointment) -> Columns:
    return (
        row.job_id, row.appointment_number, row.status or "", row.start or EPOCH, row.end or row.start or EPOCH,
        row.arrival_window_start, row.arrival_window_end,
    )  # fmt: skip


def _call(row: models.CallRecord) -> Columns:
    def reference(of: models.Reference | None) -> int | None:
        return of.id if of else None

    return (
        row.direction, row.status, row.type, row.from_, row.to, row.created_on, _seconds(row.duration),
        reference(row.customer), reference(row.location), reference(row.job), reference(row.campaign),
        row.agent.name if row.agent else None,
    )  # fmt: skip


def _seconds(text: str | None) -> float | None:
    """A TimeSpan, ``[d.]hh:mm:ss[.fff]``, in seconds."""
    match = _SPAN.fullmatch(text or "")
    if match is None:
        return None
    days, hours, minutes, seconds = match.groups(default="0")
    return ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(seconds)


_T = "/v2/tenant/{tenant}/"
_ANY = {"active": "Any"}
_CONTACT = ("owner_id", "type", "value", "memo", "phone_number", "do_not_text", "created_on")


def _contacts(kind: str, owner: Callable[[models.Contact], int | None]) -> Feed:
    return Feed(
        f"{kind}_contacts",
        f"crm{_T}export/{kind}s/contacts",
        models.Contact,
        "contacts",
        _CONTACT,
        _contact(owner),
        fixed=(("owner_kind", kind),),
        counted=(f"crm{_T}{kind}s", _ANY),
        owner_kind=kind,
        numbers=_contact_numbers,
        owner=owner,
        note=lambda row: row.memo,
    )


def _named(name: str, path: str, *, export: bool = True) -> Feed:
    return Feed(name, path, models.Named, name, ("name",), lambda row: (row.name or "",), export=export)


FEEDS = (
    _named("business_units", f"settings{_T}export/business-units"),
    _named("job_types", f"jpm{_T}job-types", export=False),
    _named("tag_types", f"settings{_T}export/tag-types"),
    Feed(
        "campaigns", f"marketing{_T}campaigns", models.Campaign, "campaigns", ("name", "phone_numbers"),
        lambda row: (row.name or "", _texts(row.campaign_phone_numbers)), export=False,
    ),
    Feed(
        "technicians", f"settings{_T}export/technicians", models.Technician, "technicians",
        ("name", "email", "phone_number", "mobile_phone", "business_unit_id"),
        lambda row: (row.name or "", row.email, row.phone_number, row.mobile_phone, row.business_unit_id),
        owner_kind="technician", numbers=_staff_numbers,
    ),
    Feed(
        "employees", f"settings{_T}export/employees", models.Employee, "employees",
        ("name", "role", "email", "phone_number", "business_unit_id"),
        lambda row: (row.name or "", row.role, row.email, row.phone_number, row.business_unit_id),
        owner_kind="employee", numbers=_staff_numbers,
    ),
    Feed(
        "customers", f"crm{_T}export/customers", models.Customer, "customers",
        ("name", "customer_type", "address", "balance", "do_not_service", "tag_type_ids", "merged_to_id", "created_on"),
        _customer, counted=(f"crm{_T}customers", _ANY),
    ),
    Feed(
        "locations", f"crm{_T}export/locations", models.Location, "locations",
        ("customer_id", "name", "address", "tag_type_ids", "merged_to_id", "created_on"), _location,
        counted=(f"crm{_T}locations", _ANY),
    ),
    _contacts("customer", lambda row: row.customer_id),
    _contacts("location", lambda row: row.location_id),
    Feed(
        "jobs", f"jpm{_T}export/jobs", models.Job, "jobs",
        ("job_number", "customer_id", "location_id", "job_status", "is_open", "business_unit_id", "job_type_id",
         "campaign_id", "summary", "membership_id", "tag_type_ids", "created_on", "completed_on"), _job,
        counted=(f"jpm{_T}jobs", {}),
    ),
    Feed(
        "appointments", f"jpm{_T}export/appointments", models.Appointment, "appointments",
        ("job_id", "appointment_number", "status", "starts_at", "ends_at", "window_start", "window_end"), _appointment,
        counted=(f"jpm{_T}appointments", _ANY),
    ),
    Feed(
        "appointment_assignments", f"dispatch{_T}export/appointment-assignments", models.Assignment,
        "appointment_assignments", ("appointment_id", "job_id", "technician_id", "technician_name", "status"),
        lambda row: (row.appointment_id, row.job_id, row.technician_id, row.technician_name, row.status),
    ),
    Feed(
        "calls", f"telecom{_T}export/calls", models.CallRecord, "calls",
        ("direction", "status", "call_type", "from_number", "to_number", "received_on", "duration_s", "customer_id",
         "location_id", "job_id", "campaign_id", "agent_name"), _call,
    ),
)  # fmt: skip
