"""The words and figures people read: one place, so that board, call page and lookup say the same thing alike."""

import string
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from trunkline.calls.views import CallView, LogView
from trunkline.domain import phone
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.caller import Appointment, CallerCard, Match, MatchKind, ReasonCode, StaffKind
from trunkline.domain.decisions import DecisionKind, OwnerKind
from trunkline.domain.events import Direction, Party, PartyKind
from trunkline.mirror.health import DriftNote
from trunkline.numbers.views import Entry
from trunkline.web.ports import FeedProgress

_STATES = {
    CallState.NEW: "Coming in",
    CallState.ROUTED: "In queue",
    CallState.RINGING: "Ringing",
    CallState.ANSWERED: "Connected",
    CallState.HELD: "On hold",
}
_OUTCOMES = {
    Outcome.ANSWERED: "Answered",
    Outcome.MISSED: "Missed",
    Outcome.ABANDONED: "Gave up waiting",
    Outcome.VOICEMAIL: "Voicemail",
    Outcome.BUSY: "Busy",
    Outcome.REJECTED: "Rejected",
    Outcome.FAILED: "Failed",
    Outcome.UNKNOWN: "Ended",
}
_DIRECTIONS = {Direction.INBOUND: "Incoming", Direction.OUTBOUND: "Outgoing", Direction.INTERNAL: "Internal"}
_REASONS = {
    ReasonCode.DIRECT_LINE: "direct line, as decided",
    ReasonCode.NUMBER: "number on file",
    ReasonCode.MAYBE_NUMBER: "number in free text",
    ReasonCode.LOCATION_NUMBER: "number of a location",
    ReasonCode.APPOINTMENT_TODAY: "appointment today",
    ReasonCode.OPEN_JOB: "open job",
    ReasonCode.RECENT_CALL: "called lately",
    ReasonCode.RECENT_VISIT: "visited lately",
    ReasonCode.MEMBERSHIP: "member",
    ReasonCode.MERGED: "merged record",
    ReasonCode.SHARED_NUMBER: "number shared with others",
    ReasonCode.INACTIVE: "inactive customer",
    ReasonCode.EMPLOYEE: "employee",
    ReasonCode.TECHNICIAN: "technician",
}
_DECISIONS = {
    DecisionKind.DIRECT_LINE: "Direct line",
    DecisionKind.MOVED_AWAY: "Moved away",
    DecisionKind.SHARED: "Shared by several",
    DecisionKind.SPAM: "Spam",
}
_COPIES = {
    "local": "kept here only, since nobody in ServiceTitan has the number",
    "pending": "on its way to ServiceTitan",
    "written": "in ServiceTitan",
}
_LOGGED = {"logged": "Logged", "nothing": "Nothing to log", "review": "Needs review", "open": "Logging"}
_REVIEWS = {
    "ambiguous": "several customers have this number",
    "unknown_caller": "caller not in ServiceTitan",
    "withheld": "number withheld",
    "refused": "ServiceTitan refused what was to be written",
}
_ACTIONS = {"customer_note": "Note on customer", "job_note": "Note on job", "booking": "Booking in ServiceTitan"}
_ZONES = ("America/", "Australia/", "Canada/", "Europe/", "Pacific/", "US/", "Etc/UTC")
_ENVIRONMENTS = {"production": "Production", "integration": "Integration"}
_WRITES = {
    "intended": "about to be written",
    "trying": "being written",
    "doubtful": "reply lost, looking whether it arrived",
    "written": "written",
    "refused": "refused",
}


def state(call: Call) -> str:
    """Where the call stands; of an ended one, how it went."""
    if call.state is CallState.ENDED:
        return _OUTCOMES[call.outcome or Outcome.UNKNOWN]
    if call.state is CallState.RINGING and call.direction is Direction.OUTBOUND:
        return "Calling"
    return _STATES[call.state]


def tone(call: Call) -> str:
    """What the state looks like: ringing, talking, held, waiting, done or lost."""
    if call.state is CallState.ENDED:
        return "lost" if call.outcome in {Outcome.MISSED, Outcome.ABANDONED} else "done"
    return {CallState.RINGING: "ringing", CallState.ANSWERED: "talking", CallState.HELD: "held"}.get(
        call.state, "waiting"
    )


