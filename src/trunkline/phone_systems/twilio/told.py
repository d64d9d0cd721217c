"""What Twilio's callbacks and the rows of its history say, as events."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.twilio.legs import CALL_MARK, Leg, Line, Shop, Sides

K = EventKind
MOST_FIELDS = 500
_YEARS = range(2000, 2100)
_CALLERS: Mapping[str, EventKind] = {
    "queued": K.STARTED,
    "initiated": K.STARTED,
    "ringing": K.STARTED,
    "in-progress": K.ROUTED,  # the shop's TwiML answers, not a person
    "answered": K.ROUTED,
    "completed": K.ENDED,
    "busy": K.ENDED,
    "failed": K.ENDED,
    "no-answer": K.ENDED,
    "canceled": K.ENDED,
}
_RUNG: Mapping[str, EventKind] = {
    "queued": K.UNKNOWN,
    "initiated": K.UNKNOWN,
    "ringing": K.RINGING,
    "in-progress": K.ANSWERED,
    "answered": K.ANSWERED,
    "completed": K.LEFT,
    "busy": K.RING_ENDED,
    "failed": K.RING_ENDED,
    "no-answer": K.RING_ENDED,
    "canceled": K.RING_ENDED,
}
STATUSES: Mapping[Line, Mapping[str, EventKind]] = {
    Line.CALLER: _CALLERS,
    Line.DIALLER: {**_CALLERS, "in-progress": K.STARTED, "answered": K.STARTED},
    Line.AGENT: _RUNG,
    Line.OUTSIDE: _RUNG,
    Line.UNKNOWN: {},
}
REASONS: Mapping[str, EndReason] = {
    "completed": EndReason.NORMAL,
    "busy": EndReason.BUSY,
    "failed": EndReason.FAILED,
    "no-answer": EndReason.NO_ANSWER,
    "canceled": EndReason.CANCELLED,
}
# A conference is where calls that have no parent in common meet.
CONFERENCE: Mapping[str, EventKind] = {
    "participant-join": K.LINKED,
    "participant-hold": K.HELD,
    "participant-unhold": K.RESUMED,
}
# <Record> takes a message; everything else records people who talk.
MESSAGE_SOURCES = frozenset({"RecordVerb"})


class Teller:
    """Translates for one account. Pure: it remembers nothing and knows no clock."""

    def __init__(self, system: str, account: str, shop: Shop) -> None:
        self._system = system
        self._account = account
        self._shop = shop

    def callback(self, message: RawMessage) -> list[CallEvent]:
        """The events of one callback.

        Raises:
            Unreadable: it is neither a form nor JSON, or names nothing.
        """
        given = read_form(message.body)
        if not given.id("CallSid", "ConferenceSid"):
            if given.text("AccountSid"):
                return []  # about the account, not about a call
            raise Unreadable("The callback names no call.")
        at = _time(given, "Timestamp", "RecordingStartTime") or message.received_at
        told = self._about(given, at)
        if (sequence := given.text("SequenceNumber")) is None or not sequence.isdecimal() or len(sequence) > 6:
            return told
        # A number of its own for each callback of a leg; a conference counts for itself.
        name = f"{given.text('CallSid')}/{given.text('CallStatus', 'StatusCallbackEvent')}/{sequence}"
        return [
            msgspec.structs.replace(event, event_id=f"{name[:240]}/{place}", sequence=int(sequence))
            for place, event in enumerate(told)
        ]

    def _about(self, given: Fields, at: datetime) -> list[CallEvent]:
        if given.text("RecordingStatus"):
            return self._recording(given, at)
        if given.text("TranscriptionStatus", "TranscriptionText"):
            return self._transcription(given, at)
        if given.text("ConferenceSid"):
            return self._conference(given, at)
        if given.text("DialCallStatus"):
            return self._dial(given, at)
        leg = Leg.of_callback(given)
        recorded = [self._of(given, K.RECORDING, at, media_url=given.text("RecordingUrl"))]
        return self._status(leg, at) + (recorded if given.text("RecordingUrl") else [])

    def _status(self, leg: Leg, at: datetime) -> list[CallEvent]:
        sides = self._shop.sides(leg)
        kind = _kind(leg, sides, leg.status)
        told = [self._event(leg, sides, kind, at, reason=REASONS.get(leg.status))]
        if leg.status == "completed" and leg.duration_s:
            picked_up = at - timedelta(seconds=leg.duration_s)
            told.append(self._event(leg, sides, _kind(leg, sides, "in-progress"), picked_up))
        if kind is K.RING_ENDED:
            # Whoever orders only the last callback of a phone never hears it ring.
            told.append(self._event(leg, sides, _rang(leg, sides), at))
        if sides.line is Line.AGENT and leg.parent:
            told.append(self._asked_for(leg, sides, at))
        return told

    def _asked_for(self, leg: Leg, sides: Sides, at: datetime) -> CallEvent:
        """The leg that had a phone rung is there, and stays until it is told to be over: after a phone that nobody
        picked up comes another, or a mailbox."""
        caller = Party(PartyKind.EXTERNAL) if sides.direction is Direction.INBOUND else None
        asked = self._event(leg, sides, K.ROUTED, at)
        return msgspec.structs.replace(asked, leg_key=leg.parent, party=caller)

    def _recording(self, given: Fields, at: datetime) -> list[CallEvent]:
        url = given.text("RecordingUrl")
        if given.text("RecordingStatus") != "completed" or url is None:
            return [self._of(given, K.UNKNOWN, at)]
        is_message = given.text("RecordingSource") in MESSAGE_SOURCES
        return [self._of(given, K.VOICEMAIL if is_message else K.RECORDING, at, media_url=url)]

    def _transcription(self, given: Fields, at: datetime) -> list[CallEvent]:
        text = given.text("TranscriptionText")
        return [self._of(given, K.CONTENT if text else K.UNKNOWN, at, text=text)]

    def _conference(self, given: Fields, at: datetime) -> list[CallEvent]:
        kind = CONFERENCE.get(given.text("StatusCallbackEvent") or "")
        conference = given.id("ConferenceSid")
        if kind is None or not given.id("CallSid") or conference is None:
            return []  # about the room, or about a leg that tells the same itself
        return [self._of(given, kind, at, aliases=(conference,))]

    def _dial(self, given: Fields, at: datetime) -> list[CallEvent]:
        """What <Dial> came to, told by the leg that dialled."""
        status, dialled = given.text("DialCallStatus") or "", given.id("DialCallSid")
        kind = _RUNG.get(status, K.UNKNOWN)
        if dialled is None or kind is K.UNKNOWN:
            return [self._of(given, K.UNKNOWN, at)]
        told = [self._of(given, kind, at, reason=REASONS.get(status))]
        talked_s = given.seconds("DialCallDuration")
        if kind is K.LEFT and talked_s:
            told.append(self._of(given, K.ANSWERED, at - timedelta(seconds=talked_s)))
        if kind is K.RING_ENDED:
            told.append(self._of(given, K.STARTED if status == "failed" else K.RINGING, at))
        return [msgspec.structs.replace(event, leg_key=dialled) for event in told]

    # The history ------------------------------------------------------------------------------------------------

    def record(self, message: RawMessage) -> list[CallEvent]:
        """What a row of the history says, with the recordings of the call.

        Raises:
            Unreadable: the row is broken.
        """
        held = Fields.read(message.body, "The record")
        row = held.inner("call")
        leg = Leg.of_row(row)
        began = _time(row, "start_time", "date_created")
        if not leg.sid or began is None:
            raise Unreadable("The record names no call, or no time.")
        if leg.status not in REASONS:
            return []  # not over yet
        sides = self._shop.sides(leg)
        ended = max(began, _time(row, "end_time") or began + timedelta(seconds=leg.duration_s or 0.0))
        reason = REASONS[leg.status]
        record = self._event(leg, sides, K.RECORD, began, reason=reason)
        total_s = (ended - began).total_seconds()
        told = [msgspec.structs.replace(record, talk_s=_talked_s(leg, sides), total_s=total_s)]
        if sides.line is Line.CALLER and leg.duration_s:
            told.append(self._event(leg, sides, K.ROUTED, began))
        if sides.line in (Line.AGENT, Line.OUTSIDE) and reason is not EndReason.NORMAL:
            told.append(self._event(leg, sides, _rang(leg, sides), began))
            told.append(self._event(leg, sides, K.RING_ENDED, ended, reason=reason))
        return told + [self._recorded(leg, recording, began) for recording in held.each("recordings")]

    def _recorded(self, leg: Leg, recording: Fields, began: datetime) -> CallEvent:
        kind = K.VOICEMAIL if recording.text("source") in MESSAGE_SOURCES else K.RECORDING
        at = _time(recording, "start_time", "date_created") or began
        event = self._event(leg, Sides(Line.UNKNOWN), kind, at)
        return msgspec.structs.replace(event, media_url=recording.text("media_url"))

    # Making events ----------------------------------------------------------------------------------------------

    def _event(
        self, leg: Leg, sides: Sides, kind: EventKind, at: datetime, *, reason: EndReason | None = None
    ) -> CallEvent:
        return CallEvent(
            system=self._system,
            account=self._account,
            call_key=leg.call_key,
            kind=kind,
            occurred_at=at,
            leg_key=leg.sid,
            direction=sides.direction,
            external_number=sides.external,
            external_name=leg.name if sides.line is Line.CALLER else None,
            did=sides.did,
            party=Party(PartyKind.EXTERNAL) if sides.line is Line.CALLER else sides.party,
            reason=reason if kind in (K.ENDED, K.LEFT, K.RING_ENDED, K.RECORD) else None,
            vendor_kind=f"{leg.direction or 'leg'} {leg.status}"[:100],
        )

    def _of(self, given: Fields, kind: EventKind, at: datetime, **more: Any) -> CallEvent:
        """An event of a callback that does not say which side its leg is on."""
        sid = given.id("CallSid")
        return CallEvent(
            system=self._system,
            account=self._account,
            call_key=given.id(CALL_MARK, "ParentCallSid", "CallSid", "ConferenceSid") or "",
            kind=kind,
            occurred_at=at,
            leg_key=sid,
            vendor_kind=(given.text("StatusCallbackEvent", "RecordingSource", "DialCallStatus") or "callback")[:100],
            **more,
        )


def _kind(leg: Leg, sides: Sides, status: str) -> EventKind:
    kind = STATUSES[sides.line].get(status, K.UNKNOWN)
    return K.ROUTED if kind is K.ANSWERED and sides.line is Line.AGENT and leg.is_machine else kind


def _rang(leg: Leg, sides: Sides) -> EventKind:
    """That a leg whose end is told was there. A colleague's phone that could not be reached did not ring."""
    return K.STARTED if leg.status == "failed" and sides.line is Line.AGENT else K.RINGING


def _talked_s(leg: Leg, sides: Sides) -> float | None:
    """How long a person talked on a leg, as far as its row tells."""
    if sides.line not in (Line.AGENT, Line.OUTSIDE):
        return None
    # Made by the API, it may as well be the first half of a click to call, which is no answer.
    is_doubtful = leg.is_machine or (leg.direction == "outbound-api" and leg.parent is None)
    return None if sides.line is Line.AGENT and is_doubtful else leg.duration_s or None


def read_form(body: bytes) -> Fields:
    """The parameters of a callback, each with its first value.

    Raises:
        Unreadable: it is neither a form nor JSON.
    """
    if body.lstrip().startswith(b"{"):
        return Fields.read(body, "The callback")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:  # UnicodeDecodeError is one
        raise Unreadable("The callback is no form.") from None
    return Fields(dict(reversed(pairs)))


def _time(given: Fields, *names: str) -> datetime | None:
    """A time as in mail, or as in ISO 8601; UTC."""
    return next(filter(None, (_mail_time(given.text(name)) for name in names)), None) or given.time(*names)


def _mail_time(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return found if found.year in _YEARS else None
