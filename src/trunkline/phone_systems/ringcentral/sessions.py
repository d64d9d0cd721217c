"""Telephony session events: what each party's status means.

A party's `direction` is technical: it is Outbound for whoever dialled, be it the customer or a colleague, and Inbound
for whoever was called. What decides is which party has no extension: that one is outside.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

import msgspec

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.ringcentral.shop import NOBODY, SYSTEM, End, Id, Shop, utc

_SESSIONS = "/telephony/sessions"
_RINGOUT = "ringout"
_NO_CALLS = {"greetingsrecording", "verificationcall", "testcall"}  # the platform talks to itself

K = EventKind

# What a status code means, by whose it is. What is not here is UNKNOWN.
_CALLER: Mapping[str, EventKind] = {
    "setup": K.STARTED,
    "proceeding": K.STARTED,
    "answered": K.ROUTED,  # the platform picked up: call handling rules run
    "faxreceive": K.ROUTED,
}
_MACHINE: Mapping[str, EventKind] = {
    "setup": K.ROUTED,
    "proceeding": K.ROUTED,
    "answered": K.ROUTED,
    "faxreceive": K.ROUTED,
    "voicemail": K.VOICEMAIL,
}
_CALLED: Mapping[str, EventKind] = {
    "setup": K.STARTED,  # call handling rules run; menus and queues get this as well, so nobody's phone rings yet
    "proceeding": K.RINGING,
    "answered": K.ANSWERED,
    "hold": K.HELD,
    "parked": K.HELD,
    "voicemail": K.VOICEMAIL,
    "voicemailscreening": K.VOICEMAIL,
    "vmscreening": K.VOICEMAIL,
    "faxreceive": K.ROUTED,
}
_DIALLER: Mapping[str, EventKind] = {
    "setup": K.STARTED,
    "proceeding": K.STARTED,
    "answered": K.RESUMED,
    "hold": K.HELD,
    "parked": K.HELD,
}
_PEOPLE = {K.RINGING, K.ANSWERED, K.HELD}

# Why a party left. What is not here, and no reason at all, is an ordinary end.
_REASONS: Mapping[str, EndReason] = {
    "pickup": EndReason.ELSEWHERE,
    "takeover": EndReason.ELSEWHERE,
    "callredirected": EndReason.ELSEWHERE,
    "timeout": EndReason.NO_ANSWER,
    "noanswer": EndReason.NO_ANSWER,
    "voicemail": EndReason.NO_ANSWER,
    "rejected": EndReason.REJECTED,
    "callreplied": EndReason.REJECTED,  # declined with a text message
    "cancelled": EndReason.CANCELLED,
    "targetbusy": EndReason.BUSY,
    "internalerror": EndReason.FAILED,
    "invalidnumber": EndReason.FAILED,
    "internationaldisabled": EndReason.FAILED,
    "destinationblocked": EndReason.FAILED,
    "notenoughfunds": EndReason.FAILED,
    "nosuchuser": EndReason.FAILED,
}
_HANDED_ON = {"blindtransfer", "rcctransfer", "dtmftransfer", "attendedtransfer"}
_MOVED = _HANDED_ON | {"callflip", "parklocation", "pickup", "takeover", "supervising", "callerinputredirect"}
_QUEUE_ONLY = {"agentanswered", "agentdropped"}  # nobody but a queue leaves for these reasons


class _Peer(msgspec.Struct, rename="camel"):
    telephony_session_id: Id | None = None


class _Status(msgspec.Struct, rename="camel"):
    code: str | None = None
    reason: str | None = None
    peer_id: _Peer | None = None


class _Party(msgspec.Struct, rename="camel"):
    id: Id | None = None
    extension_id: str | int | None = None
    direction: str | None = None
    to: End | None = None
    from_: End | None = msgspec.field(name="from", default=None)
    status: _Status | None = None


class _Origin(msgspec.Struct):
    type: str | None = None


class _Session(msgspec.Struct, rename="camel"):
    telephony_session_id: Id
    sequence: int | None = None
    event_time: datetime | None = None
    parties: list[_Party] | None = None
    origin: _Origin | None = None


class _Notification(msgspec.Struct):
    event: str | None = None
    timestamp: datetime | None = None
    uuid: str | None = None
    body: msgspec.Raw = msgspec.Raw(b"null")


def read_notification(shop: Shop, message: RawMessage) -> list[CallEvent]:
    """The events in one notification; none where it is about something else, as voicemail messages or reminders.

    Raises:
        Unreadable: the JSON is broken, or a field has the wrong type.
    """
    try:
        outer = msgspec.json.decode(message.body, type=_Notification)
        if not (outer.event or "").partition("?")[0].endswith(_SESSIONS):
            return []
        session = msgspec.json.decode(outer.body, type=_Session)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"RingCentral's notification cannot be read: {error}.") from None
    origin = _word(session.origin.type if session.origin else None)
    if origin in _NO_CALLS:
        return []
    at = utc(session.event_time or outer.timestamp or message.received_at)
    stamp = outer.uuid if session.sequence is None else str(session.sequence)
    parties = [_Seen(shop, session, party, at, stamp, is_ringout=origin == _RINGOUT) for party in session.parties or ()]
    return [event for party in parties for event in party.events()]


class _Seen:
    """One party as one notification shows it."""

    _codes: ClassVar[Mapping[str, Mapping[str, EventKind]]] = {
        "caller": _CALLER,
        "machine": _MACHINE,
        "called": _CALLED,
        "dialler": _DIALLER,
    }

    def __init__(
        self, shop: Shop, session: _Session, party: _Party, at: datetime, stamp: str | None, *, is_ringout: bool
    ) -> None:
        self._shop, self._session, self._party, self._at, self._stamp = shop, session, party, at, stamp
        self._is_ringout = is_ringout
        self._told: list[CallEvent] = []
        status = party.status or _Status()
        self._code, self._reason = _word(status.code), _word(status.reason)
        self._words = "/".join(word for word in (status.code, status.reason) if word)
        self._peer = status.peer_id.telephony_session_id if status.peer_id else None
        self._has_dialled = _word(party.direction) == "outbound"
        source, target = party.from_ or NOBODY, party.to or NOBODY
        self._own, self._other = (source, target) if self._has_dialled else (target, source)
        self._extension = party.extension_id or self._own.extension_id
        self._is_inside = bool(self._extension)
        self._machine = self._machine_kind() if self._is_inside else None
        self._role = self._find_role()
        self._direction = self._find_direction()

    def events(self) -> list[CallEvent]:
        """What the party's status says, in order."""
        if self._code == "disconnected":
            self._disconnected()
        elif self._code == "gone":
            self._gone()
        else:
            self._present(self._codes[self._role].get(self._code, K.UNKNOWN))
        return self._told

    # Who it is --------------------------------------------------------------------------------------------------

    def _machine_kind(self) -> PartyKind | None:
        if self._reason in _QUEUE_ONLY:
            return PartyKind.QUEUE
        return self._shop.machine(self._extension, self._own.extension_number, self._own.inside_number, self._own.name)

    def _find_role(self) -> str:
        if self._machine:
            return "machine"
        if self._is_ringout:  # both parties are called: first the colleague, then the number
            return "dialler" if self._is_inside else "called"
        if self._has_dialled:
            return "dialler" if self._is_inside else "caller"
        return "called"

    def _find_direction(self) -> Direction | None:
        if self._is_ringout:
            return Direction.OUTBOUND
        if self._role == "caller":
            return Direction.INBOUND
        if not self._is_inside:  # who called an outside number is a colleague - or the caller himself, by forwarding
            return Direction.OUTBOUND if self._other.is_inside else None
        if self._other.is_inside:
            return Direction.INTERNAL
        if self._has_dialled:
            return Direction.OUTBOUND if self._party.to and self._role == "dialler" else None
        return Direction.INBOUND if self._party.from_ else None

    def _outside(self) -> End:
        """The end whose number is the customer's, where this party shows it."""
        if self._direction in (None, Direction.INTERNAL):
            return NOBODY
        if not self._is_inside:
            return self._own
        # A RingOut shows the colleague something else in the customer's place.
        return NOBODY if self._is_ringout else self._other

    def _did(self) -> str | None:
        dialled = self._party.to or NOBODY
        return dialled.phone_number if self._direction is Direction.INBOUND and not dialled.inside_number else None

    def _who(self, kind: EventKind) -> Party:
        if self._machine:
            return self._shop.party(self._own, self._extension, self._machine)
        if self._is_inside:
            is_person = kind in _PEOPLE if self._role == "called" else not self._is_nameless
            return self._shop.party(self._own, self._extension, PartyKind.AGENT if is_person else PartyKind.UNKNOWN)
        if self._role == "called" and self._direction is None:  # forwarded to a colleague's mobile, or a service
            return Party(PartyKind.AGENT, name=self._own.name or self._own.phone_number)
        return Party(PartyKind.EXTERNAL, name=self._own.outside_name)

    @property
    def _is_nameless(self) -> bool:
        """Whoever dials outside is mostly shown without a name, which the called party shows: see `_name_dialler`."""
        return self._direction is Direction.OUTBOUND and not self._is_ringout and not self._own.name

    # What happened ----------------------------------------------------------------------------------------------

    def _present(self, kind: EventKind) -> None:
        if self._role == "dialler" and kind is K.RESUMED:
            self._dialler_connected()
            return
        if kind is K.VOICEMAIL:
            if not self._machine:
                self._tell(K.RING_ENDED, reason=EndReason.NO_ANSWER)
            self._tell(kind, party=self._shop.party(self._own, self._extension, PartyKind.VOICEMAIL))
            return
        self._tell(kind)
        if self._role == "called" and not self._is_inside and self._other.extension_id and self._other.name:
            self._name_dialler()

    def _name_dialler(self) -> None:
        """Which colleague dialled the outside number: it stands at the number's party, by name."""
        dialler = self._shop.party(self._other, None, PartyKind.AGENT)
        self._tell(K.UNKNOWN, party=dialler, leg_key=None)

    def _dialler_connected(self) -> None:
        """The same word for three things: the other side picked up, a held call was taken back, rules began to run.

        Who dials a number outside is connected when that picks up. Who dials a colleague is connected as soon as the
        colleague's rules run. A RingOut calls its dialler first, whose own pick-up is no answer.
        """
        if self._direction is not Direction.INTERNAL:
            self._tell(K.ANSWERED)
        if self._direction is Direction.OUTBOUND and not self._is_ringout:
            self._tell(K.ANSWERED, party=Party(PartyKind.EXTERNAL), leg_key=None)
        else:
            self._tell(K.RESUMED)

    def _disconnected(self) -> None:
        if self._role == "caller" and self._reason not in _MOVED:
            self._tell(K.ENDED, reason=self._ended_because(EndReason.NORMAL))
            return
        self._leave()

    def _gone(self) -> None:
        """The party now talks in another session, which is the same call - unless it went there to listen in."""
        if self._peer and self._peer != self._session.telephony_session_id and self._reason != "supervising":
            self._tell(K.LINKED, aliases=(self._peer,))
        self._leave()

    def _leave(self) -> None:
        talks_outside = self._direction in (Direction.INBOUND, Direction.OUTBOUND)
        if self._reason in _HANDED_ON and self._is_inside and not self._machine and talks_outside:
            self._tell(K.TRANSFERRED, party=None)
        if self._role == "called" and not self._peer:
            # Whether it still rang cannot be seen here; where it talked, the fold passes this over.
            self._tell(K.RING_ENDED, reason=self._ended_because(EndReason.CANCELLED))
        self._tell(K.LEFT, reason=self._ended_because(EndReason.NORMAL))

    def _ended_because(self, usual: EndReason) -> EndReason:
        return _REASONS.get(self._reason, usual)

    def _tell(self, kind: EventKind, **more: object) -> None:
        outside = self._outside()
        values: dict[str, object] = {"leg_key": self._party.id, "party": self._who(kind), **more}
        name = self._own.name or str(self._extension)
        self._told.append(
            CallEvent(
                system=SYSTEM,
                account=self._shop.account,
                call_key=self._session.telephony_session_id,
                kind=kind,
                occurred_at=self._at,
                event_id=f"{self._stamp}/{self._party.id or ''}/{self._code}/{len(self._told)}" if self._stamp else "",
                sequence=self._session.sequence or 0,
                direction=self._direction,
                external_number=outside.phone_number,
                external_name=outside.outside_name,
                did=self._did(),
                queue=name if self._machine is PartyKind.QUEUE else None,
                vendor_kind=self._words or None,
                **values,  # type: ignore[arg-type]
            )
        )


def _word(text: str | None) -> str:
    """RingCentral spells some of its words in two ways (VoiceMail, Voicemail)."""
    return (text or "").replace(" ", "").lower()
