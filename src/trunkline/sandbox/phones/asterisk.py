"""Calls as Asterisk tells them over AMI: one frame for each thing that happens, as they come off the connection.

What a real Asterisk says stands recorded in tests/traces/asterisk/*.ami; these are the same events, played anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

from trunkline.sandbox.phones.speaker import Dialled, Said

_PHONES = {"201": "Dana Desk", "202": "Sam Second", "203": "Rita Rings"}
_STATES = {"Down": "0", "Ring": "4", "Ringing": "5", "Up": "6"}
_NOBODY = "<unknown>"


@dataclass(frozen=True)
class _Channel:
    """One end of a call. `serial` is its own; `linked` is that of the call's first channel."""

    device: str
    serial: int
    linked: int
    number: str
    name: str
    context: str
    exten: str

    def fields(self, prefix: str = "", state: str = "Up") -> dict[str, str]:
        values = {
            "Channel": f"PJSIP/{self.device}-{self.serial:08x}",
            "ChannelState": _STATES[state],
            "ChannelStateDesc": state,
            "CallerIDNum": self.number or _NOBODY,
            "CallerIDName": self.name or _NOBODY,
            "ConnectedLineNum": _NOBODY,
            "ConnectedLineName": _NOBODY,
            "Language": "en",
            "AccountCode": "",
            "Context": self.context,
            "Exten": self.exten,
            "Priority": "1",
            "Uniqueid": f"1772463600.{self.serial}",
            "Linkedid": f"1772463600.{self.linked}",
        }
        return {f"{prefix}{name}": value for name, value in values.items()}


class _Line:
    """What is said about one call, in the order in which it happens."""

    def __init__(self, call: Dialled) -> None:
        self.call = call
        self.said: list[Said] = []
        self._serial = call.serial * 10
        self._at_s = 0.0

    def say(self, event: str, fields: Mapping[str, str], *, privilege: str = "call,all") -> None:
        moment = (self.call.at + timedelta(seconds=self._at_s)).timestamp()
        whole = {"Event": event, "Privilege": privilege, "Timestamp": f"{moment:.6f}", **fields}
        self.said.append(Said(self._at_s, "\r\n".join(f"{name}: {value}" for name, value in whole.items()).encode()))
        self._at_s = round(self._at_s + 0.01, 2)

    def wait(self, seconds: float) -> None:
        self._at_s = round(self._at_s + seconds, 2)

    def trunk(self, linked: _Channel | None = None, number: str | None = None) -> _Channel:
        """A call from outside, or one that `linked` makes to the outside."""
        serial = self._next()
        number, name = self.call.caller if number is None else number, "" if linked or number == "" else self.call.name
        exten = "" if linked else self.call.did
        channel = _Channel("trunk", serial, linked.linked if linked else serial, number, name, "from-trunk", exten)
        self.say("Newchannel", channel.fields(state="Down" if linked else "Ring"))
        return channel

    def phone(self, extension: str, linked: _Channel | None = None, dials: str = "s") -> _Channel:
        """A phone of the house: one that is called in a call of `linked`, or one that dials."""
        serial = self._next()
        call = linked.linked if linked else serial
        channel = _Channel(extension, serial, call, extension, _PHONES[extension], "from-internal", dials)
        self.say("Newchannel", channel.fields(state="Down"))
        return channel

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def rings(self, caller: _Channel, *called: _Channel) -> None:
        for one in called:
            dialled = one.number if one.device != "trunk" else f"{one.number}@trunk"
            self.say("DialBegin", {**caller.fields(), **one.fields("Dest", "Down"), "DialString": dialled})

    def dial_ends(self, caller: _Channel, called: _Channel, status: str) -> None:
        self.say("DialEnd", {**caller.fields(), **called.fields("Dest"), "DialStatus": status})

    def talk(self, caller: _Channel, called: _Channel, seconds: float) -> None:
        """`called` picks up, and they talk."""
        self.dial_ends(caller, called, "ANSWER")
        for one in (called, caller):
            self.say(
                "BridgeEnter", {"BridgeUniqueid": f"bridge-{caller.serial}", "BridgeType": "basic", **one.fields()}
            )
        self.wait(seconds)

    def hang_up(self, *channels: _Channel, cause: str = "16") -> None:
        for channel in channels:
            self.say("Hangup", {**channel.fields(), "Cause": cause})


def _answered(line: _Line, number: str | None = None) -> None:
    caller = line.trunk(number=number)
    dana = line.phone("201", caller)
    line.rings(caller, dana)
    line.wait(6)
    line.talk(caller, dana, 60)
    line.hang_up(dana, caller)


def _missed(line: _Line) -> None:
    caller = line.trunk()
    dana = line.phone("201", caller)
    line.rings(caller, dana)
    line.wait(20)
    line.dial_ends(caller, dana, "CANCEL")
    line.hang_up(dana, caller)


