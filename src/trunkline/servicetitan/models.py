"""The parts of ServiceTitan's rows that the mirror keeps.

Tolerant on purpose: "required" in the published schemas only means that the key is usually there, enums are open, and
new fields come without notice. Private fields of people (hourlyRate, home, payrollId, burdenRate) are not even decoded.
"""

from decimal import Decimal

import msgspec


class Row(msgspec.Struct, rename="camel", gc=False):
    """What every row has; a row without `modifiedOn` counts as never modified."""

    id: int
    active: bool = True
    modified_on: str | None = None


class Address(msgspec.Struct, rename="camel", gc=False):
    """A postal address in parts."""

    street: str | None = None
    unit: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None


class Customer(Row):
    """A customer; phone numbers are in contacts, not here."""

    name: str | None = None
    type: str | None = None
    address: Address | None = None
    balance: Decimal | None = None
    do_not_service: bool | None = None
    tag_type_ids: list[int] | None = None
    merged_to_id: int | None = None
    created_on: str | None = None


class Location(Row):
    """A house or site of one customer."""

    customer_id: int = 0
    name: str | None = None
    address: Address | None = None
    tag_type_ids: list[int] | None = None
    merged_to_id: int | None = None
    created_on: str | None = None


class PhoneSettings(msgspec.Struct, rename="camel", gc=False):
    """The number that ServiceTitan itself read out of a contact's text."""

    phone_number: str | None = None
    do_not_text: bool | None = None


class Contact(Row):
    """One way to reach a customer or a location; `value` is free text."""

    type: str | None = None
    value: str | None = None
    memo: str | None = None
    phone_settings: PhoneSettings | None = None
    customer_id: int | None = None
    location_id: int | None = None
    created_on: str | None = None


class Job(Row):
    """A job; `job_number` is what people say."""

    job_number: str | None = None
    customer_id: int = 0
    location_id: int | None = None
    job_status: str | None = None
    business_unit_id: int | None = None
    job_type_id: int | None = None
    campaign_id: int | None = None
    summary: str | None = None
    membership_id: int | None = None
    tag_type_ids: list[int] | None = None
    created_on: str | None = None
    completed_on: str | None = None


class Appointment(Row):
    """One visit of a job."""

    job_id: int = 0
    appointment_number: str | None = None
    status: str | None = None
    start: str | None = None
    end: str | None = None
    arrival_window_start: str | None = None
    arrival_window_end: str | None = None


class Assignment(Row):
    """A technician on an appointment."""

    appointment_id: int = 0
    job_id: int = 0
    technician_id: int = 0
    technician_name: str | None = None
    status: str | None = None


class Technician(Row):
    """A technician, without what is private."""

    name: str | None = None
    email: str | None = None
    phone_number: str | None = None
    mobile_phone: str | None = None
    business_unit_id: int | None = None


class Employee(Row):
    """A colleague in the office, without what is private."""

    name: str | None = None
    role: str | None = None
    email: str | None = None
    phone_number: str | None = None
    business_unit_id: int | None = None


class Named(Row):
    """Business units, job types and tag types: a name is all that is kept."""

    name: str | None = None


class Campaign(Row):
    """A campaign and the tracking numbers that lead to it."""

    name: str | None = None
    campaign_phone_numbers: list[str] | None = None


class Reference(msgspec.Struct, gc=False):
    """Another row, by id and name."""

    id: int | None = None
    name: str | None = None


class CallRecord(Row):
    """ServiceTitan's own record of a call through its telephony."""

    direction: str | None = None
    status: str | None = None
    type: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    created_on: str | None = None
    duration: str | None = None
    customer: Reference | None = None
    location: Reference | None = None
    job: Reference | None = None
    campaign: Reference | None = None
    agent: Reference | None = None
