"""From one event to ours: tables, and no memory.

Call key is the Channel-Call-UUID, leg key the Unique-ID; where two calls become one, their legs say so. Channels called
`loopback/` are plumbing and are passed over. The end of a call is never said here: the fold ends a call when all its
legs have left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, LiveCalls, Party, PartyKind
from trunkline.phone_systems.base import Parsed, Unreadable
from trunkline.phone_systems.freeswitch.shop import (
    OUTSIDE,
    Channel,
    Shop,
    dialled_number,
    name_of,
    reason,
)
from trunkline.phone_systems.freeswitch.wire import Event

LIVE_CALLS = "TRUNKLINE_LIVE_CALLS"  # our own: what `show channels` listed after a (re)connect
DIALS = "trunkline_dials"  # the channel variable by which a call that we set up says whom it is for
SYSTEM = "freeswitch"


@dataclass(frozen=True)
class _Reader:
    """One event with what ours have in common."""

    shop: Shop
    event: Event
    at: datetime

    def get(self, name: str) -> str:
        return self.event.get(name)

    def tell(self, kind: EventKind, **fields: object) -> CallEvent:
        get, variable = self.get, self.event.variable
        leg = get("Unique-ID") or get("CC-Member-Session-UUID")  # a queue's own events may be about no channel
        call_key = get("Channel-Call-UUID") or variable("call_uuid") or leg
        member = variable("cc_member_session_uuid")  # a queue calls its agents in calls of their own
        values = {"leg_key": leg or None, "aliases": (member,) if member and member != call_key else (), **fields}
        return CallEvent(
            system=SYSTEM,
            account=self.shop.account,
            call_key=call_key,
            kind=kind,
            occurred_at=self.at,
            sequence=self.event.number("Event-Sequence"),
            vendor_kind=self.event.name,
            **values,  # type: ignore[arg-type]
        )

    @property
    def own(self) -> Channel:
        """The channel that the event is about."""
        get, variable = self.get, self.event.variable
        is_dialled = get("Call-Direction") == "outbound"
        if is_dialled:
            numbers = (variable("dialed_user"), get("Caller-Callee-ID-Number"), get("Caller-Destination-Number"))
            display = get("Caller-Callee-ID-Name")
        else:
            numbers = (variable("user_name"), get("Caller-Username"), get("Caller-Caller-ID-Number"))
            display = get("Caller-Caller-ID-Name")
        gateway = variable("sip_gateway_name") or variable("sip_gateway")
        name = get("Channel-Name") or get("Caller-Channel-Name")
        return Channel(get("Unique-ID"), name, is_dialled, get("Caller-Context"), gateway, numbers, display)

    @property
    def other(self) -> Channel:
        """The channel at its other end; without a name where it has none, or none yet."""
        get = self.get
        is_dialled = get("Other-Leg-Direction") == "outbound"
        numbers = ("Callee-ID-Number", "Destination-Number") if is_dialled else ("Username", "Caller-ID-Number")
        display = "Callee-ID-Name" if is_dialled else "Caller-ID-Name"
        return Channel(
            get("Other-Leg-Unique-ID"),
            get("Other-Leg-Channel-Name"),
            is_dialled,
            get("Other-Leg-Context"),
            numbers=tuple(get(f"Other-Leg-{number}") for number in numbers),
            display=get(f"Other-Leg-{display}"),
        )

    def number_of(self, channel: Channel) -> str | None:
        """What was dialled to reach a channel of the outside."""
        if channel.uuid == self.get("Unique-ID"):
            told = (self.get("Caller-Destination-Number"), self.event.variable("sip_to_user"))
        else:
            told = (self.get("Other-Leg-Destination-Number"), self.get("Other-Leg-Callee-ID-Number"))
        return dialled_number(*told, channel.user)

    def has_happened(self, moment: str) -> bool:
        """Whether the channel's `Answered`, `Bridged`... time is set."""
        return self.event.number(f"Caller-Channel-{moment}-Time") > 0


