"""Who is calling, and what is written where: both as tables of cases."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain.call import Call, CallState, Outcome, Transfer
from trunkline.domain.caller import (
    Certainty,
    CustomerFacts,
    Job,
    MatchKind,
    NumberFacts,
    PastCall,
    ReasonCode,
    StaffFacts,
    StaffKind,
)
from trunkline.domain.events import CallEvent, Direction, EventKind, Party, PartyKind
from trunkline.domain.fold import fold
from trunkline.domain.logging_plan import (
    LONGEST_NOTE,
    LogKind,
    NewCaller,
    ReviewReason,
    booking_text,
    new_caller,
    note_text,
    plan,
)
from trunkline.domain.rank import card, rank

NOW = datetime(2026, 7, 2, 15, 0, tzinfo=UTC)
NUMBER = "+14375550142"
JANE = CustomerFacts(id=7, name="Jane Example")
JOB = Job(id=70, number="J70", status="Scheduled")
TECH = StaffFacts(id=3, name="Toni Tech", kind=StaffKind.TECHNICIAN, current_job=JOB)


def change(customer: CustomerFacts, **fields: object) -> CustomerFacts:
    return msgspec.structs.replace(customer, **fields)


OTHER = change(JANE, id=8, name="John Example")
GONE = change(JANE, id=9, active=False)


@pytest.mark.parametrize(
    ("customers", "staff", "kind"),
    [
        ((), (), MatchKind.UNKNOWN),
        ((JANE,), (), MatchKind.SINGLE),
        ((JANE, GONE), (), MatchKind.SINGLE),
        ((JANE, OTHER), (), MatchKind.AMBIGUOUS),
        ((GONE,), (), MatchKind.AMBIGUOUS),
        ((change(JANE, certainty=Certainty.MAYBE),), (), MatchKind.AMBIGUOUS),
        ((), (TECH,), MatchKind.STAFF),
        ((GONE,), (TECH,), MatchKind.STAFF),
        ((JANE,), (TECH,), MatchKind.AMBIGUOUS),
    ],
)
def test_only_one_active_owner_of_a_number_is_certain(
    customers: tuple[CustomerFacts, ...], staff: tuple[StaffFacts, ...], kind: MatchKind
) -> None:
    facts = NumberFacts(NUMBER, customers=customers, customer_count=len(customers), staff=staff)
    assert rank(facts, now=NOW).kind is kind


def test_a_number_with_more_owners_than_are_listed_is_ambiguous() -> None:
    assert rank(NumberFacts(NUMBER, customers=(JANE,), customer_count=40), now=NOW).kind is MatchKind.AMBIGUOUS


def test_todays_appointment_outweighs_all_else() -> None:
    busy = change(OTHER, open_jobs=(JOB,), has_membership=True, last_visit_at=NOW - timedelta(days=3))
    today = change(JANE, today_job_id=70)
    past = (PastCall(NOW - timedelta(days=1), "inbound", customer_id=8),)
    match = rank(NumberFacts(NUMBER, customers=(busy, today), customer_count=2, past_calls=past), now=NOW)
    assert [candidate.customer.id for candidate in match.candidates] == [7, 8]
    assert ReasonCode.SHARED_NUMBER in match.candidates[0].reasons
    assert ReasonCode.RECENT_CALL in match.candidates[1].reasons


@given(st.permutations([JANE, OTHER, GONE, change(JANE, id=11, has_membership=True)]))
def test_the_order_of_the_facts_changes_nothing(customers: list[CustomerFacts]) -> None:
    match = rank(NumberFacts(NUMBER, customers=tuple(customers), customer_count=4), now=NOW)
    assert [candidate.customer.id for candidate in match.candidates] == [11, 7, 8, 9]


ANSWERED = Call(
    system="asterisk",
    account="main",
    call_key="c1",
    direction=Direction.INBOUND,
    state=CallState.ENDED,
    outcome=Outcome.ANSWERED,
    external_number=NUMBER,
    did="4375550100",
    started_at=NOW,
    answered_by=Party(PartyKind.AGENT, extension="201", name="Dana Desk"),
    transfers=(Transfer(NOW, Party(PartyKind.AGENT, extension="202")),),
    queues=("dispatch",),
    wait_s=4,
    talk_s=95,
)


def facts(*customers: CustomerFacts, staff: tuple[StaffFacts, ...] = ()) -> NumberFacts:
    return NumberFacts(NUMBER, customers=customers, customer_count=len(customers), staff=staff)


@pytest.mark.parametrize(
    ("direction", "number", "found", "expected"),
    [
        (Direction.INBOUND, NUMBER, facts(JANE), [(LogKind.CUSTOMER_NOTE, 7, None)]),
        (
            Direction.OUTBOUND,
            NUMBER,
            facts(change(JANE, today_job_id=70)),
            [(LogKind.CUSTOMER_NOTE, 7, None), (LogKind.JOB_NOTE, 70, None)],
        ),
        (Direction.INBOUND, NUMBER, facts(JANE, OTHER), [(LogKind.REVIEW, None, ReviewReason.AMBIGUOUS)]),
        (Direction.INBOUND, NUMBER, facts(), [(LogKind.REVIEW, None, ReviewReason.UNKNOWN_CALLER)]),
        (Direction.INBOUND, NUMBER, None, [(LogKind.REVIEW, None, ReviewReason.UNKNOWN_CALLER)]),
        (Direction.INBOUND, None, None, [(LogKind.REVIEW, None, ReviewReason.WITHHELD)]),
        (Direction.INBOUND, NUMBER, facts(staff=(TECH,)), []),
        (Direction.INTERNAL, None, None, []),
    ],
)
def test_what_is_written_where(
    direction: Direction, number: str | None, found: NumberFacts | None, expected: list[tuple[object, ...]]
) -> None:
    call = msgspec.structs.replace(ANSWERED, direction=direction, external_number=number)
    actions = plan(call, card(number, found, now=NOW), ref="R1", timezone="America/Toronto")
    assert [(action.kind, action.target_id, action.review) for action in actions] == expected
    assert all(action.text.endswith("[call:R1]") for action in actions if action.kind is not LogKind.REVIEW)


UNKNOWN = (LogKind.REVIEW, None, ReviewReason.UNKNOWN_CALLER)


@pytest.mark.parametrize(
    ("name", "provider", "number", "found", "expected"),
    [
        ("Jane Example", 5, NUMBER, facts(), (LogKind.BOOKING, 5, None)),
        ("Jane Example", 5, NUMBER, None, (LogKind.BOOKING, 5, None)),
        ("Jane Example", None, NUMBER, facts(), UNKNOWN),
        (None, 5, NUMBER, facts(), UNKNOWN),
        ("Jane Example", 5, None, None, (LogKind.REVIEW, None, ReviewReason.WITHHELD)),
        ("Jane Example", 5, NUMBER, facts(JANE), (LogKind.CUSTOMER_NOTE, 7, None)),
        ("Jane Example", 5, NUMBER, facts(JANE, OTHER), (LogKind.REVIEW, None, ReviewReason.AMBIGUOUS)),
    ],
)
def test_an_unknown_caller_whom_somebody_named_is_booked(
    name: str | None, provider: int | None, number: str | None, found: NumberFacts | None, expected: tuple[object, ...]
) -> None:
    call = msgspec.structs.replace(ANSWERED, external_number=number, contact_name=name)
    (action,) = plan(call, card(number, found, now=NOW), ref="R1", timezone="UTC", booking_provider=provider)
    assert (action.kind, action.target_id, action.review) == expected


def test_colleagues_are_not_booked() -> None:
    call = msgspec.structs.replace(ANSWERED, contact_name="Jane Example")
    for direction, found in ((Direction.INTERNAL, facts()), (Direction.INBOUND, facts(staff=(TECH,)))):
        told = msgspec.structs.replace(call, direction=direction)
        assert plan(told, card(NUMBER, found, now=NOW), ref="R1", timezone="UTC", booking_provider=5) == []


def test_a_booking_tells_who_called_above_what_a_note_tells() -> None:
    text = booking_text(msgspec.structs.replace(ANSWERED, contact_name="Jane Example"), ref="R1", timezone="UTC")
    assert text == f"Jane Example, {NUMBER}\n{note_text(ANSWERED, ref='R1', timezone='UTC')}"


@given(name=st.text(min_size=1), notes=st.lists(st.text(max_size=3000), max_size=3))
def test_whom_a_booking_is_about_is_read_from_its_text(name: str, notes: list[str]) -> None:
    named = CallEvent("3cx", "main", "c1", EventKind.NAMED, NOW, external_number=NUMBER, text=name)
    call = msgspec.structs.replace(fold([named]), notes=tuple(notes))
    if call.contact_name is not None:
        read = new_caller(booking_text(call, ref="R1", timezone="UTC"))
        assert read == NewCaller(call.contact_name, NUMBER, "R1")


def test_what_is_no_text_of_a_booking_is_not_read_as_one() -> None:
    with pytest.raises(ValueError, match="no text of a booking"):
        new_caller(note_text(ANSWERED, ref="R1", timezone="UTC"))


def test_the_note_tells_the_call_in_plain_words_and_local_time() -> None:
    assert note_text(ANSWERED, ref="R1", timezone="America/Toronto").splitlines() == [
        "Incoming call answered by Dana Desk (extension 201)",
        "When: Thu 02 Jul 2026, 11:00 EDT",
        "From: (437) 555-0142",
        "Dialled: (437) 555-0100",
        "Queue: dispatch",
        "Transferred to extension 202",
        "Waited 4 s, talked 1 min 35 s",
        "[call:R1]",
    ]


def test_the_note_makes_no_length_up_where_the_end_was_not_heard() -> None:
    call = msgspec.structs.replace(ANSWERED, answered_at=NOW, talk_s=None)
    assert "Waited 4 s; when the call ended was not heard" in note_text(call, ref="R1", timezone="UTC").splitlines()


def test_a_long_note_keeps_its_reference() -> None:
    text = note_text(msgspec.structs.replace(ANSWERED, notes=("x" * 9000,)), ref="R1", timezone="UTC")
    assert len(text) <= LONGEST_NOTE
    assert text.endswith("\n[call:R1]")
