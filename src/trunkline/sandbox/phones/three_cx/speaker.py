"""Calls as a 3CX tells them: a lookup while it rings, one journal entry for each agent when the call is over."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from trunkline.sandbox.phones.speaker import Dialled, Handshake, Letter, Said, Vector


@dataclass(frozen=True)
class _Agent:
    extension: str
    first: str
    last: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def email(self) -> str:
        return f"{self.first.lower()}@example.com"


@dataclass(frozen=True)
class _Part:
    """What one agent had of a call: seconds from its begin, and for how long the phone rang and people talked."""

    call_type: str
    agent: _Agent
    begin_s: float = 0.0
    rang_s: float = 6.0
    talked_s: float = 0.0
    queue: str = ""


_DANA, _SAM = _Agent("201", "Dana", "Desk"), _Agent("202", "Sam", "Second")
_TRANSFER = (_Part("Inbound", _DANA, talked_s=24), _Part("Inbound", _SAM, 30, 4, 55))
_SCRIPTS: Mapping[str, Sequence[_Part]] = {
    "answered": (_Part("Inbound", _DANA, talked_s=60),),
    "missed": (_Part("Missed", _DANA, rang_s=20),),
    "blind_transfer": _TRANSFER,
    "attended_transfer": _TRANSFER,
    "ring_group": (_Part("Inbound", _SAM, rang_s=7, talked_s=63, queue="800"),),
    "outbound": (_Part("Outbound", _DANA, rang_s=8, talked_s=52),),
    "withheld": (_Part("Inbound", _DANA, talked_s=60),),
}
# Between colleagues: the call log alone has it.
_INTERNAL = (_Part("Local", _SAM, rang_s=5, talked_s=25),)
_LOOKED_UP_S = 0.8  # how long after its begin a call is looked up
_TRUNK = "10000"


class ThreeCxSpeaker:
    """3CX V20, with our CRM template."""

    system: ClassVar[str] = "3cx"
    scenarios: ClassVar[Sequence[str]] = tuple(_SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset({"did", "legs"})
    secret: ClassVar[str] = "not-a-real-secret-0000001"  # noqa: S105 - invented
    another_secret: ClassVar[str] = "not-a-real-secret-0000002"  # noqa: S105 - invented
    signs_body: ClassVar[bool] = False
    stale_after_s: ClassVar[float | None] = None
    retries_s: ClassVar[Sequence[float]] = ()  # whether 3CX tries again is documented nowhere
    retries_on: ClassVar[range] = range(0)
    vectors: ClassVar[Sequence[Vector]] = ()

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """Keys are all that the CRM template needs."""
        return {"secrets": list(secrets)}

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """The lookup, and each agent's journal entry at the end of that agent's part."""
        parts = _SCRIPTS[scenario]
        spoken = [] if scenario == "withheld" else [self._lookup(call)]
        for part in parts:
            fields = self.journal(scenario, call, part)
            spoken.append(Said(_end_s(part) + 1, _json(fields), "call"))
        return spoken

    @staticmethod
    def _lookup(call: Dialled) -> Said:
        """As the inbox keeps the question: the number, and since when it rings."""
        since = (call.at + timedelta(seconds=_LOOKED_UP_S)).isoformat().replace("+00:00", "Z")
        return Said(_LOOKED_UP_S, _json({"number": call.caller, "ringing_since": since}), "lookup")

    def parts(self, scenario: str) -> Sequence[_Part]:
        """Who had which part of a call."""
        return _SCRIPTS[scenario]

    def journal(self, scenario: str, call: Dialled, part: _Part) -> dict[str, str]:
        """One entry of the journal. A number that is withheld is anonymous."""
        is_outbound = part.call_type in ("Outbound", "Notanswered")
        return {
            "callType": part.call_type,
            "direction": "Outbound" if is_outbound else "Inbound",
            "number": "anonymous" if scenario == "withheld" else call.caller,
            "name": "" if scenario == "withheld" or is_outbound else call.name,
            "agent": part.agent.extension,
            "agentFirst": part.agent.first,
            "agentLast": part.agent.last,
            "agentEmail": part.agent.email,
            "queue": part.queue or "[QueueExtension]",
            "duration": _clock(part.talked_s),
            "startUtc": _stamp(call.at + timedelta(seconds=part.begin_s)),
            "endUtc": _stamp(call.at + timedelta(seconds=_end_s(part))),
            "summary": "Wants a new boiler." if scenario == "answered" else "",
            "transcription": "",
            "recordingUrl": "",
        }

    def strange(self, call: Dialled) -> list[Said]:
        """Contacts without a call, a lookup of no number."""
        since = call.at.isoformat()
        return [
            Said(0.0, _json({"levitated": ["yes"], "number": None, "mood": {}}), "contact"),
            Said(1.0, _json({"number": "sip:levitating@example.com", "ringing_since": since, "mood": 1}), "lookup"),
        ]

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """The call's segments in the call log, as the adapter brings them home."""
        return [Said(0.0, _json({"segments": self.segments(scenario, call)}), "history")]

    def segments(self, scenario: str, call: Dialled) -> list[dict[str, Any]]:
        """The rows that the Configuration API has of a call; a queue has a row of its own."""
        rows = []
        for part in _INTERNAL if scenario == "internal" else _SCRIPTS[scenario]:
            if part.queue:
                rows.append(self._row(scenario, call, replace(part, rang_s=0.2), is_queue=True))
            rows.append(self._row(scenario, call, part))
        return [
            {**row, "SegmentId": call.serial * 100 + place, "Indent": min(place, 1)} for place, row in enumerate(rows)
        ]

    @staticmethod
    def _row(scenario: str, call: Dialled, part: _Part, *, is_queue: bool = False) -> dict[str, Any]:
        is_outbound = part.call_type in ("Outbound", "Notanswered")
        number = "anonymous" if scenario == "withheld" else call.caller
        outside = {"Type": 1, "Dn": _TRUNK, "CallerId": number, "DisplayName": "" if is_outbound else call.name}
        desk = {"Type": 0, "Dn": part.agent.extension, "CallerId": part.agent.extension, "DisplayName": part.agent.name}
        if is_queue:
            desk = {"Type": 4, "Dn": part.queue, "CallerId": part.queue, "DisplayName": "Service"}
        if part.call_type == "Local":
            outside = {"Type": 0, "Dn": "201", "CallerId": "201", "DisplayName": _DANA.name}
        source, destination = (desk, outside) if is_outbound else (outside, desk)
        return {
            "MainCallHistoryId": f"00000000-0000-0000-0000-{call.serial:012}",
            "CallId": call.serial,
            "StartTime": (call.at + timedelta(seconds=part.begin_s + 0.4)).isoformat().replace("+00:00", "Z"),
            **{f"Source{name}": value for name, value in source.items()},
            **{f"Destination{name}": value for name, value in destination.items()},
            "ActionType": 5,
            "RingingDuration": f"PT{part.rang_s:g}S",
            "TalkingDuration": f"PT{part.talked_s:g}S",
            "Answered": part.talked_s > 0,
            "Direction": part.call_type if part.call_type == "Local" else "Outbound" if is_outbound else "Inbound",
            "CallType": "Queue" if is_queue else "Call",
            "RecordingUrl": None,
            "Summary": None,
            "Transcription": None,
        }

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """The template's key is all the proof there is."""
        return Letter(
            said.body,
            (("Authorization", f"Bearer {secret}"), ("Content-Type", "application/json; charset=utf-8")),
            kind=said.kind,
        )

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """The key missing, twice, shortened, in another case, elsewhere; addresses to which nobody posts."""
        (name, value), *others = letter.headers
        key = value.removeprefix("Bearer ")
        changed = (key, "Bearer", f"Bearer {key[:-1]}", f"Bearer {key}0", f"Bearer {key.upper()}", f"Basic {key}")
        return [
            replace(letter, headers=tuple(others)),
            replace(letter, headers=(*letter.headers, (name, value))),
            *(replace(letter, headers=((name, one), *others)) for one in changed),
            replace(letter, headers=tuple(others), query=f"key={key}"),
            *(replace(letter, kind=kind) for kind in ("", "history", "lookup", "levitate")),
        ]

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """Nothing is asked before the first delivery."""
        return None


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _end_s(part: _Part) -> float:
    return part.begin_s + part.rang_s + part.talked_s


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


SPEAKER = ThreeCxSpeaker()
