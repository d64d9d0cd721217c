"""The adapter for Twilio: proofs, and what else an account there can do."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Self
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.sax.saxutils import escape, quoteattr

import httpx
import msgspec
from twilio.request_validator import (  # type: ignore[import-untyped]
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)

from trunkline.phone_systems.base import (
    HISTORY_KIND,
    Capability,
    Originated,
    Parsed,
    RawMessage,
    Recording,
    Unreadable,
    history_record,
)
from trunkline.phone_systems.delivery import Answer, Delivery, Refused, fingerprint
from trunkline.phone_systems.errors import NeedsFixing
from trunkline.phone_systems.loose import LONGEST_ID, Fields
from trunkline.phone_systems.options import read_options
from trunkline.phone_systems.twilio.api import TwilioApi
from trunkline.phone_systems.twilio.legs import AGENT_MARK, CALL_MARK, DID_MARK, Shop
from trunkline.phone_systems.twilio.told import MOST_FIELDS, Teller, read_form

API_BASE = "https://api.twilio.com/2010-04-01"
RINGS_S = 30
_ALGORITHMS = ("HMAC_SHA1", "HMAC_SHA256")
_MARKS = {"agent": AGENT_MARK, "call": CALL_MARK, "did": DID_MARK}
# What tells one event of a leg from another, where Twilio gives a delivery no id.
_IDENTITY = (
    "CallSid",
    "CallStatus",
    "SequenceNumber",
    "CallbackSource",
    "ConferenceSid",
    "StatusCallbackEvent",
    "RecordingSid",
    "RecordingStatus",
    "TranscriptionSid",
    "TranscriptionStatus",
    "DialCallSid",
    "DialCallStatus",
    "Timestamp",
)
# What of a row is kept: prices come later, and change nothing about the call.
_ROW = (
    "sid",
    "parent_call_sid",
    "from",
    "to",
    "status",
    "start_time",
    "end_time",
    "date_created",
    "duration",
    "direction",
    "answered_by",
    "caller_name",
)
_RECORDING = ("sid", "source", "start_time", "date_created", "media_url")


class TwilioOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`address` is where Twilio delivers, as Twilio sees it; `auth_tokens` prove its deliveries, any of them.

    `numbers` are the shop's own at Twilio (E.164), the first is shown by click to call; `agents` says which extension
    an address rings (`client:dana`, `sip:...`, a colleague's mobile). With `api_key_sid` and `api_key_secret` the API
    is asked with these, else with the first of the tokens.
    """

    account_sid: str
    auth_tokens: list[str]
    address: str
    numbers: list[str] = []
    agents: dict[str, str] = {}
    api_key_sid: str | None = None
    api_key_secret: str | None = None
    api_base: str = API_BASE

    def __repr__(self) -> str:
        return f"TwilioOptions({self.account_sid}, {len(self.auth_tokens)} tokens, {self.address})"


