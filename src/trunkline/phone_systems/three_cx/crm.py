"""What a CRM template sends: lookups, the journal of calls, contacts."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec

from trunkline.domain import phone
from trunkline.domain.events import CallEvent, Direction, EventKind, Party, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.caller_id import is_unfilled, with_plus
from trunkline.phone_systems.delivery import fingerprint
from trunkline.phone_systems.three_cx.keys import call_key, claims, handovers, ring_key

SYSTEM = "3cx"
JOURNAL_KIND, CONTACT_KIND = "call", "contact"
# The journal's word for a call: which way it went. Whether anybody talked, its duration says.
CALL_TYPES = {
    "inbound": Direction.INBOUND,
    "missed": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "notanswered": Direction.OUTBOUND,
}
UNANSWERED = frozenset({"missed", "notanswered"})
_DURATION = re.compile(r"(?:(?:(\d{1,4})\.)?(\d{1,4}):)?(?:(\d{1,4}):)?(\d{1,6}(?:\.\d+)?)")
_DOTTED = re.compile(r"T(\d\d)\.(\d\d)\.(\d\d)")  # .NET writes the colon of a time as the PBX's language does
_YEARS = range(2000, 2200)  # .NET's empty time is in the year 1
_LONGEST_TEXT = 200


def read_fields(body: bytes) -> dict[str, str]:
    """The fields of a JSON or form body, named in lower case without underscores; what was not filled in is empty.

    Raises:
        Unreadable: it is neither, or a field stands there twice.
    """
    try:
        text = body.decode()
        if text.lstrip().startswith("{"):
            pairs = [(name, _scalar(value)) for name, value in msgspec.json.decode(text, type=dict[str, Any]).items()]
        else:
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Unreadable("What 3CX posted is neither JSON nor a form.") from None
    fields = {name.lower().replace("_", ""): "" if is_unfilled(value) else value.strip() for name, value in pairs}
    if len(fields) < len(pairs):
        raise Unreadable("What 3CX posted names a field twice.")
    return fields


def _scalar(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def is_timed(fields: Mapping[str, str]) -> bool:
    """Whether a journal says when its call was."""
    return any(_moment(fields.get(name, "")) is not None for name in ("startutc", "endutc"))


class _Lookup(msgspec.Struct):
    number: str
    ringing_since: Annotated[datetime, msgspec.Meta(tz=True)]


def lookup_message(number: str, ringing_since: datetime, received_at: datetime) -> RawMessage:
    """The ring that a question tells of, as the inbox keeps it; of the same second it is kept once."""
    body = msgspec.json.encode(_Lookup(number, ringing_since))
    second = str(int(received_at.timestamp()))
    return RawMessage(body, received_at, delivery_id=fingerprint("lookup", number, second), kind="lookup")


def parse_lookup(account: str, message: RawMessage) -> list[CallEvent]:
    """A ring; nobody says which way the call goes.

    Raises:
        Unreadable: it is not what :func:`lookup_message` made.
    """
    try:
        asked = msgspec.json.decode(message.body, type=_Lookup)
        key = ring_key(asked.number, asked.ringing_since)
    except (msgspec.DecodeError, ValueError, RecursionError, OverflowError):
        raise Unreadable("The lookup cannot be read.") from None
    return [
        CallEvent(
            system=SYSTEM,
            account=account,
            call_key=key,
            kind=EventKind.RINGING,
            occurred_at=message.received_at,
            external_number=asked.number,
            vendor_kind="lookup",
        )
    ]


def with_ring(body: bytes, began_at: datetime) -> bytes:
    """A contact's fields, with the ring to which it belongs."""
    return msgspec.json.encode({**read_fields(body), "ringingsince": began_at.isoformat()})


def parse_contact(account: str, message: RawMessage) -> list[CallEvent]:
    """A remark on the call during which the contact was made, and the caller's name where it has one; nothing where
    there was no call.

    Raises:
        Unreadable: it is neither JSON nor a form.
    """
    fields = read_fields(message.body)
    number, began_at = with_plus(fields.get("number", "")), _moment(fields.get("ringingsince", ""))
    if began_at is None or phone.is_withheld(number):
        return []
    name = " ".join(f"{fields.get('first', '')} {fields.get('last', '')}".split()) or fields.get("company", "")
    remark = CallEvent(
        system=SYSTEM,
        account=account,
        call_key=ring_key(number, began_at),
        kind=EventKind.ANNOTATED,
        occurred_at=message.received_at,
        external_number=number,
        vendor_kind="contact",
        text=f"3CX contact created: {(name or number)[:_LONGEST_TEXT]}",
    )
    named = caller_name(name, number)
    return [remark, msgspec.structs.replace(remark, kind=EventKind.NAMED, text=named)] if named else [remark]


