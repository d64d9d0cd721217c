"""The scenarios, as RingCentral's notifications tell them."""

from collections.abc import Callable, Mapping

from trunkline.sandbox.phones.ringcentral.words import (
    ACCOUNT,
    DANA,
    MENU,
    QUEUE,
    RITA,
    SAM,
    Extension,
    PartyVoice,
    Sessions,
    dialling,
    inside,
    instant,
    outside,
)
from trunkline.sandbox.phones.speaker import Dialled, Said


def _caller(told: Sessions, to: Extension, *, is_withheld: bool = False) -> PartyVoice:
    """The outside caller's own party: without an extension, and Outbound in RingCentral's words."""
    call = told.call
    source = outside(None, "Anonymous") if is_withheld else outside(call.caller, call.name)
    return told.party(1, "Outbound", source, inside(to, call.did))


def _reached(told: Sessions, caller: PartyVoice, number: int, who: Extension) -> PartyVoice:
    """An extension that the caller reaches."""
    return told.party(number, "Inbound", caller.source, inside(who, told.call.did))


def _rings(party: PartyVoice, at_s: float) -> None:
    party.is_now(at_s, "Setup")
    party.is_now(at_s + 0.2, "Proceeding")


def _talk(told: Sessions, *, is_withheld: bool = False) -> tuple[PartyVoice, PartyVoice]:
    """A caller reaches Dana directly, who answers after six seconds."""
    caller = _caller(told, DANA, is_withheld=is_withheld)
    caller.is_now(0.0, "Setup")
    dana = _reached(told, caller, 2, DANA)
    _rings(dana, 1.8)
    dana.is_now(6.0, "Answered")
    caller.is_now(6.0, "Answered")
    return caller, dana


def answered(told: Sessions) -> None:
    """Through a menu to Dana, who puts the caller on hold for a while."""
    caller = _caller(told, MENU)
    caller.is_now(0.0, "Setup")
    menu = _reached(told, caller, 2, MENU)
    menu.is_now(0.1, "Setup")
    caller.is_now(0.2, "Answered")
    menu.is_now(4.0, "Disconnected")
    dana = _reached(told, caller, 3, DANA)
    _rings(dana, 4.1)
    dana.is_now(9.0, "Answered")
    dana.is_now(30.0, "Hold")
    dana.is_now(40.0, "Answered")
    dana.is_now(66.0, "Disconnected")
    caller.is_now(66.1, "Disconnected")


def abandoned(told: Sessions) -> None:
    """Given up in the menu; not one of the common scenarios."""
    caller = _caller(told, MENU)
    caller.is_now(0.0, "Setup")
    menu = _reached(told, caller, 2, MENU)
    menu.is_now(0.1, "Setup")
    caller.is_now(0.2, "Answered")
    menu.is_now(0.3, "Answered")
    menu.is_now(12.0, "Disconnected")
    caller.is_now(12.0, "Disconnected")


def _missed(told: Sessions) -> None:
    caller = _caller(told, DANA)
    caller.is_now(0.0, "Setup")
    dana = _reached(told, caller, 2, DANA)
    _rings(dana, 1.8)
    dana.is_now(20.0, "Disconnected", missed=True)
    caller.is_now(20.1, "Disconnected")


def _voicemail(told: Sessions) -> None:
    call = told.call
    caller = _caller(told, DANA)
    caller.is_now(0.0, "Setup")
    dana = _reached(told, caller, 2, DANA)
    _rings(dana, 1.8)
    dana.is_now(20.0, "VoiceMail")
    caller.is_now(20.1, "Answered")
    dana.is_now(50.0, "Disconnected", "Voicemail")
    caller.is_now(50.1, "Disconnected")
    message = f"https://platform.ringcentral.com/restapi/v1.0/account/{ACCOUNT}/extension/{DANA.id}/message-store/1"
    told.notify(
        55.0,
        f"/restapi/v1.0/account/{ACCOUNT}/extension/{DANA.id}/voicemail",
        {
            "id": "1",
            "to": [inside(DANA, call.did)],
            "from": outside(call.caller, call.name),
            "type": "VoiceMail",
            "creationTime": instant(call.at),
            "readStatus": "Unread",
            "direction": "Inbound",
            "availability": "Alive",
            "messageStatus": "Received",
            "attachments": [{"id": "1", "uri": f"{message}/content/1", "type": "AudioRecording", "vmDuration": 29}],
        },
    )


def _blind_transfer(told: Sessions) -> None:
    caller, dana = _talk(told)
    dana.is_now(30.0, "Disconnected", "BlindTransfer")
    sam = _reached(told, caller, 3, SAM)
    _rings(sam, 30.1)
    sam.is_now(35.0, "Answered")
    sam.is_now(90.0, "Disconnected")
    caller.is_now(90.1, "Disconnected")


