"""Speaks Twilio Programmable Voice: signed callbacks about each leg, and rows of the list of calls."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from trunkline.sandbox.phones.speaker import Dialled, Handshake, Letter, Said, Vector

ACCOUNT_SID = f"AC{1:032x}"
API = "https://api.twilio.com"
DANA, SAM, RITA = "client:dana", "client:sam", "+14375550123"
AGENTS = {DANA: "201", SAM: "202", RITA: "203"}
WITHHELD = "+266696687"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class _Leg:
    """One leg: whom it rings, and in seconds from the call's begin when it begins, rings, is picked up and ends."""

    to: str
    begins: float
    rings: float
    talks: float | None
    ends: float
    status: str = "completed"


@dataclass(frozen=True)
class _Script:
    """The caller's own leg ends at `ends`; then the legs that it had dialled. `recorded` is source and begin."""

    ends: float
    legs: Sequence[_Leg]
    recorded: tuple[str, float] | None = None
    transcript: str | None = None


_ANSWERED = _Script(66.0, (_Leg(DANA, 1.0, 2.0, 6.0, 66.0),), ("DialVerb", 6.0))
_SCRIPTS: Mapping[str, _Script] = {
    "answered": _ANSWERED,
    "missed": _Script(20.0, (_Leg(DANA, 1.0, 2.0, None, 20.0, "canceled"),)),
    "voicemail": _Script(
        50.0,
        (_Leg(DANA, 1.0, 2.0, None, 20.0, "no-answer"),),
        ("RecordVerb", 22.0),
        "Jane here. The boiler drips, please call back.",
    ),
    "blind_transfer": _Script(90.0, (_Leg(DANA, 1.0, 2.0, 6.0, 30.0), _Leg(SAM, 30.0, 31.0, 35.0, 90.0))),
    "ring_group": _Script(
        70.0,
        (
            _Leg(DANA, 1.0, 2.0, None, 7.0, "canceled"),
            _Leg(SAM, 1.0, 2.0, 7.0, 70.0),
            _Leg(RITA, 1.0, 3.0, None, 7.0, "canceled"),
        ),
    ),
    "outbound": _Script(60.0, (_Leg("", 1.0, 2.0, 8.0, 60.0),)),
    "internal": _Script(30.0, (_Leg(SAM, 1.0, 1.0, 3.0, 30.0),)),
    "withheld": replace(_ANSWERED, recorded=None),
}


