"""Who is calling, in the one line that a phone's display has."""

from collections.abc import Iterator, Sequence

from trunkline.domain.caller import CallerCard, CustomerFacts, Match, MatchKind

SEPARATOR = " - "
_NAMED = 3  # of several who may be calling, so many are named

# What an appointment's status means for a customer who calls today; any other is only an appointment.
_ON_THE_DAY = {"Dispatched": "tech en route", "Working": "tech working"}


def phone_label(card: CallerCard) -> str:
    """The label for a phone's display: ``Jane Doe - MEMBER - tech en route``; empty where nobody is known.

    An uncertain match is never told as a certain one: ``maybe Jane Doe``, ``2 customers: Jane Doe, John Doe``.
    """
    match = card.match
    if match.kind is MatchKind.SPAM:
        return "SPAM"
    if match.customer is not None:
        return SEPARATOR.join((match.customer.name, *states(match.customer)))
    if match.kind is MatchKind.STAFF:
        names = [one.name for one in match.staff]
        return names[0] if len(names) == 1 else _several(names, len(names), "colleagues")
    return _uncertain(match) if match.kind is MatchKind.AMBIGUOUS else ""


def states(customer: CustomerFacts) -> Iterator[str]:
    """What whoever picks up must know before the first word, the gravest first."""
    if customer.do_not_service:
        yield "DO NOT SERVICE"
    if customer.has_membership:
        yield "MEMBER"
    if customer.today_job_id is not None:
        yield _today(customer)
    elif customer.open_jobs:
        yield "open job"


def _today(customer: CustomerFacts) -> str:
    visit = customer.next_appointment
    is_it = visit is not None and visit.job_id == customer.today_job_id
    return _ON_THE_DAY.get(visit.status if visit and is_it else "", "appointment today")


def _uncertain(match: Match) -> str:
    names = [candidate.customer.name for candidate in match.candidates]
    names += [one.name for one in match.staff]
    count = max(match.candidate_count, len(match.candidates)) + len(match.staff)
    return f"maybe {names[0]}" if count == 1 else _several(names, count, "people" if match.staff else "customers")


def _several(names: Sequence[str], count: int, what: str) -> str:
    return f"{count} {what}: {', '.join(names[:_NAMED])}"
