"""What people decided about a number, and what becomes of the match: as a table, and as properties of any decisions."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain.call import Call, CallState
from trunkline.domain.caller import Certainty, CustomerFacts, MatchKind, NumberFacts, ReasonCode, StaffFacts, StaffKind
from trunkline.domain.decisions import THE_NUMBER, Decision, DecisionKind, Owner, OwnerKind
from trunkline.domain.events import Direction
from trunkline.domain.logging_plan import plan
from trunkline.domain.rank import card, owner_of, rank

NOW = datetime(2026, 7, 2, 15, 0, tzinfo=UTC)
NUMBER = "+14375550142"
JANE = CustomerFacts(id=7, name="Jane Example")
JOHN = CustomerFacts(id=8, name="John Example")
GONE = CustomerFacts(id=9, name="Gone Example", active=False)
NOTED = CustomerFacts(id=10, name="Noted Example", certainty=Certainty.MAYBE)
SITE = CustomerFacts(id=11, name="Landlord Example", number_location_id=110)
TECH = StaffFacts(id=3, name="Toni Tech", kind=StaffKind.TECHNICIAN)


def decided(kind: DecisionKind, who: CustomerFacts | None = None, minute: int = 0) -> Decision:
    owner = owner_of(who) if who else THE_NUMBER
    return Decision(kind, owner, NOW + timedelta(minutes=minute), "Dana", who.id if who else None)


def direct(who: CustomerFacts, minute: int = 0) -> Decision:
    return decided(DecisionKind.DIRECT_LINE, who, minute)


def moved(who: CustomerFacts, minute: int = 0) -> Decision:
    return decided(DecisionKind.MOVED_AWAY, who, minute)


def shared(minute: int = 0) -> Decision:
    return decided(DecisionKind.SHARED, minute=minute)


def spam(minute: int = 0) -> Decision:
    return decided(DecisionKind.SPAM, minute=minute)


def facts(*customers: CustomerFacts, staff: tuple[StaffFacts, ...] = (), more: int = 0) -> NumberFacts:
    return NumberFacts(NUMBER, customers=customers, customer_count=len(customers) + more, staff=staff)


def with_(found: NumberFacts, *decisions: Decision) -> NumberFacts:
    return msgspec.structs.replace(found, decisions=decisions)


SINGLE, AMBIGUOUS, STAFF = MatchKind.SINGLE, MatchKind.AMBIGUOUS, MatchKind.STAFF


@pytest.mark.parametrize(
    ("found", "decisions", "kind", "candidates", "former"),
    [
        # A direct line makes its customer certain, whoever else has the number.
        (facts(JANE, JOHN), [direct(JOHN)], SINGLE, [8, 7], []),
        (facts(NOTED), [direct(NOTED)], SINGLE, [10], []),
        (facts(SITE, JANE), [direct(SITE)], SINGLE, [11, 7], []),
        (facts(JANE, staff=(TECH,)), [direct(JANE)], SINGLE, [7], []),
        (facts(JANE, JOHN, more=30), [direct(JANE)], SINGLE, [7, 8], []),
        # It has no force where the mirror knows better.
        (facts(JANE), [direct(JOHN)], SINGLE, [7], []),
        (facts(JANE, JOHN), [direct(GONE)], AMBIGUOUS, [7, 8], []),
        (facts(GONE), [direct(GONE)], AMBIGUOUS, [9], []),
        # Who moved away is no candidate, and the others are as uncertain as they were.
        (facts(JANE), [moved(JANE)], MatchKind.UNKNOWN, [], [7]),
        (facts(JANE, JOHN), [moved(JANE)], AMBIGUOUS, [8], [7]),
        (facts(JANE, GONE), [moved(GONE)], SINGLE, [7], [9]),
        (facts(JANE, GONE), [moved(JANE)], AMBIGUOUS, [9], [7]),
        (facts(JANE, staff=(TECH,)), [moved(JANE)], STAFF, [], [7]),
        (facts(JANE, JOHN), [moved(JANE), direct(JOHN)], SINGLE, [8], [7]),
        (facts(JANE, JOHN), [moved(JANE), moved(JOHN)], MatchKind.UNKNOWN, [], [7, 8]),
        # A shared number is never certain.
        (facts(JANE), [shared()], AMBIGUOUS, [7], []),
        (facts(JANE, JOHN), [shared()], AMBIGUOUS, [7, 8], []),
        (facts(), [shared()], MatchKind.UNKNOWN, [], []),
        (facts(staff=(TECH,)), [shared()], STAFF, [], []),
        # Spam is spam, whoever has the number.
        (facts(), [spam()], MatchKind.SPAM, [], []),
        (facts(JANE), [spam()], MatchKind.SPAM, [7], []),
        (facts(JANE, staff=(TECH,)), [spam()], MatchKind.SPAM, [7], []),
        # Of those that contradict one another the latest counts.
        (facts(JANE, JOHN), [direct(JANE), direct(JOHN, 1)], SINGLE, [8, 7], []),
        (facts(JANE, JOHN), [direct(JOHN, 1), direct(JANE)], SINGLE, [8, 7], []),
        (facts(JANE), [direct(JANE), shared(1)], AMBIGUOUS, [7], []),
        (facts(JANE), [shared(), direct(JANE, 1)], SINGLE, [7], []),
        (facts(JANE), [spam(), direct(JANE, 1)], SINGLE, [7], []),
        (facts(JANE), [direct(JANE), spam(1)], MatchKind.SPAM, [7], []),
    ],
)  # fmt: skip
def test_what_becomes_of_the_match(
    found: NumberFacts, decisions: list[Decision], kind: MatchKind, candidates: list[int], former: list[int]
) -> None:
    match = rank(with_(found, *decisions), now=NOW)
    assert match.kind is kind
    assert [candidate.customer.id for candidate in match.candidates] == candidates
    assert [customer.id for customer in match.former] == former
    assert match.decisions == tuple(decisions)
    assert (match.customer is None) is (kind is not SINGLE)


def test_a_location_that_moved_away_leaves_the_number_to_a_customer_who_has_it_too() -> None:
    decision = Decision(DecisionKind.MOVED_AWAY, Owner(OwnerKind.LOCATION, 70), NOW, "Dana", customer_id=7)
    match = rank(with_(facts(JANE), decision), now=NOW)
    assert (match.kind, match.former) == (SINGLE, ())


def test_a_decision_follows_its_customer_into_the_record_it_was_merged_into() -> None:
    decision = Decision(DecisionKind.DIRECT_LINE, Owner(OwnerKind.CUSTOMER, 5), NOW, "Dana", customer_id=7)
    match = rank(with_(facts(msgspec.structs.replace(JANE, merged_from=(5,)), JOHN), decision), now=NOW)
    assert match.customer is not None
    assert match.customer.id == 7


def test_the_reasons_say_that_somebody_decided() -> None:
    direct_line = rank(with_(facts(JANE, JOHN), direct(JANE)), now=NOW).candidates
    assert direct_line[0].reasons[0] is ReasonCode.DIRECT_LINE
    assert ReasonCode.DIRECT_LINE not in direct_line[1].reasons
    assert ReasonCode.SHARED_NUMBER in rank(with_(facts(JANE), shared()), now=NOW).candidates[0].reasons
    assert ReasonCode.SHARED_NUMBER not in rank(with_(facts(JANE, JOHN), moved(JOHN)), now=NOW).candidates[0].reasons


@pytest.mark.parametrize("found", [facts(), facts(JANE), facts(JANE, JOHN), facts(staff=(TECH,))])
@pytest.mark.parametrize("direction", [Direction.INBOUND, Direction.OUTBOUND])
def test_calls_of_a_number_marked_as_spam_are_not_logged(found: NumberFacts, direction: Direction) -> None:
    call = Call(
        system="asterisk", account="main", call_key="c1", state=CallState.ENDED, direction=direction,
        external_number=NUMBER,
    )  # fmt: skip
    assert plan(call, card(NUMBER, with_(found, spam()), now=NOW), ref="R1", timezone="UTC") == []


PEOPLE = [JANE, JOHN, GONE, NOTED, SITE]
_customers = st.lists(st.sampled_from(PEOPLE), unique_by=lambda one: one.id)
_found = st.builds(
    lambda customers, staff, more: facts(*customers, staff=staff, more=more),
    _customers,
    st.sampled_from([(), (TECH,)]),
    st.sampled_from([0, 0, 30]),
)
_minutes = st.integers(0, 1000)
_decision = st.one_of(
    st.builds(direct, st.sampled_from(PEOPLE), _minutes),
    st.builds(moved, st.sampled_from(PEOPLE), _minutes),
    st.builds(shared, _minutes),
    st.builds(spam, _minutes),
)
_decisions = st.lists(_decision, max_size=5, unique_by=lambda one: one.decided_at)


@given(_found, _decisions)
def test_a_decision_makes_nobody_certain_but_whom_it_names(found: NumberFacts, decisions: list[Decision]) -> None:
    before, after = rank(found, now=NOW).customer, rank(with_(found, *decisions), now=NOW).customer
    named = {decision.customer_id for decision in decisions if decision.kind is DecisionKind.DIRECT_LINE}
    assert after is None or after == before or after.id in named


@given(_found, _decisions, _decision)
def test_where_nobody_was_certain_one_more_decision_makes_certain_only_whom_it_names(
    found: NumberFacts, decisions: list[Decision], one: Decision
) -> None:
    decisions = [other for other in decisions if other.decided_at != one.decided_at]
    after = rank(with_(found, *decisions, one), now=NOW).customer
    if rank(with_(found, *decisions), now=NOW).customer is None and after is not None:
        assert (one.kind, one.customer_id) == (DecisionKind.DIRECT_LINE, after.id)


@given(st.data(), _found, _decisions)
def test_the_order_in_which_decisions_are_listed_changes_nothing(
    data: st.DataObject, found: NumberFacts, decisions: list[Decision]
) -> None:
    shuffled = data.draw(st.permutations(decisions))
    first, second = rank(with_(found, *decisions), now=NOW), rank(with_(found, *shuffled), now=NOW)
    assert msgspec.structs.replace(first, decisions=()) == msgspec.structs.replace(second, decisions=())


@given(_found, _decisions)
def test_nobody_is_lost_and_nobody_is_counted_twice(found: NumberFacts, decisions: list[Decision]) -> None:
    match = rank(with_(found, *decisions), now=NOW)
    listed = [candidate.customer.id for candidate in match.candidates] + [customer.id for customer in match.former]
    assert sorted(listed) == sorted(customer.id for customer in found.customers)
    assert match.candidate_count + len(match.former) == found.customer_count
