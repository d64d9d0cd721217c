"""What Aircall says about a call, in our words. Each event holds the whole call as it is at that moment."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar

import msgspec

from trunkline.domain import phone
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.loose import Fields

_WITH_NOTES = {"call.commented", "call.tagged", "call.ended", "call.archived", "call.assigned"}
MEDIA = ("recording", "voicemail")


class CallTold:
    """One call, as one message tells of it. Every field may be missing."""

    KINDS: ClassVar[Mapping[str, EventKind]] = {
        "call.created": EventKind.STARTED,
        "call.ivr_option_selected": EventKind.ROUTED,
        "call.ringing_on_agent": EventKind.RINGING,
        "call.agent_declined": EventKind.RING_ENDED,
        "call.answered": EventKind.ANSWERED,
        "call.hold": EventKind.HELD,
        "call.unhold": EventKind.RESUMED,
        "call.transferred": EventKind.TRANSFERRED,
        "call.external_transferred": EventKind.TRANSFERRED,
        "call.hungup": EventKind.ENDED,
        "call.ended": EventKind.ENDED,
        "call.voicemail_left": EventKind.VOICEMAIL,
        "call.comm_assets_generated": EventKind.RECORDING,
        "call.commented": EventKind.ANNOTATED,
        "call.tagged": EventKind.ANNOTATED,
    }
    REASONS: ClassVar[Mapping[str, EndReason]] = {
        "out_of_opening_hours": EndReason.NO_ANSWER,
        "short_abandoned": EndReason.CANCELLED,
        "abandoned_in_ivr": EndReason.CANCELLED,
        "abandoned_in_classic": EndReason.CANCELLED,
        "no_available_agent": EndReason.NO_ANSWER,
        "agents_did_not_answer": EndReason.NO_ANSWER,
    }
    DIRECTIONS: ClassVar[Mapping[str, Direction]] = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}

    def __init__(self, whose: tuple[str, str], api_base: str, event: str, data: Fields, at: datetime) -> None:
        """`whose` is system and account, `at` when the message says that it was made."""
        self._system, self._account = whose
        self._api_base = api_base
        self._event_name = event
        self._data = data
        self._at = at
        call_id = data.text("id")
        if call_id is None:
            raise Unreadable("The event names no call.")
        self.call_key = call_id
        self._direction = self.DIRECTIONS.get(data.text("direction") or "")
        self._is_outbound = self._direction is Direction.OUTBOUND
        self._user = _party(data.inner("user"))
        self._started = moment(data, "started_at")
        self._answered = moment(data, "answered_at")
        self._ended = moment(data, "ended_at")

    def told(self) -> list[CallEvent]:
        """The events in a delivery."""
        kind = self.KINDS.get(self._event_name, EventKind.UNKNOWN)
        told = self._main(kind)
        if self._event_name == "call.ended":
            told.append(self._record())
        if kind in {EventKind.ENDED, EventKind.VOICEMAIL, EventKind.RECORDING}:
            told += self._media(self._at)
        if self._event_name in _WITH_NOTES:
            told += self._notes()
        return told or [self._event(kind, self._at)]

    def remembered(self) -> list[CallEvent]:
        """The events in a record of the history: a call is listed there while it lasts, too."""
        if self._ended is None:
            return [self._event(EventKind.UNKNOWN, self._started or self._at)]
        return [*self._menu(), self._record(), *self._media(self._ended), *self._notes()]

    def _main(self, kind: EventKind) -> list[CallEvent]:
        """What happened; nothing where it only concerns what else stands in the call."""
        tellers: Mapping[EventKind, Callable[[], list[CallEvent]]] = {
            EventKind.STARTED: lambda: [self._starts()],
            EventKind.ROUTED: lambda: [self._event(kind, self._at, party=Party(PartyKind.MENU))],
            EventKind.RINGING: lambda: [self._rings()],
            EventKind.RING_ENDED: lambda: [self._rings(EndReason.REJECTED)],
            EventKind.ANSWERED: lambda: [self._answers()],
            EventKind.HELD: lambda: [self._event(kind, self._at, party=self._user)],
            EventKind.RESUMED: lambda: [self._event(kind, self._at, party=self._user)],
            EventKind.TRANSFERRED: self._hands_on,
            EventKind.ENDED: self._ends,
        }
        return tellers[kind]() if kind in tellers else []

    def _hands_on(self) -> list[CallEvent]:
        """Who handed the call on leaves it."""
        told = [self._event(EventKind.TRANSFERRED, self._at, party=self._receiver())]
        giver = _party(self._data.inner("transferred_by"))
        leg = self._leg_of(giver)
        if leg:
            told.append(self._event(EventKind.LEFT, self._at, leg=leg, party=giver, reason=EndReason.NORMAL))
        return told

    def _rings(self, reason: EndReason | None = None) -> CallEvent:
        kind = EventKind.RING_ENDED if reason else EventKind.RINGING
        return self._event(kind, self._at, leg=self._phone, party=self._user, reason=reason)

    def _ends(self) -> list[CallEvent]:
        party = self._user if self._is_outbound else None
        ended = self._event(EventKind.ENDED, self._ended or self._at, party=party, reason=self._reason())
        return [*self._menu(), ended]

    def _starts(self) -> CallEvent:
        """The caller's line lasts until the call ends: a phone that declines, though the only one, ends nothing."""
        at = self._started or self._at
        if self._is_outbound:
            return self._event(EventKind.STARTED, at, leg=self._phone, party=self._user)
        return self._event(EventKind.STARTED, at, leg=self._line, party=Party(PartyKind.EXTERNAL))

    def _answers(self) -> CallEvent:
        """`answered_at` stays that of the first answer, also when the receiver of a transfer answers."""
        is_handed_on = any(self._data.inner(key) for key in ("transferred_by", "transferred_to"))
        at = self._at if is_handed_on else self._answered or self._at
        if self._is_outbound and not is_handed_on:
            return self._event(EventKind.ANSWERED, at, leg=self._line, party=Party(PartyKind.EXTERNAL))
        return self._event(EventKind.ANSWERED, at, leg=self._phone, party=self._user)

    def _menu(self) -> list[CallEvent]:
        """Who gave up in a menu had been answered by it."""
        if self._data.text("missed_call_reason") != "abandoned_in_ivr":
            return []
        return [self._event(EventKind.ROUTED, self._started or self._at, party=Party(PartyKind.MENU))]

    def _record(self) -> CallEvent:
        """`duration` includes the ringing, so talk is worked out from the times."""
        began, ended = self._started or self._at, self._ended
        talk_s = _seconds(self._answered, ended)
        first = _party(self._data.inner("transferred_by")) or self._user
        return msgspec.structs.replace(
            self._event(EventKind.RECORD, began, party=first if self._answered or self._is_outbound else None),
            ring_s=_seconds(began, self._answered),
            talk_s=talk_s,
            total_s=_seconds(began, ended),
            reason=self._reason(),
        )

    def _media(self, at: datetime) -> list[CallEvent]:
        """Links live for ten minutes: where to ask for a new one is what lasts."""
        kinds = {"recording": EventKind.RECORDING, "voicemail": EventKind.VOICEMAIL}
        return [
            self._event(kinds[name], at, media_url=f"{self._api_base}/calls/{self.call_key}#{name}")
            for name in MEDIA
            if self._data.text(name, f"{name}_short_url")
        ]

    def _notes(self) -> list[CallEvent]:
        """Comments and tags have ids of their own, unique within a call."""
        told = []
        for name, text_key, time_key in (("comment", "content", "posted_at"), ("tag", "name", "created_at")):
            for note in self._data.each(f"{name}s"):
                text = note.text(text_key)
                if text is None:
                    continue
                event = self._event(EventKind.ANNOTATED, moment(note, time_key) or self._at, text=text)
                number = note.text("id")
                told.append(msgspec.structs.replace(event, event_id=f"{name}:{number}") if number else event)
        return told

    def _reason(self) -> EndReason:
        missed = self._data.text("missed_call_reason")
        return self.REASONS.get(missed, EndReason.UNKNOWN) if missed else EndReason.NORMAL

    def _receiver(self) -> Party | None:
        outside = self._data.text("external_transferred_to")
        if outside:
            return Party(PartyKind.EXTERNAL, name=outside)
        return _party(self._data.inner("transferred_to"))

    @property
    def _phone(self) -> str | None:
        return self._leg_of(self._user)

    def _leg_of(self, user: Party | None) -> str | None:
        return f"{self.call_key}.{user.provider_id}" if user and user.provider_id else None

    @property
    def _line(self) -> str:
        return f"{self.call_key}.line"

    def _event(
        self,
        kind: EventKind,
        at: datetime,
        *,
        leg: str | None = None,
        party: Party | None = None,
        reason: EndReason | None = None,
        media_url: str | None = None,
        text: str | None = None,
    ) -> CallEvent:
        digits = self._data.inner("number").text("digits")  # written with blanks, as people do
        return CallEvent(
            system=self._system,
            account=self._account,
            call_key=self.call_key,
            kind=kind,
            occurred_at=at,
            leg_key=leg,
            direction=self._direction,
            external_number=self._data.text_or_empty("raw_digits"),
            external_name=_name(self._data.inner("contact")),
            did=phone.parse(digits) or digits,
            party=party,
            reason=reason,
            vendor_kind=self._event_name or None,
            media_url=media_url,
            text=text,
        )


def moment(given: Fields, name: str) -> datetime | None:
    """UTC from seconds since 1970, or from the RFC 3339 text that some notes carry."""
    return given.epoch(name) or given.time(name, zone=None)


def _party(user: Fields) -> Party | None:
    if not user:
        return None
    return Party(
        PartyKind.AGENT,
        extension=user.text("extension"),
        name=user.text("name"),
        provider_id=user.text("id"),
        email=user.text("email"),
    )


def _name(contact: Fields) -> str | None:
    parts = (contact.text("first_name"), contact.text("last_name"))
    return " ".join(part for part in parts if part) or contact.text("company_name")


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())