def _attended_transfer(told: Sessions) -> None:
    """Dana asks Sam in a session of its own, then puts the two together."""
    caller, dana = _talk(told)
    dana.is_now(30.0, "Hold")
    dialled = told.party(1, "Outbound", dialling(DANA, told.call.did), outside(SAM.number), session=2)
    dialled.is_now(31.0, "Setup")
    asking = told.party(1, "Outbound", inside(DANA, told.call.did), inside(SAM), session=2)
    sam = told.party(2, "Inbound", inside(DANA), inside(SAM), session=2)
    sam.is_now(31.1, "Setup")
    asking.is_now(31.2, "Answered")
    sam.is_now(31.3, "Proceeding")
    sam.is_now(34.0, "Answered")
    dana.is_now(50.0, "Gone", "AttendedTransfer", peer=asking)
    asking.is_now(50.0, "Gone", "AttendedTransfer", peer=dana)
    sam.is_now(90.0, "Disconnected")
    caller.is_now(90.1, "Disconnected")


def _ring_group(told: Sessions) -> None:
    caller = _caller(told, QUEUE)
    caller.is_now(0.0, "Setup")
    queue = _reached(told, caller, 2, QUEUE)
    queue.is_now(0.1, "Setup")
    caller.is_now(0.2, "Answered")
    queue.is_now(1.0, "Answered")
    agents = [_reached(told, caller, 3 + place, who) for place, who in enumerate((DANA, SAM, RITA))]
    for agent in agents:
        _rings(agent, 2.0)
    dana, sam, rita = agents
    sam.is_now(7.0, "Answered")
    queue.is_now(7.0, "Disconnected", "AgentAnswered")
    dana.is_now(7.1, "Disconnected", missed=True)
    rita.is_now(7.1, "Disconnected")
    sam.is_now(70.0, "Disconnected")
    caller.is_now(70.1, "Disconnected")


def _outbound(told: Sessions) -> None:
    call = told.call
    dana = told.party(1, "Outbound", dialling(DANA, call.did), outside(call.caller))
    dana.is_now(0.0, "Setup")
    customer = told.party(2, "Inbound", inside(DANA, call.did), outside(call.caller))
    customer.is_now(0.1, "Proceeding")
    dana.is_now(3.5, "Proceeding")
    customer.is_now(8.0, "Answered")
    dana.is_now(8.0, "Answered")
    dana.is_now(60.0, "Disconnected")
    customer.is_now(60.1, "Disconnected")


def ring_out(told: Sessions) -> None:
    """Click to call: both are called, first Dana; not one of the common scenarios."""
    call = told.call
    told.origin = "RingOut"
    dana = told.party(1, "Inbound", outside(call.caller), inside(DANA, call.did))
    dana.is_now(0.0, "Proceeding")
    dana.is_now(4.0, "Answered")
    customer = told.party(2, "Inbound", inside(DANA, call.did), outside(call.caller))
    customer.is_now(4.5, "Proceeding")
    customer.is_now(12.0, "Answered")
    dana.is_now(60.0, "Disconnected")
    customer.is_now(60.1, "Disconnected")


def _internal(told: Sessions) -> None:
    told.party(1, "Outbound", dialling(DANA, told.call.did), outside(SAM.number)).is_now(0.0, "Setup")
    dana = told.party(1, "Outbound", inside(DANA, told.call.did), inside(SAM))
    sam = told.party(2, "Inbound", inside(DANA), inside(SAM))
    sam.is_now(0.1, "Setup")
    dana.is_now(0.2, "Answered")
    sam.is_now(0.3, "Proceeding")
    sam.is_now(3.0, "Answered")
    sam.is_now(30.0, "Disconnected")
    dana.is_now(30.1, "Disconnected")


def _withheld(told: Sessions) -> None:
    caller, dana = _talk(told, is_withheld=True)
    dana.is_now(66.0, "Disconnected")
    caller.is_now(66.1, "Disconnected")


SCRIPTS: Mapping[str, Callable[[Sessions], None]] = {
    "answered": answered,
    "missed": _missed,
    "voicemail": _voicemail,
    "blind_transfer": _blind_transfer,
    "attended_transfer": _attended_transfer,
    "ring_group": _ring_group,
    "outbound": _outbound,
    "internal": _internal,
    "withheld": _withheld,
}


def play(script: Callable[[Sessions], None], call: Dialled) -> list[Said]:
    """What a script says, in order."""
    told = Sessions(call)
    script(told)
    return told.said
