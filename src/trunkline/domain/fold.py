"""How a call evolves: the one place that makes a call of its events.

:func:`fold` is pure. It gives the same call for any order and any duplication of the same events, and for events whose
keys were only later found to mean one call. The rules come from what phone systems really send:

- a queue, menu or voicemail box that picks up is not an answer; only a person is - or, on an outbound call, the
  outside party;
- phones of a group that stopped ringing because another answered are not missed calls;
- direction is where the outside party is; number and DID are right in the first event that names them;
- a record from the phone system's history tells what nobody heard, and leaves alone what was heard;
- a call is over when an event says so, or when every leg it ever had has left; one whose end nobody heard is over too,
  but how it went and how long people talked is then not made up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from trunkline.domain import phone
from trunkline.domain.call import Call, CallState, Leg, Outcome, Transfer
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind

# At one and the same instant a leg must begin before it can end.
_ORDER = {kind: place for place, kind in enumerate(EventKind)}
_LEG_OPENS = {EventKind.STARTED, EventKind.ROUTED, EventKind.RINGING, EventKind.ANSWERED}
_HEARD_LATER = {EventKind.RECORDING, EventKind.VOICEMAIL}
_PLATFORM = {PartyKind.QUEUE, PartyKind.MENU, PartyKind.VOICEMAIL}
_LONGEST_NAME = 200
_OUTCOME_OF = {EndReason.BUSY: Outcome.BUSY, EndReason.REJECTED: Outcome.REJECTED, EndReason.FAILED: Outcome.FAILED}
_OUTCOME_OF_NOBODY_RANG = {**_OUTCOME_OF, EndReason.UNKNOWN: Outcome.UNKNOWN}


def keys_of(event: CallEvent) -> tuple[str, ...]:
    """All keys that `event` names: call keys, and its leg key marked as such. Calls that share one are one call."""
    leg = (f"leg:{event.leg_key}",) if event.leg_key else ()
    return (event.call_key, *event.aliases, *leg)


def fold(events: Iterable[CallEvent], *, region: str = "US") -> Call:
    """The call that `events` tell of; they must all belong to it.

    `region` is the country in whose local form outside numbers are read.

    Raises:
        ValueError: there are no events.
    """
    ordered = _in_order(events)
    if not ordered:
        raise ValueError("A call needs at least one event.")
    told = len(ordered)
    legs = _Legs()
    for event in ordered:
        legs.take(event)
    ordered = _with_records(ordered, legs)
    direction = _direction(ordered)
    ended_at, is_heard = _end(ordered, legs)
    live = [event for event in ordered if ended_at is None or event.occurred_at <= ended_at]
    answers = [event for event in live if _is_answer(event, direction)]
    answered_at = answers[0].occurred_at if answers else None
    started_at = ordered[0].occurred_at
    end_reason = next((event.reason for event in ordered if event.kind is EventKind.ENDED and event.reason), None)
    agents = [event.party for event in answers if event.party and event.party.kind is PartyKind.AGENT]
    agents = agents or _outbound_agent(live, direction)
    external = next((event.external_number for event in ordered if event.external_number is not None), None)
    first_key, *aliases = _keys(ordered)
    return Call(
        system=ordered[0].system,
        account=ordered[0].account,
        call_key=first_key,
        aliases=tuple(sorted(aliases)),
        direction=direction,
        state=CallState.ENDED if ended_at else _state(live, direction, legs),
        outcome=_outcome(ordered, legs, answered_at, end_reason, is_heard=is_heard) if ended_at else None,
        external_number=None if phone.is_withheld(external) else phone.parse(external, region),
        external_name=next((event.external_name for event in ordered if event.external_name), None),
        contact_name=_contact_name(ordered),
        did=next((event.did for event in ordered if event.did), None),
        started_at=started_at,
        answered_at=answered_at,
        ended_at=ended_at,
        answered_by=_completed(agents[0], ordered) if agents and answered_at else None,
        last_agent=_completed(agents[-1], ordered) if agents else None,
        queues=tuple(dict.fromkeys(event.queue for event in ordered if event.queue)),
        legs=legs.closed(answered_at is not None, ended_at),
        transfers=_transfers(ordered),
        wait_s=_seconds(started_at, answered_at or (ended_at if is_heard else None)),
        talk_s=_seconds(answered_at, ended_at) if is_heard else None,
        recordings=tuple(dict.fromkeys(e.media_url for e in ordered if e.kind in _HEARD_LATER and e.media_url)),
        notes=tuple(dict.fromkeys(e.text for e in ordered if e.kind is EventKind.ANNOTATED and e.text)),
        contents=tuple(dict.fromkeys(e.text for e in ordered if e.kind is EventKind.CONTENT and e.text)),
        events=told,
    )


def _contact_name(ordered: Sequence[CallEvent]) -> str | None:
    """The latest that was said: whoever corrects a name means it."""
    told = [" ".join(event.text.split()) for event in ordered if event.kind is EventKind.NAMED and event.text]
    return next((name[:_LONGEST_NAME] for name in reversed(told) if name), None)


def _in_order(events: Iterable[CallEvent]) -> list[CallEvent]:
    """Each event once, by source time; a total order, so that nothing depends on arrival."""
    unique: dict[tuple[object, ...], CallEvent] = {}
    for event in sorted(events, key=_place):
        identity = (
            (event.event_id,) if event.event_id else (event.call_key, event.leg_key, event.kind, event.occurred_at)
        )
        unique.setdefault(identity, event)
    return list(unique.values())


def _with_records(ordered: list[CallEvent], legs: "_Legs") -> list[CallEvent]:
    """What records of the whole call say, as the events that nobody heard.

    A record begins with the call, lasts `total_s` - or waits `ring_s` and talks `talk_s` - and names who answered.
    """
    records = [event for event in ordered if event.kind is EventKind.RECORD]
    if not records:
        return ordered
    direction = _direction(ordered)
    told = list(ordered)
    if not any(_is_answer(event, direction) for event in ordered):
        told += [answer for record in records for answer in _answer_of(record, direction)]
    ended_at, is_heard = _end(ordered, legs)
    if ended_at is None or not is_heard:
        last = max(records, key=_end_of)
        told.append(_derived(last, EventKind.ENDED, _end_of(last)))
    return sorted(told, key=_place)


def _end_of(record: CallEvent) -> datetime:
    total_s = record.total_s if record.total_s is not None else (record.ring_s or 0.0) + (record.talk_s or 0.0)
    return record.occurred_at + timedelta(seconds=max(0.0, total_s))


def _answer_of(record: CallEvent, direction: Direction | None) -> list[CallEvent]:
    if not record.talk_s or record.talk_s < 0:
        return []
    waited = timedelta(seconds=record.ring_s) if record.ring_s is not None else None
    at = record.occurred_at + waited if waited is not None else _end_of(record) - timedelta(seconds=record.talk_s)
    answer = _derived(record, EventKind.ANSWERED, max(at, record.occurred_at))
    if direction is not Direction.OUTBOUND:
        return [answer]
    # On an outbound call the record's party is the agent who dialled; the outside picked up.
    return [msgspec.structs.replace(answer, party=Party(PartyKind.EXTERNAL))]


def _derived(record: CallEvent, kind: EventKind, at: datetime) -> CallEvent:
    return msgspec.structs.replace(
        record, kind=kind, occurred_at=at, event_id=f"{record.event_id}#{kind}", leg_key=None
    )


def _place(event: CallEvent) -> tuple[datetime, int, int, str, str, str, bytes]:
    return (
        event.occurred_at,
        event.sequence,
        _ORDER[event.kind],
        event.event_id,
        event.call_key,
        event.leg_key or "",
        msgspec.json.encode(event),
    )


def _keys(ordered: Sequence[CallEvent]) -> list[str]:
    """The call's keys, the oldest first: the one whose own events begin first, ties by text."""
    own = dict.fromkeys(event.call_key for event in ordered)
    first = min(own, key=lambda key: (min(event.occurred_at for event in ordered if event.call_key == key), key))
    others = {alias for event in ordered for alias in event.aliases} | set(own)
    return [first, *(others - {first})]


