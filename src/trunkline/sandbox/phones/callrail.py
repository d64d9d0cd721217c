"""Speaks CallRail: signed deliveries, one address for each kind of event, and rows of the list of calls."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

from trunkline.sandbox.phones.speaker import Dialled, Handshake, Letter, Said, Vector

API = "https://api.callrail.com/v3"
ACCOUNT_ID = f"ACC{1:032x}"
COMPANY_ID = f"COM{1:032x}"
OFFICE = "+14375550110"
_ZONE = timezone(timedelta(hours=-5))  # the company's


@dataclass(frozen=True)
class _Script:
    """How a call went; `duration` is in seconds."""

    duration: int
    call_type: str = "voice_call"
    answered: bool = True
    voicemail: bool = False
    recorded: bool = False
    texts: Mapping[str, Any] | None = None


_SCRIPTS: Mapping[str, _Script] = {
    "answered": _Script(
        66,
        recorded=True,
        texts={
            "transcription": "Caller: The boiler drips. Agent: We come on Tuesday.",
            "call_summary": "A boiler drips; a visit on Tuesday was agreed.",
        },
    ),
    "missed": _Script(20, "abandoned", answered=False),
    "voicemail": _Script(
        50,
        "voicemail",
        answered=False,
        voicemail=True,
        recorded=True,
        texts={"transcription": "Jane here. The boiler drips, please call back."},
    ),
    "outbound": _Script(60, "outbound"),
    "withheld": _Script(66),
}


class CallRailSpeaker:
    """One company with all of its webhooks set up."""

    system: ClassVar[str] = "callrail"
    scenarios: ClassVar[Sequence[str]] = tuple(_SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset({"agent", "legs", "transfers"})
    secret: ClassVar[str] = "not-a-real-secret"  # noqa: S105 - it opens nothing
    another_secret: ClassVar[str] = "not-a-real-secret-either"  # noqa: S105 - it opens nothing
    signs_body: ClassVar[bool] = True
    stale_after_s: ClassVar[float | None] = None
    retries_s: ClassVar[Sequence[float]] = ()  # what was not taken is lost
    retries_on: ClassVar[range] = range(0)
    vectors: ClassVar[Sequence[Vector]] = (
        Vector(
            "not-a-real-secret",
            datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
            Letter(
                b'{"resource_id":"CAL1","answered":false}',
                (("Signature", "i6pI/SpldEaj3C9fir0zOL53VbA="),),
                kind="post-call",
            ),
        ),
    )

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """The company's tokens, and what its API wants."""
        return {"secrets": list(secrets), "account_id": ACCOUNT_ID, "api_token": "not-a-real-key"}

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """Begin, routing, end; later what somebody wrote down. Of outgoing calls only the end is told."""
        script = _SCRIPTS[scenario]
        whole = self._whole(scenario, call, script)
        if scenario == "outbound":
            # As texts, where other events have booleans.
            told = {**whole, "answered": "true", "voicemail": "false", "type": "outboundpostcall"}
            return [_said(script.duration + 5.0, told, "outbound-post-call")]
        begun = {**self._call(scenario, call), **_NOT_YET}
        spoken = [
            _said(0.0, begun, "pre-call"),
            _said(2.0, {**begun, **_destination()}, "routing-complete"),
            _said(script.duration + 90.0, whole, "post-call"),
        ]
        if scenario == "answered":
            changed = {**whole, "note": "Ask for the gate code.", "tags": ["Emergency"], "changes": ["note", "tags"]}
            spoken.append(_said(script.duration + 300.0, changed, "call-modified"))
        return spoken

    @staticmethod
    def _call(scenario: str, call: Dialled) -> dict[str, Any]:
        caller = "" if scenario == "withheld" else call.caller
        name = "" if scenario in ("withheld", "outbound") else call.name
        begin = call.at.astimezone(_ZONE).isoformat(timespec="milliseconds")
        return {
            "resource_id": _key(call),
            "company_resource_id": COMPANY_ID,
            "tracker_resource_id": f"TRK{1:032x}",
            "company_time_zone": "America/Toronto",
            "direction": "outbound" if scenario == "outbound" else "inbound",
            "customer_phone_number": caller,
            "callernum": caller,
            "customer_name": name,
            "callername": name,
            "customer_city": "",
            "tracking_phone_number": call.did,
            "trackingnum": call.did,
            "source_name": "Search ads",
            "start_time": begin,
            "timestamp": begin,
            "datetime": call.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "first_call": True,
            "tags": [],
        }

    def _whole(self, scenario: str, call: Dialled, script: _Script) -> dict[str, Any]:
        return {
            **self._call(scenario, call),
            **_destination(),
            "answered": script.answered,
            "voicemail": script.voicemail,
            "call_type": script.call_type,
            "duration": str(script.duration),
            "recording": _recording(call) if script.recorded else "",
            "recording_duration": str(script.duration - 6) if script.recorded else "",
            "transcription": "",
            "note": "",
            "agent_email": "",
            **(script.texts or {}),
        }

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """A row of the list of calls: numbers are numbers there, and what is unknown is null."""
        script = _SCRIPTS[scenario]
        begun = self._call(scenario, call)
        row = {
            "id": _key(call),
            "answered": script.answered,
            "business_phone_number": OFFICE,
            "customer_city": None,
            "customer_name": begun["customer_name"] or None,
            "customer_phone_number": begun["customer_phone_number"] or None,
            "direction": begun["direction"],
            "duration": script.duration,
            "recording": _recording(call) if script.recorded else None,
            "recording_duration": str(script.duration - 6) if script.recorded else None,
            "start_time": begun["start_time"],
            "tracking_phone_number": call.did,
            "voicemail": script.voicemail,
            "call_type": script.call_type,
            "agent_email": None,
            "note": None,
            "tags": [],
            **(script.texts or {}),
        }
        return [_said(3600.0, row, "history")]

    def strange(self, call: Dialled) -> list[Said]:
        """Kinds and types that nobody has documented."""
        begun = {**self._call("answered", call), **_NOT_YET}
        return [
            _said(0.0, begun, "levitated"),
            _said(0.0, {**begun, "answered": "perhaps", "duration": "long", "tags": {"a": 1}}, ""),
            _said(0.0, {**begun, "direction": "sideways", "start_time": "soon", "mood": ["good"]}, "pre-call"),
            _said(0.0, {"resource_id": f"MSG{1:032x}", "content": "Hello"}, "text-message-received"),
            _said(0.0, {"resource_id": f"FRM{1:032x}", "answered": True}, "new-kind-of-form"),
        ]

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """HMAC-SHA1 over the body."""
        proof = base64.b64encode(hmac.new(secret.encode(), said.body, hashlib.sha1).digest()).decode()
        headers = (("Signature", proof), ("Content-Type", "application/json"))
        return Letter(said.body, headers, "callernum=%2B14375550142", said.kind)

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """The proof missing, twice, in another case, unpadded, in hex; another body."""
        (name, proof), kind = letter.headers
        in_hex = base64.b64decode(proof).hex()
        changed = (proof.swapcase(), proof.rstrip("="), f"{proof}\n", f"sha1={proof}", in_hex, "")
        return [
            replace(letter, headers=(kind,)),
            replace(letter, headers=((name, proof), *letter.headers)),
            *(replace(letter, headers=((name, other), kind)) for other in changed),
            replace(letter, body=letter.body + b" "),
            replace(letter, body=b""),
        ]

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """Nothing is asked before the first delivery."""
        return None


# What a call that only begins is said to be.
_NOT_YET: Mapping[str, Any] = {"answered": False, "call_type": "missed", "duration": 0, "voicemail": False}


def _destination() -> dict[str, str]:
    return {"business_phone_number": OFFICE, "destinationnum": OFFICE}


def _key(call: Dialled) -> str:
    return f"CAL{call.serial:032x}"


def _recording(call: Dialled) -> str:
    return f"{API}/a/{ACCOUNT_ID}/calls/{_key(call)}/recording.json"


def _said(after_s: float, body: Mapping[str, Any], kind: str) -> Said:
    return Said(after_s, json.dumps(body, separators=(",", ":")).encode(), kind)


SPEAKER = CallRailSpeaker()
