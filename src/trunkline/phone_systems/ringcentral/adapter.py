"""The adapter: options, proof, and what RingCentral can be asked."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Self

import httpx
import msgspec

from trunkline.phone_systems.base import (
    HISTORY_KIND,
    Capability,
    LinkState,
    Originated,
    Parsed,
    RawMessage,
    Recording,
    Unreadable,
)
from trunkline.phone_systems.delivery import Answer, Delivery, Refused, any_holds, fingerprint
from trunkline.phone_systems.errors import GivenUp
from trunkline.phone_systems.options import read_options
from trunkline.phone_systems.ringcentral.call_log import read_record, record_message
from trunkline.phone_systems.ringcentral.rest import Rest, SignIn, decoded, stamp
from trunkline.phone_systems.ringcentral.sessions import read_notification
from trunkline.phone_systems.ringcentral.shop import SYSTEM, Id, Shop
from trunkline.phone_systems.ringcentral.subscription import Subscription

LONGEST_ECHO = 512  # the whole answer to a handshake has to stay under 1024 bytes
_PER_PAGE = 100  # what it gives unasked; how much more it allows where legs are asked for is not certain
_HANDSHAKE = "validation-token"
_TOKEN_HEADERS = ("verification-token", "validation-token")  # its reference and its guide disagree


class RingCentralOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How to sign in, and what RingCentral's events do not tell.

    The first of `verification_tokens` is given to RingCentral, all are accepted. `queues` and `menus` name extensions
    that are no people, by extension number, id or name. `phones` says for an agent's extension which number RingOut
    is to ring (E.164).
    """

    client_id: str
    client_secret: str
    jwt_token: str
    verification_tokens: list[str]
    queues: list[str] = []
    menus: list[str] = []
    phones: dict[str, str] = {}
    api_base: str = "https://platform.ringcentral.com"
    media_base: str = "https://media.ringcentral.com"

    def __repr__(self) -> str:
        return f"RingCentralOptions(client_id={self.client_id!r}, api_base={self.api_base!r})"


class _Named(msgspec.Struct):
    uuid: Id | None = None


class _Navigation(msgspec.Struct, rename="camel"):
    next_page: dict[str, object] | None = None


class _Page(msgspec.Struct):
    records: list[msgspec.Raw] = []
    navigation: _Navigation | None = None


class _RingOut(msgspec.Struct):
    id: str | int | None = None


class _Attachment(msgspec.Struct, rename="camel"):
    uri: str | None = None
    type: str | None = None


class _VoiceMessage(msgspec.Struct):
    attachments: list[_Attachment] = []