def _direction(ordered: Sequence[CallEvent]) -> Direction | None:
    stated = [event.direction for event in ordered if event.direction is not None]
    outside = next((direction for direction in stated if direction is not Direction.INTERNAL), None)
    if outside or stated:
        return outside or stated[0]
    if any(event.external_number for event in ordered):
        return None
    people = [event.party for event in ordered if event.party and event.party.kind is PartyKind.AGENT]
    return Direction.INTERNAL if len({party.extension for party in people}) > 1 else None


def _is_answer(event: CallEvent, direction: Direction | None) -> bool:
    if event.kind is not EventKind.ANSWERED:
        return False
    kind = event.party.kind if event.party else PartyKind.UNKNOWN
    if direction is Direction.OUTBOUND:  # the agent's own pick-up of a click-to-call is no answer
        return kind in {PartyKind.EXTERNAL, PartyKind.UNKNOWN}
    return kind in {PartyKind.AGENT, PartyKind.UNKNOWN}


def _outbound_agent(live: Sequence[CallEvent], direction: Direction | None) -> list[Party]:
    if direction is not Direction.OUTBOUND:
        return []
    return [event.party for event in live if event.party and event.party.kind is PartyKind.AGENT]


def _completed(agent: Party, ordered: Sequence[CallEvent]) -> Party:
    """Name and address of an agent may be told by another event than the one that says who answered."""
    for event in ordered:
        if agent.extension and event.party and event.party.extension == agent.extension:
            agent = _fuller(agent, event.party)
    return agent


