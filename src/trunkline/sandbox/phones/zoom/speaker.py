"""Speaks Zoom Phone: webhooks signed with the app's secret token, and rows of the call history."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from trunkline.sandbox.phones.speaker import Dialled, Handshake, Letter, Said, Vector

Json = dict[str, Any]


def _member(number: int, name: str, did: str) -> Json:
    """One of our extensions, as events show it."""
    return {
        "extension_id": f"ext-{number}",
        "extension_type": "user",
        "user_id": f"user-{number}",
        "name": name,
        "phone_number": did,
        "extension_number": number,
        "timezone": "America/Toronto",
        "device_type": "Win_Client(6.0.11)",
        "device_id": f"device-{number}",
        "connection_type": "voip",
    }


_DANA = _member(201, "Dana Desk", "+14375550101")
_SAM = _member(202, "Sam Second", "+14375550102")
_RITA = _member(203, "Rita Rings", "+14375550103")
_QUEUE: Json = {"name": "Service", "extension_number": "800", "extension_type": "callQueue"}
_NO_ANSWER: Json = {"handup_result": "No Answer"}
_ELSEWHERE: Json = {"handup_result": "Answered by Other Member"}
_CONNECTED: Json = {"handup_result": "Call connected"}

# Seconds from the call's begin, event, whose phone, what else is said. Numbers under `at` become times.
_Step = tuple[float, str, Json, Json]
_RINGS: _Step = (2.0, "callee_ringing", _DANA, {"at": {"ringing_start_time": 2}})
_TALKS: _Step = (6.0, "callee_answered", _DANA, {"at": {"ringing_start_time": 2, "answer_start_time": 6}})


def _ends(after_s: int, who: Json, rang_s: int, answered_s: int | None, more: Json) -> _Step:
    at = {"ringing_start_time": rang_s, "call_end_time": after_s}
    if answered_s is not None:
        at["answer_start_time"] = answered_s
    return (float(after_s), "callee_ended", who, {"at": at, **more})


_SCRIPTS: Mapping[str, Sequence[_Step]] = {
    "answered": (_RINGS, _TALKS, _ends(66, _DANA, 2, 6, _CONNECTED), (75.0, "recording_completed", _DANA, {})),
    "missed": (
        _RINGS,
        (20.0, "callee_missed", _DANA, {"at": {"ringing_start_time": 2, "call_end_time": 20}, **_NO_ANSWER}),
    ),
    "voicemail": (
        _RINGS,
        (
            20.0,
            "callee_missed",
            _DANA,
            {"at": {"ringing_start_time": 2, "call_end_time": 20}, "handup_result": "Voicemail"},
        ),
        (50.0, "voicemail_received", _DANA, {}),
        (64.0, "voicemail_transcript_completed", _DANA, {}),
    ),
    "blind_transfer": (
        _RINGS,
        _TALKS,
        (30.0, "blind_transfer_initiated", _DANA, {"at": {"date_time": 30}, "transfer_phone_number": "202"}),
        _ends(30, _DANA, 2, 6, _CONNECTED),
        (31.0, "callee_ringing", _SAM, {"at": {"ringing_start_time": 31}, "forwarded_by": _DANA}),
        (35.0, "callee_answered", _SAM, {"at": {"ringing_start_time": 31, "answer_start_time": 35}}),
        _ends(90, _SAM, 31, 35, _CONNECTED),
    ),
    "attended_transfer": (
        _RINGS,
        _TALKS,
        (20.0, "callee_hold", _DANA, {"at": {"date_time": 20}}),
        (21.0, "callee_ringing", _SAM, {"at": {"ringing_start_time": 21}, "caller": _DANA}),
        (
            25.0,
            "callee_answered",
            _SAM,
            {"at": {"ringing_start_time": 21, "answer_start_time": 25}, "caller": _DANA},
        ),
        (30.0, "warm_transfer_completed", _DANA, {"at": {"date_time": 30}, "transfer_phone_number": "202"}),
        _ends(30, _DANA, 2, 6, _CONNECTED),
        _ends(90, _SAM, 21, 25, _CONNECTED),
    ),
    "ring_group": (
        (2.0, "callee_ringing", _DANA, {"at": {"ringing_start_time": 2}, "forwarded_by": _QUEUE}),
        (2.0, "callee_ringing", _SAM, {"at": {"ringing_start_time": 2}, "forwarded_by": _QUEUE}),
        (2.0, "callee_ringing", _RITA, {"at": {"ringing_start_time": 2}, "forwarded_by": _QUEUE}),
        (
            7.0,
            "callee_answered",
            _SAM,
            {"at": {"ringing_start_time": 2, "answer_start_time": 7}, "forwarded_by": _QUEUE},
        ),
        (
            7.0,
            "callee_missed",
            _DANA,
            {"at": {"ringing_start_time": 2, "call_end_time": 7}, "forwarded_by": _QUEUE, **_ELSEWHERE},
        ),
        _ends(7, _RITA, 2, None, {"forwarded_by": _QUEUE, **_ELSEWHERE}),
        _ends(70, _SAM, 2, 7, {"forwarded_by": _QUEUE, **_CONNECTED}),
        (73.0, "callee_call_history_completed", _SAM, {}),
    ),
    "outbound": (
        (0.0, "caller_ringing", _DANA, {"at": {"ringing_start_time": 0}}),
        (8.0, "caller_connected", _DANA, {"at": {"ringing_start_time": 0, "connected_start_time": 8}}),
        (
            60.0,
            "caller_ended",
            _DANA,
            {"at": {"ringing_start_time": 0, "answer_start_time": 8, "call_end_time": 60}, **_CONNECTED},
        ),
    ),
    "internal": (
        (0.0, "caller_ringing", _DANA, {"at": {"ringing_start_time": 0}, "callee": _SAM}),
        (0.0, "callee_ringing", _SAM, {"at": {"ringing_start_time": 0}, "caller": _DANA}),
        (
            4.0,
            "callee_answered",
            _SAM,
            {"at": {"ringing_start_time": 0, "answer_start_time": 4}, "caller": _DANA},
        ),
        (
            4.0,
            "caller_connected",
            _DANA,
            {"at": {"ringing_start_time": 0, "connected_start_time": 4}, "callee": _SAM},
        ),
        _ends(30, _SAM, 0, 4, {"caller": _DANA, **_CONNECTED}),
        (
            30.0,
            "caller_ended",
            _DANA,
            {
                "at": {"ringing_start_time": 0, "answer_start_time": 4, "call_end_time": 30},
                "callee": _SAM,
                **_CONNECTED,
            },
        ),
    ),
}
_SCRIPTS = {**_SCRIPTS, "withheld": _SCRIPTS["answered"][:3]}

# What the row of the history says: who answered, seconds until the answer and the end, result.
_ROWS: Mapping[str, tuple[Json, int | None, int, str]] = {
    "answered": (_DANA, 6, 66, "answered"),
    "missed": (_DANA, None, 20, "no_answer"),
    "voicemail": (_DANA, None, 50, "voicemail"),
    "blind_transfer": (_SAM, 6, 90, "answered"),
    "attended_transfer": (_SAM, 6, 90, "answered"),
    "ring_group": (_SAM, 7, 70, "answered"),
    "outbound": (_DANA, 8, 60, "answered"),
    "internal": (_SAM, 4, 30, "answered"),
    "withheld": (_DANA, 6, 66, "answered"),
}


class ZoomSpeaker:
    """Zoom's webhooks and history."""

    system: ClassVar[str] = "zoom"
    scenarios: ClassVar[Sequence[str]] = tuple(_SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset()
    secret: ClassVar[str] = "not-a-real-secret"  # noqa: S105 - invented
    another_secret: ClassVar[str] = "not-a-real-secret-either"  # noqa: S105 - invented
    signs_body: ClassVar[bool] = True
    stale_after_s: ClassVar[float | None] = 300.0
    retries_s: ClassVar[Sequence[float]] = (300.0, 1500.0, 5100.0)
    retries_on: ClassVar[range] = range(300, 600)
    vectors: ClassVar[Sequence[Vector]] = (
        Vector(
            "not-a-real-secret",
            datetime.fromtimestamp(1718040003, UTC),
            Letter(
                b'{"event":"phone.callee_ringing"}',
                (
                    ("x-zm-request-timestamp", "1718040003"),
                    ("x-zm-signature", "v0=22dc6ef11c3dfa7c9891865e666f42b4d036930bafaf2739b8d82aa6270d4799"),
                ),
            ),
        ),
    )

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """The app's secret tokens, and its credentials for what is asked of Zoom."""
        return {
            "secrets": list(secrets),
            "account_id": "account-0001",
            "client_id": "client-0001",
            "client_secret": "not-a-real-client-secret",
        }

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """One event a delivery."""
        return [
            Said(step[0], _body(call, step[1], self._object(scenario, call, step), step[0]))
            for step in _SCRIPTS[scenario]
        ]

    def _object(self, scenario: str, call: Dialled, step: _Step) -> Json:
        after_s, event, who, more = step
        later = {
            "recording_completed": _recordings,
            "voicemail_received": _voicemail,
            "voicemail_transcript_completed": _voicemail,
            "callee_call_history_completed": self._log,
        }
        if event in later:
            told: Json = later[event](call, who, after_s)
            if event == "voicemail_transcript_completed":
                told["transcription"] = {"content": "Please call me back about the boiler.", "status": 1}
            return told
        if "transfer" in event:
            owner = {"id": who["user_id"], "type": "user", "name": who["name"], "extension_number": 201}
            return {"call_id": _call_id(call), "owner": owner, **_times(call, more)}
        ours, other = event.partition("_")[0], _outside(scenario, call)
        sides = {"caller": other, "callee": other, ours: who}
        if event.startswith("callee") and scenario not in ("ring_group", "internal") and who is _DANA:
            sides["callee"] = {**who, "phone_number": call.did}
        return {"call_id": _call_id(call), **sides, **_times(call, more)}

    def _log(self, call: Dialled, who: Json, after_s: float) -> Json:
        row = _row("ring_group", call)
        return {"user_id": who["user_id"], "call_logs": [row]}

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """The one row that the account's call history has for a call."""
        row = _row(scenario, call)
        return [Said(120.0, json.dumps(row, separators=(",", ":")).encode(), "history")]

    def strange(self, call: Dialled) -> list[Said]:
        """Events, results and kinds of extension that nobody has documented."""
        base: Json = {"call_id": _call_id(call), "caller": {"phone_number": call.caller}}
        hologram = {"extension_type": "hologram", "extension_id": "ext-900", "extension_number": [9]}
        return [
            Said(0.0, _body(call, "callee_levitated", base, 0.0)),
            Said(0.0, _body(call, "callee_ringing", {**base, "callee": hologram, "mood": ["good"]}, 0.0)),
            Said(0.0, _body(call, "callee_ringing", {**base, "callee": {**_DANA, "extension_number": None}}, 0.0)),
            Said(0.0, b'{"event":"meeting.started","payload":{"object":{"id":"1"}}}'),
            Said(0.0, b'{"event":7,"payload":[]}'),
        ]

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """HMAC-SHA256 over version, time and body, in lower-case hex. Deliveries have no id of their own."""
        stamp = str(int(at.timestamp()))
        proof = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + said.body, hashlib.sha256).hexdigest()
        return Letter(said.body, (("x-zm-request-timestamp", stamp), ("x-zm-signature", f"v0={proof}")), kind=said.kind)

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """Each header missing or twice; the signature in upper case, cut, of another version; the time in words."""
        forged = []
        for place, header in enumerate(letter.headers):
            others = letter.headers[:place] + letter.headers[place + 1 :]
            forged += [replace(letter, headers=others), replace(letter, headers=(*letter.headers, header))]
        stamp, (name, value) = letter.headers
        proof = value.removeprefix("v0=")
        for changed in (f"v0={proof.upper()}", f"V0={proof}", f"v1={proof}", proof, f"v0={proof[:-1]}", "v0=", "é"):
            forged.append(replace(letter, headers=(stamp, (name, changed))))
        for changed in ("soon", f"-{stamp[1]}", f"{stamp[1]}.0", f"{stamp[1]}000"):
            forged.append(replace(letter, headers=((stamp[0], changed), (name, value))))
        return forged

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """Zoom sends a token and wants it back, keyed; the request is signed like any other."""
        token = "plain-token-1"  # noqa: S105 - the handshake's, invented
        event_ts = int(at.timestamp() * 1000)
        body: Json = {"event": "endpoint.url_validation", "payload": {"plainToken": token}, "event_ts": event_ts}
        said = Said(0.0, json.dumps(body, separators=(",", ":")).encode())
        keyed = hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()
        shown = json.dumps({"plainToken": token, "encryptedToken": keyed}, separators=(",", ":")).encode()
        return Handshake(self.sign(said, secret, at=at, delivery="", address=address), 200, shown)


