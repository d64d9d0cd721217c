"""What one Zoom Phone webhook says.

One call that rings several members of a queue has one `call_id`; a leg is that and the extension. Zoom promises neither
order nor completeness (`callee_ringing` is known to be missing in some accounts), so each event also tells what it
knows of the leg's past: an end tells when it rang and was answered.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.zoom import rows, words

_PLATFORM = {PartyKind.QUEUE, PartyKind.MENU, PartyKind.VOICEMAIL, PartyKind.UNKNOWN}
_OWN_TIME = {
    EventKind.RINGING: ("ringing_start_time",),
    EventKind.ANSWERED: ("answer_start_time", "connected_start_time"),
    EventKind.RING_ENDED: ("call_end_time",),
    EventKind.LEFT: ("call_end_time",),
    EventKind.HELD: ("date_time",),
    EventKind.RESUMED: ("date_time",),
}
LONGEST_EXTENSION = 6


def events(told: CallEvent, event: str, thing: Fields) -> list[CallEvent]:
    """The events in one delivery named `event`; `told` is an empty event of its time, `thing` its object.

    Raises:
        Unreadable: it is about a call, and does not say which.
    """
    name = event.removeprefix("phone.")
    if name in words.SIDE_EVENTS:
        return _side_events(_of_call(told, thing), name, thing)
    if name in words.TRANSFER_EVENTS:
        return _transfer(_of_call(told, thing), words.TRANSFER_EVENTS[name], thing)
    return _afterwards(told, name, thing)


def _afterwards(told: CallEvent, name: str, thing: Fields) -> list[CallEvent]:
    """What comes when the talk is over, in any order."""
    if name in words.RECORDING_EVENTS:
        return [_recording(told, row) for row in thing.each("recordings")]
    if name in words.VOICEMAIL_EVENTS:
        return [_voicemail(told, thing)]
    if name in words.TRANSCRIPT_EVENTS:
        return [_transcript(told, row, text) for row, text in _transcripts(thing)]
    if name in words.LOG_EVENTS:
        return [rows.mentioned(told, row) for row in thing.each("call_logs", "call_history", "call_elements")]
    return []


def _of_call(told: CallEvent, thing: Fields) -> CallEvent:
    call_id = thing.id("call_id")
    if call_id is None:
        raise Unreadable("A Zoom event about a call does not say which call.")
    return msgspec.structs.replace(told, call_key=call_id)


# One side of a call ------------------------------------------------------------------------------------------------


def _side_events(told: CallEvent, name: str, thing: Fields) -> list[CallEvent]:
    kind = words.SIDE_EVENTS[name]
    caller, callee = thing.inner("caller"), thing.inner("callee")
    if name.startswith("callee_"):
        told, owner = _called(told, caller, callee, thing), callee
    else:
        told, owner = _calling(told, caller, callee), caller
    at = thing.time(*_OWN_TIME[kind]) or told.occurred_at
    steps = list(_steps(kind, at, thing, reason=words.RESULTS.get(words.letters(thing.text("handup_result")))))
    party = words.side_party(owner)
    leg = _leg_key(told.call_key, owner)
    if name.startswith("caller_"):
        other = words.side_party(callee) if words.is_ours(callee) else Party(PartyKind.EXTERNAL)
        return [_step_of_caller(told, step, party, leg, other) for step in steps]
    if party.kind in _PLATFORM:
        return [_step_of_platform(told, step, party, leg) for step in steps]
    found = [_step_of_person(told, step, party, leg) for step in steps]
    went_to_voicemail = words.letters(thing.text("handup_result")) == words.VOICEMAIL_RESULT
    if went_to_voicemail and kind in (EventKind.RING_ENDED, EventKind.LEFT):
        found.append(msgspec.structs.replace(told, kind=EventKind.VOICEMAIL, occurred_at=at))
    return found


_Step = tuple[EventKind, datetime, EndReason | None]


def _steps(kind: EventKind, at: datetime, thing: Fields, *, reason: EndReason | None) -> Iterable[_Step]:
    """What is known of the leg up to this event, in order."""
    if kind in (EventKind.HELD, EventKind.RESUMED):
        yield kind, at, None
        return
    yield EventKind.RINGING, min(thing.time("ringing_start_time") or at, at), None
    if kind is EventKind.RINGING:
        return
    answered_at = at if kind is EventKind.ANSWERED else thing.time("answer_start_time")
    if kind is EventKind.RING_ENDED:
        answered_at = None
    if answered_at is not None:
        yield EventKind.ANSWERED, min(answered_at, at), None
    if kind is EventKind.LEFT:
        if answered_at is None:
            yield EventKind.RING_ENDED, at, reason or EndReason.CANCELLED
        yield EventKind.LEFT, at, EndReason.NORMAL if answered_at else reason or EndReason.CANCELLED
    elif kind is EventKind.RING_ENDED:
        yield kind, at, reason or EndReason.NO_ANSWER


def _step_of_person(told: CallEvent, step: _Step, party: Party, leg: str | None) -> CallEvent:
    kind, at, reason = step
    return msgspec.structs.replace(told, kind=kind, occurred_at=at, reason=reason, party=party, leg_key=leg)


def _step_of_platform(told: CallEvent, step: _Step, party: Party, leg: str | None) -> CallEvent:
    """A queue or receptionist that rings or picks up routes; it is no answer, and nobody missed anything."""
    kind, at, _ = step
    routed = kind in (EventKind.RINGING, EventKind.ANSWERED)
    if not routed and kind is not EventKind.LEFT and kind is not EventKind.RING_ENDED:
        return msgspec.structs.replace(told, kind=kind, occurred_at=at)
    return msgspec.structs.replace(
        told,
        kind=EventKind.ROUTED if routed else EventKind.LEFT,
        occurred_at=at,
        party=party,
        leg_key=leg,
        queue=party.name if party.kind is PartyKind.QUEUE else told.queue,
    )


def _step_of_caller(told: CallEvent, step: _Step, party: Party, leg: str | None, other: Party) -> CallEvent:
    """Our own extension calls: its leg rings until the other side answers, and is no answer itself."""
    kind, at, reason = step
    told = msgspec.structs.replace(told, occurred_at=at, reason=reason)
    if kind is EventKind.ANSWERED:
        kind = EventKind.ROUTED if other.kind in _PLATFORM else kind
        return msgspec.structs.replace(told, kind=kind, party=other)
    if told.direction is Direction.INTERNAL:
        # The leg that rings is the colleague's, and it has events of its own.
        kinds = {EventKind.RINGING: EventKind.STARTED, EventKind.RING_ENDED: EventKind.LEFT}
        kind = kinds.get(kind, kind)
    return msgspec.structs.replace(told, kind=kind, party=party, leg_key=leg)


def _leg_key(call_key: str, side: Fields) -> str | None:
    owner = side.id("extension_id", "user_id", "extension_number")
    return f"{call_key}:{owner}" if owner else None


def _called(told: CallEvent, caller: Fields, callee: Fields, thing: Fields) -> CallEvent:
    """An extension of ours is called: from inside where the caller is a person of ours, from outside otherwise."""
    forwarder = thing.inner("forwarded_by")
    by_queue = words.party_kind(forwarder.text("extension_type"), None) is PartyKind.QUEUE
    queue = forwarder.text("name") if forwarder and by_queue else None
    if words.is_ours(caller):
        # A receptionist or queue that passes a call on stands where the caller should: who calls is then not told.
        is_passed_on = words.side_party(caller).kind in _PLATFORM
        return msgspec.structs.replace(told, direction=None if is_passed_on else Direction.INTERNAL, queue=queue)
    return msgspec.structs.replace(
        told,
        direction=Direction.INBOUND if caller else None,
        external_number=caller.text("phone_number"),
        external_name=caller.text("name"),
        did=_did(callee, thing) if caller else None,
        queue=queue,
    )


def _did(callee: Fields, thing: Fields) -> str | None:
    """Which number was dialled: the callee's own, unless the call was passed on to it."""
    passed_on = [side for side in (thing.inner("redirect_forwarded_by"), thing.inner("forwarded_by")) if side]
    if passed_on:
        return next((number for side in passed_on if (number := side.text("phone_number"))), None)
    return callee.text("phone_number")


