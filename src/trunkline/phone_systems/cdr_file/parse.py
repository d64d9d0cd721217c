"""From one row to events: tables, and no memory."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.asterisk_names import TRUNK_CONTEXTS, VOICEMAIL_APPS, endpoint
from trunkline.phone_systems.cdr_file.presets import Preset
from trunkline.phone_systems.cdr_file.times import Zone, moment, seconds
from trunkline.phone_systems.delivery import fingerprint

ANSWERED = frozenset(
    {"answered", "answer", "completed", "complete", "connected", "accepted", "call connected", "success", "yes", "true",
     "normal_clearing"}
)  # fmt: skip
VOICEMAIL = frozenset({"voicemail", "voice mail", "left voicemail", "went to voicemail", "vm"})
# None: nobody answered, and why is not said.
UNANSWERED: Mapping[str, EndReason | None] = {
    "no answer": EndReason.NO_ANSWER,
    "noanswer": EndReason.NO_ANSWER,
    "no_answer": EndReason.NO_ANSWER,
    "not answered": EndReason.NO_ANSWER,
    "unanswered": EndReason.NO_ANSWER,
    "no_user_response": EndReason.NO_ANSWER,
    "allotted_timeout": EndReason.NO_ANSWER,
    "missed": None,
    "abandoned": None,
    "no": None,
    "false": None,
    "cancel": EndReason.CANCELLED,
    "canceled": EndReason.CANCELLED,
    "cancelled": EndReason.CANCELLED,
    "hang up": EndReason.CANCELLED,
    "originator_cancel": EndReason.CANCELLED,
    "busy": EndReason.BUSY,
    "user_busy": EndReason.BUSY,
    "rejected": EndReason.REJECTED,
    "declined": EndReason.REJECTED,
    "blocked": EndReason.REJECTED,
    "call_rejected": EndReason.REJECTED,
    "failed": EndReason.FAILED,
    "congestion": EndReason.FAILED,
    "normal_temporary_failure": EndReason.FAILED,
    "unallocated_number": EndReason.FAILED,
    "user_not_registered": EndReason.FAILED,
}
DIRECTIONS: Mapping[str, Direction] = {
    "inbound": Direction.INBOUND,
    "incoming": Direction.INBOUND,
    "in": Direction.INBOUND,
    "i": Direction.INBOUND,
    "received": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "outgoing": Direction.OUTBOUND,
    "out": Direction.OUTBOUND,
    "o": Direction.OUTBOUND,
    "placed": Direction.OUTBOUND,
    "internal": Direction.INTERNAL,
    "local": Direction.INTERNAL,
    "intercom": Direction.INTERNAL,
}
_CLID = re.compile(r'\s*"?(.*?)"?\s*(?:<.*>)?\s*', re.DOTALL)
_LABEL = re.compile(r"(?:ext\.?|call )\s*", re.IGNORECASE)
_VOICEMAIL_TARGET = re.compile(r"vm[a-z]\d+")
_DIALLED = re.compile(r"\+?\d{3,}", re.ASCII)
_LONGEST_ID = 120


@dataclass(frozen=True)
class Source:
    """Whose rows, and what differs from shop to shop."""

    system: str
    account: str
    preset: Preset
    zone: Zone = UTC
    date_order: str = "mdy"
    extensions: re.Pattern[str] = field(default_factory=lambda: re.compile(r"\d{2,6}", re.ASCII))
    trunk_contexts: frozenset[str] = TRUNK_CONTEXTS | {"public"}
    trunk_endpoints: frozenset[str] = frozenset({"trunk"})
    main_did: str | None = None
    outside_prefix: str = ""

    def cells(self, row: Mapping[str, str]) -> "Cells":
        """The row by what its columns mean."""
        return Cells(self, row)

    def starts(self, row: Mapping[str, str]) -> datetime:
        """When the row's call began (UTC).

        Raises:
            ValueError: the row does not say, or not so that it can be read.
        """
        cells = self.cells(row)
        told = cells["start"] or f"{cells['date']} {cells['time']}".strip()
        return moment(_LABEL.sub("", told, 1) if told[:1].isalpha() else told, self.zone, self.date_order)

    def is_trunk(self, channel: str) -> bool:
        """Whether an Asterisk channel leads outside."""
        if channel.startswith("Local/"):  # plumbing, before a phone of ours
            return False
        name = endpoint(channel)
        return bool(name) and (name in self.trunk_endpoints or not self.extensions.fullmatch(name))


@dataclass(frozen=True)
class Cells:
    """A row's values by meaning; what is not there is empty."""

    source: Source
    row: Mapping[str, str]

    def __getitem__(self, meaning: str) -> str:
        return self.row.get(self.source.preset.columns.get(meaning, ""), "").strip()

    def number(self, meaning: str) -> str:
        """A number without a label before it, as `Ext.201`."""
        return _LABEL.sub("", self[meaning], 1)

    def length(self, meaning: str) -> float | None:
        """Seconds, or `None`.

        Raises:
            ValueError: it is no length of time.
        """
        return seconds(self[meaning])


