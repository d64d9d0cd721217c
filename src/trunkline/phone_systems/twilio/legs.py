"""What a leg of a Twilio call is to the shop. Twilio's own word for its direction says only who made the leg."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import ClassVar

import msgspec

from trunkline.domain.events import Direction, Party, PartyKind
from trunkline.domain.phone import is_withheld
from trunkline.phone_systems.loose import Fields

AGENT_MARK = "Trunkline.agent"
CALL_MARK = "Trunkline.call"
DID_MARK = "Trunkline.did"
_DEVICES = ("client:", "sim:")
_SHORTEST_NUMBER = 7  # what is shorter, in a SIP address, is an extension


class Line(Enum):
    """Whose line a leg is."""

    CALLER = auto()  # somebody called in; Twilio itself answers, to carry out the shop's TwiML
    DIALLER = auto()  # a colleague's phone from which, or for which, a call is made
    AGENT = auto()  # a colleague's phone that is rung
    OUTSIDE = auto()  # an outside phone that is rung
    UNKNOWN = auto()


class Leg(msgspec.Struct, frozen=True):
    """One leg, as a callback or a row of the history has it. `agent` and `did` are marks of the shop's own."""

    sid: str
    parent: str | None
    direction: str | None
    caller: str | None
    called: str | None
    status: str
    answered_by: str | None
    duration_s: float | None
    name: str | None
    agent: str | None = None
    did: str | None = None

    @classmethod
    def of_callback(cls, given: Fields) -> "Leg":
        """The leg of a status callback."""
        return cls(
            sid=given.id("CallSid") or "",
            parent=given.id(CALL_MARK, "ParentCallSid"),
            direction=given.text("Direction"),
            caller=given.text("From", "Caller"),
            called=given.text("To", "Called"),
            status=given.text("CallStatus") or "",
            answered_by=given.text("AnsweredBy"),
            duration_s=given.seconds("CallDuration"),
            name=given.text("CallerName"),
            agent=given.id(AGENT_MARK),
            did=_with_plus(given.id(DID_MARK)),
        )

    @classmethod
    def of_row(cls, row: Fields) -> "Leg":
        """The leg of a row of the history."""
        return cls(
            sid=row.id("sid") or "",
            parent=row.id("parent_call_sid"),
            direction=row.text("direction"),
            caller=row.text("from"),
            called=row.text("to"),
            status=row.text("status") or "",
            answered_by=row.text("answered_by"),
            duration_s=row.seconds("duration"),
            name=row.text("caller_name"),
        )

    @property
    def call_key(self) -> str:
        """A leg that another one made belongs to that one's call."""
        return self.parent or self.sid

    @property
    def is_machine(self) -> bool:
        """Whether Twilio's detection heard a mailbox or a fax, not a person."""
        return (self.answered_by or "").startswith(("machine", "fax"))


class Sides(msgspec.Struct, frozen=True):
    """Who is where."""

    line: Line
    direction: Direction | None = None
    external: str | None = None
    did: str | None = None
    party: Party | None = None


