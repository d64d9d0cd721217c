"""The adapter for Quo.

Sources: the vendor's pages on webhooks of the version 2026-03-30, on signatures of both generations, and its API
reference.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Self

import httpx
import msgspec
from standardwebhooks.webhooks import Webhook

from trunkline.domain.events import CallEvent, EventKind
from trunkline.phone_systems.base import (
    HISTORY_KIND,
    Capability,
    LinkState,
    Parsed,
    RawMessage,
    Recording,
    Unreadable,
    history_record,
)
from trunkline.phone_systems.delivery import Answer, Delivery, Refused, any_holds, fingerprint
from trunkline.phone_systems.loose import LONGEST_ID, Fields
from trunkline.phone_systems.options import read_options
from trunkline.phone_systems.quo import reading
from trunkline.phone_systems.quo.api import QuoApi

PREFIX = "whsec_"
_MS_DIGITS = 12  # seconds since 1970 have ten digits, milliseconds thirteen


class QuoOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`secrets` are signing keys of webhooks, of either generation; without any, the webhook is ordered at each start.

    `api_token` is the workspace's API key.
    """

    api_token: str
    secrets: list[str] = []
    api_base: str = "https://api.quo.com"

    def __repr__(self) -> str:
        return f"QuoOptions({len(self.secrets)} secrets, {self.api_base})"


class QuoAdapter:
    """One Quo workspace."""

    system: ClassVar[str] = "quo"
    capabilities: ClassVar[Capability] = (
        Capability.WEBHOOK | Capability.SUBSCRIPTION | Capability.HISTORY | Capability.RECORDINGS
    )
    acknowledgement: ClassVar[Answer] = Answer(200)
    check_every_s: ClassVar[float] = 50.0
    settles_s: ClassVar[float] = 600.0

    def __init__(self, account: str, options: QuoOptions) -> None:
        self.account = account
        try:
            self._keys = [_key(secret) for secret in options.secrets]
        except ValueError:
            raise ValueError(
                f"Phone system {account}: a signing key in secrets is base64, with or without {PREFIX} before it."
            ) from None
        self._expects_webhook = any(secret.startswith(PREFIX) for secret in options.secrets)
        self._own: tuple[str, bytes] | None = None  # a webhook ordered by us, and its key
        self._api = QuoApi(options.api_token, options.api_base)

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(QuoOptions, account, options))

    # Deliveries -------------------------------------------------------------------------------------------------

    def verify(self, delivery: Delivery) -> RawMessage:
        """Prove who sent `delivery`, in the way of either generation.

        Raises:
            Refused: it is too old, not signed, or signed with another key.
        """
        keys = [*self._keys, *([self._own[1]] if self._own else [])]
        if delivery.given("webhook-signature") is not None:
            return self._verify_current(delivery, keys)
        return self._verify_legacy(delivery, keys)

    def _verify_current(self, delivery: Delivery, keys: list[bytes]) -> RawMessage:
        delivery_id, stamp = delivery.header("webhook-id"), delivery.header("webhook-timestamp")
        if len(delivery_id) > LONGEST_ID:
            raise Refused(f"The header webhook-id is longer than {LONGEST_ID} characters.", status=400)
        delivery.check_age(stamp)
        try:
            text, at = delivery.body.decode(), datetime.fromtimestamp(int(stamp), UTC)
        except UnicodeDecodeError:
            raise Refused("The message is not UTF-8.", status=400) from None
        expected = [Webhook(key).sign(delivery_id, at, text) for key in keys]
        if not any(any_holds(one, expected) for one in delivery.header("webhook-signature").split(" ")):
            raise Refused("The signature does not match any key of this account.")
        return RawMessage(delivery.body, delivery.received_at, delivery_id=delivery_id)

    def _verify_legacy(self, delivery: Delivery, keys: list[bytes]) -> RawMessage:
        for one in delivery.header("openphone-signature").split(","):
            scheme, _, rest = one.strip().partition(";1;")
            stamp, _, proof = rest.partition(";")
            signed = stamp.encode() + b"." + delivery.body
            if scheme == "hmac" and any_holds(proof, [_legacy_proof(key, signed) for key in keys]):
                delivery.check_age(stamp, unit_s=0.001 if len(stamp) >= _MS_DIGITS else 1.0)
                return RawMessage(delivery.body, delivery.received_at, delivery_id=_event_id(delivery.body))
        raise Refused("The signature does not match any key of this account.")

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one delivery or one call of the history.

        Raises:
            Unreadable: it is no JSON object, or does not say which call it is about.
        """
        body = Fields.read(message.body, "Quo's message")
        kind = HISTORY_KIND if message.kind == HISTORY_KIND else body.text("type") or ""
        if kind != HISTORY_KIND and kind not in reading.EVENTS:
            return []  # messages, contacts, tasks
        at = body.time("createdAt") or message.received_at
        story = reading.Story.of(
            CallEvent(self.system, self.account, "", EventKind.UNKNOWN, at, vendor_kind=kind), body
        )
        return [*(reading.record(story) if kind == HISTORY_KIND else reading.live(story, kind))]

    # What is asked ----------------------------------------------------------------------------------------------

    async def supervise(self, http: httpx.AsyncClient, address: str) -> LinkState:
        """See that a webhook leads to `address`, and revive it. Without keys in the settings it is ordered anew at each
        start, as the vendor shows a key once, when the webhook is made.

        Raises:
            PhoneSystemError: it could not be done, or not be seen.
        """
        if not self._keys:
            kept = self._own[0] if self._own else None
            made = await self._api.order_anew(http, address, keep=kept)
            if made is not None:
                self._own = (made[0], _key(made[1]))
            return LinkState("connected")
        if self._expects_webhook:
            await self._api.revive(http, address)
            return LinkState("connected")
        return LinkState("connected", "Webhooks made in the Quo app cannot be seen from here.")

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        """Pages of the calls that began from `since` to before `until` (UTC) and are over.

        Raises:
            PhoneSystemError: the history could not be read to its end.
        """
        async for page in self._api.calls(http, since, until):
            yield [_call_message(body) for body in page]

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """Fetch a recording or voicemail. Our key goes to the vendor's API only; files elsewhere need none.

        Raises:
            PhoneSystemError: it cannot be had.
        """
        return await self._api.recording(http, url)


def _key(secret: str) -> bytes:
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None
    if not key:
        raise ValueError("empty")
    return key


def _legacy_proof(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _event_id(body: bytes) -> str:
    """The older generation has no id of a delivery; its events have."""
    try:
        found = Fields.read(body, "The message").id("id")
    except Unreadable:  # genuine, so it is kept; that nobody can read it is found out later
        found = None
    return found or fingerprint(body)


def _call_message(body: Fields) -> RawMessage:
    return history_record(body.encoded(), body.inner("resource").id("id"), datetime.now(UTC))
