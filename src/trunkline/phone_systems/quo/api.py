"""Quo's REST API: webhooks, calls, recordings.

Two generations live side by side: paths without a version, with the version in a header, and those under `/v1`.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aiolimiter import AsyncLimiter

from trunkline.phone_systems.base import Recording
from trunkline.phone_systems.errors import GivenUp, NeedsFixing
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.media_fetch import fetch_media
from trunkline.phone_systems.quo.reading import EVENTS, is_over
from trunkline.phone_systems.vendor_api import FixedCredentials, VendorApi

NAME = "Quo"
VERSION = {"Quo-Api-Version": "2026-03-30"}
PAGE = 50
PAGE_V1 = 100
EACH_S = 0.1  # ten requests a second are allowed for each key
LABEL = "Trunkline"


class QuoApi:
    """One workspace."""

    def __init__(self, api_token: str, api_base: str) -> None:
        self._key = api_token
        self._api_address = httpx.URL(api_base)
        self._api = VendorApi(NAME, api_base, FixedCredentials(authorization=api_token), AsyncLimiter(1, EACH_S))

    # Webhooks ---------------------------------------------------------------------------------------------------

    async def order_anew(self, http: httpx.AsyncClient, address: str, *, keep: str | None) -> tuple[str, str] | None:
        """Id and key of a new webhook to `address` in place of all that lead there; `None` where `keep` still works.

        Raises:
            PhoneSystemError: it could not be done, or nobody knows.
        """
        found = await self._webhooks(http, address)
        if any(hook.id("id") == keep and _works(hook) for hook in found):
            return None
        for hook in found:
            await self._api.ask(http, "DELETE", f"/webhooks/{hook.id('id')}", headers=VERSION)
        order = {
            "url": address,
            "events": list(EVENTS),
            "resourceIds": ["*"],
            "status": "enabled",
            "label": LABEL,
        }
        answer = Fields(await self._api.json(http, "POST", "/webhooks", headers=VERSION, json=order))
        made = answer.inner("data") or answer
        hook_id, key = made.id("id"), made.text("key")
        if hook_id is None or key is None:
            raise GivenUp("Quo made a webhook and did not tell its key.")
        return hook_id, key

    async def revive(self, http: httpx.AsyncClient, address: str) -> None:
        """Switch on the webhook to `address`, with all events that matter.

        Raises:
            PhoneSystemError: there is none, or it could not be done.
        """
        found = await self._webhooks(http, address)
        if not found:
            raise NeedsFixing("Quo has no webhook to this address: make one and put its key into secrets.")
        for hook in found:
            if not _works(hook):
                events = list(dict.fromkeys([*hook.texts("events"), *EVENTS]))
                change = {"status": "enabled", "events": events}
                await self._api.ask(http, "PATCH", f"/webhooks/{hook.id('id')}", headers=VERSION, json=change)

    async def _webhooks(self, http: httpx.AsyncClient, address: str) -> list[Fields]:
        return [
            hook
            async for page in self._pages(http, "/webhooks", [("limit", str(PAGE))], headers=VERSION)
            for hook in page
            if hook.text("url") == address and hook.id("id")
        ]

    # Calls ------------------------------------------------------------------------------------------------------

    async def calls(self, http: httpx.AsyncClient, since: datetime, until: datetime) -> AsyncIterator[list[Fields]]:
        """Pages of calls that began from `since` to before `until`, each as a `resource` with its `context`.

        The list of all calls of a workspace is new; where it is refused, they are looked for by conversation.

        Raises:
            PhoneSystemError: they could not be read to their end.
        """
        begun = False
        try:
            async for page in self._all_calls(http, since, until):
                begun = True
                yield page
        except GivenUp:
            if begun:
                raise
        else:
            return
        async for page in self._calls_by_conversation(http, since, until):
            yield page

    async def _all_calls(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[Fields]]:
        asked = [
            ("createdAt[gte]", _stamp(since)),
            ("createdAt[lte]", _stamp(until)),
            ("include", "summary,voicemail"),
            ("limit", str(PAGE)),
        ]
        async for page in self._pages(http, "/calls", asked, headers=VERSION):
            yield [_with_context(call) for call in page if _is_wanted(call, since, until)]

    async def _calls_by_conversation(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[Fields]]:
        """The older list of calls wants one of our numbers and one outside number: each pair is asked once."""
        numbers = Fields(await self._api.json(http, "GET", "/v1/phone-numbers")).each("data")
        ours = {number.id("id"): number.text("number", "phoneNumber") for number in numbers}
        # A conversation moves on after its call, so there is no upper bound.
        spoken = [("updatedAfter", _stamp(since)), ("maxResults", str(PAGE_V1))]
        seen: set[tuple[str, str]] = set()
        async for conversations in self._pages(http, "/v1/conversations", spoken):
            for conversation in conversations:
                number_id = conversation.id("phoneNumberId")
                for outside in conversation.texts("participants") if number_id else []:
                    if number_id is None or (number_id, outside) in seen:
                        continue
                    seen.add((number_id, outside))
                    asked = [
                        ("phoneNumberId", number_id),
                        ("participants", outside),
                        ("createdAfter", _stamp(since - timedelta(seconds=1))),
                        ("createdBefore", _stamp(until)),
                        ("maxResults", str(PAGE_V1)),
                    ]
                    async for page in self._pages(http, "/v1/calls", asked):
                        wanted = [call for call in page if _is_wanted(call, since, until)]
                        yield [_with_context(call, outside, ours.get(number_id)) for call in wanted]

    async def _pages(
        self, http: httpx.AsyncClient, path: str, asked: list[tuple[str, str]], **request: Any
    ) -> AsyncIterator[list[Fields]]:
        """Lists under `data`, page by page; each generation has its own words for the next."""
        tokens: set[str] = set()
        more: list[tuple[str, str]] = []
        while True:
            page = Fields(await self._api.json(http, "GET", path, params=[*asked, *more], **request))
            yield page.each("data")
            cursor, token = page.text("nextCursor"), page.text("nextPageToken")
            if cursor is None and token is None:
                return
            more = [("after", cursor)] if cursor else [("pageToken", token or "")]
            if more[0][1] in tokens:
                raise GivenUp("A list of Quo's leads back to a page that was read already.")
            tokens.add(more[0][1])

    # Recordings -------------------------------------------------------------------------------------------------

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """What an address of a recording leads to.

        Raises:
            PhoneSystemError: it cannot be had.
        """
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL:
            raise GivenUp("The address of the recording is none.") from None
        if (address.scheme, address.netloc) == (self._api_address.scheme, self._api_address.netloc):
            return await fetch_media(NAME, http, url, {"authorization": self._key})
        if address.scheme != "https":
            raise GivenUp("The address of the recording does not begin with https.")
        return await fetch_media(NAME, http, url)


def _works(hook: Fields) -> bool:
    return (hook.text("status") or "enabled") == "enabled" and set(hook.texts("events")) >= set(EVENTS)


def _is_wanted(call: Fields, since: datetime, until: datetime) -> bool:
    began_at = call.time("createdAt")
    return began_at is not None and since <= began_at < until and is_over(call)


def _with_context(call: Fields, outside: str | None = None, ours: str | None = None) -> Fields:
    sides = {"external": [outside] if outside else [], "workspace": [ours] if ours else []}
    return Fields({"resource": call.held, "context": {"participants": sides}})


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
