"""One physical call, seen by several phone systems: a call-tracking number in front of a PBX, a PBX behind a carrier.

Calls are joined only across systems that were declared to be one in front of the other, and only where nothing else
could be meant; whatever is left is shown apart.
"""

from collections.abc import Iterable, Sequence

import msgspec

from trunkline.domain import phone
from trunkline.domain.call import Call, CallState
from trunkline.domain.events import CallEvent, EventKind, PartyKind

START_WITHIN_S = 30.0
DURATION_WITHIN_S = 5.0


def may_be_one(front: Call, behind: Call, *, region: str = "US") -> bool:
    """Whether the call that `front` passed on may be the one that came in at `behind`.

    The outside number is the same, or the system in front shows its own number instead; both begin within half a
    minute; where both talked to an end, they talked about as long.
    """
    if front.started_at is None or behind.started_at is None or front.direction is not behind.direction:
        return False
    if abs((front.started_at - behind.started_at).total_seconds()) > START_WITHIN_S:
        return False
    shown = phone.parse(front.did, region) if front.did else None
    if behind.external_number is None or behind.external_number not in {front.external_number, shown}:
        return False
    if front.state is not CallState.ENDED or behind.state is not CallState.ENDED:
        return True
    talked = (front.talk_s, behind.talk_s)
    return None in talked or abs((front.talk_s or 0.0) - (behind.talk_s or 0.0)) <= DURATION_WITHIN_S


def pairs(
    fronts: Sequence[tuple[int, Call]], behinds: Sequence[tuple[int, Call]], *, region: str
) -> list[tuple[int, int]]:
    """Which (front, behind) are one call. Where one could be two of the others, none is."""
    found = [(a, b) for a, front in fronts for b, behind in behinds if may_be_one(front, behind, region=region)]
    return [
        (a, b) for a, b in found if sum(a == other for other, _ in found) == 1 == sum(b == other for _, other in found)
    ]


def as_behind(events: Iterable[CallEvent], fronts: frozenset[str]) -> list[CallEvent]:
    """The events of a joined call: that a system in front put it through is no answer; who answered is told behind."""
    return [_put_through(event) if event.account in fronts else event for event in events]


def _put_through(event: CallEvent) -> CallEvent:
    is_agent = event.party is not None and event.party.kind is PartyKind.AGENT
    if event.kind is EventKind.ANSWERED and not is_agent:
        return msgspec.structs.replace(event, kind=EventKind.ROUTED)
    if event.kind is EventKind.RECORD and not is_agent:
        return msgspec.structs.replace(event, talk_s=None)
    return event
