"""A call: the fold of its events, disposable and rebuildable at any time."""

from datetime import datetime
from enum import StrEnum

import msgspec

from trunkline.domain.events import Direction, EndReason, Party


class CallState(StrEnum):
    """Where a call stands now. Ranks only grow, except held <-> answered and answered -> ringing in a transfer."""

    NEW = "new"
    ROUTED = "routed"
    RINGING = "ringing"
    ANSWERED = "answered"
    HELD = "held"
    ENDED = "ended"


class Outcome(StrEnum):
    """How an ended call went; a call in progress has none."""

    ANSWERED = "answered"
    MISSED = "missed"
    ABANDONED = "abandoned"  # gave up in a menu or queue before any phone rang
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    REJECTED = "rejected"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Leg(msgspec.Struct, frozen=True, omit_defaults=True):
    """One phone that rang or talked in the call."""

    leg_key: str
    party: Party | None = None
    rang_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    reason: EndReason | None = None


class Transfer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The call was handed on at `at`; `party` is the receiver where known."""

    at: datetime
    party: Party | None = None


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """One conversation with the outside (or between colleagues), however many phones took part.

    `call_key` is the oldest of its keys, `aliases` the others, sorted. `external_number` is E.164 where it could be
    read as a number, `None` where it was withheld. Times are UTC, from the phone system's clock; durations are
    seconds. `wait_s` runs from the start to the first human answer (or the end), `talk_s` from first answer to end;
    one that would run to an end which nobody heard is `None`. `contents` are transcripts and summaries. `contact_name`
    is what somebody at the desk called the caller, one line of at most 200 signs.
    """

    system: str
    account: str
    call_key: str
    aliases: tuple[str, ...] = ()
    direction: Direction | None = None
    state: CallState = CallState.NEW
    outcome: Outcome | None = None
    external_number: str | None = None
    external_name: str | None = None
    contact_name: str | None = None
    did: str | None = None
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    answered_by: Party | None = None
    last_agent: Party | None = None
    queues: tuple[str, ...] = ()
    legs: tuple[Leg, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    wait_s: float | None = None
    talk_s: float | None = None
    recordings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    events: int = 0