def _outside_dialled(read: _Reader) -> dict[str, object]:
    """Who is dialled outside: a customer by a colleague - or, by an outside caller's call, a colleague's mobile."""
    number, other = read.number_of(read.own), read.other
    if other.is_plumbing or (not other.name and read.get("Channel-Call-UUID") != read.get("Unique-ID")):
        return {"party": Party(provider_id=number)}  # who dialled is not said, so neither is who this is
    if other.name and read.shop.is_outside(other):
        return {"party": Party(PartyKind.AGENT, provider_id=number)}
    return _customer(number)


def _create(read: _Reader) -> list[CallEvent]:
    own = read.own
    if own.is_dialled:
        return _dialled(read)
    if not read.shop.is_outside(own):
        return [read.tell(EventKind.STARTED, party=read.shop.agent(own))]
    number = read.get("Caller-Caller-ID-Number")
    return [
        read.tell(
            EventKind.STARTED,
            party=OUTSIDE,
            direction=Direction.INBOUND,
            external_number=number,
            external_name=name_of(read.get("Caller-Caller-ID-Name"), number),
            did=dialled_number(
                read.get("Caller-Destination-Number"),
                read.event.variable("sip_req_user"),
                read.event.variable("sip_to_user"),
            ),
        )
    ]


def _dialled(read: _Reader) -> list[CallEvent]:
    """A channel that FreeSWITCH dials appears. A colleague's phone rings only once it says so."""
    if read.shop.is_outside(read.own):
        return [read.tell(EventKind.RINGING, **_outside_dialled(read))]
    number = read.event.variable(DIALS)
    if not number or read.other.name:
        return []
    return [
        read.tell(
            EventKind.STARTED,
            party=read.shop.agent(read.own),
            direction=Direction.OUTBOUND,
            external_number=number,
        )
    ]


def _progress(read: _Reader) -> list[CallEvent]:
    own = read.own
    if not own.is_dialled:
        return []  # what the caller is told, not who rings
    if read.shop.is_outside(own):
        return [read.tell(EventKind.RINGING, **_outside_dialled(read))]
    return [read.tell(EventKind.RINGING, party=read.shop.agent(own))]


def _answer(read: _Reader) -> list[CallEvent]:
    """A phone that picks up has no caller yet; on the caller's own channel it is a menu, a queue or a bridge."""
    own = read.own
    if not own.is_dialled:
        return [read.tell(EventKind.ROUTED)] if read.shop.is_outside(own) else []
    if read.shop.is_outside(own):
        told = _outside_dialled(read)
        return [read.tell(EventKind.ANSWERED, **told)] if told["party"] == OUTSIDE else []
    if read.has_happened("Bridged"):  # with early media the bridge comes first
        return [read.tell(EventKind.ANSWERED, party=read.shop.agent(own))]
    return []


def _bridge(read: _Reader) -> list[CallEvent]:
    own, other = read.own, read.other
    ends = [leg for leg in (read.get("Bridge-A-Unique-ID"), read.get("Bridge-B-Unique-ID")) if leg]
    ends = ends or [leg for leg in (own.uuid, other.uuid) if leg]
    joined = [read.tell(EventKind.UNKNOWN, leg_key=leg) for leg in ends]  # one call from now on
    if other.uuid not in ends:  # nothing is told of the other leg, or still of the one before
        return [*joined, *_attended_transfer(read, [])]
    answered = [
        read.tell(EventKind.ANSWERED, leg_key=channel.uuid, **told)
        for channel, told in _talking(read, own, other)
        if _is_up(read, channel)
    ]
    return [*joined, *answered, *_attended_transfer(read, answered)]


