"""Dialpad: every state of every leg of a call is a webhook whose whole body is a JWT."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Self

import httpx
import msgspec
from aiolimiter import AsyncLimiter
from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError, PyJWTError

from trunkline.phone_systems.base import (
    HISTORY_KIND,
    Capability,
    LinkState,
    Originated,
    Parsed,
    RawMessage,
    Recording,
    Unreadable,
    history_record,
)
from trunkline.phone_systems.delivery import Answer, Delivery, Refused, fingerprint
from trunkline.phone_systems.dialpad.legs import Leg
from trunkline.phone_systems.dialpad.subscription import Subscription
from trunkline.phone_systems.errors import GivenUp, NeedsFixing
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.media_fetch import fetch_media, is_vendors
from trunkline.phone_systems.options import read_options
from trunkline.phone_systems.vendor_api import FixedCredentials, VendorApi

NAME = "Dialpad"
OWN_DOMAIN = "dialpad.com"
API_BASE = "https://dialpad.com/api/v2"
# Half of the 20 requests a second that the whole company has; others ask, too.
REQUESTS_A_SECOND = 10
CALLS_A_MINUTE = 5
_MS = 0.001
# Comes when the call is long over; whether its event_timestamp is then the call's or its own is not documented.
_LATE_STATES = (
    "recording",
    "transcription",
    "recap_",
    "dispositions",
    "csat",
    "pcsat",
    "postcall",
    "voicemail_uploaded",
)
_LATE_S = 24 * 3600.0


class DialpadOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`secrets` sign deliveries, the first being the one to set up; `api_token` is the key of a company administrator.

    `target_type` and `target_id` narrow deliveries to one office, department or the like; without them all calls of
    the company come.
    """

    secrets: list[str]
    api_token: str
    target_type: str | None = None
    target_id: int | None = None
    api_base: str = API_BASE

    def __repr__(self) -> str:
        return f"DialpadOptions({len(self.secrets)} secrets, api_base={self.api_base!r})"


class _AnyLength(HMACAlgorithm):
    """HS256 with a secret of any length: Dialpad asks for none, and a warning at each delivery helps nobody."""

    def check_key_length(self, key: bytes) -> str | None:
        """Nothing to complain of."""
        return None


