"""Speaks as Dialpad: one event for each state of each leg, the whole body a JWT."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from trunkline.sandbox.phones.speaker import Dialled, Handshake, Letter, Said, Vector

_FIRST_ID = 9_100_000_000_000_000_000  # ids of 64 bits, beyond what a double holds
_COMPANY = "https://dialpad.example.com"

_Target = Mapping[str, object]


def _user(number: int, name: str) -> _Target:
    return {
        "id": _FIRST_ID + 5_000_000 + number,
        "type": "user",
        "name": name,
        "phone": f"+14375550{number}",
        "email": f"{name.split(maxsplit=1)[0].lower()}@example.com",
        "office_id": _FIRST_ID + 6_000_000,
    }


_DANA, _SAM, _RITA = _user(151, "Dana Desk"), _user(152, "Sam Second"), _user(153, "Rita Rings")
_OFFICE: _Target = {"id": _FIRST_ID + 6_000_000, "type": "office", "name": "Example Plumbing", "email": ""}
_SERVICE: _Target = {"id": _FIRST_ID + 6_000_001, "type": "department", "name": "Service", "email": ""}


@dataclass(frozen=True)
class _Leg:
    """A leg of a script: whose it is, and whether it hangs under the one at which the call came in."""

    target: _Target
    is_child: bool = True
    is_outbound: bool = False
    is_received: bool = False  # by transfer


_Step = tuple[float, str, str, Mapping[str, object]]


@dataclass(frozen=True)
class _Script:
    legs: Mapping[str, _Leg]
    steps: Sequence[_Step]


_MAIN = {"in": _Leg(_OFFICE, is_child=False), "dana": _Leg(_DANA)}
_DIRECT = {"dana": _Leg(_DANA, is_child=False)}
_RECEIVER = {"sam": _Leg(_SAM, is_received=True)}
_RECORDED = {
    "was_recorded": True,
    "recording_details": [
        {
            "id": "rec-0001",
            "duration": 60000,
            "recording_type": "callrecording",
            "url": f"{_COMPANY}/blob/callrecording/0001.mp3",
        }
    ],
}
_MESSAGE = {
    "voicemail_link": f"{_COMPANY}/blob/voicemail/0001.mp3",
    "voicemail_recording_id": "vm-0001",
    "transcription_text": "Hello, this is Jane. The water heater leaks.",
}

_SCRIPTS: Mapping[str, _Script] = {
    "answered": _Script(
        _MAIN,
        (
            (0.0, "in", "calling", {}),
            (2.0, "dana", "ringing", {}),
            (6.0, "dana", "connected", {}),
            (20.0, "dana", "hold", {}),
            (26.0, "dana", "connected", {}),
            (66.0, "dana", "hangup", {"labels": ["Water heater"]}),
            (66.2, "in", "hangup", {"operator": "dana"}),
            (72.0, "dana", "recording", _RECORDED),
            (90.0, "dana", "recap_summary", {"recap_summary": "The caller has no hot water and wants a visit."}),
        ),
    ),
    "missed": _Script(
        _MAIN,
        (
            (0.0, "in", "calling", {}),
            (2.0, "dana", "ringing", {}),
            (20.0, "dana", "missed", {}),
            (20.2, "dana", "hangup", {}),
            (24.0, "in", "hangup", {}),
        ),
    ),
    "voicemail": _Script(
        _DIRECT,
        (
            (0.0, "dana", "ringing", {}),
            (20.0, "dana", "voicemail", {}),
            (50.0, "dana", "hangup", {"voicemail_link": _MESSAGE["voicemail_link"]}),
            (58.0, "dana", "voicemail_uploaded", _MESSAGE),
        ),
    ),
    "blind_transfer": _Script(
        {**_DIRECT, **_RECEIVER},
        (
            (0.0, "dana", "ringing", {}),
            (6.0, "dana", "connected", {}),
            (30.0, "sam", "ringing", {}),
            (30.4, "dana", "hangup", {"is_transferred": True}),
            (35.0, "sam", "connected", {}),
            (90.0, "sam", "hangup", {}),
        ),
    ),
    "attended_transfer": _Script(
        {**_MAIN, **_RECEIVER},
        (
            (0.0, "in", "calling", {}),
            (2.0, "dana", "ringing", {}),
            (6.0, "dana", "connected", {}),
            (24.0, "dana", "hold", {}),
            (26.0, "sam", "ringing", {}),
            (30.0, "sam", "connected", {}),
            (38.0, "dana", "hangup", {"is_transferred": True}),
            (90.0, "sam", "hangup", {}),
            (90.2, "in", "hangup", {"is_transferred": True}),
        ),
    ),
    "ring_group": _Script(
        {"in": _Leg(_SERVICE, is_child=False), "dana": _Leg(_DANA), "sam": _Leg(_SAM), "rita": _Leg(_RITA)},
        (
            (0.0, "in", "calling", {}),
            (0.5, "in", "queued", {}),
            (2.0, "dana", "ringing", {}),
            (2.0, "sam", "ringing", {}),
            (2.0, "rita", "ringing", {}),
            (7.0, "sam", "connected", {"operator": "sam"}),
            (7.2, "dana", "missed", {"operator": "sam"}),
            (7.2, "rita", "missed", {}),
            (7.3, "dana", "hangup", {"operator": "sam"}),
            (7.3, "rita", "hangup", {}),
            (70.0, "sam", "hangup", {"operator": "sam"}),
            (70.2, "in", "hangup", {"operator": "sam"}),
        ),
    ),
    "outbound": _Script(
        {"dana": _Leg(_DANA, is_child=False, is_outbound=True)},
        (
            (0.0, "dana", "calling", {}),
            (2.0, "dana", "ringing", {}),
            (8.0, "dana", "connected", {}),
            (60.0, "dana", "hangup", {}),
        ),
    ),
    "internal": _Script(
        {"dana": _Leg(_DANA, is_child=False, is_outbound=True), "sam": _Leg(_SAM)},
        (
            (0.0, "dana", "calling", {}),
            (1.0, "sam", "ringing", {}),
            (3.0, "sam", "connected", {}),
            (3.0, "dana", "connected", {}),
            (30.0, "sam", "hangup", {}),
            (30.0, "dana", "hangup", {}),
        ),
    ),
    "withheld": _Script(
        _DIRECT,
        ((0.0, "dana", "ringing", {}), (6.0, "dana", "connected", {}), (66.0, "dana", "hangup", {})),
    ),
}
_DATES = {"queued": "date_queued", "ringing": "date_rang", "connected": "date_connected", "hangup": "date_ended"}


class DialpadSpeaker:
    """Webhooks with a secret."""

    system: ClassVar[str] = "dialpad"
    scenarios: ClassVar[Sequence[str]] = tuple(_SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset()
    secret: ClassVar[str] = "not-a-real-secret"  # noqa: S105 - invented
    another_secret: ClassVar[str] = "not-a-real-secret-either"  # noqa: S105 - invented
    signs_body: ClassVar[bool] = True
    stale_after_s: ClassVar[float | None] = 300.0
    retries_s: ClassVar[Sequence[float]] = (2.0, 6.0, 14.0)
    retries_on: ClassVar[range] = range(500, 600)
    vectors: ClassVar[Sequence[Vector]] = (
        Vector(
            "not-a-real-secret",
            datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
            Letter(
                b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjYWxsX2lkIjoxLCJzdGF0ZSI6InJpbmdpbmcifQ"
                b".a-0LlJmbMkMuaH0RRmymO6kCzbyZm28488YFzQDm6Xk",
                (),
            ),
        ),
    )

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """The secrets of the webhook, and a key for the REST API."""
        return {"secrets": list(secrets), "api_token": "not-a-real-key"}

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """Every state of every leg, in its time."""
        return [Said(after_s, _json(claims)) for after_s, _, claims in _told(scenario, call)]

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """Each leg as it ended, the newest first; numbers are text in the REST API's JSON."""
        last = {leg: (after_s, claims) for after_s, leg, claims in _told(scenario, call)}
        records = [Said(after_s, _json(_as_rest(claims)), "history") for after_s, claims in last.values()]
        return sorted(records, key=lambda said: -said.after_s)

    def strange(self, call: Dialled) -> list[Said]:
        """States, targets and types that nobody has documented."""
        claims: Mapping[str, object] = _told("answered", call)[1][2]
        odd: Sequence[Mapping[str, object]] = (
            {"state": "levitating", "mood": ["good"]},
            {"state": 7, "target": "Dana", "contact": None, "labels": {"a": 1}, "event_timestamp": "soon"},
            {"target": {"type": "hologram", "id": [1]}, "is_transferred": "FALSE", "recording_details": ["x", 5]},
            {"state": None, "date_rang": -1, "direction": "sideways", "recap_summary": [[1], {"text": 5}]},
        )
        return [Said(0.0, _json({**claims, **one})) for one in odd] + [Said(0.0, b'{"sms_id":1}')]

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """The claims as a JWT; there is no header that matters."""
        return Letter(_jwt(said.body, secret), (), kind=said.kind)

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """Other algorithms, no signature, parts missing or too many, the claims without any proof."""
        head, middle, proof = letter.body.split(b".")
        claims = _unsealed(middle)
        forged = [
            claims,
            b"",
            b"{}",
            b".".join((head, middle)),
            b".".join((head, middle, b"")),
            b".".join((head, middle, proof, proof)),
            b".".join((head, middle, proof.swapcase())),
            b".".join((head, middle, proof[:-2])),
            b".".join((middle, head, proof)),
            b".".join((_sealed(b'{"alg":"none","typ":"JWT"}'), middle, b"")),
            b".".join((_sealed(b'{"alg":"none","typ":"JWT"}'), middle, proof)),
            _jwt(claims, self.secret, algorithm="none"),
            _jwt(claims, self.secret, algorithm="RS256"),
            _jwt(claims, self.secret, algorithm="HS512"),
            _jwt(claims, "", algorithm="HS256"),
            letter.body + b"A" * (1024 * 1024),
        ]
        return [replace(letter, body=body) for body in forged]

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """Nothing is asked before the first delivery."""
        return None


