"""From one AMI event to ours: tables, and no memory.

Call key is the Linkedid, leg key the Uniqueid. `Local/` channels are plumbing and are passed over. The end of a call is
never said here: the fold ends a call when all its legs have left.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, LiveCalls, Party, PartyKind
from trunkline.phone_systems.asterisk.wire import Frame
from trunkline.phone_systems.asterisk_names import TRUNK_CONTEXTS, VOICEMAIL_APPS, endpoint
from trunkline.phone_systems.base import Parsed, Unreadable

SNAPSHOT = "TrunklineSnapshot"  # our own frame: what CoreShowChannels listed after a (re)connect

_DIAL_REASONS = {
    "NOANSWER": EndReason.NO_ANSWER,
    "BUSY": EndReason.BUSY,
    "CANCEL": EndReason.CANCELLED,
    "CHANUNAVAIL": EndReason.FAILED,
    "CONGESTION": EndReason.FAILED,
    "ABORT": EndReason.CANCELLED,
    "DONTCALL": EndReason.REJECTED,
    "TORTURE": EndReason.REJECTED,
    "INVALIDARGS": EndReason.FAILED,
}
# Q.850 causes that tell more than "it ended".
_HANGUP_REASONS = {
    "1": EndReason.FAILED,  # unallocated number
    "16": EndReason.NORMAL,
    "17": EndReason.BUSY,
    "18": EndReason.NO_ANSWER,
    "19": EndReason.NO_ANSWER,
    "20": EndReason.NO_ANSWER,  # subscriber absent
    "21": EndReason.REJECTED,
    "26": EndReason.ELSEWHERE,
    "27": EndReason.FAILED,
    "28": EndReason.FAILED,
    "34": EndReason.FAILED,
    "38": EndReason.FAILED,
}
_UNKNOWN = {"", "<unknown>"}
_NUMBER = re.compile(r"\+?\d{3,}")


@dataclass(frozen=True)
class Shop:
    """What differs from shop to shop: which contexts and endpoints lead outside."""

    account: str
    trunk_contexts: frozenset[str] = TRUNK_CONTEXTS
    trunk_endpoints: frozenset[str] = frozenset({"trunk"})

    def is_outside(self, channel: str, context: str = "") -> bool:
        """Whether a channel is the outside party's."""
        return context in self.trunk_contexts or endpoint(channel) in self.trunk_endpoints


@dataclass(frozen=True)
class _Reader:
    """One frame with what its events have in common."""

    shop: Shop
    frame: Frame
    at: datetime

    def get(self, key: str) -> str:
        value = self.frame.get(key)
        return "" if value in _UNKNOWN else value

    def key(self, field: str) -> str:
        """An id, made unique over several PBXs by the system's name where there is one."""
        value = self.get(field)
        system = self.get("systemname")
        return f"{system}:{value}" if system and value else value

    def event(self, kind: EventKind, prefix: str = "", **fields: object) -> CallEvent:
        values = {"leg_key": self.key(f"{prefix}uniqueid") or None, **fields}
        return CallEvent(
            system="asterisk",
            account=self.shop.account,
            call_key=self.key(f"{prefix}linkedid") or self.key("linkedid"),
            kind=kind,
            occurred_at=self.at,
            vendor_kind=self.frame.event,
            **values,  # type: ignore[arg-type]
        )

    def is_local(self, prefix: str = "") -> bool:
        return self.get(f"{prefix}channel").startswith("Local/")

    def is_outside(self, prefix: str = "") -> bool:
        return self.shop.is_outside(self.get(f"{prefix}channel"), self.get(f"{prefix}context"))

    def agent(self, prefix: str = "") -> Party:
        """The person at a phone of the house; at a dialled channel CallerIDNum is the device's own number."""
        device = endpoint(self.get(f"{prefix}channel"))
        number = self.get(f"{prefix}calleridnum")
        extension = number if number and len(number) <= 6 else device
        return Party(PartyKind.AGENT, extension, self.get(f"{prefix}calleridname") or None, provider_id=device)


_OUTSIDE = Party(PartyKind.EXTERNAL)


def _new_channel(read: _Reader) -> list[CallEvent]:
    if read.is_local():
        return []
    if read.key("uniqueid") != read.key("linkedid"):
        return []  # a dialled leg; its DialBegin says who it is
    if not read.is_outside():
        return [read.event(EventKind.STARTED, party=read.agent())]
    dialled = read.get("exten")
    return [
        read.event(
            EventKind.STARTED,
            party=_OUTSIDE,
            direction=Direction.INBOUND,
            external_number=read.get("calleridnum"),
            external_name=read.get("calleridname") or None,
            did=dialled if _NUMBER.fullmatch(dialled) else None,
        )
    ]


def _variable(read: _Reader) -> list[CallEvent]:
    """On analog lines the DID comes as a variable."""
    if read.get("variable").lstrip("_") != "FROM_DID" or not _NUMBER.fullmatch(read.get("value")):
        return []
    return [read.event(EventKind.UNKNOWN, did=read.get("value"))]


def _dial_begin(read: _Reader) -> list[CallEvent]:
    if read.is_local("dest"):
        return []
    if not read.is_outside("dest"):
        return [read.event(EventKind.RINGING, "dest", party=read.agent("dest"))]
    number = _dialled_number(read)
    return [
        read.event(
            EventKind.RINGING, "dest", party=_OUTSIDE, direction=Direction.OUTBOUND, external_number=number or None
        )
    ]


def _dialled_number(read: _Reader) -> str:
    """The number dialled outside: as the trunk channel shows it, else as the phone dialled it."""
    candidates = (
        read.get("destcalleridnum"),
        read.get("dialstring").partition("@")[0].rpartition("/")[2],
        read.get("exten"),
    )
    return next((number for number in candidates if _NUMBER.fullmatch(number) and len(number) > 6), "")