def _voicemail(line: _Line) -> None:
    caller = line.trunk()
    dana = line.phone("201", caller)
    line.rings(caller, dana)
    line.wait(20)
    line.dial_ends(caller, dana, "NOANSWER")
    line.hang_up(dana)
    said = {**caller.fields(), "Application": "VoiceMail", "AppData": "201@default,u"}
    line.say("Newexten", said, privilege="dialplan,all")
    line.wait(30)
    line.hang_up(caller)


def _blind_transfer(line: _Line) -> None:
    caller = line.trunk()
    dana = line.phone("201", caller)
    line.rings(caller, dana)
    line.wait(5)
    line.talk(caller, dana, 30)
    whole = {"Result": "Success", **dana.fields("Transferer"), **caller.fields("Transferee")}
    line.say("BlindTransfer", {**whole, "Context": "from-internal", "Extension": "202"})
    line.hang_up(dana)
    sam = line.phone("202", caller)
    line.rings(caller, sam)
    line.wait(4)
    line.talk(caller, sam, 55)
    line.hang_up(sam, caller)


def _attended_transfer(line: _Line) -> None:
    """Dana asks Sam in a call of its own, then joins the two; the consultation goes on under the caller's Linkedid."""
    caller = line.trunk()
    dana = line.phone("201", caller)
    line.rings(caller, dana)
    line.wait(5)
    line.talk(caller, dana, 30)
    asks = line.phone("201", dials="202")
    sam = line.phone("202", asks)
    line.rings(asks, sam)
    line.wait(3)
    line.talk(asks, sam, 10)
    whole = {"Result": "Success", **dana.fields("OrigTransferer"), **asks.fields("SecondTransferer")}
    line.say("AttendedTransfer", {**whole, "DestType": "Bridge", **sam.fields("TransferTarget")})
    line.hang_up(dana, asks)
    line.wait(50)
    line.hang_up(replace(sam, linked=caller.linked), caller)


def _ring_group(line: _Line) -> None:
    caller = line.trunk()
    joined = {**caller.fields(), "Queue": "service", "Position": "1", "Count": "1"}
    line.say("QueueCallerJoin", joined, privilege="agent,all")
    phones = [line.phone(extension, caller) for extension in _PHONES]
    line.rings(caller, *phones)
    line.wait(7)
    dana, sam, rita = phones
    line.talk(caller, sam, 0)
    line.dial_ends(caller, dana, "CANCEL")
    line.dial_ends(caller, rita, "CANCEL")
    line.hang_up(dana, rita, cause="26")
    line.wait(60)
    line.hang_up(sam, caller)


def _outbound(line: _Line) -> None:
    dana = line.phone("201", dials=line.call.caller)
    outside = line.trunk(linked=dana)
    line.rings(dana, outside)
    line.wait(8)
    line.talk(dana, outside, 52)
    line.hang_up(outside, dana)


def _internal(line: _Line) -> None:
    dana = line.phone("201", dials="202")
    sam = line.phone("202", dana)
    line.rings(dana, sam)
    line.wait(3)
    line.talk(dana, sam, 27)
    line.hang_up(sam, dana)


def _withheld(line: _Line) -> None:
    _answered(line, number="")


_SCRIPTS: Mapping[str, Callable[[_Line], None]] = {
    "answered": _answered,
    "missed": _missed,
    "voicemail": _voicemail,
    "blind_transfer": _blind_transfer,
    "attended_transfer": _attended_transfer,
    "ring_group": _ring_group,
    "outbound": _outbound,
    "internal": _internal,
    "withheld": _withheld,
}


class AsteriskSpeaker:
    """Asterisk 22 with a trunk and three phones."""

    system: ClassVar[str] = "asterisk"
    scenarios: ClassVar[Sequence[str]] = tuple(_SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset()

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """Where AMI is, and how to log in: nothing is asked of it here."""
        return {"host": "192.0.2.10", "username": "trunkline", "secret": "not-a-real-secret"}

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """A frame for each event, without the empty line that ends it."""
        line = _Line(call)
        _SCRIPTS[scenario](line)
        return line.said

    def strange(self, call: Dialled) -> list[Said]:
        """Events, statuses and applications that no Asterisk has."""
        line = _Line(call)
        caller = line.trunk()
        dana = line.phone("201", caller)
        line.dial_ends(caller, dana, "LEVITATED")
        line.say("Levitated", {**caller.fields(), "Mood": "good"})
        line.say("Newexten", {**caller.fields(), "Application": "Levitate"}, privilege="dialplan,all")
        line.say("BlindTransfer", {**dana.fields("Transferer"), "Result": "Levitated"})
        return line.said


SPEAKER = AsteriskSpeaker()
