"""What Call Control tells, as it stands in the inbox, and the events in it.

Call Control's own events hold no state and no time: they name a participant, which is then read. A message therefore
holds the event as it came, the participant as it was read - or as it was read last, where it is gone - and what the
connection knew of its call, so that it can be understood anew at any time, by itself.

A participant is one extension's part of a call, and a leg of ours. That a call is over is never said: the fold ends a
call once all its legs have left. An extension that is nobody's phone is `ROUTED` whatever it does.
"""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from trunkline.domain import phone
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, LiveCalls, Party, PartyKind
from trunkline.phone_systems.base import STREAM_KIND, Parsed, RawMessage, Unreadable
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.three_cx.crm import SYSTEM, caller_name
from trunkline.phone_systems.three_cx.keys import LIVE, claims, claims_inside, handovers

# A participant's status; compared without case and blanks. The first three are 3CX's own examples', those of a hold
# stand in no published source.
STATUSES = {
    "dialing": EventKind.STARTED,
    "ringing": EventKind.RINGING,
    "connected": EventKind.ANSWERED,
    "hold": EventKind.HELD,
    "held": EventKind.HELD,
    "onhold": EventKind.HELD,
}
BEGINS = frozenset({"dialing", "ringing"})
# Words in the types of extensions: `Wextension`, `Wqueue`, `Wexternalline`... Other types are nobody's phone.
_TYPES = {
    "extension": PartyKind.AGENT,
    "externalline": PartyKind.EXTERNAL,
    "queue": PartyKind.QUEUE,
    "ringgroup": PartyKind.QUEUE,
}
_LONGEST_EXTENSION = 6

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class LiveCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the connection knew of a call. `number` is the outside one as 3CX writes it, none between colleagues;
    `is_unheard` where the call had begun before the connection was there."""

    key: str
    number: str | None = None
    direction: Direction | None = None
    is_unheard: bool = False


class Heard(msgspec.Struct, tag_field="told", tag="participant", frozen=True, omit_defaults=True):
    """Of one participant: `before` is its status before, empty where it is new; `rings_since` is set where a phone
    begins to ring or to dial; `joins` are keys of calls that turned out to be this one; `event` is what 3CX sent, none
    where the participant was found in the list of all."""

    dn: str
    id: str
    participant: dict[str, Any] = {}
    event: Any = None
    dn_type: str = ""
    call: LiveCall | None = None
    before: str = ""
    dials: bool = False
    is_gone: bool = False
    rings_since: Moment | None = None
    joins: tuple[str, ...] = ()

    def as_message(self, received_at: datetime) -> RawMessage:
        """As the inbox keeps it."""
        return RawMessage(msgspec.json.encode(self), received_at, kind=STREAM_KIND)


class Listed(msgspec.Struct, tag_field="told", tag="list", frozen=True):
    """The keys of the calls in progress at `as_of`."""

    as_of: Moment
    live: tuple[str, ...]

    def as_message(self, received_at: datetime) -> RawMessage:
        """As the inbox keeps it."""
        return RawMessage(msgspec.json.encode(self), received_at, kind=STREAM_KIND)


class Participant:
    """A participant as 3CX gives it; fields that newer versions add may be missing.

    Source: 3CX, "Call Control API endpoint specification".
    """

    def __init__(self, held: object) -> None:
        self._fields = Fields(held)

    def _text(self, name: str) -> str:
        return self._fields.id(name) or ""

    @property
    def status(self) -> str:
        """Its status, as in :data:`STATUSES`."""
        return self._text("status").lower().replace(" ", "")

    @property
    def call_id(self) -> str:
        """The id that the participants of one call share; empty where it is not told."""
        return self._text("callid")

    @property
    def party_dn(self) -> str:
        """The extension, queue or line at its other end."""
        return self._text("party_dn")

    @property
    def party_type(self) -> str:
        """What kind of thing that is."""
        return self._text("party_dn_type")

    @property
    def number(self) -> str | None:
        """The outside number at its other end, `anonymous` where it is withheld; none where a colleague is there."""
        caller, kind = self._text("party_caller_id"), kind_of(self.party_type)
        if kind is PartyKind.AGENT and self.party_type:
            return None
        if kind is PartyKind.EXTERNAL or (caller and phone.is_withheld(caller)):
            return "anonymous" if phone.is_withheld(caller) else caller
        return caller if sum(sign.isdigit() for sign in caller) > _LONGEST_EXTENSION else None

    @property
    def name(self) -> str | None:
        """The name at its other end."""
        return caller_name(self._text("party_caller_name"), self._text("party_caller_id"))

    @property
    def did(self) -> str | None:
        """The number of ours that was dialled; many versions leave it empty."""
        return self._text("party_did") or None

    @property
    def is_referred(self) -> bool:
        """Whether a colleague handed the call on to it."""
        return bool(self._text("referred_by_dn")) and "extension" in self._text("referred_by_type").lower()

    def dials(self, dn: str) -> bool:
        """Whether the call began at this end."""
        return self.status == "dialing" or self._text("originated_by_dn") == dn


def kind_of(dn_type: str) -> PartyKind:
    """What an extension of this type is; one whose type is not told is somebody's phone."""
    word = dn_type.lower()
    return next((kind for name, kind in _TYPES.items() if name in word), PartyKind.MENU if word else PartyKind.AGENT)


