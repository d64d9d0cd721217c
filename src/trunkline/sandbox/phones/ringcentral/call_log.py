"""The same calls, as the call log has them afterwards."""

from collections.abc import Mapping
from datetime import timedelta

from trunkline.sandbox.phones.ringcentral.words import (
    ACCOUNT,
    DANA,
    MENU,
    QUEUE,
    RITA,
    SAM,
    Extension,
    instant,
    outside,
    session_id,
    written,
)
from trunkline.sandbox.phones.speaker import Dialled, Said

_ROOT = f"https://platform.ringcentral.com/restapi/v1.0/account/{ACCOUNT}"
_MEDIA = f"https://media.ringcentral.com:443/restapi/v1.0/account/{ACCOUNT}"
_Leg = dict[str, object]


def _named(who: Extension) -> dict[str, object]:
    return {"name": who.name, "extensionId": who.id, "extensionNumber": who.number}


def _leg(call: Dialled, who: Extension, kind: str, span_s: tuple[float, float], result: str) -> _Leg:
    """One leg; the call log writes the ids of extensions as numbers here."""
    from_s, to_s = span_s
    return {
        "startTime": instant(call.at + timedelta(seconds=from_s)),
        "duration": int(to_s - from_s),
        "durationMs": int((to_s - from_s) * 1000),
        "type": "Voice",
        "direction": "Inbound",
        "action": "Phone Call",
        "result": result,
        "legType": kind,
        "to": _named(who),
        "from": outside(call.caller, call.name),
        "extension": {"id": int(who.id), "uri": f"{_ROOT}/extension/{who.id}"},
        "telephonySessionId": session_id(call, 1),
    }


class _Log:
    """Records of one call."""

    def __init__(self, call: Dialled) -> None:
        self.call = call

    def record(
        self, seconds: float, result: str, legs: list[_Leg], more: Mapping[str, object] | None = None, session: int = 1
    ) -> Said:
        """One record; what is not in `more` is an inbound call from outside."""
        call = self.call
        whole: dict[str, object] = {
            "id": f"Rec{call.serial:04d}{session}",
            "uri": f"{_ROOT}/call-log/Rec{call.serial:04d}{session}?view=Detailed",
            "sessionId": f"9000000{call.serial:05d}{session}",
            "telephonySessionId": session_id(call, session),
            "startTime": instant(call.at),
            "duration": int(seconds),
            "durationMs": int(seconds * 1000),
            "type": "Voice",
            "direction": "Inbound",
            "action": "Phone Call",
            "result": result,
            "to": {"phoneNumber": call.did, "name": DANA.name},
            "from": outside(call.caller, call.name),
            "transport": "PSTN",
            "lastModifiedTime": instant(call.at + timedelta(seconds=seconds + 60)),
        }
        whole |= more or {}
        whole["legs"] = [
            {**{key: whole[key] for key in ("startTime", "duration", "type", "direction", "result", "to", "from")},
             "legType": "Accept", "master": True}, *legs,
        ]  # fmt: skip
        return Said(seconds + 60, written(whole), "history")

    def recording(self) -> Mapping[str, object]:
        """Where the sound is."""
        path = f"recording/{self.call.serial}"
        return {"recording": {
            "id": str(self.call.serial), "uri": f"{_ROOT}/{path}", "type": "Automatic",
            "contentUri": f"{_MEDIA}/{path}/content",
        }}  # fmt: skip


def history(scenario: str, call: Dialled) -> list[Said]:
    """The records of a scenario."""
    made: list[Said] = _INBOUND[scenario](_Log(call)) if scenario in _INBOUND else _others(scenario, _Log(call))
    return made


def _answered(log: _Log) -> list[Said]:
    legs = [
        _leg(log.call, MENU, "PstnToSip", (0, 4), "Accepted"),
        _leg(log.call, DANA, "Accept", (9, 66.1), "Accepted"),
    ]
    return [log.record(66.1, "Accepted", legs, log.recording())]


def _missed(log: _Log) -> list[Said]:
    return [log.record(20.1, "Missed", [_leg(log.call, DANA, "PstnToSip", (0, 20), "Missed")])]


def _voicemail(log: _Log) -> list[Said]:
    uri = f"{_ROOT}/extension/{DANA.id}/message-store/{log.call.serial}"
    message = {"id": str(log.call.serial), "type": "VoiceMail", "uri": uri}
    legs = [_leg(log.call, DANA, "PstnToSip", (0, 50), "Voicemail")]
    return [log.record(50.1, "Voicemail", legs, {"message": message})]


def _blind_transfer(log: _Log) -> list[Said]:
    legs = [
        _leg(log.call, DANA, "Accept", (6, 30), "Accepted"),
        _leg(log.call, SAM, "TransferCall", (35, 90.1), "Accepted"),
    ]
    return [log.record(90.1, "Accepted", legs)]


def _attended_transfer(log: _Log) -> list[Said]:
    warm = {"transferTarget": {"telephonySessionId": session_id(log.call, 2)}}
    first = log.record(90.1, "Accepted", [{**_leg(log.call, DANA, "Accept", (6, 50), "Accepted"), **warm}])
    began = {"startTime": instant(log.call.at + timedelta(seconds=31)), "from": _named(DANA), "to": _named(SAM)}
    sam = {**_leg(log.call, SAM, "ExtensionToExtension", (34, 90), "Accepted"), "from": _named(DANA)}
    asking = log.record(59, "Call connected", [{**sam, "telephonySessionId": session_id(log.call, 2)}],
                        {"direction": "Outbound", **began}, session=2)  # fmt: skip
    return [first, asking]


def _ring_group(log: _Log) -> list[Said]:
    legs = [
        _leg(log.call, QUEUE, "PstnToSip", (0, 7), "Accepted"),
        _leg(log.call, DANA, "Hunting", (2, 7), "Stopped"),
        _leg(log.call, RITA, "Hunting", (2, 7), "Stopped"),
        _leg(log.call, SAM, "Hunting", (7, 70.1), "Accepted"),
    ]
    return [log.record(70.1, "Accepted", legs, {"to": {"phoneNumber": log.call.did, "name": QUEUE.name}})]


def _withheld(log: _Log) -> list[Said]:
    legs = [_leg(log.call, DANA, "Accept", (6, 66.1), "Accepted")]
    return [log.record(66.1, "Accepted", legs, {"from": {"name": "Anonymous"}})]


def _others(scenario: str, log: _Log) -> list[Said]:
    """What a colleague dialled."""
    call = log.call
    owner = {"extension": {"id": int(DANA.id), "uri": f"{_ROOT}/extension/{DANA.id}"}, "direction": "Outbound"}
    if scenario == "outbound":
        ends = {"from": {"phoneNumber": call.did, "name": DANA.name},
                "to": {"phoneNumber": call.caller}}  # fmt: skip
        return [log.record(60.1, "Call connected", [], {"action": "VoIP Call", **owner, **ends})]
    inner = {"from": _named(DANA), "to": _named(SAM)}
    legs = [{**_leg(call, SAM, "ExtensionToExtension", (3, 30), "Accepted"), "from": _named(DANA)}]
    return [log.record(30.1, "Call connected", legs, {"action": "VoIP Call", **owner, **inner})]


_INBOUND = {
    "answered": _answered,
    "missed": _missed,
    "voicemail": _voicemail,
    "blind_transfer": _blind_transfer,
    "attended_transfer": _attended_transfer,
    "ring_group": _ring_group,
    "withheld": _withheld,
}
