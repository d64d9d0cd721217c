"""The call log: records of calls that are over, which tell what nobody heard."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable, history_record
from trunkline.phone_systems.delivery import fingerprint
from trunkline.phone_systems.ringcentral.shop import NOBODY, SYSTEM, End, Id, Shop, utc

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=10_000_000)]

_ANSWERED = {"accepted", "call connected"}
_VOICEMAIL = {"voicemail", "sent to voicemail"}
_UNFINISHED = {"in progress", "resultinprogress"}
_GAVE_UP = {"abandoned", "hang up"}

# How a call that nobody answered ended. What is not here is UNKNOWN.
_RESULTS: Mapping[str, EndReason] = {
    "missed": EndReason.NO_ANSWER,
    "no answer": EndReason.NO_ANSWER,
    "answered not accepted": EndReason.NO_ANSWER,  # a mobile's own voicemail picked up
    "voicemail": EndReason.NO_ANSWER,
    "sent to voicemail": EndReason.NO_ANSWER,
    "abandoned": EndReason.CANCELLED,
    "hang up": EndReason.CANCELLED,
    "stopped": EndReason.CANCELLED,
    "busy": EndReason.BUSY,
    "rejected": EndReason.REJECTED,
    "declined": EndReason.REJECTED,
    "blocked": EndReason.REJECTED,
    "reply": EndReason.REJECTED,
    "call failed": EndReason.FAILED,
    "call failure": EndReason.FAILED,
    "wrong number": EndReason.FAILED,
    "restricted number": EndReason.FAILED,
    "internal error": EndReason.FAILED,
    "no calling credit": EndReason.FAILED,
    "not allowed": EndReason.FAILED,
    "international disabled": EndReason.FAILED,
    "international restricted": EndReason.FAILED,
    "ip phone offline": EndReason.FAILED,
}


class _Extension(msgspec.Struct):
    id: str | int | None = None


class _Recording(msgspec.Struct, rename="camel"):
    content_uri: str | None = None


class _Message(msgspec.Struct):
    type: str | None = None
    uri: str | None = None


class _Session(msgspec.Struct, rename="camel"):
    telephony_session_id: Id | None = None


class _Leg(msgspec.Struct, rename="camel"):
    start_time: datetime | None = None
    duration: _Seconds | None = None
    duration_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000_000_000)] | None = None
    result: str | None = None
    master: bool | None = None
    to: End | None = None
    from_: End | None = msgspec.field(name="from", default=None)
    extension: _Extension | None = None
    recording: _Recording | None = None
    message: _Message | None = None
    telephony_session_id: Id | None = None
    transfer_target: _Session | None = None
    transferee: _Session | None = None

    @property
    def seconds(self) -> float | None:
        """How long it was; RingCentral gives milliseconds as well, if not everywhere."""
        return self.duration_ms / 1000 if self.duration_ms is not None else self.duration

    @property
    def said(self) -> str:
        """Its result, in lower case."""
        return (self.result or "").lower()

    @property
    def extension_id(self) -> str | int | None:
        """Whose leg it is."""
        return (self.extension.id if self.extension else None) or (self.to or NOBODY).extension_id


class _Record(_Leg, rename="camel"):
    id: Id | None = None
    type: str | None = None
    direction: str | None = None
    legs: list[_Leg] | None = None


def record_message(raw: bytes, since: datetime, until: datetime, now: datetime) -> RawMessage | None:
    """A record as a message, where its call is over and began within the time asked for.

    Raises:
        msgspec.DecodeError, Unreadable: it is no record.
    """
    record = msgspec.json.decode(raw, type=_Record)
    if record.said in _UNFINISHED or record.start_time is None or not since <= utc(record.start_time) < until:
        return None
    return history_record(raw, fingerprint(record.id), now)


def read_record(shop: Shop, message: RawMessage) -> list[CallEvent]:
    """The events in one record of the call log; none where it is a fax, or the call is not over.

    Raises:
        Unreadable: the JSON is broken, a field has the wrong type, or the record says neither when nor which call.
    """
    try:
        record = msgspec.json.decode(message.body, type=_Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"RingCentral's call log record cannot be read: {error}.") from None
    if (record.type or "").lower() == "fax" or record.said in _UNFINISHED:
        return []
    if not record.telephony_session_id or record.start_time is None or not record.id:
        raise Unreadable("RingCentral's call log record has no id, no telephonySessionId, or no startTime.")
    return _Told(shop, record, utc(record.start_time)).events()


class _Told:
    """One record."""

    def __init__(self, shop: Shop, record: _Record, began_at: datetime) -> None:
        self._shop, self._record, self._began_at = shop, record, began_at
        self._legs = sorted(record.legs or (), key=lambda leg: utc(leg.start_time) if leg.start_time else began_at)
        # A leg of the whole call says "Accepted" as soon as a menu picked up: only legs of extensions tell who did.
        self._owned = [leg for leg in self._legs if leg.extension_id]
        self._ours, self._theirs = record.to or NOBODY, record.from_ or NOBODY
        if self._is_outbound:
            self._ours, self._theirs = self._theirs, self._ours
        self._answer = self._find_answer()

    def events(self) -> list[CallEvent]:
        """The record, and what goes with it."""
        record, answer = self._record, self._answer
        ring_s = None
        if answer and answer.start_time and not self._is_outbound:
            ring_s = max(0.0, (utc(answer.start_time) - self._began_at).total_seconds())
        events = [
            self._event(
                EventKind.RECORD,
                self._began_at,
                "",
                party=self._who(),
                ring_s=ring_s,
                talk_s=answer.seconds if answer else None,
                total_s=record.seconds,
                aliases=self._aliases(),
                reason=EndReason.NORMAL if answer else _RESULTS.get(record.said, EndReason.UNKNOWN),
            )
        ]
        if self._is_left_to_machines():
            events.append(self._event(EventKind.ROUTED, self._began_at, "#routed", queue=self._queue()))
        ended_at = self._began_at + timedelta(seconds=max(0.0, record.seconds or 0.0))
        events += [
            self._event(EventKind.RECORDING, ended_at, f"#recording{place}", media_url=url)
            for place, url in enumerate(self._recordings())
        ]
        if message := self._voicemail():
            events.append(self._event(EventKind.VOICEMAIL, ended_at, "#voicemail", media_url=message.uri))
        return events

    # Reading ----------------------------------------------------------------------------------------------------

    @property
    def _is_outbound(self) -> bool:
        return (self._record.direction or "").lower() == "outbound"

    @property
    def _direction(self) -> Direction:
        if self._theirs.is_inside:
            return Direction.INTERNAL
        return Direction.OUTBOUND if self._is_outbound else Direction.INBOUND

    def _machine(self, leg: _Leg) -> PartyKind | None:
        end = leg.to or NOBODY
        return self._shop.machine(leg.extension_id, end.extension_number, end.inside_number, end.name)

    def _find_answer(self) -> _Leg | None:
        """The first leg of a person who talked; where legs name no extensions, or for a call we made, the record."""
        if self._direction is not Direction.OUTBOUND and self._owned:
            legs = [leg for leg in self._owned if leg.said in _ANSWERED and not self._machine(leg)]
            return next((leg for leg in legs if not leg.master), next(iter(legs), None))
        is_answered = self._record.said in _ANSWERED and (self._is_outbound or not self._machine(self._record))
        return self._record if is_answered else None

    def _who(self) -> Party | None:
        """Who answered or dialled."""
        if self._direction is Direction.OUTBOUND:
            own = self._record.extension.id if self._record.extension else None
            return self._shop.party(self._ours, own, PartyKind.AGENT)
        if self._answer is None:
            return None
        end = self._answer.to or NOBODY
        # Phones are dialled by numbers of their own, which nobody knows; the name stands on either side.
        named = end if end.name or end.extension_id else self._answer.from_ or NOBODY
        return self._shop.party(named, self._answer.extension_id, PartyKind.AGENT)

    def _is_left_to_machines(self) -> bool:
        if self._answer or self._direction is not Direction.INBOUND:
            return False
        only_machines = bool(self._owned) and all(self._machine(leg) for leg in self._owned)
        is_machine = only_machines or self._machine(self._record) is not None
        return self._record.said == "abandoned" or (
            is_machine and self._record.said in _GAVE_UP | {"missed"} | _ANSWERED
        )

    def _queue(self) -> str | None:
        for leg in (*self._legs, self._record):
            if self._machine(leg) is PartyKind.QUEUE:
                return (leg.to or NOBODY).name or str(leg.extension_id)
        return None

    def _aliases(self) -> tuple[str, ...]:
        """Further sessions of the same call: a warm transfer puts two of them together."""
        named = [
            session
            for leg in (self._record, *self._legs)
            for session in (
                leg.telephony_session_id,
                leg.transfer_target.telephony_session_id if leg.transfer_target else None,
                leg.transferee.telephony_session_id if leg.transferee else None,
            )
            if session and session != self._record.telephony_session_id
        ]
        return tuple(dict.fromkeys(named))

    def _recordings(self) -> list[str]:
        found = [leg.recording.content_uri for leg in (self._record, *self._legs) if leg.recording]
        return list(dict.fromkeys(url for url in found if url))

    def _voicemail(self) -> _Message | None:
        messages = [leg.message for leg in (self._record, *self._legs) if leg.message]
        kept = next((one for one in messages if (one.type or "").lower() == "voicemail"), None)
        return kept or (_Message() if self._record.said in _VOICEMAIL else None)

    def _event(self, kind: EventKind, at: datetime, part: str, **more: object) -> CallEvent:
        is_internal = self._direction is Direction.INTERNAL
        did = self._ours.phone_number if self._direction is Direction.INBOUND and not self._ours.inside_number else None
        return CallEvent(
            system=SYSTEM,
            account=self._shop.account,
            call_key=self._record.telephony_session_id or "",
            kind=kind,
            occurred_at=at,
            event_id=f"record/{self._record.id}{part}",
            direction=self._direction,
            external_number=None if is_internal else self._theirs.phone_number,
            external_name=None if is_internal else self._theirs.outside_name,
            did=did,
            vendor_kind=self._record.result,
            **more,  # type: ignore[arg-type]
        )