def parse_live(account: str, platform_extensions: frozenset[str], message: RawMessage) -> list[Parsed]:
    """The events in one message, or the list of calls in progress; none where nothing is known of the call.

    Raises:
        Unreadable: it is not what a connection made.
    """
    try:
        told = msgspec.json.decode(message.body, type=Heard | Listed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("What Call Control told cannot be read.") from None
    if isinstance(told, Listed):
        return [LiveCalls(SYSTEM, account, told.as_of, frozenset(told.live), among=LIVE)]
    return (
        list(_Reader(account, platform_extensions, told, told.call, message.received_at).events()) if told.call else []
    )


class _Reader:
    def __init__(
        self, account: str, platform_extensions: frozenset[str], told: Heard, call: LiveCall, at: datetime
    ) -> None:
        self._account = account
        self._platform = platform_extensions
        self._told = told
        self._call = call
        self._at = at
        self._participant = Participant(told.participant)
        self._kind = self._kind_of(told.dn, told.dn_type)

    def events(self) -> list[CallEvent]:
        """What happened to the participant, in order."""
        if self._told.is_gone:
            return [self._gone()]
        is_changed = self._participant.status != self._told.before
        return [*self._transfers(), *([self._changed()] if is_changed else [])]

    def _kind_of(self, dn: str, dn_type: str) -> PartyKind:
        return PartyKind.QUEUE if dn in self._platform else kind_of(dn_type)

    def _changed(self) -> CallEvent:
        if self._kind is not PartyKind.AGENT:
            return self._routed(self._told.dn, self._kind)
        kind = STATUSES.get(self._participant.status, EventKind.UNKNOWN)
        if kind is EventKind.ANSWERED and STATUSES.get(self._told.before) is EventKind.HELD:
            kind = EventKind.RESUMED
        if not self._told.dials:
            return self._tell(kind, party=self._own)
        if kind is EventKind.RINGING:  # its own phone, before the number is dialled
            kind = EventKind.STARTED
        return self._reached() if kind is EventKind.ANSWERED else self._tell(kind, party=self._own)

    def _reached(self) -> CallEvent:
        """Whom this participant dialled has picked up."""
        other = self._participant
        if other.number is not None:
            return self._tell(EventKind.ANSWERED, party=Party(PartyKind.EXTERNAL))
        kind = self._kind_of(other.party_dn, other.party_type)
        if kind is not PartyKind.AGENT:
            return self._routed(other.party_dn, kind)
        colleague = Party(kind, other.party_dn or None, other.name)
        return self._tell(EventKind.ANSWERED, party=colleague, leg_key=None)  # theirs, where Call Control shows it

    def _routed(self, dn: str, kind: PartyKind) -> CallEvent:
        return self._tell(
            EventKind.ROUTED, party=Party(kind, dn or None), queue=dn if kind is PartyKind.QUEUE else None
        )

    def _transfers(self) -> list[CallEvent]:
        is_new = not self._told.before
        if self._kind is not PartyKind.AGENT:
            return []
        if self._told.joins:
            linked = self._tell(EventKind.LINKED, aliases=self._told.joins)
            return [linked, self._tell(EventKind.TRANSFERRED, party=self._own)]
        return [self._tell(EventKind.TRANSFERRED, party=self._own)] if is_new and self._participant.is_referred else []

    def _gone(self) -> CallEvent:
        is_ringing = STATUSES.get(self._participant.status) is EventKind.RINGING and not self._told.dials
        if self._kind is PartyKind.AGENT and is_ringing:
            return self._tell(EventKind.RING_ENDED, reason=EndReason.CANCELLED)
        return self._tell(EventKind.LEFT)

    @property
    def _own(self) -> Party:
        return Party(PartyKind.AGENT, self._told.dn)

    def _tell(self, kind: EventKind, **fields: Any) -> CallEvent:
        told, call, other = self._told, self._call, self._participant
        number = other.number or call.number
        event = CallEvent(
            system=SYSTEM,
            account=self._account,
            call_key=call.key,
            kind=kind,
            occurred_at=self._at,
            leg_key=f"{call.key}:{told.dn}:{told.id}",
            aliases=self._aliases(number),
            direction=call.direction,
            external_number=number,
            external_name=other.name if other.number else None,
            did=other.did if call.direction is Direction.INBOUND else None,
            vendor_kind=other.status or None,
        )
        more = {name: value for name, value in fields.items() if name != "aliases"}
        return msgspec.structs.replace(event, aliases=(*fields.get("aliases", ()), *event.aliases), **more)

    def _aliases(self, number: str | None) -> tuple[str, ...]:
        """What lookup, journal and call log say of the same call."""
        told, began_at = self._told, self._told.rings_since
        if self._call.is_unheard:  # when it ends is all that can be compared
            return handovers(number, self._at, self._at) if told.is_gone and number is not None else ()
        if began_at is None:
            return ()
        if number is None:
            return claims_inside(told.dn, self._participant.party_dn, began_at, 0.0)
        return claims(number, began_at, 0.0, told.dn if self._kind is PartyKind.AGENT else "")