def parse_journal(account: str, message: RawMessage) -> list[CallEvent]:
    """The record of a call that is over, its texts and its recording.

    Raises:
        Unreadable: it is neither JSON nor a form, or says nothing of a call.
    """
    fields = read_fields(message.body)
    if not fields.get("calltype") and not fields.get("number"):
        raise Unreadable("What 3CX posted is no record of a call.")
    record = _record(account, fields, message.received_at)
    return [record, *_extras(record, fields)]


def _record(account: str, fields: Mapping[str, str], received_at: datetime) -> CallEvent:
    word = fields.get("calltype", "")
    talk_s = 0.0 if word.lower() in UNANSWERED else _seconds(fields.get("duration", "")) or 0.0
    ended_at = _moment(fields.get("endutc", ""))
    began_at = _moment(fields.get("startutc", "")) or (ended_at or received_at) - timedelta(seconds=talk_s)
    total_s = max(talk_s, (ended_at - began_at).total_seconds()) if ended_at else talk_s
    number, agent, queue = with_plus(fields.get("number", "")), fields.get("agent", ""), fields.get("queue", "")
    rang_s = total_s - talk_s
    return CallEvent(
        system=SYSTEM,
        account=account,
        call_key=call_key(number, agent, began_at),
        kind=EventKind.RECORD,
        occurred_at=began_at,
        event_id=fingerprint(word, number, agent, began_at.isoformat()),
        aliases=(
            *claims(number, began_at, rang_s, "" if agent == queue else agent),
            *handovers(number, began_at, ended_at if talk_s else None),
        ),
        direction=CALL_TYPES.get(word.lower()) or CALL_TYPES.get(fields.get("direction", "").lower()),
        external_number=number,
        external_name=caller_name(fields.get("name", ""), number),
        party=_agent(fields) if agent and agent != queue else None,
        queue=queue or None,
        vendor_kind=word or None,
        ring_s=rang_s,
        talk_s=talk_s or None,
        total_s=total_s,
    )


def _extras(record: CallEvent, fields: Mapping[str, str]) -> Iterator[CallEvent]:
    def extra(kind: EventKind, name: str) -> CallEvent:
        ended_at = record.occurred_at + timedelta(seconds=record.total_s or 0.0)
        return CallEvent(
            system=record.system,
            account=record.account,
            call_key=record.call_key,
            kind=kind,
            occurred_at=ended_at,
            event_id=f"{record.event_id}.{name}",
            vendor_kind=record.vendor_kind,
        )

    for name in ("summary", "transcription"):
        if text := fields.get(name):
            yield msgspec.structs.replace(extra(EventKind.CONTENT, name), text=text)
    if (url := fields.get("recordingurl", "")).startswith(("http://", "https://")):
        yield msgspec.structs.replace(extra(EventKind.RECORDING, "recording"), media_url=url)


def _agent(fields: Mapping[str, str]) -> Party:
    name = " ".join(f"{fields.get('agentfirst', '')} {fields.get('agentlast', '')}".split())
    email = fields.get("agentemail") or None
    return Party(PartyKind.AGENT, fields["agent"], name or None, email=email)


def caller_name(name: str, number: str) -> str | None:
    """The caller's name; 3CX shows the number where it knows none."""
    return None if phone.is_withheld(name) or phone.parse(name) or name == number else name


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_DOTTED.sub(r"T\1:\2:\3", text))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year in _YEARS else None


def _seconds(text: str) -> float | None:
    """`hh:mm:ss`, with days before and fractions after it, or plain seconds."""
    read = _DURATION.fullmatch(text)
    if read is None:
        return None
    days, first, second, seconds = read.groups()
    hours, minutes = (first, second) if second is not None else (None, first)
    return int(days or 0) * 86_400 + int(hours or 0) * 3_600 + int(minutes or 0) * 60 + float(seconds)
