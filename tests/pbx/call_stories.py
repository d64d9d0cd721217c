"""How each of the lab's scenarios reads once it is folded: for calls played live and for recorded traces alike."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lab_asterisk import CALLER, DID, OTHER_OUTSIDE

from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, Party
from trunkline.domain.fold import fold, keys_of
from trunkline.phone_systems.base import Parsed


@dataclass(frozen=True)
class Story:
    """What people would say about a call; phones by their extension."""

    direction: Direction | None
    outcome: Outcome | None
    answered_by: str | None = None
    last_agent: str | None = None
    transfers: tuple[str | None, ...] = ()
    queues: tuple[str, ...] = ()
    external_number: str | None = CALLER
    external_name: str | None = "WIRELESS CALLER"
    did: str | None = DID
    rang: tuple[str, ...] = ()


_DIRECT = Story(Direction.INBOUND, Outcome.ANSWERED, answered_by="201", last_agent="201", rang=("201",))
STORIES: dict[str, Story] = {
    "direct": _DIRECT,
    "queue_answered": replace(_DIRECT, queues=("dispatch",), rang=("201", "202")),
    "queue_of_extensions": replace(_DIRECT, queues=("service",), rang=("201", "202")),
    "missed": Story(Direction.INBOUND, Outcome.MISSED, rang=("203",)),
    "abandoned": Story(Direction.INBOUND, Outcome.ABANDONED, queues=("afterhours",)),
    "voicemail": Story(Direction.INBOUND, Outcome.VOICEMAIL, rang=("203",)),
    "blind_transfer": replace(_DIRECT, last_agent="202", transfers=("202",), rang=("201", "202")),
    "attended_transfer": replace(_DIRECT, last_agent="202", transfers=("202",), rang=("201", "202")),
    "feature_code_transfer": replace(_DIRECT, last_agent="202", transfers=("202",), rang=("201", "202")),
    "transfer_outside": replace(_DIRECT, transfers=(OTHER_OUTSIDE,), rang=("201", "outside")),
    "outbound": replace(_DIRECT, direction=Direction.OUTBOUND, external_name=None, did=None, rang=("outside",)),
    "outbound_busy": Story(
        Direction.OUTBOUND, Outcome.BUSY, last_agent="201", external_name=None, did=None, rang=("outside",)
    ),
    "click_to_call": replace(
        _DIRECT, direction=Direction.OUTBOUND, external_name=None, did=None, rang=("201", "outside")
    ),
    "internal": Story(
        Direction.INTERNAL,
        Outcome.ANSWERED,
        answered_by="202",
        last_agent="202",
        external_number=None,
        external_name=None,
        did=None,
        rang=("202",),
    ),
}


def calls(parsed: Iterable[Parsed]) -> list[Call]:
    """Events joined by their keys, as the tracker joins them, and folded."""
    groups: list[tuple[set[str], list[CallEvent]]] = []
    for event in parsed:
        if not isinstance(event, CallEvent):
            continue
        keys, members = set(keys_of(event)), [event]
        for group in [group for group in groups if group[0] & keys]:
            groups.remove(group)
            keys |= group[0]
            members = group[1] + members
        groups.append((keys, members))
    return [fold(members) for _, members in groups]


def all_ended(parsed: Iterable[Parsed]) -> bool:
    """Whether there were calls and all of them are over."""
    found = calls(parsed)
    return bool(found) and all(call.state is CallState.ENDED for call in found)


def story(call: Call) -> Story:
    """The call as people would tell it."""
    return Story(
        direction=call.direction,
        outcome=call.outcome,
        answered_by=_who(call.answered_by),
        last_agent=_who(call.last_agent),
        transfers=tuple(_who(transfer.party) for transfer in call.transfers),
        queues=call.queues,
        external_number=call.external_number,
        external_name=call.external_name,
        did=call.did,
        rang=tuple(sorted(_who(leg.party) or "outside" for leg in call.legs if leg.rang_at)),
    )


def _who(party: Party | None) -> str | None:
    return party.extension if party else None
