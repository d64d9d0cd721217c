"""What phone systems say, in one vocabulary.

Every adapter translates its vendor's messages into :class:`CallEvent`; nothing above the adapters knows a vendor.
The vocabulary is closed: what an adapter does not recognise becomes :attr:`EventKind.UNKNOWN`, never an error.
"""

from datetime import datetime
from enum import StrEnum

import msgspec


class EventKind(StrEnum):
    """What happened. `UNKNOWN` stands for anything an adapter cannot name."""

    STARTED = "started"  # the call exists, nobody rings yet
    ROUTED = "routed"  # a menu, queue, ring group or voicemail greeting took it: not an answer
    RINGING = "ringing"  # a person's phone rings
    RING_ENDED = "ring_ended"  # that phone stopped ringing
    ANSWERED = "answered"  # a person talks
    HELD = "held"
    RESUMED = "resumed"
    TRANSFERRED = "transferred"
    LINKED = "linked"  # two call keys turned out to be one call
    LEFT = "left"  # one party left
    ENDED = "ended"  # the call is over
    VOICEMAIL = "voicemail"  # a message was left, or the voicemail box took the call
    RECORDING = "recording"
    CONTENT = "content"  # transcript or summary
    ANNOTATED = "annotated"  # note, tag or disposition set on the phone system's side
    NAMED = "named"  # somebody at the desk said who the caller is; the text is the name
    RECORD = "record"  # the complete record from history: tells what nobody heard
    UNKNOWN = "unknown"


class Direction(StrEnum):
    """Seen from the shop; decided by where the outside party is."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class PartyKind(StrEnum):
    """What kind of thing a party is; only an `AGENT` can answer a call."""

    AGENT = "agent"  # a person's phone, inside or an outside mobile of a colleague
    QUEUE = "queue"  # queue or ring group
    MENU = "menu"
    VOICEMAIL = "voicemail"
    EXTERNAL = "external"  # the customer's side
    UNKNOWN = "unknown"


class EndReason(StrEnum):
    """Why a phone stopped ringing, a party left or a call ended."""

    NORMAL = "normal"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REJECTED = "rejected"
    ELSEWHERE = "elsewhere"  # another phone of the group took it
    CANCELLED = "cancelled"  # the caller gave up
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNHEARD = "unheard"  # of a call: it ended while nobody listened, at some time before


class Party(msgspec.Struct, frozen=True, omit_defaults=True):
    """One end of a leg. `extension` is what colleagues dial; `provider_id` is the phone system's own key."""

    kind: PartyKind = PartyKind.UNKNOWN
    extension: str | None = None
    name: str | None = None
    provider_id: str | None = None
    email: str | None = None


class CallEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened to one call.

    `call_key` and `leg_key` are the phone system's own identifiers, unique within `account` (one configured phone
    system). `aliases` are further call keys known to mean the same call. `occurred_at` is the phone system's clock
    in UTC, or the time of receipt where it gives none. `sequence` orders events of one source with equal times.
    `external_number` is as sent; the fold normalises nothing, so `number` rules live in one place
    (:mod:`trunkline.domain.phone`). Seconds are given only where the phone system states them. A `RECORD`
    occurs when its call began; its `party` is who answered or dialled, `ring_s` the wait for an answer, `talk_s` the
    talk (none: nobody answered), `total_s` start to end.
    """

    system: str
    account: str
    call_key: str
    kind: EventKind
    occurred_at: datetime
    event_id: str = ""
    sequence: int = 0
    leg_key: str | None = None
    aliases: tuple[str, ...] = ()
    direction: Direction | None = None
    external_number: str | None = None
    external_name: str | None = None
    did: str | None = None
    party: Party | None = None
    queue: str | None = None
    reason: EndReason | None = None
    vendor_kind: str | None = None
    ring_s: float | None = None
    talk_s: float | None = None
    hold_s: float | None = None
    total_s: float | None = None
    media_url: str | None = None
    text: str | None = None


class LiveCalls(msgspec.Struct, frozen=True):
    """A phone system's own list of calls in progress, taken at `as_of` (UTC).

    After a reconnect or a restart it tells which tracked calls ended while nobody listened: every open call of the
    account that began before `as_of` and has no key in `call_keys` is over, and nobody heard it end. A list that knows
    of some of the account's calls only says which: those that have a key beginning with `among`.
    """

    system: str
    account: str
    as_of: datetime
    call_keys: frozenset[str] = frozenset()
    among: str = ""
