"""Speaks FreeSWITCH: events as the event socket tells them, and call records as mod_json_cdr posts them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

from trunkline.sandbox.phones.freeswitch.scenarios import SCENARIOS
from trunkline.sandbox.phones.freeswitch.stage import Fields, Stage, as_json
from trunkline.sandbox.phones.speaker import Dialled, Handshake, Letter, Said, Vector

USERNAME = "trunkline"


def is_record(body: bytes) -> bool:
    """Whether something said is a call record, and no event."""
    return body.startswith(b'{"core-uuid"')


class FreeSwitchSpeaker:
    """Events in the form of JSON; each leg that called FreeSWITCH ends with its record."""

    system: ClassVar[str] = "freeswitch"
    scenarios: ClassVar[Sequence[str]] = tuple(SCENARIOS)
    silent_about: ClassVar[frozenset[str]] = frozenset()
    secret: ClassVar[str] = "not-a-real-password"  # noqa: S105 - invented
    another_secret: ClassVar[str] = "another-unreal-password"  # noqa: S105 - invented
    signs_body: ClassVar[bool] = False
    stale_after_s: ClassVar[float | None] = None
    retries_s: ClassVar[Sequence[float]] = (5.0, 10.0)
    retries_on: ClassVar[range] = range(300, 600)
    vectors: ClassVar[Sequence[Vector]] = ()

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """An event socket that nobody listens on, and the passwords of the records."""
        return {
            "host": "127.0.0.1",
            "password": "not-a-real-secret",
            "cdr_username": USERNAME,
            "cdr_passwords": list(secrets),
        }

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """One call from its begin to its end; records follow half a second after what they tell of."""
        stage = Stage(call)
        SCENARIOS[scenario](stage)
        return sorted(stage.said, key=lambda said: said.after_s)

    def strange(self, call: Dialled) -> list[Said]:
        """Events, causes and channel types that nobody has documented."""
        stage = Stage(call)
        leg = stage.trunk()
        stage.tell("CHANNEL_LEVITATED", leg)
        leg.name = "telepathy/42"
        stage.tell("CHANNEL_CREATE", leg)
        stage.tell("CHANNEL_PROGRESS", leg, {"Channel-State": "CS_DREAMING", "Call-Direction": "sideways"})
        other = Stage(call)
        phone = other.rings(other.phone("201", "202"), "202")
        other.tell("CHANNEL_EXECUTE", phone, {"Application": "levitate", "Application-Data": "high"})
        custom: Fields = {"Event-Name": "CUSTOM", "Event-Subclass": "weather::change", "Mood": ["good"], "_body": "?"}
        return [*stage.said[1:], *other.said[-1:], Said(0.0, as_json(custom))]

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """HTTP Basic; a record goes as a form, which is what the module does unless told otherwise."""
        proof = base64.b64encode(f"{USERNAME}:{secret}".encode()).decode()
        body, kind = said.body, "application/json"
        if is_record(body):
            body, kind = b"cdr=" + quote(body, safe="").encode(), "application/x-www-form-urlencoded"
        return Letter(body, (("Authorization", f"Basic {proof}"), ("Content-Type", kind)), query="uuid=0001")

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """Credentials missing, twice, of another scheme or user, in another case, unpadded, with more behind."""
        proof, kind = letter.headers
        text = proof[1].removeprefix("Basic ")
        user, _, password = base64.b64decode(text).decode().partition(":")
        others = [base64.b64encode(one.encode()).decode() for one in (f"someone:{password}", f"{user}:", password)]
        changed = (text.swapcase(), text.rstrip("="), f"{text}=", "", *others)
        return [
            replace(letter, headers=(kind,)),
            replace(letter, headers=(proof, proof, kind)),
            replace(letter, headers=(("Authorization", f"Bearer {text}"), kind)),
            replace(letter, headers=(("Authorization", text), kind)),
            *(replace(letter, headers=(("Authorization", f"Basic {one}"), kind)) for one in changed),
        ]

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """Nothing is asked before the first record."""
        return None


SPEAKER = FreeSwitchSpeaker()
