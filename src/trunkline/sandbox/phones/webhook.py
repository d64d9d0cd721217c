"""Speaks our own webhook format (docs/webhook.md), as a phone system without an adapter of its own would."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

from trunkline.sandbox.phones.speaker import Dialled, Handshake, Letter, Said, Vector

_DANA = {"extension": "201", "name": "Dana Desk"}
_SAM = {"extension": "202", "name": "Sam Second"}
_RITA = {"extension": "203", "name": "Rita Rings"}

# Seconds from the call's begin, kind, which phone, and what else is said.
_Step = tuple[float, str, str, dict[str, object]]
_START: _Step = (0.0, "started", "", {})
_RINGS: _Step = (2.0, "ringing", "p1", {"agent": _DANA})
_TALKS: _Step = (6.0, "answered", "p1", {"agent": _DANA})
_SCRIPTS: Mapping[str, Sequence[_Step]] = {
    "answered": (_START, _RINGS, _TALKS, (66.0, "ended", "", {"reason": "normal"})),
    "missed": (
        _START,
        _RINGS,
        (20.0, "ring_ended", "p1", {"reason": "no_answer"}),
        (20.0, "ended", "", {"reason": "cancelled"}),
    ),
    "voicemail": (
        _START,
        _RINGS,
        (20.0, "ring_ended", "p1", {"reason": "no_answer"}),
        (21.0, "voicemail", "", {"recording_url": "https://pbx.example.com/voicemail/1"}),
        (50.0, "ended", "", {"reason": "normal"}),
        (55.0, "content", "", {"text": "Hello, this is Jane. The water heater leaks."}),
    ),
    "blind_transfer": (
        _START,
        _RINGS,
        _TALKS,
        (30.0, "transferred", "p1", {"agent": _SAM}),
        (30.0, "left", "p1", {}),
        (31.0, "ringing", "p2", {"agent": _SAM}),
        (35.0, "answered", "p2", {"agent": _SAM}),
        (90.0, "ended", "", {"reason": "normal"}),
    ),
    "ring_group": (
        _START,
        (1.0, "routed", "", {"queue": "Service"}),
        _RINGS,
        (2.0, "ringing", "p2", {"agent": _SAM}),
        (2.0, "ringing", "p3", {"agent": _RITA}),
        (7.0, "answered", "p2", {"agent": _SAM}),
        (7.0, "ring_ended", "p1", {"reason": "elsewhere"}),
        (7.0, "ring_ended", "p3", {"reason": "elsewhere"}),
        (70.0, "ended", "", {"reason": "normal"}),
    ),
    "outbound": (
        _START,
        (0.0, "ringing", "p1", {"agent": _DANA}),
        (8.0, "answered", "out", {}),
        (60.0, "ended", "", {"reason": "normal"}),
    ),
    "internal": (_START, (1.0, "ringing", "p2", {"agent": _SAM}), (3.0, "answered", "p2", {"agent": _SAM}),
                 (30.0, "ended", "", {"reason": "normal"})),
    "withheld": (_START, _RINGS, _TALKS, (66.0, "ended", "", {"reason": "normal"})),
}  # fmt: skip
_SCRIPTS = {**_SCRIPTS, "attended_transfer": _SCRIPTS["blind_transfer"]}
_DIRECTION = {"outbound": "outbound", "internal": "internal"}


class WebhookSpeaker:
    """Standard Webhooks, with our events."""

    system: ClassVar[str] = "webhook"
    scenarios: ClassVar[Sequence[str]] = tuple(_SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset()
    secret: ClassVar[str] = f"whsec_{base64.b64encode(b'an example of a secret..').decode()}"
    another_secret: ClassVar[str] = f"whsec_{base64.b64encode(b'an example of another...').decode()}"
    signs_body: ClassVar[bool] = True
    stale_after_s: ClassVar[float | None] = 300.0
    retries_s: ClassVar[Sequence[float]] = (5.0, 300.0)
    retries_on: ClassVar[range] = range(500, 600)
    vectors: ClassVar[Sequence[Vector]] = ()

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """Its secrets are all there is to set up."""
        return {"secrets": list(secrets)}

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """One event a delivery."""
        key = f"call-{call.serial}"
        spoken = []
        for place, (after_s, kind, leg, more) in enumerate(_SCRIPTS[scenario]):
            event: dict[str, object] = {
                "event_id": f"{key}-{place}",
                "call_id": key,
                "kind": kind,
                "occurred_at": (call.at + timedelta(seconds=after_s)).isoformat(),
                **more,
            }
            if leg:
                event["leg_id"] = f"{key}-{leg}"
            if kind == "started":
                event |= self._parties(scenario, call)
            spoken.append(Said(after_s, json.dumps(event, separators=(",", ":")).encode()))
        return spoken

    @staticmethod
    def _parties(scenario: str, call: Dialled) -> dict[str, object]:
        direction = _DIRECTION.get(scenario, "inbound")
        if direction == "internal":
            return {"direction": direction}
        if scenario == "withheld":
            return {"direction": direction, "external_number": "anonymous", "did": call.did}
        name = {"external_name": call.name} if direction == "inbound" else {}
        return {"direction": direction, "external_number": call.caller, "did": call.did, **name}

    def strange(self, call: Dialled) -> list[Said]:
        """Kinds, reasons and fields that nobody has documented."""
        base = {"call_id": f"call-{call.serial}", "occurred_at": call.at.isoformat()}
        more: list[dict[str, object]] = [
            {"kind": "levitated"},
            {"kind": "ringing", "reason": "because", "mood": ["good"]},
        ]
        return [Said(0.0, json.dumps({**base, **one}).encode()) for one in more]

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """HMAC-SHA256 over id, time and body."""
        stamp = str(int(at.timestamp()))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = hmac.new(key, f"{delivery}.{stamp}.".encode() + said.body, hashlib.sha256).digest()
        return Letter(
            said.body,
            (
                ("Webhook-Id", delivery),
                ("Webhook-Timestamp", stamp),
                ("Webhook-Signature", f"v1,{base64.b64encode(signed).decode()}"),
            ),
            kind=said.kind,
        )

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """Each header missing or twice; the signature in another case, unpadded, of another version."""
        forged = []
        for place, (name, value) in enumerate(letter.headers):
            others = letter.headers[:place] + letter.headers[place + 1 :]
            forged += [replace(letter, headers=others), replace(letter, headers=(*letter.headers, (name, value)))]
        version, _, proof = letter.headers[2][1].partition(",")
        for changed in (f"{version},{proof.swapcase()}", f"{version},{proof.rstrip('=')}", f"v2,{proof}", proof):
            forged.append(replace(letter, headers=(*letter.headers[:2], ("Webhook-Signature", changed))))
        return forged

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """Nothing is asked before the first delivery."""
        return None


SPEAKER = WebhookSpeaker()