class _Page(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    cursor: str | None = None


class DialpadAdapter:
    """One Dialpad company, or one office of it."""

    system: ClassVar[str] = "dialpad"
    capabilities: ClassVar[Capability] = (
        Capability.WEBHOOK | Capability.SUBSCRIPTION | Capability.HISTORY | Capability.ORIGINATE | Capability.RECORDINGS
    )
    acknowledgement: ClassVar[Answer] = Answer(200)
    check_every_s: ClassVar[float] = 50.0
    settles_s: ClassVar[float] = 300.0

    def __init__(self, account: str, options: DialpadOptions) -> None:
        self.account = account
        if not options.secrets:
            raise ValueError(f"Phone system {account}: give at least one of secrets.")
        if (options.target_type is None) != (options.target_id is None):
            raise ValueError(f"Phone system {account}: target_type and target_id go together.")
        algorithm = _AnyLength(HMACAlgorithm.SHA256)
        try:
            for secret in options.secrets:
                algorithm.prepare_key(secret)
        except InvalidKeyError:
            raise ValueError(
                f"Phone system {account}: each of secrets is a text that is neither empty nor a public key."
            ) from None
        self._options = options
        self._proof = PyJWS(algorithms=[])
        self._proof.register_algorithm("HS256", algorithm)
        self._credentials = FixedCredentials(authorization=f"Bearer {options.api_token}")
        pace = AsyncLimiter(REQUESTS_A_SECOND, 1.0)
        self._api = VendorApi(NAME, options.api_base, self._credentials, pace)
        self._calling = VendorApi(NAME, options.api_base, self._credentials, AsyncLimiter(CALLS_A_MINUTE, 60.0))

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(DialpadOptions, account, options))

    # Deliveries -------------------------------------------------------------------------------------------------

    def verify(self, delivery: Delivery) -> RawMessage:
        """Prove who sent `delivery`; the message holds its claims, byte by byte.

        Raises:
            Refused: it is no JWT signed with one of the secrets by HS256, or too old.
        """
        claims = self._proved(delivery.body.strip())
        self._check_age(delivery, claims)
        return RawMessage(claims, delivery.received_at, delivery_id=fingerprint(claims))

    def _proved(self, token: bytes) -> bytes:
        for secret in self._options.secrets:
            try:
                claims: bytes = self._proof.decode(token, secret, algorithms=["HS256"])
            except (PyJWTError, ValueError):
                continue
            return claims
        raise Refused("The body is not signed with any secret of this account.")

    @staticmethod
    def _check_age(delivery: Delivery, claims: bytes) -> None:
        """The claims have no time of their own but the event's; one without it is known again by its content."""
        try:
            told = Fields.read(claims, "The body")
        except Unreadable:
            return  # signed all the same: it is kept, with what is wrong with it
        stamp, state = told.held.get("event_timestamp"), told.text("state") or ""
        if stamp is None:
            return
        if any(state.removeprefix("call_").startswith(late) for late in _LATE_STATES):
            delivery.check_age(str(stamp), unit_s=_MS, late_s=_LATE_S)
        else:
            delivery.check_age(str(stamp), unit_s=_MS)

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one delivery, or in one record of the history; none where it is about no call.

        Raises:
            Unreadable: the claims are no JSON object, or name no call.
        """
        claims = Fields.read(message.body, "Dialpad's message")
        if "state" not in claims.held and "call_id" not in claims.held:
            return []
        leg = Leg(self.system, self.account, claims, message.received_at)
        return [*(leg.remembered() if message.kind == HISTORY_KIND else leg.told())]

    # REST -------------------------------------------------------------------------------------------------------

    async def supervise(self, http: httpx.AsyncClient, address: str) -> LinkState:
        """See that Dialpad has a webhook for `address`, signed with our first secret, and a subscription that uses it.

        Raises:
            PhoneSystemError: it could not be done, or not be seen.
        """
        options = self._options
        order = Subscription(self._api, options.secrets[0], options.target_type, options.target_id)
        return await order.see_to(http, address)

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        """Pages of legs that began from `since` to before `until`, the newest first; Dialpad lists ended calls only.

        Raises:
            PhoneSystemError: the history could not be read to its end.
        """
        # Later than, says the documentation; the millisecond before makes it from.
        wanted: dict[str, Any] = {"started_after": _epoch_ms(since) - 1, "started_before": _epoch_ms(until)}
        if self._options.target_type is not None:
            wanted |= {"target_type": self._options.target_type, "target_id": self._options.target_id}
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            page = await self._page(http, {**wanted, **({"cursor": cursor} if cursor else {})})
            yield [self._remembered(bytes(item), until) for item in page.items or []]
            cursor = page.cursor
            if not cursor:
                return
            if cursor in seen:
                raise GivenUp(f"{NAME} gives the same page of its history again and again.")
            seen.add(cursor)

    async def _page(self, http: httpx.AsyncClient, wanted: Mapping[str, Any]) -> _Page:
        answer = await self._api.ask(http, "GET", "/call", params=wanted)
        try:
            return msgspec.json.decode(answer.content, type=_Page)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise GivenUp(f"{NAME} answered with something that is no list of calls.") from None

    def _remembered(self, record: bytes, at: datetime) -> RawMessage:
        try:
            call_id = Fields.read(record, "The record").text("call_id")
        except Unreadable:
            call_id = None
        return history_record(record, call_id, at)

    async def originate(
        self, http: httpx.AsyncClient, agent: str, number: str, *, caller_id: str | None = None
    ) -> Originated:
        """Ring all devices of `agent` (a Dialpad user's id), then call `number`.

        Raises:
            PhoneSystemError: nothing was set up, or nobody knows.
        """
        if not (agent.isascii() and agent.isdigit()):
            raise NeedsFixing(f"Dialpad knows its users by a number; {agent!r} is none.")
        wanted: dict[str, object] = {"user_id": int(agent), "phone_number": number}
        if caller_id:
            wanted["outbound_caller_id"] = caller_id
        return Originated(Fields(await self._calling.json(http, "POST", "/call", json=wanted)).text("call_id"))

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """Fetch a recording or voicemail; the key goes to Dialpad's own hosts only.

        Raises:
            PhoneSystemError: it cannot be had.
        """
        if not is_vendors(url, OWN_DOMAIN, httpx.URL(self._options.api_base)):
            raise GivenUp("The recording is not on a host of Dialpad; our key is not sent there.")
        return await fetch_media(NAME, http, url, await self._credentials.headers(http, fresh=False))


def _epoch_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
