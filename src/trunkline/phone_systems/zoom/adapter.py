"""The adapter for Zoom Phone.

Source of the field names: Zoom's own SDK types and its pages on webhooks; what those leave open is tolerated.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Self

import httpx
import msgspec

from trunkline.domain.events import CallEvent, EventKind
from trunkline.phone_systems.base import (
    HISTORY_KIND,
    Capability,
    Parsed,
    RawMessage,
    Recording,
    Unreadable,
    history_record,
)
from trunkline.phone_systems.delivery import Answer, Delivery, Refused, any_holds, fingerprint
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.options import read_options
from trunkline.phone_systems.zoom import live, rows, transcripts
from trunkline.phone_systems.zoom.api import ZoomApi
from trunkline.phone_systems.zoom.transcripts import Transcripts

HANDSHAKE = "endpoint.url_validation"


class ZoomOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`secrets` are secret tokens of the app's event subscription; several are accepted while one replaces another.

    `account_id`, `client_id` and `client_secret` are those of the same server-to-server app.
    """

    secrets: list[str]
    account_id: str
    client_id: str
    client_secret: str
    api_base: str = "https://api.zoom.us/v2"
    login_base: str = "https://zoom.us"

    def __repr__(self) -> str:
        return f"ZoomOptions({len(self.secrets)} secrets, account {self.account_id})"


class ZoomAdapter:
    """One Zoom account's phones."""

    system: ClassVar[str] = "zoom"
    capabilities: ClassVar[Capability] = Capability.WEBHOOK | Capability.HISTORY | Capability.RECORDINGS
    acknowledgement: ClassVar[Answer] = Answer(204)
    settles_s: ClassVar[float] = 600.0

    def __init__(self, account: str, options: ZoomOptions) -> None:
        self.account = account
        if not options.secrets or not all(options.secrets):
            raise ValueError(f"Phone system {account}: give at least one secret token in secrets.")
        self._secrets = [secret.encode() for secret in options.secrets]
        self._api = ZoomApi(
            options.account_id, options.client_id, options.client_secret, options.api_base, options.login_base
        )
        self._transcripts = Transcripts(self._api)

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(ZoomOptions, account, options))

    def verify(self, delivery: Delivery) -> RawMessage | Answer:
        """Prove who sent `delivery`. The handshake is signed too, and comes again every 72 hours.

        Raises:
            Refused: it is too old, not signed, or signed with another secret.
        """
        stamp, given = delivery.header("x-zm-request-timestamp"), delivery.header("x-zm-signature")
        delivery.check_age(stamp)
        signed = b"v0:" + stamp.encode() + b":" + delivery.body
        secret = next((one for one in self._secrets if any_holds(given, ["v0=" + _digest(one, signed)])), None)
        if secret is None:
            raise Refused("The signature does not match any secret of this account.")
        try:
            body = Fields.read(delivery.body, "The message")
        except Unreadable:  # genuine, so it is kept; that nobody can read it is found out later
            return RawMessage(delivery.body, delivery.received_at, delivery_id=fingerprint(delivery.body))
        if body.text("event") == HANDSHAKE:
            return _shake_hands(body, secret)
        return RawMessage(delivery.body, delivery.received_at, delivery_id=_delivery_id(body, delivery.body))

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one delivery, one row of the history or one transcript.

        Raises:
            Unreadable: it is no JSON object, or does not say which call it is about.
        """
        if message.kind == HISTORY_KIND:
            row, told = (
                Fields.read(message.body, "The row of Zoom's history"),
                self._told(message.received_at, HISTORY_KIND),
            )
            if (transcript := row.text("transcript")) is not None:
                return [*transcripts.events(told, row.inner("recording"), transcript)]
            return [*rows.record(told, row)]
        body = Fields.read(message.body, "Zoom's message")
        event = body.text("event") or ""
        told = self._told(body.epoch("event_ts", per_s=1000) or message.received_at, event)
        return [*live.events(told, event, body.inner("payload").inner("object"))]

    def _told(self, at: datetime, vendor_kind: str) -> CallEvent:
        return CallEvent(self.system, self.account, "", EventKind.UNKNOWN, at, vendor_kind=vendor_kind)

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        """Pages of rows of the call history of the calls that began from `since` to before `until` (UTC), then what is
        new of the transcripts of their recordings.

        Raises:
            PhoneSystemError: the history could not be read to its end.
        """
        async for page in self._api.call_history(http, since, until):
            yield [_row_message(row) for row in page]
        async for transcript in self._transcripts.fetched(http, since, until):
            yield [transcript]

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """Fetch a recording or voicemail. Our token goes to Zoom's own hosts only.

        Raises:
            PhoneSystemError: it cannot be had.
        """
        return await self._api.recording(http, url)


def _digest(secret: bytes, message: bytes) -> str:
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def _shake_hands(body: Fields, secret: bytes) -> Answer:
    token = body.inner("payload").text("plainToken")
    if token is None:
        raise Refused("The handshake holds no plainToken.", status=400)
    shown = {"plainToken": token, "encryptedToken": _digest(secret, token.encode())}
    return Answer(200, msgspec.json.encode(shown), "application/json")


def _delivery_id(body: Fields, whole: bytes) -> str:
    """Zoom gives none: what happened, to which call and whose phone, and when. Without the time, the whole message."""
    at = body.text("event_ts")
    if at is None:
        return fingerprint(whole)
    thing = body.inner("payload").inner("object")
    listed = thing.each("recordings", "call_logs", "call_history", "call_elements")
    ids = [row.text(name) for row in [thing, *listed] for name in ("id", "call_element_id", "call_id", "user_id")]
    sides = [thing.inner(side).text("extension_id", "user_id", "phone_number") for side in ("caller", "callee")]
    return fingerprint(body.text("event"), at, *ids, *sides)


def _row_message(row: Fields) -> RawMessage:
    return history_record(row.encoded(), row.id("call_history_uuid", "id", "call_id"), datetime.now(UTC))
