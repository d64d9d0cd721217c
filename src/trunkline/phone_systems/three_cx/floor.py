"""Who is in which call now, as Call Control told so far: what each message says of its call comes from here.

It is kept over reconnects, and only there: after a restart it is made anew of the list of all participants. Keys of
calls come out the same, then; what had been heard of their begin is in the messages of before.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from trunkline.domain import phone
from trunkline.domain.events import Direction, PartyKind
from trunkline.phone_systems.base import RawMessage
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.three_cx.keys import Rings, live_key, who
from trunkline.phone_systems.three_cx.live import BEGINS, Heard, Listed, LiveCall, Participant, kind_of

# A queue that tries its next phone, or a transfer, may leave a call without participants for a while.
_REMEMBERED = timedelta(minutes=1)
# A colleague's call gets the outside number of the one that was handed over while that one ends.
_HANDED_OVER = timedelta(seconds=10)

Place = tuple[str, str]  # extension, participant


@dataclass
class _Call:
    id: str
    key: str
    number: str | None
    direction: Direction | None
    is_unheard: bool
    places: set[Place] = field(default_factory=set)
    over_at: datetime | None = None

    def as_known(self) -> LiveCall:
        return LiveCall(self.key, self.number, self.direction, self.is_unheard)


@dataclass(frozen=True)
class _Seat:
    held: dict[str, Any]
    call: _Call
    dials: bool


class Floor:
    """The participants of one PBX. `rings` is shared with what the CRM template asks: a ring is one, however heard."""

    def __init__(self, rings: Rings, platform_extensions: frozenset[str]) -> None:
        self._rings = rings
        self._platform = platform_extensions
        self._types: dict[str, str] = {}
        self._seats: dict[Place, _Seat] = {}
        self._calls: list[_Call] = []

    def seen(self, place: Place, held: dict[str, Any], event: Any, at: datetime) -> RawMessage:
        """A participant as it is now; `event` is what told of it, none where it stood in the list."""
        if self._is_line(place[0]):
            return Heard(*place, participant=held, event=event, dn_type=self._types[place[0]]).as_message(at)
        participant, before = Participant(held), self._seats.get(place)
        is_listed = event is None
        known = self._known_call(place, participant, at, is_listed=is_listed)
        call = known or self._new_call(place, participant, at, is_listed=is_listed)
        is_begun = known is None and not call.is_unheard
        is_same = before is not None and before.call is call
        joins = self._joins(call, None if is_listed else before, participant, at)
        if before is not None and not is_same:
            self._leave(place, at)
        dials = before.dials if before is not None and is_same else participant.dials(place[0])
        self._seats[place] = _Seat(held, call, dials)
        call.places.add(place)
        call.over_at = None
        call.number = participant.number if call.number is None else call.number
        call.direction = call.direction or self._direction(place[0], participant)
        is_ringing = participant.status in BEGINS and not is_same
        return Heard(
            *place,
            participant=held,
            event=event,
            dn_type=self._types.get(place[0], ""),
            call=call.as_known(),
            before=Participant(before.held).status if before is not None and is_same else "",
            dials=dials,
            rings_since=self._ringing_since(call.number, at) if is_ringing or is_begun else None,
            joins=joins,
        ).as_message(at)

    def gone(self, place: Place, event: Any, at: datetime) -> RawMessage:
        """A participant is there no longer; of one that was never seen, nothing is known."""
        seat = self._seats.get(place)
        if seat is None:
            return Heard(*place, event=event, is_gone=True).as_message(at)
        self._leave(place, at)
        return Heard(
            *place,
            participant=seat.held,
            event=event,
            dn_type=self._types.get(place[0], ""),
            call=seat.call.as_known(),
            dials=seat.dials,
            is_gone=True,
        ).as_message(at)

    def listed(self, entities: object, as_of: datetime, at: datetime) -> list[RawMessage]:
        """What the list of all participants, asked for at `as_of`, tells that was not known; and the list itself.

        Of a call that has gone as a whole nobody heard how it ended: that it is not on the list says all.
        """
        present = dict(self._listed(entities))
        messages = [
            self.seen(place, held, None, at)
            for place, held in present.items()
            if place not in self._seats or self._seats[place].held != held
        ]
        live = {id(self._seats[place].call) for place in present}
        for place in [place for place in self._seats if place not in present]:
            if id(self._seats[place].call) in live:
                messages.append(self.gone(place, None, at))
            else:
                self._leave(place, at)
        keys = {self._seats[place].call.key for place in present}
        return [*messages, Listed(as_of, tuple(sorted(keys))).as_message(at)]

    def _is_line(self, dn: str) -> bool:
        """Whether this is a line to the outside: of the other end of a call it tells what the phones tell better."""
        return kind_of(self._types.get(dn, "")) is PartyKind.EXTERNAL

    def _listed(self, entities: object) -> Iterator[tuple[Place, dict[str, Any]]]:
        for entity in entities if isinstance(entities, list) else []:
            found = Fields(entity)
            dn, participants = found.id("dn") or "", found.held.get("participants")
            if dn:
                self._types[dn] = found.id("type") or ""
            for held in participants if isinstance(participants, list) else []:
                name = Fields(held).id("id")
                if dn and name and isinstance(held, dict) and not self._is_line(dn):
                    yield (dn, name), held

    def _known_call(self, place: Place, participant: Participant, at: datetime, *, is_listed: bool) -> _Call | None:
        """The call of a participant. With another number it is another call, whose id was given anew - unless we heard
        the other end change.
        """
        self._calls = [one for one in self._calls if one.over_at is None or at - one.over_at < _REMEMBERED]
        call_id, number, before = _id_of(place, participant), participant.number, self._seats.get(place)
        if before is not None and before.call.id == call_id and not is_listed:
            return before.call
        same = (one for one in self._calls if one.id == call_id)
        return next((one for one in same if None in (number, one.number) or _is_same(one.number, number)), None)

    def _new_call(self, place: Place, participant: Participant, at: datetime, *, is_listed: bool) -> _Call:
        call_id, number = _id_of(place, participant), participant.number
        is_unheard = is_listed and participant.status not in BEGINS
        direction = self._direction(place[0], participant)
        call = _Call(call_id, live_key(call_id, number, at), number, direction, is_unheard)
        self._calls.append(call)
        return call

    def _direction(self, dn: str, participant: Participant) -> Direction | None:
        """Where the outside party is, as far as the first participant tells."""
        if participant.number is None:
            return Direction.INTERNAL
        if participant.dials(dn):
            return Direction.OUTBOUND
        is_platform = kind_of(self._types.get(dn, "")) is not PartyKind.AGENT or dn in self._platform
        is_reached = participant.status == "ringing" or is_platform
        return Direction.INBOUND if is_reached else None

    def _joins(self, call: _Call, before: _Seat | None, participant: Participant, at: datetime) -> tuple[str, ...]:
        """The keys of calls that turn out to be this one: of a participant that came from another call, and of the one
        whose outside party a colleague's call gets."""
        if before is not None and before.call is not call:
            return (before.call.key,)
        number = participant.number
        if call.number is not None or number is None or phone.is_withheld(number):
            return ()
        return tuple(
            one.key
            for one in self._calls
            if one is not call and _is_same(one.number, number)
            if one.over_at is None or at - one.over_at < _HANDED_OVER
        )

    def _ringing_since(self, number: str | None, at: datetime) -> datetime:
        """When the ring began to which this belongs: what the template asks about this number is the same."""
        return at if number is None or phone.is_withheld(number) else self._rings.asked(number, at)

    def _leave(self, place: Place, at: datetime) -> None:
        call = self._seats.pop(place).call
        call.places.discard(place)
        if not call.places:
            call.over_at = at
            if call.number is not None:
                self._rings.over(call.number)


def _id_of(place: Place, participant: Participant) -> str:
    """What the participants of one call share; where that is not told, one is a call by itself."""
    return participant.call_id or ".".join(place)


def _is_same(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and who(one) == who(other)
