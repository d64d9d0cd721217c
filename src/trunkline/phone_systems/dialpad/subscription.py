"""Ordering Dialpad's deliveries: a webhook, and a subscription to states of calls that uses it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from trunkline.phone_systems.base import LinkState
from trunkline.phone_systems.errors import GivenUp
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.vendor_api import VendorApi

STATES = (
    "blocked",
    "calling",
    "connected",
    "dispositions",
    "hangup",
    "hold",
    "missed",
    "parked",
    "preanswer",
    "queued",
    "recap_action_items",
    "recap_summary",
    "recording",
    "ringing",
    "transcription",
    "voicemail",
    "voicemail_uploaded",
)
MOST_PAGES = 100


class Subscription:
    """What is ordered, for all calls of the company or for one target."""

    def __init__(self, api: VendorApi, secret: str, target_type: str | None, target_id: int | None) -> None:
        self._api = api
        self._secret = secret
        self._target = {} if target_type is None else {"target_type": target_type, "target_id": target_id}

    async def see_to(self, http: httpx.AsyncClient, address: str) -> LinkState:
        """Look what there is, and mend what is missing, off or incomplete.

        Raises:
            PhoneSystemError: it could not be done, or not be seen.
        """
        webhook_id, made = await self._webhook(http, address)
        changed = await self._subscription(http, webhook_id)
        return LinkState("connected", "Deliveries were ordered anew." if made or changed else None)

    async def _webhook(self, http: httpx.AsyncClient, address: str) -> tuple[str, bool]:
        async for hook in self._all(http, "/webhooks"):
            hook_id = hook.text("id")
            if hook.text("hook_url") != address or hook_id is None:
                continue
            if hook.inner("signature").held.get("secret") == self._secret:
                return hook_id, False
            await self._api.ask(http, "PATCH", f"/webhooks/{hook_id}", json={"secret": self._secret})
            return hook_id, True
        wanted = {"hook_url": address, "secret": self._secret}
        made = Fields(await self._api.json(http, "POST", "/webhooks", json=wanted)).text("id")
        if made is None:
            raise GivenUp("Dialpad made a webhook without an id.")
        return made, True

    async def _subscription(self, http: httpx.AsyncClient, webhook_id: str) -> bool:
        async for order in self._all(http, "/subscriptions/call", self._target):
            order_id = order.text("id")
            if order.inner("webhook").text("id") != webhook_id or order_id is None:
                continue
            if self._is_complete(order):
                return False
            states = sorted({*STATES, *order.texts("call_states")})
            wanted = {
                "enabled": True,
                "call_states": states,
                "group_calls_only": False,
                "endpoint_id": _whole(webhook_id),
            }
            await self._api.ask(http, "PATCH", f"/subscriptions/call/{order_id}", json=wanted)
            return True
        wanted = {
            "endpoint_id": _whole(webhook_id),
            "enabled": True,
            "call_states": list(STATES),
            "group_calls_only": False,
            **self._target,
        }
        await self._api.ask(http, "POST", "/subscriptions/call", json=wanted)
        return True

    @staticmethod
    def _is_complete(order: Fields) -> bool:
        states = set(order.texts("call_states"))
        is_whole = "all" in states or set(STATES) <= states
        return bool(order.flag("enabled")) and is_whole and not order.flag("group_calls_only")

    async def _all(
        self, http: httpx.AsyncClient, path: str, wanted: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Fields]:
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            asked = {**(wanted or {}), **({"cursor": cursor} if cursor else {})}
            page = Fields(await self._api.json(http, "GET", path, params=asked))
            for item in page.each("items"):
                yield item
            cursor = page.text("cursor")
            if not cursor:
                return


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text
