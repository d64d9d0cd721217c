"""Zoom Phone's words in ours."""

from collections.abc import Mapping

from trunkline.domain.events import Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.loose import Fields

# Events about one side of a call; without the leading `phone.`.
SIDE_EVENTS: Mapping[str, EventKind] = {
    "callee_ringing": EventKind.RINGING,
    "callee_answered": EventKind.ANSWERED,
    "callee_missed": EventKind.RING_ENDED,
    "callee_rejected": EventKind.RING_ENDED,
    "callee_ended": EventKind.LEFT,
    "callee_hold": EventKind.HELD,
    "callee_unhold": EventKind.RESUMED,
    "callee_parked": EventKind.HELD,
    "caller_ringing": EventKind.RINGING,
    "caller_connected": EventKind.ANSWERED,
    "caller_rejected": EventKind.LEFT,
    "caller_ended": EventKind.LEFT,
    "caller_hold": EventKind.HELD,
    "caller_unhold": EventKind.RESUMED,
}

# A warm transfer counts when it is done: the talk before may still come to nothing.
TRANSFER_EVENTS: Mapping[str, EventKind] = {
    "blind_transfer_initiated": EventKind.TRANSFERRED,
    "warm_transfer_completed": EventKind.TRANSFERRED,
    "transfer_call_to_voicemail_initiated": EventKind.ROUTED,
}

RECORDING_EVENTS = frozenset({"recording_completed", "recording_completed_for_access_member"})
VOICEMAIL_EVENTS = frozenset({"voicemail_received", "voicemail_received_for_access_member"})
TRANSCRIPT_EVENTS = frozenset({"voicemail_transcript_completed", "recording_transcript_completed"})
LOG_EVENTS = frozenset(
    f"{side}_{what}_completed" for side in ("caller", "callee") for what in ("call_log", "call_history", "call_element")
)

# Extension types are spelled callQueue in events and call_queue in the history: compared as plain letters.
PARTY_KINDS: Mapping[str, PartyKind] = {
    "user": PartyKind.AGENT,
    "commonarea": PartyKind.AGENT,
    "commonareaphone": PartyKind.AGENT,
    "zoomroom": PartyKind.AGENT,
    "ciscoroom": PartyKind.AGENT,
    "ciscoroompolycomroom": PartyKind.AGENT,
    "callqueue": PartyKind.QUEUE,
    "sharedlinegroup": PartyKind.QUEUE,
    "groupcallpickup": PartyKind.QUEUE,
    "autoreceptionist": PartyKind.MENU,
}

# `handup_result` of events and the result of history rows. Zoom publishes no list: other words mean nothing to us.
RESULTS: Mapping[str, EndReason] = {
    "callconnected": EndReason.NORMAL,
    "connected": EndReason.NORMAL,
    "answered": EndReason.NORMAL,
    "noanswer": EndReason.NO_ANSWER,
    "missed": EndReason.NO_ANSWER,
    "ringtimeout": EndReason.NO_ANSWER,
    "overflowed": EndReason.NO_ANSWER,
    "voicemail": EndReason.NO_ANSWER,
    "busy": EndReason.BUSY,
    "rejected": EndReason.REJECTED,
    "declined": EndReason.REJECTED,
    "blocked": EndReason.REJECTED,
    "answeredbyothermember": EndReason.ELSEWHERE,
    "answeredbyother": EndReason.ELSEWHERE,
    "pickedupbyother": EndReason.ELSEWHERE,
    "canceled": EndReason.CANCELLED,
    "callcanceled": EndReason.CANCELLED,
    "callcancel": EndReason.CANCELLED,
    "abandoned": EndReason.CANCELLED,
    "failed": EndReason.FAILED,
    "callfailed": EndReason.FAILED,
    "error": EndReason.FAILED,
}
VOICEMAIL_RESULT = "voicemail"

DIRECTIONS: Mapping[str, Direction] = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
INTERNAL = frozenset({"1", "internal"})  # number types and connect types: words in the new format, digits in the old


def letters(word: str | None) -> str:
    """`word` without case, blanks and underscores."""
    return "".join(letter for letter in (word or "").lower() if letter.isalpha())


def party_kind(extension_type: str | None, user_id: str | None) -> PartyKind:
    """What an extension is; only who has a user, or no type at all, is taken for a person without being named so."""
    found = PARTY_KINDS.get(letters(extension_type))
    if found is not None:
        return found
    return PartyKind.AGENT if user_id or not extension_type else PartyKind.UNKNOWN


def side_party(side: Fields) -> Party:
    """The `caller` or `callee` of an event, where it is an extension of ours."""
    user_id = side.id("user_id")
    return Party(
        kind=party_kind(side.text("extension_type"), user_id),
        extension=side.text("extension_number"),
        name=side.text("name"),
        provider_id=user_id or side.id("extension_id"),
    )


def is_ours(side: Fields) -> bool:
    """Whether a side is an extension of ours: only those have ids."""
    return side.text("extension_id", "user_id", "extension_type", "extension_number", "device_id") is not None
