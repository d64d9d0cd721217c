"""What Quo says of a call, in ours: both generations of webhooks and both of its REST API.

The current generation puts the call under `resource` and what surrounds it under `context`; the older one puts all
under `object`. The vendor documents the envelopes, and of the fields only some; each is looked for in several places.

A number of a team rings all its members at once, and nobody says whose phones: a call has no legs, only who took it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.loose import LONGEST_ID, Fields

DIRECTIONS: Mapping[str, Direction] = {"incoming": Direction.INBOUND, "outgoing": Direction.OUTBOUND}

# The last status of a call that nobody answered; older and newer names. A forwarded call went to another number, and
# whether somebody talked there is not told.
REASONS: Mapping[str, EndReason] = {
    "missed": EndReason.NO_ANSWER,
    "no-answer": EndReason.NO_ANSWER,
    "unanswered": EndReason.NO_ANSWER,
    "abandoned": EndReason.CANCELLED,
    "canceled": EndReason.CANCELLED,
    "busy": EndReason.BUSY,
    "failed": EndReason.FAILED,
    "forwarded": EndReason.UNKNOWN,
    "unknown": EndReason.UNKNOWN,
}
_ANSWERED = frozenset({"answered", "completed", "in-progress"})
_UNFINISHED = frozenset({"queued", "initiated", "ringing", "in-progress"})
_AI = "SY"  # ids of the vendor's own voice agent begin so; those of people with US

_RINGING, _ANSWER, _END = "call.ringing", "call.answered", "call.completed"
_MISSED, _FORWARDED, _MENU = "call.missed", "call.forwarded", "call.menu.selected"
_RECORDING, _VOICEMAIL = "call.recording.completed", "call.voicemail.completed"
_SUMMARY, _TRANSCRIPT = "call.summary.completed", "call.transcript.completed"
EVENTS = (
    _RINGING, _ANSWER, _END, _MISSED, _FORWARDED, _MENU, _RECORDING, _VOICEMAIL, _SUMMARY, _TRANSCRIPT,
)  # fmt: skip


@dataclass(frozen=True)
class Story:
    """One call as one message tells it; `told` is an event with what all its events share."""

    told: CallEvent
    thing: Fields
    context: Fields

    @classmethod
    def of(cls, told: CallEvent, body: Fields) -> "Story":
        """The call that `body` is about.

        Raises:
            Unreadable: it names none.
        """
        data = body.inner("data") or body
        thing, context = data.inner("resource", "object"), data.inner("context") or body.inner("context")
        key = thing.id("callId", "id")
        if key is None:  # some older messages name their call by its conversation and begin only
            conversation, begin = thing.id("conversationId") or context.id("conversationId"), thing.text("createdAt")
            key = f"{conversation}@{begin}" if conversation and begin else None
        if key is None or len(key) > LONGEST_ID:
            raise Unreadable("Quo's message does not say which call it is about.")
        return cls(_with_parties(msgspec.structs.replace(told, call_key=key), thing, context), thing, context)

    def event(self, kind: EventKind, at: datetime | None = None, **more: object) -> CallEvent:
        """An event of this call, at `at` or at the message's own time."""
        return msgspec.structs.replace(self.told, kind=kind, occurred_at=at or self.told.occurred_at, **more)

    @property
    def is_outbound(self) -> bool:
        return self.told.direction is Direction.OUTBOUND

    @property
    def status(self) -> str:
        return (self.thing.text("status") or "").lower()

    @property
    def is_with_ai(self) -> bool:
        """The vendor's voice agent took the call: no person did."""
        by = self.thing.text("answeredByUserId", "answeredBy") or ""
        return self.status == "ai-handled" or self.thing.text("aiHandled") is not None or by.startswith(_AI)

    def answerer(self) -> Party | None:
        """Who of ours took an inbound call; `None` where that is not told."""
        found = self.thing.id("answeredByUserId", "answeredBy") or (
            self.thing.id("userId", "actorId") if self.status in _ANSWERED else None
        )
        return Party(PartyKind.AGENT, provider_id=found) if found else None

    def dialler(self) -> Party | None:
        """Who of ours made an outbound call."""
        found = self.thing.id("initiatedBy", "userId", "actorId") or self.context.id("userId")
        return Party(PartyKind.AGENT, provider_id=found) if found else None

    def begin(self) -> CallEvent:
        """The call began; inbound, all phones of the number ring."""
        at = self.thing.time("createdAt")
        return self.event(EventKind.RINGING, at, party=self.dialler() if self.is_outbound else None)

    def answer(self, at: datetime) -> CallEvent:
        """Somebody answered at `at`: a person of ours, the outside, or the vendor's voice agent, which is no answer."""
        if self.is_with_ai:
            return self.event(EventKind.ROUTED, at, party=Party(PartyKind.MENU, name="Sona"))
        return self.event(
            EventKind.ANSWERED, at, party=Party(PartyKind.EXTERNAL) if self.is_outbound else self.answerer()
        )

    def times(self) -> tuple[datetime | None, datetime | None]:
        """When it was answered and when it ended. A duration tells of an answer where the status does."""
        answered_at, ended_at = self.thing.time("answeredAt"), self.thing.time("completedAt")
        lasted_s = self.thing.seconds("duration")
        if answered_at is None and ended_at and lasted_s and self.status == "answered":
            answered_at = ended_at - timedelta(seconds=lasted_s)
        return answered_at, ended_at


