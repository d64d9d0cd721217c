"""What an adapter is.

An adapter knows one phone system and nothing of ServiceTitan or of our database. It parses; it stores nothing and
decides nothing. Parsing is pure and needs one message at a time, so that a message taken from the inbox after a crash
gives the same events as it did, or would have done, the first time.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import Flag, auto
from typing import ClassVar, Protocol, runtime_checkable

import msgspec

from trunkline.domain.events import CallEvent, LiveCalls


class Capability(Flag):
    """What a phone system can do for us."""

    WEBHOOK = auto()  # it calls us
    STREAM = auto()  # we keep a connection open
    ORIGINATE = auto()  # click to call


class RawMessage(msgspec.Struct, frozen=True):
    """One message of the phone system as received, before anyone tried to understand it.

    `delivery_id` is the sender's own id of this delivery, where it has one; the inbox takes each once.
    """

    body: bytes
    received_at: datetime
    delivery_id: str | None = None


class Unreadable(Exception):
    """The message cannot be understood: it is kept, marked with this one sentence, and never tried again."""


class Refused(Exception):
    """The delivery is not from the phone system, or too old, or too big: answer 4xx and store nothing."""

    def __init__(self, message: str, *, status: int = 401) -> None:
        super().__init__(message)
        self.status = status


class LinkState(msgspec.Struct, frozen=True):
    """How a stream's connection stands, for people: `state` is connecting, connected or disconnected."""

    state: str
    detail: str | None = None


Parsed = CallEvent | LiveCalls
Deliver = Callable[[Sequence[RawMessage]], Awaitable[None]]
Report = Callable[[LinkState], Awaitable[None]]


@runtime_checkable
class Adapter(Protocol):
    """One configured phone system; `account` names it within its tenant."""

    system: ClassVar[str]
    capabilities: ClassVar[Capability]
    account: str

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one message, in order; none where the message says nothing about calls.

        Raises:
            Unreadable: the message is malformed.
        """


@runtime_checkable
class StreamAdapter(Adapter, Protocol):
    """A phone system to which we keep a connection open."""

    async def run(self, deliver: Deliver, report: Report) -> None:
        """Connect, and stay connected until cancelled; never raises for trouble of the connection.

        Everything received in one read is delivered in one batch; `deliver` returns once the batch is durable.
        """


@runtime_checkable
class WebhookAdapter(Adapter, Protocol):
    """A phone system that calls us."""

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> RawMessage:
        """Prove who sent `body`, before anything parses it. Header names are lower-case.

        Raises:
            Refused: the proof is missing, wrong or stale.
        """
