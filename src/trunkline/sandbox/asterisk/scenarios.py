"""Calls as a PBX tells them, event by event. A scenario's name says how the call goes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from trunkline.sandbox.asterisk.server import AmiServer, Fields

PHONES = {"201": "Dana Desk", "202": "Sam Second", "203": "Rita Rings"}


@dataclass
class PlayedCall:
    """A call that was played: its Linkedid, and when (`time.perf_counter`) its first event went onto the wire."""

    scenario: str
    caller: str
    linkedid: str
    began: float


@dataclass
class _Channel:
    name: str
    uniqueid: str
    linkedid: str
    number: str
    label: str
    context: str
    exten: str

    def fields(self, prefix: str = "", state: str = "6") -> Fields:
        values = {
            "Channel": self.name,
            "ChannelState": state,
            "ChannelStateDesc": {"0": "Down", "4": "Ring", "5": "Ringing", "6": "Up"}[state],
            "CallerIDNum": self.number or "<unknown>",
            "CallerIDName": self.label or "<unknown>",
            "ConnectedLineNum": "<unknown>",
            "ConnectedLineName": "<unknown>",
            "Language": "en",
            "AccountCode": "",
            "Context": self.context,
            "Exten": self.exten,
            "Priority": "1",
            "Uniqueid": self.uniqueid,
            "Linkedid": self.linkedid,
        }
        return {f"{prefix}{key}": value for key, value in values.items()}


class Stage:
    """What scenarios are written with. `pace` stretches all pauses."""

    def __init__(self, server: AmiServer, *, caller: str, did: str, pace: float) -> None:
        self._server = server
        self.caller, self.did = caller, did
        self._pace = pace

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._pace)

    def _appear(self, channel: _Channel, state: str) -> _Channel:
        self._server.live[channel.uniqueid] = channel.fields()
        self._server.emit("Newchannel", channel.fields(state=state))
        return channel

    def trunk(self, linkedid: str | None = None, number: str | None = None) -> _Channel:
        uniqueid = self._server.new_id()
        inbound = linkedid is None
        name = f"PJSIP/trunk-{uniqueid.partition('.')[2].zfill(8)}"
        context, exten = ("from-trunk", self.did) if inbound else ("from-trunk", "")
        channel = _Channel(
            name,
            uniqueid,
            linkedid or uniqueid,
            number or self.caller,
            "WIRELESS CALLER" if inbound else "",
            context,
            exten,
        )
        return self._appear(channel, "4" if inbound else "0")

    def phone(self, extension: str, linkedid: str | None = None, dials: str = "") -> _Channel:
        uniqueid = self._server.new_id()
        name = f"PJSIP/{extension}-{uniqueid.partition('.')[2].zfill(8)}"
        channel = _Channel(name, uniqueid, linkedid or uniqueid, extension, PHONES[extension], "from-internal", dials)
        return self._appear(channel, "0")

    def emit(self, event: str, channel: _Channel, **more: str) -> None:
        self._server.emit(event, {**channel.fields(), **more})

    def ring(self, caller: _Channel, called: _Channel) -> None:
        self._server.emit("DialBegin", {**caller.fields(), **called.fields("Dest", "0"), "DialString": called.number})

    def dial_end(self, caller: _Channel, called: _Channel, status: str) -> None:
        self._server.emit("DialEnd", {**caller.fields(), **called.fields("Dest"), "DialStatus": status})

    def bridge(self, *channels: _Channel) -> None:
        for count, channel in enumerate(channels, 1):
            self.emit("BridgeEnter", channel, BridgeUniqueid=f"b-{channel.linkedid}", BridgeNumChannels=str(count))

    def hang_up(self, *channels: _Channel, cause: str = "16") -> None:
        for channel in channels:
            self._server.live.pop(channel.uniqueid, None)
            self.emit("Hangup", channel, **{"Cause": cause, "Cause-txt": "Normal Clearing"})

    def transfer(self, first: _Channel, second: _Channel, target: _Channel) -> None:
        self._server.emit(
            "AttendedTransfer",
            {
                "Result": "Success",
                **first.fields("OrigTransferer"),
                **second.fields("SecondTransferer"),
                "DestType": "Bridge",
                **target.fields("TransferTarget"),
            },
        )


Scenario = Callable[[Stage, _Channel], Awaitable[None]]


async def _queue_answered(stage: Stage, caller: _Channel) -> None:
    stage.emit("QueueCallerJoin", caller, Queue="dispatch", Position="1", Count="1")
    await stage.wait(0.3)
    dana, sam = stage.phone("201", caller.linkedid), stage.phone("202", caller.linkedid)
    stage.ring(caller, dana)
    stage.ring(caller, sam)
    await stage.wait(2)
    stage.dial_end(caller, dana, "ANSWER")
    stage.dial_end(caller, sam, "CANCEL")
    stage.hang_up(sam, cause="26")
    stage.emit("QueueCallerLeave", caller, Queue="dispatch", Position="1", Count="0")
    stage.bridge(caller, dana)
    await stage.wait(5)
    stage.hang_up(dana, caller)


async def _direct(stage: Stage, caller: _Channel) -> None:
    dana = stage.phone("201", caller.linkedid)
    stage.ring(caller, dana)
    await stage.wait(2)
    stage.dial_end(caller, dana, "ANSWER")
    stage.bridge(caller, dana)
    await stage.wait(5)
    stage.hang_up(dana, caller)


async def _missed(stage: Stage, caller: _Channel) -> None:
    rita = stage.phone("203", caller.linkedid)
    stage.ring(caller, rita)
    await stage.wait(4)
    stage.dial_end(caller, rita, "CANCEL")
    stage.hang_up(rita, caller)


async def _abandoned(stage: Stage, caller: _Channel) -> None:
    stage.emit("QueueCallerJoin", caller, Queue="dispatch", Position="1", Count="1")
    await stage.wait(3)
    stage.emit("QueueCallerAbandon", caller, Queue="dispatch", Position="1", OriginalPosition="1", HoldTime="3")
    stage.hang_up(caller)


async def _voicemail(stage: Stage, caller: _Channel) -> None:
    rita = stage.phone("203", caller.linkedid)
    stage.ring(caller, rita)
    await stage.wait(3)
    stage.dial_end(caller, rita, "NOANSWER")
    stage.hang_up(rita, cause="19")
    stage.emit("Newexten", caller, Extension="203", Application="VoiceMail", AppData="203@default,u")
    await stage.wait(3)
    stage.hang_up(caller)


async def _blind_transfer(stage: Stage, caller: _Channel) -> None:
    dana = stage.phone("201", caller.linkedid)
    stage.ring(caller, dana)
    await stage.wait(1)
    stage.dial_end(caller, dana, "ANSWER")
    stage.bridge(caller, dana)
    await stage.wait(2)
    transfer = {**dana.fields("Transferer"), **caller.fields("Transferee"), "Result": "Success", "Extension": "202"}
    stage.emit("BlindTransfer", dana, **transfer)
    stage.hang_up(dana)
    sam = stage.phone("202", caller.linkedid)
    stage.ring(caller, sam)
    await stage.wait(1)
    stage.dial_end(caller, sam, "ANSWER")
    stage.bridge(caller, sam)
    await stage.wait(2)
    stage.hang_up(sam, caller)


async def _attended_transfer(stage: Stage, caller: _Channel) -> None:
    dana = stage.phone("201", caller.linkedid)
    stage.ring(caller, dana)
    await stage.wait(1)
    stage.dial_end(caller, dana, "ANSWER")
    stage.bridge(caller, dana)
    await stage.wait(1)
    consulting = stage.phone("201", dials="202")
    sam = stage.phone("202", consulting.linkedid)
    stage.ring(consulting, sam)
    await stage.wait(1)
    stage.dial_end(consulting, sam, "ANSWER")
    stage.bridge(consulting, sam)
    await stage.wait(1)
    stage.transfer(dana, consulting, sam)
    sam.linkedid = caller.linkedid
    stage.bridge(caller, sam)
    stage.hang_up(dana, consulting)
    await stage.wait(2)
    stage.hang_up(sam, caller)


async def _outbound(stage: Stage, agent: _Channel) -> None:
    outside = stage.trunk(agent.linkedid)
    stage.ring(agent, outside)
    await stage.wait(2)
    stage.dial_end(agent, outside, "ANSWER")
    stage.bridge(agent, outside)
    await stage.wait(4)
    stage.hang_up(outside, agent)


async def _internal(stage: Stage, agent: _Channel) -> None:
    sam = stage.phone("202", agent.linkedid)
    stage.ring(agent, sam)
    await stage.wait(1)
    stage.dial_end(agent, sam, "ANSWER")
    stage.bridge(agent, sam)
    await stage.wait(2)
    stage.hang_up(sam, agent)


SCENARIOS: dict[str, Scenario] = {
    "queue_answered": _queue_answered,
    "direct": _direct,
    "missed": _missed,
    "abandoned": _abandoned,
    "voicemail": _voicemail,
    "blind_transfer": _blind_transfer,
    "attended_transfer": _attended_transfer,
    "outbound": _outbound,
    "internal": _internal,
}
_FROM_INSIDE = {"outbound", "internal"}


async def play(
    server: AmiServer,
    scenario: str,
    *,
    caller: str,
    did: str = "4375550100",
    pace: float = 1.0,
    on_begin: Callable[[PlayedCall], None] = lambda _: None,
) -> PlayedCall:
    """Play one call to its end. `caller` is the outside number, of an outbound call the number dialled."""
    stage = Stage(server, caller=caller, did=did, pace=pace)
    began = time.perf_counter()
    first = stage.phone("201", dials=caller) if scenario in _FROM_INSIDE else stage.trunk()
    played = PlayedCall(scenario, caller, first.linkedid, began)
    on_begin(played)
    await SCENARIOS[scenario](stage, first)
    return played
