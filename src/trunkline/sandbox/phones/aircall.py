"""Speaks as Aircall: one event for each thing that happens to a call, each with the whole call and a token."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from trunkline.sandbox.phones.speaker import Dialled, Handshake, Letter, Said, Vector

_FIRST_ID = 990_000_000
_FILES = "https://files.example.com"


def _user(number: int, name: str) -> Mapping[str, object]:
    email = f"{name.split(maxsplit=1)[0].lower()}@example.com"
    return {"id": number, "name": name, "email": email, "available": True, "availability_status": "available"}


_DANA, _SAM, _RITA = _user(701, "Dana Desk"), _user(702, "Sam Second"), _user(703, "Rita Rings")
_COMMENT = {"comments": [{"id": 41, "content": "Wants a visit tomorrow.", "posted_at": None, "posted_by": _DANA}]}
_TAG = {"tags": [{"id": 51, "name": "Water heater", "created_at": None, "tagged_by": _DANA}]}
_MISSED = {"missed_call_reason": "agents_did_not_answer"}

# Seconds from the call's begin, event, whose phone, and how the call changes; what changed stays so.
_Step = tuple[float, str, Mapping[str, object] | None, Mapping[str, object]]
_SCRIPTS: Mapping[str, Sequence[_Step]] = {
    "answered": (
        (0.0, "call.created", None, {}),
        (2.0, "call.ringing_on_agent", _DANA, {}),
        (6.0, "call.answered", _DANA, {}),
        (20.0, "call.hold", _DANA, {}),
        (26.0, "call.unhold", _DANA, {}),
        (66.0, "call.hungup", _DANA, {}),
        (80.0, "call.commented", _DANA, _COMMENT),
        (82.0, "call.tagged", _DANA, _TAG),
        (96.0, "call.ended", _DANA, {"recording": "recording"}),
        (120.0, "call.comm_assets_generated", _DANA, {}),
        (130.0, "transcription.created", None, {}),
        (140.0, "summary.created", None, {}),
    ),
    "missed": (
        (0.0, "call.created", None, {}),
        (2.0, "call.ringing_on_agent", _DANA, {}),
        (24.0, "call.hungup", None, _MISSED),
        (54.0, "call.ended", None, {}),
    ),
    "voicemail": (
        (0.0, "call.created", None, {}),
        (2.0, "call.ringing_on_agent", _DANA, {}),
        (8.0, "call.agent_declined", _DANA, {}),
        (50.0, "call.hungup", None, _MISSED),
        (58.0, "call.voicemail_left", None, {"voicemail": "voicemail"}),
        (80.0, "call.ended", None, {}),
    ),
    "blind_transfer": (
        (0.0, "call.created", None, {}),
        (2.0, "call.ringing_on_agent", _DANA, {}),
        (6.0, "call.answered", _DANA, {}),
        (30.0, "call.transferred", _DANA, {"transferred_by": _DANA, "transferred_to": _SAM}),
        (31.0, "call.ringing_on_agent", _SAM, {}),
        (35.0, "call.answered", _SAM, {}),
        (90.0, "call.hungup", _SAM, {}),
        (120.0, "call.ended", _SAM, {}),
    ),
    "attended_transfer": (
        (0.0, "call.created", None, {}),
        (2.0, "call.ringing_on_agent", _DANA, {}),
        (6.0, "call.answered", _DANA, {}),
        (24.0, "call.hold", _DANA, {}),
        (36.0, "call.transferred", _DANA, {"transferred_by": _DANA, "transferred_to": _SAM}),
        (36.0, "call.answered", _SAM, {}),
        (90.0, "call.hungup", _SAM, {}),
        (120.0, "call.ended", _SAM, {}),
    ),
    "ring_group": (
        (0.0, "call.created", None, {}),
        (0.0, "call.ivr_option_selected", None, {}),
        (2.0, "call.ringing_on_agent", _DANA, {}),
        (2.0, "call.ringing_on_agent", _SAM, {}),
        (2.0, "call.ringing_on_agent", _RITA, {}),
        (4.0, "call.agent_declined", _RITA, {}),
        (7.0, "call.answered", _SAM, {}),
        (70.0, "call.hungup", _SAM, {}),
        (100.0, "call.ended", _SAM, {}),
    ),
    "outbound": (
        (0.0, "call.created", _DANA, {}),
        (8.0, "call.answered", _DANA, {}),
        (60.0, "call.hungup", _DANA, {}),
        (90.0, "call.ended", _DANA, {}),
    ),
    "withheld": (
        (0.0, "call.created", None, {}),
        (2.0, "call.ringing_on_agent", _DANA, {}),
        (6.0, "call.answered", _DANA, {}),
        (66.0, "call.hungup", _DANA, {}),
        (96.0, "call.ended", _DANA, {}),
    ),
}
_CONTENT: Mapping[str, object] = {
    "transcription.created": {
        "language": "en-US",
        "utterances": [
            {"text": "How can I help?", "participant_type": "internal", "start_time": 0.4, "end_time": 1.2},
            {"text": "There is no hot water.", "participant_type": "external", "start_time": 1.9, "end_time": 3.3},
        ],
    },
    "summary.created": "The caller has no hot water and wants a visit.",
}


class AircallSpeaker:
    """Webhooks with a token."""

    system: ClassVar[str] = "aircall"
    scenarios: ClassVar[Sequence[str]] = tuple(_SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset()
    secret: ClassVar[str] = "a1b2c3d4e5f60718293a4b5c6d7e8f90"  # noqa: S105 - invented
    another_secret: ClassVar[str] = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"  # noqa: S105 - invented
    signs_body: ClassVar[bool] = False
    stale_after_s: ClassVar[float | None] = None
    retries_s: ClassVar[Sequence[float]] = (60.0, 120.0)
    retries_on: ClassVar[range] = range(300, 600)
    vectors: ClassVar[Sequence[Vector]] = (
        Vector(
            "not-a-real-secret",
            datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
            Letter(b'{"resource":"call","event":"call.created","token":"not-a-real-secret","data":{"id":1}}', ()),
        ),
    )

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """Tokens of webhooks, and an API key."""
        return {"auth_tokens": list(secrets), "api_id": "not-a-real-id", "api_token": "not-a-real-key"}

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """Every event with the call as it is at that moment; the token comes with the signature."""
        return [Said(after_s, _json(event)) for after_s, event in _told(scenario, call)]

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """The call as it ended."""
        ended = next(event["data"] for _, event in reversed(_told(scenario, call)) if event["event"] == "call.ended")
        return [Said(200.0, _json(ended), "history")]

    def strange(self, call: Dialled) -> list[Said]:
        """Events, resources and types that nobody has documented."""
        event = _told("answered", call)[1][1]
        data: Mapping[str, Any] = event["data"]
        odd: Sequence[Mapping[str, object]] = (
            {"event": "call.levitated"},
            {"event": "call.ringing_on_agent", "data": {**data, "user": "Dana", "number": 7, "contact": []}},
            {"event": "call.tagged", "data": {**data, "tags": [5, {"name": 6}], "comments": "none", "started_at": "x"}},
            {"event": "levitation.created", "resource": "levitation"},
            {"event": 5, "data": None, "timestamp": []},
            {"event": "summary.created", "data": {"call_id": None, "content": {"content": [1]}}},
        )
        return [Said(0.0, _json({**event, **one})) for one in odd]

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """The token goes in behind the timestamp, as Aircall places it."""
        event: dict[str, Any] = json.loads(said.body)
        data = event.pop("data", None)
        return Letter(_json({**event, "token": secret, "data": data}), (), kind=said.kind)

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """No token, none at the top, twice, of another type, in another case, cut, and bodies that are no object."""
        event: dict[str, Any] = json.loads(letter.body)
        token = str(event["token"])
        others = {key: value for key, value in event.items() if key != "token"}
        good = letter.body.removesuffix(b"}")
        forged = [
            b"",
            b"null",
            b'"' + token.encode() + b'"',
            b"[" + letter.body + b"]",
            letter.body + b"{}",
            good,
            _json(others),
            _json({**others, "data": {"token": token}}),
            *(
                _json({**event, "token": wrong})
                for wrong in (None, "", [token], token.upper(), token[:-1], f"{token} ")
            ),
            _json({**event, "token": "\u00e9"}),
            good + b',"token":"' + token.encode() + b'"}',
            b'{"token":"wrong",' + letter.body.removeprefix(b"{"),
            b"[" * 100_000,
        ]
        return [replace(letter, body=body) for body in forged]

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """Nothing is asked before the first delivery."""
        return None


def _told(scenario: str, call: Dialled) -> list[tuple[float, dict[str, Any]]]:
    at, call_id = int(call.at.timestamp()), _FIRST_ID + call.serial
    state = _call(scenario, call)
    told = []
    for after_s, event, user, changes in _SCRIPTS[scenario]:
        now = at + int(after_s)
        state = {**state, **_changed(changes, call_id, now)}
        state.pop("user", None)
        if user is not None:
            state["user"] = user
        if event == "call.answered" and state["answered_at"] is None:
            state |= {"answered_at": now, "status": "answered"}
        if event == "call.hungup":
            state |= {"ended_at": now, "status": "done", "duration": now - at}
        about = "call" if event.startswith("call.") else "conversation_intelligence"
        data = (
            state if about == "call" else {"id": f"{event}-{call_id}", "call_id": call_id, "content": _CONTENT[event]}
        )
        told.append((after_s, {"resource": about, "event": event, "timestamp": now, "data": data}))
    return told


def _changed(changes: Mapping[str, Any], call_id: int, now: int) -> dict[str, Any]:
    """Notes get their time, media their link."""
    changed: dict[str, Any] = {}
    for key, value in changes.items():
        if key in ("recording", "voicemail"):
            changed[key] = f"{_FILES}/{call_id}/{value}.mp3?signed-at={now}"
        elif key in ("comments", "tags"):
            when = "posted_at" if key == "comments" else "created_at"
            changed[key] = [{**item, when: now} for item in value]
        else:
            changed[key] = value
    return changed


def _call(scenario: str, call: Dialled) -> dict[str, Any]:
    call_id = _FIRST_ID + call.serial
    is_withheld = scenario == "withheld"
    first, _, last = call.name.partition(" ")
    contact = {"id": 801, "first_name": first, "last_name": last, "company_name": None}
    return {
        "id": call_id,
        "direct_link": f"https://api.aircall.io/v1/calls/{call_id}",
        "direction": "outbound" if scenario == "outbound" else "inbound",
        "status": "initial",
        "missed_call_reason": None,
        "started_at": int(call.at.timestamp()),
        "answered_at": None,
        "ended_at": None,
        "duration": 0,
        "cost": "0.0",
        "hangup_cause": None,
        "voicemail": None,
        "recording": None,
        "asset": None,
        "raw_digits": "anonymous" if is_withheld else _spaced(call.caller),
        "number": {
            "id": 77,
            "name": "Main line",
            "digits": _spaced(call.did),
            "country": "CA",
            "time_zone": "America/Toronto",
            "open": True,
            "is_ivr": False,
        },
        **({} if is_withheld else {"contact": contact}),
        "archived": False,
        "teams": [],
        "comments": [],
        "tags": [],
    }


def _spaced(number: str) -> str:
    """As Aircall writes North American numbers."""
    return f"{number[:2]} {number[2:5]}-{number[5:8]}-{number[8:]}" if number.startswith("+1") else number


def _json(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


SPEAKER = AircallSpeaker()
