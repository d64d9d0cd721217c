"""What is to be written where, once a call has ended: the table of cases and the words of the note."""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from trunkline.domain import phone
from trunkline.domain.call import Call, Outcome
from trunkline.domain.caller import CallerCard, Match, MatchKind
from trunkline.domain.events import Direction, Party


class LogKind(StrEnum):
    """Where an action writes. `REVIEW` stays with us: a person decides."""

    CUSTOMER_NOTE = "customer_note"
    JOB_NOTE = "job_note"
    BOOKING = "booking"
    REVIEW = "review"


class ReviewReason(StrEnum):
    """Why a call could not be logged by itself."""

    AMBIGUOUS = "ambiguous"
    UNKNOWN_CALLER = "unknown_caller"
    WITHHELD = "withheld"
    REFUSED = "refused"  # ServiceTitan will never accept the write; a person must mend the cause


class LogAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to write. `target_id` is ServiceTitan's id of customer, job or booking provider; a review has none."""

    kind: LogKind
    target_id: int | None = None
    text: str = ""
    review: ReviewReason | None = None


class NewCaller(msgspec.Struct, frozen=True):
    """Whom a booking is about: `number` is E.164, `ref` the call's reference."""

    name: str
    number: str
    ref: str


LONGEST_NOTE = 4000  # ServiceTitan publishes no limit; integrators stay below this

_REVIEWED = {
    MatchKind.AMBIGUOUS: ReviewReason.AMBIGUOUS,
    MatchKind.UNKNOWN: ReviewReason.UNKNOWN_CALLER,
    MatchKind.WITHHELD: ReviewReason.WITHHELD,
}
_OUTCOME_WORDS = {
    Outcome.ANSWERED: "answered",
    Outcome.MISSED: "missed",
    Outcome.ABANDONED: "caller hung up while waiting",
    Outcome.VOICEMAIL: "went to voicemail",
    Outcome.BUSY: "busy",
    Outcome.REJECTED: "rejected",
    Outcome.FAILED: "failed",
    Outcome.UNKNOWN: "ended, outcome not known",
}


_BOOKING = re.compile(r"(.+), (\+\d+)\n(?s:.*)\[call:([^]]+)\]")


def marker(ref: str) -> str:
    """The text by which a note of ours is found again."""
    return f"[call:{ref}]"


def plan(
    call: Call, card: CallerCard | None, *, ref: str, timezone: str, booking_provider: int | None = None
) -> list[LogAction]:
    """What to write for an ended call; `booking_provider` is ServiceTitan's id of the one that books new callers.

    ===================  ======================================================
    caller               actions
    ===================  ======================================================
    internal, colleague  none
    marked as spam       none
    one certain          note on the customer, and on today's job if there is one
    unknown, but named   a booking, where there is a booking provider
    anything else        an entry for review
    ===================  ======================================================
    """
    match = card.match if card else Match(MatchKind.WITHHELD if call.external_number is None else MatchKind.UNKNOWN)
    if call.direction is Direction.INTERNAL or match.kind in {MatchKind.STAFF, MatchKind.SPAM}:
        return []
    customer = match.customer
    if match.kind is MatchKind.UNKNOWN and booking_provider is not None and call.contact_name and call.external_number:
        return [LogAction(LogKind.BOOKING, booking_provider, booking_text(call, ref=ref, timezone=timezone))]
    if customer is None:
        return [LogAction(LogKind.REVIEW, review=_REVIEWED[match.kind])]
    text = note_text(call, ref=ref, timezone=timezone)
    actions = [LogAction(LogKind.CUSTOMER_NOTE, target_id=customer.id, text=text)]
    if customer.today_job_id is not None:
        actions.append(LogAction(LogKind.JOB_NOTE, target_id=customer.today_job_id, text=text))
    return actions


def note_text(call: Call, *, ref: str, timezone: str) -> str:
    """The note as people read it: plain text, times in `timezone` (IANA name), the reference at its end."""
    return _signed([_headline(call), *_details(call, ZoneInfo(timezone))], ref)


def booking_text(call: Call, *, ref: str, timezone: str) -> str:
    """As :func:`note_text`, below the name and number of the caller: all that :func:`new_caller` needs."""
    who = f"{call.contact_name}, {call.external_number}"
    return _signed([who, _headline(call), *_details(call, ZoneInfo(timezone))], ref)


def new_caller(text: str) -> NewCaller:
    """Whom a booking is about, read from its text, which alone is kept until it is made.

    Raises:
        ValueError: :func:`booking_text` did not write it.
    """
    read = _BOOKING.fullmatch(text)
    if read is None:
        raise ValueError("This is no text of a booking.")
    return NewCaller(*read.groups())


def _signed(lines: Sequence[str], ref: str) -> str:
    reference = marker(ref)
    body = "\n".join(lines)[: LONGEST_NOTE - len(reference) - 1]
    return f"{body}\n{reference}"


def _headline(call: Call) -> str:
    direction = "Outgoing call" if call.direction is Direction.OUTBOUND else "Incoming call"
    if call.outcome is Outcome.ANSWERED and call.answered_by is not None:
        verb = "made by" if call.direction is Direction.OUTBOUND else "answered by"
        return f"{direction} {verb} {_person(call.answered_by)}"
    return f"{direction}, {_OUTCOME_WORDS[call.outcome or Outcome.UNKNOWN]}"


def _details(call: Call, zone: ZoneInfo) -> Iterator[str]:
    if call.started_at is not None:
        yield f"When: {call.started_at.astimezone(zone):%a %d %b %Y, %H:%M %Z}"
    if call.external_number is not None:
        word = "To" if call.direction is Direction.OUTBOUND else "From"
        yield f"{word}: {phone.display(call.external_number)}"
    if call.did:
        yield f"Dialled: {phone.display(phone.parse(call.did) or call.did)}"
    if call.queues:
        yield f"Queue: {', '.join(call.queues)}"
    for transfer in call.transfers:
        if transfer.party is not None:
            yield f"Transferred to {_person(transfer.party)}"
    if call.talk_s is not None:
        yield f"Waited {_duration(call.wait_s or 0.0)}, talked {_duration(call.talk_s)}"
    elif call.answered_at is not None:
        yield f"Waited {_duration(call.wait_s or 0.0)}; when the call ended was not heard"
    elif call.wait_s is not None:
        yield f"Waited {_duration(call.wait_s)}"
    yield from (f"Note: {note}" for note in call.notes)


def _person(party: Party) -> str:
    if party.name and party.extension:
        return f"{party.name} (extension {party.extension})"
    return party.name or (f"extension {party.extension}" if party.extension else "a colleague")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
