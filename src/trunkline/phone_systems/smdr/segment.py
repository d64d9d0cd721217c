"""What one line says, in one form for all makers, and the events that follow from it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.delivery import fingerprint
from trunkline.phone_systems.smdr.notes import Note

SYSTEM = "smdr"
_ORDERS = {"mdy": (2, 0, 1), "dmy": (2, 1, 0), "ymd": (0, 1, 2)}
_FIRST_YEAR, _LAST_YEAR = 1990, 2200
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp])?[Mm]?", re.ASCII)
_LENGTH = re.compile(r"(?:(\d{1,4})[:'])?(\d{1,4})[:'](\d{1,2})", re.ASCII)


@dataclass(frozen=True)
class Pbx:
    """What differs from shop to shop. Patterns match a whole word; see the options for what each means."""

    account: str
    zone: ZoneInfo | timezone = UTC
    date_order: str = "mdy"
    stamp: str | None = None
    columns: str | None = None
    extensions: re.Pattern[str] = field(default_factory=lambda: re.compile(r"\d{2,7}|ATT\d+", re.ASCII))
    trunks: re.Pattern[str] = field(default_factory=lambda: re.compile(r"[TX]\d{1,4}", re.ASCII))
    voicemail: re.Pattern[str] | None = None
    main_did: str | None = None
    outside_prefix: str = ""

    def utc(self, local: datetime) -> datetime:
        """The PBX's wall clock as UTC. The hour that an autumn night has twice is taken for its first time."""
        return local.replace(tzinfo=self.zone, fold=0).astimezone(UTC)

    def local(self, moment: datetime) -> datetime:
        """The PBX's wall clock at `moment`."""
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def today(self, moment: datetime) -> date:
        """The day it is at the PBX at `moment`."""
        return self.local(moment).date()

    def is_voicemail(self, party: str) -> bool:
        """Whether a station is a port of the voicemail system."""
        return self.voicemail is not None and self.voicemail.fullmatch(party) is not None

    def dialled(self, digits: str) -> str:
        """What was dialled, without what gets an outside line."""
        return digits.removeprefix(self.outside_prefix)

    def did(self, digits: str) -> str | None:
        """Which number of ours was dialled. Trunks often tell its last digits only."""
        if self.main_did and self.main_did.endswith(digits):
            return self.main_did
        return digits or None

    def day(self, text: str, received_at: datetime) -> date:
        """A date; one without a year is the last such day that is not after the day of receipt.

        Raises:
            Unreadable: there is no such day.
        """
        parts = [int(part) for part in re.findall(r"\d+", text, re.ASCII)[:3]]
        if len(parts) == 3:
            year, month, day = (parts[place] for place in _ORDERS[self.date_order])
            return _real_day(year + 2000 if year < 100 else year, month, day, text)
        if len(parts) != 2:
            raise Unreadable(f"The date {text.strip()!r} cannot be read.")
        day, month = parts if self.date_order == "dmy" else reversed(parts)
        latest = self.today(received_at) + timedelta(days=1)  # the clocks may differ around midnight
        for year in range(latest.year, latest.year - 9, -1):  # a 29 February may be eight years away
            try:
                found = date(year, month, day)
            except ValueError:
                continue
            if found <= latest:
                return found
        raise Unreadable(f"The date {text.strip()!r} does not exist.")

    def moment(self, day: date, clock: str) -> datetime:
        """A time of day, with AM or PM or in 24 hours, as UTC.

        Raises:
            Unreadable: there is no such time.
        """
        match = _CLOCK.fullmatch(clock.strip())
        if match is None:
            raise Unreadable(f"The time {clock.strip()!r} cannot be read.")
        hour, minute, second = (int(part or 0) for part in match.groups()[:3])
        if match[4]:
            hour = hour % 12 + (12 if match[4] in "Pp" else 0)
        try:
            return self.utc(datetime.combine(day, time(hour, minute, second)))
        except ValueError:
            raise Unreadable(f"The time {clock.strip()!r} does not exist.") from None


def _real_day(year: int, month: int, day: int, text: str) -> date:
    try:
        found = date(year, month, day)
    except ValueError:
        raise Unreadable(f"The date {text.strip()!r} does not exist; check the option date_order.") from None
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise Unreadable(f"The date {text.strip()!r} is of no year in which there were such calls.")
    return found


def seconds(text: str) -> int:
    """A length of time: seconds, `M'SS`, `H:MM:SS` or `HH:MM'SS`; nothing at all is no time.

    Raises:
        Unreadable: it is none of these.
    """
    told = text.strip()
    if not told:
        return 0
    if told.isascii() and told.isdigit() and len(told) < 8:
        return int(told)
    match = _LENGTH.fullmatch(told)
    if match is None:
        raise Unreadable(f"The duration {told!r} cannot be read.")
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest


@dataclass(frozen=True)
class Segment:
    """One line. Times are UTC, lengths seconds.

    `started_at` is when the call began (for Avaya the whole call, not this part of it). `talk_s` is none where no
    person talked. `is_live` marks a line of a call whose lines say themselves which is the last; `continues` says that
    this is not. `is_handed_on` marks one side of a transfer in a format whose lines share no id.
    """

    key: str
    started_at: datetime
    ring_s: float = 0.0
    talk_s: float = 0.0
    other_s: float = 0.0  # hold, park, and what a machine heard
    direction: Direction | None = None
    number: str | None = None
    name: str | None = None
    did: str | None = None
    agent: Party | None = None
    caller: Party | None = None
    reason: EndReason | None = None
    aliases: tuple[str, ...] = ()
    trunk: str = ""
    is_voicemail: bool = False
    is_live: bool = False
    continues: bool = False
    is_handed_on: bool = False
    ends_at: datetime | None = None  # where the line says it itself

    @property
    def total_s(self) -> float:
        """From its begin to its end."""
        return self.ring_s + self.talk_s + self.other_s


