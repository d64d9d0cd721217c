"""Calls as FreeSWITCH tells them, event by event, with the record at the end of each leg that called it."""

from collections.abc import Callable, Mapping

from trunkline.sandbox.phones.freeswitch.stage import Leg, Stage

Scenario = Callable[[Stage], None]


def _talks(stage: Stage, caller: Leg, phone: Leg) -> None:
    stage.answers(phone, caller)
    stage.bridges(caller, phone)


def _begins(stage: Stage, number: str | None = None, label: str | None = None) -> tuple[Leg, Leg]:
    """Dana's phone rings for a caller from outside."""
    caller = stage.trunk(number, label)
    stage.now = 2.0
    return caller, stage.rings(caller, "201")


def _answered(stage: Stage) -> None:
    caller, dana = _begins(stage)
    stage.now = 6.0
    _talks(stage, caller, dana)
    stage.now = 66.0
    path = f"/var/lib/freeswitch/recordings/{caller.uuid}.wav"
    caller.variables["record_path"] = path
    stage.tell("RECORD_STOP", caller, {"Record-File-Path": path, "Record-Completion-Cause": "success"})
    stage.hangs_up(dana, caller)


def _withheld(stage: Stage) -> None:
    caller, dana = _begins(stage, "anonymous", "Anonymous")
    stage.now = 6.0
    _talks(stage, caller, dana)
    stage.now = 66.0
    stage.hangs_up(dana, caller)


def _missed(stage: Stage) -> None:
    caller, dana = _begins(stage)
    stage.now = 20.0
    stage.hangs_up(dana, caller, cause="ORIGINATOR_CANCEL")


def _voicemail(stage: Stage) -> None:
    caller, dana = _begins(stage)
    stage.now = 20.0
    stage.hangs_up(dana, cause="NO_ANSWER")
    stage.answers(caller)
    stage.now = 21.0
    stage.runs(caller, "voicemail", "default pbx.example.com 201")
    stage.now = 50.0
    caller.variables["voicemail_file_path"] = f"/var/lib/freeswitch/storage/201/msg_{caller.uuid}.wav"
    stage.hangs_up(caller)


def _ring_group(stage: Stage) -> None:
    caller = stage.trunk()
    stage.now = 2.0
    dana, sam, rita = (stage.rings(caller, extension) for extension in ("201", "202", "203"))
    stage.now = 7.0
    _talks(stage, caller, sam)
    stage.hangs_up(dana, rita, cause="LOSE_RACE")
    stage.now = 70.0
    stage.hangs_up(sam, caller)


def _blind_transfer(stage: Stage) -> None:
    caller, dana = _begins(stage)
    stage.now = 6.0
    _talks(stage, caller, dana)
    stage.now = 30.0
    dana.variables["sip_refer_to"] = "<sip:202@pbx.example.com>"
    stage.hangs_up(dana, cause="BLIND_TRANSFER")
    stage.transferred(caller, "202")
    stage.now = 31.0
    sam = stage.rings(caller, "202")
    stage.now = 35.0
    stage.answers(sam)
    stage.bridges(caller, sam)
    stage.now = 90.0
    stage.hangs_up(sam, caller)


def _attended_transfer(stage: Stage) -> None:
    caller, dana = _begins(stage)
    stage.now = 6.0
    _talks(stage, caller, dana)
    stage.now = 20.0
    stage.tell("CHANNEL_HOLD", dana)
    stage.now = 21.0
    asks = stage.phone("201", "202")
    sam = stage.rings(asks, "202")
    stage.now = 25.0
    _talks(stage, asks, sam)
    stage.now = 35.0
    second = int(stage.micros(stage.now)) // 1_000_000
    caller.transfer_source = f"{second}:{caller.uuid}:att_xfer:201@pbx.example.com/202@pbx.example.com"
    stage.bridges(caller, sam)
    stage.hangs_up(asks, dana, cause="ATTENDED_TRANSFER")
    stage.now = 90.0
    stage.hangs_up(sam, caller)


def _outbound(stage: Stage) -> None:
    dana = stage.phone("201", stage.call.caller)
    stage.now = 1.0
    outside = stage.dials_out(dana, stage.call.caller)
    stage.now = 2.0
    outside.rang = stage.now
    stage.tell("CHANNEL_PROGRESS_MEDIA", outside)
    stage.bridges(dana, outside)  # she hears the carrier's ringing: early media
    stage.now = 8.0
    stage.answers(outside, dana)
    stage.now = 60.0
    stage.hangs_up(outside, dana)


def _internal(stage: Stage) -> None:
    dana = stage.phone("201", "202")
    stage.now = 1.0
    sam = stage.rings(dana, "202")
    stage.now = 3.0
    _talks(stage, dana, sam)
    stage.now = 30.0
    stage.hangs_up(sam, dana)


SCENARIOS: Mapping[str, Scenario] = {
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