def _told(scenario: str, call: Dialled) -> list[tuple[float, str, dict[str, Any]]]:
    script = _SCRIPTS[scenario]
    ids = {name: _FIRST_ID + call.serial * 100 + place for place, name in enumerate(script.legs)}
    root = next(iter(script.legs))
    at_ms = int(call.at.timestamp() * 1000)
    dates: dict[str, dict[str, int]] = {name: {} for name in script.legs}
    told = []
    for after_s, name, state, more in script.steps:
        now = at_ms + round(after_s * 1000)
        dates[name].setdefault("date_started", now)
        if state in _DATES:
            dates[name].setdefault(_DATES[state], now)
        leg, own = script.legs[name], dates[name]
        extra = {key: value for key, value in more.items() if key != "operator"}
        operator = ids[str(more["operator"])] if "operator" in more else None
        claims: dict[str, Any] = {
            "call_id": ids[name],
            "state": state,
            "direction": "outbound" if leg.is_outbound else "inbound",
            **_parties(scenario, call, leg),
            "entry_point_call_id": ids[root] if leg.is_child else None,
            "entry_point_target": {} if scenario == "outbound" else _entry(script.legs[root].target, call, scenario),
            "master_call_id": ids[root] if leg.is_child else None,
            "operator_call_id": operator,
            "proxy_target": {},
            "group_id": f"Office:{_OFFICE['id']}" if not leg.is_outbound else None,
            "is_transferred": leg.is_received,
            "was_recorded": False,
            **{key: own.get(key) for key in ("date_started", *_DATES.values())},
            "event_timestamp": now,
            "duration": _lasted(own, "date_connected"),
            "total_duration": _lasted(own, "date_started"),
            "labels": [],
            "recording_details": [],
            "voicemail_link": None,
            "transcription_text": None,
            **extra,
        }
        if scenario == "internal":
            claims["is_internal"] = True
        told.append((after_s, name, claims))
    return told


