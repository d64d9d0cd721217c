"""Whose call it is in a network: a table of cases."""

import pytest

from trunkline.domain.caller import (
    CallerCard,
    Candidate,
    CustomerFacts,
    Elsewhere,
    Match,
    MatchKind,
    StaffFacts,
    StaffKind,
)
from trunkline.domain.network import owner, shared_card

A, B, C = 1000001, 1000002, 1000003
DID = "+14375550100"


def match(kind: MatchKind, *customers: int) -> Match:
    """A match with these customers."""
    candidates = tuple(Candidate(CustomerFacts(id_, f"Customer {id_}"), 20) for id_ in customers)
    return Match(kind, candidates, len(candidates))


NOBODY, WITHHELD = match(MatchKind.UNKNOWN), match(MatchKind.WITHHELD)
ONE, TWO = match(MatchKind.SINGLE, 1), match(MatchKind.AMBIGUOUS, 1, 2)
COLLEAGUE = Match(MatchKind.STAFF, staff=(StaffFacts(7, "Dana Desk", StaffKind.EMPLOYEE),))


@pytest.mark.parametrize(
    ("matches", "did", "dids", "whose"),
    [
        # The number dialled decides before anything else.
        ((NOBODY, ONE, NOBODY), DID, {DID: C}, C),
        ((ONE, NOBODY, NOBODY), DID, {DID: B}, B),
        ((WITHHELD, WITHHELD, WITHHELD), DID, {DID: B}, B),
        ((None, None, None), DID, {DID: C}, C),
        # A number that leads nowhere, or to a tenant that is paused, does not count.
        ((NOBODY, ONE, NOBODY), "+14375550199", {DID: C}, B),
        ((NOBODY, ONE, NOBODY), None, {DID: C}, B),
        ((NOBODY, ONE, NOBODY), DID, {DID: 1000009}, B),
        # Then the only certain match.
        ((NOBODY, ONE, NOBODY), DID, {}, B),
        ((TWO, NOBODY, ONE), DID, {}, C),
        ((COLLEAGUE, ONE, NOBODY), DID, {}, B),
        ((None, ONE, NOBODY), DID, {}, B),
        # Else the first.
        ((NOBODY, NOBODY, NOBODY), DID, {}, A),
        ((NOBODY, ONE, ONE), DID, {}, A),
        ((ONE, ONE, NOBODY), DID, {}, A),
        ((NOBODY, TWO, NOBODY), DID, {}, A),
        ((NOBODY, COLLEAGUE, NOBODY), DID, {}, A),
        ((WITHHELD, WITHHELD, WITHHELD), None, {}, A),
        ((None, None, None), None, {}, A),
    ],
)
def test_a_call_belongs_to_one_tenant(
    matches: tuple[Match | None, ...], did: str | None, dids: dict[str, int], whose: int
) -> None:
    assert owner(dict(zip((A, B, C), matches, strict=True)), did=did, dids=dids) == whose


def test_the_card_names_whom_the_other_companies_know_and_leaves_out_those_that_know_nobody() -> None:
    cards = {tenant: CallerCard(DID, one) for tenant, one in ((A, NOBODY), (B, TWO), (C, COLLEAGUE))}
    names = {A: "Example Plumbing", B: "Other Example", C: "Third Example"}
    card = shared_card(cards, A, names)
    assert card == CallerCard(
        DID, NOBODY, elsewhere=(Elsewhere(B, "Other Example", TWO), Elsewhere(C, "Third Example", COLLEAGUE))
    )
    assert shared_card(cards, B, names) == CallerCard(DID, TWO, elsewhere=(Elsewhere(C, "Third Example", COLLEAGUE),))


def test_without_a_card_of_its_own_a_call_has_none() -> None:
    assert shared_card({A: None, B: CallerCard(DID, ONE)}, A, {A: "Example Plumbing", B: "Other Example"}) is None
