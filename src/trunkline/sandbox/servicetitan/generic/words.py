"""What fields are called, and what stands in them: the rules by which rows that nobody wrote by hand are made up.

The first rule counts whose pattern is the field's whole name, in upper or lower case, and whose value the published
schema allows.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

from trunkline.sandbox.servicetitan.generic.subject import Subject, numbered
from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER
from trunkline.sandbox.servicetitan.invented import CAMPAIGNS, JOB_TYPES, TAGS, UNITS, stamp, written
from trunkline.sandbox.servicetitan.rows import EMPLOYEES, TECHNICIANS


class Entity(NamedTuple):
    """Something that rows refer to by its id: the words for it, its table, and which one a row means."""

    pattern: str
    table: str
    id_of: Callable[[Subject], int]


def _one_of(count: int) -> Callable[[Subject], int]:
    return lambda subject: 1 + subject.dice() % count


ENTITIES = (
    Entity("(bill to )?customer|related entity", "customers", lambda subject: FIRST_CUSTOMER + subject.household),
    Entity("(customer )?location", "locations", lambda subject: subject.rows.location_id(subject.household)),
    Entity("(related )?job", "jobs", lambda subject: subject.rows.job_id(subject.household, 0)),
    Entity("((job|first|last) )?appointment", "appointments", lambda s: s.rows.job_id(s.household, 0)),
    Entity("((applied to|adjustment to) )?invoice", "accounting/invoices", lambda s: s.rows.job_id(s.household, 0)),
    Entity("(preferred )?technician", "technicians", _one_of(TECHNICIANS)),
    Entity(
        "employee|user|agent|manager|project manager|payee|sender"
        "|((assigned|reported|requested|reviewed) )?to|assignee|(sold|(\\w+ )?[a-z]+ed) by( employee)?",
        "employees",
        _one_of(EMPLOYEES),
    ),
    Entity("business unit", "business-units", _one_of(len(UNITS))),
    Entity("job type", "job-types", _one_of(len(JOB_TYPES))),
    Entity("project", "jpm/projects", lambda subject: numbered("jpm/projects", 1 + subject.dice() % 10)),
    Entity("(campaign|lead source)", "campaigns", _one_of(len(CAMPAIGNS))),
    Entity("tag( type)?", "tag-types", _one_of(len(TAGS))),
)

# Tables whose rows have well-known names; others are called after their table and numbered.
NAMES = {
    "accounting/gl-accounts/types": ("Asset", "Liability", "Income", "Expense", "Equity"),
    "accounting/payment-terms": ("Due on receipt", "Net 15", "Net 30"),
    "accounting/payment-types": ("Cash", "Check", "Credit card", "Bank transfer"),
    "accounting/tax-zones": ("County", "City", "Exempt"),
    "crm/booking-provider-tags": ("Answering service", "Web chat"),
    "dispatch/teams": ("North crew", "South crew", "Installers"),
    "dispatch/zones": ("Downtown", "Lakeside", "Hills", "Airport"),
    "forms/forms": ("Safety check", "Furnace inspection", "Customer sign-off"),
    "jpm/job-cancel-reasons": ("Customer changed their mind", "Not at home", "Booked twice"),
    "jpm/job-hold-reasons": ("Waiting for parts", "Waiting for a permit"),
    "jpm/project-statuses": ("Planned", "In progress", "On hold", "Done"),
    "jpm/project-substatuses": ("Permit", "Rough-in", "Inspection"),
    "jpm/project-types": ("Renovation", "New building"),
    "jpm/segments": ("Trade", "Phase", "Cost type"),
    "marketing/categories": ("Online", "Print", "Referral"),
    "settings/user-roles": ("CSR", "Dispatcher", "Manager", "Technician"),
    "timesheets/activity-categories": ("Working", "Driving", "Break"),
    "timesheets/activity-types": ("Repair", "Travel", "Lunch", "Training"),
}

# Never set in rows that are made up: they tell of things that have not happened.
UNSET = re.compile(
    r"mergedToId|adjustmentToId|exportId|importId|.*cancel+ed.*|dismissing.*|deleted.*|refundedPaymentId|recallForId|warrantyId|.*error.*",
    re.IGNORECASE,
)


def _money(subject: Subject) -> float:
    return 25.0 + subject.dice() % 90_000 / 100


def _moment(days: int) -> Callable[[Subject], str]:
    return lambda subject: stamp(subject.moment + timedelta(days=days))


def _address(part: str) -> Callable[[Subject], Any]:
    return lambda subject: subject.rows.address(subject.household)[part] or None


def _letters(subject: Subject) -> str:
    return f"{subject.noun} {subject.number}"


RULES: tuple[tuple[str, Callable[[Subject], Any]], ...] = (
    ("active|isActive|success|created|isValid|isAvailable|isApproved|isVerified|allowEdit", lambda _: True),
    ("isArchived|hasError|isDeleted|isDefault\\w*|repeat|allDay", lambda _: False),
    (".*email.*", lambda subject: f"customer{subject.household}@example.com"),
    (
        ".*(phone|mobile|fax|dnis|contactNumber|callerId|outboundCallerId)(Number)?s?",
        lambda subject: written(subject.rows.main_number(subject.household), subject.number),
    ),
    (".*url|.*link|href", lambda subject: f"https://files.example.com/{subject.table}/{subject.number}"),
    ("(\\w+)?(street|streetAddress)", _address("street")),
    ("unit", lambda subject: f"Unit {1 + subject.dice() % 9}"),
    ("(\\w+)?city|cities", _address("city")),
    ("(\\w+)?(state|region)", _address("state")),
    ("(\\w+)?(zip|zips|postalCode)", _address("zip")),
    ("(\\w+)?country", lambda _: "USA"),
    ("latitude", lambda subject: 40 + subject.dice() % 5_000 / 1_000),
    ("longitude", lambda subject: -80 + subject.dice() % 5_000 / 1_000),
    ("firstName", lambda subject: subject.rows.person(subject.household, 3).split()[0]),
    ("lastName", lambda subject: subject.rows.person(subject.household, 3).split()[1]),
    ("syncStatus|transactionStatus|status", lambda _: "Pending"),
    ("priority", lambda _: "Normal"),
    ("typeSlug|typeName", lambda _: "customer"),
    ("year", lambda subject: subject.moment.year),
    ("month", lambda subject: subject.moment.month),
    ("fromHour", lambda _: 8),
    ("toHour", lambda _: 17),
    ("rating", lambda subject: float(6 + subject.dice() % 5)),
    ("start\\w*|arrivalWindowStart", _moment(1)),
    ("(end|due|target|required|expir)\\w*|arrivalWindowEnd|.*dueDate\\w*", _moment(30)),
    ("createdOn|modifiedOn", lambda subject: stamp(subject.moment)),
    (".*(on|date|time|utc|before|after)", _moment(-1)),
    (".*(quantity|qty|hours|units?)", lambda subject: float(1 + subject.dice() % 4)),
    (".*(percent|percentage|rate)", lambda subject: subject.dice() % 1_000 / 100),
    (".*(amount|total|subtotal|price|cost|balance|tax|fee|shipping|debit|credit|revenue|value|goal|limit)", _money),
    ("(reference|document|batch|check|bill|auth|request|\\w+)?number|.*code", lambda s: f"{1_000 + s.number}"),
    ("(\\w+)?(summary|memo|description|text|note|notes|message|body|comment|instructions)", _letters),
    ("color|.*color", lambda _: "#336699"),
    ("name|displayName|title|tagName|label", lambda subject: subject.name),
)


@cache
def rule(field: str) -> tuple[Callable[[Subject], Any], ...]:
    """What the rules that fit a field's name put into it, the first of them first."""
    return tuple(make for pattern, make in RULES if re.fullmatch(pattern, field, re.IGNORECASE))


@cache
def entity(field: str) -> Entity | None:
    """What a field refers to: `customerId`, `customerIds`, `customer` and `billToCustomer` all to customers."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"(Ids?|Names?|Numbers?|s)$", "", field)).lower()
    return next((each for each in ENTITIES if re.fullmatch(each.pattern, words)), None)