class TwilioAdapter:
    """One account at Twilio."""

    system: ClassVar[str] = "twilio"
    capabilities: ClassVar[Capability] = (
        Capability.WEBHOOK | Capability.HISTORY | Capability.ORIGINATE | Capability.RECORDINGS
    )
    acknowledgement: ClassVar[Answer] = Answer(204)
    settles_s: ClassVar[float] = 120.0

    def __init__(self, account: str, options: TwilioOptions) -> None:
        self.account = account
        self._address, _, self._overrides = options.address.partition("#")
        if not _is_web(self._address) or urlsplit(self._address).query:
            raise ValueError(f"Phone system {account}: address is https://..., without a question mark.")
        if not options.auth_tokens or not all(options.auth_tokens):
            raise ValueError(f"Phone system {account}: give at least one of auth_tokens.")
        if (options.api_key_sid is None) != (options.api_key_secret is None):
            raise ValueError(f"Phone system {account}: api_key_sid and api_key_secret go together.")
        if not _is_web(options.api_base):
            raise ValueError(f"Phone system {account}: api_base is https://... .")
        self._validators = [RequestValidator(token) for token in options.auth_tokens]
        self._numbers = options.numbers
        self._shop = Shop(options.numbers, options.agents)
        self._teller = Teller(self.system, account, self._shop)
        user = options.api_key_sid or options.account_sid
        password = options.api_key_secret or options.auth_tokens[0]
        self._api = TwilioApi(options.account_sid, user, password, options.api_base)

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(TwilioOptions, account, options))

    # Deliveries -------------------------------------------------------------------------------------------------

    def verify(self, delivery: Delivery) -> RawMessage:
        """Prove who sent `delivery`: Twilio signs the address it calls, as it calls it, with all parameters.

        Raises:
            Refused: it is not signed, or for another address, or with another token.
        """
        signature = delivery.header("x-twilio-signature")
        algorithm = get_signature_algorithm(delivery.given(SIGNATURE_SETTINGS_HEADER.lower()))
        if algorithm not in _ALGORITHMS:
            raise Refused("The signature's algorithm is not known.")
        signed = _signed(delivery)
        if not any(
            validator.validate(url, signed, signature, algorithm)
            for validator in self._validators
            for url in self._called(delivery)
        ):
            raise Refused("The signature does not match any token of this account, at its address.")
        body = delivery.body if isinstance(signed, str) else delivery.body + _marks(delivery.query)
        return RawMessage(body, delivery.received_at, _delivery_id(delivery), delivery.kind)

    def _called(self, delivery: Delivery) -> list[str]:
        """What Twilio may have called: whether it signs the fragment with its connection settings is not documented."""
        url = self._address + (f"/{delivery.kind}" if delivery.kind else "")
        url += f"?{delivery.query}" if delivery.query else ""
        return [url, f"{url}#{self._overrides}"] if self._overrides else [url]

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one callback, or in one row of the history.

        Raises:
            Unreadable: it is malformed.
        """
        return list(self._teller.record(message) if message.kind == HISTORY_KIND else self._teller.callback(message))

    # What else it can do ----------------------------------------------------------------------------------------

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        """Pages of legs that began from `since` to before `until` and are over, each with its recordings.

        A leg of a call that still goes on is left for the next time, so that nothing looks over that is not.

        Raises:
            PhoneSystemError: the history could not be read to its end.
        """
        unfinished = await self._api.unfinished(http)
        recordings = await self._api.recordings(http, since)
        async for page in self._api.calls(http, since, until):
            rows = [row for row in page if not unfinished & {row.id("sid"), row.id("parent_call_sid")}]
            messages = [self._record(row, recordings.get(row.id("sid") or "", ())) for row in rows]
            yield [message for message in messages if self._began_within(message, since, until)]

    def _began_within(self, message: RawMessage, since: datetime, until: datetime) -> bool:
        events = self._teller.record(message)
        return bool(events) and since <= events[0].occurred_at < until

    def _record(self, row: Fields, recordings: Sequence[Fields]) -> RawMessage:
        kept = {name: row.held.get(name) for name in _ROW}
        heard = [
            {**{name: one.held.get(name) for name in _RECORDING}, "media_url": self._api.media_url(one)}
            for one in recordings
        ]
        body = msgspec.json.encode({"call": kept, "recordings": heard})
        return history_record(body, row.id("sid"), datetime.now(UTC))

    async def originate(
        self, http: httpx.AsyncClient, agent: str, number: str, *, caller_id: str | None = None
    ) -> Originated:
        """Ring `agent` - an extension of the option `agents`, or an address - then call `number` (E.164).

        Raises:
            PhoneSystemError: nothing was made, or nobody knows.
        """
        phone = self._shop.address_of(agent) or (agent if agent.startswith(("client:", "sip:", "+")) else None)
        if phone is None:
            raise NeedsFixing(f"Twilio has no phone for {agent}: name it in the option agents.")
        shown = caller_id or next(iter(self._numbers), None)
        if shown is None:
            raise NeedsFixing("Twilio needs a number to show: name the shop's in the option numbers.")
        told_at = f"{self._address}?{urlencode({'agent': agent})}" + (f"#{self._overrides}" if self._overrides else "")
        form: dict[str, str | list[str]] = {
            "To": phone,
            "From": shown,
            "Twiml": _dial(number, shown, told_at),
            "Timeout": str(RINGS_S),
            "StatusCallback": told_at,
            "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        }
        return Originated(await self._api.make_call(http, form))

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """Fetch a recording.

        Raises:
            PhoneSystemError: it cannot be had.
        """
        return await self._api.recording(http, url)


class _Form:
    """Parameters as Twilio's validator asks for them: a repeated one with all its values."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def getlist(self, name: str) -> list[str]:
        """All values of one parameter."""
        return [value for given, value in self._pairs if given == name]


def _signed(delivery: Delivery) -> str | _Form:
    """What is signed besides the address: a form's parameters. Of other bodies the address holds a digest."""
    media_type = (delivery.given("content-type") or "application/x-www-form-urlencoded").partition(";")[0].strip()
    has_digest = any(name == "bodySHA256" for name, _ in parse_qsl(delivery.query, keep_blank_values=True))
    if not has_digest and media_type.lower() != "application/x-www-form-urlencoded":
        raise Refused("The body is no form, and no digest of it is signed.", status=415)
    try:
        text = delivery.body.decode()
        return text if has_digest else _Form(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise Refused("The body cannot be read as text.", status=400) from None


def _marks(query: str) -> bytes:
    """The shop's own marks in a signed address, as parameters of the message: parsing sees only the body."""
    found = {_MARKS[name]: value for name, value in parse_qsl(query) if name in _MARKS and len(value) <= LONGEST_ID}
    return b"&" + urlencode(found).encode() if found else b""


def _delivery_id(delivery: Delivery) -> str:
    own = delivery.given("i-twilio-idempotency-token")
    if own and len(own) <= LONGEST_ID:
        return own
    try:
        given = read_form(delivery.body)
    except Unreadable:
        return fingerprint(delivery.body)
    return fingerprint(*(given.text(name) for name in _IDENTITY))


def _dial(number: str, shown: str, told_at: str) -> str:
    events = "initiated ringing answered completed"
    return (
        f"<Response><Dial callerId={quoteattr(shown)}>"
        f"<Number statusCallback={quoteattr(told_at)} statusCallbackEvent={quoteattr(events)}>{escape(number)}</Number>"
        "</Dial></Response>"
    )


def _is_web(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