def agent(extension: str, name: str = "") -> Party:
    """A person of the shop."""
    return Party(PartyKind.AGENT, extension or None, name.strip() or None)


def own_key(started_at: datetime, line: str) -> str:
    """The key of a call whose line has no id: the moment, and what the line says."""
    return f"{started_at:%Y%m%dT%H%M%SZ}-{fingerprint(line)[:12]}"


@dataclass(frozen=True)
class _Teller:
    """Makes events of one line; they are known again when the line comes again."""

    account: str
    segment: Segment
    key: str
    mark: str

    def event(self, kind: EventKind, at: datetime, **more: Any) -> CallEvent:
        told: dict[str, Any] = {"direction": self.segment.direction, "aliases": self.segment.aliases, **more}
        return CallEvent(SYSTEM, self.account, self.key, kind, at, event_id=f"{self.mark}.{kind}", **told)


def events_of(pbx: Pbx, segment: Segment, note: Note, line: str) -> list[CallEvent]:
    """The events in one line, given what the lines before it said."""
    # A second equal line is another call, unless lines of a call share an id.
    again = f"-{note.again}" if note.again and not segment.is_live else ""
    teller = _Teller(pbx.account, segment, f"{segment.key}{again}", f"{fingerprint(line)[:12]}{again}")
    return list(_as_it_went(teller, segment, note) if segment.is_live else _as_record(teller, segment, note))


def _as_record(teller: _Teller, segment: Segment, note: Note) -> Sequence[CallEvent]:
    begins = segment.started_at + timedelta(seconds=note.after_s)
    aliases = (*segment.aliases, *((note.of,) if note.of else ()))
    events = [
        teller.event(
            EventKind.RECORD,
            begins,
            aliases=aliases,
            external_number=segment.number,
            external_name=segment.name,
            did=segment.did,
            party=segment.agent,
            reason=segment.reason,
            ring_s=segment.ring_s,
            talk_s=segment.talk_s or None,
            total_s=segment.total_s,
        )
    ]
    if segment.is_voicemail:
        events.append(teller.event(EventKind.VOICEMAIL, begins + timedelta(seconds=segment.ring_s), aliases=aliases))
    if note.talked and segment.talk_s and segment.agent:
        events.append(teller.event(EventKind.TRANSFERRED, begins, aliases=aliases, party=segment.agent))
    return events


def _as_it_went(teller: _Teller, segment: Segment, note: Note) -> Sequence[CallEvent]:
    """Parts of one call: only the last one ends it."""
    after_s = note.after_s
    if not after_s and segment.ends_at:
        # What came before is not known, as after a restart; the PBX's stamp of the record tells how long that was.
        after_s = max(0.0, (segment.ends_at - segment.started_at).total_seconds() - segment.total_s)
        after_s = after_s if after_s > 2.0 else 0.0  # each of the times is rounded up
    begins = segment.started_at + timedelta(seconds=after_s)
    heard = begins + timedelta(seconds=segment.ring_s)
    ends = begins + timedelta(seconds=segment.total_s)
    is_out = segment.direction is Direction.OUTBOUND
    first_party = segment.caller or Party(PartyKind.EXTERNAL)
    phone = f"{teller.key}:{segment.agent.extension}:{after_s:g}" if segment.agent else None
    outside = f"{teller.key}:outside"
    events = [
        teller.event(
            EventKind.STARTED,
            segment.started_at,
            leg_key=None if is_out else outside,
            party=(segment.agent if not after_s else None) if is_out else first_party,
            external_number=segment.number,
            did=segment.did,
        )
    ]
    if note.talked and segment.talk_s and segment.agent:
        events.append(teller.event(EventKind.TRANSFERRED, begins, party=segment.agent))
    if is_out and segment.talk_s:
        events.append(teller.event(EventKind.ANSWERED, heard, leg_key=outside, party=Party(PartyKind.EXTERNAL)))
    elif phone and not is_out:
        events.append(teller.event(EventKind.RINGING, begins, leg_key=phone, party=segment.agent))
        if segment.talk_s:
            events.append(teller.event(EventKind.ANSWERED, heard, leg_key=phone, party=segment.agent))
            events.append(teller.event(EventKind.LEFT, ends, leg_key=phone))
        else:
            why = EndReason.NO_ANSWER if segment.continues or segment.is_voicemail else EndReason.CANCELLED
            events.append(teller.event(EventKind.RING_ENDED, heard, leg_key=phone, reason=why))
    elif segment.talk_s:  # it was sent on to the outside: somebody talked, we do not know who
        events.append(teller.event(EventKind.ANSWERED, heard))
    if segment.is_voicemail:
        events.append(teller.event(EventKind.VOICEMAIL, heard))
    if not segment.continues:
        events.append(teller.event(EventKind.ENDED, ends, reason=segment.reason or EndReason.NORMAL))
    return events