def _with_parties(told: CallEvent, thing: Fields, context: Fields) -> CallEvent:
    direction = DIRECTIONS.get((thing.text("direction") or "").lower())
    outside, ours = _numbers(thing, context, direction)
    return msgspec.structs.replace(
        told,
        direction=direction,
        external_number=outside,
        did=ours if direction is Direction.INBOUND else None,
    )


def _numbers(thing: Fields, context: Fields, direction: Direction | None) -> tuple[str | None, str | None]:
    """The outside number and ours: as the vendor sorts them, by from and to, or by which participant is a user."""
    sorted_out = context.inner("participants")
    outside, ours = sorted_out.texts("external"), sorted_out.texts("workspace")
    if direction is not None:
        theirs, own = ("from", "to") if direction is Direction.INBOUND else ("to", "from")
        outside, ours = outside or thing.texts(theirs), ours or thing.texts(own)
    listed = thing.each("participants")
    outside = outside or [n for side in listed if not side.text("actorId") and (n := side.text("phoneNumber"))]
    ours = ours or [n for side in listed if side.text("actorId") and (n := side.text("phoneNumber"))]
    plain = [number for number in thing.texts("participants") if number not in ours]
    outside = outside or (plain if len(plain) == 1 else [])
    return next(iter(outside), None), next(iter(ours), None)


def live(story: Story, kind: str) -> list[CallEvent]:
    """The events of one webhook of the type `kind`."""
    at = story.told.occurred_at
    if kind == _RINGING:
        return [story.begin()]
    if kind == _ANSWER:
        return [story.begin(), story.answer(story.thing.time("answeredAt") or at)]
    if kind == _END:
        return _ended(story)
    if kind == _MISSED:
        ended_at = story.thing.time("completedAt")
        return [story.begin(), story.event(EventKind.ENDED, ended_at, reason=EndReason.NO_ANSWER)]
    if kind == _FORWARDED:
        return [story.begin(), story.event(EventKind.TRANSFERRED, party=_forwarded_to(story))]
    return _afterwards(story, kind)


def _afterwards(story: Story, kind: str) -> list[CallEvent]:
    if kind == _MENU:
        return [story.event(EventKind.UNKNOWN, queue=story.thing.text("phoneMenuSelectionName"))]
    if kind == _RECORDING:
        return _recordings(story)
    if kind == _VOICEMAIL:
        return _voicemail(story, story.thing)
    text = {_SUMMARY: _summary, _TRANSCRIPT: _dialogue}[kind](story.thing) if kind in (_SUMMARY, _TRANSCRIPT) else None
    return [story.event(EventKind.CONTENT, text=text)] if text else []


def _ended(story: Story) -> list[CallEvent]:
    answered_at, ended_at = story.times()
    is_answered = answered_at is not None and not story.is_with_ai
    told = [story.begin()]
    if answered_at is not None or story.is_with_ai:
        told.append(story.answer(answered_at or story.thing.time("createdAt") or story.told.occurred_at))
    told.append(story.event(EventKind.ENDED, ended_at, reason=_reason(story, is_answered=is_answered)))
    return told + _voicemails(story, is_answered=is_answered) + _recordings(story)