def _calling(told: CallEvent, caller: Fields, callee: Fields) -> CallEvent:
    if words.is_ours(callee):
        return msgspec.structs.replace(told, direction=Direction.INTERNAL)
    return msgspec.structs.replace(
        told,
        direction=Direction.OUTBOUND,
        external_number=callee.text("phone_number"),
        external_name=callee.text("name"),
    )


# The rest ----------------------------------------------------------------------------------------------------------


def _transfer(told: CallEvent, kind: EventKind, thing: Fields) -> list[CallEvent]:
    if thing.text("failure_reason"):
        return []
    told = msgspec.structs.replace(told, kind=kind, occurred_at=thing.time("date_time") or told.occurred_at)
    if kind is EventKind.ROUTED:
        return [msgspec.structs.replace(told, party=Party(PartyKind.VOICEMAIL))]
    recipient = thing.inner("recipient")
    if recipient:
        return [msgspec.structs.replace(told, party=words.side_party(recipient))]
    number = thing.text("transfer_phone_number")
    is_extension = number is not None and number.isdigit() and len(number) <= LONGEST_EXTENSION
    party = Party(PartyKind.AGENT, extension=number) if is_extension else Party(PartyKind.EXTERNAL, name=number)
    return [msgspec.structs.replace(told, party=party if number else None)]


def _recording(told: CallEvent, row: Fields) -> CallEvent:
    return msgspec.structs.replace(
        rows.of_row(told, row),
        kind=EventKind.RECORDING,
        occurred_at=row.time("end_time", "date_time") or told.occurred_at,
        event_id=_own_id("recording", row.id("id")),
        media_url=row.text("download_url", "file_url"),
    )


def _voicemail(told: CallEvent, row: Fields) -> CallEvent:
    return msgspec.structs.replace(
        rows.of_row(told, row),
        kind=EventKind.VOICEMAIL,
        occurred_at=row.time("date_time") or told.occurred_at,
        event_id=_own_id("voicemail", row.id("id")),
        media_url=row.text("download_url"),
    )


def _transcript(told: CallEvent, row: Fields, text: str) -> CallEvent:
    return msgspec.structs.replace(rows.of_row(told, row), kind=EventKind.CONTENT, text=text)


def _transcripts(thing: Fields) -> list[tuple[Fields, str]]:
    """Transcripts that stand in the message; of recordings Zoom mostly sends a link only."""
    listed = thing.each("recordings") or [thing]
    found = [(row, row.inner("transcription", "transcript").text("content", "text")) for row in listed]
    found = [(row, text or row.text("transcription", "transcript")) for row, text in found]
    return [(row, text) for row, text in found if text]


def _own_id(what: str, own: str | None) -> str:
    return f"{what}:{own}" if own else ""
