"""The adapter for CallRail: proofs, and what else an account there can do."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Self
from urllib.parse import urlsplit

import httpx
import msgspec

from trunkline.phone_systems.base import (
    Capability,
    LinkState,
    Originated,
    Parsed,
    RawMessage,
    Recording,
    history_record,
)
from trunkline.phone_systems.callrail.api import CallRailApi
from trunkline.phone_systems.callrail.told import Teller
from trunkline.phone_systems.callrail.webhooks import Webhooks
from trunkline.phone_systems.delivery import Answer, Delivery, Refused, any_holds, fingerprint
from trunkline.phone_systems.errors import NeedsFixing
from trunkline.phone_systems.options import read_options

API_BASE = "https://api.callrail.com/v3"


class CallRailOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`secrets` are signing tokens of companies in CallRail, any of which proves a delivery.

    With `company_id` only that company's calls are read back, and its webhooks seen to. For click to call,
    `tracking_number` (E.164) is shown and `agents` says which extension a phone (E.164) rings.
    """

    secrets: list[str]
    account_id: str
    api_token: str
    company_id: str | None = None
    tracking_number: str | None = None
    agents: dict[str, str] = {}
    api_base: str = API_BASE

    def __repr__(self) -> str:
        return f"CallRailOptions({self.account_id}, {len(self.secrets)} secrets)"


class CallRailAdapter:
    """One account at CallRail."""

    system: ClassVar[str] = "callrail"
    capabilities: ClassVar[Capability] = (
        Capability.WEBHOOK | Capability.SUBSCRIPTION | Capability.HISTORY | Capability.ORIGINATE | Capability.RECORDINGS
    )
    acknowledgement: ClassVar[Answer] = Answer(200)
    check_every_s: ClassVar[float] = 600.0  # a few of the thousand requests that an hour has
    settles_s: ClassVar[float] = 20 * 60.0  # so long CallRail waits for the recording and the transcript

    def __init__(self, account: str, options: CallRailOptions) -> None:
        self.account = account
        if not options.secrets or not all(options.secrets):
            raise ValueError(f"Phone system {account}: give at least one of secrets, the company's signing token.")
        parts = urlsplit(options.api_base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"Phone system {account}: api_base is https://... .")
        self._secrets = [secret.encode() for secret in options.secrets]
        self._tracking_number = options.tracking_number
        self._agents = options.agents
        self._teller = Teller(self.system, account)
        self._api = CallRailApi(options.account_id, options.company_id, options.api_token, options.api_base)
        self._webhooks = Webhooks(self._api, options.company_id)

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(CallRailOptions, account, options))

    def verify(self, delivery: Delivery) -> RawMessage:
        """Prove who sent `delivery`. The only time in it is that of the call's begin, so its age proves nothing;
        what comes twice is known by its content.

        Raises:
            Refused: it is not signed, or with another token.
        """
        signature = delivery.header("signature")
        if not any_holds(signature, (_signature(secret, delivery.body) for secret in self._secrets)):
            raise Refused("The signature does not match any secret of this account.")
        known_as = fingerprint(delivery.kind, delivery.body)
        return RawMessage(delivery.body, delivery.received_at, known_as, delivery.kind)

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one delivery, or in one row of the history.

        Raises:
            Unreadable: it is malformed.
        """
        return list(self._teller.events(message))

    async def supervise(self, http: httpx.AsyncClient, address: str) -> LinkState:
        """See that CallRail calls `address`, with a last part for each kind of event, and enter what is missing.

        Raises:
            PhoneSystemError: calls do not reach us, or it could not be seen.
        """
        return await self._webhooks.see_to(http, address)

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        """Pages of calls that began from `since` to before `until`. A call without a length is not over yet.

        Raises:
            PhoneSystemError: the history could not be read to its end.
        """
        async for page in self._api.calls(http, since, until):
            yield [
                history_record(row.encoded(), row.id("id"), datetime.now(UTC))
                for row in page
                if (began := row.time("start_time")) and since <= began < until and row.seconds("duration") is not None
            ]

    async def originate(
        self, http: httpx.AsyncClient, agent: str, number: str, *, caller_id: str | None = None
    ) -> Originated:
        """Ring `agent` - an extension of the option `agents`, or a number (E.164) - then call `number` (E.164).

        Raises:
            PhoneSystemError: nothing was made, or nobody knows.
        """
        phone = next((phone for phone, rings in self._agents.items() if rings == agent), None)
        if phone is None and not agent.startswith("+"):
            raise NeedsFixing(f"CallRail has no phone for {agent}: name it in the option agents.")
        shown = caller_id or self._tracking_number
        if shown is None:
            raise NeedsFixing("CallRail needs a number to show: name one of its own in the option tracking_number.")
        asked = {"caller_id": shown, "business_phone_number": phone or agent, "customer_phone_number": number}
        return Originated(await self._api.make_call(http, asked))

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """Fetch a recording.

        Raises:
            PhoneSystemError: it cannot be had.
        """
        return await self._api.recording(http, url)


def _signature(secret: bytes, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret, body, hashlib.sha1).digest()).decode()