class RingCentralAdapter:
    """RingCentral's telephony sessions."""

    system: ClassVar[str] = SYSTEM
    capabilities: ClassVar[Capability] = (
        Capability.WEBHOOK | Capability.SUBSCRIPTION | Capability.HISTORY | Capability.ORIGINATE | Capability.RECORDINGS
    )
    acknowledgement: ClassVar[Answer] = Answer(200)
    check_every_s: ClassVar[float] = 50.0
    settles_s: ClassVar[float] = 900.0

    def __init__(self, account: str, options: RingCentralOptions) -> None:
        self.account = account
        if not options.verification_tokens or not all(options.verification_tokens):
            raise ValueError(f"Phone system {account}: give at least one of verification_tokens, and none empty.")
        self._tokens = options.verification_tokens
        self._phones = options.phones
        self._shop = Shop(account, _names(options.queues), _names(options.menus))
        sign_in = SignIn(options.client_id, options.client_secret, options.jwt_token)
        self._rest = Rest(sign_in, options.api_base, options.media_base)
        self._media_host = httpx.URL(options.media_base).netloc
        self._subscription = Subscription(self._rest, self._shop, options.verification_tokens[0])

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(RingCentralOptions, account, options))

    def verify(self, delivery: Delivery) -> RawMessage | Answer:
        """Prove who sent `delivery` by the token we gave with the order; what has no body is the handshake before it.

        The handshake comes before RingCentral knows our token, so it is answered to anybody: the answer tells nothing.

        Raises:
            Refused: the token is missing or wrong, or comes twice.
        """
        given = {name: value for name in _TOKEN_HEADERS if (value := delivery.given(name))}
        asked = given.pop(_HANDSHAKE, None) if not delivery.body.strip() else None
        if not all(any_holds(token, self._tokens) for token in given.values()):
            raise Refused("The verification token is not one of this account.")
        if asked is not None:
            if len(asked) > LONGEST_ECHO or not (asked.isascii() and asked.isprintable()):
                raise Refused("The header validation-token is no token.", status=400)
            return Answer(200, b"", "application/json", {"Validation-Token": asked})
        if not given:
            raise Refused("The header verification-token is missing.")
        return RawMessage(delivery.body, delivery.received_at, delivery_id=_delivery_id(delivery.body))

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one notification, or in one record of the call log.

        Raises:
            Unreadable: the JSON is broken, or a field has the wrong type.
        """
        read = read_record if message.kind == HISTORY_KIND else read_notification
        return [*read(self._shop, message)]

    async def supervise(self, http: httpx.AsyncClient, address: str) -> LinkState:
        """Order deliveries to `address`; name the queues and menus that settings do not know.

        Raises:
            PhoneSystemError: deliveries are not ordered, or it cannot be seen.
        """
        return await self._subscription.supervise(http, address)

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        """Pages of the company's call log, the newest call first.

        Raises:
            PhoneSystemError: it could not be read to its end.
        """
        asked = {
            "view": "Detailed",
            "type": "Voice",
            "dateFrom": stamp(since),
            "dateTo": stamp(until),
            "perPage": str(_PER_PAGE),
        }
        number, is_last = 1, False
        while not is_last:
            answer = await self._rest.heavy.ask(
                http, "GET", "/restapi/v1.0/account/~/call-log", params={**asked, "page": str(number)}
            )
            page = decoded(answer, _Page)
            try:
                found = [record_message(bytes(raw), since, until, datetime.now(UTC)) for raw in page.records]
            except (msgspec.DecodeError, Unreadable):
                raise GivenUp("RingCentral's call log holds something that is no record.") from None
            yield [message for message in found if message is not None]
            number, is_last = number + 1, page.navigation is None or page.navigation.next_page is None

    async def originate(
        self, http: httpx.AsyncClient, agent: str, number: str, *, caller_id: str | None = None
    ) -> Originated:
        """Ring the number that `phones` gives for `agent`, or `agent` itself (E.164), then call `number` (E.164).

        Raises:
            PhoneSystemError: nothing was set up, or nobody knows.
        """
        order: dict[str, object] = {
            "from": {"phoneNumber": self._phones.get(agent, agent)},
            "to": {"phoneNumber": number},
            "playPrompt": False,
        }
        if caller_id:
            order["callerId"] = {"phoneNumber": caller_id}
        path = "/restapi/v1.0/account/~/extension/~/ring-out"
        made = decoded(await self._rest.heavy.ask(http, "POST", path, json=order), _RingOut)
        key = str(made.id or "")
        return Originated(key if key.startswith("s-") else None)  # older ids name no telephony session

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """The sound of a recording, or of the voicemail message that `url` names.

        Raises:
            PhoneSystemError: it cannot be had, or the address is not RingCentral's.
        """
        try:
            is_sound = httpx.URL(url).netloc == self._media_host
        except httpx.InvalidURL:
            raise GivenUp("The recording's address is none.") from None
        if not is_sound:
            message = decoded(await self._rest.light.ask(http, "GET", url), _VoiceMessage)
            sounds = [one.uri for one in message.attachments if one.uri and one.type in (None, "AudioRecording")]
            if not sounds:
                raise GivenUp("The voicemail message has no recording.")
            url = sounds[0]
        answer = await self._rest.media.ask(http, "GET", url)
        return Recording(answer.headers.get("content-type", "application/octet-stream"), answer.aiter_bytes())


def _names(listed: list[str]) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in listed if name.strip())


def _delivery_id(body: bytes) -> str:
    try:
        named = msgspec.json.decode(body, type=_Named).uuid
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        named = None
    return named or fingerprint(body)