def direction(call: Call) -> str:
    """Incoming, outgoing, internal - or nothing where the phone system did not say."""
    return _DIRECTIONS[call.direction] if call.direction else "Call"


def who(view: CallView) -> str:
    """The one line that names the other side."""
    if view.card is not None and (name := _matched(view.card.match)):
        return name
    if view.call.contact_name:
        return view.call.contact_name
    if view.call.direction is Direction.INTERNAL:
        return " to ".join(dict.fromkeys(person(leg.party) for leg in view.call.legs if leg.party)) or "Internal call"
    if view.call.external_number is None:
        return view.call.external_name or "Number withheld"
    return string.capwords(view.call.external_name) if view.call.external_name else "Unknown caller"


def _matched(match: Match) -> str:
    if match.kind is MatchKind.SPAM:
        return "Marked as spam"
    if match.staff:
        return match.staff[0].name
    if match.kind is MatchKind.SINGLE:
        return match.candidates[0].customer.name
    if match.kind is MatchKind.AMBIGUOUS:
        return f"{match.candidate_count} possible customer{'s' if match.candidate_count != 1 else ''}"
    return ""


def number(text: str | None) -> str:
    """A number as people in its country write it; what is no whole number (an extension dialled) stays as it is."""
    return phone.display(phone.parse(text) or text) if text else ""


def person(party: Party | None) -> str:
    """A colleague, by name where there is one."""
    if party is None:
        return ""
    if party.name and party.extension:
        return f"{party.name} ({party.extension})"
    return party.name or (f"ext. {party.extension}" if party.extension else "a colleague")


def ringing_at(call: Call) -> str:
    """Whose phones ring now."""
    parties = (leg.party for leg in call.legs if leg.rang_at and not leg.answered_at and not leg.ended_at)
    return ", ".join(dict.fromkeys(person(party) for party in parties if party and party.kind is PartyKind.AGENT))


def colleague(call: Call, *, short: bool = False) -> str:
    """Who of ours has the call, had it last, or placed it; `short` leaves the extension out."""
    placed_by = next((leg.party for leg in call.legs if leg.party and leg.party.kind is PartyKind.AGENT), None)
    party = call.last_agent or call.answered_by or (placed_by if call.direction is Direction.OUTBOUND else None)
    return party.name if short and party and party.name else person(party)


def reasons(codes: Sequence[ReasonCode]) -> str:
    """Why someone may be calling, in one line."""
    return ", ".join(_REASONS[code] for code in codes)


def staff_kind(kind: StaffKind) -> str:
    """Employee or technician."""
    return _REASONS[ReasonCode(kind.value)].capitalize()


def match_line(match: Match) -> str:
    """What the match amounts to, where there is no certain customer."""
    if match.kind is MatchKind.SPAM:
        return "This number was marked as spam: its calls are not logged."
    if match.kind is MatchKind.AMBIGUOUS and match.candidate_count == 1:
        return "Ask who is calling: it is not certain that it is this customer."
    if match.kind is MatchKind.AMBIGUOUS:
        return "Ask who is calling: several customers have this number."
    if match.kind is MatchKind.WITHHELD:
        return "The caller withheld the number."
    if match.former:
        return "Nobody has this number any more."
    return "Nobody in ServiceTitan has this number."


def decision(kind: DecisionKind) -> str:
    """What was decided, in two or three words."""
    return _DECISIONS[kind]


def about_whom(entry: Entry, match: Match) -> str:
    """The name of the customer whom a decision is about; nothing where it is about the number itself."""
    if entry.owner.kind is OwnerKind.NUMBER:
        return ""
    customers = (*(candidate.customer for candidate in match.candidates), *match.former)
    ids = {one.customer_id for one in match.decisions if one.owner == entry.owner}
    named = (customer.name for customer in customers if customer.id in ids)
    return next(named, f"{entry.owner.kind.value} {entry.owner.id}")


def kept(entry: Entry, *, remembered: bool) -> str:
    """Where a decision is kept; nothing is said where no decision of this company is copied to ServiceTitan at all."""
    if not remembered:
        return ""
    return f"not in ServiceTitan: {entry.problem}" if entry.problem else _COPIES[entry.copy]


def logged(log: LogView | None) -> str:
    """How the call stands in the logbook, in two or three words."""
    return _LOGGED.get(log.state, log.state) if log else ""