class TwilioSpeaker:
    """A shop whose numbers ring its phones by <Dial>, with callbacks for the number and for each phone."""

    system: ClassVar[str] = "twilio"
    scenarios: ClassVar[Sequence[str]] = tuple(_SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset()
    secret: ClassVar[str] = "not-a-real-secret"  # noqa: S105 - it opens nothing
    another_secret: ClassVar[str] = "not-a-real-secret-either"  # noqa: S105 - it opens nothing
    signs_body: ClassVar[bool] = True
    stale_after_s: ClassVar[float | None] = None
    # By default once more, and only where no connection came about.
    retries_s: ClassVar[Sequence[float]] = (1.0,)
    retries_on: ClassVar[range] = range(0)
    vectors: ClassVar[Sequence[Vector]] = (
        Vector(
            "12345",
            datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
            Letter(
                b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212",
                (("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),),
                "foo=1&bar=2",
            ),
            {"address": "https://mycompany.com/myapp.php"},
        ),
        Vector(
            "not-a-real-secret",
            datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
            Letter(
                b"AccountSid=AC00000000000000000000000000000001&CallSid=CA00000000000000000000000000000001"
                b"&CallStatus=ringing&Direction=inbound&From=%2B15035550142&To=%2B15035550100",
                (("X-Twilio-Signature", "G9ojLLP3AOUK1uP0zoKbQMGJsXU="),),
                "shop=1",
            ),
            {"address": "https://bridge.example.com/hooks/twilio"},
        ),
    )

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """The account, its tokens, and which extension each of its phones is."""
        return {
            "account_sid": ACCOUNT_SID,
            "auth_tokens": list(secrets),
            "address": address,
            "numbers": ["+14375550100"],
            "agents": AGENTS,
        }

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """The callbacks, in the order in which they are sent."""
        script = _SCRIPTS[scenario]
        told: list[tuple[float, dict[str, str]]] = []
        for place, leg in enumerate(script.legs, start=1):
            told += self._dialled(scenario, call, place, leg)
        told += self._recorded(call, script)
        told.append(
            (script.ends, {**self._first(scenario, call), **_last(script.ends), **_progress(call, 0, script.ends)})
        )
        return [Said(after_s, urlencode(form).encode()) for after_s, form in sorted(told, key=lambda one: one[0])]

    def _dialled(self, scenario: str, call: Dialled, place: int, leg: _Leg) -> list[tuple[float, dict[str, str]]]:
        steps = [(leg.begins, "initiated"), (leg.rings, "ringing")]
        steps += [(leg.talks, "in-progress")] if leg.talks is not None else []
        told = []
        for sequence, (after_s, status) in enumerate([*steps, (leg.ends, leg.status)]):
            form = {**self._child(scenario, call, place, leg), "CallStatus": status}
            if status == "completed" and leg.talks is not None:
                form |= _last(leg.ends - leg.talks)
            told.append((after_s, {**form, **_progress(call, sequence, after_s)}))
        return told

    def _recorded(self, call: Dialled, script: _Script) -> list[tuple[float, dict[str, str]]]:
        if script.recorded is None:
            return []
        source, began = script.recorded
        base = {"AccountSid": ACCOUNT_SID, "CallSid": _sid(call), "RecordingSid": _recording_sid(call)}
        recorded = {
            **base,
            "RecordingUrl": f"{API}{_recording_path(call)}",
            "RecordingStatus": "completed",
            "RecordingDuration": f"{script.ends - began:.0f}",
            "RecordingChannels": "1",
            "RecordingStartTime": _stamp(call, began),
            "RecordingSource": source,
            "RecordingTrack": "both",
        }
        told = [(script.ends + 2.0, recorded)]
        if script.transcript:
            transcribed = {
                **base,
                "TranscriptionSid": f"TR{call.serial:032x}",
                "TranscriptionStatus": "completed",
                "TranscriptionText": script.transcript,
                "TranscriptionUrl": f"{API}/2010-04-01/Accounts/{ACCOUNT_SID}/Transcriptions/TR{call.serial:032x}",
                "ApiVersion": "2010-04-01",
            }
            told.append((script.ends + 15.0, transcribed))
        return told

    @staticmethod
    def _ends(scenario: str, call: Dialled) -> tuple[str, str]:
        """From and To of the first leg. A softphone's call goes to an app, not to a number."""
        if scenario in ("outbound", "internal"):
            return DANA, ""
        return (WITHHELD if scenario == "withheld" else call.caller), call.did

    def _first(self, scenario: str, call: Dialled) -> dict[str, str]:
        caller, called = self._ends(scenario, call)
        name = {"CallerName": call.name} if caller == call.caller else {}
        return _leg(_sid(call), "inbound", caller, called) | name

    def _child(self, scenario: str, call: Dialled, place: int, leg: _Leg) -> dict[str, str]:
        caller = call.did if scenario == "outbound" else self._ends(scenario, call)[0]
        made = _leg(_sid(call, place), "outbound-dial", caller, leg.to or call.caller)
        return {**made, "ParentCallSid": _sid(call)}

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """Rows of the list of calls, the newest first, each with its recordings."""
        script = _SCRIPTS[scenario]
        caller, called = self._ends(scenario, call)
        first = _Leg(called, 0.0, 0.0, 0.0, script.ends)
        rows = [self._row(call, 0, "inbound", caller, first)]
        for place, leg in enumerate(script.legs, start=1):
            child = self._child(scenario, call, place, leg)
            rows.append(self._row(call, place, "outbound-dial", child["From"], replace(leg, to=child["To"])))
        return [
            Said(3600.0, json.dumps({"call": row, "recordings": recordings}, separators=(",", ":")).encode(), "history")
            for row, recordings in reversed([(row, self._recordings(call, row, script)) for row in rows])
        ]

    @staticmethod
    def _row(call: Dialled, place: int, direction: str, caller: str, leg: _Leg) -> dict[str, Any]:
        began = leg.begins if leg.talks is None else leg.talks
        return {
            "sid": _sid(call, place),
            "parent_call_sid": _sid(call) if place else None,
            "from": caller,
            "to": leg.to,
            "status": leg.status,
            "start_time": _stamp(call, began),
            "end_time": _stamp(call, leg.ends),
            "date_created": _stamp(call, leg.begins),
            "duration": "0" if leg.talks is None else f"{leg.ends - leg.talks:.0f}",
            "direction": direction,
            "answered_by": None,
            "caller_name": call.name if caller == call.caller and not place else "",
        }

    @staticmethod
    def _recordings(call: Dialled, row: dict[str, Any], script: _Script) -> list[dict[str, Any]]:
        if script.recorded is None or row["parent_call_sid"]:
            return []
        source, began = script.recorded
        begin = _stamp(call, began)
        return [
            {
                "sid": _recording_sid(call),
                "source": source,
                "start_time": begin,
                "date_created": begin,
                "media_url": f"{API}{_recording_path(call)}",
            }
        ]

    def strange(self, call: Dialled) -> list[Said]:
        """Statuses, directions and kinds of callbacks that nobody has documented."""
        leg = _leg(_sid(call), "inbound", call.caller, call.did)
        forms: list[dict[str, str]] = [
            {**leg, "CallStatus": "levitating"},
            {**leg, "Direction": "sideways", "CallStatus": "completed"},
            {"AccountSid": ACCOUNT_SID, "CallSid": _sid(call), "Mood": "good"},
            {"AccountSid": ACCOUNT_SID, "Mood": "good"},
            {"ConferenceSid": f"CF{call.serial:032x}", "StatusCallbackEvent": "conference-levitates"},
            {"CallSid": _sid(call), "RecordingStatus": "erased", "RecordingSid": _recording_sid(call)},
        ]
        return [
            *(Said(0.0, urlencode(form).encode()) for form in forms),
            Said(0.0, json.dumps({"AccountSid": ACCOUNT_SID, "CallSid": _sid(call), "Mood": ["good"]}).encode()),
        ]

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """HMAC-SHA1 over the address and all parameters; of JSON the address holds a digest."""
        is_json = said.body.startswith(b"{")
        query = f"bodySHA256={hashlib.sha256(said.body).hexdigest()}" if is_json else ""
        signed = address + (f"/{said.kind}" if said.kind else "") + (f"?{query}" if query else "")
        if not is_json:
            pairs = sorted(set(parse_qsl(said.body.decode(), keep_blank_values=True)))
            signed += "".join(name + value for name, value in pairs)
        proof = base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()).decode()
        return Letter(
            said.body,
            (
                ("X-Twilio-Signature", proof),
                ("I-Twilio-Idempotency-Token", delivery),
                ("Content-Type", "application/json" if is_json else _FORM),
            ),
            query,
            said.kind,
        )

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """The proof missing, twice, in another case, unpadded; a field repeated; another place, type or algorithm."""
        (name, proof), *others = letter.headers
        token, kind = others
        changed = [proof.swapcase(), proof.rstrip("="), proof[:-2], "", f"sha1={proof}"]
        return [
            replace(letter, headers=tuple(others)),
            replace(letter, headers=((name, proof), *letter.headers)),
            *(replace(letter, headers=((name, other), *others)) for other in changed),
            replace(letter, headers=((name, proof), token, ("Content-Type", "application/json"))),
            replace(letter, headers=((name, proof), token, ("Content-Type", "text/plain"))),
            replace(letter, headers=(*letter.headers, kind)),
            replace(letter, headers=(*letter.headers, ("X-Twilio-Webhooks-Signature-Settings", "algorithm=NONE"))),
            replace(letter, body=letter.body + b"&From=%2B14375550199"),
            replace(letter, body=letter.body + b"&Extra="),
            replace(letter, body=letter.body + b"\xff"),
            replace(letter, body=b""),
            replace(letter, query="agent=201"),
            replace(letter, query=f"bodySHA256={hashlib.sha256(letter.body).hexdigest()}"),
            replace(letter, kind="elsewhere"),
        ]

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """Nothing is asked before the first delivery."""
        return None


def _sid(call: Dialled, place: int = 0) -> str:
    return f"CA{call.serial:030x}{place:02x}"


def _recording_sid(call: Dialled) -> str:
    return f"RE{call.serial:032x}"


def _recording_path(call: Dialled) -> str:
    return f"/2010-04-01/Accounts/{ACCOUNT_SID}/Recordings/{_recording_sid(call)}"


def _leg(sid: str, direction: str, caller: str, called: str) -> dict[str, str]:
    return {
        "AccountSid": ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "CallSid": sid,
        "Direction": direction,
        "From": caller,
        "Caller": caller,
        "To": called,
        "Called": called,
    }


def _progress(call: Dialled, sequence: int, after_s: float) -> dict[str, str]:
    return {
        "CallbackSource": "call-progress-events",
        "SequenceNumber": str(sequence),
        "Timestamp": _stamp(call, after_s),
    }


def _last(lasted_s: float) -> dict[str, str]:
    return {"CallStatus": "completed", "CallDuration": f"{lasted_s:.0f}", "Duration": f"{-(-lasted_s // 60):.0f}"}


def _stamp(call: Dialled, after_s: float) -> str:
    return format_datetime(call.at + timedelta(seconds=after_s))


SPEAKER = TwilioSpeaker()
