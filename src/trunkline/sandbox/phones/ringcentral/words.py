"""One company at RingCentral, and how its notifications are written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from trunkline.sandbox.phones.speaker import Dialled, Said

ACCOUNT = "700001"
_SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Extension:
    """A colleague, a menu or a queue."""

    id: str
    number: str
    name: str


MENU = Extension("700002", "9", "Main Menu")
QUEUE = Extension("700003", "300", "Service")
DANA = Extension("700201", "201", "Dana Desk")
SAM = Extension("700202", "202", "Sam Second")
RITA = Extension("700203", "203", "Rita Rings")

_End = Mapping[str, str]


def outside(number: str | None, name: str | None = None) -> _End:
    """Somebody who is no extension of the company; a withheld number is left out."""
    return {key: value for key, value in (("phoneNumber", number), ("name", name)) if value}


def inside(who: Extension, number: str | None = None) -> _End:
    """An extension, reached at `number` or at its own."""
    return {"phoneNumber": number or who.number, "name": who.name, "extensionId": who.id}


def dialling(who: Extension, number: str) -> _End:
    """An extension that dials: its caller id, and no name yet."""
    return {"phoneNumber": number, "extensionId": who.id}


def written(body: object) -> bytes:
    """Compact JSON."""
    return json.dumps(body, separators=(",", ":")).encode()


def instant(moment: datetime) -> str:
    """As RingCentral writes moments: UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def session_id(call: Dialled, session: int) -> str:
    """The key of a call's first, second... session."""
    return f"s-{call.serial:016x}{session:016x}"


@dataclass
class Sessions:
    """Writes what happens in one call, in order; sequence numbers begin with 2, as RingCentral's mostly do."""

    call: Dialled
    origin: str = "Call"
    said: list[Said] = field(default_factory=list)
    _sequences: dict[int, int] = field(default_factory=dict)

    def party(self, number: int, direction: str, source: _End, target: _End, session: int = 1) -> "PartyVoice":
        """One party: `number` counts within its session."""
        return PartyVoice(self, number, direction, source, target, session)

    def notify(self, after_s: float, path: str, body: Mapping[str, object]) -> None:
        """One notification."""
        at = self.call.at + timedelta(seconds=after_s)
        envelope = {
            "uuid": str(2 * 10**18 + self.call.serial * 1000 + len(self.said)),
            "event": path,
            "timestamp": instant(at + timedelta(milliseconds=90)),
            "subscriptionId": _SUBSCRIPTION,
            "ownerId": ACCOUNT,
            "body": body,
        }
        self.said.append(Said(after_s, written(envelope)))

    def sequence(self, session: int) -> int:
        """The next number within a session."""
        self._sequences[session] = self._sequences.get(session, 1) + 1
        return self._sequences[session]


@dataclass(frozen=True)
class PartyVoice:
    """One party of one session."""

    sessions: Sessions
    number: int
    direction: str
    source: _End
    target: _End
    session: int

    @property
    def id(self) -> str:
        """Its id, which holds that of its session."""
        return f"p-{session_id(self.sessions.call, self.session)[2:]}-{self.number}"

    def is_now(
        self, after_s: float, code: str, reason: str | None = None, *, peer: "PartyVoice | None" = None,
        missed: bool = False
    ) -> None:  # fmt: skip
        """Its status changes."""
        call = self.sessions.call
        own = self.source if self.direction == "Outbound" else self.target
        extension = {"extensionId": own["extensionId"]} if "extensionId" in own else {}
        status: dict[str, object] = {"code": code, **({"reason": reason} if reason else {}), "rcc": False}
        if peer:
            status["peerId"] = {
                "sessionId": f"9000000{call.serial:05d}{peer.session}",
                "telephonySessionId": session_id(call, peer.session),
                "partyId": peer.id,
            }
        party = {
            "accountId": ACCOUNT, **extension, "id": self.id, "direction": self.direction, "to": self.target,
            "from": self.source, "status": status, "park": {}, "missedCall": missed, "standAlone": False,
            "muted": False,
        }  # fmt: skip
        place = f"/extension/{own['extensionId']}" if extension else ""
        self.sessions.notify(
            after_s,
            f"/restapi/v1.0/account/{ACCOUNT}{place}/telephony/sessions",
            {
                "sequence": self.sessions.sequence(self.session),
                "sessionId": f"9000000{call.serial:05d}{self.session}",
                "telephonySessionId": session_id(call, self.session),
                "serverId": "10.0.0.1.TAM",
                "eventTime": instant(call.at + timedelta(seconds=after_s)),
                "parties": [party],
                "origin": {"type": self.sessions.origin},
            },
        )
