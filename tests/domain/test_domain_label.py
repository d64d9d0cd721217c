"""The line on a phone's display, as a table of cases."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from trunkline.domain.caller import (
    Appointment,
    CallerCard,
    Certainty,
    CustomerFacts,
    Job,
    NumberFacts,
    StaffFacts,
    StaffKind,
)
from trunkline.domain.decisions import THE_NUMBER, Decision, DecisionKind
from trunkline.domain.label import phone_label
from trunkline.domain.rank import card

NOW = datetime(2026, 7, 2, 15, 0, tzinfo=UTC)
NUMBER = "+14375550142"
JANE = CustomerFacts(id=7, name="Jane Doe")
JOHN = CustomerFacts(id=8, name="John Doe")
JOB = Job(id=70, number="J70", status="Scheduled")
TOMORROWS = Job(id=71, number="J71", status="Scheduled")
TECH = StaffFacts(id=3, name="Toni Tech", kind=StaffKind.TECHNICIAN)
DESK = StaffFacts(id=4, name="Dana Desk", kind=StaffKind.EMPLOYEE)


def jane(**fields: object) -> CustomerFacts:
    return msgspec.structs.replace(JANE, **fields)


def visit(status: str, job: Job = JOB) -> dict[str, object]:
    return {
        "today_job_id": JOB.id,
        "open_jobs": (JOB,),
        "next_appointment": Appointment(1, job.id, NOW, NOW + timedelta(hours=2), status),
    }


def label(*customers: CustomerFacts, staff: tuple[StaffFacts, ...] = (), count: int | None = None) -> str:
    facts = NumberFacts(NUMBER, customers=customers, customer_count=count or len(customers), staff=staff)
    return phone_label(card(NUMBER, facts, now=NOW))


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        (JANE, "Jane Doe"),
        (jane(has_membership=True), "Jane Doe - MEMBER"),
        (jane(do_not_service=True), "Jane Doe - DO NOT SERVICE"),
        (jane(do_not_service=True, has_membership=True), "Jane Doe - DO NOT SERVICE - MEMBER"),
        (jane(open_jobs=(JOB,)), "Jane Doe - open job"),
        (jane(**visit("Scheduled")), "Jane Doe - appointment today"),
        (jane(**visit("Hold")), "Jane Doe - appointment today"),
        (jane(**visit("Dispatched")), "Jane Doe - tech en route"),
        (jane(**visit("Working")), "Jane Doe - tech working"),
        (jane(**visit("Working", TOMORROWS)), "Jane Doe - appointment today"),
        (jane(today_job_id=70), "Jane Doe - appointment today"),
        (jane(has_membership=True, **visit("Dispatched")), "Jane Doe - MEMBER - tech en route"),
        (jane(certainty=Certainty.MAYBE, has_membership=True), "maybe Jane Doe"),
        (jane(active=False), "maybe Jane Doe"),
    ],
)
def test_one_customer(customer: CustomerFacts, expected: str) -> None:
    assert label(customer) == expected


def test_several_are_counted_and_the_likeliest_three_named() -> None:
    many = [msgspec.structs.replace(JANE, id=10 + place, name=f"Nr {place}") for place in range(5)]
    assert label(JANE, JOHN) == "2 customers: Jane Doe, John Doe"
    assert label(*many, count=17) == "17 customers: Nr 0, Nr 1, Nr 2"


def test_colleagues() -> None:
    assert label(staff=(TECH,)) == "Toni Tech"
    assert label(staff=(TECH, DESK)) == "2 colleagues: Dana Desk, Toni Tech"
    assert label(JANE, staff=(TECH,)) == "2 people: Jane Doe, Toni Tech"


def test_spam_whoever_has_the_number() -> None:
    spam = Decision(DecisionKind.SPAM, THE_NUMBER, NOW, "Dana Desk")
    facts = NumberFacts(NUMBER, customers=(JANE,), customer_count=1, decisions=(spam,))
    assert phone_label(card(NUMBER, facts, now=NOW)) == "SPAM"


@pytest.mark.parametrize("unknown", [card(NUMBER, None, now=NOW), card(None, None, now=NOW)])
def test_nobody_is_an_empty_line(unknown: CallerCard) -> None:
    assert phone_label(unknown) == ""
