"""What CallRail's deliveries and the rows of its history say, as events.

A body does not say what happened - one of a call that only begins reads like one of a call that was missed - so the
last part of the address says it. Booleans come as texts, too, and what is unknown as an empty text.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, auto

import msgspec

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import HISTORY_KIND, RawMessage, Unreadable
from trunkline.phone_systems.loose import Fields


class Stage(Enum):
    """How far a call is."""

    RINGING = auto()
    OVER = auto()
    ELSEWHERE = auto()  # no call at all


# The last part of the address, with hyphens, in lower case.
STAGES: Mapping[str, Stage] = {
    "pre-call": Stage.RINGING,
    "routing-complete": Stage.RINGING,
    "call-routing-complete": Stage.RINGING,
    "post-call": Stage.OVER,
    "call-modified": Stage.OVER,
    "outbound-post-call": Stage.OVER,
    "outbound-call-modified": Stage.OVER,
    HISTORY_KIND: Stage.OVER,
    "text-message-received": Stage.ELSEWHERE,
    "text-message-sent": Stage.ELSEWHERE,
    "form-submission": Stage.ELSEWHERE,
    "form-captured": Stage.ELSEWHERE,
}
DIRECTIONS: Mapping[str, Direction] = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}


class Teller:
    """Translates for one account. Pure: it remembers nothing and knows no clock."""

    def __init__(self, system: str, account: str) -> None:
        self._system = system
        self._account = account

    def events(self, message: RawMessage) -> list[CallEvent]:
        """The events of one delivery, or of one row of the history.

        Raises:
            Unreadable: it is no JSON object, or names no call.
        """
        given = Fields.read(message.body, "The delivery")
        kind = message.kind.lower().replace("_", "-")
        stage = STAGES.get(kind) or _stage_by_content(given)
        if stage is Stage.ELSEWHERE:
            return []
        key = given.id("resource_id", "id")
        if key is None:
            raise Unreadable("The delivery names no call.")
        began = given.time("start_time", "timestamp", "created_at", "datetime") or message.received_at
        base = CallEvent(
            system=self._system,
            account=self._account,
            call_key=key,
            kind=EventKind.RINGING,
            occurred_at=began,
            direction=DIRECTIONS.get((given.text("direction") or kind.partition("-")[0]).lower()),
            external_number=given.text("customer_phone_number", "callernum"),
            external_name=given.text("customer_name", "callername"),
            did=given.text("tracking_phone_number", "trackingnum"),
            vendor_kind=(given.text("call_type") or kind)[:100],
        )
        return [base] if stage is Stage.RINGING else _whole(base, given)


def _whole(base: CallEvent, given: Fields) -> list[CallEvent]:
    """A call that is over, and what was recorded, said and written down."""
    lasted_s = given.seconds("duration") or 0.0
    ended = base.occurred_at + timedelta(seconds=lasted_s)
    told = [_record(base, given, lasted_s)]
    if (url := given.text("recording")) is not None:
        kind = EventKind.VOICEMAIL if _is_voicemail(given) else EventKind.RECORDING
        told.append(_later(base, kind, ended, media_url=url))
    elif _is_voicemail(given):
        told.append(_later(base, EventKind.VOICEMAIL, ended))
    said = (given.text("transcription"), given.text("call_summary"))
    told += [_later(base, EventKind.CONTENT, ended, text=text) for text in said if text]
    notes = [given.text("note"), *(f"Tag: {tag}" for tag in _tags(given))]
    return told + [_later(base, EventKind.ANNOTATED, ended, text=note) for note in notes if note]


def _record(base: CallEvent, given: Fields, lasted_s: float) -> CallEvent:
    answered = given.flag("answered")
    if answered is None and not _is_voicemail(given):
        ended = base.occurred_at + timedelta(seconds=lasted_s)
        return msgspec.structs.replace(base, kind=EventKind.ENDED, occurred_at=ended, reason=EndReason.UNHEARD)
    email = given.text("agent_email")
    return msgspec.structs.replace(
        base,
        kind=EventKind.RECORD,
        party=Party(PartyKind.AGENT, email=email) if email else None,
        # One length is told; how much of it was ringing is not.
        talk_s=lasted_s if answered and not _is_voicemail(given) else None,
        total_s=lasted_s,
    )


def _later(
    base: CallEvent, kind: EventKind, at: datetime, *, media_url: str | None = None, text: str | None = None
) -> CallEvent:
    return msgspec.structs.replace(base, kind=kind, occurred_at=at, media_url=media_url, text=text)


def _stage_by_content(given: Fields) -> Stage:
    """For an address without a part that says it: only what cannot be said of a call that begins ends one."""
    if not (given.text("resource_id", "id") or "CAL").startswith("CAL"):
        return Stage.ELSEWHERE
    is_over = given.flag("answered") or _is_voicemail(given) or (given.seconds("duration") or 0.0) > 0
    return Stage.OVER if is_over else Stage.RINGING


def _is_voicemail(given: Fields) -> bool:
    return given.flag("voicemail") is True or given.text("call_type") == "voicemail"


def _tags(given: Fields) -> list[str]:
    """Texts; the history may have objects with a name."""
    return given.texts("tags") + [name for tag in given.each("tags") if (name := tag.text("name"))]
