"""Speaks Quo: the current generation of webhooks, and in some scenarios the older one, as a workspace may have both."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from trunkline.sandbox.phones.speaker import Dialled, Handshake, Letter, Said, Vector

Json = dict[str, Any]

_DANA, _SAM = "US00000001", "US00000002"
_NUMBER_ID, _CONVERSATION = "PN00000001", "CN00000001"
_FILES = "https://files.example.com"
_VECTOR_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
_VECTOR_BODY = b'{"id":"EV1","type":"call.completed"}'

# The call of each scenario when it is over: who took or made it, seconds until the answer and the end, last status.
_CALLS: Mapping[str, tuple[str, int | None, int, str]] = {
    "answered": (_DANA, 6, 66, "answered"),
    "missed": (_DANA, None, 20, "completed"),
    "voicemail": (_DANA, None, 50, "unanswered"),
    "ring_group": (_SAM, 7, 70, "answered"),
    "outbound": (_DANA, 8, 60, "answered"),
    "withheld": (_DANA, 6, 66, "completed"),
}
# Seconds from the call's begin, and the event.
_SCRIPTS: Mapping[str, Sequence[tuple[float, str]]] = {
    "answered": (
        (0.0, "call.ringing"),
        (6.0, "call.answered"),
        (66.0, "call.completed"),
        (80.0, "call.recording.completed"),
        (95.0, "call.summary.completed"),
        (96.0, "call.transcript.completed"),
    ),
    "missed": ((0.0, "call.ringing"), (20.0, "call.completed")),
    "voicemail": (
        (0.0, "call.ringing"),
        (20.0, "call.missed"),
        (50.0, "call.completed"),
        (70.0, "call.voicemail.completed"),
    ),
    "ring_group": ((0.0, "call.ringing"), (7.0, "call.answered"), (70.0, "call.completed")),
    "outbound": ((0.0, "call.ringing"), (8.0, "call.answered"), (60.0, "call.completed")),
    "withheld": ((0.0, "call.ringing"), (66.0, "call.completed"), (80.0, "call.recording.completed")),
}
_OLDER = frozenset({"missed", "withheld"})


class QuoSpeaker:
    """Quo's webhooks and calls."""

    system: ClassVar[str] = "quo"
    scenarios: ClassVar[Sequence[str]] = tuple(_SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset({"legs"})
    secret: ClassVar[str] = f"whsec_{base64.b64encode(b'an example of a key.....').decode()}"
    another_secret: ClassVar[str] = f"whsec_{base64.b64encode(b'an example of another...').decode()}"
    signs_body: ClassVar[bool] = True
    stale_after_s: ClassVar[float | None] = 300.0
    # Eight more attempts over some 27 hours; how they are spread is not documented.
    retries_s: ClassVar[Sequence[float]] = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 64800.0, 99000.0)
    retries_on: ClassVar[range] = range(300, 600)
    vectors: ClassVar[Sequence[Vector]] = (
        Vector(
            f"whsec_{_VECTOR_KEY}",
            datetime.fromtimestamp(1718040003, UTC),
            Letter(
                _VECTOR_BODY,
                (
                    ("webhook-id", "msg_1"),
                    ("webhook-timestamp", "1718040003"),
                    ("webhook-signature", "v1,s2X7HuWxgCnkapcORYeMc89jtlOin2JLOvkY5gH98J0="),
                ),
            ),
        ),
        Vector(
            _VECTOR_KEY,
            datetime.fromtimestamp(1718040003, UTC),
            Letter(
                _VECTOR_BODY,
                (("openphone-signature", "hmac;1;1718040003000;y0tSniKQlMgVbKPiO5GVIdK3tu5W51WP70TCLu+bPfQ="),),
            ),
        ),
    )

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """Signing keys, and the workspace's API key."""
        return {"secrets": list(secrets), "api_token": "not-a-real-api-key"}

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """One event a delivery."""
        spoken = []
        for place, (after_s, event) in enumerate(_SCRIPTS[scenario]):
            body = (self._older if scenario in _OLDER else self._current)(scenario, call, event, after_s)
            body = {"id": f"EV{call.serial:06}{place:02}", **body}
            spoken.append(Said(after_s, json.dumps(body, separators=(",", ":")).encode()))
        return spoken

    def _current(self, scenario: str, call: Dialled, event: str, after_s: float) -> Json:
        context = _context(scenario, call, is_narrow=event == "call.ringing")
        data = {"resource": _resource(scenario, call, event, after_s), "context": context, "links": {}}
        return {"apiVersion": "2026-03-30", "createdAt": _iso(call, after_s), "type": event, "data": data}

    def _older(self, scenario: str, call: Dialled, event: str, after_s: float) -> Json:
        data = {"object": _object(scenario, call, event)}
        return {"object": "event", "apiVersion": "v3", "createdAt": _iso(call, after_s), "type": event, "data": data}

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """The call as the list of calls has it, with what the adapter knows of its surroundings."""
        wrapped = {"resource": listed(scenario, call), "context": {"participants": {"external": [], "workspace": []}}}
        return [Said(120.0, json.dumps(wrapped, separators=(",", ":")).encode(), "history")]

    def strange(self, call: Dialled) -> list[Said]:
        """Events, states and shapes that nobody has documented."""
        thing = {"id": _call_id(call), "direction": "sideways", "status": "pondering", "participants": {"a": [1]}}
        bodies: list[Json] = [
            {"type": "call.levitated", "data": {"resource": thing}},
            {"type": "call.ringing", "data": {"resource": thing, "context": [7]}},
            {"type": "call.answered", "data": {"object": {**thing, "answeredAt": 12, "answeredByUserId": {}}}},
            {"type": "call.menu.selected", "data": {"resource": thing}, "mood": ["good"]},
            {"type": "message.received", "data": {"resource": {"text": "hello"}}},
            {"type": ["call.completed"]},
        ]
        return [Said(0.0, json.dumps({"id": f"EV9{place}", **body}).encode()) for place, body in enumerate(bodies)]

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """HMAC-SHA256 over what the generation of the message signs; the older one counts milliseconds."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        if b'"object":"event"' in said.body:
            stamp = str(int(at.timestamp() * 1000))
            proof = _proof(key, f"{stamp}.".encode() + said.body)
            return Letter(said.body, (("openphone-signature", f"hmac;1;{stamp};{proof}"),), kind=said.kind)
        stamp = str(int(at.timestamp()))
        proof = _proof(key, f"{delivery}.{stamp}.".encode() + said.body)
        headers = (("webhook-id", delivery), ("webhook-timestamp", stamp), ("webhook-signature", f"v1,{proof}"))
        return Letter(said.body, headers, kind=said.kind)

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """Each header missing or twice; the signature in another case, unpadded, of another version or scheme."""
        forged = []
        for place, header in enumerate(letter.headers):
            others = letter.headers[:place] + letter.headers[place + 1 :]
            forged += [replace(letter, headers=others), replace(letter, headers=(*letter.headers, header))]
        *before, (name, value) = letter.headers
        mark = ";" if name == "openphone-signature" else ","
        known, _, proof = value.rpartition(mark)
        wrong = [f"{known}{mark}{proof.swapcase()}", f"{known}{mark}{proof.rstrip('=')}", proof, "", "é", mark * 3]
        wrong += [f"hmac;2;1;{proof}", f"sha;1;1;{proof}"] if mark == ";" else [f"v2,{proof}", f"V1,{proof}"]
        forged += [replace(letter, headers=(*before, (name, changed))) for changed in wrong]
        if mark == ",":
            swapped = (("openphone-signature", f"hmac;1;{letter.headers[1][1]};{proof}"),)
            forged.append(replace(letter, headers=swapped))  # a proof of one generation is none of the other
        return forged

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """Nothing is asked before the first delivery; a test from the app is a delivery like any other."""
        return None


def _proof(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _call_id(call: Dialled) -> str:
    return f"AC{call.serial:08}"


def _iso(call: Dialled, after_s: float | None) -> str | None:
    return None if after_s is None else (call.at + timedelta(seconds=after_s)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _outside(scenario: str, call: Dialled) -> str:
    return "anonymous" if scenario == "withheld" else call.caller


def _direction(scenario: str) -> str:
    return "outgoing" if scenario == "outbound" else "incoming"


def _context(scenario: str, call: Dialled, *, is_narrow: bool) -> Json:
    context: Json = {
        "orgId": "OR00000001",
        "phoneNumberId": _NUMBER_ID,
        "conversationId": _CONVERSATION,
        "userId": _DANA,
        "participants": {"external": [_outside(scenario, call)], "workspace": [call.did], "resolution": "available"},
    }
    return context if is_narrow else {**context, "contacts": {"ids": [], "lookupStatus": "none"}}


def _resource(scenario: str, call: Dialled, event: str, after_s: float) -> Json:
    who, answered_s, ended_s, status = _CALLS[scenario]
    call_id = _call_id(call)
    if event == "call.summary.completed":
        said = {"summary": ["Jane asks for a plumber."], "nextSteps": ["Send Rita on Monday."]}
        return {"callId": call_id, "processingStatus": "completed", "handledByAiAgent": False, **said}
    if event == "call.transcript.completed":
        turns = [
            {"content": "The boiler is cold.", "start": 1, "end": 3, "identifier": call.caller, "userId": None},
            {"content": "We will come.", "start": 4, "end": 5, "identifier": None, "userId": who},
        ]
        return {"callId": call_id, "createdAt": _iso(call, 0), "processingStatus": "completed", "dialogue": turns}
    if event == "call.voicemail.completed":
        numbers = {"from": call.caller, "to": call.did, "direction": "incoming", "createdAt": _iso(call, 0)}
        left = {"recordingUrl": f"{_FILES}/voicemail.mp3", "duration": 28, "transcript": "Please call me back."}
        return {"callId": call_id, "id": f"VM{call.serial:08}", "voicemailId": f"VM{call.serial:08}", **numbers, **left}
    thing: Json = {
        "id": call_id,
        "direction": _direction(scenario),
        "status": "ringing" if event == "call.ringing" else "in-progress",
        "createdAt": _iso(call, 0),
    }
    if scenario == "outbound":
        thing["initiatedBy"] = who
    if event == "call.ringing":
        return thing
    if answered_s is not None:
        thing |= {"answeredAt": _iso(call, answered_s), "answeredByUserId": who if scenario != "outbound" else None}
    if event == "call.answered":
        return thing
    thing |= {
        "status": "missed" if event == "call.missed" else status,
        "completedAt": _iso(call, min(after_s, ended_s)),
    }
    thing |= {"duration": ended_s - (answered_s or 0), "hasVoicemail": scenario == "voicemail"}
    if event == "call.recording.completed":
        sound = {"id": f"CR{call.serial:08}", "url": f"{_FILES}/recording.mp3", "type": "audio/mpeg", "duration": 60}
        thing["recordings"] = [{**sound, "startTime": _iso(call, answered_s)}]
    return thing


def _object(scenario: str, call: Dialled, event: str) -> Json:
    who, answered_s, ended_s, status = _CALLS[scenario]
    is_over = event != "call.ringing"
    sound = {"url": f"{_FILES}/recording.mp3", "type": "audio/mpeg", "duration": 60}
    return {
        "id": _call_id(call),
        "object": "call",
        "from": _outside(scenario, call),
        "to": call.did,
        "direction": "incoming",
        "status": status if is_over else "ringing",
        "createdAt": _iso(call, 0),
        "answeredAt": _iso(call, answered_s) if is_over else None,
        "completedAt": _iso(call, ended_s) if is_over else None,
        "userId": who,
        "phoneNumberId": _NUMBER_ID,
        "conversationId": _CONVERSATION,
        "media": [sound] if event == "call.recording.completed" else [],
        "voicemail": None,
    }


def listed(scenario: str, call: Dialled) -> Json:
    """A call as the list of all calls of a workspace shows it."""
    who, answered_s, ended_s, _ = _CALLS[scenario]
    row: Json = {
        "id": _call_id(call),
        "phoneNumberId": _NUMBER_ID,
        "actorId": who,
        "direction": _direction(scenario),
        "status": "completed" if answered_s is not None else "no-answer",
        "participants": [
            {"phoneNumber": call.did, "actorId": who},
            {"phoneNumber": _outside(scenario, call), "actorId": None},
        ],
        "answeredAt": _iso(call, answered_s),
        "answeredBy": who if answered_s is not None and scenario != "outbound" else None,
        "initiatedBy": who if scenario == "outbound" else None,
        "createdAt": _iso(call, 0),
        "completedAt": _iso(call, ended_s),
        "updatedAt": _iso(call, ended_s),
        "callRoute": "phone-number",
        "duration": ended_s - (answered_s or 0),
        "aiHandled": None,
        "summary": {"status": "absent", "summary": None, "nextSteps": None},
        "voicemail": None,
    }
    if scenario == "voicemail":
        row["voicemail"] = {
            "id": f"VM{call.serial:08}",
            "status": "completed",
            "duration": 28,
            "recordingUrl": f"{_FILES}/voicemail.mp3",
            "transcript": "Please call me back.",
        }
    return row


SPEAKER = QuoSpeaker()