def _end(ordered: Sequence[CallEvent], legs: "_Legs") -> tuple[datetime | None, bool]:
    """When the call ended, if it did, and whether anyone heard it."""
    ends = [event for event in ordered if event.kind is EventKind.ENDED]
    said = next((event.occurred_at for event in ends if event.reason is not EndReason.UNHEARD), None)
    heard = said or legs.all_left_at()
    return (heard, True) if heard or not ends else (ends[0].occurred_at, False)


def _state(live: Sequence[CallEvent], direction: Direction | None, legs: "_Legs") -> CallState:
    state = CallState.NEW
    for event in live:
        state = _next_state(state, event, direction, legs)
    return state


def _next_state(state: CallState, event: CallEvent, direction: Direction | None, legs: "_Legs") -> CallState:
    talking = state in {CallState.ANSWERED, CallState.HELD}
    if _is_answer(event, direction):
        return CallState.ANSWERED
    if event.kind is EventKind.ROUTED and state is CallState.NEW:
        return CallState.ROUTED
    if event.kind is EventKind.RINGING and not (talking and legs.anyone_talks_at(event.occurred_at, direction)):
        return CallState.RINGING
    if event.kind is EventKind.HELD and talking:
        return CallState.HELD
    if event.kind is EventKind.RESUMED and talking:
        return CallState.ANSWERED
    return state


def _outcome(
    ordered: Sequence[CallEvent],
    legs: "_Legs",
    answered_at: datetime | None,
    end_reason: EndReason | None,
    *,
    is_heard: bool,
) -> Outcome:
    if answered_at is not None:
        return Outcome.ANSWERED
    if any(event.kind is EventKind.VOICEMAIL for event in ordered):
        return Outcome.VOICEMAIL
    if not is_heard:
        return Outcome.UNKNOWN
    rang = [leg for leg in legs.known.values() if leg.rang_at is not None]
    if rang:
        reasons = {leg.reason for leg in rang}
        return (
            _OUTCOME_OF.get(reasons.pop() or EndReason.UNKNOWN, Outcome.MISSED) if len(reasons) == 1 else Outcome.MISSED
        )
    if any(event.kind is EventKind.ROUTED for event in ordered):
        return Outcome.ABANDONED
    return _OUTCOME_OF_NOBODY_RANG.get(end_reason or EndReason.NORMAL, Outcome.MISSED)


