"""What a speaker is: it plays calls in one vendor's words, and signs what it says as the vendor does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable

# Every speaker plays those of these that its system tells apart.
SCENARIOS = (
    "answered",
    "missed",
    "voicemail",
    "blind_transfer",
    "attended_transfer",
    "ring_group",
    "outbound",
    "internal",
    "withheld",
)


@dataclass(frozen=True)
class Dialled:
    """A call to be played. Numbers are E.164; `serial` makes its ids its own, `at` is when it begins (UTC)."""

    at: datetime
    serial: int = 1
    caller: str = "+14375550142"
    name: str = "JANE EXAMPLE"
    did: str = "+14375550100"


@dataclass(frozen=True)
class Said:
    """One thing the vendor says, `after_s` seconds from the call's begin: a body before it is signed.

    `kind` is the last part of the address where the vendor uses one for each kind of event, `history`,
    `lookup` for a question about the caller that tells of a ring, or `stream` for what a connection told.
    """

    after_s: float
    body: bytes
    kind: str = ""


@dataclass(frozen=True)
class Letter:
    """A signed request, as it goes over the wire. Header names are as the vendor writes them."""

    body: bytes
    headers: tuple[tuple[str, str], ...]
    query: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Handshake:
    """What the vendor asks before it delivers, and what it must hear."""

    letter: Letter
    status: int
    body: bytes | None = None  # None: any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Vector:
    """A signed request whose proof is known from elsewhere: what it is signed with, at which moment."""

    secret: str
    at: datetime
    letter: Letter
    options: Mapping[str, object] = field(default_factory=dict)


class Speaker(Protocol):
    """Plays one phone system.

    `silent_about` names what its messages never tell: any of agent, legs, did, transfers, name.
    """

    system: ClassVar[str]
    scenarios: ClassVar[Sequence[str]]
    silent_about: ClassVar[frozenset[str]]

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """Options of an adapter that accepts these secrets, at `address` as the vendor sees it."""

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """One call from its begin to its end, in the order in which it happens."""

    def strange(self, call: Dialled) -> list[Said]:
        """Messages of kinds, states and types that no version of the vendor's documentation has."""


@runtime_checkable
class WebhookSpeaker(Speaker, Protocol):
    """One whose vendor calls us.

    `signs_body` is false where the proof is a shared token only. `stale_after_s` is set where the proof includes a
    time. `retries_s` is when the vendor tries again, in seconds after its first try, and `retries_on` the statuses
    after which it does.
    """

    secret: ClassVar[str]
    another_secret: ClassVar[str]
    signs_body: ClassVar[bool]
    stale_after_s: ClassVar[float | None]
    retries_s: ClassVar[Sequence[float]]
    retries_on: ClassVar[range]
    vectors: ClassVar[Sequence[Vector]]

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """The request that carries `said` to `address` at `at`; `delivery` is this delivery's own id."""

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """Requests made of a good one that must all be refused: proof missing, twice, in wrong case, unpadded..."""

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """What the vendor asks first, where it does."""


@runtime_checkable
class HistorySpeaker(Speaker, Protocol):
    """One whose vendor can be asked afterwards."""

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """The records of the same call, as the adapter brings them home: each of kind `history`."""