def _talking(read: _Reader, own: Channel, other: Channel) -> list[tuple[Channel, dict[str, object]]]:
    """Whose being on the line makes the call answered: a colleague, of two the one who was called; and the customer
    whom a colleague called."""
    real = [channel for channel in (own, other) if not channel.is_plumbing]
    inside = [channel for channel in real if not read.shop.is_outside(channel)]
    outside = [channel for channel in real if channel not in inside]
    if len(real) == 1:  # behind plumbing is whoever called
        return [(channel, {"party": read.shop.agent(channel)}) for channel in inside if channel.is_dialled]
    if len(inside) == 1:
        colleague: tuple[Channel, dict[str, object]] = (inside[0], {"party": read.shop.agent(inside[0])})
        customer = [(channel, _customer(read.number_of(channel))) for channel in outside if channel.is_dialled]
        return [colleague, *customer]
    called = next((channel for channel in real if channel.uuid == read.get("Bridge-B-Unique-ID")), other)
    return [(called, {"party": read.shop.agent(called)})] if real else []


def _customer(number: str | None) -> dict[str, object]:
    return {"party": OUTSIDE, "direction": Direction.OUTBOUND, "external_number": number}


def _is_up(read: _Reader, channel: Channel) -> bool:
    """Whether a phone was picked up; early media are bridged before. A copy of the other leg may hold no times."""
    side = "Caller" if channel.uuid == read.get("Unique-ID") else "Other-Leg"
    has_times = read.get(f"{side}-Channel-Created-Time") not in ("", "0")
    return not has_times or read.get(f"{side}-Channel-Answered-Time") != "0"


def _attended_transfer(read: _Reader, answered: list[CallEvent]) -> list[CallEvent]:
    """The mark of a transfer stays on the channel; a bridge after the next hold is no second one."""
    mark = read.get("Caller-Transfer-Source")
    if ":att_xfer:" not in mark:
        return []
    party = answered[0].party if answered else None
    return [read.tell(EventKind.TRANSFERRED, leg_key=None, event_id=f"transfer:{mark}"[:255], party=party)]


def _execute(read: _Reader) -> list[CallEvent]:
    app, data = read.get("Application"), read.get("Application-Data")
    if read.shop.takes_messages(app, data):
        return [read.tell(EventKind.VOICEMAIL, party=Party(PartyKind.VOICEMAIL))]
    return [read.tell(EventKind.ROUTED, **told) for told in routed(app, data)]


def routed(app: str, data: str) -> list[dict[str, object]]:
    """What a dialplan application that takes callers says of them; nothing for any other."""
    name, _, rest = data.partition(" ")
    name = name.partition("@")[0]
    if app == "ivr":
        return [{"party": Party(PartyKind.MENU, name=name or None)}]
    if app == "callcenter" or (app == "fifo" and not rest.startswith("out")):
        return [{"party": Party(PartyKind.QUEUE, name=name or None), "queue": name or None}]
    return []


def _custom(read: _Reader) -> list[CallEvent]:
    if not _is_joining_a_queue(read.event):
        return []
    return [read.tell(EventKind.ROUTED, **told) for told in routed("callcenter", read.get("CC-Queue"))]


def _is_joining_a_queue(event: Event) -> bool:
    return event.get("Event-Subclass") == "callcenter::info" and event.get("CC-Action") == "member-queue-start"


def _hangup(read: _Reader) -> list[CallEvent]:
    own, cause = read.own, read.get("Hangup-Cause") or read.event.variable("hangup_cause")
    answered = read.has_happened("Answered") or read.event.variable("answer_epoch") not in ("", "0")
    is_outside = read.shop.is_outside(own)
    if own.is_dialled and not answered:
        party = read.shop.agent(own) if not is_outside else None
        return [read.tell(EventKind.RING_ENDED, party=party, reason=reason(cause) or EndReason.UNKNOWN)]
    told = [read.tell(EventKind.LEFT, reason=reason(cause))]
    if cause == "BLIND_TRANSFER":
        told.insert(0, read.tell(EventKind.TRANSFERRED, leg_key=None, party=_receiver(read)))
    return told


