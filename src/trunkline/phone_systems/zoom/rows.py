"""Rows about a whole call: Zoom's call history in its new and its old format, call logs, recordings and voicemails.

All name the two sides by the prefixes `caller_` and `callee_`.
"""

from datetime import datetime

import msgspec

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.zoom import words

_RECORD_IDS = ("call_history_uuid", "call_log_id", "call_history_id")
_ROW_IDS = (*_RECORD_IDS, "id")  # of a row of the history itself, `id` names the record
_NO_ANSWER = {reason for reason in EndReason if reason is not EndReason.NORMAL}


def of_row(told: CallEvent, row: Fields, *, record_ids: tuple[str, ...] = _RECORD_IDS) -> CallEvent:
    """`told` with what every row says: which call, which way, who is outside, which number was dialled.

    After a transfer a call can have another id; what shares the id of a record is one call, too.

    Raises:
        Unreadable: it names no call.
    """
    records = tuple(dict.fromkeys(f"log:{found}" for name in record_ids if (found := row.id(name))))
    call_key = row.id("call_id") or next(iter(records), None)
    if call_key is None:
        raise Unreadable("A row of Zoom's does not say which call it is about.")
    aliases = tuple(key for key in records if key != call_key)
    direction = words.DIRECTIONS.get(words.letters(row.text("direction")))
    outside = "callee" if direction is Direction.OUTBOUND else "caller"
    told = msgspec.structs.replace(told, call_key=call_key, aliases=aliases)
    if _is_internal(row, outside):
        return msgspec.structs.replace(told, direction=Direction.INTERNAL)
    return msgspec.structs.replace(
        told,
        direction=direction,
        external_number=row.text(f"{outside}_did_number", f"{outside}_number"),
        external_name=row.text(f"{outside}_name"),
        did=row.text("callee_did_number") if outside == "caller" else None,
    )


def _is_internal(row: Fields, outside: str) -> bool:
    return (
        words.letters(row.text("connect_type")) in words.INTERNAL
        or (row.text(f"{outside}_number_type") or "").lower() in words.INTERNAL
        or row.id(f"{outside}_ext_id") is not None
    )


def mentioned(told: CallEvent, row: Fields) -> CallEvent:
    """A row that comes by webhook. It is one user's, and can come before the call is over: it ends nothing."""
    started_at = row.time("start_time", "date_time") or told.occurred_at
    return msgspec.structs.replace(
        of_row(told, row, record_ids=_ROW_IDS),
        kind=EventKind.UNKNOWN,
        occurred_at=started_at,
        queue=_queue(row, "callee"),
    )


def record(told: CallEvent, row: Fields) -> list[CallEvent]:
    """A row of the call history that we asked for: the whole call.

    Raises:
        Unreadable: it names no call, or not when it began.
    """
    started_at = row.time("start_time", "date_time")
    if started_at is None:
        raise Unreadable("A row of Zoom's call history does not say when the call began.")
    told = of_row(told, row, record_ids=_ROW_IDS)
    ours = "caller" if told.direction is Direction.OUTBOUND else "callee"
    answered_at, ended_at = row.time("answer_time", "answer_start_time"), row.time("end_time", "call_end_time")
    result = words.letters(row.text("call_result", "result"))
    reason = words.RESULTS.get(result)
    party = _party(row, ours)
    talk_s = None if reason in _NO_ANSWER or _is_menu(party) else row.seconds("talk_time")
    if talk_s is None and reason not in _NO_ANSWER and not _is_menu(party):
        talk_s = _between(answered_at, ended_at)
        talk_s = row.seconds("duration") if talk_s is None and reason is EndReason.NORMAL else talk_s
    waited_s = _between(started_at, answered_at) if talk_s else None
    waited_s = row.seconds("wait_time", "waiting_time") if waited_s is None else waited_s
    lasted_s = _between(started_at, ended_at)
    whole = msgspec.structs.replace(
        told,
        kind=EventKind.RECORD,
        occurred_at=started_at,
        party=party if party and party.kind is PartyKind.AGENT else None,
        queue=_queue(row, ours),
        reason=reason,
        ring_s=waited_s,
        talk_s=talk_s,
        hold_s=row.seconds("hold_time"),
        total_s=lasted_s if lasted_s is not None else (waited_s or 0.0) + (talk_s or 0.0),
    )
    if not _left_voicemail(row, result) or talk_s:
        return [whole]
    return [whole, msgspec.structs.replace(told, kind=EventKind.VOICEMAIL, occurred_at=ended_at or started_at)]


def _left_voicemail(row: Fields, result: str) -> bool:
    return result == words.VOICEMAIL_RESULT or bool(row.flag("has_voicemail")) or row.id("voicemail_id") is not None


def _party(row: Fields, ours: str) -> Party | None:
    """Who of ours was on the call: the operator where the row names one, else the extension of our side."""
    for prefix, number in (("operator", "operator_ext_number"), (ours, f"{ours}_ext_number")):
        ext_id = row.id(f"{prefix}_ext_id")
        kind = words.party_kind(row.text(f"{prefix}_ext_type"), row.id("user_id"))
        if ext_id or row.text(number):
            return Party(
                kind=kind,
                extension=row.text(number),
                name=row.text(f"{prefix}_name"),
                provider_id=ext_id,
                email=row.text(f"{prefix}_email", f"{prefix}_ext_email"),
            )
    name = row.text(f"{ours}_name")
    return Party(PartyKind.AGENT, name=name, provider_id=row.id("user_id")) if name else None


def _queue(row: Fields, ours: str) -> str | None:
    is_queue = words.party_kind(row.text(f"{ours}_ext_type"), None) is PartyKind.QUEUE
    return row.text(f"{ours}_name") if is_queue and row.text(f"{ours}_ext_type") else None


def _is_menu(party: Party | None) -> bool:
    """Nobody talked: a receptionist or menu took the call, and the row ends there."""
    return party is not None and party.kind is PartyKind.MENU


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    if begin is None or end is None:
        return None
    seconds = (end - begin).total_seconds()
    return seconds if seconds >= 0 else None
