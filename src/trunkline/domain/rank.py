"""Who is calling: the facts about a number, weighed.

One customer is certain only where exactly one active customer has the number in a number field and no colleague has it
too. Everything else is ambiguous and is shown as such, likeliest first.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from trunkline.domain.caller import (
    CallerCard,
    Candidate,
    Certainty,
    CustomerFacts,
    Match,
    MatchKind,
    NumberFacts,
    ReasonCode,
)

RECENT_CALL = timedelta(days=14)
RECENT_VISIT = timedelta(days=90)

# What makes a customer likelier to be the caller, in points; each reason outweighs all those after it together.
WEIGHTS = {
    ReasonCode.APPOINTMENT_TODAY: 640,
    ReasonCode.OPEN_JOB: 320,
    ReasonCode.RECENT_CALL: 160,
    ReasonCode.RECENT_VISIT: 80,
    ReasonCode.MEMBERSHIP: 40,
    ReasonCode.NUMBER: 20,
    ReasonCode.LOCATION_NUMBER: 10,
    ReasonCode.MAYBE_NUMBER: 5,
    ReasonCode.MERGED: 0,
    ReasonCode.SHARED_NUMBER: 0,
    ReasonCode.INACTIVE: -10_000,
}


def rank(facts: NumberFacts, *, now: datetime) -> Match:
    """Weigh `facts` at the moment `now` (UTC)."""
    shared = max(facts.customer_count, len(facts.customers)) > 1
    candidates = sorted(
        (_candidate(customer, facts, now, shared=shared) for customer in facts.customers),
        key=lambda candidate: (-candidate.score, candidate.customer.id),
    )
    return Match(
        kind=_kind(facts),
        candidates=tuple(candidates),
        candidate_count=max(facts.customer_count, len(candidates)),
        staff=tuple(sorted(facts.staff, key=lambda person: (person.kind, person.id))),
    )


def card(number: str | None, facts: NumberFacts | None, *, now: datetime) -> CallerCard:
    """The caller card; `number` is `None` where the caller withheld it."""
    if number is None:
        return CallerCard(number=None, match=Match(kind=MatchKind.WITHHELD))
    if facts is None:
        return CallerCard(number=number, match=Match(kind=MatchKind.UNKNOWN))
    return CallerCard(number=number, match=rank(facts, now=now), past_calls=facts.past_calls)


def _kind(facts: NumberFacts) -> MatchKind:
    active = [customer for customer in facts.customers if customer.active]
    if facts.staff:
        return MatchKind.AMBIGUOUS if active else MatchKind.STAFF
    if not facts.customers:
        return MatchKind.UNKNOWN
    hidden = facts.customer_count > len(facts.customers)
    certain = len(active) == 1 and active[0].certainty is Certainty.KNOWN and not hidden
    return MatchKind.SINGLE if certain else MatchKind.AMBIGUOUS


def _candidate(customer: CustomerFacts, facts: NumberFacts, now: datetime, *, shared: bool) -> Candidate:
    reasons = tuple(_reasons(customer, facts, now, shared=shared))
    return Candidate(customer=customer, score=sum(map(WEIGHTS.__getitem__, reasons)), reasons=reasons)


def _reasons(customer: CustomerFacts, facts: NumberFacts, now: datetime, *, shared: bool) -> Iterator[ReasonCode]:
    """In the order of :data:`WEIGHTS`."""
    if customer.today_job_id is not None:
        yield ReasonCode.APPOINTMENT_TODAY
    if customer.open_jobs:
        yield ReasonCode.OPEN_JOB
    if any(call.customer_id == customer.id and now - call.started_at <= RECENT_CALL for call in facts.past_calls):
        yield ReasonCode.RECENT_CALL
    if customer.last_visit_at is not None and now - customer.last_visit_at <= RECENT_VISIT:
        yield ReasonCode.RECENT_VISIT
    if customer.has_membership:
        yield ReasonCode.MEMBERSHIP
    yield _number_reason(customer)
    if customer.merged_from:
        yield ReasonCode.MERGED
    if shared:
        yield ReasonCode.SHARED_NUMBER
    if not customer.active:
        yield ReasonCode.INACTIVE


def _number_reason(customer: CustomerFacts) -> ReasonCode:
    if customer.certainty is Certainty.MAYBE:
        return ReasonCode.MAYBE_NUMBER
    return ReasonCode.LOCATION_NUMBER if customer.number_location_id else ReasonCode.NUMBER