@dataclass(frozen=True)
class _Told:
    """What a row says of its call."""

    direction: Direction | None
    number: str | None
    did: str | None
    name: str | None
    party: Party | None
    reason: EndReason | None = None
    is_answered: bool = False
    is_voicemail: bool = False
    queue: str | None = None
    is_routed: bool = False  # a menu or queue took it, and no phone rang


def identity(source: Source, row: Mapping[str, str]) -> str:
    """The row's own id where it has one, else one made of begin, parties and length: known again in another export."""
    cells = source.cells(row)
    if cells["id"]:
        return _LABEL.sub("", cells["id"], 1)[:_LONGEST_ID]
    begin = cells["start"] or f"{cells['date']} {cells['time']}"
    length = next((cells[one] for one in ("duration", "talk", "end") if cells[one]), "")
    return fingerprint(begin, cells["from"], cells["to"], cells["agent"], length)


def events_of(source: Source, row: Mapping[str, str]) -> list[CallEvent]:
    """The record in one row, and what goes with it; none where the row names nobody.

    Raises:
        ValueError: a time cannot be read.
    """
    cells = source.cells(row)
    if not cells["from"] and not cells["to"]:
        return []
    started = source.starts(row)
    told = _channels(cells) if source.preset.has_channels else _plain(cells)
    waited, talked, total = _lengths(cells, started, is_answered=told.is_answered)
    key = _LABEL.sub("", cells["call_id"], 1)[:_LONGEST_ID] or identity(source, row)
    mark = fingerprint(*(f"{name}={value}" for name, value in sorted(row.items())))[:16]
    aliases = (cells["other_id"],) if cells["other_id"] else ()

    def event(kind: EventKind, **more: Any) -> CallEvent:
        return CallEvent(
            source.system, source.account, key, kind, started, event_id=f"{mark}.{kind}", aliases=aliases,
            direction=told.direction, external_number=told.number, external_name=told.name, did=told.did,
            vendor_kind=cells["status"] or None, **more,
        )  # fmt: skip

    record = event(
        EventKind.RECORD, party=told.party, reason=told.reason, ring_s=waited, talk_s=talked, total_s=total,
        queue=told.queue,
    )  # fmt: skip
    events = [record]
    if told.is_voicemail:
        events.append(event(EventKind.VOICEMAIL))
    elif told.is_routed:
        events.append(event(EventKind.ROUTED, party=Party(PartyKind.QUEUE, name=told.queue), queue=told.queue))
    return events


def _lengths(cells: Cells, started: datetime, *, is_answered: bool) -> tuple[float | None, float | None, float | None]:
    """The wait for an answer, the talk (none: no person answered) and the whole, in seconds."""
    waited, talked, total = cells.length("ring"), cells.length("talk"), cells.length("duration")
    answered_at, ended_at = _moment(cells, "answer"), _moment(cells, "end")
    if total is None and ended_at:
        total = (ended_at - started).total_seconds()
    if talked is None and answered_at and ended_at:
        talked = (ended_at - answered_at).total_seconds()
    if talked is None and total is not None:
        talked = total - (waited or 0)
    if waited is None and answered_at:
        waited = (answered_at - started).total_seconds()
    if waited is None and total is not None and talked is not None:
        waited = total - talked
    if total is None:
        total = (waited or 0) + (talked or 0)
    return waited, talked if is_answered else None, total


def _moment(cells: Cells, meaning: str) -> datetime | None:
    return moment(cells[meaning], cells.source.zone, cells.source.date_order) if cells[meaning] else None