def _parties(scenario: str, call: Dialled, leg: _Leg) -> dict[str, object]:
    target = {"phone": call.did, **leg.target}
    if scenario == "internal":
        other = _SAM if leg.is_outbound else _DANA
        contact = {key: other[key] for key in ("id", "type", "name", "phone", "email")}
        return {
            "external_number": other["phone"],
            "internal_number": target["phone"],
            "contact": contact,
            "target": target,
        }
    number = "anonymous" if scenario == "withheld" else call.caller
    name = "" if scenario == "withheld" else call.name
    own = call.did if not leg.is_child else target["phone"]
    contact = {"id": _FIRST_ID + 7_000_000, "type": "local", "name": name, "phone": number, "email": ""}
    return {"external_number": number, "internal_number": own, "contact": contact, "target": target}


def _entry(target: _Target, call: Dialled, scenario: str) -> dict[str, object]:
    return {} if scenario == "internal" else {**target, "phone": call.did}


def _lasted(dates: Mapping[str, int], since: str) -> float:
    if "date_ended" not in dates or since not in dates:
        return 0
    return float(dates["date_ended"] - dates[since])


def _as_rest(claims: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for key, value in claims.items()
        if value is not None
    }


def _json(claims: Mapping[str, Any]) -> bytes:
    return json.dumps(claims, separators=(",", ":")).encode()


def _sealed(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def _unsealed(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _jwt(claims: bytes, secret: str, *, algorithm: str = "HS256") -> bytes:
    signed = _sealed(_json({"alg": algorithm, "typ": "JWT"})) + b"." + _sealed(claims)
    digest = hashlib.sha512 if algorithm == "HS512" else hashlib.sha256
    return signed + b"." + _sealed(hmac.new(secret.encode(), signed, digest).digest())


SPEAKER = DialpadSpeaker()