def _call_id(call: Dialled) -> str:
    return f"73789{call.serial:014}"


def _iso(call: Dialled, after_s: float) -> str:
    return (call.at + timedelta(seconds=after_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _times(call: Dialled, more: Json) -> Json:
    """What a step says more, its seconds as times."""
    times = {name: _iso(call, seconds) for name, seconds in more.get("at", {}).items()}
    return {**times, **{name: value for name, value in more.items() if name != "at"}}


def _body(call: Dialled, event: str, thing: Json, after_s: float) -> bytes:
    envelope = {
        "event": f"phone.{event}",
        "event_ts": int((call.at.timestamp() + after_s) * 1000),
        "payload": {"account_id": "account-0001", "object": thing},
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


def _outside(scenario: str, call: Dialled) -> Json:
    if scenario == "withheld":
        return {"phone_number": "anonymous", "connection_type": "pstn_off_net"}
    name = {"name": call.name} if scenario != "outbound" else {}
    return {"phone_number": call.caller, **name, "connection_type": "pstn_off_net"}


def _recordings(call: Dialled, who: Json, after_s: float) -> Json:
    recording = {
        "id": f"recording-{call.serial:04}",
        "call_id": _call_id(call),
        "call_log_id": f"log-{call.serial:04}",
        "caller_number": call.caller,
        "caller_number_type": 2,
        "caller_name": call.name,
        "callee_number": str(who["extension_number"]),
        "callee_number_type": 1,
        "callee_name": who["name"],
        "direction": "inbound",
        "duration": 60,
        "download_url": f"https://zoom.us/v2/phone/recording/download/recording-{call.serial:04}",
        "date_time": _iso(call, 6),
        "end_time": _iso(call, 66),
        "recording_type": "Automatic",
        "owner": {"type": "user", "id": who["user_id"], "name": who["name"], "extension_number": 201},
    }
    return {"recordings": [recording]}


def _voicemail(call: Dialled, who: Json, after_s: float) -> Json:
    return {
        "id": f"voicemail-{call.serial:04}",
        "call_id": _call_id(call),
        "call_log_id": f"log-{call.serial:04}",
        "date_time": _iso(call, 50),
        "download_url": f"https://zoom.us/v2/phone/voice_mail/download/voicemail-{call.serial:04}",
        "duration": 28,
        "caller_number": call.caller,
        "caller_number_type": 2,
        "caller_name": call.name,
        "callee_number": str(who["extension_number"]),
        "callee_number_type": 1,
        "callee_did_number": call.did,
        "callee_name": who["name"],
        "callee_extension_type": "user",
    }


def _row(scenario: str, call: Dialled) -> Json:
    who, answered_s, ended_s, result = _ROWS[scenario]
    ours, outside = ("caller", "callee") if scenario == "outbound" else ("callee", "caller")
    row: Json = {
        "id": f"log-{call.serial:04}",
        "call_id": _call_id(call),
        "direction": "outbound" if scenario == "outbound" else "inbound",
        "connect_type": "internal" if scenario == "internal" else "external",
        "international": False,
        "start_time": _iso(call, 0),
        "end_time": _iso(call, ended_s),
        "duration": ended_s - (answered_s or ended_s),
        "call_type": "general",
        "call_result": result,
        f"{ours}_ext_id": who["extension_id"],
        f"{ours}_ext_number": str(who["extension_number"]),
        f"{ours}_ext_type": "user",
        f"{ours}_name": who["name"],
        f"{ours}_did_number": call.did,
    }
    if answered_s is not None:
        row["answer_time"] = _iso(call, answered_s)
    if scenario == "internal":
        row |= {"caller_ext_id": "ext-201", "caller_ext_number": "201", "caller_name": "Dana Desk"}
    elif scenario == "withheld":
        row |= {f"{outside}_did_number": "anonymous"}
    else:
        row |= {f"{outside}_did_number": call.caller, f"{outside}_name": call.name}
    return row


SPEAKER = ZoomSpeaker()
