"""Ordering Aircall's deliveries: one webhook for our address, revived where Aircall switched it off."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from trunkline.phone_systems.aircall.calls import CallTold
from trunkline.phone_systems.aircall.content import EVENTS as CONTENT
from trunkline.phone_systems.base import LinkState
from trunkline.phone_systems.errors import GivenUp
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.vendor_api import VendorApi

EVENTS = tuple(sorted({*CallTold.KINDS, *CONTENT}))
# Fewer words for accounts that lack what Aircall sells extra: an event it does not know makes it refuse the whole.
CALL_EVENTS = tuple(sorted(CallTold.KINDS))
MOST_PAGES = 10  # an account has at most 100 webhooks
PER_PAGE = 50


class Subscription:
    """The webhooks of one account that lead to us; `tokens` are theirs, once seen."""

    def __init__(self, api: VendorApi) -> None:
        self._api = api
        self.tokens: tuple[str, ...] = ()

    async def see_to(self, http: httpx.AsyncClient, address: str) -> LinkState:
        """Look what there is, mend what is missing, off or incomplete, and learn the tokens.

        Raises:
            PhoneSystemError: it could not be done, or not be seen.
        """
        ours = [hook async for hook in self._all(http) if hook.text("url") == address]
        if not ours:
            made = await self._save(http, "POST", "/webhooks", {"custom_name": "Trunkline", "url": address})
            self.tokens = (await self._token(http, made),)
            return LinkState("connected", "Deliveries were ordered anew.")
        self.tokens = tuple([await self._token(http, hook) for hook in ours])
        ordered: set[str] = {event for hook in ours if hook.flag("active") for event in hook.texts("events")}
        if set(CALL_EVENTS) <= ordered:
            return LinkState("connected")
        wanted = {"url": address, "active": True}
        await self._save(http, "PUT", f"/webhooks/{_id(ours[0])}", wanted, extra=ours[0].texts("events"))
        return LinkState("connected", "Deliveries had been switched off or were incomplete; they are ordered anew.")

    async def _save(
        self, http: httpx.AsyncClient, method: str, path: str, wanted: Mapping[str, Any], *, extra: Iterable[str] = ()
    ) -> Fields:
        """Events are always named: without them Aircall delivers everything, messages of customers included."""
        try:
            answer = await self._api.json(http, method, path, json={**wanted, "events": sorted({*EVENTS, *extra})})
        except GivenUp:
            answer = await self._api.json(http, method, path, json={**wanted, "events": sorted({*CALL_EVENTS, *extra})})
        return Fields(answer).inner("webhook")

    async def _token(self, http: httpx.AsyncClient, hook: Fields) -> str:
        token = hook.text("token")
        if token is None:
            answer = await self._api.json(http, "GET", f"/webhooks/{_id(hook)}")
            token = Fields(answer).inner("webhook").text("token")
        if token is None:
            raise GivenUp("Aircall does not tell the token of its webhook.")
        return token

    async def _all(self, http: httpx.AsyncClient) -> AsyncIterator[Fields]:
        for page in range(1, MOST_PAGES + 1):
            asked = {"page": page, "per_page": PER_PAGE}
            answer = Fields(await self._api.json(http, "GET", "/webhooks", params=asked))
            for hook in answer.each("webhooks"):
                yield hook
            if not answer.inner("meta").text("next_page_link"):
                return


def _id(hook: Fields) -> str:
    """Its id as part of an address.

    Raises:
        GivenUp: it has none.
    """
    text = hook.text("webhook_id", "id")
    if text is None:
        raise GivenUp("Aircall lists a webhook without an id.")
    return quote(text, safe="")