class Shop:
    """What the shop has said about itself: its numbers, and which extension an address rings."""

    def __init__(self, numbers: Sequence[str], agents: Mapping[str, str]) -> None:
        self._numbers = frozenset(numbers)
        self._agents = dict(agents)

    def sides(self, leg: Leg) -> Sides:
        """Who is where on `leg`; what cannot be told is left open."""
        reading = self._READINGS.get(leg.direction or "")
        return reading(self, leg) if reading else Sides(Line.UNKNOWN)

    def party(self, address: str | None) -> Party | None:
        """The colleague whose phone `address` is; `None` where it is no colleague's."""
        bare = (address or "").partition(";")[0]
        if extension := self._agents.get(address or "") or self._agents.get(bare):
            return Party(PartyKind.AGENT, extension=extension, provider_id=bare)
        if bare.startswith(_DEVICES):
            return Party(PartyKind.AGENT, name=bare.partition(":")[2] or None, provider_id=bare)
        user = _user(bare)
        if user is None or _is_number(user) or is_withheld(user):
            return None
        is_extension = user.isascii() and user.isdigit()
        return Party(
            PartyKind.AGENT,
            extension=user if is_extension else None,
            name=None if is_extension else user,
            provider_id=bare,
        )

    def is_own(self, address: str | None) -> bool:
        """Whether `address` is one of the shop's numbers at Twilio."""
        return address is not None and (address in self._numbers or number_of(address) in self._numbers)

    def address_of(self, extension: str) -> str | None:
        """What to ring for `extension`."""
        return next((address for address, rings in self._agents.items() if rings == extension), None)

    def _inbound(self, leg: Leg) -> Sides:
        dialled_by = self.party(leg.caller)
        if dialled_by is None:
            return Sides(Line.CALLER, Direction.INBOUND, number_of(leg.caller), number_of(leg.called))
        if self.party(leg.called):
            return Sides(Line.DIALLER, Direction.INTERNAL, party=dialled_by)
        outside = number_of(leg.called)  # empty where an app of the shop decides whom to call
        return Sides(Line.DIALLER, Direction.OUTBOUND if outside else None, outside, party=dialled_by)

    def _dialled(self, leg: Leg) -> Sides:
        rung, is_own = self.party(leg.called), self.is_own(leg.caller)
        if rung and leg.agent is None:
            if self.party(leg.caller):
                return Sides(Line.AGENT, Direction.INTERNAL, party=rung)
            # The shop may show its own number on its phones: then this leg does not say who calls.
            if is_own:
                return Sides(Line.AGENT, did=leg.did, party=rung)
            return Sides(Line.AGENT, Direction.INBOUND, number_of(leg.caller), leg.did, rung)
        if is_own or leg.agent is not None or self.party(leg.caller):
            did = None if self.party(leg.caller) else number_of(leg.caller)
            return Sides(Line.OUTSIDE, Direction.OUTBOUND, number_of(leg.called), did, Party(PartyKind.EXTERNAL))
        colleague = Party(PartyKind.AGENT, provider_id=leg.called)
        return Sides(Line.AGENT, Direction.INBOUND, number_of(leg.caller), leg.did, colleague)

    def _by_api(self, leg: Leg) -> Sides:
        rung = self.party(leg.called)
        if leg.agent is not None:
            party = rung or Party(PartyKind.AGENT, provider_id=leg.called)
            if leg.agent.isalnum():  # else it is an address
                party = msgspec.structs.replace(party, extension=leg.agent)
            return Sides(Line.DIALLER, Direction.OUTBOUND, party=party)
        if rung:
            return Sides(Line.AGENT, did=leg.did, party=rung)
        return self._outgoing(leg)

    def _outgoing(self, leg: Leg) -> Sides:
        outside = Party(PartyKind.EXTERNAL)
        return Sides(Line.OUTSIDE, Direction.OUTBOUND, number_of(leg.called), number_of(leg.caller), outside)

    def _incoming_to_pbx(self, leg: Leg) -> Sides:
        return Sides(Line.AGENT, Direction.INBOUND, number_of(leg.caller), number_of(leg.called))

    # Of the two words for trunks, "terminating" is from the PBX to the telephone network.
    _READINGS: ClassVar[Mapping[str, Callable[["Shop", Leg], Sides]]] = {
        "inbound": _inbound,
        "outbound-dial": _dialled,
        "outbound-api": _by_api,
        "trunking-originating": _incoming_to_pbx,
        "trunking-terminating": _outgoing,
    }


def number_of(address: str | None) -> str | None:
    """The number in `address`, as sent: of a SIP address what stands before the host."""
    if not address or address.startswith(_DEVICES):
        return None
    return _user(address) or address


def _user(address: str) -> str | None:
    """What stands before the host of a SIP address, which the history writes without its scheme."""
    scheme, colon, rest = address.partition(":")
    bare = rest if colon and scheme.lower() in ("sip", "sips") else address
    user, at, _ = bare.partition("@")
    return user or None if at else None


def _with_plus(number: str | None) -> str | None:
    """A plus that is not escaped in an address arrives as a blank."""
    return f"+{number}" if number and number.isascii() and number.isdigit() else number


def _is_number(user: str) -> bool:
    digits = user.removeprefix("+")
    return digits.isascii() and digits.isdigit() and (digits != user or len(digits) >= _SHORTEST_NUMBER)
