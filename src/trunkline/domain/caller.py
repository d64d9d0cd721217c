"""Who is calling: the facts the mirror knows about a number, and the match made of them.

:class:`NumberFacts` is what one database round trip returns; :func:`trunkline.domain.rank.rank` turns it into a
:class:`Match`; both together are the :class:`CallerCard` that people see.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from trunkline.domain.decisions import Decision


class Certainty(StrEnum):
    """How sure the number itself is: a number field (`KNOWN`) or one found in free text (`MAYBE`)."""

    KNOWN = "known"
    MAYBE = "maybe"


class Appointment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A visit. Times are UTC; tell callers the arrival window, not the start, where there is one."""

    id: int
    job_id: int
    starts_at: datetime
    ends_at: datetime
    status: str
    window_start: datetime | None = None
    window_end: datetime | None = None
    technicians: tuple[str, ...] = ()


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job that is not yet completed or cancelled. `number` is what people say, `id` what links need."""

    id: int
    number: str
    status: str
    location_id: int | None = None
    job_type: str | None = None
    business_unit: str | None = None
    summary: str | None = None


class Location(msgspec.Struct, frozen=True, omit_defaults=True):
    """A house or site of a customer; `address` is one line."""

    id: int
    name: str
    address: str


class CustomerFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the mirror knows about one customer who owns the number.

    `merged_from` lists customers that were merged into this one and through which the number was found.
    `locations` holds at most ten; `location_count` is the whole count. `number_location_id` is set where the number
    belongs to one location's contact. `balance` is the account balance in the tenant's currency.
    `today_job_id` is the job of an appointment that starts today in the tenant's time zone.
    """

    id: int
    name: str
    active: bool = True
    customer_type: str | None = None
    address: str = ""
    balance: Decimal | None = None
    do_not_service: bool = False
    certainty: Certainty = Certainty.KNOWN
    contact_note: str | None = None
    number_location_id: int | None = None
    merged_from: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    locations: tuple[Location, ...] = ()
    location_count: int = 0
    open_jobs: tuple[Job, ...] = ()
    next_appointment: Appointment | None = None
    today_job_id: int | None = None
    last_visit_at: datetime | None = None
    has_membership: bool = False


class StaffKind(StrEnum):
    """Which of ServiceTitan's two lists of people someone stands in."""

    EMPLOYEE = "employee"
    TECHNICIAN = "technician"


class StaffFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A colleague who owns the number, with the job a technician is at now."""

    id: int
    name: str
    kind: StaffKind
    current_job: Job | None = None
    current_customer: str | None = None


class PastCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """An earlier call with the same number; `customer_id` where it was logged to one."""

    started_at: datetime
    direction: str
    outcome: str | None = None
    agent: str | None = None
    customer_id: int | None = None


class NumberFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything one round trip finds for one E.164 `number`; at most ten customers, `customer_count` in all.

    `decisions` are what people decided about the number, the oldest first.
    """

    number: str
    customers: tuple[CustomerFacts, ...] = ()
    customer_count: int = 0
    staff: tuple[StaffFacts, ...] = ()
    past_calls: tuple[PastCall, ...] = ()
    decisions: tuple[Decision, ...] = ()


class MatchKind(StrEnum):
    """`SINGLE` and `STAFF` are certain; an `AMBIGUOUS` match is always shown as such, never silently resolved.

    `SPAM` is what people decided about the number, whoever has it.
    """

    SINGLE = "single"
    AMBIGUOUS = "ambiguous"
    STAFF = "staff"
    SPAM = "spam"
    UNKNOWN = "unknown"
    WITHHELD = "withheld"


class ReasonCode(StrEnum):
    """Why a candidate was put where it stands; the words people read are made in the web room."""

    DIRECT_LINE = "direct_line"  # somebody decided so
    NUMBER = "number"  # the number is in one of the customer's contacts
    MAYBE_NUMBER = "maybe_number"  # found in free text
    LOCATION_NUMBER = "location_number"
    APPOINTMENT_TODAY = "appointment_today"
    OPEN_JOB = "open_job"
    RECENT_CALL = "recent_call"
    RECENT_VISIT = "recent_visit"
    MEMBERSHIP = "membership"
    MERGED = "merged"
    SHARED_NUMBER = "shared_number"
    INACTIVE = "inactive"
    EMPLOYEE = "employee"
    TECHNICIAN = "technician"


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """One customer who may be calling. A higher `score` is likelier; scores compare within one match only."""

    customer: CustomerFacts
    score: int
    reasons: tuple[ReasonCode, ...] = ()


class Match(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who is calling, best candidate first; `candidate_count` counts those beyond the ten listed too.

    `former` are customers who have the number in ServiceTitan, and of whom somebody decided that they moved away.
    """

    kind: MatchKind
    candidates: tuple[Candidate, ...] = ()
    candidate_count: int = 0
    staff: tuple[StaffFacts, ...] = ()
    former: tuple[CustomerFacts, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def customer(self) -> CustomerFacts | None:
        """The customer, where the match is a single certain one."""
        return self.candidates[0].customer if self.kind is MatchKind.SINGLE else None


class Elsewhere(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who has the number at another tenant of the same network; `company` is that tenant's name."""

    tenant_id: int
    company: str
    match: Match


class CallerCard(msgspec.Struct, frozen=True, omit_defaults=True):
    """What people see while it rings. `number` is E.164, or `None` where the caller withheld it."""

    number: str | None
    match: Match
    past_calls: tuple[PastCall, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