def _receiver(read: _Reader) -> Party | None:
    """Whom a blind transfer is for: the user of the address that the phone asked for, where it is told."""
    target = read.event.variable("sip_refer_to").strip("<>")
    user = target.removeprefix("sip:").partition("@")[0].partition(";")[0]
    if read.shop.extension.fullmatch(user):
        return Party(PartyKind.AGENT, user)
    return Party(provider_id=user) if dialled_number(user) else None


def _record_stop(read: _Reader) -> list[CallEvent]:
    path = read.get("Record-File-Path")
    return [read.tell(EventKind.RECORDING, media_url=path)] if path else []


def _simply(kind: EventKind) -> Callable[[_Reader], list[CallEvent]]:
    return lambda read: [read.tell(kind)]


# FreeSWITCH's words to ours. Nothing else is asked for.
TRANSLATIONS: dict[str, Callable[[_Reader], list[CallEvent]]] = {
    "CHANNEL_CREATE": _create,
    "CHANNEL_PROGRESS": _progress,
    "CHANNEL_PROGRESS_MEDIA": _progress,
    "CHANNEL_ANSWER": _answer,
    "CHANNEL_BRIDGE": _bridge,
    "CHANNEL_EXECUTE": _execute,
    "CHANNEL_HOLD": _simply(EventKind.HELD),
    "CHANNEL_UNHOLD": _simply(EventKind.RESUMED),
    "CHANNEL_PARK": _simply(EventKind.HELD),
    "CHANNEL_UNPARK": _simply(EventKind.RESUMED),
    "CHANNEL_HANGUP_COMPLETE": _hangup,
    "RECORD_STOP": _record_stop,
    "CUSTOM": _custom,
}
_SHUTDOWN = "SHUTDOWN"
# CUSTOM and its subclasses must stand last.
EVENTS = " ".join([*(name for name in TRANSLATIONS if name != "CUSTOM"), _SHUTDOWN, "HEARTBEAT"]) + (
    " CUSTOM callcenter::info"
)


def is_relevant(shop: Shop, event: Event) -> bool:
    """Whether an event is worth keeping."""
    if event.name == "CHANNEL_EXECUTE":
        app, data = event.get("Application"), event.get("Application-Data")
        return shop.takes_messages(app, data) or bool(routed(app, data))
    if event.name == "CUSTOM":
        return _is_joining_a_queue(event)
    return event.name in TRANSLATIONS or event.name in {_SHUTDOWN, LIVE_CALLS}


def parse_event(shop: Shop, event: Event, received_at: datetime) -> list[Parsed]:
    """What one event says.

    Raises:
        Unreadable: it is about a call and does not say which.
    """
    at = moment(event.number("Event-Date-Timestamp")) or received_at
    if event.name == LIVE_CALLS:
        return [LiveCalls(SYSTEM, shop.account, at, frozenset(key for key in event.all("Live") if key))]
    if event.name == _SHUTDOWN:  # with FreeSWITCH go its calls; what lives after a start, the next list tells
        return [LiveCalls(SYSTEM, shop.account, at)]
    translate = TRANSLATIONS.get(event.name)
    if translate is None:
        return []
    read = _Reader(shop, event, at)
    events = translate(read) if not read.own.is_plumbing or translate is _bridge else _plumbing(read)
    if any(not told.call_key for told in events):
        raise Unreadable(f"The event {event.name} names no channel.")
    return list(events)


def _plumbing(read: _Reader) -> list[CallEvent]:
    """A loopback channel has two ends, and what the far end dials may count as a call of its own."""
    far = read.event.variable("other_loopback_leg_uuid")
    return [read.tell(EventKind.LINKED, leg_key=None, aliases=(far,))] if far else []


def moment(microseconds: int) -> datetime | None:
    """A time in microseconds since 1970; `None` for 0 and for what is none."""
    try:
        return datetime.fromtimestamp(microseconds / 1_000_000, UTC) if microseconds else None
    except (ValueError, OverflowError, OSError):
        return None