def log_reason(log: LogView | None) -> str:
    """Why a person has to look at it, or why it is still open."""
    if log is None:
        return ""
    if log.review_reason:
        return _REVIEWS.get(log.review_reason, log.review_reason)
    return log.detail or ""


def action(name: str) -> str:
    """What kind of write it is."""
    return _ACTIONS.get(name, name)


def write_state(name: str) -> str:
    """How a write stands."""
    return _WRITES.get(name, name)


def clock(moment: datetime | None, zone: ZoneInfo) -> str:
    """The time of day in `zone`, as in 3:07 PM."""
    return f"{moment.astimezone(zone):%-I:%M %p}" if moment else ""


def clock_seconds(moment: datetime | None, zone: ZoneInfo) -> str:
    """The time of day to the tenth of a second, for the course of a call."""
    if moment is None:
        return ""
    local = moment.astimezone(zone)
    return f"{local:%-I:%M:%S}.{local.microsecond // 100_000} {local:%p}"


def day(moment: datetime | None, zone: ZoneInfo) -> str:
    """The day in `zone`: Today, Yesterday, Tomorrow, or as in Tue 24 Nov."""
    if moment is None:
        return ""
    today = datetime.now(UTC).astimezone(zone).date()
    local = moment.astimezone(zone)
    near = {timedelta(0): "Today", timedelta(1): "Tomorrow", timedelta(-1): "Yesterday"}
    if (name := near.get(local.date() - today)) is not None:
        return name
    return f"{local:%a %-d %b}" if local.year == today.year else f"{local:%-d %b %Y}"


def window(visit: Appointment, zone: ZoneInfo) -> str:
    """When the customer was told to expect us: the arrival window where there is one."""
    start, end = visit.window_start or visit.starts_at, visit.window_end or visit.ends_at
    return f"{day(start, zone)}, {clock(start, zone)} to {clock(end, zone)}"


def duration(seconds: float | None) -> str:
    """Minutes and seconds, as in 2:07."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def money(amount: Decimal) -> str:
    """An amount in the tenant's currency."""
    return f"−${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"


def since(call: Call) -> datetime | None:
    """From when the running clock of a live call counts."""
    return call.answered_at if call.state in {CallState.ANSWERED, CallState.HELD} else call.started_at


def initials(card: CallerCard | None, view: CallView) -> str:
    """Two letters for the round mark beside the name."""
    if view.call.direction is Direction.INTERNAL:
        return "↔"
    if card is not None and card.match.kind is MatchKind.SPAM:
        return "!"
    if card is None or card.match.kind in {MatchKind.UNKNOWN, MatchKind.WITHHELD, MatchKind.AMBIGUOUS}:
        return "?"
    parts = [part for part in who(view).replace("&", " ").split() if part[0].isalpha()]
    return "".join(part[0].upper() for part in (parts[:1] + parts[-1:] if len(parts) > 1 else parts[:1])) or "#"


def environment(name: str) -> str:
    """Which ServiceTitan it is."""
    return _ENVIRONMENTS.get(name, f"Sandbox, {name}")


def progress(feeds: Sequence[FeedProgress]) -> int:
    """How much of the first full copy is there, in percent."""
    if all(feed.complete for feed in feeds):
        return 100 if feeds else 0
    done = sum(feed.rows_seen for feed in feeds)
    expected = sum(max(feed.rows_seen, 0 if feed.complete else feed.expected_rows or 0) for feed in feeds)
    return min(99, 100 * done // max(1, expected))


_SPANS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def span(seconds: float) -> str:
    """A time span in its largest unit, as people say it: "3 minutes"."""
    for length, unit in _SPANS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{int(seconds)} seconds"


_DIFFERENCES = {
    "field": "a new field",
    "missing": "is missing",
    "null": "is null",
    "type": "has another type",
    "word": "has a new word",
    "key": "is missing, so the row was left out",
    "value": "has a value that cannot be stored",
}


def difference(one: DriftNote) -> str:
    """How a field differs from the contract, as a phrase."""
    return f"{_DIFFERENCES[one.kind]}{f': {one.detail}' if one.detail else ''}"


def resource_name(name: str) -> str:
    """A resource's name, as people write it."""
    return name.replace("_", " ")


@cache
def zones() -> tuple[str, ...]:
    """The time zones that a company may be in, by their IANA names."""
    return tuple(sorted(name for name in available_timezones() if name.startswith(_ZONES)))
