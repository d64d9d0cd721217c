"""What Dialpad says about one leg of a call, in our words.

Every phone that rings and every transfer is a leg with an id of its own; each names the leg at which the call came in.
Ids are beyond what a double holds, and are numbers in events but text in the history: they are kept as text.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import ClassVar

import msgspec

from trunkline.domain import phone
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.dialpad.claims import as_party, links_in, texts_in, unique
from trunkline.phone_systems.loose import Fields

_PER_S = 1000.0  # Dialpad counts in milliseconds
_NO_IDS = {"", "0", "null", "none"}
_PEOPLE = {"user", "room"}
_OPENING = {"calling", "preanswer", "queued", "ringing", "connected"}
_TALKING = _OPENING | {"hold", "parked"}
_CONTENT = ("transcription_text", "recap_summary", "recap_outcome", "recap_purposes", "recap_action_items")
_NOTES = ("labels", "dispositions")

_DATE_OF = {
    "calling": "date_started",
    "queued": "date_queued",
    "ringing": "date_rang",
    "connected": "date_connected",
    "missed": "date_ended",
    "hangup": "date_ended",
}


class Leg:
    """One event, or one record of the history, as its claims tell it. Every field may be missing."""

    # A person's leg: what its states mean.
    KINDS: ClassVar[Mapping[str, EventKind]] = {
        "calling": EventKind.STARTED,
        "preanswer": EventKind.STARTED,
        "queued": EventKind.STARTED,
        "ringing": EventKind.RINGING,
        "connected": EventKind.ANSWERED,
        "hold": EventKind.HELD,
        "parked": EventKind.HELD,
        "missed": EventKind.RING_ENDED,
        "voicemail": EventKind.VOICEMAIL,
        "voicemail_uploaded": EventKind.VOICEMAIL,
        "recording": EventKind.RECORDING,
        "hangup": EventKind.LEFT,
        "blocked": EventKind.ENDED,
    }
    # The leg of a main line, department, call centre or menu: its pick-up is no answer, and it rings nobody itself.
    GROUP_KINDS: ClassVar[Mapping[str, EventKind]] = {
        "calling": EventKind.ROUTED,
        "preanswer": EventKind.ROUTED,
        "queued": EventKind.ROUTED,
        "ringing": EventKind.ROUTED,
        "connected": EventKind.ROUTED,
        "voicemail": EventKind.VOICEMAIL,
        "voicemail_uploaded": EventKind.VOICEMAIL,
        "recording": EventKind.RECORDING,
        "hangup": EventKind.LEFT,
        "blocked": EventKind.ENDED,
    }
    DIRECTIONS: ClassVar[Mapping[str, Direction]] = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
    GROUPS: ClassVar[Mapping[str, PartyKind]] = {"callrouter": PartyKind.MENU}  # any other group is a queue

    def __init__(self, system: str, account: str, claims: Fields, received_at: datetime) -> None:
        self._system = system
        self._account = account
        self._claims = claims
        self._received_at = received_at
        self.state = (claims.text("state") or "").lower()
        self.call_id = self._id("call_id")
        if self.call_id is None:
            raise Unreadable("The event names no call.")
        parents = [key for key in (self._id("entry_point_call_id"), self._id("master_call_id")) if key]
        self.call_key = parents[0] if parents else self.call_id
        self._others = tuple(
            key
            for key in dict.fromkeys((self.call_id, *parents, self._id("operator_call_id")))
            if key and key != self.call_key
        )
        target = claims.inner("target")
        self._target_type = (target.text("type") or "").lower()
        self.is_person = self._target_type in _PEOPLE
        self._party = as_party(target, PartyKind.AGENT) if self.is_person else self._group(target)
        self._is_internal = bool(claims.flag("is_internal"))
        self._is_outbound = claims.text("direction") == "outbound"
        self._is_transferred = bool(claims.flag("is_transferred"))

    # What it says -----------------------------------------------------------------------------------------------

    def told(self) -> list[CallEvent]:
        """The events in a delivery."""
        at = self._moment("event_timestamp") or self._moment(_DATE_OF.get(self.state, "")) or self._received_at
        told = [*self._line_opens(at), *self._state(at), *self._extras(at)]
        return told or [self._event(EventKind.UNKNOWN, at)]

    def remembered(self) -> list[CallEvent]:
        """The events in a record of the history: what its dates say, then the record itself."""
        began = self._moment("date_started") or self._moment("date_rang") or self._moment("event_timestamp")
        began = began or self._received_at
        ended = self._moment("date_ended")
        told = [*self._line_opens(began, is_history=True), *self._dated(began)]
        if ended:
            told += self._over(ended)
        return [*told, self._record(began, ended), *self._extras(ended or began)]

    def _state(self, at: datetime) -> list[CallEvent]:
        if self.state == "hangup" or (self.state == "missed" and self._moment("date_ended")):
            return self._over(at)
        kind = (self.KINDS if self.is_person else self.GROUP_KINDS).get(self.state)
        tellers: Mapping[EventKind | None, Callable[[datetime], list[CallEvent]]] = {
            EventKind.ROUTED: lambda at: [self._routed(at)],
            EventKind.RINGING: self._rings,
            EventKind.RING_ENDED: lambda at: [self._stopped(at)],
            EventKind.ANSWERED: lambda at: [self._answered(at)],
            EventKind.VOICEMAIL: self._voicemail,
            EventKind.RECORDING: lambda at: [] if self._recordings() else [self._event(EventKind.RECORDING, at)],
            EventKind.ENDED: self._blocked,
        }
        if kind is None:
            return []
        if kind in tellers:
            return tellers[kind](at)
        return [self._event(kind, at, leg=self.call_id, party=self._party)]

    def _rings(self, at: datetime) -> list[CallEvent]:
        return [*self._received(at), self._event(EventKind.RINGING, at, leg=self.call_id, party=self._party)]

    def _voicemail(self, at: datetime) -> list[CallEvent]:
        """The box took the call; where there is a link already, that tells it."""
        stopped = [self._stopped(at)] if self.is_person and self.state == "voicemail" else []
        return stopped if self._voicemails() else [*stopped, self._event(EventKind.VOICEMAIL, at)]

    def _dated(self, began: datetime) -> Iterator[CallEvent]:
        if not self.is_person:
            yield self._routed(self._moment("date_queued") or began)
            return
        rang = self._moment("date_rang") or self._moment("date_first_rang")
        if self._is_outbound or rang is None:
            yield self._event(EventKind.STARTED, began, leg=self.call_id, party=self._party)
        else:
            yield self._event(EventKind.RINGING, rang, leg=self.call_id, party=self._party)
        connected = self._connected()
        if connected:
            yield self._answered(connected)

    def _line_opens(self, at: datetime, *, is_history: bool = False) -> list[CallEvent]:
        """The caller's own line, at which the call lasts while phones ring, stop and are handed on."""
        if not self._is_root or self._is_outbound or self._is_internal:
            return []
        if not is_history and self.state not in _OPENING:
            return []
        return [self._event(EventKind.STARTED, at, leg=self._line, party=Party(PartyKind.EXTERNAL))]

    def _answered(self, at: datetime) -> CallEvent:
        if not self._is_outbound:
            return self._event(EventKind.ANSWERED, at, leg=self.call_id, party=self._party)
        if self._is_internal:  # the colleague's own leg tells the rest
            colleague = as_party(self._claims.inner("contact"), PartyKind.AGENT)
            return self._event(EventKind.ANSWERED, at, party=colleague)
        return self._event(EventKind.ANSWERED, at, leg=self._line, party=Party(PartyKind.EXTERNAL))

    def _received(self, at: datetime) -> list[CallEvent]:
        """A phone that starts to ring in a call that was handed on is the receiver's."""
        if not self._is_transferred or self._is_outbound or self._is_root:
            return []
        handed_on = self._event(EventKind.TRANSFERRED, at, party=self._party)
        return [msgspec.structs.replace(handed_on, event_id=f"{self.call_id}.transferred")]

    def _routed(self, at: datetime) -> CallEvent:
        return self._event(EventKind.ROUTED, at, party=self._party)

    def _stopped(self, at: datetime) -> CallEvent:
        return self._event(EventKind.RING_ENDED, at, leg=self.call_id, party=self._party, reason=self._reason())

    def _over(self, at: datetime) -> list[CallEvent]:
        reason = self._reason()
        over = []
        if self.is_person:
            over.append(self._event(EventKind.LEFT, at, leg=self.call_id, party=self._party, reason=reason))
        if self._is_root or self._is_outbound:
            over.append(self._event(EventKind.LEFT, at, leg=self._line, reason=EndReason.NORMAL))
        if self._is_root and not self.is_person and not self._is_transferred:
            over.append(self._event(EventKind.ENDED, at, reason=EndReason.NORMAL))
        return over or [self._event(EventKind.UNKNOWN, at)]

    def _blocked(self, at: datetime) -> list[CallEvent]:
        if self._is_root:
            return [self._event(EventKind.ENDED, at, reason=EndReason.REJECTED)]
        return [self._event(EventKind.LEFT, at, leg=self.call_id, reason=EndReason.REJECTED)]

    def _record(self, began: datetime, ended: datetime | None) -> CallEvent:
        connected = self._connected() if self.is_person else None
        total_s = _seconds(began, ended) if ended else self._length_s("total_duration")
        talk_s = _seconds(connected, ended) if connected and ended else None
        if connected and talk_s is None:
            talk_s = self._length_s("duration")
        record = self._event(EventKind.RECORD, began, party=self._party if self.is_person else None)
        return msgspec.structs.replace(
            record, ring_s=_seconds(began, connected) if connected else None, talk_s=talk_s, total_s=total_s
        )

    def _extras(self, at: datetime) -> list[CallEvent]:
        media = [(EventKind.VOICEMAIL, url) for url in self._voicemails()]
        media += [(EventKind.RECORDING, url) for url in self._recordings()]
        told = [self._event(kind, at, media_url=url) for kind, url in media]
        for key in dict.fromkeys((*_CONTENT, *([self.state] if self.state.endswith("transcription") else []))):
            told += [self._event(EventKind.CONTENT, at, text=text) for text in texts_in(self._claims.held.get(key))]
        if self.state not in _TALKING:
            notes = (text for key in _NOTES for text in texts_in(self._claims.held.get(key)))
            told += [self._event(EventKind.ANNOTATED, at, text=text) for text in notes]
        return told

    # What it is -------------------------------------------------------------------------------------------------

    @property
    def _is_root(self) -> bool:
        return self.call_key == self.call_id

    @property
    def _line(self) -> str:
        return f"{self.call_id}.line"

    def _connected(self) -> datetime | None:
        """When it was answered; a leg that went to voicemail was not."""
        return None if self._voicemails() else self._moment("date_connected")

    def _reason(self) -> EndReason:
        """Why this leg stopped. A phone of a group that was cancelled lost to another one, if one answered."""
        operator = self._id("operator_call_id")
        if self._connected():
            return EndReason.NORMAL
        if operator and operator != self.call_id:
            return EndReason.ELSEWHERE
        if self._is_outbound:
            return EndReason.UNKNOWN
        return EndReason.NO_ANSWER if self._is_root else EndReason.CANCELLED

    def _group(self, target: Fields) -> Party | None:
        return as_party(target, self.GROUPS.get(self._target_type, PartyKind.QUEUE)) if target else None

    def _voicemails(self) -> list[str]:
        details = links_in(self._claims.held.get("recording_details"), voicemail=True)
        return unique([*details, *self._links("voicemail_link", "voicemail_share_link")])[:1]

    def _recordings(self) -> list[str]:
        """Addresses of recordings; pages to share them only where there is nothing else."""
        links = self._links("recording_details", "recording_url")
        links = links or self._links("call_recording_share_links", "admin_call_recording_share_links")
        return [link for link in unique(links) if link not in self._voicemails()]

    def _links(self, *keys: str) -> list[str]:
        return [link for key in keys for link in links_in(self._claims.held.get(key))]

    def _did(self) -> str | None:
        if self._is_internal:
            return None
        dialled = self._claims.inner("entry_point_target").text("phone")
        own = self._claims.text("internal_number") if self._is_root else None
        return dialled or (None if own == "blocked" else own)  # blocked: the agent shows no number

    def _name(self) -> str | None:
        """The outside party's; Dialpad writes the number where it knows no name."""
        name = self._claims.inner("contact").text("name")
        if self._is_internal or phone.is_withheld(name):
            return None
        return name if name and any(letter.isalpha() for letter in name) else None

    def _id(self, key: str) -> str | None:
        text = self._claims.text(key)
        return None if text is None or text.lower() in _NO_IDS else text

    def _moment(self, key: str) -> datetime | None:
        return self._claims.epoch(key, per_s=_PER_S)

    def _length_s(self, key: str) -> float | None:
        """Nothing took no time: a length of zero is one that Dialpad does not know."""
        return self._claims.seconds(key, per_s=_PER_S) or None

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
        direction = self.DIRECTIONS.get(self._claims.text("direction") or "")
        queue = self._party.name if self._party and self._party.kind is PartyKind.QUEUE else None
        return CallEvent(
            system=self._system,
            account=self._account,
            call_key=self.call_key,
            kind=kind,
            occurred_at=at,
            leg_key=leg,
            aliases=self._others,
            direction=Direction.INTERNAL if self._is_internal else direction,
            external_number=None if self._is_internal else self._claims.text_or_empty("external_number"),
            external_name=self._name(),
            did=self._did(),
            party=party,
            queue=queue,
            reason=reason,
            vendor_kind=self.state or None,
            media_url=media_url,
            text=text,
        )


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())