def _dial_end(read: _Reader) -> list[CallEvent]:
    if read.is_local("dest"):
        return []
    party = _OUTSIDE if read.is_outside("dest") else read.agent("dest")
    status = read.get("dialstatus")
    if status == "ANSWER":
        return [read.event(EventKind.ANSWERED, "dest", party=party)]
    reason = _DIAL_REASONS.get(status.partition(":")[0], EndReason.UNKNOWN)
    return [read.event(EventKind.RING_ENDED, "dest", party=party, reason=reason)]


def _queue_join(read: _Reader) -> list[CallEvent]:
    queue = read.get("queue") or None
    return [read.event(EventKind.ROUTED, party=Party(PartyKind.QUEUE, name=queue), queue=queue)]


def _dialplan(read: _Reader) -> list[CallEvent]:
    if read.is_local() or read.get("application").lower() not in VOICEMAIL_APPS:
        return []
    return [read.event(EventKind.VOICEMAIL, party=Party(PartyKind.VOICEMAIL))]


def _blind_transfer(read: _Reader) -> list[CallEvent]:
    if read.get("result") != "Success":
        return []
    return [read.event(EventKind.TRANSFERRED, "transferer", leg_key=None, party=_receiver(read.get("extension")))]


def _attended_transfer(read: _Reader) -> list[CallEvent]:
    """Two calls of the transferring phone become one; the older keeps its key (the tracker sees to that)."""
    if read.get("result") != "Success":
        return []
    first, second = read.key("origtransfererlinkedid"), read.key("secondtransfererlinkedid")
    aliases = tuple(key for key in (second,) if key and key != first)
    return [
        read.event(EventKind.LINKED, "origtransferer", aliases=aliases),
        read.event(EventKind.TRANSFERRED, "origtransferer", leg_key=None, party=_target(read)),
    ]


def _target(read: _Reader) -> Party | None:
    """Who an attended transfer goes to; with feature codes a Local channel, plumbing but named for whom it calls.

    Asterisk 22 under load names no target: where the channel was moved to the caller before the event was made, there
    is none left to name. Then it is whom the transferring phone was connected with last.
    """
    channel = read.get("transfertargetchannel")
    if not channel:
        shown = read.get("secondtransfererconnectedlinenum")
        return _receiver(shown) if shown and shown != read.get("transfereecalleridnum") else None
    if read.is_local("transfertarget"):
        return _receiver(channel.removeprefix("Local/").partition("@")[0])
    if read.is_outside("transfertarget"):
        return _receiver(read.get("transfertargetcalleridnum"))
    return read.agent("transfertarget")


def _receiver(number: str) -> Party:
    """Whoever a dialled number reaches: a colleague where it is as short as an extension."""
    return Party(PartyKind.AGENT if number and len(number) <= 6 else PartyKind.UNKNOWN, number or None)


def _simply(kind: EventKind) -> Callable[[_Reader], list[CallEvent]]:
    def translate(read: _Reader) -> list[CallEvent]:
        return [] if read.is_local() else [read.event(kind)]

    return translate


def _hangup(read: _Reader) -> list[CallEvent]:
    if read.is_local():
        return []
    return [read.event(EventKind.LEFT, reason=_HANGUP_REASONS.get(read.get("cause")))]


# AMI's words to ours. What is not here says nothing about calls and is not even kept.
TRANSLATIONS: dict[str, Callable[[_Reader], list[CallEvent]]] = {
    "Newchannel": _new_channel,
    "VarSet": _variable,
    "DialBegin": _dial_begin,
    "DialEnd": _dial_end,
    "QueueCallerJoin": _queue_join,
    "Newexten": _dialplan,
    "BlindTransfer": _blind_transfer,
    "AttendedTransfer": _attended_transfer,
    "BridgeEnter": _simply(EventKind.UNKNOWN),  # a Linkedid may have changed: the leg joins the two calls
    "Hold": _simply(EventKind.HELD),
    "Unhold": _simply(EventKind.RESUMED),
    "Hangup": _hangup,
}
_SHUTDOWN = "Shutdown"


def is_relevant(frame: Frame) -> bool:
    """Whether a frame is worth keeping."""
    name = frame.event
    if name == "VarSet":
        return frame.get("variable").lstrip("_") == "FROM_DID"
    if name == "Newexten":
        return frame.get("application").lower() in VOICEMAIL_APPS
    return name in TRANSLATIONS or name in {_SHUTDOWN, SNAPSHOT}


def parse_frame(shop: Shop, frame: Frame, received_at: datetime) -> list[Parsed]:
    """The events in one frame.

    Raises:
        Unreadable: it is an event about a call that does not say which.
    """
    at = _moment(frame, received_at)
    if frame.event == SNAPSHOT:
        return [LiveCalls("asterisk", shop.account, at, frozenset(frame.all("live")))]
    if frame.event == _SHUTDOWN:  # with the PBX go its calls; what lives after a boot, the next snapshot tells
        return [LiveCalls("asterisk", shop.account, at)]
    translate = TRANSLATIONS.get(frame.event)
    if translate is None:
        return []
    events = translate(_Reader(shop, frame, at))
    if any(not event.call_key for event in events):
        raise Unreadable(f"The AMI event {frame.event} names no Linkedid.")
    return list(events)


def _moment(frame: Frame, received_at: datetime) -> datetime:
    """The PBX's own clock where `timestampevents` is on, else the time of receipt."""
    try:
        return datetime.fromtimestamp(float(frame.get("timestamp")), UTC)
    except (ValueError, OverflowError, OSError):
        return received_at
