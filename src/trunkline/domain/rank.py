"""Who is calling: the facts about a number, weighed.

One customer is certain only where exactly one active customer has the number in a number field and no colleague has it
too, or where somebody decided so. Everything else is ambiguous and is shown as such, likeliest first.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

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
from trunkline.domain.decisions import Decision, DecisionKind, Owner, OwnerKind

RECENT_CALL = timedelta(days=14)
RECENT_VISIT = timedelta(days=90)

# What makes a customer likelier to be the caller, in points; each reason outweighs all those after it together.
WEIGHTS = {
    ReasonCode.DIRECT_LINE: 1280,
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
    gone = _moved_away(facts) if facts.decisions else set()
    left = _without(facts, gone)
    verdict = _verdict(left) if left.decisions else None
    direct = verdict.customer_id if verdict and verdict.kind is DecisionKind.DIRECT_LINE else None
    shared = left.customer_count > 1 or (verdict is not None and verdict.kind is DecisionKind.SHARED)
    candidates = sorted(
        (_candidate(customer, left, now, shared=shared, direct=customer.id == direct) for customer in left.customers),
        key=lambda candidate: (-candidate.score, candidate.customer.id),
    )
    kind = _decided(_kind(facts), _kind(left), verdict)
    return Match(
        kind=kind,
        candidates=tuple(candidates),
        candidate_count=left.customer_count,
        staff=() if kind is MatchKind.SINGLE else tuple(sorted(facts.staff, key=lambda one: (one.kind, one.id))),
        former=tuple(customer for customer in facts.customers if customer.id in gone),
        decisions=facts.decisions,
    )


def card(number: str | None, facts: NumberFacts | None, *, now: datetime) -> CallerCard:
    """The caller card; `number` is `None` where the caller withheld it."""
    if number is None:
        return CallerCard(number=None, match=Match(kind=MatchKind.WITHHELD))
    if facts is None:
        return CallerCard(number=number, match=Match(kind=MatchKind.UNKNOWN))
    return CallerCard(number=number, match=rank(facts, now=now), past_calls=facts.past_calls)


def owner_of(customer: CustomerFacts) -> Owner:
    """What of a customer has the number: one of its locations, or the customer itself."""
    if customer.number_location_id is not None:
        return Owner(OwnerKind.LOCATION, customer.number_location_id)
    return Owner(OwnerKind.CUSTOMER, customer.id)


def _moved_away(facts: NumberFacts) -> set[int]:
    """The customers who no longer have the number, as the latest decision about each says."""
    latest: dict[int, DecisionKind] = {}
    for decision in sorted(facts.decisions, key=lambda one: one.decided_at):
        for customer in facts.customers:
            if _speaks_of(decision, customer):
                latest[customer.id] = decision.kind
    return {customer_id for customer_id, kind in latest.items() if kind is DecisionKind.MOVED_AWAY}


def _speaks_of(decision: Decision, customer: CustomerFacts) -> bool:
    """A location that moved away leaves the number to a customer who has it otherwise, too."""
    if decision.customer_id != customer.id:
        return False
    moved_site = decision.kind is DecisionKind.MOVED_AWAY and decision.owner.kind is OwnerKind.LOCATION
    return not moved_site or decision.owner == owner_of(customer)


def _without(facts: NumberFacts, gone: set[int]) -> NumberFacts:
    if not gone and facts.customer_count >= len(facts.customers):
        return facts
    return msgspec.structs.replace(
        facts,
        customers=tuple(customer for customer in facts.customers if customer.id not in gone),
        customer_count=max(facts.customer_count, len(facts.customers)) - len(gone),
    )


def _verdict(left: NumberFacts) -> Decision | None:
    """The latest decision about who it is that has any force with those who are left."""
    active = {customer.id for customer in left.customers if customer.active}
    in_force = (
        decision
        for decision in left.decisions
        if not decision.kind.is_about_owner
        or (decision.kind is DecisionKind.DIRECT_LINE and decision.customer_id in active)
    )
    return max(in_force, key=lambda decision: decision.decided_at, default=None)


def _decided(before: MatchKind, after: MatchKind, verdict: Decision | None) -> MatchKind:
    """The match, given what it would be `before` anybody decided, and `after` those who moved away are left out.

    That somebody moved away never makes another one certain: the others were as uncertain without it.
    """
    if verdict is not None and verdict.kind is DecisionKind.SPAM:
        return MatchKind.SPAM
    if verdict is not None and verdict.kind is DecisionKind.DIRECT_LINE:
        return MatchKind.SINGLE
    if after is MatchKind.SINGLE and (verdict is not None or before is not MatchKind.SINGLE):
        return MatchKind.AMBIGUOUS
    return after


def _kind(facts: NumberFacts) -> MatchKind:
    active = [customer for customer in facts.customers if customer.active]
    if facts.staff:
        return MatchKind.AMBIGUOUS if active else MatchKind.STAFF
    if not facts.customers:
        return MatchKind.UNKNOWN
    hidden = facts.customer_count > len(facts.customers)
    certain = len(active) == 1 and active[0].certainty is Certainty.KNOWN and not hidden
    return MatchKind.SINGLE if certain else MatchKind.AMBIGUOUS


def _candidate(customer: CustomerFacts, facts: NumberFacts, now: datetime, *, shared: bool, direct: bool) -> Candidate:
    reasons = tuple(_reasons(customer, facts, now, shared=shared, direct=direct))
    return Candidate(customer=customer, score=sum(map(WEIGHTS.__getitem__, reasons)), reasons=reasons)


def _reasons(
    customer: CustomerFacts, facts: NumberFacts, now: datetime, *, shared: bool, direct: bool
) -> Iterator[ReasonCode]:
    """In the order of :data:`WEIGHTS`."""
    if direct:
        yield ReasonCode.DIRECT_LINE
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