def record(story: Story) -> list[CallEvent]:
    """A call of the history.

    Raises:
        Unreadable: it does not say when it began.
    """
    began_at = story.thing.time("createdAt")
    if began_at is None:
        raise Unreadable("A call of Quo's history does not say when it began.")
    answered_at, ended_at = story.times()
    is_answered = answered_at is not None and not story.is_with_ai
    lasted_s = _between(began_at, ended_at)
    whole = story.event(
        EventKind.RECORD,
        began_at,
        party=story.dialler() if story.is_outbound else (story.answerer() if is_answered else None),
        reason=_reason(story, is_answered=is_answered),
        ring_s=_between(began_at, answered_at) if is_answered else None,
        talk_s=_between(answered_at, ended_at) if is_answered else None,
        total_s=lasted_s if lasted_s is not None else story.thing.seconds("duration") or 0.0,
    )
    told = [whole]
    if story.is_with_ai:
        told.append(story.answer(answered_at or began_at))
    told += _voicemails(story, is_answered=is_answered, at=ended_at or began_at) + _recordings(story)
    if text := _summary(story.thing.inner("summary")):
        told.append(story.event(EventKind.CONTENT, began_at, text=text))
    return told


def is_over(call: Fields) -> bool:
    """Whether a call of the history has ended: one that goes on tells too little."""
    return call.time("completedAt") is not None or (call.text("status") or "").lower() not in _UNFINISHED


def _reason(story: Story, *, is_answered: bool) -> EndReason:
    if is_answered:
        return EndReason.NORMAL
    return REASONS.get(story.status, EndReason.UNKNOWN if story.is_with_ai else EndReason.NO_ANSWER)


def _forwarded_to(story: Story) -> Party | None:
    found = story.thing.text("forwardedTo") or next(iter(story.thing.texts("forwardedTo")), None)
    if found is None:
        return None
    return (
        Party(PartyKind.AGENT, provider_id=found) if found.startswith("US") else Party(PartyKind.EXTERNAL, name=found)
    )


def _recordings(story: Story) -> list[CallEvent]:
    return [
        story.event(
            EventKind.RECORDING,
            story.thing.time("completedAt"),
            event_id=f"recording:{own}" if (own := item.id("id")) else "",
            media_url=url,
        )
        for item in story.thing.each("recordings", "media")
        if (url := item.text("url"))
    ]


def _voicemails(story: Story, *, is_answered: bool, at: datetime | None = None) -> list[CallEvent]:
    found = story.thing.inner("voicemail")
    if found:
        return _voicemail(story, found, at=at)
    left = bool(story.thing.flag("hasVoicemail")) and not is_answered
    return [story.event(EventKind.VOICEMAIL, at or story.thing.time("completedAt"))] if left else []


def _voicemail(story: Story, found: Fields, *, at: datetime | None = None) -> list[CallEvent]:
    own = found.id("voicemailId", "id")
    at = at or story.thing.time("completedAt")
    told = [
        story.event(
            EventKind.VOICEMAIL,
            at,
            event_id=f"voicemail:{own}" if own and own != story.told.call_key else "",
            media_url=found.text("recordingUrl", "url"),
        )
    ]
    text = found.text("transcript")
    return [*told, story.event(EventKind.CONTENT, at, text=text)] if text else told


def _summary(thing: Fields) -> str | None:
    lines = thing.texts("summary")
    steps = thing.texts("nextSteps")
    return "\n".join([*lines, *(["Next steps:"] if steps else []), *(f"- {step}" for step in steps)]) or None


def _dialogue(thing: Fields) -> str | None:
    """What was said, a line for each turn, with the user's id or the outside number before it."""
    turns = [(turn.text("identifier", "userId", "actorId"), turn.text("content")) for turn in thing.each("dialogue")]
    return "\n".join(f"{who}: {said}" if who else said for who, said in turns if said) or None


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    if begin is None or end is None:
        return None
    seconds = (end - begin).total_seconds()
    return seconds if seconds >= 0 else None