def _channels(cells: Cells) -> _Told:
    """Asterisk's row: one for each attempt to reach a phone. A menu, queue or voicemail that picks up is `ANSWERED`."""
    source = cells.source
    channel, reached = cells["channel"], cells["dstchannel"]
    src, dst = cells["from"], cells["to"]
    is_in = cells["context"] in source.trunk_contexts or source.is_trunk(channel)
    is_out = not is_in and source.is_trunk(reached)
    is_answered = cells["status"].lower() == "answered"
    is_machine = cells["app"].lower() in VOICEMAIL_APPS or _VOICEMAIL_TARGET.fullmatch(dst) is not None
    reason = None if is_answered else UNANSWERED.get(cells["status"].lower())
    told: dict[str, Any] = {
        "is_answered": is_answered and bool(reached) and not is_machine,
        "is_voicemail": is_answered and is_machine and not is_out,
        # Of a group, the phones that did not answer have a row each.
        "reason": None if is_in and reason is EndReason.NO_ANSWER else reason,
    }
    if is_out:
        caller = endpoint(channel) if source.extensions.fullmatch(endpoint(channel)) else src
        return _Told(Direction.OUTBOUND, _outside(source, dst), None, None, _agent(caller, ""), **told)
    party = (
        None
        if not reached or source.is_trunk(reached)
        else _agent(endpoint(reached).partition("@")[0], cells["agent_name"])
    )
    if not is_in:
        is_plumbing = channel.startswith("Local/")  # of a queue or a follow-me: another row has the outside party
        return _Told(None if is_plumbing else Direction.INTERNAL, None, None, None, party, **told)
    did = cells["did"] or (dst if _DIALLED.fullmatch(dst) and not source.extensions.fullmatch(dst) else "")
    is_queued = cells["app"].lower() == "queue"
    is_routed = not reached and not is_machine and (is_answered or is_queued)
    queue = dst if is_queued else (cells["app"] or dst) if is_routed else None
    name = _caller_name(cells["name"], src)
    return _Told(Direction.INBOUND, src, _did(source, did), name, party, queue=queue, is_routed=is_routed, **told)


def _plain(cells: Cells) -> _Told:
    """A row that says who called whom."""
    source = cells.source
    caller, called, status = cells.number("from"), cells.number("to"), cells["status"].lower()
    direction = DIRECTIONS.get(cells["direction"].lower()) or _direction(source, cells["context"], caller, called)
    is_voicemail = status in VOICEMAIL
    told: dict[str, Any] = {
        "is_answered": _is_answered(cells, status),
        "is_voicemail": is_voicemail and direction is not Direction.OUTBOUND,
        "reason": UNANSWERED.get(status),
    }
    inside = cells.number("agent")
    if direction is Direction.OUTBOUND:
        party = _agent(inside or caller, cells["agent_name"])
        return _Told(direction, _outside(source, called), None, None, party, **told)
    is_extension = source.extensions.fullmatch(called) is not None
    party = _agent(inside or (called if is_extension else ""), cells["agent_name"])
    if direction is Direction.INTERNAL:
        return _Told(direction, None, None, None, party, **told)
    did = _did(source, cells["did"] or ("" if is_extension else called))
    return _Told(direction, caller, did, _caller_name(cells["name"], caller), party, **told)


def _is_answered(cells: Cells, status: str) -> bool:
    if status in VOICEMAIL or status in UNANSWERED:
        return False
    talked = cells.length("talk")
    if talked is not None:
        return talked > 0
    if "answer" in cells.source.preset.columns:
        return bool(cells["answer"])
    # A word nobody knows says nothing; without any word, what lasted was a talk.
    return status in ANSWERED or (not status and bool(cells.length("duration")))


def _direction(source: Source, context: str, caller: str, called: str) -> Direction | None:
    if context in source.trunk_contexts:
        return Direction.INBOUND
    is_from_inside, is_to_inside = (bool(source.extensions.fullmatch(one)) for one in (caller, called))
    if is_from_inside:
        return Direction.INTERNAL if is_to_inside else Direction.OUTBOUND
    return Direction.INBOUND


def _agent(extension: str, name: str) -> Party | None:
    is_named = bool(name) and name != extension
    return Party(PartyKind.AGENT, extension or None, name if is_named else None) if extension or is_named else None


def _outside(source: Source, digits: str) -> str:
    return digits.removeprefix(source.outside_prefix)


def _did(source: Source, digits: str) -> str | None:
    if source.main_did and source.main_did.endswith(digits):
        return source.main_did  # trunks often tell the last digits only
    return digits or None


def _caller_name(text: str, number: str) -> str | None:
    match = _CLID.fullmatch(text)
    name = (match[1] if match else text).strip()
    return name if name and name != number else None


def broken(line: int, why: Iterable[str] | str) -> str:
    """The sentence about a line that is no record."""
    return f"Line {line} of the file cannot be read: {why}."
