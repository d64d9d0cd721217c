"""3CX's call log as its Configuration API (XAPI) gives it: a call is several segments.

Which numbers `SourceType`, `DestinationType` and `ActionType` may have is documented nowhere, so they are not read:
who is who, the numbers and words beside them say.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from trunkline.domain import phone
from trunkline.domain.events import CallEvent, Direction, EventKind, Party, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable, history_record
from trunkline.phone_systems.three_cx.crm import SYSTEM
from trunkline.phone_systems.three_cx.keys import call_key, claims, claims_inside, handovers

# What a segment's Direction or CallType says of the call; compared without case.
DIRECTIONS = {
    "inbound": Direction.INBOUND,
    "inboundexternal": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "outboundexternal": Direction.OUTBOUND,
    "internal": Direction.INTERNAL,
    "local": Direction.INTERNAL,
}
# Kinds of segment that are no person's, by the word in CallType; compared without case and blanks.
PLATFORM = frozenset({"queue", "ringgroup", "ivr", "voicemail"})
_LONGEST_EXTENSION = 6

Row = Mapping[str, Any]


def rows_of_calls(rows: Iterable[Row], since: datetime, until: datetime) -> Iterator[list[Row]]:
    """Segments by call, for the calls that began from `since` to before `until`; each in the order of its segments."""
    calls: dict[str, dict[str, Row]] = {}
    for row in rows:
        segment = str(row.get("SegmentId") or msgspec.json.encode(row, order="deterministic"))
        calls.setdefault(_name_of(row), {})[segment] = row
    for segments in calls.values():
        ordered = sorted(segments.values(), key=_place)
        began_at = _moment(ordered[0])
        if began_at is not None and since <= began_at < until:
            yield ordered


def as_message(segments: Sequence[Row], received_at: datetime) -> RawMessage:
    """One call as the inbox keeps it; its delivery id changes with its content."""
    body = msgspec.json.encode({"segments": segments}, order="deterministic")
    return history_record(body, _name_of(segments[0]), received_at)


def parse_call(account: str, platform_extensions: frozenset[str], message: RawMessage) -> list[CallEvent]:
    """The record of a call, who took it over, its texts and recordings.

    Raises:
        Unreadable: it is no list of segments, or they have no time.
    """
    try:
        rows = msgspec.json.decode(message.body, type=dict[str, list[dict[str, Any]]]).get("segments", [])
        segments = sorted((_Segment(row, platform_extensions) for row in rows), key=lambda segment: segment.began_at)
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError):
        raise Unreadable("The call log's record cannot be read.") from None
    if not segments:
        raise Unreadable("The call log's record has no segments.")
    return list(_events(account, segments))


class _Segment:
    """One row of the call log."""

    def __init__(self, row: Row, platform_extensions: frozenset[str]) -> None:
        began_at = _moment(row)
        if began_at is None:
            raise ValueError("a segment without a time")
        self.row = row
        self.began_at = began_at
        self.rang_s = _seconds(row.get("RingingDuration"))
        self.talked_s = _seconds(row.get("TalkingDuration"))
        self.picked_up_at = began_at + timedelta(seconds=self.rang_s)
        self.ended_at = self.picked_up_at + timedelta(seconds=self.talked_s)
        kind = self.text("CallType").lower().replace(" ", "")
        self.is_platform = kind in PLATFORM or self.text("DestinationDn") in platform_extensions

    def text(self, name: str) -> str:
        value = self.row.get(name)
        return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""

    @property
    def is_answered(self) -> bool:
        return self.row.get("Answered") is True and self.talked_s > 0 and not self.is_platform

    def outside(self, side: str) -> str:
        """The outside number at one side, or nothing where a colleague stands there."""
        texts = (self.text(f"{side}CallerId"), self.text(f"{side}Dn"))
        return next((text for text in texts if sum(sign.isdigit() for sign in text) > _LONGEST_EXTENSION), "")

    def agent(self, side: str) -> Party | None:
        extension = self.text(f"{side}Dn")
        if not extension or self.outside(side):
            return None
        return Party(PartyKind.AGENT, extension, self.text(f"{side}DisplayName") or None)


def _events(account: str, segments: Sequence[_Segment]) -> Iterator[CallEvent]:
    first = segments[0]
    direction = _direction(segments)
    side = "Source" if direction is Direction.OUTBOUND else "Destination"
    answered = [segment for segment in segments if segment.is_answered]
    began_at, ended_at = first.began_at, max(segment.ended_at for segment in segments)
    rang_s = ((answered[0].picked_up_at if answered else ended_at) - began_at).total_seconds()
    talked_s = (ended_at - began_at).total_seconds() - rang_s if answered else None
    number = _number(segments, direction)
    agent = next((party for segment in answered or segments if (party := segment.agent(side))), None)
    record = CallEvent(
        system=SYSTEM,
        account=account,
        call_key=f"xapi:{_name_of(first.row)}",
        kind=EventKind.RECORD,
        occurred_at=began_at,
        aliases=(
            _aliases(number, agent, began_at, rang_s, ended_at if answered else None)
            if number is not None
            else claims_inside(first.text("SourceDn"), first.text("DestinationDn"), began_at, rang_s)
        ),
        direction=direction,
        external_number=number,
        external_name=_name(segments, direction),
        party=agent if answered or direction is Direction.OUTBOUND else None,
        queue=next((segment.text("DestinationDn") or None for segment in segments if segment.is_platform), None),
        vendor_kind=first.text("CallType") or None,
        ring_s=rang_s,
        talk_s=talked_s,
        total_s=(ended_at - began_at).total_seconds(),
    )
    yield record
    yield from _transfers(record, answered, side)
    yield from _extras(record, segments)


def _aliases(
    number: str, agent: Party | None, began_at: datetime, rang_s: float, ended_at: datetime | None
) -> tuple[str, ...]:
    """What a lookup, a journal or Call Control say of the same call."""
    extension = (agent.extension if agent else None) or ""
    near = (began_at + timedelta(seconds=off) for off in (-1, 0, 1))  # the journal counts whole seconds
    named = (call_key(number, extension, moment) for moment in near)
    return (*named, *claims(number, began_at, rang_s, extension), *handovers(number, began_at, ended_at))


def _transfers(record: CallEvent, answered: Sequence[_Segment], side: str) -> Iterator[CallEvent]:
    for before, segment in pairwise(answered):
        party = segment.agent(side)
        if party is not None and party != before.agent(side):
            name = f"transfer.{segment.text('SegmentId')}"
            yield _beside(record, EventKind.TRANSFERRED, segment.began_at, name, party=party)


def _extras(record: CallEvent, segments: Sequence[_Segment]) -> Iterator[CallEvent]:
    for segment in segments:
        place = segment.text("SegmentId")
        for name in ("Summary", "Transcription"):
            if text := segment.text(name):
                yield _beside(record, EventKind.CONTENT, segment.ended_at, f"{name}.{place}", text=text)
        if (url := segment.text("RecordingUrl")).startswith(("http://", "https://")):
            yield _beside(record, EventKind.RECORDING, segment.ended_at, f"recording.{place}", media_url=url)


def _beside(record: CallEvent, kind: EventKind, at: datetime, event_id: str, **fields: object) -> CallEvent:
    event = CallEvent(
        system=record.system,
        account=record.account,
        call_key=record.call_key,
        kind=kind,
        occurred_at=at,
        event_id=event_id,
        vendor_kind=record.vendor_kind,
    )
    return msgspec.structs.replace(event, **fields)


def _direction(segments: Sequence[_Segment]) -> Direction:
    """As the log says, else where the outside number is."""
    words = [segment.text(name).lower() for segment in segments for name in ("Direction", "CallType")]
    said = next((DIRECTIONS[word] for word in words if word in DIRECTIONS), None)
    if said is not None:
        return said
    if any(segment.outside("Source") for segment in segments):
        return Direction.INBOUND
    return Direction.OUTBOUND if any(segment.outside("Destination") for segment in segments) else Direction.INTERNAL


def _number(segments: Sequence[_Segment], direction: Direction) -> str | None:
    """The outside number, `anonymous` where it is withheld; none between colleagues."""
    if direction is Direction.INTERNAL:
        return None
    side = "Destination" if direction is Direction.OUTBOUND else "Source"
    return next((number for segment in segments if (number := segment.outside(side))), "anonymous")


def _name(segments: Sequence[_Segment], direction: Direction) -> str | None:
    side = "Destination" if direction is Direction.OUTBOUND else "Source"
    names = (segment.text(f"{side}DisplayName") for segment in segments if segment.outside(side))
    return next((name for name in names if name and not phone.parse(name)), None)


def _name_of(row: Row) -> str:
    """What the segments of one call share."""
    for name in ("MainCallHistoryId", "CallHistoryId", "CdrId"):
        if isinstance(value := row.get(name), str) and value:
            return value
    return f"{row.get('CallId')}@{str(row.get('StartTime'))[:10]}"


def _place(row: Row) -> tuple[bool, datetime, str]:
    began_at = _moment(row)
    return began_at is None, began_at or datetime.max.replace(tzinfo=UTC), str(row.get("SegmentId", ""))


def _moment(row: Row) -> datetime | None:
    """When a segment began; the log's times are UTC."""
    try:
        moment = datetime.fromisoformat(str(row.get("StartTime")))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if 2000 <= moment.year < 2200 else None


def _seconds(value: object) -> float:
    """An ISO 8601 duration in seconds; what is none counts as none."""
    try:
        return max(0.0, msgspec.convert(value, timedelta, strict=False).total_seconds())
    except msgspec.ValidationError:
        return 0.0