def _transfers(ordered: Sequence[CallEvent]) -> tuple[Transfer, ...]:
    """Each once: whoever has the call already cannot be handed it, so what is told again was told before."""
    told: list[Transfer] = []
    for event in ordered:
        if event.kind is EventKind.TRANSFERRED and not (told and _is_one(told[-1].party, event.party)):
            told.append(Transfer(at=event.occurred_at, party=event.party))
    return tuple(told)


def _is_one(one: Party | None, other: Party | None) -> bool:
    return bool(one and other and one.extension and one.extension == other.extension)


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())


@dataclass
class _Leg:
    party: Party | None = None
    opened: bool = False
    rang_at: datetime | None = None
    answered_at: datetime | None = None
    ring_ended_at: datetime | None = None
    left_at: datetime | None = None
    reason: EndReason | None = None

    @property
    def ended_at(self) -> datetime | None:
        return self.left_at or (None if self.answered_at else self.ring_ended_at)


@dataclass
class _Legs:
    known: dict[str, _Leg] = field(default_factory=dict)

    def take(self, event: CallEvent) -> None:
        """Events come in order."""
        if event.leg_key is None:
            return
        leg = self.known.setdefault(event.leg_key, _Leg())
        if event.party and event.party.kind not in _PLATFORM:
            leg.party = _fuller(leg.party, event.party)
        leg.opened = leg.opened or event.kind in _LEG_OPENS
        if event.kind is EventKind.RINGING:
            leg.rang_at = leg.rang_at or event.occurred_at
            if leg.answered_at is None:  # a queue comes back to a phone that did not answer
                leg.ring_ended_at = leg.left_at = leg.reason = None
        elif event.kind is EventKind.ANSWERED:
            leg.answered_at = leg.answered_at or event.occurred_at
        elif event.kind is EventKind.RING_ENDED and leg.answered_at is None:  # who was picked up rings no longer
            leg.ring_ended_at, leg.reason = event.occurred_at, event.reason
        elif event.kind is EventKind.LEFT:
            leg.left_at = leg.left_at or event.occurred_at
            leg.reason = leg.reason or event.reason

    def all_left_at(self) -> datetime | None:
        """When the last leg left; `None` while one is still there."""
        opened = [leg for leg in self.known.values() if leg.opened]
        times = [leg.ended_at for leg in opened]
        return max(time for time in times if time) if times and all(times) else None

    def anyone_talks_at(self, moment: datetime, direction: Direction | None) -> bool:
        """Whether a leg that counts as an answer is still there at `moment`."""
        kind = PartyKind.EXTERNAL if direction is Direction.OUTBOUND else PartyKind.AGENT
        return any(
            leg.party is not None
            and leg.party.kind is kind
            and leg.answered_at is not None
            and leg.answered_at <= moment
            and (leg.left_at is None or leg.left_at > moment)
            for leg in self.known.values()
        )

    def closed(self, answered: bool, ended_at: datetime | None) -> tuple[Leg, ...]:
        """The legs as the call shows them, in the order in which they appeared."""
        return tuple(
            Leg(
                leg_key=key,
                party=leg.party,
                rang_at=leg.rang_at,
                answered_at=leg.answered_at,
                ended_at=leg.ended_at or ended_at,
                reason=_loser(leg) if answered else leg.reason,
            )
            for key, leg in self.known.items()
            if leg.opened
        )


def _loser(leg: _Leg) -> EndReason | None:
    """A phone that was cancelled although the call was answered lost to another phone of the group."""
    return EndReason.ELSEWHERE if leg.answered_at is None and leg.reason is EndReason.CANCELLED else leg.reason


def _fuller(known: Party | None, new: Party) -> Party:
    """What is known about the party, gaps filled; first values win."""
    if known is None or (known.kind is PartyKind.UNKNOWN and new.kind is not PartyKind.UNKNOWN):
        return new
    return Party(
        kind=known.kind,
        extension=known.extension or new.extension,
        name=known.name or new.name,
        provider_id=known.provider_id or new.provider_id,
        email=known.email or new.email,
    )
