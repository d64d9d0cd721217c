"""What an adapter is.

An adapter knows one phone system and nothing of ServiceTitan or of our database. It parses; it stores nothing and
decides nothing. Parsing is pure and needs one message at a time, so that a message taken from the inbox after a crash
gives the same events as it did, or would have done, the first time.

What a phone system can do beyond that is declared in :class:`Capability`, each with a protocol of its own below.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import Flag, auto
from typing import ClassVar, Protocol, runtime_checkable

import httpx
import msgspec

from trunkline.domain.caller import CallerCard
from trunkline.domain.events import CallEvent, LiveCalls
from trunkline.phone_systems.delivery import Answer, Delivery, fingerprint


class Capability(Flag):
    """What a phone system can do for us, each with the protocol that says how."""

    WEBHOOK = auto()  # it calls us
    STREAM = auto()  # we keep a connection open, or it keeps one to us
    SUBSCRIPTION = auto()  # its deliveries are ordered by API, and can lapse
    HISTORY = auto()  # it can be asked which calls there were
    ORIGINATE = auto()  # click to call
    CALLER_ID = auto()  # it asks us who calls, while the phone rings
    RECORDINGS = auto()  # recordings are fetched from it with our credentials


HISTORY_KIND = "history"
LOOKUP_KIND = "lookup"
STREAM_KIND = "stream"


class RawMessage(msgspec.Struct, frozen=True):
    """One message of the phone system as received, before anyone tried to understand it.

    `delivery_id` is the sender's own id of this delivery, where it has one; the inbox takes each once. `kind` says what
    the body itself does not: the last part of the address it was sent to, `history` for what we asked for ourselves,
    `lookup` for a question that tells of a ring, or `stream` for what came over the connection of a system that
    delivers, too. No secret is in `body`: an adapter whose vendor puts one there takes it out when it verifies.
    """

    body: bytes
    received_at: datetime
    delivery_id: str | None = None
    kind: str = ""


def history_record(body: bytes, own_id: str | None, at: datetime, *, content: bytes | None = None) -> RawMessage:
    """A record of a history, read at `at`. It is known by the vendor's `own_id` of the call and by what is told of it:
    `content`, where that is not the whole `body`."""
    told = fingerprint(body if content is None else content)
    return RawMessage(body, at, f"{HISTORY_KIND}:{(own_id or '')[:200]}:{told}", HISTORY_KIND)


class Unreadable(Exception):
    """The message cannot be understood: it is kept, marked with this one sentence, and never tried again."""


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
    """A phone system to which a connection is kept open."""

    async def run(self, deliver: Deliver, report: Report) -> None:
        """Connect, and stay connected until cancelled; never raises for trouble of the connection.

        Everything received in one read is delivered in one batch; `deliver` returns once the batch is durable.
        """


@runtime_checkable
class WebhookAdapter(Adapter, Protocol):
    """A phone system that calls us. `acknowledgement` is what it wants to hear once its delivery is durable."""

    acknowledgement: ClassVar[Answer]

    def verify(self, delivery: Delivery) -> RawMessage | Answer:
        """Prove who sent `delivery`, before anything parses it. A handshake gives the answer to send at once.

        Raises:
            Refused: the proof is missing, wrong or stale.
        """


@runtime_checkable
class SubscribedAdapter(Adapter, Protocol):
    """A phone system whose deliveries are ordered by API. `check_every_s` is how often to see that they still are."""

    check_every_s: ClassVar[float]

    async def supervise(self, http: httpx.AsyncClient, address: str) -> LinkState:
        """Order deliveries to `address` where they are not ordered; renew and revive what lapsed.

        Raises:
            PhoneSystemError: it could not be done, or not be seen.
        """


@runtime_checkable
class HistoryAdapter(Adapter, Protocol):
    """A phone system that can be asked which calls there were.

    `settles_s` is how long after its end a call may still be missing in the history.
    """

    settles_s: ClassVar[float]

    def history(self, http: httpx.AsyncClient, since: datetime, until: datetime) -> AsyncIterator[list[RawMessage]]:
        """Pages of records of the calls that began from `since` to before `until` (UTC); a record is a message whose
        kind is `history`, whose delivery id changes with its content, and which parses to one `RECORD` event and what
        goes with it. What came up about them later - a transcript - follows as messages that parse to no `RECORD`.

        Raises:
            PhoneSystemError: the history could not be read to its end.
        """


class Originated(msgspec.Struct, frozen=True):
    """A call that was set up for an agent; `call_key` is the phone system's, where it says so."""

    call_key: str | None = None


@runtime_checkable
class OriginateAdapter(Adapter, Protocol):
    """A phone system that sets up calls."""

    async def originate(
        self, http: httpx.AsyncClient, agent: str, number: str, *, caller_id: str | None = None
    ) -> Originated:
        """Ring `agent` (an extension, or what the vendor calls a user), then call `number` (E.164).

        Raises:
            PhoneSystemError: nothing was set up, or nobody knows.
        """


class Question(msgspec.Struct, frozen=True):
    """Who calls from `number`, as the phone system wrote it? `message` is set where the question tells of a ring."""

    number: str
    message: RawMessage | None = None


class Caller(msgspec.Struct, frozen=True):
    """Who calls: the card, the one line for a phone's display, and the page to open."""

    card: CallerCard
    label: str
    url: str | None = None


@runtime_checkable
class CallerIdAdapter(Adapter, Protocol):
    """A phone system that asks us who calls."""

    def question(self, delivery: Delivery) -> Question:
        """Prove who asks, and read what.

        Raises:
            Refused: the proof is missing or wrong, or there is no number.
        """

    def tell(self, question: Question, caller: Caller | None) -> Answer:
        """The answer in the phone system's own form; `caller` is `None` where nobody is known, or not in time."""


class Recording(msgspec.Struct, frozen=True):
    """A recording on its way."""

    media_type: str
    chunks: AsyncIterator[bytes]


@runtime_checkable
class RecordingAdapter(Adapter, Protocol):
    """A phone system whose recordings need our credentials."""

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """Fetch what an event's `media_url` names. Our credentials go to the vendor's own hosts only.

        Raises:
            PhoneSystemError: it cannot be had.
        """


class SetUpFile(msgspec.Struct, frozen=True):
    """What an administrator hands to the phone system, filled in. It may hold our key: given to nobody else."""

    name: str
    media_type: str
    body: bytes

    def __repr__(self) -> str:
        return f"SetUpFile({self.name!r})"


@runtime_checkable
class SetUpByFile(Adapter, Protocol):
    """A phone system that is set up by a file of ours."""

    def set_up_file(self, base_url: str) -> SetUpFile:
        """The file for an installation that the phone system reaches at `base_url`, without a slash at its end."""


class Configurable(Protocol):
    """What an entry point leads to: the class of an adapter."""

    system: ClassVar[str]
    capabilities: ClassVar[Capability]

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Adapter:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """


# Which protocol an adapter with a capability follows.
PROTOCOLS: Mapping[Capability, type] = {
    Capability.WEBHOOK: WebhookAdapter,
    Capability.STREAM: StreamAdapter,
    Capability.SUBSCRIPTION: SubscribedAdapter,
    Capability.HISTORY: HistoryAdapter,
    Capability.ORIGINATE: OriginateAdapter,
    Capability.CALLER_ID: CallerIdAdapter,
    Capability.RECORDINGS: RecordingAdapter,
}
